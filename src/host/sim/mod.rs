//! A strict simulated VirtualBox: for people without one, and for tests.
//!
//! It does what the real one was measured to do, its quirks included, and refuses what the real one refuses with the same
//! code and text. Disks and machines exist only in its state; images and shared folders are looked up on the real file system.
//! Each `VBoxManage` command is a method of [`world::World`]; [`SimHost`] maps actions to them and injects [`Fault`]s.

mod birth;
mod by_hand;
mod changes;
mod data;
mod devices;
pub(in crate::host) mod draft;
mod fault;
mod live;
mod making;
mod media;
mod modify;
mod networks;
mod nics;
mod partial;
mod power;
mod refusal;
mod removal;
mod slot;
mod snapshots;
mod storage;
mod store;
#[cfg(test)]
mod tests;
mod tree;
mod view;
mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use imbl::OrdMap;
use serde_json::Value;
use uuid::Uuid;

pub use by_hand::ByHand;
pub use fault::{Fault, FaultPlan};
pub use power::IGNORES_ACPI;

use self::media::Copy;
use self::refusal::{No, unsupported};
use self::store::Store;
use self::world::World;
use super::checkup::{Comparison, Installation, Sample};
use super::virtualbox::argv::modify::calls;
use super::virtualbox::{CommandLine, Spellings, command_lines, native};
use super::{Asked, Birth, Circumstances, Done, HostError, Inspect, Operate, Progress, Want};
use crate::inventory::{Inventory, Machine, Medium, PathFact, Register};
use crate::model::nic::HostInterface;
use crate::model::{NetworkSettings, Secret, Shared, StackName};
use crate::plan::{Action, Target};

type Registers = Shared<BTreeMap<StackName, Register>>;

/// A simulated VirtualBox.
#[derive(Debug)]
pub struct SimHost {
    store: Store,
    faults: FaultPlan,
    circumstances: Circumstances,
    asked: AtomicU64,
    dead: AtomicBool,
    cancelled: Mutex<bool>,
    wake: Condvar,
    births: usize,
    pipeline: bool,
    /// The stacks' registers as they were understood of this extra data.
    registers: Mutex<Option<(OrdMap<String, String>, Registers)>>,
}

impl SimHost {
    /// Everything that it knows, files and folders included: what a test compares.
    pub fn everything(&self) -> Result<Value, HostError> {
        self.store.look(|world| serde_json::to_value(world).unwrap_or_default())
    }

