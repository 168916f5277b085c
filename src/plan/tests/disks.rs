//! Where disks go: nothing is put out of its place in silence.

use super::*;
use crate::inventory::{
    AttachedMedium, Attachment, DeviceKind, Medium, MediumHealth, MediumKind, Registry, Snapshot,
};
use crate::model::settings::Bus;
use crate::model::{Bytes, Controller, DesiredDisk, DiskSource, Location};

const SIZE: Bytes = Bytes(8 << 20);

fn disk(at: Option<u32>) -> DesiredDisk {
    DesiredDisk {
        disk: DiskSource::Inline {
            size: Some(SIZE),
            format: None,
            variant: None,
            location: None,
            image: None,
        },
        at: at.map(sata),
        ssd: None,
        discard: None,
        hot_pluggable: None,
        bandwidth_group: None,
    }
}

fn sata(port: u32) -> Location {
    Location { controller: "SATA".to_owned(), port, device: 0 }
}

fn controller(ports: u32) -> BTreeMap<String, Controller> {
    let controller = Controller { bus: Some(Bus::Sata), ports: Some(ports), ..Controller::default() };
    BTreeMap::from([("SATA".to_owned(), controller)])
}

/// Machine `a` with disks in ports of SATA.
fn host(disks: &[(&str, u32)]) -> Inventory {
    let mut machine = owned(live(1, "a", PowerState::PowerOff));
    machine.settings.controllers = Some(controller(5));
    for (number, (_, port)) in (100..).zip(disks) {
        machine.attachments.push(attachment(sata(*port), Uuid::from_u128(number)));
    }
    let mut inventory = inventory([machine]);
    for (number, (key, _)) in (100..).zip(disks) {
        let uuid = Uuid::from_u128(number);
        inventory.media.insert(
            uuid,
            Medium {
                uuid,
                kind: MediumKind::Disk,
                location: PathBuf::from(format!("/vms/a/{key}.vdi")),
                format: "vdi".to_owned(),
                medium_type: "normal".to_owned(),
                parent: None,
                registry: Registry::Machine(Uuid::from_u128(1)),
                size: Some(SIZE),
                variant: Some("dynamic".to_owned()),
                health: MediumHealth::Good,
                auto_reset: false,
                description: String::new(),
            },
        );
        let mut entry = Entry::pending(Identity::Uuid(uuid));
        entry.status = Status::Confirmed;
        let address = Address::InlineDisk(crate::model::MachineName::new("a"), (*key).to_owned());
        inventory.registers.get_mut(&stack()).unwrap().entries.insert(address, entry);
    }
    inventory
}

fn attachment(at: Location, medium: Uuid) -> Attachment {
    Attachment {
        controller: at.controller,
        port: at.port,
        device: at.device,
        kind: DeviceKind::Disk,
        medium: AttachedMedium::Image(medium),
        hot_pluggable: false,
        non_rotational: false,
        discard: false,
        passthrough: false,
        temp_eject: false,
        bandwidth_group: None,
    }
}

fn with_disks(ports: u32, disks: &[(&str, Option<u32>)]) -> Desired {
    let mut machine = declared("a");
    machine.settings.controllers = Some(controller(ports));
    machine.disks = Some(disks.iter().map(|(key, at)| ((*key).to_owned(), disk(*at).into())).collect());
    desired([machine])
}

/// What is detached and attached, in order: `-PORT`, `+PORT`.
fn moves(plan: &Plan) -> Vec<String> {
    let moves = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Detach { at, .. } => Some(format!("-{}", at.port)),
        Action::Attach { at, .. } => Some(format!("+{}", at.port)),
        _ => None,
    });
    moves.collect()
}

#[test]
fn a_disk_without_a_place_leaves_its_port_to_one_that_declares_it() {
    let inventory = host(&[("root", 0), ("data", 1)]);
    let plan = plan_of(&with_disks(5, &[("root", None), ("data", Some(0))]), &inventory, &[]);
    assert_eq!(moves(&plan), ["-1", "-0", "+0", "+1"]);
    assert_eq!(plan.objects[0].effects, ["moves disk root from SATA:0 to SATA:1"]);
    // A new disk claims a port as well.
    let plan = plan_of(&with_disks(5, &[("root", None), ("data", None), ("log", Some(0))]), &inventory, &[]);
    assert_eq!(moves(&plan), ["-0", "+0", "+2"]);
}

