//! The real VirtualBox: its settings files are read, VBoxManage changes it.

mod classify;
mod command;
pub mod locate;
pub mod runner;

pub use command::CommandLine;
pub use runner::{Deadline, Output, Patience, Runner};