    /// Whether the program that uses it has died of a [`Fault`].
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// How many actions it was asked for.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    fn alive(&self) -> Result<(), HostError> {
        if self.dead.load(Ordering::SeqCst) {
            let program = PathBuf::from("VBoxManage");
            return Err(HostError::Spawn {
                program,
                source: std::io::Error::other("the simulated process is dead"),
            });
        }
        Ok(())
    }

    fn die(&self) -> HostError {
        self.dead.store(true, Ordering::SeqCst);
        HostError::Cancelled
    }

    /// Waits for [`Operate::cancel`].
    fn hang(&self, command: &CommandLine) -> HostError {
        let mut cancelled = self.cancelled.lock().unwrap_or_else(PoisonError::into_inner);
        while !*cancelled {
            cancelled = self.wake.wait(cancelled).unwrap_or_else(PoisonError::into_inner);
        }
        HostError::Timeout { command: command.to_string(), seconds: 60, harmless: false }
    }

    /// Everything, or one machine and all media.
    fn read(&self, only: Option<Uuid>) -> Result<Inventory, HostError> {
        let world = self.store.look(World::clone)?;
        let mut known = self.registers.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|(extra, _)| !extra.ptr_eq(&world.extra)) {
            *known = Some((world.extra.clone(), world.registers().into()));
        }
        let registers = known.as_ref().map(|(_, registers)| registers.clone()).unwrap_or_default();
        drop(known);
        Ok(world.inventory(only, registers))
    }

    fn act(&self, action: &Action, command: &CommandLine) -> Result<Done, HostError> {
        self.store.change(|world| world.perform(action))?.map_err(|no| no.into_error(command))
    }

    /// `None` where nothing was done: what is refused of it is told by the steps that would make it.
    fn bear_one(&self, birth: &Birth) -> Result<Option<()>, HostError> {
        self.alive()?;
        let fits = self.store.look(|world| world.clone().bear(birth).is_ok())?;
        if !fits {
            return Ok(None);
        }
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let command = CommandLine::of(["registervm"]);
        if let Some(hand) = self.faults.before(number) {
            self.meanwhile(hand)?;
        }
        let act = || {
            let born = self.store.change(|world| world.bear(birth))?;
            born.map_err(|no| no.into_error(&command)).map(|()| Done::default())
        };
        let half = || self.store.change(|world| partial::half_born(world, birth));
        let result = match self.faults.of(number) {
            None => act(),
            Some(fault) => self.go_wrong(fault, &act, &half, &command),
        };
        if let Some(hand) = self.faults.after(number) {
            self.meanwhile(hand)?;
        }
        result.map(|_| Some(()))
    }

    /// Somebody else does something. What is refused to them is no concern of ours.
    fn meanwhile(&self, hand: &ByHand) -> Result<(), HostError> {
        self.store.change(|world| world.by_hand(hand).is_ok()).map(drop)
    }

    /// Lets something go wrong that `act` does and `half` does half of.
    fn go_wrong(
        &self,
        fault: Fault,
        act: &dyn Fn() -> Result<Done, HostError>,
        half: &dyn Fn() -> Result<(), HostError>,
        command: &CommandLine,
    ) -> Result<Done, HostError> {
        let refuse = |template, about: &[&dyn std::fmt::Display]| {
            Err(refusal::no(template, about).into_error(command))
        };
        let too_late =
            || Err(HostError::Timeout { command: command.to_string(), seconds: 60, harmless: false });
        match fault {
            Fault::NotExecuted => refuse(&refusal::NO_SERVER, &[]),
            Fault::Refused => refuse(&refusal::LOCKED, &[&"sim"]),
            Fault::RefusedValue => refuse(&refusal::MEMORY, &[&0]),
            Fault::HostBroken => refuse(&refusal::DISK_FULL, &[&"sim"]),
            Fault::NoProgram => {
                let source = std::io::Error::other("the simulated program is not there");
                Err(HostError::Spawn { program: PathBuf::from("VBoxManage"), source })
            }
            Fault::FailedAfterwards => {
                act()?;
                refuse(&refusal::ABORTED, &[])
            }
            Fault::FailedHalfway => {
                half()?;
                refuse(&refusal::ABORTED, &[])
            }
            Fault::FalseSuccess => Ok(Done::default()),
            Fault::Twice => {
                let done = act()?;
                // The second one may be refused: nobody asks.
                let _ = act();
                Ok(done)
            }
            Fault::Hangs => Err(self.hang(command)),
            Fault::HangsAfterwards => {
                act()?;
                Err(self.hang(command))
            }
            Fault::NoReply => too_late(),
            Fault::ReplyLost => {
                act()?;
                too_late()
            }
            Fault::ServerGone => refuse(&refusal::PEER_CRASHED, &[]),
            Fault::ServerGoneAfterwards => {
                act()?;
                refuse(&refusal::PEER_CRASHED, &[])
            }
            Fault::DiesBefore => Err(self.die()),
            Fault::DiesHalfway => {
                half()?;
                Err(self.die())
            }
            Fault::DiesAfterwards => {
                let result = act();
                let death = self.die();
                result.and(Err(death))
            }
        }
    }
}

impl Inspect for SimHost {
    fn home_folder(&self) -> Result<PathBuf, HostError> {
        self.alive()?;
        self.store.look(|world| world.home.clone())
    }

    fn inventory(&self, _want: &Want) -> Result<Inventory, HostError> {
        self.alive()?;
        self.read(None)
    }

    /// What a laptop has: a cable and a radio.
    fn interfaces(&self) -> Result<Vec<HostInterface>, HostError> {
        let interface = |name: &str, mac: &str, default_route| HostInterface {
            name: name.to_owned(),
            mac: mac.to_owned(),
            up: true,
            default_route,
        };
        Ok(vec![interface("eth0", "02A000000001", true), interface("wlan0", "02A000000002", false)])
    }

