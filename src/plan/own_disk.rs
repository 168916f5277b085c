//! Disks of their own: made, changed, moved, left alone, deleted.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use uuid::Uuid;

use super::action::{Action, Insert, Target};
use super::draft::Draft;
use super::register::{Member, RegisterPlan};
use super::types::{Blocked, ObjectPlan, Operation, PlannedField};
use crate::diff::own_disk::{self as shape, DiskDifference, DiskOwner, DiskPresence};
use crate::diff::{DifferenceKind, FieldDifference, tree};
use crate::inventory::{Identity, Inventory, Machine, Medium};
use crate::model::capability;
use crate::model::disk::{can_grow, makes_differences};
use crate::model::state::StateClass;
use crate::model::{Address, Bytes, Danger, Dangers, Desired, DiskDocument, FieldPath, Policy, PowerState};

/// One declared disk with all that its plan depends on.
pub struct DiskScene<'a> {
    /// Its address.
    pub address: &'a Address,
    /// What is declared.
    pub disk: &'a DiskDocument,
    /// What differs.
    pub difference: &'a DiskDifference,
    /// All that is declared.
    pub desired: &'a Desired,
    /// All that is there.
    pub inventory: &'a Inventory,
}

impl DiskScene<'_> {
    /// What happens to it.
    pub fn plan(&self, policy: &Policy) -> (Option<ObjectPlan>, Draft) {
        let allow = policy.allow.union(&self.disk.lifecycle.allow).copied().collect();
        let target = match self.difference.presence {
            DiskPresence::Ours { uuid } => Target::Existing(uuid),
            _ => Target::Planned(self.address.clone()),
        };
        let mut draft = Draft::new(self.address.clone(), target, allow);
        let file = self.difference.file.display();
        let object = match &self.difference.presence {
            DiskPresence::Absent { lost } => Some(self.create(&mut draft, *lost)),
            DiskPresence::Ours { uuid } => self.change(&mut draft, *uuid),
            DiskPresence::Closed | DiskPresence::External(_) => None,
            DiskPresence::Unreadable { uuid, reason } => Some(self.blocked(
                Some(*uuid),
                format!("it is ours and cannot be read: {reason}"),
                vec![
                    format!("put the file back: {file}"),
                    "`vboxmcp doctor` says what else may help".to_owned(),
                ],
            )),
            DiskPresence::ExternalMissing => Some(self.blocked(
                None,
                format!("it is declared external, and there is no {file}"),
                vec!["say where it is by `location`, or remove `lifecycle.external`".to_owned()],
            )),
            DiskPresence::Conflict(owner) => Some(self.conflict(owner)),
        };
        (object, draft)
    }

    fn blocked(&self, uuid: Option<Uuid>, reason: String, hints: Vec<String>) -> ObjectPlan {
        ObjectPlan {
            address: self.address.clone(),
            operation: Operation::Blocked,
            uuid,
            fields: Vec::new(),
            effects: Vec::new(),
            blocked: vec![Blocked { fields: Vec::new(), reason, missing: Dangers::new(), hints }],
            danger: Dangers::new(),
        }
    }

    /// The sentence and the three ways out.
    fn conflict(&self, owner: &DiskOwner) -> ObjectPlan {
        let file = self.difference.file.display();
        let adopt = format!("vboxmcp adopt {}", self.address);
        let other = "declare another `location`".to_owned();
        let external = "declare it `lifecycle: {external: true}`: attached, never changed".to_owned();
        let (reason, hints) = match owner {
            DiskOwner::Nobody => {
                (format!("{file} is a registered disk that no stack owns"), vec![adopt, other, external])
            }
            DiskOwner::File => {
                (format!("{file} is there, and VirtualBox does not know it"), vec![adopt, other, external])
            }
            DiskOwner::Stack { stack, address } => {
                (format!("{file} is {address} of stack {stack}"), vec![other, external])
            }
        };
        self.blocked(None, reason, hints)
    }

    fn create(&self, draft: &mut Draft, lost: bool) -> ObjectPlan {
        let settings = &self.disk.settings;
        let Some(size) = settings.size else {
            return self.blocked(
                None,
                "it does not exist and has no size".to_owned(),
                vec!["write `size:`".to_owned()],
            );
        };
        let action = Action::CreateDisk {
            address: self.address.clone(),
            location: self.difference.file.clone(),
            machine: None,
            format: settings.format_or_default().to_owned(),
            variant: settings.variant.clone().unwrap_or_else(|| "dynamic".to_owned()),
            size,
        };
        draft.push(action, [], []);
        // The machine that attaches it first makes one that several machines can have (`shared`).
        let disk_type = settings.disk_type.clone().filter(|word| word != "normal" && word != MULTIATTACH);
        let description = settings.description.clone().filter(|text| !text.is_empty());
        if disk_type.is_some() || description.is_some() {
            let medium = Target::Planned(self.address.clone());
            draft.push(Action::SetDisk { medium, disk_type, description }, [], []);
        }
        if lost {
            draft.effects.push("it was there at the last apply and is gone: an empty one is made".to_owned());
        }
        let declared = self.disk.settings.tree();
        let shown = tree::leaves(&declared).into_iter().map(|(path, value)| PlannedField {
            recommended: false,
            blocked: false,
            difference: FieldDifference {
                kind: DifferenceKind::Change,
                declared: Some(value.clone()),
                live: None,
                last: None,
                unknown: None,
                source: Some(self.disk.source_of(&path).to_string()),
                path,
            },
        });
        let shown = shown.collect();
        self.object(Operation::Create, None, shown, draft)
    }

    fn change(&self, draft: &mut Draft, uuid: Uuid) -> Option<ObjectPlan> {
        let base = self.inventory.media.get(&uuid)?;
        for field in &self.difference.fields {
            self.field(draft, field, base);
        }
        if draft.steps.is_empty() && draft.blocked.is_empty() && draft.effects.is_empty() {
            return None;
        }
        let shown = self.difference.fields.iter().map(|field| PlannedField {
            difference: field.clone(),
            blocked: draft.blocked.iter().any(|blocked| blocked.fields.contains(&field.path)),
            recommended: false,
        });
        let shown = shown.collect();
        let acts = !draft.steps.is_empty() || draft.blocked.is_empty();
        let operation = if acts { Operation::Change } else { Operation::Blocked };
        Some(self.object(operation, Some(uuid), shown, draft))
    }

    fn field(&self, draft: &mut Draft, field: &FieldDifference, base: &Medium) {
        let path = vec![field.path.clone()];
        let medium = draft.target.clone();
        let text = || field.declared.as_ref().and_then(Value::as_str).map(str::to_owned);
        if let Some(reason) = &field.unknown {
            let reason = format!("{} is declared and its live value is not known: {reason}", field.path);
            draft.block(path, reason, Vec::new());
            return;
        }
        if let Some(way) = capability::fixed(&field.path) {
            draft.block(path, format!("{} cannot be changed in place", field.path), vec![way.to_owned()]);
            return;
        }
        if field.path.parts() == ["autoReset"] {
            let Some(enabled) = field.declared.as_ref().and_then(Value::as_bool) else { return };
            let others = shape::resets(base, self.inventory).into_iter();
            for ((machine, at), _) in others.filter(|(_, leaf)| leaf.auto_reset != enabled) {
                let machine = Target::Existing(machine.uuid);
                draft.push(Action::SetAutoReset { machine, at, enabled }, path.clone(), []);
            }
            return;
        }
        let up = self.up(base.uuid);
        if !up.is_empty() {
            draft.block(
                path,
                format!(
                    "{}: VirtualBox changes it only while no machine runs on it: {}",
                    field.path,
                    up.join(", ")
                ),
                vec!["switch them off (`state: poweroff`), and apply again".to_owned()],
            );
            return;
        }
        match field.path.parts().as_slice() {
            ["size"] => self.grow(draft, field, base),
            ["location"] if self.difference.file.extension() != base.location.extension() => draft.block(
                path,
                format!("location: VirtualBox keeps the extension of {}", base.location.display()),
                vec!["keep it in `location`, or copy the disk with `VBoxManage clonemedium`".to_owned()],
            ),
            ["location"] => {
                let action = Action::MoveDisk { medium, location: self.difference.file.clone() };
                draft.push(action, path, []);
            }
            ["description"] => {
                draft.push(Action::SetDisk { medium, disk_type: None, description: text() }, path, []);
            }
            ["type"] => {
                let mut attached: Vec<String> =
                    shape::users(base.uuid, self.inventory).into_iter().map(called).collect();
                attached.sort();
                let among = |word: Option<&str>| matches!(word, Some("normal" | "writethrough"));
                let simple = among(text().as_deref()) && among(Some(base.medium_type.as_str()));
                let is_shared = text().as_deref() == Some(MULTIATTACH);
                // What one machine has attached it takes off for that.
                let is_carried = is_shared && attached.len() == 1 && base.medium_type != "immutable";
                if !attached.is_empty() && !simple && !is_carried {
                    draft.block(
                        path,
                        format!(
                            "type: VirtualBox changes it only while no machine has it attached: {}",
                            attached.join(", ")
                        ),
                        vec!["leave it out of their `disks`, apply, and put it back".to_owned()],
                    );
                    return;
                }
                // What guests wrote into differences that nobody has attached any more would keep it as it is.
                for leftover in leftovers(base.uuid, self.inventory) {
                    draft
                        .effects
                        .push(format!("deletes {}, which no machine has", leftover.location.display()));
                    let missing = draft.missing([Danger::DestroyData]);
                    if !missing.is_empty() {
                        draft.block_for(path, missing, "a difference to it is deleted".to_owned());
                        return;
                    }
                    let medium = Target::Existing(leftover.uuid);
                    draft.push(
                        Action::DeleteDisk { medium, folder: None },
                        path.clone(),
                        [Danger::DestroyData],
                    );
                }
                if is_shared {
                    draft.effects.push("a machine attaches it once before it is made multiattach".to_owned());
                    return;
                }
                draft.push(Action::SetDisk { medium, disk_type: text(), description: None }, path, []);
            }
            _ => {}
        }
    }

    fn grow(&self, draft: &mut Draft, field: &FieldDifference, base: &Medium) {
        let path = vec![field.path.clone()];
        let (Some(size), Some(now)) =
            (field.declared.as_ref().and_then(Value::as_u64), field.live.as_ref().and_then(Value::as_u64))
        else {
            return;
        };
        if size < now {
            draft.block(
                path,
                format!("{}: VirtualBox cannot shrink a disk", field.path),
                vec!["make a smaller disk and copy its content inside the guest".to_owned()],
            );
            return;
        }
        if !can_grow(&base.format, base.variant.as_deref()) {
            draft.block(
                path,
                format!(
                    "{}: VirtualBox cannot grow a {} disk of format {}",
                    field.path,
                    base.variant.as_deref().unwrap_or("fixed"),
                    base.format
                ),
                vec!["copy it into a dynamic VDI with `VBoxManage clonemedium` and declare the copy's location".to_owned()],
            );
            return;
        }
        for uuid in shape::chains(base.uuid, self.inventory) {
            if self.inventory.media.get(&uuid).and_then(|medium| medium.size).is_none_or(|now| now.0 < size) {
                let medium = Target::Existing(uuid);
                draft.push(Action::GrowDisk { medium, size: Bytes(size) }, path.clone(), []);
            }
        }
    }

    /// Machines that run, or are held, or have a saved state, with the disk.
    fn up(&self, base: Uuid) -> Vec<String> {
        let is_up =
            |machine: &&Machine| machine.state.as_ref().map(PowerState::class) != Some(StateClass::Off);
        shape::users(base, self.inventory).into_iter().filter(is_up).map(called).collect()
    }

    fn object(
        &self,
        operation: Operation,
        uuid: Option<Uuid>,
        fields: Vec<PlannedField>,
        draft: &Draft,
    ) -> ObjectPlan {
        ObjectPlan {
            address: self.address.clone(),
            operation,
            uuid,
            fields,
            effects: draft.effects.clone(),
            blocked: draft.blocked.clone(),
            danger: draft.danger(),
        }
    }
}

