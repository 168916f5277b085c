//! Networks: `natnetwork`, `dhcpserver`, `hostonlyif`, and `hostonlynet`, which VirtualBox has on macOS only.
//!
//! `natnetwork` sets one thing after the other and stops at the first that is refused: what was before it is done (measured).
//! Rules that go have a call of their own: beside `--port-forward-6 delete` a new IPv6 prefix is not set, and nothing is said (measured).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::modify::{text, unsupported};
use super::{no, on_off};
use crate::host::HostError;
use crate::host::virtualbox::CommandLine;
use crate::model::network::{netmask, prefixed};
use crate::model::{Dhcp, HostPort, NetworkSettings, PortForward};
use crate::plan::{Assignment, NetworkChange};

/// The number that VirtualBox gives to 127.0.0.1 in a new NAT network.
const LOOPBACK_NUMBER: u32 = 2;

/// The command lines of a change.
pub fn command_lines(change: &NetworkChange) -> Result<Vec<CommandLine>, HostError> {
    Ok(match change {
        NetworkChange::AddNat { name, settings } => add_nat(name, settings)?,
        NetworkChange::ModifyNat { name, set } => {
            let (go, rest): (Vec<_>, Vec<_>) = set.iter().partition(|assignment| assignment.value.is_none());
            let calls = [go, rest].into_iter().filter(|set| !set.is_empty());
            calls.map(|set| modify_nat(name, &set)).collect::<Result<_, _>>()?
        }
        // This verb alone does not take `--netname=NAME`.
        NetworkChange::RemoveNat { name } => {
            vec![CommandLine::of(["natnetwork", "remove", "--netname", name])]
        }
        NetworkChange::AddDhcp { network, dhcp } => {
            let command = CommandLine::of(["dhcpserver", "add"]).option("network", network);
            let command = addresses(command, dhcp)?.arg(enabling(dhcp.enabled.unwrap_or(true)));
            vec![options(command, dhcp)?]
        }
        NetworkChange::ChangeDhcp { network, dhcp, forget } => {
            let mut command = CommandLine::of(["dhcpserver", "modify"]).option("network", network);
            if dhcp.server.is_some() || dhcp.range.is_some() {
                command = addresses(command, dhcp)?;
            }
            if let Some(enabled) = dhcp.enabled {
                command = command.arg(enabling(enabled));
            }
            for name in forget {
                command = command.option("del-opt", option_number(name)?);
            }
            vec![options(command, dhcp)?]
        }
        NetworkChange::RemoveDhcp { network } => {
            vec![CommandLine::of(["dhcpserver", "remove"]).option("network", network)]
        }
        NetworkChange::AddInterface { .. } => vec![CommandLine::of(["hostonlyif", "create"])],
        NetworkChange::SetInterface { name, address } => {
            let (ip, prefix) = with_prefix(address)?;
            vec![
                CommandLine::of(["hostonlyif", "ipconfig", name])
                    .option("ip", ip)
                    .option("netmask", netmask(prefix)),
            ]
        }
        NetworkChange::RemoveInterface { name } => vec![CommandLine::of(["hostonlyif", "remove", name])],
        NetworkChange::AddHostOnlyNetwork { name, address, last } => {
            vec![host_only_network("add", name, address, *last)?]
        }
        NetworkChange::SetHostOnlyNetwork { name, address, last } => {
            vec![host_only_network("modify", name, address, *last)?]
        }
        NetworkChange::RemoveHostOnlyNetwork { name } => {
            vec![CommandLine::of(["hostonlynet", "remove"]).option("name", name)]
        }
    })
}

fn with_prefix(address: &str) -> Result<(Ipv4Addr, u32), HostError> {
    prefixed(address).ok_or_else(|| no(&format!("the address {address}")))
}

fn host_only_network(
    verb: &str,
    name: &str,
    address: &str,
    last: Ipv4Addr,
) -> Result<CommandLine, HostError> {
    let (ip, prefix) = with_prefix(address)?;
    Ok(CommandLine::of(["hostonlynet", verb])
        .option("name", name)
        .option("netmask", netmask(prefix))
        .option("lower-ip", ip)
        .option("upper-ip", last)
        .arg(enabling(true)))
}

fn add_nat(name: &str, settings: &NetworkSettings) -> Result<Vec<CommandLine>, HostError> {
    let cidr = settings.cidr.as_ref().ok_or_else(|| no("a NAT network without its addresses"))?;
    let mut command = CommandLine::of(["natnetwork", "add"]).option("netname", name).option("network", cidr);
    if let Some(enabled) = settings.enabled {
        command = command.arg(enabling(enabled));
    }
    if let Some(enabled) = settings.dhcp.as_ref().and_then(|dhcp| dhcp.enabled) {
        command = command.option("dhcp", on_off(enabled));
    }
    if let Some(ipv6) = &settings.ipv6 {
        if let Some(enabled) = ipv6.enabled {
            command = command.option("ipv6", on_off(enabled));
        }
        if let Some(prefix) = &ipv6.prefix {
            command = command.option("ipv6-prefix", prefix);
        }
        if let Some(route) = ipv6.default_route {
            command = command.option("ipv6-default", on_off(route));
        }
    }
    for (flag, rules) in
        [("port-forward-4", &settings.port_forwards), ("port-forward-6", &settings.port_forwards6)]
    {
        for (name, rule) in rules.iter().flatten() {
            command = command.option(flag, spelled(name, rule)?);
        }
    }
    let mut commands = vec![command];
    // 127.0.0.1 is mapped already, which `add` would refuse; where it gets another number, it leaves its own to others.
    let mut mappings: Vec<(&String, &u32)> = settings.loopback.iter().flatten().collect();
    mappings.sort_by_key(|(address, _)| *address != PortForward::LOOPBACK);
    for (address, number) in mappings {
        if address != PortForward::LOOPBACK || *number != LOOPBACK_NUMBER {
            let command = CommandLine::of(["natnetwork", "modify"]).option("netname", name);
            commands.push(command.option("loopback-4", format!("{address}={number}")));
        }
    }
    Ok(commands)
}

