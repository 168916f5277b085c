//! Host ports and MAC addresses: which are taken, which port `auto` becomes, and who else on the host has them.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::diff::{ChangeSet, Finding, Presence};
use crate::inventory::Inventory;
use crate::model::{Desired, HostPort, PortForward, Settings};

/// Below Linux's ephemeral range (32768 and up), above the ports that people choose by hand most often.
pub const FIRST_AUTO: u16 = 20_000;

/// Ports that rules of the host or of the manifests use, whatever their address and protocol.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    taken: BTreeSet<u16>,
}

impl Ports {
    /// All ports that any rules of machines and NAT networks name.
    pub fn of(desired: &Desired, inventory: &Inventory) -> Self {
        let mut taken = BTreeSet::new();
        let live = inventory.machines.values().map(|machine| &*machine.settings);
        for settings in live.chain(desired.machines.values().map(|machine| &*machine.settings)) {
            taken.extend(rules(settings).filter_map(fixed));
        }
        let declared = desired.networks.values().map(|network| &network.settings);
        for settings in inventory.networks.nat.values().chain(declared) {
            let rules = [&settings.port_forwards, &settings.port_forwards6];
            taken.extend(rules.into_iter().flatten().flat_map(BTreeMap::values).filter_map(fixed));
        }
        Self { taken }
    }

    /// The rule with its port: `auto` becomes the first free one.
    pub fn resolve(&mut self, mut rule: PortForward) -> PortForward {
        if rule.host_port == HostPort::Auto {
            let free = (FIRST_AUTO..=u16::MAX).find(|port| !self.taken.contains(port));
            if let Some(port) = free {
                self.taken.insert(port);
                rule.host_port = HostPort::Fixed(port);
            }
        }
        rule
    }
}

fn fixed(rule: &PortForward) -> Option<u16> {
    match rule.host_port {
        HostPort::Fixed(port) => Some(port),
        HostPort::Auto => None,
    }
}

/// All rules of a machine's adapters.
pub fn rules(settings: &Settings) -> impl Iterator<Item = &PortForward> {
    settings
        .nics
        .iter()
        .flat_map(|nics| nics.values())
        .filter_map(|nic| nic.nat.as_ref())
        .filter_map(|nat| nat.port_forwards.as_ref())
        .flat_map(|rules| rules.values())
}

/// MAC addresses of a machine's adapters, in upper case.
pub fn macs(settings: &Settings) -> impl Iterator<Item = String> {
    let nics = settings.nics.iter().flat_map(|nics| nics.values());
    nics.filter_map(|nic| nic.mac.as_ref()).map(|mac| mac.to_ascii_uppercase())
}

/// Host ports and MAC addresses of declared machines that other machines of the host have too.
///
/// VirtualBox lets them: of two machines with one port the second one starts without its rule, and nothing says so; two
/// machines with one address disturb each other on one network (semantics, rule 12). Neither matters while only one
/// of them runs, so that it is a note and blocks nothing.
pub fn clashes(changes: &ChangeSet, desired: &Desired, inventory: &Inventory) -> Vec<Finding> {
    let ours: BTreeSet<Uuid> = changes
        .machines
        .values()
        .filter_map(|difference| match &difference.presence {
            Presence::Ours { uuid }
            | Presence::Unfinished { uuid }
            | Presence::Renamed { uuid, .. }
            | Presence::Conflict { uuid: Some(uuid), .. }
            | Presence::Unreadable { uuid, .. }
            | Presence::External { uuid } => Some(*uuid),
            Presence::Absent { .. } | Presence::ExternalMissing | Presence::Conflict { uuid: None, .. } => {
                None
            }
        })
        .collect();
    let others: Vec<_> =
        inventory.machines.values().filter(|machine| !ours.contains(&machine.uuid)).collect();
    let mut found = Vec::new();
    let looked_at = desired.machines.iter().filter(|(address, _)| changes.machines.contains_key(*address));
    for (address, machine) in looked_at.filter(|(_, machine)| !machine.lifecycle.external) {
        for other in &others {
            let name = format!("machine {:?} {{{}}}", other.name.as_deref().unwrap_or("?"), other.uuid);
            let mut say = |text: String| found.push(Finding { address: Some(address.clone()), text });
            for rule in rules(&machine.settings) {
                if rules(&other.settings).any(|theirs| rule.collides(theirs)) {
                    say(format!(
                        "{address}: host port {} is forwarded by {name} too: whichever starts second has no such forward",
                        rule.host_port
                    ));
                }
            }
            for mac in macs(&machine.settings) {
                if macs(&other.settings).any(|theirs| theirs == mac) {
                    say(format!(
                        "{address}: {name} has the MAC address {mac} too: they must not share a network"
                    ));
                }
            }
        }
    }
    found
}
