//! What was made by hand, written down: a conflict before it is adopted, in sync afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use vboxmcp::config::{Environment, Settings};
use vboxmcp::host::Operate as _;
use vboxmcp::ops::{self, Context, ExportRequest, Exported};

use crate::Test;
use crate::home::{Home, Output, path};
use crate::lab::Lab;
use crate::random::{Draw, Random};
use crate::reader::generate::{Place, recipe};

pub const TESTS: &[Test] = &[
    ("a_machine_made_by_hand_is_exported_and_adopted", a_machine_made_by_hand_is_exported_and_adopted),
    ("a_tree_of_snapshots_and_a_saved_state", a_tree_of_snapshots_and_a_saved_state),
    ("every_operating_system_round_trips", every_operating_system_round_trips),
    ("random_machines_round_trip", random_machines_round_trip),
];

fn export(home: &Home, select: &[&str]) -> Exported {
    let context = Context {
        host: Arc::new(home.host()),
        settings: Settings::default(),
        environment: Environment { directory: home.scratch(), ..Environment::default() },
        memory: ops::Memory::default(),
    };
    let select = select.iter().map(ToString::to_string).collect();
    ops::export(&context, &ExportRequest { select, stack: None }).expect("an export")
}

fn expect(said: Output, code: i32) -> Output {
    assert_eq!(said.code, Some(code), "{said:?}");
    said
}

/// A file without the stack's register: an internal network without a DHCP server is nothing but a name, so the stack that declares
/// it writes it down as its own, and nothing else happens.
fn read(file: &Path) -> Vec<u8> {
    let mut bytes = fs::read(file).expect("a file");
    if file.ends_with("VirtualBox.xml") {
        let text = String::from_utf8(bytes).expect("a registry in UTF-8");
        let lines = text.lines().filter(|line| !line.contains("\"vboxmcp/stack/"));
        bytes = lines.collect::<Vec<&str>>().join("\n").into_bytes();
    }
    bytes
}

/// Everything that VirtualBox keeps, as it is on disk.
fn kept(home: &Home) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = vec![home.virtualbox().join("VirtualBox.xml")];
    let mut folders = vec![home.machines()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    files.sort();
    files.into_iter().map(|file| (file.clone(), read(&file))).collect()
}

/// Before adoption nothing is touched, afterwards nothing is to be done.
fn round_trip(home: &Home, exported: &Exported) {
    let manifest = home.scratch().join("export.yaml");
    fs::write(&manifest, &exported.yaml).expect("a manifest in the scratch folder");
    let file = path(&manifest);
    let before = kept(home);
    let plan = expect(home.vboxmcp(&["plan", file, "-o", "json"]), 0);
    let plan: Value = serde_json::from_str(&plan.stdout).expect("a plan");
    let objects = plan["objects"].as_array().expect("objects");
    assert_eq!(objects.len(), exported.machines.len());
    assert!(objects.iter().all(|object| object["operation"] == "blocked"), "{plan:#}");
    assert_eq!(plan["steps"].as_array().map(Vec::len), Some(0), "{plan:#}");
    expect(home.vboxmcp(&["apply", file, "--yes"]), 11);
    for (file, bytes) in &before {
        let (before, now) = (String::from_utf8_lossy(bytes), read(file));
        let now = String::from_utf8_lossy(&now);
        let added: Vec<&str> = now.lines().filter(|line| !before.contains(line)).collect();
        assert!(before == now, "{} was changed: {added:#?}", file.display());
    }
    let addresses: Vec<String> = exported.machines.iter().map(ToString::to_string).collect();
    let mut adopt = vec!["adopt", "-f", file, "--yes"];
    adopt.extend(addresses.iter().map(String::as_str));
    expect(home.vboxmcp(&adopt), 0);
    let plan = expect(home.vboxmcp(&["plan", file, "-o", "json", "--detailed-exitcode"]), 0);
    let plan: Value = serde_json::from_str(&plan.stdout).expect("a plan");
    assert_eq!(plan["steps"].as_array().map(Vec::len), Some(0), "{plan:#}\n{}", exported.yaml);
    assert_eq!(plan["objects"].as_array().map(Vec::len), Some(0), "{plan:#}\n{}", exported.yaml);
    expect(home.vboxmcp(&["drift", file]), 0);
}

