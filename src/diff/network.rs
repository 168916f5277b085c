//! Networks: whether a declared one is there and whose it is, and both sides as trees.
//!
//! A network has no UUID and holds no mark: the register alone says whose it is, by kind and name.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{DifferenceKind, FieldDifference, equal, kind as kind_of_difference, released, tree};
use crate::inventory::{Entry, Identity, Inventory, Networks, Status};
use crate::model::network::overlap;
use crate::model::{
    Address, Desired, DesiredNetwork, DiskSource, FieldPath, NetworkKind, NetworkSettings, Nic, StackName,
};

/// Who holds what a declaration wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkOwner {
    /// A network that no stack owns.
    Nobody,
    /// Another stack, or another address of this one.
    Stack {
        /// The stack.
        stack: StackName,
        /// The address in it.
        address: Address,
    },
    /// The DHCP server of a NAT network that is not there any more: it would give out addresses of the former one.
    LeftBehind,
}

/// Whether a declared network is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkPresence {
    /// It is not there.
    Absent {
        /// The register says that it was there: somebody removed it.
        lost: bool,
    },
    /// There is nothing to be there: an internal network without a DHCP server is a name.
    Name,
    /// It is there and ours.
    Ours,
    /// It is there, ours, and not finished.
    Unfinished,
    /// Something that is not ours is in the way.
    Conflict(NetworkOwner),
    /// `lifecycle.external`, and it is there.
    External,
    /// `lifecycle.external`, and it is not there.
    ExternalMissing,
    /// It is ours and of another kind.
    OtherKind(NetworkKind),
    /// It could not be read: why.
    Unreadable(String),
}

/// What was found for one declared network.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkDifference {
    /// Whether it is there, and whose it is.
    pub presence: NetworkPresence,
    /// Fields that are not as declared. Empty where it is not there or not ours.
    pub fields: Vec<FieldDifference>,
    /// Fields that were applied once and are no longer declared: their values stay.
    pub released: Vec<FieldPath>,
    /// The live network as a tree; `Null` where there is none.
    pub live: Value,
}

/// The declaration with what only this host knows: the names of host-only interfaces, in networks and on adapters, and the files of disks
/// of their own.
///
/// VirtualBox names them itself. One that the register knows keeps its interface; one that is still to be made gets the name that
/// VirtualBox will give it, and the step that makes it fails where it got another one.
#[must_use]
pub fn resolve(mut desired: Desired, inventory: &Inventory) -> Desired {
    let register = inventory.registers.get(&desired.stack);
    let registered = |address: &Address| match &register?.entries.get(address)?.identity {
        Identity::Network(name) => Some(name.clone()),
        Identity::Uuid(_) | Identity::Path(_) => None,
    };
    let known = inventory.networks.host_only.as_ref();
    let has_networks = inventory.networks.host_only_networks.is_some();
    let is_interface = |address: &Address| {
        let kind = register.and_then(|register| registered_kind(register.entries.get(address)?));
        kind == Some(NetworkKind::HostOnly)
    };
    let mut taken: Vec<String> = desired.networks.keys().filter_map(registered).collect();
    let mut names: BTreeMap<String, (NetworkKind, String)> = BTreeMap::new();
    for (address, network) in &mut desired.networks {
        if network.kind != NetworkKind::HostOnly {
            continue;
        }
        // An interface of ours from before VirtualBox had networks here stays one.
        if has_networks && !is_interface(address) {
            network.kind = NetworkKind::HostOnlyNetwork;
            names.insert(network.name.clone(), (network.kind, network.name.clone()));
            continue;
        }
        let as_named = known.is_some_and(|known| known.contains_key(&network.name));
        let name = match registered(address) {
            Some(name) => name,
            None if as_named || network.lifecycle.external => network.name.clone(),
            None => {
                let name = inventory.networks.next_interface(&taken);
                taken.push(name.clone());
                name
            }
        };
        names.insert(std::mem::replace(&mut network.name, name.clone()), (network.kind, name));
    }
    let files: BTreeMap<Address, std::path::PathBuf> = desired
        .disks
        .iter()
        .map(|(address, disk)| {
            (address.clone(), super::own_disk::whereabouts(address, disk, &desired, inventory))
        })
        .collect();
    let attached = desired.machines.values_mut().flat_map(|machine| machine.disks.iter_mut().flatten());
    for (_, attached) in attached {
        if let DiskSource::Reference { disk, file } = &mut attached.disk
            && let Some(known) = files.get(disk)
        {
            file.clone_from(known);
        }
    }
    let meant = |nic: &Nic| {
        let is_meant = nic.mode == Some(NetworkKind::HostOnly.mode());
        nic.network.as_ref().filter(|_| is_meant).and_then(|name| names.get(name))
    };
    for machine in desired.machines.values_mut() {
        // To look is free; what is changed is copied.
        if !machine.settings.nics.iter().flat_map(BTreeMap::values).any(|nic| meant(nic).is_some()) {
            continue;
        }
        for nic in machine.settings.nics.iter_mut().flat_map(BTreeMap::values_mut) {
            if let Some((kind, name)) = meant(nic) {
                nic.mode = Some(kind.mode());
                nic.network = Some(name.clone());
            }
        }
    }
    desired
}

