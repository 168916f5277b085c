//! What `showvminfo --machinereadable` prints and what the reader read, as the same keys.
//!
//! Numbers that only count lines (of controllers, folders, groups) are replaced by names, and what belongs to an adapter is
//! given its number. The parser is not the crate's: a fault in one of the two must not hide in the other.

use std::collections::BTreeMap;
use std::fmt::Display;

use vboxmcp::inventory::{AttachedMedium, DeviceKind, Inventory, Machine, Snapshot};
use vboxmcp::model::settings::{Bus, ControllerType, GraphicsController};
use vboxmcp::model::{HostPort, Nic, NicMode, Protocol, os_type};

/// Values by key.
pub type Keys = BTreeMap<String, String>;

/// Keys of `showvminfo` that the reader does not read, each with its reason. A star stands for anything.
pub const NOT_READ: &[(&str, &str)] = &[
    ("encryption", "encrypted machines are not read"),
    ("platformArchitecture", "only x86 machines are read"),
    ("LogFldr", "a folder of VirtualBox's own choice"),
    ("NvramFile", "a file of VirtualBox's own choice"),
    ("effparavirtprovider", "computed by VirtualBox from the type of the guest"),
    ("paravirtdebug", "beyond the language"),
    ("VMStateChangeTime", "of interest to front ends only"),
    ("VMStateFile", "a file of VirtualBox's own choice"),
    ("teleporterpassword", "a secret"),
    ("tracing-*", "beyond the language"),
    ("controller/*/instance", "VirtualBox's own number"),
    ("controller/*/maxportcount", "follows from the bus"),
    ("nic/*/localhostReachable", "VirtualBox does not keep it: off is lost when its server leaves"),
    ("vrdeport", "the port at which it listens just now"),
    ("vrdevideochannel*", "beyond the language"),
    ("vrdeproperty[*", "the same as vrdeports and vrdeaddress"),
    ("recording_started", "whether it records just now"),
    ("recording_screens", "the number of screens"),
    ("screen/*/audio_enabled", "beyond the language"),
    ("screen/*/video_enabled", "beyond the language"),
    ("screen/*/opts", "beyond the language"),
    ("screen/*/dest", "beyond the language"),
    ("screen/1/*", "one screen's settings stand for all"),
    ("screen/2/*", "one screen's settings stand for all"),
    ("screen/3/*", "one screen's settings stand for all"),
    ("place/*/IsEjected", "whether the guest has opened it just now"),
    ("current_node", "where CurrentSnapshotUUID stands in the tree"),
];

/// What VirtualBox prints wrong, each with its reason.
pub struct Fault {
    /// The key. A star stands for anything.
    pub key: &'static str,
    /// Whether it is this fault: what was printed and what was read.
    pub is_it: fn(Option<&str>, Option<&str>) -> bool,
    /// What is wrong in VirtualBox.
    pub reason: &'static str,
}

/// Faults of VirtualBox 7.2.22 that are known.
pub const FAULTS: &[Fault] = &[Fault {
    key: "place/*/hot-pluggable",
    is_it: |printed, _| printed.is_none(),
    reason: "it is printed of disks of the first SATA and USB controllers only",
}];

/// Whether a key fits a pattern with stars.
pub fn fits(pattern: &str, key: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == key,
        Some((start, rest)) => key.strip_prefix(start).is_some_and(|key| {
            rest.is_empty() || key.char_indices().any(|(at, _)| fits(rest, &key[at..])) || fits(rest, "")
        }),
    }
}

