//! What the headers of image files tell: capacity, variant, UUID (`vbox-settings` 3.8).
//!
//! Offsets as found there and checked against `showmediuminfo`; those of QCOW as its specification has them.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::files::Stamp;
use crate::inventory::{Medium, MediumHealth, MediumKind};
use crate::model::Bytes;
use crate::threads;

/// What a file tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Capacity; `None` where the format is not known here.
    pub size: Option<Bytes>,
    /// `dynamic`, `fixed`, `differencing`, `split2g`, ...
    pub variant: Option<String>,
    /// Whether the file is what the registry says.
    pub health: MediumHealth,
    /// The medium that it is a difference to.
    pub parent: Option<Uuid>,
    /// The UUID in the file, where it has one.
    pub uuid: Option<Uuid>,
}

impl Header {
    fn unknown(health: MediumHealth) -> Self {
        Self { size: None, variant: None, health, parent: None, uuid: None }
    }

    fn good(size: u64, variant: Option<&str>) -> Self {
        Self {
            size: Some(Bytes(size)),
            variant: variant.map(str::to_owned),
            health: MediumHealth::Good,
            parent: None,
            uuid: None,
        }
    }

    /// Checks the UUID in the file against the registry's.
    fn with_uuid(mut self, found: Uuid, registered: Uuid) -> Self {
        self.uuid = Some(found).filter(|found| !found.is_nil());
        if !found.is_nil() && found != registered {
            self.health = MediumHealth::Inaccessible(format!(
                "its file holds medium {found}, not the registered {registered}"
            ));
        }
        self
    }
}

/// Headers that were read before, by file. A file that a guest writes to has another stamp each time and is read again.
///
/// Nobody holds the lock while files are looked at: they may lie on a share that does not answer.
#[derive(Debug, Default)]
pub struct Cache(Mutex<Arc<HashMap<PathBuf, Arc<Known>>>>);

#[derive(Debug)]
struct Known {
    stamp: Stamp,
    format: String,
    kind: MediumKind,
    registered: Uuid,
    header: Header,
}

impl Known {
    fn is_of(&self, medium: &Medium, stamp: Option<Stamp>) -> bool {
        Some(self.stamp) == stamp
            && (self.kind, self.registered) == (medium.kind, medium.uuid)
            && self.format == medium.format
    }
}

/// What a look at a file had.
struct Look {
    header: Header,
    /// Of what is to be remembered.
    stamp: Option<Stamp>,
    is_new: bool,
}

impl Cache {
    /// Two writes within one tick of the file system's clock leave the same stamp: a header is remembered only when its file has been
    /// left alone for longer.
    const SETTLED: Duration = Duration::from_secs(1);

    /// Looks at the files of registered media, unless they are what they were.
    pub fn read(&self, media: &[&Medium]) -> Vec<Header> {
        /// Files that are worth a thread: looking at one takes ten microseconds, starting a thread a tenth of a millisecond.
        const WORTH: usize = 32;
        let known = Arc::clone(&self.known());
        let threads = if known.is_empty() { threads::worth(media.len(), WORTH) } else { 1 };
        let looks = threads::map(media, threads, &|medium| look(&known, medium));
        // Else it would be copied for what is new.
        drop(known);
        self.keep(media, &looks);
        looks.into_iter().map(|look| look.header).collect()
    }

    fn known(&self) -> MutexGuard<'_, Arc<HashMap<PathBuf, Arc<Known>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, media: &[&Medium], looks: &[Look]) {
        if looks.iter().all(|look| !look.is_new) {
            return;
        }
        let mut known = self.known();
        let known = Arc::make_mut(&mut known);
        for (medium, look) in media.iter().zip(looks).filter(|(_, look)| look.is_new) {
            match look.stamp {
                Some(stamp) => {
                    let (format, header) = (medium.format.clone(), look.header.clone());
                    let (kind, registered) = (medium.kind, medium.uuid);
                    let new = Known { stamp, format, kind, registered, header };
                    known.insert(medium.location.clone(), Arc::new(new));
                }
                None => drop(known.remove(&medium.location)),
            }
        }
    }
}

fn look(known: &HashMap<PathBuf, Arc<Known>>, medium: &Medium) -> Look {
    let path = &medium.location;
    let metadata = path.metadata();
    let stamp = metadata.as_ref().ok().map(Stamp::of);
    if let Some(known) = known.get(path).filter(|known| known.is_of(medium, stamp)) {
        return Look { header: known.header.clone(), stamp, is_new: false };
    }
    // Before it is read: who writes to it afterwards gives it another stamp.
    let stamp = stamp.filter(|stamp| stamp.is_older_than(Cache::SETTLED));
    let header =
        metadata.and_then(|metadata| of_file(path, &metadata, &medium.format, medium.kind, medium.uuid));
    Look { header: or_why(header, &medium.format), stamp, is_new: true }
}

/// Whether a file says of itself that it is a medium. One that names no UUID fits every medium, and is none of them.
pub fn holds(path: &Path, format: &str, kind: MediumKind, medium: Uuid) -> bool {
    read(path, format, kind, medium).uuid == Some(medium)
}

