//! Networks: made, changed, left alone.

use std::collections::BTreeSet;

use serde_json::Value;

use super::action::{Action, Assignment, NetworkChange, Target};
use super::draft::Draft;
use super::ports::Ports;
use super::register::{Member, RegisterPlan};
use super::types::{Blocked, ObjectPlan, Operation, PlannedField};
use crate::diff::network::{self as shape, NetworkDifference, NetworkOwner, NetworkPresence};
use crate::diff::{FieldDifference, tree};
use crate::inventory::{Identity, Inventory, Machine, Networks};
use crate::model::state::StateClass;
use crate::model::{
    Address, Dangers, Desired, DesiredNetwork, Dhcp, FieldPath, NetworkKind, NetworkSettings, Policy,
    PortForward, PowerState,
};

/// One declared network with all that its plan depends on.
pub struct NetworkScene<'a> {
    /// Its address.
    pub address: &'a Address,
    /// What is declared.
    pub network: &'a DesiredNetwork,
    /// What differs.
    pub difference: &'a NetworkDifference,
    /// All that is declared.
    pub desired: &'a Desired,
    /// All that is there.
    pub inventory: &'a Inventory,
}

/// A draft without a machine.
pub fn draft(address: &Address, allow: Dangers) -> Draft {
    Draft::new(address.clone(), Target::Planned(address.clone()), allow)
}

