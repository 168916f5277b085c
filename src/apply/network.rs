//! Changes of networks, right before and right after: what was there, and what is missing of their effect.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::diff::{equal, tree};
use crate::inventory::{Inventory, Networks};
use crate::model::{Dhcp, FieldPath, NetworkKind, NetworkSettings};
use crate::plan::{Assignment, NetworkChange};

/// What a change is about to change.
pub fn values(change: &NetworkChange, now: &Inventory) -> BTreeMap<String, Value> {
    let networks = &now.networks;
    let (key, value) = match change {
        NetworkChange::AddNat { .. }
        | NetworkChange::AddDhcp { .. }
        | NetworkChange::AddInterface { .. }
        | NetworkChange::AddHostOnlyNetwork { .. } => return BTreeMap::new(),
        NetworkChange::ModifyNat { name, set } => {
            let live = networks.find(NetworkKind::Nat, name).map(|live| live.tree(NetworkKind::Nat));
            let value = |assignment: &Assignment| {
                live.as_ref().and_then(|live| tree::get(live, &assignment.path)).cloned().unwrap_or_default()
            };
            return set.iter().map(|assignment| (assignment.path.to_string(), value(assignment))).collect();
        }
        NetworkChange::RemoveNat { name } => ("network", json!(networks.nat.get(name))),
        NetworkChange::ChangeDhcp { network, .. } | NetworkChange::RemoveDhcp { network } => {
            ("dhcp", json!(networks.dhcp.get(network)))
        }
        NetworkChange::SetInterface { name, .. } | NetworkChange::RemoveInterface { name } => {
            ("interface", json!(networks.host_only.as_ref().and_then(|known| known.get(name))))
        }
        NetworkChange::SetHostOnlyNetwork { name, .. } | NetworkChange::RemoveHostOnlyNetwork { name } => {
            ("network", json!(networks.find(NetworkKind::HostOnlyNetwork, name)))
        }
    };
    BTreeMap::from([(key.to_owned(), value)])
}

/// What is missing of a change's effect; `None` where all of it is there.
pub fn missing(change: &NetworkChange, now: &Inventory) -> Option<String> {
    let networks = &now.networks;
    let tree = |kind: NetworkKind, name: &str| networks.find(kind, name).map(|live| live.tree(kind));
    let (nat, host_only) =
        (|name| tree(NetworkKind::Nat, name), |name| tree(NetworkKind::HostOnlyNetwork, name));
    match change {
        NetworkChange::AddNat { name, settings } => match nat(name) {
            None => Some(format!("there is no NAT network {name:?}")),
            Some(live) => first(&settings.tree(NetworkKind::Nat), &live),
        },
        NetworkChange::ModifyNat { name, set } => match nat(name) {
            None => Some(format!("there is no NAT network {name:?}")),
            Some(live) => assigned(set, &live),
        },
        NetworkChange::RemoveNat { name } => {
            networks.nat.contains_key(name).then(|| format!("NAT network {name:?} is still there"))
        }
        NetworkChange::AddDhcp { network, dhcp } => server(network, dhcp, &[], networks),
        NetworkChange::ChangeDhcp { network, dhcp, forget } => server(network, dhcp, forget, networks),
        NetworkChange::RemoveDhcp { network } => networks
            .dhcp
            .contains_key(network)
            .then(|| format!("the DHCP server of {network:?} is still there")),
        NetworkChange::AddInterface { name } => {
            (!interface(name, networks)).then(|| format!("there is no host-only interface {name:?}"))
        }
        NetworkChange::SetInterface { name, address } => {
            let there = networks.host_only.as_ref().and_then(|known| known.get(name)?.address.clone());
            (there.as_ref() != Some(address))
                .then(|| format!("its address is {} and not {address}", there.as_deref().unwrap_or("none")))
        }
        NetworkChange::RemoveInterface { name } => {
            interface(name, networks).then(|| format!("host-only interface {name:?} is still there"))
        }
        NetworkChange::AddHostOnlyNetwork { name, address, last }
        | NetworkChange::SetHostOnlyNetwork { name, address, last } => match host_only(name) {
            None => Some(format!("there is no host-only network {name:?}")),
            Some(live) => {
                let wanted = NetworkSettings::host_only_network(address, *last);
                first(&wanted.tree(NetworkKind::HostOnlyNetwork), &live)
            }
        },
        NetworkChange::RemoveHostOnlyNetwork { name } => {
            host_only(name).map(|_| format!("host-only network {name:?} is still there"))
        }
    }
}

fn interface(name: &str, networks: &Networks) -> bool {
    networks.host_only.as_ref().is_some_and(|known| known.contains_key(name))
}

fn server(network: &str, dhcp: &Dhcp, forget: &[String], networks: &Networks) -> Option<String> {
    let Some(there) = networks.dhcp.get(network) else {
        return Some(format!("there is no DHCP server of {network:?}"));
    };
    let stays = there.options.iter().flatten().find(|(name, _)| forget.contains(*name));
    if let Some((name, _)) = stays {
        return Some(format!("its option {name} is still there"));
    }
    let (wanted, there) = (serde_json::to_value(dhcp), serde_json::to_value(there));
    first(&wanted.unwrap_or_default(), &there.unwrap_or_default())
}

fn first(wanted: &Value, there: &Value) -> Option<String> {
    let difference =
        tree::compare(wanted, there, &equal).into_iter().find(|found| found.declared.is_some())?;
    Some(told(&difference.path, difference.live.as_ref(), difference.declared.as_ref()))
}

/// Only the last word on a path counts: a rule that changes goes and comes.
fn assigned(set: &[Assignment], live: &Value) -> Option<String> {
    set.iter().enumerate().find_map(|(index, assignment)| {
        if set[index + 1..].iter().any(|later| later.path == assignment.path) {
            return None;
        }
        let there = tree::get(live, &assignment.path);
        let same = match (&assignment.value, there) {
            (None, None) => true,
            (Some(wanted), Some(there)) => equal(&assignment.path, wanted, there),
            _ => false,
        };
        (!same).then(|| told(&assignment.path, there, assignment.value.as_ref()))
    })
}

fn told(path: &FieldPath, there: Option<&Value>, wanted: Option<&Value>) -> String {
    let show = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), ToString::to_string);
    format!("{path} is {} and not {}", show(there), show(wanted))
}