/// What is declared of a network that its kind can have, without what `lifecycle.ignore` leaves alone.
pub fn declared(network: &DesiredNetwork) -> Value {
    let mut tree = possible(network);
    for path in &network.lifecycle.ignore {
        tree::remove(&mut tree, path);
    }
    tree
}

/// What is declared of a network, as its kind can have it.
fn possible(network: &DesiredNetwork) -> Value {
    match network.kind {
        NetworkKind::Nat | NetworkKind::Internal | NetworkKind::HostOnly => {
            network.settings.tree(network.kind)
        }
        NetworkKind::HostOnlyNetwork => network.settings.of_host_only_network().tree(network.kind),
    }
}

/// The kind of a registered network.
pub fn registered_kind(entry: &Entry) -> Option<NetworkKind> {
    NetworkKind::deserialize(entry.birth.get("kind")?).ok()
}

/// What the register holds of a network's birth.
pub fn birth(kind: NetworkKind) -> Value {
    json!({ "kind": kind })
}

/// Compares a declared network with what is there.
pub fn difference(
    address: &Address,
    network: &DesiredNetwork,
    desired: &Desired,
    inventory: &Inventory,
) -> NetworkDifference {
    let presence = presence(address, network, desired, inventory);
    let there = inventory.networks.find(network.kind, &network.name);
    let live = match (&there, &presence) {
        (Some(settings), _) => settings.tree(network.kind),
        (None, NetworkPresence::Name) => NetworkSettings::default().tree(network.kind),
        (None, _) => Value::Null,
    };
    let known =
        matches!(presence, NetworkPresence::Ours | NetworkPresence::Unfinished | NetworkPresence::Name);
    if !known {
        return NetworkDifference { presence, fields: Vec::new(), released: Vec::new(), live };
    }
    let declared = declared(network);
    let entry = inventory.registers.get(&desired.stack).and_then(|register| register.entries.get(address));
    let applied = entry.map(|entry| &entry.applied).filter(|_| presence != NetworkPresence::Unfinished);
    let fields = tree::compare(&declared, &live, &equal)
        .into_iter()
        .map(|difference| {
            let last = applied.and_then(|applied| tree::get(applied, &difference.path)).cloned();
            let applied_known = applied.is_some_and(|applied| !applied.is_null());
            FieldDifference {
                kind: kind_of_difference(&difference, last.as_ref(), applied_known),
                unknown: None,
                source: Some(network.source_of(&difference.path).to_string()),
                path: difference.path,
                declared: difference.declared,
                live: difference.live,
                last,
            }
        })
        .collect();
    let released = applied.map(|applied| released(applied, &declared)).unwrap_or_default();
    NetworkDifference { presence, fields, released, live }
}

