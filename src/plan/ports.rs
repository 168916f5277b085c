//! Host ports of NAT rules: which are taken, and which one `auto` becomes.

use std::collections::BTreeSet;

use crate::inventory::Inventory;
use crate::model::{Desired, HostPort, PortForward, Settings};

/// Below Linux's ephemeral range (32768 and up), above the ports that people choose by hand most often.
const FIRST_AUTO: u16 = 20_000;

/// Ports that rules of the host or of the manifests use, whatever their address and protocol.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    taken: BTreeSet<u16>,
}

impl Ports {
    /// All ports that any machine's rules name.
    pub fn of(desired: &Desired, inventory: &Inventory) -> Self {
        let mut taken = BTreeSet::new();
        let live = inventory.machines.values().map(|machine| &machine.settings);
        for settings in live.chain(desired.machines.values().map(|machine| &machine.settings)) {
            taken.extend(rules(settings).filter_map(|rule| match rule.host_port {
                HostPort::Fixed(port) => Some(port),
                HostPort::Auto => None,
            }));
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