fn modify_nat(name: &str, set: &[&Assignment]) -> Result<CommandLine, HostError> {
    let mut command = CommandLine::of(["natnetwork", "modify"]).option("netname", name);
    for assignment in set {
        let keys = assignment.path.parts();
        let value = assignment.value.as_ref();
        let flag = || {
            value
                .and_then(serde_json::Value::as_bool)
                .ok_or_else(|| unsupported(&keys, "to neither true nor false"))
        };
        command = match keys.as_slice() {
            ["nat", "cidr"] => command.option("network", text(&keys, value)?),
            ["nat", "enabled"] => command.arg(enabling(flag()?)),
            ["nat", "dhcp", "enabled"] => command.option("dhcp", on_off(flag()?)),
            ["nat", "ipv6", "enabled"] => command.option("ipv6", on_off(flag()?)),
            ["nat", "ipv6", "prefix"] => command.option("ipv6-prefix", text(&keys, value)?),
            ["nat", "ipv6", "defaultRoute"] => command.option("ipv6-default", on_off(flag()?)),
            ["nat", rules @ ("portForwards" | "portForwards6"), name] => {
                let flag = if *rules == "portForwards" { "port-forward-4" } else { "port-forward-6" };
                if value.is_none() {
                    // The name is an argument of its own.
                    command.arg(format!("--{flag}")).arg("delete").arg(*name)
                } else {
                    let rule = text(&keys, value)?.parse::<PortForward>();
                    let rule = rule.map_err(|error| unsupported(&keys, &format!("({error})")))?;
                    command.option(flag, spelled(name, &rule)?)
                }
            }
            ["nat", "loopback", address] => {
                let number = value.and_then(serde_json::Value::as_u64);
                let number = number.ok_or_else(|| unsupported(&keys, "to what is no number"))?;
                command.option("loopback-4", format!("{address}={number}"))
            }
            _ => return Err(unsupported(&keys, "of a NAT network")),
        };
    }
    Ok(command)
}

/// `NAME:tcp:[HOSTIP]:HOSTPORT:[GUESTIP]:GUESTPORT`
fn spelled(name: &str, rule: &PortForward) -> Result<String, HostError> {
    let HostPort::Fixed(port) = rule.host_port else {
        return Err(no(&format!("the rule {name} to a port that nobody has chosen")));
    };
    Ok(format!(
        "{name}:{}:[{}]:{port}:[{}]:{}",
        rule.protocol.as_str(),
        rule.host_ip.as_deref().unwrap_or_default(),
        rule.guest_ip.as_deref().unwrap_or_default(),
        rule.guest_port
    ))
}

const fn enabling(enabled: bool) -> &'static str {
    if enabled { "--enable" } else { "--disable" }
}

/// Addresses go together: a server in another network than its range is refused.
fn addresses(command: CommandLine, dhcp: &Dhcp) -> Result<CommandLine, HostError> {
    let server = dhcp.server.as_deref().and_then(prefixed);
    let (Some((ip, prefix)), Some((from, to))) = (server, dhcp.range_ends()) else {
        return Err(no("a DHCP server without its address and range"));
    };
    Ok(command
        .option("server-ip", ip)
        .option("netmask", netmask(prefix))
        .option("lower-ip", from)
        .option("upper-ip", to))
}

fn options(command: CommandLine, dhcp: &Dhcp) -> Result<CommandLine, HostError> {
    let none = BTreeMap::new();
    dhcp.options.as_ref().unwrap_or(&none).iter().try_fold(command, |command, (name, value)| {
        // The value is an argument of its own.
        Ok(command.option("set-opt", option_number(name)?).arg(value.as_str()))
    })
}

fn option_number(name: &str) -> Result<u8, HostError> {
    Dhcp::option_number(name).ok_or_else(|| no(&format!("the DHCP option {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of VirtualBox's manual, `VBoxManage hostonlynet`: the laboratory's VirtualBox does not have it.
    #[test]
    fn host_only_networks_of_macos_are_made_changed_and_removed() {
        let (name, address, last) =
            ("lan".to_owned(), "192.168.56.1/24".to_owned(), Ipv4Addr::new(192, 168, 56, 199));
        let said = |change: NetworkChange| {
            let commands = command_lines(&change).unwrap();
            commands.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let addresses = "--netmask=255.255.255.0 --lower-ip=192.168.56.1 --upper-ip=192.168.56.199 --enable";
        assert_eq!(
            said(NetworkChange::AddHostOnlyNetwork { name: name.clone(), address: address.clone(), last }),
            format!("VBoxManage hostonlynet add --name=lan {addresses}")
        );
        assert_eq!(
            said(NetworkChange::SetHostOnlyNetwork { name: name.clone(), address, last }),
            format!("VBoxManage hostonlynet modify --name=lan {addresses}")
        );
        assert_eq!(
            said(NetworkChange::RemoveHostOnlyNetwork { name }),
            "VBoxManage hostonlynet remove --name=lan"
        );
    }
}
