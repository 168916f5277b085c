//! What differs between the declaration and the host: pure, `diff(&Desired, &Inventory) -> ChangeSet`.
//!
//! Nothing is decided here. `machine` and `disk` put both sides into one shape, `normal` says what is not compared, `tree` compares, `presence` tells whose a machine is.

mod asked;
pub mod disk;
pub mod machine;
pub mod network;
pub mod normal;
pub mod own_disk;
mod presence;
pub mod snapshot;
pub mod tree;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub use network::{NetworkDifference, NetworkOwner, NetworkPresence, resolve};
pub use own_disk::{DiskDifference, DiskOwner, DiskPresence};
pub use presence::{Owner, Presence, birth_folder, is_pending, presence, settings_file, unborn};

use crate::inventory::{Entry, Identity, Inventory, Machine, MarkState, Ownership, PathFact, Status};
use crate::model::{
    Address, Desired, DesiredMachine, DesiredState, DiskSource, FieldPath, HostPort, Nat, PortForward,
    PowerState, Shared,
};
use crate::threads;

/// Why a field is not as declared. The register's last applied value tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DifferenceKind {
    /// The declaration moved, or was never applied.
    Change,
    /// The host moved, the declaration did not.
    Drift,
    /// Both moved; the declaration wins.
    DriftOverridden,
}

/// One field that is not as declared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldDifference {
    /// The field.
    pub path: FieldPath,
    /// What kind of difference it is.
    pub kind: DifferenceKind,
    /// `None` where a member must go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Value>,
    /// `None` where there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Value>,
    /// Last applied; `None` where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Value>,
    /// Why the live value is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// The manifest line, `file:line`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// What was found for one declared machine.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineDifference {
    /// Whether it is there, and whose it is.
    pub presence: Presence,
    /// Fields that are not as declared. Empty where it is not there or not ours.
    pub fields: Vec<FieldDifference>,
    /// Fields that were applied once and are no longer declared: their values stay.
    pub released: Vec<FieldPath>,
    /// What the live machine is compared with: all that is declared, with paths as seen from its folder, or all that a new one gets where
    /// its birth is unfinished. `Null` where there is no such machine.
    pub declared: Shared<Value>,
    /// The live machine as a tree. `Null` where there is none, and where nothing differs: the trees of a thousand machines would be kept for
    /// nobody.
    pub live: Shared<Value>,
}

impl MachineDifference {
    /// Of a machine that is not compared.
    fn of(presence: Presence) -> Self {
        let (fields, released) = (Vec::new(), Vec::new());
        Self { presence, fields, released, declared: Shared::default(), live: Shared::default() }
    }
}

/// A member of the stack that is no longer declared.
#[derive(Clone, Debug, PartialEq)]
pub struct Undeclared {
    /// Its register entry.
    pub entry: Entry,
    /// The machine, where it is one and is there.
    pub uuid: Option<Uuid>,
}

/// Something to know that is no difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What it is about, where that is an object of the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// The sentence.
    pub text: String,
}

/// All that differs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChangeSet {
    /// Declared machines.
    pub machines: BTreeMap<Address, MachineDifference>,
    /// Declared disks of their own.
    pub disks: BTreeMap<Address, DiskDifference>,
    /// Declared networks.
    pub networks: BTreeMap<Address, NetworkDifference>,
    /// Members of the stack that are no longer declared.
    pub undeclared: BTreeMap<Address, Undeclared>,
    /// Register entries that are dropped: under former names of machines that are no longer there, and of disks that are gone.
    pub superseded: BTreeSet<Address>,
    /// Things to know.
    pub findings: Vec<Finding>,
}

/// Paths whose facts `diff` needs, given what is registered: the files that new machines and disks would take.
pub fn probes(desired: &Desired, inventory: &Inventory) -> Vec<PathBuf> {
    // Paths are dear to compare, and these come nearly in order.
    let mut paths = Vec::new();
    for (address, machine) in &desired.machines {
        let live = presence::live_machine(address, machine, desired, inventory);
        let folder = live.map_or_else(|| birth_folder(machine, inventory), Machine::folder);
        if live.is_none() {
            paths.push(folder.clone());
            paths.push(settings_file(machine, &folder));
        }
        if let Some(unborn) = unborn(address, machine, &desired.stack, inventory) {
            paths.push(unborn.file);
            paths.extend(unborn.disks.into_values());
        }
        for (key, disk) in machine.disks.iter().flatten() {
            paths.extend(disk::file(key, disk, &folder));
            if let DiskSource::Inline { image: Some(image), .. } = &disk.disk {
                paths.push(image.file.clone());
            }
        }
    }
    paths.extend(snapshot::probes(desired, inventory));
    paths.extend(desired.disks.values().map(|disk| own_disk::file(disk, &desired.stack, inventory)));
    paths.sort();
    paths.dedup();
    paths
}

