//! The values that a read-set holds, as the host has them now: the same functions make the reads and compare them later.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;
use uuid::Uuid;

use super::ports;
use crate::diff::{disk, tree};
use crate::inventory::{
    AttachedMedium, Inventory, Machine, MarkState, Membership, Ownership, PathFact, Read, Registered,
};
use crate::model::state::StateClass;
use crate::model::{Address, FieldPath, HostPort, PowerState, StackName};

pub(super) fn stack_now(stack: &StackName, prunes: bool, inventory: &Inventory) -> Read {
    let owned = inventory.machines.values().filter_map(|machine| match inventory.owner_of(machine) {
        Ownership::Owned { stack: of, address } if of == *stack => Some((machine.uuid, address)),
        _ => None,
    });
    let membership = || {
        let register = inventory.registers.get(stack);
        register.map_or_else(Membership::default, |register| Membership {
            entries: register.entries.keys().cloned().collect(),
            paths: register.paths.clone(),
        })
    };
    Read::Stack { machines: owned.collect(), register: prunes.then(membership) }
}

/// Whether a machine's settings and state are known.
fn is_readable(machine: &Machine) -> bool {
    let class = machine.state.as_ref().map(PowerState::class);
    machine.access.is_readable() && class.is_some_and(|class| class != StateClass::Moving)
}

pub(super) fn former_now(
    address: &Address,
    stack: &StackName,
    from: &Address,
    inventory: &Inventory,
) -> Read {
    let machine = inventory.owned_machine(stack, from);
    Read::Former {
        address: address.clone(),
        stack: stack.clone(),
        from: from.clone(),
        machine: machine.map(|machine| machine.uuid),
        finished: is_marked(machine) && !crate::diff::is_pending(stack, from, inventory),
        readable: machine.is_some_and(is_readable),
        folder: machine.map(Machine::folder),
    }
}

fn is_marked(machine: Option<&Machine>) -> bool {
    machine.is_some_and(|machine| matches!(machine.mark, MarkState::Valid(_)))
}

pub(super) fn owned_now(stack: &StackName, address: &Address, inventory: &Inventory) -> Read {
    let machine = inventory.owned_machine(stack, address);
    Read::Owned {
        address: address.clone(),
        machine: machine.map(|machine| machine.uuid),
        marked: is_marked(machine),
        readable: machine.is_some_and(is_readable),
        folder: machine.map(Machine::folder),
    }
}

pub(super) fn entry_now(stack: &StackName, address: &Address, inventory: &Inventory) -> Option<Registered> {
    inventory.registers.get(stack)?.entries.get(address).map(Registered::from)
}

pub(super) fn named_now(name: &str, inventory: &Inventory) -> BTreeSet<Uuid> {
    inventory.machines_named(name).map(|machine| machine.uuid).collect()
}

pub(super) fn uses_now(medium: Uuid, inventory: &Inventory) -> Read {
    Read::Uses {
        medium,
        there: inventory.media.contains_key(&medium),
        children: inventory.children_of(medium),
        machines: inventory.machines_using(medium),
    }
}

/// What lies at a path; whether a directory is empty makes no difference.
pub(super) fn fact(path: &std::path::Path, inventory: &Inventory) -> PathFact {
    match inventory.paths.get(path) {
        None => PathFact::Missing,
        Some(PathFact::EmptyDirectory) => PathFact::Directory,
        Some(fact) => *fact,
    }
}

pub(super) fn places(machine: &Machine) -> BTreeMap<String, String> {
    let place = |attachment: &crate::inventory::Attachment| {
        let medium = match &attachment.medium {
            AttachedMedium::Image(uuid) => format!("{{{uuid}}}"),
            AttachedMedium::HostDrive(drive) => format!("host:{drive}"),
            AttachedMedium::Empty => "empty".to_owned(),
        };
        (disk::place(attachment).to_string(), medium)
    };
    machine.attachments.iter().map(place).collect()
}

pub(super) fn images(machine: &Machine) -> Vec<Uuid> {
    let disks = machine.attachments.iter().filter(|a| a.kind == crate::inventory::DeviceKind::Disk);
    disks
        .filter_map(|attachment| match attachment.medium {
            AttachedMedium::Image(uuid) => Some(uuid),
            AttachedMedium::HostDrive(_) | AttachedMedium::Empty => None,
        })
        .collect()
}

pub(super) fn chain_now(leaf: Uuid, inventory: &Inventory) -> Vec<(Uuid, Option<u64>)> {
    let size = |uuid: &Uuid| inventory.media.get(uuid).and_then(|medium| medium.size).map(|size| size.0);
    disk::chain(leaf, inventory).into_iter().map(|uuid| (uuid, size(&uuid))).collect()
}

pub(super) fn described(machine: &Machine, snapshot: Uuid) -> Option<&str> {
    machine.snapshot(snapshot).map(|there| there.description.as_str())
}

pub(super) fn snapshots(machine: &Machine) -> Vec<Uuid> {
    let root = machine.snapshots.as_ref();
    root.map(|root| root.leaves_first().into_iter().map(|snapshot| snapshot.uuid).collect())
        .unwrap_or_default()
}

pub(super) fn remembered(machine: &Machine, slot: u32) -> BTreeSet<String> {
    machine.remembered.get(&slot).map(|rules| rules.keys().cloned().collect()).unwrap_or_default()
}

pub(super) fn members(tree: &Value, path: &FieldPath) -> BTreeSet<String> {
    let map = tree::get(tree, path).and_then(Value::as_object);
    map.map(|map| map.keys().cloned().collect()).unwrap_or_default()
}

pub(super) fn port(port: HostPort) -> Option<u16> {
    match port {
        HostPort::Fixed(port) => Some(port),
        HostPort::Auto => None,
    }
}

/// Who has which host ports and MAC addresses, of all machines at once.
#[derive(Default)]
pub(super) struct Holders {
    ports: HashMap<u16, BTreeSet<Uuid>>,
    macs: HashMap<String, BTreeSet<Uuid>>,
}

impl Holders {
    pub(super) fn of(inventory: &Inventory) -> Self {
        let mut holders = Self::default();
        for machine in inventory.machines.values() {
            for port in ports::rules(&machine.settings).filter_map(|rule| port(rule.host_port)) {
                holders.ports.entry(port).or_default().insert(machine.uuid);
            }
            for mac in ports::macs(&machine.settings) {
                holders.macs.entry(mac).or_default().insert(machine.uuid);
            }
        }
        holders
    }

    pub(super) fn of_port(&self, port: u16) -> BTreeSet<Uuid> {
        self.ports.get(&port).cloned().unwrap_or_default()
    }

    pub(super) fn of_mac(&self, mac: &str) -> BTreeSet<Uuid> {
        self.macs.get(mac).cloned().unwrap_or_default()
    }
}
