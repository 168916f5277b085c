//! Extra data, guest properties, shared folders.

use std::path::Path;

use uuid::Uuid;

use super::refusal::{self, No, no};
use super::world::World;
use crate::inventory::{Mark, PathFact, Shard};
use crate::model::SharedFolder;

impl World {
    /// `setextradata`. Also saves what was only in memory, where the value is a new one.
    pub fn set_extra(&mut self, uuid: Uuid, key: &str, value: Option<&str>) -> Result<(), No> {
        let machine = self.machine_mut(uuid)?;
        check_key(key)?;
        let before = machine.extra.get(key).cloned();
        // An empty value removes the key, as none does.
        match value.filter(|value| !value.is_empty()) {
            Some(value) => machine.extra.insert(key.to_owned(), value.to_owned()),
            None => machine.extra.remove(key),
        };
        if machine.extra.get(key) != before.as_ref() {
            self.saved(uuid);
        }
        Ok(())
    }

    /// `setextradata global`.
    pub fn set_global_extra(&mut self, key: &str, value: Option<&str>) -> Result<(), No> {
        check_key(key)?;
        match value.filter(|value| !value.is_empty()) {
            Some(value) => self.extra.insert(key.to_owned(), value.to_owned()),
            None => self.extra.remove(key),
        };
        Ok(())
    }

    /// The mark of a machine.
    pub fn write_mark(&mut self, uuid: Uuid, mark: Option<&Mark>) -> Result<(), No> {
        self.set_extra(uuid, Mark::KEY, mark.map(Mark::to_value).as_deref())
    }

    /// One shard of a register.
    pub fn write_register(&mut self, shard: &Shard) -> Result<(), No> {
        self.set_global_extra(&shard.key, shard.value.as_deref())
    }

    /// `guestproperty set` and `unset`.
    pub fn set_property(&mut self, uuid: Uuid, key: &str, value: Option<&str>) -> Result<(), No> {
        let machine = self.machine_mut(uuid)?;
        if key.is_empty() || key.contains(['*', '?', '|']) {
            return Err(no(&refusal::PROPERTY_NAME, &[]));
        }
        let properties = machine.hardware.settings.guest_properties.get_or_insert_default();
        match value {
            Some(value) => properties.insert(key.to_owned(), Some(value.to_owned())),
            None => properties.remove(key),
        };
        self.saved(uuid);
        Ok(())
    }

    /// `sharedfolder add`.
    pub fn add_shared_folder(&mut self, uuid: Uuid, name: &str, folder: &SharedFolder) -> Result<(), No> {
        let path = folder.host_path.clone().unwrap_or_default();
        let missing = self.tree.fact(Path::new(&path)) == PathFact::Missing;
        let machine = self.machine_mut(uuid)?;
        machine.must_not_be_live()?;
        machine.must_not_be_saved()?;
        let folders = machine.hardware.settings.shared_folders.get_or_insert_default();
        if folders.contains_key(name) {
            return Err(no(&refusal::FOLDER_EXISTS, &[&name]));
        }
        if missing {
            return Err(no(&refusal::FOLDER_PATH, &[&path]));
        }
        folders.insert(
            name.to_owned(),
            SharedFolder {
                host_path: Some(path),
                mount_point: Some(folder.mount_point.clone().unwrap_or_default()),
                read_only: Some(folder.read_only.unwrap_or(false)),
                automount: Some(folder.automount.unwrap_or(false)),
                symlinks: Some(folder.symlinks.clone().unwrap_or_else(|| "forbidden".to_owned())),
            },
        );
        Ok(())
    }

    /// `sharedfolder remove`.
    pub fn remove_shared_folder(&mut self, uuid: Uuid, name: &str) -> Result<(), No> {
        let machine = self.machine_mut(uuid)?;
        machine.must_not_be_live()?;
        machine.must_not_be_saved()?;
        match machine.hardware.settings.shared_folders.get_or_insert_default().remove(name) {
            Some(_) => Ok(()),
            None => Err(no(&refusal::FOLDER_UNKNOWN, &[&name])),
        }
    }
}

fn check_key(key: &str) -> Result<(), No> {
    if key.is_empty() || key.chars().any(char::is_control) {
        return Err(no(&refusal::EXTRA_DATA_KEY, &[]));
    }
    Ok(())
}