/// A birth that was cut short is gone on with under the new name: the disks that it had made are its own.
#[test]
fn a_half_born_machine_that_is_renamed_keeps_its_disks() {
    let mut inventory = host(&[("root", 0), ("data", 1)]);
    let machine = inventory.machines.get_mut(&Uuid::from_u128(1)).unwrap();
    // One of them was still to be attached.
    machine.attachments.pop();
    let register = inventory.registers.get_mut(&stack()).unwrap();
    for (address, entry) in register.entries.iter_mut() {
        entry.status = Status::Pending;
        if let Address::InlineDisk(_, key) = address {
            entry.identity = Identity::Path(PathBuf::from(format!("/vms/a/{key}.vdi")));
        }
    }
    let mut desired = with_disks(5, &[("root", None), ("data", None)]);
    let (_, mut machine) = desired.machines.pop_first().unwrap();
    machine.name = crate::model::MachineName::new("b");
    machine.lifecycle.renamed_from = vec![(None, crate::model::MachineName::new("a"))];
    desired.machines.insert(Address::machine("b"), machine);
    let plan = plan_of(&desired, &inventory, &Danger::ALL);
    assert_eq!(moves(&plan), ["+1"], "{plan:#?}");
    assert!(!plan.steps.iter().any(|step| matches!(step.action, Action::CreateDisk { .. })), "{plan:#?}");
    assert!(plan.objects[0].blocked.is_empty(), "{plan:#?}");
    let said = ["an earlier run was cut short: its birth is finished", "was vm/a"];
    assert!(plan.objects[0].effects.ends_with(&said.map(str::to_owned)), "{:?}", plan.objects[0].effects);
}

#[test]
fn a_port_that_two_disks_change_is_free_for_nobody_else() {
    let inventory = host(&[("root", 0), ("data", 1)]);
    let wanted = with_disks(5, &[("root", Some(1)), ("data", Some(0)), ("log", None)]);
    let mut places = moves(&plan_of(&wanted, &inventory, &[]));
    places.sort();
    assert_eq!(places, ["+0", "+1", "+2", "-0", "-1"]);
}

#[test]
fn a_port_beyond_a_lowered_number_is_left() {
    let inventory = host(&[("root", 0), ("data", 4)]);
    let plan = plan_of(&with_disks(4, &[("root", None), ("data", None)]), &inventory, &[]);
    assert_eq!(moves(&plan), ["-4", "+1"]);
    // Nothing says where a disk goes that nobody declares: VirtualBox would forget that it is there.
    let mut wanted = with_disks(4, &[]);
    wanted.machines.values_mut().for_each(|machine| machine.disks = None);
    let plan = plan_of(&wanted, &inventory, &[]);
    assert!(plan.steps.is_empty(), "{plan:#?}");
    assert!(plan.objects[0].blocked[0].reason.contains("data.vdi is at SATA:4"), "{plan:#?}");
    // More disks than ports.
    let plan = plan_of(&with_disks(1, &[("root", None), ("data", None)]), &inventory, &[]);
    assert_eq!((moves(&plan).len(), plan.summary().blocked), (0, 1), "{plan:#?}");
}

#[test]
fn what_nobody_declares_is_not_put_out_of_its_place() {
    let mut inventory = host(&[("root", 0)]);
    let machine = inventory.machines.get_mut(&Uuid::from_u128(1)).unwrap();
    let drive =
        Attachment { kind: DeviceKind::Dvd, medium: AttachedMedium::Empty, ..machine.attachments[0].clone() };
    machine.attachments.push(Attachment { port: 2, ..drive });
    let plan = plan_of(&with_disks(5, &[("root", Some(2))]), &inventory, &[]);
    assert!(plan.steps.is_empty(), "{plan:#?}");
    assert!(plan.objects[0].blocked[0].reason.contains("a DVD drive is at SATA:2"), "{plan:#?}");
    // A disk that cannot go is in the way of the next.
    let plan = plan_of(&with_disks(5, &[("root", Some(2)), ("log", Some(0))]), &inventory, &[]);
    assert!(plan.steps.is_empty(), "{plan:#?}");
    assert_eq!(plan.objects[0].blocked.len(), 2, "{plan:#?}");
}