impl NetworkScene<'_> {
    /// What happens to it.
    pub fn plan(&self, ports: &mut Ports, policy: &Policy) -> (Option<ObjectPlan>, Draft) {
        let allow = policy.allow.union(&self.network.lifecycle.allow).copied().collect();
        let mut draft = draft(self.address, allow);
        let object = match &self.difference.presence {
            NetworkPresence::Absent { lost } => Some(self.create(&mut draft, ports, *lost)),
            NetworkPresence::Ours | NetworkPresence::Unfinished | NetworkPresence::Name => {
                self.change(&mut draft, ports)
            }
            NetworkPresence::External => None,
            NetworkPresence::ExternalMissing => Some(self.blocked(
                format!("it is declared external, and VirtualBox has no {} {:?}", self.noun(), self.network.name),
                vec!["make it by hand, or remove `lifecycle.external`".to_owned()],
            )),
            NetworkPresence::Conflict(owner) => Some(self.conflict(owner)),
            NetworkPresence::OtherKind(kind) => Some(self.blocked(
                format!(
                    "it is {} and declared as {}: VirtualBox cannot make one out of the other",
                    with_article(kind.noun()),
                    with_article(self.noun())
                ),
                vec![
                    format!("declare the {} under another name, and move the adapters to it", self.noun()),
                    format!("then leave this one out and apply with --prune (`onRemove: delete`), or remove it by hand: {}", by_hand(*kind, &self.network.name)),
                ],
            )),
            NetworkPresence::Unreadable(reason) => Some(self.blocked(
                format!("it cannot be read: {reason}"),
                vec!["`vboxmcp doctor` says more".to_owned()],
            )),
        };
        (object, draft)
    }

    fn noun(&self) -> &'static str {
        self.network.kind.noun()
    }

    fn blocked(&self, reason: String, hints: Vec<String>) -> ObjectPlan {
        ObjectPlan {
            address: self.address.clone(),
            operation: Operation::Blocked,
            uuid: None,
            fields: Vec::new(),
            effects: Vec::new(),
            blocked: vec![Blocked { fields: Vec::new(), reason, missing: Dangers::new(), hints }],
            danger: Dangers::new(),
        }
    }

    /// The sentence and the three ways out.
    fn conflict(&self, owner: &NetworkOwner) -> ObjectPlan {
        let (noun, name) = (self.noun(), self.network.name.as_str());
        let adopt = format!("vboxmcp adopt {}", self.address);
        let rename = "rename the declaration (metadata.name)".to_owned();
        let external = "declare it `lifecycle: {external: true}`: referenced, never changed".to_owned();
        let what = match self.network.kind {
            NetworkKind::Internal => format!("a DHCP server for the internal network {name:?}"),
            _ => format!("a {noun} {name:?}"),
        };
        match owner {
            NetworkOwner::Nobody => self.blocked(
                format!("metadata.name: VirtualBox has {what} that no stack owns"),
                vec![adopt, rename, external],
            ),
            NetworkOwner::Stack { stack, address } => self.blocked(
                format!("metadata.name: {noun} {name:?} is {address} of stack {stack}"),
                vec![
                    format!("leave it out of stack {stack} (`onRemove: keep`, `destroy` forgets it), then {adopt}"),
                    rename,
                    external,
                ],
            ),
            NetworkOwner::LeftBehind => self.blocked(
                format!(
                    "metadata.name: VirtualBox still has a DHCP server for a network {name:?}, which would give out {}",
                    self.left_behind().unwrap_or_default()
                ),
                vec![
                    format!("remove what a former network left: {}", by_hand_dhcp(name)),
                    rename,
                    "declare the addresses that it has by `cidr` and `dhcp`, then adopt".to_owned(),
                ],
            ),
        }
    }

    fn left_behind(&self) -> Option<String> {
        self.inventory.networks.dhcp_of(self.network.kind, &self.network.name)?.range.clone()
    }

    fn create(&self, draft: &mut Draft, ports: &mut Ports, lost: bool) -> ObjectPlan {
        let fields = shape::newborn(self.network);
        let name = &self.network.name;
        let settings = self.with_ports(ports);
        let cause = || [FieldPath::of([self.network.kind.key()])];
        match self.network.kind {
            NetworkKind::Nat => {
                let change = NetworkChange::AddNat {
                    name: name.clone(),
                    settings: NetworkSettings { dhcp: nat_dhcp(settings.dhcp.as_ref()), ..settings.clone() },
                };
                draft.push(Action::Network { change }, cause(), []);
            }
            NetworkKind::Internal => {}
            NetworkKind::HostOnly => {
                let change = NetworkChange::AddInterface { name: name.clone() };
                draft.push(Action::Network { change }, cause(), []);
                if let Some(address) = settings.address.clone() {
                    let change = NetworkChange::SetInterface { name: name.clone(), address };
                    draft.push(Action::Network { change }, cause(), []);
                }
                draft.effects.push(format!("VirtualBox names the interface {name}"));
            }
        }
        self.server(draft, settings.dhcp.as_ref(), cause().into());
        if lost {
            draft.effects.push("it was there at the last apply and is gone: it is made again".to_owned());
        }
        self.strangers(draft);
        let shown = fields
            .into_iter()
            .map(|difference| PlannedField { difference, blocked: false, recommended: false })
            .collect();
        self.object(Operation::Create, shown, draft)
    }

    /// The DHCP server of a network that is about to be made; one that a former network of ours left is brought up to date.
    fn server(&self, draft: &mut Draft, declared: Option<&Dhcp>, cause: Vec<FieldPath>) {
        let network = Networks::dhcp_name(self.network.kind, &self.network.name);
        let there = self.inventory.networks.dhcp.get(&network);
        let wanted = declared.filter(|dhcp| dhcp.server.is_some() && dhcp.range.is_some());
        let change = match (there, wanted) {
            (None, None) => return,
            (None, Some(dhcp)) => NetworkChange::AddDhcp { network, dhcp: dhcp.clone() },
            (Some(there), Some(dhcp)) => {
                NetworkChange::ChangeDhcp { network, dhcp: dhcp.clone(), forget: surplus(there, dhcp) }
            }
            // VirtualBox keeps one for its first interface from the beginning.
            (Some(_), None) if self.network.kind == NetworkKind::HostOnly => return,
            (Some(_), None) => {
                draft.effects.push("removes the DHCP server that the former network left".to_owned());
                NetworkChange::RemoveDhcp { network }
            }
        };
        draft.push(Action::Network { change }, cause, []);
    }

    fn with_ports(&self, ports: &mut Ports) -> NetworkSettings {
        let mut settings = self.network.settings.clone();
        let rules = [&mut settings.port_forwards, &mut settings.port_forwards6];
        for rule in rules.into_iter().flatten().flat_map(std::collections::BTreeMap::values_mut) {
            *rule = ports.resolve(rule.clone());
        }
        settings
    }

    fn change(&self, draft: &mut Draft, ports: &mut Ports) -> Option<ObjectPlan> {
        let mut fields: Vec<&FieldDifference> = Vec::new();
        for field in &self.difference.fields {
            if !self.undoable(draft, field) {
                fields.push(field);
            }
        }
        match self.network.kind {
            NetworkKind::Nat => self.change_nat(draft, &fields, ports),
            NetworkKind::Internal => {}
            NetworkKind::HostOnly => {
                let address = fields.iter().find(|field| field.path.parts() == ["hostOnly", "address"]);
                if let Some(field) = address
                    && let Some(address) = &self.network.settings.address
                {
                    let change = NetworkChange::SetInterface {
                        name: self.network.name.clone(),
                        address: address.clone(),
                    };
                    draft.push(Action::Network { change }, [field.path.clone()], []);
                }
            }
        }
        self.change_dhcp(draft, &fields);
        if draft.steps.is_empty() && draft.blocked.is_empty() {
            return None;
        }
        if self.difference.presence == NetworkPresence::Unfinished {
            draft.effects.push("an earlier run was cut short: its birth is finished".to_owned());
        }
        self.later(draft, &fields);
        let shown = self
            .difference
            .fields
            .iter()
            .map(|field| PlannedField {
                difference: field.clone(),
                blocked: draft.blocked.iter().any(|blocked| blocked.fields.contains(&field.path)),
                recommended: false,
            })
            .collect();
        let operation = if draft.steps.is_empty() { Operation::Blocked } else { Operation::Change };
        Some(self.object(operation, shown, draft))
    }

    /// Leaves undone what VirtualBox cannot do: at all, or while a machine runs on the network.
    fn undoable(&self, draft: &mut Draft, field: &FieldDifference) -> bool {
        let path = vec![field.path.clone()];
        match (field.path.parts().as_slice(), &field.declared) {
            (["nat", "loopback", _], None) => {
                draft.block(
                    path,
                    format!("{}: VirtualBox cannot take a mapping away", field.path),
                    vec![
                        "write it down as it is".to_owned(),
                        format!(
                            "or remove the network by hand and apply again, which makes a new one: {}",
                            by_hand(NetworkKind::Nat, &self.network.name)
                        ),
                    ],
                );
                true
            }
            (["nat", "cidr" | "ipv6", ..], Some(_)) => {
                let running = self.running();
                if running.is_empty() {
                    return false;
                }
                draft.block(
                    path,
                    format!(
                        "{}: VirtualBox refuses while a machine runs on the network: {}",
                        field.path,
                        running.join(", ")
                    ),
                    vec!["switch them off (`state: poweroff`), and apply again".to_owned()],
                );
                true
            }
            _ => false,
        }
    }

    /// Machines that run, or are held, on the network.
    fn running(&self) -> Vec<String> {
        let up = |machine: &&Machine| {
            let class = machine.state.as_ref().map(PowerState::class);
            !matches!(class, Some(StateClass::Off | StateClass::Saved))
        };
        let users = self.inventory.network_users(self.network.kind, &self.network.name);
        users.filter(up).map(called).collect()
    }

    fn change_nat(&self, draft: &mut Draft, fields: &[&FieldDifference], ports: &mut Ports) {
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

    fn change_dhcp(&self, draft: &mut Draft, fields: &[&FieldDifference]) {
        let kind = self.network.kind;
        let network = Networks::dhcp_name(kind, &self.network.name);
        let there = self.inventory.networks.dhcp.get(&network);
        let dhcp_path = FieldPath::of([kind.key(), "dhcp"]);
        let of_it: Vec<&&FieldDifference> =
            fields.iter().filter(|field| field.path.starts_with(&dhcp_path)).collect();
        let moves =
            kind == NetworkKind::Nat && fields.iter().any(|field| field.path.parts() == ["nat", "cidr"]);
        let declared = self.network.settings.dhcp.as_ref();
        let cause: Vec<FieldPath> = of_it.iter().map(|field| field.path.clone()).collect();
        let Some(there) = there else {
            if let Some(dhcp) = declared.filter(|dhcp| dhcp.server.is_some() && dhcp.range.is_some())
                && !of_it.is_empty()
            {
                let change = NetworkChange::AddDhcp { network, dhcp: dhcp.clone() };
                draft.push(Action::Network { change }, cause, []);
            }
            return;
        };
        if moves && declared.is_none_or(|dhcp| dhcp.server.is_none()) {
            draft.effects.push(
                "removes its DHCP server, which would give out the former addresses: VirtualBox makes a new one when the network is used"
                    .to_owned(),
            );
            let change = NetworkChange::RemoveDhcp { network };
            draft.push(Action::Network { change }, [FieldPath::of(["nat", "cidr"])], []);
            return;
        }
        let (Some(dhcp), false) = (declared, of_it.is_empty()) else { return };
        let differs = |key: &str| of_it.iter().any(|field| field.path.parts().get(2) == Some(&key));
        let addresses = differs("server") || differs("range");
        let options = dhcp.options.as_ref().filter(|_| differs("options")).map(|options| {
            let is_new = |(name, value): &(&String, &String)| {
                there.options.as_ref().and_then(|known| known.get(*name)) != Some(*value)
            };
            options.iter().filter(is_new).map(|(name, value)| (name.clone(), value.clone())).collect()
        });
        let change = NetworkChange::ChangeDhcp {
            network,
            dhcp: Dhcp {
                enabled: dhcp.enabled.filter(|wanted| there.enabled != Some(*wanted)),
                server: dhcp.server.clone().or_else(|| there.server.clone()).filter(|_| addresses),
                range: dhcp.range.clone().or_else(|| there.range.clone()).filter(|_| addresses),
                options,
            },
            forget: if kind == NetworkKind::Nat { Vec::new() } else { surplus(there, dhcp) },
        };
        if !matches!(&change, NetworkChange::ChangeDhcp { dhcp, forget, .. } if *dhcp == Dhcp::default() && forget.is_empty())
        {
            draft.push(Action::Network { change }, cause, []);
        }
    }

    /// What running guests will not notice before they have all left.
    fn later(&self, draft: &mut Draft, fields: &[&FieldDifference]) {
        let is_live = |field: &&&FieldDifference| {
            matches!(field.path.parts().as_slice(), ["nat", "portForwards" | "portForwards6", ..])
        };
        let running = self.running();
        if !running.is_empty() && !draft.steps.is_empty() && fields.iter().any(|field| !is_live(&field)) {
            draft.effects.push(format!(
                "what is not a port-forward takes effect when no machine runs on it any more: {}",
                running.join(", ")
            ));
        }
    }

    /// Machines that nobody of this stack has put on a network that it brings to life.
    fn strangers(&self, draft: &mut Draft) {
        let is_strange = |machine: &&Machine| !matches!(self.inventory.owner_of(machine), crate::inventory::Ownership::Owned { stack, .. } if stack == self.desired.stack);
        let users = self.inventory.network_users(self.network.kind, &self.network.name);
        let strangers: Vec<String> = users.filter(is_strange).map(called).collect();
        if !strangers.is_empty() {
            draft.effects.push(format!("machines of others name it, too: {}", strangers.join(", ")));
        }
    }

    fn object(&self, operation: Operation, fields: Vec<PlannedField>, draft: &Draft) -> ObjectPlan {
        ObjectPlan {
            address: self.address.clone(),
            operation,
            uuid: None,
            fields,
            effects: draft.effects.clone(),
            blocked: draft.blocked.clone(),
            danger: draft.danger(),
        }
    }
}

