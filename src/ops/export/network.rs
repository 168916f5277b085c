//! Network adapters. The list is all of them: where one cannot be said, none is.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::draft::{Part, Scene};
use super::settings::unusual;
use crate::manifest::emit::{Entry, Item, List, Map};
use crate::manifest::say;
use crate::model::nic::NicType;
use crate::model::{Nat, NetworkKind, Nic, NicMode};

/// What of an adapter's NAT engine is declared.
#[derive(Clone, Copy)]
struct Declared {
    forwards: bool,
    cidr: bool,
}

impl Declared {
    const ALL: Self = Self { forwards: true, cidr: true };

    /// From all that there is to nothing.
    fn forms(nats: &[&Nat]) -> Vec<Self> {
        let has_forwards =
            nats.iter().any(|nat| nat.port_forwards.as_ref().is_some_and(|rules| !rules.is_empty()));
        let has_cidr = nats.iter().any(|nat| nat.cidr.as_ref().is_some_and(|cidr| !cidr.is_empty()));
        [(true, true), (true, false), (false, true), (false, false)]
            .into_iter()
            .filter(|(forwards, cidr)| (*forwards || has_forwards) && (*cidr || has_cidr))
            .map(|(forwards, cidr)| Self { forwards, cidr })
            .collect()
    }
}

/// The adapters of a machine.
pub fn part(scene: &Scene<'_>) -> Option<Part> {
    let nics = scene.machine.settings.nics.as_ref().filter(|nics| !nics.is_empty())?;
    let trees: Vec<Value> = nics.values().map(|nic| serde_json::to_value(nic).unwrap_or_default()).collect();
    let list = |declared: Declared| {
        let items = (1..).zip(nics).zip(&trees).map(|((position, (slot, nic)), tree)| {
            item(position, *slot, Adapter { nic, tree }, declared, scene)
        });
        List { items: items.collect(), ..List::default() }
    };
    let foreign: Vec<String> = nics
        .iter()
        .filter(|(_, nic)| {
            !matches!(
                nic.mode,
                Some(NicMode::Nat | NicMode::Unattached | NicMode::Bridged | NicMode::Generic)
            )
        })
        .filter(|(_, nic)| document_of(nic, scene).is_none())
        .map(|(slot, nic)| match &nic.mode {
            Some(mode) => format!("adapter {slot} is {mode}"),
            None => format!("what adapter {slot} is attached to could not be read"),
        })
        .collect();
    if !foreign.is_empty() {
        let reason = format!(
            "{}, and this version manages nat, bridged, generic and unattached ones, and those of networks that are there",
            foreign.join(", ")
        );
        return Some(Part::left_out("nics", list(Declared::ALL), reason));
    }
    let mut above = Vec::new();
    if nics.values().any(|nic| nic.mac.is_some()) {
        above.push("A new machine gets MAC addresses of its own; `mac` would give it these.".to_owned());
    }
    let form =
        |declared| Entry { above: above.clone(), key: "nics".to_owned(), value: list(declared).into() };
    let nats: Vec<&Nat> = nics.values().filter_map(|nic| nic.nat.as_ref()).collect();
    Some(Part::forms(Declared::forms(&nats).into_iter().map(form).collect()))
}

/// The `Network` document that an adapter is attached to.
fn document_of<'s>(nic: &Nic, scene: &'s Scene<'_>) -> Option<&'s str> {
    let mode = nic.mode.as_ref()?;
    let kind = NetworkKind::ALL.into_iter().find(|kind| kind.mode() == *mode)?;
    scene.networks.of(kind, nic.network.as_deref()?)
}

/// An adapter, and the same as a tree.
#[derive(Clone, Copy)]
struct Adapter<'a> {
    nic: &'a Nic,
    tree: &'a Value,
}

