//! What VirtualBox recommends for each guest operating system: the settings of a new machine that its manifest does not write.
//!
//! `os_types.json` is generated from `createvm --default` by the lab test `os_types` (`VBOXMCP_UPDATE=1`), and the same test
//! compares it with the VirtualBox at hand.

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

/// One line of the table. Of its hundred and fifty rows a run looks at two or three: each is read when it is asked for.
struct Row {
    id: &'static str,
    json: &'static str,
    /// Behind a pointer: two thousand bytes of settings are not kept for rows that nobody asks for.
    read: OnceLock<Option<Box<OsType>>>,
}

impl Row {
    /// From `"ID": {...},`, as the lab test writes it.
    fn of(line: &'static str) -> Option<Self> {
        let (id, json) = line.trim_start().strip_prefix('"')?.split_once("\": ")?;
        Some(Self { id, json: json.strip_suffix(',').unwrap_or(json), read: OnceLock::new() })
    }

    fn read(&self) -> Option<&OsType> {
        // The file is part of the program, and a test reads all of it: one that cannot be read is never seen in a release.
        self.read.get_or_init(|| serde_json::from_str(self.json).ok()).as_deref()
    }
}

/// The rows in the order of their ids.
fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| include_str!("os_types.json").lines().filter_map(Row::of).collect())
}

fn row(id: &str) -> Option<&'static Row> {
    let at = rows().binary_search_by(|row| row.id.cmp(id)).ok()?;
    rows().get(at)
}

/// All ids (`Debian_64`), in order.
pub fn ids() -> impl Iterator<Item = &'static str> {
    rows().iter().map(|row| row.id)
}

/// Whether VirtualBox knows an id.
pub fn is_known(id: &str) -> bool {
    row(id).is_some()
}

/// The row of one id.
pub fn lookup(id: &str) -> Option<&'static OsType> {
    row(id)?.read()
}

/// The id whose human name this is.
pub fn id_of_description(description: &str) -> Option<&'static str> {
    let is_it = |row: &&Row| row.read().is_some_and(|read| read.description == description);
    rows().iter().find(is_it).map(|row| row.id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_committed_table_reads_line_by_line_as_it_does_whole() {
        let whole: BTreeMap<String, OsType> = serde_json::from_str(include_str!("os_types.json")).unwrap();
        assert!(whole.contains_key(BASE));
        assert!(ids().eq(whole.keys().map(String::as_str)), "in order, and none is missed");
        for (id, row) in &whole {
            let read = lookup(id).unwrap();
            assert_eq!((&read.description, &read.plain), (&row.description, &row.plain), "{id}");
            assert_eq!(read.settings, row.settings, "{id}");
            assert_eq!(id_of_description(&row.description), Some(id.as_str()));
        }
        assert!(!is_known("Nonesuch") && lookup("Nonesuch").is_none());
    }
}
