//! What a host really has, as plain data: machines, media, networks, the stacks' registers, and what could not be read.
//!
//! No I/O. The host room fills it; diff and plan read it.

mod document;
mod index;
mod machine;
mod medium;
mod network;
mod ownership;
mod read_set;
mod register;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use document::InventoryDocument;
pub use index::Index;
pub use machine::{Access, AttachedMedium, Attachment, DeviceKind, Machine, Snapshot};
pub use medium::{Medium, MediumHealth, MediumKind, MediumType, Registry};
pub use network::Networks;
pub use ownership::{Mark, MarkState, Ownership};
pub use read_set::{Membership, Moved, Read, ReadSet, Registered};
pub use register::{Entry, Identity, Register, RegisterError, Shard, Status};

use crate::model::{Shared, StackName};

/// Everything that was read from one host at one time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// The host itself.
    pub host: HostFacts,
    /// Registered machines by their UUID, unreadable ones included.
    pub machines: BTreeMap<Uuid, Machine>,
    /// Registered media of all registries by their UUID.
    pub media: BTreeMap<Uuid, Medium>,
    /// Networks.
    pub networks: Networks,
    // Large, and seldom changed: who looks again and again shows the same ones.
    /// Register of each stack that has one.
    pub registers: Shared<BTreeMap<StackName, Register>>,
    /// What lies at the paths that the reader was asked about.
    pub paths: BTreeMap<PathBuf, PathFact>,
    /// What could not be read, other than machines (those are rows with a reason).
    pub problems: Vec<Problem>,
    /// Where things are.
    #[serde(skip)]
    pub index: Index,
}

/// Facts of the host that plans depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostFacts {
    /// `local` or `sim`.
    pub kind: String,
    /// The VirtualBox home.
    pub home: PathBuf,
    /// Default machine folder.
    pub machine_folder: PathBuf,
    /// Home directory of the owner of the VirtualBox home: what `~` means in manifests.
    pub owner_home: PathBuf,
    /// The folder of the host that manifests are checked out in, where an inventory's file says so: relative paths start
    /// there instead of the working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    /// The directory of the autostart database, where VirtualBox was told of one: without it no machine can be started with
    /// the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autostart_database: Option<PathBuf>,
    /// Whether VirtualBox's server was running when the host was read; `None` where that cannot be told.
    pub server_running: Option<bool>,
}

/// What lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PathFact {
    /// Nothing.
    Missing,
    /// A file, or anything that is no directory.
    File,
    /// A settings file of a machine: of which one.
    SettingsOf(Uuid),
    /// An image that VirtualBox has not registered: of which disk, by what its header says.
    ImageOf(Uuid),
    /// An empty directory.
    EmptyDirectory,
    /// A directory with something in it.
    Directory,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// What it is (`register of stack shop, shard 2`).
    pub what: String,
    /// Why.
    pub reason: String,
}

