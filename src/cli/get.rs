//! `vboxmcp get`

use clap::Args;

use super::arguments::Recorded;
use super::session::Session;
use crate::config::Output;
use crate::failure::{Exit, Failure, Kind};
use crate::ops::{self, GetResponse, MachineRow, Problem};
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
    let reaches = matches!(session.settings.output, Output::SshConfig | Output::Ansible);
    let problems = match arguments.what.as_str() {
        "disks" | "disk" | "networks" | "network" | "nets" | "net" if reaches => {
            return Err(Failure::new(Kind::Usage, "only machines can be reached")
                .hint("`vboxmcp get -o ssh-config` lists them"));
        }
        "machines" | "machine" | "vms" | "vm" => {
            let response = ops::machines(&context)?;
            if reaches {
                return reach(session, &response, &response.machines);
            }
            session.print(|out, view| {
                if session.is_json() {
                    write_machines_json(out, &response)
                } else {
                    write_machines(out, &response.machines, view)
                }
            })?;
            kept(response)
        }
        "disks" | "disk" => {
            let (disks, problems) = ops::disks(&context)?;
            session.print(|out, view| {
                if session.is_json() {
                    write_disks_json(out, &disks, &problems)
                } else {
                    write_disks(out, &disks, view)
                }
            })?;
            problems
        }
        "networks" | "network" | "nets" | "net" => {
            let (networks, problems) = ops::networks(&context)?;
            session.print(|out, view| {
                if session.is_json() {
                    write_networks_json(out, &networks, &problems)
                } else {
                    write_networks(out, &networks, view)
                }
            })?;
            problems
        }
        what => {
            let response = ops::details(&context)?;
            let rows = response.meant(what)?;
            if reaches {
                return reach(session, &response, rows);
            }
            session.print(|out, view| {
                rows.iter().try_for_each(|row| {
                    if session.is_json() {
                        write_machine_json(out, row, &response.inventory)
                    } else {
                        write_machine(out, row, &response.inventory, view)
                    }
                })
            })?;
            kept(response)
        }
    };
    if !session.is_json() {
        write_problems(&mut std::io::stderr().lock(), &problems, &session.err)?;
    }
    Ok(Exit::Done)
}

/// What could not be read. The rest stays where it is, as in `plan`: the program ends.
fn kept(mut response: GetResponse) -> Vec<Problem> {
    let problems = std::mem::take(&mut response.inventory.problems);
    std::mem::forget(response);
    problems
}

/// How the guests are reached.
fn reach<'a>(
    session: &Session,
    response: &GetResponse,
    rows: impl IntoIterator<Item = &'a MachineRow>,
) -> Result<Exit, Failure> {
    let guests = ops::reach(response, rows);
    session.print(|out, _| match session.settings.output {
        Output::Ansible => write_ansible(out, &guests),
        _ => write_ssh_config(out, &guests),
    })?;
    if guests.is_empty() {
        session.status("no adapter forwards a port of the host to port 22 of a guest");
    }
    Ok(Exit::Done)
}
