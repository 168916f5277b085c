//! The two writes of a stack's register: membership before the first step, what was read back after the last.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::Outcome;
use crate::diff::{disk, equal, machine as shape, network, own_disk, snapshot, tree};
use crate::inventory::{
    AttachedMedium, Entry, Identity, Inventory, MarkState, Register, RegisterError, Shard, Status,
};
use crate::model::{Address, NetworkKind, NetworkSettings, Secret, Shared, StackName};
use crate::plan::{Action, Insert, Member, Plan, Step, Target, Verb};

/// Before the first step: every address of the plan is a member, all last-applied values are as they were.
pub fn before(
    plan: &Plan,
    inventory: &Inventory,
    bindings: &BTreeMap<Address, Uuid>,
) -> Result<Vec<Shard>, RegisterError> {
    let now = registered(plan, inventory);
    let identity = |address: &Address, member: &Member| {
        member
            .identity
            .clone()
            .or_else(|| bindings.get(address).map(|uuid| Identity::Uuid(*uuid)))
            .unwrap_or_else(|| Identity::Uuid(super::derived_uuid(plan, address)))
    };
    let mut register = plan.register.before(&now, identity);
    // A member that moved in from another stack brings its last applied values along.
    for (address, (stack, from)) in &plan.register.renamed {
        let former = inventory.registers.get(stack).and_then(|other| other.entries.get(from));
        if let (Some(former), false, false) =
            (former, *stack == plan.stack, now.entries.contains_key(address))
        {
            let mut entry = former.clone();
            if let Some(new) = register.entries.get(address) {
                entry.protect |= new.protect;
                entry.owes.clone_from(&new.owes);
                if matches!(new.identity, Identity::Uuid(_)) {
                    entry.identity = new.identity.clone();
                }
            }
            register.entries.insert(address.clone(), entry);
        }
    }
    // Known before the disk is detached: a run that dies behind that must not lose which of its differences is its content.
    leaves(plan, &mut register);
    moving_leaves(plan, inventory, &mut register);
    register.writes(&plan.stack)
}

/// Notes the leaves of the disks that the plan takes away and attaches again: between the two nothing else tells them apart.
fn moving_leaves(plan: &Plan, inventory: &Inventory, register: &mut Register) {
    let leaves = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Attach { insert: Insert::Medium(Target::Existing(leaf)), .. } => Some(*leaf),
        _ => None,
    });
    for leaf in leaves {
        let Some(base) = inventory.base_of(leaf).map(|base| base.uuid).filter(|base| *base != leaf) else {
            continue;
        };
        if let Some(entry) =
            register.entries.values_mut().find(|entry| entry.identity == Identity::Uuid(base))
        {
            entry.leaf = Some(leaf);
        }
    }
}

/// Notes the leaves of the disks that the plan detaches.
fn leaves(plan: &Plan, register: &mut Register) {
    for (address, leaf) in &plan.register.detached {
        if let Some(entry) = register.entries.get_mut(address) {
            entry.leaf = Some(*leaf);
        }
    }
}

/// What an apply would still write although nothing on the host is to be done: a member's protection, a path, a released field.
pub fn pending_writes(plan: &Plan, inventory: &Inventory) -> Result<bool, RegisterError> {
    Ok(!before(plan, inventory, &BTreeMap::new())?.is_empty()
        || !after(plan, inventory, &BTreeMap::new(), &Outcome::default())?.is_empty())
}

