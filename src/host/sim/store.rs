//! Where the simulated host's state is: in memory, or in a file that several processes share.
//!
//! The file holds one change of the state after another, so that writing one and taking it in cost what the change is and not what the host has
//! become. When it has grown to twice its size it is written anew.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::changes::Change;
use super::world::World;
use crate::host::HostError;

/// The state of one simulated host.
#[derive(Clone, Debug)]
pub enum Store {
    /// Lives as long as the program.
    Memory(Arc<Mutex<World>>),
    /// `DIR/simulated-host.jsonl`
    Folder(PathBuf, Arc<Mutex<Seen>>),
}

/// What the file held when it was last looked at, so that only what has been added since is parsed.
#[derive(Debug, Default)]
pub struct Seen {
    /// The file's; none where there is no file, or what is here may not be what is in it.
    id: Option<Uuid>,
    /// Bytes at its beginning that tell the whole state at the time when it was written anew.
    whole: u64,
    /// Bytes of it that have been taken in.
    end: u64,
    world: World,
}

/// The first line of the file. Each other one is a list of [`Change`]s that were made together.
#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
    /// Another one each time that the file is written anew.
    id: Uuid,
    /// Lines behind this one that tell the whole state.
    lines: usize,
}

/// What every version's first line says.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl Store {
    const FILE: &'static str = "simulated-host.jsonl";
    const VERSION: u32 = 2;

    /// A state in memory. Paths are below `root`, which need not exist.
    pub fn memory(root: &Path) -> Self {
        Self::Memory(Arc::new(Mutex::new(World::empty(root))))
    }

    /// A state in memory that begins as another one.
    pub fn of(world: World) -> Self {
        Self::Memory(Arc::new(Mutex::new(world)))
    }

    /// The folder that it is kept in; `None` for one in memory.
    pub fn kept_in(&self) -> Option<&Path> {
        match self {
            Self::Memory(_) => None,
            Self::Folder(folder, _) => Some(folder),
        }
    }

    /// A state in a folder, which is made where it is missing.
    pub fn folder(folder: &Path) -> Result<Self, HostError> {
        let folder = std::path::absolute(folder).map_err(|source| read_error(folder, source))?;
        for path in [folder.join("home"), folder.join("machines")] {
            std::fs::create_dir_all(&path).map_err(|source| read_error(&path, source))?;
        }
        Ok(Self::Folder(folder, Arc::default()))
    }

    /// Writes the state into a folder, which is made where it is missing.
    pub fn keep_in(&self, folder: &Path) -> Result<(), HostError> {
        Self::folder(folder)?;
        let world = self.look(World::clone)?;
        let _lock = lock(folder)?;
        write_anew(folder, &mut Seen { world, ..Seen::default() })
    }

    /// Looks at the state.
    pub fn look<T>(&self, look: impl FnOnce(&World) -> T) -> Result<T, HostError> {
        match self {
            Self::Memory(world) => Ok(look(&locked(world))),
            Self::Folder(folder, seen) => {
                let mut seen = locked(seen);
                let _lock = lock(folder)?;
                refresh(folder, &mut seen)?;
                Ok(look(&seen.world))
            }
        }
    }

    /// Changes the state; it is written whatever the change says of itself.
    pub fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> Result<T, HostError> {
        match self {
            Self::Memory(world) => Ok(change(&mut locked(world))),
            Self::Folder(folder, seen) => {
                let mut seen = locked(seen);
                let _lock = lock(folder)?;
                refresh(folder, &mut seen)?;
                let before = seen.world.clone();
                // Until it is written, a change is not what is in the file.
                let id = seen.id.take();
                let result = change(&mut seen.world);
                write(folder, &mut seen, id, &before)?;
                Ok(result)
            }
        }
    }
}

fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    // A test that panicked in the middle leaves a state that is as good as a killed VirtualBox's.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lock(folder: &Path) -> Result<File, HostError> {
    let path = folder.join("simulated-host.lock");
    let file = File::create(&path).map_err(|source| read_error(&path, source))?;
    file.lock().map_err(|source| read_error(&path, source))?;
    Ok(file)
}

