mod random;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::*;
use crate::diff::{self, Presence};
use crate::host::virtualbox::settings::read_machine;
use crate::inventory::{
    Access, AttachedMedium, Attachment, DeviceKind, Entry, HostFacts, Identity, Mark, MarkState, Medium,
    MediumHealth, MediumKind, Register, Registry, Status,
};
use crate::manifest::{self, LoadRequest, LowerContext};
use crate::model::nic::{NicType, Promiscuous};
use crate::model::settings::{Bus, ControllerType};
use crate::model::units::Mebibytes;
use crate::model::{Bytes, Controller, Desired, Nat, Nic, NicMode, Policy, PowerState, Settings};
use crate::plan::{self, PlanOptions};

const FOLDER: &str = "/vms";

fn host() -> Inventory {
    Inventory {
        host: HostFacts {
            kind: "local".to_owned(),
            home: "/home/ada/.config/VirtualBox".into(),
            machine_folder: FOLDER.into(),
            owner_home: "/home/ada".into(),
            root: None,
            autostart_database: None,
            server_running: Some(false),
        },
        ..Inventory::default()
    }
}

/// What VirtualBox makes of an operating system, with its recommendations.
fn settings(os_type: &str) -> Settings {
    let mut settings: Settings = serde_json::from_value(defaults::of(Some(os_type)).unwrap()).unwrap();
    settings.os_type = Some(os_type.to_owned());
    settings.groups = Some(vec!["/".to_owned()]);
    settings.description = Some(String::new());
    settings.snapshot_folder = Some("Snapshots".to_owned());
    settings.controllers = Some(BTreeMap::new());
    settings.nics = Some(BTreeMap::new());
    settings.shared_folders = Some(BTreeMap::new());
    settings.extra_data = Some(BTreeMap::new());
    settings.guest_properties = Some(BTreeMap::new());
    settings
}

fn machine(name: &str, settings: Settings) -> Machine {
    let uuid = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes());
    Machine {
        uuid,
        name: Some(name.to_owned()),
        access: Access::Settings,
        settings_file: Path::new(FOLDER).join(name).join(format!("{name}.vbox")),
        state: Some(PowerState::PowerOff),
        settings: Settings { hardware_uuid: Some(uuid.to_string()), ..settings }.into(),
        unknown: BTreeMap::new(),
        attachments: Vec::new(),
        snapshots: None,
        current_snapshot: None,
        mark: MarkState::None,
        remembered: BTreeMap::new(),
        beyond: Vec::new(),
    }
}

fn medium(location: PathBuf, format: &str, size: u64, owner: Uuid) -> Medium {
    Medium {
        uuid: Uuid::new_v5(&Uuid::NAMESPACE_OID, location.as_os_str().as_encoded_bytes()),
        kind: MediumKind::Disk,
        location,
        format: format.to_owned(),
        medium_type: "normal".to_owned(),
        parent: None,
        registry: Registry::Machine(owner),
        size: Some(Bytes(size)),
        variant: Some("dynamic".to_owned()),
        health: MediumHealth::Good,
        auto_reset: false,
        description: String::new(),
    }
}

fn attachment(
    controller: &str,
    port: u32,
    device: u32,
    kind: DeviceKind,
    medium: AttachedMedium,
) -> Attachment {
    Attachment {
        controller: controller.to_owned(),
        port,
        device,
        kind,
        medium,
        hot_pluggable: false,
        non_rotational: false,
        discard: false,
        passthrough: false,
        temp_eject: false,
        bandwidth_group: None,
    }
}

fn add(inventory: &mut Inventory, machine: Machine) {
    inventory.machines.insert(machine.uuid, machine);
}

fn all(inventory: &Inventory) -> Exported {
    let chosen = select(&[], inventory).unwrap();
    write(&chosen, None, inventory)
}

fn lower(yaml: &str) -> Desired {
    let loaded = manifest::load(&LoadRequest {
        paths: vec!["-".into()],
        stdin: Some(yaml.as_bytes().to_vec()),
        cwd: "/elsewhere".into(),
    });
    let context = LowerContext { home: Some("/home/ada".into()), ..LowerContext::default() };
    match manifest::lower(&loaded, &context) {
        Ok((desired, _)) => desired,
        Err(found) => panic!("{:#?}\n{yaml}", found.records()),
    }
}

