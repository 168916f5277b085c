//! What is tried: one line a change.

use vboxmcp::inventory::{AttachedMedium, Inventory, Machine};
use vboxmcp::model::capability::{Case, Edit};
use vboxmcp::model::settings::ControllerType;
use vboxmcp::model::state::StateClass;
use vboxmcp::model::{Controller, FieldPath};
use vboxmcp::plan::{Action, Assignment};

use super::ground::{Ground, at};
use super::ways::{
    add_controller, attached, change_folder, change_rule, controller, extra, filter, grow, has_controller,
    has_grown, insert, is_filled, limit, moves, option, property, read_only, remove_folder, rule_is_changed,
    seen, temp_eject,
};

/// One change of one field.
pub struct Sample {
    /// The field, with the keys that it is tried at.
    pub field: &'static str,
    /// What is done to it.
    pub edit: Edit,
    /// What else the answer depends on.
    pub case: Option<Case>,
    /// How.
    pub way: Way,
    /// What is set in the same call, because the way to change it needs it.
    pub with: &'static [(&'static str, &'static str)],
    /// A live machine keeps it in memory until a time of VirtualBox's own: nearly always it is in the file at once, and once it was not
    /// there three seconds later.
    pub late: bool,
}

/// How a field is changed.
pub enum Way {
    /// By a settings change.
    Set {
        /// What a machine gets before the probe, in JSON; nothing for what a new one has.
        before: &'static str,
        /// What it is set to, in JSON; `$` is the machine's name.
        after: &'static str,
    },
    /// By other actions.
    Act {
        /// What vboxmcp would do.
        actions: fn(&Ground<'_>) -> Vec<Action>,
        /// How its effect is seen.
        is_done: fn(&Ground<'_>, &Machine, &Inventory) -> bool,
    },
}

impl Sample {
    /// The field with `*` for free keys.
    pub fn row(&self) -> FieldPath {
        let path: FieldPath = self.field.parse().unwrap();
        let keys = path.keys();
        let free = |index: usize| {
            let head = keys[0].as_str();
            let below = index.checked_sub(1).map(|before| keys[before].as_str());
            match index {
                1 => matches!(
                    head,
                    "nics"
                        | "disks"
                        | "dvds"
                        | "floppies"
                        | "controllers"
                        | "sharedFolders"
                        | "extraData"
                        | "guestProperties"
                        | "serialPorts"
                        | "parallelPorts"
                        | "bandwidthGroups"
                        | "cpuidOverrides"
                ),
                _ => matches!(below, Some("portForwards" | "properties" | "filters")),
            }
        };
        FieldPath::of(
            keys.iter().enumerate().map(|(index, key)| if free(index) { "*" } else { key.as_str() }),
        )
    }

    const fn given(mut self, case: Case) -> Self {
        self.case = Some(case);
        self
    }

    const fn late(mut self) -> Self {
        self.late = true;
        self
    }

    const fn with(mut self, with: &'static [(&'static str, &'static str)]) -> Self {
        self.with = with;
        self
    }
}

const fn sample(field: &'static str, edit: Edit, way: Way) -> Sample {
    Sample { field, edit, case: None, way, with: &[], late: false }
}

/// A value becomes another one.
const fn set(field: &'static str, before: &'static str, after: &'static str) -> Sample {
    sample(field, Edit::Change, Way::Set { before, after })
}

/// A member of a map comes.
const fn add(field: &'static str, after: &'static str) -> Sample {
    sample(field, Edit::Add, Way::Set { before: "", after })
}

/// A member of a map goes.
const fn remove(field: &'static str, before: &'static str) -> Sample {
    sample(field, Edit::Remove, Way::Set { before, after: "null" })
}

/// Something that a settings change cannot do.
const fn act(
    field: &'static str,
    edit: Edit,
    actions: fn(&Ground<'_>) -> Vec<Action>,
    is_done: fn(&Ground<'_>, &Machine, &Inventory) -> bool,
) -> Sample {
    sample(field, edit, Way::Act { actions, is_done })
}

/// What every machine of the probe has besides the values before.
pub const BASE: &[(&str, &str)] = &[
    ("nics.1.mode", r#""nat""#),
    ("nics.1.nat.portForwards.goes", r#""45011:22""#),
    ("nics.1.nat.portForwards.changes", r#""45012:22""#),
    ("nics.2.mode", r#""unattached""#),
    ("nics.3.mode", r#""unattached""#),
    ("nics.6.mode", r#""unattached""#),
    ("nics.7.mode", r#""unattached""#),
];

/// Disks: name, SATA port, whether hot-pluggable.
pub const DISKS: &[(&str, u32, bool)] = &[
    ("grows", 0, false),
    ("changes", 1, false),
    ("goes-cold", 2, false),
    ("goes-hot", 3, true),
    ("moves-cold", 4, false),
    ("moves-hot", 5, true),
];

/// Every change that is tried, each on machines that are off, saved, running and paused.
pub const SAMPLES: &[Sample] = &[
    set("description", r#""before""#, r#""after""#),
    set("osType", "", r#""Debian_64""#),
    set("hardwareUuid", "", r#""6d6f6e6b-6579-4000-8000-000000000001""#),
    set("snapshotFolder", "", r#""Points""#),
    set("processPriority", "", r#""low""#),
    set("executionEngine", "", r#""interpreter""#),
    set("frontend", "", r#""headless""#),
    set("firmware", "", r#""efi""#),
    set("firmwareSettings.bootMenu", "", r#""disabled""#),
    set("firmwareSettings.logoFadeIn", "", "false"),
    set("firmwareSettings.logoFadeOut", "", "false"),
    set("firmwareSettings.logoDisplayTime", "", "250"),
    set("firmwareSettings.logoImage", "", r#""/nowhere/logo.bmp""#),
    set("firmwareSettings.timeOffset", "", "-3000"),
    set("firmwareSettings.pxeDebug", "", "true"),
    set("firmwareSettings.systemUuidLittleEndian", "", "false"),
    set("firmwareSettings.apic", "", r#""x2apic""#),
    set("tpm", "", r#""2.0""#),
    set("iommu", "", r#""automatic""#),
    set("bootOrder", r#"["disk","none","none","none"]"#, r#"["net","none","none","none"]"#),
    set("paravirtProvider", "", r#""kvm""#),
    set("rtcUseUtc", "false", "true"),
    set("acpi", "true", "false"),
    set("ioapic", "false", "true"),
    set("hpet", "", "true"),
    set("tripleFaultReset", "", "true"),
    set("cpus", "1", "2"),
    set("cpuExecutionCap", "100", "50"),
    set("cpuHotplug", "", "true"),
    set("cpuidPortabilityLevel", "", "2"),
    set("cpuProfile", "", r#""Intel Core i7-6700K""#),
    set(
        "cpuidOverrides.00000001",
        r#""000306a9 00000000 00000000 00000000""#,
        r#""000306aa 00000000 00000000 00000000""#,
    ),
    add("cpuidOverrides.80000001", r#""00000001 00000002 00000003 00000004""#),
    set("x2apic", "true", "false"),
    // Without an x2APIC, which only the machine that is off has lost by now, there is none.
    act(
        "apic",
        Edit::Change,
        |ground| {
            let path = FieldPath::of(["apic"]);
            vec![ground.setting(vec![Assignment::set(path, ground.state == StateClass::Off)])]
        },
        |ground, machine, _| machine.settings.apic == Some(ground.state == StateClass::Off),
    ),
    set("pae", "false", "true"),
    set("longMode", "false", "true"),
    set("hwVirtEx", "true", "false"),
    set("nestedPaging", "true", "false"),
    set("largePages", "false", "true"),
    set("vtxVpid", "true", "false"),
    set("vtxUx", "true", "false"),
    set("virtVmsaveVmload", "true", "false"),
    set("nestedHwVirt", "false", "true"),
    set("mitigations.ibpbOnVmExit", "", "true"),
    set("mitigations.ibpbOnVmEntry", "", "true"),
    set("mitigations.specCtrl", "", "true"),
    set("mitigations.l1dFlushOnSched", "", "false"),
    set("mitigations.l1dFlushOnVmEntry", "", "true"),
    set("mitigations.mdsClearOnSched", "", "false"),
    set("mitigations.mdsClearOnVmEntry", "", "true"),
    set("memory", "64", "48"),
    set("memoryBalloon", "", "4"),
    set("pageFusion", "", "true"),
    set("graphics.controller", r#""vboxvga""#, r#""vmsvga""#),
    set("graphics.vram", "8", "16"),
    set("graphics.monitors", "1", "2"),
    set("graphics.accelerate3d", "false", "true"),
    set("vrde.enabled", "false", "true"),
    set("vrde.address", "", r#""127.0.0.1""#),
    set("vrde.port", "", r#""45021-45022""#),
    set("vrde.auth", "", r#""external""#),
    set("vrde.authLibrary", "", r#""lib""#),
    set("vrde.multiConnection", "", "true"),
    set("vrde.reuseConnection", "", "true"),
    set("vrde.extPack", "", r#""VNC""#),
    add("vrde.properties.Client/DisableInput", r#""1""#),
    set("recording.file", "", r#""/nowhere/screen.webm""#),
    set("recording.screens", "", "[]"),
    set("recording.size", "", r#""800x600""#),
    set("recording.rate", "", "600"),
    set("recording.fps", "", "20"),
    set("recording.maxTime", "", "60"),
    set("recording.maxSize", "", "10"),
    // Nothing else of it can be changed while it records.
    set("recording.enabled", "", "true"),
    set("audio.enabled", "false", "true"),
    set("audio.driver", r#""default""#, r#""null""#),
    set("audio.codec", r#""ad1980""#, r#""stac9700""#),
    set("audio.controller", r#""ac97""#, r#""hda""#),
    set("audio.in", "false", "true"),
    set("audio.out", "false", "true"),
    set("clipboard.mode", r#""disabled""#, r#""bidirectional""#),
    set("clipboard.fileTransfers", "false", "true"),
    set("dragAndDrop", r#""disabled""#, r#""bidirectional""#),
    set("usb.controllers", "", r#"["ohci"]"#),
    set("usb.cardReader", "false", "true"),
    set("pointing", r#""ps2""#, r#""usbtablet""#),
    set("keyboard", r#""ps2""#, r#""usb""#),
    add("serialPorts.2", r#"{"ioBase":760,"irq":3,"type":"16550A","mode":"disconnected"}"#),
    set("serialPorts.1.mode", r#""disconnected""#, r#""tcpServer:45031""#),
    set("serialPorts.1.type", r#""16550A""#, r#""16750""#),
    set("serialPorts.1.ioBase", "1016", "1000").with(&[("serialPorts.1.irq", "4")]),
    set("serialPorts.1.irq", "4", "5").with(&[("serialPorts.1.ioBase", "1016")]),
    remove("serialPorts.3", r#"{"ioBase":1000,"irq":7,"type":"16550A","mode":"disconnected"}"#),
    set("parallelPorts.1.ioBase", "888", "632").with(&[("parallelPorts.1.irq", "7")]),
    set("parallelPorts.1.irq", "7", "5").with(&[("parallelPorts.1.ioBase", "632")]),
    set("parallelPorts.1.device", "", r#""/nowhere/lp0""#),
    add("parallelPorts.2", r#"{"ioBase":956,"irq":4,"device":"/nowhere/lp1"}"#),
    set("autostart.enabled", "", "true"),
    set("autostart.stop", "", r#""acpishutdown""#),
    set("nics.1.type", r#""82540EM""#, r#""82545EM""#),
    set("nics.1.mac", r#""080027000001""#, r#""080027000002""#),
    set("nics.1.cable", "true", "false"),
    set("nics.1.speed", "", "1000"),
    set("nics.1.promiscuous", r#""deny""#, r#""allow-all""#),
    set("nics.1.bootPriority", "", "1"),
    set("nics.1.trace", "", r#""/tmp/vboxmcp-probe.pcap""#),
    set("nics.1.nat.cidr", "", r#""10.9.0.0/24""#),
    set("nics.1.nat.bindIp", "", r#""127.0.0.1""#),
    set("nics.1.nat.mtu", "", "1400"),
    set("nics.1.nat.aliasMode", "", r#"["log"]"#),
    set("nics.1.nat.forwardBroadcast", "", "true"),
    set("nics.1.nat.dns.passDomain", "true", "false"),
    set("nics.1.nat.dns.proxy", "", "true"),
    set("nics.1.nat.dns.hostResolver", "", "true"),
    set("nics.1.nat.tftp.enabled", "true", "false"),
    set("nics.1.nat.tftp.prefix", "", r#""/srv""#),
    set("nics.1.nat.tftp.file", "", r#""a.0""#),
    set("nics.1.nat.tftp.server", "", r#""10.0.2.4""#),
    set("nics.1.nat.socketBuffers.socketSend", "", "65"),
    // VirtualBox gives both the size for sending (measured).
    set("nics.1.nat.socketBuffers.socketReceive", "", "66")
        .with(&[("nics.1.nat.socketBuffers.socketSend", "66")]),
    set("nics.1.nat.socketBuffers.tcpSend", "", "67"),
    set("nics.1.nat.socketBuffers.tcpReceive", "", "68"),
    add("nics.1.nat.portForwards.new", r#""45013:22""#),
    act("nics.1.nat.portForwards.changes", Edit::Change, change_rule, rule_is_changed),
    remove("nics.1.nat.portForwards.goes", ""),
    set("nics.2.mode", "", r#""nat""#),
    // A machine with a network does not start everywhere: it comes to it in the state that is asked.
    add("nics.6.network", r#""lab""#).with(&[("nics.6.mode", r#""intnet""#)]),
    set("nics.6.network", "", r#""core""#).with(&[("nics.6.mode", r#""intnet""#)]),
    add("nics.7.driver", r#""UDPTunnel""#).with(&[("nics.7.mode", r#""generic""#)]),
    add("nics.7.properties.dest", r#""127.0.0.1""#).with(&[("nics.7.mode", r#""generic""#)]),
    remove("nics.3", ""),
    add("nics.4", r#"{"mode":"nat"}"#),
    act(
        "controllers.New",
        Edit::Add,
        |ground| vec![add_controller(ground)],
        |_, machine, _| has_controller(machine, "New"),
    ),
    set("nics.2.bandwidthGroup", "", r#""changes""#),
    act(
        "bandwidthGroups.new",
        Edit::Add,
        |ground| vec![ground.group("new", "network")],
        |_, machine, _| limit(machine, "new").is_some(),
    ),
    act(
        "bandwidthGroups.changes.limit",
        Edit::Change,
        |ground| {
            let (machine, name) = (ground.target(), "changes".to_owned());
            vec![Action::LimitBandwidthGroup { machine, name, limit: 125_000 }]
        },
        |_, machine, _| limit(machine, "changes") == Some(125_000),
    ),
    act(
        "bandwidthGroups.goes",
        Edit::Remove,
        |ground| vec![Action::RemoveBandwidthGroup { machine: ground.target(), name: "goes".to_owned() }],
        |_, machine, _| limit(machine, "goes").is_none(),
    ),
    act(
        "disks.changes.bandwidthGroup",
        Edit::Change,
        |ground| {
            let (machine, group) = (ground.target(), "disks".to_owned());
            vec![Action::AssignBandwidthGroup { machine, at: at("SATA", 1, 0), group }]
        },
        |_, machine, _| {
            let disk = machine.attachment_at("SATA", 1, 0);
            disk.and_then(|disk| disk.bandwidth_group.as_deref()) == Some("disks")
        },
    ),
    act(
        "usb.filters.3",
        Edit::Add,
        |ground| vec![ground.usb_filter(3, "new")],
        |_, machine, _| filter(machine, 3) == Some("new"),
    ),
    act(
        "usb.filters.2",
        Edit::Remove,
        |ground| vec![Action::RemoveUsbFilter { machine: ground.target(), position: 2 }],
        |_, machine, _| filter(machine, 2) != Some("goes"),
    ),
    // Last of them: where only half of it is done, the others have moved up.
    act(
        "usb.filters.1",
        Edit::Change,
        |ground| {
            let remove = Action::RemoveUsbFilter { machine: ground.target(), position: 1 };
            vec![remove, ground.usb_filter(1, "after")]
        },
        |_, machine, _| filter(machine, 1) == Some("after"),
    ),
    act(
        "controllers.SATA.ports",
        Edit::Change,
        |ground| vec![controller(ground, "SATA", Controller { ports: Some(20), ..Controller::default() })],
        |_, machine, _| seen(machine, "SATA").and_then(|controller| controller.ports) == Some(20),
    ),
    act(
        "controllers.SATA.hostIoCache",
        Edit::Change,
        |ground| {
            vec![controller(
                ground,
                "SATA",
                Controller { host_io_cache: Some(true), ..Controller::default() },
            )]
        },
        |_, machine, _| seen(machine, "SATA").and_then(|controller| controller.host_io_cache) == Some(true),
    ),
    act(
        "controllers.SATA.bootable",
        Edit::Change,
        |ground| {
            vec![controller(ground, "SATA", Controller { bootable: Some(false), ..Controller::default() })]
        },
        |_, machine, _| seen(machine, "SATA").and_then(|controller| controller.bootable) == Some(false),
    ),
    act(
        "controllers.IDE.type",
        Edit::Change,
        |ground| {
            let kind = Some(ControllerType::Ich6);
            vec![controller(ground, "IDE", Controller { r#type: kind, ..Controller::default() })]
        },
        |_, machine, _| {
            seen(machine, "IDE").and_then(|controller| controller.r#type) == Some(ControllerType::Ich6)
        },
    ),
    act(
        "controllers.SCSI",
        Edit::Remove,
        |ground| vec![Action::RemoveController { machine: ground.target(), name: "SCSI".to_owned() }],
        |_, machine, _| !has_controller(machine, "SCSI"),
    ),
    act(
        "disks.new-hot",
        Edit::Add,
        |ground| ground.add_disk("new-hot", at("SATA", 6, 0)),
        |_, machine, _| is_filled(machine, "SATA", 6, 0),
    )
    .given(Case::HotPlugBus),
    act(
        "disks.new-cold",
        Edit::Add,
        |ground| ground.add_disk("new-cold", at("IDE", 1, 0)),
        |_, machine, _| is_filled(machine, "IDE", 1, 0),
    )
    .given(Case::ColdPlugBus),
    act(
        "disks.goes-hot",
        Edit::Remove,
        |ground| vec![ground.detach(at("SATA", 3, 0))],
        |_, machine, _| !is_filled(machine, "SATA", 3, 0),
    )
    .given(Case::HotPluggable),
    act(
        "disks.goes-cold",
        Edit::Remove,
        |ground| vec![ground.detach(at("SATA", 2, 0))],
        |_, machine, _| !is_filled(machine, "SATA", 2, 0),
    )
    .given(Case::NotHotPluggable),
    act(
        "disks.moves-hot.at",
        Edit::Change,
        |ground| moves(ground, "moves-hot", 5, 7),
        |_, machine, _| is_filled(machine, "SATA", 7, 0),
    )
    .given(Case::HotPluggable),
    act(
        "disks.moves-cold.at",
        Edit::Change,
        |ground| moves(ground, "moves-cold", 4, 8),
        |_, machine, _| is_filled(machine, "SATA", 8, 0),
    )
    .given(Case::NotHotPluggable),
    act("disks.grows.size", Edit::Change, grow, has_grown),
    act(
        "disks.changes.ssd",
        Edit::Change,
        |ground| option(ground, "ssd"),
        |_, machine, _| attached(machine, 1).non_rotational,
    ),
    act(
        "disks.changes.discard",
        Edit::Change,
        |ground| option(ground, "discard"),
        |_, machine, _| attached(machine, 1).discard,
    ),
    act(
        "disks.changes.hotPluggable",
        Edit::Change,
        |ground| option(ground, "hotPluggable"),
        |_, machine, _| attached(machine, 1).hot_pluggable,
    ),
    act(
        "dvds.1.medium",
        Edit::Change,
        |ground| vec![insert(ground)],
        |_, machine, _| matches!(attached(machine, 10).medium, AttachedMedium::Image(_)),
    ),
    act(
        "dvds.1.tempEject",
        Edit::Change,
        |ground| vec![temp_eject(ground)],
        |_, machine, _| attached(machine, 10).temp_eject,
    ),
    act(
        "dvds.4",
        Edit::Add,
        |ground| vec![ground.drive(at("SATA", 9, 0))],
        |_, machine, _| is_filled(machine, "SATA", 9, 0),
    )
    .given(Case::HotPlugBus),
    act(
        "dvds.4",
        Edit::Add,
        |ground| vec![ground.drive(at("IDE", 1, 1))],
        |_, machine, _| is_filled(machine, "IDE", 1, 1),
    )
    .given(Case::ColdPlugBus),
    act(
        "dvds.2",
        Edit::Remove,
        |ground| vec![ground.detach(at("SATA", 11, 0))],
        |_, machine, _| !is_filled(machine, "SATA", 11, 0),
    )
    .given(Case::NotHotPluggable),
    act(
        "dvds.4",
        Edit::Remove,
        |ground| vec![ground.detach(at("SATA", 12, 0))],
        |_, machine, _| !is_filled(machine, "SATA", 12, 0),
    )
    .given(Case::HotPluggable),
    act(
        "dvds.3",
        Edit::Remove,
        |ground| vec![ground.detach(at("IDE", 0, 0))],
        |_, machine, _| !is_filled(machine, "IDE", 0, 0),
    )
    .given(Case::ColdPlugBus),
    act(
        "floppies.1",
        Edit::Change,
        |ground| vec![ground.floppy(0, true)],
        |_, machine, _| {
            let drive = machine.attachment_at("Floppy", 0, 0);
            drive.is_some_and(|drive| matches!(drive.medium, AttachedMedium::Image(_)))
        },
    ),
    act(
        "floppies.2",
        Edit::Add,
        |ground| vec![ground.floppy(1, false)],
        |_, machine, _| is_filled(machine, "Floppy", 0, 1),
    ),
    act(
        "sharedFolders.new",
        Edit::Add,
        |ground| vec![ground.folder("new", false)],
        |_, machine, _| read_only(machine, "new") == Some(false),
    ),
    act("sharedFolders.changes", Edit::Change, change_folder, |_, machine, _| {
        read_only(machine, "changes") == Some(true)
    }),
    act(
        "sharedFolders.goes",
        Edit::Remove,
        |ground| vec![remove_folder(ground, "goes")],
        |_, machine, _| read_only(machine, "goes").is_none(),
    ),
    act(
        "extraData.probe/new",
        Edit::Add,
        |ground| vec![ground.extra("probe/new", Some("after"))],
        |_, machine, _| extra(machine, "new") == Some("after"),
    ),
    act(
        "extraData.probe/changes",
        Edit::Change,
        |ground| vec![ground.extra("probe/changes", Some("after"))],
        |_, machine, _| extra(machine, "changes") == Some("after"),
    ),
    act(
        "extraData.probe/goes",
        Edit::Remove,
        |ground| vec![ground.extra("probe/goes", None)],
        |_, machine, _| extra(machine, "goes").is_none(),
    ),
    act(
        "guestProperties./probe/new",
        Edit::Add,
        |ground| vec![ground.property("/probe/new", Some("after"))],
        |_, machine, _| property(machine, "new") == Some("after"),
    )
    .late(),
    act(
        "guestProperties./probe/changes",
        Edit::Change,
        |ground| vec![ground.property("/probe/changes", Some("after"))],
        |_, machine, _| property(machine, "changes") == Some("after"),
    )
    .late(),
    act(
        "guestProperties./probe/goes",
        Edit::Remove,
        |ground| vec![ground.property("/probe/goes", None)],
        |_, machine, _| property(machine, "goes").is_none(),
    )
    .late(),
    set("autostart.delay", "", "7"),
    set("teleporter.enabled", "", "true"),
    set("teleporter.port", "", "6000"),
    set("teleporter.address", "", r#""127.0.0.1""#),
    set("chipset", r#""piix3""#, r#""ich9""#),
    // These two move the folder.
    set("groups", "", r#"["/probe"]"#),
    set("name", "", r#""renamed-$""#),
];
