//! The scenes that are recorded, in their order: one uses what an earlier one made.

use std::fs;

use super::{DONE, HOST_BROKEN, Recorder, UNKNOWN, WRONG_INPUT, WRONG_STATE};

pub fn births(r: &mut Recorder) {
    r.name("off", "00000000-0000-4000-8000-0000000000a1", "00000000-0000-4000-8000-0000000000a1");
    r.name("grouped", "00000000-0000-4000-8000-0000000000a2", "00000000-0000-4000-8000-0000000000a2");
    let create = "createvm --ostype=Debian_64 --register --basefolder={machines}";
    r.record("createvm", DONE, &format!("{create} --name=off --uuid={{off}}"));
    r.record("createvm-grouped", DONE, &format!("{create} --name=grouped --uuid={{grouped}} --groups=/a/b"));
    r.record("createvm-name-taken", WRONG_STATE, &format!("{create} --name=off --uuid={{nobody}}"));
    r.record("createvm-uuid-taken", WRONG_STATE, &format!("{create} --name=other --uuid={{off}}"));
    r.record(
        "createvm-os-type-unknown",
        WRONG_INPUT,
        "createvm --ostype=Nonesuch --register --basefolder={machines} --name=other --uuid={nobody}",
    );
    r.record("createvm-name-empty", WRONG_INPUT, &format!("{create} --name= --uuid={{nobody}}"));
    // What an earlier machine left behind.
    let folder = r.home.machines();
    fs::create_dir_all(folder.join("leftover")).unwrap();
    fs::write(folder.join("leftover/leftover.vbox"), "").unwrap();
    r.record(
        "createvm-settings-in-the-way",
        WRONG_STATE,
        &format!("{create} --name=leftover --uuid={{nobody}}"),
    );
    fs::write(folder.join("file"), "").unwrap();
    r.record("createvm-file-in-the-way", WRONG_STATE, &format!("{create} --name=file --uuid={{nobody}}"));
    for command in
        ["modifyvm {nobody} --memory=64", "startvm {nobody} --type=headless", "unregistervm {nobody}"]
    {
        let verb = command.split_whitespace().next().expect("a verb");
        r.record(&format!("{verb}-unknown-machine"), WRONG_STATE, command);
    }
    r.record("setextradata-unknown-machine", WRONG_STATE, "setextradata {nobody} a b");
    r.record(
        "storageattach-unknown-machine",
        WRONG_STATE,
        "storageattach {nobody} --storagectl=SATA --port=0 --medium=none",
    );
}

