//! What is on a simulated host, put so that two hosts on which the same was reached by different ways are equal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use uuid::Uuid;
use vboxmcp::host::sim::SimHost;
use vboxmcp::host::{Inspect as _, Want};
use vboxmcp::inventory::{AttachedMedium, DeviceKind, Inventory, Ownership};

use super::lab::STACK;
use crate::scenario::normal;

/// Every object by kind and name.
pub type Picture = BTreeMap<String, Value>;

/// What two pictures of the same end differ in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Objects and declared values that should be there and are not.
    pub lost: Vec<String>,
    /// Objects, files, folders and register entries that should not be there.
    pub orphaned: Vec<String>,
    /// Objects that are there twice.
    pub duplicated: Vec<String>,
    /// Objects that are not ours and are not as they were.
    pub unowned: Vec<String>,
}

impl Damage {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// How what is there differs from what should be.
    pub fn between(should: &Picture, is: &Picture) -> Self {
        let mut damage = Self::default();
        for (key, value) in should {
            match is.get(key) {
                None => damage.lost.push(format!("{key}: gone")),
                Some(there) if there == value => {}
                Some(there) => damage.lost.push(format!("{key}: {}", first_difference(value, there, ""))),
            }
        }
        for (key, value) in is.iter().filter(|(key, _)| !should.contains_key(*key)) {
            let twice = key.contains('#');
            let list = if twice { &mut damage.duplicated } else { &mut damage.orphaned };
            list.push(format!("{key}: {}", short(value)));
        }
        damage
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

fn first_difference(should: &Value, is: &Value, path: &str) -> String {
    let mut found = Vec::new();
    if let (Value::Object(a), Value::Object(b)) = (should, is) {
        for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
            let (a, b) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
            if a != b {
                found.push(first_difference(a, b, &format!("{path}.{key}")));
            }
        }
        return found.join("; ");
    }
    format!("{path} should be {} and is {}", short(should), short(is))
}

/// All that is on a host.
pub fn of(host: &SimHost, root: &Path) -> Picture {
    let inventory = inventory(host);
    let whole = normal::inventory(&inventory, root);
    let mut picture = Picture::new();
    for kind in ["machines", "media", "registers"] {
        for (name, value) in whole[kind].as_object().into_iter().flatten() {
            if kind == "registers" {
                for (address, entry) in value["entries"].as_object().into_iter().flatten() {
                    picture.insert(format!("entry {name} {address}"), entry.clone());
                }
                picture
                    .insert(format!("register {name}"), serde_json::json!([value["paths"], value["broken"]]));
            } else {
                picture.insert(format!("{kind} {name}"), lasting(value));
            }
        }
    }
    let everything = host.everything().unwrap();
    let count = |picture: &mut Picture, key: String, value: Value| {
        let mut free = key.clone();
        for number in 2.. {
            if !picture.contains_key(&free) {
                break;
            }
            free = format!("{key}#{number}");
        }
        picture.insert(free, value);
    };
    for (path, content) in everything["tree"]["files"].as_object().into_iter().flatten() {
        let kind = content.as_object().and_then(|map| map.keys().next().cloned());
        count(&mut picture, format!("file {}", plain(path, root)), kind.unwrap_or_default().into());
    }
    for folder in everything["tree"]["folders"].as_array().into_iter().flatten() {
        let path = folder.as_str().unwrap_or_default();
        count(&mut picture, format!("folder {}", plain(path, root)), Value::Null);
    }
    for (key, value) in everything["extra"].as_object().into_iter().flatten() {
        if !key.starts_with("vboxmcp/stack/") {
            picture.insert(format!("extra {key}"), value.clone());
        }
    }
    picture
}

/// Without what counts how often something was done, and which of several machines was the first to insert an image.
fn lasting(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(mark) = value.pointer_mut("/mark/valid").and_then(Value::as_object_mut) {
        mark.remove("n");
    }
    // A disk that says no place gets the first free one, which depends on when the run was cut short. A place that is declared and is
    // not there is something that is left to do.
    if let Some(attachments) = value.get_mut("attachments").and_then(Value::as_array_mut) {
        for attachment in attachments.iter_mut().filter_map(Value::as_object_mut) {
            attachment.remove("port");
            attachment.remove("device");
        }
        attachments.sort_by_key(Value::to_string);
    }
    if value["kind"] == "dvd"
        && let Some(image) = value.as_object_mut()
    {
        image.remove("registry");
    }
    value
}

fn plain(path: &str, root: &Path) -> String {
    let path = path.replace(&root.display().to_string(), "$ROOT");
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        let is_uuid =
            part.trim_start_matches('{').get(..36).is_some_and(|text| Uuid::parse_str(text).is_ok());
        parts.push(if is_uuid { "UUID" } else { part });
    }
    parts.join("/")
}

/// The inventory of a host.
pub fn inventory(host: &SimHost) -> Inventory {
    host.inventory(&Want { states: true, ..Want::default() }).unwrap()
}

/// Everything that is not ours, byte for byte: machines, the media that only they have, the registers of other stacks.
pub fn strangers(host: &SimHost) -> BTreeMap<String, Value> {
    let inventory = inventory(host);
    let everything = host.everything().unwrap();
    let ours = |uuid: &Uuid| {
        inventory.machines.get(uuid).is_some_and(|machine| {
            matches!(inventory.owner_of(machine), Ownership::Owned { stack, .. } if stack.to_string() == STACK)
        })
    };
    let mut found = BTreeMap::new();
    let mut shared: BTreeSet<Uuid> = BTreeSet::new();
    for machine in inventory.machines.values().filter(|machine| ours(&machine.uuid)) {
        let images = machine.attachments.iter().filter_map(|attachment| match attachment.medium {
            AttachedMedium::Image(uuid) => Some(uuid),
            _ => None,
        });
        shared.extend(images.filter_map(|image| inventory.base_of(image)).map(|base| base.uuid));
    }
    for machine in inventory.machines.values().filter(|machine| !ours(&machine.uuid)) {
        let key = machine.uuid.to_string();
        found.insert(format!("machine {key}"), everything["machines"][&key].clone());
        for attachment in &machine.attachments {
            let AttachedMedium::Image(image) = attachment.medium else { continue };
            // An image in a drive says who else has it.
            let is_disk = attachment.kind == DeviceKind::Disk;
            if is_disk && inventory.base_of(image).is_some_and(|base| !shared.contains(&base.uuid)) {
                found.insert(format!("medium {image}"), everything["media"][image.to_string()].clone());
            }
        }
    }
    for (key, value) in everything["extra"].as_object().into_iter().flatten() {
        if !key.starts_with(&format!("vboxmcp/stack/{STACK}/")) {
            found.insert(format!("extra {key}"), value.clone());
        }
    }
    found
}
