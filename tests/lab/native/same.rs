//! What the helper does ends as what VBoxManage does.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;
use vboxmcp::host::HostError;
use vboxmcp::host::virtualbox::native::Launch;
use vboxmcp::inventory::Shard;
use vboxmcp::model::{FieldPath, PowerState, Route};
use vboxmcp::plan::Action;

use super::{born, both, data, files, launch, set, settings, staying, unregister};
use crate::home::{Home, eventually, is_running, path};
use crate::lab::Lab;

fn leaves(path: &FieldPath, value: &Value, found: &mut BTreeMap<FieldPath, Value>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| leaves(&path.join(key), value, found)),
        _ => drop(found.insert(path.clone(), value.clone())),
    }
}

/// Each setting of the table that VBoxManage's settings are tested with, one by one; then all that the helper took, at once.
pub fn every_setting_alike(lab: &Lab) {
    let home = lab.home();
    let (native, other) = both(&home, lab);
    let (one, two) = (born(&home, "one"), born(&home, "two"));
    let tables: Vec<Value> = serde_json::from_str(include_str!("../operate/values.json")).unwrap();
    let mut taken: BTreeMap<String, Value> = BTreeMap::new();
    for table in &tables {
        let mut all = BTreeMap::new();
        leaves(&FieldPath::default(), table, &mut all);
        for (path, value) in all {
            let path = path.to_string();
            // These move the machine, or need another setting beside them.
            if ["groups", "name", "serialPorts", "parallelPorts", "nics"]
                .iter()
                .any(|key| path.starts_with(key))
            {
                continue;
            }
            let change = |machine| set(machine, &[(&path, value.clone())]);
            let before = native.commands();
            let (first, second) = (native.perform(&change(one)), other.perform(&change(two)));
            assert_eq!(first.is_ok(), second.is_ok(), "{path}: {first:?} {second:?}");
            if let (Err(first), Err(second)) = (first, second) {
                assert_eq!(words(&first), words(&second), "{path}");
            }
            assert_eq!(settings(&native, one), settings(&other, two), "{path}");
            if native.commands() == before {
                taken.insert(path, value);
            }
        }
    }
    // More than VBoxManage knows settings for would be a mistake of this test.
    assert!(taken.len() > 65, "{} by the helper: {:?}", taken.len(), taken.keys());
    let together: Vec<(&str, Value)> =
        taken.iter().map(|(path, value)| (path.as_str(), value.clone())).collect();
    let (three, four) = (born(&home, "three"), born(&home, "four"));
    let before = native.commands();
    native.done(&set(three, &together));
    assert_eq!(native.commands(), before, "one change by the helper alone");
    other.done(&set(four, &together));
    assert_eq!(settings(&native, three), settings(&other, four));

    // One setting that it does not know makes the whole change VBoxManage's.
    native.done(&set(three, &[("memory", json!(48)), ("tpm", json!("2.0"))]));
    assert_eq!(native.commands() - before, 1, "one `modifyvm`");
    assert_eq!(home.info("three", "memory").as_deref(), Some("48"));
}

/// Rules of port forwarding and what else an adapter has that the helper sets.
pub fn rules_alike(lab: &Lab) {
    let home = lab.home();
    let (native, other) = both(&home, lab);
    let (one, two) = (born(&home, "one"), born(&home, "two"));
    for machine in [one, two] {
        other.done(&set(machine, &[("nics.1", json!({"mode": "nat", "mac": "080027000001"}))]));
    }
    let before = native.commands();
    for change in [
        vec![
            ("nics.1.nat.portForwards.ssh", json!("2222:22")),
            ("nics.1.nat.portForwards.dns", json!("*:53:10.0.2.15:5353/udp")),
            ("nics.1.nat.portForwards.-a b", json!("7:7")),
            ("nics.1.nat.dns", json!({"passDomain": false, "proxy": true, "hostResolver": true})),
            ("nics.1.nat.bindIp", json!("127.0.0.1")),
            ("nics.1.cable", json!(false)),
            ("nics.1.speed", json!(1000)),
            ("nics.1.promiscuous", json!("allow-vms")),
            ("nics.1.bootPriority", json!(1)),
        ],
        // Two that swap their ports, and one that goes.
        vec![
            ("nics.1.nat.portForwards.ssh", Value::Null),
            ("nics.1.nat.portForwards.ssh", json!("7:22")),
            ("nics.1.nat.portForwards.-a b", Value::Null),
            ("nics.1.nat.portForwards.-a b", json!("2222:7")),
            ("nics.1.nat.portForwards.dns", Value::Null),
            ("nics.1.promiscuous", json!("allow-all")),
        ],
    ] {
        native.done(&set(one, &change));
        other.done(&set(two, &change));
        assert_eq!(settings(&native, one), settings(&other, two));
    }
    assert_eq!(native.commands(), before);
    let rules = settings(&native, one)["nics"]["1"]["nat"]["portForwards"].clone();
    assert_eq!(rules, json!({"ssh": "7:22", "-a b": "2222:7"}));
}

