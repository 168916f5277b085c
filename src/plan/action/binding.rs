//! What actions act on, and how it is bound to UUIDs that are known when they are performed.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Action, Insert, Target};
use crate::model::Address;

/// The machine and the medium that an action acts on, borrowed as the action is.
macro_rules! machine_and_medium {
    ($action:expr) => {
        match $action {
            Self::Attach { machine, insert: Insert::Medium(medium), .. } => (Some(machine), Some(medium)),
            Self::ModifyMachine { machine, .. }
            | Self::ModifyLive { machine, .. }
            | Self::SetSecureBoot { machine, .. }
            | Self::MoveMachine { machine, .. }
            | Self::SetSecret { machine, .. }
            | Self::AddBandwidthGroup { machine, .. }
            | Self::LimitBandwidthGroup { machine, .. }
            | Self::RemoveBandwidthGroup { machine, .. }
            | Self::AssignBandwidthGroup { machine, .. }
            | Self::AddUsbFilter { machine, .. }
            | Self::RemoveUsbFilter { machine, .. }
            | Self::SetExtraData { machine, .. }
            | Self::SetGuestProperty { machine, .. }
            | Self::WriteMark { machine, .. }
            | Self::AddController { machine, .. }
            | Self::ChangeController { machine, .. }
            | Self::RemoveController { machine, .. }
            | Self::CreateDisk { machine: Some(machine), .. }
            | Self::CloneDisk { machine, .. }
            | Self::Attach { machine, .. }
            | Self::Detach { machine, .. }
            | Self::SetAutoReset { machine, .. }
            | Self::AddSharedFolder { machine, .. }
            | Self::RemoveSharedFolder { machine, .. }
            | Self::Start { machine }
            | Self::Shutdown { machine, .. }
            | Self::PowerCut { machine }
            | Self::Pause { machine }
            | Self::Resume { machine }
            | Self::Reset { machine }
            | Self::SaveState { machine }
            | Self::DiscardState { machine }
            | Self::TakeSnapshot { machine, .. }
            | Self::RestoreSnapshot { machine, .. }
            | Self::DescribeSnapshot { machine, .. }
            | Self::DeleteSnapshot { machine, .. }
            | Self::Unregister { machine, .. } => (Some(machine), None),
            Self::GrowDisk { medium, .. }
            | Self::SetDisk { medium, .. }
            | Self::MoveDisk { medium, .. }
            | Self::LocateDisk { medium, .. }
            | Self::DeleteDisk { medium, .. }
            | Self::CloseDisk { medium } => (None, Some(medium)),
            Self::CreateMachine { .. }
            | Self::WriteRegister { .. }
            | Self::CreateDisk { machine: None, .. }
            | Self::RenewDisk { .. }
            | Self::ClearBirth { .. }
            | Self::Network { .. } => (None, None),
        }
    };
}

impl Action {
    /// The machine that the action changes; the executor runs at most one action a machine at a time.
    pub fn machine(&self) -> Option<&Target> {
        machine_and_medium!(self).0
    }

    fn targets(&mut self) -> impl Iterator<Item = &mut Target> {
        let (machine, medium) = machine_and_medium!(self);
        machine.into_iter().chain(medium)
    }

    /// The action with every planned object replaced by its UUID; the address of the first one that has none otherwise.
    pub fn bound(&self, bindings: &BTreeMap<Address, Uuid>) -> Result<Self, Address> {
        let mut bound = self.clone();
        for target in bound.targets() {
            if let Target::Planned(address) = target {
                *target = Target::Existing(*bindings.get(address).ok_or_else(|| address.clone())?);
            }
        }
        bound.sign();
        Ok(bound)
    }

    /// The action with every planned object replaced by its UUID where it has one.
    #[must_use]
    pub fn bound_where_known(&self, bindings: &BTreeMap<Address, Uuid>) -> Self {
        let mut bound = self.clone();
        for target in bound.targets() {
            if let Target::Planned(address) = target
                && let Some(uuid) = bindings.get(address)
            {
                *target = Target::Existing(*uuid);
            }
        }
        bound.sign();
        bound
    }

    /// A mark names its own machine.
    fn sign(&mut self) {
        if let Self::WriteMark { machine: Target::Existing(uuid), mark: Some(mark) } = self {
            mark.uuid = *uuid;
        }
    }
}