/// Takes in what somebody else has written.
fn refresh(folder: &Path, seen: &mut Seen) -> Result<(), HostError> {
    let path = folder.join(Store::FILE);
    let unread = |source| read_error(&path, source);
    let malformed = |detail: String| HostError::Malformed { path: path.clone(), detail };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let former = folder.join("simulated-host.json");
            if former.exists() {
                let detail = "a simulated host that an earlier vboxmcp has written: use another folder, or move this file away".to_owned();
                return Err(HostError::Malformed { path: former, detail });
            }
            *seen = Seen { world: World::empty(folder), ..Seen::default() };
            return Ok(());
        }
        Err(source) => return Err(unread(source)),
    };
    let size = file.metadata().map_err(unread)?.len();
    let mut file = BufReader::new(file);
    // Bytes: a line that was cut off may end within a letter.
    let mut line = Vec::new();
    file.read_until(b'\n', &mut line).map_err(unread)?;
    let unreadable = |error: serde_json::Error| malformed(error.to_string());
    let Version { version } = serde_json::from_slice(&line).map_err(unreadable)?;
    if version != Store::VERSION {
        return Err(malformed(format!("version {version}, written by another vboxmcp")));
    }
    let head: Head = serde_json::from_slice(&line).map_err(unreadable)?;
    if seen.id == Some(head.id) && seen.end == size {
        return Ok(());
    }
    // Until all of it is taken in, what is here is neither the one state nor the other.
    let known = seen.id.take() == Some(head.id) && seen.end < size;
    if known {
        file.seek(SeekFrom::Start(seen.end)).map_err(unread)?;
    } else {
        let head = line.len() as u64;
        *seen = Seen { whole: head, end: head, ..Seen::default() };
    }
    let mut lines = 0;
    loop {
        line.clear();
        file.read_until(b'\n', &mut line).map_err(unread)?;
        // Who wrote a line without an end died of it: nothing was done.
        if !line.ends_with(b"\n") {
            break;
        }
        let changes: Vec<Change> = serde_json::from_slice(&line).map_err(unreadable)?;
        for change in changes {
            seen.world.take_in(change);
        }
        seen.end += line.len() as u64;
        lines += 1;
        if !known && lines == head.lines {
            seen.whole = seen.end;
        }
    }
    seen.id = Some(head.id);
    Ok(())
}

/// Adds what has changed.
fn write(folder: &Path, seen: &mut Seen, id: Option<Uuid>, before: &World) -> Result<(), HostError> {
    let changes = seen.world.changes_since(before);
    if changes.is_empty() {
        seen.id = id;
        return Ok(());
    }
    let Some(id) = id else { return write_anew(folder, seen) };
    if seen.end > 2 * seen.whole {
        return write_anew(folder, seen);
    }
    let path = folder.join(Store::FILE);
    let line = line(&path, &changes)?;
    let written = OpenOptions::new().write(true).open(&path).and_then(|mut file| {
        file.set_len(seen.end)?;
        file.seek(SeekFrom::End(0))?;
        file.write_all(&line)
    });
    written.map_err(|source| read_error(&path, source))?;
    seen.end += line.len() as u64;
    seen.id = Some(id);
    Ok(())
}

/// Written beside it and renamed: a reader never sees half of it.
fn write_anew(folder: &Path, seen: &mut Seen) -> Result<(), HostError> {
    let path = folder.join(Store::FILE);
    let temporary = folder.join("simulated-host.jsonl-tmp");
    let id = Uuid::new_v4();
    let changes = seen.world.changes_since(&World::default());
    let mut text = line(&path, &Head { version: Store::VERSION, id, lines: changes.len() })?;
    for change in changes {
        text.extend(line(&path, &[change])?);
    }
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(&text))
        .and_then(|()| std::fs::rename(&temporary, &path));
    written.map_err(|source| read_error(&path, source))?;
    seen.whole = text.len() as u64;
    (seen.end, seen.id) = (seen.whole, Some(id));
    Ok(())
}

