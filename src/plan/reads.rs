//! The read-set of a plan: made from what the planner used, compared with what is there later.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::diff::{self, disk, machine as shape, tree};
use crate::inventory::{Inventory, Machine, Moved, PathFact, Read, ReadSet};
use crate::model::{Address, Desired, FieldPath, StackName};
use crate::plan::Step;

/// What a plan over `desired` used of `inventory`.
pub fn read_set(desired: &Desired, inventory: &Inventory, steps: &[Step]) -> ReadSet {
    let mut reads = Vec::new();
    for (address, declared) in &desired.machines {
        let live = inventory.owned_machine(&desired.stack, address);
        reads.push(Read::Owned { address: address.clone(), uuid: live.map(|machine| machine.uuid) });
        let named = inventory.machines_named(declared.name.as_str()).map(|machine| machine.uuid).collect();
        reads.push(Read::Named { name: declared.name.as_str().to_owned(), uuids: named });
        if let Some(machine) = live {
            let folder = machine.folder();
            let wanted = shape::declared(declared, Some(&folder));
            let there = shape::live(machine, address, &desired.stack, None, inventory);
            let uses_state = steps.iter().any(|step| {
                step.address == *address
                    && step.expects.iter().any(|e| matches!(e, super::Expectation::State(_)))
            });
            fields(address, &wanted, &there, uses_state, &mut reads);
        } else {
            let folder = diff::birth_folder(declared, inventory);
            reads.push(path(diff::settings_file(declared, &folder), inventory));
        }
        let folder = live.map_or_else(|| diff::birth_folder(declared, inventory), Machine::folder);
        for (key, disk) in declared.disks.iter().flatten() {
            let Some(file) = disk::file(key, disk, &folder) else { continue };
            reads.push(Read::Medium {
                uuid: inventory.medium_at(&file).map(|medium| medium.uuid),
                path: file.clone(),
            });
            reads.push(path(file, inventory));
        }
    }
    ReadSet { stack: Some(desired.stack.clone()), reads }
}

fn path(path: PathBuf, inventory: &Inventory) -> Read {
    let taken = inventory.paths.get(&path).is_some_and(|fact| *fact != PathFact::Missing);
    Read::Path { path, taken }
}

fn fields(address: &Address, wanted: &Value, there: &Value, state: bool, reads: &mut Vec<Read>) {
    let mut maps = BTreeSet::new();
    let mut paths: Vec<FieldPath> = tree::leaves(wanted).into_iter().map(|(path, _)| path).collect();
    let state_path = FieldPath::of(["state"]);
    if state && !paths.contains(&state_path) {
        paths.push(state_path);
    }
    for path in paths {
        let mut above = Some(path.clone());
        while let Some(prefix) = above {
            if tree::is_authoritative(&prefix) {
                maps.insert(prefix.clone());
            }
            above = prefix.parent();
        }
        if !tree::is_authoritative(&path) {
            reads.push(Read::Field {
                address: address.clone(),
                value: tree::get(there, &path).cloned(),
                path,
            });
        }
    }
    for path in maps {
        let keys = members(there, &path);
        reads.push(Read::Members { address: address.clone(), path, keys });
    }
}

fn members(tree: &Value, path: &FieldPath) -> BTreeSet<String> {
    let map = tree::get(tree, path).and_then(Value::as_object);
    map.map(|map| map.keys().cloned().collect()).unwrap_or_default()
}

/// The paths whose facts [`moved`] needs.
pub fn probes(reads: &ReadSet) -> Vec<PathBuf> {
    let paths = reads.reads.iter().filter_map(|read| match read {
        Read::Path { path, .. } => Some(path.clone()),
        _ => None,
    });
    paths.collect()
}

/// What is no longer as it was read, in the order in which it was read.
pub fn moved(reads: &ReadSet, inventory: &Inventory) -> Vec<Moved> {
    let Some(stack) = &reads.stack else { return Vec::new() };
    reads.reads.iter().filter_map(|read| one(read, stack, inventory)).collect()
}

fn one(read: &Read, stack: &StackName, inventory: &Inventory) -> Option<Moved> {
    let uuid =
        |uuid: Option<uuid::Uuid>| uuid.map_or_else(|| "absent".to_owned(), |uuid| format!("{{{uuid}}}"));
    let show = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), ToString::to_string);
    let moved =
        |object: String, field: String, then: String, now: String| Some(Moved { object, field, then, now });
    let live = |address: &Address| {
        let machine = inventory.owned_machine(stack, address)?;
        Some(shape::live(machine, address, stack, None, inventory))
    };
    match read {
        Read::Owned { address, uuid: then } => {
            let now = inventory.owned_machine(stack, address).map(|machine| machine.uuid);
            if now == *then {
                None
            } else {
                moved(address.to_string(), String::new(), uuid(*then), uuid(now))
            }
        }
        Read::Named { name, uuids } => {
            let now: BTreeSet<uuid::Uuid> =
                inventory.machines_named(name).map(|machine| machine.uuid).collect();
            let list = |uuids: &BTreeSet<uuid::Uuid>| match uuids.len() {
                0 => "free".to_owned(),
                _ => uuids.iter().map(|uuid| format!("{{{uuid}}}")).collect::<Vec<_>>().join(", "),
            };
            if now == *uuids {
                None
            } else {
                moved(format!("machine name {name:?}"), String::new(), list(uuids), list(&now))
            }
        }
        Read::Field { address, path, value } => {
            let tree = live(address)?;
            let now = tree::get(&tree, path);
            if now == value.as_ref() {
                return None;
            }
            moved(address.to_string(), path.to_string(), show(value.as_ref()), show(now))
        }
        Read::Members { address, path, keys } => {
            let now = members(&live(address)?, path);
            let list = |keys: &BTreeSet<String>| keys.iter().cloned().collect::<Vec<_>>().join(", ");
            if now == *keys {
                return None;
            }
            moved(
                address.to_string(),
                path.to_string(),
                format!("[{}]", list(keys)),
                format!("[{}]", list(&now)),
            )
        }
        Read::Path { path, taken } => {
            let now = inventory.paths.get(path).is_some_and(|fact| *fact != PathFact::Missing);
            let word = |taken: bool| if taken { "taken" } else { "free" }.to_owned();
            if now == *taken {
                None
            } else {
                moved(path.display().to_string(), String::new(), word(*taken), word(now))
            }
        }
        Read::Medium { path, uuid: then } => {
            let now = inventory.medium_at(path).map(|medium| medium.uuid);
            let object = format!("disk {}", path.display());
            if now == *then { None } else { moved(object, String::new(), uuid(*then), uuid(now)) }
        }
    }
}
