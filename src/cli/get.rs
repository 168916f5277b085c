//! `vboxmcp get`

use clap::Args;
use serde::Serialize;
use uuid::Uuid;

use super::print_json;
use super::session::Session;
use crate::failure::{Exit, Failure, Kind};
use crate::inventory::{Machine, Problem};
use crate::model::Address;
use crate::ops::{self, DiskRow, GetResponse, MachineRow};
use crate::render::inventory::{write_disks, write_machine, write_machines, write_problems};

/// List what VirtualBox has.
///
/// All machines, ours or not, with their owners; a machine that cannot be read is a row with the reason. Starts nothing and changes nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp get                     all machines
  vboxmcp get disks -v            all disks, with their UUIDs
  vboxmcp get vm/web-1            one machine: settings, disks, snapshots
  vboxmcp get -o json | jq '.machines[] | select(.stack == null) | .name'")]
pub struct Arguments {
    /// `machines`, `disks`, or a machine: vm/NAME, NAME or UUID
    #[arg(value_name = "WHAT", default_value = "machines")]
    pub what: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", tag = "type")]
enum Document<'a> {
    #[serde(rename_all = "camelCase")]
    Machines { version: u32, machines: &'a [MachineRow], problems: &'a [Problem] },
    #[serde(rename_all = "camelCase")]
    Disks { version: u32, disks: &'a [DiskRow], problems: &'a [Problem] },
    #[serde(rename_all = "camelCase")]
    Machine { version: u32, row: &'a MachineRow, machine: &'a Machine },
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let context = session.context()?;
    let response = ops::get(&context)?;
    let (machines, disks) = (response.machines.as_slice(), response.disks.as_slice());
    let problems = response.inventory.problems.as_slice();
    match arguments.what.as_str() {
        "machines" | "machine" | "vms" | "vm" if session.is_json() => {
            print_json(&Document::Machines { version: 1, machines, problems })?;
        }
        "machines" | "machine" | "vms" | "vm" => {
            session.print(|out, view| write_machines(out, machines, view))?;
            write_problems(&mut std::io::stderr().lock(), problems, &session.err)?;
        }
        "disks" | "disk" if session.is_json() => {
            print_json(&Document::Disks { version: 1, disks, problems })?;
        }
        "disks" | "disk" => {
            session.print(|out, view| write_disks(out, disks, view))?;
            write_problems(&mut std::io::stderr().lock(), problems, &session.err)?;
        }
        what => {
            for row in chosen(&response, what)? {
                let Some(machine) = response.inventory.machines.get(&row.uuid) else { continue };
                if session.is_json() {
                    print_json(&Document::Machine { version: 1, row, machine })?;
                } else {
                    session.print(|out, view| write_machine(out, row, machine, &response.inventory, view))?;
                }
            }
        }
    }
    Ok(Exit::Done)
}

/// Machines that a person means: an address, a name that several may have, a UUID.
fn chosen<'a>(response: &'a GetResponse, what: &str) -> Result<Vec<&'a MachineRow>, Failure> {
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
    let rows: Vec<&MachineRow> = response.machines.iter().filter(is_meant).collect();
    if rows.is_empty() {
        return Err(Failure::new(Kind::Usage, format!("there is no machine `{what}`"))
            .hint("`vboxmcp get` lists all machines; `get disks` lists disks"));
    }
    Ok(rows)
}
