//! Controllers of simulated machines, and what is attached to them.

use std::collections::BTreeMap;
use std::path::Path;

use uuid::Uuid;

use super::refusal::{self, No, no, unsupported};
use super::tree::Content;
use super::world::{SimMedium, World};
use crate::inventory::{AttachedMedium, Attachment, DeviceKind, Medium, MediumHealth, MediumKind, Registry};
use crate::model::settings::{Bus, Chipset};
use crate::model::{Bytes, Controller, Location};
use crate::plan::{Insert, Target};

/// How many controllers of a bus a machine can have.
fn most_controllers(bus: &Bus, chipset: Option<&Chipset>) -> usize {
    let ich9 = chipset == Some(&Chipset::Ich9);
    match bus {
        Bus::Sata | Bus::Sas | Bus::Pcie | Bus::Virtio if ich9 => 8,
        Bus::Scsi => 32,
        _ => 1,
    }
}

/// VirtualBox's number of a controller type, for its message.
fn type_number(controller: &Controller) -> usize {
    use crate::model::settings::ControllerType as T;
    let order = [
        T::LsiLogic,
        T::BusLogic,
        T::Ahci,
        T::Piix3,
        T::Piix4,
        T::Ich6,
        T::I82078,
        T::LsiLogicSas,
        T::Usb,
        T::NvMe,
        T::VirtioScsi,
    ];
    controller
        .r#type
        .as_ref()
        .and_then(|t| order.iter().position(|o| o == t))
        .map_or(0, |position| position + 1)
}

impl World {
    /// `storagectl --add`.
    pub fn add_controller(&mut self, uuid: Uuid, name: &str, wanted: &Controller) -> Result<(), No> {
        let machine = self.machine_mut(uuid)?;
        machine.must_be_off()?;
        let chipset = machine.hardware.settings.chipset.clone();
        let controllers = machine.hardware.settings.controllers.get_or_insert_default();
        if controllers.contains_key(name) {
            return Err(no(&refusal::CONTROLLER_EXISTS, &[&name]));
        }
        let bus =
            wanted.bus.clone().ok_or_else(|| unsupported(format!("controller {name} without a bus")))?;
        let Some(limits) = bus.limits() else { return Err(unsupported(format!("bus {bus}"))) };
        let there = controllers.values().filter(|controller| controller.bus.as_ref() == Some(&bus)).count();
        if there >= most_controllers(&bus, chipset.as_ref()) {
            return Err(no(&refusal::CONTROLLER_TOO_MANY, &[]));
        }
        let mut controller = Controller {
            r#type: bus.default_type(),
            ports: Some(limits.default_ports),
            host_io_cache: Some(limits.host_io_cache),
            bootable: Some(true),
            bus: Some(bus),
        };
        // The controller is there before its options are looked at, and VBoxManage saves at the end: all or nothing.
        change(&mut controller, wanted)?;
        controllers.insert(name.to_owned(), controller);
        Ok(())
    }

    /// `storagectl` on a controller that is there.
    pub fn change_controller(&mut self, uuid: Uuid, name: &str, wanted: &Controller) -> Result<(), No> {
        let machine = self.machine_mut(uuid)?;
        machine.must_be_off()?;
        let controllers = machine.hardware.settings.controllers.get_or_insert_default();
        let Some(controller) = controllers.get_mut(name) else {
            return Err(no(&refusal::NO_CONTROLLER, &[&name]));
        };
        let mut changed = controller.clone();
        change(&mut changed, wanted)?;
        *controller = changed;
        Ok(())
    }

    /// `storagectl --remove`: what hangs on it is detached without a word.
    pub fn remove_controller(&mut self, uuid: Uuid, name: &str) -> Result<(), No> {
        let machine = self.machine_mut(uuid)?;
        machine.must_be_off()?;
        if machine.hardware.settings.controllers.get_or_insert_default().remove(name).is_none() {
            return Err(no(&refusal::NO_CONTROLLER, &[&name]));
        }
        machine.hardware.attachments.retain(|attachment| attachment.controller != name);
        Ok(())
    }

