//! Reading a real VirtualBox: rows with reasons, states, media, and how many processes that takes.

mod differential;
pub mod generate;
mod keys;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;
use vboxmcp::host::virtualbox::{Environment, Home as VirtualBoxHome, Runner, VirtualBox};
use vboxmcp::host::{Inspect, Want};
use vboxmcp::inventory::{Access, Inventory, Machine, MediumHealth};
use vboxmcp::model::settings::Chipset;
use vboxmcp::model::{Bytes, FieldPath, PowerState};

use crate::Test;
use crate::home::{Home, path};
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("no_server_no_process", no_server_no_process),
    ("states_cost_one_process", states_cost_one_process),
    ("rows_with_reasons", rows_with_reasons),
    ("media_tell_their_size", media_tell_their_size),
    ("secure_boot_is_read", secure_boot_is_read),
    ("saves_are_never_seen_half_done", saves_are_never_seen_half_done),
    ("a_server_that_starts_is_not_disturbed", a_server_that_starts_is_not_disturbed),
    ("the_reader_agrees_with_virtualbox", differential::the_reader_agrees_with_virtualbox),
];

/// The states that a machine may be in, and nothing else.
const STATES: Want = Want { states: true, ask_server: false, skip_disk_files: false };

/// The reader for a test's VirtualBox home.
pub fn reader(lab: &Lab, home: &Home) -> VirtualBox {
    let variables = home.variables();
    let value = |name: &str| variables.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    let environment = Environment {
        working_directory: home.scratch(),
        vbox_user_home: value("VBOX_USER_HOME").map(Into::into),
        vbox_ipc_socketid: value("VBOX_IPC_SOCKETID").and_then(|value| value.into_string().ok()),
        ..Environment::default()
    };
    let runner = Runner::new(lab.vboxmanage().to_owned(), variables);
    VirtualBox::new(VirtualBoxHome::locate(&environment), Ok(runner))
}

fn spawned(reader: &VirtualBox) -> u64 {
    reader.runner().unwrap().spawned()
}

/// Makes machines with nothing special about them.
fn create(home: &Home, names: &[&str]) -> Vec<Uuid> {
    let create = |name: &&str| {
        let created = home.vbox(&["createvm", "--name", name, "--ostype", "Debian_64", "--register"]).ok();
        let uuid = created.lines().find_map(|line| line.strip_prefix("UUID: ")).unwrap();
        home.vbox(&["modifyvm", uuid, "--memory=16", "--vram=4", "--audio-enabled=off"]).ok();
        uuid.parse().unwrap()
    };
    names.iter().map(create).collect()
}

fn named<'i>(inventory: &'i Inventory, name: &'i str) -> &'i Machine {
    inventory.machines_named(name).next().unwrap_or_else(|| panic!("no machine {name}"))
}

fn no_server_no_process(lab: &Lab) {
    let home = lab.home();
    let uuids = create(&home, &["a", "b"]);
    home.wait_no_server();
    let reader = reader(lab, &home);
    let inventory = reader.inventory(&STATES).unwrap();
    assert_eq!(inventory.machines.len(), 2);
    assert_eq!(inventory.host.server_running, Some(false));
    assert_eq!(inventory.host.machine_folder, home.machines());
    assert!(inventory.machines.values().all(|machine| machine.access == Access::Settings));
    assert_eq!(named(&inventory, "a").state, Some(PowerState::PowerOff));
    let again = reader.reread(uuids[1], true).unwrap();
    assert_eq!(again.machines.keys().collect::<Vec<_>>(), [&uuids[1]]);
    assert_eq!(again.machines[&uuids[1]], inventory.machines[&uuids[1]]);
    assert!(reader.reread(Uuid::from_u128(1), true).unwrap().machines.is_empty());
    assert_eq!(spawned(&reader), 0);
    assert!(!home.has_server());
}

