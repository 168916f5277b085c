//! Reading files that VirtualBox replaces while they are read (`vbox-settings` 4.1).
//!
//! A save is never seen half done, because VirtualBox renames whole files, but between its two renames there is no file for up
//! to 4 ms. Several files are not saved together: whoever reads several compares their stamps afterwards.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

/// How long a missing file may be on its way.
const PATIENCE: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(5);

/// Two equal stamps of one path are the same content: each save makes a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    identity: (u64, i64, i64),
}

impl Stamp {
    /// The stamp of what was looked at.
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        Self { length: metadata.len(), modified: metadata.modified().ok(), identity: identity(metadata) }
    }

    /// Whether the file was last written longer ago.
    pub fn is_older_than(&self, age: Duration) -> bool {
        self.modified.and_then(|modified| modified.elapsed().ok()).is_some_and(|elapsed| elapsed > age)
    }
}

#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> (u64, i64, i64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> (u64, i64, i64) {
    (0, 0, 0)
}

/// The stamp of what is there now; `None` for nothing.
pub fn stamp(path: &Path) -> Option<Stamp> {
    path.metadata().ok().map(|metadata| Stamp::of(&metadata))
}

/// A file's text.
pub fn read(path: &Path) -> io::Result<(Stamp, String)> {
    let mut file = open(path)?;
    let metadata = file.metadata()?;
    let mut text = String::with_capacity(usize::try_from(metadata.len()).unwrap_or_default() + 1);
    // How much there is has just been asked for: a file would be asked once more, and where it stands.
    file.by_ref().take(u64::MAX).read_to_string(&mut text)?;
    Ok((Stamp::of(&metadata), text))
}

/// Opens a file so that VirtualBox can rename it meanwhile.
#[cfg(not(windows))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(windows)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt as _;
    // FILE_SHARE_READ, FILE_SHARE_WRITE and FILE_SHARE_DELETE.
    File::options().read(true).share_mode(1 | 2 | 4).open(path)
}

/// Tries again while something is missing that may be on its way. The answer says that nothing is.
pub fn with_patience(mut attempt: impl FnMut() -> bool) {
    let mut waited = Duration::ZERO;
    while waited < PATIENCE && !attempt() {
        thread::sleep(PAUSE);
        waited += PAUSE;
    }
}

/// The last bytes of a file, `most` of them, and how many come before.
pub fn end(file: &Path, most: usize) -> io::Result<(Vec<u8>, u64)> {
    use std::io::{Seek as _, SeekFrom};

    let mut file = File::open(file)?;
    let length = file.metadata()?.len();
    let before = length.saturating_sub(u64::try_from(most).unwrap_or(u64::MAX));
    file.seek(SeekFrom::Start(before))?;
    let mut bytes = Vec::new();
    // A guest may go on writing: what comes meanwhile is not asked for.
    file.take(length - before).read_to_end(&mut bytes)?;
    Ok((bytes, before))
}