pub fn data_alike(lab: &Lab) {
    let home = lab.home();
    let (native, other) = both(&home, lab);
    let (one, two) = (born(&home, "one"), born(&home, "two"));
    let before = native.commands();
    for (key, value) in [
        ("a/b", Some("1")),
        ("long", Some(&*"ä\"<'&>".repeat(3000))),
        ("lines", Some("one\ntwo\t")),
        ("-dash", Some("-x")),
        ("a/b", None),
        ("never", None),
    ] {
        native.done(&data(one, key, value));
        other.done(&data(two, key, value));
        assert_eq!(settings(&native, one)["extraData"], settings(&other, two)["extraData"], "{key}");
    }
    for value in [Some("{\"a\":1}"), Some(""), None] {
        for (side, key) in [(&native, "vboxmcp/native"), (&other, "vboxmcp/other")] {
            side.done(&Action::WriteRegister {
                shard: Shard { key: key.into(), value: value.map(str::to_owned) },
            });
        }
        let written = |key: &str| home.vbox(&["getextradata", "global", key]).ok();
        assert_eq!(written("vboxmcp/native"), written("vboxmcp/other"), "{value:?}");
    }
    assert_eq!(native.commands(), before);
}

/// Machines whose settings files are written already.
pub fn births_alike(lab: &Lab) {
    let home = lab.home();
    let (native, other) = both(&home, lab);
    let names = ["one", "two", "three", "ümläut 字"];
    let uuids: Vec<Uuid> = names.iter().map(|name| born(&home, name)).collect();
    let described = native.inventory();
    for uuid in &uuids {
        other.done(&unregister(*uuid, false));
    }
    assert!(native.inventory().machines.is_empty());
    let before = native.commands();
    let all: Vec<_> = names.iter().map(|name| home.settings(name)).collect();
    let answers = native.host.register_all(&all).expect("by the helper");
    assert!(answers.len() == 4 && answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(native.commands(), before);
    assert_eq!(native.inventory(), described);
    assert!(other.host.register_all(&all).is_none(), "VBoxManage's route has none");

    // Refusals: registered twice, not there, no settings file.
    let broken = home.scratch().join("broken.vbox");
    std::fs::write(&broken, "no settings").unwrap();
    for file in [home.settings("one"), home.scratch().join("none.vbox"), broken] {
        let refused = native
            .host
            .register_all(std::slice::from_ref(&file))
            .expect("by the helper")
            .remove(0)
            .expect_err("refused");
        let said = other.host.runner().unwrap().run(
            &vboxmcp::host::virtualbox::CommandLine::of(["registervm", path(&file)]),
            vboxmcp::host::virtualbox::Deadline::Once,
        );
        assert_eq!(words(&refused), words(&said.unwrap_err()), "{}", file.display());
    }
    assert_eq!(native.inventory(), described);
}

/// What is left on disk and in the registry: everything of the machine goes, an image is only let go.
pub fn deletions_alike(lab: &Lab) {
    let home = lab.home();
    let (native, other) = both(&home, lab);
    let mut left = Vec::new();
    for (side, name) in [(&native, "one"), (&other, "one")] {
        for delete in [true, false] {
            let machine = rich(&home, name);
            // A log, as one that has run has.
            std::fs::create_dir_all(home.machines().join(name).join("Logs")).unwrap();
            std::fs::write(home.machines().join(name).join("Logs/VBox.log"), "").unwrap();
            let before = side.commands();
            side.done(&unregister(machine, delete));
            assert_eq!(side.commands() == before, side.host.route() == Route::Native);
            let inventory = side.inventory();
            assert!(inventory.machines.is_empty());
            let media: Vec<String> =
                inventory.media.values().map(|medium| medium.location.display().to_string()).collect();
            let lists = ["hdds", "dvds"].map(|what| {
                let said = home.vbox(&["list", what]).ok();
                said.lines().filter(|line| line.starts_with("Location:")).count()
            });
            left.push((files(&home.machines()), files(&home.scratch()), media, lists));
            // For the next round: nothing is there, whoever has it still open.
            for file in media_of(&home, "hdds") {
                home.vbox(&["closemedium", "disk", &file]).ok();
            }
            for file in media_of(&home, "dvds") {
                home.vbox(&["closemedium", "dvd", &file]).ok();
            }
            std::fs::remove_dir_all(home.machines().join(name)).ok();
            std::fs::remove_dir_all(home.scratch()).unwrap();
            std::fs::create_dir(home.scratch()).unwrap();
        }
    }
    let [deleted, let_go, deleted_too, let_go_too] = &left[..] else { panic!("{left:#?}") };
    let names = |found: &[String]| -> Vec<String> {
        // VirtualBox calls the disks of snapshots by new UUIDs.
        let plain =
            |name: &String| if name.contains('{') { "Snapshots/{}.vdi".to_owned() } else { name.clone() };
        found.iter().map(plain).collect()
    };
    for (one, two) in [(deleted, deleted_too), (let_go, let_go_too)] {
        assert_eq!(names(&one.0), names(&two.0));
        assert_eq!(names(&one.1), names(&two.1));
        assert_eq!((&one.2, &one.3), (&two.2, &two.3));
    }
    assert!(deleted.0.is_empty(), "{deleted:?}");
    assert_eq!(deleted.1, ["image.iso"], "the disks went, the image stays");
    assert!(let_go.0.iter().any(|file| file == "one/one.vbox"), "{let_go:?}");
    assert_eq!(let_go.1, ["far.vdi", "image.iso"]);
}

fn media_of(home: &Home, what: &str) -> Vec<String> {
    let said = home.vbox(&["list", what]).ok();
    let location = |line: &str| Some(line.strip_prefix("Location:")?.trim().to_owned());
    said.lines().filter_map(location).collect()
}

/// A machine with a disk in its folder, one elsewhere, a snapshot of both, an image in a drive.
fn rich(home: &Home, name: &str) -> Uuid {
    let machine = born(home, name);
    let near = home.machines().join(name).join("near.vdi");
    let (far, image) = (home.scratch().join("far.vdi"), home.scratch().join("image.iso"));
    std::fs::write(&image, vec![0; 1 << 20]).unwrap();
    home.vbox(&["storagectl", name, "--name", "s", "--add=sata"]).ok();
    for (port, disk) in [("--port=0", &near), ("--port=1", &far)] {
        home.vbox(&["createmedium", "disk", "--filename", path(disk), "--size=8"]).ok();
        home.vbox(&["storageattach", name, "--storagectl=s", port, "--type=hdd", "--medium", path(disk)])
            .ok();
    }
    home.vbox(&[
        "storageattach",
        name,
        "--storagectl=s",
        "--port=2",
        "--type=dvddrive",
        "--medium",
        path(&image),
    ])
    .ok();
    home.vbox(&["snapshot", name, "take", "point"]).ok();
    machine
}

/// What a refusal says: its message, its code, and what it means.
fn words(error: &HostError) -> (String, Option<String>, String) {
    match error {
        HostError::Refused { message, code, class, .. } => {
            (message.clone(), code.clone(), format!("{class:?}"))
        }
        other => panic!("{other:?}"),
    }
}

pub fn refusals_alike(lab: &Lab) {
    let home = lab.home();
    let (native, other) = both(&home, lab);
    let (off, runs) = (born(&home, "off"), born(&home, "runs"));
    let nobody = Uuid::from_u128(7);
    home.vbox(&["startvm", "runs", "--type=headless"]).ok();
    for action in [
        // Values.
        set(off, &[("memory", json!(64)), ("cpus", json!(999))]),
        set(off, &[("memory", json!(1))]),
        set(off, &[("hardwareUuid", json!("nonsense"))]),
        set(off, &[("cpuExecutionCap", json!(200))]),
        set(off, &[("nics.1.nat.portForwards.none", Value::Null)]),
        // Nobody there.
        set(nobody, &[("memory", json!(64))]),
        data(nobody, "a", Some("b")),
        unregister(nobody, false),
        // A machine that runs.
        set(runs, &[("memory", json!(64))]),
        unregister(runs, false),
        unregister(runs, true),
    ] {
        let (first, second) = (native.perform(&action), other.perform(&action));
        let (first, second) = (first.expect_err(action.label()), second.expect_err(action.label()));
        let (first, mut second) = (words(&first), words(&second));
        if second.0.ends_with("(extended info not available)") {
            // VirtualBox said nothing but the code.
            second.0.clone_from(&first.0);
        }
        assert_eq!(first, second, "{action:?}");
    }
    // A machine that runs takes data from both.
    native.done(&data(runs, "a", Some("b")));
    assert_eq!(settings(&other, off)["memory"], json!(32));
    assert_eq!(settings(&other, runs)["extraData"], json!({"a": "b"}));
    // One that ends lets go in a moment: the helper waits for it as VBoxManage does.
    home.vbox(&["controlvm", "runs", "poweroff"]).ok();
    native.done(&set(runs, &[("memory", json!(64))]));
    assert_eq!(home.info("runs", "memory").as_deref(), Some("64"));
    // A saved one.
    home.vbox(&["startvm", "off", "--type=headless"]).ok();
    home.save_state("off");
    let action = set(off, &[("memory", json!(64))]);
    let (first, second) = (native.perform(&action).unwrap_err(), other.perform(&action).unwrap_err());
    assert_eq!(words(&first), words(&second));
}

/// Which machines run, asked of the helper and of VBoxManage.
pub fn states_alike(lab: &Lab) {
    let home = lab.home();
    let (native, other) = both(&home, lab);
    for name in ["off", "runs", "held", "saved"] {
        born(&home, name);
    }
    for name in ["runs", "held", "saved"] {
        home.vbox(&["startvm", name, "--type=headless"]).ok();
    }
    home.vbox(&["controlvm", "held", "pause"]).ok();
    home.save_state("saved");
    let before = native.commands();
    let (first, second) = (native.inventory(), other.inventory());
    assert_eq!(native.commands(), before);
    assert_eq!(first, second);
    // One machine is asked about by itself.
    for (uuid, machine) in &second.machines {
        assert_eq!(native.reread(*uuid).machines.get(uuid), Some(machine));
    }
    assert_eq!(native.commands(), before);
    let mut states: Vec<String> =
        first.machines.values().filter_map(|machine| Some(machine.state.as_ref()?.to_string())).collect();
    states.sort();
    assert_eq!(states, ["paused", "poweroff", "running", "saved"]);
}

const STACK: &str = "\
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: web}
lifecycle: {onRemove: delete}
spec:
  replicas: 2
  osType: Debian_64
  memory: 64MiB
  description: first
  disks: {root: {size: 8MiB}}
  nics: [{nat: {portForwards: {ssh: 'auto:22'}}}]
";

/// A stack made, changed and destroyed by the program itself, by each route.
pub fn a_stack_alike(lab: &Lab) {
    let mut seen = Vec::new();
    for route in ["vboxmanage", "native"] {
        let home = lab.home();
        let file = home.scratch().join("stack.yaml");
        let apply = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let said = home.vboxmcp(&["apply", path(&file), "--stack=lab", "--yes", "--route", route]);
            assert_eq!(said.code, Some(0), "{route}: {said:?}");
            let again = home.vboxmcp(&["plan", path(&file), "--stack=lab", "--detailed-exitcode"]);
            assert_eq!(again.code, Some(0), "{route}: {again:?}");
        };
        apply(STACK);
        apply(&STACK.replace("64MiB", "48MiB").replace("first", "second\n"));
        let exported = home.vboxmcp(&["export", "--all"]).ok();
        // Addresses are VirtualBox's choice.
        let inventory: String =
            exported.lines().filter(|line| !line.contains("# mac: ")).flat_map(|line| [line, "\n"]).collect();
        let destroyed = home.vboxmcp(&[
            "destroy",
            "--stack=lab",
            "--confirm=lab",
            "--allow=destroy-data",
            "--route",
            route,
        ]);
        assert_eq!(destroyed.code, Some(0), "{route}: {destroyed:?}");
        seen.push((inventory, files(&home.machines()), media_of(&home, "hdds")));
    }
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].0.contains("48MiB") && seen[0].1.is_empty() && seen[0].2.is_empty(), "{seen:?}");
}