/// After the last step: last-applied values field by field, for fields that are read back as declared.
pub fn after(
    plan: &Plan,
    inventory: &Inventory,
    bindings: &BTreeMap<Address, Uuid>,
    outcome: &Outcome,
) -> Result<Vec<Shard>, RegisterError> {
    let mut register = registered(plan, inventory);
    let unfinished = |address: &Address| {
        outcome.failed.iter().any(|step| step.address == *address)
            || outcome.skipped.iter().any(|step| step.address == *address)
    };
    // Disks first: a machine's disks are read back under the keys that they have from now on.
    let (machines, disks): (Vec<_>, Vec<_>) =
        plan.register.members.iter().partition(|(address, _)| matches!(address, Address::Machine(_)));
    for (address, member) in disks.into_iter().chain(machines) {
        let Some(entry) = register.entries.get(address) else { continue };
        let identity =
            member.identity.clone().or_else(|| bindings.get(address).map(|uuid| Identity::Uuid(*uuid)));
        let mut entry = entry.clone();
        entry.protect = member.protect;
        entry.on_remove = member.on_remove;
        entry.labels.clone_from(&member.labels);
        match address {
            Address::Machine(_) => {
                let Some(Identity::Uuid(uuid)) = identity else { continue };
                let Some(machine) =
                    inventory.machines.get(&uuid).filter(|machine| machine.access.is_readable())
                else {
                    continue;
                };
                entry.identity = Identity::Uuid(uuid);
                let known = with_references(&register, address, &member.declared);
                let mut live = shape::known_by(Some(&known), machine, address, None, inventory);
                let set = plan.steps.iter().filter(|step| step.address == *address && !unfinished(address));
                secrets(&mut live, &entry.applied, set.map(|step| &step.action));
                entry.applied = confirmed(&member.declared, &live, &entry.applied).into();
                let state = machine.state.as_ref();
                entry.owes =
                    member.owes.clone().filter(|owed| !state.is_some_and(|state| owed.is_met_by(state)));
                if !unfinished(address) {
                    entry.status = Status::Confirmed;
                }
            }
            Address::InlineDisk(name, key) => {
                if bindings.contains_key(address) {
                    entry.birth.clone_from(&member.birth);
                }
                // What this run made or found is known by its UUID, wherever VirtualBox put the file.
                if let Some(Identity::Uuid(known)) =
                    bindings.get(address).copied().map(Identity::Uuid).or(identity)
                {
                    if inventory.media.contains_key(&known) {
                        entry.status = Status::Confirmed;
                    }
                    entry.identity = Identity::Uuid(known);
                    register.entries.insert(address.clone(), entry.clone());
                }
                let machine_address = Address::Machine(name.clone());
                let machine = inventory.owned_machine(&plan.stack, &machine_address);
                let attached = machine.and_then(|machine| {
                    let disks = disk::keyed(machine, &machine_address, Some(&register), None, inventory);
                    match &disks.get(key)?.medium {
                        AttachedMedium::Image(leaf) => inventory.base_of(*leaf).map(|base| base.uuid),
                        _ => None,
                    }
                });
                if let Some(base) = attached {
                    entry.identity = Identity::Uuid(base);
                    entry.status = Status::Confirmed;
                    entry.leaf = None;
                    // Of a disk that was there before nobody knows what it was made from, unless somebody says so by adopting it.
                    if entry.birth.is_null() && plan.verb == Verb::Adopt {
                        entry.birth.clone_from(&member.birth);
                    }
                }
            }
            Address::Network(_) => {
                let Some(Identity::Network(name)) = &identity else { continue };
                entry.identity = Identity::Network(name.clone());
                entry.birth.clone_from(&member.birth);
                let Some(kind) = network::registered_kind(&entry) else { continue };
                let live = inventory.networks.find(kind, name);
                if let Some(live) = &live {
                    entry.applied = confirmed(&member.declared, &live.tree(kind), &entry.applied).into();
                } else if kind == NetworkKind::Internal {
                    // Without a DHCP server it is a name, which is there.
                    let nothing = NetworkSettings::default().tree(kind);
                    entry.applied = confirmed(&member.declared, &nothing, &Value::Null).into();
                } else {
                    continue;
                }
                if !unfinished(address) {
                    entry.status = Status::Confirmed;
                }
            }
            Address::Disk(_) => {
                let made = bindings.get(address).map(|uuid| Identity::Uuid(*uuid));
                let Some(identity) = made.or_else(|| identity.clone()) else { continue };
                let known = Entry { identity, ..entry.clone() };
                let Some(base) = own_disk::medium_of(&known, inventory) else { continue };
                entry.identity = Identity::Uuid(base.uuid);
                let live = own_disk::live(base, inventory);
                entry.applied = confirmed(&member.declared, &live, &entry.applied).into();
                entry.leaf = entry
                    .leaf
                    .filter(|leaf| inventory.media.contains_key(leaf) && !inventory.is_attached(*leaf));
                if !unfinished(address) {
                    entry.status = Status::Confirmed;
                }
            }
            Address::Snapshot(name, machine) => {
                let machine = inventory.owned_machine(&plan.stack, &Address::Machine(machine.clone()));
                if let Some(there) = machine.and_then(|machine| snapshot::named(machine, name)) {
                    entry.identity = Identity::Uuid(there.uuid);
                    entry.applied = Shared::default();
                    if member.declared.is_object() {
                        let live = json!({ "description": there.description });
                        entry.applied = confirmed(&member.declared, &live, &Value::Null).into();
                    }
                    entry.status = Status::Confirmed;
                }
            }
        }
        register.entries.insert(address.clone(), entry);
    }
    leaves(plan, &mut register);
    forget(plan, inventory, &mut register, &unfinished);
    if let (Some(paths), true) =
        (&plan.register.paths, outcome.failed.is_empty() && outcome.skipped.is_empty())
    {
        register.paths.clone_from(paths);
    }
    // The paths are kept for the next prune; a stack without members has nothing to prune, and leaves nothing behind.
    if register.entries.is_empty() {
        register.paths.clear();
    }
    let mut writes = register.writes(&plan.stack)?;
    writes.extend(forget_elsewhere(plan, inventory)?);
    Ok(writes)
}

