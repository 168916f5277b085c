//! The plan: an inert DAG of steps. Pure: no clock, no I/O, no randomness; the same input gives the same bytes.
//!
//! `types` is what a plan is; `machine`, `storage`, `power`, `remove` and `adopt` turn differences into steps, `imperative` commands, `revert` the way back; `draft`
//! collects them in order, `order` adds that of `dependsOn`; `limits` holds them against the policy; `canonical` makes bytes and hash.

pub mod action;
mod adopt;
mod canonical;
mod companions;
mod destroy;
mod devices;
mod draft;
mod fields;
mod imperative;
mod limits;
mod machine;
mod network;
mod order;
mod own_disk;
mod ports;
mod power;
pub mod reads;
mod register;
mod remove;
mod renewal;
mod repair;
mod revert;
mod snapshot;
mod storage;
mod take;
#[cfg(test)]
mod tests;
mod types;
mod whole;

pub use action::{Action, Assignment, Insert, NetworkChange, Target};
pub use adopt::adopt;
pub use destroy::{DestroyOptions, destroy};
pub use imperative::{PowerCommand, command};
pub use register::{Member, RegisterPlan};
pub use renewal::{Copied, renew};
pub use repair::{Lost, repair, unreadable};
pub use revert::{Revert, Reverted, after, revert};
pub use take::{NewSnapshot, take};
pub use types::{
    Blocked, Expectation, HostId, ObjectPlan, Operation, Plan, PlannedField, Refusal, Step, StepId, Summary,
    Verb,
};

use crate::diff::ChangeSet;
use crate::inventory::Inventory;
use crate::model::{Desired, Policy};

/// Plans what makes the host match the declaration.
pub fn plan(
    changes: &ChangeSet,
    desired: &Desired,
    inventory: &Inventory,
    policy: &Policy,
    options: &PlanOptions,
) -> Plan {
    whole::plan(changes, desired, inventory, policy, options)
}

/// What a plan of `apply` may leave out or take along.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// The stack's name was typed: prune even though the manifest paths are others than the last full apply's.
    pub stack_typed: bool,
    /// The differences are those of some of the declared objects: the register does not take the manifest paths for those of a full
    /// apply.
    pub is_partial: bool,
    /// It is only shown, and neither approved nor kept: one with nothing to do, whose hash nobody sees, gets none, and is not said what
    /// it was made from. For many machines both would be a third of the work (measured).
    pub is_only_shown: bool,
}
