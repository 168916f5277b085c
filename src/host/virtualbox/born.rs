//! Machines that are born whole: disks first, then a settings file, then the register.
//!
//! VirtualBox registers a file of whatever it holds: also a second machine of a name, and media that others have (measured). What it does not
//! look at is looked at here. What an earlier attempt left is known by the UUIDs in its files, and replaced; anything else in the way is left
//! alone, and the machine is made step by step, where VirtualBox says what is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::command::CommandLine;
use super::runner::Deadline;
use super::settings::write::{self, write_machine};
use super::settings::{MachineFile, read_machine};
use super::{VirtualBox, leftovers, vdi};
use crate::host::sim::draft::{Draft, draft};
use crate::host::{Birth, Done, ErrorClass, HostError, Inspect as _, Want};
use crate::inventory::{Inventory, Medium, MediumKind};
use crate::model::Bytes;
use crate::plan::Action;

/// A machine whose files can be written.
struct Ready<'b> {
    birth: &'b Birth,
    file: PathBuf,
    text: String,
    disks: Vec<Medium>,
}

impl VirtualBox {
    /// Makes machines whole.
    pub(super) fn bear_all(&self, births: &[Birth], known: &Inventory) -> Vec<Option<Result<(), HostError>>> {
        let mut scene = Scene::of(known);
        let mut outcomes: Vec<Option<Result<(), HostError>>> = births.iter().map(|_| None).collect();
        let mut written = Vec::new();
        for (birth, outcome) in births.iter().zip(&mut outcomes) {
            let Ok(ready) = scene.ready(birth) else { continue };
            match write_files(&ready) {
                Ok(files) => written.push((ready, files, outcome)),
                Err(error) => *outcome = Some(Err(error)),
            }
        }
        // VirtualBox sees to it that what it writes is on the disk, too.
        let files: Vec<File> = written.iter_mut().flat_map(|(_, files, _)| std::mem::take(files)).collect();
        let synced = sync_all(&files);
        let mut by_helper = match &synced {
            Ok(()) => self.register_by_helper(written.iter().map(|(ready, ..)| ready)),
            Err(_) => Vec::new(),
        }
        .into_iter();
        for (ready, _, outcome) in written {
            let registered = match &synced {
                Ok(()) => by_helper.next().flatten().unwrap_or_else(|| self.register(&ready)),
                Err(error) => Err(HostError::Write {
                    path: ready.file.clone(),
                    source: std::io::Error::new(error.kind(), error.to_string()),
                }),
            };
            if registered.as_ref().is_err_and(|error| error.class() != ErrorClass::Unknown) {
                ready.remove();
            }
            *outcome = Some(registered);
        }
        outcomes
    }

    /// Registers machines by the native helper, all in one go. None for one that VBoxManage registers: after a helper that was lost, what is
    /// registered tells.
    fn register_by_helper<'b: 'r, 'r>(
        &self,
        ready: impl Iterator<Item = &'r Ready<'b>> + Clone,
    ) -> Vec<Option<Result<(), HostError>>> {
        let files: Vec<PathBuf> = ready.clone().map(|ready| ready.file.clone()).collect();
        let answers = self.register_all(&files).into_iter().flatten();
        let registered = answers.zip(ready).map(|(answer, ready)| match answer {
            Err(HostError::NotBegun { .. }) => None,
            Err(HostError::HelperLost { .. }) => self.is_registered(ready).then_some(Ok(())),
            answer => Some(answer),
        });
        registered.collect()
    }

    /// Deletes what a birth that was cut short has left.
    pub(super) fn clear_birth(
        &self,
        machine: Uuid,
        file: &Path,
        disks: &BTreeMap<PathBuf, Uuid>,
    ) -> Result<Done, HostError> {
        let known = self.inventory(&Want { skip_disk_files: true, ..Want::default() })?;
        // Whoever has registered it since wants it.
        if known.machines.contains_key(&machine) {
            return Ok(Done::default());
        }
        if leftovers::has_lived(machine, file, disks) {
            return Err(HostError::HasLived { file: file.to_owned(), is_there: file.exists() });
        }
        let unwritable = |path: &Path| {
            let path = path.to_owned();
            |source| HostError::Write { path, source }
        };
        for (path, disk) in disks {
            leftovers::born_disk(path, *disk, &known).map_err(unwritable(path))?;
        }
        leftovers::of_birth_of(file, machine).map_err(unwritable(file))?;
        Ok(Done::default())
    }

    fn is_registered(&self, ready: &Ready<'_>) -> bool {
        self.settings_file(ready.birth.machine).is_ok_and(|file| file.is_some())
    }

    /// Registers a machine. Where nobody answers in time, what is registered tells.
    fn register(&self, ready: &Ready<'_>) -> Result<(), HostError> {
        let file = ready.file.to_string_lossy();
        let command = CommandLine::of(["registervm", &file]);
        let runner = self.runner()?;
        match runner.run(&command, Deadline::Repeatable) {
            // A second attempt finds what the first one did.
            Err(_) if self.is_registered(ready) => Ok(()),
            outcome => outcome.map(drop),
        }
    }
}

