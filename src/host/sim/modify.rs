//! `modifyvm`: all or nothing, but for the refusals that VirtualBox reports and passes over.

use std::path::Path;

use serde_json::Value;
use uuid::Uuid;

use super::refusal::{self, No, no, unsupported};
use super::tree::moved;
use super::world::{SimMachine, World};
use super::{birth, nics};
use crate::host::virtualbox::argv::modify::ordered;

use crate::model::settings::{BootDevice, Chipset, Firmware, GraphicsController};
use crate::model::{FieldPath, Settings};
use crate::plan::Assignment;

/// What VirtualBox lets happen to a field while a state is saved.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WhileSaved {
    Changes,
    Refused,
    /// Refused with the text of what could be changed live as well.
    RefusedOrRunning,
    /// Refused, and everything else of the same command is saved.
    PassedOver,
}

fn while_saved(path: &[&str]) -> WhileSaved {
    match path {
        [
            "name" | "groups" | "description" | "frontend" | "processPriority" | "executionEngine"
            | "recording" | "vrde" | "autostart" | "pageFusion",
            ..,
        ]
        | ["parallelPorts", _, "device"]
        | ["audio", "in" | "out" | "driver"]
        | ["usb", "cardReader"]
        | ["teleporter", "port" | "address"]
        | ["serialPorts", _, "mode" | "type"]
        | [
            "nics",
            _,
            "cable" | "mode" | "promiscuous" | "nat" | "network" | "bandwidthGroup" | "trace" | "driver"
            | "properties",
            ..,
        ] => WhileSaved::Changes,
        ["cpuExecutionCap" | "memoryBalloon" | "clipboard" | "dragAndDrop", ..] => {
            WhileSaved::RefusedOrRunning
        }
        ["chipset"] => WhileSaved::PassedOver,
        _ => WhileSaved::Refused,
    }
}

impl World {
    /// `modifyvm`.
    pub fn modify(&mut self, uuid: Uuid, set: &[Assignment]) -> Result<(), No> {
        let machine = self.machine(uuid)?;
        machine.must_not_be_live()?;
        let saved = machine.is_saved();
        let mut draft = machine.clone();
        let mut passed_over = None;
        for assignment in in_order(set) {
            let path = assignment.path.parts();
            if saved {
                let state = draft.state_word();
                let enables = matches!(path.as_slice(), ["nics", _, "mode"])
                    && !nics::is_enabled(&draft.hardware, &path);
                match while_saved(&path) {
                    WhileSaved::Changes if !enables => {}
                    // That chipset brings the I/O APIC with it, and its refusal counts.
                    WhileSaved::PassedOver
                        if draft.hardware.settings.ioapic != Some(true)
                            && assignment
                                .value
                                .as_ref()
                                .is_some_and(|chipset| chipset == Chipset::Ich9.as_str()) =>
                    {
                        return Err(no(&refusal::NOT_MUTABLE, &[&state]));
                    }
                    WhileSaved::Changes | WhileSaved::PassedOver => {
                        passed_over.get_or_insert_with(|| no(&refusal::NOT_MUTABLE_SOFT, &[&state]));
                        continue;
                    }
                    WhileSaved::Refused if path.first() == Some(&"teleporter") => {
                        return Err(no(&refusal::TELEPORTER, &[&state]));
                    }
                    WhileSaved::Refused => return Err(no(&refusal::NOT_MUTABLE, &[&state])),
                    WhileSaved::RefusedOrRunning => {
                        return Err(no(&refusal::NOT_MUTABLE_OR_RUNNING, &[&state]));
                    }
                }
            }
            match self.assign(&mut draft, &assignment) {
                Err(No::Refused(template, arguments)) if template.status == 0 => {
                    passed_over.get_or_insert(No::Refused(template, arguments));
                }
                other => other?,
            }
        }
        self.relocate(uuid, &mut draft)?;
        draft.unsaved.clear();
        self.machines.insert(uuid, draft.into());
        passed_over.map_or(Ok(()), Err)
    }

