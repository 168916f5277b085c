//! A declared point in time.

use std::collections::BTreeSet;

use super::address::Address;
use super::desired::{Lifecycle, Source};

/// When a declared snapshot is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Take {
    /// After the machine's birth and before it ever runs.
    #[default]
    BeforeFirstStart,
    /// By the first apply that finds it missing, whatever the machine is doing.
    Now,
}

/// One `Snapshot` document. One that exists is satisfied for ever, whatever changed since.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredSnapshot {
    /// Its name. VirtualBox lets many snapshots share one: the first of it on a machine is the one that is meant.
    pub name: String,
    /// Where the document begins.
    pub source: Source,
    /// The machines, replicas unfolded.
    pub machines: BTreeSet<Address>,
    /// When it is taken.
    pub take: Take,
    /// Free text, given to the new snapshot.
    pub description: Option<String>,
    /// How vboxmcp treats it.
    pub lifecycle: Lifecycle,
}

impl DesiredSnapshot {
    /// The address of the part that is on one machine.
    pub fn address_on(&self, machine: &Address) -> Option<Address> {
        Some(Address::Snapshot(self.name.clone(), machine.machine_name()?.clone()))
    }
}
