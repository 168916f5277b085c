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
    machines: Mutex<HashMap<PathBuf, (Stamp, Arc<MachineResult>)>>,
}

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
        let mut missing = Vec::new();
        let mut rows = Vec::with_capacity(global.machines.len());
        for entry in &global.machines {
            let stamp = files::stamp(&entry.file);
            if stamp.is_none() {
                missing.push(entry.file.clone());
            }
            rows.push(Row { entry: entry.clone(), stamp, file: Arc::new(Err(gone())) });
        }
        files::await_renames(&missing);
        for row in &mut rows {
            (row.stamp, row.file) = read_row(&row.entry, row.stamp, &known);
        }
        *known = rows
            .iter()
            .filter_map(|row| Some((row.entry.file.clone(), (row.stamp?, Arc::clone(&row.file)))))
            .collect();
        Ok(Self { global, rows, stamp })
    }

    /// Whether all files still are what was read.
    pub fn is_current(&self, home: &Home) -> bool {
        files::stamp(&home.registry()) == self.stamp
            && self.rows.iter().all(|row| files::stamp(&row.entry.file) == row.stamp)
    }
}

fn gone() -> Distrust {
    Distrust::Broken("its settings file does not exist".to_owned())
}

fn read_registry(home: &Home, cache: &Cache) -> Result<(Option<Stamp>, Arc<GlobalFile>), HostError> {
    let path = home.registry();
    let mut known = cache.global.lock().unwrap_or_else(PoisonError::into_inner);
    if files::stamp(&path).is_none() && home.folder.is_dir() {
        files::await_renames(std::slice::from_ref(&path));
    }
    if let Some((stamp, file)) = &*known
        && files::stamp(&path) == Some(*stamp)
    {
        return Ok((Some(*stamp), Arc::clone(file)));
    }
    let (stamp, text) = match files::read(&path) {
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

fn read_row(
    entry: &MachineEntry,
    stamp: Option<Stamp>,
    known: &HashMap<PathBuf, (Stamp, Arc<MachineResult>)>,
) -> (Option<Stamp>, Arc<MachineResult>) {
    if let Some((known, file)) = known.get(&entry.file)
        && Some(*known) == stamp
        && file.as_ref().as_ref().map_or(true, |file| file.machine.uuid == entry.uuid)
    {
        return (stamp, Arc::clone(file));
    }
    match files::read(&entry.file) {
        Ok((stamp, text)) => (Some(stamp), Arc::new(read_machine(&text, entry.uuid, &entry.file))),
        Err(error) => {
            let reason = match error.kind() {
                io::ErrorKind::NotFound => gone(),
                io::ErrorKind::InvalidData => Distrust::Broken("its settings file is no text".to_owned()),
                _ => Distrust::Broken(format!("its settings file cannot be read: {error}")),
            };
            (None, Arc::new(Err(reason)))
        }
    }
}
