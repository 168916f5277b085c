//! Adoption: a plan of its own that writes marks and nothing else.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::action::{Action, Target};
use super::draft::{self, Draft};
use super::register::{Member, RegisterPlan, birth_of};
use super::types::{Blocked, ObjectPlan, Operation, Plan, Verb};
use super::{canonical, limits, network as network_plan, own_disk as own_disk_plan};
use crate::diff::{
    DiskOwner, DiskPresence, Finding, NetworkOwner, NetworkPresence, disk, machine as shape,
    network as network_shape, own_disk,
};
use crate::inventory::{
    AttachedMedium, Entry, Identity, Inventory, Machine, Mark, MarkState, Ownership, Status,
};
use crate::model::{
    Address, Dangers, Desired, DesiredMachine, DesiredNetwork, DiskDocument, DiskSource, Policy,
};

/// Plans the adoption of declared machines. `chosen` names the machine where several share a name.
pub fn adopt(
    addresses: &[Address],
    chosen: &BTreeMap<Address, Uuid>,
    desired: &Desired,
    inventory: &Inventory,
    policy: &Policy,
) -> Plan {
    let mut objects = Vec::new();
    let mut drafts = Vec::new();
    let mut register = RegisterPlan::default();
    let mut notes = Vec::new();
    for address in addresses {
        if let Some(network) = desired.networks.get(address) {
            objects.extend(adopt_network(address, network, desired, inventory, &mut register, &mut notes));
            continue;
        }
        if let Some(disk) = desired.disks.get(address) {
            objects.extend(adopt_disk(address, disk, desired, inventory, &mut register, &mut notes));
            continue;
        }
        let Some(machine) = desired.machines.get(address) else {
            objects.push(blocked(
                address,
                "it is not declared: adoption takes over what a manifest describes",
                vec![format!("vboxmcp export {address} writes such a manifest")],
            ));
            continue;
        };
        match candidate(address, machine, chosen.get(address).copied(), desired, inventory) {
            Err(object) => objects.push(*object),
            Ok(None) => notes
                .push(Finding { address: Some(address.clone()), text: format!("{address} is ours already") }),
            Ok(Some(live)) => {
                let mut draft = Draft::new(address.clone(), Target::Existing(live.uuid), Dangers::new());
                let mark = Mark::new(desired.stack.clone(), address.clone(), live.uuid);
                draft.push(
                    Action::WriteMark { machine: Target::Existing(live.uuid), mark: Some(mark) },
                    [],
                    [],
                );
                members(&mut register, &mut draft, address, machine, live, desired, inventory);
                objects.push(ObjectPlan {
                    address: address.clone(),
                    operation: Operation::Adopt,
                    uuid: Some(live.uuid),
                    fields: Vec::new(),
                    effects: draft.effects.clone(),
                    blocked: Vec::new(),
                    danger: Dangers::new(),
                });
                drafts.push(draft);
            }
        }
    }
    let steps = draft::number(drafts);
    let mut plan = canonical::assemble(
        Verb::Adopt,
        desired,
        inventory,
        policy,
        canonical::Made { objects, steps, register },
    );
    limits::check(&mut plan, desired, inventory);
    plan.notes = notes;
    canonical::seal(plan)
}

/// A disk has no place for a mark: the register alone takes it over.
fn adopt_disk(
    address: &Address,
    disk: &DiskDocument,
    desired: &Desired,
    inventory: &Inventory,
    register: &mut RegisterPlan,
    notes: &mut Vec<Finding>,
) -> Option<ObjectPlan> {
    let difference = own_disk::difference(address, disk, desired, inventory);
    let file = difference.file.display().to_string();
    let identity = match difference.presence {
        DiskPresence::Conflict(DiskOwner::Nobody) => {
            inventory.medium_at(&difference.file).map(|m| Identity::Uuid(m.uuid))
        }
        DiskPresence::Conflict(DiskOwner::File) => Some(Identity::Path(difference.file)),
        DiskPresence::Ours { .. } | DiskPresence::Closed | DiskPresence::Unreadable { .. } => {
            notes
                .push(Finding { address: Some(address.clone()), text: format!("{address} is ours already") });
            return None;
        }
        DiskPresence::Conflict(DiskOwner::Stack { stack, address: other }) => {
            let reason = format!("it is {other} of stack {stack}: one disk belongs to one stack");
            return Some(blocked(address, &reason, Vec::new()));
        }
        DiskPresence::External(_) | DiskPresence::ExternalMissing => {
            return Some(blocked(
                address,
                "it is declared external: it is attached and never changed",
                vec!["remove `lifecycle.external` to own it".to_owned()],
            ));
        }
        DiskPresence::Absent { .. } => {
            let reason = format!("there is no {file}");
            return Some(blocked(address, &reason, vec!["say where it is by `location`".to_owned()]));
        }
    };
    let declared = only_declared(&own_disk::declared(disk), &difference.live);
    register.members.insert(address.clone(), own_disk_plan::member(disk, identity?, declared));
    Some(ObjectPlan {
        address: address.clone(),
        operation: Operation::Adopt,
        uuid: None,
        fields: Vec::new(),
        effects: vec![format!("takes over {file}")],
        blocked: Vec::new(),
        danger: Dangers::new(),
    })
}

