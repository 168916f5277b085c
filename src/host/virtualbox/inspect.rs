//! [`Inspect`] for the real VirtualBox.
//!
//! Files first: an inventory where everything is trusted and no server runs starts no process; where one runs and states are
//! wanted, one `list runningvms`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use uuid::Uuid;

use super::host_only::networks_of_this_host;
use super::live::Alive;
use super::registry::{Reading, Row};
use super::settings::{Distrust, MachineFile, read_machine_as_of, settings_uuid};
use super::{VirtualBox, circumstances, files, headers, interfaces, live, nvram, verify};
use crate::host::checkup::{Comparison, Installation, NativeRoute, Sample};
use crate::host::{Asked, Circumstances, HostError, Inspect, Want};
use crate::inventory::{HostFacts, Inventory, Machine, Medium, PathFact, Problem};
use crate::model::nic::HostInterface;
use crate::model::state::StateClass;
use crate::model::{FieldPath, NetworkSettings};
use crate::threads;

/// Rounds until several files are believed to belong together.
const ROUNDS: usize = 3;

/// What is known of machines' lives.
enum Lives {
    /// It was not asked.
    Unasked,
    /// These live. Without a server none does.
    Known { alive: Alive, server: bool },
}

impl Inspect for VirtualBox {
    fn home_folder(&self) -> Result<PathBuf, HostError> {
        Ok(self.home.folder.clone())
    }

    fn owner_home(&self) -> Option<PathBuf> {
        Some(self.home.owner_home.clone())
    }

    fn inventory(&self, want: &Want) -> Result<Inventory, HostError> {
        self.read(want, Scope::Everything)
    }

    fn interfaces(&self) -> Result<Vec<HostInterface>, HostError> {
        interfaces::bridged(self.runner()?)
    }

    fn probe(&self, paths: &[PathBuf]) -> BTreeMap<PathBuf, PathFact> {
        paths.iter().map(|path| (path.clone(), fact(path))).collect()
    }

    fn holds(&self, file: &Path, medium: &Medium) -> bool {
        headers::holds(file, &medium.format, medium.kind, medium.uuid)
    }

    fn disk_in(&self, file: &Path) -> Result<Option<Uuid>, HostError> {
        headers::uuid(file).map_err(|source| HostError::Read { path: file.to_owned(), source })
    }

