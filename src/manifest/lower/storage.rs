//! Controllers, disks and drives of one machine.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::checked::{Checked, Member as Entry};
use super::super::diagnostic::{Diagnostic, Label, Sink};
use super::super::source::Span;
use super::super::suggest::nearest;
use super::machine::{chipset, conflict, is_there};
use super::member::Member;
use super::text_of;
use crate::model::settings::{Bus, Chipset, ControllerType};
use crate::model::{Address, Bytes, DesiredDisk, DesiredDvd, DiskSource, DvdSource, Image, Location};

/// The controller that disks and drives imply where none is written.
const IMPLIED: &str = "SATA";

/// A controller as the rules need it.
struct Controller<'a> {
    name: &'a str,
    bus: Bus,
    ports: u32,
    /// Where it is declared; nowhere if it is implied.
    declared: Option<Label>,
}

pub(super) fn rules(member: &Member<'_>, sink: &mut Sink) {
    let spec = &member.spec;
    let controllers = controllers(spec, sink);
    for disk in entries(spec, "disks") {
        disk_rules(member, disk, sink);
        super::nics::bandwidth_group(spec, &disk.value, "disk", sink);
    }
    same_file(spec, sink);
    for (key, noun) in [("dvds", "DVD"), ("floppies", "floppy")] {
        for drive in spec.get(key).map(Checked::items).unwrap_or_default() {
            drive_rules(drive, noun, sink);
        }
    }
    places(spec, &controllers, sink);
}

fn entries<'a>(spec: &'a Checked, key: &str) -> &'a [Entry] {
    spec.get(key).map(Checked::members).unwrap_or_default()
}

fn controllers<'a>(spec: &'a Checked, sink: &mut Sink) -> Vec<Controller<'a>> {
    if spec.get("controllers").is_none() {
        return vec![Controller { name: IMPLIED, bus: Bus::Sata, ports: 30, declared: None }];
    }
    let piix3 = chipset(spec) == Some(Chipset::Piix3) && spec.get("chipset").is_some();
    let mut found: Vec<Controller<'_>> = Vec::new();
    for entry in entries(spec, "controllers") {
        let Some((bus, bus_value)) =
            text_of(&entry.value, "bus").and_then(|(word, value)| Some((Bus::parse(word)?, value)))
        else {
            continue;
        };
        let Some(limits) = bus.limits() else { continue };
        if let Some((word, value)) = text_of(&entry.value, "type")
            && let Some(of) = ControllerType::parse(word).and_then(|kind| kind.bus())
            && of != bus
        {
            let help =
                format!("`{word}` drives {of}; the usual chip of {bus} is taken where `type` is left out");
            conflict(
                sink,
                format!("a {word} controller does not drive {bus}"),
                (value, "the chip"),
                (bus_value, "the bus"),
                &help,
            );
        }
        let mut ports = limits.default_ports;
        if let Some(value) = entry.value.get("ports")
            && let Some(number) = value.int().and_then(|number| u32::try_from(number).ok())
        {
            let fixed = matches!(bus, Bus::Ide | Bus::Scsi | Bus::Floppy | Bus::Usb);
            if number > limits.max_ports || (fixed && number != limits.max_ports) {
                let all = limits.max_ports;
                let message = if fixed {
                    format!("controllers of {bus} have {all} ports, no more and no fewer")
                } else {
                    format!("controllers of {bus} have at most {all} ports")
                };
                sink.push(
                    Diagnostic::error("out-of-range", message)
                        .at_all(value.places("this many ports"))
                        .at_all(bus_value.places("the bus")),
                );
            }
            ports = number;
        }
        let same: Vec<&Controller<'_>> = found.iter().filter(|other| other.bus == bus).collect();
        let single = matches!(bus, Bus::Ide | Bus::Floppy | Bus::Usb) || piix3;
        if let Some(label) = same.first().filter(|_| single).and_then(|first| first.declared.clone()) {
            let help = if matches!(bus, Bus::Ide | Bus::Floppy | Bus::Usb) {
                format!("a machine has one {bus} controller at most")
            } else {
                "with chipset piix3 VirtualBox takes one controller of each bus; ich9 takes eight".to_owned()
            };
            sink.push(
                Diagnostic::error("conflict", format!("there are two {bus} controllers"))
                    .at(entry.key_span, "a second one")
                    .at(label.span, "the first one")
                    .help(help),
            );
        }
        let declared = Some(Label { span: entry.key_span, text: "the controller".to_owned() });
        found.push(Controller { name: &entry.key, bus, ports, declared });
    }
    found
}

