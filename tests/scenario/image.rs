//! Images for drives.

/// The least that VirtualBox takes for a DVD image.
pub fn iso() -> Vec<u8> {
    let mut image = vec![0; 32 * 2048];
    image[16 * 2048..][..7].copy_from_slice(b"\x01CD001\x01");
    image
}