/// How many machines are worth a thread that compares them.
const WORTH: usize = 25;

/// Compares everything that is declared with what is there.
pub fn diff(desired: &Desired, inventory: &Inventory) -> ChangeSet {
    let mut findings = Vec::new();
    let machines: Vec<(&Address, &DesiredMachine)> = desired.machines.iter().collect();
    let machines = threads::map(&machines, threads::worth(machines.len(), WORTH), &|(address, machine)| {
        ((*address).clone(), machine_difference(address, machine, desired, inventory))
    });
    let machines = machines.into_iter().collect();
    let disks = desired
        .disks
        .iter()
        .map(|(address, disk)| (address.clone(), own_disk::difference(address, disk, desired, inventory)))
        .collect();
    let networks = desired
        .networks
        .iter()
        .map(|(address, network)| {
            (address.clone(), network::difference(address, network, desired, inventory))
        })
        .collect();
    findings.extend(
        network::overlaps(desired, inventory)
            .into_iter()
            .map(|(address, text)| Finding { address: Some(address), text }),
    );
    findings.extend(desired.disks.iter().filter_map(|(address, disk)| {
        let (stack, former, _) = own_disk::entry(address, disk, desired, inventory)?;
        let of = if stack == desired.stack { String::new() } else { format!(" of stack {stack}") };
        let text = format!(
            "{address} was {former}{of}: the next apply registers it so, and its file stays where it is"
        );
        (former != *address || stack != desired.stack)
            .then(|| Finding { address: Some(address.clone()), text })
    }));
    let mut superseded = superseded(desired, inventory);
    let undeclared = undeclared(desired, inventory, &mut findings, &mut superseded);
    ownership_findings(desired, inventory, &mut findings);
    findings.sort();
    ChangeSet { machines, disks, networks, undeclared, superseded, findings }
}

/// What an earlier run left of a rename that was cut short after the machine had its new mark, or of a birth under a name that has
/// changed since.
fn superseded(desired: &Desired, inventory: &Inventory) -> BTreeSet<Address> {
    let Some(register) = inventory.registers.get(&desired.stack) else { return BTreeSet::new() };
    let former = desired.machines.iter().flat_map(|(address, machine)| {
        let names = machine.lifecycle.renamed_from.iter();
        names.filter_map(move |(stack, name)| {
            stack.as_ref().is_none_or(|s| *s == desired.stack).then_some((address, name))
        })
    });
    let arrived: BTreeSet<&crate::model::MachineName> = former
        .filter(|(address, name)| {
            let former = Address::Machine((*name).clone());
            former != **address
                && !desired.machines.contains_key(&former)
                && inventory.owned_machine(&desired.stack, &former).is_none()
        })
        .map(|(_, name)| name)
        .collect();
    let entries = register.entries.keys();
    entries
        .filter(|address| address.machine_name().is_some_and(|name| arrived.contains(name)))
        .cloned()
        .collect()
}

fn machine_difference(
    address: &Address,
    machine: &DesiredMachine,
    desired: &Desired,
    inventory: &Inventory,
) -> MachineDifference {
    let presence = presence(address, machine, desired, inventory);
    let (Presence::Ours { uuid } | Presence::Unfinished { uuid } | Presence::Renamed { uuid, .. }) =
        &presence
    else {
        return MachineDifference::of(presence);
    };
    let Some(live_machine) = inventory.machines.get(uuid) else {
        return MachineDifference::of(presence);
    };
    // The disks of a renamed machine are still registered under its old name.
    let known_as = match &presence {
        Presence::Renamed { from, .. } => from,
        _ => address,
    };
    let owner = match &presence {
        Presence::Renamed { from_stack, .. } => from_stack,
        _ => &desired.stack,
    };
    let folder = live_machine.folder();
    let unfinished =
        matches!(presence, Presence::Unfinished { .. } | Presence::Renamed { unfinished: true, .. });
    let declared = if unfinished {
        machine::birth(machine, Some(&folder))
    } else {
        machine::declared(machine, Some(&folder))
    };
    let entry = inventory.registers.get(owner).and_then(|register| register.entries.get(known_as));
    let applied = if unfinished { None } else { entry.map(|entry| &entry.applied) };
    let asked = machine::live_asked(live_machine, known_as, owner, Some(machine), inventory, &declared);
    let differences = compare(&declared, &asked);
    let fields: Vec<FieldDifference> = differences
        .into_iter()
        .filter(|difference| !is_of_unknown_birth(difference))
        .map(|difference| {
            let last = applied.and_then(|applied| tree::get(applied, &difference.path)).cloned();
            FieldDifference {
                kind: kind(&difference, last.as_ref(), applied.is_some_and(|applied| !applied.is_null())),
                unknown: unknown(&difference, live_machine),
                source: Some(machine.source_of(&difference.path).to_string()),
                path: difference.path,
                declared: difference.declared,
                live: difference.live,
                last,
            }
        })
        .collect();
    let released = match applied {
        Some(applied) if !unfinished => released(applied, &declared),
        _ => Vec::new(),
    };
    // Most machines are as they were applied: a thousand times the same tree is kept once.
    let declared = match applied {
        Some(applied) if **applied == declared => applied.clone(),
        _ => declared.into(),
    };
    let live = if fields.is_empty() {
        Shared::default()
    } else {
        machine::live(live_machine, known_as, owner, Some(machine), inventory).into()
    };
    MachineDifference { presence, fields, released, declared, live }
}

