//! Storage controllers and what hangs on them (`vbox-settings` 3.4).

use std::collections::BTreeMap;

use super::document::Element;
use crate::inventory::{AttachedMedium, Attachment, DeviceKind};
use crate::model::Controller;
use crate::model::settings::{Bus, ControllerType};

type Controllers = BTreeMap<String, Controller>;

/// Reads controllers by name, and attachments in the order of controller, port and device.
pub fn read(list: Option<Element<'_>>) -> Result<(Controllers, Vec<Attachment>), String> {
    let mut controllers = BTreeMap::new();
    let mut attachments = Vec::new();
    for controller in list.into_iter().flat_map(|list| list.children("StorageController")) {
        let name = controller.required("name")?;
        let chip = ControllerType::parse_or_other(controller.required("type")?);
        let bus = chip.bus().unwrap_or_else(|| Bus::Other(chip.to_string()));
        controller.skip(&[
            "Instance",
            // Of the time when a BIOS saw SATA disks as IDE disks.
            "IDE0MasterEmulationPort",
            "IDE0SlaveEmulationPort",
            "IDE1MasterEmulationPort",
            "IDE1SlaveEmulationPort",
        ]);
        for device in controller.children("AttachedDevice") {
            attachments.push(read_device(device, name)?);
        }
        let read = Controller {
            ports: Some(
                controller.number("PortCount", bus.limits().map_or(0, |limits| limits.default_ports))?,
            ),
            host_io_cache: Some(controller.flag("useHostIOCache", true)?),
            bootable: Some(controller.flag("Bootable", true)?),
            bus: Some(bus),
            r#type: Some(chip),
        };
        controllers.insert(name.to_owned(), read);
    }
    attachments.sort_by(|a, b| (&a.controller, a.port, a.device).cmp(&(&b.controller, b.port, b.device)));
    Ok((controllers, attachments))
}

fn read_device(device: Element<'_>, controller: &str) -> Result<Attachment, String> {
    let kind = match device.get("type").unwrap_or("HardDisk") {
        "HardDisk" => DeviceKind::Disk,
        "DVD" => DeviceKind::Dvd,
        "Floppy" => DeviceKind::Floppy,
        other => return Err(device.wrong("type", other, "HardDisk, DVD or Floppy")),
    };
    let medium = match (device.child("Image"), device.child("HostDrive")) {
        (Some(image), _) => AttachedMedium::Image(image.uuid("uuid")?),
        (None, Some(drive)) => AttachedMedium::HostDrive(drive.string("src")),
        (None, None) => AttachedMedium::Empty,
    };
    Ok(Attachment {
        controller: controller.to_owned(),
        port: device.number("port", 0)?,
        device: device.number("device", 0)?,
        kind,
        medium,
        hot_pluggable: device.flag("hotpluggable", false)?,
        non_rotational: device.flag("nonrotational", false)?,
        discard: device.flag("discard", false)?,
        passthrough: device.flag("passthrough", false)?,
        temp_eject: device.flag("tempeject", false)?,
        bandwidth_group: Some(device.string("bandwidthGroup")).filter(|group| !group.is_empty()),
    })
}