/// What is taken on the host, by what is there and by what was made ready since.
struct Scene<'i> {
    known: &'i Inventory,
    uuids: BTreeSet<Uuid>,
    files: BTreeSet<PathBuf>,
    /// Images by their files: a second machine names the same medium.
    images: BTreeMap<PathBuf, Medium>,
}

impl<'i> Scene<'i> {
    fn of(known: &'i Inventory) -> Self {
        let images = known.media.values().filter(|medium| medium.kind != MediumKind::Disk);
        Self {
            known,
            uuids: BTreeSet::new(),
            files: BTreeSet::new(),
            images: images.map(|medium| (medium.location.clone(), medium.clone())).collect(),
        }
    }

    /// Works a machine out and looks whether anything is in its way.
    fn ready<'b>(&mut self, birth: &'b Birth) -> Result<Ready<'b>, String> {
        let create = birth.actions.first();
        let (Some(Action::CreateMachine { name, .. }), Some(folder)) =
            (create, create.and_then(Action::birth_folder))
        else {
            return Err("it is not made".to_owned());
        };
        if self.known.machines.contains_key(&birth.machine) || !self.uuids.insert(birth.machine) {
            return Err("its UUID is taken".to_owned());
        }
        if self.known.machines_named(name).next().is_some() {
            return Err("its name is taken".to_owned());
        }
        self.clear(birth, &folder, name)?;
        let draft = draft(birth, &self.images)?;
        let ready = self.written(birth, draft)?;
        self.files.insert(ready.file.clone());
        for disk in &ready.disks {
            let taken = self.known.media.contains_key(&disk.uuid)
                || self.known.medium_at(&disk.location).is_some()
                || !self.uuids.insert(disk.uuid)
                || !self.files.insert(disk.location.clone());
            if taken || disk.location.symlink_metadata().is_ok() {
                return Err(format!("{} is taken", disk.location.display()));
            }
        }
        Ok(ready)
    }

    /// The settings file, checked by reading it.
    fn written<'b>(&mut self, birth: &'b Birth, draft: Draft) -> Result<Ready<'b>, String> {
        let file = draft.machine.settings_file.clone();
        if !file.is_absolute() || file.symlink_metadata().is_ok() || self.files.contains(&file) {
            return Err(format!("{} is taken", file.display()));
        }
        let text = write_machine(&write::Birth {
            machine: &draft.machine,
            extra: &draft.extra,
            disabled: &draft.disabled,
            media: &draft.media,
            controllers: &draft.controllers,
            time: &birth.time,
            nanoseconds: u128::from(birth.seconds) * 1_000_000_000,
        })
        .map_err(|unfit| unfit.to_string())?;
        let read = read_machine(&text, birth.machine, &file).map_err(|why| why.reason().to_owned())?;
        same(&read, &draft)?;
        let (disks, images): (Vec<_>, Vec<_>) =
            draft.media.into_iter().partition(|medium| medium.kind == MediumKind::Disk);
        if let Some(disk) = disks.iter().find(|disk| !is_simple(disk)) {
            return Err(format!("{} is no empty dynamic VDI", disk.location.display()));
        }
        for image in images {
            self.images.entry(image.location.clone()).or_insert(image);
        }
        Ok(Ready { birth, file, text, disks })
    }

    /// Removes what an earlier attempt at the same machine left: a settings file and disks with the UUIDs that they get again.
    fn clear(&self, birth: &Birth, folder: &Path, name: &str) -> Result<(), String> {
        let file = folder.join(format!("{name}.vbox"));
        let disks = leftovers::born_disks_in(folder, &birth.disks.values().copied().collect::<Vec<_>>());
        if leftovers::has_lived(birth.machine, &file, &disks) {
            return Err("what is left of it has lived".to_owned());
        }
        for (path, disk) in &disks {
            leftovers::born_disk(path, *disk, self.known).map_err(|error| error.to_string())?;
        }
        if disks.keys().any(|path| path.exists()) {
            return Err("one of its disks is there".to_owned());
        }
        leftovers::of_birth_of(&file, birth.machine).map_err(|error| error.to_string())
    }
}

fn is_simple(disk: &Medium) -> bool {
    disk.format == "vdi" && disk.variant.as_deref() == Some("dynamic") && disk.size.is_some_and(vdi::holds)
}