fn a_machine_made_by_hand_is_exported_and_adopted(lab: &Lab) {
    let home = lab.home();
    let vbox = |arguments: &[&str]| home.vbox(arguments).ok();
    let site = home.scratch().join("site");
    fs::create_dir(&site).expect("a folder");
    vbox(&["createvm", "--name=hand", "--ostype=Debian_64", "--register", "--default", "--groups=/lab"]);
    vbox(&[
        "modifyvm",
        "hand",
        "--memory=64",
        "--vram=9",
        "--cpus=2",
        "--boot1=disk",
        "--boot2=net",
        "--boot3=none",
    ]);
    vbox(&["modifyvm", "hand", "--description", "Made by hand: \"no\" plan.\n\n  # it has ${odd} text\n"]);
    vbox(&[
        "modifyvm",
        "hand",
        "--audio-enabled=off",
        "--usb-ohci=off",
        "--usb-ehci=off",
        "--rtc-use-utc=off",
    ]);
    vbox(&["modifyvm", "hand", "--nic-type1=virtio", "--nat-pf1", "ssh,tcp,127.0.0.1,0,,22"]);
    vbox(&["modifyvm", "hand", "--nat-pf1", "delete", "ssh"]);
    vbox(&[
        "modifyvm",
        "hand",
        "--nat-pf1",
        "web,tcp,,18080,,80",
        "--nat-pf1",
        "dns,udp,127.0.0.1,15353,10.0.2.15,53",
    ]);
    vbox(&["modifyvm", "hand", "--nic4=nat", "--nat-net4=10.99/16", "--cable-connected4=off", "--nic5=null"]);
    vbox(&["modifyvm", "hand", "--uart1", "0x3f8", "4"]);
    let folder = home.machines().join("lab/hand");
    let disk = |file: PathBuf, format: &str, size: &str| {
        vbox(&["createmedium", "disk", "--filename", path(&file), "--format", format, "--size", size]);
        file
    };
    let attach = |controller: &str, port: &str, kind: &str, medium: &str| {
        vbox(&[
            "storageattach",
            "hand",
            "--storagectl",
            controller,
            "--port",
            port,
            "--device",
            "0",
            "--type",
            kind,
            "--medium",
            medium,
        ])
    };
    let (root, data) =
        (disk(folder.join("root.vdi"), "VDI", "16"), disk(home.scratch().join("data.vmdk"), "VMDK", "8"));
    let odd = disk(folder.join("the other one.vdi"), "VDI", "8");
    vbox(&["storagectl", "hand", "--name", "NVMe", "--add", "pcie", "--portcount", "2"]);
    let controllers = vbox(&["showvminfo", "hand", "--machinereadable"]);
    assert!(controllers.contains("\"SATA\"") && controllers.contains("\"IDE\""), "{controllers}");
    attach("SATA", "0", "hdd", path(&root));
    attach("SATA", "3", "hdd", path(&data));
    attach("NVMe", "1", "hdd", path(&odd));
    attach("IDE", "1", "dvddrive", "emptydrive");
    vbox(&[
        "sharedfolder",
        "add",
        "hand",
        "--name",
        "site",
        "--hostpath",
        path(&site),
        "--readonly",
        "--automount",
    ]);
    vbox(&["setextradata", "hand", "app/answer", "yes"]);
    vbox(&["setextradata", "hand", "GUI/LastCloseAction", "PowerOff"]);
    vbox(&["setextradata", "hand", "app/Password", "hunter2"]);
    vbox(&["guestproperty", "set", "hand", "/app/role", "web"]);
    vbox(&["snapshot", "hand", "take", "before"]);

    let exported = export(&home, &["vm/hand"]);
    for said in [
        "  groups: [/lab]\n",
        "  bootOrder: [disk, net]\n",
        "  memory: 64MiB\n",
        "    root: {size: 16MiB}\n",
        "    the-other-one: {size: 8MiB, location: the other one.vdi, at: \"NVMe:1\"}\n",
        "  dvds:\n    - {empty: true, at: \"IDE:1\"}\n",
        "      slot: 4\n      cable: false\n",
        "        cidr: 10.99.0.0/16\n",
        "          web: \"*:18080:80\"\n",
        "          dns: \"15353:10.0.2.15:53/udp\"\n",
        "    app/answer: \"yes\"\n",
        "  #   before (",
        "  serialPorts:\n    \"1\": {ioBase: 1016, irq: 4, type: \"16550A\", mode: disconnected}\n",
        "  audio: {enabled: false}\n",
    ] {
        let said = format!("\n{said}");
        assert!(exported.yaml.contains(&said), "{said:?} is not in\n{}", exported.yaml);
    }
    for unsaid in ["hunter2", "GUI", "acpi", "type: 82540EM", "pae:"] {
        assert!(!exported.yaml.contains(unsaid), "{unsaid:?} is in\n{}", exported.yaml);
    }
    round_trip(&home, &exported);

    // The same again, now that it is ours, and while it runs.
    assert_eq!(export(&home, &[]).yaml, exported.yaml);
    vbox(&["startvm", "hand", "--type=headless"]);
    let running = export(&home, &["hand"]);
    assert!(running.yaml.contains("  state: running\n"), "{}", running.yaml);
    let manifest = home.scratch().join("running.yaml");
    fs::write(&manifest, &running.yaml).expect("a manifest in the scratch folder");
    expect(home.vboxmcp(&["plan", path(&manifest), "--detailed-exitcode"]), 0);
}

