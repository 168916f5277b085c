//! Machines as nobody would make them.

use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::select as one_of;

use super::{add, all, assert_round_trip, attachment, host, machine, medium, settings};
use crate::inventory::{AttachedMedium, Attachment, DeviceKind, Machine, Medium};
use crate::model::nic::NicType;
use crate::model::settings::{BootDevice, Bus, Chipset, ControllerType, Firmware, GraphicsController};
use crate::model::{
    Bytes, Controller, Graphics, HostPort, Mebibytes, Nat, Nic, NicMode, PortForward, PowerState, Protocol,
    Settings, SharedFolder, os_type,
};

/// Texts as people and programs leave them.
fn texts() -> impl Strategy<Value = String> {
    let odd = vec![
        "",
        "x",
        "no",
        "1",
        "080027",
        "2.0",
        " a",
        "a ",
        "a: b",
        "a #b",
        "${var.x}",
        "$${",
        "a\nb",
        "a\n\n b\n",
        "a\r\nb",
        "ä ß",
        "\u{7}",
        "a,b",
        "a\"b",
        "a'b",
        "C:\\x",
        "~",
        "{}",
        "- a",
        "|",
        "\u{2028}",
        "vboxmcp/owner",
        "GUI/x",
        "my-Password",
    ];
    prop_oneof![one_of(odd).prop_map(str::to_owned), "[a-z]{1,6}", any::<String>()]
}

fn paths() -> impl Strategy<Value = String> {
    let odd = vec![
        "/srv/data",
        "/srv/./data",
        "/srv/../data",
        "/srv//data",
        "relative",
        "",
        "/srv/ä b",
        "/srv/${x}",
        "/srv/a\nb",
        "/",
    ];
    prop_oneof![one_of(odd).prop_map(str::to_owned), "/[a-z]{1,5}/[a-z]{1,5}"]
}

fn ips() -> impl Strategy<Value = Option<String>> {
    one_of(vec![
        None,
        Some("127.0.0.1"),
        Some("10.0.2.15"),
        Some("::1"),
        Some("0.0.0.0"),
        Some("name"),
        Some("fe80::1%eth0"),
    ])
    .prop_map(|ip| ip.map(str::to_owned))
}

fn rules() -> impl Strategy<Value = PortForward> {
    (any::<bool>(), ips(), any::<u16>(), ips(), any::<u16>()).prop_map(
        |(tcp, host_ip, host_port, guest_ip, guest_port)| PortForward {
            protocol: if tcp { Protocol::Tcp } else { Protocol::Udp },
            host_ip,
            host_port: HostPort::Fixed(host_port),
            guest_ip,
            guest_port,
        },
    )
}

fn nics() -> impl Strategy<Value = Nic> {
    let mode = one_of(vec![
        NicMode::Nat,
        NicMode::Nat,
        NicMode::Nat,
        NicMode::Unattached,
        NicMode::Bridged,
        NicMode::Other("x".into()),
    ]);
    let kind =
        one_of(vec![NicType::I82540EM, NicType::Am79C973, NicType::Virtio, NicType::Other("zz".into())]);
    let rules = prop::collection::btree_map(texts(), rules(), 0..3);
    let cidr = one_of(vec!["", "", "10.1.0.0/16", "10.1.0.5/16"]);
    (mode, kind, rules, cidr, any::<bool>(), "[0-9A-F]{12}").prop_map(
        |(mode, kind, rules, cidr, cable, mac)| Nic {
            nat: (mode == NicMode::Nat).then(|| Nat {
                port_forwards: Some(rules),
                cidr: Some(cidr.to_owned()),
                ..Nat::default()
            }),
            mode: Some(mode),
            nic_type: Some(kind),
            mac: Some(mac),
            cable: Some(cable),
            ..Nic::default()
        },
    )
}

