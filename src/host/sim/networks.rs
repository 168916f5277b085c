//! NAT networks, DHCP servers and host-only interfaces of the simulated host.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::Value;

use super::refusal::{self, No, no, unsupported};
use super::world::World;
use crate::inventory::Networks;
use crate::model::field;
use crate::model::network::{is_in, network_of, prefixed};
use crate::model::{Dhcp, Ipv6, NetworkKind, NetworkSettings, PortForward};
use crate::plan::{Assignment, NetworkChange};

/// The server that VirtualBox keeps for its first host-only interface, also where there is none.
pub fn at_birth() -> BTreeMap<String, Dhcp> {
    let dhcp = Dhcp {
        enabled: Some(true),
        server: Some("192.168.56.100/24".to_owned()),
        range: Some("192.168.56.101-192.168.56.254".to_owned()),
        options: Some(BTreeMap::new()),
    };
    BTreeMap::from([(Networks::dhcp_name(NetworkKind::HostOnly, "vboxnet0"), dhcp)])
}

/// What a new NAT network has before anything is set.
fn unset() -> NetworkSettings {
    NetworkSettings {
        cidr: Some("10.0.2.0/24".to_owned()),
        address: None,
        enabled: Some(true),
        dhcp: Some(Dhcp { enabled: Some(true), ..Dhcp::default() }),
        ipv6: Some(Ipv6 {
            enabled: Some(false),
            prefix: Some("fd17:625c:f037:2::/64".to_owned()),
            default_route: Some(false),
        }),
        port_forwards: Some(BTreeMap::new()),
        port_forwards6: Some(BTreeMap::new()),
        loopback: Some(BTreeMap::from([(PortForward::LOOPBACK.to_owned(), 2)])),
    }
}

impl World {
    /// The networks as an inventory shows them.
    pub fn networks(&self) -> Networks {
        Networks {
            nat: self.nat.clone(),
            dhcp: self.dhcp.clone(),
            host_only_networks: self.host_only_networks.clone(),
            ..Networks::default()
        }
    }

    /// `natnetwork`, `dhcpserver`, `hostonlyif`, `hostonlynet`.
    pub fn change_network(&mut self, change: &NetworkChange) -> Result<(), No> {
        match change {
            NetworkChange::AddNat { name, settings } => self.add_nat(name, settings),
            NetworkChange::ModifyNat { name, set } => {
                if !self.nat.contains_key(name) {
                    return Err(no(&refusal::NAT_MISSING, &[]));
                }
                set.iter().try_for_each(|assignment| self.set_nat(name, assignment))
            }
            NetworkChange::RemoveNat { name } => {
                if !self.nat.contains_key(name) {
                    return Err(no(&refusal::NAT_MISSING, &[]));
                }
                if self.runs_on(name) {
                    return Err(no(&refusal::NAT_REMOVE_RUNNING, &[]));
                }
                self.nat.remove(name);
                Ok(())
            }
            NetworkChange::AddDhcp { network, dhcp } => {
                if self.dhcp.contains_key(network) {
                    return Err(no(&refusal::DHCP_EXISTS, &[]));
                }
                // It is there before it is set: a refusal leaves it behind.
                self.dhcp.insert(network.clone(), half_made(dhcp.enabled));
                self.set_dhcp(network, dhcp, &[])
            }
            NetworkChange::ChangeDhcp { network, dhcp, forget } => {
                if !self.dhcp.contains_key(network) {
                    return Err(no(&refusal::DHCP_MISSING, &[]));
                }
                self.set_dhcp(network, dhcp, forget)
            }
            NetworkChange::RemoveDhcp { network } => match self.dhcp.remove(network) {
                Some(_) => Ok(()),
                None => Err(no(&refusal::DHCP_REMOVE_MISSING, &[network])),
            },
            NetworkChange::AddInterface { name } => {
                let known = Networks { host_only: Some(self.host_only.clone()), ..Networks::default() };
                let made = known.next_interface(&[]);
                if made != *name {
                    return Err(unsupported(format!("{made} is the next interface, and making {name}")));
                }
                self.host_only.insert(made, NetworkSettings::default());
                Ok(())
            }
            NetworkChange::SetInterface { name, address } => {
                let interface = self.host_only.get_mut(name);
                let interface = interface.ok_or_else(|| no(&refusal::INTERFACE_MISSING, &[name]))?;
                interface.address = Some(address.clone());
                Ok(())
            }
            NetworkChange::RemoveInterface { name } => match self.host_only.remove(name) {
                Some(_) => Ok(()),
                None => Err(no(&refusal::INTERFACE_MISSING, &[name])),
            },
            NetworkChange::AddHostOnlyNetwork { name, .. }
            | NetworkChange::SetHostOnlyNetwork { name, .. }
            | NetworkChange::RemoveHostOnlyNetwork { name } => self.change_host_only_network(name, change),
        }
    }

