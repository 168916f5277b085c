//! The read-set of a plan: made from what the planner used, compared with what is there later.
//!
//! This file collects it, `now` looks a value up, `moved` compares. What is in it decides when a saved plan is refused: everything that, had it been
//! otherwise, would have made other steps, and nothing else. A property test holds both.

mod moved;
mod now;
mod objects;
mod seen;

pub(super) use objects::disk_now;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use serde_json::Value;
use uuid::Uuid;

pub use moved::moved;
pub use objects::needs_interfaces;

use now::{
    Holders, chain_now, entry_now, fact, former_now, images, members, named_now, owned_now, places, port,
    remembered, snapshots, stack_now, uses_now,
};
use seen::{Paths, Seen};

use super::action::Action;
use super::ports;
use super::register::RegisterPlan;
use super::types::{Expectation, ObjectPlan, Step, Verb};
use crate::diff::{self, Presence, disk, machine as shape, tree};
use crate::inventory::{Identity, Inventory, Machine, Read, ReadSet};
use crate::model::{
    Address, Danger, Desired, DesiredMachine, FieldPath, NicMode, Policy, PortForward, StackName,
};

/// What the planner has made of it.
#[derive(Clone, Copy)]
pub struct Made<'a> {
    /// The objects.
    pub objects: &'a [ObjectPlan],
    /// The steps.
    pub steps: &'a [Step],
    /// The register.
    pub register: &'a RegisterPlan,
}

/// What a plan over `desired` used of `inventory`.
pub fn read_set(
    verb: Verb,
    desired: &Desired,
    inventory: &Inventory,
    policy: &Policy,
    made: &Made<'_>,
) -> ReadSet {
    let Made { objects, steps, .. } = *made;
    let mut by_address: HashMap<&Address, Vec<&Step>> = HashMap::new();
    for step in steps {
        by_address.entry(&step.address).or_default().push(step);
    }
    let blocked = objects.iter().filter(|object| !object.blocked.is_empty());
    let blocked: HashSet<&Address> = blocked.map(|object| &object.address).collect();
    let mut reader = Reader {
        desired,
        inventory,
        steps,
        made: *made,
        paths: Paths::default(),
        by_address,
        reads: Seen::default(),
    };
    let is_bounded =
        |step: &Step| step.danger.iter().any(|d| matches!(d, Danger::Downtime | Danger::DestroyData));
    if policy.prune || (verb == Verb::Apply && steps.iter().any(is_bounded)) {
        reader.stack(policy.prune);
    }
    for (address, network) in &desired.networks {
        reader.entry(address);
        reader.add(objects::of_network(address, network, inventory));
    }
    for (address, disk) in &desired.disks {
        reader.entry(address);
        reader.add(objects::of_disk(address, disk, desired, inventory));
        reader.path(diff::own_disk::file(disk, &desired.stack, inventory));
    }
    for (address, declared) in &desired.machines {
        match verb {
            Verb::Apply => {
                reader.declared(address, declared, blocked.contains(address));
                reader.snapshots(address);
            }
            Verb::Destroy => {
                reader.owned(address);
                reader.entry(address);
                reader.birth(address, declared);
            }
            Verb::Adopt => {
                if let Some(object) = objects.iter().find(|object| object.address == *address) {
                    reader.owned(address);
                    reader.named(declared.name.as_str());
                    if let Some(machine) = object.uuid {
                        reader.add(Read::Unowned { machine });
                    }
                }
            }
            // Commands to machines say what they read: see `of_state`.
            Verb::Start
            | Verb::Stop
            | Verb::Restart
            | Verb::Pause
            | Verb::Resume
            | Verb::Save
            | Verb::Reset
            | Verb::Snapshot
            | Verb::Revert
            | Verb::Repair => {}
        }
    }
    reader.removals(verb, objects);
    reader.claims();
    ReadSet { stack: Some(desired.stack.clone()), reads: reader.reads.into_reads() }
}

struct Reader<'a> {
    desired: &'a Desired,
    inventory: &'a Inventory,
    steps: &'a [Step],
    made: Made<'a>,
    paths: Paths,
    by_address: HashMap<&'a Address, Vec<&'a Step>>,
    reads: Seen,
}

impl<'a> Reader<'a> {
    /// Adds a read, once.
    fn add(&mut self, read: Read) {
        self.reads.add(read);
    }

