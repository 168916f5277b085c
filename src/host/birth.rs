//! New machines that are made whole, instead of one effect after another.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::model::Address;
use crate::plan::Action;

/// A machine that is to be made.
#[derive(Clone, Debug)]
pub struct Birth {
    /// Its UUID.
    pub machine: Uuid,
    /// What would make it one after another, all targets bound: a `CreateMachine` and what [`Action::is_of_birth`] of the same machine.
    pub actions: Vec<Action>,
    /// The UUIDs that its new disks get.
    pub disks: BTreeMap<Address, Uuid>,
    /// The time of day, `2026-01-31T12:00:00Z`.
    pub time: String,
    /// The same in seconds since 1970.
    pub seconds: u64,
}
