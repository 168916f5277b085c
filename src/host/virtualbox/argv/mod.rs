//! Actions as command lines of VBoxManage. Pure: `-o commands` shows what the runner would be given.
//!
//! Machines and media are addressed by UUID only. Options stand as `--flag=value`, the form in which a value may begin
//! with `-`, be empty or hold line breaks; `storagectl` alone counts its arguments, so that its name stands apart
//! (measured on 7.2.22).

mod flags;
mod live;
pub(in crate::host) mod modify;
mod network;

use std::path::Path;

use uuid::Uuid;

pub use flags::Spellings;

use super::command::CommandLine;
use crate::host::HostError;
use crate::inventory::{DeviceKind, Mark};
use crate::model::settings::{Bus, ControllerType, UsbFilter};
use crate::model::{Controller, Location, SharedFolder};
use crate::plan::{Action, Insert, Target};

/// The command lines that perform an action, in their order.
///
/// Performing knows more than one call can say: a shutdown also waits, and a relative disk location is below the
/// machine's folder.
pub fn command_lines(action: &Action, spellings: &Spellings) -> Result<Vec<CommandLine>, HostError> {
    let of = |machine: &Target, words: &[&str]| -> Result<CommandLine, HostError> {
        let (verb, rest) = words.split_first().map_or(("", words), |(verb, rest)| (*verb, rest));
        Ok(CommandLine::of([verb, &id(machine)?.to_string()]).with(rest))
    };
    // A live machine's settings are saved behind a change that would stay in memory: by its mark, with another value.
    let saving = |machine: &Target, mark: Option<&Mark>| -> Result<Option<CommandLine>, HostError> {
        mark.map(|mark| Ok(of(machine, &["setextradata", Mark::KEY])?.arg(mark.to_value()))).transpose()
    };
    let one = |command: CommandLine| Ok(vec![command]);
    match action {
        Action::CreateMachine { uuid, name, os_type, groups, folder } => {
            let mut command = CommandLine::of(["createvm"]).option("name", name).option("ostype", os_type);
            if let Some(uuid) = uuid {
                command = command.option("uuid", uuid);
            }
            if !groups.is_empty() {
                command = command.option("groups", groups.join(","));
            }
            one(command.option("basefolder", folder.display()).arg("--register"))
        }
        Action::ModifyMachine { machine, set } => {
            let mut commands = Vec::new();
            for set in modify::calls(set) {
                let arguments = modify::arguments(&set, spellings)?;
                commands.push(arguments.into_iter().fold(of(machine, &["modifyvm"])?, CommandLine::arg));
            }
            Ok(commands)
        }
        Action::ModifyLive { machine, set, save } => {
            let mut commands = Vec::new();
            for call in live::calls(set)? {
                commands.push(call.into_iter().fold(of(machine, &["controlvm"])?, CommandLine::arg));
            }
            commands.extend(saving(machine, save.as_ref())?);
            Ok(commands)
        }
        Action::SetSecureBoot { machine, enabled } => {
            let switch = if *enabled { "--enable" } else { "--disable" };
            one(CommandLine::of(["modifynvram", &id(machine)?.to_string(), "secureboot", switch]))
        }
        Action::SetSecret { machine, field, .. } => {
            let flag = match field.parts().as_slice() {
                ["teleporter", "password"] => "teleporter-password-file",
                _ => return Err(no(&format!("setting the secret {field}"))),
            };
            // The secret itself is written to its standard input: a command line can be seen by everybody.
            one(of(machine, &["modifyvm"])?.option(flag, "stdin"))
        }
        Action::AddBandwidthGroup { machine, name, group } => {
            let kind = group.r#type.as_deref().ok_or_else(|| no("a bandwidth group without a type"))?;
            let limit = limit_word(group.limit.unwrap_or_default())?;
            one(bandwidth(machine, "add", name)?.option("type", kind).option("limit", limit))
        }
        Action::LimitBandwidthGroup { machine, name, limit } => {
            one(bandwidth(machine, "set", name)?.option("limit", limit_word(*limit)?))
        }
        Action::RemoveBandwidthGroup { machine, name } => one(bandwidth(machine, "remove", name)?),
        Action::AssignBandwidthGroup { machine, at, group } => {
            let group = if group.is_empty() { "none" } else { group };
            one(slot(of(machine, &["storageattach"])?, at).option("bandwidthgroup", group))
        }
        Action::AddUsbFilter { machine, position, filter } => {
            one(usb_filter(id(machine)?, *position, filter)?)
        }
        Action::RemoveUsbFilter { machine, position } => {
            one(CommandLine::of(["usbfilter", "remove", &index(*position)?]).option("target", id(machine)?))
        }
        Action::MoveMachine { machine, folder } => {
            let folder = absolute(folder)?;
            one(of(machine, &["movevm", "--type=basic"])?.option("folder", folder))
        }
        Action::SetExtraData { machine, key, value } => {
            one(with_value(of(machine, &["setextradata", key])?, value.as_deref()))
        }
        Action::SetGuestProperty { machine, key, value, save } => {
            let verb = if value.is_some() { "set" } else { "unset" };
            let command = CommandLine::of(["guestproperty", verb, &id(machine)?.to_string(), key]);
            Ok([with_value(command, value.as_deref())]
                .into_iter()
                .chain(saving(machine, save.as_ref())?)
                .collect())
        }
        Action::WriteMark { machine, mark } => one(with_value(
            of(machine, &["setextradata", Mark::KEY])?,
            mark.as_ref().map(Mark::to_value).as_deref(),
        )),
        Action::WriteRegister { shard } => {
            one(with_value(CommandLine::of(["setextradata", "global", &shard.key]), shard.value.as_deref()))
        }
        Action::AddController { machine, name, controller } => {
            let bus = controller.bus.as_ref().ok_or_else(|| no("a controller without a bus"))?;
            let command = of(machine, &["storagectl", "--name", name])?.option("add", bus_word(bus)?);
            one(controller_options(command, controller)?)
        }
        Action::ChangeController { machine, name, controller } => {
            one(controller_options(of(machine, &["storagectl", "--name", name])?, controller)?)
        }
        Action::RemoveController { machine, name } => {
            one(of(machine, &["storagectl", "--name", name, "--remove"])?)
        }
        Action::CreateDisk { location, format, variant, size, .. } => {
            one(CommandLine::of(["createmedium", "disk"])
                .option("filename", location.display())
                .option("format", format.to_uppercase())
                .option("variant", variant_word(variant)?)
                .option("sizebyte", size.0))
        }
        // `--format` is never left to VirtualBox: it would take the image's own and not the file's.
        Action::CloneDisk { image, location, format, variant, .. } => {
            one(CommandLine::of(["clonemedium", "disk", &absolute(image)?, &location.display().to_string()])
                .option("format", format.to_uppercase())
                .option("variant", variant_word(variant)?))
        }
        Action::SetDisk { medium, disk_type, description } => {
            let mut commands: Vec<CommandLine> = Vec::new();
            for (flag, value) in [("type", disk_type), ("description", description)] {
                if let Some(value) = value {
                    let command = CommandLine::of(["modifymedium", "disk", &id(medium)?.to_string()]);
                    commands.push(command.option(flag, value));
                }
            }
            Ok(commands)
        }
        Action::MoveDisk { medium, location } => {
            one(CommandLine::of(["modifymedium", "disk", &id(medium)?.to_string()])
                .option("move", absolute(location)?))
        }
        Action::LocateDisk { medium, location } => {
            one(CommandLine::of(["modifymedium", "disk", &id(medium)?.to_string()])
                .option("setlocation", absolute(location)?))
        }
        Action::RenewDisk { file, to, .. } => {
            one(CommandLine::of(["internalcommands", "sethduuid", &absolute(file)?, &to.to_string()]))
        }
        Action::GrowDisk { medium, size } => {
            one(CommandLine::of(["modifymedium", "disk", &id(medium)?.to_string()])
                .option("resizebyte", size.0))
        }
        Action::Attach { machine, at, kind, insert, options } => {
            let mut command = slot(of(machine, &["storageattach"])?, at)
                .option("type", kind_word(*kind))
                .option("medium", medium_word(insert)?);
            for (name, value) in options {
                let flag = option_flag(name).ok_or_else(|| no(&format!("attaching with {name}")))?;
                command = command.option(flag, on_off(*value));
            }
            one(command)
        }
        // The difference is VirtualBox's own: its UUID, and with it the line, is known when it is there. Of what a birth left VirtualBox
        // knows nothing.
        Action::SetAutoReset { .. } | Action::ClearBirth { .. } => Ok(Vec::new()),
        Action::Detach { machine, at } => {
            one(slot(of(machine, &["storageattach"])?, at).option("medium", "none"))
        }
        Action::DeleteDisk { medium, .. } => {
            one(CommandLine::of(["closemedium", "disk", &id(medium)?.to_string(), "--delete"]))
        }
        Action::CloseDisk { medium } => {
            one(CommandLine::of(["closemedium", "disk", &id(medium)?.to_string()]))
        }
        Action::AddSharedFolder { machine, name, folder } => shared_folder(id(machine)?, name, folder),
        Action::RemoveSharedFolder { machine, name } => {
            one(CommandLine::of(["sharedfolder", "remove", &id(machine)?.to_string()]).option("name", name))
        }
        Action::Start { machine } => one(of(machine, &["startvm", "--type=headless"])?),
        Action::Shutdown { machine, .. } => one(of(machine, &["controlvm", "acpipowerbutton"])?),
        Action::PowerCut { machine } => one(of(machine, &["controlvm", "poweroff"])?),
        Action::Pause { machine } => one(of(machine, &["controlvm", "pause"])?),
        Action::Resume { machine } => one(of(machine, &["controlvm", "resume"])?),
        Action::Reset { machine } => one(of(machine, &["controlvm", "reset"])?),
        Action::SaveState { machine } => one(of(machine, &["controlvm", "savestate"])?),
        Action::DiscardState { machine } => one(of(machine, &["discardstate"])?),
        Action::TakeSnapshot { machine, name, description, live } => {
            let mut command = of(machine, &["snapshot", "take", name])?;
            if !description.is_empty() {
                command = command.option("description", description);
            }
            one(if *live { command.arg("--live") } else { command })
        }
        Action::RestoreSnapshot { machine, snapshot } => {
            one(of(machine, &["snapshot", "restore", &not_nil(*snapshot)?.to_string()])?)
        }
        Action::DescribeSnapshot { machine, snapshot, description } => {
            let snapshot = not_nil(*snapshot)?.to_string();
            one(of(machine, &["snapshot", "edit", &snapshot])?.option("description", description))
        }
        Action::DeleteSnapshot { machine, snapshot } => {
            one(of(machine, &["snapshot", "delete", &not_nil(*snapshot)?.to_string()])?)
        }
        Action::Network { change } => network::command_lines(change),
        Action::Unregister { machine, delete } => {
            one(of(machine, if *delete { &["unregistervm", "--delete"] } else { &["unregistervm"] })?)
        }
    }
}