/// The host after `adopt` of everything that a declaration names.
fn adopted(desired: &Desired, inventory: &Inventory) -> Inventory {
    let mut inventory = inventory.clone();
    let mut register = Register::default();
    for (address, declared) in &desired.machines {
        let live = inventory.machines_named(declared.name.as_str()).next().unwrap().clone();
        let confirmed = |uuid| Entry { status: Status::Confirmed, ..Entry::pending(Identity::Uuid(uuid)) };
        register.entries.insert(address.clone(), confirmed(live.uuid));
        for (key, attachment) in diff::disk::keyed(&live, address, None, Some(declared), &inventory) {
            let AttachedMedium::Image(leaf) = attachment.medium else { continue };
            if declared.disks.as_ref().is_some_and(|disks| disks.contains_key(&key)) {
                let base = inventory.base_of(leaf).unwrap().uuid;
                register.entries.insert(Address::InlineDisk(declared.name.clone(), key), confirmed(base));
            }
        }
        let mark = Mark::new(desired.stack.clone(), address.clone(), live.uuid);
        inventory.machines.get_mut(&live.uuid).unwrap().mark = MarkState::Valid(mark);
    }
    inventory.registers.insert(desired.stack.clone(), register);
    inventory
}

/// Before adoption everything is a conflict that touches nothing, afterwards nothing is to be done.
fn assert_round_trip(exported: &Exported, inventory: &Inventory) {
    if exported.machines.is_empty() {
        return;
    }
    let desired = lower(&exported.yaml);
    assert_eq!(desired.unsupported, [], "{}", exported.yaml);
    assert_eq!(desired.machines.keys().collect::<Vec<_>>(), exported.machines.iter().collect::<Vec<_>>());
    let planned = |inventory: &Inventory| {
        let changes = diff::diff(&desired, inventory);
        let options = PlanOptions::default();
        (plan::plan(&changes, &desired, inventory, &Policy::default(), &options), changes)
    };
    let (plan, changes) = planned(inventory);
    assert!(changes.machines.values().all(|machine| matches!(machine.presence, Presence::Conflict { .. })));
    assert!(plan.steps.is_empty(), "{:#?}", plan.steps);
    let (plan, changes) = planned(&adopted(&desired, inventory));
    for (address, machine) in &changes.machines {
        assert_eq!(machine.fields, [], "{address}\n{}", exported.yaml);
        assert!(matches!(machine.presence, Presence::Ours { .. }));
    }
    assert!(plan.steps.is_empty(), "{:#?}", plan.steps);
}

#[test]
fn it_reads_as_if_a_person_had_written_it() {
    let mut inventory = host();
    let mut web = machine("web", settings("Debian_64"));
    web.settings.description = Some("Serves the shop.\nAsk Ada: she knows.\n".to_owned());
    web.settings.groups = Some(vec!["/lab".to_owned()]);
    web.settings_file = "/vms/lab/web/web.vbox".into();
    web.settings.cpus = Some(2);
    web.settings.audio.as_mut().unwrap().driver = Some("pulse".to_owned());
    web.settings.extra_data = Some(BTreeMap::from([
        ("GUI/LastCloseAction".to_owned(), Some("poweroff".to_owned())),
        ("VBoxInternal/x".to_owned(), Some("yes".to_owned())),
        ("app/db-password".to_owned(), Some("hunter2".to_owned())),
    ]));
    web.state = Some(PowerState::Running);
    let sata = Controller {
        bus: Some(Bus::Sata),
        r#type: Some(ControllerType::Ahci),
        ports: Some(2),
        host_io_cache: Some(false),
        bootable: Some(true),
    };
    web.settings.controllers = Some(BTreeMap::from([("SATA".to_owned(), sata)]));
    for (port, file) in ["/vms/lab/web/root.vdi", "/srv/data.vdi"].into_iter().enumerate() {
        let disk = medium(file.into(), "vdi", 20 << 30, web.uuid);
        let port = u32::try_from(port).unwrap();
        web.attachments.push(attachment("SATA", port, 0, DeviceKind::Disk, AttachedMedium::Image(disk.uuid)));
        inventory.media.insert(disk.uuid, disk);
    }
    let rule = "2222:22".parse().unwrap();
    let nic = Nic {
        mode: Some(NicMode::Nat),
        nat: Some(Nat { port_forwards: Some(BTreeMap::from([("ssh".to_owned(), rule)])), ..Nat::default() }),
        nic_type: Some(NicType::I82540EM),
        mac: Some("080027A1B2C3".to_owned()),
        cable: Some(true),
        promiscuous: Some(Promiscuous::AllowAll),
        ..Nic::default()
    };
    let bridged = Nic { mode: Some(NicMode::Bridged), network: Some("eth0".to_owned()), ..nic.clone() };
    web.settings.nics = Some(BTreeMap::from([(1, Box::new(nic))]));
    let mut db = machine("db", settings("Debian_64"));
    db.settings.nics = Some(BTreeMap::from([(2, Box::new(bridged))]));
    db.state = Some(PowerState::Aborted);
    add(&mut inventory, web);
    add(&mut inventory, db);
    let exported = all(&inventory);
    let expected = r#"# Exported from VirtualBox. Left out is what a new machine of the same operating system gets anyway.
# `vboxmcp adopt vm/db ...` takes machines over without changing them.
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: db}
spec:
  osType: Debian_64
  # A new machine gets MAC addresses of its own; `mac` would give it these.
  nics:
    - bridged: {interface: eth0}
      slot: 2
      promiscuous: allow-all
      # mac: "080027A1B2C3"
  # It is aborted, which counts as poweroff.
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: web}
spec:
  osType: Debian_64
  description: |
    Serves the shop.
    Ask Ada: she knows.
  groups: [/lab]
  cpus: 2
  audio: {driver: pulse}
  disks:
    root: {size: 20GiB}
    # outside the machine's folder: this version has no disks of their own, so it lives and dies with the machine
    data: {size: 20GiB, location: /srv/data.vdi}
  # A new machine gets MAC addresses of its own; `mac` would give it these.
  nics:
    - nat:
        portForwards:
          ssh: "2222:22"
      promiscuous: allow-all
      # mac: "080027A1B2C3"
  extraData:
    VBoxInternal/x: "yes"
  state: running
  # Not written, because they look like secrets:
  #   extraData app/db-password