fn kind(difference: &tree::Difference, last: Option<&Value>, applied_known: bool) -> DifferenceKind {
    match (last, &difference.declared, &difference.live) {
        (None, None, Some(_)) if applied_known => DifferenceKind::Drift,
        (None, _, _) => DifferenceKind::Change,
        (Some(last), Some(declared), _) if last == declared => DifferenceKind::Drift,
        (Some(last), _, Some(live)) if contains(live, last) => DifferenceKind::Change,
        (Some(_), _, _) => DifferenceKind::DriftOverridden,
    }
}

/// Whether everything in `part` stands in `whole`: a live member holds more than was declared of it.
fn contains(whole: &Value, part: &Value) -> bool {
    tree::compare(part, whole, &equal).iter().all(|difference| difference.declared.is_none())
}

/// What a disk was made from is known only where vboxmcp has made it.
fn is_of_unknown_birth(difference: &tree::Difference) -> bool {
    matches!(difference.path.parts().as_slice(), ["disks", _, "image" | "sha256"])
        && difference.live.is_none()
}

fn unknown(difference: &tree::Difference, machine: &Machine) -> Option<String> {
    if let Some(reason) = machine.why_unknown(&difference.path) {
        return Some(reason.to_owned());
    }
    match difference.path.parts().as_slice() {
        ["disks", _, field @ ("size" | "variant" | "format" | "location")] if difference.live.is_none() => {
            Some(format!("the disk's {field} could not be read"))
        }
        _ => None,
    }
}

fn released(applied: &Value, declared: &Value) -> Vec<FieldPath> {
    let mut found = Vec::new();
    tree::each_leaf(applied, &mut |keys, _| {
        if tree::at(declared, keys).is_some() || left_with_its_mode(keys, applied, declared) {
            return;
        }
        // A member that left a written map is a removal, which the comparison shows.
        let is_written = |above: &usize| {
            tree::is_written_whole(&keys[..*above]) && tree::at(declared, &keys[..*above]).is_some()
        };
        let stays = match (0..keys.len()).rev().find(is_written) {
            Some(above) => tree::at(declared, &keys[..=above]).is_some(),
            None => true,
        };
        if stays {
            found.push(FieldPath::of(keys.iter().copied()));
        }
    });
    found
}

/// What belongs to the former mode of an adapter is not in use any more.
fn left_with_its_mode(keys: &[&str], applied: &Value, declared: &Value) -> bool {
    let ["nics", slot, "nat" | "network" | "driver" | "properties", ..] = *keys else { return false };
    let mode = ["nics", slot, "mode"];
    let now = tree::at(declared, &mode);
    now.is_some() && now != tree::at(applied, &mode)
}

/// Where a machine is not as declared.
pub fn compare(declared: &Value, live: &Value) -> Vec<tree::Difference> {
    let mut declared = Cow::Borrowed(declared);
    if normal::may_be_set_aside(&declared) {
        normal::set_aside(declared.to_mut(), live);
    }
    tree::compare(&declared, live, &equal)
}

