//! Disks as objects: what a `Disk` document declares and a registered disk has.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::units::Bytes;

/// The settings of a disk. As a declaration `None` is "not managed".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiskSettings {
    /// Capacity in bytes; needed to make it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Bytes>,
    /// `vdi`, `vmdk`, `vhd`; `None` is `vdi` at birth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// `dynamic`, `fixed`, `split2g`, `split2g-fixed`, `stream`, `esx`; `None` is `dynamic` at birth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// `normal`, `writethrough`, `immutable`, `shareable`, `multiattach`; `None` is `normal` at birth.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub disk_type: Option<String>,
    /// Whether what guests write into the difference to an immutable disk is thrown away at each start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_reset: Option<bool>,
    /// Its file, absolute; `None` is `NAME.EXT` in the stack's folder beside its machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<PathBuf>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl DiskSettings {
    /// The format of a new one.
    pub fn format_or_default(&self) -> &str {
        self.format.as_deref().unwrap_or("vdi")
    }

    /// The settings in the manifest's shape.
    pub fn tree(&self) -> Value {
        // A map with string keys and scalars: there is nothing that serialisation could refuse.
        serde_json::to_value(self).unwrap_or_else(|_| Value::Object(Map::new()))
    }
}

/// Whether VirtualBox can make a disk of that format and variant larger (`vbox-semantics` 3.1).
pub fn can_grow(format: &str, variant: Option<&str>) -> bool {
    match format {
        "vdi" | "vhd" => variant != Some("fixed"),
        "vmdk" => true,
        _ => false,
    }
}

/// Whether every machine that has a disk of that type gets a difference of its own to it.
pub fn makes_differences(disk_type: &str) -> bool {
    matches!(disk_type, "immutable" | "multiattach")
}