pub fn settings(r: &mut Recorder) {
    r.record(
        "modifyvm",
        DONE,
        "modifyvm {off} --memory=64 --description= --nic1=nat --nat-pf1=ssh,tcp,127.0.0.1,2222,,22",
    );
    let refused = [
        ("memory-too-small", "--memory=2", WRONG_INPUT),
        ("memory-too-large", "--memory=99999999", WRONG_INPUT),
        ("vram-too-large", "--vram=5000", WRONG_INPUT),
        ("cpus-too-many", "--cpus=999", WRONG_INPUT),
        ("cpus-none", "--cpus=0", WRONG_INPUT),
        ("execution-cap-out-of-range", "--cpu-execution-cap=500", WRONG_INPUT),
        ("monitors-none", "--monitor-count=0", WRONG_INPUT),
        ("monitors-too-many", "--monitor-count=65", WRONG_INPUT),
        ("firmware-unknown", "--firmware=coreboot", WRONG_INPUT),
        ("chipset-unknown", "--chipset=440fx", WRONG_INPUT),
        ("graphics-unknown", "--graphicscontroller=cirrus", WRONG_INPUT),
        ("boot-device-unknown", "--boot1=tape", WRONG_INPUT),
        ("boolean-unknown", "--acpi=maybe", WRONG_INPUT),
        ("number-unknown", "--memory=lots", WRONG_INPUT),
        ("option-unknown", "--no-such-option=1", WRONG_INPUT),
        ("nic-number-too-large", "--nic9=nat", UNKNOWN),
        ("nic-mode-unknown", "--nic2=carrier-pigeon", WRONG_INPUT),
        ("nic-type-unknown", "--nic-type1=rtl8139", WRONG_INPUT),
        ("mac-invalid", "--mac-address1=zz", WRONG_INPUT),
        ("mac-multicast", "--mac-address1=010000000000", WRONG_INPUT),
        ("rule-name-exists", "--nat-pf1=ssh,tcp,127.0.0.1,2223,,22", WRONG_STATE),
        ("rule-port-exists", "--nat-pf1=ssh2,tcp,127.0.0.1,2222,,23", WRONG_STATE),
        ("rule-unknown", "--nat-pf1 delete http", WRONG_INPUT),
        ("rule-invalid", "--nat-pf1=web,sctp,,80,,80", WRONG_INPUT),
        ("name-empty", "--name=", WRONG_INPUT),
        ("group-invalid", "--groups=no-slash", WRONG_INPUT),
        ("hardware-uuid-invalid", "--hardware-uuid=x", WRONG_INPUT),
        ("balloon-too-large", "--guest-memory-balloon=999", WRONG_INPUT),
        ("page-fusion", "--page-fusion=off", WRONG_INPUT),
        ("autostart-no-database", "--autostart-enabled=on", WRONG_INPUT),
        ("bandwidth-group-unknown", "--nic-bandwidth-group1=nothing", WRONG_STATE),
    ];
    for (name, option, class) in refused {
        r.record(&format!("modifyvm-{name}"), class, &format!("modifyvm {{off}} {option}"));
    }
    // Two of them: nothing is saved.
    r.record("modifyvm-atomic", WRONG_INPUT, "modifyvm {off} --memory=96 --cpus=999");
    assert_eq!(r.home.info("off", "memory").as_deref(), Some("64"));
    // A rename or move onto something that is there.
    r.record("modifyvm-name-taken", WRONG_STATE, "modifyvm {off} --name=leftover");
    fs::create_dir_all(r.home.machines().join("g/off")).unwrap();
    r.record("modifyvm-groups-folder-in-the-way", WRONG_STATE, "modifyvm {off} --groups=/g");
}

pub fn devices(r: &mut Recorder) {
    r.record("bandwidthctl-add", DONE, "bandwidthctl {off} add net --type=network --limit=10000k");
    r.record("bandwidthctl-exists", WRONG_STATE, "bandwidthctl {off} add net --type=disk --limit=1k");
    r.record("bandwidthctl-unknown", WRONG_STATE, "bandwidthctl {off} remove nothing");
    r.set_up("modifyvm {off} --nic-bandwidth-group1=net");
    r.record("bandwidthctl-in-use", WRONG_INPUT, "bandwidthctl {off} remove net");
    r.set_up("modifyvm {off} --nic-bandwidth-group1=none");
    r.record("bandwidthctl-remove", DONE, "bandwidthctl {off} remove net");
    r.set_up("usbfilter add 0 --target={off} --name=token --active=yes");
    r.record("usbfilter-position", WRONG_INPUT, "usbfilter remove 5 --target={off}");
    r.set_up("usbfilter remove 0 --target={off}");
    r.record("modifynvram-no-store", WRONG_STATE, "modifynvram {off} secureboot --enable");
    r.record("modifynvram-init-bios", WRONG_INPUT, "modifynvram {off} inituefivarstore");
    let elsewhere = r.home.machines().join("elsewhere");
    fs::create_dir_all(elsewhere.join("off")).unwrap();
    fs::write(elsewhere.join("off/off.vbox"), "").unwrap();
    r.record("movevm-in-the-way", HOST_BROKEN, "movevm {off} --type=basic --folder={machines}/elsewhere");
    fs::remove_dir_all(elsewhere).unwrap();
}

