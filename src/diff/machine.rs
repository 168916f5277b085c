//! One machine as trees of the manifest's shape: what is declared, what a new one gets, what is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{asked, disk, tree};
use crate::inventory::{AttachedMedium, DeviceKind, Inventory, Machine, Register};
use crate::model::settings::BootDevice;
use crate::model::{
    Address, DesiredDisk, DesiredDvd, DesiredMachine, DiskSource, DvdSource, FieldPath, Settings, StackName,
    os_type,
};

/// The guest operating system of a machine that names none, which is VirtualBox's own choice.
pub const DEFAULT_OS_TYPE: &str = "Other";

/// What a manifest declares of a machine, without what `lifecycle.ignore` leaves alone.
///
/// `folder` is the machine's own: paths below it are written relative to it, as in the live tree.
pub fn declared(machine: &DesiredMachine, folder: Option<&Path>) -> Value {
    let mut tree = written(machine, folder);
    for path in &machine.lifecycle.ignore {
        tree::remove(&mut tree, path);
    }
    tree
}

/// Whether [`declared`] may depend on the folder: whether paths are declared that may lie in it.
pub fn names_files(machine: &DesiredMachine) -> bool {
    let is_placed = |disk: &DesiredDisk| match &disk.disk {
        DiskSource::Inline { location, .. } => location.is_some(),
        DiskSource::Reference { .. } => false,
    };
    machine.settings.snapshot_folder.is_some()
        || machine.disks.iter().flat_map(BTreeMap::values).any(|disk| is_placed(disk))
}

/// What a new machine gets: the recommendation for its operating system, under what is declared.
pub fn birth(machine: &DesiredMachine, folder: Option<&Path>) -> Value {
    let written = written(machine, folder);
    let os_type = machine.settings.os_type.as_deref().unwrap_or(DEFAULT_OS_TYPE);
    let mut tree = os_type::lookup(os_type).map_or_else(|| json!({}), |row| settings_tree(&row.settings));
    tree::set(&mut tree, &FieldPath::of(["osType"]), os_type.into());
    // A machine born without adapters has none; `createvm` alone would give it one.
    tree::set(&mut tree, &FieldPath::of(["nics"]), json!({}));
    tree::merge(&mut tree, &written);
    tree
}

fn written(machine: &DesiredMachine, folder: Option<&Path>) -> Value {
    let mut settings = machine.settings.clone();
    // Only where something is changed are they copied.
    if let (Some(place), Some(folder)) = (&machine.settings.snapshot_folder, folder) {
        settings.snapshot_folder = Some(disk::inside(Path::new(place), Some(folder)));
    }
    if let Some(order) = &machine.settings.boot_order {
        let mut order = order.clone();
        order.resize(4, BootDevice::None);
        settings.boot_order = Some(order);
    }
    let mut tree = settings_tree(&settings);
    let Value::Object(map) = &mut tree else { return tree };
    map.insert("name".to_owned(), machine.name.as_str().into());
    if let Some(disks) = &machine.disks {
        let disks = disks.iter().map(|(key, disk)| (key.clone(), disk::declared(disk, folder))).collect();
        map.insert("disks".to_owned(), Value::Object(disks));
    }
    for (key, drives) in [("dvds", &machine.dvds), ("floppies", &machine.floppies)] {
        let Some(drives) = drives else { continue };
        let drives = (1..)
            .zip(drives)
            .map(|(position, drive): (u32, _)| (position.to_string(), drive_declared(drive)))
            .collect();
        map.insert(key.to_owned(), Value::Object(drives));
    }
    if let Some(location) = &machine.location {
        map.insert("location".to_owned(), location.display().to_string().into());
    }
    if let Some(state) = &machine.state {
        map.insert("state".to_owned(), state.as_str().into());
    }
    for (path, secret) in &machine.secrets {
        if let Some(digest) = &secret.digest {
            tree::set(&mut tree, path, digest.as_str().into());
        }
    }
    tree
}

/// Settings as a tree.
pub fn settings_tree(settings: &Settings) -> Value {
    // Maps with string keys and scalars: there is nothing that serialisation could refuse.
    serde_json::to_value(settings).unwrap_or_else(|_| Value::Object(Map::new()))
}

/// What a machine is set to, and its name, as a tree in which at least these paths are as they are in the whole one.
pub fn set_at<'a>(machine: &Machine, paths: impl IntoIterator<Item = &'a FieldPath>) -> Value {
    named(machine, asked::at(&*machine.settings, paths))
}

/// All that a machine is set to, and its name.
pub fn set(machine: &Machine) -> Value {
    named(machine, settings_tree(&machine.settings))
}

fn named(machine: &Machine, mut tree: Value) -> Value {
    if let (Value::Object(map), Some(name)) = (&mut tree, &machine.name) {
        map.insert("name".to_owned(), name.as_str().into());
    }
    tree
}

fn drive_declared(dvd: &DesiredDvd) -> Value {
    let mut tree = json!({ "medium": dvd_text(&dvd.medium) });
    if let Value::Object(map) = &mut tree {
        if let Some(at) = &dvd.at {
            map.insert("at".to_owned(), at.to_string().into());
        }
        if let Some(passthrough) = dvd.passthrough {
            map.insert("passthrough".to_owned(), passthrough.into());
        }
        if let Some(temp_eject) = dvd.temp_eject {
            map.insert("tempEject".to_owned(), temp_eject.into());
        }
    }
    tree
}

/// What is in a drive, in one word or path.
pub fn dvd_text(medium: &DvdSource) -> String {
    match medium {
        DvdSource::Image(path) => path.display().to_string(),
        DvdSource::HostDrive(drive) => format!("host:{drive}"),
        DvdSource::Empty => "empty".to_owned(),
    }
}