/// Whether VirtualBox's spelling of a value is the declared one.
pub fn equal(path: &FieldPath, declared: &Value, live: &Value) -> bool {
    if declared == live {
        return true;
    }
    let (Some(a), Some(b)) = (declared.as_str(), live.as_str()) else {
        return match (declared.as_array(), live.as_array()) {
            // Groups are a set to VirtualBox, but the first one names the folder.
            (Some(a), Some(b)) if path.parts() == ["groups"] => {
                a.first() == b.first() && a.len() == b.len() && a.iter().all(|group| b.contains(group))
            }
            _ => false,
        };
    };
    match path.parts().as_slice() {
        ["state"] => {
            DesiredState::parse(a).is_some_and(|state| state.is_met_by(&PowerState::parse_or_other(b)))
        }
        ["nics", _, "nat", "portForwards", _] | ["nat", "portForwards" | "portForwards6", _] => {
            match (a.parse::<PortForward>(), b.parse::<PortForward>()) {
                (Ok(a), Ok(b)) => {
                    a.host_port == HostPort::Auto && PortForward { host_port: b.host_port, ..a } == b
                }
                _ => false,
            }
        }
        ["nat", "ipv6", "prefix"] => match (ipv6_network(a), ipv6_network(b)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        },
        ["nics", _, "nat", "cidr"] => {
            Nat::normal_cidr(a).is_some_and(|a| Nat::normal_cidr(b).as_ref() == Some(&a))
        }
        // VirtualBox fills numbers up with zeros.
        ["usb", "filters", _, "vendorId" | "productId" | "revision" | "port"] => {
            let number = |text: &str| u32::from_str_radix(text, 16).ok();
            number(a).is_some() && number(a) == number(b)
        }
        // The content counts, not where it came from.
        ["icon"] => a.rsplit(' ').next() == b.rsplit(' ').next(),
        ["nics", _, "mac"] | ["osType" | "hardwareUuid"] => a.eq_ignore_ascii_case(b),
        _ => false,
    }
}

/// VirtualBox keeps the letters that it was given.
fn ipv6_network(text: &str) -> Option<(std::net::Ipv6Addr, u8)> {
    let (ip, prefix) = text.split_once('/')?;
    Some((ip.parse().ok()?, prefix.parse().ok()?))
}

fn undeclared(
    desired: &Desired,
    inventory: &Inventory,
    findings: &mut Vec<Finding>,
    gone: &mut BTreeSet<Address>,
) -> BTreeMap<Address, Undeclared> {
    let Some(register) = inventory.registers.get(&desired.stack) else { return BTreeMap::new() };
    let renamed: BTreeSet<Address> = desired
        .machines
        .values()
        .flat_map(|machine| &machine.lifecycle.renamed_from)
        .filter(|(stack, _)| stack.as_ref().is_none_or(|stack| *stack == desired.stack))
        .map(|(_, name)| Address::Machine(name.clone()))
        .collect();
    let former_disks: BTreeSet<Address> = desired
        .disks
        .iter()
        .filter_map(|(address, disk)| own_disk::entry(address, disk, desired, inventory))
        .filter(|(stack, _, _)| *stack == desired.stack)
        .map(|(_, address, _)| address)
        .collect();
    // A disk may be registered in a file that cannot be read.
    let all_is_known = inventory.problems.is_empty()
        && inventory.machines.values().all(|machine| machine.access.is_readable());
    let mut found = BTreeMap::new();
    for (address, entry) in &register.entries {
        let machine_address = address.machine_name().map(|name| Address::Machine(name.clone()));
        let covered = machine_address.as_ref().is_some_and(|machine| {
            desired.machines.contains_key(machine) || (renamed.contains(machine) && machine == address)
        });
        if let Address::Snapshot(_, name) = address {
            // Those of an undeclared machine go with it.
            let machine = inventory.owned_machine(&desired.stack, &Address::Machine(name.clone()));
            let goes_with_it = machine.is_some() && !covered;
            if !goes_with_it && !snapshot::is_declared(address, desired) {
                let is_it = |machine: &&Machine| {
                    let mut all = machine.snapshots.iter().flat_map(crate::inventory::Snapshot::leaves_first);
                    all.any(|one| entry.identity == Identity::Uuid(one.uuid))
                };
                let uuid = machine.filter(is_it).map(|machine| machine.uuid);
                found.insert(address.clone(), Undeclared { entry: entry.clone(), uuid });
            }
            continue;
        }
        if covered && !matches!(address, Address::InlineDisk(..)) {
            continue;
        }
        if let Address::InlineDisk(name, key) = address {
            // The disks of a declared machine are its `disks` map's; those of an undeclared one go with it.
            let declared = desired.machines.get(&Address::Machine(name.clone()));
            let written = declared.and_then(|machine| machine.disks.as_ref());
            let attached = declared.is_some() && written.is_none_or(|disks| disks.contains_key(key));
            let machine_is_there =
                inventory.owned_machine(&desired.stack, &Address::Machine(name.clone())).is_some();
            if renamed.contains(&Address::Machine(name.clone())) {
                // One that a machine drops while it is renamed is registered under the new name before it goes.
                if let Some(to) = dropped_by(name, key, desired, inventory)
                    && inventory_has(entry, inventory)
                {
                    let address = Address::InlineDisk(to.clone(), key.clone());
                    found.insert(address, Undeclared { entry: entry.clone(), uuid: None });
                }
                continue;
            }
            if attached || (declared.is_none() && machine_is_there) {
                continue;
            }
            // Kept without its machine, or no longer in a written map.
            if inventory_has(entry, inventory) {
                found.insert(address.clone(), Undeclared { entry: entry.clone(), uuid: None });
            } else if all_is_known {
                gone.insert(address.clone());
            }
            continue;
        }
        if let Address::Network(_) | Address::Disk(_) = address {
            let is_declared = desired.networks.contains_key(address) || desired.disks.contains_key(address);
            if !is_declared && !former_disks.contains(address) {
                found.insert(address.clone(), Undeclared { entry: entry.clone(), uuid: None });
            }
            continue;
        }
        let uuid = inventory.owned_machine(&desired.stack, address).map(|machine| machine.uuid);
        if uuid.is_none() && entry.status == Status::Confirmed {
            findings.push(Finding {
                address: Some(address.clone()),
                text: format!(
                    "{address} is gone from VirtualBox and no longer declared: the next apply forgets it"
                ),
            });
        }
        found.insert(address.clone(), Undeclared { entry: entry.clone(), uuid });
    }
    // A valid mark without an entry is ours too.
    for machine in inventory.machines.values() {
        if let Ownership::Owned { stack, address } = inventory.owner_of(machine)
            && stack == desired.stack
            && !desired.machines.contains_key(&address)
            && !renamed.contains(&address)
            && !found.contains_key(&address)
        {
            let entry = Entry { status: Status::Confirmed, ..Entry::pending(Identity::Uuid(machine.uuid)) };
            found.insert(address, Undeclared { entry, uuid: Some(machine.uuid) });
        }
    }
    found
}

