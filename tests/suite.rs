//! All tests that need no VirtualBox.

#[path = "suite/manifests.rs"]
mod manifests;