/// The UUID in a file, by what its header says that it is. VDI and VMDK have one that is read here.
pub fn uuid(path: &Path) -> io::Result<Option<Uuid>> {
    told(path, &["vdi", "vmdk"], |header| header.uuid)
}

/// Looks at the file of a registered medium.
pub fn read(path: &Path, format: &str, kind: MediumKind, registered: Uuid) -> Header {
    or_why(try_read(path, format, kind, registered), format)
}

/// The header, or what is wrong with the file.
fn or_why(read: io::Result<Header>, format: &str) -> Header {
    match read {
        Ok(header) => header,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Header::unknown(MediumHealth::Inaccessible("its file does not exist".to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Header::unknown(MediumHealth::Inaccessible(format!("its file is no {format} image")))
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Header::unknown(MediumHealth::Inaccessible("its file is cut short".to_owned()))
        }
        Err(error) => Header::unknown(MediumHealth::Inaccessible(error.to_string())),
    }
}

/// Capacity of an image, by what its header says that it is; `None` where no format here is it.
pub fn capacity(path: &Path) -> io::Result<Option<Bytes>> {
    told(path, &["vdi", "vmdk", "qcow", "vhd"], |header| header.size)
}

/// What the header of the first format tells that the file is.
fn told<T>(path: &Path, formats: &[&str], of: impl Fn(&Header) -> Option<T>) -> io::Result<Option<T>> {
    for format in formats {
        match try_read(path, format, MediumKind::Disk, Uuid::nil()) {
            Ok(header) => {
                if let Some(found) = of(&header) {
                    return Ok(Some(found));
                }
            }
            Err(error)
                if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn try_read(path: &Path, format: &str, kind: MediumKind, registered: Uuid) -> io::Result<Header> {
    of_file(path, &path.metadata()?, format, kind, registered)
}

fn of_file(
    path: &Path,
    metadata: &Metadata,
    format: &str,
    kind: MediumKind,
    registered: Uuid,
) -> io::Result<Header> {
    if !metadata.is_file() {
        // A device of the host, perhaps. Opening a pipe would wait for ever.
        return Ok(Header::unknown(MediumHealth::Unknown));
    }
    let mut file = File::open(path)?;
    if kind != MediumKind::Disk {
        return Ok(Header::good(metadata.len(), None));
    }
    match format {
        "vdi" => vdi(&mut file, registered),
        "vmdk" => vmdk(&mut file, registered),
        "vhd" => vhd(&mut file, metadata.len()),
        "qcow" => qcow(&mut file),
        "raw" => Ok(Header::good(metadata.len(), Some("fixed"))),
        _ => Ok(Header::unknown(MediumHealth::Unknown)),
    }
}

fn invalid() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

fn u32_le(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_le(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

fn u64_be(bytes: &[u8], at: usize) -> u64 {
    u64_le(bytes, at).swap_bytes()
}

fn uuid_le(bytes: &[u8], at: usize) -> Uuid {
    bytes.get(at..at + 16).and_then(|b| b.try_into().ok()).map_or(Uuid::nil(), Uuid::from_bytes_le)
}

fn vdi(file: &mut File, registered: Uuid) -> io::Result<Header> {
    let mut bytes = [0; 0x1c8];
    file.read_exact(&mut bytes)?;
    if u32_le(&bytes, 0x40) != 0xbeda_107f {
        return Err(invalid());
    }
    if u32_le(&bytes, 0x44) != 0x0001_0001 {
        // Headers of other versions have other offsets.
        return Ok(Header::unknown(MediumHealth::Unknown));
    }
    let variant = match u32_le(&bytes, 0x4c) {
        1 => Some("dynamic"),
        2 => Some("fixed"),
        4 => Some("differencing"),
        _ => None,
    };
    let mut header =
        Header::good(u64_le(&bytes, 0x170), variant).with_uuid(uuid_le(&bytes, 0x188), registered);
    let parent = uuid_le(&bytes, 0x1a8);
    header.parent = (variant == Some("differencing") && !parent.is_nil()).then_some(parent);
    Ok(header)
}

/// A VMDK is a sparse extent that holds its own descriptor, or a descriptor that names extents.
fn vmdk(file: &mut File, registered: Uuid) -> io::Result<Header> {
    /// A descriptor is at most this long; VirtualBox itself writes 20 sectors.
    const LONGEST: u64 = 64 << 10;
    let mut start = [0; 64];
    let read = read_up_to(file, &mut start)?;
    let (descriptor, capacity) = if start.starts_with(b"KDMV") && read == start.len() {
        let (sector, sectors) = (u64_le(&start, 28), u64_le(&start, 36));
        file.seek(SeekFrom::Start(sector.checked_mul(512).ok_or_else(invalid)?))?;
        let mut text = Vec::new();
        file.take(sectors.saturating_mul(512).min(LONGEST)).read_to_end(&mut text)?;
        (text, u64_le(&start, 12).checked_mul(512))
    } else if start.starts_with(b"# Disk DescriptorFile") {
        file.rewind()?;
        let mut text = Vec::new();
        file.take(LONGEST).read_to_end(&mut text)?;
        (text, None)
    } else {
        return Err(invalid());
    };
    let text = String::from_utf8_lossy(&descriptor);
    let text = text.trim_end_matches('\0');
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(key))?;
        Some(line.trim_start().strip_prefix('=')?.trim().trim_matches('"').to_owned())
    };
    let uuid = |key: &str| value(key).and_then(|text| Uuid::try_parse(&text).ok()).unwrap_or_default();
    let size = capacity.filter(|size| *size > 0).or_else(|| extents(text)).ok_or_else(invalid)?;
    let parent = uuid("ddb.uuid.parent");
    let variant = match value("createType").as_deref() {
        _ if !parent.is_nil() => Some("differencing"),
        Some("monolithicSparse") => Some("dynamic"),
        Some("monolithicFlat") => Some("fixed"),
        Some("twoGbMaxExtentSparse") => Some("split2g"),
        Some("twoGbMaxExtentFlat") => Some("split2g-fixed"),
        Some("streamOptimized") => Some("stream"),
        Some("vmfs") => Some("esx"),
        _ => None,
    };
    let mut header = Header::good(size, variant).with_uuid(uuid("ddb.uuid.image"), registered);
    header.parent = Some(parent).filter(|parent| !parent.is_nil());
    Ok(header)
}

/// Sum of a descriptor's extents: `RW 32768 SPARSE "x-s001.vmdk"`.
fn extents(descriptor: &str) -> Option<u64> {
    let mut sectors: u64 = 0;
    for line in descriptor.lines() {
        let mut words = line.split_whitespace();
        if matches!(words.next(), Some("RW" | "RDONLY" | "NOACCESS")) {
            sectors = sectors.checked_add(words.next()?.parse().ok()?)?;
        }
    }
    sectors.checked_mul(512).filter(|size| *size > 0)
}

fn vhd(file: &mut File, length: u64) -> io::Result<Header> {
    let mut footer = [0; 512];
    file.seek(SeekFrom::Start(length.checked_sub(512).ok_or_else(invalid)?))?;
    file.read_exact(&mut footer)?;
    if !footer.starts_with(b"conectix") {
        return Err(invalid());
    }
    let variant = match u32_le(&footer, 60).swap_bytes() {
        2 => Some("fixed"),
        3 => Some("dynamic"),
        4 => Some("differencing"),
        _ => None,
    };
    Ok(Header::good(u64_be(&footer, 48), variant))
}

fn qcow(file: &mut File) -> io::Result<Header> {
    let mut bytes = [0; 32];
    file.read_exact(&mut bytes)?;
    if !bytes.starts_with(b"QFI\xfb") {
        return Err(invalid());
    }
    let has_parent = u64_be(&bytes, 8) != 0;
    Ok(Header::good(u64_be(&bytes, 24), Some(if has_parent { "differencing" } else { "dynamic" })))
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read(&mut buffer[read..])? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::inventory::Registry;

    #[test]
    fn a_header_is_remembered_until_its_file_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.vdi");
        let cache = Cache::default();
        let write = |size: u64, age: u64| {
            let mut header = vec![0; 512];
            header[0x40..0x48].copy_from_slice(&[0x7f, 0x10, 0xda, 0xbe, 1, 0, 1, 0]);
            header[0x4c] = 1;
            header[0x170..0x178].copy_from_slice(&size.to_le_bytes());
            fs::write(&file, header).unwrap();
            let written = file.metadata().unwrap().modified().unwrap();
            let modified = written - Duration::from_secs(age);
            File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
        };
        let read_as = |registered| {
            let medium = Medium {
                uuid: registered,
                kind: MediumKind::Disk,
                location: file.clone(),
                format: "vdi".to_owned(),
                medium_type: "normal".to_owned(),
                parent: None,
                registry: Registry::Global,
                size: None,
                variant: None,
                health: MediumHealth::Unknown,
                auto_reset: false,
                description: String::new(),
            };
            cache.read(&[&medium]).remove(0)
        };
        let size = || read_as(Uuid::nil()).size;
        let remembered = || cache.known().len();
        write(1 << 20, 0);
        assert_eq!(
            (size(), remembered()),
            (Some(Bytes(1 << 20)), 0),
            "it may be written once more at this very time"
        );
        write(2 << 20, 60);
        assert_eq!((size(), remembered()), (Some(Bytes(2 << 20)), 1));
        assert_eq!(size(), Some(Bytes(2 << 20)));
        write(3 << 20, 30);
        assert_eq!((size(), remembered()), (Some(Bytes(3 << 20)), 1));
        // The same file as another medium is another question.
        assert_eq!(read_as(Uuid::from_u128(1)).size, Some(Bytes(3 << 20)));
        fs::remove_file(&file).unwrap();
        assert_eq!((size(), remembered()), (None, 0));
    }
}
