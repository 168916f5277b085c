//! Controllers, disks, and what hangs where.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use serde_json::json;
use uuid::Uuid;
use vboxmcp::host::{ErrorClass, Inspect as _, Operate as _, Want};
use vboxmcp::inventory::{AttachedMedium, Attachment, DeviceKind, Medium};
use vboxmcp::model::settings::{Bus, ControllerType};
use vboxmcp::model::{Address, Bytes, Controller, Location, MachineName, PowerState};
use vboxmcp::plan::{Action, Insert, Target};

use super::Stage;
use crate::lab::Lab;

const MIB: u64 = 1 << 20;

impl Stage<'_> {
    fn controller(&self, machine: Uuid, name: &str, bus: Bus) {
        let controller = Controller { bus: Some(bus), ..Controller::default() };
        self.done(&Action::AddController {
            machine: Target::Existing(machine),
            name: name.into(),
            controller,
        });
    }

    fn medium(&self, uuid: Uuid) -> Option<Medium> {
        self.host.inventory(&Want::default()).expect("an inventory").media.remove(&uuid)
    }

    #[track_caller]
    fn attached(&self, machine: Uuid, at: &str) -> Option<Attachment> {
        let at: Location = at.parse().unwrap();
        self.read(machine).attachment_at(&at.controller, at.port, at.device).cloned()
    }
}

fn create_disk(
    machine: Uuid,
    location: impl Into<PathBuf>,
    format: &str,
    variant: &str,
    size: u64,
) -> Action {
    Action::CreateDisk {
        address: Address::InlineDisk(MachineName::new("vm"), "disk".into()),
        location: location.into(),
        machine: Some(Target::Existing(machine)),
        format: format.into(),
        variant: variant.into(),
        size: Bytes(size),
    }
}

fn attach(machine: Uuid, at: &str, kind: DeviceKind, insert: Insert, options: &[(&str, bool)]) -> Action {
    Action::Attach {
        machine: Target::Existing(machine),
        at: at.parse().unwrap(),
        kind,
        insert,
        options: options.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect::<BTreeMap<_, _>>(),
    }
}

fn detach(machine: Uuid, at: &str) -> Action {
    Action::Detach { machine: Target::Existing(machine), at: at.parse().unwrap() }
}

fn disk(uuid: Uuid) -> Insert {
    Insert::Medium(Target::Existing(uuid))
}