    /// One setting, whatever the state.
    pub fn assign(&mut self, machine: &mut SimMachine, assignment: &Assignment) -> Result<(), No> {
        let path = assignment.path.parts();
        match path.as_slice() {
            ["name"] => {
                let name = text(assignment)?;
                if name.is_empty() || Uuid::parse_str(&name).is_ok() {
                    return Err(no(&refusal::NAME_EMPTY, &[]));
                }
                machine.name = name;
                Ok(())
            }
            ["nics", ..] => nics::assign(self, machine, assignment),
            [
                "extraData" | "guestProperties" | "controllers" | "disks" | "dvds" | "sharedFolders"
                | "state" | "secureBoot",
                ..,
            ] => Err(unsupported(format!("{} by modifyvm", assignment.path))),
            ["autostart", "enabled" | "stop"] if self.autostart_database.is_none() => {
                Err(no(&refusal::NO_AUTOSTART_DATABASE, &[]))
            }
            // Not even switched off.
            ["pageFusion"] => Err(no(&refusal::PAGE_FUSION, &[])),
            ["memoryBalloon"] => {
                let most = machine.hardware.settings.memory.map_or(0, |memory| memory.0 * 9 / 10);
                let size = number(assignment)?;
                if size > most {
                    return Err(no(&refusal::BALLOON, &[&size, &most]));
                }
                set_plain(&mut machine.hardware.settings, assignment)
            }
            ["icon"] => {
                let content = text(assignment)?.rsplit(' ').next().map(str::to_owned);
                machine.hardware.settings.icon = content;
                Ok(())
            }
            ["chipset"] => {
                set_plain(&mut machine.hardware.settings, assignment)?;
                if machine.hardware.settings.chipset == Some(Chipset::Piix3) {
                    machine.hardware.slots.retain(|number, _| *number <= 8);
                }
                Ok(())
            }
            _ => set_plain(&mut machine.hardware.settings, assignment),
        }
    }

    /// `modifynvram secureboot`, with the setting up of the store where it is empty.
    pub fn set_secure_boot(&mut self, uuid: Uuid, enabled: bool) -> Result<(), No> {
        let machine = self.machine_mut(uuid)?;
        machine.must_be_off()?;
        if machine.hardware.settings.firmware.as_ref().is_none_or(|firmware| *firmware == Firmware::Bios) {
            return Err(no(&refusal::NO_VARIABLE_STORE, &[]));
        }
        machine.hardware.settings.secure_boot = Some(enabled);
        Ok(())
    }

    /// `movevm`
    pub fn move_machine(&mut self, uuid: Uuid, folder: &Path) -> Result<(), No> {
        let machine = self.machine(uuid)?;
        machine.must_not_be_live()?;
        let from = machine.folder();
        let to = folder.join(from.file_name().unwrap_or_default());
        let file = moved(&machine.settings_file, &from, &to);
        if self.tree.exists(&file) {
            return Err(no(&refusal::MOVE_IN_THE_WAY, &[]));
        }
        self.move_folder(&from, &to);
        self.machine_mut(uuid)?.settings_file = file;
        Ok(())
    }

    /// The machine's folder follows its name and first group.
    fn relocate(&mut self, uuid: Uuid, draft: &mut SimMachine) -> Result<(), No> {
        let before = self.machine(uuid)?;
        let groups = |machine: &SimMachine| machine.hardware.settings.groups.clone().unwrap_or_default();
        let (old_groups, new_groups) = (groups(before), groups(draft));
        let unmoved =
            before.name == draft.name && birth::group_folder(&old_groups) == birth::group_folder(&new_groups);
        if unmoved {
            return Ok(());
        }
        let from = before.folder();
        let old_name = before.name.clone();
        let old_file = before.settings_file.clone();
        let own = Path::new(birth::group_folder(&old_groups)).join(&before.name);
        let to = if from.ends_with(&own) {
            let root = from.ancestors().nth(own.components().count()).unwrap_or(&from).to_owned();
            root.join(birth::group_folder(&new_groups)).join(&draft.name)
        } else {
            from.clone()
        };
        if to != from {
            if self.tree.exists(&to) {
                return Err(no(&refusal::RENAME_IN_THE_WAY, &[&from.display(), &to.display()]));
            }
            self.move_folder(&from, &to);
        }
        let file = moved(&old_file, &from, &to);
        let mut renamed = file.clone();
        if file.file_stem().is_some_and(|stem| stem == old_name.as_str()) {
            renamed = to.join(format!("{}.vbox", draft.name));
            if renamed != file
                && let Some(content) = self.tree.remove(&file)
            {
                self.tree.write(&renamed, content);
            }
        }
        draft.settings_file = renamed;
        Ok(())
    }
}

/// The assignments one value at a time, in the order in which VBoxManage gets them.
fn in_order(set: &[Assignment]) -> Vec<Assignment> {
    let single = |(keys, value): (Vec<&str>, Option<&Value>)| Assignment {
        path: FieldPath::of(keys),
        value: value.cloned(),
    };
    ordered(set).into_iter().map(single).collect()
}

/// The text of an assignment.
pub fn text(assignment: &Assignment) -> Result<String, No> {
    match &assignment.value {
        Some(Value::String(text)) => Ok(text.clone()),
        other => Err(unsupported(format!("{} = {other:?}", assignment.path))),
    }
}

/// The number of an assignment.
pub fn number(assignment: &Assignment) -> Result<u64, No> {
    let value = assignment.value.as_ref().and_then(Value::as_u64);
    value.ok_or_else(|| unsupported(format!("{} = {:?}", assignment.path, assignment.value)))
}