"#;
    assert_eq!(exported.yaml, expected, "\n{}", exported.yaml);
    assert_round_trip(&exported, &inventory);
}

#[test]
fn two_machines_on_one_port_of_the_host_do_not_spoil_each_other() {
    let mut inventory = host();
    for name in ["a", "b"] {
        let mut machine = machine(name, settings("Other"));
        let rules = BTreeMap::from([("ssh".to_owned(), "2222:22".parse().unwrap())]);
        let nat = Nat { port_forwards: Some(rules), ..Nat::default() };
        let nic = Nic { mode: Some(NicMode::Nat), nat: Some(nat), ..Nic::default() };
        machine.settings.nics = Some(BTreeMap::from([(1, Box::new(nic))]));
        add(&mut inventory, machine);
    }
    let exported = all(&inventory);
    assert!(
        exported.yaml.contains("its port-forwards, which cannot be declared:\n    #   ssh: 2222:22"),
        "{}",
        exported.yaml
    );
    assert_round_trip(&exported, &inventory);
}

/// Whether all are read back together, each stack by itself, or each machine.
#[test]
fn whose_machines_they_are_and_what_one_of_them_cannot_say_does_not_change_the_others() {
    let written = |stacks: u64| {
        let mut inventory = host();
        for number in 0..12_u64 {
            let mut machine = machine(&format!("m{number:02}"), settings("Other"));
            let cidr = (number == 7).then(|| "10.0.2.0/40".to_owned());
            let nat = Nat { cidr, ..Nat::default() };
            let nic = Nic { mode: Some(NicMode::Nat), nat: Some(nat), ..Nic::default() };
            machine.settings.nics = Some(BTreeMap::from([(1, Box::new(nic))]));
            machine.settings.memory = Some(Mebibytes(number + 10));
            if stacks > 0 {
                let stack = StackName::new(format!("stack-{}", number % stacks)).unwrap();
                let address = Address::machine(machine.name.as_deref().unwrap());
                machine.mark = MarkState::Valid(Mark::new(stack, address, machine.uuid));
            }
            add(&mut inventory, machine);
        }
        all(&inventory)
    };
    let expected = written(0);
    assert_eq!(expected.machines.len(), 12);
    assert_eq!(expected.yaml.matches("its network, which cannot be declared: 10.0.2.0/40").count(), 1);
    for stacks in [1, 3, 9] {
        assert_eq!(written(stacks), expected, "{stacks} stacks");
    }
}

