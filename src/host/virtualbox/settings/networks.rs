//! `NetserviceRegistry`: NAT networks, DHCP servers (`vbox-settings` 3.9) and the host-only networks of macOS (`Settings.cpp`).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::document::Element;
use super::network::read_rule;
use crate::inventory::Networks;
use crate::model::network::prefix_of;
use crate::model::{Dhcp, Ipv6, NetworkSettings, PortForward};

/// Reads all of it. What cannot be read is named with the reason, the rest is there.
pub fn read_networks(services: Element<'_>) -> Networks {
    let mut networks = Networks::default();
    let each = |list: &str, name: &'static str| {
        services.child(list).into_iter().flat_map(move |list| list.children(name))
    };
    for element in each("NATNetworks", "NATNetwork") {
        let name = element.string("networkName");
        match read_nat(element) {
            Ok(network) => drop(networks.nat.insert(name, network)),
            Err(reason) => drop(networks.unreadable.insert(name, reason)),
        }
    }
    for element in each("DHCPServers", "DHCPServer") {
        let name = element.string("networkName");
        match read_dhcp(element) {
            Ok(server) => drop(networks.dhcp.insert(name, server)),
            Err(reason) => drop(networks.unreadable.insert(name, reason)),
        }
    }
    for element in each("HostOnlyNetworks", "HostOnlyNetwork") {
        let name = element.string("name");
        let known = networks.host_only_networks.get_or_insert_default();
        match read_host_only_network(element) {
            // VirtualBox does not mind, and takes the first: nothing is to change the wrong one.
            Ok(_) if known.contains_key(&name) => {
                let reason = "VirtualBox has two host-only networks of this name".to_owned();
                networks.unreadable.insert(name, reason);
            }
            Ok(network) => drop(known.insert(name, network)),
            Err(reason) => drop(networks.unreadable.insert(name, reason)),
        }
    }
    networks
}

/// One that VirtualBox has made and not set yet has neither mask nor addresses.
fn read_host_only_network(element: Element<'_>) -> Result<NetworkSettings, String> {
    let ip = |key| {
        let text = element.string(key);
        let ip = (!text.is_empty()).then(|| text.parse::<Ipv4Addr>()).transpose();
        ip.map_err(|_| element.wrong(key, &text, "an IPv4 address"))
    };
    let (mask, lower, upper) = (ip("mask")?, ip("ipLower")?, ip("ipUpper")?);
    let prefix = match mask {
        Some(mask) => {
            Some(prefix_of(mask).ok_or_else(|| element.wrong("mask", &mask.to_string(), "a network mask"))?)
        }
        None => None,
    };
    let address = lower.zip(prefix).map(|(ip, prefix)| format!("{ip}/{prefix}"));
    let set = address.as_deref().zip(upper).map(|(own, last)| NetworkSettings::host_only_network(own, last));
    Ok(NetworkSettings { address, enabled: Some(element.flag("enabled", true)?), ..set.unwrap_or_default() })
}

fn read_nat(element: Element<'_>) -> Result<NetworkSettings, String> {
    let dhcp = Dhcp { enabled: Some(element.flag("needDhcp", true)?), ..Dhcp::default() };
    let mut loopback = BTreeMap::new();
    for mapping in element.child("Mappings").into_iter().flat_map(|mappings| mappings.children("Loopback4")) {
        loopback.insert(mapping.required("address")?.to_owned(), mapping.number("offset", 0)?);
    }
    Ok(NetworkSettings {
        cidr: Some(element.required("network")?.to_owned()),
        address: None,
        enabled: Some(element.flag("enabled", true)?),
        dhcp: Some(dhcp),
        ipv6: Some(Ipv6 {
            enabled: Some(element.flag("ipv6", false)?),
            prefix: Some(element.string("ipv6prefix")),
            default_route: Some(element.flag("advertiseDefaultIPv6Route", false)?),
        }),
        port_forwards: Some(rules(element.child("PortForwarding4"))?),
        port_forwards6: Some(rules(element.child("PortForwarding6"))?),
        loopback: Some(loopback),
    })
}