fn controllers() -> impl Strategy<Value = (String, Controller)> {
    let chips = vec![
        ControllerType::Ahci,
        ControllerType::Ahci,
        ControllerType::Piix3,
        ControllerType::Piix4,
        ControllerType::LsiLogic,
        ControllerType::LsiLogicSas,
        ControllerType::NvMe,
        ControllerType::VirtioScsi,
        ControllerType::I82078,
        ControllerType::Usb,
        ControllerType::Other("new".into()),
    ];
    let name = prop_oneof![Just("SATA".to_owned()), Just("IDE".to_owned()), texts()];
    (name, one_of(chips), 1_u32..8, any::<bool>(), any::<bool>()).prop_map(
        |(name, chip, ports, cache, bootable)| {
            let bus = chip.bus().unwrap_or_else(|| Bus::Other(chip.to_string()));
            let ports = match &bus {
                Bus::Sata | Bus::Sas | Bus::Pcie | Bus::Virtio => ports,
                other => other.limits().map_or(ports, |limits| limits.default_ports),
            };
            let host_io_cache = Some(cache && bus != Bus::Sata);
            (
                name,
                Controller {
                    r#type: Some(chip),
                    ports: Some(ports),
                    host_io_cache,
                    bootable: Some(bootable),
                    bus: Some(bus),
                },
            )
        },
    )
}