/// Keys as `showvminfo` prints them.
pub fn printed(text: &str) -> Keys {
    let mut keys = Keys::new();
    let (mut nic, mut screen) = (String::new(), String::new());
    let mut controllers: BTreeMap<String, String> = BTreeMap::new();
    let mut folders: BTreeMap<String, String> = BTreeMap::new();
    let (settings, snapshots) = match text.find("\nSnapshotName=") {
        Some(at) => text.split_at(at + 1),
        None => (text, ""),
    };
    for (key, value) in pairs(settings) {
        let digits = key.len() - key.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (stem, number) = key.split_at(key.len() - digits);
        let (stem, number) = (stem.to_owned(), number.to_owned());
        if let Some(rest) = key.strip_prefix("storagecontroller") {
            let rest = &rest[..rest.len() - number.len()];
            if rest == "name" {
                controllers.insert(number, value);
            } else {
                keys.insert(format!("controller/{}/{rest}", controllers[&number]), value);
            }
        } else if let Some(place) = place(&key, controllers.values()) {
            keys.insert(place, value);
        } else if stem == "nic" {
            nic.clone_from(&number);
            keys.insert(format!("nic/{number}/mode"), value);
        } else if let Some(key) = NIC_KEYS.iter().find(|nic| **nic == stem) {
            keys.insert(format!("nic/{number}/{key}"), value);
        } else if NAT_KEYS.contains(&key.as_str()) {
            keys.insert(format!("nic/{nic}/{key}"), value);
        } else if key.starts_with("Forwarding(") {
            let (name, rule) = value.split_once(',').unwrap();
            keys.insert(format!("nic/{nic}/rule/{name}"), rule.to_owned());
        } else if let Some(number) = key.strip_prefix("rec_screen").filter(|rest| rest.parse::<u32>().is_ok())
        {
            number.clone_into(&mut screen);
        } else if let Some(rest) = key.strip_prefix("rec_screen_") {
            if rest != "id" {
                keys.insert(format!("screen/{screen}/{rest}"), value);
            }
        } else if stem == "BandwidthGroup" {
            let (name, limit) = value.split_once(',').unwrap();
            keys.insert(format!("group/{name}"), limit.to_owned());
        } else if stem == "SharedFolderNameMachineMapping" {
            folders.insert(number, value);
        } else if stem == "SharedFolderPathMachineMapping" {
            keys.insert(format!("folder/{}", folders[&number]), value);
        } else if key == "cpuid" {
            let (leaf, rest) = value.split_at(17);
            keys.insert(format!("cpuid/{leaf}"), rest.trim_start_matches(',').to_owned());
        } else {
            let former = keys.insert(key.clone(), value);
            assert_eq!(former, None, "{key} is printed twice");
        }
    }
    // Without a store for the switch nothing is printed, and it is off.
    if keys["firmware"].starts_with("EFI") {
        keys.entry("SecureBoot".to_owned()).or_insert_with(|| "off".to_owned());
    }
    for (key, value) in raw_pairs(snapshots) {
        let key = match key.strip_prefix("Snapshot") {
            Some(rest) => format!("snapshot/{rest}"),
            None if key == "CurrentSnapshotNode" => "current_node".to_owned(),
            None => key,
        };
        keys.insert(key, value);
    }
    keys
}

const NIC_KEYS: &[&str] = &[
    "natnet",
    "macaddress",
    "cableconnected",
    "nictype",
    "nicspeed",
    "bridgeadapter",
    "intnet",
    "hostonlyadapter",
    "generic",
    "nat-network",
    "cloud-network",
];

const NAT_KEYS: &[&str] = &[
    "mtu",
    "sockSnd",
    "sockRcv",
    "tcpWndSnd",
    "tcpWndRcv",
    "localhostReachable",
    "forwardBroadcast",
    "enableTFTP",
];

/// Keys whose strings are quoted, but not escaped.
const UNESCAPED: &[&str] = &[
    "intnet",
    "nat-network",
    "bridgeadapter",
    "hostonlyadapter",
    "generic",
    "cloud-network",
    "Forwarding(",
    "uartmode",
    "lptmode",
    "vrdeaddress",
    "vrdeproperty[",
];