    fn probe(&self, paths: &[PathBuf]) -> BTreeMap<PathBuf, PathFact> {
        let facts = |world: &World| paths.iter().map(|path| (path.clone(), world.tree.fact(path))).collect();
        self.store.look(facts).unwrap_or_default()
    }

    fn below(&self, folder: &Path) -> Result<BTreeMap<PathBuf, PathFact>, HostError> {
        self.alive()?;
        self.store.look(|world| world.tree.below(folder))
    }

    fn holds(&self, file: &Path, medium: &Medium) -> bool {
        let held = |world: &World| matches!(world.tree.file(file), Some(tree::Content::Disk { uuid, .. }) if *uuid == medium.uuid);
        self.store.look(held).unwrap_or_default()
    }

    fn disk_in(&self, file: &Path) -> Result<Option<Uuid>, HostError> {
        self.store.look(|world| match world.tree.file(file) {
            Some(tree::Content::Disk { uuid, .. }) => Some(*uuid),
            _ => None,
        })
    }

    fn circumstances(&self, asked: &Asked) -> Circumstances {
        let mut found = self.circumstances.clone();
        found.space.retain(|folder, _| asked.folders.contains(folder));
        found.unavailable.retain(|endpoint, _| asked.ports.contains(endpoint));
        found.memory = found.memory.filter(|_| asked.memory);
        found.driver = found.driver.filter(|_| asked.driver);
        found.extension_packs = found.extension_packs.filter(|_| asked.extension_packs);
        found
    }

    fn host_only(&self) -> Result<BTreeMap<String, NetworkSettings>, HostError> {
        self.alive()?;
        self.store.look(|world| world.host_only.clone())
    }

    fn reread(&self, machine: Uuid, _states: bool) -> Result<Inventory, HostError> {
        self.alive()?;
        self.read(Some(machine))
    }

    fn look_at(&self, machine: Uuid, _states: bool) -> Result<Inventory, HostError> {
        self.alive()?;
        Ok(self.store.look(World::clone)?.alone(machine))
    }

    fn as_of(&self, machine: Uuid, snapshot: Uuid) -> Result<Option<Machine>, HostError> {
        self.alive()?;
        self.store.look(|world| world.as_of(machine, snapshot).map(|machine| World::view(&machine)))
    }

    fn screenshot(&self, machine: Uuid) -> Result<Vec<u8>, HostError> {
        self.alive()?;
        let name =
            self.store.look(|world| world.machines.get(&machine).map(|machine| machine.name.clone()))?;
        let what =
            format!("a picture of machine {:?}: a simulated one has no screen", name.unwrap_or_default());
        Err(HostError::Unsupported { what })
    }

    fn guest_property(&self, machine: Uuid, name: &str) -> Result<Option<String>, HostError> {
        self.alive()?;
        self.store.look(|world| {
            let properties = world.machines.get(&machine)?.hardware.settings.guest_properties.as_ref()?;
            properties.get(name).cloned().flatten()
        })
    }

    /// What its guests would write goes into no file.
    fn file_end(&self, file: &Path, _most: usize) -> Result<(Vec<u8>, u64), HostError> {
        self.alive()?;
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        Err(HostError::Read { path: file.to_owned(), source })
    }

    fn watched(&self) -> Result<Vec<PathBuf>, HostError> {
        Ok(self.store.kept_in().map(Path::to_owned).into_iter().collect())
    }

    fn installation(&self) -> Result<Installation, HostError> {
        self.alive().map(|()| Installation::default())
    }

    fn version(&self) -> Result<Option<String>, HostError> {
        self.alive().map(|()| None)
    }

    /// It has no settings files.
    fn layouts(&self) -> Result<Vec<String>, HostError> {
        self.alive().map(|()| Vec::new())
    }

    fn compare(&self, _sample: Sample) -> Result<Comparison, HostError> {
        self.alive().map(|()| Comparison::default())
    }
}

impl Operate for SimHost {
    /// A simulated command dies with its process.
    fn settle(&self, _former: u32) -> Result<(), HostError> {
        self.alive()
    }

    fn prepare(&self) -> Result<(), HostError> {
        self.alive()
    }

