//! Controllers, disks and drives of one machine: where they go, and the steps in the order that VirtualBox needs.

pub(super) mod disks;
mod drives;
mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;
use uuid::Uuid;

use super::action::{Action, Insert, Target};
use super::draft::Draft;
use super::machine::Scene;
use crate::diff::{FieldDifference, Presence, disk, machine as shape};
use crate::inventory::{AttachedMedium, Attachment, DeviceKind, Identity};
use crate::model::disk::can_grow;
use crate::model::settings::{Bus, ControllerType};
use crate::model::{Address, Bytes, Controller, DesiredDisk, FieldPath, Location, OnRemove};

/// The controller that disks imply where the manifest writes none.
const IMPLIED: &str = "SATA";
/// The controller that floppy drives imply.
const IMPLIED_FLOPPY: &str = "Floppy";

/// The storage of one machine while its plan is made.
pub struct Storage<'a> {
    scene: &'a Scene<'a>,
    controllers: BTreeMap<String, (Bus, u32)>,
    taken: BTreeSet<Location>,
    live_disks: BTreeMap<String, &'a Attachment>,
    /// A controller that has to be made because disks or drives need one.
    implied: u32,
    /// A floppy controller has to be made.
    implied_floppy: bool,
    /// Disks without a place of their own that must leave theirs: where they go, and the field that takes it.
    displaced: BTreeMap<String, (Location, FieldPath)>,
    /// Fields that claim a place in which something is that may not be moved: what it is.
    pub obstacles: BTreeMap<FieldPath, String>,
}

impl<'a> Storage<'a> {
    /// What is there and declared.
    pub fn of(scene: &'a Scene<'a>) -> Self {
        let live = scene.live();
        let mut controllers = BTreeMap::new();
        let live_controllers = live.and_then(|machine| machine.settings.controllers.as_ref());
        for (name, controller) in
            live_controllers.into_iter().flatten().chain(scene.machine.settings.controllers.iter().flatten())
        {
            if let Some(bus) = &controller.bus {
                let limits = bus.limits();
                let ports = controller.ports.or(limits.map(|limits| limits.default_ports)).unwrap_or(1);
                controllers.insert(name.clone(), (bus.clone(), ports));
            }
        }
        let live_disks = live
            .map(|machine| {
                disk::keyed(
                    machine,
                    scene.known_as(),
                    scene.owner_register(),
                    Some(scene.machine),
                    scene.inventory,
                )
            })
            .unwrap_or_default();
        let mut storage = Self {
            scene,
            controllers,
            taken: BTreeSet::new(),
            live_disks,
            implied: 0,
            implied_floppy: false,
            displaced: BTreeMap::new(),
            obstacles: BTreeMap::new(),
        };
        storage.imply();
        // What may not leave its place may be in the way of something else.
        while storage.arrange() {}
        storage
    }

    /// New disks and drives without a place need a controller; where there is none that could take them, one is made.
    fn imply(&mut self) {
        let added = |kind: &str| {
            self.scene
                .difference
                .fields
                .iter()
                .filter(|f| f.live.is_none() && key(&f.path, kind).is_some())
                .count()
        };
        let new = match self.scene.difference.presence {
            Presence::Absent { .. } => {
                let disks =
                    self.scene.machine.disks.iter().flatten().filter(|(_, disk)| disk.at.is_none()).count();
                let dvds = self.scene.machine.dvds.iter().flatten().filter(|dvd| dvd.at.is_none()).count();
                disks + dvds
            }
            _ => added("disks") + added("dvds"),
        };
        let some_place = self.controllers.values().any(|(bus, _)| *bus != Bus::Floppy);
        if new > 0 && !some_place {
            self.implied = u32::try_from(new).unwrap_or(u32::MAX).min(30);
            self.controllers.insert(IMPLIED.to_owned(), (Bus::Sata, 30));
        }
        let floppies = match self.scene.difference.presence {
            Presence::Absent { .. } => {
                self.scene.machine.floppies.iter().flatten().any(|drive| drive.at.is_none())
            }
            _ => added("floppies") > 0,
        };
        if floppies && self.controllers.values().all(|(bus, _)| *bus != Bus::Floppy) {
            self.implied_floppy = true;
            self.controllers.insert(IMPLIED_FLOPPY.to_owned(), (Bus::Floppy, 1));
        }
    }

