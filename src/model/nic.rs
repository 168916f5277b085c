//! Network adapters and NAT port-forwards.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::word::words;

words! {
    /// What an adapter is attached to. VirtualBox's own names are in `vbox-settings` terms: `null` is `unattached`.
    NicMode {
        Unattached = "unattached",
        Nat = "nat",
        NatNetwork = "natnetwork",
        Internal = "intnet",
        HostOnly = "hostonly",
        HostOnlyNetwork = "hostonlynet",
        Bridged = "bridged",
        Generic = "generic",
        Cloud = "cloud",
    }
}

words! {
    /// The emulated adapter.
    NicType {
        Am79C970A = "Am79C970A",
        Am79C973 = "Am79C973",
        Am79C960 = "Am79C960",
        I82540EM = "82540EM",
        I82543GC = "82543GC",
        I82545EM = "82545EM",
        Virtio = "virtio",
        UsbNet = "usbnet",
        Ne1000 = "NE1000",
        Ne2000 = "NE2000",
        Wd8003 = "WD8003",
        Wd8013 = "WD8013",
        Elnk2 = "3C503",
        Elnk1 = "3C501",
    }
}

words! {
    /// Which frames an adapter may see.
    Promiscuous {
        Deny = "deny",
        AllowVms = "allow-vms",
        AllowAll = "allow-all",
    }
}

/// How an interface of the host is found that a manifest does not name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bridge {
    /// The one that the host's default route leaves by.
    DefaultRoute,
    /// By its hardware address, twelve upper-case hexadecimal digits.
    Mac(String),
    /// By a pattern of its name: `*` is any text, `?` any letter.
    Match(String),
}

/// An interface of the host that an adapter may be bridged to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostInterface {
    /// As VirtualBox calls it.
    pub name: String,
    /// Twelve upper-case hexadecimal digits.
    pub mac: String,
    /// Whether it is up.
    pub up: bool,
    /// Whether the host's default route leaves by it.
    pub default_route: bool,
}

impl Bridge {
    /// The interface that is meant. `live` is the one that is used now: it stays as long as it fits.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn find<'i>(
        &self,
        interfaces: &'i [HostInterface],
        live: Option<&str>,
    ) -> Result<&'i HostInterface, String> {
        let fits = |interface: &&HostInterface| match self {
            Self::DefaultRoute => interface.default_route,
            Self::Mac(mac) => interface.mac.eq_ignore_ascii_case(mac),
            Self::Match(pattern) => matches(pattern, &interface.name),
        };
        let found: Vec<&HostInterface> = interfaces.iter().filter(fits).collect();
        let up: Vec<&HostInterface> = found.iter().copied().filter(|interface| interface.up).collect();
        let names = |list: &[&HostInterface]| {
            list.iter().map(|interface| interface.name.clone()).collect::<Vec<_>>().join(", ")
        };
        if let Some(same) = found.iter().find(|interface| Some(interface.name.as_str()) == live) {
            return Ok(same);
        }
        match (found.as_slice(), up.as_slice()) {
            ([one], _) | (_, [one]) => Ok(one),
            ([], _) => {
                let all: Vec<&HostInterface> = interfaces.iter().collect();
                Err(match all.as_slice() {
                    [] => "the host has no interface that VirtualBox can use".to_owned(),
                    all => format!("no interface of the host fits; there are {}", names(all)),
                })
            }
            (several, _) => Err(format!("several interfaces of the host fit: {}", names(several))),
        }
    }
}

impl fmt::Display for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DefaultRoute => f.write_str("default-route"),
            Self::Mac(mac) => write!(f, "mac {mac}"),
            Self::Match(pattern) => write!(f, "match {pattern}"),
        }
    }
}

/// Whether a name fits a pattern of `*` and `?`.
fn matches(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('*') => name
            .char_indices()
            .map(|(at, _)| at)
            .chain([name.len()])
            .any(|at| matches(rest.as_str(), &name[at..])),
        Some(letter) => {
            let mut letters = name.chars();
            letters.next().is_some_and(|first| letter == '?' || first == letter)
                && matches(rest.as_str(), letters.as_str())
        }
    }
}