/// `NAME-ImageUUID-0-1` as `place/NAME/0/1/ImageUUID`.
fn place<'c>(key: &str, mut controllers: impl Iterator<Item = &'c String>) -> Option<String> {
    let mut parts = key.rsplitn(3, '-');
    let (device, port, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    if !is_number(device) || !is_number(port) {
        return None;
    }
    let name = controllers
        .find(|name| rest == *name || rest.strip_prefix(name.as_str()).is_some_and(|r| r.starts_with('-')))?;
    let what = rest[name.len()..].trim_start_matches('-');
    Some(format!("place/{name}/{port}/{device}/{}", if what.is_empty() { "medium" } else { what }))
}

/// Lines `key=value`, `key="value"` and `"key"="value"`, the escaped ones with line ends in them.
fn pairs(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut chars = text.chars().peekable();
    while chars.peek().is_some() {
        let mut part = |until: &[char]| {
            let mut part = String::new();
            if chars.next_if_eq(&'"').is_some() {
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => part.extend(chars.next()),
                        c => part.push(c),
                    }
                }
            }
            while let Some(c) = chars.next_if(|c| !until.contains(c)) {
                part.push(c);
            }
            (part, chars.next())
        };
        let (key, end) = part(&['=', '\n']);
        if end != Some('=') {
            found.push((key.trim().to_owned(), String::new()));
            continue;
        }
        if UNESCAPED.iter().any(|raw| key.starts_with(raw)) {
            let line: String = std::iter::from_fn(|| chars.next_if(|c| *c != '\n')).collect();
            chars.next();
            found.push((key, line[1..line.len() - 1].to_owned()));
            continue;
        }
        let (value, _) = part(&['\n']);
        if key == "cpuid" {
            // `cpuid=00000001,00000000,000306a9,00020800,80000201,178bfbffhwvirtex="on"`
            let (numbers, next) = value.split_at(6 * 9 - 1);
            found.push((key, numbers.to_owned()));
            found.extend(pairs(next));
            continue;
        }
        found.push((key, value));
    }
    found
}

/// Names and descriptions of snapshots, which are not escaped: a value ends where a line begins with a key.
fn raw_pairs(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let key = line.split_once("=\"").filter(|(key, _)| key.contains("Snapshot") && !key.contains(' '));
        match (key, found.last_mut()) {
            (Some((key, value)), _) => found.push((key.to_owned(), value.to_owned())),
            (None, _) if line.starts_with("GuestMemoryBalloon=") => {
                let (key, value) = line.split_once('=').unwrap();
                found.push((key.to_owned(), value.to_owned()));
            }
            (None, Some((_, value))) => *value = format!("{value}\n{line}"),
            (None, None) => panic!("{line}"),
        }
    }
    for (key, value) in &mut found {
        if key.contains("Snapshot") {
            *value = value.strip_suffix('"').unwrap().to_owned();
        }
    }
    found
}

/// Collects what was read.
struct Collected(Keys);

impl Collected {
    fn put(&mut self, key: impl Into<String>, value: impl Display) {
        self.0.insert(key.into(), value.to_string());
    }

    fn on(&mut self, key: impl Into<String>, value: Option<bool>) {
        self.put(key, if value.unwrap() { "on" } else { "off" });
    }
}

/// The same keys from what the reader read.
pub fn read(machine: &Machine, inventory: &Inventory) -> Keys {
    let mut keys = Collected(Keys::new());
    identity(machine, &mut keys);
    processor(machine, &mut keys);
    firmware(machine, &mut keys);
    devices(machine, &mut keys);
    ports(machine, &mut keys);
    let slots = if machine.settings.chipset.as_ref().unwrap().as_str() == "ich9" { 36 } else { 8 };
    for slot in 1..=slots {
        match machine.settings.nics.as_ref().unwrap().get(&slot) {
            Some(nic) => adapter(slot, nic, &mut keys),
            None => keys.put(format!("nic/{slot}/mode"), "none"),
        }
    }
    storage(machine, inventory, &mut keys);
    if let Some(root) = &machine.snapshots {
        snapshot(root, "", machine, &mut keys);
        keys.put("CurrentSnapshotUUID", machine.current_snapshot.unwrap());
    }
    keys.0
}

