//! One machine: combinations that VirtualBox cannot have, and the lowering itself.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value as Json};

use super::super::checked::{Checked, Data, place};
use super::super::diagnostic::{Diagnostic, Sink};
use super::super::forms;
use super::super::resolve::Scope;
use super::member::Member;
use super::{Checkup, lifecycle, network, nics, storage, text_of};
use crate::model::settings::{Bus, Chipset, Controller, Settings};
use crate::model::{
    Address, DesiredMachine, DesiredState, FieldPath, Lifecycle, MachineName, NetworkKind, Secret, Shared,
    Source, os_type,
};

/// A combination that cannot be: both values, each with what it says.
pub(super) fn conflict(
    sink: &mut Sink,
    message: impl Into<String>,
    first: (&Checked, &str),
    second: (&Checked, &str),
    help: &str,
) {
    if first.0.span() == second.0.span() {
        sink.push(
            Diagnostic::error("conflict", message)
                .at_all(first.0.places("the same for every member"))
                .help(format!("{help}; `${{index}}` tells members of a replicated machine apart")),
        );
        return;
    }
    sink.push(
        Diagnostic::error("conflict", message)
            .at_all(first.0.places(first.1))
            .at_all(second.0.places(second.1))
            .help(help),
    );
}

/// The chipset, where the manifest says it or VirtualBox recommends one for the declared OS type.
pub(super) fn chipset(spec: &Checked) -> Option<Chipset> {
    match text_of(spec, "chipset") {
        Some((word, _)) => Chipset::parse(word),
        None => text_of(spec, "osType").and_then(|(id, _)| os_type::lookup(id)?.settings.chipset.clone()),
    }
}

pub(super) fn rules(member: &Member<'_>, sink: &mut Sink) {
    let spec = &member.spec;
    processor(spec, sink);
    platform(spec, sink);
    devices(spec, sink);
    ports(spec, sink);
    disabled(spec, sink);
    empty_drives(spec, sink);
}

fn processor(spec: &Checked, sink: &mut Sink) {
    if let (Some(cpus), Some(ioapic)) = (spec.get("cpus"), spec.get("ioapic"))
        && cpus.int().is_some_and(|cpus| cpus > 1)
        && ioapic.flag() == Some(false)
    {
        let help = "without one the guest sees a single processor: write `ioapic: true`";
        conflict(
            sink,
            "more than one processor needs the I/O APIC",
            (cpus, "several"),
            (ioapic, "switched off"),
            help,
        );
    }
    if let (Some(apic), Some(x2apic)) = (spec.get("apic"), spec.get("x2apic"))
        && apic.flag() == Some(false)
        && x2apic.flag() == Some(true)
    {
        let help =
            "VirtualBox keeps the local APIC as long as x2APIC is on: switch both off, or leave `apic` out";
        conflict(sink, "x2APIC needs the local APIC", (x2apic, "on"), (apic, "off"), help);
    }
    if let (Some(memory), Some(balloon)) = (spec.get("memory"), spec.get("memoryBalloon"))
        && let (Some(all), Some(part)) = (memory.int(), balloon.int())
        && part >= all
    {
        conflict(
            sink,
            "the balloon takes all of the memory",
            (balloon, "this much is given back"),
            (memory, "of this"),
            "make the balloon smaller than the memory",
        );
    }
}

fn platform(spec: &Checked, sink: &mut Sink) {
    if let (Some((firmware, value)), Some(secure_boot)) = (text_of(spec, "firmware"), spec.get("secureBoot"))
        && firmware == "bios"
        && secure_boot.flag() == Some(true)
    {
        conflict(
            sink,
            "secure boot needs EFI",
            (secure_boot, "switched on"),
            (value, "not EFI"),
            "write `firmware: efi`, or leave `secureBoot` out",
        );
    }
    if let (Some((iommu, value)), Some((chipset, chips))) = (text_of(spec, "iommu"), text_of(spec, "chipset"))
        && iommu != "none"
        && chipset == "piix3"
    {
        let help = "the machine would not start: write `chipset: ich9`, or `iommu: none`";
        conflict(sink, "an IOMMU needs chipset ich9", (value, "an IOMMU"), (chips, "has none"), help);
    }
    if let Some(order) = spec.get("bootOrder") {
        for (position, item) in order.items().iter().enumerate() {
            let earlier = order.items()[..position].iter().find(|other| other.text() == item.text());
            if let (Some(first), Some(device)) = (earlier, item.text().filter(|device| *device != "none")) {
                let message = format!("bootOrder: `{device}` is there twice");
                conflict(
                    sink,
                    message,
                    (item, "again here"),
                    (first, "first here"),
                    "a device has one place in the order",
                );
            }
        }
    }
}

