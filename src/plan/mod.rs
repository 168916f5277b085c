//! The plan: an inert DAG of steps. Pure: no clock, no I/O, no randomness; the same input gives the same bytes.

pub mod action;

pub use action::{Action, Assignment, Insert, Target};
