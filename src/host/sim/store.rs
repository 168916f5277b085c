//! Where the simulated host's state is: in memory, or in one JSON file that several processes share.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::world::World;
use crate::host::HostError;
use crate::model::digest::sha256;

/// The state of one simulated host.
#[derive(Clone, Debug)]
pub enum Store {
    /// Lives as long as the program.
    Memory(Arc<Mutex<World>>),
    /// `DIR/simulated-host.json`
    Folder(PathBuf, Arc<Mutex<Seen>>),
}

/// What the file held when it was last looked at, so that it is parsed only when somebody else has written it.
#[derive(Debug, Default)]
pub struct Seen {
    /// SHA-256 of the file's text; empty where there is none.
    digest: String,
    world: World,
}

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    world: &'a World,
}

#[derive(Deserialize)]
struct Read {
    version: u32,
    world: World,
}

impl Store {
    const FILE: &'static str = "simulated-host.json";
    const VERSION: u32 = 1;

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
        let seen = Seen { digest: String::new(), world: World::empty(&folder) };
        Ok(Self::Folder(folder, Arc::new(Mutex::new(seen))))
    }

    /// Writes the state into a folder, which is made where it is missing.
    pub fn keep_in(&self, folder: &Path) -> Result<(), HostError> {
        Self::folder(folder)?;
        self.look(|world| {
            let _lock = lock(folder)?;
            write(folder, &mut Seen { digest: String::new(), world: world.clone() })
        })?
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
                let result = change(&mut seen.world);
                write(folder, &mut seen)?;
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
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(read_error(&path, source)),
    };
    let digest = digest(&text);
    if digest == seen.digest {
        return Ok(());
    }
    if text.is_empty() {
        *seen = Seen { digest, world: World::empty(folder) };
        return Ok(());
    }
    let malformed = |detail: String| HostError::Malformed { path: path.clone(), detail };
    let read: Read = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    if read.version != Store::VERSION {
        return Err(malformed(format!("version {}, written by another vboxmcp", read.version)));
    }
    *seen = Seen { digest, world: read.world };
    Ok(())
}

/// Written beside it and renamed: a reader never sees half of it.
fn write(folder: &Path, seen: &mut Seen) -> Result<(), HostError> {
    let path = folder.join(Store::FILE);
    let temporary = folder.join("simulated-host.json-tmp");
    let text = serde_json::to_string(&Written { version: Store::VERSION, world: &seen.world })
        .map_err(|error| HostError::Malformed { path: path.clone(), detail: error.to_string() })?;
    let digest = digest(&text);
    if digest == seen.digest {
        return Ok(());
    }
    // A state that could not be written is not the state: it is read again.
    seen.digest.clear();
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| std::fs::rename(&temporary, &path));
    written.map_err(|source| read_error(&path, source))?;
    seen.digest = digest;
    Ok(())
}

fn digest(text: &str) -> String {
    if text.is_empty() { String::new() } else { sha256(text.as_bytes()) }
}

fn read_error(path: &Path, source: std::io::Error) -> HostError {
    HostError::Read { path: path.to_owned(), source }
}