    fn below(&self, folder: &Path) -> Result<BTreeMap<PathBuf, PathFact>, HostError> {
        let mut found = BTreeMap::from([(folder.to_owned(), fact(folder))]);
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = match folder.read_dir() {
                Ok(entries) => entries,
                // It is gone, or never was.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(source) => return Err(HostError::Read { path: folder, source }),
            };
            for entry in entries {
                let entry = entry.map_err(|source| HostError::Read { path: folder.clone(), source })?;
                let path = entry.path();
                found.insert(path.clone(), fact(&path));
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                }
            }
        }
        Ok(found)
    }

    fn circumstances(&self, asked: &Asked) -> Circumstances {
        let mut found = circumstances::look(asked);
        if asked.extension_packs {
            found.extension_packs = self.usable_packs();
        }
        found
    }

    fn host_only(&self) -> Result<BTreeMap<String, NetworkSettings>, HostError> {
        self.host_only_interfaces()
    }

    fn reread(&self, machine: Uuid, states: bool) -> Result<Inventory, HostError> {
        self.read(&Want { states, ..Want::default() }, Scope::Machine(machine))
    }

    fn look_at(&self, machine: Uuid, states: bool) -> Result<Inventory, HostError> {
        self.read(&Want { states, ..Want::default() }, Scope::Alone(machine))
    }

    fn as_of(&self, machine: Uuid, snapshot: Uuid) -> Result<Option<Machine>, HostError> {
        let Some(file) = self.settings_file(machine)? else { return Ok(None) };
        let source = std::fs::read_to_string(&file)
            .map_err(|source| HostError::Read { path: file.clone(), source })?;
        read_machine_as_of(&source, machine, &file, snapshot)
            .map_err(|distrust| HostError::Malformed { path: file, detail: distrust.reason().to_owned() })
    }

    fn screenshot(&self, machine: Uuid) -> Result<Vec<u8>, HostError> {
        self.take_screenshot(machine)
    }

    fn guest_property(&self, machine: Uuid, name: &str) -> Result<Option<String>, HostError> {
        self.read_guest_property(machine, name)
    }

    fn file_end(&self, file: &Path, most: usize) -> Result<(Vec<u8>, u64), HostError> {
        files::end(file, most).map_err(|source| HostError::Read { path: file.to_owned(), source })
    }

    fn stay(&self) {
        self.stays.store(true, Ordering::Relaxed);
    }

    fn watched(&self) -> Result<Vec<PathBuf>, HostError> {
        let rows = Reading::new(self.home(), &self.cache)?.rows;
        let machines = rows.iter().filter_map(|row| row.entry.file.parent());
        let all = machines.flat_map(|folder| [folder.to_owned(), folder.join("Logs")]);
        Ok(std::iter::once(self.home().folder.clone()).chain(all).collect())
    }

    fn server_process(&self) -> Option<u32> {
        self.home().server_process()
    }

    fn may_live(&self, machine: &Machine) -> bool {
        live::may_live(machine)
    }

    fn unwritten_state(&self, machine: &Machine) -> Option<PathBuf> {
        live::unwritten_state(machine)
    }

    fn installation(&self) -> Result<Installation, HostError> {
        self.find_installation()
    }

    fn native_route(&self) -> Option<NativeRoute> {
        Some(self.find_native())
    }

    fn version(&self) -> Result<Option<String>, HostError> {
        self.read_version().map(Some)
    }

    fn layouts(&self) -> Result<Vec<String>, HostError> {
        self.read_layouts()
    }

    fn compare(&self, sample: Sample) -> Result<Comparison, HostError> {
        self.compare_machines(sample)
    }
}

/// What lies at a path. What cannot be looked at is taken for a file, which is in everybody's way.
fn fact(path: &Path) -> PathFact {
    let of_machine = |path: &Path| {
        let is_named_so = path.extension().is_some_and(|extension| extension == "vbox");
        let text = is_named_so.then(|| std::fs::read_to_string(path).ok()).flatten()?;
        settings_uuid(&text).map(PathFact::SettingsOf)
    };
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => {
            let is_empty = path.read_dir().is_ok_and(|mut entries| entries.next().is_none());
            if is_empty { PathFact::EmptyDirectory } else { PathFact::Directory }
        }
        // A dangling link is something that lies there.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && path.symlink_metadata().is_err() => {
            PathFact::Missing
        }
        _ => of_machine(path).unwrap_or(PathFact::File),
    }
}

/// What a reading is about.
#[derive(Clone, Copy)]
enum Scope {
    Everything,
    /// All media, and one machine.
    Machine(Uuid),
    /// One machine and its media.
    Alone(Uuid),
}

impl Scope {
    fn machine(self) -> Option<Uuid> {
        match self {
            Self::Everything => None,
            Self::Machine(machine) | Self::Alone(machine) => Some(machine),
        }
    }

    fn is_alone(self) -> bool {
        matches!(self, Self::Alone(_))
    }

    /// Whether a machine's file is read.
    fn reads(self, file_of: Uuid) -> bool {
        match self {
            Self::Everything | Self::Machine(_) => true,
            Self::Alone(machine) => machine == file_of,
        }
    }
}

impl VirtualBox {
    /// The settings file of a registered machine.
    pub(super) fn settings_file(&self, machine: Uuid) -> Result<Option<PathBuf>, HostError> {
        let rows = Reading::of(self.home(), &self.cache, |registered| registered == machine)?.rows;
        Ok(rows.into_iter().next().map(|row| row.entry.file))
    }