    /// `hostonlynet`. What VirtualBox says of a wrong one is not measured: the laboratory's has none.
    fn change_host_only_network(&mut self, name: &str, change: &NetworkChange) -> Result<(), No> {
        let Some(known) = &mut self.host_only_networks else {
            return Err(unsupported("host-only networks, which VirtualBox has on macOS only,".to_owned()));
        };
        let is_new = matches!(change, NetworkChange::AddHostOnlyNetwork { .. });
        if is_new == known.contains_key(name) {
            let what = if is_new { "a second host-only network" } else { "changing a missing network" };
            return Err(unsupported(format!("{what} {name}")));
        }
        match change {
            NetworkChange::AddHostOnlyNetwork { address, last, .. }
            | NetworkChange::SetHostOnlyNetwork { address, last, .. } => {
                known.insert(name.to_owned(), NetworkSettings::host_only_network(address, *last));
            }
            _ => drop(known.remove(name)),
        }
        Ok(())
    }

    /// Whether a machine that runs is attached to a NAT network.
    fn runs_on(&self, name: &str) -> bool {
        self.machines
            .values()
            .any(|machine| machine.is_live() && machine.nat_networks().any(|network| network == name))
    }

    /// `natnetwork add`: it is there before it is set, and a refusal leaves it behind.
    fn add_nat(&mut self, name: &str, settings: &NetworkSettings) -> Result<(), No> {
        if self.nat.contains_key(name) {
            return Err(no(&refusal::NAT_EXISTS, &[]));
        }
        self.nat.insert(name.to_owned(), unset());
        let tree = settings.tree(NetworkKind::Nat);
        let mut leaves = field::leaves(&tree);
        leaves.retain(|(_, value)| !value.is_object());
        // The network first, because the rules' addresses must be in it; 127.0.0.1 leaves its number to others.
        leaves.sort_by_key(|(path, _)| match path.parts().as_slice() {
            ["nat", "cidr"] => 0,
            ["nat", "loopback", PortForward::LOOPBACK] => 1,
            _ => 2,
        });
        leaves
            .into_iter()
            .try_for_each(|(path, value)| self.set_nat(name, &Assignment::set(path, value.clone())))
    }

    fn set_nat(&mut self, name: &str, assignment: &Assignment) -> Result<(), No> {
        let running = self.runs_on(name);
        let Some(network) = self.nat.get_mut(name) else { return Err(no(&refusal::NAT_MISSING, &[])) };
        let keys = assignment.path.parts();
        let (text, flag) = (
            || assignment.value.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned(),
            || assignment.value.as_ref().and_then(Value::as_bool),
        );
        if running && matches!(keys.as_slice(), ["nat", "cidr" | "ipv6", ..]) {
            return Err(no(&refusal::NAT_RUNNING, &[]));
        }
        match keys.as_slice() {
            ["nat", "cidr"] => {
                let text = text();
                let Some((ip, prefix)) = prefixed(&text) else {
                    return Err(no(&refusal::NAT_CIDR, &[&text]));
                };
                if network_of(ip, prefix).0 != u32::from(ip) {
                    return Err(no(&refusal::NAT_CIDR_LONG, &[&text]));
                }
                move_rules(network, (ip, prefix));
                network.cidr = Some(text);
            }
            ["nat", "enabled"] => network.enabled = flag(),
            ["nat", "dhcp", "enabled"] => network.dhcp = Some(Dhcp { enabled: flag(), ..Dhcp::default() }),
            ["nat", "ipv6", key] => {
                let ipv6 = network.ipv6.get_or_insert_default();
                match *key {
                    "enabled" => ipv6.enabled = flag(),
                    "prefix" => ipv6.prefix = Some(text()),
                    _ => ipv6.default_route = flag(),
                }
            }
            ["nat", "portForwards", rule] => {
                set_rule(network.port_forwards.get_or_insert_default(), rule, assignment)?;
            }
            ["nat", "portForwards6", rule] => {
                set_rule(network.port_forwards6.get_or_insert_default(), rule, assignment)?;
            }
            ["nat", "loopback", address] => {
                let mappings = network.loopback.get_or_insert_default();
                let number = assignment.value.as_ref().and_then(Value::as_u64).unwrap_or_default();
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                let taken = mappings.iter().any(|(other, known)| *known == number && other != address);
                if taken || number == 0 || number > 254 || !address.starts_with("127.") {
                    return Err(no(&refusal::LOOPBACK, &[]));
                }
                mappings.insert((*address).to_owned(), number);
            }
            _ => return Err(unsupported(format!("{} of a NAT network", assignment.path))),
        }
        Ok(())
    }