    /// Takes away what has to go or to move, before anything takes its place.
    pub fn detach(&mut self, draft: &mut Draft, fields: &[&FieldDifference]) {
        for field in fields {
            let Some(place) = self.left_by(field) else { continue };
            if let (Some((key, None)), None) = (key(&field.path, "disks"), &field.declared)
                && let Some(attachment) = self.live_disks.get(key)
            {
                let file = self.file_of(attachment);
                let kept = if self.is_pruned(key) { "" } else { ", which is kept" };
                draft.effects.push(format!("detaches disk {key} ({file}){kept}"));
            }
            draft.push(Action::Detach { machine: draft.target.clone(), at: place }, [field.path.clone()], []);
        }
        for (key, (to, cause)) in self.displaced_by(fields) {
            let Some(attachment) = self.live_disks.get(key) else { continue };
            let at = disk::place(attachment);
            draft.effects.push(format!("moves disk {key} from {at} to {to}"));
            draft.push(Action::Detach { machine: draft.target.clone(), at }, [cause.clone()], []);
        }
    }

    /// Whether a disk that is no longer written is to be deleted, too.
    fn is_pruned(&self, key: &str) -> bool {
        let Some(register) = self.scene.owner_register().filter(|_| self.scene.policy.prune) else {
            return false;
        };
        let inline = self.scene.disk_known_as(key).and_then(|former| register.entries.get(&former));
        let base = match self.live_disks.get(key).map(|attachment| &attachment.medium) {
            Some(AttachedMedium::Image(leaf)) => self.scene.inventory.base_of(*leaf).map(|base| base.uuid),
            _ => None,
        };
        let own = register.entries.iter().find(|(address, entry)| {
            matches!(address, Address::Disk(_))
                && !self.scene.desired.disks.contains_key(address)
                && base.is_some_and(|base| entry.identity == Identity::Uuid(base))
        });
        let entry = inline.or(own.map(|(_, entry)| entry));
        entry.is_some_and(|entry| entry.on_remove == OnRemove::Delete && !entry.protect)
    }

    /// Adds and changes controllers.
    pub fn controllers(&mut self, draft: &mut Draft, fields: &[&FieldDifference]) {
        let mut changed: BTreeMap<&str, (Controller, Vec<FieldPath>)> = BTreeMap::new();
        for field in fields {
            let Some((name, part)) = key(&field.path, "controllers") else { continue };
            let machine = draft.target.clone();
            match (part, &field.declared) {
                (None, Some(declared)) => {
                    let Some(controller) = controller_of(declared) else { continue };
                    let action = Action::AddController { machine, name: name.to_owned(), controller };
                    draft.push(action, [field.path.clone()], []);
                }
                (Some(part), Some(value)) => {
                    let (controller, cause) = changed.entry(name).or_default();
                    let mut tree = serde_json::to_value(&*controller).unwrap_or_default();
                    if let Value::Object(map) = &mut tree {
                        map.insert(part.to_owned(), value.clone());
                    }
                    *controller = serde_json::from_value(tree).unwrap_or_default();
                    cause.push(field.path.clone());
                }
                (_, None) => {}
            }
        }
        for (name, (controller, cause)) in changed {
            let machine = draft.target.clone();
            draft.push(Action::ChangeController { machine, name: name.to_owned(), controller }, cause, []);
        }
        if self.implied > 0 {
            let controller = Controller {
                bus: Some(Bus::Sata),
                r#type: Some(ControllerType::Ahci),
                ports: Some(self.implied),
                host_io_cache: None,
                bootable: None,
            };
            let machine = draft.target.clone();
            draft.push(
                Action::AddController { machine, name: IMPLIED.to_owned(), controller },
                [FieldPath::of(["disks"])],
                [],
            );
            self.implied = 0;
        }
        if std::mem::take(&mut self.implied_floppy) {
            let controller = Controller {
                bus: Some(Bus::Floppy),
                r#type: Some(ControllerType::I82078),
                ..Controller::default()
            };
            let machine = draft.target.clone();
            draft.push(
                Action::AddController { machine, name: IMPLIED_FLOPPY.to_owned(), controller },
                [FieldPath::of(["floppies"])],
                [],
            );
        }
    }

