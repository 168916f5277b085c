//! A machine's own settings file: identity, state, media, snapshots, extra data (`vbox-settings` 3.1, 3.7).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::document::{Document, Element};
use super::media::read_registry;
use super::{Beyond, Distrust, absolute, base64, hardware, minor_version};
use crate::inventory::{Access, Machine, Mark, MarkState, Medium, Registry, Snapshot};
use crate::model::digest::sha256;
use crate::model::settings::{Autostart, Recording, Teleporter};
use crate::model::{PowerState, Settings};

/// What a machine's settings file says.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineFile {
    /// The number behind `1.` of its settings version, which names its layout.
    pub minor_version: u32,
    /// The machine. Its state is that of a machine that is not live.
    pub machine: Machine,
    /// Media that are registered in this file.
    pub media: Vec<Medium>,
    /// The file of firmware variables, where the firmware has any.
    pub nvram: Option<PathBuf>,
}

/// Where things stand: the two layouts of settings files.
pub struct Layout<'d> {
    /// `Hardware`
    pub hardware: Element<'d>,
    /// Number of processors and what is common to all architectures.
    pub cpu: Option<Element<'d>>,
    /// Settings of x86 processors.
    pub x86_cpu: Option<Element<'d>>,
    /// Holds `HPET`.
    pub x86: Option<Element<'d>>,
    /// Holds `RTC`, `Chipset` and `Iommu`.
    pub platform: Element<'d>,
    /// Holds the settings of the firmware.
    pub firmware: Option<Element<'d>>,
    /// Holds the firmware's type.
    pub firmware_type: Option<Element<'d>>,
    /// The attribute of a serial port's I/O address.
    pub uart_address: &'static str,
}

impl<'d> Layout<'d> {
    /// That of a `Machine` or a `Snapshot`.
    pub fn of(machine: Element<'d>, minor: u32) -> Result<Self, String> {
        let hardware = machine.child("Hardware").ok_or("it has no <Hardware>")?;
        if minor < 20 {
            let cpu = hardware.child("CPU");
            return Ok(Self {
                hardware,
                cpu,
                x86_cpu: cpu,
                x86: Some(hardware),
                platform: hardware,
                firmware: hardware.child("BIOS"),
                firmware_type: hardware.child("Firmware"),
                uart_address: "IOBase",
            });
        }
        let platform = machine.child("Platform").ok_or("it has no <Platform>")?;
        match platform.required("architecture")? {
            "x86" => {}
            other => return Err(format!("machines of architecture {other} are unknown to vboxmcp")),
        }
        let x86 = platform.child("x86");
        let firmware = hardware.child("Firmware");
        Ok(Self {
            hardware,
            cpu: platform.child("CPU"),
            x86_cpu: x86.and_then(|x86| x86.child("CPU")),
            x86,
            platform,
            firmware,
            firmware_type: firmware,
            uart_address: "IOAddress",
        })
    }
}

/// Reads the settings file `file` of the registered machine `uuid`.
pub fn read_machine(source: &str, uuid: Uuid, file: &Path) -> Result<MachineFile, Distrust> {
    let document = Document::parse(source).map_err(Distrust::Broken)?;
    let root = document.root();
    let minor = minor_version(root)?;
    if !(19..=21).contains(&minor) {
        return Err(Distrust::Unknown(format!("settings version 1.{minor} is unknown to vboxmcp")));
    }
    if root.child("MachineEncrypted").is_some() {
        return Err(Distrust::Unknown("it is encrypted".to_owned()));
    }
    let machine = root.child("Machine").ok_or_else(|| Distrust::Broken("it has no <Machine>".to_owned()))?;
    let held = machine.uuid("uuid").map_err(Distrust::Broken)?;
    if held != uuid {
        return Err(Distrust::Broken(format!("it is the file of machine {held}")));
    }
    let read = read_trusted(machine, minor, uuid, file).map_err(Distrust::Unknown)?;
    match document.unread() {
        None => Ok(read),
        Some(path) => Err(Distrust::Unknown(format!("its {path} is unknown to vboxmcp"))),
    }
}

