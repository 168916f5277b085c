//! The simulated host as the executor sees it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;
use uuid::Uuid;

use super::{Fault, FaultPlan, SimHost};
use crate::host::{ErrorClass, Inspect, Operate, Want};
use crate::inventory::{AttachedMedium, DeviceKind, Inventory, Machine, PathFact};
use crate::model::{Address, Bytes, Controller, FieldPath, Location, PowerState};
use crate::plan::{Action, Assignment, Insert, Target};

struct Scene {
    host: SimHost,
    machine: Uuid,
}

impl Scene {
    fn new() -> Self {
        let host = SimHost::in_memory();
        let machine = create(&host, "a", &["/"]);
        Self { host, machine }
    }

    fn target(&self) -> Target {
        Target::Existing(self.machine)
    }

    fn inventory(&self) -> Inventory {
        self.host.inventory(&Want::default()).unwrap()
    }

    fn live(&self) -> Machine {
        self.inventory().machines[&self.machine].clone()
    }

    fn modify(&self, path: &[&str], value: serde_json::Value) -> Result<(), (String, ErrorClass)> {
        let set = vec![Assignment {
            path: FieldPath::of(path.iter().copied()),
            value: Some(value).filter(|v| !v.is_null()),
        }];
        act(&self.host, &Action::ModifyMachine { machine: self.target(), set })
    }

    fn controller(&self) {
        let controller: Controller = serde_json::from_value(json!({"bus": "sata", "ports": 2})).unwrap();
        act(&self.host, &Action::AddController { machine: self.target(), name: "SATA".into(), controller })
            .unwrap();
    }

    fn disk(&self, name: &str) -> Uuid {
        let action = Action::CreateDisk {
            address: Address::Disk("x".into()),
            location: name.into(),
            machine: Some(self.target()),
            format: "vdi".into(),
            variant: "dynamic".into(),
            size: Bytes(1 << 20),
        };
        self.host.perform(&action, &|_| {}).unwrap().made.unwrap()
    }

    fn attach(&self, port: u32, medium: Uuid) -> Result<(), (String, ErrorClass)> {
        let at = Location { controller: "SATA".into(), port, device: 0 };
        let insert = Insert::Medium(Target::Existing(medium));
        let (machine, kind, options) = (self.target(), DeviceKind::Disk, BTreeMap::new());
        act(&self.host, &Action::Attach { machine, at, kind, insert, options })
    }
}

fn create(host: &SimHost, name: &str, groups: &[&str]) -> Uuid {
    let folder = host.inventory(&Want::default()).unwrap().host.machine_folder;
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    let action =
        Action::CreateMachine { uuid: None, name: name.into(), os_type: "Debian_64".into(), groups, folder };
    host.perform(&action, &|_| {}).unwrap().made.unwrap()
}

fn act(host: &SimHost, action: &Action) -> Result<(), (String, ErrorClass)> {
    match host.perform(action, &|_| {}) {
        Ok(_) => Ok(()),
        Err(error) => Err((error.to_string(), error.class())),
    }
}

fn said<T: std::fmt::Debug>(result: Result<T, (String, ErrorClass)>) -> String {
    result.unwrap_err().0
}

#[test]
fn a_new_machine_has_what_createvm_gives() {
    let live = Scene::new().live();
    let settings = live.settings;
    assert_eq!(
        (settings.memory.unwrap().0, settings.cpus, settings.rtc_use_utc),
        (1024, Some(1), Some(true))
    );
    let nics = settings.nics.clone().unwrap();
    assert_eq!(nics.keys().collect::<Vec<_>>(), [&1]);
    assert_eq!(nics[&1].nic_type.as_ref().unwrap().as_str(), "82540EM");
    assert!(nics[&1].mac.as_ref().unwrap().starts_with("080027"));
    assert_eq!(live.settings_file, Path::new("/sim/machines/a/a.vbox"));
}

