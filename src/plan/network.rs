//! Networks: made, changed, left alone.

mod dhcp;
mod host_only;
mod nat;

use std::collections::BTreeSet;

use serde_json::Value;

use self::dhcp::nat_dhcp;
use super::action::{Action, NetworkChange, Target};
use super::draft::Draft;
use super::ports::Ports;
use super::register::{Member, RegisterPlan};
use super::types::{Blocked, ObjectPlan, Operation, PlannedField};
use crate::diff::FieldDifference;
use crate::diff::network::{self as shape, NetworkDifference, NetworkOwner, NetworkPresence};
use crate::inventory::{Identity, Inventory, Machine, Networks};
use crate::model::state::StateClass;
use crate::model::{
    Address, Dangers, Desired, DesiredNetwork, FieldPath, NetworkKind, NetworkSettings, Policy, PowerState,
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
            NetworkPresence::Absent { lost } => Some(match self.impossible() {
                Some((field, reason, hint)) => {
                    draft.block(vec![field], reason, vec![hint.to_owned()]);
                    self.object(Operation::Blocked, Vec::new(), &draft)
                }
                None => self.create(&mut draft, ports, *lost),
            }),
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
            NetworkKind::HostOnly => self.add_interface(draft, &settings),
            NetworkKind::HostOnlyNetwork => self.add_host_only_network(draft),
        }
        if self.has_server() {
            self.server(draft, settings.dhcp.as_ref(), cause().into());
        }
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
            NetworkKind::HostOnly => self.change_interface(draft, &fields),
            NetworkKind::HostOnlyNetwork => self.change_host_only_network(draft, &fields),
        }
        if self.has_server() {
            self.change_dhcp(draft, &fields);
        }
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

    /// Whether its DHCP server is one of VirtualBox's.
    fn has_server(&self) -> bool {
        self.network.kind != NetworkKind::HostOnlyNetwork
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
            _ => match self.impossible() {
                Some((impossible, reason, hint)) if impossible == field.path => {
                    draft.block(path, reason, vec![hint.to_owned()]);
                    true
                }
                _ => false,
            },
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
        declared: declared.into(),
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
        NetworkKind::HostOnlyNetwork if networks.find(kind, name).is_some() => {
            changes.push(NetworkChange::RemoveHostOnlyNetwork { name: name.to_owned() });
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

fn by_hand(kind: NetworkKind, name: &str) -> String {
    match kind {
        NetworkKind::Nat => format!("VBoxManage natnetwork remove --netname {name}"),
        NetworkKind::Internal => by_hand_dhcp(name),
        NetworkKind::HostOnly => format!("VBoxManage hostonlyif remove {name:?}"),
        NetworkKind::HostOnlyNetwork => format!("VBoxManage hostonlynet remove --name {name:?}"),
    }
}

fn by_hand_dhcp(name: &str) -> String {
    format!("VBoxManage dhcpserver remove --network={name}")
}
