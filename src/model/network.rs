//! Networks as objects: NAT networks, internal networks and host-only networks.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::nic::{NicMode, PortForward};

/// What kind of network it is. VirtualBox cannot make one kind out of another.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum NetworkKind {
    /// Guests see each other and, through VirtualBox's NAT service, the world.
    Nat,
    /// Guests see each other only. Without a DHCP server it is nothing but a name.
    Internal,
    /// Guests see each other and the host, by an interface of the host that VirtualBox makes and names.
    HostOnly,
    /// The same where macOS makes the interface when a guest needs it: VirtualBox keeps the addresses under a name.
    HostOnlyNetwork,
}

impl NetworkKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Nat, Self::Internal, Self::HostOnly, Self::HostOnlyNetwork];

    /// The key of the manifest that holds its settings. A manifest says `hostOnly`, and the host decides which of the two it is.
    pub fn key(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::Internal => "internal",
            Self::HostOnly | Self::HostOnlyNetwork => "hostOnly",
        }
    }

    /// For sentences.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Nat => "NAT network",
            Self::Internal => "internal network",
            Self::HostOnly => "host-only interface",
            Self::HostOnlyNetwork => "host-only network",
        }
    }

    /// The mode of an adapter that is attached to it.
    pub fn mode(self) -> NicMode {
        match self {
            Self::Nat => NicMode::NatNetwork,
            Self::Internal => NicMode::Internal,
            Self::HostOnly => NicMode::HostOnly,
            Self::HostOnlyNetwork => NicMode::HostOnlyNetwork,
        }
    }
}

/// The settings of a network. As a declaration `None` is "not managed"; read from a host everything that its kind has is
/// filled in. Which fields a kind has is the manifest's table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkSettings {
    /// IPv4 network of a NAT network, `10.10.0.0/24`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidr: Option<String>,
    /// The host's own address in a host-only network with its prefix, `192.168.56.1/24`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Whether a NAT network, or a host-only network of macOS, works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The DHCP server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dhcp: Option<Dhcp>,
    /// IPv6 of a NAT network. `None` of a declaration is not managed, a live one always has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<Ipv6>,
    /// Rules of a NAT network to IPv4 addresses, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_forwards: Option<BTreeMap<String, PortForward>>,
    /// Rules of a NAT network to IPv6 addresses, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_forwards6: Option<BTreeMap<String, PortForward>>,
    /// Addresses of the host's loopback by the number of the address of a NAT network at which guests reach them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loopback: Option<BTreeMap<String, u32>>,
}

/// The DHCP server of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dhcp {
    /// Whether it answers. Of a NAT network: whether it has one, which VirtualBox makes when the network is first used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The server's own address with its network's prefix, `10.20.0.1/24`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The first and the last address that it gives out, `10.20.0.100-10.20.0.199`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// Options by name, or by number where VirtualBox's own options have no usual name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<BTreeMap<String, String>>,
}

/// IPv6 of a NAT network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ipv6 {
    /// Whether it is on. A manifest that writes `ipv6` means that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Its IPv6 network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Whether it advertises a default route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_route: Option<bool>,
}

impl NetworkSettings {
    /// The settings in the manifest's shape: below the key of their kind.
    pub fn tree(&self, kind: NetworkKind) -> Value {
        // Maps with string keys and scalars: there is nothing that serialisation could refuse.
        let settings = serde_json::to_value(self).unwrap_or_else(|_| Value::Object(Map::new()));
        Value::Object(Map::from_iter([(kind.key().to_owned(), settings)]))
    }

    /// A host-only network of macOS that works: the host's address, and the last one that macOS gives out.
    pub fn host_only_network(address: &str, last: Ipv4Addr) -> Self {
        let range = pool(address, last);
        Self {
            address: Some(address.to_owned()),
            enabled: Some(true),
            dhcp: range.map(|range| Dhcp { enabled: Some(true), range: Some(range), ..Dhcp::default() }),
            ..Self::default()
        }
    }

    /// What a host-only network of macOS can hold of a declaration.
    ///
    /// It has the host's address and the last one that is given out, and macOS gives out all between them by a server of its own
    /// (`vmnet.h`: the start address is the gateway's, the ones after it up to the end address are the DHCP pool).
    #[must_use]
    pub fn of_host_only_network(&self) -> Self {
        let pool = self.address.as_deref().zip(self.last_given_out()).and_then(|(own, last)| pool(own, last));
        let of_server = |dhcp: &Dhcp| Dhcp {
            enabled: dhcp.enabled,
            range: pool.or_else(|| dhcp.range.clone()),
            ..Dhcp::default()
        };
        let dhcp = self.dhcp.as_ref().map(of_server);
        Self { address: self.address.clone(), enabled: Some(true), dhcp, ..Self::default() }
    }

    /// Its addresses; of a host-only one the host's own with the prefix.
    pub fn addresses(&self) -> Option<&String> {
        self.cidr.as_ref().or(self.address.as_ref())
    }

    /// The last address that the DHCP server gives out.
    pub fn last_given_out(&self) -> Option<Ipv4Addr> {
        Some(self.dhcp.as_ref()?.range_ends()?.1)
    }
}

