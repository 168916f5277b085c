//! Disks that are not attached yet: made, copied from an image, made anew, or found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use uuid::Uuid;

use super::{Storage, assign_group, attach, key};
use crate::diff::{FieldDifference, disk};
use crate::inventory::{AttachedMedium, DeviceKind, Entry, Identity, Machine, PathFact, Status};
use crate::model::disk::can_grow;
use crate::model::{Address, Danger, DesiredDisk, DiskSource, FieldPath, Image, Location};
use crate::plan::action::{Action, Insert, Target};
use crate::plan::draft::Draft;
use crate::plan::machine::Scene;
use crate::plan::own_disk;

impl Storage<'_> {
    pub(super) fn add_disk(
        &mut self,
        draft: &mut Draft,
        key: &str,
        declared: &DesiredDisk,
        (path, fields): (&FieldPath, &[&FieldDifference]),
    ) {
        let (size, format, variant, location, image) = match &declared.disk {
            DiskSource::Inline { size, format, variant, location, image } => {
                (size, format, variant, location, image)
            }
            DiskSource::Reference { disk, .. } => return self.add_own_disk(draft, declared, disk, path),
        };
        let Some(at) = declared.at.clone().or_else(|| self.free(false)) else {
            draft.block(
                vec![path.clone()],
                "no controller has a free port for the disk",
                vec!["declare a controller, or a place with `at:`".to_owned()],
            );
            return;
        };
        let Some(name) = self.scene.address.machine_name() else { return };
        let address = Address::InlineDisk(name.clone(), key.to_owned());
        let folder = self.scene.live().map_or_else(
            || crate::diff::birth_folder(self.scene.machine, self.scene.inventory),
            Machine::folder,
        );
        let Some(file) = disk::file(key, declared, &folder) else { return };
        // The disks of a renamed machine are still registered under its old name.
        let register = self.scene.owner_register();
        let entry = register.and_then(|register| register.entries.get(&self.scene.disk_known_as(key)?));
        let insert = match self.scene.existing(entry, &file) {
            Found::Nothing if image.is_some() => {
                let Some(image) = image else { return };
                if !self.copy(draft, (&address, image), declared, &file, path) {
                    return;
                }
                Insert::Medium(Target::Planned(address))
            }
            Found::Nothing => {
                let Some(size) = size else {
                    draft.block(
                        vec![path.clone()],
                        format!("disk {key} does not exist and has no size"),
                        vec!["write `size:`".to_owned()],
                    );
                    return;
                };
                let format = format.as_deref().unwrap_or("vdi");
                let action = Action::CreateDisk {
                    address: address.clone(),
                    location: location
                        .clone()
                        .unwrap_or_else(|| PathBuf::from(file.file_name().unwrap_or(file.as_os_str()))),
                    machine: Some(draft.target.clone()),
                    format: format.to_owned(),
                    variant: variant.clone().unwrap_or_else(|| "dynamic".to_owned()),
                    size: *size,
                };
                draft.push(action, [path.clone()], []);
                Insert::Medium(Target::Planned(address))
            }
            Found::Ours(uuid) => {
                if let Some(size) = size.filter(|_| self.is_growable(uuid)) {
                    self.grow_chain(draft, uuid, size.0, path);
                }
                self.bring_home(draft, uuid, key, declared, (path, fields));
                Insert::Medium(Target::Existing(uuid))
            }
            Found::OurFile => Insert::File(file),
            Found::Foreign(what) => {
                draft.block(
                    vec![path.clone()],
                    format!("{path}: {} {what}", file.display()),
                    vec!["declare another `location:`".to_owned(), "move the file away".to_owned()],
                );
                return;
            }
            Found::WouldRevert => {
                draft.block(
                    vec![path.clone()],
                    format!("{path}: {} has snapshots' differences, and which of them is its content is not known", file.display()),
                    vec!["attach the right one by hand, then apply again".to_owned()],
                );
                return;
            }
        };
        attach(draft, at.clone(), DeviceKind::Disk, insert, options_of(declared), path.clone());
        if let Some(group) = declared.bandwidth_group.as_ref().filter(|group| !group.is_empty()) {
            assign_group(draft, at, group, path.clone());
        }
    }

    /// Moves a disk that comes back to where it is declared to be now.
    fn bring_home(
        &self,
        draft: &mut Draft,
        leaf: Uuid,
        key: &str,
        declared: &DesiredDisk,
        (path, fields): (&FieldPath, &[&FieldDifference]),
    ) {
        let DiskSource::Inline { location: Some(_), .. } = &declared.disk else { return };
        let (Some(base), Some(live)) = (self.scene.inventory.base_of(leaf), self.scene.live()) else {
            return;
        };
        let Some(folder) = self.folder_then(fields) else { return };
        // What is in the machine's folder comes along with it.
        let there = match base.location.strip_prefix(live.folder()) {
            Ok(inside) => folder.join(inside),
            Err(_) => base.location.clone(),
        };
        if let Some(location) = disk::file(key, declared, &folder).filter(|location| *location != there) {
            let medium = Target::Existing(base.uuid);
            draft.push(Action::MoveDisk { medium, location }, [path.clone()], []);
        }
    }

    /// Attaches a disk that has a document of its own.
    fn add_own_disk(&mut self, draft: &mut Draft, declared: &DesiredDisk, disk: &Address, path: &FieldPath) {
        let (desired, inventory) = (self.scene.desired, self.scene.inventory);
        let folder = self.scene.live().map(Machine::folder);
        let mut insert = match own_disk::insert(disk, folder.as_deref(), desired, inventory) {
            Ok(insert) => insert,
            Err(why) => {
                draft.block(vec![path.clone()], format!("{path}: {disk} {why}"), Vec::new());
                return;
            }
        };
        let Some(at) = declared.at.clone().or_else(|| self.free(false)) else {
            draft.block(
                vec![path.clone()],
                "no controller has a free port for the disk",
                vec!["declare a controller, or a place with `at:`".to_owned()],
            );
            return;
        };
        match (self.scene.shared.get(disk), own_disk::made_shared(disk, desired, inventory)) {
            (Some(machine), _) => {
                draft.after.insert(machine.clone());
            }
            (None, Some(action)) => {
                attach(draft, at.clone(), DeviceKind::Disk, insert.clone(), BTreeMap::new(), path.clone());
                if let Action::SetDisk { medium, .. } = &action {
                    insert = Insert::Medium(medium.clone());
                }
                Self::share(draft, disk, at.clone(), action, path);
            }
            (None, None) => {}
        }
        attach(draft, at.clone(), DeviceKind::Disk, insert, options_of(declared), path.clone());
        let document = desired.disks.get(disk);
        let keeps = document.is_some_and(|disk| {
            let settings = &disk.settings;
            settings.auto_reset == Some(false) && settings.disk_type.as_deref() == Some("immutable")
        });
        if keeps {
            let machine = draft.target.clone();
            draft.push(Action::SetAutoReset { machine, at, enabled: false }, [path.clone()], []);
        }
    }

    /// Takes a disk off again that was attached only to be in the machine's registry, and gives it its type.
    fn share(draft: &mut Draft, disk: &Address, at: Location, action: Action, path: &FieldPath) {
        let machine = draft.target.clone();
        draft.push(Action::Detach { machine, at }, [path.clone()], []);
        draft.push(action, [FieldPath::of(["type"])], []);
        if let Some(step) = draft.steps.last_mut() {
            step.object = Some(disk.clone());
        }
    }

    /// Finishes what a run that was cut short has begun: a disk that only this machine has, and that several are to have.
    pub fn finish_sharing(&self, draft: &mut Draft) {
        let (desired, inventory) = (self.scene.desired, self.scene.inventory);
        for (key, attachment) in &self.live_disks {
            let declared = self.scene.machine.disks.as_ref().and_then(|disks| disks.get(key));
            let Some(DiskSource::Reference { disk, .. }) = declared.map(|disk| &disk.disk) else { continue };
            let AttachedMedium::Image(leaf) = attachment.medium else { continue };
            let (at, path) = (disk::place(attachment), FieldPath::of(["disks", key]));
            let is_alone = inventory.base_of(leaf).is_some_and(|base| {
                base.uuid == leaf && crate::diff::own_disk::users(leaf, inventory).len() == 1
            });
            let touched = draft.steps.iter().any(|step| {
                matches!(&step.action, Action::Detach { at: place, .. } | Action::Attach { at: place, .. } if *place == at)
            });
            let action = own_disk::made_shared(disk, desired, inventory).filter(|_| is_alone && !touched);
            if let Some(action) = action {
                Self::share(draft, disk, at.clone(), action, &path);
                self.attach_again(draft, key, attachment, &at, &path);
                draft
                    .effects
                    .push(format!("takes disk {key} off and attaches it again: {disk} becomes multiattach"));
            }
        }
    }

    /// Makes a disk from an image, and as large as it is declared.
    fn copy(
        &self,
        draft: &mut Draft,
        (address, image): (&Address, &Image),
        declared: &DesiredDisk,
        file: &std::path::Path,
        path: &FieldPath,
    ) -> bool {
        let DiskSource::Inline { size, format, variant, location, .. } = &declared.disk else { return false };
        let fact = self.scene.inventory.paths.get(&image.file);
        // What nobody has looked at is looked at when it is used.
        let what = match fact {
            None | Some(PathFact::File | PathFact::ImageOf(_) | PathFact::SettingsOf(_)) => None,
            Some(PathFact::Missing) => Some("does not exist"),
            Some(PathFact::Directory | PathFact::EmptyDirectory) => Some("is a directory"),
        };
        if let Some(what) = what {
            draft.block(
                vec![path.clone()],
                format!("{path}: the image {} {what}", image.file.display()),
                Vec::new(),
            );
            return false;
        }
        let format = format.as_deref().unwrap_or("vdi");
        let variant = variant.as_deref().unwrap_or("dynamic");
        draft.push(
            Action::CloneDisk {
                address: address.clone(),
                image: image.file.clone(),
                sha256: image.sha256.clone(),
                location: location
                    .clone()
                    .unwrap_or_else(|| PathBuf::from(file.file_name().unwrap_or(file.as_os_str()))),
                machine: draft.target.clone(),
                format: format.to_owned(),
                variant: variant.to_owned(),
                size: *size,
            },
            [path.clone()],
            [],
        );
        // A disk that cannot grow must be as large as its image.
        if let Some(size) = size.filter(|_| can_grow(format, Some(variant))) {
            let medium = Target::Planned(address.clone());
            draft.push(Action::GrowDisk { medium, size }, [path.clone()], []);
        }
        true
    }

    /// Makes disks anew whose images are others now: what was on them is lost.
    pub fn recreate(&mut self, draft: &mut Draft, fields: &[&FieldDifference]) {
        let mut done = BTreeSet::new();
        for field in fields {
            let Some((key, Some("image" | "sha256"))) = key(&field.path, "disks") else { continue };
            if !done.insert(key.to_owned()) {
                continue;
            }
            let Some(declared) = self.scene.machine.disks.as_ref().and_then(|disks| disks.get(key)) else {
                continue;
            };
            let DiskSource::Inline { image: Some(image), .. } = &declared.disk else { continue };
            let (Some(attachment), Some(name)) =
                (self.live_disks.get(key), self.scene.address.machine_name())
            else {
                continue;
            };
            let AttachedMedium::Image(leaf) = &attachment.medium else { continue };
            let path = FieldPath::of(["disks", key]);
            let inventory = self.scene.inventory;
            let Some(base) = inventory.base_of(*leaf) else { continue };
            if base.uuid != *leaf || inventory.media.values().any(|medium| medium.parent == Some(base.uuid)) {
                draft.block(
                    vec![field.path.clone()],
                    format!("{}: snapshots hold differences to the disk that would be made anew", field.path),
                    vec!["delete the snapshots first".to_owned()],
                );
                continue;
            }
            let missing = draft.missing([Danger::DestroyData]);
            if !missing.is_empty() {
                let reason = format!("another image makes disk {key} anew: what is on it is lost");
                draft.block_for(vec![field.path.clone()], missing, reason);
                continue;
            }
            let address = Address::InlineDisk(name.clone(), key.to_owned());
            let at = declared.at.clone().unwrap_or_else(|| disk::place(attachment));
            let target = draft.target.clone();
            let from = disk::place(attachment);
            let before = draft.steps.len();
            draft.push(Action::Detach { machine: target, at: from }, [field.path.clone()], []);
            let medium = Target::Existing(base.uuid);
            draft.push(
                Action::DeleteDisk { medium, folder: None },
                [field.path.clone()],
                [Danger::DestroyData],
            );
            if !self.copy(draft, (&address, image), declared, &base.location, &field.path) {
                draft.steps.truncate(before);
                continue;
            }
            draft.effects.push(format!("-/+ {address}: made anew from {}", image.file.display()));
            let insert = Insert::Medium(Target::Planned(address));
            attach(draft, at, DeviceKind::Disk, insert, options_of(declared), path);
        }
    }
}