    fn read(&self, want: &Want, about: Scope) -> Result<Inventory, HostError> {
        let home = self.home();
        let only = about.machine();
        let mut round = 1;
        let (reading, server, lives) = loop {
            let server = home.has_server();
            // VirtualBox answers in tens of milliseconds, in which the files are read. A machine that ends meanwhile says so in its log,
            // which is read last.
            let (reading, lives) = thread::scope(|scope| {
                let lives = Self::asks(want, server).then(|| threads::ask(scope, || self.alive(only)));
                let registers = (!about.is_alone()).then_some(scope);
                let reading = Reading::beside(registers, home, &self.cache, |machine| about.reads(machine));
                let lives = match lives.map(threads::join) {
                    Some(alive) => alive.map(|alive| Lives::Known { alive, server: true }),
                    None if server == Some(false) => {
                        Ok(Lives::Known { alive: Alive::default(), server: false })
                    }
                    None => Ok(Lives::Unasked),
                };
                (reading, lives)
            });
            let (reading, lives) = (reading?, lives?);
            if round == ROUNDS || reading.is_current(home) {
                break (reading, server, lives);
            }
            round += 1;
        };
        let global = Arc::clone(&reading.global);
        let mut inventory = Inventory {
            host: HostFacts {
                kind: "local".to_owned(),
                home: home.folder.clone(),
                machine_folder: global
                    .machine_folder
                    .clone()
                    .unwrap_or_else(|| home.default_machine_folder()),
                owner_home: home.owner_home.clone(),
                root: None,
                autostart_database: global.autostart_database.clone(),
                server_running: if want.ask_server { Some(true) } else { server },
            },
            ..Inventory::default()
        };
        if !about.is_alone() {
            inventory.networks = networks_of_this_host(global.networks.clone());
            inventory.registers.clone_from(global.registers());
            inventory.problems.clone_from(&global.problems);
            inventory.problems.extend(global.register_problems());
        }
        let media = global.media.iter().chain(reading.rows.iter().filter_map(media_of).flatten());
        let (media, copies) = self.with_headers(media, want);
        inventory.media = media;
        for medium in copies {
            let known = inventory.media.get(&medium.uuid);
            if let Some(known) = known.filter(|known| known.location != medium.location) {
                inventory.problems.push(Problem {
                    what: format!("disk {}", medium.location.display()),
                    reason: format!(
                        "its UUID {{{}}} is registered for {}, too: a copy of the file needs a UUID of its own (`vboxmcp doctor --fix FILE`) before it is registered",
                        medium.uuid,
                        known.location.display()
                    ),
                });
            }
        }
        let wanted = |row: &&Row| only.is_none_or(|only| only == row.entry.uuid);
        for row in reading.rows.iter().filter(wanted) {
            if let Some(distrust) = self.distrust(row) {
                let (machine, media) = self.ask(&row.entry, &distrust, server);
                inventory.machines.insert(machine.uuid, machine);
                let is_new = |medium: &&Medium| !inventory.media.contains_key(&medium.uuid);
                let (new, _) = self.with_headers(media.iter().filter(is_new), want);
                inventory.media.extend(new);
            }
        }
        let all_registries_are_known = reading.rows.iter().all(|row| row.file.is_ok());
        for row in reading.rows.iter().filter(wanted) {
            let Ok(file) = row.file.as_ref() else { continue };
            if inventory.machines.contains_key(&row.entry.uuid) {
                continue;
            }
            let machine = match unregistered(&file.machine, &inventory.media) {
                None => self.trusted(file, &lives, about)?,
                // It may be in the registry of a machine that nobody has looked at.
                Some(_) if about.is_alone() => return self.read(want, Scope::Machine(row.entry.uuid)),
                Some(medium) => {
                    let reason = format!("it uses medium {medium}, which is registered nowhere");
                    let distrust = if all_registries_are_known {
                        Distrust::Broken(reason)
                    } else {
                        Distrust::Unknown(reason)
                    };
                    self.ask(&row.entry, &distrust, server).0
                }
            };
            inventory.machines.insert(machine.uuid, machine);
        }
        Ok(inventory)
    }

    /// Whether a process is asked which machines run.
    fn asks(want: &Want, server: Option<bool>) -> bool {
        want.ask_server || (want.states && server != Some(false))
    }

