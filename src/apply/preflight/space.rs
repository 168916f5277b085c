//! Room on the host's disks. VirtualBox says nothing of a full one: it leaves settings files of 0 bytes behind (`vbox-semantics` 8.2).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Lack;
use crate::host::Space;
use crate::inventory::Inventory;
use crate::model::{Address, Bytes};
use crate::plan::{Action, Plan, Target};

/// What must be left beyond the plan's own needs: settings files, logs, VirtualBox's other users.
const RESERVE: u64 = 64 << 20;

/// The same of a plan that only removes: people free a full disk with it.
const RESERVE_OF_REMOVAL: u64 = 2 << 20;

/// An empty dynamic disk: a header, and a map of four bytes a megabyte (of VDI, which has the largest one).
fn dynamic(size: u64) -> u64 {
    (2 << 20) + (size >> 18)
}

/// What the plan will write, by folder. Folders in which only settings are written need nothing but the reserve.
pub fn needs(plan: &Plan, inventory: &Inventory) -> BTreeMap<PathBuf, u64> {
    let mut folders: BTreeMap<&Address, PathBuf> = BTreeMap::new();
    for step in &plan.steps {
        if let Some(folder) = step.action.birth_folder() {
            folders.insert(&step.address, folder);
        }
    }
    let machine = |target: Option<&Target>| match target? {
        Target::Existing(uuid) => inventory.machines.get(uuid),
        Target::Planned(_) => None,
    };
    let folder_of = |target: Option<&Target>| match target? {
        Target::Planned(address) => folders.get(address).cloned(),
        Target::Existing(_) => machine(target).map(crate::inventory::Machine::folder),
    };
    let mut needs = BTreeMap::from([(plan.host.home.clone(), 0)]);
    for step in &plan.steps {
        let (folder, bytes) = match &step.action {
            Action::CreateMachine { .. } => (folders.get(&step.address).cloned(), 0),
            Action::CreateDisk { location, machine, variant, size, .. } => {
                let file = match machine {
                    Some(machine) => folder_of(Some(machine)).map(|folder| folder.join(location)),
                    None => Some(location.clone()),
                };
                let bytes = if variant == "fixed" { size.0 } else { dynamic(size.0) };
                (file.as_deref().and_then(Path::parent).map(Path::to_owned), bytes)
            }
            Action::SaveState { .. } => {
                let memory = machine(step.action.machine()).and_then(|machine| machine.settings.memory);
                (folder_of(step.action.machine()), memory.map_or(0, |memory| memory.0 << 20))
            }
            Action::GrowDisk { medium: Target::Existing(medium), .. } => {
                let file = inventory.media.get(medium).map(|medium| medium.location.as_path());
                (file.and_then(Path::parent).map(Path::to_owned), 0)
            }
            Action::Unregister { .. } | Action::DeleteDisk { .. } | Action::CloseDisk { .. } => (None, 0),
            other => (folder_of(other.machine()), 0),
        };
        if let Some(folder) = folder {
            *needs.entry(folder).or_default() += bytes;
        }
    }
    needs
}

/// Whether each file system has room for all that goes there.
pub fn judge(plan: &Plan, needs: &BTreeMap<PathBuf, u64>, found: &BTreeMap<PathBuf, Space>) -> Vec<Lack> {
    let removes = |action: &Action| {
        matches!(
            action,
            Action::Unregister { .. }
                | Action::DeleteDisk { .. }
                | Action::CloseDisk { .. }
                | Action::Detach { .. }
                | Action::DiscardState { .. }
                | Action::PowerCut { .. }
                | Action::Shutdown { .. }
        )
    };
    let only_removes = plan.steps.iter().all(|step| removes(&step.action));
    let reserve = if only_removes { RESERVE_OF_REMOVAL } else { RESERVE };
    let volumes: BTreeSet<&str> = found.values().map(|space| space.volume.as_str()).collect();
    let mut lacks = Vec::new();
    for volume in volumes {
        let here: Vec<(&PathBuf, &Space)> =
            found.iter().filter(|(_, space)| space.volume == volume).collect();
        let Some((folder, space)) = here.iter().max_by_key(|(folder, _)| needs.get(*folder)) else {
            continue;
        };
        let own: u64 = here.iter().filter_map(|(folder, _)| needs.get(*folder)).sum();
        if space.free.0 >= own + reserve {
            continue;
        }
        let needed = match own {
            0 => format!("{} must be free", Bytes(reserve)),
            own => format!("the plan writes {} and {} must stay free", rounded(own), Bytes(reserve)),
        };
        lacks.push(Lack {
            address: None,
            text: format!("{} has only {} left: {needed}", folder.display(), rounded(space.free.0)),
            hint: "a full disk leaves empty settings files behind: make room first".to_owned(),
            stops: true,
        });
    }
    lacks
}

/// In whole units, as people say it.
fn rounded(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..=0x3ff => (1, "B"),
        0x400..=0xf_ffff => (1 << 10, "KiB"),
        0x10_0000..=0x1_ffff_ffff => (1 << 20, "MiB"),
        _ => (1 << 30, "GiB"),
    };
    format!("{}{name}", bytes / unit)
}
