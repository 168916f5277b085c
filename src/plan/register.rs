//! What becomes of a stack's register: two writes a run, planned here, made by the executor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::draft::Draft;
use super::machine::Scene;
use super::storage::disks::Found;
use crate::diff::{Presence, disk, machine as shape};
use crate::inventory::{AttachedMedium, Attachment, Entry, Identity, Inventory, Machine, Register, Status};
use crate::model::disk::makes_differences;
use crate::model::{
    Address, DesiredState, DiskSource, FieldPath, Image, MachineName, OnRemove, Shared, StackName,
};

/// One member as it will be registered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// What it is known by now; `None` where it is about to be born with a UUID that the executor derives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// What is declared; the fields that are read back like this become its last applied ones.
    pub declared: Shared<Value>,
    /// What is fixed at birth; `null` where that is nothing.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub birth: Value,
    /// Never deleted.
    pub protect: bool,
    /// What happens when it is no longer declared.
    pub on_remove: OnRemove,
    /// The power state to which the run brings it back after it has stopped it, where none is declared. It is remembered from before
    /// the stop until the machine is back, so that a run which dies in between leaves no guest off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owes: Option<DesiredState>,
    /// `metadata.labels`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What becomes of the register.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegisterPlan {
    /// Members after the run.
    pub members: BTreeMap<Address, Member>,
    /// Members that the run removes or found gone.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub forget: BTreeSet<Address>,
    /// Former addresses (and stacks) of members, by new address.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub renamed: BTreeMap<Address, (StackName, Address)>,
    /// Disks that the run detaches and keeps: their leaves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detached: BTreeMap<Address, uuid::Uuid>,
    /// Manifest paths, where this is a full apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<PathBuf>>,
}

impl RegisterPlan {
    /// The register before the first step: every new address is a pending member, all last-applied values as they were.
    ///
    /// `identity` derives what a member that is about to be born will be known by.
    #[must_use]
    pub fn before(&self, now: &Register, identity: impl Fn(&Address, &Member) -> Identity) -> Register {
        let mut register = now.clone();
        for (address, member) in &self.members {
            let adds = !register.entries.contains_key(address);
            if adds {
                let former = self.renamed.get(address).and_then(|(_, from)| now.entries.get(from));
                let mut entry = former.cloned().unwrap_or_else(|| Entry {
                    birth: member.birth.clone(),
                    ..Entry::pending(identity(address, member))
                });
                // Protection must hold from the first instant.
                entry.protect |= member.protect;
                known_by_now(&mut entry, address, member);
                register.entries.insert(address.clone(), entry);
            } else if let (Some(entry), None) = (register.entries.get_mut(address), &member.identity) {
                // Somebody removed it: it is born again, and what is found under the entry then is ours.
                entry.status = Status::Pending;
                entry.identity = identity(address, member);
                entry.applied = Shared::default();
            } else if let (Some(entry), Some(path @ Identity::Path(_))) =
                (register.entries.get_mut(address), &member.identity)
            {
                // A disk that is gone and is made again.
                if entry.identity != *path {
                    *entry = Entry {
                        protect: entry.protect || member.protect,
                        birth: member.birth.clone(),
                        ..Entry::pending(path.clone())
                    };
                }
            } else if let Some(entry) = register.entries.get_mut(address) {
                known_by_now(entry, address, member);
            }
            if let (Some(entry), Some(owes)) = (register.entries.get_mut(address), &member.owes) {
                entry.owes = Some(owes.clone());
            }
        }
        register
    }
}

/// A disk that an earlier run made is known by its UUID from now on, wherever it goes.
fn known_by_now(entry: &mut Entry, address: &Address, member: &Member) {
    if let (Address::InlineDisk(..), Identity::Path(_), Some(known @ Identity::Uuid(_))) =
        (address, &entry.identity, &member.identity)
    {
        entry.identity = known.clone();
        entry.status = Status::Confirmed;
    }
}

/// What the register holds of a disk's birth.
pub fn birth_of(image: &Image) -> Value {
    let mut birth = serde_json::json!({ "image": image.file });
    if let (Some(sha256), Value::Object(map)) = (&image.sha256, &mut birth) {
        map.insert("sha256".to_owned(), sha256.as_str().into());
    }
    birth
}

