//! NAT networks: what is changed, and in which order VirtualBox takes it.

use serde_json::Value;

use super::NetworkScene;
use crate::diff::{FieldDifference, tree};
use crate::model::{FieldPath, HostPort, PortForward};
use crate::plan::action::{Action, Assignment, NetworkChange};
use crate::plan::draft::Draft;
use crate::plan::ports::Ports;

impl NetworkScene<'_> {
    pub(super) fn change_nat(&self, draft: &mut Draft, fields: &[&FieldDifference], ports: &mut Ports) {
        let moves = fields.iter().any(|field| field.path.parts() == ["nat", "cidr"]);
        let mut set: Vec<Assignment> = Vec::new();
        let mut cause = Vec::new();
        for field in fields {
            let is_rule = match field.path.parts().as_slice() {
                ["nat", "dhcp", "enabled"] => false,
                ["nat", "dhcp", ..] => continue,
                // With the network VirtualBox moves the guests' addresses of all rules.
                ["nat", "portForwards", ..] if moves => {
                    cause.push(field.path.clone());
                    continue;
                }
                ["nat", "portForwards" | "portForwards6", ..] => true,
                _ => false,
            };
            cause.push(field.path.clone());
            if is_rule && field.live.is_some() {
                set.push(Assignment::remove(field.path.clone()));
            }
            if let Some(declared) = &field.declared {
                let value =
                    if is_rule { resolved(declared, field.live.as_ref(), ports) } else { declared.clone() };
                set.extend(leaves(&field.path, &value));
            }
        }
        if moves && let Some(declared) = &self.network.settings.port_forwards {
            let path = |name: &String| FieldPath::of(["nat", "portForwards", name]);
            let live = tree::get(&self.difference.live, &FieldPath::of(["nat", "portForwards"]));
            let live = live.and_then(Value::as_object);
            set.extend(
                live.into_iter().flat_map(|rules| rules.keys()).map(|name| Assignment::remove(path(name))),
            );
            for (name, rule) in declared {
                let rule = kept_port(rule, live.and_then(|rules| rules.get(name)));
                set.push(Assignment::set(path(name), ports.resolve(rule).to_string()));
            }
        }
        if set.is_empty() {
            return;
        }
        // Rules that go make room for those that come, and the addresses of new ones must be in the network.
        set.sort_by_key(|assignment| match (assignment.path.parts().as_slice(), &assignment.value) {
            (_, None) => 0,
            (["nat", "cidr"], _) => 1,
            (["nat", "portForwards" | "portForwards6" | "loopback", _], Some(_)) => 3,
            _ => 2,
        });
        let change = NetworkChange::ModifyNat { name: self.network.name.clone(), set };
        draft.push(Action::Network { change }, cause, []);
    }
}

fn resolved(declared: &Value, live: Option<&Value>, ports: &mut Ports) -> Value {
    match declared.as_str().and_then(|text| text.parse::<PortForward>().ok()) {
        Some(rule) => ports.resolve(kept_port(&rule, live)).to_string().into(),
        None => declared.clone(),
    }
}

/// `auto` keeps the port that it has.
fn kept_port(declared: &PortForward, live: Option<&Value>) -> PortForward {
    let live = live.and_then(Value::as_str).and_then(|text| text.parse::<PortForward>().ok());
    match live {
        Some(live) if declared.host_port == HostPort::Auto => {
            PortForward { host_port: live.host_port, ..declared.clone() }
        }
        _ => declared.clone(),
    }
}

fn leaves(path: &FieldPath, value: &Value) -> Vec<Assignment> {
    tree::leaves(value)
        .into_iter()
        .filter(|(_, value)| !value.as_object().is_some_and(serde_json::Map::is_empty))
        .map(|(below, value)| {
            let path = below.keys().iter().fold(path.clone(), |path, key| path.join(key));
            Assignment::set(path, value.clone())
        })
        .collect()
}
