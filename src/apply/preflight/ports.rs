//! Host ports of NAT rules. VirtualBox starts a machine whose port somebody else has, and says so only in the machine's log.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Lack;
use super::after::After;
use crate::diff::machine as shape;
use crate::host::{Endpoint, Unavailable};
use crate::inventory::Inventory;
use crate::model::state::StateClass;
use crate::model::{Address, FieldPath, HostPort, PortForward};

/// A rule that a machine has after the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The machine.
    pub address: Address,
    /// `nics.1.nat.portForwards.ssh`
    pub path: FieldPath,
    /// Where it listens while the machine runs.
    pub endpoint: Endpoint,
    /// Whether the plan makes it listen.
    pub opens: bool,
}

/// The rules that the plan adds or makes listen, as they will be. Those that a running machine of the host has now are VirtualBox's own.
pub fn rules(machines: &[After<'_>], inventory: &Inventory) -> Vec<Rule> {
    let running = inventory.machines.values().filter(|machine| {
        let class = machine.state.as_ref().map(crate::model::PowerState::class);
        matches!(class, Some(StateClass::Running | StateClass::Paused))
    });
    let held: BTreeSet<u16> = running
        .flat_map(|machine| of_tree(&shape::set(machine)).into_values().filter_map(|rule| port(&rule)))
        .collect();
    let mut found = Vec::new();
    for after in machines {
        let opens = after.starts || after.live;
        for (path, rule) in of_tree(&after.settings) {
            let Some(endpoint) = endpoint(&rule) else { continue };
            if !held.contains(&endpoint.port) && (opens || after.changed.contains(&path)) {
                found.push(Rule { address: after.address.clone(), path, endpoint, opens });
            }
        }
    }
    found
}

/// All rules of adapters that are on NAT.
fn of_tree(machine: &Value) -> BTreeMap<FieldPath, PortForward> {
    let nics = machine.get("nics").and_then(Value::as_object).into_iter().flatten();
    let rules =
        nics.filter(|(_, nic)| nic.get("mode").is_none_or(|mode| mode == "nat")).flat_map(|(slot, nic)| {
            let rules = nic.pointer("/nat/portForwards").and_then(Value::as_object).into_iter().flatten();
            rules.filter_map(move |(key, rule)| {
                let path = FieldPath::of(["nics", slot, "nat", "portForwards", key]);
                Some((path, serde_json::from_value(rule.clone()).ok()?))
            })
        });
    rules.collect()
}

fn port(rule: &PortForward) -> Option<u16> {
    endpoint(rule).map(|endpoint| endpoint.port)
}

fn endpoint(rule: &PortForward) -> Option<Endpoint> {
    let HostPort::Fixed(port) = rule.host_port else { return None };
    let address = match &rule.host_ip {
        None => None,
        Some(text) => Some(text.parse().ok()?),
    };
    Some(Endpoint { protocol: rule.protocol, address, port })
}

/// Which of the ports somebody else has.
pub fn judge(rules: &[Rule], unavailable: &BTreeMap<Endpoint, Unavailable>) -> Vec<Lack> {
    let lack = |rule: &Rule| {
        let endpoint = &rule.endpoint;
        let (what, hint) = match unavailable.get(endpoint)? {
            Unavailable::Taken(who) => (
                format!("is taken by {}", who.as_deref().unwrap_or("another process")),
                "end that program, or declare another host port",
            ),
            Unavailable::Forbidden => {
                ("may not be listened on by this user".to_owned(), "declare a host port of 1024 or above")
            }
            Unavailable::NoAddress => (
                "is on an address that this host does not have".to_owned(),
                "declare one of the host's own addresses, or none",
            ),
        };
        Some(Lack {
            address: Some(rule.address.clone()),
            text: format!("{}: host port {endpoint} ({}) {what}", rule.address, rule.path),
            hint: hint.to_owned(),
            stops: rule.opens,
        })
    };
    rules.iter().filter_map(lack).collect()
}