fn disk_rules(member: &Member<'_>, disk: &Entry, sink: &mut Sink) {
    let value = &disk.value;
    if let Some(reference) = value.get("disk") {
        let own = ["size", "format", "variant", "location", "image", "sha256", "linked"];
        if let Some(other) = own.iter().find_map(|key| value.member(key)) {
            sink.push(
                Diagnostic::error(
                    "conflict",
                    format!("disks.{}: `{}` belongs to the Disk document", disk.key, other.key),
                )
                .at(other.key_span, "says what the disk is")
                .at_all(reference.places("and this says that another document does"))
                .help("write it there, or leave `disk` out for a disk that lives and dies with this machine"),
            );
        }
        return;
    }
    let known = ["size", "image"].iter().any(|key| value.get(key).is_some());
    if !known && !member.doc.flag("external") {
        sink.push(
            Diagnostic::error(
                "missing-key",
                format!("disks.{}: it is not said how large the disk is", disk.key),
            )
            .at(disk.key_span, "this disk")
            .help("write `size: 20GiB`, or `disk: NAME` for one that has a document of its own"),
        );
    }
    if let Some(checksum) = value.get("sha256")
        && value.get("image").is_none()
    {
        sink.push(
            Diagnostic::error(
                "conflict",
                format!("disks.{}: there is no image that it could be of", disk.key),
            )
            .at_all(checksum.places("a checksum"))
            .help("write `image`, or leave `sha256` out"),
        );
    }
    if let Some(linked) = value.get("linked")
        && linked.flag() == Some(true)
        && value.get("image").is_none()
    {
        sink.push(
            Diagnostic::error("conflict", format!("disks.{}: there is no image to be linked to", disk.key))
                .at_all(linked.places("linked"))
                .help("write `image`, or leave `linked` out"),
        );
    }
    format_rules(value, &format!("disks.{}", disk.key), sink);
}

/// Formats, variants and file names that go together; also those of `Disk` documents.
pub(super) fn format_rules(disk: &Checked, name: &str, sink: &mut Sink) {
    let format = text_of(disk, "format");
    let written = format.map_or("vdi", |(word, _)| word);
    if let Some((variant, value)) = text_of(disk, "variant") {
        let fits: &[&str] = match written {
            "vmdk" => &["dynamic", "fixed", "split2g", "split2g-fixed", "stream", "esx"],
            _ => &["dynamic", "fixed"],
        };
        if !fits.contains(&variant) {
            let diagnostic =
                Diagnostic::error("conflict", format!("{name}: there is no {variant} variant of {written}"))
                    .at_all(value.places("the variant"));
            let diagnostic = match format {
                Some((_, format)) => diagnostic.at_all(format.places("the format")),
                None => diagnostic,
            };
            sink.push(diagnostic.help(format!("{written} has {}; vmdk has them all", fits.join(" and "))));
        }
    }
    let Some((location, value)) = text_of(disk, "location") else { return };
    let extension =
        std::path::Path::new(location).extension().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
    let diagnostic = if extension.is_empty() {
        Diagnostic::error(
            "malformed",
            format!("{name}: the file has no extension, and VirtualBox would add one"),
        )
        .help(format!("write `{location}.{written}`"))
    } else if extension != written && super::super::vocabulary::DISK_FORMATS.contains(&extension) {
        Diagnostic::error("conflict", format!("{name}: a file in format {written} is named .{extension}"))
            .help(format!("write `format: {extension}`, or name the file .{written}"))
    } else {
        return;
    };
    let diagnostic = diagnostic.at_all(value.places("the file"));
    sink.push(match format {
        Some((_, format)) => diagnostic.at_all(format.places("the format")),
        None => diagnostic,
    });
}

/// Two disks of a machine must not be one file.
fn same_file(spec: &Checked, sink: &mut Sink) {
    let mut seen: Vec<(String, Span, &str)> = Vec::new();
    for disk in entries(spec, "disks").iter().filter(|disk| disk.value.get("disk").is_none()) {
        let format = text_of(&disk.value, "format").map_or("vdi", |(word, _)| word);
        let (file, span) = match text_of(&disk.value, "location") {
            Some((location, value)) => (location.to_owned(), value.span().unwrap_or(disk.key_span)),
            None if disk.value.get("location").is_some() => continue,
            None => (format!("{}.{format}", disk.key), disk.key_span),
        };
        if let Some((_, first, key)) = seen.iter().find(|(known, ..)| *known == file) {
            sink.push(
                Diagnostic::error(
                    "conflict",
                    format!("the disks `{key}` and `{}` are the same file", disk.key),
                )
                .at(span, format!("`{file}` again"))
                .at(*first, format!("`{file}`"))
                .help("a disk without `location` is KEY.FORMAT in the machine's own folder"),
            );
        }
        seen.push((file, span, &disk.key));
    }
}