/// A machine as it is, with its disks under the keys that the register or, at adoption, the manifest gives them.
pub fn live(
    machine: &Machine,
    address: &Address,
    stack: &StackName,
    desired: Option<&DesiredMachine>,
    inventory: &Inventory,
) -> Value {
    known_by(inventory.registers.get(stack), machine, address, desired, inventory)
}

/// As much of [`live`] as another tree asks for.
pub fn live_asked(
    machine: &Machine,
    address: &Address,
    stack: &StackName,
    desired: Option<&DesiredMachine>,
    inventory: &Inventory,
    asked: &Value,
) -> Value {
    known(inventory.registers.get(stack), machine, address, desired, inventory, Some(asked))
}

/// A machine as it is, with its disks under the keys that another register than the inventory's gives them.
pub fn known_by(
    register: Option<&Register>,
    machine: &Machine,
    address: &Address,
    desired: Option<&DesiredMachine>,
    inventory: &Inventory,
) -> Value {
    known(register, machine, address, desired, inventory, None)
}

fn known(
    register: Option<&Register>,
    machine: &Machine,
    address: &Address,
    desired: Option<&DesiredMachine>,
    inventory: &Inventory,
    asked: Option<&Value>,
) -> Value {
    let mut tree = match asked {
        Some(asked) => asked::of(&machine.settings, asked),
        None => settings_tree(&machine.settings),
    };
    let Value::Object(map) = &mut tree else { return tree };
    let is_asked = |key: &str| asked.is_none_or(|asked| asked.get(key).is_some());
    if let Some(name) = machine.name.as_ref().filter(|_| is_asked("name")) {
        map.insert("name".to_owned(), name.as_str().into());
    }
    if let Some(state) = machine.state.as_ref().filter(|_| is_asked("state")) {
        map.insert("state".to_owned(), state.as_str().into());
    }
    if is_asked("location")
        && let Some(location) = location(machine)
    {
        map.insert("location".to_owned(), location.display().to_string().into());
    }
    if is_asked("disks") {
        let disks = live_disks(machine, address, register, desired, inventory);
        map.insert("disks".to_owned(), Value::Object(disks));
    }
    let drives = [("dvds", DeviceKind::Dvd), ("floppies", DeviceKind::Floppy)];
    for (key, kind) in drives.into_iter().filter(|(key, _)| is_asked(key)) {
        map.insert(key.to_owned(), Value::Object(live_drives(machine, kind, inventory)));
    }
    // What cannot be read is known from what was applied.
    if let Some(applied) =
        register.and_then(|register| register.entries.get(address)).map(|entry| &entry.applied)
    {
        for secret in desired.into_iter().flat_map(|desired| desired.secrets.keys()) {
            if let Some(digest) = tree::get(applied, secret) {
                tree::set(&mut tree, secret, digest.clone());
            }
        }
    }
    tree
}

/// The drives of a machine by their position.
fn live_drives(machine: &Machine, kind: DeviceKind, inventory: &Inventory) -> Map<String, Value> {
    let drives = machine.attachments.iter().filter(|attachment| attachment.kind == kind);
    (1..)
        .zip(drives)
        .map(|(position, drive): (u32, _)| {
            let medium = match &drive.medium {
                AttachedMedium::Image(uuid) => match inventory.media.get(uuid) {
                    Some(medium) => medium.location.display().to_string(),
                    None => format!("{{{uuid}}}"),
                },
                AttachedMedium::HostDrive(name) => format!("host:{name}"),
                AttachedMedium::Empty => "empty".to_owned(),
            };
            let at = disk::place(drive).to_string();
            let tree = match kind {
                DeviceKind::Dvd => json!({
                    "medium": medium,
                    "at": at,
                    "passthrough": drive.passthrough,
                    "tempEject": drive.temp_eject,
                }),
                DeviceKind::Disk | DeviceKind::Floppy => json!({ "medium": medium, "at": at }),
            };
            (position.to_string(), tree)
        })
        .collect()
}

/// The folder that holds the folders of the machine's group and its own; `None` where no new machine would be put.
pub fn location(machine: &Machine) -> Option<PathBuf> {
    let name = machine.name.as_deref()?;
    let mut place = machine.folder();
    let group = machine.settings.groups.iter().flatten().next().map(String::as_str).unwrap_or_default();
    for part in std::iter::once(name).chain(group.split('/').filter(|part| !part.is_empty()).rev()) {
        if place.file_name()? != part {
            return None;
        }
        place.pop();
    }
    Some(place)
}

/// What a disk of the machine's own was made from, as the register holds it.
fn born(address: &Address, key: &str, register: Option<&Register>) -> Map<String, Value> {
    let name = address.machine_name().cloned();
    let entry = name.and_then(|name| register?.entries.get(&Address::InlineDisk(name, key.to_owned())));
    entry.and_then(|entry| entry.birth.as_object()).cloned().unwrap_or_default()
}

fn live_disks(
    machine: &Machine,
    address: &Address,
    register: Option<&Register>,
    desired: Option<&DesiredMachine>,
    inventory: &Inventory,
) -> Map<String, Value> {
    let references = disk::referenced(address, register, desired);
    disk::keyed(machine, address, register, desired, inventory)
        .into_iter()
        .map(|(key, attachment)| {
            let mut tree = disk::live(machine, attachment, inventory);
            if let Value::Object(map) = &mut tree {
                match references.get(&key) {
                    Some(disk) => drop(map.insert("disk".to_owned(), disk.to_string().into())),
                    None => map.extend(born(address, &key, register)),
                }
            }
            (key, tree)
        })
        .collect()
}
