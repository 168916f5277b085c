//! The disks of one machine: which live disk is which declared one, and both as trees.
//!
//! A disk's identity is its base: before birth and at adoption the base's path, afterwards its UUID, kept in the register.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::inventory::{AttachedMedium, Attachment, DeviceKind, Identity, Inventory, Machine, Register};
use crate::model::{Address, Bytes, DesiredDisk, DesiredMachine, DiskSource, Location};

/// Where a device is.
pub fn place(attachment: &Attachment) -> Location {
    Location { controller: attachment.controller.clone(), port: attachment.port, device: attachment.device }
}

/// The leaf of the disk that is attached at a place.
pub fn at(machine: &Machine, place: &Location) -> Option<Uuid> {
    let holder = machine.attachments.iter().find(|attachment| self::place(attachment) == *place)?;
    match (holder.kind, &holder.medium) {
        (DeviceKind::Disk, AttachedMedium::Image(leaf)) => Some(*leaf),
        _ => None,
    }
}

/// The file of an inline disk: its own location, else `KEY.EXT` in the machine's folder.
pub fn file(key: &str, disk: &DesiredDisk, folder: &Path) -> Option<PathBuf> {
    match &disk.disk {
        DiskSource::Inline { location: Some(location), .. } => Some(folder.join(location)),
        DiskSource::Inline { format, .. } => {
            Some(folder.join(format!("{key}.{}", extension(format.as_deref().unwrap_or("vdi")))))
        }
        DiskSource::Reference { .. } => None,
    }
}

/// What VirtualBox makes of a variant: a VMDK that fits in one file is not split (measured).
pub fn as_made(variant: &str, size: Bytes) -> &str {
    /// Size of one file of a disk that is split.
    const ONE_FILE: u64 = 2047 << 20;
    match variant {
        "split2g" if size.0 <= ONE_FILE => "dynamic",
        "split2g-fixed" if size.0 <= ONE_FILE => "fixed",
        variant => variant,
    }
}

fn extension(format: &str) -> &str {
    match format {
        "vdi" | "vmdk" | "vhd" => format,
        _ => "vdi",
    }
}

/// What is declared of one disk.
pub fn declared(disk: &DesiredDisk, folder: Option<&Path>) -> Value {
    let mut map = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            map.insert(key.to_owned(), value);
        }
    };
    match &disk.disk {
        DiskSource::Inline { size, format, variant, location, image } => {
            put("image", image.as_ref().map(|image| image.file.display().to_string().into()));
            put("sha256", image.as_ref().and_then(|image| image.sha256.clone()).map(Value::from));
            put("size", size.map(|size| size.0.into()));
            put("format", format.clone().map(Value::from));
            let made = variant.as_deref().map(|variant| size.map_or(variant, |size| as_made(variant, size)));
            put("variant", made.map(Value::from));
            put("location", location.as_ref().map(|path| inside(path, folder).into()));
        }
        DiskSource::Reference { disk, .. } => put("disk", Some(disk.to_string().into())),
    }
    put("at", disk.at.as_ref().map(|at| at.to_string().into()));
    put("ssd", disk.ssd.map(Value::from));
    put("discard", disk.discard.map(Value::from));
    put("hotPluggable", disk.hot_pluggable.map(Value::from));
    put("bandwidthGroup", disk.bandwidth_group.clone().map(Value::from));
    Value::Object(map)
}

/// A path as it is shown: relative where it is below the machine's folder.
pub fn inside(path: &Path, folder: Option<&Path>) -> String {
    let path = folder.and_then(|folder| path.strip_prefix(folder).ok()).unwrap_or(path);
    let normal: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    normal.display().to_string()
}

/// One attached disk as it is. Size and variant are missing where the header could not be read.
pub fn live(machine: &Machine, attachment: &Attachment, inventory: &Inventory) -> Value {
    let mut tree = json!({
        "at": place(attachment).to_string(),
        "ssd": attachment.non_rotational,
        "discard": attachment.discard,
        "hotPluggable": attachment.hot_pluggable,
        "bandwidthGroup": attachment.bandwidth_group.clone().unwrap_or_default(),
    });
    let Value::Object(map) = &mut tree else { return tree };
    let AttachedMedium::Image(leaf) = &attachment.medium else { return tree };
    let (Some(leaf), Some(base)) = (inventory.media.get(leaf), inventory.base_of(*leaf)) else { return tree };
    map.insert("format".to_owned(), base.format.as_str().into());
    map.insert("location".to_owned(), inside(&base.location, Some(&machine.folder())).into());
    if let Some(size) = leaf.size {
        map.insert("size".to_owned(), size.0.into());
    }
    if let Some(variant) = &base.variant {
        map.insert("variant".to_owned(), variant.as_str().into());
    }
    tree
}