/// One adapter. As a declaration `None` is "not managed"; read from a machine every field is filled where the mode has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nic {
    /// What it is attached to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<NicMode>,
    /// Name of the internal network, NAT network, host-only interface or bridged interface, by `mode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The NAT engine, with mode `nat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nat: Option<Nat>,
    /// Driver of mode `generic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Properties of mode `generic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub properties: Option<BTreeMap<String, String>>,
    /// The emulated adapter.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub nic_type: Option<NicType>,
    /// Twelve upper-case hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Whether the cable is plugged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cable: Option<bool>,
    /// Line speed reported to the guest in kbit/s, 0 for the adapter's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<u32>,
    /// Which frames it may see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promiscuous: Option<Promiscuous>,
    /// Name of a bandwidth group; empty for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth_group: Option<String>,
    /// 0 (lowest) to 4; 1 is the highest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_priority: Option<u32>,
    /// File that receives a capture; empty for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// The NAT engine of one adapter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nat {
    /// Rules by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_forwards: Option<BTreeMap<String, PortForward>>,
    /// The guest's network, `10.0.2.0/24`; empty for VirtualBox's own choice by slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidr: Option<String>,
    /// Host address that outgoing connections are bound to; empty for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind_ip: Option<String>,
    /// MTU in bytes, 0 for the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Host and TCP window sizes in KiB, 0 for the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket_buffers: Option<SocketBuffers>,
    /// The built-in name server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<NatDns>,
    /// The built-in TFTP server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tftp: Option<NatTftp>,
    /// `log`, `proxyonly`, `sameports`, sorted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias_mode: Option<Vec<String>>,
    /// Whether broadcasts are passed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_broadcast: Option<bool>,
}

impl Nat {
    /// A network as manifests write it. VirtualBox keeps what it was given, and it takes `10.99/16` for `10.99.0.0/16`.
    pub fn normal_cidr(text: &str) -> Option<String> {
        let (address, prefix) = text.split_once('/')?;
        let prefix: u32 = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
        let mut octets = [0; 4];
        for (at, octet) in address.split('.').enumerate() {
            *octets.get_mut(at)? = octet.parse::<u8>().ok()?;
        }
        Some(format!("{}/{prefix}", Ipv4Addr::from(octets)))
    }
}

/// Sizes in KiB; 0 is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SocketBuffers {
    /// Send buffer of the host's socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket_send: Option<u32>,
    /// Receive buffer of the host's socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket_receive: Option<u32>,
    /// Initial TCP send window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_send: Option<u32>,
    /// Initial TCP receive window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_receive: Option<u32>,
}

/// The NAT engine's name server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NatDns {
    /// Pass the host's search domain to the guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass_domain: Option<bool>,
    /// Proxy requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<bool>,
    /// Resolve by the host's own functions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_resolver: Option<bool>,
}

/// The NAT engine's TFTP server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NatTftp {
    /// Whether it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Directory that it serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Boot file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Next server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// Transport protocol of a port-forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// `tcp`
    Tcp,
    /// `udp`
    Udp,
}

impl Protocol {
    /// As VBoxManage spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Host side port: a number, or one that vboxmcp picks at birth and keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPort {
    /// A port of the manifest's choice.
    Fixed(u16),
    /// The first free one at birth, kept from then on.
    Auto,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(port) => write!(f, "{port}"),
            Self::Auto => f.write_str("auto"),
        }
    }
}

/// A NAT rule: `[HOSTIP:]HOSTPORT:[GUESTIP:]GUESTPORT[/udp]`. Displayed in its shortest form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortForward {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Address on the host; `None` is all of them (`*`). Without a word in the manifest it is loopback.
    pub host_ip: Option<String>,
    /// Port on the host.
    pub host_port: HostPort,
    /// Address of the guest; `None` is the one that the NAT engine gave out.
    pub guest_ip: Option<String>,
    /// Port of the guest.
    pub guest_port: u16,
}

impl PortForward {
    /// The host address where the manifest names none.
    pub const LOOPBACK: &'static str = "127.0.0.1";
    /// The same for rules to IPv6 addresses, which NAT networks have.
    pub const LOOPBACK6: &'static str = "::1";