/// The register as it will be: which disks of their own the machine names, and what is known of disks that this run has made.
fn with_references(register: &Register, address: &Address, declared: &Value) -> Register {
    let mut register = register.clone();
    let references = disk::references(declared);
    if let (Some(entry), false) = (register.entries.get_mut(address), references.is_empty()) {
        for (key, disk) in references {
            let path = crate::model::FieldPath::of(["disks", &key, "disk"]);
            tree::set(&mut entry.applied, &path, disk.to_string().into());
        }
    }
    register
}

fn registered(plan: &Plan, inventory: &Inventory) -> Register {
    inventory.registers.get(&plan.stack).cloned().unwrap_or_default()
}

/// Drops members that the run removed or found gone, and the former addresses of renamed ones. A member that is still there stays.
fn forget(
    plan: &Plan,
    inventory: &Inventory,
    register: &mut Register,
    unfinished: &dyn Fn(&Address) -> bool,
) {
    let ours = |address: &Address| inventory.owned_machine(&plan.stack, address).is_some();
    let deletes = |machine: &Address, disk: &Address| {
        plan.steps.iter().any(|step| match step.action {
            Action::Unregister { delete, .. } => delete && step.address == *machine,
            Action::DeleteDisk { .. } => step.address == *disk,
            _ => false,
        })
    };
    for address in &plan.register.forget {
        let clears = |machine: &Address| {
            let of_it =
                |step: &Step| step.address == *machine && matches!(step.action, Action::ClearBirth { .. });
            unfinished(machine) && plan.steps.iter().any(of_it)
        };
        let gone = match address {
            // Its files are there, and nobody else knows which they are.
            Address::Machine(_) if clears(address) => false,
            Address::InlineDisk(name, _) if clears(&Address::Machine(name.clone())) => false,
            Address::Machine(_) => {
                // A pending entry makes a machine ours even without a mark: what counts here is the machine and its mark.
                let uuid = register.entries.get(address).map(|entry| &entry.identity);
                let is_deleted = plan.steps.iter().any(|step| {
                    matches!(step.action, Action::Unregister { delete: true, .. }) && step.address == *address
                });
                match uuid {
                    Some(Identity::Uuid(uuid)) if is_deleted => !inventory.machines.contains_key(uuid),
                    Some(Identity::Uuid(uuid)) => inventory
                        .machines
                        .get(uuid)
                        .is_none_or(|machine| !matches!(&machine.mark, MarkState::Valid(mark) if mark.stack == plan.stack && mark.address == *address)),
                    _ => !ours(address),
                }
            }
            Address::InlineDisk(name, _) => {
                let with_machine = plan.register.forget.contains(&Address::Machine(name.clone()));
                let there = register.entries.get(address).is_some_and(|entry| has_medium(entry, inventory));
                let machine = Address::Machine(name.clone());
                // A disk that should have been deleted and is there is still ours: nobody else knows of it.
                !there || (with_machine && !ours(&machine) && !deletes(&machine, address))
            }
            // One that should have been deleted and is there is still ours.
            Address::Snapshot(name, machine) => {
                let machine = inventory.owned_machine(&plan.stack, &Address::Machine(machine.clone()));
                let deletes = plan.steps.iter().any(|step| step.address == *address);
                !deletes || machine.is_none_or(|machine| snapshot::named(machine, name).is_none())
            }
            Address::Network(_) | Address::Disk(_) => !unfinished(address),
        };
        if gone {
            register.entries.remove(address);
        }
    }
    for (address, (stack, from)) in &plan.register.renamed {
        let arrived = match address {
            Address::Machine(_) => ours(address),
            Address::Disk(_) => is_confirmed(register.entries.get(address)),
            _ => address.machine_name().is_some_and(|name| ours(&Address::Machine(name.clone()))),
        };
        if *stack == plan.stack && arrived && from != address {
            register.entries.remove(from);
        }
    }
}

