//! `unregistervm`, and the way back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::refusal::{self, No, no};
use super::tree::Content;
use super::world::{Parked, SimMedium, World};
use crate::host::HostError;
use crate::inventory::{MediumKind, PathFact};

impl World {
    /// `unregistervm`, with or without `--delete`.
    pub fn unregister(&mut self, uuid: Uuid, delete: bool) -> Result<(), No> {
        let machine = self.registered(uuid)?;
        if machine.is_live() {
            return Err(no(&refusal::UNREGISTER_LOCKED, &[&machine.name]));
        }
        let Some(machine) = self.machines.remove(&uuid) else {
            return Err(no(&refusal::NO_MACHINE, &[&uuid]));
        };
        let mut attached: Vec<Uuid> = machine.hardware.images().collect();
        attached.extend(machine.all_snapshots().iter().flat_map(|snapshot| snapshot.hardware.images()));
        self.add_lonely_parents(&mut attached);
        // From the leaves down: a difference goes before what it is a difference to.
        attached.sort_by_key(|image| (std::cmp::Reverse(self.chain(*image).len()), *image));
        attached.dedup();
        let own: Vec<Uuid> = attached
            .into_iter()
            .filter(|image| self.users(*image).is_empty())
            .filter(|image| delete || self.media.get(image).is_some_and(|row| row.registries == [uuid]))
            .collect();
        if !delete {
            let media = own.iter().filter_map(|image| self.media.remove(image)).collect();
            self.leave_registry(uuid);
            let file = machine.settings_file.clone();
            self.tree.write(&file, Content::Parked(Box::new(Parked { machine, media })));
            return Ok(());
        }
        let disks = own
            .iter()
            .filter(|image| self.media.get(*image).is_some_and(|row| row.medium.kind == MediumKind::Disk));
        let mut failure = None;
        for image in disks.copied().collect::<Vec<_>>() {
            let children = self.children_of(image);
            if let (false, Some(row)) = (children.is_empty(), self.media.get(&image)) {
                failure = Some(no(
                    &refusal::DELETE_HAS_CHILDREN,
                    &[&row.medium.location.display(), &children.len()],
                ));
                break;
            }
            self.forget_medium(image, true);
        }
        self.leave_registry(uuid);
        if let Some(failure) = failure {
            return Err(failure);
        }
        let folder = machine.folder();
        self.tree.remove(&machine.settings_file);
        self.tree.remove_folder_of_others(&folder.join("Logs"));
        let snapshots = machine.hardware.settings.snapshot_folder.as_deref().filter(|name| !name.is_empty());
        self.tree.remove_folder_of_others(&folder.join(snapshots.unwrap_or("Snapshots")));
        self.tree.remove_empty_folder(&folder);
        Ok(())
    }

    /// What the images are differences to goes with them, where nothing else is a difference to it.
    fn add_lonely_parents(&self, images: &mut Vec<Uuid>) {
        let mut next = 0;
        while let Some(image) = images.get(next) {
            next += 1;
            let Some(parent) = self.media.get(image).and_then(|row| row.medium.parent) else { continue };
            let all_go = self.children_of(parent).iter().all(|child| images.contains(child));
            if all_go && !images.contains(&parent) {
                images.push(parent);
            }
        }
    }

    /// Disks that only this machine's file named are in the global registry from now on. Images are in no file any more:
    /// the server remembers them until it ends.
    fn leave_registry(&mut self, machine: Uuid) {
        let its = self.media.values().filter(|row| row.registries.contains(&machine));
        for medium in its.map(|row| row.medium.uuid).collect::<Vec<_>>() {
            let Some(row) = self.media.get_mut(&medium) else { continue };
            if row.medium.kind != MediumKind::Disk && row.registries == [machine] {
                self.media.remove(&medium);
            } else {
                row.registries.retain(|registry| *registry != machine);
            }
        }
    }

    /// No command of `VBoxManage`'s: vboxmcp deletes what its own birth has left.
    pub fn clear_birth(
        &mut self,
        machine: Uuid,
        file: &Path,
        disks: &BTreeMap<PathBuf, Uuid>,
    ) -> Result<(), No> {
        let Some(folder) = file.parent().filter(|_| !self.machines.contains_key(&machine)) else {
            return Ok(());
        };
        self.must_not_have_lived(machine, file)?;
        let is_its = self.tree.fact(file) == PathFact::SettingsOf(machine);
        for (path, disk) in disks {
            let is_its = matches!(self.tree.file(path), Some(Content::Disk { uuid, .. }) if uuid == disk);
            let is_known = |row: &SimMedium| row.medium.uuid == *disk || row.medium.location == *path;
            if is_its && !self.media.values().any(|row| is_known(row)) {
                self.tree.remove(path);
            }
        }
        if is_its {
            self.tree.remove(file);
        }
        self.tree.remove_empty_folder(folder);
        Ok(())
    }

    /// Whether what is left of a machine is of one that has run or has snapshots.
    pub fn must_not_have_lived(&self, machine: Uuid, file: &Path) -> Result<(), No> {
        let (Some(folder), PathFact::SettingsOf(of)) = (file.parent(), self.tree.fact(file)) else {
            return Ok(());
        };
        let has_history =
            matches!(self.tree.file(file), Some(Content::Parked(parked)) if parked.has_history());
        let is_there = |name: &&str| self.tree.exists(&folder.join(name));
        if of == machine && (has_history || ["Logs", "Snapshots"].iter().any(is_there)) {
            return Err(HostError::HasLived { file: file.to_owned(), is_there: true }.into());
        }
        Ok(())
    }

    /// `registervm`.
    pub fn register(&mut self, file: &Path) -> Result<Uuid, No> {
        let Some(Content::Parked(parked)) = self.tree.file(file).cloned() else {
            return Err(no(&refusal::FILE_MISSING, &[&file.display()]));
        };
        let Parked { mut machine, media } = *parked;
        if let Some(there) = self.machines.get(&machine.uuid) {
            return Err(no(&refusal::UUID_TAKEN, &[&machine.uuid, &there.settings_file.display()]));
        }
        for row in media {
            self.media.entry(row.medium.uuid).or_insert(row).registries = vec![machine.uuid];
        }
        let uuid = machine.uuid;
        file.clone_into(&mut machine.settings_file);
        self.tree.write(file, Content::Settings(uuid));
        self.machines.insert(uuid, machine);
        Ok(uuid)
    }
}
