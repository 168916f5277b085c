//! One machine in one state, with everything on it that samples change.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use uuid::Uuid;
use vboxmcp::host::virtualbox::{Spellings, command_lines};
use vboxmcp::host::{Host, HostError};
use vboxmcp::inventory::{DeviceKind, Inventory};
use vboxmcp::model::settings::{BandwidthGroup, Bus, ControllerType, UsbFilter};
use vboxmcp::model::state::StateClass;
use vboxmcp::model::{Address, Bytes, Controller, Location, SharedFolder};
use vboxmcp::plan::{Action, Assignment, Insert, Target};

use super::samples::{self, SAMPLES, Way};

/// A machine of the probe.
pub struct Ground<'a> {
    host: &'a dyn Host,
    root: &'a Path,
    /// The machine.
    pub machine: Uuid,
    /// The state that it is kept in.
    pub state: StateClass,
    counter: Cell<u64>,
    disks: Vec<(&'static str, Uuid)>,
}

/// Where a device is.
pub fn at(controller: &str, port: u32, device: u32) -> Location {
    Location { controller: controller.to_owned(), port, device }
}

impl<'a> Ground<'a> {
    /// Makes a machine, puts everything on it and brings it into a state.
    pub fn new(host: &'a dyn Host, machines: &Path, root: &'a Path, state: StateClass) -> Self {
        let machine = Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0100 + state as u128);
        let mut ground = Self { host, root, machine, state, counter: Cell::new(1), disks: Vec::new() };
        let create = Action::CreateMachine {
            uuid: Some(machine),
            name: ground.name().to_owned(),
            os_type: "Other".to_owned(),
            groups: Vec::new(),
            folder: machines.to_owned(),
        };
        ground.done(&create);
        let before = SAMPLES.iter().filter_map(|sample| match sample.way {
            Way::Set { before, .. } if !before.is_empty() => Some((sample.field, before)),
            _ => None,
        });
        let set = samples::BASE.iter().copied().chain(before);
        let set =
            set.map(|(path, value)| Assignment { path: path.parse().unwrap(), value: super::value(value) });
        ground.done(&Action::ModifyMachine { machine: ground.target(), set: set.collect() });
        ground.storage();
        ground.data();
        ground.enter();
        ground
    }

    /// The machine's name, which is in its state's words.
    pub fn name(&self) -> &'static str {
        match self.state {
            StateClass::Off => "off",
            StateClass::Saved => "saved",
            StateClass::Running => "running",
            StateClass::Paused => "paused",
            StateClass::Stuck | StateClass::Moving => "none",
        }
    }

    /// The machine as a target.
    pub fn target(&self) -> Target {
        Target::Existing(self.machine)
    }

    /// Whether it has a process.
    pub fn is_live(&self) -> bool {
        matches!(self.state, StateClass::Running | StateClass::Paused)
    }

    /// A number that was not there before.
    pub fn next(&self) -> u64 {
        self.counter.replace(self.counter.get() + 1)
    }

    /// A disk by its name.
    pub fn disk(&self, name: &str) -> Uuid {
        self.disks.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// Something that lies in the folder of images.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Performs an action, as often as a run would when VirtualBox stalls.
    pub fn perform(&self, action: &Action) -> Result<(), HostError> {
        for _ in 0..2 {
            match self.host.perform(action, &|_| {}) {
                Err(HostError::Timeout { harmless: false, .. }) if action.is_repeatable() => {}
                other => return other.map(drop),
            }
        }
        self.host.perform(action, &|_| {}).map(drop)
    }

    fn done(&self, action: &Action) {
        self.perform(action).unwrap_or_else(|error| panic!("{} of {}: {error}", action.label(), self.name()));
    }

    /// The machine and all media, as the files say.
    pub fn read(&self) -> Inventory {
        self.host.reread(self.machine, false).unwrap()
    }

    /// The settings change that vboxmcp makes in this state. What it has no live way for is asked of `modifyvm`.
    pub fn setting(&self, set: Vec<Assignment>) -> Action {
        let (machine, off) =
            (self.target(), Action::ModifyMachine { machine: self.target(), set: set.clone() });
        let live = Action::ModifyLive { machine, set, save: None };
        let has_a_way = self.is_live() && command_lines(&live, &Spellings::default()).is_ok();
        if has_a_way { live } else { off }
    }

    /// A message without what differs between machines and hosts.
    pub fn plain(&self, message: &str) -> String {
        let mut text = message.to_owned();
        let roots = [self.read().machines[&self.machine].folder(), self.root.to_owned()];
        for root in roots {
            let root = root.display().to_string();
            while let Some(start) = text.find(&root) {
                let rest = &text[start..];
                let end = rest.find(['\'', '"']).unwrap_or(rest.len());
                text.replace_range(start..start + end, "PATH");
            }
        }
        let uuids = self.read().media.keys().copied().chain([self.machine]).collect::<Vec<_>>();
        for uuid in uuids {
            text = text.replace(&uuid.to_string(), "UUID");
        }
        for name in [self.name().to_owned(), format!("renamed-{}", self.name())] {
            text = text.replace(&format!("'{name}'"), "'NAME'");
        }
        text.replace("'UUID'", "'NAME'")
    }

    fn storage(&mut self) {
        let add = |ground: &Self, name: &str, bus: Bus, kind: ControllerType, ports: Option<u32>| {
            let controller =
                Controller { bus: Some(bus), r#type: Some(kind), ports, ..Controller::default() };
            ground.done(&Action::AddController {
                machine: ground.target(),
                name: name.to_owned(),
                controller,
            });
        };
        add(self, "SATA", Bus::Sata, ControllerType::Ahci, Some(13));
        add(self, "IDE", Bus::Ide, ControllerType::Piix4, None);
        add(self, "SCSI", Bus::Scsi, ControllerType::LsiLogic, None);
        add(self, "Floppy", Bus::Floppy, ControllerType::I82078, None);
        self.done(&self.floppy(0, false));
        // The size tells VirtualBox that it is a floppy's image.
        fs::write(self.file("image.img"), vec![0; 1_474_560]).unwrap();
        for (name, port, hot) in samples::DISKS {
            let uuid = self.create_disk(name);
            self.disks.push((name, uuid));
            let options = BTreeMap::from([("hotPluggable".to_owned(), *hot)]);
            self.done(&self.attach(at("SATA", *port, 0), uuid, options));
        }
        for place in [at("SATA", 10, 0), at("SATA", 11, 0), at("IDE", 0, 0)] {
            self.done(&self.drive(place));
        }
        let mut hot = self.drive(at("SATA", 12, 0));
        if let Action::Attach { options, .. } = &mut hot {
            options.insert("hotPluggable".to_owned(), true);
        }
        self.done(&hot);
        // The least that VirtualBox takes for a DVD image.
        let mut image = vec![0; 32 * 2048];
        image[16 * 2048..][..7].copy_from_slice(b"\x01CD001\x01");
        fs::write(self.file("image.iso"), image).unwrap();
    }

    /// Makes a disk in the machine's folder.
    fn create_disk(&self, name: &str) -> Uuid {
        let made = self.host.perform(&self.new_disk(name), &|_| {}).unwrap().made;
        made.unwrap()
    }

    fn new_disk(&self, name: &str) -> Action {
        Action::CreateDisk {
            address: Address::machine(name),
            location: self.read().machines[&self.machine].folder().join(format!("{name}.vdi")),
            machine: Some(self.target()),
            format: "vdi".to_owned(),
            variant: "dynamic".to_owned(),
            size: Bytes(4 << 20),
        }
    }

    /// Makes a disk and attaches it.
    pub fn add_disk(&self, name: &str, place: Location) -> Vec<Action> {
        // The executor would bind the disk that the first action makes.
        let disk = self.create_disk(name);
        vec![self.attach(place, disk, BTreeMap::new())]
    }

    /// Attaches a disk.
    pub fn attach(&self, at: Location, disk: Uuid, options: BTreeMap<String, bool>) -> Action {
        let insert = Insert::Medium(Target::Existing(disk));
        Action::Attach { machine: self.target(), at, kind: DeviceKind::Disk, insert, options }
    }

    /// Puts an empty drive somewhere.
    pub fn drive(&self, at: Location) -> Action {
        let options = BTreeMap::new();
        Action::Attach { machine: self.target(), at, kind: DeviceKind::Dvd, insert: Insert::Nothing, options }
    }

    /// A floppy drive, empty or with an image.
    pub fn floppy(&self, device: u32, filled: bool) -> Action {
        let insert = if filled { Insert::File(self.file("image.img")) } else { Insert::Nothing };
        let (machine, at) = (self.target(), at("Floppy", 0, device));
        Action::Attach { machine, at, kind: DeviceKind::Floppy, insert, options: BTreeMap::new() }
    }

    /// Takes something away.
    pub fn detach(&self, at: Location) -> Action {
        Action::Detach { machine: self.target(), at }
    }

    /// A shared folder.
    pub fn folder(&self, name: &str, read_only: bool) -> Action {
        let path = self.file("shared");
        fs::create_dir_all(&path).unwrap();
        let folder = SharedFolder {
            host_path: Some(path.display().to_string()),
            read_only: Some(read_only),
            ..SharedFolder::default()
        };
        Action::AddSharedFolder { machine: self.target(), name: name.to_owned(), folder }
    }

    /// A key of extra data.
    pub fn extra(&self, key: &str, value: Option<&str>) -> Action {
        let value = value.map(str::to_owned);
        Action::SetExtraData { machine: self.target(), key: key.to_owned(), value }
    }

    /// A guest property.
    pub fn property(&self, key: &str, value: Option<&str>) -> Action {
        let value = value.map(str::to_owned);
        Action::SetGuestProperty { machine: self.target(), key: key.to_owned(), value, save: None }
    }

    /// A bandwidth group.
    pub fn group(&self, name: &str, kind: &str) -> Action {
        let group = BandwidthGroup { r#type: Some(kind.to_owned()), limit: Some(1_250_000) };
        Action::AddBandwidthGroup { machine: self.target(), name: name.to_owned(), group }
    }

    /// A USB filter.
    pub fn usb_filter(&self, position: u32, name: &str) -> Action {
        let filter = UsbFilter { name: Some(name.to_owned()), ..UsbFilter::default() };
        Action::AddUsbFilter { machine: self.target(), position, filter }
    }

    fn data(&self) {
        for (name, kind) in [("changes", "network"), ("goes", "network"), ("disks", "disk")] {
            self.done(&self.group(name, kind));
        }
        self.done(&self.usb_filter(1, "before"));
        self.done(&self.usb_filter(2, "goes"));
        for name in ["changes", "goes"] {
            self.done(&self.folder(name, false));
            self.done(&self.extra(&format!("probe/{name}"), Some("before")));
            self.done(&self.property(&format!("/probe/{name}"), Some("before")));
        }
    }

    fn enter(&self) {
        let machine = self.target();
        let steps = match self.state {
            StateClass::Saved => {
                vec![Action::Start { machine: machine.clone() }, Action::SaveState { machine }]
            }
            StateClass::Running => vec![Action::Start { machine }],
            StateClass::Paused => vec![Action::Start { machine: machine.clone() }, Action::Pause { machine }],
            _ => Vec::new(),
        };
        for action in &steps {
            self.done(action);
        }
    }
}