    fn perform(&self, action: &Action, progress: Progress<'_>) -> Result<Done, HostError> {
        self.alive()?;
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let commands = command_lines(action, &Spellings::default())?;
        let command = commands.into_iter().next().unwrap_or_default();
        progress(0);
        if let Some(hand) = self.faults.before(number) {
            self.meanwhile(hand)?;
        }
        let result = match self.faults.of(number) {
            None => self.act(action, &command),
            Some(fault) => self.go_wrong(
                fault,
                &|| self.act(action, &command),
                &|| self.store.change(|world| partial::half(world, action)),
                &command,
            ),
        };
        if let Some(hand) = self.faults.after(number) {
            self.meanwhile(hand)?;
        }
        if result.is_ok() {
            progress(100);
        }
        result
    }

    fn is_pipelined(&self, action: &Action) -> bool {
        self.pipeline && native::can_do(action)
    }

    fn births(&self) -> usize {
        self.births
    }

    /// Each birth counts as one action.
    fn bear(&self, births: &[Birth], _known: &Inventory) -> Vec<Option<Result<(), HostError>>> {
        births.iter().map(|birth| self.bear_one(birth).transpose()).collect()
    }

    /// It has no use for them: what a real VirtualBox is told, nobody can read back.
    fn keep_settings(&self, _machine: Uuid, _copy: &Path) -> Result<(), HostError> {
        self.alive()
    }

    fn entrust(&self, _secrets: BTreeMap<String, Secret>) {}

    fn width(&self, action: &Action) -> usize {
        match action {
            Action::Start { .. } | Action::Shutdown { .. } | Action::SaveState { .. } => 4,
            _ => 1,
        }
    }

    fn cancel(&self) {
        *self.cancelled.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_all();
    }
}

fn bound(target: &Target) -> Result<Uuid, No> {
    match target {
        Target::Existing(uuid) => Ok(*uuid),
        Target::Planned(address) => Err(unsupported(format!("{address} is not bound, and acting on it"))),
    }
}