fn read_trusted(machine: Element<'_>, minor: u32, uuid: Uuid, file: &Path) -> Result<MachineFile, String> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let name = machine.required("name")?.to_owned();
    let mut beyond = Beyond::default();
    let mut settings = Settings { hardware_uuid: Some(uuid.to_string()), ..Settings::default() };
    read_identity(machine, folder, &mut settings, &mut beyond)?;
    let mut mark = MarkState::None;
    let mut extra_data = BTreeMap::new();
    for item in machine.child("ExtraData").into_iter().flat_map(|extra| extra.children("ExtraDataItem")) {
        let (key, value) = (item.required("name")?, item.string("value"));
        match key {
            Mark::KEY => mark = MarkState::read(&value, uuid),
            own if own.starts_with("vboxmcp/") => {}
            _ => drop(extra_data.insert(key.to_owned(), Some(value))),
        }
    }
    settings.extra_data = Some(extra_data);
    let layout = Layout::of(machine, minor)?;
    let attachments = hardware::read(&layout, &mut settings, &mut beyond)?;
    let remembered = super::network::remembered(layout.hardware.child("Network"))?;
    settings.recording = Some(recording(machine.child("Recording"), &mut beyond)?);

    let registry = machine.child("MediaRegistry");
    let media = match registry {
        Some(registry) => read_registry(registry, folder, Registry::Machine(uuid))?,
        None => Vec::new(),
    };
    let nvram = layout.firmware.and_then(|firmware| firmware.child("NVRAM")).and_then(|e| e.get("path"));
    let nvram = nvram.map_or_else(|| file.with_extension("nvram"), |path| absolute(folder, path));
    let is_efi = settings.firmware != Some(crate::model::settings::Firmware::Bios);

    // Says whether the machine still is as its current snapshot: of interest to front ends only.
    machine.skip(&["currentStateModified", "lastStateChange"]);
    let machine = Machine {
        uuid,
        name: Some(name),
        access: Access::Settings,
        settings_file: file.to_owned(),
        state: Some(state_when_off(machine)?),
        settings: settings.into(),
        unknown: BTreeMap::new(),
        attachments,
        snapshots: machine.child("Snapshot").map(read_snapshot).transpose()?,
        current_snapshot: machine.uuid_if_any("currentSnapshot")?,
        mark,
        remembered,
        beyond: beyond.0,
    };
    Ok(MachineFile { minor_version: minor, machine, media, nvram: is_efi.then_some(nvram) })
}

/// What stands on `Machine` itself, and its small children.
fn read_identity(
    machine: Element<'_>,
    folder: &Path,
    settings: &mut Settings,
    beyond: &mut Beyond,
) -> Result<(), String> {
    let groups = machine.child("Groups").into_iter().flat_map(|groups| groups.children("Group"));
    let groups: Vec<String> = groups.map(|group| group.string("name")).collect();
    settings.groups = Some(if groups.is_empty() { vec!["/".to_owned()] } else { groups });
    settings.os_type = Some(machine.string("OSType"));
    settings.description =
        Some(machine.child("Description").map(|e| e.text().to_owned()).unwrap_or_default());
    let snapshots = machine.get("snapshotFolder").filter(|path| !path.is_empty()).unwrap_or("Snapshots");
    let inside = Path::new(snapshots).strip_prefix(folder).ok().and_then(Path::to_str);
    settings.snapshot_folder = Some(inside.unwrap_or(snapshots).to_owned());
    settings.process_priority = Some(machine.word("processPriority", "default"));
    settings.execution_engine = Some(match machine.get("executionEngine") {
        Some("NativeApi") => "native-api".to_owned(),
        other => other.unwrap_or("default").to_ascii_lowercase(),
    });
    settings.icon = Some(match machine.get("icon").filter(|icon| !icon.is_empty()) {
        None => String::new(),
        Some(icon) => {
            let picture =
                base64::decode(icon).ok_or_else(|| machine.wrong("icon", "what it is", "base64"))?;
            format!("sha256:{}", sha256(&picture))
        }
    });
    beyond.note(machine, "nameSync", "true");
    beyond.note(machine, "directoryIncludesUUID", "false");

    settings.autostart = Some(autostart(machine.child("Autostart"))?);
    let teleporter = machine.child("Teleporter");
    settings.teleporter = Some(Teleporter {
        enabled: Some(teleporter.map_or(Ok(false), |e| e.flag("enabled", false))?),
        port: Some(teleporter.map_or(Ok(0), |e| e.number("port", 0))?),
        address: Some(teleporter.map(|e| e.string("address")).unwrap_or_default()),
    });
    if let Some(teleporter) = teleporter {
        // A digest, which nobody needs to see.
        teleporter.skip(&["password"]);
    }
    if let Some(debugging) = machine.child("Debugging") {
        if let Some(tracing) = debugging.child("Tracing") {
            beyond.note(tracing, "enabled", "false");
            beyond.note(tracing, "allowTracingToAccessVM", "false");
            beyond.note(tracing, "config", "");
        }
        if let Some(debug) = debugging.child("GuestDebug") {
            for (attribute, usual) in [("provider", "None"), ("io", "None"), ("address", ""), ("port", "0")] {
                beyond.note(debug, attribute, usual);
            }
        }
    }
    Ok(())
}