    /// Whether two rules, of one machine or of two, would both listen on one host port.
    pub fn collides(&self, other: &Self) -> bool {
        let (HostPort::Fixed(a), HostPort::Fixed(b)) = (self.host_port, other.host_port) else {
            return false;
        };
        let all = |ip: &Option<String>| ip.as_deref().is_none_or(|ip| ip == "0.0.0.0" || ip == "::");
        a == b
            && self.protocol == other.protocol
            && (all(&self.host_ip) || all(&other.host_ip) || self.host_ip == other.host_ip)
    }
}

impl fmt::Display for PortForward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = |f: &mut fmt::Formatter<'_>, ip: &str| {
            if ip.contains(':') { write!(f, "[{ip}]:") } else { write!(f, "{ip}:") }
        };
        match self.host_ip.as_deref() {
            None => f.write_str("*:")?,
            Some(Self::LOOPBACK) => {}
            Some(ip) => address(f, ip)?,
        }
        write!(f, "{}:", self.host_port)?;
        if let Some(ip) = &self.guest_ip {
            address(f, ip)?;
        }
        write!(f, "{}", self.guest_port)?;
        match self.protocol {
            Protocol::Tcp => Ok(()),
            Protocol::Udp => f.write_str("/udp"),
        }
    }
}

/// What is wrong with the text of a port-forward.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortForwardError {
    /// Too few or too many parts.
    #[error("a port-forward is written [HOSTIP:]HOSTPORT:[GUESTIP:]GUESTPORT[/udp]")]
    Shape,
    /// Not a port.
    #[error("`{0}` is not a port (1 to 65535)")]
    Port(String),
    /// Not an address.
    #[error("`{0}` is not an address: an address has dots, stands in [ ], or is `*`")]
    Ip(String),
    /// Neither `/tcp` nor `/udp`.
    #[error("`{0}` is not a protocol (tcp, udp)")]
    Protocol(String),
}

impl FromStr for PortForward {
    type Err = PortForwardError;

    fn from_str(text: &str) -> Result<Self, PortForwardError> {
        let (rule, protocol) = match text.rsplit_once('/') {
            None => (text, Protocol::Tcp),
            Some((rule, "tcp")) => (rule, Protocol::Tcp),
            Some((rule, "udp")) => (rule, Protocol::Udp),
            Some((_, other)) => return Err(PortForwardError::Protocol(other.to_owned())),
        };
        let parts = split_outside_brackets(rule);
        let is_address = |part: &str| part == "*" || part.contains('.') || part.starts_with('[');
        let (host_ip, host_port, guest_ip, guest_port) = match parts.as_slice() {
            [host_port, guest_port] => (None, *host_port, None, *guest_port),
            [ip, host_port, guest_port] if is_address(ip) => (Some(*ip), *host_port, None, *guest_port),
            [host_port, ip, guest_port] if is_address(ip) => (None, *host_port, Some(*ip), *guest_port),
            [ip, _, _] => return Err(PortForwardError::Ip((*ip).to_owned())),
            [ip, host_port, guest, guest_port] => (Some(*ip), *host_port, Some(*guest), *guest_port),
            _ => return Err(PortForwardError::Shape),
        };
        Ok(Self {
            protocol,
            host_ip: match host_ip {
                None => Some(Self::LOOPBACK.to_owned()),
                Some("*") => None,
                Some(ip) => Some(address(ip)?),
            },
            host_port: match host_port {
                "auto" => HostPort::Auto,
                text => HostPort::Fixed(port(text)?),
            },
            guest_ip: guest_ip.map(address).transpose()?,
            guest_port: port(guest_port)?,
        })
    }
}

fn split_outside_brackets(rule: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_i32);
    for (at, c) in rule.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            ':' if depth == 0 => {
                parts.push(&rule[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&rule[start..]);
    parts
}

fn port(text: &str) -> Result<u16, PortForwardError> {
    text.parse().ok().filter(|port| *port != 0).ok_or_else(|| PortForwardError::Port(text.to_owned()))
}

fn address(text: &str) -> Result<String, PortForwardError> {
    let wrong = || PortForwardError::Ip(text.to_owned());
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse::<std::net::Ipv6Addr>().map(|ip| ip.to_string()).map_err(|_| wrong());
    }
    text.parse::<Ipv4Addr>().map(|ip| ip.to_string()).map_err(|_| wrong())
}

