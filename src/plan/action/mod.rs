//! Actions: one per effect of the size of a VBoxManage call. Inert data; the host room performs them.

mod network;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub use network::NetworkChange;

use crate::inventory::{DeviceKind, Mark, Shard};
use crate::model::{Address, Bytes, Controller, FieldPath, Location, SharedFolder};

/// What an action acts on. VirtualBox is never addressed by name: two machines may share one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// A registered machine or medium.
    Existing(Uuid),
    /// What a step of the same plan makes; the executor binds it to a UUID before the action is performed.
    Planned(Address),
}

/// One setting and its new value. `None` removes the member (an adapter, a rule).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    /// `memory`, `nics.1.nat.portForwards.ssh`, ...
    pub path: FieldPath,
    /// In the canonical form of `model::Settings`.
    pub value: Option<Value>,
}

impl Assignment {
    /// A new value.
    pub fn set(path: FieldPath, value: impl Into<Value>) -> Self {
        Self { path, value: Some(value.into()) }
    }

    /// A removal.
    pub fn remove(path: FieldPath) -> Self {
        Self { path, value: None }
    }
}

/// What is put into a drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Insert {
    /// A registered disk or image.
    Medium(Target),
    /// An image file that may not be registered yet.
    File(PathBuf),
    /// A drive of the host.
    HostDrive(String),
    /// An empty drive.
    Nothing,
}

/// One effect. The host performs it whole or says what it knows of the outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", tag = "do")]
pub enum Action {
    /// Register a new machine with nothing but a name. Its own folder is `folder/[group/]NAME`.
    CreateMachine {
        /// Derived at apply from plan hash and address, so that a retry makes the same one; `None` in a plan.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uuid: Option<Uuid>,
        /// Its name.
        name: String,
        /// Id of the guest's operating system.
        os_type: String,
        /// Groups; the first one decides the folder.
        groups: Vec<String>,
        /// The folder that holds machine folders.
        folder: PathBuf,
    },
    /// Change settings of a machine that is off (few can be changed while it is saved). All or nothing.
    ModifyMachine {
        /// The machine.
        machine: Target,
        /// In the order in which they must happen.
        set: Vec<Assignment>,
    },
    /// Change settings of a running or paused machine, one after another.
    ModifyLive {
        /// The machine.
        machine: Target,
        /// In the order in which they must happen.
        set: Vec<Assignment>,
    },
    /// Set or remove a machine's extradata key.
    SetExtraData {
        /// The machine.
        machine: Target,
        /// The key.
        key: String,
        /// `None` removes it.
        value: Option<String>,
    },
    /// Set or remove a guest property.
    SetGuestProperty {
        /// The machine.
        machine: Target,
        /// The name.
        key: String,
        /// `None` removes it.
        value: Option<String>,
    },
    /// Write the mark of ownership.
    WriteMark {
        /// The machine.
        machine: Target,
        /// `None` removes the mark. The UUID in it is bound with the machine's.
        mark: Option<Mark>,
    },
    /// Write one shard of a stack's register.
    WriteRegister {
        /// Key and value.
        shard: Shard,
    },
    /// Add a storage controller.
    AddController {
        /// The machine.
        machine: Target,
        /// Name of the controller.
        name: String,
        /// All fields that are to be set; bus is always there.
        controller: Controller,
    },
    /// Change a storage controller in place.
    ChangeController {
        /// The machine.
        machine: Target,
        /// Name of the controller.
        name: String,
        /// Fields to change; never the bus.
        controller: Controller,
    },
    /// Remove an empty storage controller.
    RemoveController {
        /// The machine.
        machine: Target,
        /// Name of the controller.
        name: String,
    },
    /// Make an empty disk file and register it.
    CreateDisk {
        /// What it is in this plan.
        address: Address,
        /// Absolute, or relative to the folder of `machine`.
        location: PathBuf,
        /// The machine whose folder a relative location is in; none for a disk of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        machine: Option<Target>,
        /// `vdi`, `vmdk`, `vhd`.
        format: String,
        /// `dynamic`, `fixed`, ...
        variant: String,
        /// Capacity.
        size: Bytes,
    },
    /// Make a disk file with the content of an image, and register it. The image is registered afterwards only where it was before.
    CloneDisk {
        /// What it is in this plan.
        address: Address,
        /// The image, absolute.
        image: PathBuf,
        /// Its SHA-256, which is checked first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
        /// Absolute, or relative to the folder of `machine`.
        location: PathBuf,
        /// The machine whose folder a relative location is in.
        machine: Target,
        /// `vdi`, `vmdk`, `vhd`.
        format: String,
        /// `dynamic`, `fixed`, ...
        variant: String,
        /// Capacity that it is to have: an image that is larger is refused. The disk is as large as the image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<Bytes>,
    },
    /// Set what a registered disk is besides its file.
    SetDisk {
        /// The medium.
        medium: Target,
        /// `normal`, `writethrough`, `immutable`, ...
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disk_type: Option<String>,
        /// Free text; empty removes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
    },
    /// Move a disk's file.
    MoveDisk {
        /// The medium.
        medium: Target,
        /// Its new file, absolute.
        location: PathBuf,
    },
    /// Grow a disk.
    GrowDisk {
        /// The medium.
        medium: Target,
        /// New capacity.
        size: Bytes,
    },
    /// Attach a disk, or put a drive in its place.
    Attach {
        /// The machine.
        machine: Target,
        /// Where.
        at: Location,
        /// What.
        kind: DeviceKind,
        /// What is in it.
        insert: Insert,
        /// `hotPluggable`, `ssd`, `discard`, `passthrough`, `tempEject`: options to set.
        options: BTreeMap<String, bool>,
    },
    /// Take a disk or a drive away; nothing is deleted.
    Detach {
        /// The machine.
        machine: Target,
        /// Where.
        at: Location,
    },
    /// Delete a disk's file and forget it.
    DeleteDisk {
        /// The medium.
        medium: Target,
    },
    /// Forget a disk and keep its file.
    CloseDisk {
        /// The medium.
        medium: Target,
    },
    /// Add a permanent shared folder.
    AddSharedFolder {
        /// The machine.
        machine: Target,
        /// Name of the folder.
        name: String,
        /// Its settings.
        folder: SharedFolder,
    },
    /// Remove a permanent shared folder.
    RemoveSharedFolder {
        /// The machine.
        machine: Target,
        /// Name of the folder.
        name: String,
    },
    /// Start a machine without a window; a saved one resumes.
    Start {
        /// The machine.
        machine: Target,
    },
    /// Press the ACPI power button and wait.
    Shutdown {
        /// The machine.
        machine: Target,
        /// Seconds to wait for the guest.
        timeout: u64,
        /// Switch it off when it does not obey; else the step fails.
        then_power_cut: bool,
    },
    /// Switch a machine off.
    PowerCut {
        /// The machine.
        machine: Target,
    },
    /// Hold a guest.
    Pause {
        /// The machine.
        machine: Target,
    },
    /// Let a held guest go on.
    Resume {
        /// The machine.
        machine: Target,
    },
    /// Press the reset button: the guest is cut off and boots again.
    Reset {
        /// The machine.
        machine: Target,
    },
    /// Save a guest's state and stop it.
    SaveState {
        /// The machine.
        machine: Target,
    },
    /// Throw a saved state away.
    DiscardState {
        /// The machine.
        machine: Target,
    },
    /// Delete one snapshot.
    DeleteSnapshot {
        /// The machine.
        machine: Target,
        /// The snapshot.
        snapshot: Uuid,
    },
    /// Make, change or remove a network.
    Network {
        /// What is done.
        change: NetworkChange,
    },
    /// Unregister a machine.
    Unregister {
        /// The machine.
        machine: Target,
        /// Delete its settings, logs, saved states and every disk that is still attached.
        delete: bool,
    },
}

