//! Half of an action: what is there when VirtualBox's server or VBoxManage ends in the middle.
//!
//! VirtualBox saves a machine's settings in one piece (measured: 82 kills left no broken file), so that an action which saves once
//! has no middle. Those that are several saves, or files and a registry, have one.

use std::collections::BTreeMap;

use super::refusal::No;
use super::world::World;
use super::{bound, calls};
use crate::host::Birth;
use crate::inventory::MediumKind;
use crate::plan::Action;

/// Does the first half of an action. What is refused to it stays undone.
pub fn half(world: &mut World, action: &Action) {
    // Half an action has no answer that anybody waits for.
    let _ = match action {
        Action::CreateMachine { name, groups, folder, .. } => {
            let group = super::birth::group_folder(groups);
            world.tree.make_folder(&folder.join(group).join(super::birth::file_name(name)));
            Ok(())
        }
        Action::ModifyMachine { machine, set } => match calls(set).as_slice() {
            [first, _, ..] => bound(machine).and_then(|machine| world.modify(machine, first)),
            _ => Ok(()),
        },
        Action::ModifyLive { machine, set, .. } => {
            bound(machine).and_then(|machine| world.modify_live(machine, &set[..set.len() / 2]))
        }
        // The file is there, and no registry names it yet.
        Action::CreateDisk { machine, location, format, variant, size, .. } => {
            machine.as_ref().map(bound).transpose().and_then(|machine| {
                let disk = world.create_disk(machine, location, format, variant, *size)?;
                world.forget_medium(disk, false);
                Ok(())
            })
        }
        // The device is there, without its options.
        Action::Attach { machine, at, kind, insert, .. } => {
            bound(machine).and_then(|machine| world.attach(machine, at, *kind, insert, &BTreeMap::new()))
        }
        Action::Shutdown { machine, .. } => bound(machine).and_then(|machine| world.must_be_live(machine)),
        Action::Unregister { machine, delete: true } => {
            bound(machine).and_then(|machine| world.unregister_halfway(machine))
        }
        Action::SetExtraData { .. }
        | Action::SetGuestProperty { .. }
        | Action::WriteMark { .. }
        | Action::WriteRegister { .. }
        | Action::AddController { .. }
        | Action::ChangeController { .. }
        | Action::RemoveController { .. }
        | Action::GrowDisk { .. }
        | Action::Detach { .. }
        | Action::SetAutoReset { .. }
        | Action::DeleteDisk { .. }
        | Action::CloseDisk { .. }
        | Action::AddSharedFolder { .. }
        | Action::RemoveSharedFolder { .. }
        | Action::Start { .. }
        | Action::PowerCut { .. }
        | Action::Reset { .. }
        | Action::Pause { .. }
        | Action::Resume { .. }
        | Action::SaveState { .. }
        | Action::DiscardState { .. }
        // What is copied has no name in a registry before it is whole, and VBoxManage deletes it.
        | Action::CloneDisk { .. }
        | Action::SetDisk { .. }
        | Action::MoveDisk { .. }
        | Action::LocateDisk { .. }
        | Action::RenewDisk { .. }
        | Action::ClearBirth { .. }
        | Action::Network { .. }
        | Action::TakeSnapshot { .. }
        | Action::RestoreSnapshot { .. }
        | Action::DescribeSnapshot { .. }
        | Action::DeleteSnapshot { .. }
        | Action::SetSecureBoot { .. }
        | Action::SetSecret { .. }
        | Action::AddBandwidthGroup { .. }
        | Action::LimitBandwidthGroup { .. }
        | Action::RemoveBandwidthGroup { .. }
        | Action::AssignBandwidthGroup { .. }
        | Action::AddUsbFilter { .. }
        | Action::RemoveUsbFilter { .. }
        | Action::MoveMachine { .. }
        | Action::Unregister { delete: false, .. } => Ok(()),
    };
}

/// The files of a machine that is not registered yet.
pub fn half_born(world: &mut World, birth: &Birth) {
    let mut whole = world.clone();
    if whole.bear(birth).is_err() {
        return;
    }
    let disks = birth.disks.values().filter_map(|disk| Some(whole.media.get(disk)?.medium.location.clone()));
    let settings = whole.machines.get(&birth.machine).map(|machine| machine.settings_file.clone());
    for file in disks.chain(settings) {
        if let Some(content) = whole.tree.file(&file) {
            world.tree.write(&file, content.clone());
        }
    }
}

impl World {
    /// The settings file of an earlier attempt at a machine that is not registered goes.
    pub fn forget_attempt(&mut self, machine: uuid::Uuid) -> Result<(), No> {
        if self.machines.contains_key(&machine) {
            return Ok(());
        }
        if let Some(file) = self.tree.settings_of(machine) {
            self.must_not_have_lived(machine, &file)?;
            self.tree.remove(&file);
        }
        Ok(())
    }

    /// The machine is unregistered, and only the first of its disks are deleted: the others are in the global registry.
    fn unregister_halfway(&mut self, uuid: uuid::Uuid) -> Result<(), No> {
        let before = self.clone();
        self.unregister(uuid, true)?;
        let mut gone: Vec<uuid::Uuid> =
            before.media.keys().filter(|medium| !self.media.contains_key(*medium)).copied().collect();
        // Images in drives are closed with the machine; it is the deletion of the disks that takes its time.
        gone.retain(|medium| before.media[medium].medium.kind == MediumKind::Disk);
        // Deleted from the leaves down: what comes back is what the deleted ones do not hang on.
        let mut depth: Vec<(usize, uuid::Uuid)> =
            gone.iter().map(|medium| (before.chain(*medium).len(), *medium)).collect();
        depth.sort();
        for (_, medium) in depth.iter().take(gone.len().div_ceil(2)) {
            let Some(row) = before.media.get(medium) else { continue };
            let mut row = row.clone();
            row.registries.clear();
            if let Some(content) = before.tree.file(&row.medium.location) {
                self.tree.write(&row.medium.location, content.clone());
            }
            self.media.insert(*medium, row);
        }
        Ok(())
    }
}
