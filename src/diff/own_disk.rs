//! Disks of their own: whether a declared one is there and whose it is, and both sides as trees.
//!
//! Before its birth and at adoption a disk is known by its file, afterwards by the UUID of its base, which the register holds.

use std::path::{Path, PathBuf};

use serde_json::Value;
use uuid::Uuid;

use super::{FieldDifference, disk as inline, equal, kind as kind_of_difference, released, tree};
use crate::inventory::{
    AttachedMedium, Attachment, Entry, Identity, Inventory, Machine, Medium, MediumHealth, Ownership,
    PathFact, Status,
};
use crate::model::{Address, Bytes, Desired, DiskDocument, DiskSettings, FieldPath, Location, StackName};

/// Who holds what a declaration wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskOwner {
    /// A registered disk that no stack owns.
    Nobody,
    /// Another stack, or another address of this one.
    Stack {
        /// The stack.
        stack: StackName,
        /// The address in it.
        address: Address,
    },
    /// A file that is registered nowhere.
    File,
}

/// Whether a declared disk is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskPresence {
    /// It is not there.
    Absent {
        /// The register says that it was there: somebody removed it, with its data.
        lost: bool,
    },
    /// It is registered, and ours.
    Ours {
        /// The base.
        uuid: Uuid,
    },
    /// Its file is there and ours, and VirtualBox does not know it at the moment: a machine that attaches it registers it.
    Closed,
    /// It is ours and cannot be read: why.
    Unreadable {
        /// The base.
        uuid: Uuid,
        /// Why.
        reason: String,
    },
    /// Something that is not ours is in the way.
    Conflict(DiskOwner),
    /// `lifecycle.external`, and it is there: registered, or its file.
    External(Option<Uuid>),
    /// `lifecycle.external`, and it is not there.
    ExternalMissing,
}

/// What was found for one declared disk.
#[derive(Clone, Debug, PartialEq)]
pub struct DiskDifference {
    /// Whether it is there, and whose it is.
    pub presence: DiskPresence,
    /// Its file.
    pub file: PathBuf,
    /// Fields that are not as declared. Empty where it is not there or not ours.
    pub fields: Vec<FieldDifference>,
    /// Fields that were applied once and are no longer declared: their values stay.
    pub released: Vec<FieldPath>,
    /// The live disk as a tree; `Null` where there is none.
    pub live: Value,
}

/// The file of a declared disk: its own location, else `NAME.EXT` in the stack's folder beside its machines.
pub fn file(disk: &DiskDocument, stack: &StackName, inventory: &Inventory) -> PathBuf {
    disk.settings.location.clone().unwrap_or_else(|| {
        let folder = inventory.host.machine_folder.join(format!("{stack}.disks"));
        folder.join(format!("{}.{}", disk.name, disk.settings.format_or_default()))
    })
}

/// What is declared of a disk, without what `lifecycle.ignore` leaves alone.
pub fn declared(disk: &DiskDocument) -> Value {
    let mut tree = disk.settings.tree();
    if let (Some(variant), Some(size)) = (&disk.settings.variant, disk.settings.size) {
        tree["variant"] = inline::as_made(variant, size).into();
    }
    for path in &disk.lifecycle.ignore {
        tree::remove(&mut tree, path);
    }
    tree
}

/// A registered disk as a tree. What its header did not tell is missing.
pub fn live(base: &Medium, inventory: &Inventory) -> Value {
    let settings = DiskSettings {
        size: smallest(base, inventory),
        format: Some(base.format.clone()),
        variant: base.variant.clone(),
        disk_type: Some(base.medium_type.clone()),
        auto_reset: resets(base, inventory).first().map(|(_, leaf)| leaf.auto_reset),
        location: Some(base.location.clone()),
        description: Some(base.description.clone()),
    };
    settings.tree()
}