fn rules(list: Option<Element<'_>>) -> Result<BTreeMap<String, PortForward>, String> {
    let rules = list.into_iter().flat_map(|list| list.children("Forwarding"));
    rules.map(|rule| Ok((rule.required("name")?.to_owned(), read_rule(rule)?))).collect()
}

fn read_dhcp(element: Element<'_>) -> Result<Dhcp, String> {
    let mask = element.required("networkMask")?;
    let prefix = mask.parse::<Ipv4Addr>().ok().and_then(prefix_of);
    let prefix = prefix.ok_or_else(|| element.wrong("networkMask", mask, "a network mask"))?;
    let mut options = BTreeMap::new();
    for option in element.child("Options").into_iter().flat_map(|list| list.children("Option")) {
        options.insert(Dhcp::option_name(option.number("name", 0)?), option.string("value"));
    }
    Ok(Dhcp {
        enabled: Some(element.flag("enabled", false)?),
        server: Some(format!("{}/{prefix}", element.required("IPAddress")?)),
        range: Some(format!("{}-{}", element.required("lowerIP")?, element.required("upperIP")?)),
        options: Some(options),
    })
}

#[cfg(test)]
mod tests {
    use super::read_networks;
    use crate::host::virtualbox::settings::document::Document;
    use crate::model::NetworkKind;

    /// As VirtualBox 7.2.22 wrote it.
    const SERVICES: &str = r#"<NetserviceRegistry>
      <DHCPServers>
        <DHCPServer networkName="HostInterfaceNetworking-vboxnet0" IPAddress="192.168.56.100" networkMask="255.255.255.0" lowerIP="192.168.56.101" upperIP="192.168.56.254" enabled="1"/>
        <DHCPServer networkName="core" IPAddress="10.20.0.1" networkMask="255.255.255.0" lowerIP="10.20.0.50" upperIP="10.20.0.199" enabled="0">
          <Options>
            <Option name="6" value="10.20.0.1 1.1.1.1"/>
            <Option name="250" value="x"/>
          </Options>
        </DHCPServer>
        <DHCPServer networkName="edge" IPAddress="10.77.0.2" networkMask="255.255.255.0" lowerIP="10.77.0.3" upperIP="10.77.0.254" enabled="1"/>
        <DHCPServer networkName="odd" IPAddress="10.77.0.2" networkMask="255.0.255.0" lowerIP="10.77.0.3" upperIP="10.77.0.254" enabled="1"/>
      </DHCPServers>
      <NATNetworks>
        <NATNetwork networkName="edge" network="10.77.0.0/24" ipv6="1" ipv6prefix="fd17:625c:f037:a::/64" advertiseDefaultIPv6Route="1" needDhcp="0" enabled="0">
          <PortForwarding4>
            <Forwarding name="web" proto="1" hostip="127.0.0.1" hostport="8080" guestip="10.77.0.11" guestport="80"/>
            <Forwarding name="dns" proto="0" hostport="5353" guestip="10.77.0.11" guestport="53"/>
          </PortForwarding4>
          <PortForwarding6>
            <Forwarding name="web6" proto="1" hostip="::1" hostport="8080" guestip="fd17:625c:f037:a::11" guestport="80"/>
          </PortForwarding6>
          <Mappings>
            <Loopback4 address="127.0.0.1" offset="2"/>
          </Mappings>
        </NATNetwork>
        <NATNetwork networkName="plain" network="10.78.0.0/24" ipv6="0" ipv6prefix="fd17:625c:f037:2::/64" advertiseDefaultIPv6Route="0" needDhcp="1" enabled="1"/>
      </NATNetworks>
    </NetserviceRegistry>"#;

