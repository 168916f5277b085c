//! What plans read of networks and of disks of their own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use crate::diff::{network, own_disk, tree};
use crate::inventory::{Inventory, Machine, Moved, Read, ReadSet};
use crate::model::state::StateClass;
use crate::model::{Address, Desired, DesiredNetwork, DiskDocument, FieldPath, NetworkKind, PowerState};

/// Reads of one declared network.
pub fn of_network(address: &Address, declared: &DesiredNetwork, inventory: &Inventory) -> Read {
    let paths = declared_paths(&network::declared(declared));
    network_now(address, declared.kind, &declared.name, paths, inventory)
}

/// The same network as it is now.
pub fn network_now(
    address: &Address,
    kind: NetworkKind,
    name: &str,
    paths: Vec<FieldPath>,
    inventory: &Inventory,
) -> Read {
    let live = inventory.networks.find(kind, name).map(|live| live.tree(kind));
    let is_up = |machine: &Machine| {
        let class = machine.state.as_ref().map(PowerState::class);
        !matches!(class, Some(StateClass::Off | StateClass::Saved))
    };
    let users = inventory.network_users(kind, name).map(|machine| (machine.uuid, is_up(machine)));
    Read::Network {
        address: address.clone(),
        kind,
        name: name.to_owned(),
        there: live.map(|live| only(&live, &paths)),
        paths,
        machines: users.collect(),
    }
}

/// Reads of one declared disk. Its file is read beside it.
pub fn of_disk(address: &Address, declared: &DiskDocument, desired: &Desired, inventory: &Inventory) -> Read {
    let file = own_disk::file(declared, &desired.stack, inventory);
    let known = own_disk::entry(address, declared, desired, inventory);
    let base = known.and_then(|(_, _, entry)| own_disk::medium_of(entry, inventory));
    let uuid = base.or_else(|| inventory.medium_at(&file)).map(|medium| medium.uuid);
    disk_now(address, uuid, declared_paths(&own_disk::declared(declared)), inventory)
}

/// The same disk as it is now.
pub fn disk_now(address: &Address, uuid: Option<Uuid>, paths: Vec<FieldPath>, inventory: &Inventory) -> Read {
    let base = uuid.and_then(|uuid| inventory.media.get(&uuid));
    let is_up = |machine: &&Machine| machine.state.as_ref().map(PowerState::class) != Some(StateClass::Off);
    let users: BTreeMap<Uuid, bool> = base
        .map(|base| own_disk::users(base.uuid, inventory))
        .unwrap_or_default()
        .iter()
        .map(|machine| (machine.uuid, is_up(machine)))
        .collect();
    let differences: BTreeSet<Uuid> = base
        .map(|base| own_disk::differences(base.uuid, inventory))
        .unwrap_or_default()
        .iter()
        .map(|medium| medium.uuid)
        .collect();
    Read::Disk {
        address: address.clone(),
        uuid: base.map(|base| base.uuid),
        there: base.map(|base| only(&own_disk::live(base, inventory), &paths)),
        paths,
        machines: users,
        differences,
    }
}

/// Whether comparing needs the host's host-only interfaces.
pub fn needs_interfaces(reads: &ReadSet) -> bool {
    reads.reads.iter().any(|read| matches!(read, Read::Network { kind: NetworkKind::HostOnly, .. }))
}

/// The declared fields; of maps that are all the manifest's the whole map.
fn declared_paths(declared: &Value) -> Vec<FieldPath> {
    let mut paths = BTreeSet::new();
    for (path, _) in tree::leaves(declared) {
        let map = path.parent().filter(tree::is_authoritative);
        paths.insert(map.unwrap_or(path));
    }
    paths.into_iter().collect()
}

/// The part of a tree that stands at some paths.
fn only(live: &Value, paths: &[FieldPath]) -> Value {
    let mut there = Value::Object(serde_json::Map::new());
    for path in paths {
        if let Some(value) = tree::get(live, path) {
            tree::set(&mut there, path, value.clone());
        }
    }
    there
}

/// What moved between two reads of one network or disk.
pub fn compare(then: &Read, now: &Read) -> Vec<Moved> {
    if then == now {
        return Vec::new();
    }
    let (address, paths, before) = match then {
        Read::Network { address, paths, there, .. } | Read::Disk { address, paths, there, .. } => {
            (address, paths, there.as_ref())
        }
        _ => return Vec::new(),
    };
    let after = match now {
        Read::Network { there, .. } | Read::Disk { there, .. } => there.as_ref(),
        _ => None,
    };
    let show = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), ToString::to_string);
    let at = |tree: Option<&Value>, path: &FieldPath| tree.and_then(|tree| tree::get(tree, path)).cloned();
    let moved =
        |field: String, then: String, now: String| Moved { object: address.to_string(), field, then, now };
    let fields: Vec<Moved> = match (before, after) {
        (Some(_), Some(_)) => paths
            .iter()
            .filter(|path| at(before, path) != at(after, path))
            .map(|path| {
                moved(path.to_string(), show(at(before, path).as_ref()), show(at(after, path).as_ref()))
            })
            .collect(),
        (None, None) => Vec::new(),
        _ => vec![moved(String::new(), show(before), show(after))],
    };
    if !fields.is_empty() {
        return fields;
    }
    let users = |read: &Read| match read {
        Read::Network { machines, .. } | Read::Disk { machines, .. } => {
            let names: Vec<String> = machines
                .iter()
                .map(|(uuid, up)| format!("{{{uuid}}}{}", if *up { " (up)" } else { "" }))
                .collect();
            if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
        }
        _ => String::new(),
    };
    vec![moved("used by".to_owned(), users(then), users(now))]
}
