//! What a new machine will be, worked out before it is made: the actions that would make it one after another are performed on a simulated
//! host that has nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;

use uuid::Uuid;

use super::refusal::No;
use super::slot::Slot;
use super::tree::Content;
use super::world::{SimMedium, World};
use crate::host::birth::Birth;
use crate::host::virtualbox::CommandLine;
use crate::inventory::{Machine, Medium, Registry};
use crate::model::{Address, Nic, NicMode};
use crate::plan::{Action, Insert};

/// A machine that is to be, as the readers of settings files would show it.
pub struct Draft {
    /// The machine.
    pub machine: Machine,
    /// All of its extra data.
    pub extra: BTreeMap<String, String>,
    /// Adapters that the guest does not have and VirtualBox remembers, by number from 1.
    pub disabled: BTreeMap<u32, Nic>,
    /// The media that are registered with it.
    pub media: Vec<Medium>,
    /// Its storage controllers in the order in which they were added.
    pub controllers: Vec<String>,
}

/// Works a birth out. `images` are the registered ones of the host, by file.
///
/// # Errors
/// Why the simulated VirtualBox does not make such a machine.
pub fn draft(birth: &Birth, images: &BTreeMap<PathBuf, Medium>) -> Result<Draft, String> {
    // UUIDs of images and addresses of adapters follow from the machine's UUID: they are its own, and the same at a second attempt.
    let (seed, _) = birth.machine.as_u64_pair();
    let mut world = World { count: seed >> 1, ..World::default() };
    let mut controllers = Vec::new();
    for action in &birth.actions {
        if let Action::Attach { insert: Insert::File(file), .. } = action
            && let Some(known) = images.get(file)
        {
            let registries = match known.registry {
                Registry::Global => Vec::new(),
                Registry::Machine(machine) => vec![machine],
            };
            world.media.insert(known.uuid, SimMedium { medium: known.clone(), registries }.into());
        }
        if let Action::AddController { name, .. } = action {
            controllers.push(name.clone());
        }
        let born = world.perform_for(action, &birth.disks);
        born.map_err(|no| no.into_error(&CommandLine::default()).to_string())?;
    }
    let made = world.machines.get(&birth.machine).ok_or("it has another UUID")?;
    let disabled = made.hardware.slots.iter().filter(|(_, slot)| !slot.enabled);
    let mut machine = World::view(made);
    // It is in the variable store, not in the settings file.
    machine.settings.secure_boot = None;
    let mut media: Vec<Medium> = world
        .media
        .values()
        .filter(|row| row.registries.contains(&birth.machine))
        .map(|row| row.medium.clone())
        .collect();
    for medium in &mut media {
        medium.registry = Registry::Machine(birth.machine);
    }
    Ok(Draft {
        machine,
        extra: made.extra.clone(),
        disabled: disabled.map(|(number, slot)| (*number, remembered(slot))).collect(),
        media,
        controllers,
    })
}

impl World {
    /// Makes a machine whole, or not at all.
    pub fn bear(&mut self, birth: &Birth) -> Result<(), No> {
        let mut draft = self.clone();
        for action in &birth.actions {
            draft.perform_for(action, &birth.disks)?;
        }
        *self = draft;
        Ok(())
    }

    /// An action of a birth, whose disks have UUIDs before they are there.
    fn perform_for(&mut self, action: &Action, disks: &BTreeMap<Address, Uuid>) -> Result<(), No> {
        let done = self.perform(action)?;
        if let (Action::CreateDisk { address, .. }, Some(made)) = (action, done.made)
            && let (Some(given), Some(mut row)) = (disks.get(address), self.media.remove(&made))
        {
            row.medium.uuid = *given;
            if let Some(Content::Disk { uuid, .. }) = self.tree.file_mut(&row.medium.location) {
                *uuid = *given;
            }
            self.media.insert(*given, row);
        }
        Ok(())
    }
}

/// An adapter that is switched off, with its NAT engine.
fn remembered(slot: &Slot) -> Nic {
    let nat = (slot.nic.mode == Some(NicMode::Nat)).then(|| slot.nat.clone());
    Nic { nat, ..slot.nic.clone() }
}
