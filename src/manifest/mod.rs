//! The YAML as written, until it is lowered to `model::Desired`.

pub mod diagnostic;
mod expr;
pub mod node;
pub mod report;
pub mod source;
pub mod suggest;
mod units;
