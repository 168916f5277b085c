//! What becomes of a stack's register: two writes a run, planned here, made by the executor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::inventory::{Entry, Identity, Register, Status};
use crate::model::{Address, OnRemove, StackName};

/// One member as it will be registered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// What it is known by now; `None` where it is about to be born with a UUID that the executor derives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// What is declared; the fields that are read back like this become its last applied ones.
    pub declared: Value,
    /// It stays as it is registered, fields and all, except for what is read back (blocked objects).
    pub protect: bool,
    /// What happens when it is no longer declared.
    pub on_remove: OnRemove,
    /// `metadata.labels`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What becomes of the register.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterPlan {
    /// Members after the run.
    pub members: BTreeMap<Address, Member>,
    /// Members that the run removes or found gone.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub forget: BTreeSet<Address>,
    /// Former addresses (and stacks) of members, by new address.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub renamed: BTreeMap<Address, (StackName, Address)>,
    /// Disks that the run detaches and keeps: their leaves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detached: BTreeMap<Address, uuid::Uuid>,
    /// Manifest paths, where this is a full apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<PathBuf>>,
}

impl RegisterPlan {
    /// The register before the first step: every new address is a pending member, all last-applied values as they were.
    ///
    /// `identity` derives what a member that is about to be born will be known by.
    #[must_use]
    pub fn before(&self, now: &Register, identity: impl Fn(&Address, &Member) -> Identity) -> Register {
        let mut register = now.clone();
        for (address, member) in &self.members {
            let adds = !register.entries.contains_key(address);
            if adds {
                let former = self.renamed.get(address).and_then(|(_, from)| now.entries.get(from));
                let mut entry = former.cloned().unwrap_or_else(|| Entry::pending(identity(address, member)));
                // Protection must hold from the first instant.
                entry.protect |= member.protect;
                register.entries.insert(address.clone(), entry);
            } else if let (Some(entry), None) = (register.entries.get_mut(address), &member.identity) {
                // Somebody removed it: it is born again, and what is found under the entry then is ours.
                entry.status = Status::Pending;
                entry.identity = identity(address, member);
                entry.applied = Value::Null;
            }
        }
        register
    }
}