    fn steps(&self, address: &Address) -> impl Iterator<Item = &'a Step> + use<'a, '_> {
        self.by_address.get(address).into_iter().flatten().copied()
    }

    fn actions(&self, address: &Address) -> impl Iterator<Item = &'a Action> + use<'a, '_> {
        self.steps(address).map(|step| &step.action)
    }

    fn stack(&mut self, prunes: bool) {
        let read = stack_now(&self.desired.stack, prunes, self.inventory);
        if let Read::Stack { register: Some(register), .. } = &read {
            for address in &register.entries {
                self.member(address);
            }
        }
        self.add(read);
    }

    /// Protection and removal policy of a member, and whether a disk that is no longer declared can be deleted.
    fn member(&mut self, address: &Address) {
        self.entry(address);
        let is_declared = match address {
            Address::InlineDisk(name, key) => {
                let machine = self.desired.machines.get(&Address::Machine(name.clone()));
                machine
                    .and_then(|machine| machine.disks.as_ref())
                    .is_some_and(|disks| disks.contains_key(key))
            }
            _ => true,
        };
        match entry_now(&self.desired.stack, address, self.inventory).map(|entry| entry.id) {
            Some(Identity::Uuid(medium)) if !is_declared => self.uses(medium),
            Some(Identity::Path(path)) if !is_declared => {
                let uuid = self.inventory.medium_at(&path).map(|medium| medium.uuid);
                self.add(Read::Medium { path, uuid });
            }
            _ => {}
        }
    }

    fn owned(&mut self, address: &Address) {
        let read = owned_now(&self.desired.stack, address, self.inventory);
        self.add(read);
    }

    fn entry(&mut self, address: &Address) {
        let entry = entry_now(&self.desired.stack, address, self.inventory);
        self.add(Read::Entry { address: address.clone(), entry });
    }

    fn named(&mut self, name: &str) {
        self.add(Read::Named { name: name.to_owned(), uuids: named_now(name, self.inventory) });
    }

    fn path(&mut self, path: PathBuf) {
        let there = fact(&path, self.inventory);
        self.add(Read::Path { path, there });
    }

    fn uses(&mut self, medium: Uuid) {
        let read = uses_now(medium, self.inventory);
        self.add(read);
    }

    fn declared(&mut self, address: &Address, declared: &DesiredMachine, is_blocked: bool) {
        let (desired, inventory) = (self.desired, self.inventory);
        self.owned(address);
        self.named(declared.name.as_str());
        if declared.lifecycle.external {
            return;
        }
        self.entry(address);
        let is_ours = inventory.owned_machine(&desired.stack, address).is_some();
        for (stack, name) in declared.lifecycle.renamed_from.iter().take_while(|_| !is_ours) {
            let stack = stack.clone().unwrap_or_else(|| desired.stack.clone());
            let from = Address::Machine(name.clone());
            let is_there = inventory.owned_machine(&stack, &from).is_some();
            let read = former_now(address, &stack, &from, inventory);
            self.add(read);
            if is_there {
                break;
            }
        }
        let subject = match diff::presence(address, declared, desired, inventory) {
            Presence::Ours { uuid } => Some((uuid, &desired.stack, address.clone(), false)),
            Presence::Unfinished { uuid } => Some((uuid, &desired.stack, address.clone(), true)),
            Presence::Renamed { uuid, from, unfinished, .. } => {
                Some((uuid, &desired.stack, from, unfinished))
            }
            Presence::Absent { .. } | Presence::Conflict { uuid: None, .. } => None,
            // Nothing is done to these, whatever their values are.
            Presence::Conflict { .. }
            | Presence::External { .. }
            | Presence::ExternalMissing
            | Presence::Unreadable { .. } => return,
        };
        let live = subject
            .as_ref()
            .and_then(|(uuid, .., unfinished)| Some((inventory.machines.get(uuid)?, *unfinished)));
        let folder = live.map_or_else(|| diff::birth_folder(declared, inventory), |(live, _)| live.folder());
        let mut used = Used::by(self.actions(address));
        // What stays undone for now is done when its reason goes.
        used.anything |= is_blocked;
        let keys = declared.disks.iter().flat_map(BTreeMap::keys);
        let inline = |key: &String| Some(Address::InlineDisk(address.machine_name()?.clone(), key.clone()));
        let is_unknown = |disk: Address| entry_now(&desired.stack, &disk, inventory).is_none();
        // Disks that only the manifest's path tells are no fields of the live machine yet.
        used.storage |= is_blocked || keys.filter_map(inline).any(is_unknown);
        let uses_storage = used.storage;
        if let Some((machine, unfinished)) = live {
            self.machine(address, declared, machine, unfinished, used);
        } else {
            self.path(diff::settings_file(declared, &folder));
        }
        for (key, disk) in declared.disks.iter().flatten() {
            let Some(name) = address.machine_name() else { continue };
            let inline = Address::InlineDisk(name.clone(), key.clone());
            self.entry(&inline);
            if let Some(file) = disk::file(key, disk, &folder) {
                let uuid = inventory.medium_at(&file).map(|medium| medium.uuid);
                self.add(Read::Medium { path: file.clone(), uuid });
                self.path(file);
                if uses_storage || live.is_none() {
                    self.new_disk(&inline, uuid);
                }
            }
        }
    }

    /// What decides whether a disk that is not attached is made, attached or left alone.
    fn new_disk(&mut self, address: &Address, at_its_path: Option<Uuid>) {
        let entry = entry_now(&self.desired.stack, address, self.inventory);
        let known = match entry.as_ref().map(|entry| &entry.id) {
            Some(Identity::Uuid(uuid)) => Some(*uuid),
            _ => None,
        };
        let noted = entry.and_then(|entry| entry.leaf);
        let leaf = noted.or_else(|| self.inventory.free_leaf(known?));
        for medium in known.into_iter().chain(leaf).chain(at_its_path) {
            self.uses(medium);
        }
    }

    fn machine(
        &mut self,
        address: &Address,
        declared: &DesiredMachine,
        machine: &Machine,
        unfinished: bool,
        used: Used,
    ) {
        let folder = machine.folder();
        let wanted = match self.made.register.members.get(address) {
            _ if unfinished => Cow::Owned(shape::birth(declared, Some(&folder))),
            // The same tree.
            Some(member) => Cow::Borrowed(&*member.declared),
            None => Cow::Owned(shape::declared(declared, Some(&folder))),
        };
        let subject = self.reads.subjects.find(&self.desired.stack, address, self.inventory);
        let Some(subject) = subject else { return };
        let mut more: Vec<FieldPath> = used.fields().collect();
        // A member that goes is compared whole right before its step.
        let steps = self.steps(address);
        more.extend(steps.flat_map(|step| &step.expects).filter_map(|expected| match expected {
            Expectation::Field(path, _) => Some(path.clone()),
            Expectation::State(_)
            | Expectation::NameFree(_)
            | Expectation::Attached(..)
            | Expectation::Described(..) => None,
        }));
        let there = if more.is_empty() {
            subject.asked(&wanted, self.inventory)
        } else {
            subject.tree(self.inventory)
        };
        let mut maps: Vec<FieldPath> = Vec::new();
        let mut fields: Vec<(FieldPath, Option<Value>)> = Vec::new();
        tree::each_leaf_beside(&wanted, &there, &mut |keys, value| {
            for above in (1..=keys.len()).filter(|above| tree::is_written_whole(&keys[..*above])) {
                let prefix = &keys[..above];
                if !maps.iter().any(|map| map.keys() == prefix) {
                    maps.push(FieldPath::of(prefix.iter().copied()));
                }
            }
            if !tree::is_written_whole(keys) {
                fields.push((self.paths.path(fields.len(), keys), value.cloned()));
            }
        });
        for path in more {
            let value = tree::get(&there, &path).cloned();
            fields.push((path, value));
        }
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        fields.dedup_by(|a, b| a.0 == b.0);
        maps.sort();
        for (path, value) in fields {
            self.add(Read::Field { address: address.clone(), path, value });
        }
        for path in maps {
            let keys = members(&there, &path);
            self.add(Read::Members { address: address.clone(), path, keys });
        }
        for slot in used.nat {
            let names = remembered(machine, slot);
            self.add(Read::Remembered { address: address.clone(), slot, names });
        }
        if used.storage {
            self.attachments(address, machine);
            for leaf in images(machine) {
                let media = chain_now(leaf, self.inventory);
                self.add(Read::Chain { leaf, media });
            }
        }
    }

    fn attachments(&mut self, address: &Address, machine: &Machine) {
        self.add(Read::Attachments { address: address.clone(), places: places(machine) });
    }

    /// What decides whether the snapshots that a machine lacks are taken, and how.
    fn snapshots(&mut self, address: &Address) {
        let (desired, inventory) = (self.desired, self.inventory);
        let declared = desired.snapshots.iter().filter(|snapshot| snapshot.machines.contains(address));
        for snapshot in declared {
            let Some(own) = snapshot.address_on(address) else { continue };
            self.entry(&own);
            let subject = self.reads.subjects.find(&desired.stack, address, inventory);
            let Some(machine) = subject.map(|subject| subject.machine) else { continue };
            self.add(Read::Snapshots { address: address.clone(), uuids: snapshots(machine) });
            let there = diff::snapshot::named(machine, &snapshot.name);
            if let (Some(there), Some(_)) = (there, &snapshot.description) {
                let (snapshot, text) = (there.uuid, there.description.clone());
                self.add(Read::Description { address: address.clone(), snapshot, text });
            }
            if there.is_none() {
                for read in of_state(&desired.stack, address, machine, inventory) {
                    self.add(read);
                }
                self.path(machine.log_file());
            }
        }
    }

    /// What a birth that was cut short may have left of a machine that is not there.
    fn birth(&mut self, address: &Address, declared: &DesiredMachine) {
        if let Some(unborn) = diff::unborn(address, declared, &self.desired.stack, self.inventory) {
            self.path(unborn.file);
            for (disk, file) in unborn.disks {
                self.entry(&disk);
                self.path(file);
            }
        }
    }

    /// Machines and disks that are deleted, or would be if nothing were in the way.
    fn removals(&mut self, verb: Verb, objects: &[ObjectPlan]) {
        for object in objects {
            let is_declared = self.desired.machines.contains_key(&object.address);
            let (Some(uuid), true) =
                (object.uuid, verb == Verb::Destroy || (verb == Verb::Apply && !is_declared))
            else {
                continue;
            };
            self.entry(&object.address);
            if let Address::Snapshot(_, name) = &object.address {
                let of = Address::Machine(name.clone());
                if let Some(machine) = self.inventory.owned_machine(&self.desired.stack, &of) {
                    self.add(Read::Snapshots { address: of, uuids: snapshots(machine) });
                }
                continue;
            }
            let Some(machine) = self.inventory.machines.get(&uuid) else {
                self.uses(uuid);
                continue;
            };
            for read in of_state(&self.desired.stack, &object.address, machine, self.inventory) {
                self.add(read);
            }
            self.attachments(&object.address, machine);
            self.add(Read::Snapshots { address: object.address.clone(), uuids: snapshots(machine) });
            let register = self.inventory.registers.get(&self.desired.stack);
            for disk in register.into_iter().flat_map(|register| register.entries.keys()) {
                if matches!(disk, Address::InlineDisk(of, _) if Some(of) == object.address.machine_name()) {
                    self.entry(disk);
                }
            }
            for medium in images(machine).into_iter().flat_map(|leaf| disk::chain(leaf, self.inventory)) {
                self.uses(medium);
            }
        }
    }

    /// Host ports and MAC addresses that the plan's machines will use, and that VirtualBox lets others take (semantics, rule 12).
    fn claims(&mut self) {
        let mut fixed = BTreeSet::new();
        let mut macs = BTreeSet::new();
        for (address, machine) in &self.desired.machines {
            if !Used::by(self.actions(address)).anything {
                continue;
            }
            fixed.extend(ports::rules(&machine.settings).filter_map(|rule| port(rule.host_port)));
            macs.extend(ports::macs(&machine.settings));
        }
        let assigned =
            self.steps.iter().flat_map(|step| assigned_ports(&step.action)).collect::<BTreeSet<_>>();
        // What was passed over on the way to the first free one counts as well.
        let chosen = assigned.difference(&fixed).max().copied();
        let passed = chosen.into_iter().flat_map(|port| ports::FIRST_AUTO..=port);
        let holders = Holders::of(self.inventory);
        for port in fixed.iter().copied().chain(passed) {
            self.add(Read::HostPort { port, machines: holders.of_port(port) });
        }
        for mac in macs {
            let machines = holders.of_mac(&mac);
            self.add(Read::Mac { mac, machines });
        }
    }
}

