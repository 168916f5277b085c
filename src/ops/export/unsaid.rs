//! What the language, or this version of the program, cannot say: comments for people.

use std::collections::BTreeMap;

use serde_json::Value;

use super::draft::Scene;
use super::settings::{is_reserved, is_secret, is_the_guests};
use crate::diff::machine::location;
use crate::diff::tree;
use crate::inventory::{Access, Ownership, Snapshot};
use crate::manifest::say;
use crate::model::{FieldPath, PowerState};

/// Comments under the machine's fields.
pub fn lines(scene: &Scene<'_>) -> Vec<String> {
    let mut lines = words(scene);
    let rest = rest(scene);
    if !rest.is_empty() {
        lines.push(format!("This version cannot declare:{}", indented(&rest)));
    }
    let unknown = unknown(scene);
    if !unknown.is_empty() {
        lines.push(format!("Could not be read:{}", indented(&unknown)));
    }
    lines
}

fn indented(lines: &[String]) -> String {
    lines.iter().flat_map(|line| ["\n  ", line]).collect()
}

/// What somebody who exports should know at once.
pub fn notes(scene: &Scene<'_>) -> Vec<String> {
    let secrets = secrets(scene);
    let mut notes = Vec::new();
    if !secrets.is_empty() {
        notes.push(format!("values that look like secrets are not written: {}", secrets.join(", ")));
    }
    if let Access::ShowVmInfo { reason } = &scene.machine.access {
        notes.push(format!("it was read by showvminfo, which omits much: {reason}"));
    }
    notes
}

/// What is said in sentences.
fn words(scene: &Scene<'_>) -> Vec<String> {
    let machine = scene.machine;
    let mut lines = Vec::new();
    match &machine.state {
        Some(PowerState::PowerOff | PowerState::Running | PowerState::Paused | PowerState::Saved) => {}
        Some(state @ (PowerState::Aborted | PowerState::Teleported)) => {
            lines.push(format!("It is {state}, which counts as poweroff."));
        }
        Some(PowerState::AbortedSaved) => {
            lines.push("It is aborted-saved, which counts as saved.".to_owned());
        }
        Some(state) => lines.push(format!("It is {state}, which cannot be declared.")),
        None => lines.push("Its power state could not be read.".to_owned()),
    }
    if location(machine).is_none() {
        lines.push(format!(
            "Its folder is {}, which no new machine of this name and group would get.",
            machine.folder().display()
        ));
    }
    let snapshots: Vec<String> = machine
        .snapshots
        .iter()
        .flat_map(Snapshot::leaves_first)
        .rev()
        .map(|snapshot| format!("{} ({})", snapshot.name, snapshot.taken))
        .collect();
    if !snapshots.is_empty() {
        lines.push(format!(
            "It has snapshots, which stay as they are and need no declaration:{}",
            indented(&snapshots)
        ));
    }
    let secrets = secrets(scene);
    if !secrets.is_empty() {
        lines.push(format!("Not written, because they look like secrets:{}", indented(&secrets)));
    }
    let own =
        machine.settings.guest_properties.iter().flatten().filter(|(key, _)| is_the_guests(key)).count();
    if own > 0 {
        lines.push(format!("Not written: {own} guest properties below /VirtualBox/, which VirtualBox and the guest keep themselves."));
    }
    match scene.inventory.owner_of(machine) {
        Ownership::Owned { stack, address }
            if (&stack, &address) != (&scene.known_as.0, &scene.known_as.1) =>
        {
            lines.push(format!("It is owned by stack {stack}, as {address}."));
        }
        Ownership::Unclear(reason) => lines.push(format!("It has a mark that cannot be read: {reason}")),
        _ => {}
    }
    lines
}

fn secrets(scene: &Scene<'_>) -> Vec<String> {
    let settings = &scene.machine.settings;
    let keys = |map: &'static str, keys: Option<&BTreeMap<String, Option<String>>>| -> Vec<String> {
        let keys = keys.into_iter().flat_map(BTreeMap::keys);
        keys.filter(|key| is_secret(key) && !is_reserved(key) && !is_the_guests(key))
            .map(|key| format!("{map} {key}"))
            .collect()
    };
    let mut secrets = keys("extraData", settings.extra_data.as_ref());
    secrets.extend(keys("guestProperties", settings.guest_properties.as_ref()));
    let properties = settings.vrde.as_ref().and_then(|vrde| vrde.properties.as_ref());
    let properties = properties.into_iter().flat_map(BTreeMap::keys).filter(|key| is_secret(key));
    secrets.extend(properties.map(|key| format!("vrde.properties {key}")));
    secrets
}

/// Settings outside of what this version manages, where they are not what a new machine gets.
fn rest(scene: &Scene<'_>) -> Vec<String> {
    let machine = scene.machine;
    let declarable: Vec<&str> = say::machine_settings().collect();
    let live = scene.live.as_object().into_iter().flatten();
    let live = live.filter(|(key, _)| !declarable.contains(&key.as_str()));
    let live = Value::Object(live.map(|(key, value)| (key.clone(), value.clone())).collect());
    let mut lines: Vec<String> = differences(&live, scene.defaults.unwrap_or(&Value::Null))
        .into_iter()
        .map(|(path, value, usual)| match usual {
            Some(usual) => format!("{path}: {value}   (usually {usual})"),
            None => format!("{path}: {value}"),
        })
        .collect();
    lines.extend(machine.beyond.iter().cloned());
    lines
}

fn unknown(scene: &Scene<'_>) -> Vec<String> {
    let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (path, reason) in &scene.machine.unknown {
        by_reason.entry(reason).or_default().push(path.to_string());
    }
    by_reason.into_iter().map(|(reason, paths)| format!("{} ({reason})", paths.join(", "))).collect()
}

/// Leaves of `live` that are not as in `usual`: path, value, and what is usual. What is nothing at all is not told.
fn differences(live: &Value, usual: &Value) -> Vec<(FieldPath, String, Option<String>)> {
    tree::leaves(live)
        .into_iter()
        .filter_map(|(path, value)| {
            if path.keys().is_empty() {
                return None;
            }
            let usual = tree::get(usual, &path);
            let tells = usual != Some(value) && (usual.is_some() || !is_nothing(value));
            let shown = match (path.parts().last(), value.as_u64()) {
                (Some(&"ioBase"), Some(address)) => format!("{address:#x}"),
                _ => show(value),
            };
            tells.then(|| (path, shown, usual.map(show)))
        })
        .collect()
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// A value in few words.
fn show(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "nothing".to_owned(),
        Value::Array(items) if items.iter().all(|item| !item.is_object()) => {
            items.iter().map(show).collect::<Vec<_>>().join(", ")
        }
        Value::Object(map) if map.is_empty() => "nothing".to_owned(),
        other => other.to_string(),
    }
}