#[test]
fn names_and_groups_move_the_folder() {
    let scene = Scene::new();
    let disk = scene.disk("root.vdi");
    scene.modify(&["groups"], json!(["/lab"])).unwrap();
    scene.modify(&["name"], json!("b")).unwrap();
    let inventory = scene.inventory();
    assert_eq!(inventory.machines[&scene.machine].settings_file, Path::new("/sim/machines/lab/b/b.vbox"));
    assert_eq!(inventory.media[&disk].location, Path::new("/sim/machines/lab/b/root.vdi"));
    create(&scene.host, "c", &["/lab"]);
    assert!(said(scene.modify(&["name"], json!("c"))).contains("VERR_ALREADY_EXISTS"));
}

#[test]
fn a_refused_change_changes_nothing_and_a_passed_over_one_saves_the_rest() {
    let scene = Scene::new();
    let set =
        vec![Assignment::set(FieldPath::of(["memory"]), 96), Assignment::set(FieldPath::of(["cpus"]), 999)];
    let refused = act(&scene.host, &Action::ModifyMachine { machine: scene.target(), set });
    assert!(said(refused).contains("Invalid virtual CPU count: 999 (must be in range [1, 64])"));
    assert_eq!(scene.live().settings.memory.unwrap().0, 1024);
    let set = vec![
        Assignment::set(FieldPath::of(["nics", "9", "mode"]), "nat"),
        Assignment::set(FieldPath::of(["memory"]), 96),
    ];
    let (text, class) =
        act(&scene.host, &Action::ModifyMachine { machine: scene.target(), set }).unwrap_err();
    assert!(text.contains("Invalid NIC number 9"));
    assert_eq!(class, ErrorClass::Unknown);
    assert_eq!(scene.live().settings.memory.unwrap().0, 96);
}

#[test]
fn a_running_machine_is_changed_live_only() {
    let scene = Scene::new();
    let machine = scene.target();
    act(&scene.host, &Action::Start { machine: machine.clone() }).unwrap();
    assert!(said(scene.modify(&["memory"], json!(64))).contains("already locked for a session"));
    let rule = FieldPath::of(["nics", "1", "nat", "portForwards", "ssh"]);
    let set = vec![Assignment::set(rule.clone(), "2222:22")];
    act(&scene.host, &Action::ModifyLive { machine: machine.clone(), set: set.clone(), save: None }).unwrap();
    let again = act(&scene.host, &Action::ModifyLive { machine: machine.clone(), set, save: None });
    assert!(said(again).contains("A NAT rule of this name already exists"));
    let balloon = vec![Assignment::set(FieldPath::of(["memoryBalloon"]), 8)];
    let inflate = Action::ModifyLive { machine: machine.clone(), set: balloon, save: None };
    act(&scene.host, &inflate).unwrap();
    // In memory only: the file does not say it, and the end of the guest forgets it.
    assert_eq!(scene.live().settings.memory_balloon.unwrap().0, 0);
    let save = Action::SetExtraData { machine: machine.clone(), key: "a".into(), value: Some("b".into()) };
    act(&scene.host, &save).unwrap();
    assert_eq!(scene.live().settings.memory_balloon.unwrap().0, 8);
    let deflate = Assignment::set(FieldPath::of(["memoryBalloon"]), 0);
    act(&scene.host, &Action::ModifyLive { machine: machine.clone(), set: vec![deflate], save: None })
        .unwrap();
    act(&scene.host, &Action::PowerCut { machine: machine.clone() }).unwrap();
    assert_eq!(scene.live().settings.memory_balloon.unwrap().0, 8);
    act(&scene.host, &Action::Start { machine: machine.clone() }).unwrap();
    act(&scene.host, &Action::PowerCut { machine }).unwrap();
    let live = scene.live();
    assert!(
        live.settings.nics.as_ref().unwrap()[&1]
            .nat
            .as_ref()
            .unwrap()
            .port_forwards
            .as_ref()
            .unwrap()
            .contains_key("ssh")
    );
}

