//! `vboxmcp get`

use clap::Args;

use super::arguments::Recorded;
use super::session::Session;
use crate::config::Output;
use crate::failure::{Exit, Failure, Kind};
use crate::ops::{self, GetResponse};
use crate::render::inventory::{
    write_disks, write_disks_json, write_machine, write_machine_json, write_machines, write_machines_json,
    write_networks, write_networks_json, write_problems,
};
use crate::render::reach::{write_ansible, write_ssh_config};

/// List what VirtualBox has.
///
/// All machines, ours or not, with their owners; a machine that cannot be read is a row with the reason. Starts nothing and changes nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp get                     all machines
  vboxmcp get disks -v            all disks, with their UUIDs
  vboxmcp get networks            NAT, internal and host-only networks, and who is on them
  vboxmcp get vm/web-1            one machine: settings, disks, snapshots
  vboxmcp get -o ssh-config       for ~/.ssh/config: what port-forwards to port 22 reach
  vboxmcp get web-1 -o ansible    the same as an inventory for Ansible
  vboxmcp get -o json | jq '.machines[] | select(.stack == null) | .name'")]
pub struct Arguments {
    /// `machines`, `disks`, `networks`, or a machine: vm/NAME, NAME or UUID
    #[arg(value_name = "WHAT", default_value = "machines")]
    pub what: String,
    #[command(flatten)]
    pub recorded: Recorded,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let context = session.context()?;
    let response = ops::get(&context)?;
    if matches!(session.settings.output, Output::SshConfig | Output::Ansible) {
        return reach(session, arguments, &response);
    }
    match arguments.what.as_str() {
        "machines" | "machine" | "vms" | "vm" => session.print(|out, view| {
            if session.is_json() {
                write_machines_json(out, &response)
            } else {
                write_machines(out, &response.machines, view)
            }
        })?,
        "disks" | "disk" => session.print(|out, view| {
            if session.is_json() {
                write_disks_json(out, &response)
            } else {
                write_disks(out, &response.disks, view)
            }
        })?,
        "networks" | "network" | "nets" | "net" => session.print(|out, view| {
            if session.is_json() {
                write_networks_json(out, &response)
            } else {
                write_networks(out, &response.networks, view)
            }
        })?,
        what => {
            let rows = response.meant(what)?;
            session.print(|out, view| {
                rows.iter().try_for_each(|row| {
                    if session.is_json() {
                        write_machine_json(out, row, &response.inventory)
                    } else {
                        write_machine(out, row, &response.inventory, view)
                    }
                })
            })?;
        }
    }
    if !session.is_json() {
        write_problems(&mut std::io::stderr().lock(), &response.inventory.problems, &session.err)?;
    }
    // As in `plan`: the program ends.
    std::mem::forget(response);
    Ok(Exit::Done)
}

/// How the guests are reached.
fn reach(session: &Session, arguments: &Arguments, response: &GetResponse) -> Result<Exit, Failure> {
    let guests = match arguments.what.as_str() {
        "machines" | "machine" | "vms" | "vm" => ops::reach(response, &response.machines),
        "disks" | "disk" | "networks" | "network" | "nets" | "net" => {
            return Err(Failure::new(Kind::Usage, "only machines can be reached")
                .hint("`vboxmcp get -o ssh-config` lists them"));
        }
        what => ops::reach(response, response.meant(what)?),
    };
    session.print(|out, _| match session.settings.output {
        Output::Ansible => write_ansible(out, &guests),
        _ => write_ssh_config(out, &guests),
    })?;
    if guests.is_empty() {
        session.status("no adapter forwards a port of the host to port 22 of a guest");
    }
    Ok(Exit::Done)
}
