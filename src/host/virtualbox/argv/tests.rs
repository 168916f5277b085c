//! Each action as the command lines that it is.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Spellings, command_lines};
use crate::host::HostError;
use crate::inventory::{DeviceKind, Mark, Shard};
use crate::model::settings::{Bus, ControllerType};
use crate::model::{Address, Bytes, Controller, FieldPath, Location, SharedFolder, StackName};
use crate::plan::{Action, Assignment, Insert, Target};

const VM: &str = "00000000-0000-4000-8000-0000000000a1";
const DISK: &str = "00000000-0000-4000-8000-0000000000d1";

fn existing(uuid: &str) -> Target {
    Target::Existing(uuid.parse().unwrap())
}

fn vm() -> Target {
    existing(VM)
}

fn at() -> Location {
    "SATA:1".parse().unwrap()
}

/// The lines without `VBoxManage`, the UUIDs short.
#[track_caller]
fn lines(action: &Action) -> Vec<String> {
    let commands = command_lines(action, &Spellings::default()).unwrap();
    let short = |line: &str| line.replace(VM, "VM").replace(DISK, "DISK").replace("VBoxManage ", "");
    commands.iter().map(|command| short(&command.to_script(crate::host::virtualbox::Shell::Posix))).collect()
}

fn assignments(set: &[(&str, Value)]) -> Vec<Assignment> {
    let one = |(path, value): &(&str, Value)| {
        let path: FieldPath = path.parse().unwrap();
        if value.is_null() { Assignment::remove(path) } else { Assignment::set(path, value.clone()) }
    };
    set.iter().map(one).collect()
}

#[track_caller]
fn modify(set: &[(&str, Value)]) -> String {
    let lines = lines(&Action::ModifyMachine { machine: vm(), set: assignments(set) });
    assert_eq!(lines.len(), 1);
    lines[0].strip_prefix("modifyvm VM ").unwrap().to_owned()
}

fn live(set: &[(&str, Value)]) -> Vec<String> {
    lines(&Action::ModifyLive { machine: vm(), set: assignments(set), save: None })
}

#[test]
fn a_birth() {
    let create = Action::CreateMachine {
        uuid: Some(VM.parse().unwrap()),
        name: "-it's".into(),
        os_type: "Debian_64".into(),
        groups: vec!["/lab/web".into(), "/all".into()],
        folder: "/srv/vms".into(),
    };
    let expected = r"createvm '--name=-it'\''s' --ostype=Debian_64 --uuid=VM --groups=/lab/web,/all --basefolder=/srv/vms --register";
    assert_eq!(lines(&create), [expected]);
}

#[test]
fn settings_are_one_call_in_virtualbox_order() {
    let line = modify(&[
        ("audio", json!({"codec": "stac9221", "controller": "hda", "enabled": true})),
        ("bootOrder", json!(["disk", "none", "none", "none"])),
        ("description", json!("")),
        ("graphics.vram", json!(16)),
        ("name", json!("new")),
        ("groups", json!([])),
        ("memory", json!(2048)),
        ("usb.controllers", json!(["ohci"])),
        ("pointing", json!("usbtablet")),
    ]);
    assert_eq!(
        line,
        "--description= --boot1=disk --boot2=none --boot3=none --boot4=none --memory=2048 --vram=16 --audio-enabled=on \
         --audio-controller=hda --audio-codec=stac9221 --mouse=usbtablet --usb-ohci=on --usb-ehci=off --usb-xhci=off \
         --groups=/ --name=new"
    );
}

#[test]
fn adapters() {
    let line = modify(&[
        ("nics.1.cable", json!(true)),
        ("nics.1.mac", json!("auto")),
        ("nics.1.mode", json!("nat")),
        ("nics.1.nat.cidr", json!("")),
        ("nics.1.nat.portForwards.ssh", json!("2222:22")),
        ("nics.1.nat.portForwards.old", json!(null)),
        ("nics.1.type", json!("virtio")),
        ("nics.2", json!(null)),
        ("nics.7", json!({"mode": "intnet", "network": "lab", "promiscuous": "allow-all"})),
        ("chipset", json!("ich9")),
        ("nics.3.mode", json!("unattached")),
    ]);
    assert_eq!(
        line,
        "--nat-pf1 delete old --nic2=none --chipset=ich9 --nic1=nat --nic7=intnet --intnet7=lab --nic3=null --nic-type1=virtio \
         --mac-address1=auto --cable-connected1=on --nic-promisc7=allow-all --nat-net1=default \
         --nat-pf1=ssh,tcp,127.0.0.1,2222,,22"
    );
}