#[test]
fn a_disabled_adapter_remembers_its_rules() {
    let scene = Scene::new();
    scene.modify(&["nics", "1", "nat", "portForwards", "ssh"], json!("2222:22")).unwrap();
    scene.modify(&["nics", "1"], json!(null)).unwrap();
    assert!(scene.live().settings.nics.as_ref().unwrap().is_empty());
    scene.modify(&["nics", "1", "mode"], json!("nat")).unwrap();
    assert!(
        scene.live().settings.nics.as_ref().unwrap()[&1]
            .nat
            .as_ref()
            .unwrap()
            .port_forwards
            .as_ref()
            .unwrap()
            .contains_key("ssh")
    );
}

#[test]
fn a_disk_moves_into_the_machine_that_uses_it_and_dies_with_it() {
    let scene = Scene::new();
    scene.controller();
    let disk = scene.disk("root.vdi");
    let outside = scene.disk("/elsewhere/data.vdi");
    scene.attach(0, disk).unwrap();
    scene.attach(5, outside).unwrap();
    assert!(said(scene.attach(1, disk)).contains("is already attached to this virtual machine"));
    assert!(said(scene.attach(30, disk)).contains("port=30 (must be in range [0, 5])"));
    assert!(
        said(act(&scene.host, &Action::DeleteDisk { medium: Target::Existing(disk), folder: None }))
            .contains("still attached")
    );
    let inventory = scene.inventory();
    assert_eq!(inventory.media[&disk].registry, crate::inventory::Registry::Machine(scene.machine));
    assert_eq!(
        inventory.machines[&scene.machine].settings.controllers.as_ref().unwrap()["SATA"].ports,
        Some(6)
    );
    act(&scene.host, &Action::Unregister { machine: scene.target(), delete: true }).unwrap();
    let inventory = scene.inventory();
    assert!(inventory.machines.is_empty() && inventory.media.is_empty());
    let left = scene.host.probe(&[PathBuf::from("/sim/machines/a"), PathBuf::from("/elsewhere/data.vdi")]);
    assert!(left.values().all(|fact| *fact == PathFact::Missing), "{left:?}");
}

#[test]
fn a_base_that_is_attached_under_a_snapshot_gives_an_empty_difference() {
    let scene = Scene::new();
    scene.controller();
    let base = scene.disk("root.vdi");
    scene.attach(0, base).unwrap();
    scene.host.store.change(|world| world.take_snapshot(scene.machine, "s")).unwrap().unwrap();
    let AttachedMedium::Image(leaf) = scene.live().attachments[0].medium else { panic!() };
    assert_ne!(leaf, base);
    let at = Location { controller: "SATA".into(), port: 0, device: 0 };
    act(&scene.host, &Action::Detach { machine: scene.target(), at: at.clone() }).unwrap();
    scene.attach(0, base).unwrap();
    let AttachedMedium::Image(other) = scene.live().attachments[0].medium else { panic!() };
    assert!(other != leaf && other != base);
    act(&scene.host, &Action::Detach { machine: scene.target(), at }).unwrap();
    scene.attach(0, leaf).unwrap();
    assert_eq!(scene.live().attachments[0].medium, AttachedMedium::Image(leaf));
    // The other difference is a child that nobody deletes: the machine goes half-way.
    let (text, class) =
        act(&scene.host, &Action::Unregister { machine: scene.target(), delete: true }).unwrap_err();
    assert!(text.contains("because it has 1 child media"), "{text}");
    assert_eq!(class, ErrorClass::Unknown);
    assert!(scene.inventory().machines.is_empty());
}

#[test]
fn snapshots_merge_when_they_are_deleted() {
    let scene = Scene::new();
    scene.controller();
    let base = scene.disk("root.vdi");
    scene.attach(0, base).unwrap();
    let take = |name: &str| {
        scene.host.store.change(|world| world.take_snapshot(scene.machine, name)).unwrap().unwrap()
    };
    let (first, second) = (take("1"), take("2"));
    for snapshot in [first, second] {
        act(&scene.host, &Action::DeleteSnapshot { machine: scene.target(), snapshot }).unwrap();
    }
    let inventory = scene.inventory();
    assert_eq!(inventory.media.keys().collect::<Vec<_>>(), [&base]);
    assert_eq!(inventory.machines[&scene.machine].attachments[0].medium, AttachedMedium::Image(base));
    assert_eq!(inventory.machines[&scene.machine].snapshots, None);
}

