//! Network adapters.

use std::collections::BTreeMap;

use super::{Gathered, Pairs};
use crate::model::nic::{NatTftp, NicType, SocketBuffers};
use crate::model::{HostPort, Nat, Nic, NicMode, PortForward, Protocol};

/// Reads the adapters. What belongs to a NAT engine carries no number: it stands behind its adapter's `nicN`.
pub fn read(pairs: &Pairs, gathered: &mut Gathered) -> Result<(), String> {
    let mut nics: BTreeMap<u32, Box<Nic>> = BTreeMap::new();
    let mut current = None;
    for (key, value) in pairs.iter() {
        if let Some(slot) = key.strip_prefix("nic").and_then(|slot| slot.parse::<u32>().ok()) {
            current = Some(slot);
            if value != "none" {
                let nic = read_adapter(pairs, slot, value)?;
                nics.insert(slot, Box::new(nic));
            }
        } else if let Some(nat) =
            current.and_then(|slot| nics.get_mut(&slot)).and_then(|nic| nic.nat.as_mut())
        {
            read_nat(nat, key, value)?;
        }
    }
    gathered.settings.nics = Some(nics);
    gathered.omitted(&[
        "nics.*.promiscuous",
        "nics.*.bandwidthGroup",
        "nics.*.bootPriority",
        "nics.*.trace",
        "nics.*.properties",
        "nics.*.nat.bindIp",
        "nics.*.nat.dns",
        "nics.*.nat.aliasMode",
        "nics.*.nat.tftp.prefix",
        "nics.*.nat.tftp.file",
        "nics.*.nat.tftp.server",
    ]);
    // Without a number it tells 64 for the default, too.
    gathered.unknown_because(
        "nics.*.nat.socketBuffers",
        "showvminfo does not tell a default from the same number",
    );
    Ok(())
}

fn read_adapter(pairs: &Pairs, slot: u32, mode: &str) -> Result<Nic, String> {
    let get = |name: &str| pairs.get(&format!("{name}{slot}"));
    let text = |name: &str| get(name).map(str::to_owned);
    let mode = match mode {
        "null" => NicMode::Unattached,
        "cloudnetwork" => NicMode::Cloud,
        "hostonlynetwork" => NicMode::HostOnlyNetwork,
        other => NicMode::parse_or_other(other),
    };
    let network = match &mode {
        NicMode::Bridged => text("bridgeadapter"),
        NicMode::Internal => text("intnet"),
        NicMode::HostOnly => text("hostonlyadapter"),
        NicMode::HostOnlyNetwork => text("hostonly-network"),
        NicMode::NatNetwork => text("nat-network"),
        NicMode::Cloud => text("cloud-network"),
        _ => None,
    };
    let nat = (mode == NicMode::Nat).then(|| Nat {
        port_forwards: Some(BTreeMap::new()),
        cidr: get("natnet").map(|cidr| if cidr == "nat" { String::new() } else { cidr.to_owned() }),
        socket_buffers: Some(SocketBuffers::default()),
        tftp: Some(NatTftp::default()),
        ..Nat::default()
    });
    Ok(Nic {
        driver: if mode == NicMode::Generic { text("generic") } else { None },
        mode: Some(mode),
        network,
        nat,
        nic_type: get("nictype").map(NicType::parse_or_other),
        mac: text("macaddress"),
        cable: super::on(pairs, &format!("cableconnected{slot}"))?,
        speed: super::number(pairs, &format!("nicspeed{slot}"))?,
        ..Nic::default()
    })
}

fn read_nat(nat: &mut Nat, key: &str, value: &str) -> Result<(), String> {
    match key {
        "mtu" => nat.mtu = value.parse().ok(),
        "forwardBroadcast" => nat.forward_broadcast = Some(value == "1"),
        "enableTFTP" => {
            if let Some(tftp) = &mut nat.tftp {
                tftp.enabled = Some(value == "1");
            }
        }
        _ if key.starts_with("Forwarding(") => {
            let (name, rule) = read_rule(value).ok_or_else(|| format!("showvminfo tells {key}={value}"))?;
            nat.port_forwards.get_or_insert_default().insert(name, rule);
        }
        _ => {}
    }
    Ok(())
}

/// `ssh,tcp,127.0.0.1,2222,,22`; a name may hold commas.
fn read_rule(text: &str) -> Option<(String, PortForward)> {
    let mut parts = text.rsplitn(6, ',');
    let guest_port = parts.next()?.parse().ok()?;
    let guest_ip = parts.next()?;
    let host_port = parts.next()?.parse().ok()?;
    let host_ip = parts.next()?;
    let protocol = match parts.next()? {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    let address = |ip: &str| Some(ip.to_owned()).filter(|ip| !ip.is_empty());
    let rule = PortForward {
        protocol,
        host_ip: address(host_ip),
        host_port: HostPort::Fixed(host_port),
        guest_ip: address(guest_ip),
        guest_port,
    };
    Some((parts.next()?.to_owned(), rule))
}