pub fn controllers(lab: &Lab) {
    let stage = Stage::new(lab);
    let uuid = stage.machine("bus");
    let machine = || Target::Existing(uuid);
    let types = [
        (Bus::Ide, ControllerType::Ich6),
        (Bus::Sata, ControllerType::Ahci),
        (Bus::Scsi, ControllerType::BusLogic),
        (Bus::Sas, ControllerType::LsiLogicSas),
        (Bus::Pcie, ControllerType::NvMe),
        (Bus::Virtio, ControllerType::VirtioScsi),
        (Bus::Floppy, ControllerType::I82078),
        (Bus::Usb, ControllerType::Usb),
    ];
    for (bus, chip) in types.clone() {
        let limits = bus.limits().unwrap();
        let name = format!("-{bus} ä");
        // The bus's own choice first: it must be what the table says.
        stage.controller(uuid, &name, bus.clone());
        let read = stage.setting(uuid, "controllers")[&name].clone();
        let expected = json!({
            "bus": bus.as_str(), "type": bus.default_type().unwrap().as_str(), "ports": limits.default_ports,
            "hostIoCache": limits.host_io_cache, "bootable": true,
        });
        assert_eq!(read, expected);
        stage.done(&Action::RemoveController { machine: machine(), name: name.clone() });
        let controller = Controller {
            bus: Some(bus.clone()),
            r#type: Some(chip.clone()),
            ports: Some(limits.max_ports),
            host_io_cache: Some(!limits.host_io_cache),
            bootable: Some(false),
        };
        stage.done(&Action::AddController { machine: machine(), name: name.clone(), controller });
        let read = stage.setting(uuid, "controllers")[&name].clone();
        let expected = json!({
            "bus": bus.as_str(), "type": chip.as_str(), "ports": limits.max_ports,
            "hostIoCache": !limits.host_io_cache, "bootable": false,
        });
        assert_eq!(read, expected);
    }
    assert_eq!(stage.setting(uuid, "controllers").as_object().unwrap().len(), types.len());
    let change = Controller { ports: Some(5), bootable: Some(true), ..Controller::default() };
    stage.done(&Action::ChangeController { machine: machine(), name: "-sata ä".into(), controller: change });
    let read = stage.setting(uuid, "controllers.-sata ä");
    assert_eq!(
        (&read["ports"], &read["bootable"], &read["hostIoCache"]),
        (&json!(5), &json!(true), &json!(true))
    );
    let change = Controller { r#type: Some(ControllerType::Piix3), ..Controller::default() };
    stage.done(&Action::ChangeController { machine: machine(), name: "-ide ä".into(), controller: change });
    assert_eq!(stage.setting(uuid, "controllers.-ide ä.type"), json!("piix3"));
}

pub fn disks(lab: &Lab) {
    let stage = Stage::new(lab);
    let machine = stage.machine("disks");
    let folder = stage.read(machine).folder();
    let kinds = [
        ("a.vdi", "vdi", "dynamic"),
        ("b.vdi", "vdi", "fixed"),
        ("c.vmdk", "vmdk", "dynamic"),
        ("d.vmdk", "vmdk", "fixed"),
        ("e.vmdk", "vmdk", "split2g"),
        ("f.vmdk", "vmdk", "split2g-fixed"),
        ("g.vmdk", "vmdk", "stream"),
        ("h.vmdk", "vmdk", "esx"),
        ("i.vhd", "vhd", "dynamic"),
        ("j ä's.vhd", "vhd", "fixed"),
    ];
    let mut made = BTreeMap::new();
    for (file, format, variant) in kinds {
        let done = stage.done(&create_disk(machine, file, format, variant, 8 * MIB));
        let medium = stage.medium(done.made.expect("a UUID")).expect("it is registered");
        assert_eq!((medium.location.clone(), medium.format.as_str()), (folder.join(file), format));
        assert_eq!(medium.size, Some(Bytes(8 * MIB)), "{file}");
        // What fits into one part of 2 GiB is not split.
        let variant = variant
            .strip_prefix("split2g")
            .map_or(variant, |rest| if rest.is_empty() { "dynamic" } else { "fixed" });
        assert_eq!(medium.variant.as_deref(), Some(variant), "{file}");
        made.insert(file, medium.uuid);
    }
    let large = stage.done(&create_disk(machine, "large.vmdk", "vmdk", "split2g", 4096 * MIB)).made.unwrap();
    assert_eq!(stage.medium(large).unwrap().variant.as_deref(), Some("split2g"));
    let elsewhere = stage.home.scratch().join("deep/down/-k.vdi");
    let done = stage.done(&create_disk(machine, &elsewhere, "vdi", "dynamic", 8 * MIB));
    assert_eq!(stage.medium(done.made.unwrap()).unwrap().location, elsewhere);

    let again = stage.perform(&create_disk(machine, "a.vdi", "vdi", "dynamic", 8 * MIB)).unwrap_err();
    assert_eq!(again.class(), ErrorClass::WrongState, "{again}");
    assert!(folder.join("a.vdi").is_file());
    // A registered disk whose file is gone: VirtualBox writes a new file and then refuses it.
    fs::remove_file(folder.join("b.vdi")).unwrap();
    let refused = stage.perform(&create_disk(machine, "b.vdi", "vdi", "dynamic", 8 * MIB)).unwrap_err();
    assert_eq!(refused.class(), ErrorClass::WrongState, "{refused}");
    assert!(!folder.join("b.vdi").exists());

    let grow =
        |file: &str, size| Action::GrowDisk { medium: Target::Existing(made[file]), size: Bytes(size) };
    let percentages = Mutex::new(Vec::new());
    stage
        .host
        .perform(&grow("a.vdi", 32 * MIB), &|percent| percentages.lock().unwrap().push(percent))
        .unwrap();
    assert_eq!(stage.medium(made["a.vdi"]).unwrap().size, Some(Bytes(32 * MIB)));
    assert!(percentages.into_inner().unwrap().is_sorted());
    stage.done(&grow("a.vdi", 32 * MIB));
    for (file, size) in [("a.vdi", 8), ("j ä's.vhd", 32)] {
        assert_eq!(
            stage.perform(&grow(file, size * MIB)).unwrap_err().class(),
            ErrorClass::WrongInput,
            "{file}"
        );
    }

    stage.done(&Action::CloseDisk { medium: Target::Existing(made["a.vdi"]) });
    assert!(folder.join("a.vdi").is_file() && stage.medium(made["a.vdi"]).is_none());
    for file in ["c.vmdk", "e.vmdk", "i.vhd", "b.vdi"] {
        stage.done(&Action::DeleteDisk { medium: Target::Existing(made[file]), folder: None });
        assert!(!folder.join(file).exists() && stage.medium(made[file]).is_none(), "{file}");
    }
    let gone = stage
        .perform(&Action::DeleteDisk { medium: Target::Existing(made["c.vmdk"]), folder: None })
        .unwrap_err();
    assert_eq!(gone.class(), ErrorClass::WrongState, "{gone}");
}

pub fn attachments(lab: &Lab) {
    let stage = Stage::new(lab);
    let machine = stage.machine("slots");
    stage.controller(machine, "SATA", Bus::Sata);
    stage.controller(machine, "IDE: 1", Bus::Ide);
    let made = |name: &str| stage.done(&create_disk(machine, name, "vdi", "dynamic", 8 * MIB)).made.unwrap();
    let (one, two) = (made("one.vdi"), made("two.vdi"));
    let image = stage.home.scratch().join("a b.iso");
    fs::write(&image, vec![0; 64 * 1024]).unwrap();

    stage.done(&attach(
        machine,
        "SATA:0",
        DeviceKind::Disk,
        disk(one),
        &[("discard", true), ("hotPluggable", true)],
    ));
    // Other options of what is there: nothing else changes.
    stage.done(&attach(machine, "SATA:0", DeviceKind::Disk, disk(one), &[("ssd", true)]));
    let there = stage.attached(machine, "SATA:0").unwrap();
    assert_eq!(there.medium, AttachedMedium::Image(one));
    assert!(there.discard && there.hot_pluggable && there.non_rotational);
    stage.done(&attach(
        machine,
        "SATA:0",
        DeviceKind::Disk,
        disk(one),
        &[("ssd", false), ("hotPluggable", false)],
    ));
    let there = stage.attached(machine, "SATA:0").unwrap();
    assert!(there.discard && !there.hot_pluggable && !there.non_rotational);
    let twice = stage.perform(&attach(machine, "SATA:1", DeviceKind::Disk, disk(one), &[])).unwrap_err();
    assert_eq!(twice.class(), ErrorClass::WrongInput, "{twice}");

    let at = "IDE: 1:1:1";
    stage.done(&attach(machine, at, DeviceKind::Dvd, Insert::Nothing, &[("passthrough", true)]));
    let drive = stage.attached(machine, at).unwrap();
    assert_eq!((drive.kind, drive.medium, drive.passthrough), (DeviceKind::Dvd, AttachedMedium::Empty, true));
    // An empty drive does not keep `tempEject`: VirtualBox writes it with an image only.
    let insert = Insert::File(image.clone());
    stage.done(&attach(machine, at, DeviceKind::Dvd, insert, &[("tempEject", true)]));
    let drive = stage.attached(machine, at).unwrap();
    assert!(drive.temp_eject && drive.passthrough);
    let AttachedMedium::Image(inserted) = drive.medium else { panic!("an image") };
    assert_eq!(stage.medium(inserted).unwrap().location, image);
    stage.done(&attach(machine, at, DeviceKind::Dvd, Insert::Nothing, &[("tempEject", false)]));
    assert_eq!(stage.attached(machine, at).unwrap().medium, AttachedMedium::Empty);
    let missing = Insert::File(stage.home.scratch().join("nothing.iso"));
    assert_eq!(
        stage.perform(&attach(machine, at, DeviceKind::Dvd, missing, &[])).unwrap_err().class(),
        ErrorClass::WrongState
    );

    // Live: another image and another disk; what hangs on IDE stays.
    stage.done(&Action::Start { machine: Target::Existing(machine) });
    stage.done(&attach(machine, at, DeviceKind::Dvd, Insert::File(image), &[]));
    stage.done(&attach(machine, "SATA:1", DeviceKind::Disk, disk(two), &[]));
    assert_eq!(stage.attached(machine, "SATA:1").unwrap().medium, AttachedMedium::Image(two));
    stage.done(&detach(machine, "SATA:1"));
    for refused in [detach(machine, "SATA:0"), detach(machine, at)] {
        let class = stage.perform(&refused).unwrap_err().class();
        assert!(matches!(class, ErrorClass::WrongInput | ErrorClass::WrongState), "{class:?}");
    }
    assert_eq!(stage.read(machine).state, Some(PowerState::Running));
    stage.done(&Action::PowerCut { machine: Target::Existing(machine) });

    stage.done(&detach(machine, "SATA:0"));
    stage.done(&detach(machine, at));
    assert!(stage.read(machine).attachments.is_empty());
    assert_eq!(stage.perform(&detach(machine, "SATA:0")).unwrap_err().class(), ErrorClass::WrongState);
    stage.done(&Action::RemoveController { machine: Target::Existing(machine), name: "IDE: 1".into() });
}

/// Options of a disk under a snapshot are changed without a step back to the base.
pub fn a_leaf_stays_a_leaf(lab: &Lab) {
    let stage = Stage::new(lab);
    let machine = stage.machine("leaf");
    stage.controller(machine, "SATA", Bus::Sata);
    let base = stage.done(&create_disk(machine, "base.vdi", "vdi", "dynamic", 8 * MIB)).made.unwrap();
    stage.done(&attach(machine, "SATA:0", DeviceKind::Disk, disk(base), &[]));
    stage.home.vbox(&["snapshot", &machine.to_string(), "take", "one"]).ok();
    let AttachedMedium::Image(leaf) = stage.attached(machine, "SATA:0").unwrap().medium else {
        panic!("a disk")
    };
    assert_ne!(leaf, base);
    stage.done(&attach(machine, "SATA:0", DeviceKind::Disk, disk(leaf), &[("ssd", true)]));
    let there = stage.attached(machine, "SATA:0").unwrap();
    assert_eq!((there.medium, there.non_rotational), (AttachedMedium::Image(leaf), true));
    // To another port and back, by the leaf.
    stage.done(&detach(machine, "SATA:0"));
    stage.done(&attach(machine, "SATA:3", DeviceKind::Disk, disk(leaf), &[]));
    assert_eq!(stage.attached(machine, "SATA:3").unwrap().medium, AttachedMedium::Image(leaf));
    for medium in [base, leaf] {
        stage.done(&Action::GrowDisk { medium: Target::Existing(medium), size: Bytes(16 * MIB) });
        assert_eq!(stage.medium(medium).unwrap().size, Some(Bytes(16 * MIB)));
    }
    // Leaf first; the base has no child left then.
    stage.done(&detach(machine, "SATA:3"));
    let refused =
        stage.perform(&Action::DeleteDisk { medium: Target::Existing(base), folder: None }).unwrap_err();
    assert_ne!(refused.class(), ErrorClass::NotExecuted, "{refused}");
    assert!(stage.medium(base).is_some());
}
