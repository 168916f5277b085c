//! What a host can be asked about itself, beyond what is on it: the installation, and whether the reader reads it right.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::model::{Bytes, FieldPath};

/// What is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installation {
    /// VirtualBox's version as it says it, `7.2.22_Debianr175245`; `None` for a simulated host.
    pub version: Option<String>,
    /// Whether the kernel driver is loaded; `None` where this platform does not tell.
    pub driver: Option<bool>,
    /// Extension packs; `None` where there is nobody to ask.
    pub extension_packs: Option<Vec<ExtensionPack>>,
}

/// An extension pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionPack {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Why VirtualBox cannot use it; `None` where it can.
    pub unusable: Option<String>,
}

/// The native helper of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeRoute {
    /// The library that it loads, where one was found.
    pub library: Option<PathBuf>,
    /// The version of VirtualBox that it is for; why there is no helper otherwise.
    pub version: Result<String, String>,
}

/// How many machines are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// A few of each layout of settings files, about 40 ms each.
    Few,
    /// All that are off.
    All,
}

/// What the reader made of settings files, compared with what VirtualBox says of the same machines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// By layout: the settings version of the files, `1.19`.
    pub layouts: BTreeMap<String, Layout>,
    /// Machines that were not compared because they are not off, changed meanwhile, or are not read from their files.
    pub left_out: usize,
}

/// What was compared of one layout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Machines that were compared.
    pub machines: usize,
    /// What is not the same.
    pub differences: Vec<Difference>,
}

/// One value that VirtualBox tells otherwise than the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The machine.
    pub machine: Uuid,
    /// Its name.
    pub name: String,
    /// The field, or `name`, `attachments`, `currentSnapshot`.
    pub field: FieldPath,
    /// What was read, as JSON.
    pub read: String,
    /// What VirtualBox says, as JSON.
    pub told: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {}: its file says {}, VirtualBox {}", self.name, self.field, self.read, self.told)
    }
}

/// How much may still be written to the file system of a folder that exists; `None` where this platform does not tell.
#[cfg(unix)]
pub fn free_space(folder: &Path) -> std::io::Result<Option<Bytes>> {
    let about = rustix::fs::statvfs(folder)?;
    Ok(Some(Bytes(about.f_bavail.saturating_mul(about.f_frsize))))
}

/// How much may still be written to the file system of a folder: not asked here.
#[cfg(not(unix))]
pub fn free_space(_: &Path) -> std::io::Result<Option<Bytes>> {
    Ok(None)
}

/// Whether files can be made in a folder that exists, found by making one without a name.
pub fn writable(folder: &Path) -> std::io::Result<()> {
    tempfile::tempfile_in(folder).map(drop)
}

#[cfg(test)]
mod tests {
    use super::{free_space, writable};

    #[test]
    fn a_folder_has_space_and_takes_files() {
        let folder = tempfile::tempdir().unwrap();
        if cfg!(unix) {
            assert!(free_space(folder.path()).unwrap().unwrap().0 > 0);
        }
        writable(folder.path()).unwrap();
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        writable(&folder.path().join("not-there")).unwrap_err();
    }
}
