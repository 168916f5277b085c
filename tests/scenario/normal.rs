//! What two hosts have in common: UUIDs become names, what is random or a matter of time is left out.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use uuid::Uuid;
use vboxmcp::inventory::{Inventory, Machine};

/// A text in which paths below `root` begin with `$ROOT`, UUIDs are numbered in their order, and times are all the same.
pub fn text(text: &str, root: &Path) -> String {
    let text = without_reasons(&text.replace(&root.display().to_string(), "$ROOT"));
    let mut seen: Vec<String> = Vec::new();
    let mut plain = String::new();
    let mut rest = text.as_str();
    while let Some(character) = rest.chars().next() {
        if let Some(candidate) = rest.get(..36).filter(|candidate| is_uuid(candidate)) {
            let number = seen.iter().position(|uuid| uuid == candidate).unwrap_or_else(|| {
                seen.push(candidate.to_owned());
                seen.len() - 1
            });
            plain.push_str("UUID-");
            plain.push_str(&(number + 1).to_string());
            rest = &rest[36..];
        } else if rest.get(..20).is_some_and(is_time) {
            plain.push_str("TIME");
            rest = &rest[20..];
        } else if rest.get(..12).is_some_and(is_mac) {
            plain.push_str("MAC");
            rest = &rest[12..];
        } else if let Some(after) = rest.strip_prefix('"').and_then(quoted_mac) {
            // One in sixteen has digits only, and would be read back as a number without quotes.
            plain.push_str("MAC");
            rest = after;
        } else {
            plain.push(character);
            rest = &rest[character.len_utf8()..];
        }
    }
    plain
}

