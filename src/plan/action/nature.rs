//! What kind of action each one is, in a word.

use std::collections::BTreeSet;
use std::path::PathBuf;

use uuid::Uuid;

use super::{Action, Insert, Target};
use crate::inventory::DeviceKind;
use crate::model::Address;

impl Action {
    /// Whether doing it again after an unknown outcome ends the same.
    pub fn is_repeatable(&self) -> bool {
        match self {
            // A rule that is there already is refused, and so is the removal of one that is not.
            Self::ModifyMachine { set, .. } | Self::ModifyLive { set, .. } => !set.iter().any(|assignment| {
                matches!(assignment.path.parts().as_slice(), ["nics", _, "nat", "portForwards", ..])
            }),
            Self::Network { change } => change.is_repeatable(),
            Self::SetExtraData { .. }
            | Self::SetSecureBoot { .. }
            | Self::SetSecret { .. }
            | Self::LimitBandwidthGroup { .. }
            | Self::AssignBandwidthGroup { .. }
            | Self::SetGuestProperty { .. }
            | Self::WriteMark { .. }
            | Self::WriteRegister { .. }
            | Self::ChangeController { .. }
            | Self::GrowDisk { .. }
            | Self::SetDisk { .. }
            | Self::Attach { .. }
            | Self::SetAutoReset { .. }
            | Self::LocateDisk { .. }
            | Self::RenewDisk { .. }
            | Self::ClearBirth { .. }
            | Self::DescribeSnapshot { .. }
            | Self::RestoreSnapshot { .. } => true,
            Self::CreateMachine { .. }
            | Self::MoveMachine { .. }
            | Self::AddBandwidthGroup { .. }
            | Self::RemoveBandwidthGroup { .. }
            | Self::AddUsbFilter { .. }
            | Self::RemoveUsbFilter { .. }
            | Self::AddController { .. }
            | Self::RemoveController { .. }
            | Self::CreateDisk { .. }
            | Self::CloneDisk { .. }
            | Self::MoveDisk { .. }
            | Self::Detach { .. }
            | Self::DeleteDisk { .. }
            | Self::CloseDisk { .. }
            | Self::AddSharedFolder { .. }
            | Self::RemoveSharedFolder { .. }
            | Self::Start { .. }
            | Self::Shutdown { .. }
            | Self::PowerCut { .. }
            | Self::Pause { .. }
            | Self::Resume { .. }
            | Self::Reset { .. }
            | Self::SaveState { .. }
            | Self::DiscardState { .. }
            | Self::TakeSnapshot { .. }
            | Self::DeleteSnapshot { .. }
            | Self::Unregister { .. } => false,
        }
    }

    /// The folder that a new machine gets for its own, where its name is one that a file may have.
    pub fn birth_folder(&self) -> Option<PathBuf> {
        let Self::CreateMachine { name, groups, folder, .. } = self else { return None };
        let group = groups.first().map_or("", |group| group.trim_start_matches('/'));
        Some(folder.join(group).join(name))
    }

    /// The UUID of a disk that a machine is born with. The same at a second attempt, which thereby knows what the first one left.
    pub fn born_disk(machine: Uuid, disk: &Address) -> Uuid {
        Uuid::new_v5(&machine, disk.to_string().as_bytes())
    }

    /// Whether it only says what a new machine is, so that the machine may be born with it: an action on the machine of the same birth, or on a
    /// disk that is made for it. `disks` are those disks.
    pub fn is_of_birth(&self, disks: &BTreeSet<&Address>) -> bool {
        match self {
            Self::CreateMachine { .. }
            | Self::WriteMark { .. }
            | Self::ModifyMachine { .. }
            | Self::SetExtraData { .. }
            | Self::SetGuestProperty { save: None, .. }
            | Self::AddController { .. }
            | Self::AddBandwidthGroup { .. }
            | Self::AssignBandwidthGroup { .. }
            | Self::AddUsbFilter { .. }
            | Self::AddSharedFolder { .. }
            | Self::Attach { insert: Insert::Nothing, .. } => true,
            Self::CreateDisk { machine, format, variant, .. } => {
                machine.is_some() && format == "vdi" && variant == "dynamic"
            }
            Self::Attach { insert: Insert::Medium(Target::Planned(address)), .. } => disks.contains(address),
            Self::Attach { insert: Insert::File(_), kind, .. } => *kind != DeviceKind::Disk,
            _ => false,
        }
    }

    /// A short label for events and logs (`create machine`).
    pub fn label(&self) -> &'static str {
        match self {
            Self::CreateMachine { .. } => "create machine",
            Self::ModifyMachine { .. } => "change settings",
            Self::ModifyLive { .. } => "change settings live",
            Self::SetSecureBoot { .. } => "set secure boot",
            Self::MoveMachine { .. } => "move machine",
            Self::SetSecret { .. } => "set secret",
            Self::AddBandwidthGroup { .. } => "add bandwidth group",
            Self::LimitBandwidthGroup { .. } => "limit bandwidth group",
            Self::RemoveBandwidthGroup { .. } => "remove bandwidth group",
            Self::AssignBandwidthGroup { .. } => "assign bandwidth group",
            Self::AddUsbFilter { .. } => "add USB filter",
            Self::RemoveUsbFilter { .. } => "remove USB filter",
            Self::SetExtraData { .. } => "set extra data",
            Self::SetGuestProperty { .. } => "set guest property",
            Self::WriteMark { mark: Some(_), .. } => "write mark",
            Self::WriteMark { mark: None, .. } => "remove mark",
            Self::WriteRegister { .. } => "write register",
            Self::AddController { .. } => "add controller",
            Self::ChangeController { .. } => "change controller",
            Self::RemoveController { .. } => "remove controller",
            Self::CreateDisk { .. } => "create disk",
            Self::CloneDisk { .. } => "copy image",
            Self::SetDisk { .. } => "change disk",
            Self::MoveDisk { .. } => "move disk",
            Self::LocateDisk { .. } => "locate disk",
            Self::RenewDisk { .. } => "renew UUID",
            Self::ClearBirth { .. } => "clear up",
            Self::GrowDisk { .. } => "grow disk",
            Self::Attach { .. } => "attach",
            Self::Detach { .. } => "detach",
            Self::SetAutoReset { .. } => "set auto-reset",
            Self::DeleteDisk { .. } => "delete disk",
            Self::CloseDisk { .. } => "close disk",
            Self::AddSharedFolder { .. } => "add shared folder",
            Self::RemoveSharedFolder { .. } => "remove shared folder",
            Self::Start { .. } => "start",
            Self::Shutdown { .. } => "shut down",
            Self::PowerCut { .. } => "switch off",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::Reset { .. } => "reset",
            Self::SaveState { .. } => "save state",
            Self::DiscardState { .. } => "discard saved state",
            Self::TakeSnapshot { .. } => "take snapshot",
            Self::RestoreSnapshot { .. } => "restore snapshot",
            Self::DescribeSnapshot { .. } => "describe snapshot",
            Self::DeleteSnapshot { .. } => "delete snapshot",
            Self::Network { change } => change.label(),
            Self::Unregister { delete: true, .. } => "delete machine",
            Self::Unregister { delete: false, .. } => "unregister machine",
        }
    }
}