impl Scene<'_> {
    /// What is at the place of a disk that is not attached.
    pub fn existing(&self, entry: Option<&Entry>, file: &std::path::Path) -> Found {
        let inventory = self.inventory;
        if let Some(known @ Entry { identity: Identity::Uuid(base), .. }) = entry {
            if let Some(leaf) = known.noted_leaf(inventory) {
                return Found::Ours(leaf);
            }
            if inventory.media.contains_key(base) {
                if !inventory.has_children(*base) {
                    return Found::Ours(*base);
                }
                // Somebody took it away by hand.
                return inventory.free_leaf(*base).map_or(Found::WouldRevert, Found::Ours);
            }
        }
        let own_folder = self.live().map(Machine::folder);
        let ours = entry.is_some_and(|entry| match &entry.identity {
            // With its name or groups the machine's folder may have moved since, and the disk was made where it is now.
            Identity::Path(path) => {
                let moved = path.file_name() == file.file_name() && file.parent() == own_folder.as_deref();
                entry.status == Status::Pending && (path == file || moved)
            }
            _ => false,
        });
        if let Some(medium) = inventory.medium_at(file) {
            return match (ours, inventory.is_attached(medium.uuid)) {
                (true, false) => Found::Ours(medium.uuid),
                _ => Found::Foreign("is a registered disk that no stack owns"),
            };
        }
        // VirtualBox has forgotten it, as it does where its registration was never saved. With a difference it had more than its file has.
        let is_known = |held: Uuid| {
            entry.is_some_and(|entry| {
                entry.identity == Identity::Uuid(held) && entry.leaf.is_none_or(|leaf| leaf == held)
            })
        };
        match inventory.paths.get(file) {
            Some(PathFact::File | PathFact::ImageOf(_)) if ours => Found::OurFile,
            Some(PathFact::ImageOf(held)) if is_known(*held) => Found::OurFile,
            Some(PathFact::File | PathFact::SettingsOf(_) | PathFact::ImageOf(_)) => {
                Found::Foreign("exists and is not ours")
            }
            Some(PathFact::Directory | PathFact::EmptyDirectory) => Found::Foreign("is a directory"),
            Some(PathFact::Missing) | None => Found::Nothing,
        }
    }
}

fn options_of(declared: &DesiredDisk) -> BTreeMap<String, bool> {
    let options =
        [("ssd", declared.ssd), ("discard", declared.discard), ("hotPluggable", declared.hot_pluggable)];
    options.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// What is at the place of a disk.
pub enum Found {
    /// Nothing.
    Nothing,
    /// A registered disk that is ours.
    Ours(Uuid),
    /// A file that is ours, and that no registry names.
    OurFile,
    /// Something else: what.
    Foreign(&'static str),
    /// Ours, and not known which of its differences is its content.
    WouldRevert,
}