/// Whether a written file is read as what was meant.
fn same(read: &MachineFile, draft: &Draft) -> Result<(), String> {
    let sorted = |all: &[Medium]| {
        let plain = |medium: &Medium| {
            (medium.uuid, medium.location.clone(), medium.medium_type.clone(), medium.registry)
        };
        let mut all: Vec<_> = all.iter().map(plain).collect();
        all.sort_by_key(|(uuid, ..)| *uuid);
        all
    };
    if read.machine == draft.machine && sorted(&read.media) == sorted(&draft.media) {
        Ok(())
    } else {
        Err("its settings file would be read as another machine".to_owned())
    }
}

/// Files at a time that are waited for until they are on the disk: the file system writes them in one go.
const SYNCED_AT_ONCE: usize = 16;

/// Waits until files are on the disk.
fn sync_all(files: &[File]) -> std::io::Result<()> {
    let some = files.len().div_ceil(SYNCED_AT_ONCE).max(1);
    std::thread::scope(|scope| {
        let waiting: Vec<_> = files
            .chunks(some)
            .map(|chunk| scope.spawn(move || chunk.iter().try_for_each(File::sync_data)))
            .collect();
        waiting.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(std::io::Error::other("a thread panicked")))
        })
    })
}

/// Disks first: a settings file whose disks are missing is a broken machine. After an error nothing is left.
fn write_files(ready: &Ready<'_>) -> Result<Vec<File>, HostError> {
    let folder = ready.file.parent().unwrap_or(Path::new(""));
    let (mut made, mut files): (Vec<&Path>, Vec<File>) = (Vec::new(), Vec::new());
    let write_one = |path: &Path, content: &dyn Fn(&mut File) -> std::io::Result<()>| {
        make_folder(path.parent().unwrap_or(folder))?;
        let mut file = new_file(path)?;
        content(&mut file)?;
        Ok(file)
    };
    let disks = ready.disks.iter().map(|disk| disk.location.as_path());
    for (index, path) in disks.chain([ready.file.as_path()]).enumerate() {
        let written = write_one(path, &|file| match ready.disks.get(index) {
            Some(disk) => {
                let modification = Uuid::new_v5(&disk.uuid, b"modification");
                vdi::write(file, disk.uuid, modification, disk.size.unwrap_or(Bytes(0)))
            }
            None => file.write_all(ready.text.as_bytes()),
        });
        match written {
            Ok(file) => {
                made.push(path);
                files.push(file);
            }
            Err(source) => {
                let source: std::io::Error = source;
                // One that was there is not ours.
                if source.kind() != std::io::ErrorKind::AlreadyExists {
                    made.push(path);
                }
                remove_files(&made, folder);
                return Err(HostError::Write { path: path.to_owned(), source });
            }
        }
    }
    Ok(files)
}

/// Removes what was written of a machine that is not registered.
fn remove_files(made: &[&Path], folder: &Path) {
    for path in made {
        let _ = fs::remove_file(path);
    }
    let _ = fs::remove_dir(folder);
}

impl Ready<'_> {
    fn remove(&self) {
        let disks = self.disks.iter().map(|disk| disk.location.as_path());
        let made: Vec<&Path> = disks.chain([self.file.as_path()]).collect();
        remove_files(&made, self.file.parent().unwrap_or(Path::new("")));
    }
}

/// Folders and files as VirtualBox makes them: for their owner alone.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn new_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_earlier_attempt_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (machine, disk) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let settings = |uuid: Uuid| format!("<VirtualBox><Machine uuid=\"{{{uuid}}}\"/></VirtualBox>");
        let write = |name: &str, uuid: Uuid| {
            let mut file = File::create(folder.path().join(name)).unwrap();
            vdi::write(&mut file, uuid, Uuid::nil(), Bytes(1 << 20)).unwrap();
        };
        write("ours.vdi", disk);
        write("theirs.vdi", Uuid::from_u128(3));
        // It says of itself that it is no disk at all, and fits every UUID.
        write("nameless.vdi", Uuid::nil());
        fs::write(folder.path().join("m.vbox"), settings(machine)).unwrap();
        fs::write(folder.path().join("other.vbox"), settings(disk)).unwrap();
        let birth = Birth {
            machine,
            actions: Vec::new(),
            disks: BTreeMap::from([("disk/m.root".parse().unwrap(), disk)]),
            time: String::new(),
            seconds: 0,
        };
        Scene::of(&Inventory::default()).clear(&birth, folder.path(), "m").unwrap();
        let left = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut left: Vec<String> = left.map(|name| name.into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["nameless.vdi", "other.vbox", "theirs.vdi"]);
    }
}