/// Registers one declared machine and its inline disks. Objects that are not ours, or that cannot be read, stay as they are registered.
pub fn add_members(plan: &mut RegisterPlan, scene: &Scene<'_>, draft: &Draft) {
    let uuid = match &scene.difference.presence {
        Presence::Absent { uuid, .. } => *uuid,
        Presence::Ours { uuid } | Presence::Unfinished { uuid } => Some(*uuid),
        Presence::Renamed { uuid, from, from_stack, .. } => {
            plan.renamed.insert(scene.address.clone(), (from_stack.clone(), from.clone()));
            Some(*uuid)
        }
        Presence::Conflict { .. }
        | Presence::External { .. }
        | Presence::ExternalMissing
        | Presence::Unreadable { .. } => return,
    };
    let lifecycle = &scene.machine.lifecycle;
    let folder = scene.live().map(Machine::folder);
    plan.members.insert(
        scene.address.clone(),
        Member {
            identity: uuid.filter(|_| scene.live().is_some()).map(Identity::Uuid),
            declared: match &scene.difference.presence {
                // It was compared with another tree.
                Presence::Unfinished { .. } | Presence::Renamed { unfinished: true, .. } => {
                    shape::declared(scene.machine, folder.as_deref()).into()
                }
                _ if scene.live().is_some() => scene.difference.declared.clone(),
                _ => scene.declared.tree().clone().into(),
            },
            birth: Value::Null,
            protect: lifecycle.protect,
            on_remove: lifecycle.on_remove,
            owes: draft.owes.clone(),
            labels: scene.machine.labels.clone(),
        },
    );
    let Some(name) = scene.address.machine_name() else { return };
    let register = scene.inventory.registers.get(&scene.desired.stack);
    let attached = scene.live().map(|machine| {
        disk::keyed(machine, scene.known_as(), scene.owner_register(), Some(scene.machine), scene.inventory)
    });
    let birth_folder = folder.unwrap_or_else(|| crate::diff::birth_folder(scene.machine, scene.inventory));
    for (key, declared) in scene.machine.disks.iter().flatten() {
        let DiskSource::Inline { image, .. } = &declared.disk else { continue };
        let address = Address::InlineDisk(name.clone(), key.clone());
        let blocked =
            draft.blocked.iter().any(|blocked| blocked.fields.contains(&FieldPath::of(["disks", key])));
        let known = register.is_some_and(|register| register.entries.contains_key(&address));
        if blocked && !known {
            continue;
        }
        let live =
            attached.as_ref().and_then(|disks| disks.get(key)).and_then(|attachment| {
                match &attachment.medium {
                    AttachedMedium::Image(leaf) => scene.inventory.base_of(*leaf).map(|base| base.uuid),
                    _ => None,
                }
            });
        let entry = register.and_then(|register| register.entries.get(&address));
        let registered = entry.map(|entry| &entry.identity).filter(|identity| match identity {
            Identity::Uuid(uuid) => scene.inventory.media.contains_key(uuid),
            Identity::Path(_) | Identity::Network(_) => true,
        });
        let identity = match (live, registered) {
            (Some(base), _) => Some(Identity::Uuid(base)),
            (None, Some(identity @ (Identity::Uuid(_) | Identity::Network(_)))) => Some(identity.clone()),
            // Where it is to be now: the folder may have moved since an earlier run was to make it.
            (None, Some(Identity::Path(_)) | None) => {
                let file = disk::file(key, declared, &birth_folder);
                file.map(|file| match scene.existing(entry, &file) {
                    Found::Ours(uuid) => Identity::Uuid(uuid),
                    _ => Identity::Path(file),
                })
            }
        };
        if let Presence::Renamed { from_stack, .. } = &scene.difference.presence
            && let Some(former) = scene.disk_known_as(key)
        {
            plan.renamed.insert(address.clone(), (from_stack.clone(), former));
        }
        plan.members.insert(
            address,
            Member {
                identity,
                declared: Shared::default(),
                birth: image.as_ref().map_or(Value::Null, birth_of),
                protect: lifecycle.protect,
                on_remove: lifecycle.on_remove,
                owes: None,
                labels: BTreeMap::new(),
            },
        );
    }
    detached_members(plan, scene, name, attached.unwrap_or_default());
    if let (Presence::Ours { .. } | Presence::Unfinished { .. }, Some(register)) =
        (&scene.difference.presence, register)
    {
        found_members(plan, scene, name, register);
    }
    if let Presence::Renamed { from, from_stack, .. } = &scene.difference.presence {
        carried_members(plan, scene, name, from, from_stack);
    }
}