    #[test]
    fn networks_are_read() {
        let document = Document::parse(SERVICES).unwrap();
        let networks = read_networks(document.root());
        let edge = networks.find(NetworkKind::Nat, "edge").unwrap();
        assert_eq!(
            serde_json::to_value(&edge).unwrap(),
            serde_json::json!({
                "cidr": "10.77.0.0/24",
                "enabled": false,
                "dhcp": {"enabled": false, "server": "10.77.0.2/24", "range": "10.77.0.3-10.77.0.254", "options": {}},
                "ipv6": {"enabled": true, "prefix": "fd17:625c:f037:a::/64", "defaultRoute": true},
                "portForwards": {"web": "8080:10.77.0.11:80", "dns": "*:5353:10.77.0.11:53/udp"},
                "portForwards6": {"web6": "[::1]:8080:[fd17:625c:f037:a::11]:80"},
                "loopback": {"127.0.0.1": 2},
            })
        );
        let core = networks.find(NetworkKind::Internal, "core").unwrap().dhcp.unwrap();
        assert_eq!(core.enabled, Some(false));
        assert_eq!(core.options.unwrap()["dns"], "10.20.0.1 1.1.1.1");
        assert_eq!(networks.find(NetworkKind::Internal, "nonesuch"), None);
        assert_eq!(networks.find(NetworkKind::HostOnly, "vboxnet0"), None, "the host was not asked");
        assert!(networks.find(NetworkKind::Nat, "plain").unwrap().loopback.unwrap().is_empty());
        assert_eq!(networks.unreadable.keys().collect::<Vec<_>>(), ["odd"]);
        assert_eq!(networks.host_only_networks, None);
    }

    /// In the form of VirtualBox's `Settings.cpp`: the laboratory's VirtualBox has none.
    const HOST_ONLY: &str = r#"<NetserviceRegistry>
      <HostOnlyNetworks>
        <HostOnlyNetwork name="lan" mask="255.255.255.0" ipLower="192.168.56.1" ipUpper="192.168.56.199" id="{331df2f8-cac1-4c80-93f6-367eaa31454d}" enabled="1"/>
        <HostOnlyNetwork name="vagrantnet-vbox1" mask="255.255.255.0" ipLower="192.168.61.0" ipUpper="192.168.61.0" id="{10000000-0000-0000-0000-000000000000}" enabled="0"/>
        <HostOnlyNetwork name="half" mask="" ipLower="" ipUpper="" id="{10000000-0000-0000-0000-000000000001}" enabled="1"/>
        <HostOnlyNetwork name="odd" mask="255.0.255.0" ipLower="192.168.61.0" ipUpper="192.168.61.0" id="{10000000-0000-0000-0000-000000000002}" enabled="1"/>
        <HostOnlyNetwork name="two" mask="255.255.255.0" ipLower="10.0.0.1" ipUpper="10.0.0.9" id="{10000000-0000-0000-0000-000000000003}" enabled="1"/>
        <HostOnlyNetwork name="two" mask="255.255.255.0" ipLower="10.0.1.1" ipUpper="10.0.1.9" id="{10000000-0000-0000-0000-000000000004}" enabled="1"/>
      </HostOnlyNetworks>
    </NetserviceRegistry>"#;

    #[test]
    fn host_only_networks_of_macos_are_read() {
        let document = Document::parse(HOST_ONLY).unwrap();
        let networks = read_networks(document.root());
        let shown = |name| serde_json::to_value(networks.find(NetworkKind::HostOnlyNetwork, name)).unwrap();
        assert_eq!(
            shown("lan"),
            serde_json::json!({
                "address": "192.168.56.1/24",
                "enabled": true,
                "dhcp": {"enabled": true, "range": "192.168.56.2-192.168.56.199"},
            })
        );
        assert_eq!(
            shown("vagrantnet-vbox1"),
            serde_json::json!({"address": "192.168.61.0/24", "enabled": false})
        );
        assert_eq!(shown("half"), serde_json::json!({"enabled": true}));
        assert_eq!(networks.unreadable.keys().collect::<Vec<_>>(), ["odd", "two"]);
    }
}
