//! Network adapters of one machine.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::super::checked::{Checked, Data};
use super::super::diagnostic::{Diagnostic, Sink};
use super::machine::{chipset, conflict};
use super::member::Member;
use super::text_of;
use crate::model::NicMode;
use crate::model::nic::Bridge;
use crate::model::settings::Chipset;

/// What an adapter may be attached to, and the mode that says so.
const ATTACHMENTS: &[(&str, NicMode)] = &[
    ("nat", NicMode::Nat),
    ("unattached", NicMode::Unattached),
    ("bridged", NicMode::Bridged),
    ("generic", NicMode::Generic),
];
/// Keys that say where and to what, and are lowered to the slot and the mode.
const PLACEMENT: &[&str] = &["slot", "network", "bridged", "generic", "unattached"];

/// The adapters with their slots: the position from 1, or `slot`.
pub(super) fn slots(list: &Checked) -> Vec<(i64, &Checked)> {
    (1..)
        .zip(list.items())
        .map(|(position, nic)| (nic.get("slot").and_then(Checked::int).unwrap_or(position), nic))
        .collect()
}

pub(super) fn rules(member: &Member<'_>, sink: &mut Sink) {
    let spec = &member.spec;
    let Some(list) = spec.get("nics") else { return };
    let slots = slots(list);
    let chipset = chipset(spec);
    let most = if chipset == Some(Chipset::Ich9) { 36 } else { 8 };
    for (position, (slot, nic)) in slots.iter().enumerate() {
        let place = nic.get("slot").unwrap_or(nic);
        if let Some((_, first)) = slots[..position].iter().find(|(other, _)| other == slot) {
            let help = "an adapter without `slot` takes its position in the list, counted from 1";
            let other = first.get("slot").unwrap_or(first);
            conflict(
                sink,
                format!("two adapters are in slot {slot}"),
                (place, "this one"),
                (other, "and this one"),
                help,
            );
        }
        if *slot > most {
            let diagnostic = Diagnostic::error(
                "out-of-range",
                format!("there is no slot {slot}: this chipset has {most}"),
            )
            .at_all(place.places("beyond the last slot"));
            let diagnostic = match spec.get("chipset") {
                Some(chipset) => diagnostic.at_all(chipset.places("the chipset")),
                None => diagnostic,
            };
            sink.push(diagnostic.help("write `chipset: ich9`, which has 36 slots"));
        }
        if let Some(nat) = nic.get("nat") {
            forwards(nat.get("portForwards"), sink);
            buffers(nat, sink);
        }
        bandwidth_group(spec, nic, "network", sink);
    }
}

/// The buffers of the host's sockets have one size: VirtualBox gives receiving what it was given for sending (measured).
fn buffers(nat: &Checked, sink: &mut Sink) {
    let Some(sizes) = nat.get("socketBuffers") else { return };
    let Some(receive) = sizes.get("socketReceive") else { return };
    let help = "write the same size as `socketSend`, or leave `socketReceive` out";
    match sizes.get("socketSend") {
        Some(send) if send.int() != receive.int() => conflict(
            sink,
            "VirtualBox gives sockets one size for both directions",
            (receive, "this size"),
            (send, "and this one"),
            help,
        ),
        Some(_) => {}
        None => sink.push(
            Diagnostic::error("missing-key", "VirtualBox gives sockets one size for both directions")
                .at_all(receive.places("without `socketSend`"))
                .help("write `socketSend` with the same size"),
        ),
    }
}

/// Rules of one NAT engine must not listen on one port of the host twice.
fn forwards(rules: Option<&Checked>, sink: &mut Sink) {
    let rules = rules.map(Checked::members).unwrap_or_default();
    for (position, rule) in rules.iter().enumerate() {
        let Some(parsed) = super::across::forward(&rule.value) else { continue };
        let first = rules[..position]
            .iter()
            .find(|other| super::across::forward(&other.value).is_some_and(|other| other.collides(&parsed)));
        if let Some(first) = first {
            let message = format!("`{}` and `{}` listen on the same port of the host", first.key, rule.key);
            let help = "VirtualBox refuses the second one: give it another host port";
            conflict(sink, message, (&rule.value, "again here"), (&first.value, "first here"), help);
        }
    }
}