fn line(path: &Path, content: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, HostError> {
    let malformed =
        |error: serde_json::Error| HostError::Malformed { path: path.to_owned(), detail: error.to_string() };
    let mut line = serde_json::to_vec(content).map_err(malformed)?;
    line.push(b'\n');
    Ok(line)
}

fn read_error(path: &Path, source: std::io::Error) -> HostError {
    HostError::Read { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Bytes;

    fn file(folder: &Path) -> PathBuf {
        folder.join(Store::FILE)
    }

    fn extra(store: &Store, value: &str) {
        store.change(|world| world.set_global_extra("key", Some(value))).unwrap().unwrap();
    }

    fn world(store: &Store) -> World {
        store.look(World::clone).unwrap()
    }

    /// The world as a process sees it that begins now.
    fn anew(folder: &Path) -> World {
        world(&Store::folder(folder).unwrap())
    }

    #[test]
    fn every_change_reaches_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (Store::folder(folder.path()).unwrap(), Store::folder(folder.path()).unwrap());
        let machine = Uuid::from_u128(7);
        let disk = std::cell::Cell::new(Uuid::nil());
        let seen = |change: &dyn Fn(&mut World)| {
            let before = world(&first);
            first.change(change).unwrap();
            assert_ne!(world(&first), before);
            assert_eq!(world(&second), world(&first));
            assert_eq!(anew(folder.path()), world(&first));
        };
        seen(&|world| {
            let machines = world.machine_folder.clone();
            world.create_machine(Some(machine), "a", "Debian_64", &["/lab".to_owned()], &machines).unwrap();
        });
        seen(&|world| {
            let file = world.machines[&machine].folder().join("a.vdi");
            disk.set(world.create_disk(Some(machine), &file, "vdi", "dynamic", Bytes(1 << 20)).unwrap());
        });
        seen(&|world| world.adopt_medium(machine, disk.get()));
        seen(&|world| world.set_global_extra("b", Some("1")).unwrap());
        seen(&|world| world.set_global_extra("b", None).unwrap());
        seen(&|world| world.set_extra(machine, "c", Some("2")).unwrap());
        seen(&|world| {
            let (from, to) = (world.machine_folder.join("lab"), world.machine_folder.join("attic"));
            world.move_folder(&from, &to);
        });
        seen(&|world| {
            world.host_only = [("vboxnet0".to_owned(), crate::model::NetworkSettings::default())].into();
        });
        seen(&|world| world.unregister(machine, false).unwrap());
        seen(&|world| {
            let file = world.machine_folder.join("attic/a/a.vbox");
            world.register(&file).unwrap();
        });
        seen(&|world| world.unregister(machine, true).unwrap());
        seen(&|world| {
            world.close_disk(disk.get(), true).unwrap();
            let folder = world.machine_folder.join("attic/a");
            world.tree.remove_empty_folder(&folder);
        });
    }

    #[test]
    fn a_change_costs_what_it_is_and_the_file_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (Store::folder(folder.path()).unwrap(), Store::folder(folder.path()).unwrap());
        first.change(|world| world.set_global_extra("large", Some(&"x".repeat(20_000)))).unwrap().unwrap();
        let size = || std::fs::metadata(file(folder.path())).unwrap().len();
        let whole = size();
        for number in 0..2000 {
            let before = size();
            extra(&first, &number.to_string());
            let after = size();
            assert!(after < before + 100 || after < 2 * whole, "{before} {after}");
            assert!(after < 3 * whole, "{after}");
            if number % 100 == 0 {
                assert_eq!(world(&second), world(&first));
            }
        }
        assert_eq!(anew(folder.path()), world(&first));
    }

    #[test]
    fn both_sides_write() {
        let folder = tempfile::tempdir().unwrap();
        let stores = [Store::folder(folder.path()).unwrap(), Store::folder(folder.path()).unwrap()];
        for number in 0..50 {
            extra(&stores[number % 2], &number.to_string());
            assert_eq!(world(&stores[0]), world(&stores[1]));
        }
    }

    #[test]
    fn a_line_without_an_end_was_never_written() {
        let folder = tempfile::tempdir().unwrap();
        let writer = Store::folder(folder.path()).unwrap();
        extra(&writer, "1");
        let before = std::fs::read(file(folder.path())).unwrap();
        extra(&writer, "zwölf");
        let whole = std::fs::read(file(folder.path())).unwrap();
        assert!(whole.starts_with(&before));
        for end in before.len()..whole.len() {
            std::fs::write(file(folder.path()), &before).unwrap();
            let (store, other) =
                (Store::folder(folder.path()).unwrap(), Store::folder(folder.path()).unwrap());
            assert_eq!(world(&store).extra["key"], "1");
            std::fs::write(file(folder.path()), &whole[..end]).unwrap();
            for seen in [&store, &other] {
                assert_eq!(world(seen).extra["key"], "1");
            }
            extra(&other, "3");
            assert_eq!(world(&store).extra["key"], "3");
            assert_eq!(anew(folder.path()), world(&other));
        }
    }

    #[test]
    fn what_another_version_wrote_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(file(folder.path()), "{\"version\":3,\"more\":[]}\n").unwrap();
        let store = Store::folder(folder.path()).unwrap();
        let error = store.look(|_| ()).unwrap_err().to_string();
        assert!(error.contains("version 3, written by another vboxmcp"), "{error}");
        std::fs::write(file(folder.path()), "{\"version\":2}\n").unwrap();
        assert!(store.change(|_| ()).is_err());
    }
}