fn identity(machine: &Machine, keys: &mut Collected) {
    let settings = &machine.settings;
    keys.put("name", machine.name.as_ref().unwrap());
    keys.put("groups", settings.groups.as_ref().unwrap().join(","));
    keys.put("ostype", &os_type::lookup(settings.os_type.as_ref().unwrap()).unwrap().description);
    keys.put("UUID", machine.uuid);
    keys.put("CfgFile", machine.settings_file.display());
    keys.put("SnapFldr", machine.folder().join(settings.snapshot_folder.as_ref().unwrap()).display());
    keys.put("hardwareuuid", settings.hardware_uuid.as_ref().unwrap());
    keys.put("vmprocpriority", settings.process_priority.as_ref().unwrap());
    keys.put("defaultfrontend", settings.frontend.as_ref().unwrap());
    keys.put("VMState", machine.state.as_ref().unwrap());
    let description = settings.description.as_ref().unwrap();
    if !description.is_empty() {
        keys.put("description", description);
    }
    let teleporter = settings.teleporter.as_ref().unwrap();
    keys.on("teleporterenabled", teleporter.enabled);
    keys.put("teleporterport", teleporter.port.unwrap());
    keys.put("teleporteraddress", teleporter.address.as_ref().unwrap());
    let autostart = settings.autostart.as_ref().unwrap();
    keys.on("autostart-enabled", autostart.enabled);
    keys.put("autostart-delay", autostart.delay.unwrap());
}

fn processor(machine: &Machine, keys: &mut Collected) {
    let settings = &machine.settings;
    keys.put("memory", settings.memory.unwrap().0);
    keys.put("GuestMemoryBalloon", settings.memory_balloon.unwrap().0);
    keys.put("cpus", settings.cpus.unwrap());
    keys.put("cpuexecutioncap", settings.cpu_execution_cap.unwrap());
    keys.put("cpu-profile", settings.cpu_profile.as_ref().unwrap());
    keys.put("cpuid-portability-level", settings.cpuid_portability_level.unwrap());
    for (key, value) in [
        ("pagefusion", settings.page_fusion),
        ("hpet", settings.hpet),
        ("pae", settings.pae),
        ("longmode", settings.long_mode),
        ("triplefaultreset", settings.triple_fault_reset),
        ("apic", settings.apic),
        ("x2apic", settings.x2apic),
        ("nested-hw-virt", settings.nested_hw_virt),
        ("hwvirtex", settings.hw_virt_ex),
        ("nestedpaging", settings.nested_paging),
        ("largepages", settings.large_pages),
        ("vtxvpid", settings.vtx_vpid),
        ("vtxux", settings.vtx_ux),
        ("virtvmsavevmload", settings.virt_vmsave_vmload),
    ] {
        keys.on(key, value);
    }
    for (leaf, registers) in settings.cpuid_overrides.as_ref().unwrap() {
        let (leaf, sub) = leaf.split_once('/').unwrap_or((leaf, "00000000"));
        keys.put(format!("cpuid/{leaf},{sub}"), registers.replace(' ', ","));
    }
}

fn firmware(machine: &Machine, keys: &mut Collected) {
    let settings = &machine.settings;
    keys.put("chipset", settings.chipset.as_ref().unwrap());
    keys.put("iommu", settings.iommu.as_ref().unwrap());
    keys.put("firmware", settings.firmware.as_ref().unwrap().as_str().to_uppercase());
    if settings.secure_boot.is_some() {
        keys.on("SecureBoot", settings.secure_boot);
    }
    let firmware = settings.firmware_settings.as_ref().unwrap();
    keys.put("bootmenu", firmware.boot_menu.as_ref().unwrap());
    keys.put("biosapic", firmware.apic.as_ref().unwrap());
    keys.put("biossystemtimeoffset", firmware.time_offset.unwrap());
    for (position, device) in (1..).zip(settings.boot_order.as_ref().unwrap()) {
        keys.put(format!("boot{position}"), device);
    }
    keys.on("acpi", settings.acpi);
    keys.on("ioapic", settings.ioapic);
    keys.on("rtcuseutc", settings.rtc_use_utc);
    keys.put("paravirtprovider", settings.paravirt_provider.as_ref().unwrap());
}