    /// Why a controller that is no longer declared stays, whatever is done for it.
    pub fn occupied(&self, field: &FieldDifference) -> Option<String> {
        let (name, None) = key(&field.path, "controllers")? else { return None };
        let holds = field.declared.is_none() && self.taken.iter().any(|place| place.controller == name);
        holds.then(|| {
            format!("controller {name:?} is no longer declared and something is still attached to it")
        })
    }

    /// Removes controllers that are no longer declared and that nothing hangs on any more.
    pub fn remove_controllers(draft: &mut Draft, fields: &[&FieldDifference]) {
        for field in fields {
            let Some((name, None)) = key(&field.path, "controllers") else { continue };
            if field.declared.is_some() {
                continue;
            }
            let machine = draft.target.clone();
            draft.push(Action::RemoveController { machine, name: name.to_owned() }, [field.path.clone()], []);
        }
    }

    /// Makes, grows and attaches disks; fills drives.
    pub fn apply(&mut self, draft: &mut Draft, fields: &[&FieldDifference]) {
        let mut options: BTreeMap<&str, (BTreeMap<String, bool>, Vec<FieldPath>)> = BTreeMap::new();
        // What comes to another place has its options set on the way.
        let mut moved: BTreeSet<&str> = BTreeSet::new();
        let mut ordered: Vec<&&FieldDifference> =
            fields.iter().filter(|f| f.path.parts().first() == Some(&"disks")).collect();
        // Disks take their ports in the order in which the manifest names them: the first one is what the firmware boots.
        ordered.sort_by_key(|field| {
            let source =
                self.scene.machine.source_of(&FieldPath::of(field.path.keys().iter().take(2).cloned()));
            (source.line, source.column)
        });
        for field in ordered {
            let Some((key, part)) = key(&field.path, "disks") else { continue };
            let Some(declared) = self.scene.machine.disks.as_ref().and_then(|disks| disks.get(key)) else {
                continue;
            };
            match part {
                None => self.add_disk(draft, key, declared, (&field.path, fields)),
                Some("size") => self.grow(draft, key, field),
                Some("location") => self.relocate(draft, key, declared, field, fields),
                Some("at") => {
                    let (Some(at), Some(attachment)) = (&declared.at, self.live_disks.get(key)) else {
                        continue;
                    };
                    self.attach_again(draft, key, attachment, at, &field.path);
                    moved.insert(key);
                }
                Some("bandwidthGroup") => {
                    if let (Some(group), Some(attachment)) =
                        (&declared.bandwidth_group, self.live_disks.get(key))
                    {
                        assign_group(draft, disk::place(attachment), group, field.path.clone());
                    }
                }
                Some(option @ ("ssd" | "discard" | "hotPluggable")) => {
                    if let Some(value) = field.declared.as_ref().and_then(Value::as_bool) {
                        let (set, cause) = options.entry(key).or_default();
                        set.insert(option.to_owned(), value);
                        cause.push(field.path.clone());
                    }
                }
                Some(_) => {}
            }
        }
        for (key, (to, cause)) in self.displaced_by(fields) {
            let Some(attachment) = self.live_disks.get(key) else { continue };
            self.attach_again(draft, key, attachment, to, cause);
            moved.insert(key);
        }
        for (key, (set, cause)) in options {
            if moved.contains(key) {
                continue;
            }
            let Some(attachment) = self.live_disks.get(key) else { continue };
            let AttachedMedium::Image(leaf) = &attachment.medium else { continue };
            draft.push(
                Action::Attach {
                    machine: draft.target.clone(),
                    at: disk::place(attachment),
                    kind: DeviceKind::Disk,
                    insert: Insert::Medium(Target::Existing(*leaf)),
                    options: set,
                },
                cause,
                [],
            );
        }
        self.drives(draft, fields);
    }

