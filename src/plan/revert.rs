//! `revert`: machines go back to a snapshot, and what is declared of them is applied again in the same plan.
//!
//! A restore brings back all hardware, attachments, shared folders and guest properties as the snapshot holds them. So the planner
//! looks at an inventory in which that has happened, and plans from there as it always does.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::action::{Action, Target};
use super::draft::{Draft, DraftStep};
use super::types::{Expectation, ObjectPlan, Operation, Plan, Verb};
use super::whole::Parts;
use super::{canonical, limits, reads};
use crate::diff::{ChangeSet, DifferenceKind, snapshot as shape};
use crate::inventory::{AttachedMedium, Inventory, Machine, Medium, Read, ReadSet};
use crate::model::state::StateClass;
use crate::model::{Address, Danger, Dangers, Desired, DesiredState, FieldPath, Policy, PowerState};

/// Machines that go back, and what is known of where they go.
#[derive(Clone, Debug)]
pub struct Revert<'a> {
    /// The name of the snapshot.
    pub snapshot: &'a str,
    /// The machines, which the stack of the declaration owns.
    pub machines: &'a [(Address, Reverted<'a>)],
    /// The host as it will be when they have gone back: see [`after`].
    pub after: &'a Inventory,
}

/// One machine that goes back.
#[derive(Clone, Debug)]
pub struct Reverted<'a> {
    /// As it is.
    pub machine: &'a Machine,
    /// As the snapshot holds it; `None` where nobody can read that.
    pub as_of: Option<Machine>,
    /// An earlier run has brought it back, and it is only gone on with: the state that it had before that.
    pub went_back: Option<StateClass>,
}

/// What makes a machine go back, or why it cannot.
struct Way {
    steps: Vec<DraftStep>,
    effects: Vec<String>,
}

impl Reverted<'_> {
    fn class(&self) -> StateClass {
        self.machine.state.as_ref().map_or(StateClass::Moving, PowerState::class)
    }

    /// Whether a plan under this policy brings it back.
    pub fn goes(&self, snapshot: &str, allow: &Dangers) -> bool {
        self.went_back.is_none()
            && shape::named(self.machine, snapshot).is_some()
            && self.class() != StateClass::Moving
            && self.needs().is_subset(allow)
    }

    /// Permissions that going back needs.
    fn needs(&self) -> Dangers {
        let mut needs = Dangers::from([Danger::Revert]);
        match self.class() {
            StateClass::Off | StateClass::Moving => {}
            StateClass::Saved => drop(needs.insert(Danger::DiscardState)),
            StateClass::Running | StateClass::Paused | StateClass::Stuck => {
                needs.insert(Danger::Downtime);
            }
        }
        needs
    }

    /// What it is to be again where its state is not declared.
    fn owes(&self) -> Option<DesiredState> {
        match self.went_back.unwrap_or(self.class()) {
            StateClass::Running | StateClass::Stuck => Some(DesiredState::Running),
            StateClass::Paused => Some(DesiredState::Paused),
            StateClass::Off | StateClass::Saved | StateClass::Moving => None,
        }
    }
}

