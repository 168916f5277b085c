//! Whether a declared snapshot is there, and whether its time is over.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{FieldDifference, equal, tree};
use crate::inventory::{Entry, Inventory, Machine, PathFact, Snapshot, Status};
use crate::model::{Address, Desired, DesiredSnapshot, FieldPath};

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

/// What is declared of a snapshot that is there: how it is described, where that is written and not to be left alone.
pub fn declared(snapshot: &DesiredSnapshot) -> Value {
    let path = FieldPath::of(["description"]);
    let text = snapshot.description.as_ref().filter(|_| !snapshot.lifecycle.ignore.contains(&path));
    text.map_or(Value::Null, |text| json!({ "description": text }))
}

/// What a snapshot that is there is described by, where it is not what is declared.
pub fn description(snapshot: &DesiredSnapshot, there: &Snapshot, entry: &Entry) -> Option<FieldDifference> {
    let path = FieldPath::of(["description"]);
    let declared = declared(snapshot);
    declared.as_object()?;
    let live = json!({ "description": there.description });
    let difference = tree::compare(&declared, &live, &equal).into_iter().next()?;
    let applied = (entry.status == Status::Confirmed).then_some(&entry.applied);
    let last = applied.and_then(|applied| tree::get(applied, &path)).cloned();
    let applied_known = applied.is_some_and(|applied| !applied.is_null());
    Some(FieldDifference {
        kind: super::kind(&difference, last.as_ref(), applied_known),
        unknown: None,
        source: Some(snapshot.source.to_string()),
        path,
        declared: difference.declared,
        live: difference.live,
        last,
    })
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

/// Whether the machine ever ran.
pub fn was_started(machine: &Machine, inventory: &Inventory) -> bool {
    inventory.paths.get(&machine.log_file()).is_some_and(|fact| *fact != PathFact::Missing)
}

/// The logs of the machines that lack a declared snapshot.
pub(super) fn probes(desired: &Desired, inventory: &Inventory) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for snapshot in &desired.snapshots {
        for address in &snapshot.machines {
            let Some(declared) = desired.machines.get(address) else { continue };
            let live = super::presence::live_machine(address, declared, desired, inventory);
            paths.extend(live.filter(|live| named(live, &snapshot.name).is_none()).map(Machine::log_file));
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
