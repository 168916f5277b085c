//! Controllers, disks and drives. Maps that are written are all that there may be: where one disk cannot be said, none is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use uuid::Uuid;

use super::draft::{Part, Scene};
use crate::diff::disk::place;
use crate::inventory::{
    AttachedMedium, Attachment, DeviceKind, Identity, Inventory, Machine, Medium, MediumHealth,
};
use crate::manifest::emit::{Entry, Item, Layout, List, Map, Yaml};
use crate::model::settings::{Bus, ControllerType};
use crate::model::{Address, Controller, Location};

/// The controller that disks and drives imply where the manifest writes none.
const IMPLIED: &str = "SATA";
/// Formats of disks that can be declared.
const FORMATS: [&str; 3] = ["vdi", "vmdk", "vhd"];

/// The storage of a machine.
pub fn parts(scene: &Scene<'_>) -> Vec<Part> {
    let machine = scene.machine;
    let no_controllers = BTreeMap::new();
    let controllers = machine.settings.controllers.as_ref().unwrap_or(&no_controllers);
    let mut disks = attached(machine, DeviceKind::Disk);
    // In the order in which a new machine's disks would take their places.
    disks.sort_by_key(|disk| rank(controllers, &place(disk)));
    let drives = attached(machine, DeviceKind::Dvd);
    let places: Vec<Location> = disks.iter().chain(&drives).map(|device| place(device)).collect();
    let pinned = pinned(controllers, &places);
    let mut parts = Vec::new();
    let implied = pinned.is_empty() && is_implied(controllers, places.len());
    if !controllers.is_empty() && !implied {
        let map =
            controllers.iter().fold(Map::default(), |map, (name, live)| map.with(name, controller(live)));
        parts.push(Part::of("controllers", map));
    }
    if !disks.is_empty() {
        parts.push(disks_part(scene, &disks, &pinned));
    }
    if !drives.is_empty() {
        let items = (disks.len()..)
            .zip(&drives)
            .map(|(at, drive)| self::drive(drive, pinned.contains(&at), scene.inventory));
        parts.push(Part::of("dvds", List { layout: Layout::Block, items: items.collect() }));
    }
    let floppies = attached(machine, DeviceKind::Floppy);
    if !floppies.is_empty() {
        // The first one is the first device of the only port.
        let items = (0..).zip(&floppies).map(|(device, floppy): (u32, _)| {
            drive(floppy, (floppy.port, floppy.device) != (0, device), scene.inventory)
        });
        parts.push(Part::of("floppies", List { layout: Layout::Block, items: items.collect() }));
    }
    parts
}

fn attached(machine: &Machine, kind: DeviceKind) -> Vec<&Attachment> {
    machine.attachments.iter().filter(|attachment| attachment.kind == kind).collect()
}

/// Where the planner looks for a free place, from the first to the last: SATA before all others.
fn rank(
    controllers: &BTreeMap<String, Controller>,
    place: &Location,
) -> (bool, Option<Bus>, String, u32, u32) {
    let bus = controllers.get(&place.controller).and_then(|controller| controller.bus.clone());
    (bus != Some(Bus::Sata), bus, place.controller.clone(), place.port, place.device)
}

/// Devices, by their position, that would not find their place by themselves.
fn pinned(controllers: &BTreeMap<String, Controller>, places: &[Location]) -> BTreeSet<usize> {
    let mut candidates: Vec<(&String, &Controller)> =
        controllers.iter().filter(|(_, controller)| controller.bus != Some(Bus::Floppy)).collect();
    candidates.sort_by_key(|(_, controller)| (controller.bus != Some(Bus::Sata), controller.bus.clone()));
    let free = |taken: &BTreeSet<Location>| {
        candidates.iter().find_map(|(name, controller)| {
            let limits = controller.bus.as_ref().and_then(Bus::limits);
            let most = limits.map_or(controller.ports.unwrap_or(1), |limits| limits.max_ports);
            let devices = limits.map_or(1, |limits| limits.devices_per_port);
            (0..most)
                .flat_map(|port| (0..devices).map(move |device| (port, device)))
                .map(|(port, device)| Location { controller: (*name).clone(), port, device })
                .find(|place| !taken.contains(place))
        })
    };
    let mut pinned = BTreeSet::new();
    // A device that is pinned may move the others: again, until all of the others are where they are.
    loop {
        let mut taken: BTreeSet<Location> = pinned.iter().filter_map(|at| places.get(*at)).cloned().collect();
        let mut wrong = None;
        for (at, place) in places.iter().enumerate().filter(|(at, _)| !pinned.contains(at)) {
            match free(&taken) {
                Some(found) if found == *place => drop(taken.insert(found)),
                _ => {
                    wrong = Some(at);
                    break;
                }
            }
        }
        match wrong {
            Some(at) => drop(pinned.insert(at)),
            None => return pinned,
        }
    }
}