fn devices(spec: &Checked, sink: &mut Sink) {
    if let Some(audio) = spec.get("audio")
        && let (Some((controller, card)), Some((codec, chip))) =
            (text_of(audio, "controller"), text_of(audio, "codec"))
    {
        let fits: &[&str] = match controller {
            "ac97" => &["stac9700", "ad1980"],
            "hda" => &["stac9221"],
            _ => &["sb16"],
        };
        if !fits.contains(&codec) {
            let help = format!("a {controller} card has {}", fits.join(" or "));
            conflict(
                sink,
                "audio: this card has no such codec",
                (chip, "the codec"),
                (card, "the card"),
                &help,
            );
        }
    }
    if let Some(controllers) = spec.get("usb").and_then(|usb| usb.get("controllers")) {
        let words: Vec<&str> = controllers.items().iter().filter_map(Checked::text).collect();
        let known: [&[&str]; 4] = [&[], &["ohci"], &["ohci", "ehci"], &["xhci"]];
        let mut sorted = words.clone();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        if !known.contains(&sorted.as_slice()) && words.len() == controllers.items().len() {
            sink.push(
                Diagnostic::error("conflict", "usb.controllers: these do not go together")
                    .at_all(controllers.places("not a set that VirtualBox has"))
                    .help(
                        "there are [], [ohci], [ohci, ehci] and [xhci]; xhci serves devices of every speed",
                    ),
            );
        }
        for key in ["pointing", "keyboard"] {
            if let Some((word, value)) = text_of(spec, key)
                && word.starts_with("usb")
                && controllers.items().is_empty()
            {
                let help = "write `controllers: [ohci]`: VirtualBox would add one in silence";
                let message = format!("{key}: a USB device needs a USB controller");
                conflict(sink, message, (value, "a USB device"), (controllers, "none"), help);
            }
        }
    }
    if let Some(recording) = spec.get("recording")
        && let Some(monitors) = spec.get("graphics").and_then(|graphics| graphics.get("monitors"))
        && let Some(count) = monitors.int()
    {
        for screen in recording.get("screens").map(Checked::items).unwrap_or_default() {
            if screen.int().is_some_and(|screen| screen >= count) {
                let help = "screens are counted from 0";
                let message = "recording.screens: there is no such screen";
                conflict(sink, message, (screen, "this screen"), (monitors, "this many"), help);
            }
        }
    }
}

/// Serial and parallel ports share interrupts and I/O addresses with one another.
fn ports(spec: &Checked, sink: &mut Sink) {
    for key in ["ioBase", "irq"] {
        let mut seen: Vec<(i64, String, &Checked)> = Vec::new();
        for map in ["serialPorts", "parallelPorts"] {
            for port in spec.get(map).map(Checked::members).unwrap_or_default() {
                let Some((number, value)) = port.value.get(key).and_then(|value| Some((value.int()?, value)))
                else {
                    continue;
                };
                let name = format!("{map}.{}", port.key);
                if let Some((_, other, first)) = seen.iter().find(|(known, ..)| *known == number) {
                    let message = format!("`{name}` and `{other}` have the same {key}");
                    conflict(
                        sink,
                        message,
                        (value, "again here"),
                        (first, "first here"),
                        "give each port its own",
                    );
                }
                seen.push((number, name, value));
            }
        }
    }
}

/// Settings of what is switched off are not compared.
fn disabled(spec: &Checked, sink: &mut Sink) {
    for key in ["vrde", "audio"] {
        let Some(object) = spec.get(key) else { continue };
        let Some(enabled) = object.get("enabled").filter(|enabled| enabled.flag() == Some(false)) else {
            continue;
        };
        if let Some(other) = object.members().iter().find(|member| member.key != "enabled") {
            sink.push(
                Diagnostic::warning(
                    "disabled",
                    format!("{key}: settings of what is switched off are not compared"),
                )
                .at(other.key_span, "has no effect")
                .at_all(enabled.places("switched off"))
                .help("VirtualBox does not keep all of them: leave them out, or switch it on"),
            );
        }
    }
}

/// What VirtualBox does not keep for a drive without a medium.
fn empty_drives(spec: &Checked, sink: &mut Sink) {
    let drives = ["dvds", "floppies"].into_iter().filter_map(|key| spec.get(key));
    for drive in drives.flat_map(Checked::items) {
        let is_filled = ["image", "hostDrive"].iter().any(|key| drive.get(key).is_some());
        if let Some(option) = drive.member("tempEject").filter(|_| !is_filled) {
            sink.push(
                Diagnostic::warning(
                    "no-effect",
                    "VirtualBox keeps `tempEject` only while a medium is in the drive",
                )
                .at(option.key_span, "has no effect")
                .help("leave it out, or say what is in the drive"),
            );
        }
    }
}

/// Where the fields of a machine are written.
pub(super) type Places = Shared<BTreeMap<FieldPath, Source>>;

