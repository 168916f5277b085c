//! UEFI secure boot, which stands in the firmware's variable store and not in the settings file (`vbox-settings` 3.2).
//!
//! The store is an EFI firmware volume with authenticated variables; once a machine has run with a TPM, the file is a tar
//! archive that holds it as `efi/nvram`. Variables are appended, and a flag of the old one is cleared: the last live one counts.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// VirtualBox's stores have half a mebibyte.
const LARGEST: u64 = 4 << 20;
const BLOCK: usize = 512;

/// Whether secure boot is on. Without a store it is off: there is nowhere to switch it on.
pub fn secure_boot(path: &Path) -> Result<bool, String> {
    match read_store(path) {
        Ok(store) => parse(&store),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

/// The variable store, from its beginning to the last variable.
fn read_store(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut start = [0; BLOCK];
    file.read_exact(&mut start)?;
    let length = if start.get(257..262) == Some(b"ustar") {
        find_in_archive(&mut file)?.ok_or(io::ErrorKind::NotFound)?
    } else {
        file.rewind()?;
        LARGEST
    };
    // Most of a store is empty space behind the variables.
    let mut store = Vec::new();
    let mut rest = file.take(length.min(LARGEST));
    loop {
        let before = store.len();
        rest.by_ref().take(16 << 10).read_to_end(&mut store)?;
        let fresh = &store[before..];
        if fresh.is_empty() || fresh.iter().all(|byte| *byte == 0xff) {
            return Ok(store);
        }
    }
}

/// Moves to the content of `efi/nvram` and tells its length.
fn find_in_archive(file: &mut File) -> io::Result<Option<u64>> {
    let mut position = 0;
    loop {
        let mut header = [0; BLOCK];
        file.seek(SeekFrom::Start(position))?;
        if file.read_exact(&mut header).is_err() || header[0] == 0 {
            return Ok(None);
        }
        let text = |range: std::ops::Range<usize>| {
            let field = String::from_utf8_lossy(&header[range]);
            field.trim_end_matches(['\0', ' ']).trim_start_matches(' ').to_owned()
        };
        let length = u64::from_str_radix(&text(124..136), 8).map_err(|_| io::ErrorKind::InvalidData)?;
        let content = position + BLOCK as u64;
        if text(0..100).trim_start_matches("./") == "efi/nvram" {
            file.seek(SeekFrom::Start(content))?;
            return Ok(Some(length));
        }
        position = length
            .div_ceil(BLOCK as u64)
            .checked_mul(BLOCK as u64)
            .and_then(|l| l.checked_add(content))
            .ok_or(io::ErrorKind::InvalidData)?;
    }
}

/// Header of a variable in a store of authenticated variables.
const VARIABLE_HEADER: usize = 60;
const STORE_HEADER: usize = 28;

fn parse(store: &[u8]) -> Result<bool, String> {
    let number = |at: usize, bytes: usize| -> Option<usize> {
        let bytes = store.get(at..at.checked_add(bytes)?)?;
        bytes
            .iter()
            .rev()
            .try_fold(0_usize, |value, byte| value.checked_mul(256)?.checked_add(usize::from(*byte)))
    };
    if store.get(40..44) != Some(b"_FVH") {
        return Err("its variable store is none that vboxmcp knows".to_owned());
    }
    let wanted: Vec<u8> = "SecureBootEnable\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut at = number(48, 2).unwrap_or_default() + STORE_HEADER;
    let mut enabled = false;
    while number(at, 2) == Some(0x55aa) {
        let state = store.get(at + 2).copied().unwrap_or_default();
        let (Some(name_size), Some(data_size)) = (number(at + 36, 4), number(at + 40, 4)) else { break };
        let name = at + VARIABLE_HEADER;
        let Some(data) = name.checked_add(name_size) else { break };
        let Some(end) = data.checked_add(data_size) else { break };
        // Bits of the state are cleared as a variable is written, replaced and deleted.
        if state == 0x3f && store.get(name..data) == Some(wanted.as_slice()) {
            enabled = store.get(data) == Some(&1);
        }
        at = end.next_multiple_of(4);
    }
    Ok(enabled)
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn store(variables: &[(u8, &str, u8)]) -> Vec<u8> {
        let mut store = vec![0; 72 + super::STORE_HEADER];
        store[40..44].copy_from_slice(b"_FVH");
        store[48] = 72;
        for (state, name, value) in variables {
            let name: Vec<u8> = format!("{name}\0").encode_utf16().flat_map(u16::to_le_bytes).collect();
            let mut header = [0; super::VARIABLE_HEADER];
            header[..2].copy_from_slice(&0x55aa_u16.to_le_bytes());
            header[2] = *state;
            header[36] = u8::try_from(name.len()).unwrap();
            header[40] = 1;
            store.extend(header);
            store.extend(name);
            store.push(*value);
            store.resize(store.len().next_multiple_of(4), 0xff);
        }
        store.extend([0xff; 64]);
        store
    }

    #[test]
    fn the_live_variable_counts() {
        assert_eq!(parse(&store(&[])), Ok(false));
        assert_eq!(parse(&store(&[(0x3f, "PK", 1), (0x3f, "SecureBootEnable", 1)])), Ok(true));
        assert_eq!(parse(&store(&[(0x3c, "SecureBootEnable", 1), (0x3f, "SecureBootEnable", 0)])), Ok(false));
        assert!(parse(&[0; 600]).is_err());
    }

    #[test]
    fn nonsense_is_survived() {
        let mut cut = store(&[(0x3f, "SecureBootEnable", 1)]);
        for length in (0..cut.len()).rev() {
            cut.truncate(length);
            let _ = parse(&cut);
        }
        let mut wild = store(&[(0x3f, "SecureBootEnable", 1)]);
        let at = 72 + super::STORE_HEADER;
        wild[at + 36..at + 44].fill(0xff);
        let _ = parse(&wild);
    }
}