/// A reference to a bandwidth group of the same machine, of the right type.
pub(super) fn bandwidth_group(spec: &Checked, user: &Checked, wanted: &str, sink: &mut Sink) {
    let Some((name, value)) = text_of(user, "bandwidthGroup") else { return };
    let groups = spec.get("bandwidthGroups").map(Checked::members).unwrap_or_default();
    let Some(group) = groups.iter().find(|group| group.key == name) else {
        let near = super::super::suggest::nearest(name, groups.iter().map(|group| group.key.as_str()));
        sink.push(
            Diagnostic::error(
                "dangling-reference",
                format!("there is no bandwidth group `{name}` in this machine"),
            )
            .at_all(value.places("not declared"))
            .help(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    format!("declare it: `bandwidthGroups: {{{name}: {{type: {wanted}, limit: 10Mbps}}}}`")
                }
            }),
        );
        return;
    };
    if let Some((kind, declared)) = text_of(&group.value, "type")
        && kind != wanted
    {
        let message = format!("the bandwidth group `{name}` is not of type {wanted}");
        let help = format!("declare a group of type {wanted} for it");
        conflict(sink, message, (value, "used here"), (declared, "declared here"), &help);
    }
}

/// The adapters as a map by slot, in the model's form. `mode_of` tells what an adapter is that a network is named for.
pub(super) fn lower(list: &Checked, mode_of: &dyn Fn(&str) -> Option<NicMode>) -> Result<Json, String> {
    let mut result = Map::new();
    for (slot, nic) in slots(list) {
        let Json::Object(mut fields) = nic.to_json() else {
            return Err("an adapter is no mapping".to_owned());
        };
        for key in PLACEMENT {
            fields.remove(*key);
        }
        let mode =
            ATTACHMENTS.iter().find(|(key, _)| nic.get(key).is_some_and(|v| !matches!(v.data, Data::Wrong)));
        if let Some((_, mode)) = mode {
            fields.insert("mode".to_owned(), Json::from(mode.as_str()));
        }
        if let Some((network, _)) = text_of(nic, "network") {
            let mode = mode_of(network).ok_or_else(|| format!("there is no network {network}"))?;
            fields.insert("mode".to_owned(), Json::from(mode.as_str()));
            fields.insert("network".to_owned(), Json::from(network));
        }
        if let Some((interface, _)) = nic.get("bridged").and_then(|bridged| text_of(bridged, "interface"))
            && interface != DEFAULT_ROUTE
        {
            fields.insert("network".to_owned(), Json::from(interface));
        }
        if let Some(generic) = nic.get("generic") {
            for key in ["driver", "properties"] {
                fields.extend(generic.get(key).map(|value| (key.to_owned(), value.to_json())));
            }
        }
        if let Some(file) = nic.get("trace").and_then(|trace| trace.get("file")) {
            fields.insert("trace".to_owned(), file.to_json());
        }
        if let Some(Json::Array(modes)) = fields.get_mut("nat").and_then(|nat| nat.get_mut("aliasMode")) {
            modes.sort_by_key(|word| word.as_str().map(str::to_owned));
        }
        result.insert(slot.to_string(), Json::Object(fields));
    }
    Ok(Json::Object(result))
}

/// The word for the interface that the host's default route leaves by.
const DEFAULT_ROUTE: &str = "default-route";

/// How the interfaces of bridged adapters are found that are not named, by slot.
pub(super) fn bridges(spec: &Checked) -> BTreeMap<u32, Bridge> {
    let list = spec.get("nics").map(slots).unwrap_or_default();
    let found = list.into_iter().filter_map(|(slot, nic)| {
        let interface = nic.get("bridged")?.get("interface")?;
        let text = |key: &str| text_of(interface, key).map(|(text, _)| text.to_owned());
        let bridge = if interface.text() == Some(DEFAULT_ROUTE) {
            Bridge::DefaultRoute
        } else if let Some(mac) = text("mac") {
            Bridge::Mac(mac)
        } else {
            Bridge::Match(text("match")?)
        };
        Some((u32::try_from(slot).ok()?, bridge))
    });
    found.collect()
}
