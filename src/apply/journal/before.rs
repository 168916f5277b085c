//! What a step changes, as it was right before the step.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::apply::network;
use crate::diff::{disk, machine as shape, tree};
use crate::inventory::{AttachedMedium, Inventory, Machine};
use crate::model::Location;
use crate::plan::{Action, Assignment, Target};

/// The values that a bound action is about to change; `null` for what is not there.
pub fn values(action: &Action, now: &Inventory) -> BTreeMap<String, Value> {
    let machine = match action.machine() {
        Some(Target::Existing(uuid)) => now.machines.get(uuid),
        _ => None,
    };
    let Some(machine) = machine else { return without_machine(action, now) };
    let settings = &machine.settings;
    let of = |key: String, value: Value| BTreeMap::from([(key, value)]);
    match action {
        Action::ModifyMachine { set, .. } | Action::ModifyLive { set, .. } => assignments(machine, set),
        Action::SetExtraData { key, .. } => {
            let there = settings.extra_data.as_ref().and_then(|data| data.get(key)).cloned().flatten();
            of(format!("extraData.{key}"), there.into())
        }
        Action::SetGuestProperty { key, .. } => {
            let there = settings.guest_properties.as_ref().and_then(|data| data.get(key)).cloned().flatten();
            of(format!("guestProperties.{key}"), there.into())
        }
        Action::SetSecureBoot { .. } => of("secureBoot".to_owned(), json!(settings.secure_boot)),
        Action::MoveMachine { .. } => of("folder".to_owned(), machine.folder().display().to_string().into()),
        Action::SetSecret { field, .. } => of(field.to_string(), "(secret)".into()),
        Action::AddBandwidthGroup { name, .. }
        | Action::LimitBandwidthGroup { name, .. }
        | Action::RemoveBandwidthGroup { name, .. } => {
            let there = settings.bandwidth_groups.as_ref().and_then(|all| all.get(name));
            of(format!("bandwidthGroups.{name}"), json!(there))
        }
        Action::AddUsbFilter { .. } | Action::RemoveUsbFilter { .. } => {
            of("usb.filters".to_owned(), json!(settings.usb.as_ref().and_then(|usb| usb.filters.as_ref())))
        }
        Action::WriteMark { .. } => of("mark".to_owned(), json!(machine.mark)),
        Action::AddController { name, .. }
        | Action::ChangeController { name, .. }
        | Action::RemoveController { name, .. } => {
            let there = settings.controllers.as_ref().and_then(|all| all.get(name));
            of(format!("controllers.{name}"), json!(there))
        }
        Action::AddSharedFolder { name, .. } | Action::RemoveSharedFolder { name, .. } => {
            let there = settings.shared_folders.as_ref().and_then(|all| all.get(name));
            of(format!("sharedFolders.{name}"), json!(there))
        }
        Action::Attach { at, .. } | Action::Detach { at, .. } | Action::AssignBandwidthGroup { at, .. } => {
            of(at.to_string(), attached(machine, at, now))
        }
        Action::Start { .. }
        | Action::Shutdown { .. }
        | Action::PowerCut { .. }
        | Action::Pause { .. }
        | Action::Resume { .. }
        | Action::Reset { .. }
        | Action::SaveState { .. }
        | Action::DiscardState { .. } => {
            of("state".to_owned(), machine.state.as_ref().map(ToString::to_string).into())
        }
        Action::TakeSnapshot { .. } => of("currentSnapshot".to_owned(), json!(machine.current_snapshot)),
        Action::DeleteSnapshot { snapshot, .. } => {
            of("snapshot".to_owned(), json!(machine.snapshot(*snapshot)))
        }
        Action::DescribeSnapshot { snapshot, .. } => {
            let there = machine.snapshot(*snapshot).map(|there| there.description.as_str());
            of("description".to_owned(), there.into())
        }
        Action::SetAutoReset { at, .. } => {
            let leaf = disk::at(machine, at).and_then(|leaf| now.media.get(&leaf));
            of("autoReset".to_owned(), json!(leaf.map(|leaf| leaf.auto_reset)))
        }
        // All that there is to know of it: it will not be there to be asked, or be as it was.
        Action::Unregister { .. } | Action::RestoreSnapshot { .. } => {
            of("machine".to_owned(), json!(machine))
        }
        Action::Network { change } => network::values(change, now),
        Action::CreateMachine { .. }
        | Action::WriteRegister { .. }
        | Action::CreateDisk { .. }
        | Action::CloneDisk { .. }
        | Action::SetDisk { .. }
        | Action::MoveDisk { .. }
        | Action::LocateDisk { .. }
        | Action::RenewDisk { .. }
        | Action::ClearBirth { .. }
        | Action::GrowDisk { .. }
        | Action::DeleteDisk { .. }
        | Action::CloseDisk { .. } => BTreeMap::new(),
    }
}

fn without_machine(action: &Action, now: &Inventory) -> BTreeMap<String, Value> {
    let medium = match action {
        Action::Network { change } => return network::values(change, now),
        Action::GrowDisk { medium: Target::Existing(uuid), .. }
        | Action::SetDisk { medium: Target::Existing(uuid), .. }
        | Action::MoveDisk { medium: Target::Existing(uuid), .. }
        | Action::LocateDisk { medium: Target::Existing(uuid), .. }
        | Action::DeleteDisk { medium: Target::Existing(uuid), .. }
        | Action::CloseDisk { medium: Target::Existing(uuid) } => now.media.get(uuid),
        _ => return BTreeMap::new(),
    };
    BTreeMap::from([("disk".to_owned(), json!(medium))])
}

fn assignments(machine: &Machine, set: &[Assignment]) -> BTreeMap<String, Value> {
    let live = shape::set_at(machine, set.iter().map(|assignment| &assignment.path));
    let value = |assignment: &Assignment| match machine.why_unknown(&assignment.path) {
        Some(reason) => json!({ "unknown": reason }),
        None => tree::get(&live, &assignment.path).cloned().unwrap_or_default(),
    };
    set.iter().map(|assignment| (assignment.path.to_string(), value(assignment))).collect()
}

fn attached(machine: &Machine, at: &Location, now: &Inventory) -> Value {
    let Some(there) = machine.attachment_at(&at.controller, at.port, at.device) else { return Value::Null };
    let mut value = json!(there);
    let file = |uuid: &Uuid| now.media.get(uuid).map(|medium| medium.location.display().to_string());
    if let (AttachedMedium::Image(uuid), Value::Object(map)) = (&there.medium, &mut value) {
        map.insert("file".to_owned(), file(uuid).into());
    }
    value
}
