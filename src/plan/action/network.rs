//! Changes of networks. They are known by name: VirtualBox gives them no UUID.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::Assignment;
use crate::model::{Dhcp, NetworkSettings};

/// One effect on a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum NetworkChange {
    /// Make a NAT network. Its DHCP server is VirtualBox's own until one is added.
    AddNat {
        /// Its name.
        name: String,
        /// What it has from the beginning.
        settings: NetworkSettings,
    },
    /// Change a NAT network. Not all or nothing: VirtualBox makes one change after the other.
    ModifyNat {
        /// Its name.
        name: String,
        /// `nat.cidr`, `nat.portForwards.web`, ...; rules that go first.
        set: Vec<Assignment>,
    },
    /// Remove a NAT network. Its DHCP server stays.
    RemoveNat {
        /// Its name.
        name: String,
    },
    /// Add a DHCP server.
    AddDhcp {
        /// The network as VirtualBox calls it.
        network: String,
        /// All of it; `server` and `range` are always there.
        dhcp: Dhcp,
    },
    /// Change a DHCP server.
    ChangeDhcp {
        /// The network as VirtualBox calls it.
        network: String,
        /// What is to be set. `server` and `range` come together or not at all.
        dhcp: Dhcp,
        /// Options that go.
        forget: Vec<String>,
    },
    /// Remove a DHCP server.
    RemoveDhcp {
        /// The network as VirtualBox calls it.
        network: String,
    },
    /// Make a host-only interface.
    AddInterface {
        /// The name that VirtualBox will give it; with another one the action fails and undoes itself.
        name: String,
    },
    /// Give a host-only interface its address.
    SetInterface {
        /// Its name.
        name: String,
        /// The host's address with its prefix.
        address: String,
    },
    /// Remove a host-only interface.
    RemoveInterface {
        /// Its name.
        name: String,
    },
    /// Make a host-only network, as macOS has them. VirtualBox makes it first and then gives it one address after the other.
    AddHostOnlyNetwork {
        /// Its name.
        name: String,
        /// The host's address with its prefix.
        address: String,
        /// The last address that macOS gives out.
        last: Ipv4Addr,
    },
    /// Give a host-only network its addresses, and switch it on.
    SetHostOnlyNetwork {
        /// Its name.
        name: String,
        /// The host's address with its prefix.
        address: String,
        /// The last address that macOS gives out.
        last: Ipv4Addr,
    },
    /// Remove a host-only network.
    RemoveHostOnlyNetwork {
        /// Its name.
        name: String,
    },
}

impl NetworkChange {
    /// Whether it is about an interface of the host, of which VirtualBox's files say nothing.
    pub fn is_of_the_host(&self) -> bool {
        match self {
            Self::AddInterface { .. } | Self::SetInterface { .. } | Self::RemoveInterface { .. } => true,
            Self::AddNat { .. }
            | Self::ModifyNat { .. }
            | Self::RemoveNat { .. }
            | Self::AddDhcp { .. }
            | Self::ChangeDhcp { .. }
            | Self::RemoveDhcp { .. }
            | Self::AddHostOnlyNetwork { .. }
            | Self::SetHostOnlyNetwork { .. }
            | Self::RemoveHostOnlyNetwork { .. } => false,
        }
    }

    /// Whether doing it again after an unknown outcome ends the same.
    pub fn is_repeatable(&self) -> bool {
        match self {
            Self::SetInterface { .. } | Self::SetHostOnlyNetwork { .. } => true,
            // A rule that is there already is refused, and so is the removal of one that is not.
            Self::ModifyNat { set, .. } => {
                set.iter().all(|assignment| !matches!(assignment.path.parts().as_slice(), ["nat", _, _]))
            }
            Self::ChangeDhcp { forget, .. } => forget.is_empty(),
            Self::AddNat { .. }
            | Self::RemoveNat { .. }
            | Self::AddDhcp { .. }
            | Self::RemoveDhcp { .. }
            | Self::AddInterface { .. }
            | Self::RemoveInterface { .. }
            | Self::AddHostOnlyNetwork { .. }
            | Self::RemoveHostOnlyNetwork { .. } => false,
        }
    }

    /// A short label for events and logs.
    pub fn label(&self) -> &'static str {
        match self {
            Self::AddNat { .. } => "create NAT network",
            Self::ModifyNat { .. } => "change NAT network",
            Self::RemoveNat { .. } => "remove NAT network",
            Self::AddDhcp { .. } => "add DHCP server",
            Self::ChangeDhcp { .. } => "change DHCP server",
            Self::RemoveDhcp { .. } => "remove DHCP server",
            Self::AddInterface { .. } => "create host-only interface",
            Self::SetInterface { .. } => "set host-only address",
            Self::RemoveInterface { .. } => "remove host-only interface",
            Self::AddHostOnlyNetwork { .. } => "create host-only network",
            Self::SetHostOnlyNetwork { .. } => "change host-only network",
            Self::RemoveHostOnlyNetwork { .. } => "remove host-only network",
        }
    }
}