pub fn controllers(r: &mut Recorder) {
    r.record(
        "storagectl-add",
        DONE,
        "storagectl {off} --name SATA --add=sata --controller=IntelAhci --portcount=4",
    );
    r.record("storagectl-name-taken", WRONG_STATE, "storagectl {off} --name SATA --add=ide");
    r.record("storagectl-too-many", WRONG_INPUT, "storagectl {off} --name SATA2 --add=sata");
    r.record("storagectl-unknown", WRONG_STATE, "storagectl {off} --name Nothing --remove");
    r.record("storagectl-ports-out-of-range", WRONG_INPUT, "storagectl {off} --name SATA --portcount=31");
    r.record("storagectl-bus-unknown", WRONG_INPUT, "storagectl {off} --name X --add=mca");
    r.record(
        "storagectl-type-of-another-bus",
        WRONG_INPUT,
        "storagectl {off} --name SATA --controller=PIIX4",
    );
    r.record(
        "storagectl-change",
        DONE,
        "storagectl {off} --name SATA --portcount=2 --hostiocache=on --bootable=off",
    );
    r.record("storagectl-add-ide", DONE, "storagectl {off} --name IDE --add=ide --controller=PIIX4");
    r.record("storagectl-add-second", DONE, "storagectl {off} --name VirtIO --add=virtio");
    r.record("storagectl-remove", DONE, "storagectl {off} --name VirtIO --remove");
}

pub fn disks(r: &mut Recorder) {
    let create = "createmedium disk --format=VDI --sizebyte=8388608 --variant=Standard";
    r.record("createmedium", DONE, &format!("{create} --filename={{machines}}/off/one.vdi"));

    r.record("createmedium-exists", WRONG_STATE, &format!("{create} --filename={{machines}}/off/one.vdi"));
    let other = "createmedium disk --filename={machines}/other";
    r.record(
        "createmedium-format-unknown",
        WRONG_INPUT,
        &format!("{other} --format=QCOW2 --sizebyte=8388608"),
    );
    r.record("createmedium-format-raw", WRONG_INPUT, &format!("{other} --format=RAW --sizebyte=8388608"));
    r.record(
        "createmedium-variant-unknown",
        WRONG_INPUT,
        &format!("{other} --format=VDI --sizebyte=8388608 --variant=Sparse"),
    );
    r.record(
        "createmedium-variant-wrong",
        WRONG_INPUT,
        &format!("{other} --format=VMDK --sizebyte=8388608 --variant=ESX"),
    );
    r.record("createmedium-size-odd", WRONG_INPUT, &format!("{other} --format=VDI --sizebyte=8388609"));
    r.record("createmedium-size-none", WRONG_INPUT, &format!("{other} --format=VDI --sizebyte=0"));

    r.disk("fixed", 0xd2, "--format=VDI --sizebyte=8388608 --variant=Fixed");
    r.disk("two", 0xd3, "--format=VDI --sizebyte=8388608");
    r.disk("qed", 0xd4, "--format=QED --sizebyte=8388608");
    r.disk("attached", 0xd5, "--format=VDI --sizebyte=8388608");
    r.record("modifymedium-resize", DONE, "modifymedium disk {two} --resizebyte=16777216");
    r.record("modifymedium-resize-same", DONE, "modifymedium disk {two} --resizebyte=16777216");
    r.record("modifymedium-shrink", WRONG_INPUT, "modifymedium disk {two} --resizebyte=8388608");
    r.record("modifymedium-resize-fixed", WRONG_INPUT, "modifymedium disk {fixed} --resizebyte=16777216");
    r.record("modifymedium-resize-odd", DONE, "modifymedium disk {two} --resizebyte=33554433");
    r.record("modifymedium-unknown", WRONG_STATE, "modifymedium disk {nobody} --resizebyte=16777216");
    r.record("closemedium-unknown", WRONG_STATE, "closemedium disk {nobody}");
    r.record("closemedium-delete-unknown", WRONG_STATE, "closemedium disk {nobody} --delete");
    r.record("closemedium", DONE, "closemedium disk {qed}");
    r.record("closemedium-delete", DONE, "closemedium disk {fixed} --delete");
    r.disk("vanished", 0xd6, "--format=VDI --sizebyte=8388608");
    fs::remove_file(r.home.machines().join("vanished.vdi")).unwrap();
    r.record("createmedium-vanished", WRONG_STATE, &format!("{create} --filename={{machines}}/vanished.vdi"));
    fs::remove_file(r.home.machines().join("vanished.vdi")).unwrap();
    r.record("closemedium-delete-vanished", DONE, "closemedium disk {vanished} --delete");
}

