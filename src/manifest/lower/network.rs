//! Networks: addresses that fit one another, and the lowering itself.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::checked::{Checked, place};
use super::super::diagnostic::{Diagnostic, Sink};
use super::super::resolve::Scope;
use super::super::text::range_ends;
use super::machine::conflict;
use super::objects::Object;
use super::{Checkup, lifecycle, text_of};
use crate::model::network::{is_in, network_of, prefixed};
use crate::model::{DesiredNetwork, FieldPath, NetworkKind, NetworkSettings, PortForward};

pub(super) fn rules(checkup: &Checkup<'_>, sink: &mut Sink) {
    for network in &checkup.networks {
        let spec = &network.spec;
        if let Some(nat) = spec.get("nat") {
            nat_rules(network, nat, sink);
        }
        for key in ["nat", "internal", "hostOnly"] {
            let Some(kind) = spec.get(key) else { continue };
            if let Some(dhcp) = kind.get("dhcp") {
                dhcp_rules(dhcp, kind, key, network, sink);
            }
        }
    }
    overlaps(checkup, sink);
}

fn nat_rules(network: &Object<'_>, nat: &Checked, sink: &mut Sink) {
    if nat.get("cidr").is_none() && !network.doc.flag("external") {
        sink.push(
            Diagnostic::error(
                "missing-key",
                format!("it is not said which addresses the NAT network `{}` has", network.doc.name),
            )
            .at(network.doc.name_span, "this network")
            .help("write `cidr: 10.10.0.0/24`, or `lifecycle: {external: true}` for one that must exist"),
        );
    }
    loopback_rules(nat, sink);
    let cidr = text_of(nat, "cidr").and_then(|(text, value)| Some((prefixed(text)?, value)));
    for (key, wants_v6) in [("portForwards", false), ("portForwards6", true)] {
        let rules = nat.get(key).map(Checked::members).unwrap_or_default();
        for (position, rule) in rules.iter().enumerate() {
            if rule.key.contains(':') {
                sink.push(
                    Diagnostic::error(
                        "bad-name",
                        format!("{key}.{}: a rule's name may not have `:`", rule.key),
                    )
                    .at(rule.key_span, "VirtualBox cuts rules of networks there"),
                );
            }
            let Some(parsed) = super::across::forward(&rule.value) else { continue };
            let first = rules[..position].iter().find(|other| {
                super::across::forward(&other.value).is_some_and(|other| other.collides(&parsed))
            });
            if let Some(first) = first {
                let message =
                    format!("`{}` and `{}` listen on the same port of the host", first.key, rule.key);
                let help = "VirtualBox refuses the second one: give it another host port";
                conflict(sink, message, (&rule.value, "again here"), (&first.value, "first here"), help);
            }
            let guest: Option<IpAddr> = parsed.guest_ip.as_deref().and_then(|ip| ip.parse().ok());
            let diagnostic = match guest {
                None => Diagnostic::error(
                    "missing-guest-address",
                    format!("{key}.{}: there is no guest's address", rule.key),
                )
                .help(if wants_v6 {
                    "on a NAT network write which guest is meant: \"8080:[fd17::11]:80\""
                } else {
                    "on a NAT network write which guest is meant: \"8080:10.10.0.11:80\""
                }),
                Some(ip) if ip.is_ipv6() != wants_v6 => {
                    let other = if wants_v6 { "portForwards" } else { "portForwards6" };
                    Diagnostic::error(
                        "conflict",
                        format!("{key}.{}: this address belongs into `{other}`", rule.key),
                    )
                }
                Some(IpAddr::V4(ip)) => match cidr {
                    Some((network, value)) if !is_in(ip, network) => {
                        let message = format!("{key}.{}: {ip} is not in the network", rule.key);
                        conflict(
                            sink,
                            message,
                            (&rule.value, "this guest"),
                            (value, "the network"),
                            "no guest can have this address",
                        );
                        continue;
                    }
                    _ => continue,
                },
                Some(IpAddr::V6(_)) => continue,
            };
            sink.push(diagnostic.at_all(rule.value.places("this rule")));
        }
    }
}

/// VirtualBox maps 127.0.0.1 in every new NAT network, has no way to take a mapping away, and gives a number once.
fn loopback_rules(nat: &Checked, sink: &mut Sink) {
    let Some(loopback) = nat.get("loopback") else { return };
    let mappings = loopback.members();
    if !mappings.iter().any(|mapping| mapping.key == PortForward::LOOPBACK) {
        sink.push(
            Diagnostic::error("refused", "nat.loopback: 127.0.0.1 is mapped in every NAT network")
                .at_all(loopback.places("leaves it out"))
                .help("VirtualBox cannot take it away: write `127.0.0.1: 2`, its number in a new network"),
        );
    }
    for (position, mapping) in mappings.iter().enumerate() {
        let number = mapping.value.int();
        let first = mappings[..position].iter().find(|other| other.value.int() == number);
        if let Some(first) = first.filter(|_| number.is_some()) {
            let message = format!("nat.loopback: `{}` and `{}` have one number", first.key, mapping.key);
            let help = "guests reach each of them at an address of its own";
            conflict(sink, message, (&mapping.value, "again here"), (&first.value, "first here"), help);
        }
    }
}