    /// Attaches a disk that was detached, with the options that it had or is to have.
    fn attach_again(
        &self,
        draft: &mut Draft,
        key: &str,
        attachment: &Attachment,
        at: &Location,
        cause: &FieldPath,
    ) {
        let AttachedMedium::Image(leaf) = &attachment.medium else { return };
        let declared = self.scene.machine.disks.as_ref().and_then(|disks| disks.get(key));
        let options = [
            ("ssd", declared.and_then(|disk| disk.ssd), attachment.non_rotational),
            ("discard", declared.and_then(|disk| disk.discard), attachment.discard),
            ("hotPluggable", declared.and_then(|disk| disk.hot_pluggable), attachment.hot_pluggable),
        ];
        let options = options
            .into_iter()
            .filter(|(_, declared, live)| declared.unwrap_or(*live))
            .map(|(name, ..)| (name.to_owned(), true))
            .collect();
        // The leaf, not the base: re-attaching the base would give the guest the content of a snapshot.
        let insert = Insert::Medium(Target::Existing(*leaf));
        attach(draft, at.clone(), DeviceKind::Disk, insert, options, cause.clone());
        let group = declared.and_then(|disk| disk.bandwidth_group.as_ref());
        let group = group.or(attachment.bandwidth_group.as_ref()).filter(|group| !group.is_empty());
        if let Some(group) = group {
            assign_group(draft, at.clone(), group, cause.clone());
        }
    }

    fn file_of(&self, attachment: &Attachment) -> String {
        match &attachment.medium {
            AttachedMedium::Image(uuid) => self
                .scene
                .inventory
                .base_of(*uuid)
                .map_or_else(|| format!("{{{uuid}}}"), |base| base.location.display().to_string()),
            AttachedMedium::HostDrive(drive) => drive.clone(),
            AttachedMedium::Empty => "empty".to_owned(),
        }
    }

    /// Why a disk's size cannot be what is declared, whatever is done for it.
    pub fn ungrowable(&self, path: &FieldPath) -> Option<String> {
        let (key, Some("size")) = key(path, "disks")? else { return None };
        let AttachedMedium::Image(leaf) = &self.live_disks.get(key)?.medium else { return None };
        let base = self.scene.inventory.base_of(*leaf);
        let what = base.map_or_else(String::new, |base| {
            format!(" {} disk of format {}", base.variant.as_deref().unwrap_or("a"), base.format)
        });
        (!self.is_growable(*leaf)).then(|| format!("{path}: VirtualBox cannot grow{what}"))
    }

    /// Whether VirtualBox can make a disk larger (measured for each format).
    fn is_growable(&self, leaf: Uuid) -> bool {
        let base = self.scene.inventory.base_of(leaf);
        base.is_some_and(|base| can_grow(&base.format, base.variant.as_deref()))
    }

    /// Resizing a base leaves the leaf as it was: every medium of the chain grows (measured).
    fn grow_chain(&self, draft: &mut Draft, leaf: Uuid, size: u64, cause: &FieldPath) {
        for uuid in disk::chain(leaf, self.scene.inventory) {
            let medium = self.scene.inventory.media.get(&uuid);
            if medium.and_then(|medium| medium.size).is_none_or(|now| now.0 < size) {
                let medium = Target::Existing(uuid);
                draft.push(Action::GrowDisk { medium, size: Bytes(size) }, [cause.clone()], []);
            }
        }
    }