/// Attached disks by key. A disk that neither register nor manifest knows has its place as key, which no manifest can write.
pub fn keyed<'a>(
    machine: &'a Machine,
    address: &Address,
    register: Option<&Register>,
    desired: Option<&DesiredMachine>,
    inventory: &Inventory,
) -> BTreeMap<String, &'a Attachment> {
    let known = identities(machine, address, register, desired);
    let folder = machine.folder();
    let disks = machine.attachments.iter().filter(|attachment| attachment.kind == DeviceKind::Disk);
    disks
        .filter_map(|attachment| {
            let AttachedMedium::Image(leaf) = &attachment.medium else { return None };
            let base = inventory.base_of(*leaf);
            let is = |identity: &Identity| match identity {
                Identity::Uuid(uuid) => base.map_or(*leaf, |base| base.uuid) == *uuid,
                Identity::Path(path) => base.is_some_and(|base| base.location == *path),
                Identity::Network(_) => false,
            };
            // A disk that was made in a run which moved the folder, too, and was cut short.
            let has_moved = |identity: &Identity| match (identity, base) {
                (Identity::Path(path), Some(base)) => {
                    path.file_name() == base.location.file_name()
                        && base.location.parent() == Some(&folder)
                        && inventory.medium_at(path).is_none()
                }
                _ => false,
            };
            let found = known.iter().find(|(_, identity)| is(identity));
            let found = found.or_else(|| known.iter().find(|(_, identity)| has_moved(identity)));
            let key = found.map(|(key, _)| key.clone());
            Some((key.unwrap_or_else(|| place(attachment).to_string()), attachment))
        })
        .collect()
}

/// The disks of their own that a machine's tree names, by key.
pub fn references(tree: &Value) -> BTreeMap<String, Address> {
    let disks = tree.get("disks").and_then(Value::as_object);
    let reference = |(key, disk): (&String, &Value)| {
        let address = disk.get("disk")?.as_str()?.parse().ok()?;
        Some((key.clone(), address))
    };
    disks.into_iter().flatten().filter_map(reference).collect()
}

/// The disks of their own that a machine names: as declared, else as applied last.
pub fn referenced(
    address: &Address,
    register: Option<&Register>,
    desired: Option<&DesiredMachine>,
) -> BTreeMap<String, Address> {
    match desired.and_then(|desired| desired.disks.as_ref()) {
        Some(disks) => disks
            .iter()
            .filter_map(|(key, disk)| match &disk.disk {
                DiskSource::Reference { disk, .. } => Some((key.clone(), disk.clone())),
                DiskSource::Inline { .. } => None,
            })
            .collect(),
        None => register
            .and_then(|register| register.entries.get(address))
            .map(|entry| references(&entry.applied))
            .unwrap_or_default(),
    }
}

/// What the disks of one machine are known by: the register's word, else the declared path.
pub fn identities(
    machine: &Machine,
    address: &Address,
    register: Option<&Register>,
    desired: Option<&DesiredMachine>,
) -> BTreeMap<String, Identity> {
    let folder = machine.folder();
    let mut known: BTreeMap<String, Identity> = desired
        .and_then(|desired| desired.disks.as_ref())
        .into_iter()
        .flatten()
        .filter_map(|(key, disk)| {
            let file = match &disk.disk {
                DiskSource::Reference { file, .. } => file.clone(),
                DiskSource::Inline { .. } => file(key, disk, &folder)?,
            };
            Some((key.clone(), Identity::Path(file)))
        })
        .collect();
    let Some(name) = address.machine_name() else { return known };
    // Addresses are in order: a machine's disks stand side by side.
    let first = Address::InlineDisk(name.clone(), String::new());
    for (address, entry) in register.into_iter().flat_map(|register| register.entries.range(first.clone()..))
    {
        match address {
            Address::InlineDisk(machine, key) if machine == name => {
                known.insert(key.clone(), entry.identity.clone());
            }
            _ => break,
        }
    }
    for (key, disk) in referenced(address, register, desired) {
        if let Some(entry) = register.and_then(|register| register.entries.get(&disk)) {
            known.insert(key, entry.identity.clone());
        }
    }
    known
}

/// A chain from its base to one leaf.
pub fn chain(leaf: Uuid, inventory: &Inventory) -> Vec<Uuid> {
    let mut chain = vec![leaf];
    while let Some(parent) = chain.last().and_then(|uuid| inventory.media.get(uuid)).and_then(|m| m.parent) {
        if chain.contains(&parent) {
            break;
        }
        chain.push(parent);
    }
    chain.reverse();
    chain
}