fn states_cost_one_process(lab: &Lab) {
    let home = lab.home();
    let uuids = create(&home, &["off", "runs", "held", "saved", "killed", "spoken"]);
    let [_, runs, held, saved, killed, spoken] = uuids.as_slice() else { unreachable!() };
    let vbox = |arguments: &[&str]| home.vbox(arguments).ok();
    for uuid in [runs, held, saved, killed, spoken] {
        vbox(&["startvm", &uuid.to_string(), "--type=headless"]);
    }
    vbox(&["controlvm", &held.to_string(), "pause"]);
    home.save_state(&saved.to_string());
    vbox(&["controlvm", &spoken.to_string(), "pause"]);
    let reader = reader(lab, &home);
    let before = spawned(&reader);
    let inventory = reader.inventory(&STATES).unwrap();
    assert_eq!(spawned(&reader) - before, 1);
    let state = |inventory: &Inventory, name: &str| named(inventory, name).state.clone().unwrap();
    assert_eq!(inventory.host.server_running, Some(true));
    for (name, expected) in [
        ("off", PowerState::PowerOff),
        ("runs", PowerState::Running),
        ("held", PowerState::Paused),
        ("saved", PowerState::Saved),
        ("spoken", PowerState::Paused),
    ] {
        assert_eq!(state(&inventory, name), expected, "{name}");
        assert_eq!(home.state(name), expected.as_str(), "{name}");
    }

    // A machine whose log does not tell is asked for; a guest's own words are not VirtualBox's.
    let log = named(&inventory, "spoken").folder().join("Logs/VBox.log");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text.replace("Console: Machine state", "VMMDev: Guest Log: Console: Machine state"))
        .unwrap();
    let pid = home.vm_pid(&killed.to_string()).unwrap();
    crate::home::kill(pid);
    crate::home::eventually("the end is noticed", 10, || home.state("killed") == "aborted");
    let before = spawned(&reader);
    let inventory = reader.inventory(&STATES).unwrap();
    assert_eq!(state(&inventory, "spoken"), PowerState::Paused);
    assert_eq!(state(&inventory, "killed"), PowerState::Aborted);
    assert_eq!(spawned(&reader) - before, 2);

    let before = spawned(&reader);
    let unasked = reader.inventory(&Want::default()).unwrap();
    assert_eq!(spawned(&reader), before);
    assert!(unasked.machines.values().all(|machine| machine.state.is_none()));
}

