//! The simulated host as an inventory.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::tree::Content;
use super::world::{SimMachine, SimMedium, SimSnapshot, World};
use crate::inventory::{
    Access, HostFacts, Inventory, Machine, Mark, MarkState, Medium, MediumHealth, Register, Registry, Shard,
    Snapshot,
};
use crate::model::settings::Firmware;
use crate::model::{NicMode, Shared, StackName};

impl World {
    /// Everything, or one machine and all media.
    pub fn inventory(
        &self,
        only: Option<Uuid>,
        registers: Shared<BTreeMap<StackName, Register>>,
    ) -> Inventory {
        let machines = self.machines.values().filter(|machine| only.is_none_or(|uuid| uuid == machine.uuid));
        Inventory {
            host: self.facts(),
            machines: machines.map(|machine| (machine.uuid, Self::view(machine))).collect(),
            media: self.media.keys().filter_map(|uuid| Some((*uuid, self.medium_view(*uuid)?))).collect(),
            networks: self.networks(),
            registers,
            ..Inventory::default()
        }
    }

    /// One machine with the media that its settings file and the global registry name.
    pub fn alone(&self, machine: Uuid) -> Inventory {
        let named = |row: &&Shared<SimMedium>| row.registries.is_empty() || row.registries.contains(&machine);
        let media = self.media.values().filter(named).map(|row| row.medium.uuid);
        Inventory {
            host: self.facts(),
            machines: self
                .machines
                .get(&machine)
                .map(|found| (machine, Self::view(found)))
                .into_iter()
                .collect(),
            media: media.filter_map(|uuid| Some((uuid, self.medium_view(uuid)?))).collect(),
            ..Inventory::default()
        }
    }

    fn facts(&self) -> HostFacts {
        HostFacts {
            kind: "sim".to_owned(),
            home: self.home.clone(),
            machine_folder: self.machine_folder.clone(),
            owner_home: self.owner_home.clone(),
            root: None,
            autostart_database: self.autostart_database.clone(),
            server_running: Some(self.machines.values().any(|machine| machine.is_live())),
        }
    }

    /// Register of each stack that has one.
    pub fn registers(&self) -> BTreeMap<StackName, Register> {
        let mut shards: BTreeMap<StackName, BTreeMap<u32, String>> = BTreeMap::new();
        for (key, value) in &self.extra {
            if let Some((stack, number)) = Shard::parse_key(key) {
                shards.entry(stack).or_default().insert(number, value.clone());
            }
        }
        shards.into_iter().map(|(stack, shards)| (stack, Register::read(shards))).collect()
    }

    fn medium_view(&self, uuid: Uuid) -> Option<Medium> {
        let row = self.media.get(&uuid)?;
        let registry = row.registries.first().copied();
        if registry
            .and_then(|machine| self.machines.get(&machine))
            .is_some_and(|machine| machine.broken.is_some())
        {
            // The file that names it cannot be read.
            return None;
        }
        let mut medium = row.medium.clone();
        medium.registry =
            row.registries.first().map_or(Registry::Global, |machine| Registry::Machine(*machine));
        medium.health = if self.is_readable(&medium) {
            MediumHealth::Good
        } else {
            // The header of whatever lies there is what the real reader sees.
            let (size, variant) = match self.tree.file(&medium.location) {
                Some(Content::Disk { size, variant, .. }) => (Some(*size), Some(variant.clone())),
                _ => (None, None),
            };
            (medium.size, medium.variant) = (size, variant);
            MediumHealth::Inaccessible(format!("{} is not there", medium.location.display()))
        };
        Some(medium)
    }

    /// One machine as an inventory shows it.
    pub fn view(machine: &SimMachine) -> Machine {
        if let Some(reason) = &machine.broken {
            return Machine {
                uuid: machine.uuid,
                name: None,
                access: Access::Inaccessible { reason: reason.clone() },
                settings_file: machine.settings_file.clone(),
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
        }
        // Like the real host, which reads the file: what is in memory only is not seen.
        let mut settings = machine.saved_settings();
        let slots = machine.hardware.slots.iter().filter(|(_, slot)| slot.enabled);
        if settings.firmware.as_ref().is_some_and(|firmware| *firmware != Firmware::Bios) {
            settings.secure_boot.get_or_insert(false);
        } else {
            settings.secure_boot = None;
        }
        settings.nics = Some(slots.map(|(number, slot)| (*number, Box::new(slot.view()))).collect());
        let extra = machine.extra.iter().filter(|(key, _)| !key.starts_with("vboxmcp/"));
        settings.extra_data = Some(extra.map(|(key, value)| (key.clone(), Some(value.clone()))).collect());
        let unused = machine
            .hardware
            .slots
            .iter()
            .filter(|(_, slot)| !slot.enabled || slot.nic.mode != Some(NicMode::Nat));
        let remembered = unused
            .map(|(number, slot)| (*number, slot.nat.port_forwards.clone().unwrap_or_default()))
            .filter(|(_, rules)| !rules.is_empty())
            .collect();
        let mut attachments = machine.hardware.attachments.clone();
        attachments.sort_by(|a, b| (&a.controller, a.port, a.device).cmp(&(&b.controller, b.port, b.device)));
        Machine {
            uuid: machine.uuid,
            name: Some(machine.name.clone()),
            access: Access::Settings,
            settings_file: machine.settings_file.clone(),
            state: Some(machine.state.clone()),
            settings: settings.into(),
            unknown: BTreeMap::new(),
            attachments,
            snapshots: machine.snapshots.as_ref().map(snapshot_view),
            current_snapshot: machine.current_snapshot,
            mark: machine
                .extra
                .get(Mark::KEY)
                .map_or(MarkState::None, |text| MarkState::read(text, machine.uuid)),
            remembered,
            beyond: Vec::new(),
        }
    }
}

fn snapshot_view(snapshot: &SimSnapshot) -> Snapshot {
    Snapshot {
        uuid: snapshot.uuid,
        name: snapshot.name.clone(),
        description: snapshot.description.clone(),
        taken: snapshot.taken.clone(),
        online: snapshot.online,
        media: snapshot.hardware.images().collect(),
        children: snapshot.children.iter().map(snapshot_view).collect(),
    }
}
