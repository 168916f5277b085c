//! `Network` documents of the networks that machines are attached to.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::draft::API_VERSION;
use crate::diff::network::owner;
use crate::inventory::{Inventory, Machine};
use crate::manifest::emit::{self, Map, Yaml};
use crate::model::network::{network_of, prefixed};
use crate::model::{Address, Dhcp, NetworkKind, NetworkSettings, OnRemove, PortForward, StackName};

/// Networks that documents name: by kind and VirtualBox's own name the name of the document.
#[derive(Clone, Debug, Default)]
pub struct Named(BTreeMap<(NetworkKind, String), String>);

/// A document of a network.
pub struct NetworkDocument {
    /// Its address.
    pub address: Address,
    /// The document.
    pub text: String,
}

impl Named {
    /// The name by which a manifest refers to a network.
    pub fn of(&self, kind: NetworkKind, name: &str) -> Option<&str> {
        self.0.get(&(kind, name.to_owned())).map(String::as_str)
    }
}

/// The networks that machines are attached to, and that a manifest can say.
pub fn of(
    machines: &[&Machine],
    stack: Option<&StackName>,
    inventory: &Inventory,
) -> (Named, Vec<NetworkDocument>) {
    let mut named = Named::default();
    let mut documents: BTreeMap<String, String> = BTreeMap::new();
    for kind in NetworkKind::ALL {
        let nics =
            machines.iter().flat_map(|machine| machine.settings.nics.iter().flat_map(BTreeMap::values));
        for nic in nics.filter(|nic| nic.mode.as_ref() == Some(&kind.mode())) {
            let Some(name) = nic.network.as_deref() else { continue };
            if named.of(kind, name).is_some() {
                continue;
            }
            let Some((document_name, text)) = document(kind, name, stack, inventory) else { continue };
            // Two kinds may share a name in VirtualBox, not in manifests.
            if documents.contains_key(&document_name) {
                continue;
            }
            named.0.insert((kind, name.to_owned()), document_name.clone());
            documents.insert(document_name, text);
        }
    }
    let documents =
        documents.into_iter().map(|(name, text)| NetworkDocument { address: Address::Network(name), text });
    (named, documents.collect())
}

fn document(
    kind: NetworkKind,
    name: &str,
    stack: Option<&StackName>,
    inventory: &Inventory,
) -> Option<(String, String)> {
    let live = match inventory.networks.find(kind, name) {
        Some(live) => live,
        // Without a DHCP server it is a name.
        None if kind == NetworkKind::Internal => NetworkSettings::default(),
        None => return None,
    };
    let owned = owner(kind, name, inventory).filter(|(owner, _)| stack.is_none_or(|stack| stack == *owner));
    let document_name = match owned {
        Some((_, Address::Network(known))) => known.clone(),
        _ => name.to_owned(),
    };
    let fits = document_name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && document_name.len() <= 63
        && document_name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if !fits {
        return None;
    }
    let mut document = Map::default()
        .with("apiVersion", API_VERSION)
        .with("kind", "Network")
        .with("metadata", Map::line().with("name", document_name.as_str()));
    let entry = owned.and_then(|(stack, address)| inventory.registers.get(stack)?.entries.get(address));
    if let Some(entry) = entry {
        let mut lifecycle = Map::line();
        lifecycle.put_if("protect", entry.protect.then_some(true));
        lifecycle.put_if("onRemove", (entry.on_remove == OnRemove::Delete).then_some("delete"));
        if !lifecycle.entries.is_empty() {
            document.put("lifecycle", lifecycle);
        }
    }
    let settings = settings(kind, &live);
    document.put("spec", Map::default().with(kind.key(), settings));
    Some((document_name, emit::document(&[], &document)))
}

fn settings(kind: NetworkKind, live: &NetworkSettings) -> Map {
    let mut map = Map::default();
    map.put_if("cidr", live.cidr.as_deref());
    map.put_if("address", live.address.as_deref());
    map.put_if("enabled", live.enabled.filter(|enabled| !enabled && kind == NetworkKind::Nat));
    let dhcp = match kind {
        NetworkKind::HostOnlyNetwork => dhcp_of_macos(live),
        NetworkKind::Nat | NetworkKind::Internal | NetworkKind::HostOnly => {
            live.dhcp.as_ref().map(|dhcp| dhcp_of(kind, dhcp, live.cidr.as_deref()))
        }
    };
    map.put_if("dhcp", dhcp.filter(|dhcp| !dhcp.entries.is_empty()));
    if let Some(ipv6) = live.ipv6.as_ref().filter(|ipv6| ipv6.enabled == Some(true)) {
        let mut own = Map::line();
        own.put_if("prefix", ipv6.prefix.as_deref().filter(|prefix| !prefix.is_empty()));
        own.put_if("defaultRoute", ipv6.default_route.filter(|route| *route));
        map.put("ipv6", own);
    }
    for (key, rules) in [("portForwards", &live.port_forwards), ("portForwards6", &live.port_forwards6)] {
        if let Some(rules) = rules.as_ref().filter(|rules| !rules.is_empty()) {
            map.put(
                key,
                rules.iter().fold(Map::default(), |map, (name, rule)| map.with(name, rule.to_string())),
            );
        }
    }
    let usual = BTreeMap::from([(PortForward::LOOPBACK.to_owned(), 2)]);
    if let Some(loopback) = live.loopback.as_ref().filter(|loopback| **loopback != usual) {
        map.put(
            "loopback",
            loopback.iter().fold(Map::line(), |map, (address, number)| map.with(address, *number)),
        );
    }
    map
}

fn dhcp_of(kind: NetworkKind, live: &Dhcp, cidr: Option<&str>) -> Map {
    let mut map = Map::line();
    let is_usual = kind == NetworkKind::Nat && cidr.is_some_and(|cidr| is_made_by_virtualbox(live, cidr));
    if !is_usual {
        map.put_if("server", live.server.as_deref());
        map.put_if("range", live.range.as_deref());
    }
    map.put_if("enabled", live.enabled.filter(|enabled| !enabled));
    // Those of a NAT network are VirtualBox's own.
    let options = live.options.as_ref().filter(|options| kind != NetworkKind::Nat && !options.is_empty());
    if let Some(options) = options {
        let options = options.iter().fold(Map::line(), |map, (name, value)| map.with(name, value.as_str()));
        map.put("options", Yaml::Map(options));
    }
    map
}

/// What macOS gives out by itself, as a server that VirtualBox could have elsewhere: it takes the first address of the pool.
fn dhcp_of_macos(live: &NetworkSettings) -> Option<Map> {
    let (_, prefix) = prefixed(live.address.as_deref()?)?;
    let (server, last) = live.dhcp.as_ref()?.range_ends()?;
    let first = Ipv4Addr::from(u32::from(server).checked_add(1)?);
    (first <= last).then(|| {
        Map::line().with("server", format!("{server}/{prefix}")).with("range", format!("{first}-{last}"))
    })
}

/// Whether a server is what VirtualBox makes for a NAT network when it is first used.
fn is_made_by_virtualbox(live: &Dhcp, cidr: &str) -> bool {
    let Some((ip, prefix)) = prefixed(cidr) else { return false };
    let (first, last) = network_of(ip, prefix);
    let at = |number: u32| Ipv4Addr::from(first.saturating_add(number));
    let server = format!("{}/{prefix}", at(2));
    let range = format!("{}-{}", at(3), Ipv4Addr::from(last.saturating_sub(1)));
    live.server.as_ref().is_none_or(|known| *known == server)
        && live.range.as_ref().is_none_or(|known| *known == range)
}
