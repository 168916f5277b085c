//! Media, storage controllers and what hangs on them.

use std::collections::BTreeMap;
use std::path::Path;

use super::xml::{Attributes, Xml};
use super::{Birth, Unfit, spelled, unfit};
use crate::inventory::{AttachedMedium, Attachment, DeviceKind, Medium, MediumKind};
use crate::model::Controller;
use crate::model::settings::{Bus, ControllerType};

/// Writes the media that the machine brings along.
pub fn write_registry(xml: &mut Xml, folder: &Path, media: &[Medium]) -> Result<(), Unfit> {
    if media.is_empty() {
        return Ok(());
    }
    xml.open("MediaRegistry", Attributes::new());
    let lists = [
        ("HardDisks", "HardDisk", MediumKind::Disk),
        ("DVDImages", "Image", MediumKind::Dvd),
        ("FloppyImages", "Image", MediumKind::Floppy),
    ];
    for (list, element, kind) in lists {
        let mut some = media.iter().filter(|medium| medium.kind == kind).peekable();
        if some.peek().is_none() {
            continue;
        }
        xml.open(list, Attributes::new());
        for medium in some {
            write_medium(xml, element, folder, medium)?;
        }
        xml.close();
    }
    xml.close();
    Ok(())
}

fn write_medium(xml: &mut Xml, element: &'static str, folder: &Path, medium: &Medium) -> Result<(), Unfit> {
    if medium.parent.is_some() || medium.auto_reset {
        return Err(unfit("a difference"));
    }
    // Inside of the machine's folder relative to it, so that the folder can be moved.
    let inside = medium.location.strip_prefix(folder).unwrap_or(&medium.location);
    let location = inside.to_str().ok_or_else(|| unfit("a path that is no text"))?;
    let mut attributes = Attributes::new().with("uuid", medium.uuid.braced()).with("location", location);
    if medium.kind == MediumKind::Disk {
        let known = ["Normal", "Writethrough", "Shareable"];
        attributes = attributes
            .with("format", spelled(&medium.format, &["VDI", "VMDK", "VHD"])?)
            .with("type", spelled(&medium.medium_type, &known)?);
    }
    if medium.description.is_empty() {
        xml.leaf(element, attributes);
    } else {
        xml.open(element, attributes);
        xml.text("Description", &medium.description);
        xml.close();
    }
    Ok(())
}

/// Writes controllers with what hangs on them, in the order in which they were added.
pub fn write(xml: &mut Xml, birth: &Birth<'_>) -> Result<(), Unfit> {
    let none = BTreeMap::new();
    let controllers = birth.machine.settings.controllers.as_ref().unwrap_or(&none);
    if controllers.is_empty() {
        return Ok(());
    }
    xml.open("StorageControllers", Attributes::new());
    let mut written = 0;
    let mut instances: BTreeMap<&'static str, u32> = BTreeMap::new();
    for name in birth.controllers {
        let Some(controller) = controllers.get(name) else { continue };
        written += 1;
        let chip = chip(controller)?;
        let instance = instances.entry(chip).and_modify(|count| *count += 1).or_default();
        let attributes = Attributes::new()
            .with("name", name)
            .with("type", chip)
            .with("PortCount", controller.ports.ok_or_else(|| unfit("a controller without ports"))?)
            .with("useHostIOCache", controller.host_io_cache.unwrap_or(true))
            .with("Bootable", controller.bootable.unwrap_or(true))
            .unless("Instance", *instance, 0);
        let mut devices =
            birth.machine.attachments.iter().filter(|attachment| attachment.controller == *name).peekable();
        if devices.peek().is_none() {
            xml.leaf("StorageController", attributes);
            continue;
        }
        xml.open("StorageController", attributes);
        for device in devices {
            write_device(xml, device);
        }
        xml.close();
    }
    xml.close();
    if written == controllers.len() { Ok(()) } else { Err(unfit("a controller that nobody added")) }
}

fn chip(controller: &Controller) -> Result<&'static str, Unfit> {
    let chip = controller.r#type.clone().or_else(|| controller.bus.as_ref().and_then(Bus::default_type));
    Ok(match chip.ok_or_else(|| unfit("a controller without a type"))? {
        ControllerType::Piix3 => "PIIX3",
        ControllerType::Piix4 => "PIIX4",
        ControllerType::Ich6 => "ICH6",
        ControllerType::Ahci => "AHCI",
        ControllerType::LsiLogic => "LsiLogic",
        ControllerType::BusLogic => "BusLogic",
        ControllerType::LsiLogicSas => "LsiLogicSas",
        ControllerType::NvMe => "NVMe",
        ControllerType::VirtioScsi => "VirtioSCSI",
        ControllerType::I82078 => "I82078",
        ControllerType::Usb => "USB",
        ControllerType::Other(_) => return Err(unfit("a controller's type")),
    })
}

fn write_device(xml: &mut Xml, device: &Attachment) {
    let kind = match device.kind {
        DeviceKind::Disk => "HardDisk",
        DeviceKind::Dvd => "DVD",
        DeviceKind::Floppy => "Floppy",
    };
    let attributes = Attributes::new()
        .unless("passthrough", device.passthrough, false)
        .unless("tempeject", device.temp_eject, false)
        .unless("nonrotational", device.non_rotational, false)
        .unless("discard", device.discard, false)
        .with("type", kind)
        .with("hotpluggable", device.hot_pluggable)
        .with("port", device.port)
        .with("device", device.device)
        .unless("bandwidthGroup", device.bandwidth_group.as_deref().unwrap_or_default(), "");
    match &device.medium {
        AttachedMedium::Empty => xml.leaf("AttachedDevice", attributes),
        AttachedMedium::Image(uuid) => {
            xml.open("AttachedDevice", attributes);
            xml.leaf("Image", Attributes::new().with("uuid", uuid.braced()));
            xml.close();
        }
        AttachedMedium::HostDrive(drive) => {
            xml.open("AttachedDevice", attributes);
            xml.leaf("HostDrive", Attributes::new().with("src", drive));
            xml.close();
        }
    }
}
