//! Births, and settings of machines that are off.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;
use vboxmcp::host::{ErrorClass, HostError, Inspect as _, Want};
use vboxmcp::inventory::{Mark, MarkState, Shard};
use vboxmcp::model::{Address, FieldPath, SharedFolder, StackName, os_type};
use vboxmcp::plan::{Action, Assignment, Target};

use super::{Stage, create, modify};
use crate::home::path;
use crate::lab::Lab;

pub fn births(lab: &Lab) {
    let stage = Stage::new(lab);
    let names =
        ["plain", "-dash", "a b", "it's", "quo\"te", "ümläut 字", "back\\slash", "per%cent $dollar", "a=b,c"];
    for (number, name) in (1..).zip(names) {
        let uuid = Uuid::from_u128(0xbead_0000_0000_4000_8000_0000_0000_0000 + number);
        let done = stage.done(&create(uuid, name, "Debian_64", &["/lab/web", "/all"], &stage.home));
        assert_eq!(done.made, Some(uuid));
        let machine = stage.read(uuid);
        assert_eq!(machine.name.as_deref(), Some(name));
        let settings = serde_json::to_value(&machine.settings).unwrap();
        assert_eq!(
            (&settings["osType"], &settings["groups"]),
            (&json!("Debian_64"), &json!(["/lab/web", "/all"]))
        );
        assert!(machine.settings_file.starts_with(stage.home.machines().join("lab/web")), "{machine:?}");
        // What the planner takes for granted of a new machine.
        assert_eq!(settings["nics"]["1"]["mode"], json!("nat"));
        assert_eq!(settings["nics"].as_object().unwrap().len(), 1);
        for map in ["controllers", "sharedFolders", "extraData", "guestProperties"] {
            assert_eq!(settings[map], json!({}), "{map}");
        }
    }
    let again = create(Uuid::from_u128(7), "plain", "Debian_64", &["/lab/web"], &stage.home);
    assert_eq!(stage.perform(&again).unwrap_err().class(), ErrorClass::WrongState);
    let taken = create(
        Uuid::from_u128(0xbead_0000_0000_4000_8000_0000_0000_0001),
        "taken",
        "Debian_64",
        &[],
        &stage.home,
    );
    assert_eq!(stage.perform(&taken).unwrap_err().class(), ErrorClass::WrongState);
    assert!(!stage.home.machines().join("taken").exists());
    let elsewhere = create(Uuid::from_u128(8), "plain", "Debian_64", &[], &stage.home);
    stage.done(&elsewhere);
    assert_eq!(stage.host.inventory(&Want::default()).unwrap().machines_named("plain").count(), 2);
}

/// A machine that is born with the table's settings is one that `createvm --default` makes.
pub fn recommendations(lab: &Lab) {
    let stage = Stage::new(lab);
    for (number, os) in (1..).zip(["Other", "Debian_64", "Windows11_64", "Windows95", "MacOS_64", "DOS"]) {
        let uuid = Uuid::from_u128(0xbead_0000_0000_4000_8000_0000_0000_0000 + number);
        stage.done(&create(uuid, os, os, &[], &stage.home));
        let row = os_type::lookup(os).expect("a row of the table");
        let settings = serde_json::to_value(&row.settings).unwrap();
        let set = settings
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| Assignment::set(FieldPath::of([key.as_str()]), value.clone()));
        let set = set.collect();
        stage.done(&Action::ModifyMachine { machine: Target::Existing(uuid), set });
        let (name, kind) = (format!("--name={os} by itself"), format!("--ostype={os}"));
        stage.home.vbox(&["createvm", &name, &kind, "--default", "--register"]).ok();
        let inventory = stage.host.inventory(&Want::default()).unwrap();
        let recommended = inventory.machines_named(&format!("{os} by itself")).next().unwrap();
        let tree = |machine: &vboxmcp::inventory::Machine| {
            let mut tree = serde_json::to_value(&machine.settings).unwrap();
            let map = tree.as_object_mut().unwrap();
            map.retain(|key, _| {
                !["nics", "controllers", "hardwareUuid", "secureBoot"].contains(&key.as_str())
            });
            tree
        };
        assert_eq!(tree(&inventory.machines[&uuid]), tree(recommended), "{os}");
    }
}