/// Whether the planner would make these controllers for so many devices without a place.
fn is_implied(controllers: &BTreeMap<String, Controller>, devices: usize) -> bool {
    let Some((name, controller)) = controllers.first_key_value().filter(|_| controllers.len() == 1) else {
        return false;
    };
    name == IMPLIED
        && controller.r#type == Some(ControllerType::Ahci)
        && controller.ports.and_then(|ports| usize::try_from(ports).ok()) == Some(devices)
        && controller.host_io_cache == Some(false)
        && controller.bootable == Some(true)
}

fn controller(live: &Controller) -> Map {
    let limits = live.bus.as_ref().and_then(Bus::limits);
    let usual = live.bus.as_ref().and_then(Bus::default_type);
    let mut map = Map::line();
    map.put_if("bus", live.bus.as_ref().map(Bus::as_str));
    map.put_if(
        "type",
        live.r#type.as_ref().filter(|chip| Some(*chip) != usual.as_ref()).map(ControllerType::as_str),
    );
    map.put_if("ports", live.ports.filter(|ports| Some(*ports) != limits.map(|limits| limits.default_ports)));
    let cache = live.host_io_cache.filter(|cache| Some(*cache) != limits.map(|limits| limits.host_io_cache));
    map.put_if("hostIoCache", cache);
    map.put_if("bootable", live.bootable.filter(|bootable| !bootable));
    map
}

fn disks_part(scene: &Scene<'_>, disks: &[&Attachment], pinned: &BTreeSet<usize>) -> Part {
    let mut keys = BTreeSet::new();
    let disks: Vec<Disk<'_>> = disks
        .iter()
        .enumerate()
        .map(|(at, attachment)| Disk::of(scene, attachment, pinned.contains(&at), &mut keys))
        .collect();
    let map = |short: bool| {
        disks.iter().map(|disk| disk.entry(short)).fold(Map::default(), |mut map, entry| {
            map.entries.push(entry);
            map
        })
    };
    let reasons: Vec<&str> = disks.iter().filter_map(|disk| disk.refused.as_deref()).collect();
    if !reasons.is_empty() {
        return Part::left_out("disks", map(true), reasons.join("; "));
    }
    let form = |short| Entry { above: Vec::new(), key: "disks".to_owned(), value: map(short).into() };
    Part::forms(vec![form(true), form(false)])
}

/// One disk as it will be written.
struct Disk<'a> {
    key: String,
    scene: &'a Scene<'a>,
    attachment: &'a Attachment,
    leaf: Option<&'a Medium>,
    base: Option<&'a Medium>,
    pinned: bool,
    refused: Option<String>,
}

impl<'a> Disk<'a> {
    fn of(
        scene: &'a Scene<'a>,
        attachment: &'a Attachment,
        pinned: bool,
        keys: &mut BTreeSet<String>,
    ) -> Self {
        let inventory = scene.inventory;
        let (leaf, base) = match &attachment.medium {
            AttachedMedium::Image(uuid) => (inventory.media.get(uuid), inventory.base_of(*uuid)),
            AttachedMedium::HostDrive(_) | AttachedMedium::Empty => (None, None),
        };
        let known = base.and_then(|base| registered_key(scene, base.uuid));
        let key =
            known.unwrap_or_else(|| base.map_or_else(|| "disk".to_owned(), |base| key_of(&base.location)));
        let mut free = key.clone();
        let mut number = 2;
        while !keys.insert(free.clone()) {
            free = format!("{key}-{number}");
            number += 1;
        }
        let mut disk = Self { key: free, scene, attachment, leaf, base, pinned, refused: None };
        disk.refused = disk.reason().map(|reason| format!("the disk at {} {reason}", place(attachment)));
        disk
    }

    /// Why it cannot be declared.
    fn reason(&self) -> Option<String> {
        let (Some(leaf), Some(base)) = (self.leaf, self.base) else {
            return Some("is registered nowhere".to_owned());
        };
        if !FORMATS.contains(&base.format.as_str()) {
            return Some(format!("has the format {}", base.format));
        }
        let folder = self.scene.machine.folder();
        if !base.location.starts_with(&folder) {
            let others = users(base.uuid, self.scene);
            if !others.is_empty() {
                return Some(format!(
                    "({}) is also used by {}",
                    base.location.display(),
                    others.join(" and ")
                ));
            }
        }
        if leaf.size.is_none() {
            return Some(match &leaf.health {
                MediumHealth::Inaccessible(reason) => format!("cannot be read: {reason}"),
                MediumHealth::Good | MediumHealth::Unknown => "has a size that could not be read".to_owned(),
            });
        }
        None
    }