/// Where machines that are somebody's own have a difference to an immutable disk, and the difference. One that a snapshot has made lies
/// on top of that, and is kept in any case.
pub fn resets<'a>(base: &Medium, inventory: &'a Inventory) -> Vec<((&'a Machine, Location), &'a Medium)> {
    if base.medium_type != "immutable" {
        return Vec::new();
    }
    let owned = inventory
        .machines
        .values()
        .filter(|machine| matches!(inventory.owner_of(machine), Ownership::Owned { .. }));
    let attached = owned.flat_map(|machine| machine.attachments.iter().map(move |there| (machine, there)));
    let leaf = |(machine, there): (&'a Machine, &'a Attachment)| match there.medium {
        AttachedMedium::Image(uuid) => {
            let leaf = inventory.media.get(&uuid).filter(|leaf| leaf.parent == Some(base.uuid))?;
            Some(((machine, inline::place(there)), leaf))
        }
        AttachedMedium::HostDrive(_) | AttachedMedium::Empty => None,
    };
    attached.filter_map(leaf).collect()
}

/// The capacity that every guest sees: the least of the base and all differences to it that are attached.
fn smallest(base: &Medium, inventory: &Inventory) -> Option<Bytes> {
    let chain = chains(base.uuid, inventory);
    let sizes: Option<Vec<Bytes>> =
        chain.iter().map(|uuid| inventory.media.get(uuid).and_then(|medium| medium.size)).collect();
    sizes.and_then(|sizes| sizes.into_iter().min()).or(base.size)
}

/// The base and all media between it and what is attached: these grow together.
pub fn chains(base: Uuid, inventory: &Inventory) -> Vec<Uuid> {
    let mut found = vec![base];
    for leaf in leaves(base, inventory) {
        for uuid in super::disk::chain(leaf, inventory) {
            if !found.contains(&uuid) {
                found.push(uuid);
            }
        }
    }
    found
}

/// Differences to a base, direct ones and those further down.
pub fn differences(base: Uuid, inventory: &Inventory) -> Vec<&Medium> {
    let is_below = |medium: &&Medium| {
        medium.uuid != base && inventory.base_of(medium.uuid).is_some_and(|found| found.uuid == base)
    };
    inventory.media.values().filter(is_below).collect()
}

/// What machines have attached of a base: itself, or a difference to it.
fn leaves(base: Uuid, inventory: &Inventory) -> Vec<Uuid> {
    let attached = inventory.machines.values().flat_map(|machine| &machine.attachments);
    let media = attached.filter_map(|attachment| match attachment.medium {
        AttachedMedium::Image(uuid) => Some(uuid),
        AttachedMedium::HostDrive(_) | AttachedMedium::Empty => None,
    });
    media.filter(|uuid| inventory.base_of(*uuid).is_some_and(|found| found.uuid == base)).collect()
}

/// Machines that have a base, or a difference to it, attached.
pub fn users(base: Uuid, inventory: &Inventory) -> Vec<&Machine> {
    let uses = |machine: &&Machine| {
        machine.attachments.iter().any(|attachment| match attachment.medium {
            AttachedMedium::Image(uuid) => inventory.base_of(uuid).is_some_and(|found| found.uuid == base),
            AttachedMedium::HostDrive(_) | AttachedMedium::Empty => false,
        })
    };
    inventory.machines.values().filter(uses).collect()
}

/// What the register knows of a declared disk, also under a former name, and under which.
pub fn entry<'a>(
    address: &Address,
    disk: &DiskDocument,
    desired: &Desired,
    inventory: &'a Inventory,
) -> Option<(StackName, Address, &'a Entry)> {
    let known = |stack: &StackName, address: Address| {
        let entry = inventory.registers.get(stack)?.entries.get(&address)?;
        Some((stack.clone(), address, entry))
    };
    known(&desired.stack, address.clone()).or_else(|| {
        disk.lifecycle.renamed_from.iter().find_map(|(stack, name)| {
            known(stack.as_ref().unwrap_or(&desired.stack), Address::Disk(name.as_str().to_owned()))
        })
    })
}

/// The file of a declared disk where it is known, else where it would be made.
pub fn whereabouts(
    address: &Address,
    disk: &DiskDocument,
    desired: &Desired,
    inventory: &Inventory,
) -> PathBuf {
    let known =
        entry(address, disk, desired, inventory).and_then(|(_, _, entry)| medium_of(entry, inventory));
    known.map_or_else(|| file(disk, &desired.stack, inventory), |base| base.location.clone())
}

/// The registered base that an entry means.
pub fn medium_of<'a>(entry: &Entry, inventory: &'a Inventory) -> Option<&'a Medium> {
    match &entry.identity {
        Identity::Uuid(uuid) => inventory.media.get(uuid),
        Identity::Path(path) => inventory.medium_at(path),
        Identity::Network(_) => None,
    }
}