impl CommandLine {
    fn with(self, words: &[&str]) -> Self {
        words.iter().copied().fold(self, Self::arg)
    }
}

fn no(what: &str) -> HostError {
    HostError::Unsupported { what: what.to_owned() }
}

/// The UUID of a target. A plan's steps are bound before they are performed.
fn id(target: &Target) -> Result<Uuid, HostError> {
    match target {
        Target::Existing(uuid) => not_nil(*uuid),
        Target::Planned(address) => Err(no(&format!("an action on {address}, which has no UUID yet,"))),
    }
}

/// VirtualBox takes an empty UUID for the first object that it finds: `snapshot delete` deletes that one (measured).
fn not_nil(uuid: Uuid) -> Result<Uuid, HostError> {
    if uuid.is_nil() { Err(no("an action on an empty UUID")) } else { Ok(uuid) }
}

fn bandwidth(machine: &Target, verb: &str, name: &str) -> Result<CommandLine, HostError> {
    Ok(CommandLine::of(["bandwidthctl", &id(machine)?.to_string(), verb, name]))
}

/// Bytes a second as VirtualBox takes them: its `k` is 1000 bits, its other suffixes are powers of two.
fn limit_word(bytes: u64) -> Result<String, HostError> {
    match bytes {
        0 => Ok("0".to_owned()),
        _ if bytes.is_multiple_of(125) => Ok(format!("{}k", bytes / 125)),
        _ => Err(no(&format!("a limit of {bytes} bytes a second, which is no multiple of 1 kbit/s,"))),
    }
}