fn rows_with_reasons(lab: &Lab) {
    let home = lab.home();
    let names = ["good", "cut", "deleted", "empty", "other", "diskless", "unlisted", "new", "newer"];
    let uuids = create(&home, &names);
    let uuid = |name: &str| uuids[names.iter().position(|n| *n == name).unwrap()];
    for name in ["diskless", "unlisted", "new"] {
        let disk = home.scratch().join(format!("{name}.vdi"));
        home.vbox(&["createmedium", "disk", "--filename", path(&disk), "--size=8"]).ok();
        home.vbox(&["storagectl", name, "--name=SATA", "--add=sata", "--portcount=2"]).ok();
        let place = ["--storagectl=SATA", "--port=1", "--type=hdd", "--medium", path(&disk)];
        home.vbox(&[&["storageattach", name], &place[..]].concat()).ok();
    }
    // This one raises the file to the layout of 1.20.
    home.vbox(&["modifyvm", "new", "--vm-execution-engine=interpreter", "--chipset=ich9", "--cpus=2"]).ok();
    home.vbox(&["setextradata", "new", "a/b", "c"]).ok();
    home.wait_no_server();
    let change = |name: &str, from: &str, to: &str| {
        let file = home.settings(name);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{name}: no {from}");
        fs::write(file, text.replacen(from, to, 1)).unwrap();
    };
    let text = fs::read_to_string(home.settings("cut")).unwrap();
    fs::write(home.settings("cut"), &text[..text.len() / 2]).unwrap();
    fs::remove_file(home.settings("deleted")).unwrap();
    fs::write(home.settings("empty"), "").unwrap();
    change("other", &uuid("other").to_string(), "6d6f6e6b-6579-4000-8000-000000000001");
    fs::remove_file(home.scratch().join("diskless.vdi")).unwrap();
    change("unlisted", "<HardDisk ", "<Property name='x' value='y'/><!-- ");
    change("unlisted", "type=\"Normal\"/>", "-->");
    change("new", "version=\"1.20-", "version=\"1.30-");
    change("newer", "version=\"1.19-", "version=\"1.30-");

    let reader = reader(lab, &home);
    let check = |inventory: &Inventory| {
        let reason = |name: &str| match &inventory.machines[&uuid(name)].access {
            Access::Inaccessible { reason } => reason.clone(),
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(inventory.machines.len(), names.len());
        assert_eq!(named(inventory, "good").access, Access::Settings);
        assert!(
            reason("cut").contains("the file ends inside") || reason("cut").contains("syntax"),
            "{}",
            reason("cut")
        );
        assert!(reason("deleted").contains("its settings file does not exist"));
        assert!(reason("empty").contains("the file is empty"));
        assert!(reason("other").contains("it is the file of machine 6d6f6e6b"));
        assert!(reason("newer").contains("settings version 1.30 is unknown"));

        let diskless = named(inventory, "diskless");
        assert_eq!((&diskless.access, &diskless.state), (&Access::Settings, &Some(PowerState::PowerOff)));
        let medium = inventory.medium_at(&home.scratch().join("diskless.vdi")).unwrap();
        assert_eq!(medium.health, MediumHealth::Inaccessible("its file does not exist".into()));

        let new = named(inventory, "new");
        assert!(
            matches!(&new.access, Access::ShowVmInfo { reason } if reason.contains("1.30")),
            "{:?}",
            new.access
        );
        assert_eq!((&new.settings.chipset, new.settings.cpus), (&Some(Chipset::Ich9), Some(2)));
        assert_eq!(new.settings.extra_data.as_ref().unwrap()["a/b"].as_deref(), Some("c"));
        let unknown = |path: &str| new.why_unknown(&path.parse::<FieldPath>().unwrap());
        assert!(unknown("tpm").is_some() && unknown("nics.1.promiscuous").is_some());
        assert_eq!((unknown("memory"), unknown("nics.1.type"), unknown("extraData.x")), (None, None, None));
        let disk = &inventory.media[&attached(new)];
        assert_eq!((disk.size, &disk.health), (Some(Bytes(8 << 20)), &MediumHealth::Good));
    };
    let inventory = reader.inventory(&STATES).unwrap();
    check(&inventory);
    let short = reader.inventory(&Want { skip_disk_files: true, ..STATES }).unwrap();
    let medium = short.medium_at(&home.scratch().join("diskless.vdi")).unwrap();
    assert_eq!((&medium.health, medium.size), (&MediumHealth::Unknown, None));
    assert!(matches!(inventory.machines[&uuid("unlisted")].access, Access::Inaccessible { .. }));
    // Asking about the unknown version has started a server, which finds the same.
    assert!(home.has_server());
    check(&reader.inventory(&STATES).unwrap());
    let said = home.vbox(&["list", "vms"]).ok();
    for name in names {
        let is_accessible = !matches!(inventory.machines[&uuid(name)].access, Access::Inaccessible { .. });
        assert_eq!(said.contains(&format!("\"{name}\"")), is_accessible, "{name}: {said}");
    }
}

fn attached(machine: &Machine) -> Uuid {
    use vboxmcp::inventory::AttachedMedium;
    machine
        .attachments
        .iter()
        .find_map(|a| if let AttachedMedium::Image(uuid) = a.medium { Some(uuid) } else { None })
        .expect("something is attached")
}

fn media_tell_their_size(lab: &Lab) {
    let home = lab.home();
    let images = [
        ("a.vdi", "VDI", "Standard", "dynamic"),
        ("b.vdi", "VDI", "Fixed", "fixed"),
        ("c.vmdk", "VMDK", "Standard", "dynamic"),
        ("d.vmdk", "VMDK", "Fixed", "fixed"),
        // Too small to be split: VirtualBox makes one file.
        ("e.vmdk", "VMDK", "Split2G", "dynamic"),
        ("f.vmdk", "VMDK", "Split2G,Fixed", "fixed"),
        ("g.vmdk", "VMDK", "Stream", "stream"),
        ("h.vmdk", "VMDK", "ESX,Fixed", "esx"),
        ("i.vhd", "VHD", "Standard", "dynamic"),
        ("j.vhd", "VHD", "Fixed", "fixed"),
        ("k.qcow", "QCOW", "Standard", "dynamic"),
    ];
    for (name, format, variant, _) in images {
        let file = home.scratch().join(name);
        let what =
            ["--filename", path(&file), "--sizebyte=12582912", "--format", format, "--variant", variant];
        home.vbox(&[&["createmedium", "disk"], &what[..]].concat()).ok();
    }
    let (base, difference) = (home.scratch().join("a.vdi"), home.scratch().join("z.vdi"));
    home.vbox(&["createmedium", "disk", "--diffparent", path(&base), "--filename", path(&difference)]).ok();
    let large = home.scratch().join("l.vmdk");
    let split = ["--size=3000", "--format=VMDK", "--variant=Split2G"];
    home.vbox(&[&["createmedium", "disk", "--filename", path(&large)], &split[..]].concat()).ok();
    let inventory = reader(lab, &home).inventory(&Want::default()).unwrap();
    let medium = inventory.medium_at(&large).unwrap();
    assert_eq!((medium.size, medium.variant.as_deref()), (Some(Bytes(3000 << 20)), Some("split2g")));
    for (name, format, _, variant) in images {
        let medium = inventory.medium_at(&home.scratch().join(name)).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(medium.size, Some(Bytes(12 << 20)), "{name}");
        assert_eq!(medium.health, MediumHealth::Good, "{name}");
        assert_eq!(medium.format, format.to_ascii_lowercase());
        assert_eq!(medium.variant.as_deref(), Some(variant), "{name}");
    }
    let child = inventory.medium_at(&difference).unwrap();
    assert_eq!(child.variant.as_deref(), Some("differencing"));
    assert_eq!(inventory.base_of(child.uuid).unwrap().location, base);

    fs::write(home.scratch().join("b.vdi"), "no image").unwrap();
    fs::copy(&base, home.scratch().join("c.vdi")).unwrap();
    fs::rename(home.scratch().join("z.vdi"), &base).unwrap();
    let inventory = reader(lab, &home).inventory(&Want::default()).unwrap();
    let health = |file: &Path| inventory.medium_at(file).unwrap().health.clone();
    let said = |file: &Path| match health(file) {
        MediumHealth::Inaccessible(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert!(said(&home.scratch().join("b.vdi")).contains("cut short"));
    assert!(said(&difference).contains("does not exist"));
    assert!(said(&base).contains(&format!("holds medium {}", child.uuid)), "{}", said(&base));
}

fn secure_boot_is_read(lab: &Lab) {
    let home = lab.home();
    create(&home, &["efi", "bios"]);
    let secure_boot = || {
        let inventory = reader(lab, &home).inventory(&Want::default()).unwrap();
        (named(&inventory, "bios").settings.secure_boot, named(&inventory, "efi").settings.secure_boot)
    };
    home.vbox(&["modifyvm", "efi", "--firmware=efi"]).ok();
    assert_eq!(secure_boot(), (None, Some(false)));
    home.vbox(&["modifynvram", "efi", "inituefivarstore"]).ok();
    assert_eq!(secure_boot(), (None, Some(false)));
    home.vbox(&["modifynvram", "efi", "enrollorclpk"]).ok();
    for (switch, expected) in [("--enable", true), ("--disable", false), ("--enable", true)] {
        home.vbox(&["modifynvram", "efi", "secureboot", switch]).ok();
        assert_eq!(secure_boot(), (None, Some(expected)));
        assert_eq!(home.info("efi", "SecureBoot").as_deref(), Some(if expected { "on" } else { "off" }));
    }
    // With a TPM that has run, the store is kept in an archive.
    home.vbox(&["modifyvm", "efi", "--tpm-type=2.0"]).ok();
    home.vbox(&["startvm", "efi", "--type=headless"]).ok();
    thread::sleep(Duration::from_secs(1));
    home.vbox(&["controlvm", "efi", "poweroff"]).ok();
    let expected = home.info("efi", "SecureBoot").as_deref() == Some("on");
    assert_eq!(secure_boot(), (None, Some(expected)));
}

fn saves_are_never_seen_half_done(lab: &Lab) {
    let home = lab.home();
    let uuids = create(&home, &["a", "b"]);
    let reader = reader(lab, &home);
    thread::scope(|scope| {
        let changes = scope.spawn(|| {
            for round in 0..30 {
                let memory = format!("--memory={}", 16 + round);
                home.vbox(&["modifyvm", &uuids[round % 2].to_string(), &memory]).ok();
            }
        });
        let mut slowest = Duration::ZERO;
        // Not a flag that the thread sets at its end: it has another end when it panics.
        while !changes.is_finished() {
            let start = Instant::now();
            let inventory = reader.inventory(&Want::default()).unwrap();
            slowest = slowest.max(start.elapsed());
            assert_eq!(inventory.machines.len(), 2);
            assert!(inventory.machines.values().all(|machine| machine.access == Access::Settings));
        }
        eprintln!("slowest reading: {slowest:?}");
    });
}

/// A server whose socket somebody connects to before it does itself hangs for good, and the command that started it with it.
fn a_server_that_starts_is_not_disturbed(lab: &Lab) {
    let home = lab.home();
    create(&home, &["a"]);
    let reader = reader(lab, &home);
    for _ in 0..5 {
        if let Some(server) = home.server_pid() {
            crate::home::kill(server);
        }
        crate::home::eventually("the server is gone", 10, || !home.has_server());
        let mut looks = 0;
        thread::scope(|scope| {
            let start = scope.spawn(|| home.vbox(&["list", "vms"]).ok());
            while !start.is_finished() {
                looks += u32::from(reader.inventory(&Want::default()).is_ok());
            }
        });
        assert!(looks > 5, "{looks}");
    }
}