/// The host as it will be when the machines that can go back have done so.
///
/// VirtualBox puts new differences on the snapshot's disks; until then nobody knows their UUIDs, and the disks themselves stand for
/// them here. The differences that were written to since are gone.
pub fn after(inventory: &Inventory, machines: &[(Address, Reverted<'_>)]) -> Inventory {
    let mut after = inventory.clone();
    for (_, reverted) in machines {
        let Some(as_of) = &reverted.as_of else { continue };
        let now = reverted.machine.snapshots.iter().flat_map(crate::inventory::Snapshot::leaves_first);
        let to = now.filter(|snapshot| as_of.current_snapshot == Some(snapshot.uuid));
        let free = to.flat_map(|snapshot| detached(&snapshot.media, inventory)).map(|medium| medium.uuid);
        for leaf in dropped(reverted.machine, inventory).into_iter().chain(free) {
            after.media.remove(&leaf);
        }
        after.machines.insert(as_of.uuid, as_of.clone());
    }
    after
}

/// Differences that only the machine's present hardware has: they go with it.
fn dropped(machine: &Machine, inventory: &Inventory) -> Vec<Uuid> {
    let held: BTreeSet<Uuid> = machine
        .snapshots
        .iter()
        .flat_map(crate::inventory::Snapshot::leaves_first)
        .flat_map(|snapshot| snapshot.media.iter().copied())
        .collect();
    let leaves = images(machine).into_iter().filter(|leaf| !held.contains(leaf));
    leaves
        .filter(|leaf| inventory.media.get(leaf).is_some_and(|medium| medium.parent.is_some()))
        .filter(|leaf| !inventory.has_children(*leaf))
        .collect()
}

fn images(machine: &Machine) -> Vec<Uuid> {
    let images = machine.attachments.iter().filter_map(|attachment| match attachment.medium {
        AttachedMedium::Image(uuid) => Some(uuid),
        AttachedMedium::HostDrive(_) | AttachedMedium::Empty => None,
    });
    images.collect()
}

/// Plans the way back, and behind it what `changes`, the differences between the declaration and the host as it will be, ask for.
///
/// `changes` is about the machines that go back, those that went back, and what they need; nothing else is looked at. What would
/// touch a disk that goes back is left to the next plan, which knows the disk's new difference.
pub fn revert(
    revert: &Revert<'_>,
    mut changes: ChangeSet,
    desired: &Desired,
    inventory: &Inventory,
    policy: &Policy,
) -> Plan {
    let waiting = leave_disks(revert, &mut changes);
    for (address, _) in revert.machines.iter().filter(|(_, one)| one.went_back.is_none()) {
        let fields = changes.machines.get_mut(address).into_iter().flat_map(|one| &mut one.fields);
        for field in fields {
            // The snapshot is what differs, not somebody's hand.
            field.kind = DifferenceKind::Change;
            field.last = None;
        }
    }
    let declared = Desired { snapshots: Vec::new(), ..desired.clone() };
    let mut parts = Parts::of(&changes, &declared, revert.after, policy);
    parts.register.detached.clear();
    let mut own = Vec::new();
    for (address, reverted) in revert.machines {
        let allow = desired.machines.get(address).map(|machine| machine.lifecycle.allow.clone());
        let allow: Dangers = policy.allow.union(&allow.unwrap_or_default()).copied().collect();
        let mut draft = Draft::new(address.clone(), Target::Existing(reverted.machine.uuid), allow);
        let way = way(revert, reverted, inventory, &mut draft);
        let goes = !way.steps.is_empty();
        draft.steps = way.steps;
        draft.effects = way.effects;
        let applied = parts.drafts.iter_mut().find(|applied| applied.address == *address);
        let is_declared = applied.is_some();
        if let Some(applied) = applied {
            draft.steps.append(&mut applied.steps);
            draft.after.append(&mut applied.after);
            draft.owes = applied.owes.take();
            draft.blocked.append(&mut applied.blocked);
            draft.effects.append(&mut applied.effects);
        } else if goes {
            let why = if reverted.as_of.is_none() {
                "what it will be like cannot be read"
            } else {
                "nothing declares it"
            };
            draft.effects.push(format!("nothing is applied to it again: {why}"));
        }
        if goes || reverted.went_back.is_some() {
            up_again(
                reverted,
                desired.machines.get(address).and_then(|machine| machine.state.as_ref()),
                &mut draft,
            );
        }
        for path in waiting.get(address).into_iter().flatten() {
            draft.block(
                vec![path.clone()],
                format!("{path}: its disk goes back, and is known only afterwards"),
                vec!["apply again when this is done".to_owned()],
            );
        }
        if let Some(member) = parts.register.members.get_mut(address) {
            member.owes.clone_from(&draft.owes);
        }
        object(&mut parts.objects, address, reverted.machine.uuid, &draft);
        if is_declared {
            if let Some(applied) = parts.drafts.iter_mut().find(|applied| applied.address == *address) {
                *applied = draft;
            }
        } else {
            own.push(draft);
        }
    }
    parts.drafts.extend(own);
    let reads = read(revert, &parts, &changes, &declared, inventory, policy);
    let Parts { objects, drafts, mut register, refusals, notes } = parts;
    register.paths = None;
    let steps = super::order::along_dependencies(super::draft::number(drafts), desired);
    let mut plan = canonical::assemble(
        Verb::Revert,
        desired,
        inventory,
        policy,
        canonical::Made { objects, steps, register },
    );
    plan.reads.reads = reads;
    plan.refusals = refusals;
    limits::check(&mut plan, desired, inventory);
    plan.notes = notes;
    canonical::seal(plan)
}

/// The steps that bring a machine back.
fn way(revert: &Revert<'_>, reverted: &Reverted<'_>, inventory: &Inventory, draft: &mut Draft) -> Way {
    let mut way = Way { steps: Vec::new(), effects: Vec::new() };
    if reverted.went_back.is_some() {
        return way;
    }
    let machine = reverted.machine;
    let Some(snapshot) = shape::named(machine, revert.snapshot) else {
        let all = machine.snapshots.iter().flat_map(crate::inventory::Snapshot::leaves_first);
        let names: Vec<String> = all.map(|one| format!("{:?}", one.name)).collect();
        let hint =
            if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
        draft.block(Vec::new(), format!("it has no snapshot {:?}", revert.snapshot), vec![hint]);
        return way;
    };
    let class = reverted.class();
    if class == StateClass::Moving {
        let hints = vec!["try again when it has arrived there".to_owned()];
        draft.block(Vec::new(), "it is on the way from one state to another", hints);
        return way;
    }
    let missing = draft.missing(reverted.needs());
    if !missing.is_empty() {
        let reason = match class {
            StateClass::Saved => {
                "going back throws away its saved state and what was written to its disks since"
            }
            StateClass::Off => "going back throws away what was written to its disks since",
            _ => "going back switches the guest off, and throws away what was written to its disks since",
        };
        draft.block_for(Vec::new(), missing, reason.to_owned());
        return way;
    }
    let step = |action, danger: Dangers, expects: Vec<Expectation>| DraftStep {
        action,
        cause: Vec::new(),
        danger,
        expects,
        object: None,
    };
    let state = Expectation::State(class.word().to_owned());
    let mut danger = Dangers::from([Danger::Revert]);
    let mut expects = vec![state.clone()];
    if matches!(class, StateClass::Running | StateClass::Paused | StateClass::Stuck) {
        // What the guest has not written yet would be thrown away a moment later: nothing is gained by asking it.
        let cut = Action::PowerCut { machine: draft.target.clone() };
        way.steps.push(step(cut, Dangers::from([Danger::Downtime, Danger::Revert]), vec![state]));
        way.effects.push("switches the guest off".to_owned());
        expects = vec![Expectation::State(StateClass::Off.word().to_owned())];
    } else if class == StateClass::Saved {
        danger.insert(Danger::DiscardState);
        way.effects.push("throws its saved state away".to_owned());
    }
    let restore = Action::RestoreSnapshot { machine: draft.target.clone(), snapshot: snapshot.uuid };
    way.steps.push(step(restore, danger, expects));
    let guest = if snapshot.online { ", with its guest running" } else { "" };
    way.effects.push(format!("goes back to snapshot {:?} of {}{guest}", snapshot.name, snapshot.taken));
    way.effects.extend(disks(reverted, snapshot.media.as_slice(), inventory));
    for leaf in detached(&snapshot.media, inventory) {
        let delete = Action::DeleteDisk { medium: Target::Existing(leaf.uuid), folder: None };
        way.steps.push(step(delete, Dangers::from([Danger::Revert]), Vec::new()));
        let of = inventory.base_of(leaf.uuid).unwrap_or(leaf).location.display().to_string();
        way.effects.push(format!("deletes what was written to {of} before it was detached"));
    }
    way
}

/// What was written since to disks of the snapshot that nobody has attached now. VirtualBox forgets the difference of an attached disk, and
/// keeps that of a detached one, which would be in the way of deleting the snapshot.
fn detached<'a>(held: &[Uuid], inventory: &'a Inventory) -> Vec<&'a Medium> {
    let bases: BTreeSet<Uuid> =
        held.iter().filter_map(|medium| inventory.base_of(*medium)).map(|base| base.uuid).collect();
    let leaves = bases.into_iter().filter_map(|base| inventory.free_leaf(base));
    leaves.filter_map(|leaf| inventory.media.get(&leaf)).collect()
}