    /// `storageattach`.
    pub fn attach(
        &mut self,
        uuid: Uuid,
        at: &Location,
        kind: DeviceKind,
        insert: &Insert,
        options: &BTreeMap<String, bool>,
    ) -> Result<(), No> {
        let machine = self.machine(uuid)?;
        let Some(controller) =
            machine.hardware.settings.controllers.iter().flatten().find(|c| *c.0 == at.controller)
        else {
            return Err(no(&refusal::ATTACH_NO_CONTROLLER, &[&at.controller]));
        };
        let bus = controller.1.bus.clone().unwrap_or(Bus::Other(String::new()));
        let ports = controller.1.ports.unwrap_or(1);
        let there = self.machine(uuid)?.hardware.attachments.iter().find(|a| is_at(a, at)).cloned();
        let medium = self.insert(kind, insert)?;
        let machine = self.machine(uuid)?;
        let live = machine.is_live();
        let same = there.as_ref().is_some_and(|there| there.medium == medium && there.kind == kind);
        machine.must_not_be_saved()?;
        if same && live && kind == DeviceKind::Disk {
            let file = match &medium {
                AttachedMedium::Image(image) => self.medium(*image)?.location.display().to_string(),
                AttachedMedium::HostDrive(_) | AttachedMedium::Empty => String::new(),
            };
            return Err(no(&refusal::ATTACHED_HERE, &[&file, &at.port, &at.device, &at.controller]));
        }
        if same {
            return self.set_options(uuid, at, options);
        }
        let limits = bus.limits().unwrap_or(crate::model::settings::BusLimits {
            default_ports: 1,
            max_ports: 1,
            devices_per_port: 1,
            host_io_cache: false,
        });
        let most = if live { ports } else { limits.max_ports.max(ports) };
        if at.port >= most || at.device >= limits.devices_per_port {
            let (port, device) = (ports.saturating_sub(1), limits.devices_per_port - 1);
            return Err(no(&refusal::PLACE_RANGE, &[&at.port, &port, &at.device, &device]));
        }
        let swaps = kind != DeviceKind::Disk && there.as_ref().is_some_and(|there| there.kind == kind);
        if live && !swaps {
            if kind == DeviceKind::Floppy {
                return Err(no(&refusal::NO_DRIVE, &[&at.controller, &at.port, &at.device]));
            }
            if !matches!(bus, Bus::Sata | Bus::Usb) {
                return Err(no(&refusal::NO_HOT_PLUG, &[&at.controller]));
            }
            if there.as_ref().is_some_and(|there| !there.hot_pluggable) {
                return Err(no(&refusal::NO_HOT_UNPLUG, &[&at.device, &at.port, &at.controller]));
            }
        }
        let medium = match medium {
            AttachedMedium::Image(image) => AttachedMedium::Image(self.attachable(uuid, image, kind)?),
            other => other,
        };
        let name = at.controller.clone();
        let machine = self.machine_mut(uuid)?;
        if !live
            && ports <= at.port
            && let Some(controller) =
                machine.hardware.settings.controllers.get_or_insert_default().get_mut(&name)
        {
            controller.ports = Some(at.port + 1);
        }
        let old = machine
            .hardware
            .attachments
            .iter()
            .position(|a| is_at(a, at))
            .map(|i| machine.hardware.attachments.remove(i));
        let is_emptied = medium == AttachedMedium::Empty;
        // A drive that is emptied while the machine is off is a new one (measured).
        let kept = old.filter(|_| swaps && (live || !is_emptied));
        machine.hardware.attachments.push(Attachment {
            controller: at.controller.clone(),
            port: at.port,
            device: at.device,
            kind,
            medium: medium.clone(),
            // A device that came while the guest ran may go again.
            hot_pluggable: kept.as_ref().map_or(live, |old| old.hot_pluggable),
            non_rotational: false,
            discard: false,
            passthrough: kept.as_ref().is_some_and(|old| old.passthrough),
            temp_eject: kept.as_ref().is_some_and(|old| old.temp_eject && !is_emptied),
            bandwidth_group: None,
        });
        if let AttachedMedium::Image(image) = medium {
            self.adopt_medium(uuid, image);
        }
        self.saved(uuid);
        if options.is_empty() { Ok(()) } else { self.set_options(uuid, at, options) }
    }

    /// Options of a device that is there; the guest must be off for most of them.
    fn set_options(&mut self, uuid: Uuid, at: &Location, options: &BTreeMap<String, bool>) -> Result<(), No> {
        let machine = self.machine_mut(uuid)?;
        let mutable = !machine.is_live() && !machine.is_saved();
        let state = machine.state_word();
        for (option, value) in options {
            if !mutable && option != "tempEject" {
                return Err(no(&refusal::NOT_MUTABLE, &[&state]));
            }
            let Some(attachment) = machine.hardware.attachments.iter_mut().find(|a| is_at(a, at)) else {
                continue;
            };
            match option.as_str() {
                "hotPluggable" => attachment.hot_pluggable = *value,
                "ssd" => attachment.non_rotational = *value,
                "discard" => attachment.discard = *value,
                "passthrough" => attachment.passthrough = *value,
                // Written with a medium only (measured).
                "tempEject" => attachment.temp_eject = *value && attachment.medium != AttachedMedium::Empty,
                other => return Err(unsupported(format!("option {other} of an attachment"))),
            }
        }
        Ok(())
    }