/// Why a file cannot be read is said in words that depend on where it ends.
fn without_reasons(text: &str) -> String {
    let line = |line: &str| match line.split_once("cannot be read: ") {
        Some((before, _)) => format!("{before}cannot be read: REASON"),
        None => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// When a snapshot was taken, `2026-01-31T12:00:00Z`.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00Z"
}

/// A MAC address that VirtualBox has made up.
fn is_mac(text: &str) -> bool {
    text.starts_with("080027") && text.chars().all(|c| c.is_ascii_digit() || ('A'..='F').contains(&c))
}

/// What comes after a MAC address and a quotation mark.
fn quoted_mac(text: &str) -> Option<&str> {
    text.get(..12).filter(|text| is_mac(text))?;
    text[12..].strip_prefix('"')
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.as_bytes()[8] == b'-' && Uuid::parse_str(text).is_ok()
}

/// An inventory without what differs between two hosts in the same state.
pub fn inventory(inventory: &Inventory, root: &Path) -> Value {
    let names = names(inventory, root);
    let machines: BTreeMap<String, Value> = inventory
        .machines
        .values()
        .map(|machine| (names[&machine.uuid].clone(), machine_value(machine)))
        .collect();
    let media: BTreeMap<String, Value> = inventory
        .media
        .values()
        .map(|medium| {
            let mut value = serde_json::to_value(medium).unwrap();
            drop_keys(&mut value, &["uuid"]);
            if let Some(health) = value.get_mut("health").filter(|health| health.is_object()) {
                *health = "inaccessible".into();
            }
            (names[&medium.uuid].clone(), value)
        })
        .collect();
    let registers: BTreeMap<String, Value> = inventory
        .registers
        .iter()
        .map(|(stack, register)| {
            let value =
                json!({"entries": register.entries, "paths": register.paths, "broken": register.broken});
            (stack.to_string(), value)
        })
        .collect();
    let mut whole = json!({
        "machines": machines, "media": media, "registers": registers, "networks": networks(inventory),
        "problems": inventory.problems,
    });
    rename(&mut whole, &names, root);
    whole
}

/// Name servers are the host's own, which VirtualBox gives to a NAT network when it starts.
fn networks(inventory: &Inventory) -> Value {
    let mut value = serde_json::to_value(&inventory.networks).unwrap();
    for name in inventory.networks.nat.keys() {
        if let Some(Value::Object(options)) = value.pointer_mut(&format!("/dhcp/{name}/options")) {
            options.remove("dns");
        }
    }
    value
}

fn machine_value(machine: &Machine) -> Value {
    let mut value = serde_json::to_value(machine).unwrap();
    // What VirtualBox has and the language does not name is in real settings files only.
    drop_keys(&mut value, &["uuid", "beyond"]);
    if let Some(access) = value.get_mut("access").and_then(Value::as_object_mut) {
        access.remove("reason");
    }
    if let Some(Value::Object(nics)) = value.pointer_mut("/settings/nics") {
        for nic in nics.values_mut().filter_map(Value::as_object_mut) {
            nic.insert("mac".to_owned(), "MAC".into());
        }
    }
    if let Some(Value::Object(mark)) = value.pointer_mut("/mark/foreign") {
        mark.remove("uuid");
    }
    if let Some(snapshot) = value.get_mut("snapshots") {
        untimed(snapshot);
    }
    value
}

fn untimed(snapshot: &mut Value) {
    if let Value::Object(map) = snapshot {
        map.remove("taken");
        for child in map.get_mut("children").and_then(Value::as_array_mut).into_iter().flatten() {
            untimed(child);
        }
    }
}

fn drop_keys(value: &mut Value, keys: &[&str]) {
    if let Value::Object(map) = value {
        map.retain(|key, _| !keys.contains(&key.as_str()));
    }
}

/// What each UUID is called: machines by name, media by file, snapshots by name.
fn names(inventory: &Inventory, root: &Path) -> BTreeMap<Uuid, String> {
    let mut names: BTreeMap<Uuid, String> = BTreeMap::new();
    for machine in inventory.machines.values() {
        let file = machine.settings_file.display().to_string().replace(&root.display().to_string(), "$ROOT");
        let alone = |name: &&String| inventory.machines_named(name).count() == 1;
        let name = machine.name.as_ref().filter(alone).cloned().unwrap_or(file);
        names.insert(machine.uuid, format!("vm:{name}"));
        for snapshot in machine.snapshots.iter().flat_map(|snapshot| snapshot.leaves_first()) {
            names.insert(snapshot.uuid, format!("snapshot:{}@{name}", snapshot.name));
        }
    }
    let mut chains: Vec<(Uuid, usize)> =
        inventory.media.keys().map(|uuid| (*uuid, depth(inventory, *uuid))).collect();
    chains.sort_by_key(|(_, depth)| *depth);
    for (uuid, depth) in chains {
        let medium = &inventory.media[&uuid];
        let name = match medium.parent.and_then(|parent| names.get(&parent)) {
            None => format!(
                "medium:{}",
                medium.location.display().to_string().replace(&root.display().to_string(), "$ROOT")
            ),
            Some(parent) => {
                let users: Vec<&str> = inventory
                    .machines
                    .values()
                    .filter(|machine| {
                        serde_json::to_string(&machine.attachments).unwrap().contains(&uuid.to_string())
                    })
                    .filter_map(|machine| machine.name.as_deref())
                    .collect();
                format!("{parent}+{depth}[{}]", users.join(","))
            }
        };
        names.insert(uuid, name);
    }
    names
}

fn depth(inventory: &Inventory, uuid: Uuid) -> usize {
    let mut depth = 0;
    let mut next = inventory.media.get(&uuid).and_then(|medium| medium.parent);
    while let Some(parent) = next.filter(|_| depth < inventory.media.len()) {
        depth += 1;
        next = inventory.media.get(&parent).and_then(|medium| medium.parent);
    }
    depth
}

/// Puts names for UUIDs and `$ROOT` for the root, in values and keys.
fn rename(value: &mut Value, names: &BTreeMap<Uuid, String>, root: &Path) {
    let plain = |text: &str| -> String {
        let mut text = text.replace(&root.display().to_string(), "$ROOT");
        // Most texts are too short to hold a UUID.
        let may_hold_one = text.len() >= 36;
        for (uuid, name) in names.iter().filter(|_| may_hold_one) {
            let uuid = uuid.to_string();
            if text.contains(&uuid) {
                text = text.replace(&uuid, name);
            }
        }
        // Keyed with a key of its own on each host.
        if text.starts_with("hmac-sha256:") {
            "a digest".clone_into(&mut text);
        }
        // What only the register still knows has no name: the disk of a machine that cannot be read.
        if is_uuid(&text) {
            "a uuid".clone_into(&mut text);
        }
        text
    };
    match value {
        Value::String(text) => *text = plain(text),
        Value::Array(members) => {
            for member in members.iter_mut() {
                rename(member, names, root);
            }
            // Lists of objects and of names have an order that no two hosts share; the others keep theirs.
            if members
                .iter()
                .all(|member| member.is_object() || member.as_str().is_some_and(|text| text.contains(':')))
            {
                members.sort_by_key(ToString::to_string);
            }
        }
        Value::Object(map) => {
            let mut renamed = Map::new();
            for (key, mut value) in std::mem::take(map) {
                rename(&mut value, names, root);
                renamed.insert(plain(&key), value);
            }
            *map = renamed;
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