/// `Autostart`
pub fn autostart(element: Option<Element<'_>>) -> Result<Autostart, String> {
    Ok(Autostart {
        enabled: Some(element.map_or(Ok(false), |e| e.flag("enabled", false))?),
        delay: Some(element.map_or(Ok(0), |e| e.number("delay", 0))?),
        stop: Some(element.map_or_else(|| "disabled".to_owned(), |e| e.word("autostop", "disabled"))),
    })
}

/// The state that the file tells of a machine that is not live (`vbox-settings` 4.3).
pub fn state_when_off(machine: Element<'_>) -> Result<PowerState, String> {
    let saved = machine.get("stateFile").is_some_and(|file| !file.is_empty());
    let aborted = machine.flag("aborted", false)?;
    Ok(match (aborted, saved) {
        (true, true) => PowerState::AbortedSaved,
        (true, false) => PowerState::Aborted,
        (false, true) => PowerState::Saved,
        (false, false) => PowerState::PowerOff,
    })
}

fn read_snapshot(element: Element<'_>) -> Result<Snapshot, String> {
    // Its hardware is the machine's as it was: what matters of it are the media that it holds on to.
    let mut media = Vec::new();
    for part in ["Hardware", "Platform", "Recording", "Debugging", "Autostart"] {
        for part in element.children(part) {
            for image in part.descendants("Image") {
                media.push(image.uuid("uuid")?);
            }
            part.leave();
        }
    }
    let children = element.child("Snapshots").into_iter().flat_map(|e| e.children("Snapshot"));
    Ok(Snapshot {
        uuid: element.uuid("uuid")?,
        name: element.string("name"),
        description: element.child("Description").map(|e| e.text().to_owned()).unwrap_or_default(),
        taken: element.string("timeStamp"),
        online: element.get("stateFile").is_some_and(|file| !file.is_empty()),
        media,
        children: children.map(read_snapshot).collect::<Result<_, _>>()?,
    })
}

/// Recording: the first screen stands for all, what is different on another one goes beyond the language.
pub fn recording(element: Option<Element<'_>>, beyond: &mut Beyond) -> Result<Recording, String> {
    let mut recording = Recording {
        enabled: Some(element.map_or(Ok(false), |e| e.flag("enabled", false))?),
        screens: Some(vec![0]),
        file: Some(String::new()),
        size: Some("1024x768".to_owned()),
        rate: Some(512),
        fps: Some(25),
        max_time: Some(0),
        max_size: Some(0),
    };
    let Some(element) = element else { return Ok(recording) };
    element.skip(&["screens"]);
    let mut screens = Vec::new();
    let mut first_is_written = false;
    for screen in element.children("Screen") {
        let id: u32 = screen.number("id", 0)?;
        if screen.flag("enabled", id == 0)? {
            screens.push(id);
        }
        beyond.note(screen, "featuresEnabled", "video");
        beyond.note(screen, "options", "ac_profile=med");
        beyond.note(screen, "dest", "1");
        let file = screen.string("file");
        let size =
            format!("{}x{}", screen.number::<u32>("horzRes", 1024)?, screen.number::<u32>("vertRes", 768)?);
        let rate = screen.number("rateKbps", 512)?;
        let fps = screen.number("fps", 25)?;
        let (max_time, max_size) = (screen.number("maxTimeS", 0)?, screen.number("maxSizeMB", 0)?);
        if id == 0 {
            first_is_written = true;
            recording.file = Some(without_screen_suffix(&file, id));
            recording.size = Some(size);
            (recording.rate, recording.fps) = (Some(rate), Some(fps));
            (recording.max_time, recording.max_size) = (Some(max_time), Some(max_size));
        } else if (recording.rate, recording.fps, &recording.size) != (Some(rate), Some(fps), &Some(size)) {
            beyond.say(format!("{}: screen {id} has settings of its own", screen.path()));
        }
    }
    if !first_is_written {
        screens.push(0);
    }
    screens.sort_unstable();
    recording.screens = Some(screens);
    Ok(recording)
}

/// VirtualBox writes `-screenN` into the name that it was given.
pub fn without_screen_suffix(file: &str, screen: u32) -> String {
    let suffix = format!("-screen{screen}");
    match file.rsplit_once('.') {
        Some((stem, extension)) if stem.ends_with(&suffix) => {
            format!("{}.{extension}", &stem[..stem.len() - suffix.len()])
        }
        _ => file.strip_suffix(&suffix).unwrap_or(file).to_owned(),
    }
}
