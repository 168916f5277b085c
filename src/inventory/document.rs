//! An inventory as a file: all that planning needs of a host, for where the host is not.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Inventory;

/// An inventory and what it knows of the host's folders.
///
/// Canonical: the fields in the order of the types, maps sorted by key, no white space. The same host gives the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventoryDocument {
    /// Version of this format.
    pub format_version: u32,
    /// Folders whose entries are all in `inventory.paths`, those of the folders below included: what is not there is free.
    pub listed: Vec<PathBuf>,
    /// What was read.
    pub inventory: Inventory,
}

impl InventoryDocument {
    /// The version of the format that this program writes and reads.
    pub const FORMAT_VERSION: u32 = 1;

    /// Whether the document tells what lies at a path, be it nothing.
    pub fn knows(&self, path: &Path) -> bool {
        self.inventory.paths.contains_key(path) || self.listed.iter().any(|folder| path.starts_with(folder))
    }
}