pub fn attachments(r: &mut Recorder) {
    let attach = "storageattach {off} --storagectl=SATA --device=0 --type=hdd";
    r.record("storageattach", DONE, &format!("{attach} --port=0 --medium={{attached}}"));
    r.record("storageattach-twice", WRONG_INPUT, &format!("{attach} --port=1 --medium={{attached}}"));
    r.record(
        "storageattach-file-missing",
        WRONG_STATE,
        &format!("{attach} --port=1 --medium={{machines}}/nothing.vdi"),
    );
    r.record("storageattach-unknown", WRONG_STATE, &format!("{attach} --port=1 --medium={{nobody}}"));
    r.record("storageattach-port-out-of-range", WRONG_INPUT, &format!("{attach} --port=30 --medium={{two}}"));
    r.record(
        "storageattach-device-out-of-range",
        WRONG_INPUT,
        "storageattach {off} --storagectl=SATA --port=1 --device=1 --type=hdd --medium={two}",
    );
    r.record(
        "storageattach-controller-unknown",
        WRONG_STATE,
        "storageattach {off} --storagectl=Nothing --port=0 --device=0 --type=hdd --medium={two}",
    );
    r.record(
        "storageattach-drive",
        DONE,
        "storageattach {off} --storagectl=IDE --port=1 --device=0 --type=dvddrive --medium=emptydrive",
    );
    r.record(
        "storageattach-image-missing",
        WRONG_STATE,
        "storageattach {off} --storagectl=IDE --port=1 --device=0 --type=dvddrive --medium={machines}/nothing.iso",
    );
    r.record(
        "storageattach-host-drive-missing",
        WRONG_INPUT,
        "storageattach {off} --storagectl=IDE --port=1 --device=0 --type=dvddrive --medium=host:/dev/sr9",
    );
    r.record("storageattach-options", DONE, "storageattach {off} --storagectl=SATA --port=0 --device=0 --nonrotational=on --discard=on --hotpluggable=on");
    r.record(
        "storageattach-options-of-nothing",
        WRONG_INPUT,
        "storageattach {off} --storagectl=SATA --port=1 --device=0 --nonrotational=on",
    );
    r.record(
        "storageattach-detach",
        DONE,
        "storageattach {off} --storagectl=SATA --port=0 --device=0 --medium=none",
    );
    r.record(
        "storageattach-detach-nothing",
        WRONG_STATE,
        "storageattach {off} --storagectl=SATA --port=1 --device=0 --medium=none",
    );
    // It is attached through a difference, which stays its child.
    r.disk("stream", 0xdd, "--size=8 --format=VMDK --variant=Stream");
    r.record("storageattach-stream", DONE, &format!("{attach} --port=2 --medium={{stream}}"));
    r.record("showmediuminfo-stream", DONE, "showmediuminfo disk {stream}");
    r.record("storageattach-detach-stream", DONE, &format!("{attach} --port=2 --medium=none"));
    r.record("closemedium-stream", WRONG_INPUT, "closemedium disk {stream}");
    r.set_up("storageattach {off} --storagectl=SATA --port=0 --device=0 --type=hdd --medium={attached}");
    r.record("closemedium-attached", WRONG_INPUT, "closemedium disk {attached}");
    r.record("closemedium-delete-attached", WRONG_INPUT, "closemedium disk {attached} --delete");
}

pub fn folders_and_data(r: &mut Recorder) {
    r.record(
        "sharedfolder-add",
        DONE,
        "sharedfolder add {off} --name=site --hostpath={root} --readonly --automount --auto-mount-point=/mnt",
    );
    r.record("sharedfolder-exists", WRONG_STATE, "sharedfolder add {off} --name=site --hostpath={root}");
    r.record(
        "sharedfolder-path-missing",
        WRONG_STATE,
        "sharedfolder add {off} --name=gone --hostpath={root}/nothing",
    );
    r.record(
        "sharedfolder-path-relative",
        WRONG_STATE,
        "sharedfolder add {off} --name=relative --hostpath=nothing",
    );
    r.record("sharedfolder-remove", DONE, "sharedfolder remove {off} --name=site");
    r.record("sharedfolder-unknown", WRONG_STATE, "sharedfolder remove {off} --name=gone");
    r.record("setextradata", DONE, "setextradata {off} key value");
    r.record("setextradata-remove", DONE, "setextradata {off} key");
    r.record("setextradata-remove-unknown", DONE, "setextradata {off} key");
    let words = ["setextradata", &r.filled("{off}"), "a\u{1}b", "value"].map(str::to_owned);
    r.record_words("setextradata-key-invalid", WRONG_INPUT, &words);
    r.record("setextradata-global", DONE, "setextradata global vboxmcp/stack/test/0 {}");
    r.record("guestproperty-set", DONE, "guestproperty set {off} /app/role web");
    r.record("guestproperty-unset", DONE, "guestproperty unset {off} /app/role");
    r.record("guestproperty-unset-unknown", DONE, "guestproperty unset {off} /app/role");
    r.record("guestproperty-name-invalid", WRONG_INPUT, "guestproperty set {off} a*b web");
}

