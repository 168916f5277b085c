//! Storage controllers and what hangs on them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::{Gathered, Pairs, on};
use crate::inventory::{AttachedMedium, Attachment, DeviceKind, Medium, MediumHealth, MediumKind, Registry};
use crate::model::Controller;
use crate::model::settings::{Bus, ControllerType};

/// Reads all of it. Which registry has the media is not told: it is taken to be the machine's own.
pub fn read(
    pairs: &Pairs,
    machine: Uuid,
    gathered: &mut Gathered,
) -> Result<(Vec<Attachment>, Vec<Medium>), String> {
    let mut controllers = BTreeMap::new();
    let mut attachments = Vec::new();
    let mut media = Vec::new();
    for index in 0_u32.. {
        let get = |name: &str| pairs.get(&format!("storagecontroller{name}{index}"));
        let Some(name) = get("name") else { break };
        let chip = match get("type").unwrap_or_default() {
            "IntelAhci" => ControllerType::Ahci,
            other => ControllerType::parse_or_other(other),
        };
        let bus = chip.bus().unwrap_or_else(|| Bus::Other(chip.to_string()));
        let ports = super::number(pairs, &format!("storagecontrollerportcount{index}"))?;
        let devices = bus.limits().map_or(2, |limits| limits.devices_per_port);
        for port in 0..ports.unwrap_or_default() {
            for device in 0..devices {
                let place = Place { pairs, controller: name, is_floppy: bus == Bus::Floppy, port, device };
                if let Some(attachment) = place.read(machine, &mut media)? {
                    attachments.push(attachment);
                }
            }
        }
        let controller = Controller {
            bus: Some(bus),
            r#type: Some(chip),
            ports,
            host_io_cache: None,
            bootable: on(pairs, &format!("storagecontrollerbootable{index}"))?,
        };
        controllers.insert(name.to_owned(), controller);
    }
    attachments.sort_by(|a, b| (&a.controller, a.port, a.device).cmp(&(&b.controller, b.port, b.device)));
    gathered.settings.controllers = Some(controllers);
    gathered.omitted(&[
        "controllers.*.hostIoCache",
        "disks.*.bandwidthGroup",
        "dvds.*.passthrough",
        "dvds.*.tempEject",
    ]);
    gathered.unknown_because("disks.*.hotPluggable", "showvminfo does not tell it of every controller");
    Ok((attachments, media))
}

/// One place on a controller.
struct Place<'p> {
    pairs: &'p Pairs,
    controller: &'p str,
    is_floppy: bool,
    port: u32,
    device: u32,
}

impl Place<'_> {
    fn key(&self, what: &str) -> String {
        format!("{}{what}-{}-{}", self.controller, self.port, self.device)
    }

    fn is_on(&self, what: &str) -> Result<bool, String> {
        Ok(on(self.pairs, &self.key(what))?.unwrap_or(false))
    }

    fn read(&self, machine: Uuid, media: &mut Vec<Medium>) -> Result<Option<Attachment>, String> {
        let Some(text) = self.pairs.get(&self.key("")).filter(|text| *text != "none") else {
            return Ok(None);
        };
        let is_drive = text == "emptydrive" || self.pairs.get(&self.key("-IsEjected")).is_some();
        let kind = match (self.is_floppy, is_drive) {
            (true, _) => DeviceKind::Floppy,
            (false, true) => DeviceKind::Dvd,
            (false, false) => DeviceKind::Disk,
        };
        let medium = match self.pairs.get(&self.key("-ImageUUID")) {
            _ if text == "emptydrive" => AttachedMedium::Empty,
            Some(uuid) => {
                let uuid =
                    Uuid::try_parse(uuid).map_err(|_| format!("showvminfo tells the medium {uuid}"))?;
                media.push(medium(uuid, text.into(), kind, machine));
                AttachedMedium::Image(uuid)
            }
            None => AttachedMedium::HostDrive(text.to_owned()),
        };
        Ok(Some(Attachment {
            controller: self.controller.to_owned(),
            port: self.port,
            device: self.device,
            kind,
            medium,
            hot_pluggable: self.is_on("-hot-pluggable")?,
            non_rotational: self.is_on("-nonrotational")?,
            discard: self.is_on("-discard")?,
            passthrough: self.is_on("-dvdpassthrough")?,
            temp_eject: self.is_on("-tempeject")?,
            bandwidth_group: None,
        }))
    }
}

fn medium(uuid: Uuid, location: PathBuf, kind: DeviceKind, machine: Uuid) -> Medium {
    let extension = location.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let (kind, format, medium_type) = match kind {
        DeviceKind::Disk => (MediumKind::Disk, extension.as_str(), "normal"),
        DeviceKind::Dvd => (MediumKind::Dvd, "raw", "readonly"),
        DeviceKind::Floppy => (MediumKind::Floppy, "raw", "writethrough"),
    };
    Medium {
        uuid,
        kind,
        format: format.to_owned(),
        medium_type: medium_type.to_owned(),
        parent: None,
        registry: Registry::Machine(machine),
        size: None,
        variant: None,
        health: if location == Path::new("") { MediumHealth::Unknown } else { MediumHealth::Good },
        location,
        auto_reset: false,
        description: String::new(),
    }
}