#[test]
fn slots_beyond_8_come_after_their_chipset() {
    let set =
        assignments(&[("nics.12.mode", json!("nat")), ("chipset", json!("ich9")), ("memory", json!(64))]);
    let both = lines(&Action::ModifyMachine { machine: vm(), set });
    assert_eq!(both, ["modifyvm VM --chipset=ich9", "modifyvm VM --memory=64 --nic12=nat"]);
}

#[test]
fn rules_in_all_shapes() {
    let rule = |text: &str| modify(&[("nics.2.nat.portForwards.a", json!(text))]);
    assert_eq!(rule("*:53:10.0.2.15:5353/udp"), "--nat-pf2=a,udp,,53,10.0.2.15,5353");
    assert_eq!(rule("[::1]:80:81"), "--nat-pf2=a,tcp,::1,80,,81");
    let auto = assignments(&[("nics.2.nat.portForwards.a", json!("auto:80"))]);
    let error = command_lines(&Action::ModifyMachine { machine: vm(), set: auto }, &Spellings::default());
    assert!(matches!(error, Err(HostError::Unsupported { .. })));
}

#[test]
fn sizes_of_a_nat_engine_are_one_option() {
    let buffers = json!({"socketSend": 16, "socketReceive": 16, "tcpReceive": 64});
    assert_eq!(
        modify(&[("nics.1.nat.mtu", json!(1400)), ("nics.1.nat.socketBuffers", buffers.clone())]),
        "--nat-settings1=1400,16,16,,64"
    );
    assert_eq!(modify(&[("nics.2.nat.socketBuffers", buffers)]), "--nat-settings2=,16,16,,64");
}

#[test]
fn ports_and_processor_leaves() {
    let serial = json!({"ioBase": 0x3f8, "irq": 4, "type": "16550A", "mode": "tcpClient:host:4000"});
    assert_eq!(
        modify(&[("serialPorts.1", serial)]),
        "--uart1 0x3f8 4 --uart-mode1 tcpclient host:4000 --uart-type1=16550A"
    );
    assert_eq!(modify(&[("serialPorts.1", json!(null))]), "--uart1=off");
    let parallel = json!({"ioBase": 0x378, "irq": 7, "device": "/dev/lp0"});
    assert_eq!(modify(&[("parallelPorts.2", parallel)]), "--lpt2 0x378 7 --lpt-mode2=/dev/lp0");
    let leaf = json!("000306a9 00000000 00000000 00000000");
    assert_eq!(
        modify(&[("cpuidOverrides.00000001", leaf)]),
        "--cpuid-set 00000001 000306a9 00000000 00000000 00000000"
    );
    assert_eq!(modify(&[("cpuidOverrides.00000001", json!(null))]), "--cpuid-remove=00000001");
}

#[test]
fn older_virtualbox_has_other_words() {
    let usage = Spellings::of_usage("modifyvm <uuid | vmname> [--pae= on | off] [--hpet= on | off]");
    let set = assignments(&[("pae", json!(true)), ("hpet", json!(false)), ("memory", json!(64))]);
    let commands = command_lines(&Action::ModifyMachine { machine: vm(), set }, &usage).unwrap();
    let arguments: Vec<&str> = commands[0].arguments().collect();
    assert_eq!(arguments, ["modifyvm", VM, "--hpet=off", "--pae=on", "--memory=64"]);
}

#[test]
fn live_changes_are_calls_in_the_given_order() {
    let calls = live(&[
        ("nics.1.nat.portForwards.old", json!(null)),
        ("nics.1.nat.portForwards.web", json!("8080:80")),
        ("cpuExecutionCap", json!(50)),
        ("nics.1.cable", json!(false)),
        ("nics.2", json!({"mode": "intnet", "network": "lab"})),
        ("nics.1.mode", json!("unattached")),
    ]);
    assert_eq!(
        calls,
        [
            "controlvm VM natpf1 delete old",
            "controlvm VM natpf1 web,tcp,127.0.0.1,8080,,80",
            "controlvm VM cpuexecutioncap 50",
            "controlvm VM setlinkstate1 off",
            "controlvm VM nic2 intnet lab",
            "controlvm VM nic1 null",
        ]
    );
}

