//! A machine as it would be after going back to one of its snapshots.

use std::path::Path;

use uuid::Uuid;

use super::document::{Document, Element};
use super::machine::{Layout, autostart, read_machine, recording, state_when_off};
use super::{Beyond, Distrust, hardware, minor_version, network};
use crate::inventory::Machine;
use crate::model::Settings;

/// Reads the machine `uuid` from its settings file as the snapshot holds it; `None` where it has no such snapshot.
///
/// What stands in the snapshot goes back; what stands on the machine itself stays: name, groups, description, extra data, type of the
/// guest, and the rest of `Machine`'s attributes (measured). Its disks are those of the snapshot, on which VirtualBox puts new
/// differences when it goes back. Its secure boot switch is not in the file.
pub fn read_machine_as_of(
    source: &str,
    uuid: Uuid,
    file: &Path,
    snapshot: Uuid,
) -> Result<Option<Machine>, Distrust> {
    let now = read_machine(source, uuid, file)?.machine;
    let document = Document::parse(source).map_err(Distrust::Broken)?;
    let root = document.root();
    let minor = minor_version(root)?;
    let top = root.child("Machine").and_then(|machine| machine.child("Snapshot"));
    let Some(element) = top.and_then(|top| find(top, snapshot)) else { return Ok(None) };
    of_snapshot(element, minor, now, snapshot).map(Some).map_err(Distrust::Unknown)
}

fn find(element: Element<'_>, snapshot: Uuid) -> Option<Element<'_>> {
    if element.uuid("uuid").is_ok_and(|uuid| uuid == snapshot) {
        return Some(element);
    }
    let children = element.child("Snapshots").into_iter().flat_map(|all| all.children("Snapshot"));
    children.into_iter().find_map(|child| find(child, snapshot))
}

fn of_snapshot(element: Element<'_>, minor: u32, now: Machine, snapshot: Uuid) -> Result<Machine, String> {
    let mut beyond = Beyond::default();
    let was = &now.settings;
    let mut settings = Settings {
        hardware_uuid: Some(now.uuid.to_string()),
        groups: was.groups.clone(),
        os_type: was.os_type.clone(),
        description: was.description.clone(),
        snapshot_folder: was.snapshot_folder.clone(),
        process_priority: was.process_priority.clone(),
        execution_engine: was.execution_engine.clone(),
        icon: was.icon.clone(),
        teleporter: was.teleporter.clone(),
        extra_data: was.extra_data.clone(),
        autostart: Some(autostart(element.child("Autostart"))?),
        recording: Some(recording(element.child("Recording"), &mut beyond)?),
        ..Settings::default()
    };
    let layout = Layout::of(element, minor)?;
    let attachments = hardware::read(&layout, &mut settings, &mut beyond)?;
    let remembered = network::remembered(layout.hardware.child("Network"))?;
    Ok(Machine {
        state: Some(state_when_off(element)?),
        settings: settings.into(),
        attachments,
        remembered,
        beyond: Vec::new(),
        current_snapshot: Some(snapshot),
        ..now
    })
}