/// Registers one declared network. What is not ours, or cannot be read, stays as it is registered.
pub fn add_member(plan: &mut RegisterPlan, scene: &NetworkScene<'_>) {
    match scene.difference.presence {
        NetworkPresence::Absent { .. }
        | NetworkPresence::Name
        | NetworkPresence::Ours
        | NetworkPresence::Unfinished => {}
        NetworkPresence::Conflict(_)
        | NetworkPresence::External
        | NetworkPresence::ExternalMissing
        | NetworkPresence::OtherKind(_)
        | NetworkPresence::Unreadable(_) => return,
    }
    plan.members.insert(scene.address.clone(), member(scene.network, shape::declared(scene.network)));
}

/// A network as it will be registered.
pub fn member(network: &DesiredNetwork, declared: Value) -> Member {
    Member {
        identity: Some(Identity::Network(network.name.clone())),
        declared,
        birth: shape::birth(network.kind),
        protect: network.lifecycle.protect,
        on_remove: network.lifecycle.on_remove,
        owes: None,
        labels: network.labels.clone(),
    }
}

/// Removes a network of ours, and the DHCP server that VirtualBox would leave behind.
pub fn remove(
    draft: &mut Draft,
    kind: NetworkKind,
    name: &str,
    leaving: &BTreeSet<uuid::Uuid>,
    inventory: &Inventory,
) {
    let users: Vec<String> = inventory
        .network_users(kind, name)
        .filter(|machine| !leaving.contains(&machine.uuid))
        .map(called)
        .collect();
    if !users.is_empty() {
        draft.block(
            Vec::new(),
            format!("machines that this plan does not take off it are attached to it: {}", users.join(", ")),
            vec!["attach them to something else first".to_owned()],
        );
        return;
    }
    let networks = &inventory.networks;
    let server = Networks::dhcp_name(kind, name);
    let mut changes = Vec::new();
    match kind {
        NetworkKind::Nat if networks.nat.contains_key(name) => {
            changes.push(NetworkChange::RemoveNat { name: name.to_owned() });
        }
        NetworkKind::HostOnly
            if networks.host_only.as_ref().is_some_and(|known| known.contains_key(name)) =>
        {
            changes.push(NetworkChange::RemoveInterface { name: name.to_owned() });
        }
        _ => {}
    }
    if networks.dhcp.contains_key(&server) {
        changes.push(NetworkChange::RemoveDhcp { network: server });
    }
    for change in changes {
        draft.push(Action::Network { change }, [], []);
    }
}

