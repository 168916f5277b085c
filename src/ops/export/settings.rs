//! Settings of the machine itself, in the order in which people write them.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::draft::{Part, Scene};
use crate::diff::machine::location;
use crate::diff::normal;
use crate::inventory::Machine;
use crate::manifest::emit::{self, List, Yaml};
use crate::manifest::say;
use crate::model::settings::BootDevice;
use crate::model::{PowerState, SharedFolder};

/// What people write first of a machine's hardware.
const FIRST: [&str; 10] = [
    "cpus",
    "cpuExecutionCap",
    "memory",
    "firmware",
    "chipset",
    "bootOrder",
    "rtcUseUtc",
    "acpi",
    "ioapic",
    "pae",
];

/// Settings that have parts of their own.
const APART: [&str; 8] = [
    "groups",
    "osType",
    "description",
    "controllers",
    "nics",
    "sharedFolders",
    "extraData",
    "guestProperties",
];

/// Operating system, processors, memory, platform, devices.
pub fn hardware(scene: &Scene<'_>) -> Vec<Part> {
    let machine = scene.machine;
    let settings = &machine.settings;
    let mut parts = Vec::new();
    if let Some(os_type) = &settings.os_type {
        parts.push(Part::of("osType", os_type.as_str()));
    }
    if let Some(description) = settings.description.as_ref().filter(|text| !text.is_empty()) {
        parts.push(Part::of("description", description.as_str()));
    }
    if let Some(groups) = settings.groups.as_ref().filter(|groups| groups.as_slice() != ["/"]) {
        parts.push(Part::of("groups", List::line(groups.iter().cloned())));
    }
    if let Some(location) = location(machine).filter(|place| *place != scene.inventory.host.machine_folder) {
        parts.push(Part::of("location", location.display().to_string()));
    }
    let live = &scene.live;
    // As much of it as is not shown as it is.
    let apart = normal::SET_ASIDE.into_iter();
    let mut apart: Value =
        apart.filter_map(|key| Some((key.to_owned(), live.get(key)?.clone()))).collect::<Map<_, _>>().into();
    normal::set_aside(&mut apart, live);
    if let Some(Value::Object(properties)) = apart.get_mut("vrde").and_then(|vrde| vrde.get_mut("properties"))
    {
        properties.retain(|key, _| !is_secret(key));
    }
    let rest = say::machine_settings().filter(|key| !FIRST.contains(key) && !APART.contains(key));
    for key in FIRST.into_iter().chain(rest) {
        let Some(live) = (if normal::SET_ASIDE.contains(&key) { &apart } else { live }).get(key) else {
            continue;
        };
        let usual = usual(key, scene);
        let Some(unusual) = unusual(live, usual.as_deref()) else { continue };
        let said = match (key, &settings.boot_order) {
            ("bootOrder", Some(order)) => Some(boot_order(order)),
            ("icon", _) => None,
            _ => say::machine_setting(key, &unusual),
        };
        let why = if key == "icon" {
            "it is a picture in the settings file; declare the PNG file that it came from"
        } else {
            "the language cannot say this value"
        };
        parts.push(match said {
            Some(said) => Part::of(key, said),
            None => Part::left_out(key, unusual.to_string(), why.to_owned()),
        });
    }
    parts
}

/// What a new machine gets of a setting.
fn usual<'s>(key: &str, scene: &Scene<'s>) -> Option<Cow<'s, Value>> {
    match key {
        "hardwareUuid" => Some(Cow::Owned(scene.machine.uuid.to_string().into())),
        "snapshotFolder" => Some(Cow::Owned("Snapshots".into())),
        "secureBoot" => Some(Cow::Owned(false.into())),
        _ => scene.defaults?.get(key).map(Cow::Borrowed),
    }
}

/// The part of a value that is not the usual one: of an object, its unusual members.
pub fn unusual(live: &Value, usual: Option<&Value>) -> Option<Value> {
    if Some(live) == usual {
        return None;
    }
    let (Value::Object(live), Some(Value::Object(usual))) = (live, usual) else { return Some(live.clone()) };
    let members: Map<String, Value> =
        live.iter().filter_map(|(key, value)| Some((key.clone(), unusual(value, usual.get(key))?))).collect();
    (!members.is_empty()).then_some(Value::Object(members))
}

/// The list without the places at its end where nothing is tried.
fn boot_order(devices: &[BootDevice]) -> Yaml {
    let used = devices.iter().rposition(|device| *device != BootDevice::None).map_or(0, |last| last + 1);
    List::line(devices.iter().take(used).map(|device| device.as_str().to_owned())).into()
}

/// What the machine shares with its host and keeps for itself.
pub fn sharing(scene: &Scene<'_>) -> Vec<Part> {
    let settings = &scene.machine.settings;
    let mut parts = Vec::new();
    if let Some(folders) = settings.shared_folders.as_ref().filter(|folders| !folders.is_empty()) {
        let map = folders
            .iter()
            .fold(emit::Map::default(), |map, (name, folder)| map.with(name, shared_folder(folder)));
        parts.push(Part::of("sharedFolders", map));
    }
    for (key, value) in settings.extra_data.iter().flatten() {
        if let Some(value) = value.as_ref().filter(|_| !is_reserved(key) && !is_secret(key)) {
            parts.push(Part::within("extraData", key, value.as_str()));
        }
    }
    for (key, value) in settings.guest_properties.iter().flatten() {
        if let Some(value) =
            value.as_ref().filter(|_| !is_reserved(key) && !is_the_guests(key) && !is_secret(key))
        {
            parts.push(Part::within("guestProperties", key, value.as_str()));
        }
    }
    parts
}

fn shared_folder(folder: &SharedFolder) -> emit::Map {
    let mut map = emit::Map::line();
    map.put_if("hostPath", folder.host_path.as_deref());
    map.put_if("mountPoint", folder.mount_point.as_deref().filter(|path| !path.is_empty()));
    map.put_if("readOnly", folder.read_only.filter(|read_only| *read_only));
    map.put_if("automount", folder.automount.filter(|automount| *automount));
    map.put_if("symlinks", folder.symlinks.as_deref().filter(|policy| *policy != "forbidden"));
    map
}

/// Keys that nobody may declare: they are vboxmcp's and VirtualBox's own windows'.
pub fn is_reserved(key: &str) -> bool {
    let bare = key.trim_start_matches('/').to_ascii_lowercase();
    ["vboxmcp", "gui"].iter().any(|own| bare == *own || bare.starts_with(&format!("{own}/")))
}

/// Properties that the guest's additions and VirtualBox write themselves.
pub fn is_the_guests(key: &str) -> bool {
    key.starts_with("/VirtualBox/")
}

/// Whether a value is most likely a secret, by its key.
pub fn is_secret(key: &str) -> bool {
    const WORDS: [&str; 8] =
        ["password", "passwd", "passphrase", "secret", "credential", "token", "privatekey", "apikey"];
    let bare: String =
        key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    WORDS.iter().any(|word| bare.contains(word))
}

/// What it does. A machine that is off is what a new one is, too.
pub fn state(machine: &Machine) -> Option<Part> {
    match machine.state.as_ref()? {
        state @ (PowerState::Running | PowerState::Paused | PowerState::Saved) => {
            Some(Part::of("state", state.as_str()))
        }
        _ => None,
    }
}
