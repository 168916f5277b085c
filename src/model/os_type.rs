//! What VirtualBox recommends for each guest operating system: the settings of a new machine that its manifest does not write.
//!
//! `os_types.json` is generated from `createvm --default` by the lab test `os_types` (`VBOXMCP_UPDATE=1`), and the same test
//! compares it with the VirtualBox at hand.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use super::settings::Settings;

/// One guest operating system that VirtualBox knows.
#[derive(Clone, Debug, Deserialize)]
pub struct OsType {
    /// The human name (`Debian (64-bit)`), which `showvminfo` prints instead of the id.
    pub description: String,
    /// What plain `createvm` makes: all of it for [`BASE`], for the others what is not as there. Of the adapters only the
    /// type of the first one.
    pub plain: Settings,
    /// Recommended settings beyond plain `createvm`, without controllers, adapters and drives.
    pub settings: Settings,
}

/// The id that the others' `plain` settings are told apart from.
pub const BASE: &str = "Other";

/// The table by id (`Debian_64`).
pub fn table() -> &'static BTreeMap<String, OsType> {
    static TABLE: OnceLock<BTreeMap<String, OsType>> = OnceLock::new();
    TABLE.get_or_init(|| {
        // The file is part of the program, and a test parses it: an empty table is never seen in a release.
        serde_json::from_str(include_str!("os_types.json")).unwrap_or_default()
    })
}

/// The row of one id.
pub fn lookup(id: &str) -> Option<&'static OsType> {
    table().get(id)
}

/// The id whose human name this is.
pub fn id_of_description(description: &str) -> Option<&'static str> {
    table().iter().find(|(_, row)| row.description == description).map(|(id, _)| id.as_str())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_table_parses() {
        let parsed: Result<std::collections::BTreeMap<String, super::OsType>, _> =
            serde_json::from_str(include_str!("os_types.json"));
        assert!(parsed.is_ok_and(|table| table.contains_key(super::BASE)));
    }
}