impl Inventory {
    /// Machines of a name, in the order of their UUIDs. VirtualBox allows several.
    pub fn machines_named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Machine> + use<'a> {
        let named = self.index.tables(self).named.get(name).map(Vec::as_slice).unwrap_or_default();
        debug_assert!(
            self.machines
                .values()
                .filter(|machine| machine.name.as_deref() == Some(name))
                .map(|machine| &machine.uuid)
                .eq(named),
            "the inventory was changed after it was asked"
        );
        named.iter().filter_map(|uuid| self.machines.get(uuid))
    }

    /// The base of a differencing chain; the medium itself where it has no parent. `None` for an unknown medium or a cycle.
    pub fn base_of(&self, medium: Uuid) -> Option<&Medium> {
        let mut current = self.media.get(&medium)?;
        for _ in 0..self.media.len() {
            match current.parent {
                None => return Some(current),
                Some(parent) => current = self.media.get(&parent)?,
            }
        }
        None
    }

    /// Differences to a medium.
    pub fn children_of(&self, medium: Uuid) -> BTreeSet<Uuid> {
        let children = self.index.tables(self).children.get(&medium).cloned().unwrap_or_default();
        debug_assert!(
            self.media
                .values()
                .filter(|other| other.parent == Some(medium))
                .map(|other| other.uuid)
                .eq(children.iter().copied()),
            "the inventory was changed after it was asked"
        );
        children
    }

    /// Whether a medium is `below` or one that it is, directly or not, a difference to.
    pub fn is_in_chain(&self, medium: Uuid, below: Uuid) -> bool {
        let mut current = Some(below);
        // A cycle ends after as many steps as there are media.
        for _ in 0..=self.media.len() {
            match current {
                Some(uuid) if uuid == medium => return true,
                Some(uuid) => current = self.media.get(&uuid).and_then(|one| one.parent),
                None => return false,
            }
        }
        false
    }

    /// Machines that a medium is attached to, itself or through differences.
    pub fn machines_using(&self, medium: Uuid) -> BTreeSet<Uuid> {
        let users = self.index.tables(self).users.get(&medium).cloned().unwrap_or_default();
        debug_assert!(
            self.machines
                .values()
                .filter(|machine| self.uses(machine, medium))
                .map(|machine| machine.uuid)
                .eq(users.iter().copied()),
            "the inventory was changed after it was asked"
        );
        users
    }

    /// Machines that have a medium in one of their places or in those of a snapshot, itself or through differences.
    pub fn machines_holding(&self, medium: Uuid) -> BTreeSet<Uuid> {
        let holders = self.index.holders(self).get(&medium).cloned().unwrap_or_default();
        debug_assert!(
            self.machines
                .values()
                .filter(|machine| machine.media().any(|leaf| self.is_in_chain(medium, leaf)))
                .map(|machine| machine.uuid)
                .eq(holders.iter().copied()),
            "the inventory was changed after it was asked"
        );
        holders
    }

    /// Whether a machine has a medium in one of its places, itself or through differences.
    fn uses(&self, machine: &Machine, medium: Uuid) -> bool {
        machine.attachments.iter().any(|attachment| match &attachment.medium {
            AttachedMedium::Image(leaf) => self.is_in_chain(medium, *leaf),
            AttachedMedium::HostDrive(_) | AttachedMedium::Empty => false,
        })
    }

    /// The medium registered at a path.
    pub fn medium_at(&self, path: &std::path::Path) -> Option<&Medium> {
        let uuid = self.index.tables(self).located.get(path);
        debug_assert_eq!(
            uuid,
            self.media.values().find(|medium| medium.location == path).map(|medium| &medium.uuid),
            "the inventory was changed after it was asked"
        );
        self.media.get(uuid?)
    }

    /// Whether a machine has the medium itself, not a difference to it, in one of its places now.
    pub fn is_attached(&self, medium: Uuid) -> bool {
        self.index.tables(self).attached.contains(&medium)
    }

    /// The difference that holds what a guest last wrote to a disk which nobody has attached: the one leaf above the base that no
    /// snapshot holds. `None` where there are several, or where a difference is attached.
    pub fn free_leaf(&self, base: Uuid) -> Option<Uuid> {
        if self.base_of(base)?.uuid != base {
            return None;
        }
        let mut above = Vec::new();
        let mut below = vec![base];
        // A medium has one parent, so that nothing is come to twice.
        while let Some(medium) = below.pop() {
            let children = self.children_of(medium);
            below.extend(&children);
            above.extend(children);
        }
        if above.is_empty() {
            return None;
        }
        if above.iter().any(|medium| self.is_attached(*medium)) {
            return None;
        }
        let snapshots = self.machines.values().flat_map(|machine| &machine.snapshots);
        let snapshots = snapshots.flat_map(Snapshot::leaves_first);
        let held: BTreeSet<Uuid> = snapshots.flat_map(|snapshot| snapshot.media.iter().copied()).collect();
        let mut free = above.into_iter().filter(|leaf| !held.contains(leaf) && !self.has_children(*leaf));
        free.next().filter(|_| free.next().is_none())
    }

    /// Whether other media are differences to one.
    pub fn has_children(&self, medium: Uuid) -> bool {
        let has = self.index.tables(self).children.contains_key(&medium);
        debug_assert_eq!(
            has,
            self.media.values().any(|other| other.parent == Some(medium)),
            "the inventory was changed after it was asked"
        );
        has
    }
}
