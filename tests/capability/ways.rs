//! What samples do beyond settings, and how their effects are seen.

use std::collections::BTreeMap;

use vboxmcp::inventory::{Inventory, Machine};
use vboxmcp::model::settings::ControllerType;
use vboxmcp::model::{Bytes, Controller, FieldPath};
use vboxmcp::plan::{Action, Assignment, Insert, Target};

use super::ground::{Ground, at};

pub fn change_rule(ground: &Ground<'_>) -> Vec<Action> {
    let path = FieldPath::of(["nics", "1", "nat", "portForwards", "changes"]);
    vec![ground.setting(vec![Assignment::remove(path.clone()), Assignment::set(path, "45012:80")])]
}

pub fn rule_is_changed(_: &Ground<'_>, machine: &Machine, _: &Inventory) -> bool {
    let nat =
        machine.settings.nics.as_ref().and_then(|nics| nics.get(&1)?.nat.as_ref()?.port_forwards.as_ref());
    nat.and_then(|rules| rules.get("changes")).is_some_and(|rule| rule.guest_port == 80)
}

pub fn add_controller(ground: &Ground<'_>) -> Action {
    let controller = Controller {
        bus: Some(vboxmcp::model::settings::Bus::Sas),
        r#type: Some(ControllerType::LsiLogicSas),
        ..Controller::default()
    };
    Action::AddController { machine: ground.target(), name: "New".to_owned(), controller }
}

pub fn controller(ground: &Ground<'_>, name: &str, controller: Controller) -> Action {
    Action::ChangeController { machine: ground.target(), name: name.to_owned(), controller }
}

pub fn seen(machine: &Machine, name: &str) -> Option<Controller> {
    machine.settings.controllers.as_ref()?.get(name).cloned()
}

pub fn has_controller(machine: &Machine, name: &str) -> bool {
    seen(machine, name).is_some()
}

pub fn is_filled(machine: &Machine, controller: &str, port: u32, device: u32) -> bool {
    machine.attachment_at(controller, port, device).is_some()
}

pub fn attached(machine: &Machine, port: u32) -> &vboxmcp::inventory::Attachment {
    machine.attachment_at("SATA", port, 0).unwrap()
}

pub fn moves(ground: &Ground<'_>, name: &str, from: u32, to: u32) -> Vec<Action> {
    let attach = ground.attach(at("SATA", to, 0), ground.disk(name), BTreeMap::new());
    vec![ground.detach(at("SATA", from, 0)), attach]
}

pub fn grow(ground: &Ground<'_>) -> Vec<Action> {
    vec![Action::GrowDisk { medium: Target::Existing(ground.disk("grows")), size: Bytes(8 << 20) }]
}

pub fn has_grown(ground: &Ground<'_>, _: &Machine, now: &Inventory) -> bool {
    now.media[&ground.disk("grows")].size == Some(Bytes(8 << 20))
}

pub fn option(ground: &Ground<'_>, name: &str) -> Vec<Action> {
    vec![ground.attach(at("SATA", 1, 0), ground.disk("changes"), BTreeMap::from([(name.to_owned(), true)]))]
}

pub fn insert(ground: &Ground<'_>) -> Action {
    let mut action = ground.drive(at("SATA", 10, 0));
    if let Action::Attach { insert, .. } = &mut action {
        *insert = Insert::File(ground.file("image.iso"));
    }
    action
}

pub fn temp_eject(ground: &Ground<'_>) -> Action {
    let mut action = insert(ground);
    if let Action::Attach { options, .. } = &mut action {
        options.insert("tempEject".to_owned(), true);
    }
    action
}

pub fn change_folder(ground: &Ground<'_>) -> Vec<Action> {
    vec![remove_folder(ground, "changes"), ground.folder("changes", true)]
}

pub fn remove_folder(ground: &Ground<'_>, name: &str) -> Action {
    Action::RemoveSharedFolder { machine: ground.target(), name: name.to_owned() }
}

pub fn read_only(machine: &Machine, name: &str) -> Option<bool> {
    machine.settings.shared_folders.as_ref()?.get(name)?.read_only
}

pub fn extra<'m>(machine: &'m Machine, key: &str) -> Option<&'m str> {
    machine.settings.extra_data.as_ref()?.get(&format!("probe/{key}"))?.as_deref()
}

pub fn property<'m>(machine: &'m Machine, key: &str) -> Option<&'m str> {
    machine.settings.guest_properties.as_ref()?.get(&format!("/probe/{key}"))?.as_deref()
}

/// The limit of a bandwidth group, in bytes a second.
pub fn limit(machine: &Machine, name: &str) -> Option<u64> {
    machine.settings.bandwidth_groups.as_ref()?.get(name)?.limit
}

/// The name of a USB filter.
pub fn filter(machine: &Machine, position: u32) -> Option<&str> {
    machine.settings.usb.as_ref()?.filters.as_ref()?.get(&position)?.name.as_deref()
}
