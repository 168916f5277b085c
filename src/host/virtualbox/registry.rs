//! One consistent reading of all settings files, remembered between readings.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::thread::Scope;
use std::time::Duration;

use uuid::Uuid;

use super::files::{self, Stamp};
use super::home::Home;
use super::settings::{Distrust, GlobalFile, MachineEntry, MachineFile, read_global, read_machine};
use crate::host::HostError;
use crate::threads;

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
        Self::of(home, cache, |_| true)
    }

    /// The same of some machines: nobody looks at the files of the others.
    pub fn of(home: &Home, cache: &Cache, wanted: impl Fn(Uuid) -> bool) -> Result<Self, HostError> {
        Self::beside(None, home, cache, wanted)
    }

    /// The same; where somebody wants the stacks' registers, too, they are read meanwhile.
    pub fn beside<'scope>(
        registers: Option<&'scope Scope<'scope, '_>>,
        home: &Home,
        cache: &Cache,
        wanted: impl Fn(Uuid) -> bool,
    ) -> Result<Self, HostError> {
        /// Bytes of registers that are worth a thread: a hundred microseconds' work.
        const WORTH: usize = 8 << 10;
        let (stamp, global) = read_registry(home, cache)?;
        if let Some(scope) = registers.filter(|_| global.unread_registers() >= WORTH) {
            let global = Arc::clone(&global);
            threads::start(scope, move || {
                global.registers();
            });
        }
        let mut known = cache.machines.lock().unwrap_or_else(PoisonError::into_inner);
        let entries: Vec<&MachineEntry> = global.machines.iter().filter(|entry| wanted(entry.uuid)).collect();
        let mut rows = read_rows(&entries, &known);
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
        let to_know: Known =
            to_know.map(|row| (row.entry.file.clone(), (row.stamp, Arc::clone(&row.file)))).collect();
        if rows.len() == global.machines.len() {
            *known = to_know;
        } else {
            known.extend(to_know);
        }
        Ok(Self { global, rows, stamp })
    }

    /// Whether all files still are what was read.
    pub fn is_current(&self, home: &Home) -> bool {
        files::stamp(&home.registry()) == self.stamp
            && self.rows.iter().all(|row| files::stamp(&row.entry.file) == row.stamp)
    }
}

/// Reads the machines' files. Where many are not known yet, several threads do: reading one takes a tenth of a millisecond, starting a
/// thread as long.
fn read_rows(entries: &[&MachineEntry], known: &Known) -> Vec<Row> {
    /// Unknown files that are worth a thread.
    const WORTH: usize = 32;
    let is_new = |entry: &&&MachineEntry| !known.contains_key(&entry.file);
    // More than four only wait for the file system.
    let threads = threads::worth(entries.iter().filter(is_new).count(), WORTH).min(4);
    threads::map(entries, threads, &|entry| Row::read(entry, known))
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
    // What a server left of it is what the next one will have: `mend` puts it back before it begins.
    if is_missing(&read)
        && let Some(left) = left_behind(home)
    {
        let (_, text) =
            files::read(&left).map_err(|source| HostError::Read { path: left.clone(), source })?;
        let file = read_global(&text, &home.folder)
            .map_err(|detail| HostError::Malformed { path: left, detail: detail.clone() })?;
        return Ok((None, Arc::new(file)));
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

/// What a server that was killed while it saved the registry has left of it. It writes `-tmp`, moves the file to `-prev` and `-tmp` to
/// its place (measured): between the two moves there is no registry, and the next server would begin with an empty one.
fn left_behind(home: &Home) -> Option<PathBuf> {
    let beside =
        ["VirtualBox.xml-tmp", "VirtualBox.xml-prev"].map(|name| home.registry().with_file_name(name));
    beside
        .into_iter()
        .find(|file| files::read(file).is_ok_and(|(_, text)| read_global(&text, &home.folder).is_ok()))
}

/// Puts the registry back that a server left beside its place when it was killed.
///
/// # Errors
/// It cannot be written.
pub fn mend(home: &Home) -> Result<(), HostError> {
    /// A server that lives has moved the file long before.
    const SAVING: Duration = Duration::from_millis(200);
    let file = home.registry();
    let is_missing = || !file.exists();
    if !is_missing() || left_behind(home).is_none() {
        return Ok(());
    }
    thread::sleep(SAVING);
    let Some(left) = left_behind(home).filter(|_| is_missing()) else { return Ok(()) };
    // Under two names, so that nothing is lost, and never over a file that has come meanwhile.
    match std::fs::hard_link(&left, &file) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            std::fs::copy(&left, &file).map_err(|source| HostError::Write { path: file, source })?;
            Ok(())
        }
        _ => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use std::fs;

    use uuid::Uuid;

    use super::*;

    const REGISTRY: &str = "<VirtualBox xmlns=\"http://www.virtualbox.org/\" version=\"1.12-linux\"><Global><MachineRegistry>\
        <MachineEntry uuid=\"{00000000-0000-4000-8000-000000000001}\" src=\"/vms/a/a.vbox\"/>\
        </MachineRegistry></Global></VirtualBox>";

    /// Killed between its two moves, the server has left no registry: the next one would begin with an empty one.
    #[test]
    fn a_registry_that_a_killed_server_left_beside_its_place_is_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home { folder: folder.path().to_owned(), owner_home: folder.path().to_owned(), ipc: None };
        fs::write(folder.path().join("VirtualBox.xml-prev"), REGISTRY).unwrap();
        // Cut short before the first move, this is no registry.
        fs::write(folder.path().join("VirtualBox.xml-tmp"), &REGISTRY[..90]).unwrap();
        let reading = Reading::new(&home, &Cache::default()).unwrap();
        assert_eq!(reading.rows.len(), 1, "what was registered is still known");
        mend(&home).unwrap();
        assert_eq!(fs::read_to_string(home.registry()).unwrap(), REGISTRY);
        // One that is there is never touched.
        fs::write(home.registry(), "mine").unwrap();
        mend(&home).unwrap();
        assert_eq!(fs::read_to_string(home.registry()).unwrap(), "mine");
    }

    /// Several threads read them then.
    #[test]
    fn many_machines_are_read_in_the_order_of_the_registry() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home { folder: folder.path().to_owned(), owner_home: folder.path().to_owned(), ipc: None };
        let entry = |number| {
            let uuid = Uuid::from_u128(number * 7 % 101);
            fs::write(folder.path().join(format!("{number}.vbox")), format!("file {number}")).unwrap();
            format!("<MachineEntry uuid=\"{{{uuid}}}\" src=\"{number}.vbox\"/>")
        };
        for count in [0, 1, 63, 64, 100] {
            let entries: String = (1..=count).map(entry).collect();
            let text = format!(
                "<VirtualBox version=\"1.12-linux\"><Global><MachineRegistry>{entries}</MachineRegistry></Global></VirtualBox>"
            );
            fs::write(home.registry(), text).unwrap();
            let reading = Reading::new(&home, &Cache::default()).unwrap();
            let uuids: Vec<Uuid> = reading.rows.iter().map(|row| row.entry.uuid).collect();
            assert_eq!(
                uuids,
                (1..=count).map(|number| Uuid::from_u128(number * 7 % 101)).collect::<Vec<_>>()
            );
            assert!(reading.rows.iter().all(|row| row.stamp.is_some()) && reading.is_current(&home));
        }
    }
}
