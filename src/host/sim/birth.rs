//! New machines: `createvm` and what it gives without being asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use uuid::Uuid;

use super::refusal::{self, No, no, unsupported};
use super::slot::Slot;
use super::tree::Content;
use super::world::{Hardware, SimMachine, World};
use crate::inventory::PathFact;
use crate::model::nic::NicType;
use crate::model::{NicMode, PowerState, Settings, os_type};

/// What plain `createvm` gives to a machine of that operating system; `None` where VirtualBox does not know it.
fn plain(os_type: &str) -> serde_json::Result<Option<(NicType, Settings)>> {
    let (Some(base), Some(row)) = (os_type::lookup(os_type::BASE), os_type::lookup(os_type)) else {
        return Ok(None);
    };
    let mut tree = serde_json::to_value(&base.plain)?;
    merge(&mut tree, serde_json::to_value(&row.plain)?);
    let mut settings: Settings = serde_json::from_value(tree)?;
    let nic = settings.nics.take().and_then(|mut nics| nics.remove(&1)).and_then(|nic| nic.nic_type);
    Ok(Some((nic.unwrap_or(NicType::Am79C973), settings)))
}

fn merge(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                merge(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

/// What a new adapter is on a machine of that operating system.
pub fn nic_type(os_type: &str) -> NicType {
    plain(os_type).ok().flatten().map_or(NicType::Am79C973, |(nic_type, _)| nic_type)
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
        let plain = plain(os_type).map_err(|error| unsupported(error.to_string()))?;
        let Some((nic_type, mut settings)) = plain else {
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
        settings.groups = Some(if groups.is_empty() { vec!["/".to_owned()] } else { groups.to_vec() });
        settings.os_type = Some(os_type.to_owned());
        settings.hardware_uuid = Some(uuid.to_string());
        settings.description = Some(String::new());
        settings.snapshot_folder = Some("Snapshots".to_owned());
        settings.controllers = Some(BTreeMap::new());
        settings.shared_folders = Some(BTreeMap::new());
        settings.guest_properties = Some(BTreeMap::new());
        let mut slot = Slot::untouched(nic_type);
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
                hardware: Hardware {
                    settings,
                    slots: BTreeMap::from([(1, slot.into())]),
                    attachments: Vec::new(),
                },
                extra: BTreeMap::new(),
                snapshots: None,
                current_snapshot: None,
                broken: None,
                unsaved: BTreeMap::new(),
            }
            .into(),
        );
        Ok(uuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operating_system_has_a_new_machine() {
        for id in os_type::ids() {
            let (_, settings) = plain(id).unwrap().unwrap();
            assert_eq!(settings.memory.map(|memory| memory.0), Some(1024), "{id}");
        }
        assert!(plain("Nonesuch").unwrap().is_none());
    }

    #[test]
    fn names_become_file_names() {
        assert_eq!(file_name("a/b\"c"), "a_b_c");
        assert_eq!(file_name(".x."), "_x_");
        assert_eq!(file_name("Böse Maschine (1)"), "Böse Maschine (1)");
    }
}