fn check(path: &[&str], assignment: &Assignment) -> Result<(), No> {
    let range = |least: u64, most: u64, template| {
        let value = number(assignment)?;
        if (least..=most).contains(&value) { Ok(()) } else { Err(no(template, &[&value])) }
    };
    let word = |known: bool, template| {
        let word = text(assignment)?;
        if known { Ok(()) } else { Err(no(template, &[&word])) }
    };
    let value = assignment.value.as_ref().and_then(Value::as_str).unwrap_or_default();
    match path {
        ["cpus"] => range(1, 64, &refusal::CPUS),
        ["memory"] => range(4, 2_097_152, &refusal::MEMORY),
        ["cpuExecutionCap"] => range(1, 100, &refusal::EXECUTION_CAP),
        ["graphics", "vram"] => range(1, 256, &refusal::VRAM),
        ["graphics", "monitors"] => range(1, 64, &refusal::MONITORS),
        ["graphics", "controller"] => word(GraphicsController::parse(value).is_some(), &refusal::GRAPHICS),
        ["firmware"] => word(Firmware::parse(value).is_some(), &refusal::FIRMWARE),
        ["chipset"] => word(Chipset::parse(value).is_some(), &refusal::CHIPSET),
        ["hardwareUuid"] => word(Uuid::parse_str(value).is_ok(), &refusal::HARDWARE_UUID),
        ["bootOrder"] => {
            let devices = assignment.value.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
            let strange =
                devices.iter().filter_map(Value::as_str).find(|device| BootDevice::parse(device).is_none());
            strange.map_or(Ok(()), |device| Err(no(&refusal::BOOT_DEVICE, &[&device])))
        }
        ["groups"] => {
            let groups: Vec<String> = assignment
                .value
                .clone()
                .and_then(|value| serde_json::from_value(value).ok())
                .unwrap_or_default();
            birth::check_groups(&groups)
        }
        _ => Ok(()),
    }
}

/// A setting that is kept as it is given, with what VirtualBox makes of it.
pub fn set_plain(settings: &mut Settings, assignment: &Assignment) -> Result<(), No> {
    let path = assignment.path.parts();
    check(&path, assignment)?;
    let broken = |error: serde_json::Error| unsupported(format!("{}: {error}", assignment.path));
    let mut tree = serde_json::to_value(&*settings).map_err(broken)?;
    match &assignment.value {
        Some(value) => {
            let mut value = value.clone();
            match (path.as_slice(), &mut value) {
                (["groups"], Value::Array(groups)) if groups.is_empty() => groups.push("/".into()),
                (["bootOrder"], Value::Array(devices)) => devices.resize(4, "none".into()),
                (["audio", "driver"], Value::String(driver)) if driver == "none" => {
                    "null".clone_into(driver);
                }
                _ => {}
            }
            tree_set(&mut tree, &assignment.path, value);
        }
        None => {
            if let Some((last, parents)) = assignment.path.keys().split_last() {
                let parent = parents.iter().try_fold(&mut tree, |value, key| value.get_mut(key));
                if let Some(Value::Object(map)) = parent {
                    map.remove(last);
                }
            }
        }
    }
    *settings = serde_json::from_value(tree).map_err(broken)?;
    derive(&path, settings);
    Ok(())
}

/// What VirtualBox changes along with a setting.
fn derive(path: &[&str], settings: &mut Settings) {
    match path {
        // A USB tablet needs a USB controller.
        ["pointing" | "keyboard"] => {
            let device = if path == ["pointing"] { &settings.pointing } else { &settings.keyboard };
            if device.as_ref().is_some_and(|device| device.starts_with("usb")) {
                let controllers = settings.usb.get_or_insert_default().controllers.get_or_insert_default();
                if controllers.is_empty() {
                    controllers.push("ohci".to_owned());
                }
            }
        }
        ["audio", "controller"] => {
            if let Some(audio) = &mut settings.audio {
                let codec = match audio.controller.as_deref() {
                    Some("hda") => "stac9221",
                    Some("sb16") => "sb16",
                    _ => "stac9700",
                };
                audio.codec = Some(codec.to_owned());
            }
        }
        // That chipset does not work without one.
        ["chipset"] if settings.chipset == Some(Chipset::Ich9) => settings.ioapic = Some(true),
        ["x2apic"] => settings.apic = settings.x2apic,
        // Off alone changes nothing while there is an x2APIC.
        ["apic"] if settings.x2apic == Some(true) => settings.apic = Some(true),
        _ => {}
    }
}

fn tree_set(tree: &mut Value, path: &FieldPath, value: Value) {
    let mut place = tree;
    for key in path.keys() {
        if !place.is_object() {
            *place = Value::Object(serde_json::Map::new());
        }
        let Value::Object(map) = place else { return };
        place = map.entry(key.clone()).or_insert(Value::Null);
    }
    *place = value;
}