#[test]
fn what_cannot_be_written_is_told() {
    let mut inventory = host();
    add(&mut inventory, machine("good", settings("Other")));
    add(&mut inventory, machine("a+b", settings("Other")));
    let mut twin = machine("good", settings("Other"));
    twin.uuid = Uuid::from_u128(u128::MAX);
    add(&mut inventory, twin);
    let mut gone = machine("gone", settings("Other"));
    gone.access = Access::Inaccessible { reason: "its file is\ngone: {".to_owned() };
    gone.name = None;
    add(&mut inventory, gone);
    let exported = all(&inventory);
    assert_eq!(exported.machines, [Address::machine("good")]);
    assert_eq!(exported.notes.len(), 3, "{:#?}", exported.notes);
    assert!(exported.yaml.contains("# machine \"a+b\""), "{}", exported.yaml);
    lower(&exported.yaml);
}

#[test]
fn a_disk_of_another_machine_is_left_to_it() {
    let mut inventory = host();
    let controllers = || {
        let sata = Controller {
            bus: Some(Bus::Sata),
            r#type: Some(ControllerType::Ahci),
            ports: Some(30),
            ..Controller::default()
        };
        Some(BTreeMap::from([("SATA".to_owned(), sata)]))
    };
    let mut origin = machine("origin", settings("Other"));
    let mut clone = machine("clone", settings("Other"));
    let base = medium("/vms/origin/origin.vdi".into(), "vdi", 1 << 30, origin.uuid);
    let mut leaf = medium("/vms/clone/leaf.vdi".into(), "vdi", 1 << 30, clone.uuid);
    leaf.parent = Some(base.uuid);
    for (machine, medium) in [(&mut origin, &base), (&mut clone, &leaf)] {
        machine.settings.controllers = controllers();
        machine.attachments.push(attachment(
            "SATA",
            0,
            0,
            DeviceKind::Disk,
            AttachedMedium::Image(medium.uuid),
        ));
    }
    inventory.media = [(base.uuid, base), (leaf.uuid, leaf)].into();
    add(&mut inventory, origin);
    add(&mut inventory, clone);
    let exported = all(&inventory);
    let desired = lower(&exported.yaml);
    assert!(desired.machines[&Address::machine("clone")].disks.is_none(), "{}", exported.yaml);
    assert!(desired.machines[&Address::machine("origin")].disks.is_some());
    assert!(exported.yaml.contains("# also used by \"clone\""), "{}", exported.yaml);
    assert_round_trip(&exported, &inventory);
}

#[test]
fn machines_that_virtualbox_wrote_round_trip() {
    for name in
        ["default-1.19", "devices-1.19", "devices-1.21", "platform-1.19", "platform-1.20", "snapshot-1.19"]
    {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/settings/{name}.vbox"));
        let text = std::fs::read_to_string(file).unwrap();
        let (_, rest) = text.split_once("<Machine uuid=\"").unwrap();
        let uuid = Uuid::try_parse(&rest[..38]).unwrap();
        let read = read_machine(&text, uuid, Path::new("/vms/x/x.vbox")).unwrap();
        let mut inventory = host();
        for mut medium in read.media {
            medium.size = Some(Bytes(1 << 30));
            medium.variant = Some("dynamic".to_owned());
            inventory.media.insert(medium.uuid, medium);
        }
        add(&mut inventory, read.machine);
        let exported = all(&inventory);
        assert_eq!(exported.machines.len(), 1, "{name}: {:?}", exported.notes);
        assert_round_trip(&exported, &inventory);
    }
}

#[test]
fn machines_are_chosen_by_name_address_and_uuid() {
    let mut inventory = host();
    add(&mut inventory, machine("web", settings("Other")));
    let web = inventory.machines.values().next().unwrap().uuid;
    for word in ["web", "vm/web", &web.to_string(), &format!("{{{web}}}")] {
        assert_eq!(select(&[word.to_owned()], &inventory).unwrap().len(), 1, "{word}");
    }
    let wrong = select(&["wbe".to_owned()], &inventory).unwrap_err();
    assert_eq!((wrong.kind, wrong.hints), (Kind::Usage, vec!["did you mean \"web\"?".to_owned()]));
    assert!(select(&["net/core".to_owned()], &inventory).is_err());
    let mut twin = machine("web", settings("Other"));
    twin.uuid = Uuid::from_u128(u128::MAX);
    // A copy: the inventory has been asked already.
    let mut inventory = inventory.clone();
    add(&mut inventory, twin);
    assert_eq!(select(&["web".to_owned()], &inventory).unwrap_err().hints.len(), 2);
}
