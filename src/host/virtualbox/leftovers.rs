//! Files that VirtualBox's server leaves when it ends in the middle of making or deleting a machine. Nothing here fails: what
//! cannot be removed stays, and is in nobody's way but its own.

use std::fs;
use std::path::Path;

use uuid::Uuid;

use super::settings::settings_uuid;
use crate::inventory::{AttachedMedium, DeviceKind, Inventory, Machine};

/// What `createvm` has written of a machine that was not registered. A folder with something else in it stays.
pub fn of_birth(folder: &Path, name: &str) {
    let _ = fs::remove_file(folder.join(format!("{name}.vbox")));
    let _ = fs::remove_dir(folder);
}

/// The settings file of an earlier attempt at a machine that is not registered.
pub fn of_attempt(folder: &Path, name: &str, machine: Uuid) {
    let file = folder.join(format!("{name}.vbox"));
    let text = fs::read_to_string(&file).unwrap_or_default();
    if settings_uuid(&text) == Some(machine) {
        let _ = fs::remove_file(file);
    }
}

/// What is left of a machine that is no longer registered: its settings, its logs, the disks that were attached to it. Disks that
/// somebody has registered since, and files of other kinds, stay.
pub fn of_deletion(machine: &Machine, before: &Inventory, after: &Inventory) {
    let folder = machine.folder();
    for attachment in machine.attachments.iter().filter(|attachment| attachment.kind == DeviceKind::Disk) {
        let AttachedMedium::Image(uuid) = &attachment.medium else { continue };
        let Some(medium) = before.media.get(uuid) else { continue };
        if !after.media.contains_key(uuid) && after.medium_at(&medium.location).is_none() {
            let _ = fs::remove_file(&medium.location);
        }
    }
    let previous = format!("{}-prev", machine.settings_file.display());
    let _ = fs::remove_file(&machine.settings_file);
    let _ = fs::remove_file(previous);
    let _ = fs::remove_file(machine.settings_file.with_extension("nvram"));
    abandoned(&folder);
}

/// The folder of a machine that is gone: its logs, and then the folder itself where nothing else is in it.
pub fn abandoned(folder: &Path) {
    for entry in fs::read_dir(folder.join("Logs")).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(b"VBox") {
            let _ = fs::remove_file(entry.path());
        }
    }
    for empty in [&folder.join("Logs"), &folder.join("Snapshots"), folder] {
        let _ = fs::remove_dir(empty);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::inventory::{Access, MarkState};
    use crate::model::Shared;

    #[test]
    fn nothing_of_others_goes() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("m");
        fs::create_dir_all(folder.join("Logs")).unwrap();
        for file in ["m.vbox", "m.vbox-prev", "Logs/VBox.log", "notes.txt"] {
            fs::write(folder.join(file), "").unwrap();
        }
        let empty = Inventory::default();
        let machine = Machine {
            uuid: Uuid::nil(),
            name: None,
            access: Access::Settings,
            settings_file: folder.join("m.vbox"),
            state: None,
            settings: Shared::default(),
            unknown: BTreeMap::new(),
            attachments: Vec::new(),
            snapshots: None,
            current_snapshot: None,
            mark: MarkState::None,
            remembered: BTreeMap::new(),
            beyond: Vec::new(),
        };
        of_deletion(&machine, &empty, &empty);
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["notes.txt"]);
        fs::remove_file(folder.join("notes.txt")).unwrap();
        of_birth(&folder, "m");
        assert!(!folder.exists());
    }
}