#[test]
fn what_has_no_flag_is_an_error() {
    let refused = |set: &[(&str, Value)], live: bool| {
        let set = assignments(set);
        let action = if live {
            Action::ModifyLive { machine: vm(), set, save: None }
        } else {
            Action::ModifyMachine { machine: vm(), set }
        };
        let error = command_lines(&action, &Spellings::default()).unwrap_err();
        assert!(matches!(error, HostError::Unsupported { .. }));
        error.to_string()
    };
    assert_eq!(
        refused(&[("memory", json!(64))], true),
        "setting memory while the machine runs cannot be done"
    );
    assert_eq!(
        refused(&[("secureBoot", json!(true))], false),
        "setting secureBoot with `modifyvm` cannot be done"
    );
    refused(&[("acpi", json!("yes"))], false);
    refused(&[("nics.1.network", json!("lab"))], false);
    refused(&[("serialPorts.1.ioBase", json!(1))], false);
}

#[test]
fn data_and_ownership() {
    let machine = vm();
    let value = Some("-a b".to_owned());
    let set = Action::SetExtraData { machine: vm(), key: "k".into(), value: value.clone() };
    assert_eq!(lines(&set), ["setextradata VM k '-a b'"]);
    assert_eq!(
        lines(&Action::SetExtraData { machine: vm(), key: "k".into(), value: None }),
        ["setextradata VM k"]
    );
    let set = Action::SetGuestProperty { machine: vm(), key: "/k".into(), value, save: None };
    assert_eq!(lines(&set), ["guestproperty set VM /k '-a b'"]);
    assert_eq!(
        lines(&Action::SetGuestProperty { machine, key: "/k".into(), value: None, save: None }),
        ["guestproperty unset VM /k"]
    );
    let mark = Mark::new(StackName::default_stack(), Address::machine("a"), VM.parse().unwrap());
    let written = lines(&Action::WriteMark { machine: vm(), mark: Some(mark) });
    assert!(
        written[0].starts_with("setextradata VM vboxmcp/owner '{\"v\":1,\"stack\":\"default\""),
        "{written:?}"
    );
    assert_eq!(lines(&Action::WriteMark { machine: vm(), mark: None }), ["setextradata VM vboxmcp/owner"]);
    let shard = Shard { key: "vboxmcp/stack/a/0".into(), value: Some("{}".into()) };
    assert_eq!(lines(&Action::WriteRegister { shard }), ["setextradata global vboxmcp/stack/a/0 '{}'"]);
}

