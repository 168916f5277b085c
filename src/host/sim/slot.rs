//! One adapter of a simulated machine. VirtualBox remembers the settings of disabled adapters and of modes that are not in use.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::nic::{NatDns, NatTftp, NicType, Promiscuous, SocketBuffers};
use crate::model::{Nat, Nic, NicMode};

/// One adapter, enabled or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// Whether the guest has it.
    pub enabled: bool,
    /// Its settings, without those of its mode.
    pub nic: Nic,
    /// The NAT engine, also while the mode is another one.
    pub nat: Nat,
    /// Name of the network or interface by mode.
    pub networks: BTreeMap<String, String>,
    /// Driver of mode `generic`.
    pub driver: String,
    /// Properties of mode `generic`.
    pub properties: BTreeMap<String, String>,
}

impl Slot {
    /// An adapter that nobody has touched.
    pub fn untouched(nic_type: NicType) -> Self {
        Self {
            enabled: false,
            nic: Nic {
                mode: Some(NicMode::Unattached),
                network: None,
                nat: None,
                driver: None,
                properties: None,
                nic_type: Some(nic_type),
                mac: None,
                cable: Some(true),
                speed: Some(0),
                promiscuous: Some(Promiscuous::Deny),
                bandwidth_group: Some(String::new()),
                boot_priority: Some(0),
                trace: Some(String::new()),
            },
            nat: Nat {
                port_forwards: Some(BTreeMap::new()),
                cidr: Some(String::new()),
                bind_ip: Some(String::new()),
                mtu: Some(0),
                socket_buffers: Some(SocketBuffers {
                    socket_send: Some(0),
                    socket_receive: Some(0),
                    tcp_send: Some(0),
                    tcp_receive: Some(0),
                }),
                dns: Some(NatDns { pass_domain: Some(true), proxy: Some(false), host_resolver: Some(false) }),
                tftp: Some(NatTftp {
                    enabled: Some(false),
                    prefix: Some(String::new()),
                    file: Some(String::new()),
                    server: Some(String::new()),
                }),
                alias_mode: Some(Vec::new()),
                forward_broadcast: Some(false),
            },
            networks: BTreeMap::new(),
            driver: String::new(),
            properties: BTreeMap::new(),
        }
    }

    /// The adapter as a reader shows it: only what its mode has.
    pub fn view(&self) -> Nic {
        let mut nic = self.nic.clone();
        match nic.mode.as_ref().unwrap_or(&NicMode::Unattached) {
            NicMode::Nat => nic.nat = Some(self.nat.clone()),
            NicMode::Generic => {
                nic.driver = Some(self.driver.clone());
                nic.properties = Some(self.properties.clone());
            }
            mode @ (NicMode::NatNetwork
            | NicMode::Internal
            | NicMode::HostOnly
            | NicMode::HostOnlyNetwork
            | NicMode::Bridged) => {
                nic.network = Some(self.networks.get(mode.as_str()).cloned().unwrap_or_default());
            }
            NicMode::Unattached | NicMode::Cloud | NicMode::Other(_) => {}
        }
        nic
    }
}