/// Compares a declared disk with what is there.
pub fn difference(
    address: &Address,
    disk: &DiskDocument,
    desired: &Desired,
    inventory: &Inventory,
) -> DiskDifference {
    let file = file(disk, &desired.stack, inventory);
    let presence = presence(address, disk, &file, desired, inventory);
    let base = match &presence {
        DiskPresence::Ours { uuid } => inventory.media.get(uuid),
        DiskPresence::Conflict(DiskOwner::Nobody) => inventory.medium_at(&file),
        _ => None,
    };
    let mut live = base.map_or(Value::Null, |base| live(base, inventory));
    if let (Some(wanted), Some(base)) = (disk.settings.auto_reset, base) {
        // Where nothing is attached, nothing is otherwise.
        let other = resets(base, inventory).iter().any(|(_, leaf)| leaf.auto_reset != wanted);
        live["autoReset"] = (wanted != other).into();
    }
    if !matches!(presence, DiskPresence::Ours { .. }) {
        return DiskDifference { presence, file, fields: Vec::new(), released: Vec::new(), live };
    }
    let declared = declared(disk);
    let entry = entry(address, disk, desired, inventory).map(|(_, _, entry)| entry);
    let applied = entry.filter(|entry| entry.status == Status::Confirmed).map(|entry| &entry.applied);
    let fields = tree::compare(&declared, &live, &equal)
        .into_iter()
        .map(|difference| {
            let last = applied.and_then(|applied| tree::get(applied, &difference.path)).cloned();
            let applied_known = applied.is_some_and(|applied| !applied.is_null());
            let unknown = difference
                .live
                .is_none()
                .then(|| format!("the disk's {} could not be read", difference.path));
            FieldDifference {
                kind: kind_of_difference(&difference, last.as_ref(), applied_known),
                unknown,
                source: Some(disk.source_of(&difference.path).to_string()),
                path: difference.path,
                declared: difference.declared,
                live: difference.live,
                last,
            }
        })
        .collect();
    let released = applied.map(|applied| released(applied, &declared)).unwrap_or_default();
    DiskDifference { presence, file, fields, released, live }
}

fn presence(
    address: &Address,
    disk: &DiskDocument,
    file: &Path,
    desired: &Desired,
    inventory: &Inventory,
) -> DiskPresence {
    let at_file = inventory.medium_at(file);
    let is_file = inventory.paths.get(file).is_some_and(|fact| *fact != PathFact::Missing);
    if disk.lifecycle.external {
        return match (at_file, is_file) {
            (Some(medium), _) => DiskPresence::External(Some(medium.uuid)),
            (None, true) => DiskPresence::External(None),
            (None, false) => DiskPresence::ExternalMissing,
        };
    }
    let entry = entry(address, disk, desired, inventory).map(|(_, _, entry)| entry);
    if let Some(entry) = entry {
        if let Some(base) = medium_of(entry, inventory) {
            return match &base.health {
                MediumHealth::Inaccessible(reason) => {
                    DiskPresence::Unreadable { uuid: base.uuid, reason: reason.clone() }
                }
                MediumHealth::Good | MediumHealth::Unknown => DiskPresence::Ours { uuid: base.uuid },
            };
        }
        return match (at_file, is_file) {
            (Some(_), _) => DiskPresence::Conflict(DiskOwner::Nobody),
            (None, true) => DiskPresence::Closed,
            (None, false) => DiskPresence::Absent { lost: entry.status == Status::Confirmed },
        };
    }
    let owner = at_file.and_then(|medium| owner(medium.uuid, &medium.location, inventory));
    match (owner, at_file, is_file) {
        (Some((stack, address)), ..) => {
            let (stack, address) = (stack.clone(), address.clone());
            DiskPresence::Conflict(DiskOwner::Stack { stack, address })
        }
        (None, Some(_), _) => DiskPresence::Conflict(DiskOwner::Nobody),
        (None, None, true) => DiskPresence::Conflict(DiskOwner::File),
        (None, None, false) => DiskPresence::Absent { lost: false },
    }
}

/// The stack and address that own a base.
pub fn owner<'a>(
    base: Uuid,
    location: &Path,
    inventory: &'a Inventory,
) -> Option<(&'a StackName, &'a Address)> {
    inventory.registers.iter().find_map(|(stack, register)| {
        let is_it = |entry: &Entry| match &entry.identity {
            Identity::Uuid(uuid) => *uuid == base,
            Identity::Path(path) => path == location,
            Identity::Network(_) => false,
        };
        register.entries.iter().find(|(_, entry)| is_it(entry)).map(|(address, _)| (stack, address))
    })
}