    /// What is to be put in, registered where it was not.
    fn insert(&mut self, kind: DeviceKind, insert: &Insert) -> Result<AttachedMedium, No> {
        match insert {
            Insert::Nothing => Ok(AttachedMedium::Empty),
            Insert::HostDrive(drive) => Err(no(&refusal::HOST_DRIVE, &[drive])),
            Insert::Medium(Target::Planned(address)) => Err(unsupported(format!("{address} is not bound"))),
            Insert::Medium(Target::Existing(uuid)) => {
                self.medium(*uuid).map(|medium| AttachedMedium::Image(medium.uuid))
            }
            Insert::File(path) => self.open(kind, path).map(AttachedMedium::Image),
        }
    }

    /// The medium of a file, registered in the global registry where it was not.
    pub fn open(&mut self, kind: DeviceKind, path: &Path) -> Result<Uuid, No> {
        if let Some(row) = self.media.values().find(|row| row.medium.location == path) {
            return Ok(row.medium.uuid);
        }
        let missing = || no(&refusal::FILE_MISSING, &[&path.display()]);
        let row = match self.tree.file(path) {
            Some(Content::Disk { uuid, size, format, variant }) => Medium {
                uuid: *uuid,
                kind: MediumKind::Disk,
                location: path.to_owned(),
                format: format.clone(),
                medium_type: "normal".to_owned(),
                parent: None,
                registry: Registry::Global,
                size: Some(*size),
                variant: Some(variant.clone()),
                health: MediumHealth::Good,
                auto_reset: false,
                description: String::new(),
            },
            Some(_) => return Err(missing()),
            None => {
                let length = std::fs::metadata(path).map_err(|_| missing())?.len();
                if kind == DeviceKind::Disk {
                    return Err(unsupported(format!(
                        "reading the disk {} by a simulated VirtualBox",
                        path.display()
                    )));
                }
                let dvd = kind == DeviceKind::Dvd;
                if dvd && !is_iso(path) {
                    return Err(no(&refusal::NO_IMAGE, &[&path.display()]));
                }
                Medium {
                    uuid: self.fresh_uuid(),
                    kind: if dvd { MediumKind::Dvd } else { MediumKind::Floppy },
                    location: path.to_owned(),
                    format: "raw".to_owned(),
                    medium_type: if dvd { "readonly" } else { "writethrough" }.to_owned(),
                    parent: None,
                    registry: Registry::Global,
                    size: Some(Bytes(length)),
                    variant: None,
                    health: MediumHealth::Good,
                    auto_reset: false,
                    description: String::new(),
                }
            }
        };
        let uuid = row.uuid;
        self.media.insert(uuid, SimMedium { medium: row, registries: Vec::new() }.into());
        Ok(uuid)
    }

    /// What is really attached when a medium is asked for: under snapshots, and of one that can only be read, a new difference to it.
    fn attachable(&mut self, machine: Uuid, image: Uuid, kind: DeviceKind) -> Result<Uuid, No> {
        if kind != DeviceKind::Disk {
            return Ok(image);
        }
        let medium = self.medium(image)?;
        let there = self.machine(machine)?;
        if there.hardware.images().any(|attached| attached == image) {
            return Err(no(&refusal::ATTACHED_TWICE, &[&medium.location.display()]));
        }
        if !self.is_readable(medium) {
            let file = medium.location.display();
            return Err(no(&refusal::MEDIUM_INACCESSIBLE, &[&file, &file]));
        }
        let in_snapshot = self.machines.values().any(|machine| {
            machine
                .all_snapshots()
                .iter()
                .any(|snapshot| snapshot.hardware.images().any(|uuid| uuid == image))
        });
        // A compressed image can only be read (transcript `storageattach-stream`).
        let read_only = !self.children_of(image).is_empty()
            || in_snapshot
            || medium.variant.as_deref() == Some("stream")
            || matches!(medium.medium_type.as_str(), "immutable" | "multiattach");
        if !read_only {
            return Ok(image);
        }
        // The newest of the chain that a snapshot of the same machine holds becomes the parent.
        let base = self.base(image);
        let current = there.current_snapshot;
        let path = there.snapshots.as_ref().zip(current).and_then(|(root, current)| root.path_to(current));
        let held = path
            .into_iter()
            .flatten()
            .rev()
            .find_map(|snapshot| snapshot.hardware.images().find(|held| self.base(*held) == base));
        self.differencing(machine, held.unwrap_or(image))
    }

