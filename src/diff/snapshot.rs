//! Whether a declared snapshot is there, and whether its time is over.

use std::path::PathBuf;

use crate::inventory::{Inventory, Machine, PathFact, Snapshot};
use crate::model::{Address, Desired, FieldPath};

/// The snapshot that a name means on a machine: the first in the order of the tree, as VirtualBox itself takes it.
pub fn named<'a>(machine: &'a Machine, name: &str) -> Option<&'a Snapshot> {
    fn first<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a Snapshot> {
        if snapshot.name == name {
            return Some(snapshot);
        }
        snapshot.children.iter().find_map(|child| first(child, name))
    }
    first(machine.snapshots.as_ref()?, name)
}

/// Whether a field keeps its value when its machine goes back to a snapshot: it belongs to the machine and not to its hardware
/// (measured).
pub fn outlives_restore(path: &FieldPath) -> bool {
    let of_the_machine = [
        "name",
        "groups",
        "description",
        "extraData",
        "osType",
        "location",
        "snapshotFolder",
        "processPriority",
        "executionEngine",
        "icon",
        "teleporter",
    ];
    path.keys().first().is_some_and(|head| of_the_machine.contains(&head.as_str()))
}

/// The file that VirtualBox begins when a machine starts for the first time.
pub fn log_file(machine: &Machine) -> PathBuf {
    machine.folder().join("Logs").join("VBox.log")
}

/// Whether the machine ever ran.
pub fn was_started(machine: &Machine, inventory: &Inventory) -> bool {
    inventory.paths.get(&log_file(machine)).is_some_and(|fact| *fact != PathFact::Missing)
}

/// The logs of the machines that lack a declared snapshot.
pub(super) fn probes(desired: &Desired, inventory: &Inventory) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for snapshot in &desired.snapshots {
        for address in &snapshot.machines {
            let Some(declared) = desired.machines.get(address) else { continue };
            let live = super::presence::live_machine(address, declared, desired, inventory);
            paths.extend(live.filter(|live| named(live, &snapshot.name).is_none()).map(log_file));
        }
    }
    paths
}

/// Whether a snapshot is declared for the machine that its address names.
pub fn is_declared(address: &Address, desired: &Desired) -> bool {
    let Address::Snapshot(name, machine) = address else { return false };
    let machine = Address::Machine(machine.clone());
    desired.snapshots.iter().any(|snapshot| snapshot.name == *name && snapshot.machines.contains(&machine))
}