pub fn snapshots(r: &mut Recorder) {
    r.machine("tree", 0xa8);
    let take = |r: &mut Recorder, name: &str, number| {
        let said = r.set_up(&format!("snapshot {{tree}} take {name}"));
        r.medium(name, number, &said);
    };
    take(r, "first", 0x51);
    take(r, "second", 0x52);
    r.set_up("snapshot {tree} restore {first}");
    take(r, "third", 0x53);
    r.record("snapshot-take-live-off", WRONG_STATE, "snapshot {tree} take fourth --live");
    r.record("snapshot-delete-two-children", WRONG_STATE, "snapshot {tree} delete {first}");
    r.record("snapshot-unknown", WRONG_STATE, "snapshot {tree} delete {nobody}");
    r.record("snapshot-delete", DONE, "snapshot {tree} delete {third}");
    r.set_up("snapshot {tree} delete {second}");
}

/// States in which `modifyvm` and its like are refused, tried on one machine.
fn refused_in(r: &mut Recorder, state: &str, locked: &str) {
    for (name, option) in [
        ("memory", "--memory=128"),
        ("cpus", "--cpus=2"),
        ("description", "--description=x"),
        ("nat-rule", "--nat-pf1=a,tcp,,1,,1"),
    ] {
        let class =
            if state == "saved" && matches!(name, "description" | "nat-rule") { DONE } else { WRONG_STATE };
        r.record(&format!("modifyvm-{name}-{state}"), class, &format!("modifyvm {{{locked}}} {option}"));
    }
    for (name, option) in [
        ("add", "--name IDE --add=ide"),
        ("change", "--name SATA --portcount=5"),
        ("remove", "--name SATA --remove"),
    ] {
        r.record(
            &format!("storagectl-{name}-{state}"),
            WRONG_STATE,
            &format!("storagectl {{{locked}}} {option}"),
        );
    }
    r.record(
        &format!("sharedfolder-add-{state}"),
        WRONG_STATE,
        &format!("sharedfolder add {{{locked}}} --name=a --hostpath=/tmp"),
    );
    r.record(
        &format!("sharedfolder-remove-{state}"),
        WRONG_STATE,
        &format!("sharedfolder remove {{{locked}}} --name=a"),
    );
    r.record(
        &format!("storageattach-options-{state}"),
        WRONG_STATE,
        &format!("storageattach {{{locked}}} --storagectl=SATA --port=0 --device=0 --nonrotational=on"),
    );
    r.record(&format!("setextradata-{state}"), DONE, &format!("setextradata {{{locked}}} key value"));
    r.record(
        &format!("guestproperty-set-{state}"),
        DONE,
        &format!("guestproperty set {{{locked}}} /key value"),
    );
}

