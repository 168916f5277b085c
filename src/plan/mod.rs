//! The plan: an inert DAG of steps. Pure: no clock, no I/O, no randomness; the same input gives the same bytes.

pub mod action;
mod register;
mod types;

pub use action::{Action, Assignment, Insert, Target};
pub use register::{Member, RegisterPlan};
pub use types::{
    Blocked, Expectation, HostId, ObjectPlan, Operation, Plan, PlannedField, Refusal, Step, StepId, Summary, Verb,
};
