//! New machines: `createvm` and what it gives without being asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::refusal::{self, No, no, unsupported};
use super::slot::Slot;
use super::tree::Content;
use super::world::{Hardware, SimMachine, World};
use crate::inventory::PathFact;
use crate::model::nic::NicType;
use crate::model::{NicMode, PowerState, Settings};

/// What `createvm` gives to a new machine, measured for every operating system.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Whatever the operating system.
    bare: Map<String, Value>,
    rows: Vec<Row>,
}

/// Operating systems that get the same.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Row {
    nic_type: NicType,
    settings: Map<String, Value>,
    os_types: Vec<String>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    // The file is part of the program, and a test parses it.
    TABLE.get_or_init(|| serde_json::from_str(include_str!("createvm.json")).unwrap_or_default())
}

fn row(os_type: &str) -> Option<&'static Row> {
    table().rows.iter().find(|row| row.os_types.iter().any(|id| id == os_type))
}

/// The settings of a new machine.
fn settings(row: &Row, uuid: Uuid, os_type: &str, groups: &[String]) -> serde_json::Result<Settings> {
    let mut tree = table().bare.clone();
    tree.extend(row.settings.clone());
    let mut settings: Settings = serde_json::from_value(Value::Object(tree))?;
    settings.groups = Some(if groups.is_empty() { vec!["/".to_owned()] } else { groups.to_vec() });
    settings.os_type = Some(os_type.to_owned());
    settings.hardware_uuid = Some(uuid.to_string());
    Ok(settings)
}

/// What a new adapter is on a machine of that operating system.
pub fn nic_type(os_type: &str) -> NicType {
    row(os_type).map_or(NicType::Am79C973, |row| row.nic_type.clone())
}

/// A name as VirtualBox makes a file name of it.
pub fn file_name(name: &str) -> String {
    let allowed = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, ' ' | '(' | ')' | '-' | '.' | '_')
            || ('\u{a0}'..='\u{d7af}').contains(&c)
    };
    let mut letters: Vec<char> = name.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    if let Some(first) = letters.first_mut().filter(|c| matches!(c, '.' | '-' | ' ')) {
        *first = '_';
    }
    if let Some(last) = letters.last_mut().filter(|c| matches!(c, '.' | ' ')) {
        *last = '_';
    }
    letters.into_iter().collect()
}

/// The first group as a path below the machine folder.
pub fn group_folder(groups: &[String]) -> &str {
    groups.first().map_or("", |group| group.trim_start_matches('/'))
}

/// Group names that VirtualBox accepts: `/`, or parts without forbidden characters.
pub fn check_groups(groups: &[String]) -> Result<(), No> {
    for group in groups {
        let parts = group.strip_prefix('/');
        let fits = group == "/"
            || parts.is_some_and(|parts| !parts.is_empty() && parts.split('/').all(|part| !part.is_empty()));
        if !fits {
            return Err(no(&refusal::GROUP, &[group]));
        }
    }
    Ok(())
}

impl World {
    /// `createvm --register`.
    pub fn create_machine(
        &mut self,
        uuid: Option<Uuid>,
        name: &str,
        os_type: &str,
        groups: &[String],
        folder: &Path,
    ) -> Result<Uuid, No> {
        if name.is_empty() {
            return Err(no(&refusal::NAME_REQUIRED, &[]));
        }
        let Some(row) = row(os_type) else {
            return Err(if os_type.ends_with("_arm64") {
                unsupported(format!("simulating a machine of type {os_type}"))
            } else {
                no(&refusal::OS_TYPE, &[])
            });
        };
        check_groups(groups)?;
        let own: PathBuf = folder.join(group_folder(groups)).join(file_name(name));
        let file = own.join(format!("{}.vbox", file_name(name)));
        if self.tree.file(&file).is_some() {
            return Err(no(&refusal::SETTINGS_EXIST, &[&file.display()]));
        }
        if own.ancestors().any(|folder| self.tree.fact(folder) == PathFact::File) {
            return Err(no(&refusal::SETTINGS_PATH, &[&file.display()]));
        }
        if let Some(there) = uuid.and_then(|uuid| self.machines.get(&uuid)) {
            let refusal = no(&refusal::UUID_TAKEN, &[&there.uuid, &there.settings_file.display()]);
            self.tree.make_folder(&own);
            return Err(refusal);
        }
        let uuid = uuid.unwrap_or_else(|| self.fresh_uuid());
        let settings =
            settings(row, uuid, os_type, groups).map_err(|error| unsupported(error.to_string()))?;
        let mut slot = Slot::untouched(row.nic_type.clone());
        slot.enabled = true;
        slot.nic.mode = Some(NicMode::Nat);
        slot.nic.mac = Some(self.fresh_mac());
        self.tree.write(&file, Content::Settings(uuid));
        self.machines.insert(
            uuid,
            SimMachine {
                uuid,
                name: name.to_owned(),
                settings_file: file,
                state: PowerState::PowerOff,
                hardware: Hardware { settings, slots: BTreeMap::from([(1, slot)]), attachments: Vec::new() },
                extra: BTreeMap::new(),
                snapshots: None,
                current_snapshot: None,
                broken: None,
                unsaved: BTreeMap::new(),
            },
        );
        Ok(uuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_new_machines_parses() {
        let table: Table = serde_json::from_str(include_str!("createvm.json")).unwrap();
        assert!(table.rows.iter().map(|row| row.os_types.len()).sum::<usize>() > 150);
        for row in &table.rows {
            settings(row, Uuid::nil(), &row.os_types[0], &[]).unwrap();
        }
    }

    #[test]
    fn names_become_file_names() {
        assert_eq!(file_name("a/b\"c"), "a_b_c");
        assert_eq!(file_name(".x."), "_x_");
        assert_eq!(file_name("Böse Maschine (1)"), "Böse Maschine (1)");
    }
}