impl schemars::JsonSchema for PortForward {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PortForward".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "[HOSTIP:]HOSTPORT:[GUESTIP:]GUESTPORT[/udp]" })
    }
}

impl Serialize for PortForward {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PortForward {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{Bridge, HostInterface, HostPort, Nat, PortForward, PortForwardError, Protocol, matches};

    #[test]
    fn an_interface_is_found_by_route_address_and_pattern() {
        let interface = |name: &str, mac: &str, up, default_route| HostInterface {
            name: name.to_owned(),
            mac: mac.to_owned(),
            up,
            default_route,
        };
        let all = [
            interface("eth0", "02FC00000001", true, true),
            interface("eth1", "02FC00000002", false, false),
            interface("wlan0", "02FC00000003", true, false),
        ];
        let find = |bridge: &Bridge, live| bridge.find(&all, live).map(|found| found.name.as_str());
        assert_eq!(find(&Bridge::DefaultRoute, None), Ok("eth0"));
        assert_eq!(find(&Bridge::Mac("02fc00000003".into()), None), Ok("wlan0"));
        assert_eq!(find(&Bridge::Match("eth*".into()), None), Ok("eth0"));
        assert_eq!(find(&Bridge::Match("eth*".into()), Some("eth1")), Ok("eth1"));
        assert!(find(&Bridge::Match("*".into()), None).unwrap_err().contains("several"));
        assert!(find(&Bridge::Match("en?".into()), None).unwrap_err().contains("eth0, eth1, wlan0"));
        assert!(matches("e*n?", "eth-n0") && !matches("e*n?", "eth-n") && matches("*", ""));
    }

    #[test]
    fn shortest_form_reads_back() {
        for text in [
            "2222:22",
            "*:8081:80",
            "auto:443",
            "5353:53/udp",
            "10.0.0.1:80:10.0.2.15:8080",
            "[::1]:80:[fd17::11]:81",
        ] {
            let rule: PortForward = text.parse().unwrap();
            assert_eq!(rule.to_string(), text);
        }
    }

    #[test]
    fn loopback_is_the_default_and_is_left_out() {
        let rule: PortForward = "127.0.0.1:2222:22/tcp".parse().unwrap();
        assert_eq!(rule.host_ip.as_deref(), Some("127.0.0.1"));
        assert_eq!((rule.protocol, rule.host_port), (Protocol::Tcp, HostPort::Fixed(2222)));
        assert_eq!(rule.to_string(), "2222:22");
    }

    #[test]
    fn errors_name_the_part() {
        assert_eq!("2222".parse::<PortForward>(), Err(PortForwardError::Shape));
        assert_eq!("0:22".parse::<PortForward>(), Err(PortForwardError::Port("0".into())));
        assert_eq!("70000:22".parse::<PortForward>(), Err(PortForwardError::Port("70000".into())));
        assert_eq!("a:2222:22".parse::<PortForward>(), Err(PortForwardError::Ip("a".into())));
        assert_eq!("1.2.3:2222:22".parse::<PortForward>(), Err(PortForwardError::Ip("1.2.3".into())));
        assert_eq!("2222:22/sctp".parse::<PortForward>(), Err(PortForwardError::Protocol("sctp".into())));
    }

    #[test]
    fn networks_have_one_form() {
        for (text, normal) in [
            ("10.99/16", Some("10.99.0.0/16")),
            ("10.0.2.0/24", Some("10.0.2.0/24")),
            ("10.0.2.5/24", Some("10.0.2.5/24")),
            ("1.2.3.4/32", Some("1.2.3.4/32")),
            ("0/0", Some("0.0.0.0/0")),
            ("10.0.2.0", None),
            ("10.0.2.0.1/24", None),
            ("10.256/16", None),
            ("10/33", None),
            ("", None),
        ] {
            assert_eq!(Nat::normal_cidr(text).as_deref(), normal, "{text}");
        }
    }

    #[test]
    fn all_addresses_collide_with_one() {
        let rule = |text: &str| text.parse::<PortForward>().unwrap();
        assert!(rule("*:80:80").collides(&rule("80:8080")));
        assert!(!rule("10.0.0.1:80:80").collides(&rule("80:8080")));
        assert!(!rule("80:80/udp").collides(&rule("80:80")));
        assert!(!rule("auto:80").collides(&rule("auto:80")));
    }
}