pub fn running(r: &mut Recorder) {
    for verb in ["pause", "resume", "poweroff", "savestate", "acpipowerbutton", "reset"] {
        r.record(&format!("controlvm-{verb}-off"), WRONG_STATE, &format!("controlvm {{off}} {verb}"));
    }
    r.record("controlvm-setting-off", WRONG_STATE, "controlvm {off} setlinkstate1 off");
    r.record("discardstate-off", WRONG_STATE, "discardstate {off}");

    r.machine("on", 0xa3);
    r.disk("live", 0xd7, "--format=VDI --sizebyte=8388608");
    r.disk("hot", 0xd8, "--format=VDI --sizebyte=8388608");
    r.set_up("storagectl {on} --name IDE2 --add=ide");
    r.set_up("storageattach {on} --storagectl=SATA --port=0 --device=0 --type=hdd --medium={live}");
    r.set_up("storagectl {on} --name Floppy --add=floppy");
    r.set_up("usbfilter add 0 --target={on} --name=token --active=yes");
    r.record("startvm", DONE, "startvm {on} --type=headless");
    r.record("startvm-running", WRONG_STATE, "startvm {on} --type=headless");
    refused_in(r, "running", "on");
    r.record("bandwidthctl-running", WRONG_STATE, "bandwidthctl {on} add net --type=network --limit=1k");
    r.record("bandwidthctl-remove-running", WRONG_STATE, "bandwidthctl {on} remove net");
    r.record(
        "storageattach-group-running",
        WRONG_STATE,
        "storageattach {on} --storagectl=SATA --port=0 --device=0 --bandwidthgroup=none",
    );
    r.record(
        "storageattach-floppy-running",
        WRONG_STATE,
        "storageattach {on} --storagectl=Floppy --port=0 --device=1 --type=fdd --medium=emptydrive",
    );
    r.record("usbfilter-remove-running", UNKNOWN, "usbfilter remove 0 --target={on}");
    r.record("unregistervm-running", WRONG_STATE, "unregistervm {on} --delete");
    r.record("discardstate-running", WRONG_STATE, "discardstate {on}");
    r.record("controlvm-resume-running", WRONG_STATE, "controlvm {on} resume");
    r.record("controlvm-link", DONE, "controlvm {on} setlinkstate1 off");
    r.record("controlvm-execution-cap", DONE, "controlvm {on} cpuexecutioncap 50");
    r.record("controlvm-execution-cap-out-of-range", WRONG_INPUT, "controlvm {on} cpuexecutioncap 500");
    r.record("controlvm-rule-add", DONE, "controlvm {on} natpf1 web,tcp,127.0.0.1,{port},,80");
    r.record("controlvm-rule-name-exists", WRONG_STATE, "controlvm {on} natpf1 web,tcp,127.0.0.1,{port},,81");
    r.record(
        "controlvm-rule-port-exists",
        WRONG_STATE,
        "controlvm {on} natpf1 web2,tcp,127.0.0.1,{port},,80",
    );
    r.record("controlvm-rule-delete", DONE, "controlvm {on} natpf1 delete web");
    r.record("controlvm-rule-unknown", WRONG_INPUT, "controlvm {on} natpf1 delete web");
    r.record("controlvm-nic-disabled", UNKNOWN, "controlvm {on} nic2 nat");
    r.record("controlvm-nic-none", WRONG_INPUT, "controlvm {on} nic1 none");
    r.record("controlvm-nic-mode", DONE, "controlvm {on} nic1 null");
    r.record("controlvm-rule-on-a-disabled-nic", DONE, "controlvm {on} natpf2 a,tcp,,1,,1");
    r.record("controlvm-link-of-a-disabled-nic", DONE, "controlvm {on} setlinkstate2 on");
    r.record(
        "storageattach-detach-running",
        WRONG_INPUT,
        "storageattach {on} --storagectl=SATA --port=0 --device=0 --medium=none",
    );
    r.record(
        "storageattach-running",
        DONE,
        "storageattach {on} --storagectl=SATA --port=1 --device=0 --type=hdd --medium={hot}",
    );
    r.record(
        "storageattach-detach-hot-running",
        DONE,
        "storageattach {on} --storagectl=SATA --port=1 --device=0 --medium=none",
    );
    r.record(
        "storageattach-ide-running",
        WRONG_STATE,
        "storageattach {on} --storagectl=IDE2 --port=0 --device=0 --type=dvddrive --medium=emptydrive",
    );
    r.record("modifymedium-resize-running", WRONG_STATE, "modifymedium disk {live} --resizebyte=16777216");
    r.record("closemedium-delete-running", WRONG_STATE, "closemedium disk {live} --delete");
    r.record("list-runningvms", DONE, "list runningvms");

    // A disk that a running machine uses.
    r.machine("rival", 0xa4);
    r.set_up("storageattach {rival} --storagectl=SATA --port=0 --device=0 --type=hdd --medium={live}");
    r.record("startvm-disk-in-use", WRONG_STATE, "startvm {rival} --type=headless");
    r.set_up("storageattach {rival} --storagectl=SATA --port=0 --device=0 --medium=none");
    r.record("controlvm-acpipowerbutton", DONE, "controlvm {on} acpipowerbutton");
    r.record("controlvm-poweroff", DONE, "controlvm {on} poweroff");
}

