//! Everything that the simulated VirtualBox knows: machines, media, global extra data, files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use imbl::OrdMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::refusal::{self, No, no};
use super::slot::Slot;
use super::tree::{Content, Tree, moved};
use crate::inventory::{AttachedMedium, Attachment, Medium};
use crate::model::{Dhcp, NetworkSettings, NicMode, PowerState, Settings, Shared};

/// The whole simulated host. What there may be many of is shared between copies: a copy costs nothing, and what has become of one is found without
/// looking at all of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// The VirtualBox home.
    pub home: PathBuf,
    /// Default machine folder.
    pub machine_folder: PathBuf,
    /// What `~` means.
    pub owner_home: PathBuf,
    /// Directory of the autostart database, where somebody has set one.
    #[serde(default)]
    pub autostart_database: Option<PathBuf>,
    /// Counts UUIDs, MAC addresses and time stamps.
    pub count: u64,
    /// Registered machines.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub machines: OrdMap<Uuid, Shared<SimMachine>>,
    /// Registered media.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub media: OrdMap<Uuid, Shared<SimMedium>>,
    /// Global extra data.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub extra: OrdMap<String, String>,
    /// NAT networks.
    #[serde(default)]
    pub nat: BTreeMap<String, NetworkSettings>,
    /// DHCP servers by the network that VirtualBox registers them for.
    #[serde(default)]
    pub dhcp: BTreeMap<String, Dhcp>,
    /// Host-only interfaces.
    #[serde(default)]
    pub host_only: BTreeMap<String, NetworkSettings>,
    /// Host-only networks, where VirtualBox has those.
    #[serde(default)]
    pub host_only_networks: Option<BTreeMap<String, NetworkSettings>>,
    /// Files.
    #[serde(default, skip_serializing_if = "Tree::is_empty")]
    pub tree: Tree,
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimMachine {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// Its `.vbox` file.
    pub settings_file: PathBuf,
    /// Power state.
    pub state: PowerState,
    /// What a snapshot holds and brings back.
    pub hardware: Hardware,
    /// Extra data, vboxmcp's own keys included.
    pub extra: BTreeMap<String, String>,
    /// Root snapshot.
    pub snapshots: Option<SimSnapshot>,
    /// Current snapshot.
    pub current_snapshot: Option<Uuid>,
    /// Why VirtualBox cannot use it.
    pub broken: Option<String>,
    /// Values that a power-off brings back, because the change was never saved.
    pub unsaved: BTreeMap<String, Value>,
}

/// The part of a machine that snapshots hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hardware {
    /// Settings, without adapters and extra data. Groups and description are the machine's own, snapshots do not bring them back.
    pub settings: Settings,
    /// Adapters by number from 1, disabled ones that were once used included.
    pub slots: BTreeMap<u32, Box<Slot>>,
    /// What hangs on the controllers.
    pub attachments: Vec<Attachment>,
}

/// One snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimSnapshot {
    /// Its UUID.
    pub uuid: Uuid,
    /// Not unique.
    pub name: String,
    /// Free text.
    pub description: String,
    /// When.
    pub taken: String,
    /// Whether it holds the state of a running guest.
    pub online: bool,
    /// The machine as it was.
    pub hardware: Hardware,
    /// Later snapshots.
    pub children: Vec<SimSnapshot>,
}

/// One registered medium.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimMedium {
    /// As the inventory shows it; registry and health are filled in then.
    pub medium: Medium,
    /// Machines whose settings file names it, in the order in which they began to; none is the global registry.
    pub registries: Vec<Uuid>,
}

/// A machine that was unregistered and whose settings file stayed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parked {
    /// The machine.
    pub machine: Shared<SimMachine>,
    /// The media that its file names.
    pub media: Vec<Shared<SimMedium>>,
}

impl Parked {
    /// Whether its settings name a snapshot or a saved state.
    pub fn has_history(&self) -> bool {
        self.machine.snapshots.is_some() || self.machine.is_saved()
    }
}

impl SimSnapshot {
    /// This one and all below.
    pub fn all(&self) -> Vec<&Self> {
        let mut found = vec![self];
        found.extend(self.children.iter().flat_map(Self::all));
        found
    }

    /// A snapshot of this tree.
    pub fn find_mut(&mut self, uuid: Uuid) -> Option<&mut Self> {
        if self.uuid == uuid {
            return Some(self);
        }
        self.children.iter_mut().find_map(|child| child.find_mut(uuid))
    }