/// Whether a registered network, or its DHCP server, is there.
pub fn is_there(kind: NetworkKind, name: &str, inventory: &Inventory) -> bool {
    let networks = &inventory.networks;
    networks.find(kind, name).is_some() || networks.dhcp_of(kind, name).is_some()
}

fn called(machine: &Machine) -> String {
    machine.name.clone().unwrap_or_else(|| format!("{{{}}}", machine.uuid))
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// Whether a NAT network has a DHCP server; the server itself is another object.
fn nat_dhcp(declared: Option<&Dhcp>) -> Option<Dhcp> {
    declared.map(|dhcp| Dhcp { enabled: dhcp.enabled, ..Dhcp::default() })
}

/// Options of a server that a declaration of all of them leaves out.
fn surplus(there: &Dhcp, declared: &Dhcp) -> Vec<String> {
    let Some(wanted) = &declared.options else { return Vec::new() };
    there
        .options
        .iter()
        .flat_map(|options| options.keys())
        .filter(|name| !wanted.contains_key(*name))
        .cloned()
        .collect()
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
        Some(live) if declared.host_port == crate::model::HostPort::Auto => {
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

fn by_hand(kind: NetworkKind, name: &str) -> String {
    match kind {
        NetworkKind::Nat => format!("VBoxManage natnetwork remove --netname {name}"),
        NetworkKind::Internal => by_hand_dhcp(name),
        NetworkKind::HostOnly => format!("VBoxManage hostonlyif remove {name:?}"),
    }
}

fn by_hand_dhcp(name: &str) -> String {
    format!("VBoxManage dhcpserver remove --network={name}")
}