pub fn paused(r: &mut Recorder) {
    r.machine("paused", 0xa5);
    r.disk("held", 0xdc, "--format=VDI --sizebyte=8388608");
    r.set_up("storageattach {paused} --storagectl=SATA --port=0 --device=0 --type=hdd --medium={held}");
    r.set_up("startvm {paused} --type=headless");
    r.record("controlvm-pause", DONE, "controlvm {paused} pause");
    r.record("controlvm-pause-paused", WRONG_STATE, "controlvm {paused} pause");
    r.record("startvm-paused", WRONG_STATE, "startvm {paused} --type=headless");
    refused_in(r, "paused", "paused");
    r.record("controlvm-acpipowerbutton-paused", WRONG_STATE, "controlvm {paused} acpipowerbutton");
    r.record("controlvm-reset-paused", WRONG_STATE, "controlvm {paused} reset");
    r.record("controlvm-execution-cap-paused", WRONG_STATE, "controlvm {paused} cpuexecutioncap 50");
    r.record("unregistervm-paused", WRONG_STATE, "unregistervm {paused} --delete");
    r.record("controlvm-link-paused", DONE, "controlvm {paused} setlinkstate1 off");
    r.record("controlvm-resume", DONE, "controlvm {paused} resume");
    r.record("controlvm-savestate", DONE, "controlvm {paused} savestate");
}

pub fn saved(r: &mut Recorder) {
    let saved = r.filled("{paused}");
    r.name("saved", saved.clone(), saved);
    refused_in(r, "saved", "saved");
    for (name, option) in [
        ("execution-cap", "--cpu-execution-cap=50"),
        ("os-type", "--os-type=Ubuntu_64"),
        ("nic-disable", "--nic1=none"),
        ("nic-type", "--nic-type1=virtio"),
        ("mac", "--mac-address1=080027000001"),
        ("boot-order", "--boot1=net"),
        ("graphics", "--graphicscontroller=vmsvga"),
    ] {
        r.record(&format!("modifyvm-{name}-saved"), WRONG_STATE, &format!("modifyvm {{saved}} {option}"));
    }
    r.record("modifyvm-chipset-saved", UNKNOWN, "modifyvm {saved} --chipset=ich9");
    r.record("modifyvm-nic-enable-saved", UNKNOWN, "modifyvm {saved} --nic2=nat");
    r.record("modifyvm-cable-saved", DONE, "modifyvm {saved} --cable-connected1=on");
    r.disk("late", 0xd9, "--format=VDI --sizebyte=8388608");
    r.record(
        "storageattach-saved",
        WRONG_STATE,
        "storageattach {saved} --storagectl=SATA --port=1 --device=0 --type=hdd --medium={late}",
    );
    for verb in ["pause", "resume", "poweroff", "savestate", "acpipowerbutton"] {
        r.record(&format!("controlvm-{verb}-saved"), WRONG_STATE, &format!("controlvm {{saved}} {verb}"));
    }
    r.record("discardstate", DONE, "discardstate {saved}");
}

pub fn deaths(r: &mut Recorder) {
    // A disk on two machines, and one that has a child on another machine.
    r.machine("parent", 0xa6);
    r.disk("base", 0xda, "--format=VDI --sizebyte=8388608");
    r.disk("own", 0xdb, "--format=VDI --sizebyte=8388608");
    r.set_up("storageattach {parent} --storagectl=SATA --port=0 --device=0 --type=hdd --medium={own}");
    r.set_up("storageattach {parent} --storagectl=SATA --port=1 --device=0 --type=hdd --medium={base}");
    r.set_up("snapshot {parent} take link");
    r.set_up("clonevm {parent} --snapshot=link --options=link --name=child --uuid=00000000-0000-4000-8000-0000000000a7 --register");
    r.record("unregistervm", DONE, "unregistervm {grouped}");
    r.record("unregistervm-delete", DONE, "unregistervm {off} --delete");
    // Half done: the machine is gone, and what it could delete before the refusal too.
    r.record("unregistervm-delete-children", UNKNOWN, "unregistervm {parent} --delete");
}