fn devices(machine: &Machine, keys: &mut Collected) {
    let settings = &machine.settings;
    let graphics = settings.graphics.as_ref().unwrap();
    let controller = graphics.controller.as_ref().unwrap();
    keys.put(
        "graphicscontroller",
        if *controller == GraphicsController::None { "null" } else { controller.as_str() },
    );
    keys.put("vram", graphics.vram.unwrap().0);
    keys.put("monitorcount", graphics.monitors.unwrap());
    keys.on("accelerate3d", graphics.accelerate3d);
    let audio = settings.audio.as_ref().unwrap();
    let has_sound = audio.enabled.unwrap();
    keys.put("audio", if has_sound { audio.driver.as_ref().unwrap() } else { "none" });
    keys.on("audio_in", audio.r#in);
    keys.on("audio_out", audio.out);
    let clipboard = settings.clipboard.as_ref().unwrap();
    keys.put("clipboard", clipboard.mode.as_ref().unwrap());
    keys.on("clipboard_file_transfers", clipboard.file_transfers);
    keys.put("draganddrop", settings.drag_and_drop.as_ref().unwrap());
    keys.put(
        "hidpointing",
        match settings.pointing.as_ref().unwrap().as_str() {
            "ps2" => "ps2mouse",
            "usb" => "usbmouse",
            other => other,
        },
    );
    keys.put("hidkeyboard", format!("{}kbd", settings.keyboard.as_ref().unwrap()));
    let vrde = settings.vrde.as_ref().unwrap();
    keys.on("vrde", vrde.enabled);
    if vrde.enabled.unwrap() {
        keys.put("vrdeports", vrde.port.as_ref().unwrap());
        keys.put("vrdeaddress", vrde.address.as_ref().unwrap());
        keys.put(
            "vrdeauthtype",
            match vrde.auth.as_ref().unwrap().as_str() {
                "none" => "null",
                other => other,
            },
        );
        keys.on("vrdemulticon", vrde.multi_connection);
        keys.on("vrdereusecon", vrde.reuse_connection);
    }
    let recording = settings.recording.as_ref().unwrap();
    keys.on("recording_enabled", recording.enabled);
    keys.on("screen/0/enabled", Some(recording.screens.as_ref().unwrap().contains(&0)));
    keys.put("screen/0/video_res_xy", recording.size.as_ref().unwrap());
    keys.put("screen/0/video_rate_kbps", recording.rate.unwrap());
    keys.put("screen/0/video_fps", recording.fps.unwrap());
    let file = recording.file.as_ref().unwrap();
    let own = machine.settings_file.with_extension("webm").display().to_string();
    let file = if file.is_empty() { &own } else { file };
    let (stem, extension) = file.rsplit_once('.').unwrap();
    keys.put("screen/0/dest_filename", format!("{stem}-screen0.{extension}"));
}

fn ports(machine: &Machine, keys: &mut Collected) {
    let settings = &machine.settings;
    for number in 1..=4 {
        let key = |name: &str| format!("{name}{number}");
        match settings.serial_ports.as_ref().unwrap().get(&number) {
            None => keys.put(key("uart"), "off"),
            Some(port) => {
                keys.put(key("uart"), format!("0x{:04x},{}", port.io_base.unwrap(), port.irq.unwrap()));
                keys.put(key("uarttype"), port.r#type.as_ref().unwrap());
                let mode = port.mode.as_ref().unwrap();
                let (kind, path) = mode.split_once(':').unwrap_or((mode, ""));
                keys.put(
                    key("uartmode"),
                    match kind {
                        "disconnected" => kind.to_owned(),
                        "pipeServer" => format!("server,{path}"),
                        "pipeClient" => format!("client,{path}"),
                        "device" => path.to_owned(),
                        other => format!("{},{path}", other.to_lowercase()),
                    },
                );
            }
        }
    }
    for number in 1..=2 {
        match settings.parallel_ports.as_ref().unwrap().get(&number) {
            None => keys.put(format!("lpt{number}"), "off"),
            Some(port) => {
                let resources = format!("0x{:04x},{}", port.io_base.unwrap(), port.irq.unwrap());
                keys.put(format!("lpt{number}"), resources);
                keys.put(format!("lptmode{number}"), port.device.as_ref().unwrap());
            }
        }
    }
    let usb = settings.usb.as_ref().unwrap();
    for (key, word) in [("usb", "ohci"), ("ehci", "ehci"), ("xhci", "xhci")] {
        keys.on(key, Some(usb.controllers.as_ref().unwrap().iter().any(|controller| controller == word)));
    }
    for (number, filter) in usb.filters.as_ref().unwrap() {
        let key = |name: &str| format!("USBFilter{name}{number}");
        keys.on(key("Active"), filter.active);
        let remote = filter.remote.as_ref().unwrap();
        for (name, value) in [
            ("Name", &filter.name),
            ("VendorId", &filter.vendor_id),
            ("ProductId", &filter.product_id),
            ("Revision", &filter.revision),
            ("Manufacturer", &filter.manufacturer),
            ("Product", &filter.product),
            ("SerialNumber", &filter.serial_number),
        ] {
            keys.put(key(name), value.as_ref().unwrap());
        }
        keys.put(key("Remote"), if remote == "any" { "" } else { remote });
    }
    for (name, group) in settings.bandwidth_groups.as_ref().unwrap() {
        let kind = if group.r#type.as_deref() == Some("disk") { "Disk" } else { "Network" };
        keys.put(format!("group/{name}"), format!("{kind},{}", group.limit.unwrap()));
    }
    for (name, folder) in settings.shared_folders.as_ref().unwrap() {
        keys.put(format!("folder/{name}"), folder.host_path.as_ref().unwrap());
    }
}

fn adapter(slot: u32, nic: &Nic, keys: &mut Collected) {
    let key = |name: &str| format!("nic/{slot}/{name}");
    let mode = nic.mode.as_ref().unwrap();
    let (word, network) = match mode {
        NicMode::Unattached => ("null", None),
        NicMode::Nat => ("nat", None),
        NicMode::Bridged => ("bridged", Some("bridgeadapter")),
        NicMode::Internal => ("intnet", Some("intnet")),
        NicMode::HostOnly => ("hostonly", Some("hostonlyadapter")),
        NicMode::NatNetwork => ("natnetwork", Some("nat-network")),
        NicMode::Cloud => ("cloudnetwork", Some("cloud-network")),
        NicMode::Generic => ("Generic", None),
        other => panic!("{other}"),
    };
    keys.put(key("mode"), word);
    if let Some(name) = network {
        keys.put(key(name), nic.network.as_ref().unwrap());
    }
    if let Some(driver) = &nic.driver {
        keys.put(key("generic"), driver);
    }
    keys.put(key("macaddress"), nic.mac.as_ref().unwrap());
    keys.on(key("cableconnected"), nic.cable);
    keys.put(key("nictype"), nic.nic_type.as_ref().unwrap());
    keys.put(key("nicspeed"), nic.speed.unwrap());
    let Some(nat) = &nic.nat else { return };
    let cidr = nat.cidr.as_ref().unwrap();
    keys.put(key("natnet"), if cidr.is_empty() { "nat" } else { cidr });
    keys.put(key("mtu"), nat.mtu.unwrap());
    let buffers = nat.socket_buffers.as_ref().unwrap();
    for (name, size) in [
        ("sockSnd", buffers.socket_send),
        ("sockRcv", buffers.socket_receive),
        ("tcpWndSnd", buffers.tcp_send),
        ("tcpWndRcv", buffers.tcp_receive),
    ] {
        // The default is 0 in the file, and printed as what it is.
        keys.put(key(name), size.filter(|size| *size != 0).unwrap_or(64));
    }
    keys.put(key("forwardBroadcast"), u8::from(nat.forward_broadcast.unwrap()));
    keys.put(key("enableTFTP"), u8::from(nat.tftp.as_ref().unwrap().enabled.unwrap()));
    for (name, rule) in nat.port_forwards.as_ref().unwrap() {
        let protocol = if rule.protocol == Protocol::Tcp { "tcp" } else { "udp" };
        let ip = |ip: &Option<String>| ip.clone().unwrap_or_default();
        let HostPort::Fixed(port) = rule.host_port else { panic!("{rule}") };
        let text =
            format!("{protocol},{},{port},{},{}", ip(&rule.host_ip), ip(&rule.guest_ip), rule.guest_port);
        keys.put(key(&format!("rule/{name}")), text);
    }
}

fn storage(machine: &Machine, inventory: &Inventory, keys: &mut Collected) {
    for (name, controller) in machine.settings.controllers.as_ref().unwrap() {
        let key = |what: &str| format!("controller/{name}/{what}");
        let kind = match controller.r#type.as_ref().unwrap() {
            ControllerType::Piix3 => "PIIX3",
            ControllerType::Piix4 => "PIIX4",
            ControllerType::Ich6 => "ICH6",
            ControllerType::Ahci => "IntelAhci",
            ControllerType::LsiLogic => "LsiLogic",
            ControllerType::BusLogic => "BusLogic",
            ControllerType::LsiLogicSas => "LsiLogicSas",
            ControllerType::NvMe => "NVMe",
            ControllerType::VirtioScsi => "VirtioSCSI",
            ControllerType::I82078 => "I82078",
            ControllerType::Usb => "USB",
            ControllerType::Other(other) => other,
        };
        keys.put(key("type"), kind);
        keys.put(key("portcount"), controller.ports.unwrap());
        keys.on(key("bootable"), controller.bootable);
        let bus = controller.bus.as_ref().unwrap();
        let devices = bus.limits().unwrap().devices_per_port;
        for port in 0..controller.ports.unwrap() {
            for device in 0..devices {
                keys.put(format!("place/{name}/{port}/{device}/medium"), "none");
            }
        }
    }
    for attachment in &machine.attachments {
        let place = format!("place/{}/{}/{}", attachment.controller, attachment.port, attachment.device);
        let key = |what: &str| format!("{place}/{what}");
        let AttachedMedium::Image(uuid) = &attachment.medium else {
            keys.put(key("medium"), "emptydrive");
            continue;
        };
        keys.put(key("medium"), inventory.media[uuid].location.display());
        keys.put(key("ImageUUID"), uuid);
        keys.on(key("nonrotational"), Some(attachment.non_rotational));
        keys.on(key("discard"), Some(attachment.discard));
        if attachment.kind == DeviceKind::Dvd {
            keys.on(key("tempeject"), Some(attachment.temp_eject));
            if attachment.passthrough {
                keys.put(key("dvdpassthrough"), "on");
            }
        }
        let bus = machine.settings.controllers.as_ref().unwrap()[&attachment.controller].bus.clone().unwrap();
        if matches!(bus, Bus::Sata | Bus::Usb) {
            keys.on(key("hot-pluggable"), Some(attachment.hot_pluggable));
        }
    }
}

fn snapshot(snapshot: &Snapshot, suffix: &str, machine: &Machine, keys: &mut Collected) {
    keys.put(format!("snapshot/Name{suffix}"), &snapshot.name);
    keys.put(format!("snapshot/UUID{suffix}"), snapshot.uuid);
    if !snapshot.description.is_empty() {
        keys.put(format!("snapshot/Description{suffix}"), &snapshot.description);
    }
    if machine.current_snapshot == Some(snapshot.uuid) {
        keys.put("CurrentSnapshotName", &snapshot.name);
    }
    for (number, child) in (1..).zip(&snapshot.children) {
        self::snapshot(child, &format!("{suffix}-{number}"), machine, keys);
    }
}