/// VirtualBox counts filters from 0.
fn index(position: u32) -> Result<String, HostError> {
    let index = position.checked_sub(1).ok_or_else(|| no("a USB filter at position 0"))?;
    Ok(index.to_string())
}

fn usb_filter(machine: Uuid, position: u32, filter: &UsbFilter) -> Result<CommandLine, HostError> {
    let name = filter.name.as_deref().unwrap_or_default();
    let active = if filter.active.unwrap_or(true) { "yes" } else { "no" };
    let mut command = CommandLine::of(["usbfilter", "add", &index(position)?])
        .option("target", machine)
        .option("name", name)
        .option("active", active);
    for (flag, value) in [
        ("vendorid", &filter.vendor_id),
        ("productid", &filter.product_id),
        ("revision", &filter.revision),
        ("manufacturer", &filter.manufacturer),
        ("product", &filter.product),
        ("serialnumber", &filter.serial_number),
        ("port", &filter.port),
    ] {
        if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
            command = command.option(flag, value);
        }
    }
    if let Some(remote) = filter.remote.as_deref().filter(|remote| *remote != "any") {
        command = command.option("remote", remote);
    }
    Ok(command)
}

/// A key is set with a value and removed without.
fn with_value(command: CommandLine, value: Option<&str>) -> CommandLine {
    value.into_iter().fold(command, CommandLine::arg)
}

const fn on_off(value: bool) -> &'static str {
    if value { "on" } else { "off" }
}

fn slot(command: CommandLine, at: &Location) -> CommandLine {
    command.option("storagectl", &at.controller).option("port", at.port).option("device", at.device)
}