/// A network has no place for a mark: the register alone takes it over.
fn adopt_network(
    address: &Address,
    network: &DesiredNetwork,
    desired: &Desired,
    inventory: &Inventory,
    register: &mut RegisterPlan,
    notes: &mut Vec<Finding>,
) -> Option<ObjectPlan> {
    let difference = network_shape::difference(address, network, desired, inventory);
    match difference.presence {
        NetworkPresence::Conflict(NetworkOwner::Nobody | NetworkOwner::LeftBehind) => {}
        NetworkPresence::Ours | NetworkPresence::Unfinished => {
            notes
                .push(Finding { address: Some(address.clone()), text: format!("{address} is ours already") });
            return None;
        }
        NetworkPresence::Conflict(NetworkOwner::Stack { stack, address: other }) => {
            return Some(blocked(
                address,
                &format!("it is {other} of stack {stack}: one network belongs to one stack"),
                Vec::new(),
            ));
        }
        NetworkPresence::External | NetworkPresence::ExternalMissing => {
            return Some(blocked(
                address,
                "it is declared external: it is referenced and never changed",
                vec!["remove `lifecycle.external` to own it".to_owned()],
            ));
        }
        NetworkPresence::Absent { .. } | NetworkPresence::Name => {
            return Some(blocked(
                address,
                &format!("VirtualBox has no such {}", network.kind.noun()),
                vec!["vboxmcp get networks".to_owned()],
            ));
        }
        NetworkPresence::OtherKind(kind) => {
            return Some(blocked(address, &format!("it is ours as a {}", kind.noun()), Vec::new()));
        }
        NetworkPresence::Unreadable(reason) => return Some(blocked(address, &reason, Vec::new())),
    }
    let declared = only_declared(&network_shape::declared(network), &difference.live);
    register.members.insert(address.clone(), network_plan::member(network, declared));
    Some(ObjectPlan {
        address: address.clone(),
        operation: Operation::Adopt,
        uuid: None,
        fields: Vec::new(),
        effects: Vec::new(),
        blocked: Vec::new(),
        danger: Dangers::new(),
    })
}

fn blocked(address: &Address, reason: &str, hints: Vec<String>) -> ObjectPlan {
    ObjectPlan {
        address: address.clone(),
        operation: Operation::Blocked,
        uuid: None,
        fields: Vec::new(),
        effects: Vec::new(),
        blocked: vec![Blocked {
            fields: Vec::new(),
            reason: reason.to_owned(),
            missing: Dangers::new(),
            hints,
        }],
        danger: Dangers::new(),
    }
}

fn candidate<'a>(
    address: &Address,
    machine: &DesiredMachine,
    chosen: Option<Uuid>,
    desired: &Desired,
    inventory: &'a Inventory,
) -> Result<Option<&'a Machine>, Box<ObjectPlan>> {
    let refuse = |reason: &str, hints: Vec<String>| Err(Box::new(blocked(address, reason, hints)));
    if machine.lifecycle.external {
        return refuse(
            "it is declared external: it is referenced and never changed",
            vec!["remove `lifecycle.external` to own it".to_owned()],
        );
    }
    if let Some(ours) = inventory.owned_machine(&desired.stack, address) {
        let entry =
            inventory.registers.get(&desired.stack).and_then(|register| register.entries.get(address));
        // An adoption that was cut short is done again, also one that has left nothing but the mark: the register may have an entry from
        // before the mark was removed.
        let is_whole = matches!(ours.mark, MarkState::Valid(_))
            && entry.is_some_and(|entry| entry.status == Status::Confirmed && is_kept_so(entry, machine));
        return Ok((!is_whole && ours.access.is_readable()).then_some(ours));
    }
    let mut named: Vec<&Machine> = inventory.machines_named(machine.name.as_str()).collect();
    if let Some(uuid) = chosen {
        named.retain(|live| live.uuid == uuid);
    }
    let live = match named.as_slice() {
        [] => return refuse("VirtualBox has no such machine", vec!["vboxmcp get machines".to_owned()]),
        [live] => *live,
        several => {
            let list: Vec<String> = several.iter().map(|live| format!("--uuid {}", live.uuid)).collect();
            return refuse("several machines have that name", list);
        }
    };
    match inventory.owner_of(live) {
        Ownership::Owned { stack, address: other } => refuse(
            &format!("it is {other} of stack {stack}: one machine belongs to one stack"),
            vec!["`lifecycle.renamedFrom: STACK/NAME` moves it".to_owned()],
        ),
        Ownership::Unclear(reason) => refuse(&format!("its mark cannot be read: {reason}"), Vec::new()),
        Ownership::Unowned | Ownership::MarkRemoved { .. } if !live.access.is_readable() => {
            refuse(live.access.reason().unwrap_or("it cannot be read"), Vec::new())
        }
        Ownership::Unowned | Ownership::MarkRemoved { .. } => Ok(Some(live)),
    }
}