/// What the steps of one machine depend on beyond the fields that they are for.
#[derive(Default)]
struct Used {
    /// There is a step that depends on the state.
    anything: bool,
    /// Places of disks and drives.
    storage: bool,
    /// A new adapter gets the type that its operating system recommends.
    adapters: bool,
    /// Adapters that become NAT.
    nat: BTreeSet<u32>,
    /// Shared folders that go and come.
    folders: BTreeSet<String>,
}

impl Used {
    /// The fields that they are.
    fn fields(&self) -> impl Iterator<Item = FieldPath> {
        let of = [(self.anything, "state"), (self.storage, "controllers"), (self.adapters, "osType")];
        let of = of.into_iter().filter(|(is_used, _)| *is_used).map(|(_, key)| FieldPath::of([key]));
        of.chain(self.folders.iter().map(|name| FieldPath::of(["sharedFolders", name])))
    }

    fn by<'a>(actions: impl Iterator<Item = &'a Action>) -> Self {
        let mut used = Self::default();
        for action in actions {
            used.anything |= !matches!(action, Action::WriteMark { .. });
            match action {
                Action::AddController { .. }
                | Action::ChangeController { .. }
                | Action::RemoveController { .. }
                | Action::CreateDisk { .. }
                | Action::GrowDisk { .. }
                | Action::Attach { .. }
                | Action::Detach { .. } => used.storage = true,
                Action::AddSharedFolder { name, .. } | Action::RemoveSharedFolder { name, .. } => {
                    used.folders.insert(name.clone());
                }
                Action::ModifyMachine { set, .. } | Action::ModifyLive { set, .. } => {
                    for assignment in set {
                        match assignment.path.parts().as_slice() {
                            ["nics", _, "type"] => used.adapters = true,
                            ["nics", slot, "mode"] => {
                                let mode = assignment.value.as_ref().and_then(Value::as_str);
                                let is_nat = mode == Some(NicMode::Nat.as_str());
                                used.nat.extend(slot.parse::<u32>().ok().filter(|_| is_nat));
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        used
    }
}

/// A machine that reads speak of by its address.
struct Subject<'a> {
    machine: &'a Machine,
    /// Stack and address under which the register knows it.
    stack: StackName,
    known_as: Address,
}

impl Subject<'_> {
    fn tree(&self, inventory: &Inventory) -> Value {
        shape::live(self.machine, &self.known_as, &self.stack, None, inventory)
    }

    /// As much of [`Self::tree`] as another tree asks for.
    fn asked(&self, asked: &Value, inventory: &Inventory) -> Value {
        shape::live_asked(self.machine, &self.known_as, &self.stack, None, inventory, asked)
    }
}

/// Host ports that a step sets.
fn assigned_ports(action: &Action) -> Vec<u16> {
    let (Action::ModifyMachine { set, .. } | Action::ModifyLive { set, .. }) = action else {
        return Vec::new();
    };
    let rules = set.iter().filter_map(|assignment| match assignment.path.parts().as_slice() {
        ["nics", _, "nat", "portForwards", _] => {
            assignment.value.as_ref()?.as_str()?.parse::<PortForward>().ok()
        }
        _ => None,
    });
    rules.filter_map(|rule| port(rule.host_port)).collect()
}

/// Whose a machine is, and its power state.
pub fn of_state(stack: &StackName, address: &Address, machine: &Machine, inventory: &Inventory) -> [Read; 2] {
    let value = machine.state.as_ref().map(|state| Value::from(state.as_str()));
    let state = Read::Field { address: address.clone(), path: FieldPath::of(["state"]), value };
    [owned_now(stack, address, inventory), state]
}

/// What hangs on a machine's controllers, and its snapshots.
pub fn of_hardware(address: &Address, machine: &Machine) -> [Read; 2] {
    let attachments = Read::Attachments { address: address.clone(), places: places(machine) };
    [attachments, Read::Snapshots { address: address.clone(), uuids: snapshots(machine) }]
}

/// The paths whose facts [`moved`] needs.
pub fn probes(reads: &ReadSet) -> Vec<PathBuf> {
    let paths = reads.reads.iter().filter_map(|read| match read {
        Read::Path { path, .. } => Some(path.clone()),
        _ => None,
    });
    paths.collect()
}
