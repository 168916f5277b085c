//! What a host has besides VirtualBox that a run depends on: room on its disks, free ports.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

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

/// What is asked about a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Folders, which need not be there yet: how much room is where they are or would be.
    pub folders: BTreeSet<PathBuf>,
    /// Ports that must be free.
    pub ports: BTreeSet<Endpoint>,
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
}