/// The type of disks of which each machine has a difference of its own.
pub const MULTIATTACH: &str = "multiattach";

/// The step that makes a disk one that several machines can have, where it is not yet: between two attachments to the same machine.
/// VirtualBox gives that type only to disks that are in the registry of a machine (measured).
pub fn made_shared(address: &Address, desired: &Desired, inventory: &Inventory) -> Option<Action> {
    let disk = desired.disks.get(address)?;
    if disk.settings.disk_type.as_deref() != Some(MULTIATTACH) {
        return None;
    }
    let medium = match shape::difference(address, disk, desired, inventory).presence {
        DiskPresence::Absent { .. } => Target::Planned(address.clone()),
        DiskPresence::Ours { uuid } => {
            let base = inventory.media.get(&uuid)?;
            let is_ignored = disk.lifecycle.ignore.contains(&FieldPath::of(["type"]));
            if is_ignored || base.medium_type == MULTIATTACH {
                return None;
            }
            Target::Existing(uuid)
        }
        DiskPresence::Closed => {
            let (_, _, entry) = shape::entry(address, disk, desired, inventory)?;
            let Identity::Uuid(uuid) = entry.identity else { return None };
            Target::Existing(uuid)
        }
        _ => return None,
    };
    Some(Action::SetDisk { medium, disk_type: Some(MULTIATTACH.to_owned()), description: None })
}

