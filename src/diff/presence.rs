//! Whether a declared machine is there, and whose it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::inventory::{Entry, Identity, Inventory, Machine, MarkState, Ownership, PathFact, Status};
use crate::model::{Address, Desired, DesiredMachine, PowerState, StackName};

/// Who holds what a declaration wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Owner {
    /// A machine that no stack owns.
    Nobody,
    /// Another stack, or another address of this one.
    Stack {
        /// The stack.
        stack: StackName,
        /// The address in it.
        address: Address,
    },
    /// A file or folder.
    Path(PathBuf),
    /// A machine with a mark that cannot be read.
    Unclear(String),
    /// Several machines of the name: their UUIDs.
    Several(Vec<Uuid>),
}

/// Whether a declared machine is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is not there.
    Absent {
        /// A former attempt's or a former life's UUID, from a pending entry: the new machine takes it.
        uuid: Option<Uuid>,
        /// The register says that it was there: somebody removed it.
        lost: bool,
    },
    /// It is there and ours.
    Ours {
        /// The machine.
        uuid: Uuid,
    },
    /// It is there and ours, and its birth is not finished.
    Unfinished {
        /// The machine.
        uuid: Uuid,
    },
    /// It is there and ours, under the name or stack that `renamedFrom` says.
    Renamed {
        /// The machine.
        uuid: Uuid,
        /// Its former address.
        from: Address,
        /// Its former stack.
        from_stack: StackName,
        /// Its birth is not finished.
        unfinished: bool,
    },
    /// Something that is not ours is in the way.
    Conflict {
        /// The machine in the way.
        uuid: Option<Uuid>,
        /// Whose it is.
        owner: Owner,
    },
    /// `lifecycle.external`, and it is there.
    External {
        /// The machine.
        uuid: Uuid,
    },
    /// `lifecycle.external`, and it is not there.
    ExternalMissing,
    /// It is ours and could not be read, or stays between two states.
    Unreadable {
        /// The machine.
        uuid: Uuid,
        /// Why.
        reason: String,
    },
}

/// Where a new machine's own folder will be: `FOLDER/[GROUP/]NAME`.
pub fn birth_folder(machine: &DesiredMachine, inventory: &Inventory) -> PathBuf {
    let mut folder = machine.location.clone().unwrap_or_else(|| inventory.host.machine_folder.clone());
    if let Some(group) = machine.settings.groups.iter().flatten().next() {
        folder.extend(group.split('/').filter(|part| !part.is_empty()));
    }
    folder.join(machine.name.as_str())
}

/// The settings file of a machine in its own folder.
pub fn settings_file(machine: &DesiredMachine, folder: &Path) -> PathBuf {
    folder.join(format!("{}.vbox", machine.name))
}

/// The machine that a declaration means, ours or one to adopt.
pub fn live_machine<'a>(
    address: &Address,
    machine: &'a DesiredMachine,
    desired: &Desired,
    inventory: &'a Inventory,
) -> Option<&'a Machine> {
    inventory
        .owned_machine(&desired.stack, address)
        .or_else(|| former(machine, desired, inventory).map(|(live, ..)| live))
        .or_else(|| inventory.machines_named(machine.name.as_str()).next())
}

/// Whether the register holds an address as one whose birth has not been confirmed.
pub fn is_pending(stack: &StackName, address: &Address, inventory: &Inventory) -> bool {
    let entry = inventory.registers.get(stack).and_then(|register| register.entries.get(address));
    entry.is_some_and(|entry| entry.status == Status::Pending)
}

/// The UUID that a machine was to have whose birth has not been confirmed.
fn pending(entry: &Entry) -> Option<Uuid> {
    match entry.identity {
        Identity::Uuid(uuid) if entry.status == Status::Pending => Some(uuid),
        _ => None,
    }
}

/// Where a machine that was about to be born, and is not there, may have left files.
pub struct Unborn {
    /// The UUID that it was to have.
    pub machine: Uuid,
    /// Its settings file.
    pub file: PathBuf,
    /// The disks that were made for it, with their files.
    pub disks: BTreeMap<Address, PathBuf>,
}

