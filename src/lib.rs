//! vboxmcp makes a VirtualBox host match a description.
pub mod diff;
pub mod event;
pub mod inventory;
pub mod model;
pub mod plan;
pub mod host;
