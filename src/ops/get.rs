//! `get`: what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::Context;
use super::networks::{self, NetworkRow};
use super::plan::read;
use crate::diff;
use crate::failure::{Failure, Kind};
use crate::host::Want;
use crate::inventory::{
    Access, AttachedMedium, Attachment, Inventory, Machine, MediumHealth, MediumKind, Ownership, Problem,
    Snapshot,
};
use crate::model::Address;

/// What is there.
#[derive(Clone, Debug)]
pub struct GetResponse {
    /// All machines, by name.
    pub machines: Vec<MachineRow>,
    /// What they were read from.
    pub inventory: Inventory,
}

/// One machine in a list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MachineRow {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its name.
    pub name: Option<String>,
    /// Its state.
    pub state: Option<String>,
    /// Processors.
    pub cpus: Option<u32>,
    /// MiB.
    pub memory: Option<u64>,
    /// The stack that owns it.
    pub stack: Option<String>,
    /// Its address there.
    pub address: Option<Address>,
    /// Why it is not (fully) readable, or unowned in spite of a mark.
    pub reason: Option<String>,
}

/// One disk in a list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiskRow {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its file.
    pub location: String,
    /// Its format.
    pub format: String,
    /// Capacity in bytes.
    pub size: Option<u64>,
    /// The machines that it is attached to.
    pub machines: Vec<String>,
    /// Why it is not readable.
    pub reason: Option<String>,
}

/// One machine in full.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MachineDetail {
    /// In short.
    pub row: MachineRow,
    /// The `.vbox` file.
    pub settings_file: PathBuf,
    /// Its settings, in the shape of a manifest's `spec`; empty where they could not be read.
    pub settings: Value,
    /// Fields that could not be read, with the reason.
    pub unknown: BTreeMap<String, String>,
    /// What hangs on its controllers.
    pub attachments: Vec<AttachmentRow>,
    /// Its snapshots, each before those that came after it.
    pub snapshots: Vec<SnapshotRow>,
}

/// What hangs at one place of a controller.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachmentRow {
    /// `CONTROLLER:PORT:DEVICE`
    pub at: String,
    /// The file, the host's drive, or `empty`.
    pub medium: String,
    /// Capacity in bytes, of a disk.
    pub size: Option<u64>,
}

/// One snapshot.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotRow {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its name, which another one may have, too.
    pub name: String,
    /// When it was taken.
    pub taken: String,
    /// The snapshot that it came after.
    pub parent: Option<Uuid>,
    /// Whether the machine goes on from it.
    pub current: bool,
}

impl GetResponse {
    /// The machines that somebody means by an address, a name that several may have, or a UUID. At least one.
    pub fn meant(&self, what: &str) -> Result<Vec<&MachineRow>, Failure> {
        let uuid = what.parse::<Uuid>().ok();
        let address = what.parse::<Address>().ok();
        let name = match &address {
            Some(Address::Machine(name)) => name.as_str(),
            _ => what,
        };
        let is_meant = |row: &&MachineRow| {
            Some(row.uuid) == uuid
                || (address.is_some() && row.address == address)
                || row.name.as_deref() == Some(name)
        };
        let rows: Vec<&MachineRow> = self.machines.iter().filter(is_meant).collect();
        if rows.is_empty() {
            return Err(Failure::new(Kind::Usage, format!("there is no machine `{what}`"))
                .hint("`vboxmcp get` lists all machines; `get disks` and `get networks` list the others"));
        }
        Ok(rows)
    }

    /// One machine in full; `None` where the row is not one of this host's.
    pub fn detail(&self, row: &MachineRow) -> Option<MachineDetail> {
        let machine = self.inventory.machines.get(&row.uuid)?;
        let settings = if machine.access.is_readable() {
            diff::machine::settings_tree(&machine.settings)
        } else {
            Value::Object(serde_json::Map::new())
        };
        let mut snapshots = Vec::new();
        if let Some(root) = &machine.snapshots {
            snapshot_rows(root, None, machine.current_snapshot, &mut snapshots);
        }
        Some(MachineDetail {
            row: row.clone(),
            settings_file: machine.settings_file.clone(),
            settings,
            unknown: machine.unknown.iter().map(|(path, why)| (path.to_string(), why.clone())).collect(),
            attachments: machine.attachments.iter().map(|one| self.attachment(one)).collect(),
            snapshots,
        })
    }

    fn attachment(&self, attachment: &Attachment) -> AttachmentRow {
        let (medium, size) = match &attachment.medium {
            AttachedMedium::Image(uuid) => match self.inventory.media.get(uuid) {
                Some(medium) => (medium.location.display().to_string(), medium.size.map(|size| size.0)),
                None => (format!("unregistered medium {{{uuid}}}"), None),
            },
            AttachedMedium::HostDrive(drive) => (format!("drive {drive} of the host"), None),
            AttachedMedium::Empty => ("empty".to_owned(), None),
        };
        let at = format!("{}:{}:{}", attachment.controller, attachment.port, attachment.device);
        AttachmentRow { at, medium, size }
    }
}