/// Where a member's fields are written, given those of the one before it: members of a replicated machine nearly always share them.
pub(super) fn places(
    member: &Member<'_>,
    before: Option<(&Member<'_>, &Places)>,
    scope: Scope<'_>,
) -> Places {
    if let Some((other, places)) = before
        && std::ptr::eq(other.doc, member.doc)
        && other.spec.is_written_like(&member.spec)
    {
        return places.clone();
    }
    let mut found = BTreeMap::new();
    member.spec.trace(&FieldPath::root(), scope.sources, &mut found);
    if let Some(lifecycle) = &member.doc.lifecycle {
        lifecycle.trace(&FieldPath::of(["lifecycle"]), scope.sources, &mut found);
    }
    found.into()
}

/// The machine as the planner sees it.
///
/// # Errors
/// A sentence, where the table and the model do not agree, which a test excludes.
pub(super) fn lower(
    member: &Member<'_>,
    places: &Places,
    checkup: &Checkup<'_>,
    scope: Scope<'_>,
) -> Result<DesiredMachine, String> {
    let spec = &member.spec;
    Ok(DesiredMachine {
        name: MachineName::new(member.name.as_str()),
        source: place(scope.sources, member.doc.start),
        settings: settings(spec, checkup)?.into(),
        disks: storage::disks(spec)?,
        dvds: storage::drives(spec, "dvds")?,
        floppies: storage::drives(spec, "floppies")?,
        bridges: nics::bridges(spec),
        secrets: secrets(spec),
        state: text_of(spec, "state").and_then(|(word, _)| DesiredState::parse(word)),
        location: text_of(spec, "location").map(|(path, _)| PathBuf::from(path)),
        lifecycle: lifecycle_of(member),
        stop_timeout: spec
            .get("stopTimeout")
            .and_then(Checked::int)
            .and_then(|seconds| u64::try_from(seconds).ok())
            .unwrap_or(DesiredMachine::STOP_TIMEOUT),
        depends_on: spec
            .get("dependsOn")
            .map(Checked::items)
            .unwrap_or_default()
            .iter()
            .filter_map(Checked::text)
            .flat_map(|name| referenced(name, &checkup.members))
            .collect(),
        labels: member.doc.labels.clone(),
        sources: places.clone(),
    })
}

/// Values of fields for secrets, by the path of the field.
fn secrets(spec: &Checked) -> BTreeMap<FieldPath, Secret> {
    let mut found = BTreeMap::new();
    collect_secrets(spec, &mut Vec::new(), &mut found);
    found
}

fn collect_secrets<'a>(value: &'a Checked, keys: &mut Vec<&'a str>, found: &mut BTreeMap<FieldPath, Secret>) {
    for member in value.members() {
        keys.push(&member.key);
        match member.value.text() {
            Some(text) if member.field.is_some_and(|field| field.secret) => {
                found.insert(FieldPath::of(keys.iter().copied()), Secret::new(text));
            }
            _ => collect_secrets(&member.value, keys, found),
        }
        keys.pop();
    }
}

/// Keys of `spec` that are not settings of the machine.
const NOT_SETTINGS: &[&str] =
    &["disks", "dvds", "floppies", "location", "state", "stopTimeout", "dependsOn", "replicas"];

fn settings(spec: &Checked, checkup: &Checkup<'_>) -> Result<Settings, String> {
    let Json::Object(fields) = spec.to_json() else { return Err("spec is no mapping".to_owned()) };
    let mut fields: Map<String, Json> =
        fields.into_iter().filter(|(key, _)| !NOT_SETTINGS.contains(&key.as_str())).collect();
    if let Some(list) = spec.get("nics") {
        let mode_of = |name: &str| {
            let network = checkup.networks.iter().find(|network| network.doc.name == name)?;
            network::kind_of(network).map(NetworkKind::mode)
        };
        fields.insert("nics".to_owned(), nics::lower(list, &mode_of)?);
    }
    forms::to_model(&mut fields);
    let mut settings: Settings =
        serde_json::from_value(Json::Object(fields)).map_err(|error| error.to_string())?;
    // Floppy drives imply their controller, also where others are written.
    let drives = spec.get("floppies").map(Checked::items).unwrap_or_default();
    if let Some(controllers) = settings.controllers.as_mut().filter(|_| !drives.is_empty())
        && controllers.values().all(|controller| controller.bus != Some(Bus::Floppy))
    {
        let implied = Controller { bus: Some(Bus::Floppy), ..Controller::default() };
        controllers.insert("Floppy".to_owned(), implied);
    }
    Ok(settings)
}

fn lifecycle_of(member: &Member<'_>) -> Lifecycle {
    let Some(written) = &member.doc.lifecycle else { return Lifecycle::default() };
    let mut result = lifecycle::lower(written);
    let former = text_of(written, "renamedFrom").map(|(text, _)| lifecycle::former(text));
    if let Some((stack, name)) = former {
        if let Some(index) = member.index {
            result.renamed_from.push((stack.clone(), MachineName::new(format!("{name}-{index}"))));
        }
        // A machine that was single becomes the first member.
        if member.index.is_none_or(|index| index == 1) {
            result.renamed_from.push((stack, MachineName::new(name)));
        }
    }
    result
}

/// The addresses that a reference to a machine means: one, or all members of a replicated one.
pub(super) fn referenced(name: &str, members: &[Member<'_>]) -> Vec<Address> {
    members
        .iter()
        .filter(|member| member.name == name || (member.index.is_some() && member.doc.name == name))
        .map(|member| Address::machine(member.name.as_str()))
        .collect()
}

/// Whether a value was written and is right.
pub(super) fn is_there(value: Option<&Checked>) -> bool {
    value.is_some_and(|value| !matches!(value.data, Data::Wrong))
}
