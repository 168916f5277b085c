//! Network adapters (`vbox-settings` 3.5).

use std::collections::BTreeMap;

use super::Beyond;
use super::document::Element;
use crate::model::nic::{NatDns, NatTftp, NicType, Promiscuous, SocketBuffers};
use crate::model::{HostPort, Nat, Nic, NicMode, PortForward, Protocol};

/// Reads the adapters that the guest has, by slot from 1.
pub fn read(list: Option<Element<'_>>, beyond: &mut Beyond) -> Result<BTreeMap<u32, Box<Nic>>, String> {
    let mut nics = BTreeMap::new();
    for adapter in list.into_iter().flat_map(|list| list.children("Adapter")) {
        let slot = adapter.number_if_any::<u32>("slot")?.ok_or_else(|| adapter.missing("slot"))?;
        if adapter.flag("enabled", false)? {
            nics.insert(slot.saturating_add(1), Box::new(read_adapter(adapter, beyond)?));
        } else {
            // What is remembered of an adapter that the guest does not have.
            adapter.leave();
        }
    }
    Ok(nics)
}

/// The port-forwards of adapters whose NAT engine is not in use, by slot from 1.
pub fn remembered(list: Option<Element<'_>>) -> Result<BTreeMap<u32, BTreeMap<String, PortForward>>, String> {
    let mut found = BTreeMap::new();
    for adapter in list.into_iter().flat_map(|list| list.children("Adapter")) {
        let slot = adapter.number::<u32>("slot", 0)?;
        let unused = adapter.child("DisabledModes").and_then(|modes| modes.child("NAT"));
        let disabled = if adapter.flag("enabled", false)? { None } else { adapter.child("NAT") };
        let mut rules = BTreeMap::new();
        for rule in [unused, disabled].into_iter().flatten().flat_map(|nat| nat.children("Forwarding")) {
            rules.insert(rule.required("name")?.to_owned(), read_rule(rule)?);
        }
        if !rules.is_empty() {
            found.insert(slot.saturating_add(1), rules);
        }
    }
    Ok(found)
}

fn read_adapter(adapter: Element<'_>, beyond: &mut Beyond) -> Result<Nic, String> {
    let trace = adapter.flag("trace", false)?;
    let trace_file = adapter.string("tracefile");
    if trace && trace_file.is_empty() {
        beyond.say(format!("{}@trace: on, into a file of VirtualBox's choice", adapter.path()));
    }
    let mut nic = Nic {
        mode: Some(NicMode::Unattached),
        nic_type: Some(NicType::parse_or_other(adapter.get("type").unwrap_or("Am79C973"))),
        mac: Some(adapter.string("MACAddress").to_ascii_uppercase()),
        cable: Some(adapter.flag("cable", true)?),
        speed: Some(adapter.number("speed", 0)?),
        promiscuous: Some(match adapter.get("promiscuousModePolicy").unwrap_or("Deny") {
            "Deny" => Promiscuous::Deny,
            "AllowNetwork" => Promiscuous::AllowVms,
            "AllowAll" => Promiscuous::AllowAll,
            other => Promiscuous::Other(other.to_owned()),
        }),
        bandwidth_group: Some(adapter.string("bandwidthGroup")),
        boot_priority: Some(adapter.number("bootPriority", 0)?),
        trace: Some(if trace { trace_file } else { String::new() }),
        ..Nic::default()
    };
    if let Some(remembered) = adapter.child("DisabledModes") {
        remembered.leave();
    }
    let modes = [
        ("BridgedInterface", NicMode::Bridged),
        ("InternalNetwork", NicMode::Internal),
        ("HostOnlyInterface", NicMode::HostOnly),
        ("HostOnlyNetwork", NicMode::HostOnlyNetwork),
        ("NATNetwork", NicMode::NatNetwork),
        ("CloudNetwork", NicMode::Cloud),
    ];
    for (name, mode) in modes {
        if let Some(element) = adapter.child(name) {
            nic.mode = Some(mode);
            nic.network = Some(element.string("name"));
        }
    }
    if let Some(generic) = adapter.child("GenericInterface") {
        nic.mode = Some(NicMode::Generic);
        nic.driver = Some(generic.string("driver"));
        let properties = generic.children("Property").map(|p| (p.string("name"), p.string("value")));
        nic.properties = Some(properties.collect());
    }
    if let Some(nat) = adapter.child("NAT") {
        nic.mode = Some(NicMode::Nat);
        nic.nat = Some(read_nat(nat)?);
    }
    Ok(nic)
}

fn read_nat(nat: Element<'_>) -> Result<Nat, String> {
    // VirtualBox forgets that it was switched off: it cannot be managed, and is as good as on (`vbox-settings` 5.4).
    nat.skip(&["localhost-reachable"]);
    let (dns, tftp, alias) = (nat.child("DNS"), nat.child("TFTP"), nat.child("Alias"));
    let mut rules = BTreeMap::new();
    for rule in nat.children("Forwarding") {
        rules.insert(rule.required("name")?.to_owned(), read_rule(rule)?);
    }
    let mut alias_mode = Vec::new();
    for (attribute, word) in
        [("logging", "log"), ("proxy-only", "proxyonly"), ("use-same-ports", "sameports")]
    {
        if alias.map_or(Ok(false), |alias| alias.flag(attribute, false))? {
            alias_mode.push(word.to_owned());
        }
    }
    let size = |name| nat.number(name, 0).map(Some);
    let dns_flag = |name, default| dns.map_or(Ok(default), |dns| dns.flag(name, default)).map(Some);
    let tftp_text = |name| Some(tftp.map(|tftp| tftp.string(name)).unwrap_or_default());
    Ok(Nat {
        port_forwards: Some(rules),
        cidr: Some(nat.string("network")),
        bind_ip: Some(nat.string("hostip")),
        mtu: Some(nat.number("mtu", 0)?),
        socket_buffers: Some(SocketBuffers {
            socket_send: size("socksnd")?,
            socket_receive: size("sockrcv")?,
            tcp_send: size("tcpsnd")?,
            tcp_receive: size("tcprcv")?,
        }),
        dns: Some(NatDns {
            pass_domain: dns_flag("pass-domain", true)?,
            proxy: dns_flag("use-proxy", false)?,
            host_resolver: dns_flag("use-host-resolver", false)?,
        }),
        tftp: Some(NatTftp {
            enabled: Some(nat.flag("enable-tftp", false)?),
            prefix: tftp_text("prefix"),
            file: tftp_text("boot-file"),
            server: tftp_text("next-server"),
        }),
        alias_mode: Some(alias_mode),
        forward_broadcast: Some(nat.flag("forward-broadcast", false)?),
    })
}

pub(super) fn read_rule(rule: Element<'_>) -> Result<PortForward, String> {
    let address = |name| Some(rule.string(name)).filter(|ip| !ip.is_empty());
    Ok(PortForward {
        protocol: match rule.get("proto") {
            Some("1") => Protocol::Tcp,
            Some("0") => Protocol::Udp,
            other => return Err(rule.wrong("proto", other.unwrap_or_default(), "1 (TCP) or 0 (UDP)")),
        },
        host_ip: address("hostip"),
        host_port: HostPort::Fixed(rule.number("hostport", 0)?),
        guest_ip: address("guestip"),
        guest_port: rule.number("guestport", 0)?,
    })
}