fn item(position: u32, slot: u32, adapter: Adapter<'_>, declared: Declared, scene: &Scene<'_>) -> Item {
    let Adapter { nic, tree } = adapter;
    let mut map = Map::default();
    let mut above = Vec::new();
    match nic.mode {
        Some(NicMode::Nat) => {
            let nat = nic.nat.as_ref().zip(tree.get("nat"));
            let nat = nat.map_or_else(Map::default, |(nat, tree)| nat_of(nat, tree, declared, &mut above));
            map.put("nat", nat);
        }
        Some(NicMode::Unattached) => map.put("unattached", Map::default()),
        Some(NicMode::Bridged) => {
            map.put("bridged", Map::line().with("interface", nic.network.as_deref().unwrap_or_default()));
        }
        Some(NicMode::Generic) => {
            let mut generic = Map::line().with("driver", nic.driver.as_deref().unwrap_or_default());
            if let Some(properties) = nic.properties.as_ref().filter(|properties| !properties.is_empty()) {
                let map =
                    properties.iter().fold(Map::line(), |map, (name, value)| map.with(name, value.as_str()));
                generic.put("properties", map);
            }
            map.put("generic", generic);
        }
        _ => map.put("network", document_of(nic, scene).or(nic.network.as_deref()).unwrap_or_default()),
    }
    if slot != position {
        map.put("slot", slot);
    }
    let kind = nic.nic_type.as_ref().filter(|kind| usual_type(scene) != Some(kind.as_str()));
    map.put_if("type", kind.map(NicType::as_str));
    map.put_if("cable", nic.cable.filter(|cable| !cable));
    if let Some(mac) = &nic.mac {
        map.below.push(format!("mac: {mac:?}"));
    }
    for (key, usual) in usual() {
        let live = tree.get(key).filter(|live| **live != usual);
        let said = live.and_then(|live| match live.as_str() {
            Some(file) if key == "trace" => Some(Map::line().with("file", file).into()),
            _ => say::adapter_setting(&[key], live),
        });
        map.put_if(key, said);
    }
    Item { above, value: map.into() }
}

fn nat_of(live: &Nat, tree: &Value, declared: Declared, above: &mut Vec<String>) -> Map {
    let mut nat = Map::default();
    if let Some(rules) = live.port_forwards.as_ref().filter(|rules| !rules.is_empty()) {
        if declared.forwards {
            let map = rules.iter().fold(Map::default(), |map, (name, rule)| map.with(name, rule.to_string()));
            nat.put("portForwards", map);
        } else {
            above.push("its port-forwards, which cannot be declared:".to_owned());
            above.extend(rules.iter().map(|(name, rule)| format!("  {name}: {rule}")));
        }
    }
    for (key, usual) in usual_nat().as_object().into_iter().flatten() {
        let unusual = tree.get(key).and_then(|live| unusual(live, Some(usual)));
        nat.put_if(key, unusual.and_then(|value| say::adapter_setting(&["nat", key], &value)));
    }
    if let Some(cidr) = live.cidr.as_ref().filter(|cidr| !cidr.is_empty()) {
        if declared.cidr {
            nat.put("cidr", Nat::normal_cidr(cidr).unwrap_or_else(|| cidr.clone()));
        } else {
            above.push(format!("its network, which cannot be declared: {cidr}"));
        }
    }
    nat
}

/// The adapter that a new machine of the operating system gets.
fn usual_type<'s>(scene: &'s Scene<'_>) -> Option<&'s str> {
    scene.defaults.as_ref()?.get("nics")?.get("1")?.get("type")?.as_str()
}

/// Settings of an adapter that are written where they are not the usual ones, in the order in which they are written.
fn usual() -> [(&'static str, Value); 5] {
    [
        ("speed", json!(0)),
        ("promiscuous", json!("deny")),
        ("bandwidthGroup", json!("")),
        ("bootPriority", json!(0)),
        ("trace", json!("")),
    ]
}

/// The NAT engine where nothing is said of it.
fn usual_nat() -> &'static Value {
    static USUAL: LazyLock<Value> = LazyLock::new(|| {
        json!({
            "bindIp": "", "mtu": 0, "aliasMode": [], "forwardBroadcast": false,
            "socketBuffers": {"socketSend": 0, "socketReceive": 0, "tcpSend": 0, "tcpReceive": 0},
            "dns": {"passDomain": true, "proxy": false, "hostResolver": false},
            "tftp": {"enabled": false, "prefix": "", "file": "", "server": ""},
        })
    });
    &USUAL
}
