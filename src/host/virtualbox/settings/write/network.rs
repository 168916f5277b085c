//! Network adapters.

use std::collections::BTreeMap;

use super::xml::{Attributes, Xml};
use super::{Birth, Unfit, spelled, unfit};
use crate::model::nic::{NicType, Promiscuous};
use crate::model::settings::Chipset;
use crate::model::{HostPort, Nat, Nic, NicMode, PortForward, Protocol};

/// Adapters that every chipset has.
const COMMON: u32 = 8;
/// Adapters of the chipset that has more.
const MOST: u32 = 36;

/// Writes all adapters. What those are that nobody has touched VirtualBox knows from the operating system.
pub fn write(xml: &mut Xml, birth: &Birth<'_>) -> Result<(), Unfit> {
    let settings = &birth.machine.settings;
    let none = BTreeMap::new();
    let enabled = settings.nics.as_ref().unwrap_or(&none);
    let last = if settings.chipset == Some(Chipset::Ich9) { MOST } else { COMMON };
    xml.open("Network", Attributes::new());
    for number in 1..=last {
        let remembered = birth.machine.remembered.get(&number);
        if let Some(nic) = enabled.get(&number) {
            adapter(xml, number, nic, remembered)?;
        } else if let Some(nic) = birth.disabled.get(&number) {
            disabled(xml, number, nic, remembered)?;
        } else if number == 1 {
            // Without a word VirtualBox gives the guest the first one (measured).
            xml.leaf("Adapter", Attributes::new().with("slot", 0).with("enabled", false));
        } else if number > COMMON {
            // Those that only one chipset has come without a cable (measured).
            xml.leaf("Adapter", Attributes::new().with("slot", number - 1).with("cable", false));
        }
    }
    xml.close();
    Ok(())
}

/// VirtualBox's spelling of an adapter's type.
fn type_word(nic_type: &NicType) -> Result<&'static str, Unfit> {
    spelled(nic_type.as_str(), NicType::WORDS)
}

fn common(number: u32, is_enabled: bool, nic: &Nic) -> Result<Attributes, Unfit> {
    let policy = match nic.promiscuous.as_ref().unwrap_or(&Promiscuous::Deny) {
        Promiscuous::Deny => "Deny",
        Promiscuous::AllowVms => "AllowNetwork",
        Promiscuous::AllowAll => "AllowAll",
        Promiscuous::Other(_) => return Err(unfit("promiscuous")),
    };
    let trace = nic.trace.as_deref().unwrap_or_default();
    Ok(Attributes::new()
        .with("slot", number - 1)
        .unless("enabled", is_enabled, false)
        .unless("MACAddress", nic.mac.as_deref().unwrap_or_default(), "")
        .unless("cable", nic.cable.unwrap_or(true), true)
        .unless("speed", nic.speed.unwrap_or(0), 0)
        .unless("bootPriority", nic.boot_priority.unwrap_or(0), 0)
        .unless("trace", !trace.is_empty(), false)
        .unless("tracefile", trace, "")
        .unless("bandwidthGroup", nic.bandwidth_group.as_deref().unwrap_or_default(), "")
        .unless("promiscuousModePolicy", policy, "Deny")
        .with("type", type_word(nic.nic_type.as_ref().unwrap_or(&NicType::Am79C973))?))
}

/// An adapter that the guest does not have, with what is remembered of its NAT engine.
fn disabled(
    xml: &mut Xml,
    number: u32,
    nic: &Nic,
    remembered: Option<&BTreeMap<String, PortForward>>,
) -> Result<(), Unfit> {
    if !matches!(nic.mode, None | Some(NicMode::Nat | NicMode::Unattached)) {
        return Err(unfit("a network that an unused adapter remembers"));
    }
    let attributes = common(number, false, nic)?;
    if nic.mode != Some(NicMode::Nat) {
        xml.leaf("Adapter", attributes);
        return Ok(());
    }
    xml.open("Adapter", attributes);
    let mut nat = nic.nat.clone().unwrap_or_default();
    nat.port_forwards = remembered.cloned();
    engine(xml, &nat)?;
    xml.close();
    Ok(())
}