/// The disks that steps of a machine make multiattach.
pub fn shares(draft: &Draft) -> impl Iterator<Item = &Address> {
    draft.steps.iter().filter_map(|step| match &step.action {
        Action::SetDisk { disk_type: Some(word), .. } if word == MULTIATTACH => step.object.as_ref(),
        _ => None,
    })
}

/// Says of disks that no machine of the plan makes multiattach that they stay what they are.
pub fn left_unshared(objects: &mut [ObjectPlan], shared: &BTreeMap<Address, Address>, desired: &Desired) {
    let path = FieldPath::of(["type"]);
    for object in objects.iter_mut().filter(|object| !shared.contains_key(&object.address)) {
        let disk = desired.disks.get(&object.address).map(|disk| disk.settings.disk_type.as_deref());
        let field = object.fields.iter_mut().find(|field| field.difference.path == path && !field.blocked);
        let (Some(Some(MULTIATTACH)), Some(field)) = (disk, field) else { continue };
        field.blocked = true;
        object.effects.clear();
        object.blocked.push(Blocked {
            fields: vec![path.clone()],
            reason: "type: VirtualBox gives it only to a disk that a machine has had, and no machine attaches it here"
                .to_owned(),
            missing: Dangers::new(),
            hints: vec!["name it in the `disks` of a machine".to_owned()],
        });
        if object.fields.iter().all(|field| field.blocked) {
            object.operation = Operation::Blocked;
        }
    }
}