/// Three snapshots in two branches, differences to a disk, an image in a drive, a saved state and two bandwidth groups.
fn a_tree_of_snapshots_and_a_saved_state(lab: &Lab) {
    let home = lab.home();
    let vbox = |arguments: &[&str]| home.vbox(arguments).ok();
    vbox(&["createvm", "--name=tree", "--ostype=Other", "--register"]);
    vbox(&["modifyvm", "tree", "--memory=32", "--nic1=nat", "--audio-enabled=off"]);
    vbox(&["bandwidthctl", "tree", "add", "slow", "--type=disk", "--limit=10M"]);
    vbox(&["bandwidthctl", "tree", "add", "net", "--type=network", "--limit=1M"]);
    vbox(&["storagectl", "tree", "--name=SATA", "--add=sata", "--portcount=3"]);
    let disk = home.machines().join("tree/root.vdi");
    vbox(&["createmedium", "disk", "--filename", path(&disk), "--size=16"]);
    let at = ["storageattach", "tree", "--storagectl=SATA", "--device=0"];
    vbox(&[&at[..], &["--port=0", "--type=hdd", "--bandwidthgroup=slow", "--medium", path(&disk)]].concat());
    let image = home.scratch().join("one.iso");
    fs::write(&image, crate::scenario::image::iso()).expect("an image");
    vbox(&[&at[..], &["--port=1", "--type=dvddrive", "--medium", path(&image)]].concat());
    for command in [
        &["snapshot", "tree", "take", "one"][..],
        &["snapshot", "tree", "take", "two"],
        &["snapshot", "tree", "restore", "one"],
        &["snapshot", "tree", "take", "three"],
        &["startvm", "tree", "--type=headless"],
    ] {
        vbox(command);
    }
    home.save_state("tree");
    let exported = export(&home, &["vm/tree"]);
    for said in ["  state: saved\n", "  bandwidthGroups:\n", "root: {size: 16MiB", "image: "] {
        assert!(exported.yaml.contains(said), "{said:?} is not in\n{}", exported.yaml);
    }
    for snapshot in ["one", "two", "three"] {
        assert!(
            exported.yaml.contains(&format!("  #   {snapshot} (")),
            "{snapshot} is not in\n{}",
            exported.yaml
        );
    }
    round_trip(&home, &exported);
    let tree = home.vbox(&["snapshot", "tree", "list", "--machinereadable"]).ok();
    assert!(tree.contains("SnapshotName-1=\"two\"") && tree.contains("SnapshotName-2=\"three\""), "{tree}");
}

/// Machines of the wizard's making, of some operating systems: with nothing changed, nearly nothing is to be said of them.
fn every_operating_system_round_trips(lab: &Lab) {
    let home = lab.home();
    for id in [
        "Other",
        "Debian_64",
        "WindowsXP",
        "Windows11_64",
        "MacOS_64",
        "OS2Warp45",
        "FreeBSD_64",
        "Solaris11_64",
    ] {
        home.vbox(&[
            "createvm",
            &format!("--name={id}"),
            &format!("--ostype={id}"),
            "--register",
            "--default",
        ])
        .ok();
    }
    let exported = export(&home, &[]);
    let fields: Vec<&str> = exported
        .yaml
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_once(':'))
        .map(|(key, _)| key)
        .filter(|key| !key.starts_with([' ', '#']))
        .collect();
    let usual = ["osType", "controllers", "dvds", "nics"];
    let unusual: Vec<&&str> = fields.iter().filter(|key| !usual.contains(key)).collect();
    // Secure boot is no setting, but a variable in a store that the wizard sets up for one of them.
    assert_eq!(unusual, [&"secureBoot"], "{}", exported.yaml);
    assert!(!exported.yaml.lines().any(|line| line.starts_with("  #   ")), "{}", exported.yaml);
    round_trip(&home, &exported);
}

/// What the differential test of the reader makes, with all that the manifest cannot say.
fn random_machines_round_trip(lab: &Lab) {
    let Draw { seed, machines } = Draw::of(30);
    let home = lab.home();
    home.wait_no_server();
    home.host().prepare().expect("a server");
    let place = Place::make(home.scratch());
    let mut random = Random::new(seed);
    for index in 0..machines {
        for command in recipe(&mut random, &place, index).commands {
            // Some of it VirtualBox refuses.
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            home.vbox(&words);
        }
    }
    let exported = export(&home, &[]);
    let refused: Vec<&String> =
        exported.notes.iter().filter(|note| note.address.is_none()).map(|note| &note.text).collect();
    assert!(exported.machines.len() > machines / 2, "{refused:#?}");
    round_trip(&home, &exported);
}