    /// The machines that live, or at least the one that is asked about if it does.
    fn alive(&self, only: Option<Uuid>) -> Result<Alive, HostError> {
        let runner = self.runner()?;
        if let Some(states) = only.and_then(|machine| self.native.state_of(runner, machine)) {
            return Ok(Alive::told(&states));
        }
        let is_worth_it = self.stays.load(Ordering::Relaxed) || self.native.expects_changes();
        let starts = is_worth_it && self.may_help();
        self.alive.ask(|| {
            // VirtualBox has written its registry before it says that a machine is registered.
            let registry = files::stamp(&self.home().registry()).map(|stamp| format!("{stamp:?}"));
            match self.native.states(runner, registry, starts) {
                Some(states) => Ok(Alive::told(&states)),
                None => live::running(runner).map(Alive::listed),
            }
        })
    }

    /// Media with what their files tell, and those whose UUID another one before them has.
    fn with_headers<'m>(
        &self,
        all: impl Iterator<Item = &'m Medium>,
        want: &Want,
    ) -> (BTreeMap<Uuid, Medium>, Vec<&'m Medium>) {
        let mut seen = HashSet::new();
        let (first, copies): (Vec<_>, Vec<_>) = all.partition(|medium| seen.insert(medium.uuid));
        if want.skip_disk_files {
            return (first.into_iter().map(|medium| (medium.uuid, medium.clone())).collect(), copies);
        }
        let (targets, files): (Vec<&Medium>, Vec<&Medium>) =
            first.into_iter().partition(|medium| medium.format == "iscsi");
        let headers = self.headers.read(&files);
        let with_headers = files.into_iter().zip(headers).map(|(medium, header)| Medium {
            size: header.size,
            variant: header.variant,
            parent: medium.parent.or(header.parent),
            health: header.health,
            ..medium.clone()
        });
        let all = targets.into_iter().cloned().chain(with_headers);
        (all.map(|medium| (medium.uuid, medium)).collect(), copies)
    }

    /// Why a machine's file is not the answer.
    fn distrust<'r>(&self, row: &'r Row) -> Option<Cow<'r, Distrust>> {
        match row.file.as_ref() {
            Err(distrust) => Some(Cow::Borrowed(distrust)),
            Ok(_) if self.distrusted.is_empty() => None,
            Ok(file) => {
                let reason = self.distrusted.get(&verify::layout(file))?;
                Some(Cow::Owned(Distrust::Unknown(reason.clone())))
            }
        }
    }

    /// A machine whose file is the answer.
    fn trusted(&self, file: &MachineFile, lives: &Lives, about: Scope) -> Result<Machine, HostError> {
        let mut machine = file.machine.clone();
        read_secure_boot(&mut machine, file.nvram.as_deref());
        machine.state = match lives {
            // That one was saved is in its file.
            Lives::Unasked => {
                machine.state.filter(|state| about.is_alone() && state.class() == StateClass::Saved)
            }
            Lives::Known { server: false, .. } => machine.state,
            Lives::Known { alive, server: true } => match live::state(&machine, alive) {
                Some(state) => Some(state),
                None => self.ask_state(machine.uuid)?,
            },
        };
        Ok(machine)
    }
}

fn media_of(row: &Row) -> Option<&[Medium]> {
    let file: &MachineFile = row.file.as_ref().as_ref().ok()?;
    Some(&file.media)
}

/// A medium that a machine or one of its snapshots uses and no registry has.
fn unregistered(machine: &Machine, media: &BTreeMap<Uuid, Medium>) -> Option<Uuid> {
    machine.media().find(|uuid| !media.contains_key(uuid))
}

/// Reads the secure boot switch, where the firmware has one.
pub(super) fn read_secure_boot(machine: &mut Machine, store: Option<&Path>) {
    match store.map(nvram::secure_boot) {
        Some(Ok(enabled)) => machine.settings.secure_boot = Some(enabled),
        Some(Err(reason)) => drop(machine.unknown.insert(FieldPath::of(["secureBoot"]), reason)),
        None => {}
    }
}