    /// From this one down to the one that is looked for.
    pub fn path_to(&self, uuid: Uuid) -> Option<Vec<&Self>> {
        if self.uuid == uuid {
            return Some(vec![self]);
        }
        self.children.iter().find_map(|child| child.path_to(uuid)).map(|mut path| {
            path.insert(0, self);
            path
        })
    }
}

impl Hardware {
    /// Media that are attached.
    pub fn images(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.attachments.iter().filter_map(|attachment| match attachment.medium {
            AttachedMedium::Image(uuid) => Some(uuid),
            AttachedMedium::HostDrive(_) | AttachedMedium::Empty => None,
        })
    }
}

impl SimMachine {
    /// The folder that holds its settings file.
    pub fn folder(&self) -> PathBuf {
        self.settings_file.parent().map(Path::to_owned).unwrap_or_default()
    }

    /// Whether a process of VirtualBox has it open.
    pub fn is_live(&self) -> bool {
        use crate::model::state::StateClass;
        !matches!(self.state.class(), StateClass::Off | StateClass::Saved)
    }

    /// NAT networks that its adapters are attached to.
    pub fn nat_networks(&self) -> impl Iterator<Item = String> + '_ {
        let views = self.hardware.slots.values().filter(|slot| slot.enabled).map(|slot| slot.view());
        let attached = views.filter(|nic| nic.mode == Some(NicMode::NatNetwork));
        attached.filter_map(|nic| nic.network)
    }

    /// Whether a state is saved.
    pub fn is_saved(&self) -> bool {
        self.state.class() == crate::model::state::StateClass::Saved
    }

    /// All its snapshots.
    pub fn all_snapshots(&self) -> Vec<&SimSnapshot> {
        self.snapshots.iter().flat_map(SimSnapshot::all).collect()
    }

    /// Whether the medium is attached now or was at a snapshot.
    pub fn uses(&self, medium: Uuid) -> bool {
        self.hardware.images().any(|uuid| uuid == medium)
            || self
                .all_snapshots()
                .iter()
                .any(|snapshot| snapshot.hardware.images().any(|uuid| uuid == medium))
    }

    /// The state as VirtualBox's messages name it.
    pub fn state_word(&self) -> String {
        match &self.state {
            PowerState::PowerOff => "PoweredOff".to_owned(),
            PowerState::AbortedSaved => "Aborted-Saved".to_owned(),
            PowerState::Stuck => "GuruMeditation".to_owned(),
            other => {
                let word = other.as_str();
                let mut letters = word.chars();
                letters
                    .next()
                    .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
                    .unwrap_or_default()
            }
        }
    }

    /// For the changes that need the machine for themselves.
    pub fn must_not_be_live(&self) -> Result<(), No> {
        if self.is_live() { Err(no(&refusal::LOCKED, &[&self.name])) } else { Ok(()) }
    }

    /// For the changes that need it off.
    pub fn must_be_off(&self) -> Result<(), No> {
        self.must_not_be_live()?;
        if self.is_saved() { Err(no(&refusal::NOT_MUTABLE, &[&self.state_word()])) } else { Ok(()) }
    }

    /// For the changes that can be made off or live, and not while a state is saved.
    pub fn must_not_be_saved(&self) -> Result<(), No> {
        if self.is_saved() {
            Err(no(&refusal::NOT_MUTABLE_OR_RUNNING, &[&self.state_word()]))
        } else {
            Ok(())
        }
    }
}

impl World {
    /// A host on which nothing is.
    pub fn empty(root: &Path) -> Self {
        let mut world = Self {
            home: root.join("home"),
            machine_folder: root.join("machines"),
            owner_home: root.to_owned(),
            ..Self::default()
        };
        world.dhcp = super::networks::at_birth();
        world.tree.make_folder(&root.join("home"));
        world.tree.make_folder(&root.join("machines"));
        world
    }