impl Dhcp {
    /// Names of DHCP options that people know, by the number that VirtualBox knows them by (RFC 2132).
    pub const OPTIONS: &[(u8, &str)] = &[
        (2, "timeOffset"),
        (3, "router"),
        (4, "timeServer"),
        (6, "dns"),
        (12, "hostname"),
        (15, "domain"),
        (17, "rootPath"),
        (26, "mtu"),
        (28, "broadcast"),
        (33, "staticRoutes"),
        (42, "ntp"),
        (44, "netbiosNameServer"),
        (60, "vendorClass"),
        (66, "tftpServer"),
        (67, "bootFile"),
        (119, "domainSearch"),
    ];

    /// The number of an option by its name or number; `None` for what is neither.
    pub fn option_number(word: &str) -> Option<u8> {
        let named = Self::OPTIONS.iter().find(|(_, name)| *name == word).map(|(number, _)| *number);
        named.or_else(|| word.parse().ok().filter(|number| (1..=254).contains(number)))
    }

    /// The one form of an option's key: its name where it has one.
    pub fn option_name(number: u8) -> String {
        let named = Self::OPTIONS.iter().find(|(known, _)| *known == number);
        named.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
    }

    /// The two ends of `range`.
    pub fn range_ends(&self) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let (from, to) = self.range.as_ref()?.split_once('-')?;
        Some((from.trim().parse().ok()?, to.trim().parse().ok()?))
    }
}

/// An IPv4 address and the length of its network's prefix.
pub fn prefixed(text: &str) -> Option<(Ipv4Addr, u32)> {
    let (ip, prefix) = text.split_once('/')?;
    Some((ip.parse().ok()?, prefix.parse().ok().filter(|prefix| *prefix <= 32)?))
}

/// The first and the last address of the network that an address is in.
pub fn network_of(ip: Ipv4Addr, prefix: u32) -> (u32, u32) {
    let mask = mask(prefix);
    let first = u32::from(ip) & mask;
    (first, first | !mask)
}

/// The addresses that macOS gives out in a host-only network: from the one after the host's own to the last. `None` where that are none.
pub fn pool(own: &str, last: Ipv4Addr) -> Option<String> {
    let first = Ipv4Addr::from(u32::from(prefixed(own)?.0).checked_add(1)?);
    (first <= last).then(|| format!("{first}-{last}"))
}

/// The last address of the network that an address is in which a guest can have.
pub fn last_of(own: &str) -> Option<Ipv4Addr> {
    let (ip, prefix) = prefixed(own)?;
    Some(Ipv4Addr::from(network_of(ip, prefix).1.checked_sub(1)?))
}

/// Whether an address is in the network of another one, which is written with its prefix.
pub fn is_in(ip: Ipv4Addr, network: (Ipv4Addr, u32)) -> bool {
    let (first, last) = network_of(network.0, network.1);
    (first..=last).contains(&u32::from(ip))
}

/// The mask of a prefix's length.
fn mask(prefix: u32) -> u32 {
    u32::MAX.checked_shl(32_u32.saturating_sub(prefix)).unwrap_or(0)
}

/// `255.255.255.0` for 24.
pub fn netmask(prefix: u32) -> Ipv4Addr {
    Ipv4Addr::from(mask(prefix))
}

/// 24 for `255.255.255.0`; `None` for a mask with holes.
pub fn prefix_of(netmask: Ipv4Addr) -> Option<u32> {
    let bits = u32::from(netmask);
    let prefix = bits.leading_ones();
    (mask(prefix) == bits).then_some(prefix)
}

/// Whether two IPv4 networks, written with their prefixes, share addresses.
pub fn overlap(a: &str, b: &str) -> bool {
    let range = |text: &str| prefixed(text).map(|(ip, prefix)| network_of(ip, prefix));
    match (range(a), range(b)) {
        (Some(a), Some(b)) => a.0 <= b.1 && b.0 <= a.1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_and_prefixes_are_two_ways_to_say_one_thing() {
        for prefix in 0..=32 {
            assert_eq!(prefix_of(netmask(prefix)), Some(prefix));
        }
        assert_eq!(netmask(24).to_string(), "255.255.255.0");
        assert_eq!(prefix_of(Ipv4Addr::new(255, 0, 255, 0)), None);
    }

    #[test]
    fn macos_gives_out_what_is_after_the_hosts_address() {
        let last = last_of("192.168.56.1/24").unwrap();
        assert_eq!(last.to_string(), "192.168.56.254");
        assert_eq!(pool("192.168.56.1/24", last).as_deref(), Some("192.168.56.2-192.168.56.254"));
        assert_eq!(pool("192.168.61.0/24", Ipv4Addr::new(192, 168, 61, 0)), None);
        assert_eq!(last_of("10.0.0.1/32"), Some(Ipv4Addr::new(10, 0, 0, 0)));
    }

    #[test]
    fn networks_that_share_addresses_are_told() {
        assert!(overlap("10.0.0.0/8", "10.20.0.1/24"));
        assert!(!overlap("10.10.0.0/24", "10.10.1.0/24"));
        assert!(!overlap("nonsense", "10.10.1.0/24"));
    }

    #[test]
    fn options_have_one_name() {
        assert_eq!(Dhcp::option_number("dns"), Some(6));
        assert_eq!(Dhcp::option_number("6").map(Dhcp::option_name).as_deref(), Some("dns"));
        assert_eq!(Dhcp::option_number("250").map(Dhcp::option_name).as_deref(), Some("250"));
        assert_eq!((Dhcp::option_number("0"), Dhcp::option_number("nonesuch")), (None, None));
    }
}
