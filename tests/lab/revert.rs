//! Going back to a snapshot on a real VirtualBox: what comes back, and that it is foreseen.

use std::path::{Path, PathBuf};

use uuid::Uuid;
use vboxmcp::host::{Inspect, Want};
use vboxmcp::inventory::{AttachedMedium, Inventory, Machine};

use crate::Test;
use crate::home::{Home, path};
use crate::lab::Lab;
use crate::reader::reader;

pub const TESTS: &[Test] = &[
    ("what_comes_back_is_foreseen", what_comes_back_is_foreseen),
    ("of_a_guest_that_runs", of_a_guest_that_runs),
];

const STATES: Want = Want { states: true, ask_server: false, skip_disk_files: false };

/// One way to have everything, and another one.
fn one(home: &Home, folder: &str) -> Vec<Vec<String>> {
    commands(home, folder, "1")
}

fn commands(home: &Home, folder: &str, way: &str) -> Vec<Vec<String>> {
    let first = way == "1";
    let or = |one: &str, other: &str| if first { one.to_owned() } else { other.to_owned() };
    let modify: Vec<String> = [
        format!("--memory={}", or("32", "48")),
        format!("--cpus={}", or("1", "2")),
        format!("--vram={}", or("4", "9")),
        format!("--firmware={}", or("bios", "efi")),
        format!("--description={}", or("one", "two\nlines")),
        format!("--groups={}", or("/", "/a,/b")),
        format!("--ostype={}", or("Debian_64", "Other")),
        format!("--chipset={}", or("piix3", "ich9")),
        format!("--rtc-use-utc={}", or("on", "off")),
        format!("--cpu-execution-cap={}", or("100", "50")),
        format!("--nic1={}", or("nat", "null")),
        format!("--nic2={}", or("none", "nat")),
        format!("--mac-address1={}", or("080027000001", "080027000002")),
        format!("--audio-enabled={}", or("off", "on")),
        format!("--clipboard-mode={}", or("disabled", "bidirectional")),
        format!("--usb-xhci={}", or("off", "on")),
        format!("--vrde={}", or("off", "on")),
        format!("--uart1={}", or("off", "0x3f8")),
        format!("--boot1={}", or("disk", "net")),
        format!("--graphicscontroller={}", or("vmsvga", "vboxsvga")),
        format!("--autostart-enabled={}", or("off", "on")),
        format!("--autostart-delay={}", or("0", "7")),
        format!("--vm-process-priority={}", or("default", "low")),
        format!("--teleporter={}", or("off", "on")),
        format!("--teleporter-port={}", or("0", "7000")),
        format!("--recording={}", or("off", "on")),
        format!("--recording-video-fps={}", or("25", "5")),
        format!("--accelerate-3d={}", or("off", "on")),
    ]
    .into_iter()
    .flat_map(|flag| flag.split_once('=').map(|(name, value)| [name.to_owned(), value.to_owned()]).unwrap())
    .collect();
    // The port follows the switch.
    let modify: Vec<String> = if first {
        modify
    } else {
        let at = modify.iter().position(|word| word == "--uart1").unwrap();
        let mut longer = modify;
        longer.insert(at + 2, "4".to_owned());
        longer
    };
    let disk = home.scratch().join(format!("{way}.vdi"));
    let words = |text: &[&str]| text.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let mut all = vec![[words(&["modifyvm", "web"]), modify].concat()];
    all.push(words(&["createmedium", "disk", "--filename", path(&disk), "--size=4"]));
    let port = or("--port=0", "--port=1");
    all.push(words(&[
        "storageattach",
        "web",
        "--storagectl=SATA",
        &port,
        "--device=0",
        "--type=hdd",
        "--medium",
        path(&disk),
    ]));
    all.push(words(&[
        "sharedfolder",
        "add",
        "web",
        &format!("--name=share{way}"),
        &format!("--hostpath={folder}"),
    ]));
    all.push(words(&["guestproperty", "set", "web", "/x/one", way]));
    all.push(words(&["setextradata", "web", "x/one", way]));
    all.push(words(&["usbfilter", "add", "0", "--target=web", &format!("--name=filter{way}")]));
    all.push(words(&["bandwidthctl", "web", "add", &format!("group{way}"), "--type=disk", "--limit=10M"]));
    all
}

fn machine(inventory: &Inventory, uuid: Uuid) -> Machine {
    inventory.machines.get(&uuid).cloned().unwrap()
}

/// The disks behind the differences that a restore puts on them.
fn disks(machine: &Machine, inventory: &Inventory) -> Vec<(String, u32, Option<Uuid>)> {
    let of = |medium: &AttachedMedium| match medium {
        AttachedMedium::Image(uuid) => inventory.base_of(*uuid).map(|base| base.uuid),
        AttachedMedium::HostDrive(_) | AttachedMedium::Empty => None,
    };
    machine.attachments.iter().map(|one| (one.controller.clone(), one.port, of(&one.medium))).collect()
}