    /// `short`: a file in the machine's folder is written without it.
    fn entry(&self, short: bool) -> Entry {
        let mut map = Map::line();
        map.put_if("size", self.leaf.and_then(|leaf| leaf.size).map(|size| size.to_string()));
        if let Some(base) = self.base {
            map.put_if("format", Some(base.format.as_str()).filter(|format| *format != "vdi"));
            let variant = base.variant.as_deref().filter(|variant| *variant != "dynamic");
            map.put_if("variant", variant);
            map.put_if("location", self.location(base, short));
        }
        map.put_if("at", self.pinned.then(|| place(self.attachment).to_string()));
        map.put_if("ssd", self.attachment.non_rotational.then_some(true));
        map.put_if("discard", self.attachment.discard.then_some(true));
        map.put_if("hotPluggable", self.attachment.hot_pluggable.then_some(true));
        map.put_if("bandwidthGroup", self.attachment.bandwidth_group.as_deref());
        Entry { above: self.comments(), key: self.key.clone(), value: map.into() }
    }

    /// Where its file is, unless it is where a new one would be.
    fn location(&self, base: &Medium, short: bool) -> Option<String> {
        let folder = self.scene.machine.folder();
        if base.location == folder.join(format!("{}.{}", self.key, base.format)) {
            return None;
        }
        let name =
            base.location.file_name().filter(|_| short && base.location.parent() == Some(folder.as_path()));
        Some(
            name.map_or_else(
                || base.location.display().to_string(),
                |name| name.to_string_lossy().into_owned(),
            ),
        )
    }

    fn comments(&self) -> Vec<String> {
        let mut comments = Vec::new();
        let Some(base) = self.base else { return comments };
        let others = users(base.uuid, self.scene);
        if self.refused.is_none() && !others.is_empty() {
            comments.push(format!("also used by {}", others.join(" and ")));
        } else if self.refused.is_none() && !base.location.starts_with(self.scene.machine.folder()) {
            comments.push(
                "outside the machine's folder: this version has no disks of their own, so it lives and dies with the machine"
                    .to_owned(),
            );
        }
        let mut rest = Vec::new();
        if base.medium_type != "normal" {
            rest.push(format!("type: {}", base.medium_type));
        }
        if !rest.is_empty() {
            comments.push(format!("not managed by this version: {}", rest.join(", ")));
        }
        comments
    }
}

/// The key under which the owner knows a disk.
fn registered_key(scene: &Scene<'_>, base: Uuid) -> Option<String> {
    let name = scene.known_as.1.machine_name()?;
    scene.register()?.entries.iter().find_map(|(address, entry)| match address {
        Address::InlineDisk(machine, key) if machine == name && entry.identity == Identity::Uuid(base) => {
            Some(key.clone())
        }
        _ => None,
    })
}

/// A key that reads like the file's name.
fn key_of(file: &Path) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let words: Vec<&str> = stem.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let key: String = words.join("-").trim_start_matches(['-', '_']).chars().take(60).collect();
    // Base disks of linked clones are called by UUIDs, which no key may be.
    if key.is_empty() || Uuid::try_parse(&key).is_ok() { "disk".to_owned() } else { key }
}

/// Other machines that use a disk, or a difference to it, now or in a snapshot.
fn users(base: Uuid, scene: &Scene<'_>) -> Vec<String> {
    let mut others = scene.inventory.machines_holding(base);
    others.remove(&scene.machine.uuid);
    let called = |machine: &Machine| match &machine.name {
        Some(name) => format!("{name:?}"),
        None => format!("{{{}}}", machine.uuid),
    };
    others.iter().filter_map(|uuid| scene.inventory.machines.get(uuid)).map(called).collect()
}

fn drive(drive: &Attachment, pinned: bool, inventory: &Inventory) -> Item {
    let mut map = Map::default();
    let mut above = Vec::new();
    match &drive.medium {
        AttachedMedium::Empty => map.put("empty", true),
        AttachedMedium::HostDrive(device) => map.put("hostDrive", device.as_str()),
        AttachedMedium::Image(uuid) => {
            let medium = inventory.media.get(uuid);
            map.put(
                "image",
                medium.map_or_else(|| format!("{{{uuid}}}"), |medium| medium.location.display().to_string()),
            );
            if let Some(MediumHealth::Inaccessible(reason)) = medium.map(|medium| &medium.health) {
                above.push(reason.clone());
            }
        }
    }
    map.put_if("at", pinned.then(|| place(drive).to_string()));
    map.put_if("passthrough", drive.passthrough.then_some(true));
    map.put_if("tempEject", drive.temp_eject.then_some(true));
    if map.entries.len() > 1 {
        map.layout = Layout::Line;
    }
    Item { above, value: Yaml::Map(map) }
}
