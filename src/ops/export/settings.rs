//! Settings of the machine itself, in the order in which people write them.

use std::path::PathBuf;

use serde_json::Value;

use super::draft::{Part, Scene};
use crate::diff::machine::settings_tree;
use crate::inventory::Machine;
use crate::manifest::emit::{List, Map, Yaml};
use crate::model::settings::{BootDevice, GraphicsController};
use crate::model::{Graphics, PowerState, SharedFolder};

/// Keys of the vocabulary that this version writes as they stand.
const SIMPLE: [&str; 7] = ["firmware", "chipset", "bootOrder", "rtcUseUtc", "acpi", "ioapic", "pae"];

/// Operating system, processors, memory, platform, screen.
pub fn hardware(scene: &Scene<'_>) -> Vec<Part> {
    let machine = scene.machine;
    let settings = &machine.settings;
    let tree = settings_tree(settings);
    let differs = |key: &str| tree.get(key).is_some_and(|live| !scene.is_default(key, live));
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
    if let Some(cpus) = settings.cpus.filter(|_| differs("cpus")) {
        parts.push(Part::of("cpus", cpus));
    }
    if let Some(cap) = settings.cpu_execution_cap.filter(|_| differs("cpuExecutionCap")) {
        parts.push(Part::of("cpuExecutionCap", cap));
    }
    if let Some(memory) = settings.memory.filter(|_| differs("memory")) {
        parts.push(Part::of("memory", memory.to_string()));
    }
    for key in SIMPLE.into_iter().filter(|key| differs(key)) {
        let value = match (key, tree.get(key)) {
            ("bootOrder", _) => settings.boot_order.as_deref().map(boot_order),
            (_, Some(Value::Bool(flag))) => Some((*flag).into()),
            (_, Some(Value::String(word))) => Some(word.as_str().into()),
            _ => None,
        };
        parts.extend(value.map(|value| Part::of(key, value)));
    }
    parts.extend(settings.graphics.as_ref().and_then(|live| graphics(live, scene)));
    parts
}

/// The list without the places at its end where nothing is tried.
fn boot_order(devices: &[BootDevice]) -> Yaml {
    let used = devices.iter().rposition(|device| *device != BootDevice::None).map_or(0, |last| last + 1);
    List::line(devices.iter().take(used).map(|device| device.as_str().to_owned())).into()
}

fn graphics(live: &Graphics, scene: &Scene<'_>) -> Option<Part> {
    let defaults = scene.defaults.as_ref().and_then(|defaults| defaults.get("graphics"));
    let tree = serde_json::to_value(live).unwrap_or_default();
    let differs = |key: &str| tree.get(key) != defaults.and_then(|defaults| defaults.get(key));
    let mut map = Map::line();
    map.put_if(
        "controller",
        live.controller.as_ref().filter(|_| differs("controller")).map(GraphicsController::as_str),
    );
    map.put_if("vram", live.vram.filter(|_| differs("vram")).map(|size| size.to_string()));
    map.put_if("monitors", live.monitors.filter(|_| differs("monitors")));
    map.put_if("accelerate3d", live.accelerate3d.filter(|_| differs("accelerate3d")));
    (!map.entries.is_empty()).then(|| Part::of("graphics", map))
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

/// What the machine shares with its host and keeps for itself.
pub fn sharing(scene: &Scene<'_>) -> Vec<Part> {
    let settings = &scene.machine.settings;
    let mut parts = Vec::new();
    if let Some(folders) = settings.shared_folders.as_ref().filter(|folders| !folders.is_empty()) {
        let map =
            folders.iter().fold(Map::default(), |map, (name, folder)| map.with(name, shared_folder(folder)));
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

fn shared_folder(folder: &SharedFolder) -> Map {
    let mut map = Map::line();
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