/// A program that stays asks a helper which machines run, and lets VirtualBox's server go when none does any more.
pub fn who_stays_asks_the_helper(lab: &Lab) {
    let home = lab.home();
    let (native, other, machine) = staying(&home, lab);
    let before = native.commands();
    for _ in 0..3 {
        let (first, second) = (native.inventory(), other.inventory());
        assert_eq!(first, second);
        assert_eq!(first.machines[&machine].state, Some(PowerState::Running));
    }
    assert_eq!(native.commands(), before, "VBoxManage is not asked");
    // Nor are machines' logs, which are long.
    home.vbox(&["controlvm", "one", "pause"]).ok();
    std::fs::write(home.machines().join("one/Logs/VBox.log"), "").unwrap();
    assert_eq!(native.inventory().machines[&machine].state, Some(PowerState::Paused));
    // The helper knows the machines that there were, and looks again when there are others.
    let second = born(&home, "two");
    home.vbox(&["startvm", "two", "--type=headless"]).ok();
    let before = native.commands();
    assert_eq!(native.inventory().machines[&second].state, Some(PowerState::Running));
    home.vbox(&["controlvm", "two", "poweroff"]).ok();
    eventually("the other one is off", 30, || {
        native.inventory().machines[&second].state == Some(PowerState::PowerOff)
    });
    home.vbox(&["unregistervm", "two", "--delete"]).ok();
    let left = native.inventory();
    assert_eq!(left.machines.keys().collect::<Vec<_>>(), [&machine]);
    assert_eq!(left.machines[&machine].state, Some(PowerState::Paused));
    assert_eq!(native.commands(), before, "VBoxManage is not asked");
    let helper = native.helper();
    home.vbox(&["controlvm", "one", "poweroff"]).ok();
    eventually("it is off, and nobody keeps the server", 30, || {
        let state = native.inventory().machines[&machine].state.clone();
        state == Some(PowerState::PowerOff) && native.host.native().processes().is_empty()
    });
    eventually("the helper has ended", 5, || !is_running(helper));
    home.wait_no_server();
}