fn controller_options(mut command: CommandLine, controller: &Controller) -> Result<CommandLine, HostError> {
    if let Some(chip) = &controller.r#type {
        command = command.option("controller", chip_word(chip)?);
    }
    if let Some(ports) = controller.ports {
        command = command.option("portcount", ports);
    }
    if let Some(cache) = controller.host_io_cache {
        command = command.option("hostiocache", on_off(cache));
    }
    if let Some(bootable) = controller.bootable {
        command = command.option("bootable", on_off(bootable));
    }
    Ok(command)
}

fn bus_word(bus: &Bus) -> Result<&'static str, HostError> {
    Ok(match bus {
        Bus::Ide => "ide",
        Bus::Sata => "sata",
        Bus::Scsi => "scsi",
        Bus::Sas => "sas",
        Bus::Pcie => "pcie",
        Bus::Virtio => "virtio",
        Bus::Floppy => "floppy",
        Bus::Usb => "usb",
        Bus::Other(word) => return Err(no(&format!("a controller on bus {word}"))),
    })
}

fn chip_word(chip: &ControllerType) -> Result<&'static str, HostError> {
    Ok(match chip {
        ControllerType::Piix3 => "PIIX3",
        ControllerType::Piix4 => "PIIX4",
        ControllerType::Ich6 => "ICH6",
        ControllerType::Ahci => "IntelAhci",
        ControllerType::LsiLogic => "LSILogic",
        ControllerType::BusLogic => "BusLogic",
        ControllerType::LsiLogicSas => "LSILogicSAS",
        ControllerType::NvMe => "NVMe",
        ControllerType::VirtioScsi => "VirtIO",
        ControllerType::I82078 => "I82078",
        ControllerType::Usb => "USB",
        ControllerType::Other(word) => return Err(no(&format!("a controller of type {word}"))),
    })
}

fn variant_word(variant: &str) -> Result<&'static str, HostError> {
    Ok(match variant {
        "dynamic" => "Standard",
        "fixed" => "Fixed",
        "split2g" => "Split2G",
        "split2g-fixed" => "Split2G,Fixed",
        "stream" => "Stream",
        // `ESX` alone is refused (measured).
        "esx" => "ESX,Fixed",
        other => return Err(no(&format!("a disk of variant {other}"))),
    })
}

const fn kind_word(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Disk => "hdd",
        DeviceKind::Dvd => "dvddrive",
        DeviceKind::Floppy => "fdd",
    }
}

fn medium_word(insert: &Insert) -> Result<String, HostError> {
    Ok(match insert {
        Insert::Medium(medium) => id(medium)?.to_string(),
        Insert::File(file) => absolute(file)?,
        Insert::HostDrive(drive) => format!("host:{drive}"),
        Insert::Nothing => "emptydrive".to_owned(),
    })
}

/// A path that VirtualBox cannot take for a word of its own, or relative to who knows what.
fn absolute(file: &Path) -> Result<String, HostError> {
    let text = file.display().to_string();
    if file.is_absolute() {
        Ok(text)
    } else {
        Err(no(&format!("using {text}, which is not an absolute path,")))
    }
}

fn option_flag(name: &str) -> Option<&'static str> {
    Some(match name {
        "hotPluggable" => "hotpluggable",
        "ssd" => "nonrotational",
        "discard" => "discard",
        "passthrough" => "passthrough",
        "tempEject" => "tempeject",
        _ => return None,
    })
}

fn shared_folder(machine: Uuid, name: &str, folder: &SharedFolder) -> Result<Vec<CommandLine>, HostError> {
    let machine = machine.to_string();
    let path = folder.host_path.as_ref().ok_or_else(|| no("a shared folder without a path"))?;
    let path = absolute(Path::new(path))?;
    let mut add =
        CommandLine::of(["sharedfolder", "add", &machine]).option("name", name).option("hostpath", path);
    let (read_only, automount) = (folder.read_only == Some(true), folder.automount == Some(true));
    let mount_point = folder.mount_point.as_deref().unwrap_or_default();
    if read_only {
        add = add.arg("--readonly");
    }
    if automount {
        add = add.arg("--automount");
    }
    if !mount_point.is_empty() {
        add = add.option("auto-mount-point", mount_point);
    }
    let mut commands = vec![add];
    if let Some(symlinks) = folder.symlinks.as_deref().filter(|policy| *policy != SYMLINKS) {
        // Came with 7.1.
        let modify = CommandLine::of(["sharedfolder", "modify", &machine]);
        let modify = modify.option("name", name).option("symlink-policy", symlinks);
        commands.push(modify);
    }
    Ok(commands)
}

/// The policy of a new shared folder.
const SYMLINKS: &str = "forbidden";

#[cfg(test)]
mod tests;
