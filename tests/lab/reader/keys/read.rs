//! The same keys from what the reader read.

use std::fmt::Display;

use vboxmcp::inventory::{AttachedMedium, DeviceKind, Inventory, Machine, Snapshot};
use vboxmcp::model::settings::{Bus, ControllerType, GraphicsController};
use vboxmcp::model::{HostPort, Nic, NicMode, Protocol, os_type};

use super::Keys;

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