/// What a network that is not there will have: everything that is declared, as differences.
pub fn newborn(network: &DesiredNetwork) -> Vec<FieldDifference> {
    let declared = possible(network);
    let leaves = tree::leaves(&declared);
    leaves
        .into_iter()
        .filter(|(_, value)| !value.as_object().is_some_and(serde_json::Map::is_empty))
        .map(|(path, value)| FieldDifference {
            kind: DifferenceKind::Change,
            declared: Some(value.clone()),
            live: None,
            last: None,
            unknown: None,
            source: Some(network.source_of(&path).to_string()),
            path,
        })
        .collect()
}

fn presence(
    address: &Address,
    network: &DesiredNetwork,
    desired: &Desired,
    inventory: &Inventory,
) -> NetworkPresence {
    let (kind, name) = (network.kind, network.name.as_str());
    let unreadable = &inventory.networks.unreadable;
    if let Some(reason) = unreadable.get(name).or_else(|| unreadable.get(&Networks::dhcp_name(kind, name))) {
        return NetworkPresence::Unreadable(reason.clone());
    }
    let live = inventory.networks.find(kind, name);
    if network.lifecycle.external {
        let is_used = kind == NetworkKind::Internal && inventory.network_users(kind, name).next().is_some();
        return if live.is_some() || is_used {
            NetworkPresence::External
        } else {
            NetworkPresence::ExternalMissing
        };
    }
    let is_name = kind == NetworkKind::Internal && network.settings.dhcp.is_none();
    let entry = inventory.registers.get(&desired.stack).and_then(|register| register.entries.get(address));
    if let Some(entry) = entry {
        if let Some(other) = registered_kind(entry).filter(|other| *other != kind)
            && inventory.networks.find(other, name).is_some()
        {
            return NetworkPresence::OtherKind(other);
        }
        return match (live, entry.status) {
            (Some(live), Status::Pending) if is_begun(network, &live) => NetworkPresence::Unfinished,
            (Some(_), Status::Pending) => NetworkPresence::Conflict(NetworkOwner::Nobody),
            (Some(_), Status::Confirmed) => NetworkPresence::Ours,
            (None, _) if is_name => NetworkPresence::Name,
            (None, status) => {
                NetworkPresence::Absent { lost: status == Status::Confirmed && !entry.applied.is_null() }
            }
        };
    }
    if let Some((stack, address)) = owner(kind, name, inventory) {
        let (stack, address) = (stack.clone(), address.clone());
        return NetworkPresence::Conflict(NetworkOwner::Stack { stack, address });
    }
    match live {
        _ if is_name => NetworkPresence::Name,
        Some(_) => NetworkPresence::Conflict(NetworkOwner::Nobody),
        None if kind == NetworkKind::Nat && inventory.networks.dhcp_of(kind, name).is_some() => {
            NetworkPresence::Conflict(NetworkOwner::LeftBehind)
        }
        None => NetworkPresence::Absent { lost: false },
    }
}

/// Whether what stands under a pending entry is what a run of ours left: its own values, or VirtualBox's where it was cut short
/// between the making and the setting.
fn is_begun(network: &DesiredNetwork, live: &NetworkSettings) -> bool {
    match network.kind {
        NetworkKind::Nat => {
            let cidr = live.cidr.as_deref();
            cidr == Some(HALF_MADE_CIDR) || cidr == network.settings.cidr.as_deref()
        }
        NetworkKind::Internal => {
            let server =
                |settings: &NetworkSettings| settings.dhcp.as_ref().and_then(|dhcp| dhcp.server.clone());
            let live = server(live);
            live.as_deref() == Some(HALF_MADE_SERVER) || live == server(&network.settings)
        }
        // Its address is set after VirtualBox has made and named it.
        NetworkKind::HostOnly => true,
        // The same, under the name that is declared.
        NetworkKind::HostOnlyNetwork => live.address.is_none() || live.address == network.settings.address,
    }
}

/// What VirtualBox gives to a NAT network that it has made and could not set (`vbox-semantics` 5.2).
const HALF_MADE_CIDR: &str = "10.0.2.0/24";
/// The same of a DHCP server.
const HALF_MADE_SERVER: &str = "0.0.0.0/0";

