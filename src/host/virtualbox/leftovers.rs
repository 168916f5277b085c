//! Files that VirtualBox's server leaves when it ends in the middle of making or deleting a machine, and vboxmcp when it does. Mostly nothing
//! here fails: what cannot be removed stays, and is in nobody's way but its own. Nothing goes that a guest, or a snapshot, may be in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::settings::settings_uuid;
use super::{headers, vdi};
use crate::inventory::{Inventory, Machine, MediumKind};

/// What `createvm` has written of a machine that was not registered. A folder with something else in it stays.
pub fn of_birth(folder: &Path, name: &str) {
    let _ = fs::remove_file(folder.join(format!("{name}.vbox")));
    let _ = fs::remove_dir(folder);
}

/// The settings file of an earlier attempt at a machine that is not registered, and its folder where nothing else is in it.
///
/// # Errors
/// The file cannot be deleted.
pub fn of_birth_of(file: &Path, machine: Uuid) -> io::Result<()> {
    let text = fs::read_to_string(file).unwrap_or_default();
    if settings_uuid(&text) == Some(machine) && !tells_of_life(&text) {
        fs::remove_file(file)?;
    }
    if let Some(folder) = file.parent() {
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

/// Whether a machine's settings name a snapshot or a saved state.
fn tells_of_life(settings: &str) -> bool {
    settings.contains("<Snapshot") || settings.contains("stateFile=")
}

/// Whether a machine has run since it was born, or has snapshots: a register that was not brought to its end does not know. Logs beside
/// the settings file of another machine say nothing.
pub fn has_lived(machine: Uuid, settings_file: &Path, disks: &BTreeMap<PathBuf, Uuid>) -> bool {
    let folder = settings_file.parent().unwrap_or(settings_file);
    let is_used = |(path, uuid): (&PathBuf, &Uuid)| {
        headers::holds(path, "vdi", MediumKind::Disk, *uuid) && !vdi::is_unused(path).unwrap_or_default()
    };
    let is_there = |name: &&str| folder.join(name).symlink_metadata().is_ok();
    let settings = fs::read_to_string(settings_file).ok().filter(|text| settings_uuid(text) == Some(machine));
    settings.is_some_and(|text| tells_of_life(&text) || ["Logs", "Snapshots"].iter().any(is_there))
        || disks.iter().any(is_used)
}

/// Files in a folder that hold one of these disks.
pub fn born_disks_in(folder: &Path, disks: &[Uuid]) -> BTreeMap<PathBuf, Uuid> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let holding = files.filter_map(|file| {
        let disk = disks.iter().find(|disk| headers::holds(&file, "vdi", MediumKind::Disk, **disk))?;
        Some((file, *disk))
    });
    holding.collect()
}

/// A disk that an earlier attempt at a machine has made: the UUID is in it, nothing was ever written to it, and nobody has registered it.
///
/// # Errors
/// It cannot be read, or not be deleted.
pub fn born_disk(path: &Path, disk: Uuid, known: &Inventory) -> io::Result<()> {
    let is_known = known.media.contains_key(&disk) || known.medium_at(path).is_some();
    if !is_known && headers::holds(path, "vdi", MediumKind::Disk, disk) && vdi::is_unused(path)? {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// What is left of a machine that is no longer registered: its settings, its logs, the disks that were attached to it or to its snapshots.
/// Disks that somebody has registered since, or that another disk is based on, and files of other kinds, stay.
pub fn of_deletion(machine: &Machine, before: &Inventory, after: &Inventory) {
    let folder = machine.folder();
    let had: BTreeSet<Uuid> = machine.media().collect();
    let bases: BTreeSet<Uuid> = after.media.values().filter_map(|medium| medium.parent).collect();
    for uuid in &had {
        let Some(medium) = before.media.get(uuid).filter(|medium| medium.kind == MediumKind::Disk) else {
            continue;
        };
        let is_used = after.media.contains_key(uuid) || bases.contains(uuid);
        if !is_used && after.medium_at(&medium.location).is_none() {
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
    use super::*;
    use crate::inventory::{Access, MarkState, Medium, MediumHealth, Registry, Snapshot};
    use crate::model::Shared;

    fn machine(folder: &Path, snapshots: Option<Snapshot>) -> Machine {
        Machine {
            uuid: Uuid::nil(),
            name: None,
            access: Access::Settings,
            settings_file: folder.join("m.vbox"),
            state: None,
            settings: Shared::default(),
            unknown: BTreeMap::new(),
            attachments: Vec::new(),
            snapshots,
            current_snapshot: None,
            mark: MarkState::None,
            remembered: BTreeMap::new(),
            beyond: Vec::new(),
        }
    }

    fn medium(number: u128, kind: MediumKind, location: &Path) -> Medium {
        Medium {
            uuid: Uuid::from_u128(number),
            kind,
            location: location.to_owned(),
            format: String::new(),
            medium_type: String::new(),
            parent: None,
            registry: Registry::Machine(Uuid::nil()),
            size: None,
            variant: None,
            health: MediumHealth::Good,
            auto_reset: false,
            description: String::new(),
        }
    }

    #[test]
    fn disks_of_snapshots_go_and_what_somebody_has_stays() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("m");
        fs::create_dir(&folder).unwrap();
        let named = [(1, "base.vdi"), (2, "image.iso"), (3, "theirs.vdi"), (4, "below.vdi")];
        let media: BTreeMap<Uuid, Medium> = named
            .into_iter()
            .map(|(number, name)| {
                fs::write(folder.join(name), "").unwrap();
                let kind = if number == 2 { MediumKind::Dvd } else { MediumKind::Disk };
                (Uuid::from_u128(number), medium(number, kind, &folder.join(name)))
            })
            .collect();
        let snapshot = Snapshot {
            uuid: Uuid::nil(),
            name: "s".to_owned(),
            description: String::new(),
            taken: String::new(),
            online: false,
            media: media.keys().copied().collect(),
            children: Vec::new(),
        };
        let mut after = Inventory::default();
        let mut theirs = media[&Uuid::from_u128(3)].clone();
        theirs.parent = Some(Uuid::from_u128(4));
        after.media.insert(theirs.uuid, theirs);
        let before = Inventory { media, ..Inventory::default() };
        of_deletion(&machine(&folder, Some(snapshot)), &before, &after);
        let there = |name| folder.join(name).exists();
        assert!(!there("base.vdi") && there("image.iso") && there("theirs.vdi") && there("below.vdi"));
    }

    #[test]
    fn nothing_of_others_goes() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("m");
        fs::create_dir_all(folder.join("Logs")).unwrap();
        for file in ["m.vbox", "m.vbox-prev", "Logs/VBox.log", "notes.txt"] {
            fs::write(folder.join(file), "").unwrap();
        }
        let empty = Inventory::default();
        let machine = machine(&folder, None);
        of_deletion(&machine, &empty, &empty);
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["notes.txt"]);
        fs::remove_file(folder.join("notes.txt")).unwrap();
        of_birth(&folder, "m");
        assert!(!folder.exists());
    }
}