/// What a machine attaches of a disk of its own, or why it cannot. `folder` is the machine's, where it has one.
pub fn insert(
    address: &Address,
    folder: Option<&Path>,
    desired: &Desired,
    inventory: &Inventory,
) -> Result<Insert, String> {
    let Some(disk) = desired.disks.get(address) else { return Err("is not declared".to_owned()) };
    let difference = shape::difference(address, disk, desired, inventory);
    match difference.presence {
        DiskPresence::Absent { .. } if disk.settings.size.is_some() => {
            Ok(Insert::Medium(Target::Planned(address.clone())))
        }
        DiskPresence::Absent { .. } | DiskPresence::ExternalMissing => Err("is not there".to_owned()),
        DiskPresence::Closed | DiskPresence::External(None) => Ok(Insert::File(difference.file)),
        DiskPresence::Ours { uuid } | DiskPresence::External(Some(uuid)) => {
            content(address, uuid, folder, desired, inventory)
                .map(|uuid| Insert::Medium(Target::Existing(uuid)))
                .ok_or_else(|| {
                    "has snapshots' differences, and which of them is its content is not known".to_owned()
                })
        }
        DiskPresence::Unreadable { reason, .. } => Err(format!("cannot be read: {reason}")),
        DiskPresence::Conflict(_) => Err("is not ours".to_owned()),
    }
}

