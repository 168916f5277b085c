//! Actions: one per effect of the size of a VBoxManage call. Inert data; the host room performs them.

mod binding;
mod nature;
mod network;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub use network::NetworkChange;

use crate::inventory::{DeviceKind, Mark, Shard};
use crate::model::settings::{BandwidthGroup, UsbFilter};
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
        /// The mark with a changed value, written behind them: it makes VirtualBox save what it would keep in memory only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        save: Option<Mark>,
    },
    /// Switch UEFI secure boot. Switched on, the variable store is set up and the usual keys are enrolled where there are none.
    SetSecureBoot {
        /// The machine, which is off.
        machine: Target,
        /// Whether the firmware starts only what is signed.
        enabled: bool,
    },
    /// Set a field for secrets. The secret itself is in no plan: the host was entrusted with it.
    SetSecret {
        /// The machine, which is off.
        machine: Target,
        /// The field.
        field: FieldPath,
        /// By which the host knows the secret.
        digest: String,
    },
    /// Add a bandwidth group.
    AddBandwidthGroup {
        /// The machine.
        machine: Target,
        /// Name of the group.
        name: String,
        /// Its type and limit.
        group: BandwidthGroup,
    },
    /// Change the limit of a bandwidth group.
    LimitBandwidthGroup {
        /// The machine.
        machine: Target,
        /// Name of the group.
        name: String,
        /// Bytes a second, 0 for no bound.
        limit: u64,
    },
    /// Remove a bandwidth group that nothing uses.
    RemoveBandwidthGroup {
        /// The machine.
        machine: Target,
        /// Name of the group.
        name: String,
    },
    /// Put what is attached somewhere into a bandwidth group.
    AssignBandwidthGroup {
        /// The machine.
        machine: Target,
        /// Where.
        at: Location,
        /// Name of the group; empty for none.
        group: String,
    },
    /// Add a USB filter at a position; those from there on move up.
    AddUsbFilter {
        /// The machine.
        machine: Target,
        /// From 1.
        position: u32,
        /// The filter.
        filter: UsbFilter,
    },
    /// Remove a USB filter; those behind it move down.
    RemoveUsbFilter {
        /// The machine.
        machine: Target,
        /// From 1.
        position: u32,
    },
    /// Move the machine's folder with all that is in it.
    MoveMachine {
        /// The machine, which is off.
        machine: Target,
        /// The folder that is to hold the machine's own.
        folder: PathBuf,
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
        /// While the machine is live: the mark with a changed value, as for a change of settings.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        save: Option<Mark>,
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
    /// Say where a disk's file is, which somebody has moved; no file is touched.
    LocateDisk {
        /// The medium.
        medium: Target,
        /// The file with its UUID, absolute.
        location: PathBuf,
    },
    /// Write another UUID into a disk's file, so that it is no copy of a registered disk any more. Nothing else of it changes.
    RenewDisk {
        /// The file, absolute.
        file: PathBuf,
        /// What it must hold.
        from: Uuid,
        /// What it is to hold.
        to: Uuid,
    },
    /// Delete what a birth that was cut short has left of a machine that is not registered: a settings file and disks that nothing was ever
    /// written to. Files with other UUIDs in them stay.
    ClearBirth {
        /// The UUID that the machine was to have, which stands in its settings file.
        machine: Uuid,
        /// That file, absolute.
        file: PathBuf,
        /// Its disks, by their files.
        disks: BTreeMap<PathBuf, Uuid>,
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
    /// Say whether what a guest writes into the difference that is attached somewhere is thrown away when its machine starts.
    SetAutoReset {
        /// The machine, which is off.
        machine: Target,
        /// Where.
        at: Location,
        /// Thrown away.
        enabled: bool,
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
        /// The folder of its machine, where that is gone: removed with the last file in it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        folder: Option<PathBuf>,
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
    /// Take a snapshot. VirtualBox gives it its UUID: it is known by its name.
    TakeSnapshot {
        /// The machine.
        machine: Target,
        /// Its name.
        name: String,
        /// Free text; empty for none.
        description: String,
        /// The guest runs on meanwhile.
        live: bool,
    },
    /// Bring a machine that is not live back to a snapshot: hardware, disks and the guest's state are as they were then.
    RestoreSnapshot {
        /// The machine.
        machine: Target,
        /// The snapshot.
        snapshot: Uuid,
    },
    /// Give a snapshot another description, whatever its machine is doing.
    DescribeSnapshot {
        /// The machine.
        machine: Target,
        /// The snapshot.
        snapshot: Uuid,
        /// Free text; empty removes it.
        description: String,
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