fn is_confirmed(entry: Option<&Entry>) -> bool {
    entry.is_some_and(|entry| entry.status == Status::Confirmed)
}

fn forget_elsewhere(plan: &Plan, inventory: &Inventory) -> Result<Vec<Shard>, RegisterError> {
    let mut others: BTreeMap<&StackName, Register> = BTreeMap::new();
    for (address, (stack, from)) in &plan.register.renamed {
        let machine = address.machine_name().map(|name| Address::Machine(name.clone()));
        let own = inventory.registers.get(&plan.stack);
        let arrived = machine.is_some_and(|machine| inventory.owned_machine(&plan.stack, &machine).is_some())
            || matches!(address, Address::Disk(_))
                && is_confirmed(own.and_then(|register| register.entries.get(address)));
        if *stack != plan.stack && arrived {
            let other = others
                .entry(stack)
                .or_insert_with(|| inventory.registers.get(stack).cloned().unwrap_or_default());
            other.entries.remove(from);
        }
    }
    let mut writes = Vec::new();
    for (stack, register) in others {
        writes.extend(register.writes(stack)?);
    }
    Ok(writes)
}

fn has_medium(entry: &Entry, inventory: &Inventory) -> bool {
    match &entry.identity {
        Identity::Uuid(uuid) => inventory.media.contains_key(uuid),
        Identity::Path(path) => inventory.medium_at(path).is_some(),
        Identity::Network(_) => false,
    }
}

/// Puts the digests of secrets, which nobody can read back, among what is there: those that were applied before, and those that
/// actions have set.
fn secrets<'a>(live: &mut Value, applied: &Value, done: impl Iterator<Item = &'a Action>) {
    let kept = tree::leaves(applied);
    for (path, digest) in kept.into_iter().filter(|(_, value)| value.as_str().is_some_and(Secret::is_digest))
    {
        tree::set(live, &path, digest.clone());
    }
    for action in done {
        if let Action::SetSecret { field, digest, .. } = action {
            tree::set(live, field, digest.as_str().into());
        }
    }
}

/// Declared values where the host has them, former last-applied values where it does not. What is not declared is released.
fn confirmed(declared: &Value, live: &Value, former: &Value) -> Value {
    let differences = tree::compare(declared, live, &equal);
    let mut applied = declared.clone();
    for difference in differences {
        match tree::get(former, &difference.path) {
            // A member that should have gone is remembered, too, if it was ours.
            Some(value) => tree::set(&mut applied, &difference.path, value.clone()),
            None => tree::remove(&mut applied, &difference.path),
        }
    }
    applied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_back_keeps_its_former_value() {
        let applied = confirmed(
            &json!({"memory": 2048, "cpus": 2, "acpi": true}),
            &json!({"memory": 1024, "cpus": 2, "acpi": false}),
            &json!({"memory": 1024, "hpet": true}),
        );
        assert_eq!(applied, json!({"memory": 1024, "cpus": 2}));
    }
}
