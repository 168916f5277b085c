//! The read-set: what a plan was made from, so that a later run can tell whether the world has moved since.
//!
//! Of declared objects it holds the values that the planner used; of everything else only predicates. Guest properties and
//! time stamps are in it only where they are declared.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::model::{Address, FieldPath, StackName};

/// One thing that the planner read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Read {
    /// The machine that is `address` of the stack; `None` where there was none.
    Owned {
        /// The address.
        address: Address,
        /// The machine.
        uuid: Option<Uuid>,
    },
    /// A field of a declared machine.
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
    /// The machines of a name, owned or not.
    Named {
        /// The name.
        name: String,
        /// Their UUIDs.
        uuids: BTreeSet<Uuid>,
    },
    /// A path that something new will take.
    Path {
        /// The path.
        path: PathBuf,
        /// Whether anything is there.
        taken: bool,
    },
    /// A disk's file, registered or not.
    Medium {
        /// The file.
        path: PathBuf,
        /// The registered medium.
        uuid: Option<Uuid>,
    },
}

/// All that a plan was made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadSet {
    /// The stack whose objects are meant.
    pub stack: Option<StackName>,
    /// What was read, in the order of objects and fields.
    pub reads: Vec<Read>,
}

/// One thing that is no longer as it was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