impl World {
    fn perform(&mut self, action: &Action) -> Result<Done, No> {
        let mut done = Done::default();
        match action {
            Action::CreateMachine { uuid, name, os_type, groups, folder } => {
                if let Some(uuid) = uuid {
                    self.forget_attempt(*uuid)?;
                }
                done.made = Some(self.create_machine(*uuid, name, os_type, groups, folder)?);
            }
            Action::ModifyMachine { machine, set } => {
                for set in calls(set) {
                    self.modify(bound(machine)?, &set)?;
                }
            }
            Action::ModifyLive { machine, set, save } => {
                self.modify_live(bound(machine)?, set)?;
                if let Some(mark) = save {
                    self.write_mark(bound(machine)?, Some(mark))?;
                }
            }
            Action::SetSecureBoot { machine, enabled } => self.set_secure_boot(bound(machine)?, *enabled)?,
            Action::SetSecret { machine, .. } => self.set_secret(bound(machine)?)?,
            Action::AddBandwidthGroup { machine, name, group } => {
                self.add_bandwidth_group(bound(machine)?, name, group)?;
            }
            Action::LimitBandwidthGroup { machine, name, limit } => {
                self.limit_bandwidth_group(bound(machine)?, name, *limit)?;
            }
            Action::RemoveBandwidthGroup { machine, name } => {
                self.remove_bandwidth_group(bound(machine)?, name)?;
            }
            Action::AssignBandwidthGroup { machine, at, group } => {
                self.assign_bandwidth_group(bound(machine)?, at, group)?;
            }
            Action::AddUsbFilter { machine, position, filter } => {
                self.add_usb_filter(bound(machine)?, *position, filter)?;
            }
            Action::RemoveUsbFilter { machine, position } => {
                self.remove_usb_filter(bound(machine)?, *position)?;
            }
            Action::MoveMachine { machine, folder } => self.move_machine(bound(machine)?, folder)?,
            Action::SetExtraData { machine, key, value } => {
                self.set_extra(bound(machine)?, key, value.as_deref())?;
            }
            Action::SetGuestProperty { machine, key, value, save } => {
                self.set_property(bound(machine)?, key, value.as_deref())?;
                if let Some(mark) = save {
                    self.write_mark(bound(machine)?, Some(mark))?;
                }
            }
            Action::WriteMark { machine, mark } => self.write_mark(bound(machine)?, mark.as_ref())?,
            Action::WriteRegister { shard } => self.write_register(shard)?,
            Action::AddController { machine, name, controller } => {
                self.add_controller(bound(machine)?, name, controller)?;
            }
            Action::ChangeController { machine, name, controller } => {
                self.change_controller(bound(machine)?, name, controller)?;
            }
            Action::RemoveController { machine, name } => self.remove_controller(bound(machine)?, name)?,
            Action::CreateDisk { location, machine, format, variant, size, .. } => {
                let machine = machine.as_ref().map(bound).transpose()?;
                done.made = Some(self.create_disk(machine, location, format, variant, *size)?);
            }
            Action::CloneDisk { image, sha256, location, machine, format, variant, size, .. } => {
                let copy = Copy { image, sha256: sha256.as_deref(), most: *size };
                done.made = Some(self.clone_disk(bound(machine)?, &copy, location, format, variant)?);
            }
            Action::SetDisk { medium, disk_type, description } => {
                self.set_disk(bound(medium)?, disk_type.as_deref(), description.as_deref())?;
            }
            Action::MoveDisk { medium, location } => self.move_disk(bound(medium)?, location)?,
            Action::LocateDisk { medium, location } => self.locate_disk(bound(medium)?, location)?,
            Action::ClearBirth { machine, file, disks } => self.clear_birth(*machine, file, disks)?,
            Action::RenewDisk { file, from, to } => self.renew_disk(file, *from, *to)?,
            Action::GrowDisk { medium, size } => self.grow_disk(bound(medium)?, *size)?,
            Action::Attach { machine, at, kind, insert, options } => {
                self.attach(bound(machine)?, at, *kind, insert, options)?;
            }
            Action::SetAutoReset { machine, at, enabled } => {
                self.set_auto_reset(bound(machine)?, at, *enabled)?;
            }
            Action::Detach { machine, at } => self.detach(bound(machine)?, at)?,
            Action::DeleteDisk { medium, folder } => {
                self.close_disk(bound(medium)?, true)?;
                if let Some(folder) = folder {
                    self.tree.remove_folder_of_others(folder);
                }
            }
            Action::CloseDisk { medium } => self.close_disk(bound(medium)?, false)?,
            Action::AddSharedFolder { machine, name, folder } => {
                self.add_shared_folder(bound(machine)?, name, folder)?;
            }
            Action::RemoveSharedFolder { machine, name } => {
                self.remove_shared_folder(bound(machine)?, name)?;
            }
            Action::Start { machine } => self.start(bound(machine)?)?,
            Action::Shutdown { machine, timeout, then_power_cut } => {
                self.shut_down(bound(machine)?, *timeout, *then_power_cut)?;
            }
            Action::PowerCut { machine } => self.power_off(bound(machine)?)?,
            Action::Pause { machine } => self.pause(bound(machine)?)?,
            Action::Resume { machine } => self.resume(bound(machine)?)?,
            Action::Reset { machine } => self.reset(bound(machine)?)?,
            Action::SaveState { machine } => self.save_state(bound(machine)?)?,
            Action::DiscardState { machine } => self.discard_state(bound(machine)?)?,
            Action::TakeSnapshot { machine, name, description, live } => {
                done.made = Some(self.take_declared(bound(machine)?, name, description, *live)?);
            }
            Action::RestoreSnapshot { machine, snapshot } => {
                self.restore_snapshot(bound(machine)?, *snapshot)?;
            }
            Action::DescribeSnapshot { machine, snapshot, description } => {
                self.describe_snapshot(bound(machine)?, *snapshot, description)?;
            }
            Action::DeleteSnapshot { machine, snapshot } => {
                self.delete_snapshot(bound(machine)?, *snapshot)?;
            }
            Action::Network { change } => self.change_network(change)?,
            Action::Unregister { machine, delete } => self.unregister(bound(machine)?, *delete)?,
        }
        Ok(done)
    }
}
