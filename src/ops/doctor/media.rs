//! Disks whose registry and files do not agree, each with a way to put it right that deletes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{DoctorReport, Verdict};
use crate::inventory::{Inventory, Medium, MediumHealth, Registry};

/// Looks at all registered media.
pub fn check(report: &mut DoctorReport, inventory: &Inventory) {
    let mut places: BTreeMap<&Path, Vec<&Medium>> = BTreeMap::new();
    for medium in inventory.media.values() {
        places.entry(medium.location.as_path()).or_default().push(medium);
    }
    for (place, media) in &places {
        if let [first, others @ ..] = media.as_slice()
            && !others.is_empty()
        {
            let uuids: Vec<String> = media.iter().map(|medium| format!("{{{}}}", medium.uuid)).collect();
            let text =
                format!("{} is registered {} times: {}", place.display(), media.len(), uuids.join(", "));
            let wrong = media.iter().find(|medium| medium.is_inaccessible()).unwrap_or(first);
            report.add("disks", Verdict::Bad, text).hint = Some(format!(
                "VirtualBox's server does not start any more with that (measured), so no command helps: while none runs, give `location` of {{{}}} in {} the file that holds it, or one that does not exist; the file stays",
                wrong.uuid,
                registry(wrong, inventory).display()
            ));
        }
    }
    for medium in inventory.media.values() {
        let MediumHealth::Inaccessible(reason) = &medium.health else { continue };
        let users = users(medium, inventory);
        let whose = if users.is_empty() { String::new() } else { format!(" ({})", users.join(", ")) };
        let text = format!("{}: {reason}{whose}", medium.location.display());
        report.add("disks", Verdict::Warning, text).hint = Some(repair(medium, &users, inventory));
    }
}

/// What puts it right. Nothing of it deletes a file.
fn repair(medium: &Medium, users: &[String], inventory: &Inventory) -> String {
    let (uuid, file) = (medium.uuid, medium.location.display());
    let is_missing = medium.location.symlink_metadata().is_err();
    // The same name elsewhere is most likely the file, moved by hand.
    let elsewhere = inventory.media.values().find(|other| {
        other.uuid != uuid
            && other.location.file_name() == medium.location.file_name()
            && other.health == MediumHealth::Good
    });
    let mut ways = Vec::new();
    let is_owned = |(_, lost): &(_, &Medium)| lost.uuid == uuid;
    if crate::plan::unreadable(inventory).values().flatten().any(is_owned) {
        ways.push("`vboxmcp doctor --fix` plans what can be done safely".to_owned());
    }
    if is_missing {
        ways.push(format!("put the file back at {file}"));
        ways.push(format!(
            "or, where it was moved, say so: `VBoxManage modifymedium disk {uuid} --setlocation NEW-FILE`"
        ));
        if let Some(other) = elsewhere {
            ways.push(format!("(a registered file of the same name is {})", other.location.display()));
        }
    } else {
        ways.push(format!("move the file that lies there away, and put the one of {{{uuid}}} in its place"));
        ways.push(format!(
            "or, where the file is a copy of that disk, give it the UUID that is registered: `vboxmcp doctor --fix {file}`"
        ));
    }
    ways.push(if users.is_empty() {
        format!("or forget the entry, which deletes nothing: `VBoxManage closemedium {uuid}`")
    } else {
        format!("or detach it and forget the entry, which deletes nothing: `VBoxManage closemedium {uuid}`")
    });
    ways.join("; ")
}

/// The file that names a medium.
fn registry(medium: &Medium, inventory: &Inventory) -> PathBuf {
    let machine = match medium.registry {
        Registry::Machine(machine) => inventory.machines.get(&machine),
        Registry::Global => None,
    };
    machine
        .map_or_else(|| inventory.host.home.join("VirtualBox.xml"), |machine| machine.settings_file.clone())
}

/// Machines that have a medium, or a difference to it, now or in a snapshot.
fn users(medium: &Medium, inventory: &Inventory) -> Vec<String> {
    let called = |machine: &crate::inventory::Machine| {
        machine.name.clone().unwrap_or_else(|| machine.uuid.to_string())
    };
    let holders = inventory.machines_holding(medium.uuid);
    holders.iter().filter_map(|uuid| inventory.machines.get(uuid)).map(called).collect()
}
