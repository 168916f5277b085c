//! One machine as it is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::MarkState;
use crate::model::{FieldPath, PortForward, PowerState, Settings, Shared};

/// Whether a machine could be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", tag = "access")]
pub enum Access {
    /// From its settings file.
    Settings,
    /// By `showvminfo`, which omits much: see [`Machine::unknown`].
    ShowVmInfo {
        /// Why the settings file was not trusted.
        reason: String,
    },
    /// VirtualBox itself cannot use it.
    Inaccessible {
        /// As VirtualBox or the file system says.
        reason: String,
    },
    /// VirtualBox may know it, this reader does not.
    Unreadable {
        /// Why.
        reason: String,
    },
}

impl Access {
    /// Whether the machine's settings are known.
    pub fn is_readable(&self) -> bool {
        matches!(self, Self::Settings | Self::ShowVmInfo { .. })
    }

    /// The reason of a machine that is not (fully) readable.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Settings => None,
            Self::ShowVmInfo { reason } | Self::Inaccessible { reason } | Self::Unreadable { reason } => {
                Some(reason)
            }
        }
    }
}

/// A registered machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Its UUID: the only thing by which VirtualBox is ever addressed.
    pub uuid: Uuid,
    /// Its name; `None` where it could not be read.
    pub name: Option<String>,
    /// Whether it could be read.
    pub access: Access,
    /// The `.vbox` file, absolute.
    pub settings_file: PathBuf,
    /// Power state; `None` where it could not be read.
    pub state: Option<PowerState>,
    /// Its settings, all of them that are not in `unknown`.
    pub settings: Shared<Settings>,
    /// Fields that could not be read, with the reason. A path covers what is below it; a key `*` in it stands for every key.
    pub unknown: BTreeMap<FieldPath, String>,
    /// What hangs on its controllers, in the order of controller, port, device.
    pub attachments: Vec<Attachment>,
    /// Root snapshot.
    pub snapshots: Option<Snapshot>,
    /// Current snapshot.
    pub current_snapshot: Option<Uuid>,
    /// The ownership mark.
    pub mark: MarkState,
    /// Port-forwards by adapter from 1 that VirtualBox remembers while the adapter's NAT engine is not in use, because the
    /// adapter is disabled or attached to something else. They are there again as soon as it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub remembered: BTreeMap<u32, BTreeMap<String, PortForward>>,
    /// Settings that VirtualBox has and the language does not name, `element: value`, for export's comments.
    pub beyond: Vec<String>,
}

impl Machine {
    /// The folder that holds the settings file.
    pub fn folder(&self) -> PathBuf {
        self.settings_file.parent().map(PathBuf::from).unwrap_or_default()
    }

    /// The log of its last process: a file that VirtualBox begins when the machine starts for the first time.
    pub fn log_file(&self) -> PathBuf {
        self.folder().join("Logs").join("VBox.log")
    }

    /// Why a field is unknown; `None` where it is known.
    pub fn why_unknown(&self, path: &FieldPath) -> Option<&str> {
        let covers = |prefix: &FieldPath| {
            let (prefix, keys) = (prefix.keys(), path.keys());
            prefix.len() <= keys.len() && prefix.iter().zip(keys).all(|(p, key)| p == "*" || p == key)
        };
        self.unknown.iter().find(|(prefix, _)| covers(prefix)).map(|(_, reason)| reason.as_str())
    }

    /// One of its snapshots.
    pub fn snapshot(&self, uuid: Uuid) -> Option<&Snapshot> {
        let all = self.snapshots.iter().flat_map(Snapshot::leaves_first);
        all.into_iter().find(|snapshot| snapshot.uuid == uuid)
    }

    /// Media that it has in its places now, and those that its snapshots have.
    pub fn media(&self) -> impl Iterator<Item = Uuid> {
        let attached = self.attachments.iter().filter_map(|attachment| match attachment.medium {
            AttachedMedium::Image(uuid) => Some(uuid),
            AttachedMedium::HostDrive(_) | AttachedMedium::Empty => None,
        });
        let snapshots = self.snapshots.iter().flat_map(Snapshot::leaves_first);
        attached.chain(snapshots.flat_map(|snapshot| snapshot.media.iter().copied()))
    }

    /// What hangs at one place.
    pub fn attachment_at(&self, controller: &str, port: u32, device: u32) -> Option<&Attachment> {
        self.attachments.iter().find(|a| a.controller == controller && a.port == port && a.device == device)
    }
}

/// What a place on a controller is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// Hard disk.
    Disk,
    /// DVD drive.
    Dvd,
    /// Floppy drive.
    Floppy,
}

/// One device on a controller.
#[expect(clippy::struct_excessive_bools, reason = "they are VirtualBox's own switches")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// Name of the controller.
    pub controller: String,
    /// From 0.
    pub port: u32,
    /// From 0.
    pub device: u32,
    /// What it is.
    pub kind: DeviceKind,
    /// What is in it.
    pub medium: AttachedMedium,
    /// The guest may see it come and go.
    pub hot_pluggable: bool,
    /// The guest sees a solid-state disk.
    pub non_rotational: bool,
    /// The guest's TRIM shrinks the file.
    pub discard: bool,
    /// The guest may send commands to a host drive.
    pub passthrough: bool,
    /// A guest's eject is undone at the next start.
    pub temp_eject: bool,
    /// Name of a bandwidth group.
    pub bandwidth_group: Option<String>,
}

/// What is in a drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AttachedMedium {
    /// A registered medium: the leaf of a differencing chain.
    Image(Uuid),
    /// A drive of the host.
    HostDrive(String),
    /// Nothing.
    Empty,
}

/// One snapshot and what came after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Its UUID.
    pub uuid: Uuid,
    /// Not unique.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Seconds since 1970 as the file says, `2026-01-31T12:00:00Z`.
    pub taken: String,
    /// Whether it holds the state of a running guest.
    pub online: bool,
    /// Media that its hardware names.
    pub media: Vec<Uuid>,
    /// Later snapshots.
    pub children: Vec<Snapshot>,
}

impl Snapshot {
    /// This snapshot and all below it, leaves first.
    pub fn leaves_first(&self) -> Vec<&Self> {
        let mut all: Vec<&Self> = self.children.iter().flat_map(Self::leaves_first).collect();
        all.push(self);
        all
    }
}