fn drive_rules(drive: &Checked, noun: &str, sink: &mut Sink) {
    if let Some(empty) = drive.get("empty").filter(|empty| empty.flag() == Some(false)) {
        sink.push(
            Diagnostic::error(
                "conflict",
                format!("a {noun} drive that is not empty has an image or a drive of the host"),
            )
            .at_all(empty.places("not empty"))
            .help("write `empty: true`, `image: FILE` or `hostDrive: DEVICE`"),
        );
    }
    if let Some(passthrough) = drive.get("passthrough").filter(|value| value.flag() == Some(true))
        && !is_there(drive.get("hostDrive"))
    {
        sink.push(
            Diagnostic::error("conflict", "only a drive of the host can take commands from the guest")
                .at_all(passthrough.places("passthrough"))
                .help("write `hostDrive: DEVICE`, or leave `passthrough` out"),
        );
    }
}

/// What is attached, where it must be.
struct Attached<'a> {
    noun: &'static str,
    place: Option<(Location, &'a Checked)>,
    span: Span,
    fits: fn(&Bus) -> bool,
}

fn places(spec: &Checked, controllers: &[Controller<'_>], sink: &mut Sink) {
    let mut attached: Vec<Attached<'_>> = Vec::new();
    for disk in entries(spec, "disks") {
        attached.push(Attached {
            noun: "a disk",
            place: place_of(&disk.value),
            span: disk.key_span,
            fits: |bus| !matches!(bus, Bus::Floppy),
        });
    }
    for (key, noun, fits) in [
        ("dvds", "a DVD drive", (|bus| !matches!(bus, Bus::Floppy | Bus::Pcie)) as fn(&Bus) -> bool),
        ("floppies", "a floppy drive", |bus| matches!(bus, Bus::Floppy)),
    ] {
        for drive in spec.get(key).map(Checked::items).unwrap_or_default() {
            let Some(span) = drive.span() else { continue };
            attached.push(Attached { noun, place: place_of(drive), span, fits });
        }
    }
    let mut taken: BTreeMap<(String, u32, u32), &Checked> = BTreeMap::new();
    for device in &attached {
        let Some((location, value)) = &device.place else {
            anywhere(spec, device, controllers, sink);
            continue;
        };
        if !at_controller(device, location, value, controllers, sink) {
            continue;
        }
        let slot = (location.controller.clone(), location.port, location.device);
        match taken.get(&slot) {
            Some(first) => {
                let help = "VirtualBox would replace the first one in silence";
                conflict(
                    sink,
                    format!("`{location}` is taken twice"),
                    (value, "again here"),
                    (first, "first here"),
                    help,
                );
            }
            None => {
                taken.insert(slot, value);
            }
        }
    }
    room(spec, &attached, controllers, sink);
}

fn place_of(value: &Checked) -> Option<(Location, &Checked)> {
    let (text, at) = text_of(value, "at")?;
    Some((text.parse().ok()?, at))
}

/// A device without a place needs some controller that can have it.
fn anywhere(spec: &Checked, device: &Attached<'_>, controllers: &[Controller<'_>], sink: &mut Sink) {
    // Floppy drives imply their controller: there is only one kind, with only one port.
    if device.noun == "a floppy drive" || controllers.iter().any(|controller| (device.fits)(&controller.bus))
    {
        return;
    }
    // A controller whose bus is wrong is reported already.
    if spec.get("controllers").is_some_and(|map| map.members().len() != controllers.len()) {
        return;
    }
    let diagnostic =
        Diagnostic::error("dangling-reference", format!("there is no controller for {}", device.noun))
            .at(device.span, "cannot be attached");
    let diagnostic = match spec.member("controllers") {
        Some(member) => diagnostic.at(member.key_span, "these are all controllers"),
        None => diagnostic,
    };
    sink.push(diagnostic.help("declare one: `controllers: {SATA: {bus: sata}}`, or leave `controllers` out"));
}