/// Whether the register has what an adoption says of a machine beside its identity.
fn is_kept_so(entry: &Entry, machine: &DesiredMachine) -> bool {
    let lifecycle = &machine.lifecycle;
    entry.protect == lifecycle.protect
        && entry.on_remove == lifecycle.on_remove
        && entry.labels == machine.labels
}

fn members(
    register: &mut RegisterPlan,
    draft: &mut Draft,
    address: &Address,
    machine: &DesiredMachine,
    live: &Machine,
    desired: &Desired,
    inventory: &Inventory,
) {
    let lifecycle = &machine.lifecycle;
    let member = |identity: Identity, declared: serde_json::Value| Member {
        identity: Some(identity),
        declared: declared.into(),
        birth: serde_json::Value::Null,
        protect: lifecycle.protect,
        on_remove: lifecycle.on_remove,
        owes: None,
        labels: BTreeMap::new(),
    };
    // The live values of the declared fields become the last applied ones: what differs is a change, not drift.
    let declared = shape::declared(machine, Some(&live.folder()));
    let there = shape::live(live, address, &desired.stack, Some(machine), inventory);
    let own = member(Identity::Uuid(live.uuid), only_declared(&declared, &there));
    // What is ours already keeps what nobody declares.
    let entries = inventory.registers.get(&desired.stack).map(|register| &register.entries);
    let former = |address: &Address, uuid: Uuid| {
        entries?.get(address).filter(|entry| entry.identity == Identity::Uuid(uuid))
    };
    let birth = |former: Option<&Entry>| former.map_or(serde_json::Value::Null, |entry| entry.birth.clone());
    let entry = former(address, live.uuid);
    let own = Member {
        labels: machine.labels.clone(),
        owes: entry.and_then(|entry| entry.owes.clone()),
        birth: birth(entry),
        ..own
    };
    register.members.insert(address.clone(), own);
    let Some(name) = address.machine_name() else { return };
    let disks = disk::keyed(live, address, inventory.registers.get(&desired.stack), Some(machine), inventory);
    for (key, attachment) in disks {
        let declared = machine.disks.as_ref().is_some_and(|disks| disks.contains_key(&key));
        let AttachedMedium::Image(leaf) = &attachment.medium else { continue };
        let Some(base) = inventory.base_of(*leaf).filter(|_| declared) else { continue };
        let is_own = machine.disks.as_ref().is_some_and(|disks| {
            disks.get(&key).is_some_and(|disk| matches!(disk.disk, DiskSource::Reference { .. }))
        });
        if is_own {
            continue;
        }
        draft.effects.push(format!("takes over disk {key}: {}", base.location.display()));
        let image = machine.disks.as_ref().and_then(|disks| match &disks.get(&key)?.disk {
            DiskSource::Inline { image, .. } => image.as_ref(),
            DiskSource::Reference { .. } => None,
        });
        let address = Address::InlineDisk(name.clone(), key);
        let birth = image.map_or_else(|| birth(former(&address, base.uuid)), birth_of);
        let disk = Member { birth, ..member(Identity::Uuid(base.uuid), serde_json::Value::Null) };
        register.members.insert(address, disk);
    }
}

/// The part of `there` that is declared. What is declared not to be there, and is not, is as declared, too.
fn only_declared(declared: &serde_json::Value, there: &serde_json::Value) -> serde_json::Value {
    match (declared, there) {
        (serde_json::Value::Object(wanted), serde_json::Value::Object(live)) => wanted
            .iter()
            .filter_map(|(key, value)| match live.get(key) {
                Some(live) => Some((key.clone(), only_declared(value, live))),
                None => value.is_null().then(|| (key.clone(), serde_json::Value::Null)),
            })
            .collect(),
        (_, there) => there.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::only_declared;

    #[test]
    fn what_is_declared_not_to_be_there_is_as_declared() {
        let declared = json!({"memory": 64, "extraData": {"gone": null, "there": null, "wanted": "1"}});
        let there = json!({"memory": 32, "cpus": 1, "extraData": {"there": "2"}});
        let applied = json!({"memory": 32, "extraData": {"gone": null, "there": "2"}});
        assert_eq!(only_declared(&declared, &there), applied);
    }
}
