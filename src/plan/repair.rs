//! `doctor --fix`: disks whose registry and files do not agree are put right, and nothing is deleted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use uuid::Uuid;

use super::action::{Action, Target};
use super::draft::Draft;
use super::types::{Expectation, ObjectPlan, Operation, Plan, PlannedField, Verb};
use super::{imperative, reads};
use crate::diff::{disk, own_disk};
use crate::inventory::{AttachedMedium, DeviceKind, Inventory, Machine, Medium, Ownership};
use crate::model::state::StateClass;
use crate::model::{Address, Danger, Dangers, Desired, FieldPath, Location, Policy, PowerState};

/// A disk that its stack owns and VirtualBox cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// What the stack calls it.
    pub address: Address,
    /// The medium.
    pub medium: Uuid,
    /// Whether a file is where it is registered, which is another one then.
    pub is_replaced: bool,
    /// Files elsewhere that hold it, by the UUID in them.
    pub found: Vec<PathBuf>,
}

/// Plans what puts lost disks right.
pub fn repair(lost: &[Lost], desired: &Desired, inventory: &Inventory, policy: &Policy) -> Plan {
    let mut objects = Vec::new();
    let mut drafts = Vec::new();
    let mut read = Vec::new();
    for disk in lost {
        let Some(medium) = inventory.media.get(&disk.medium) else { continue };
        let target = Target::Existing(medium.uuid);
        let mut draft = Draft::new(disk.address.clone(), target, policy.allow.clone());
        one(disk, medium, &mut draft, desired, inventory);
        let paths = vec![location()];
        read.push(reads::disk_now(&disk.address, Some(medium.uuid), paths, inventory));
        objects.push(object(disk, medium, &draft));
        drafts.push(draft);
    }
    imperative::sealed(Verb::Repair, objects, &drafts, read, desired, inventory, policy)
}

fn location() -> FieldPath {
    FieldPath::of(["location"])
}

fn one(disk: &Lost, medium: &Medium, draft: &mut Draft, desired: &Desired, inventory: &Inventory) {
    let (file, uuid) = (medium.location.display(), medium.uuid);
    match disk.found.as_slice() {
        [there] if inventory.medium_at(there).is_some() => {
            // Two media of one path, and VirtualBox's server does not start any more (measured).
            let reason = format!("its file is {}, where VirtualBox has another disk registered", there.display());
            draft.block(vec![location()], reason, vec!["put that one right first, and do the same again".to_owned()]);
        }
        [there] => {
            let action = Action::LocateDisk { medium: draft.target.clone(), location: there.clone() };
            draft.push(action, [location()], []);
            let other = if disk.is_replaced { "; what lies in its place stays there" } else { "" };
            draft.effects.push(format!("the file with its UUID is there: only the registry changes{other}"));
        }
        [] if disk.is_replaced => draft.block(
            vec![location()],
            format!("{file} is another file, and the one of {{{uuid}}} is not found"),
            vec![
                format!("move the file that lies there away, and put the one of {{{uuid}}} in its place"),
                format!(
                    "where it is a copy of that disk, which only you can know: `vboxmcp doctor --fix {file}` gives it the UUID"
                ),
            ],
        ),
        [] => forget(medium, draft, desired, inventory),
        several => {
            let list: Vec<String> = several.iter().map(|file| file.display().to_string()).collect();
            draft.block(
                vec![location()],
                format!("several files hold {{{uuid}}}: {}", list.join(", ")),
                vec!["put the right one in its place; `vboxmcp doctor --fix FILE` then gives the others UUIDs of their own".to_owned()],
            );
        }
    }
}