/// What becomes of disks that the snapshot does not simply bring back.
fn disks(reverted: &Reverted<'_>, held: &[Uuid], inventory: &Inventory) -> Vec<String> {
    let base = |leaf: Uuid| inventory.base_of(leaf).map_or(leaf, |base| base.uuid);
    let held: BTreeSet<Uuid> = held.iter().map(|medium| base(*medium)).collect();
    let lost = dropped(reverted.machine, inventory);
    let mut effects = Vec::new();
    for leaf in images(reverted.machine) {
        let Some(medium) = inventory.base_of(leaf) else { continue };
        if medium.kind != crate::inventory::MediumKind::Disk || held.contains(&medium.uuid) {
            continue;
        }
        let location = medium.location.display();
        effects.push(format!("disk {location} is not in the snapshot: it is detached, and kept"));
        if lost.contains(&leaf) {
            effects.push(format!("what was written to {location} since its own last snapshot is lost"));
        }
    }
    effects
}

/// Brings it up again where it was up and nobody declares what it shall be.
fn up_again(reverted: &Reverted<'_>, declared: Option<&DesiredState>, draft: &mut Draft) {
    let is_start = |step: &DraftStep| matches!(step.action, Action::Start { .. });
    let is_off =
        reverted.went_back.is_none() || matches!(reverted.class(), StateClass::Off | StateClass::Saved);
    let Some(owed) = reverted.owes().filter(|_| declared.is_none() && is_off) else { return };
    if draft.steps.iter().any(is_start) {
        return;
    }
    let machine = draft.target.clone();
    draft.push(Action::Start { machine: machine.clone() }, [], []);
    if owed == DesiredState::Paused {
        draft.push(Action::Pause { machine }, [], []);
    }
    draft.effects.push(format!("starts again: it was {owed}"));
    draft.owes = Some(owed);
}

