//! `Hardware` and, since settings version 1.20, `Platform`: the order in which their parts are read.

use super::machine::Layout;
use super::{Beyond, devices, network, platform, ports, storage};
use crate::inventory::Attachment;
use crate::model::Settings;

/// Reads everything that stands in `Hardware` and `Platform`.
pub fn read(
    layout: &Layout<'_>,
    settings: &mut Settings,
    beyond: &mut Beyond,
) -> Result<Vec<Attachment>, String> {
    let hardware = layout.hardware;
    if let Some(uuid) = hardware.uuid_if_any("uuid")? {
        settings.hardware_uuid = Some(uuid.to_string());
    }
    if let Some(version) = hardware.get("version").filter(|version| *version != "2") {
        return Err(hardware.wrong("version", version, "2"));
    }
    platform::read(layout, settings, beyond)?;
    devices::read(hardware, settings, beyond)?;
    ports::read(layout, settings, beyond)?;
    settings.nics = Some(network::read(hardware.child("Network"), beyond)?);
    let (controllers, attachments) = storage::read(hardware.child("StorageControllers"))?;
    settings.controllers = Some(controllers);
    Ok(attachments)
}