/// Whether a place exists on its controller.
fn at_controller(
    device: &Attached<'_>,
    location: &Location,
    value: &Checked,
    controllers: &[Controller<'_>],
    sink: &mut Sink,
) -> bool {
    let Some(controller) = controllers.iter().find(|controller| controller.name == location.controller)
    else {
        let near = nearest(&location.controller, controllers.iter().map(|controller| controller.name));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if controllers.iter().all(|controller| controller.declared.is_none()) => format!(
                "only `{IMPLIED}` is there by itself; declare the other one: `controllers: {{{}: {{bus: ide}}}}`",
                location.controller
            ),
            None => "declare it in `controllers`".to_owned(),
        };
        sink.push(
            Diagnostic::error(
                "dangling-reference",
                format!("there is no controller `{}`", location.controller),
            )
            .at_all(value.places("not declared"))
            .help(help),
        );
        return false;
    };
    let Some(limits) = controller.bus.limits() else { return false };
    let bus = &controller.bus;
    let diagnostic = if !(device.fits)(bus) {
        Diagnostic::error("conflict", format!("{} cannot be attached to {bus}", device.noun))
    } else if location.port >= controller.ports {
        let last = controller.ports.saturating_sub(1);
        let help = if controller.ports < limits.max_ports {
            format!(
                "ports are counted from 0, the last one is {last}; `ports` can be up to {}",
                limits.max_ports
            )
        } else {
            format!("ports are counted from 0, the last one is {last}")
        };
        Diagnostic::error("out-of-range", format!("`{}` has no port {}", controller.name, location.port))
            .help(help)
    } else if location.device >= limits.devices_per_port {
        let count = limits.devices_per_port;
        Diagnostic::error("out-of-range", format!("a port of {bus} has no device {}", location.device))
            .help(format!("a port of {bus} has {count}, counted from 0"))
    } else {
        return true;
    };
    let diagnostic = diagnostic.at_all(value.places("this place"));
    sink.push(match &controller.declared {
        Some(label) => diagnostic.at(label.span, label.text.clone()),
        None => diagnostic,
    });
    false
}

/// Everything that is attached needs a place of its own.
fn room(spec: &Checked, attached: &[Attached<'_>], controllers: &[Controller<'_>], sink: &mut Sink) {
    for (noun, key) in [("a disk", "disks"), ("a floppy drive", "floppies")] {
        let count = match key {
            "disks" => attached.iter().filter(|device| device.noun != "a floppy drive").count(),
            _ => attached.iter().filter(|device| device.noun == noun).count(),
        };
        let places: usize = controllers
            .iter()
            .filter(|controller| matches!(controller.bus, Bus::Floppy) == (key == "floppies"))
            .map(|controller| {
                let each = controller.bus.limits().map_or(1, |limits| limits.devices_per_port);
                usize::try_from(controller.ports * each).unwrap_or(usize::MAX)
            })
            .sum();
        if places > 0
            && count > places
            && let Some(member) = spec.member(key)
        {
            sink.push(
                Diagnostic::error("out-of-range", format!("{count} devices do not fit {places} places"))
                    .at(member.key_span, "too many")
                    .help("give a controller more `ports`, or declare another controller"),
            );
        }
    }
}

/// Disks by key.
pub(super) fn disks(spec: &Checked) -> Result<Option<BTreeMap<String, Box<DesiredDisk>>>, String> {
    let Some(map) = spec.get("disks") else { return Ok(None) };
    let mut result = BTreeMap::new();
    for entry in map.members() {
        let value = &entry.value;
        let text = |key: &str| text_of(value, key).map(|(text, _)| text.to_owned());
        let size =
            value.get("size").and_then(Checked::int).and_then(|size| u64::try_from(size).ok()).map(Bytes);
        let disk = match text("disk") {
            Some(name) => DiskSource::Reference { disk: Address::Disk(name), file: PathBuf::new() },
            None => DiskSource::Inline {
                size,
                format: text("format"),
                variant: text("variant"),
                location: text("location").map(PathBuf::from),
                image: text("image").map(|file| Image { file: PathBuf::from(file), sha256: text("sha256") }),
            },
        };
        let at = text("at").map(|at| at.parse::<Location>()).transpose()?;
        let flag = |key: &str| value.get(key).and_then(Checked::flag);
        let lowered = DesiredDisk {
            disk,
            at,
            ssd: flag("ssd"),
            discard: flag("discard"),
            hot_pluggable: flag("hotPluggable"),
            bandwidth_group: text("bandwidthGroup"),
        };
        result.insert(entry.key.clone(), lowered.into());
    }
    Ok(Some(result))
}

/// DVD or floppy drives in their order.
pub(super) fn drives(spec: &Checked, key: &str) -> Result<Option<Vec<DesiredDvd>>, String> {
    let Some(list) = spec.get(key) else { return Ok(None) };
    let lower = |drive: &Checked| {
        let text = |key: &str| text_of(drive, key).map(|(text, _)| text.to_owned());
        let medium = match (text("image"), text("hostDrive")) {
            (Some(image), _) => DvdSource::Image(PathBuf::from(image)),
            (None, Some(device)) => DvdSource::HostDrive(device),
            (None, None) => DvdSource::Empty,
        };
        let at = text("at").map(|at| at.parse::<Location>()).transpose()?;
        let flag = |key: &str| drive.get(key).and_then(Checked::flag);
        // VirtualBox keeps it with a medium only (measured); `empty_drives` warns.
        let temp_eject = flag("tempEject").filter(|_| medium != DvdSource::Empty);
        Ok(DesiredDvd { medium, at, passthrough: flag("passthrough"), temp_eject })
    };
    list.items().iter().map(lower).collect::<Result<Vec<_>, String>>().map(Some)
}