/// Takes out of the differences what is about disks that go back.
fn leave_disks(revert: &Revert<'_>, changes: &mut ChangeSet) -> BTreeMap<Address, Vec<FieldPath>> {
    let mut left: BTreeMap<Address, Vec<FieldPath>> = BTreeMap::new();
    for (address, reverted) in revert.machines {
        let (Some(difference), None) = (changes.machines.get_mut(address), reverted.went_back) else {
            continue;
        };
        let there =
            difference.live.get("disks").and_then(serde_json::Value::as_object).cloned().unwrap_or_default();
        let waits = |path: &FieldPath| matches!(path.keys(), [head, key, ..] if head == "disks" && there.contains_key(key));
        let (waiting, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut difference.fields).into_iter().partition(|field| waits(&field.path));
        difference.fields = rest;
        if !waiting.is_empty() {
            left.insert(address.clone(), waiting.into_iter().map(|field| field.path).collect());
        }
    }
    left
}

/// What is shown of a machine.
fn object(objects: &mut Vec<ObjectPlan>, address: &Address, uuid: Uuid, draft: &Draft) {
    let fields = objects
        .iter()
        .position(|object| object.address == *address)
        .map(|index| objects.remove(index).fields)
        .unwrap_or_default();
    if draft.steps.is_empty() && draft.blocked.is_empty() {
        return;
    }
    objects.push(ObjectPlan {
        address: address.clone(),
        operation: if draft.steps.is_empty() { Operation::Blocked } else { Operation::Change },
        uuid: Some(uuid),
        fields,
        effects: draft.effects.clone(),
        blocked: draft.blocked.clone(),
        danger: draft.danger(),
    });
}

/// What the plan was made from: of the host as it will be, what is like that already; of the machines that go back, who they are, their
/// state, their snapshots and their disks.
fn read(
    revert: &Revert<'_>,
    parts: &Parts,
    changes: &ChangeSet,
    declared: &Desired,
    inventory: &Inventory,
    policy: &Policy,
) -> Vec<Read> {
    let mut part = declared.clone();
    part.machines.retain(|address, _| changes.machines.contains_key(address));
    part.disks.retain(|address, _| changes.disks.contains_key(address));
    part.networks.retain(|address, _| changes.networks.contains_key(address));
    let steps = super::draft::number(parts.drafts.iter().cloned());
    let of_after = reads::read_set(
        Verb::Apply,
        &part,
        revert.after,
        policy,
        &reads::Made { objects: &parts.objects, steps: &steps, register: &parts.register },
    );
    let stack = of_after.stack.clone();
    let goes: BTreeSet<&Address> = revert
        .machines
        .iter()
        .filter(|(_, one)| one.went_back.is_none())
        .map(|(address, _)| address)
        .collect();
    let holds = |read: &Read| {
        if goes_back(read, &goes) {
            return false;
        }
        let alone = ReadSet { stack: stack.clone(), reads: with_owners(&of_after.reads, read) };
        reads::moved(&alone, inventory).is_empty()
    };
    let mut reads: Vec<Read> = of_after.reads.iter().filter(|read| holds(read)).cloned().collect();
    for (address, reverted) in revert.machines {
        let own = reads::of_state(&declared.stack, address, reverted.machine, inventory);
        let hardware = reads::of_hardware(address, reverted.machine);
        for read in own.into_iter().chain(hardware) {
            if !reads.contains(&read) {
                reads.push(read);
            }
        }
    }
    reads
}

/// Whether a read is about what a restore overwrites: whatever it is before does not matter.
fn goes_back(read: &Read, machines: &BTreeSet<&Address>) -> bool {
    match read {
        Read::Field { address, path, .. } | Read::Members { address, path, .. } => {
            machines.contains(address) && !shape::outlives_restore(path)
        }
        Read::Remembered { address, .. } | Read::Attachments { address, .. } => machines.contains(address),
        _ => false,
    }
}

/// A read and those that say whom it is about.
fn with_owners(all: &[Read], read: &Read) -> Vec<Read> {
    let owners = all.iter().filter(|one| matches!(one, Read::Owned { .. } | Read::Former { .. }));
    let mut found: Vec<Read> = owners.filter(|owner| *owner != read).cloned().collect();
    found.push(read.clone());
    found
}
