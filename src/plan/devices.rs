//! Bandwidth groups, USB filters and secrets: what has commands of its own.

use std::collections::BTreeSet;

use serde_json::Value;

use super::action::Action;
use super::draft::Draft;
use super::machine::Scene;
use crate::diff::{FieldDifference, tree};
use crate::model::FieldPath;
use crate::model::settings::{BandwidthGroup, UsbFilter};

/// Adds bandwidth groups and changes their limits: before anything is put into them.
pub fn groups(draft: &mut Draft, fields: &[&FieldDifference]) {
    for field in fields {
        let machine = draft.target.clone();
        let cause = [field.path.clone()];
        match (field.path.parts().as_slice(), &field.declared) {
            (["bandwidthGroups", name], Some(declared)) => {
                let Ok(group) = serde_json::from_value::<BandwidthGroup>(declared.clone()) else { continue };
                draft.push(Action::AddBandwidthGroup { machine, name: (*name).to_owned(), group }, cause, []);
            }
            (["bandwidthGroups", name, "limit"], Some(limit)) => {
                let limit = limit.as_u64().unwrap_or_default();
                draft.push(
                    Action::LimitBandwidthGroup { machine, name: (*name).to_owned(), limit },
                    cause,
                    [],
                );
            }
            _ => {}
        }
    }
}

/// Removes bandwidth groups that are no longer declared: after everything has left them.
pub fn remove_groups(draft: &mut Draft, fields: &[&FieldDifference], scene: &Scene<'_>) {
    for field in fields {
        let parts = field.path.parts();
        let (["bandwidthGroups", name], None) = (parts.as_slice(), &field.declared) else { continue };
        let users = users(name, fields, scene);
        if users.is_empty() {
            let machine = draft.target.clone();
            let action = Action::RemoveBandwidthGroup { machine, name: (*name).to_owned() };
            draft.push(action, [field.path.clone()], []);
        } else {
            draft.block(
                vec![field.path.clone()],
                format!(
                    "bandwidth group {name:?} is no longer declared and is still used by {}",
                    users.join(", ")
                ),
                vec!["declare the group, or another `bandwidthGroup` for them".to_owned()],
            );
        }
    }
}

/// What stays in a group.
fn users(group: &str, fields: &[&FieldDifference], scene: &Scene<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for map in ["nics", "disks"] {
        let members = scene.difference.live.get(map).and_then(Value::as_object);
        for (key, member) in members.into_iter().flatten() {
            let place = FieldPath::of([map, key]);
            let leaves = fields.iter().any(|field| {
                field.path == place && field.declared.is_none() || field.path == place.join("bandwidthGroup")
            });
            if member.get("bandwidthGroup").and_then(Value::as_str) == Some(group) && !leaves {
                found.push(place.to_string());
            }
        }
    }
    found
}

/// USB filters by position: those that go or change are removed from the last on, those that come or change are put in from the
/// first on. VirtualBox cannot empty a text of a filter (measured), so that one that changes goes and comes.
pub fn usb_filters(draft: &mut Draft, fields: &[&FieldDifference], live: &Value) {
    let mut positions: BTreeSet<u32> = BTreeSet::new();
    for field in fields {
        if let ["usb", "filters", position, ..] = field.path.parts().as_slice() {
            positions.extend(position.parse::<u32>().ok());
        }
    }
    let cause = |position: u32| -> Vec<FieldPath> {
        let place = FieldPath::of(["usb", "filters"]).join(position);
        let of_it = fields.iter().filter(|field| field.path.starts_with(&place));
        of_it.map(|field| field.path.clone()).collect()
    };
    let there = |position: u32| tree::get(live, &FieldPath::of(["usb", "filters"]).join(position));
    for position in positions.iter().rev().filter(|position| there(**position).is_some()) {
        let machine = draft.target.clone();
        draft.push(Action::RemoveUsbFilter { machine, position: *position }, cause(*position), []);
    }
    for position in positions {
        let place = FieldPath::of(["usb", "filters"]).join(position);
        let mut filter = there(position).cloned().unwrap_or_default();
        let mut stays = false;
        for field in fields.iter().filter(|field| field.path.starts_with(&place)) {
            let Some(declared) = &field.declared else { continue };
            stays = true;
            let below = FieldPath::of(field.path.keys()[place.keys().len()..].to_vec());
            if below.keys().is_empty() {
                filter = declared.clone();
            } else {
                tree::set(&mut filter, &below, declared.clone());
            }
        }
        let Some(filter) = stays.then(|| serde_json::from_value::<UsbFilter>(filter).ok()).flatten() else {
            continue;
        };
        let machine = draft.target.clone();
        draft.push(Action::AddUsbFilter { machine, position, filter }, cause(position), []);
    }
}

/// Fields for secrets: what is compared and planned is a digest.
pub fn secrets(draft: &mut Draft, fields: &[&FieldDifference], scene: &Scene<'_>) {
    for (path, declared) in &scene.secrets() {
        let covered = fields.iter().any(|field| path.starts_with(&field.path) && field.declared.is_some());
        if covered {
            let machine = draft.target.clone();
            let action = Action::SetSecret { machine, field: path.clone(), digest: declared.clone() };
            draft.push(action, [path.clone()], []);
        }
    }
}