/// The medium that holds what a guest last saw: the leaf that was detached, else the base where nothing is written elsewhere.
fn content(
    address: &Address,
    base: Uuid,
    folder: Option<&Path>,
    desired: &Desired,
    inventory: &Inventory,
) -> Option<Uuid> {
    if inventory.media.get(&base).is_some_and(|medium| makes_differences(&medium.medium_type)) {
        // Each machine has its own, which stays in its folder when it is detached.
        let mut own = leftovers(base, inventory).into_iter();
        let own = own.find(|leaf| folder.is_some_and(|folder| leaf.location.starts_with(folder)));
        return Some(own.map_or(base, |leaf| leaf.uuid));
    }
    let disk = desired.disks.get(address)?;
    let entry = shape::entry(address, disk, desired, inventory).map(|(_, _, entry)| entry);
    if let Some(leaf) = entry.and_then(|entry| entry.noted_leaf(inventory)) {
        return Some(leaf);
    }
    let whole = shape::differences(base, inventory).is_empty();
    // Somebody took it away by hand.
    if whole { Some(base) } else { inventory.free_leaf(base) }
}

/// Differences to a base that no machine has, now or in a snapshot; those on top of others first.
pub fn leftovers(base: Uuid, inventory: &Inventory) -> Vec<&Medium> {
    let mut found: Vec<&Medium> = shape::differences(base, inventory);
    found.retain(|medium| inventory.machines_holding(medium.uuid).is_empty());
    found.sort_by_key(|medium| std::cmp::Reverse(crate::diff::disk::chain(medium.uuid, inventory).len()));
    found
}

/// Registers one declared disk. What is not ours stays as it is registered.
pub fn add_member(plan: &mut RegisterPlan, scene: &DiskScene<'_>) {
    let known = shape::entry(scene.address, scene.disk, scene.desired, scene.inventory);
    let entry = known.as_ref().map(|(_, _, entry)| *entry);
    let identity = match &scene.difference.presence {
        DiskPresence::Absent { .. } if scene.disk.settings.size.is_none() => return,
        DiskPresence::Absent { .. } => Identity::Path(scene.difference.file.clone()),
        DiskPresence::Ours { uuid } | DiskPresence::Unreadable { uuid, .. } => Identity::Uuid(*uuid),
        DiskPresence::Closed => match entry {
            Some(entry) => entry.identity.clone(),
            None => return,
        },
        DiskPresence::External(_) | DiskPresence::ExternalMissing | DiskPresence::Conflict(_) => return,
    };
    plan.members.insert(scene.address.clone(), member(scene.disk, identity, shape::declared(scene.disk)));
    if let Some((stack, former, _)) = known
        && (former != *scene.address || stack != scene.desired.stack)
    {
        plan.renamed.insert(scene.address.clone(), (stack, former));
    }
}

/// A disk as it will be registered.
pub fn member(disk: &DiskDocument, identity: Identity, declared: Value) -> Member {
    Member {
        identity: Some(identity),
        declared: declared.into(),
        birth: Value::Null,
        protect: disk.lifecycle.protect,
        on_remove: disk.lifecycle.on_remove,
        owes: None,
        labels: disk.labels.clone(),
    }
}

/// Whether a registered disk is there: registered in VirtualBox.
pub fn is_there(entry: &crate::inventory::Entry, inventory: &Inventory) -> bool {
    shape::medium_of(entry, inventory).is_some()
}

fn called(machine: &Machine) -> String {
    machine.name.clone().unwrap_or_else(|| format!("{{{}}}", machine.uuid))
}