fn snapshot_rows(
    snapshot: &Snapshot,
    parent: Option<Uuid>,
    current: Option<Uuid>,
    rows: &mut Vec<SnapshotRow>,
) {
    rows.push(SnapshotRow {
        uuid: snapshot.uuid,
        name: snapshot.name.clone(),
        taken: snapshot.taken.clone(),
        parent,
        current: current == Some(snapshot.uuid),
    });
    for child in &snapshot.children {
        snapshot_rows(child, Some(snapshot.uuid), current, rows);
    }
}

/// Lists machines. Of their disks is known what is registered, and nothing that stands in their files.
pub fn machines(context: &Context) -> Result<GetResponse, Failure> {
    let want = Want { states: true, skip_disk_files: true, ..Want::default() };
    context.host.inventory(&want).map(listed).map_err(Failure::from)
}

/// The same with all that [`GetResponse::detail`] tells.
pub fn details(context: &Context) -> Result<GetResponse, Failure> {
    read(context).map(listed)
}

fn listed(inventory: Inventory) -> GetResponse {
    let mut machines: Vec<MachineRow> =
        inventory.machines.values().map(|machine| row(machine, &inventory)).collect();
    machines.sort_by(|a, b| (&a.name, a.uuid).cmp(&(&b.name, b.uuid)));
    GetResponse { machines, inventory }
}

/// Lists registered disks by path, and what could not be read.
pub fn disks(context: &Context) -> Result<(Vec<DiskRow>, Vec<Problem>), Failure> {
    let inventory = context.host.inventory(&Want::default()).map_err(Failure::from)?;
    let mut users: BTreeMap<Uuid, Vec<String>> = BTreeMap::new();
    for machine in inventory.machines.values() {
        let images = machine.attachments.iter().filter_map(|attachment| match attachment.medium {
            AttachedMedium::Image(uuid) => Some(uuid),
            AttachedMedium::HostDrive(_) | AttachedMedium::Empty => None,
        });
        for image in images.collect::<BTreeSet<_>>() {
            let name = machine.name.clone().unwrap_or_else(|| machine.uuid.to_string());
            users.entry(image).or_default().push(name);
        }
    }
    let disks = inventory.media.values().filter(|medium| medium.kind == MediumKind::Disk);
    let mut disks: Vec<DiskRow> = disks
        .map(|medium| DiskRow {
            uuid: medium.uuid,
            location: medium.location.display().to_string(),
            format: medium.format.clone(),
            size: medium.size.map(|size| size.0),
            machines: users.remove(&medium.uuid).unwrap_or_default(),
            reason: match &medium.health {
                MediumHealth::Inaccessible(reason) => Some(reason.clone()),
                MediumHealth::Good | MediumHealth::Unknown => None,
            },
        })
        .collect();
    disks.sort_by(|a, b| a.location.cmp(&b.location));
    Ok((disks, inventory.problems))
}

/// Lists networks by kind and name, and what could not be read. VirtualBox is asked for its host-only interfaces where there are any.
pub fn networks(context: &Context) -> Result<(Vec<NetworkRow>, Vec<Problem>), Failure> {
    let want = Want { skip_disk_files: true, ..Want::default() };
    let mut inventory = context.host.inventory(&want).map_err(Failure::from)?;
    // Without VBoxManage there is a list all the same.
    inventory.networks.host_only = context.host.host_only().ok();
    Ok((networks::rows(&inventory), inventory.problems))
}

fn row(machine: &Machine, inventory: &Inventory) -> MachineRow {
    let (stack, address, note) = match inventory.owner_of(machine) {
        Ownership::Owned { stack, address } => (Some(stack.to_string()), Some(address), None),
        Ownership::Unowned => (None, None, None),
        Ownership::MarkRemoved { stack, address } => {
            (None, None, Some(format!("was {address} of stack {stack}, its mark was removed")))
        }
        Ownership::Unclear(reason) => (None, None, Some(format!("its mark cannot be read: {reason}"))),
    };
    MachineRow {
        uuid: machine.uuid,
        name: machine.name.clone(),
        state: match machine.access {
            Access::Inaccessible { .. } => Some("inaccessible".to_owned()),
            Access::Unreadable { .. } => Some("unreadable".to_owned()),
            Access::Settings | Access::ShowVmInfo { .. } => machine.state.as_ref().map(ToString::to_string),
        },
        cpus: machine.settings.cpus,
        memory: machine.settings.memory.map(|memory| memory.0),
        stack,
        address,
        reason: machine.access.reason().map(str::to_owned).or(note),
    }
}