fn adapter(
    xml: &mut Xml,
    number: u32,
    nic: &Nic,
    remembered: Option<&BTreeMap<String, PortForward>>,
) -> Result<(), Unfit> {
    xml.open("Adapter", common(number, true, nic)?);
    if let Some(rules) = remembered {
        xml.open("DisabledModes", Attributes::new());
        xml.open("NAT", Attributes::new());
        forwardings(xml, rules)?;
        xml.close();
        xml.close();
    }
    let named = |xml: &mut Xml, name: &'static str| {
        let network = nic.network.as_deref().unwrap_or_default();
        xml.leaf(name, Attributes::new().with("name", network));
    };
    match nic.mode.as_ref().unwrap_or(&NicMode::Unattached) {
        NicMode::Unattached => {}
        NicMode::Nat => engine(xml, &nic.nat.clone().unwrap_or_default())?,
        NicMode::NatNetwork => named(xml, "NATNetwork"),
        NicMode::Internal => named(xml, "InternalNetwork"),
        NicMode::HostOnly => named(xml, "HostOnlyInterface"),
        NicMode::HostOnlyNetwork => named(xml, "HostOnlyNetwork"),
        NicMode::Bridged => named(xml, "BridgedInterface"),
        NicMode::Generic => {
            let driver = nic.driver.as_deref().unwrap_or_default();
            xml.open("GenericInterface", Attributes::new().with("driver", driver));
            for (name, value) in nic.properties.iter().flatten() {
                xml.leaf("Property", Attributes::new().with("name", name).with("value", value));
            }
            xml.close();
        }
        NicMode::Cloud | NicMode::Other(_) => return Err(unfit("mode")),
    }
    xml.close();
    Ok(())
}

fn engine(xml: &mut Xml, nat: &Nat) -> Result<(), Unfit> {
    let tftp = nat.tftp.clone().unwrap_or_default();
    // Since 1.20 and 1.21.
    if nat.forward_broadcast == Some(true) || tftp.enabled == Some(true) {
        return Err(unfit("nat.forwardBroadcast or nat.tftp.enabled"));
    }
    let buffers = nat.socket_buffers.clone().unwrap_or_default();
    let attributes = Attributes::new()
        .unless("network", nat.cidr.as_deref().unwrap_or_default(), "")
        .unless("hostip", nat.bind_ip.as_deref().unwrap_or_default(), "")
        .unless("mtu", nat.mtu.unwrap_or(0), 0)
        .unless("sockrcv", buffers.socket_receive.unwrap_or(0), 0)
        .unless("socksnd", buffers.socket_send.unwrap_or(0), 0)
        .unless("tcprcv", buffers.tcp_receive.unwrap_or(0), 0)
        .unless("tcpsnd", buffers.tcp_send.unwrap_or(0), 0);
    xml.open("NAT", attributes);
    let dns = nat.dns.clone().unwrap_or_default();
    let names = Attributes::new()
        .unless("pass-domain", dns.pass_domain.unwrap_or(true), true)
        .unless("use-proxy", dns.proxy.unwrap_or(false), false)
        .unless("use-host-resolver", dns.host_resolver.unwrap_or(false), false);
    xml.leaf_if_any("DNS", names);
    let aliases = nat.alias_mode.as_deref().unwrap_or_default();
    let has = |word: &str| aliases.iter().any(|alias| alias == word);
    let alias = Attributes::new()
        .unless("logging", has("log"), false)
        .unless("proxy-only", has("proxyonly"), false)
        .unless("use-same-ports", has("sameports"), false);
    xml.leaf_if_any("Alias", alias);
    let files = Attributes::new()
        .unless("prefix", tftp.prefix.unwrap_or_default(), String::new())
        .unless("boot-file", tftp.file.unwrap_or_default(), String::new())
        .unless("next-server", tftp.server.unwrap_or_default(), String::new());
    xml.leaf_if_any("TFTP", files);
    forwardings(xml, nat.port_forwards.as_ref().unwrap_or(&BTreeMap::new()))?;
    xml.close();
    Ok(())
}

fn forwardings(xml: &mut Xml, rules: &BTreeMap<String, PortForward>) -> Result<(), Unfit> {
    for (name, rule) in rules {
        let HostPort::Fixed(port) = rule.host_port else { return Err(unfit("a port that is to be chosen")) };
        let protocol = match rule.protocol {
            Protocol::Tcp => 1,
            Protocol::Udp => 0,
        };
        let attributes = Attributes::new()
            .with("name", name)
            .with("proto", protocol)
            .unless("hostip", rule.host_ip.as_deref().unwrap_or_default(), "")
            .with("hostport", port)
            .unless("guestip", rule.guest_ip.as_deref().unwrap_or_default(), "")
            .with("guestport", rule.guest_port);
        xml.leaf("Forwarding", attributes);
    }
    Ok(())
}