    fn relocate(
        &self,
        draft: &mut Draft,
        key: &str,
        declared: &DesiredDisk,
        field: &FieldDifference,
        fields: &[&FieldDifference],
    ) {
        let Some(AttachedMedium::Image(leaf)) = self.live_disks.get(key).map(|attachment| &attachment.medium)
        else {
            return;
        };
        let (Some(base), Some(folder)) = (self.scene.inventory.base_of(*leaf), self.folder_then(fields))
        else {
            return;
        };
        let Some(location) = disk::file(key, declared, &folder) else { return };
        let medium = Target::Existing(base.uuid);
        draft.push(Action::MoveDisk { medium, location }, [field.path.clone()], []);
    }

    /// The machine's folder when these fields are as declared: its name, its first group and its location move it.
    pub(super) fn folder_then(&self, fields: &[&FieldDifference]) -> Option<PathBuf> {
        let live = self.scene.live()?;
        let moves = |part: &str| fields.iter().any(|field| field.path.parts().first() == Some(&part));
        let is_moved = ["name", "groups", "location"].iter().any(|part| moves(part));
        // VirtualBox moves no folder that has another name than its machine.
        let there = shape::location(live).filter(|_| is_moved);
        let Some(there) = there else { return Some(live.folder()) };
        let declared = self.scene.machine;
        let name = if moves("name") { Some(declared.name.as_str()) } else { live.name.as_deref() };
        let groups = if moves("groups") { &declared.settings.groups } else { &live.settings.groups };
        let base = declared.location.clone().filter(|_| moves("location")).unwrap_or(there);
        let group = groups.iter().flatten().next().map(String::as_str).unwrap_or_default();
        let parts = group.split('/').filter(|part| !part.is_empty());
        Some(parts.chain(name).fold(base, |folder, part| folder.join(part)))
    }

    fn grow(&self, draft: &mut Draft, key: &str, field: &FieldDifference) {
        let Some(size) = field.declared.as_ref().and_then(Value::as_u64) else { return };
        let Some(AttachedMedium::Image(leaf)) = self.live_disks.get(key).map(|attachment| &attachment.medium)
        else {
            return;
        };
        self.grow_chain(draft, *leaf, size, &field.path);
    }
}

fn attach(
    draft: &mut Draft,
    at: Location,
    kind: DeviceKind,
    insert: Insert,
    options: BTreeMap<String, bool>,
    cause: FieldPath,
) {
    let machine = draft.target.clone();
    draft.push(Action::Attach { machine, at, kind, insert, options }, [cause], []);
}

/// Puts what is attached somewhere into a bandwidth group.
fn assign_group(draft: &mut Draft, at: Location, group: &str, cause: FieldPath) {
    let machine = draft.target.clone();
    draft.push(Action::AssignBandwidthGroup { machine, at, group: group.to_owned() }, [cause], []);
}

fn key<'p>(path: &'p FieldPath, kind: &str) -> Option<(&'p str, Option<&'p str>)> {
    match path.keys() {
        [head, key] if head == kind => Some((key, None)),
        [head, key, field] if head == kind => Some((key, Some(field))),
        _ => None,
    }
}

/// A declared controller, its type filled in from its bus.
fn controller_of(declared: &Value) -> Option<Controller> {
    let mut controller: Controller = serde_json::from_value(declared.clone()).ok()?;
    if controller.bus.is_none() {
        controller.bus = controller.r#type.as_ref().and_then(ControllerType::bus);
    }
    if controller.r#type.is_none() {
        controller.r#type = controller.bus.as_ref().and_then(Bus::default_type);
    }
    Some(controller)
}
