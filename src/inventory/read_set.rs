//! The read-set: what a plan was made from, so that a later run can tell whether the world has moved since.
//!
//! Of declared objects it holds the values that the planner used; of everything else only predicates. Guest properties and
//! time stamps are in it only where they are declared.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{Entry, Identity, PathFact, Status};
use crate::model::{Address, DesiredState, FieldPath, NetworkKind, OnRemove, StackName};

/// What the register says of a member, as far as a plan depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// What it is known by.
    pub id: Identity,
    /// Whether its birth is finished.
    pub status: Status,
    /// Leaf of a detached disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf: Option<Uuid>,
    /// The power state to which a run that stopped it has not brought it back yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owes: Option<DesiredState>,
    /// Never deleted.
    pub protect: bool,
    /// What happens when it is no longer declared.
    pub on_remove: OnRemove,
}

impl From<&Entry> for Registered {
    fn from(entry: &Entry) -> Self {
        Self {
            id: entry.identity.clone(),
            status: entry.status,
            leaf: entry.leaf,
            owes: entry.owes.clone(),
            protect: entry.protect,
            on_remove: entry.on_remove,
        }
    }
}

/// Who is in a stack's register.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// Its members.
    pub entries: BTreeSet<Address>,
    /// Manifest paths of the last full apply.
    pub paths: Vec<PathBuf>,
}

/// One thing that the planner read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Read {
    /// All that the stack owns: bounds are shares of it, and pruning removes from it.
    Stack {
        /// Machines by mark or pending entry.
        machines: BTreeMap<Uuid, Address>,
        /// What is pruned from; `None` where nothing is.
        register: Option<Membership>,
    },
    /// The machine that is `address` of the stack.
    Owned {
        /// The address.
        address: Address,
        /// The machine; `None` where there was none.
        machine: Option<Uuid>,
        /// Whether its mark says so; else a pending entry of the register does.
        marked: bool,
        /// Whether its settings and state could be read.
        readable: bool,
        /// The folder of its settings file.
        folder: Option<PathBuf>,
    },
    /// The machine that is to become `address`, under its former name or stack.
    Former {
        /// The new address.
        address: Address,
        /// The former stack.
        stack: StackName,
        /// The former address.
        from: Address,
        /// The machine; `None` where there was none.
        machine: Option<Uuid>,
        /// Whether it has its mark and its entry in the register is confirmed; else its birth is gone on with.
        finished: bool,
        /// Whether its settings and state could be read.
        readable: bool,
        /// The folder of its settings file.
        folder: Option<PathBuf>,
    },
    /// A machine that no stack owns.
    Unowned {
        /// The machine.
        machine: Uuid,
    },
    /// What the register says of a member.
    Entry {
        /// The address.
        address: Address,
        /// `None` where it has no entry.
        entry: Option<Registered>,
    },
    /// A field of a machine.
    Field {
        /// The address.
        address: Address,
        /// The field.
        path: FieldPath,
        /// `None` is absence.
        value: Option<Value>,
    },
    /// The keys of a map whose members are all the manifest's.
    Members {
        /// The address.
        address: Address,
        /// The map.
        path: FieldPath,
        /// Its keys.
        keys: BTreeSet<String>,
    },
    /// All that hangs on a machine's controllers.
    Attachments {
        /// The address.
        address: Address,
        /// What is in each place, a medium as `{UUID}`.
        places: BTreeMap<String, String>,
    },
    /// A medium and what it is a difference to, leaf last.
    Chain {
        /// The leaf.
        leaf: Uuid,
        /// Base first, with capacities in bytes where they are known.
        media: Vec<(Uuid, Option<u64>)>,
    },
    /// Snapshots of a machine.
    Snapshots {
        /// The address.
        address: Address,
        /// Their UUIDs, leaves first.
        uuids: Vec<Uuid>,
    },
    /// What a snapshot is described by.
    Description {
        /// The address of its machine.
        address: Address,
        /// The snapshot.
        snapshot: Uuid,
        /// Free text.
        text: String,
    },
    /// Port-forwards that VirtualBox remembers of an adapter that is not NAT now.
    Remembered {
        /// The address.
        address: Address,
        /// The adapter, from 1.
        slot: u32,
        /// Names of the rules.
        names: BTreeSet<String>,
    },
    /// The machines of a name, owned or not.
    Named {
        /// The name.
        name: String,
        /// Their UUIDs.
        uuids: BTreeSet<Uuid>,
    },
    /// The machines, owned or not, whose NAT rules name a host port, whatever its address and protocol.
    HostPort {
        /// The port.
        port: u16,
        /// Their UUIDs.
        machines: BTreeSet<Uuid>,
    },
    /// The machines, owned or not, that have an adapter of an address.
    Mac {
        /// Twelve hexadecimal digits in upper case.
        mac: String,
        /// Their UUIDs.
        machines: BTreeSet<Uuid>,
    },
    /// A network, and the fields of it that are declared.
    Network {
        /// The address.
        address: Address,
        /// Its kind.
        kind: NetworkKind,
        /// Its name in VirtualBox.
        name: String,
        /// The fields.
        paths: Vec<FieldPath>,
        /// Their values as a tree; `None` where there is no such network.
        there: Option<Value>,
        /// Machines with an adapter on it, and whether they are up.
        machines: BTreeMap<Uuid, bool>,
    },
    /// A disk of its own, and the fields of it that are declared.
    Disk {
        /// The address.
        address: Address,
        /// The registered base; `None` where there is none.
        uuid: Option<Uuid>,
        /// The fields.
        paths: Vec<FieldPath>,
        /// Their values as a tree.
        there: Option<Value>,
        /// Machines that have it, or a difference to it, and whether they are up or have a saved state.
        machines: BTreeMap<Uuid, bool>,
        /// Differences to it.
        differences: BTreeSet<Uuid>,
    },
    /// A path that something new will take.
    Path {
        /// The path.
        path: PathBuf,
        /// What lies there.
        there: PathFact,
    },
    /// A disk's file, registered or not.
    Medium {
        /// The file.
        path: PathBuf,
        /// The registered medium.
        uuid: Option<Uuid>,
    },
    /// What depends on a medium.
    Uses {
        /// The medium.
        medium: Uuid,
        /// Whether it is registered.
        there: bool,
        /// Differences to it.
        children: BTreeSet<Uuid>,
        /// Machines that it is attached to, itself or through differences.
        machines: BTreeSet<Uuid>,
    },
}

/// All that a plan was made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadSet {
    /// The stack whose objects are meant.
    pub stack: Option<StackName>,
    /// What was read, in the order of objects and fields.
    pub reads: Vec<Read>,
}

/// One thing that is no longer as it was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Moved {
    /// The object or path.
    pub object: String,
    /// The field; empty for the object itself.
    pub field: String,
    /// What the plan was made from.
    pub then: String,
    /// What is there.
    pub now: String,
}

impl std::fmt::Display for Moved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let field = if self.field.is_empty() { String::new() } else { format!(" {}", self.field) };
        write!(f, "{}{field}: was {}, is {} now", self.object, self.then, self.now)
    }
}