    fn set_dhcp(&mut self, network: &str, dhcp: &Dhcp, forget: &[String]) -> Result<(), No> {
        let Some(server) = self.dhcp.get_mut(network) else { return Err(no(&refusal::DHCP_MISSING, &[])) };
        if let (Some((ip, prefix)), Some((from, to))) =
            (dhcp.server.as_deref().and_then(prefixed), dhcp.range_ends())
        {
            if let Some(wrong) = [from, to].into_iter().find(|end| !is_in(*end, (ip, prefix))) {
                let which = if wrong == from { "lower" } else { "upper" };
                let mask = crate::model::network::netmask(prefix);
                return Err(no(&refusal::DHCP_RANGE, &[&which, &wrong, &mask]));
            }
            server.server.clone_from(&dhcp.server);
            server.range.clone_from(&dhcp.range);
        }
        if dhcp.enabled.is_some() {
            server.enabled = dhcp.enabled;
        }
        let options = server.options.get_or_insert_default();
        for name in forget {
            if options.remove(name).is_none() {
                let number = Dhcp::option_number(name).unwrap_or_default();
                return Err(no(&refusal::DHCP_OPTION_MISSING, &[&number]));
            }
        }
        for (name, value) in dhcp.options.iter().flatten() {
            let is_address = matches!(name.as_str(), "dns" | "router" | "ntp" | "timeServer");
            if is_address && value.split_whitespace().any(|ip| ip.parse::<Ipv4Addr>().is_err()) {
                let number = Dhcp::option_number(name).unwrap_or_default();
                return Err(no(&refusal::DHCP_OPTION, &[&number, value]));
            }
            options.insert(name.clone(), value.clone());
        }
        Ok(())
    }

    /// What starts with the first machine on a NAT network: its DHCP server is made, or kept as it is, and gets a router and name
    /// servers.
    pub fn start_nat_service(&mut self, name: &str) {
        let Some(network) = self.nat.get(name) else { return };
        if network.dhcp.as_ref().and_then(|dhcp| dhcp.enabled) != Some(true) {
            return;
        }
        let Some((ip, prefix)) = network.cidr.as_deref().and_then(prefixed) else { return };
        let (first, last) = network_of(ip, prefix);
        let at = |number: u32| Ipv4Addr::from(first.saturating_add(number));
        let server = self.dhcp.entry(name.to_owned()).or_insert_with(|| Dhcp {
            enabled: Some(true),
            server: Some(format!("{}/{prefix}", at(2))),
            range: Some(format!("{}-{}", at(3), Ipv4Addr::from(last.saturating_sub(1)))),
            options: Some(BTreeMap::new()),
        });
        let options = server.options.get_or_insert_default();
        options.insert("router".to_owned(), at(1).to_string());
        options.insert("dns".to_owned(), at(1).to_string());
    }
}

fn half_made(enabled: Option<bool>) -> Dhcp {
    Dhcp {
        enabled: Some(enabled.unwrap_or(true)),
        server: Some("0.0.0.0/0".to_owned()),
        range: Some("0.0.0.0-0.0.0.0".to_owned()),
        options: Some(BTreeMap::new()),
    }
}

/// A network that gets other addresses takes the guests of its rules along.
fn move_rules(network: &mut NetworkSettings, (ip, prefix): (Ipv4Addr, u32)) {
    let Some((_, before)) = network.cidr.as_deref().and_then(prefixed) else { return };
    for rule in network.port_forwards.iter_mut().flat_map(BTreeMap::values_mut) {
        let Some(guest) = rule.guest_ip.as_deref().and_then(|ip| ip.parse::<Ipv4Addr>().ok()) else {
            continue;
        };
        let host = u32::from(guest) - network_of(guest, before).0;
        let (first, last) = network_of(ip, prefix);
        rule.guest_ip = Some(Ipv4Addr::from(first | (host & (last - first))).to_string());
    }
}

fn set_rule(
    rules: &mut BTreeMap<String, PortForward>,
    name: &str,
    assignment: &Assignment,
) -> Result<(), No> {
    let Some(value) = &assignment.value else {
        return match rules.remove(name) {
            Some(_) => Ok(()),
            None => Err(no(&refusal::NAT_RULE_UNKNOWN, &[])),
        };
    };
    let rule: PortForward = value
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| unsupported(format!("{} = {value}", assignment.path)))?;
    if rules.contains_key(name) {
        return Err(no(&refusal::NAT_RULE_NAME, &[]));
    }
    let same = |other: &PortForward| {
        other.host_port == rule.host_port && other.host_ip == rule.host_ip && other.protocol == rule.protocol
    };
    if rules.values().any(same) {
        return Err(no(&refusal::NAT_RULE_PORT, &[]));
    }
    rules.insert(name.to_owned(), rule);
    Ok(())
}