#[test]
fn a_disk_that_moves_keeps_its_options() {
    let mut inventory = host(&[("root", 0)]);
    inventory.machines.get_mut(&Uuid::from_u128(1)).unwrap().attachments[0].non_rotational = true;
    let mut wanted = with_disks(5, &[("root", Some(2))]);
    let machine = wanted.machines.values_mut().next().unwrap();
    machine.disks.as_mut().unwrap().get_mut("root").unwrap().discard = Some(true);
    let plan = plan_of(&wanted, &inventory, &[]);
    assert_eq!(moves(&plan), ["-0", "+2"]);
    let Some(Action::Attach { options, .. }) = plan.steps.last().map(|step| &step.action) else {
        panic!("{plan:#?}")
    };
    assert_eq!(*options, BTreeMap::from([("discard".to_owned(), true), ("ssd".to_owned(), true)]));
}

/// Machine `a` without its disks, of which a snapshot has `root`; a difference to that was detached.
fn host_with_a_snapshot() -> Inventory {
    let mut inventory = host(&[("root", 0), ("log", 1)]);
    let (root, difference) = (Uuid::from_u128(100), Uuid::from_u128(200));
    let medium = inventory.media[&root].clone();
    let location = PathBuf::from("/vms/a/Snapshots/d.vdi");
    let medium = Medium { uuid: difference, parent: Some(root), location, ..medium };
    inventory.media.insert(difference, medium);
    let machine = inventory.machines.get_mut(&Uuid::from_u128(1)).unwrap();
    machine.attachments.clear();
    machine.snapshots = Some(snapshot(300, "before", vec![root]));
    for entry in inventory.registers.get_mut(&stack()).unwrap().entries.values_mut() {
        entry.on_remove = OnRemove::Delete;
    }
    inventory
}

fn snapshot(uuid: u128, name: &str, media: Vec<Uuid>) -> Snapshot {
    Snapshot {
        uuid: Uuid::from_u128(uuid),
        name: name.to_owned(),
        description: String::new(),
        taken: "2026-01-31T12:00:00Z".to_owned(),
        online: false,
        media,
        children: Vec::new(),
    }
}

/// The steps of a plan that prunes.
fn pruned(inventory: &Inventory) -> (Vec<(String, &'static str)>, Plan) {
    let desired = with_disks(5, &[]);
    let policy = Policy {
        allow: Danger::ALL.into_iter().collect(),
        prune: true,
        limits: crate::model::Limits { max_prune: crate::model::Limit::Count(9), ..Default::default() },
        ..Policy::default()
    };
    let changes = diff::diff(&desired, inventory);
    let plan = plan(&changes, &desired, inventory, &policy, &PlanOptions::default());
    (plan.steps.iter().map(|step| (step.address.to_string(), step.action.label())).collect(), plan)
}

/// A snapshot that has the disk itself keeps it from being deleted, and what else is to be deleted is not kept waiting for it.
#[test]
fn a_disk_that_a_snapshot_has_is_not_deleted() {
    let (steps, plan) = pruned(&host_with_a_snapshot());
    assert_eq!(steps, [("disk/a.log".to_owned(), "delete disk")], "{plan:#?}");
    let root = plan.objects.iter().find(|object| object.address.to_string() == "disk/a.root").unwrap();
    assert_eq!(root.operation, Operation::Blocked);
    assert_eq!(root.blocked[0].reason, "snapshots have it: \"before\" of machine \"a\"");
}

/// Where another snapshot of the machine goes, the one that has the disk stays; where that one goes itself, the disk goes behind it.
#[test]
fn a_disk_goes_with_the_last_snapshot_that_has_it() {
    let name = crate::model::MachineName::new("a");
    for (going, deleted) in [(301, false), (300, true)] {
        let mut inventory = host_with_a_snapshot();
        let machine = inventory.machines.get_mut(&Uuid::from_u128(1)).unwrap();
        machine.snapshots.as_mut().unwrap().children = vec![snapshot(301, "later", Vec::new())];
        let mut entry = Entry::pending(Identity::Uuid(Uuid::from_u128(going)));
        (entry.status, entry.on_remove) = (Status::Confirmed, OnRemove::Delete);
        let address = Address::Snapshot("gone".to_owned(), name.clone());
        inventory.registers.get_mut(&stack()).unwrap().entries.insert(address, entry);
        let (steps, plan) = pruned(&inventory);
        let labels: Vec<&str> = steps.iter().map(|(_, label)| *label).collect();
        let is_deleted = steps.iter().any(|(address, _)| address == "disk/a.root");
        assert_eq!((labels.contains(&"delete snapshot"), is_deleted), (true, deleted), "{going}: {plan:#?}");
    }
}
