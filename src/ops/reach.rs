//! How guests are reached from this host: their port-forwards to port 22.

use std::collections::BTreeMap;

use super::get::GetResponse;
use crate::inventory::{Machine, Ownership};
use crate::model::{HostPort, PortForward, Protocol};

/// The port that SSH servers listen on.
const SSH: u16 = 22;

/// A guest that can be reached over SSH, when it runs and has a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The machine's name.
    pub name: String,
    /// Address of the host.
    pub host: String,
    /// Port of the host.
    pub port: u16,
    /// The stack that owns the machine.
    pub stack: Option<String>,
    /// `metadata.labels`, as they were applied last.
    pub labels: BTreeMap<String, String>,
}

/// The machines among the rows that forward a port of the host to port 22 of the guest, by name; the first such adapter counts.
pub fn reach<'a>(
    response: &GetResponse,
    rows: impl IntoIterator<Item = &'a super::MachineRow>,
) -> Vec<Reach> {
    let inventory = &response.inventory;
    let mut found = Vec::new();
    for row in rows {
        let Some(machine) = inventory.machines.get(&row.uuid) else { continue };
        let (Some(name), Some((host, port))) = (machine.name.clone(), ssh(machine)) else { continue };
        let (stack, labels) = match inventory.owner_of(machine) {
            Ownership::Owned { stack, address } => {
                let entry =
                    inventory.registers.get(&stack).and_then(|register| register.entries.get(&address));
                (Some(stack.to_string()), entry.map(|entry| entry.labels.clone()).unwrap_or_default())
            }
            _ => (None, BTreeMap::new()),
        };
        found.push(Reach { name, host, port, stack, labels });
    }
    found
}

fn ssh(machine: &Machine) -> Option<(String, u16)> {
    let nics = machine.settings.nics.iter().flat_map(BTreeMap::values);
    let nat = nics.filter_map(|nic| nic.nat.as_ref());
    let mut rules = nat.filter_map(|nat| nat.port_forwards.as_ref()).flat_map(BTreeMap::values);
    rules.find_map(|rule| match rule.host_port {
        HostPort::Fixed(port) if rule.protocol == Protocol::Tcp && rule.guest_port == SSH => {
            let host = rule.host_ip.as_deref().filter(|ip| !matches!(*ip, "0.0.0.0" | "::"));
            Some((host.unwrap_or(PortForward::LOOPBACK).to_owned(), port))
        }
        _ => None,
    })
}