/// The new name of a machine that is to be renamed and writes its disks without that one.
fn dropped_by<'a>(
    former: &crate::model::MachineName,
    key: &str,
    desired: &'a Desired,
    inventory: &Inventory,
) -> Option<&'a crate::model::MachineName> {
    let is_there = |address: &Address| inventory.owned_machine(&desired.stack, address).is_some();
    let (address, _) = desired.machines.iter().find(|(address, machine)| {
        let names = &machine.lifecycle.renamed_from;
        let is_former = names.iter().any(|(stack, name)| {
            name == former && stack.as_ref().is_none_or(|stack| *stack == desired.stack)
        });
        let drops = machine.disks.as_ref().is_some_and(|disks| !disks.contains_key(key));
        is_former && drops && !is_there(address)
    })?;
    address.machine_name().filter(|_| is_there(&Address::Machine(former.clone())))
}

/// Whether what an entry names is there.
pub fn inventory_has(entry: &Entry, inventory: &Inventory) -> bool {
    match &entry.identity {
        Identity::Uuid(uuid) => inventory.media.contains_key(uuid),
        Identity::Path(path) => {
            inventory.medium_at(path).is_some()
                || matches!(inventory.paths.get(path), Some(PathFact::File | PathFact::ImageOf(_)))
        }
        // Networks are looked for by their kinds, elsewhere.
        Identity::Network(_) => false,
    }
}

fn ownership_findings(desired: &Desired, inventory: &Inventory, findings: &mut Vec<Finding>) {
    for machine in inventory.machines.values() {
        let name = machine.name.as_deref().unwrap_or("?");
        match &machine.mark {
            MarkState::Foreign(mark) if mark.stack == desired.stack => findings.push(Finding {
                address: None,
                text: format!(
                    "machine {name:?} {{{}}} carries the mark of {} (machine {{{}}}): it is a clone, and unowned",
                    machine.uuid, mark.address, mark.uuid
                ),
            }),
            MarkState::Broken(reason) => findings.push(Finding {
                address: None,
                text: format!("machine {name:?} {{{}}} has a mark that cannot be read: {reason}", machine.uuid),
            }),
            _ => {}
        }
        if let Ownership::MarkRemoved { stack, address } = inventory.owner_of(machine)
            && stack == desired.stack
        {
            findings.push(Finding {
                    address: Some(address.clone()),
                    text: format!(
                        "machine {name:?} {{{}}} was {address} of this stack, and somebody removed its mark: it is unowned",
                        machine.uuid
                    ),
                });
        }
    }
    for problem in &inventory.problems {
        findings.push(Finding {
            address: None,
            text: format!("{} could not be read: {}", problem.what, problem.reason),
        });
    }
}
