//! The simulated file system: files and folders that exist only in the simulation's state.
//!
//! Images and shared folders are looked up on the real file system as well, so that a manifest's own files count.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::world::Parked;
use crate::inventory::PathFact;
use crate::model::Bytes;

/// What a simulated file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Content {
    /// The settings of a registered machine.
    Settings(Uuid),
    /// The settings of a machine that is not registered any more.
    Parked(Box<Parked>),
    /// A disk.
    Disk {
        /// In its header.
        uuid: Uuid,
        /// Capacity.
        size: Bytes,
        /// `vdi`, ...
        format: String,
        /// `dynamic`, ...
        variant: String,
    },
    /// Anything else.
    Other,
}

/// All simulated files and folders.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    pub(super) files: OrdMap<PathBuf, Content>,
    pub(super) folders: OrdSet<PathBuf>,
}

impl Tree {
    /// Whether it has no file and no folder.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.folders.is_empty()
    }

    /// What is in a simulated file.
    pub fn file(&self, path: &Path) -> Option<&Content> {
        self.files.get(path)
    }

    /// The settings file of a machine.
    pub fn settings_of(&self, machine: Uuid) -> Option<PathBuf> {
        let is_its = |content: &Content| match content {
            Content::Settings(uuid) => *uuid == machine,
            Content::Parked(parked) => parked.machine.uuid == machine,
            Content::Disk { .. } | Content::Other => false,
        };
        self.files.iter().find(|(_, content)| is_its(content)).map(|(file, _)| file.clone())
    }

    /// What is in a simulated file, to be changed.
    pub fn file_mut(&mut self, path: &Path) -> Option<&mut Content> {
        self.files.get_mut(path)
    }

    /// Whether anything is there, simulated or real.
    pub fn exists(&self, path: &Path) -> bool {
        self.fact(path) != PathFact::Missing
    }

    /// Everything simulated below a folder, itself included.
    pub fn below(&self, folder: &Path) -> BTreeMap<PathBuf, PathFact> {
        let all = self.files_below(folder).chain(self.folders_below(folder));
        all.map(|path| (path.clone(), self.fact(path))).collect()
    }

    /// What is below a folder stands right behind it.
    fn files_below<'a>(&'a self, folder: &'a Path) -> impl Iterator<Item = &'a PathBuf> {
        let behind = (Bound::Included(folder), Bound::Unbounded);
        self.files
            .range::<_, Path>(behind)
            .map(|(file, _)| file)
            .take_while(move |file| file.starts_with(folder))
    }

    fn folders_below<'a>(&'a self, folder: &'a Path) -> impl Iterator<Item = &'a PathBuf> {
        let behind = (Bound::Included(folder), Bound::Unbounded);
        self.folders.range::<_, Path>(behind).take_while(move |path| path.starts_with(folder))
    }

    /// Writes a file, and the folders above it.
    pub fn write(&mut self, path: &Path, content: Content) {
        if let Some(parent) = path.parent() {
            self.make_folder(parent);
        }
        self.files.insert(path.to_owned(), content);
    }

    /// Makes a folder and those above it.
    pub fn make_folder(&mut self, path: &Path) {
        for folder in path.ancestors().filter(|folder| folder.parent().is_some()) {
            if folder.is_dir() || self.folders.insert(folder.to_owned()).is_some() {
                break;
            }
        }
    }

    /// Deletes a file.
    pub fn remove(&mut self, path: &Path) -> Option<Content> {
        self.files.remove(path)
    }

    /// Deletes a folder where it is empty.
    pub fn remove_empty_folder(&mut self, path: &Path) {
        if self.fact(path) == PathFact::EmptyDirectory {
            self.folders.remove(path);
        }
    }

    /// Deletes a folder and the logs and other nameless files in it.
    pub fn remove_folder_of_others(&mut self, path: &Path) {
        let below: Vec<PathBuf> = self.files_below(path).cloned().collect();
        for file in
            below.iter().filter(|file| self.files.get(*file) == Some(&Content::Other)).collect::<Vec<_>>()
        {
            self.files.remove(file);
        }
        self.remove_empty_folder(path);
    }

    /// Moves a folder with all that is in it.
    pub fn rename(&mut self, from: &Path, to: &Path) {
        for path in self.files_below(from).cloned().collect::<Vec<_>>() {
            if let Some(content) = self.files.remove(&path) {
                self.files.insert(moved(&path, from, to), content);
            }
        }
        for path in self.folders_below(from).cloned().collect::<Vec<_>>() {
            self.folders.remove(&path);
            self.folders.insert(moved(&path, from, to));
        }
        if let Some(parent) = to.parent() {
            self.make_folder(parent);
        }
    }

    /// What lies at a path.
    pub fn fact(&self, path: &Path) -> PathFact {
        match self.files.get(path) {
            None => {}
            Some(Content::Settings(uuid)) => return PathFact::SettingsOf(*uuid),
            Some(Content::Parked(parked)) => return PathFact::SettingsOf(parked.machine.uuid),
            Some(Content::Disk { .. } | Content::Other) => return PathFact::File,
        }
        if self.files_below(path).chain(self.folders_below(path)).any(|below| below != path) {
            return PathFact::Directory;
        }
        match real(path) {
            PathFact::Missing if self.folders.contains(path) => PathFact::EmptyDirectory,
            fact => fact,
        }
    }
}

/// A path below `from`, put below `to`.
pub fn moved(path: &Path, from: &Path, to: &Path) -> PathBuf {
    match path.strip_prefix(from) {
        Ok(rest) if rest.as_os_str().is_empty() => to.to_owned(),
        Ok(rest) => to.join(rest),
        Err(_) => path.to_owned(),
    }
}

fn real(path: &Path) -> PathFact {
    match std::fs::metadata(path) {
        Err(_) => PathFact::Missing,
        Ok(found) if !found.is_dir() => PathFact::File,
        Ok(_) => match std::fs::read_dir(path).map(|mut entries| entries.next().is_some()) {
            Ok(false) => PathFact::EmptyDirectory,
            _ => PathFact::Directory,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_moves_takes_its_files_along() {
        let mut tree = Tree::default();
        tree.write(Path::new("/sim/vms/a/a.vbox"), Content::Other);
        tree.write(Path::new("/sim/vms/ab/ab.vbox"), Content::Other);
        tree.rename(Path::new("/sim/vms/a"), Path::new("/sim/vms/g/a"));
        assert_eq!(tree.fact(Path::new("/sim/vms/g/a/a.vbox")), PathFact::File);
        assert_eq!(tree.fact(Path::new("/sim/vms/a")), PathFact::Missing);
        assert_eq!(tree.fact(Path::new("/sim/vms/ab/ab.vbox")), PathFact::File);
    }

    #[test]
    fn real_files_count() {
        let folder = tempfile::tempdir().unwrap();
        let mut tree = Tree::default();
        assert_eq!(tree.fact(folder.path()), PathFact::EmptyDirectory);
        std::fs::write(folder.path().join("a.iso"), "x").unwrap();
        assert_eq!(tree.fact(&folder.path().join("a.iso")), PathFact::File);
        assert_eq!(tree.fact(folder.path()), PathFact::Directory);
        tree.write(&folder.path().join("b/c"), Content::Other);
        assert_eq!(tree.fact(&folder.path().join("b")), PathFact::Directory);
        tree.remove(&folder.path().join("b/c"));
        tree.remove_empty_folder(&folder.path().join("b"));
        assert_eq!(tree.fact(&folder.path().join("b")), PathFact::Missing);
    }
}
