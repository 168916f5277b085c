//! vboxmcp makes a VirtualBox host match a description.
//!
//! The walk:
//!
//! ```text
//! lab.yaml
//!   -> manifest::load      documents; every value knows its file, line and column
//!   -> manifest::lower     Desired: variables and defaults filled, replicas unfolded, references resolved, units normalised
//! host
//!   -> Inspect::inventory  Inventory: machines, media, the stacks' registers, and what could not be read, with the reason
//! both
//!   -> diff                ChangeSet: per object and field what is declared, live and was applied last
//!   -> plan                Plan: an inert DAG of steps, each with one Action, its cause, needs and danger
//!   -> render              a person reads it
//!   -> consent             a person, a flag, a plan hash
//!   -> apply               the same plan again, or refused; walks the DAG, reads every effect back, emits events
//!   -> Outcome             then the same plan computed again is empty
//! ```
//!
//! The planner decides everything; the executor has no choices left. Planning is pure: no clock, no I/O, no randomness.

pub mod apply;
pub mod cli;
pub mod config;
pub mod diff;
pub mod event;
pub mod failure;
pub mod host;
pub mod inventory;
pub mod manifest;
pub mod mcp;
pub mod model;

pub mod ops;
pub mod plan;
pub mod render;
pub mod threads;
