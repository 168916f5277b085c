//! vboxmcp makes a VirtualBox host match a description.
pub mod config;
pub mod apply;
pub mod diff;
pub mod event;
pub mod failure;
pub mod host;
pub mod inventory;
pub mod manifest;
pub mod model;
pub mod plan;
pub mod render;