impl Action {
    /// The machine that the action changes; the executor runs at most one action a machine at a time.
    pub fn machine(&self) -> Option<&Target> {
        match self {
            Self::ModifyMachine { machine, .. }
            | Self::ModifyLive { machine, .. }
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
            | Self::DeleteSnapshot { machine, .. }
            | Self::Unregister { machine, .. } => Some(machine),
            Self::CreateMachine { .. }
            | Self::WriteRegister { .. }
            | Self::Network { .. }
            | Self::CreateDisk { machine: None, .. }
            | Self::SetDisk { .. }
            | Self::MoveDisk { .. }
            | Self::GrowDisk { .. }
            | Self::DeleteDisk { .. }
            | Self::CloseDisk { .. } => None,
        }
    }

    fn targets(&mut self) -> Vec<&mut Target> {
        match self {
            Self::Attach { machine, insert: Insert::Medium(medium), .. } => vec![machine, medium],
            Self::ModifyMachine { machine, .. }
            | Self::ModifyLive { machine, .. }
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
            | Self::DeleteSnapshot { machine, .. }
            | Self::Unregister { machine, .. } => vec![machine],
            Self::GrowDisk { medium, .. }
            | Self::SetDisk { medium, .. }
            | Self::MoveDisk { medium, .. }
            | Self::DeleteDisk { medium }
            | Self::CloseDisk { medium } => {
                vec![medium]
            }
            Self::CreateMachine { .. }
            | Self::WriteRegister { .. }
            | Self::CreateDisk { machine: None, .. }
            | Self::Network { .. } => Vec::new(),
        }
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

    /// Whether doing it again after an unknown outcome ends the same.
    pub fn is_repeatable(&self) -> bool {
        match self {
            // A rule that is there already is refused, and so is the removal of one that is not.
            Self::ModifyMachine { set, .. } | Self::ModifyLive { set, .. } => !set.iter().any(|assignment| {
                matches!(assignment.path.parts().as_slice(), ["nics", _, "nat", "portForwards", ..])
            }),
            Self::Network { change } => change.is_repeatable(),
            Self::SetExtraData { .. }
            | Self::SetGuestProperty { .. }
            | Self::WriteMark { .. }
            | Self::WriteRegister { .. }
            | Self::ChangeController { .. }
            | Self::GrowDisk { .. }
            | Self::SetDisk { .. }
            | Self::Attach { .. } => true,
            Self::CreateMachine { .. }
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
            | Self::DeleteSnapshot { .. }
            | Self::Unregister { .. } => false,
        }
    }

    /// A short label for events and logs (`create machine`).
    pub fn label(&self) -> &'static str {
        match self {
            Self::CreateMachine { .. } => "create machine",
            Self::ModifyMachine { .. } => "change settings",
            Self::ModifyLive { .. } => "change settings live",
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
            Self::GrowDisk { .. } => "grow disk",
            Self::Attach { .. } => "attach",
            Self::Detach { .. } => "detach",
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
            Self::DeleteSnapshot { .. } => "delete snapshot",
            Self::Network { change } => change.label(),
            Self::Unregister { delete: true, .. } => "delete machine",
            Self::Unregister { delete: false, .. } => "unregister machine",
        }
    }
}