fn what_comes_back_is_foreseen(lab: &Lab) {
    let home = lab.home();
    let folder = home.scratch().join("share");
    std::fs::create_dir_all(&folder).unwrap();
    let folder = path(&folder).to_owned();
    home.vbox(&["setproperty", "autostartdbpath", &folder]).ok();
    let created = home.vbox(&["createvm", "--name=web", "--ostype=Debian_64", "--register"]).ok();
    let uuid: Uuid = created.lines().find_map(|line| line.strip_prefix("UUID: ")).unwrap().parse().unwrap();
    home.vbox(&["storagectl", "web", "--name=SATA", "--add=sata", "--portcount=4"]).ok();
    let play = |commands: Vec<Vec<String>>| {
        for words in commands {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            home.vbox(&words).ok();
        }
    };
    play(one(&home, &folder));
    home.vbox(&["snapshot", "web", "take", "s"]).ok();
    let reader = reader(lab, &home);
    let then = machine(&reader.inventory(&STATES).unwrap(), uuid);
    let snapshot = then.current_snapshot.unwrap();
    play(commands(&home, &folder, "2"));
    let changed = machine(&reader.inventory(&STATES).unwrap(), uuid);
    assert_ne!(changed.settings, then.settings);

    let foreseen = reader.as_of(uuid, snapshot).unwrap().unwrap();
    assert_eq!(reader.as_of(uuid, Uuid::from_u128(7)).unwrap(), None);
    home.vbox(&["snapshot", "web", "restore", &snapshot.to_string()]).ok();
    let inventory = reader.inventory(&STATES).unwrap();
    let is = machine(&inventory, uuid);
    assert_eq!(foreseen.settings, is.settings);
    assert_eq!((&foreseen.remembered, &foreseen.state), (&is.remembered, &is.state));
    assert_eq!((&foreseen.name, foreseen.current_snapshot), (&is.name, is.current_snapshot));
    assert_eq!(disks(&foreseen, &inventory), disks(&is, &inventory));

    // A second time: VirtualBox puts new differences on the disks, although it is where it was.
    home.vbox(&["snapshot", "web", "restore", &snapshot.to_string()]).ok();
    let again = reader.inventory(&STATES).unwrap();
    let leaf = |inventory: &Inventory| machine(inventory, uuid).attachments[0].medium.clone();
    assert_ne!(leaf(&inventory), leaf(&again));
}

const MANIFEST: &str = "\
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: web}
spec: {osType: Other, memory: 32MiB, nics: [{nat: {}}], disks: {root: {size: 4MiB}}, stopTimeout: 1s, state: running}
";

/// The settings files that runs have copied.
fn copies(scratch: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![scratch.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "vbox") {
                found.push(path);
            }
        }
    }
    found
}

/// A guest that runs is switched off and runs again from the snapshot's own state; what is declared by then is applied on the way.
fn of_a_guest_that_runs(lab: &Lab) {
    let home = lab.home();
    let manifest = home.scratch().join("lab.yaml");
    std::fs::write(&manifest, MANIFEST).unwrap();
    let file = path(&manifest);
    let run = |words: &[&str], code: i32| {
        let said = home.vboxmcp(words);
        assert_eq!(said.code, Some(code), "{words:?}: {said:?}");
        said
    };
    run(&["apply", file, "--yes"], 0);
    run(&["snapshot", "live", "web", "--yes"], 0);
    let pid = home.vm_pid("web");
    run(&["revert", "live", "-f", file, "--yes"], 11);
    assert!(pid.is_some() && home.vm_pid("web") == pid, "it was not permitted");
    run(&["revert", "live", "-f", file, "--allow", "revert,downtime", "--yes"], 0);
    assert_eq!(home.state("web"), "running");
    assert_ne!(home.vm_pid("web"), pid);
    let copies = copies(&home.scratch().with_file_name("state"));
    assert_eq!(copies.len(), 2, "of the snapshot and of the way back: {copies:?}");
    assert!(copies.iter().all(|copy| std::fs::read_to_string(copy).unwrap().contains("<Machine ")));
    run(&["plan", file, "--detailed-exitcode"], 0);

    // More memory than the snapshot has: the saved state that comes with it is resumed, shut down, and changed.
    std::fs::write(&manifest, MANIFEST.replace("32MiB", "48MiB")).unwrap();
    let allow = "revert,downtime,power-cut,discard-state";
    let blocked = run(&["revert", "live", "-f", file, "--allow", "revert", "--yes"], 11);
    assert!(blocked.stdout.contains("downtime"), "{blocked:?}");
    run(&["revert", "live", "-f", file, "--allow", allow, "--yes"], 0);
    assert_eq!((home.state("web").as_str(), home.info("web", "memory").as_deref()), ("running", Some("48")));
    run(&["plan", file, "--detailed-exitcode"], 0);
}
