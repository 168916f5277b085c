//! What a host has besides VirtualBox that a run depends on: room on its disks, free ports.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use crate::model::network::network_of;
use crate::model::{Bytes, Protocol};

/// A port that a rule would listen on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Address; `None` is all of them.
    pub address: Option<IpAddr>,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            None => write!(f, "*:{}", self.port)?,
            Some(IpAddr::V4(address)) => write!(f, "{address}:{}", self.port)?,
            Some(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port)?,
        }
        if self.protocol == Protocol::Udp { f.write_str("/udp") } else { Ok(()) }
    }
}

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first of them.
    pub first: IpAddr,
    /// How many bits they share.
    pub prefix: u8,
}

impl Range {
    /// Whether an address is one of them. An IPv4 address is in no range of IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        Self { first: address, prefix: self.prefix }.masked() == self.masked()
    }

    fn masked(&self) -> Option<IpAddr> {
        let kept = u32::from(self.prefix);
        match self.first {
            IpAddr::V4(ip) => (kept <= 32).then(|| IpAddr::from(network_of(ip, kept).0.to_be_bytes())),
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(128_u32.checked_sub(kept)?).unwrap_or(0);
                Some(IpAddr::from((u128::from(ip) & mask).to_be_bytes()))
            }
        }
    }
}

impl std::str::FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no range of addresses");
        let (first, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let range =
            Self { first: first.parse().map_err(|_| wrong())?, prefix: prefix.parse().map_err(|_| wrong())? };
        let first = range.masked().ok_or_else(wrong)?;
        Ok(Self { first, ..range })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

/// What is asked about a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct Asked {
    /// Folders, which need not be there yet: how much room is where they are or would be.
    pub folders: BTreeSet<PathBuf>,
    /// Ports that must be free.
    pub ports: BTreeSet<Endpoint>,
    /// Which addresses host-only interfaces may have.
    pub host_only: bool,
    /// Which IPv4 networks it reaches.
    pub routes: bool,
    /// How much memory is free.
    pub memory: bool,
    /// Whether VirtualBox's kernel driver is loaded.
    pub driver: bool,
    /// Which extension packs there are. Costs a process.
    pub extension_packs: bool,
}

/// A network that the host reaches without its default route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The first of its addresses.
    pub to: Ipv4Addr,
    /// How many bits they share.
    pub prefix: u8,
    /// The interface that leads there.
    pub interface: String,
}

/// Room for files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// The file system: folders on one share its room.
    pub volume: String,
    /// What this user may still write.
    pub free: Bytes,
}

/// Why a port cannot be listened on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Somebody listens there: who, where that can be told (`sshd (process 812)`).
    Taken(Option<String>),
    /// This user may not listen there.
    Forbidden,
    /// The host has no such address.
    NoAddress,
}

/// What was found. What could not be found out is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// Room by folder.
    pub space: BTreeMap<PathBuf, Space>,
    /// Ports that cannot be listened on now.
    pub unavailable: BTreeMap<Endpoint, Unavailable>,
    /// Addresses that host-only interfaces may have; `None` where all of them.
    pub host_only: Option<Vec<Range>>,
    /// Networks that the host reaches, interfaces of VirtualBox left out.
    pub routes: Vec<Route>,
    /// Memory that programs may still take without others being swapped out; `None` where the platform does not tell.
    pub memory: Option<Bytes>,
    /// Whether VirtualBox's kernel driver is loaded; `None` where the platform does not tell.
    pub driver: Option<bool>,
    /// Extension packs that VirtualBox can use; `None` where it was not asked.
    pub extension_packs: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::Range;

    #[test]
    fn ranges_hold_what_begins_like_them() {
        let holds =
            |range: &str, address: &str| range.parse::<Range>().unwrap().contains(address.parse().unwrap());
        assert!(holds("192.168.56.0/21", "192.168.63.254") && holds("0.0.0.0/0", "8.8.8.8"));
        assert!(holds("fd00::/8", "fdaa::1") && holds("10.1.2.3/32", "10.1.2.3"));
        assert!(!holds("192.168.56.0/21", "192.168.64.1") && !holds("::/0", "10.0.0.1"));
        assert!("10.0.0.0/33".parse::<Range>().is_err() && "10.0.0.0".parse::<Range>().is_err());
        assert_eq!("172.20.3.1/16".parse::<Range>().unwrap().to_string(), "172.20.0.0/16");
    }
}