/// The stack and address that own a network.
pub fn owner<'a>(
    kind: NetworkKind,
    name: &str,
    inventory: &'a Inventory,
) -> Option<(&'a StackName, &'a Address)> {
    inventory.registers.iter().find_map(|(stack, register)| {
        let is_it = |entry: &Entry| {
            registered_kind(entry) == Some(kind)
                && matches!(&entry.identity, Identity::Network(known) if known == name)
        };
        register.entries.iter().find(|(_, entry)| is_it(entry)).map(|(address, _)| (stack, address))
    })
}

/// Networks of the host that share addresses with a declared one and are declared by nobody: VirtualBox does not say so.
pub fn overlaps(desired: &Desired, inventory: &Inventory) -> Vec<(Address, String)> {
    let mut found = Vec::new();
    for (address, network) in desired.networks.iter().filter(|(_, network)| !network.lifecycle.external) {
        let Some(own) = network.settings.addresses() else { continue };
        for (kind, name, live) in inventory.networks.named() {
            let is_declared =
                desired.networks.values().any(|other| other.kind == kind && other.name == *name);
            if let Some(cidr) = live.addresses().filter(|cidr| !is_declared && overlap(own, cidr)) {
                found.push((
                    address.clone(),
                    format!("{address} shares addresses with {} {name:?} ({cidr})", kind.noun()),
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::inventory::Register;
    use crate::model::{Dhcp, Lifecycle, Source};

    fn declared(kind: NetworkKind, settings: NetworkSettings) -> Desired {
        let source = Source { file: "lab.yaml".to_owned(), line: 1, column: 1 };
        let network = DesiredNetwork {
            name: "edge".to_owned(),
            source,
            kind,
            settings,
            lifecycle: Lifecycle::default(),
            labels: BTreeMap::new(),
            sources: BTreeMap::new(),
        };
        Desired {
            networks: BTreeMap::from([(Address::Network("edge".to_owned()), network)]),
            paths: vec![PathBuf::from("/lab.yaml")],
            ..Desired::nothing(StackName::new("lab").unwrap())
        }
    }

    fn nat(cidr: &str) -> NetworkSettings {
        NetworkSettings { cidr: Some(cidr.to_owned()), ..NetworkSettings::default() }
    }

    /// A host with a NAT network, and a register that knows it.
    fn host(cidr: &str, status: Option<Status>) -> Inventory {
        let mut inventory = Inventory::default();
        inventory.networks.nat.insert("edge".to_owned(), nat(cidr));
        let mut register = Register::default();
        if let Some(status) = status {
            let identity = Identity::Network("edge".to_owned());
            let entry = Entry { status, birth: birth(NetworkKind::Nat), ..Entry::pending(identity) };
            register.entries.insert(Address::Network("edge".to_owned()), entry);
        }
        inventory.registers.insert(StackName::new("lab").unwrap(), register);
        inventory
    }

    fn found(desired: &Desired, inventory: &Inventory) -> NetworkPresence {
        let (address, network) = desired.networks.first_key_value().unwrap();
        difference(address, network, desired, inventory).presence
    }

    #[test]
    fn what_a_run_left_half_made_is_ours_and_what_somebody_made_meanwhile_is_not() {
        let desired = declared(NetworkKind::Nat, nat("10.10.0.0/24"));
        let pending = Some(Status::Pending);
        assert_eq!(found(&desired, &host("10.0.2.0/24", pending)), NetworkPresence::Unfinished);
        assert_eq!(found(&desired, &host("10.10.0.0/24", pending)), NetworkPresence::Unfinished);
        assert_eq!(
            found(&desired, &host("10.99.0.0/24", pending)),
            NetworkPresence::Conflict(NetworkOwner::Nobody)
        );
        assert_eq!(found(&desired, &host("10.99.0.0/24", Some(Status::Confirmed))), NetworkPresence::Ours);
        assert_eq!(
            found(&desired, &host("10.10.0.0/24", None)),
            NetworkPresence::Conflict(NetworkOwner::Nobody)
        );
    }

    #[test]
    fn an_internal_network_without_a_server_is_a_name() {
        let desired = declared(NetworkKind::Internal, NetworkSettings::default());
        assert_eq!(found(&desired, &Inventory::default()), NetworkPresence::Name);
        let dhcp = Some(Dhcp { server: Some("10.0.0.1/24".to_owned()), ..Dhcp::default() });
        let desired = declared(NetworkKind::Internal, NetworkSettings { dhcp, ..NetworkSettings::default() });
        assert_eq!(found(&desired, &Inventory::default()), NetworkPresence::Absent { lost: false });
    }

    /// A declaration on a host where VirtualBox has host-only networks, one of which is there.
    fn on_macos(live: NetworkSettings, entry: Option<Entry>) -> (Desired, Inventory) {
        let settings =
            NetworkSettings { address: Some("192.168.56.1/24".to_owned()), ..NetworkSettings::default() };
        let mut inventory = Inventory::default();
        inventory.networks.host_only_networks = Some(BTreeMap::from([("edge".to_owned(), live)]));
        let entries = entry.map(|entry| (Address::Network("edge".to_owned()), entry));
        let entries = entries.into_iter().collect::<BTreeMap<_, _>>().into();
        let register = Register { entries, ..Register::default() };
        inventory.registers.insert(StackName::new("lab").unwrap(), register);
        (resolve(declared(NetworkKind::HostOnly, settings), &inventory), inventory)
    }

    fn entry(kind: NetworkKind, name: &str, status: Status) -> Entry {
        Entry { status, birth: birth(kind), ..Entry::pending(Identity::Network(name.to_owned())) }
    }

    #[test]
    fn a_host_only_network_of_macos_that_was_cut_short_is_finished() {
        let pending = || Some(entry(NetworkKind::HostOnlyNetwork, "edge", Status::Pending));
        let half = NetworkSettings { enabled: Some(true), ..NetworkSettings::default() };
        let (desired, inventory) = on_macos(half, pending());
        assert_eq!(found(&desired, &inventory), NetworkPresence::Unfinished);
        let other = NetworkSettings::host_only_network("192.168.99.1/24", [192, 168, 99, 9].into());
        let (desired, inventory) = on_macos(other, pending());
        assert_eq!(found(&desired, &inventory), NetworkPresence::Conflict(NetworkOwner::Nobody));
    }

    #[test]
    fn a_host_only_network_of_macos_that_is_switched_off_is_drift() {
        let live = NetworkSettings::host_only_network("192.168.56.1/24", [192, 168, 56, 9].into());
        let live = NetworkSettings { enabled: Some(false), ..live };
        let confirmed = entry(NetworkKind::HostOnlyNetwork, "edge", Status::Confirmed);
        let (desired, inventory) = on_macos(live, Some(confirmed));
        let (address, network) = desired.networks.iter().next().unwrap();
        let difference = difference(address, network, &desired, &inventory);
        let paths: Vec<String> = difference.fields.iter().map(|field| field.path.to_string()).collect();
        assert_eq!(paths, ["hostOnly.enabled"]);
    }

    #[test]
    fn an_interface_from_before_there_were_networks_stays_one() {
        let confirmed = entry(NetworkKind::HostOnly, "vboxnet0", Status::Confirmed);
        let (desired, _) = on_macos(NetworkSettings::default(), Some(confirmed));
        let network = desired.networks.values().next().unwrap();
        assert_eq!((network.kind, network.name.as_str()), (NetworkKind::HostOnly, "vboxnet0"));
    }

    #[test]
    fn host_only_networks_get_the_names_that_virtualbox_will_give() {
        let desired = declared(NetworkKind::HostOnly, NetworkSettings::default());
        let mut inventory = Inventory::default();
        inventory.networks.host_only =
            Some(BTreeMap::from([("vboxnet0".to_owned(), NetworkSettings::default())]));
        let resolved = resolve(desired.clone(), &inventory);
        assert_eq!(resolved.networks.values().next().unwrap().name, "vboxnet1");
        let mut register = Register::default();
        let identity = Identity::Network("vboxnet7".to_owned());
        register.entries.insert(Address::Network("edge".to_owned()), Entry::pending(identity));
        inventory.registers.insert(StackName::new("lab").unwrap(), register);
        assert_eq!(resolve(desired, &inventory).networks.values().next().unwrap().name, "vboxnet7");
    }
}