/// A server without its addresses is made half and answers with 0.0.0.0.
fn dhcp_rules(dhcp: &Checked, kind: &Checked, key: &str, network: &Object<'_>, sink: &mut Sink) {
    let server = text_of(dhcp, "server").and_then(|(text, value)| Some((prefixed(text)?, value)));
    let range = text_of(dhcp, "range").and_then(|(text, value)| Some((range_ends(text)?, value)));
    if key != "nat" && !network.doc.flag("external") {
        for part in ["server", "range"] {
            if dhcp.get(part).is_none() {
                sink.push(
                    Diagnostic::error("missing-key", format!("{key}.dhcp: `{part}` is missing"))
                        .at_all(dhcp.places("this server"))
                        .help("write `dhcp: {server: 10.20.0.1/24, range: 10.20.0.100-10.20.0.199}`"),
                );
            }
        }
    }
    if let (Some((server, value)), Some(((from, to), range))) = (server, range) {
        if !is_in(from, server) || !is_in(to, server) {
            let help = "the server gives out addresses of its own network only";
            conflict(
                sink,
                format!("{key}.dhcp: the range is not in the server's network"),
                (range, "the range"),
                (value, "the server"),
                help,
            );
        } else if (from..=to).contains(&server.0) {
            let help = "a guest would get the server's own address";
            conflict(
                sink,
                format!("{key}.dhcp: the server's address is in the range"),
                (range, "the range"),
                (value, "the server"),
                help,
            );
        }
    }
    let own = text_of(kind, if key == "hostOnly" { "address" } else { "cidr" })
        .and_then(|(text, value)| Some((prefixed(text)?, value)));
    if let (Some((network, value)), Some((server, place))) = (own, server) {
        if network_of(network.0, network.1) != network_of(server.0, server.1) {
            let help = "write the server's address with the network's own prefix";
            conflict(
                sink,
                format!("{key}.dhcp: the server is in another network"),
                (place, "the server"),
                (value, "the network"),
                help,
            );
        } else if key == "hostOnly" && network.0 == server.0 {
            let help = "give the server an address of its own";
            conflict(
                sink,
                "hostOnly.dhcp: the server has the host's address",
                (place, "the server"),
                (value, "the host"),
                help,
            );
        }
    }
}

/// VirtualBox takes one network twice, and then packets of the host go to either.
fn overlaps(checkup: &Checkup<'_>, sink: &mut Sink) {
    let mut seen: Vec<(&str, (u32, u32), &Checked)> = Vec::new();
    for network in &checkup.networks {
        let spec = &network.spec;
        let cidr = spec.get("nat").and_then(|nat| text_of(nat, "cidr"));
        let address = spec.get("hostOnly").and_then(|host_only| text_of(host_only, "address"));
        let Some((text, value)) = cidr.or(address) else { continue };
        let Some((ip, prefix)) = prefixed(text) else { continue };
        let range = network_of(ip, prefix);
        if let Some((other, _, first)) =
            seen.iter().find(|(_, known, _)| known.0 <= range.1 && range.0 <= known.1)
        {
            let message = format!("the networks `{other}` and `{}` share addresses", network.doc.name);
            conflict(
                sink,
                message,
                (value, "these addresses"),
                (first, "and these"),
                "VirtualBox would not say so: give one of them others",
            );
        }
        seen.push((&network.doc.name, range, value));
    }
}

/// The network as the planner sees it; `None` where it is not said what kind it is.
///
/// # Errors
/// A sentence, where the table and the model do not agree, which a test excludes.
pub(super) fn lower(network: &Object<'_>, scope: Scope<'_>) -> Result<Option<DesiredNetwork>, String> {
    let Some(kind) = kind_of(network) else { return Ok(None) };
    let Some(written) = network.spec.get(kind.key()) else { return Ok(None) };
    let mut settings: NetworkSettings =
        serde_json::from_value(written.to_json()).map_err(|error| error.to_string())?;
    if let Some(dhcp) = &mut settings.dhcp {
        dhcp.enabled.get_or_insert(true);
    }
    if let Some(ipv6) = &mut settings.ipv6 {
        ipv6.enabled = Some(true);
    }
    // Without an address a rule listens on the loopback of its family.
    for rule in settings.port_forwards6.iter_mut().flat_map(BTreeMap::values_mut) {
        if rule.host_ip.as_deref() == Some(PortForward::LOOPBACK) {
            rule.host_ip = Some(PortForward::LOOPBACK6.to_owned());
        }
    }
    let mut sources = BTreeMap::new();
    network.spec.trace(&FieldPath::root(), scope.sources, &mut sources);
    if let Some(lifecycle) = &network.doc.lifecycle {
        lifecycle.trace(&FieldPath::of(["lifecycle"]), scope.sources, &mut sources);
    }
    Ok(Some(DesiredNetwork {
        name: network.doc.name.clone(),
        source: place(scope.sources, network.doc.start),
        kind,
        settings,
        lifecycle: network.doc.lifecycle.as_ref().map(lifecycle::lower).unwrap_or_default(),
        labels: network.doc.labels.clone(),
        sources,
    }))
}

/// What kind of network a document is.
pub(super) fn kind_of(network: &Object<'_>) -> Option<NetworkKind> {
    NetworkKind::ALL.into_iter().find(|kind| network.spec.get(kind.key()).is_some())
}
