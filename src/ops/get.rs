//! `get`: what is there.

use serde::Serialize;
use uuid::Uuid;

use super::Context;
use super::plan::read;
use crate::failure::Failure;
use crate::inventory::{Access, AttachedMedium, Inventory, Machine, MediumHealth, MediumKind, Ownership};
use crate::model::Address;

/// What is there.
#[derive(Clone, Debug)]
pub struct GetResponse {
    /// All machines, by name.
    pub machines: Vec<MachineRow>,
    /// All registered disks, by path.
    pub disks: Vec<DiskRow>,
    /// All of it.
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

/// Lists what is there.
pub fn get(context: &Context) -> Result<GetResponse, Failure> {
    let inventory = read(context)?;
    let mut machines: Vec<MachineRow> =
        inventory.machines.values().map(|machine| row(machine, &inventory)).collect();
    machines.sort_by(|a, b| (&a.name, a.uuid).cmp(&(&b.name, b.uuid)));
    let mut disks: Vec<DiskRow> = inventory
        .media
        .values()
        .filter(|medium| medium.kind == MediumKind::Disk)
        .map(|medium| DiskRow {
            uuid: medium.uuid,
            location: medium.location.display().to_string(),
            format: medium.format.clone(),
            size: medium.size.map(|size| size.0),
            machines: inventory
                .machines
                .values()
                .filter(|machine| {
                    machine.attachments.iter().any(|a| a.medium == AttachedMedium::Image(medium.uuid))
                })
                .map(|machine| machine.name.clone().unwrap_or_else(|| machine.uuid.to_string()))
                .collect(),
            reason: match &medium.health {
                MediumHealth::Inaccessible(reason) => Some(reason.clone()),
                MediumHealth::Good | MediumHealth::Unknown => None,
            },
        })
        .collect();
    disks.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(GetResponse { machines, disks, inventory })
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