/// Gives up a disk whose file is nowhere: the entry goes, so that its machine can start and the next apply can make another.
fn forget(medium: &Medium, draft: &mut Draft, desired: &Desired, inventory: &Inventory) {
    let file = medium.location.display();
    let back = format!("put the file back at {file}, or mount what it is on");
    if inventory.has_children(medium.uuid) || is_in_snapshot(medium.uuid, inventory) {
        let reason = format!("{file} is gone, and snapshots or differences need it");
        return draft.block(Vec::new(), reason, vec![back]);
    }
    let mut places: Vec<(Uuid, Location)> = Vec::new();
    for machine in own_disk::users(medium.uuid, inventory) {
        let name = machine.name.as_deref().unwrap_or("?");
        let ours =
            matches!(inventory.owner_of(machine), Ownership::Owned { stack, .. } if stack == desired.stack);
        if !ours {
            let reason =
                format!("{file} is gone, and machine {name:?} has it, which this stack does not own");
            return draft.block(Vec::new(), reason, vec![back]);
        }
        if machine.state.as_ref().map(PowerState::class) != Some(StateClass::Off) {
            let reason = format!("{file} is gone, and machine {name:?} has it and is not off");
            return draft.block(Vec::new(), reason, vec![back, format!("vboxmcp stop vm/{name}")]);
        }
        places.extend(attached(machine, medium.uuid).map(|place| (machine.uuid, place)));
    }
    let missing = draft.missing([Danger::DestroyData]);
    if !missing.is_empty() {
        let reason = format!("{file} is gone and found nowhere: to forget it gives up what was on it");
        draft.block_for(Vec::new(), missing, reason);
        if let Some(blocked) = draft.blocked.last_mut() {
            blocked.hints.insert(0, back);
        }
        return;
    }
    for (machine, at) in places {
        let expects = [
            Expectation::State(StateClass::Off.word().to_owned()),
            Expectation::Attached(at.clone(), Some(medium.uuid)),
        ];
        draft.push_expecting(Action::Detach { machine: Target::Existing(machine), at }, [], expects);
    }
    draft.push(Action::CloseDisk { medium: draft.target.clone() }, [], [Danger::DestroyData]);
    draft.effects.push(format!(
        "forgets {file}, which is gone; no file is deleted, and the next apply makes an empty disk"
    ));
}

fn attached(machine: &Machine, medium: Uuid) -> impl Iterator<Item = Location> {
    let disks = machine.attachments.iter().filter(|there| there.kind == DeviceKind::Disk);
    disks.filter(move |there| there.medium == AttachedMedium::Image(medium)).map(disk::place)
}

fn is_in_snapshot(medium: Uuid, inventory: &Inventory) -> bool {
    let snapshots = inventory.machines.values().flat_map(|machine| &machine.snapshots);
    let all = snapshots.flat_map(crate::inventory::Snapshot::leaves_first);
    all.flat_map(|snapshot| &snapshot.media).any(|held| *held == medium)
}

fn object(disk: &Lost, medium: &Medium, draft: &Draft) -> ObjectPlan {
    let there = disk.found.first().filter(|_| disk.found.len() == 1);
    let text = |file: &Path| Value::from(file.display().to_string());
    let field = there.map(|there| {
        PlannedField::asked(location(), Some(text(&medium.location)), text(there), draft.steps.is_empty())
    });
    ObjectPlan {
        address: disk.address.clone(),
        operation: match (draft.steps.is_empty(), there) {
            (true, _) => Operation::Blocked,
            (false, Some(_)) => Operation::Change,
            (false, None) => Operation::Forget,
        },
        uuid: Some(medium.uuid),
        fields: field.into_iter().collect(),
        effects: draft.effects.clone(),
        blocked: draft.blocked.clone(),
        danger: if draft.steps.is_empty() { Dangers::new() } else { draft.danger() },
    }
}

/// Owned disks that cannot be read, of each stack.
pub fn unreadable(inventory: &Inventory) -> BTreeMap<crate::model::StackName, Vec<(Address, &Medium)>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (stack, register) in &inventory.registers {
        for (address, entry) in &register.entries {
            let is_disk = matches!(address, Address::Disk(_) | Address::InlineDisk(..));
            let medium = own_disk::medium_of(entry, inventory).filter(|_| is_disk);
            if let Some(medium) = medium.filter(|medium| medium.is_inaccessible()) {
                found.entry(stack.clone()).or_default().push((address.clone(), medium));
            }
        }
    }
    found
}