#[test]
fn storage() {
    let controller = Controller {
        bus: Some(Bus::Pcie),
        r#type: Some(ControllerType::NvMe),
        ports: Some(2),
        host_io_cache: Some(false),
        bootable: None,
    };
    let add = Action::AddController { machine: vm(), name: "-n".into(), controller: controller.clone() };
    assert_eq!(
        lines(&add),
        ["storagectl VM --name -n --add=pcie --controller=NVMe --portcount=2 --hostiocache=off"]
    );
    let change = Controller { bus: None, r#type: None, ..controller };
    let change = Action::ChangeController { machine: vm(), name: "n".into(), controller: change };
    assert_eq!(lines(&change), ["storagectl VM --name n --portcount=2 --hostiocache=off"]);
    assert_eq!(
        lines(&Action::RemoveController { machine: vm(), name: "n".into() }),
        ["storagectl VM --name n --remove"]
    );

    let create = Action::CreateDisk {
        address: Address::Disk("d".into()),
        location: "/srv/d.vmdk".into(),
        machine: None,
        format: "vmdk".into(),
        variant: "split2g-fixed".into(),
        size: Bytes(1 << 30),
    };
    let expected = "createmedium disk --filename=/srv/d.vmdk --format=VMDK --variant=Split2G,Fixed --sizebyte=1073741824";
    assert_eq!(lines(&create), [expected]);
    let disk = || existing(DISK);
    assert_eq!(
        lines(&Action::GrowDisk { medium: disk(), size: Bytes(512) }),
        ["modifymedium disk DISK --resizebyte=512"]
    );
    assert_eq!(
        lines(&Action::DeleteDisk { medium: disk(), folder: None }),
        ["closemedium disk DISK --delete"]
    );
    assert_eq!(lines(&Action::CloseDisk { medium: disk() }), ["closemedium disk DISK"]);

    let attach = |kind, insert, options: &[(&str, bool)]| {
        let options =
            options.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect::<BTreeMap<_, _>>();
        lines(&Action::Attach { machine: vm(), at: at(), kind, insert, options }).remove(0)
    };
    let here = "storageattach VM --storagectl=SATA --port=1 --device=0";
    assert_eq!(
        attach(DeviceKind::Disk, Insert::Medium(disk()), &[("ssd", true), ("hotPluggable", false)]),
        format!("{here} --type=hdd --medium=DISK --hotpluggable=off --nonrotational=on")
    );
    assert_eq!(
        attach(DeviceKind::Dvd, Insert::File("/a.iso".into()), &[("tempEject", true)]),
        format!("{here} --type=dvddrive --medium=/a.iso --tempeject=on")
    );
    assert_eq!(
        attach(DeviceKind::Dvd, Insert::HostDrive("/dev/sr0".into()), &[]),
        format!("{here} --type=dvddrive --medium=host:/dev/sr0")
    );
    assert_eq!(
        attach(DeviceKind::Floppy, Insert::Nothing, &[]),
        format!("{here} --type=fdd --medium=emptydrive")
    );
    assert_eq!(lines(&Action::Detach { machine: vm(), at: at() }), [format!("{here} --medium=none")]);
}

#[test]
fn shared_folders() {
    let folder = SharedFolder {
        host_path: Some("/srv/site".into()),
        mount_point: Some("/var/www".into()),
        read_only: Some(true),
        automount: Some(true),
        symlinks: Some("subtree".into()),
    };
    let add = Action::AddSharedFolder { machine: vm(), name: "site".into(), folder };
    assert_eq!(
        lines(&add),
        [
            "sharedfolder add VM --name=site --hostpath=/srv/site --readonly --automount --auto-mount-point=/var/www",
            "sharedfolder modify VM --name=site --symlink-policy=subtree",
        ]
    );
    let plain = SharedFolder {
        host_path: Some("/srv".into()),
        symlinks: Some("forbidden".into()),
        ..SharedFolder::default()
    };
    let add = Action::AddSharedFolder { machine: vm(), name: "-s".into(), folder: plain };
    assert_eq!(lines(&add), ["sharedfolder add VM --name=-s --hostpath=/srv"]);
    assert_eq!(
        lines(&Action::RemoveSharedFolder { machine: vm(), name: "-s".into() }),
        ["sharedfolder remove VM --name=-s"]
    );
}

#[test]
fn states() {
    let shown = [
        (Action::Start { machine: vm() }, "startvm VM --type=headless"),
        (
            Action::Shutdown { machine: vm(), timeout: 1, then_power_cut: true },
            "controlvm VM acpipowerbutton",
        ),
        (Action::PowerCut { machine: vm() }, "controlvm VM poweroff"),
        (Action::Pause { machine: vm() }, "controlvm VM pause"),
        (Action::Resume { machine: vm() }, "controlvm VM resume"),
        (Action::Reset { machine: vm() }, "controlvm VM reset"),
        (Action::SaveState { machine: vm() }, "controlvm VM savestate"),
        (Action::DiscardState { machine: vm() }, "discardstate VM"),
        (
            Action::TakeSnapshot {
                machine: vm(),
                name: "clean".to_owned(),
                description: "as new".to_owned(),
                live: true,
            },
            "snapshot VM take clean '--description=as new' --live",
        ),
        (
            Action::DescribeSnapshot {
                machine: vm(),
                snapshot: DISK.parse().unwrap(),
                description: "-x".to_owned(),
            },
            "snapshot VM edit DISK --description=-x",
        ),
        (
            Action::LocateDisk {
                medium: Target::Existing(DISK.parse().unwrap()),
                location: "/a/b.vdi".into(),
            },
            "modifymedium disk DISK --setlocation=/a/b.vdi",
        ),
        (
            Action::DeleteSnapshot { machine: vm(), snapshot: DISK.parse().unwrap() },
            "snapshot VM delete DISK",
        ),
        (
            Action::RestoreSnapshot { machine: vm(), snapshot: DISK.parse().unwrap() },
            "snapshot VM restore DISK",
        ),
        (Action::Unregister { machine: vm(), delete: false }, "unregistervm VM"),
        (Action::Unregister { machine: vm(), delete: true }, "unregistervm VM --delete"),
    ];
    for (action, line) in shown {
        assert_eq!(lines(&action), [line]);
    }
}

#[test]
fn an_empty_uuid_names_nothing() {
    for action in [
        Action::DeleteSnapshot { machine: vm(), snapshot: Uuid::nil() },
        Action::RestoreSnapshot { machine: vm(), snapshot: Uuid::nil() },
        Action::PowerCut { machine: Target::Existing(Uuid::nil()) },
    ] {
        assert!(matches!(command_lines(&action, &Spellings::default()), Err(HostError::Unsupported { .. })));
    }
}

#[test]
fn a_planned_object_has_no_name_that_virtualbox_could_be_given() {
    let start = Action::Start { machine: Target::Planned(Address::machine("a")) };
    assert!(matches!(command_lines(&start, &Spellings::default()), Err(HostError::Unsupported { .. })));
}
