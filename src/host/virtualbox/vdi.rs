//! Empty dynamic VDI files, byte for byte as `createmedium` makes them (measured; compared with it by a test of the laboratory).

use std::io::{self, SeekFrom, Write};

use uuid::Uuid;

use crate::model::Bytes;

/// Bytes of one block of the guest's disk.
const BLOCK: u64 = 1 << 20;
/// Where the block map begins.
const MAP: u64 = 1 << 20;
/// The capacity that VirtualBox gives a disk at most: its block map has an entry of 4 bytes for each block.
const MOST_BLOCKS: u64 = u32::MAX as u64 / 4;

/// A file that can be written.
pub trait Place: Write + io::Seek {
    /// Makes it that long.
    fn set_len(&mut self, length: u64) -> io::Result<()>;
}

impl Place for std::fs::File {
    fn set_len(&mut self, length: u64) -> io::Result<()> {
        Self::set_len(self, length)
    }
}

/// Whether nothing was ever written to the disk in a VDI file: none of its blocks is allocated.
pub fn is_unused(path: &std::path::Path) -> io::Result<bool> {
    use std::io::{Read as _, Seek as _};
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::Start(0x184))?;
    let mut allocated = [0; 4];
    file.read_exact(&mut allocated)?;
    Ok(allocated == [0; 4])
}

/// Whether a disk of that capacity can be written here.
pub fn holds(size: Bytes) -> bool {
    size.0 > 0 && size.0.is_multiple_of(512) && size.0.div_ceil(BLOCK) <= MOST_BLOCKS
}

/// Writes an empty dynamic disk of `size` bytes.
pub fn write(file: &mut impl Place, disk: Uuid, modification: Uuid, size: Bytes) -> io::Result<()> {
    let blocks = u32::try_from(size.0.div_ceil(BLOCK)).map_err(|_| io::ErrorKind::InvalidInput)?;
    let map = u64::from(blocks) * 4;
    let data = (MAP + map).next_multiple_of(BLOCK);
    let data_offset = u32::try_from(data).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut header = [0; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"<<< Oracle VirtualBox Disk Image >>>\n");
    put(0x40, &0xbeda_107f_u32.to_le_bytes());
    put(0x44, &0x0001_0001_u32.to_le_bytes());
    // Size of the header behind these, and the type: dynamic.
    put(0x48, &400_u32.to_le_bytes());
    put(0x4c, &1_u32.to_le_bytes());
    put(0x154, &(1_u32 << 20).to_le_bytes());
    put(0x158, &data_offset.to_le_bytes());
    // The size of a sector stands in both geometries, whose other fields are 0: unknown.
    put(0x168, &512_u32.to_le_bytes());
    put(0x170, &size.0.to_le_bytes());
    put(0x178, &(1_u32 << 20).to_le_bytes());
    put(0x180, &blocks.to_le_bytes());
    put(0x188, &disk.to_bytes_le());
    put(0x198, &modification.to_bytes_le());
    put(0x1d4, &512_u32.to_le_bytes());
    file.write_all(&header)?;
    file.seek(SeekFrom::Start(MAP))?;
    let unused = [0xff; 1 << 12];
    let mut left = usize::try_from(map).map_err(|_| io::ErrorKind::InvalidInput)?;
    while left > 0 {
        let some = left.min(unused.len());
        file.write_all(&unused[..some])?;
        left -= some;
    }
    file.set_len(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::virtualbox::headers;
    use crate::inventory::{MediumHealth, MediumKind};

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Uuid::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef);
        for size in [512, 1 << 20, (1 << 20) + 512, 10 << 30, 3 << 40] {
            let path = folder.path().join(format!("{size}.vdi"));
            let mut file = std::fs::File::create(&path).unwrap();
            write(&mut file, disk, Uuid::nil(), Bytes(size)).unwrap();
            let header = headers::read(&path, "vdi", MediumKind::Disk, disk);
            assert_eq!(header.health, MediumHealth::Good);
            assert!(is_unused(&path).unwrap());
            assert_eq!((header.size, header.variant.as_deref()), (Some(Bytes(size)), Some("dynamic")));
        }
        assert!(holds(Bytes(10 << 30)));
        assert!(!holds(Bytes(0)) && !holds(Bytes(100)));
    }
}