    /// A new differencing disk in a machine's snapshot folder.
    pub fn differencing(&mut self, machine: Uuid, parent: Uuid) -> Result<Uuid, No> {
        let uuid = self.fresh_uuid();
        let folder = self.snapshot_folder(machine)?;
        let parent_medium = self.medium(parent)?.clone();
        let location = folder.join(format!("{{{uuid}}}.{}", parent_medium.format));
        let size = parent_medium.size.unwrap_or(Bytes(0));
        let variant = "differencing".to_owned();
        self.tree.write(
            &location,
            Content::Disk { uuid, size, format: parent_medium.format.clone(), variant: variant.clone() },
        );
        let medium = Medium {
            uuid,
            location,
            parent: Some(parent),
            variant: Some(variant),
            medium_type: "normal".to_owned(),
            description: String::new(),
            auto_reset: parent_medium.medium_type == "immutable",
            ..parent_medium
        };
        // It stands below its parent, in the file that names that one first (measured).
        let registries = self.media.get(&parent).map(|row| row.registries.clone()).unwrap_or_default();
        self.media.insert(uuid, SimMedium { medium, registries }.into());
        self.adopt_medium(machine, parent);
        Ok(uuid)
    }

    /// `storageattach --medium none`.
    pub fn detach(&mut self, uuid: Uuid, at: &Location) -> Result<(), No> {
        let machine = self.machine_mut(uuid)?;
        let controllers = machine.hardware.settings.controllers.get_or_insert_default();
        let Some(controller) = controllers.get(&at.controller) else {
            return Err(no(&refusal::ATTACH_NO_CONTROLLER, &[&at.controller]));
        };
        let takes_hot = matches!(controller.bus, Some(Bus::Sata | Bus::Usb));
        machine.must_not_be_saved()?;
        let live = machine.is_live();
        let Some(position) = machine.hardware.attachments.iter().position(|a| is_at(a, at)) else {
            return Err(no(&refusal::NOTHING_ATTACHED, &[&at.device, &at.port, &at.controller]));
        };
        if live && !takes_hot {
            return Err(no(&refusal::NO_HOT_PLUG, &[&at.controller]));
        }
        if live && !machine.hardware.attachments[position].hot_pluggable {
            return Err(no(&refusal::NO_HOT_UNPLUG, &[&at.device, &at.port, &at.controller]));
        }
        machine.hardware.attachments.remove(position);
        self.saved(uuid);
        Ok(())
    }

    /// Where a machine's differencing disks and saved states are.
    pub fn snapshot_folder(&self, uuid: Uuid) -> Result<std::path::PathBuf, No> {
        let machine = self.machine(uuid)?;
        let folder = machine.hardware.settings.snapshot_folder.clone().unwrap_or_default();
        Ok(machine.folder().join(if folder.is_empty() { "Snapshots".to_owned() } else { folder }))
    }
}

/// Whether a file begins as DVD images do.
fn is_iso(path: &Path) -> bool {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut magic = [0; 5];
    let read = std::fs::File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(16 * 2048 + 1))?;
        file.read_exact(&mut magic)
    });
    read.is_ok() && (&magic == b"CD001" || &magic == b"BEA01")
}

fn is_at(attachment: &Attachment, at: &Location) -> bool {
    attachment.controller == at.controller && attachment.port == at.port && attachment.device == at.device
}

fn change(controller: &mut Controller, wanted: &Controller) -> Result<(), No> {
    let bus = controller.bus.clone().unwrap_or(Bus::Other(String::new()));
    if let Some(wanted_type) = &wanted.r#type {
        if wanted_type.bus().as_ref() != Some(&bus) {
            return Err(no(&refusal::CONTROLLER_TYPE, &[&type_number(wanted)]));
        }
        controller.r#type = Some(wanted_type.clone());
    }
    if let (Some(ports), Some(limits)) = (wanted.ports, bus.limits()) {
        let least = match bus {
            Bus::Ide => 2,
            Bus::Scsi => 16,
            Bus::Usb => 8,
            _ => 1,
        };
        if !(least..=limits.max_ports).contains(&ports) {
            return Err(no(&refusal::PORT_COUNT, &[&ports, &least, &limits.max_ports]));
        }
        controller.ports = Some(ports);
    }
    controller.host_io_cache = wanted.host_io_cache.or(controller.host_io_cache);
    controller.bootable = wanted.bootable.or(controller.bootable);
    Ok(())
}
