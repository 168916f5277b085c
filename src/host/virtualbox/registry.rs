//! One consistent reading of all settings files, remembered between readings.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::files::{self, Stamp};
use super::home::Home;
use super::settings::{Distrust, GlobalFile, MachineEntry, MachineFile, read_global, read_machine};
use crate::host::HostError;

/// A machine's file, or why it is not the answer.
pub type MachineResult = Result<MachineFile, Distrust>;

/// What was read before, by path.
#[derive(Debug, Default)]
pub struct Cache {
    global: Mutex<Option<(Stamp, Arc<GlobalFile>)>>,
    machines: Mutex<Known>,
}

/// Machines' files by path. Without a stamp there was no file.
type Known = HashMap<PathBuf, (Option<Stamp>, Arc<MachineResult>)>;

/// One registered machine and its file.
pub struct Row {
    /// What the registry says.
    pub entry: MachineEntry,
    /// What the file says.
    pub file: Arc<MachineResult>,
    stamp: Option<Stamp>,
}

/// All settings files, each as it was at some time.
pub struct Reading {
    /// `VirtualBox.xml`
    pub global: Arc<GlobalFile>,
    /// The machines' files.
    pub rows: Vec<Row>,
    stamp: Option<Stamp>,
}

impl Reading {
    /// Reads what has changed since the last time.
    pub fn new(home: &Home, cache: &Cache) -> Result<Self, HostError> {
        let (stamp, global) = read_registry(home, cache)?;
        let mut known = cache.machines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows: Vec<Row> = global.machines.iter().map(|entry| Row::read(entry, &known)).collect();
        // A file that is being replaced is missing for a moment. All that are missing wait together, unless they
        // were missing before, or the registry changes because they are gone for good.
        let is_awaited = |row: &Row| {
            row.stamp.is_none() && known.get(&row.entry.file).is_none_or(|(stamp, _)| stamp.is_some())
        };
        if rows.iter().any(is_awaited) {
            files::with_patience(|| {
                for row in rows.iter_mut().filter(|row| is_awaited(row)) {
                    *row = Row::read(&row.entry, &known);
                }
                !rows.iter().any(is_awaited) || files::stamp(&home.registry()) != stamp
            });
        }
        let is_settled = files::stamp(&home.registry()) == stamp;
        let to_know = rows.iter().filter(|row| row.stamp.is_some() || is_settled);
        *known = to_know.map(|row| (row.entry.file.clone(), (row.stamp, Arc::clone(&row.file)))).collect();
        Ok(Self { global, rows, stamp })
    }

    /// Whether all files still are what was read.
    pub fn is_current(&self, home: &Home) -> bool {
        files::stamp(&home.registry()) == self.stamp
            && self.rows.iter().all(|row| files::stamp(&row.entry.file) == row.stamp)
    }
}

fn read_registry(home: &Home, cache: &Cache) -> Result<(Option<Stamp>, Arc<GlobalFile>), HostError> {
    let path = home.registry();
    let mut known = cache.global.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((stamp, file)) = &*known
        && files::stamp(&path) == Some(*stamp)
    {
        return Ok((Some(*stamp), Arc::clone(file)));
    }
    let is_missing = |read: &io::Result<(Stamp, String)>| {
        read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    let mut read = files::read(&path);
    // Nobody replaces a registry in a home that is not there.
    if is_missing(&read) && home.folder.is_dir() {
        files::with_patience(|| {
            read = files::read(&path);
            !is_missing(&read)
        });
    }
    let (stamp, text) = match read {
        Ok(read) => read,
        // A home that nobody has used yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, Arc::default())),
        Err(source) => return Err(HostError::Read { path, source }),
    };
    let file = read_global(&text, &home.folder)
        .map_err(|detail| HostError::Malformed { path, detail: hint_at_previous(&detail, home) })?;
    let file = Arc::new(file);
    *known = Some((stamp, Arc::clone(&file)));
    Ok((Some(stamp), file))
}

/// A full disk leaves an empty registry, and VirtualBox its former one (`vbox-semantics` 8.2).
fn hint_at_previous(detail: &str, home: &Home) -> String {
    if home.registry().with_file_name("VirtualBox.xml-prev").is_file() {
        format!("{detail}; VirtualBox.xml-prev beside it is the one before")
    } else {
        detail.to_owned()
    }
}

impl Row {
    /// Reads one file, unless it is what it was. Without a stamp the file was missing.
    fn read(entry: &MachineEntry, known: &Known) -> Self {
        let row = |stamp, file| Self { entry: entry.clone(), file, stamp };
        if let Some((Some(stamp), file)) = known.get(&entry.file)
            && Some(*stamp) == files::stamp(&entry.file)
            && file.as_ref().as_ref().is_ok_and(|file| file.machine.uuid == entry.uuid)
        {
            return row(Some(*stamp), Arc::clone(file));
        }
        match files::read(&entry.file) {
            Ok((stamp, text)) => row(Some(stamp), Arc::new(read_machine(&text, entry.uuid, &entry.file))),
            Err(error) => {
                let (stamp, reason) = match error.kind() {
                    io::ErrorKind::NotFound => (None, "its settings file does not exist".to_owned()),
                    io::ErrorKind::InvalidData => {
                        (files::stamp(&entry.file), "its settings file is no text".to_owned())
                    }
                    _ => (files::stamp(&entry.file), format!("its settings file cannot be read: {error}")),
                };
                row(stamp, Arc::new(Err(Distrust::Broken(reason))))
            }
        }
    }
}
