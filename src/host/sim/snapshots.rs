//! Snapshots of simulated machines.

use uuid::Uuid;

use super::refusal::{self, No, no};
use super::tree::Content;
use super::world::{SimMachine, SimSnapshot, World};
use crate::inventory::AttachedMedium;
use crate::model::PowerState;

impl World {
    /// `snapshot take`.
    pub fn take_snapshot(&mut self, uuid: Uuid, name: &str) -> Result<Uuid, No> {
        let machine = self.machine(uuid)?;
        let before = machine.hardware.clone();
        let online = machine.is_live() || machine.is_saved();
        let mut now = before.clone();
        for attachment in &mut now.attachments {
            let AttachedMedium::Image(leaf) = attachment.medium else { continue };
            let splits = self.media.get(&leaf).is_some_and(|row| {
                row.medium.kind == crate::inventory::MediumKind::Disk
                    && !matches!(row.medium.medium_type.as_str(), "writethrough" | "shareable" | "readonly")
            });
            if splits {
                attachment.medium = AttachedMedium::Image(self.differencing(uuid, leaf)?);
            }
        }
        let snapshot = SimSnapshot {
            uuid: self.fresh_uuid(),
            name: name.to_owned(),
            description: String::new(),
            taken: self.fresh_time(),
            online,
            hardware: before,
            children: Vec::new(),
        };
        let taken = snapshot.uuid;
        if online {
            let folder = self.snapshot_folder(uuid)?;
            self.tree.write(&folder.join(format!("{taken}.sav")), Content::Other);
        }
        let machine = self.machine_mut(uuid)?;
        machine.hardware = now;
        let current = machine.current_snapshot;
        match (&mut machine.snapshots, current) {
            (Some(root), Some(current)) => {
                if let Some(parent) = root.find_mut(current) {
                    parent.children.push(snapshot);
                }
            }
            (root, _) => *root = Some(snapshot),
        }
        machine.current_snapshot = Some(taken);
        self.saved(uuid);
        Ok(taken)
    }

    /// `snapshot take --description --live`
    pub fn take_declared(
        &mut self,
        uuid: Uuid,
        name: &str,
        description: &str,
        live: bool,
    ) -> Result<Uuid, No> {
        if live && self.machine(uuid)?.state != PowerState::Running {
            return Err(no(&refusal::SNAPSHOT_LIVE, &[]));
        }
        let taken = self.take_snapshot(uuid, name)?;
        let root = self.machine_mut(uuid)?.snapshots.as_mut();
        if let Some(snapshot) = root.and_then(|root| root.find_mut(taken)) {
            description.clone_into(&mut snapshot.description);
        }
        Ok(taken)
    }

    /// `snapshot edit --description`, whatever the machine is doing.
    pub fn describe_snapshot(&mut self, uuid: Uuid, snapshot: Uuid, description: &str) -> Result<(), No> {
        let root = self.machine_mut(uuid)?.snapshots.as_mut();
        let Some(there) = root.and_then(|root| root.find_mut(snapshot)) else {
            return Err(no(&refusal::NO_SNAPSHOT, &[&snapshot]));
        };
        description.clone_into(&mut there.description);
        self.saved(uuid);
        Ok(())
    }

    /// The machine as it will be after going back; its disks are those of the snapshot.
    pub fn as_of(&self, uuid: Uuid, snapshot: Uuid) -> Option<SimMachine> {
        let machine = self.machines.get(&uuid)?;
        let found = machine.all_snapshots().into_iter().find(|there| there.uuid == snapshot)?;
        let (mut there, now) = (found.hardware.clone(), &machine.hardware.settings);
        // What stands on the machine itself does not go back (measured).
        there.settings.groups.clone_from(&now.groups);
        there.settings.description.clone_from(&now.description);
        there.settings.os_type.clone_from(&now.os_type);
        there.settings.snapshot_folder.clone_from(&now.snapshot_folder);
        there.settings.process_priority.clone_from(&now.process_priority);
        there.settings.execution_engine.clone_from(&now.execution_engine);
        there.settings.icon.clone_from(&now.icon);
        there.settings.teleporter.clone_from(&now.teleporter);
        Some(SimMachine {
            hardware: there,
            current_snapshot: Some(snapshot),
            state: if found.online { PowerState::Saved } else { PowerState::PowerOff },
            unsaved: std::collections::BTreeMap::new(),
            ..SimMachine::clone(machine)
        })
    }

