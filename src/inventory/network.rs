//! The networks of a host as they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Inventory, Machine};
use crate::model::{Dhcp, NetworkKind, NetworkSettings};

/// All networks of a host. Internal networks have no object of their own: they are names that adapters and DHCP servers share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Networks {
    /// NAT networks by name. Of DHCP it says only whether there is to be a server.
    pub nat: BTreeMap<String, NetworkSettings>,
    /// DHCP servers by the name of their network as VirtualBox calls it: see [`Networks::dhcp_name`].
    pub dhcp: BTreeMap<String, Dhcp>,
    /// Host-only interfaces by name, with their addresses; `None` where the host was not asked.
    pub host_only: Option<BTreeMap<String, NetworkSettings>>,
    /// Host-only networks by name; `None` where VirtualBox has host-only interfaces instead, as it has everywhere but on macOS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_only_networks: Option<BTreeMap<String, NetworkSettings>>,
    /// NAT networks and DHCP servers that could not be read, by name: the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unreadable: BTreeMap<String, String>,
}

impl Networks {
    /// What VirtualBox calls a network where its DHCP server is registered.
    pub fn dhcp_name(kind: NetworkKind, name: &str) -> String {
        match kind {
            NetworkKind::Nat | NetworkKind::Internal => name.to_owned(),
            NetworkKind::HostOnly => format!("HostInterfaceNetworking-{name}"),
            NetworkKind::HostOnlyNetwork => format!("hostonly-{name}"),
        }
    }

    /// All networks that are objects of their own.
    pub fn named(&self) -> impl Iterator<Item = (NetworkKind, &String, &NetworkSettings)> {
        let kinds = [
            (NetworkKind::Nat, Some(&self.nat)),
            (NetworkKind::HostOnly, self.host_only.as_ref()),
            (NetworkKind::HostOnlyNetwork, self.host_only_networks.as_ref()),
        ];
        kinds
            .into_iter()
            .flat_map(|(kind, known)| known.into_iter().flatten().map(move |(name, live)| (kind, name, live)))
    }

    /// The DHCP server of a network.
    pub fn dhcp_of(&self, kind: NetworkKind, name: &str) -> Option<&Dhcp> {
        self.dhcp.get(&Self::dhcp_name(kind, name))
    }

    /// A network as it is, its DHCP server included; `None` where there is no such object. An internal network is one where it
    /// has a DHCP server.
    pub fn find(&self, kind: NetworkKind, name: &str) -> Option<NetworkSettings> {
        let server = self.dhcp_of(kind, name);
        match kind {
            NetworkKind::Nat => {
                let mut settings = self.nat.get(name)?.clone();
                let wanted = settings.dhcp.as_ref().and_then(|dhcp| dhcp.enabled).unwrap_or(true);
                if let Some(server) = server {
                    let enabled = Some(wanted && server.enabled.unwrap_or(true));
                    settings.dhcp = Some(Dhcp { enabled, ..server.clone() });
                }
                Some(settings)
            }
            NetworkKind::Internal => {
                let dhcp = Some(server?.clone());
                Some(NetworkSettings { dhcp, ..NetworkSettings::default() })
            }
            NetworkKind::HostOnly => {
                let settings = self.host_only.as_ref()?.get(name)?.clone();
                Some(NetworkSettings { dhcp: server.cloned(), ..settings })
            }
            NetworkKind::HostOnlyNetwork => self.host_only_networks.as_ref()?.get(name).cloned(),
        }
    }

    /// The name that VirtualBox gives to the next host-only interface: it takes the lowest number that is free.
    pub fn next_interface(&self, taken: &[String]) -> String {
        let is_free = |name: &String| {
            !taken.contains(name) && !self.host_only.as_ref().is_some_and(|known| known.contains_key(name))
        };
        (0..u32::MAX).map(|number| format!("vboxnet{number}")).find(is_free).unwrap_or_default()
    }
}

impl Inventory {
    /// Machines with an adapter on a network, by UUID.
    pub fn network_users<'a>(
        &'a self,
        kind: NetworkKind,
        name: &str,
    ) -> impl Iterator<Item = &'a Machine> + use<'a> {
        let (mode, name) = (kind.mode(), name.to_owned());
        self.machines.values().filter(move |machine| {
            machine
                .settings
                .nics
                .iter()
                .flat_map(BTreeMap::values)
                .any(|nic| nic.mode.as_ref() == Some(&mode) && nic.network.as_deref() == Some(name.as_str()))
        })
    }
}
