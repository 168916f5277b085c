//! The networks of a host as rows of a list.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::diff::network::owner;
use crate::inventory::{Inventory, Networks};
use crate::model::{Address, Dhcp, NetworkKind};

/// One network in a list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkRow {
    /// Its name.
    pub name: String,
    /// What kind of network it is.
    pub kind: NetworkKind,
    /// Its addresses; of a host-only network the host's own with the prefix.
    pub addresses: Option<String>,
    /// Its DHCP server.
    pub dhcp: Option<Dhcp>,
    /// The machines with an adapter on it.
    pub machines: Vec<String>,
    /// The stack that owns it.
    pub stack: Option<String>,
    /// Its address there.
    pub address: Option<Address>,
}

/// NAT networks, internal networks that an adapter or a DHCP server names, host-only interfaces and networks.
pub(super) fn rows(inventory: &Inventory) -> Vec<NetworkRow> {
    let known = &inventory.networks;
    let mut names: BTreeSet<(NetworkKind, String)> = BTreeSet::new();
    names.extend(known.named().map(|(kind, name, _)| (kind, name.clone())));
    for nic in inventory
        .machines
        .values()
        .flat_map(|machine| machine.settings.nics.iter().flat_map(BTreeMap::values))
    {
        let kind = NetworkKind::ALL.into_iter().find(|kind| nic.mode.as_ref() == Some(&kind.mode()));
        names.extend(kind.zip(nic.network.clone()));
    }
    let of_others = |name: &String| {
        let is_of = |kind| name.starts_with(&Networks::dhcp_name(kind, ""));
        known.nat.contains_key(name)
            || is_of(NetworkKind::HostOnly)
            || (known.host_only_networks.is_some() && is_of(NetworkKind::HostOnlyNetwork))
    };
    let internal = known.dhcp.keys().filter(|name| !of_others(name));
    names.extend(internal.map(|name| (NetworkKind::Internal, name.clone())));
    let row = |(kind, name): (NetworkKind, String)| {
        let settings = known.find(kind, &name).unwrap_or_default();
        let owner = owner(kind, &name, inventory);
        NetworkRow {
            addresses: settings.addresses().cloned(),
            dhcp: settings.dhcp,
            machines: inventory
                .network_users(kind, &name)
                .map(|machine| machine.name.clone().unwrap_or_else(|| machine.uuid.to_string()))
                .collect(),
            stack: owner.map(|(stack, _)| stack.to_string()),
            address: owner.map(|(_, address)| address.clone()),
            name,
            kind,
        }
    };
    names.into_iter().map(row).collect()
}