    /// `snapshot restore`: the differences since the current one are thrown away.
    pub fn restore_snapshot(&mut self, uuid: Uuid, snapshot: Uuid) -> Result<(), No> {
        let machine = self.machine(uuid)?;
        machine.must_not_be_live()?;
        let restored = self.as_of(uuid, snapshot).ok_or_else(|| no(&refusal::NO_SNAPSHOT, &[&snapshot]))?;
        let mut hardware = restored.hardware;
        let dropped: Vec<Uuid> = machine.hardware.images().collect();
        let machine = self.machine_mut(uuid)?;
        machine.hardware.attachments.clear();
        for leaf in dropped {
            let is_difference = self.media.get(&leaf).is_some_and(|row| row.medium.parent.is_some());
            if is_difference && self.users(leaf).is_empty() && self.children_of(leaf).is_empty() {
                self.forget_medium(leaf, true);
            }
        }
        for attachment in &mut hardware.attachments {
            let AttachedMedium::Image(image) = attachment.medium else { continue };
            if self.media.get(&image).is_some_and(|row| row.medium.kind == crate::inventory::MediumKind::Disk)
            {
                attachment.medium = AttachedMedium::Image(self.differencing(uuid, image)?);
            }
        }
        let machine = self.machine_mut(uuid)?;
        machine.hardware = hardware;
        machine.current_snapshot = restored.current_snapshot;
        machine.state = restored.state;
        Ok(())
    }

    /// `snapshot delete`: what it held is merged into its only child, or given up where there is none.
    pub fn delete_snapshot(&mut self, uuid: Uuid, snapshot: Uuid) -> Result<(), No> {
        let machine = self.machine(uuid)?;
        let all = machine.all_snapshots();
        let found = all.iter().find(|there| there.uuid == snapshot);
        let found = found.ok_or_else(|| no(&refusal::NO_SNAPSHOT, &[&snapshot]))?;
        if found.children.len() > 1 {
            return Err(no(
                &refusal::SNAPSHOT_CHILDREN,
                &[&found.name, &machine.name, &found.children.len()],
            ));
        }
        let held: Vec<Uuid> = found.hardware.images().collect();
        let parent = all
            .iter()
            .find(|there| there.children.iter().any(|child| child.uuid == snapshot))
            .map(|p| p.uuid);
        let child = found.children.first().cloned();
        for image in &held {
            let children = self.children_of(*image);
            if children.len() > 1 {
                let file = self.medium(*image)?.location.display().to_string();
                return Err(no(&refusal::MERGE_CHILDREN, &[&file, &children.len()]));
            }
        }
        let folder = self.snapshot_folder(uuid)?;
        self.tree.remove(&folder.join(format!("{snapshot}.sav")));
        let machine = self.machine_mut(uuid)?;
        match parent {
            None => machine.snapshots.clone_from(&child),
            Some(parent) => {
                if let Some(parent) = machine.snapshots.as_mut().and_then(|root| root.find_mut(parent)) {
                    parent.children.retain(|there| there.uuid != snapshot);
                    parent.children.extend(child);
                }
            }
        }
        if machine.current_snapshot == Some(snapshot) {
            machine.current_snapshot = parent;
        }
        for image in held {
            self.merge(image);
        }
        self.saved(uuid);
        Ok(())
    }

    /// Merges a medium that no snapshot holds any more with its only difference.
    fn merge(&mut self, image: Uuid) {
        let Some(row) = self.media.get(&image) else { return };
        if row.medium.kind != crate::inventory::MediumKind::Disk || !self.users(image).is_empty() {
            return;
        }
        let parent = row.medium.parent;
        match (self.children_of(image).first().copied(), parent) {
            // A base stays, and takes the place of its difference.
            (Some(child), None) => {
                let grandchildren = self.children_of(child);
                for grandchild in grandchildren {
                    if let Some(row) = self.media.get_mut(&grandchild) {
                        row.medium.parent = Some(image);
                    }
                }
                self.replace_attached(child, image);
                self.forget_medium(child, true);
            }
            // A difference is merged into its own difference.
            (Some(child), Some(parent)) => {
                if let Some(row) = self.media.get_mut(&child) {
                    row.medium.parent = Some(parent);
                }
                self.forget_medium(image, true);
            }
            (None, Some(_)) => self.forget_medium(image, true),
            (None, None) => {}
        }
    }

    fn replace_attached(&mut self, from: Uuid, to: Uuid) {
        fn each(snapshot: &mut SimSnapshot, swap: &impl Fn(&mut Vec<crate::inventory::Attachment>)) {
            swap(&mut snapshot.hardware.attachments);
            for child in &mut snapshot.children {
                each(child, swap);
            }
        }
        let swap = |attachments: &mut Vec<crate::inventory::Attachment>| {
            for attachment in attachments {
                if attachment.medium == AttachedMedium::Image(from) {
                    attachment.medium = AttachedMedium::Image(to);
                }
            }
        };
        for user in self.users(from) {
            let Some(machine) = self.machines.get_mut(&user) else { continue };
            swap(&mut machine.hardware.attachments);
            if let Some(root) = &mut machine.snapshots {
                each(root, &swap);
            }
        }
    }
}