#[test]
fn states_follow_each_other_as_in_virtualbox() {
    let scene = Scene::new();
    let machine = scene.target();
    let go = |action: Action| act(&scene.host, &action);
    assert!(said(go(Action::Pause { machine: machine.clone() })).contains("is not currently running."));
    go(Action::Start { machine: machine.clone() }).unwrap();
    go(Action::Pause { machine: machine.clone() }).unwrap();
    assert!(said(go(Action::Pause { machine: machine.clone() })).contains("Already paused"));
    go(Action::SaveState { machine: machine.clone() }).unwrap();
    assert_eq!(scene.live().state, Some(PowerState::Saved));
    assert!(said(scene.modify(&["memory"], json!(64))).contains("not mutable (state is Saved)"));
    scene.modify(&["description"], json!("x")).unwrap();
    go(Action::DiscardState { machine: machine.clone() }).unwrap();
    assert!(go(Action::DiscardState { machine: machine.clone() }).is_err());
    go(Action::Start { machine: machine.clone() }).unwrap();
    go(Action::Shutdown { machine, timeout: 1, then_power_cut: false }).unwrap();
    assert_eq!(scene.live().state, Some(PowerState::PowerOff));
}

#[test]
fn a_folder_keeps_the_host_for_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let first = SimHost::open(folder.path()).unwrap();
    let machine = create(&first, "a", &["/"]);
    let second = SimHost::open(folder.path()).unwrap();
    assert_eq!(second.inventory(&Want::default()).unwrap(), first.inventory(&Want::default()).unwrap());
    assert!(second.reread(machine, true).unwrap().machines.contains_key(&machine));
    assert!(second.reread(Uuid::nil(), true).unwrap().machines.is_empty());
}

#[test]
fn a_host_in_memory_goes_on_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let host = SimHost::in_memory_below(folder.path());
    let machine = create(&host, "a", &["/"]);
    host.keep_in(folder.path()).unwrap();
    let kept = SimHost::open(folder.path()).unwrap();
    assert_eq!(kept.everything().unwrap(), host.everything().unwrap());
    act(&kept, &Action::Unregister { machine: Target::Existing(machine), delete: true }).unwrap();
    assert_ne!(SimHost::open(folder.path()).unwrap().everything().unwrap(), host.everything().unwrap());
}

#[test]
fn faults_come_where_they_are_planned() {
    let host = SimHost::in_memory();
    let folder = host.inventory(&Want::default()).unwrap().host.machine_folder;
    let make = |name: &str| Action::CreateMachine {
        uuid: None,
        name: name.into(),
        os_type: "Debian_64".into(),
        groups: Vec::new(),
        folder: folder.clone(),
    };
    let host = host.with_faults(
        FaultPlan::at(0, Fault::NotExecuted).and_at(1, Fault::ReplyLost).and_at(2, Fault::DiesAfterwards),
    );
    assert_eq!(act(&host, &make("a")).unwrap_err().1, ErrorClass::NotExecuted);
    assert_eq!(act(&host, &make("b")).unwrap_err().1, ErrorClass::Unknown);
    assert!(act(&host, &make("c")).is_err());
    assert!(host.inventory(&Want::default()).is_err());
    let after = host.with_faults(FaultPlan::none()).inventory(&Want::default()).unwrap();
    let names: Vec<_> = after.machines.values().filter_map(|machine| machine.name.clone()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn what_hangs_ends_when_it_is_cancelled() {
    let host = SimHost::in_memory().with_faults(FaultPlan::every(Fault::Hangs));
    let action = Action::WriteRegister {
        shard: crate::inventory::Shard { key: "vboxmcp/stack/a/0".into(), value: None },
    };
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| act(&host, &action));
        host.cancel();
        assert_eq!(hanging.join().unwrap().unwrap_err().1, ErrorClass::Unknown);
    });
}