/// Disks that are registered under a machine's former name and that nothing else speaks of: they come along, or are dropped where
/// they are gone.
fn carried_members(
    plan: &mut RegisterPlan,
    scene: &Scene<'_>,
    name: &MachineName,
    from: &Address,
    from_stack: &StackName,
) {
    let entries = scene.owner_register().into_iter().flat_map(|register| &register.entries);
    for (former, entry) in entries.filter(|(member, _)| member.machine_name() == from.machine_name()) {
        let Address::InlineDisk(_, key) = former else { continue };
        let address = Address::InlineDisk(name.clone(), key.clone());
        if plan.renamed.contains_key(&address) || plan.renamed.values().any(|(_, moved)| moved == former) {
            continue;
        }
        if crate::diff::inventory_has(entry, scene.inventory) {
            plan.renamed.insert(address.clone(), (from_stack.clone(), former.clone()));
            plan.members.insert(address, as_registered(entry, scene.inventory));
        } else if *from_stack == scene.desired.stack {
            plan.forget.insert(former.clone());
        }
    }
}

/// Disks that an earlier run was about to make and had made when it died, and that nothing else speaks of: they are known by their
/// UUIDs from now on, or they would be lost when the machine's folder moves.
fn found_members(plan: &mut RegisterPlan, scene: &Scene<'_>, name: &MachineName, register: &Register) {
    for (address, entry) in register.disks_of(name) {
        if let Identity::Path(path) = &entry.identity
            && !plan.members.contains_key(address)
            && scene.inventory.medium_at(path).is_some()
        {
            plan.members.insert(address.clone(), as_registered(entry, scene.inventory));
        }
    }
}

/// A member that stays what it is. One that is there is known by its UUID, wherever its machine goes.
fn as_registered(entry: &Entry, inventory: &Inventory) -> Member {
    let found = match &entry.identity {
        Identity::Path(path) => inventory.medium_at(path).map(|medium| Identity::Uuid(medium.uuid)),
        _ => None,
    };
    Member {
        identity: Some(found.unwrap_or_else(|| entry.identity.clone())),
        declared: Shared::default(),
        birth: entry.birth.clone(),
        protect: entry.protect,
        on_remove: entry.on_remove,
        owes: None,
        labels: BTreeMap::new(),
    }
}

/// Disks that leave a written map are detached and kept: their leaves are what must be attached again.
fn detached_members(
    plan: &mut RegisterPlan,
    scene: &Scene<'_>,
    name: &MachineName,
    attached: BTreeMap<String, &Attachment>,
) {
    let Some(written) = &scene.machine.disks else { return };
    for (key, attachment) in attached.into_iter().filter(|(key, _)| !written.contains_key(key)) {
        let AttachedMedium::Image(leaf) = &attachment.medium else { continue };
        let base = scene.inventory.base_of(*leaf).map(|base| base.uuid);
        let own = scene.owner_register().and_then(|register| {
            let is_it = |entry: &Entry| base.is_some_and(|base| entry.identity == Identity::Uuid(base));
            register
                .entries
                .iter()
                .find(|(address, entry)| matches!(address, Address::Disk(_)) && is_it(entry))
        });
        if let Some((address, _)) = own {
            let of_each = base.and_then(|base| scene.inventory.media.get(&base));
            // Where each machine has its own, that is found in its folder.
            if base != Some(*leaf) && !of_each.is_some_and(|base| makes_differences(&base.medium_type)) {
                plan.detached.insert(address.clone(), *leaf);
            }
            continue;
        }
        let Some(former) = scene.disk_known_as(&key) else { continue };
        let Some(entry) = scene.owner_register().and_then(|register| register.entries.get(&former)) else {
            continue;
        };
        let address = Address::InlineDisk(name.clone(), key);
        let is_renamed = match &scene.difference.presence {
            Presence::Renamed { from_stack, .. } => {
                plan.renamed.insert(address.clone(), (from_stack.clone(), former));
                true
            }
            _ => false,
        };
        // One that is known by its path only would be lost when its machine's folder moves.
        if is_renamed || matches!(entry.identity, Identity::Path(_)) {
            let mut member = as_registered(entry, scene.inventory);
            let base = scene.inventory.base_of(*leaf).map(|base| Identity::Uuid(base.uuid));
            member.identity = base.or(member.identity);
            plan.members.insert(address.clone(), member);
        }
        plan.detached.insert(address, *leaf);
    }
}