/// A helper is a client that keeps VirtualBox's server: only who changes something, or asks whether it can be used, has one.
pub fn who_only_looks_starts_none(lab: &Lab) {
    use std::os::unix::fs::PermissionsExt as _;
    let home = lab.home();
    born(&home, "one");
    let (through, starts) = (home.root().join("through"), home.root().join("starts"));
    let Launch { through: Some(bring), .. } = launch(lab) else { return };
    let script = format!("#!/bin/sh\necho >>'{}'\nexec '{}' \"$@\"\n", starts.display(), bring.display());
    std::fs::write(&through, script).unwrap();
    std::fs::set_permissions(&through, std::fs::Permissions::from_mode(0o755)).unwrap();
    let file = home.scratch().join("stack.yaml");
    std::fs::write(&file, STACK).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = home.command(env!("CARGO_BIN_EXE_vboxmcp"));
        command.args(arguments).env("VBOXMCP_NATIVE_THROUGH", &through).env("VBOXMCP_STACK", "lab");
        crate::home::run(&mut command, std::time::Duration::from_mins(2)).expect("it ends")
    };
    let started = || std::fs::read_to_string(&starts).unwrap_or_default().len();
    for look in
        [&["plan", path(&file)][..], &["get"], &["drift", path(&file)], &["inventory"], &["export", "--all"]]
    {
        let said = run(look);
        assert!(matches!(said.code, Some(0 | 3)), "{said:?}");
    }
    assert_eq!(started(), 0);
    assert_eq!(run(&["apply", path(&file), "--yes", "--route=vboxmanage"]).code, Some(0));
    assert_eq!(started(), 0);
    let said = run(&["doctor", "-o", "json"]);
    assert_eq!((said.code, started()), (Some(0), 1), "{said:?}");
    assert!(said.stdout.contains("VBoxXPCOMC.so, VirtualBox 7.2."), "{said:?}");
    std::fs::write(&file, STACK.replace("first", "second")).unwrap();
    assert_eq!(run(&["apply", path(&file), "--yes"]).code, Some(0));
    assert_eq!(started(), 2, "one for the whole run");
}