    /// The next UUID.
    pub fn fresh_uuid(&mut self) -> Uuid {
        self.count += 1;
        Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("vboxmcp simulated {}", self.count).as_bytes())
    }

    /// The next MAC address, as VirtualBox makes them.
    pub fn fresh_mac(&mut self) -> String {
        let bytes = self.fresh_uuid();
        let bytes = bytes.as_bytes();
        format!("080027{:02X}{:02X}{:02X}", bytes[0], bytes[1], bytes[2])
    }

    /// The next time stamp. Time goes on by a second each time that somebody asks.
    pub fn fresh_time(&mut self) -> String {
        self.count += 1;
        let (minutes, seconds) = (self.count / 60, self.count % 60);
        format!(
            "2026-01-{:02}T{:02}:{:02}:{seconds:02}Z",
            1 + minutes / 1440 % 28,
            minutes / 60 % 24,
            minutes % 60
        )
    }

    /// A machine that can be used.
    pub fn machine(&self, uuid: Uuid) -> Result<&SimMachine, No> {
        let machine = self.registered(uuid)?;
        if machine.broken.is_some() { Err(no(&refusal::LIMITED, &[])) } else { Ok(machine) }
    }

    /// A machine, also one that cannot be used.
    pub fn registered(&self, uuid: Uuid) -> Result<&SimMachine, No> {
        self.machines.get(&uuid).map(|machine| &**machine).ok_or_else(|| no(&refusal::NO_MACHINE, &[&uuid]))
    }

    /// A machine that can be used, to be changed.
    pub fn machine_mut(&mut self, uuid: Uuid) -> Result<&mut SimMachine, No> {
        self.machine(uuid)?;
        self.machines
            .get_mut(&uuid)
            .map(|machine| &mut **machine)
            .ok_or_else(|| no(&refusal::NO_MACHINE, &[&uuid]))
    }

    /// A registered medium.
    pub fn medium(&self, uuid: Uuid) -> Result<&Medium, No> {
        self.media.get(&uuid).map(|row| &row.medium).ok_or_else(|| no(&refusal::NO_MEDIUM, &[&uuid]))
    }

    /// Media whose parent it is.
    pub fn children_of(&self, medium: Uuid) -> Vec<Uuid> {
        self.media
            .values()
            .filter(|row| row.medium.parent == Some(medium))
            .map(|row| row.medium.uuid)
            .collect()
    }

    /// The medium and what it is a difference to, down to the base.
    pub fn chain(&self, medium: Uuid) -> Vec<Uuid> {
        let mut chain = Vec::new();
        let mut next = Some(medium);
        while let Some(uuid) = next.filter(|uuid| !chain.contains(uuid)) {
            chain.push(uuid);
            next = self.media.get(&uuid).and_then(|row| row.medium.parent);
        }
        chain
    }

    /// Base of a chain.
    pub fn base(&self, medium: Uuid) -> Uuid {
        self.chain(medium).last().copied().unwrap_or(medium)
    }

    /// Machines that have the medium attached, now or at a snapshot.
    pub fn users(&self, medium: Uuid) -> Vec<Uuid> {
        self.machines.values().filter(|machine| machine.uses(medium)).map(|machine| machine.uuid).collect()
    }

    /// Whether a running guest uses the medium or one that is a difference to it.
    pub fn in_use_live(&self, medium: Uuid) -> bool {
        self.machines.values().any(|machine| {
            machine.is_live() && machine.hardware.images().any(|leaf| self.chain(leaf).contains(&medium))
        })
    }

    /// Whether a medium's file is there.
    pub fn is_readable(&self, medium: &Medium) -> bool {
        match self.tree.file(&medium.location) {
            Some(Content::Disk { uuid, .. }) => *uuid == medium.uuid,
            Some(_) => true,
            None => medium.kind != crate::inventory::MediumKind::Disk && medium.location.is_file(),
        }
    }

    /// A machine starts to name a medium and all of its chain in its settings file.
    pub fn adopt_medium(&mut self, machine: Uuid, medium: Uuid) {
        // A base that moves takes everything that hangs on it along.
        let mut family = vec![self.base(medium)];
        while let Some(uuid) = family.pop() {
            family.extend(self.children_of(uuid));
            if let Some(row) = self.media.get_mut(&uuid).filter(|row| !row.registries.contains(&machine)) {
                row.registries.push(machine);
            }
        }
    }

    /// A folder moves with all files and media below it, whoever they belong to.
    pub fn move_folder(&mut self, from: &Path, to: &Path) {
        self.tree.rename(from, to);
        let media = self.media.values().filter(|row| row.medium.location.starts_with(from));
        for medium in media.map(|row| row.medium.uuid).collect::<Vec<_>>() {
            if let Some(row) = self.media.get_mut(&medium) {
                row.medium.location = moved(&row.medium.location, from, to);
            }
        }
        let machines = self.machines.values().filter(|machine| machine.settings_file.starts_with(from));
        for machine in machines.map(|machine| machine.uuid).collect::<Vec<_>>() {
            if let Some(machine) = self.machines.get_mut(&machine) {
                machine.settings_file = moved(&machine.settings_file, from, to);
            }
        }
    }

    /// Something was saved in a machine's settings file: what was only in memory is kept with it.
    pub fn saved(&mut self, machine: Uuid) {
        if let Some(machine) = self.machines.get_mut(&machine) {
            machine.unsaved.clear();
        }
    }
}