/// One device: which controller, where, what.
#[derive(Clone, Debug)]
struct Device {
    controller: prop::sample::Index,
    place: (u32, u32),
    file: (String, bool, &'static str),
    size: Option<u64>,
    flags: [bool; 2],
    kind: DeviceKind,
}

fn devices() -> impl Strategy<Value = Device> {
    let stem = prop_oneof!["[a-z]{1,5}", texts().prop_map(|text| text.replace(['/', '\0'], "_"))];
    let format = one_of(vec!["vdi", "vdi", "vdi", "vmdk", "vhd", "qcow"]);
    let size = one_of(vec![Some(1_u64 << 30), Some(20 << 30), Some((1 << 30) + 512), Some(1000), None]);
    let kind = one_of(vec![DeviceKind::Disk, DeviceKind::Disk, DeviceKind::Dvd, DeviceKind::Floppy]);
    (
        any::<prop::sample::Index>(),
        (0_u32..6, 0_u32..2),
        (stem, any::<bool>(), format),
        size,
        any::<[bool; 2]>(),
        kind,
    )
        .prop_map(|(controller, place, file, size, flags, kind)| Device {
            controller,
            place,
            file,
            size,
            flags,
            kind,
        })
}

prop_compose! {
    fn machines()(
        name in prop_oneof![3 => "[a-z][a-z0-9-]{0,8}", 1 => texts().prop_filter("a folder", |t| !t.contains(['/', '\0']))],
        os_type in one_of(os_type::ids().map(str::to_owned).chain(["Nobody_64".to_owned()]).collect::<Vec<_>>()),
        description in texts(),
        group in one_of(vec!["/", "/", "/lab", "/lab/a b", "/a+b"]),
        cpus in 1_u32..80,
        cap in 1_u32..=100,
        memory in one_of(vec![1_u64, 64, 1024, 1536, 4_000_000]),
        firmware in one_of(vec![Firmware::Bios, Firmware::Efi, Firmware::Other("arm".into())]),
        chipset in one_of(vec![Chipset::Piix3, Chipset::Ich9]),
        flags in any::<[bool; 4]>(),
        order in prop::collection::vec(one_of(vec![BootDevice::Disk, BootDevice::Dvd, BootDevice::Net, BootDevice::None]), 4),
        vram in one_of(vec![1_u64, 4, 16, 128, 1024]),
        card in one_of(vec![GraphicsController::VmSvga, GraphicsController::VBoxVga, GraphicsController::Other("q".into())]),
        nics in prop::collection::btree_map(1_u32..9, nics(), 0..3),
        controllers in prop::collection::btree_map(Just(()), controllers(), 0..1),
        more in prop::collection::vec(controllers(), 0..3),
        devices in prop::collection::vec(devices(), 0..5),
        folders in prop::collection::btree_map(texts(), (paths(), any::<[bool; 2]>()), 0..3),
        extra in prop::collection::btree_map(texts(), texts(), 0..3),
        properties in prop::collection::btree_map(texts(), texts(), 0..3),
        state in one_of(vec![PowerState::PowerOff, PowerState::Aborted, PowerState::Running, PowerState::Saved, PowerState::Paused]),
    ) -> (Machine, Vec<Medium>) {
        let known = if os_type::lookup(&os_type).is_some() { os_type.as_str() } else { "Other" };
        let mut live = machine(&name, Settings {
            os_type: Some(os_type.clone()),
            description: Some(description),
            groups: Some(vec![group.to_owned()]),
            cpus: Some(cpus),
            cpu_execution_cap: Some(cap),
            memory: Some(Mebibytes(memory)),
            firmware: Some(firmware),
            chipset: Some(chipset),
            rtc_use_utc: Some(flags[0]),
            acpi: Some(flags[1]),
            ioapic: Some(flags[2]),
            pae: Some(flags[3]),
            boot_order: Some(order),
            graphics: Some(Graphics { controller: Some(card), vram: Some(Mebibytes(vram)), monitors: Some(1), accelerate3d: Some(false) }),
            nics: Some(nics.into_iter().map(|(slot, nic)| (slot, Box::new(nic))).collect()),
            controllers: Some(controllers.into_values().chain(more).collect()),
            shared_folders: Some(folders.into_iter().map(|(name, (path, [read_only, automount]))| (name, SharedFolder {
                host_path: Some(path),
                mount_point: Some(String::new()),
                read_only: Some(read_only),
                automount: Some(automount),
                symlinks: Some("forbidden".to_owned()),
            })).collect()),
            extra_data: Some(extra.into_iter().map(|(key, value)| (key, Some(value))).collect()),
            guest_properties: Some(properties.into_iter().map(|(key, value)| (key, Some(value))).collect()),
            ..settings(known)
        });
        live.state = Some(state);
        let mut media = Vec::new();
        let names: Vec<(String, Controller)> = live.settings.controllers.clone().unwrap().into_iter().collect();
        for device in devices {
            if names.is_empty() {
                break;
            }
            let (controller, live_controller) = device.controller.get(&names);
            let Some(limits) = live_controller.bus.as_ref().and_then(Bus::limits) else { continue };
            let (port, unit) = device.place;
            let is_floppy = live_controller.bus == Some(Bus::Floppy);
            if port >= live_controller.ports.unwrap() || unit >= limits.devices_per_port
                || live.attachment_at(controller, port, unit).is_some()
                || (device.kind == DeviceKind::Floppy) != is_floppy
            {
                continue;
            }
            let (stem, inside, format) = device.file;
            let folder = if inside { live.folder() } else { PathBuf::from("/srv") };
            let file = medium(folder.join(format!("{stem}.{format}")), format, 0, live.uuid);
            let file = Medium { size: device.size.map(Bytes), ..file };
            if media.iter().any(|other: &Medium| other.uuid == file.uuid) {
                continue;
            }
            let image = if device.kind == DeviceKind::Disk || device.flags[0] { AttachedMedium::Image(file.uuid) } else { AttachedMedium::Empty };
            let device = Attachment { temp_eject: device.flags[1] && device.kind == DeviceKind::Dvd, ..attachment(controller, port, unit, device.kind, image) };
            live.attachments.push(device);
            media.push(file);
        }
        live.attachments.sort_by(|a, b| (&a.controller, a.port, a.device).cmp(&(&b.controller, b.port, b.device)));
        (live, media)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_exported_plans_empty_once_it_is_adopted(machines in prop::collection::vec(machines(), 1..4)) {
        let mut inventory = host();
        for (machine, media) in machines {
            inventory.media.extend(media.into_iter().map(|medium| (medium.uuid, medium)));
            add(&mut inventory, machine);
        }
        let exported = all(&inventory);
        prop_assert!(!exported.yaml.contains("hunter2"));
        assert_round_trip(&exported, &inventory);
        let told = exported.notes.iter().filter(|note| note.address.is_none()).count();
        prop_assert_eq!(exported.machines.len() + told, inventory.machines.len());
    }
}