/// Two sets of values; the second one takes back what the first one did.
fn values(second: bool) -> Vec<(&'static str, Value)> {
    let mut both: Vec<Value> = serde_json::from_str(include_str!("values.json")).unwrap();
    let removed = [
        ("serialPorts.2", Value::Null),
        ("parallelPorts.1", Value::Null),
        ("cpuidOverrides.00000001", Value::Null),
    ];
    let Value::Object(map) = both.swap_remove(usize::from(second)) else { panic!("an object") };
    // Tests live shorter than the program: the keys may stay.
    let set = map.into_iter().map(|(key, value)| (&*key.leak(), value));
    set.chain(removed.into_iter().filter(|_| second)).collect()
}

fn leaves(path: &FieldPath, value: &Value, found: &mut BTreeMap<FieldPath, Value>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| leaves(&path.join(key), value, found)),
        _ => drop(found.insert(path.clone(), value.clone())),
    }
}

pub fn every_setting(lab: &Lab) {
    let stage = Stage::new(lab);
    let machine = stage.machine("all");
    for second in [false, true, false] {
        let set = values(second);
        stage.set(machine, &set);
        let live = serde_json::to_value(stage.read(machine).settings).unwrap();
        let mut wrong = Vec::new();
        for (key, value) in set {
            let mut wanted = BTreeMap::new();
            leaves(&key.parse().unwrap(), &value, &mut wanted);
            for (path, value) in wanted {
                let there = path.keys().iter().fold(&live, |value, key| &value[key]);
                if *there != value {
                    wrong.push(format!("{path} is {there}, not {value}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
    // All or nothing.
    let (before, set) = (stage.read(machine).settings, [("memory", json!(96)), ("cpus", json!(999))]);
    assert_eq!(stage.perform(&modify(machine, &set)).unwrap_err().class(), ErrorClass::WrongInput);
    assert_eq!(stage.read(machine).settings, before);
    // What moves the machine comes last and takes the rest with it.
    stage.set(machine, &[("name", json!("new")), ("groups", json!(["/b", "/a"])), ("memory", json!(48))]);
    let moved = stage.read(machine);
    assert_eq!((moved.name.as_deref(), moved.folder()), (Some("new"), stage.home.machines().join("b/new")));
    assert_eq!(moved.settings.memory.map(|memory| memory.0), Some(48));
    stage.set(machine, &[("groups", json!([]))]);
    assert_eq!(stage.setting(machine, "groups"), json!(["/"]));
}

pub fn adapters(lab: &Lab) {
    let stage = Stage::new(lab);
    let machine = stage.machine("wired");
    assert_eq!(stage.setting(machine, "nics"), json!({}));
    let nat = json!({
        "mode": "nat", "type": "virtio", "mac": "080027000001", "cable": false, "speed": 1000, "promiscuous": "allow-vms",
        "bootPriority": 1, "trace": "/tmp/trace.pcap",
        "nat": {
            "cidr": "10.9.0.0/24", "bindIp": "127.0.0.1", "mtu": 1400, "aliasMode": ["log", "proxyonly"],
            "socketBuffers": {"socketSend": 16, "socketReceive": 16, "tcpSend": 64, "tcpReceive": 128},
            "dns": {"passDomain": false, "proxy": true, "hostResolver": true},
            "tftp": {"prefix": "/srv", "file": "a.0", "server": "10.9.0.4"},
            "portForwards": {"ssh": "2222:22", "dns": "*:53:10.9.0.15:5353/udp", "six": "[::1]:80:81", "-a b": "7:7"},
        },
    });
    let modes = [
        ("nics.2", json!({"mode": "unattached", "type": "82540EM"})),
        ("nics.3", json!({"mode": "intnet", "network": "lab"})),
        ("nics.4", json!({"mode": "natnetwork", "network": "core"})),
        ("nics.5", json!({"mode": "hostonly", "network": "vboxnet0"})),
        ("nics.6", json!({"mode": "bridged", "network": "eth0"})),
        (
            "nics.7",
            json!({"mode": "generic", "driver": "UDPTunnel", "properties": {"dest": "127.0.0.1", "sport": "1"}}),
        ),
    ];
    let mut set = vec![("nics.1", nat)];
    set.extend(modes);
    stage.set(machine, &set);
    let contains = |stage: &Stage, set: &[(&str, Value)]| {
        let live = serde_json::to_value(stage.read(machine).settings).unwrap();
        for (key, value) in set {
            let mut wanted = BTreeMap::new();
            leaves(&key.parse().unwrap(), value, &mut wanted);
            for (path, value) in wanted {
                let there = path.keys().iter().fold(&live, |value, key| &value[key]);
                assert_eq!(*there, value, "{path}");
            }
        }
    };
    contains(&stage, &set);
    let rules = || stage.setting(machine, "nics.1.nat.portForwards");
    assert_eq!(rules().as_object().unwrap().len(), 4);
    // A rule is changed by a removal and an addition, in one call; two rules may swap their ports.
    stage.set(
        machine,
        &[
            ("nics.1.nat.portForwards.ssh", Value::Null),
            ("nics.1.nat.portForwards.ssh", json!("7:22")),
            ("nics.1.nat.portForwards.-a b", Value::Null),
            ("nics.1.nat.portForwards.-a b", json!("2222:7")),
            ("nics.1.nat.portForwards.six", Value::Null),
        ],
    );
    assert_eq!(rules(), json!({"ssh": "7:22", "-a b": "2222:7", "dns": "*:53:10.9.0.15:5353/udp"}));
    let twice = [("nics.1.nat.portForwards.ssh", json!("9:9"))];
    assert_eq!(stage.perform(&modify(machine, &twice)).unwrap_err().class(), ErrorClass::WrongState);

    let gone: Vec<(&str, Value)> =
        ["nics.2", "nics.3", "nics.4", "nics.5", "nics.6", "nics.7"].map(|nic| (nic, Value::Null)).into();
    stage.set(machine, &gone);
    let back = [
        ("nics.1.mac", json!("auto")),
        ("nics.1.nat.cidr", json!("")),
        ("nics.1.nat.aliasMode", json!([])),
        ("nics.1.nat.bindIp", json!("")),
        ("nics.1.trace", json!("")),
    ];
    stage.set(machine, &back);
    let nics = stage.setting(machine, "nics");
    assert_eq!(nics.as_object().unwrap().keys().collect::<Vec<_>>(), ["1"]);
    assert_ne!(nics["1"]["mac"], json!("080027000001"));
    contains(&stage, &back[1..]);
    // Slots beyond 8 need the other chipset, in the same call.
    stage.set(machine, &[("nics.12", json!({"mode": "nat"})), ("chipset", json!("ich9"))]);
    assert_eq!(stage.setting(machine, "nics.12.mode"), json!("nat"));
    stage.set(machine, &[("chipset", json!("piix3")), ("nics.12", Value::Null)]);
    // An adapter that does not exist is a false success: nobody knows what else was done.
    let beyond = stage.perform(&modify(machine, &[("nics.9.mode", json!("nat"))])).unwrap_err();
    assert!(
        matches!(beyond, HostError::Refused { status: Some(0), class: ErrorClass::Unknown, .. }),
        "{beyond:?}"
    );
}

pub fn data_and_ownership(lab: &Lab) {
    let stage = Stage::new(lab);
    let uuid = stage.machine("data");
    let machine = || Target::Existing(uuid);
    let texts = ["v", "-v", "a b", "line\nline", "it's \"q\" \\ ä 字", "--help", "{\"a\": [1]}", "=", "<&>"];
    for (number, text) in texts.iter().enumerate() {
        let (key, value) = (format!("key/{number}"), Some((*text).to_owned()));
        stage.done(&Action::SetExtraData { machine: machine(), key: key.clone(), value: value.clone() });
        stage.done(&Action::SetGuestProperty {
            machine: machine(),
            key: format!("/{key}"),
            value,
            save: None,
        });
    }
    for key in ["-k", "--k", "k=v", "a b", "ä"] {
        stage.done(&Action::SetExtraData { machine: machine(), key: key.into(), value: Some("x".into()) });
    }
    let read = stage.read(uuid).settings;
    let (extra, properties) = (read.extra_data.as_ref().unwrap(), read.guest_properties.as_ref().unwrap());
    for (number, text) in texts.iter().enumerate() {
        assert_eq!(extra[&format!("key/{number}")].as_deref(), Some(*text));
        assert_eq!(properties[&format!("/key/{number}")].as_deref(), Some(*text));
    }
    assert!(extra.contains_key("-k") && extra.contains_key("--k") && extra.contains_key("a b"), "{extra:?}");
    stage.done(&Action::SetExtraData { machine: machine(), key: "key/0".into(), value: None });
    stage.done(&Action::SetGuestProperty {
        machine: machine(),
        key: "/key/0".into(),
        value: None,
        save: None,
    });
    let read = stage.read(uuid).settings;
    assert!(!read.extra_data.as_ref().unwrap().contains_key("key/0"));
    assert!(!read.guest_properties.as_ref().unwrap().contains_key("/key/0"));

    let stack = StackName::new("shop").unwrap();
    let mark = Mark::new(stack, Address::machine("data"), uuid);
    stage.done(&Action::WriteMark { machine: machine(), mark: Some(mark.clone()) });
    assert_eq!(stage.read(uuid).mark, MarkState::Valid(mark));
    stage.done(&Action::WriteMark { machine: machine(), mark: None });
    assert_eq!(stage.read(uuid).mark, MarkState::None);

    // A shard as large as one may be.
    let value = format!("{{\"x\":\"{}\"}}", "é".repeat(Shard::MAX_BYTES / 2 - 20));
    let key = "vboxmcp/stack/shop/0".to_owned();
    stage.done(&Action::WriteRegister { shard: Shard { key: key.clone(), value: Some(value.clone()) } });
    let said = stage.home.vbox(&["getextradata", "global", &key]).ok();
    assert_eq!(said.strip_prefix("Value: ").map(str::trim_end), Some(value.as_str()));
    stage.done(&Action::WriteRegister { shard: Shard { key: key.clone(), value: None } });
    assert!(stage.home.vbox(&["getextradata", "global", &key]).ok().starts_with("No value set!"));
}

pub fn shared_folders(lab: &Lab) {
    let stage = Stage::new(lab);
    let uuid = stage.machine("shares");
    let add = |name: &str, folder: SharedFolder| {
        stage.perform(&Action::AddSharedFolder { machine: Target::Existing(uuid), name: name.into(), folder })
    };
    let here = path(&stage.home.scratch()).to_owned();
    add("plain", SharedFolder { host_path: Some(here.clone()), ..SharedFolder::default() }).unwrap();
    let full = SharedFolder {
        host_path: Some(here.clone()),
        mount_point: Some("/var/www".into()),
        read_only: Some(true),
        automount: Some(true),
        symlinks: Some("subtree".into()),
    };
    add("-full_ä", full).unwrap();
    let read = stage.setting(uuid, "sharedFolders");
    let plain = json!({"hostPath": here, "mountPoint": "", "readOnly": false, "automount": false, "symlinks": "forbidden"});
    assert_eq!(read["plain"], plain);
    let full = json!({"hostPath": here, "mountPoint": "/var/www", "readOnly": true, "automount": true, "symlinks": "subtree"});
    assert_eq!(read["-full_ä"], full);

    let error =
        add("plain", SharedFolder { host_path: Some(here.clone()), ..SharedFolder::default() }).unwrap_err();
    assert_eq!(error.class(), ErrorClass::WrongState, "{error}");
    let missing = SharedFolder { host_path: Some(format!("{here}/nothing")), ..SharedFolder::default() };
    let error = add("missing", missing).unwrap_err();
    assert!(error.to_string().contains("VERR_FILE_NOT_FOUND"), "{error}");

    let remove = Action::RemoveSharedFolder { machine: Target::Existing(uuid), name: "-full_ä".into() };
    stage.done(&remove);
    assert_eq!(stage.perform(&remove).unwrap_err().class(), ErrorClass::WrongState);
    assert_eq!(stage.setting(uuid, "sharedFolders").as_object().unwrap().len(), 1);
}