/// The files of a birth that the register does not know to be finished; `None` where the machine is registered.
pub fn unborn(
    address: &Address,
    machine: &DesiredMachine,
    stack: &StackName,
    inventory: &Inventory,
) -> Option<Unborn> {
    let register = inventory.registers.get(stack)?;
    let uuid = pending(register.entries.get(address)?)?;
    if inventory.machines.contains_key(&uuid) {
        return None;
    }
    let folder = birth_folder(machine, inventory);
    let disks = register.disks_of(address.machine_name()?).filter_map(|(address, entry)| {
        let Identity::Path(file) = &entry.identity else { return None };
        (entry.status == Status::Pending && !entry.protect).then(|| (address.clone(), file.clone()))
    });
    Some(Unborn { machine: uuid, file: settings_file(machine, &folder), disks: disks.collect() })
}

fn former<'a>(
    machine: &DesiredMachine,
    desired: &Desired,
    inventory: &'a Inventory,
) -> Option<(&'a Machine, Address, StackName)> {
    machine.lifecycle.renamed_from.iter().find_map(|(stack, name)| {
        let stack = stack.as_ref().unwrap_or(&desired.stack);
        let from = Address::Machine(name.clone());
        let live = inventory.owned_machine(stack, &from)?;
        Some((live, from, stack.clone()))
    })
}

/// Whether a declared machine is there, and whose it is.
pub fn presence(
    address: &Address,
    machine: &DesiredMachine,
    desired: &Desired,
    inventory: &Inventory,
) -> Presence {
    if machine.lifecycle.external {
        let mut named = inventory.machines_named(machine.name.as_str());
        return match (named.next(), named.next()) {
            (None, _) => Presence::ExternalMissing,
            (Some(live), None) => Presence::External { uuid: live.uuid },
            (Some(a), Some(b)) => {
                let uuids = [a.uuid, b.uuid].into_iter().chain(named.map(|live| live.uuid)).collect();
                Presence::Conflict { uuid: None, owner: Owner::Several(uuids) }
            }
        };
    }
    let entry = inventory.registers.get(&desired.stack).and_then(|register| register.entries.get(address));
    if let Some(live) = inventory.owned_machine(&desired.stack, address) {
        return owned(live, is_pending(&desired.stack, address, inventory));
    }
    if let Some((live, from, from_stack)) = former(machine, desired, inventory) {
        return match owned(live, is_pending(&from_stack, &from, inventory)) {
            Presence::Ours { uuid } => Presence::Renamed { uuid, from, from_stack, unfinished: false },
            Presence::Unfinished { uuid } => Presence::Renamed { uuid, from, from_stack, unfinished: true },
            other => other,
        };
    }
    let named: Vec<&Machine> = inventory.machines_named(machine.name.as_str()).collect();
    match named.as_slice() {
        [] => {}
        [live] => {
            let owner = match inventory.owner_of(live) {
                Ownership::Unowned | Ownership::MarkRemoved { .. } => Owner::Nobody,
                Ownership::Owned { stack, address } => Owner::Stack { stack, address },
                Ownership::Unclear(reason) => Owner::Unclear(reason),
            };
            return Presence::Conflict { uuid: Some(live.uuid), owner };
        }
        several => {
            let uuids = several.iter().map(|live| live.uuid).collect();
            return Presence::Conflict { uuid: None, owner: Owner::Several(uuids) };
        }
    }
    let pending = entry.and_then(pending);
    let folder = birth_folder(machine, inventory);
    let file = settings_file(machine, &folder);
    match inventory.paths.get(&file) {
        None | Some(PathFact::Missing) => {}
        // What is left of the birth that the register knows of.
        Some(PathFact::SettingsOf(left)) if Some(*left) == pending => {}
        Some(_) => return Presence::Conflict { uuid: None, owner: Owner::Path(file) },
    }
    Presence::Absent { uuid: pending, lost: entry.is_some_and(|entry| entry.status == Status::Confirmed) }
}

fn owned(live: &Machine, pending: bool) -> Presence {
    let uuid = live.uuid;
    if !live.access.is_readable() {
        let reason = live.access.reason().unwrap_or("it could not be read").to_owned();
        return Presence::Unreadable { uuid, reason };
    }
    match &live.state {
        None => Presence::Unreadable { uuid, reason: "its power state could not be read".to_owned() },
        Some(state) if state.class() == crate::model::state::StateClass::Moving => {
            Presence::Unreadable { uuid, reason: moving(state) }
        }
        // A pending entry whose machine is marked and complete is found out by comparing it with its birth values.
        Some(_) if pending || matches!(live.mark, MarkState::None | MarkState::Foreign(_)) => {
            Presence::Unfinished { uuid }
        }
        Some(_) => Presence::Ours { uuid },
    }
}

fn moving(state: &PowerState) -> String {
    format!("it is on the way from one state to another ({state}); look again when it has arrived")
}
