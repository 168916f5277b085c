//! `destroy`: what the manifests declare is deleted, or forgotten and kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use uuid::Uuid;

use super::action::{Action, Target};
use super::draft::{self, Draft};
use super::register::RegisterPlan;
use super::remove::{
    delete_disk, delete_machine, forget_with_disks, listed, medium_of, natural, object, registered_network,
};
use super::types::{Operation, Plan, Refusal, Verb};
use super::whole::Removal;
use super::{canonical, limits, network, order, own_disk};
use crate::diff;
use crate::inventory::{Inventory, PathFact};
use crate::model::{Address, Desired, DesiredMachine, OnRemove, Policy};

/// How `destroy` chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DestroyOptions {
    /// Also what says `onRemove: keep`.
    pub all: bool,
}

/// Plans the removal of what is declared: deleted where the manifest says so or everything is asked for, forgotten otherwise.
pub fn destroy(desired: &Desired, inventory: &Inventory, policy: &Policy, options: DestroyOptions) -> Plan {
    let mut objects = Vec::new();
    let mut drafts = Vec::new();
    let mut register = RegisterPlan::default();
    let mut refusals = Vec::new();
    let mut notes = Vec::new();
    let empty = BTreeMap::new();
    let entries = inventory.registers.get(&desired.stack).map_or(&empty, |register| &register.entries);
    let mut machines: Vec<(&Address, &DesiredMachine)> = desired.machines.iter().collect();
    machines.sort_by_key(|(address, _)| std::cmp::Reverse(natural(address)));
    for (address, declared) in machines {
        let entry = entries.get(address);
        let delete = options.all || declared.lifecycle.on_remove == OnRemove::Delete;
        let Some(machine) = inventory.owned_machine(&desired.stack, address) else {
            if !delete {
                if entry.is_some() {
                    forget_with_disks(&mut register, address, inventory, desired);
                }
                continue;
            }
            register.forget.extend(entry.map(|_| address.clone()));
            if let Some(action) = left_of_birth(declared, address, desired, inventory) {
                if entry.is_some_and(|entry| entry.protect) || declared.lifecycle.protect {
                    refusals.push(protected(address));
                }
                let text =
                    "is not registered: what its birth, which was cut short, has left is deleted".to_owned();
                let mut draft =
                    Draft::new(address.clone(), Target::Planned(address.clone()), policy.allow.clone());
                draft.push(action, [], []);
                objects.push(listed(address, None, text));
                drafts.push(draft);
            }
            // A machine whose deletion was cut short has left disks.
            let disks = entries.iter().filter(|(member, _)| {
                matches!(member, Address::InlineDisk(name, _) if Some(name) == address.machine_name())
            });
            for (member, disk) in disks.filter(|(_, disk)| !disk.protect) {
                if medium_of(disk, inventory).is_none() {
                    register.forget.insert(member.clone());
                    continue;
                }
                let mut into = Removal {
                    objects: &mut objects,
                    drafts: &mut drafts,
                    register: &mut register,
                    refusals: &mut refusals,
                    notes: &mut notes,
                };
                delete_disk(member, disk, &BTreeSet::new(), inventory, policy, &mut into);
            }
            continue;
        };
        let allow = policy.allow.union(&declared.lifecycle.allow).copied().collect();
        let mut draft = Draft::new(address.clone(), Target::Existing(machine.uuid), allow);
        if !machine.access.is_readable() {
            let reason = machine.access.reason().unwrap_or("it cannot be read").to_owned();
            draft.block(
                Vec::new(),
                format!("it is ours and cannot be read: {reason}"),
                vec!["`vboxmcp doctor` says more".to_owned()],
            );
            objects.push(object(address, machine.uuid, &draft));
        } else if delete {
            if entry.is_some_and(|entry| entry.protect) || declared.lifecycle.protect {
                refusals.push(protected(address));
            }
            delete_machine(&mut draft, machine, inventory, declared.stop_timeout);
            let object = object(address, machine.uuid, &draft);
            if object.operation == Operation::Remove {
                forget_with_disks(&mut register, address, inventory, desired);
            }
            objects.push(object);
        } else {
            draft.push(Action::WriteMark { machine: Target::Existing(machine.uuid), mark: None }, [], []);
            forget_with_disks(&mut register, address, inventory, desired);
            objects.push(listed(
                address,
                Some(machine.uuid),
                "is kept and no longer managed (onRemove: keep)".to_owned(),
            ));
        }
        drafts.push(draft);
    }
    let mut notes = Vec::new();
    let mut into = Removal {
        objects: &mut objects,
        drafts: &mut drafts,
        register: &mut register,
        refusals: &mut refusals,
        notes: &mut notes,
    };
    destroy_disks(desired, inventory, policy, options, &mut into);
    destroy_networks(desired, inventory, policy, options, &mut into);
    let steps = order::along_dependencies(draft::number(drafts), desired);
    let mut plan = canonical::assemble(
        Verb::Destroy,
        desired,
        inventory,
        policy,
        canonical::Made { objects, steps, register },
    );
    plan.refusals = refusals;
    plan.notes.extend(notes);
    limits::check(&mut plan, desired, inventory);
    canonical::seal(plan)
}

/// What is to be done with the files of a machine that was about to be born and is not there.
fn left_of_birth(
    declared: &DesiredMachine,
    address: &Address,
    desired: &Desired,
    inventory: &Inventory,
) -> Option<Action> {
    let unborn = diff::unborn(address, declared, &desired.stack, inventory)?;
    let machine = unborn.machine;
    let its = |(disk, file): (Address, PathBuf)| {
        let uuid = Action::born_disk(machine, &disk);
        (inventory.paths.get(&file) == Some(&PathFact::ImageOf(uuid))).then_some((file, uuid))
    };
    let disks: BTreeMap<PathBuf, Uuid> = unborn.disks.into_iter().filter_map(its).collect();
    let is_left = match inventory.paths.get(&unborn.file) {
        Some(PathFact::SettingsOf(of)) => *of == machine,
        // It is written after the disks.
        Some(PathFact::Missing) => !disks.is_empty(),
        _ => false,
    };
    is_left.then_some(Action::ClearBirth { machine, file: unborn.file, disks })
}

/// Disks of their own go when the machines that had them are gone.
fn destroy_disks(
    desired: &Desired,
    inventory: &Inventory,
    policy: &Policy,
    options: DestroyOptions,
    into: &mut Removal<'_>,
) {
    let leaving = removed(into);
    let entries = inventory.registers.get(&desired.stack).map(|register| &register.entries);
    for (address, declared) in &desired.disks {
        let Some(entry) = entries.and_then(|entries| entries.get(address)) else { continue };
        let delete = options.all || declared.lifecycle.on_remove == OnRemove::Delete;
        if delete && (entry.protect || declared.lifecycle.protect) {
            into.refusals.push(protected(address));
        }
        if !own_disk::is_there(entry, inventory) {
            into.register.forget.insert(address.clone());
        } else if delete {
            let allow = policy.allow.union(&declared.lifecycle.allow).copied().collect();
            let policy = Policy { allow, ..policy.clone() };
            delete_disk(address, entry, &leaving, inventory, &policy, into);
        } else {
            into.register.forget.insert(address.clone());
            let text = "is kept and no longer managed (onRemove: keep)".to_owned();
            into.objects.push(listed(address, None, text));
        }
    }
}

/// Machines that the plan deletes.
fn removed(into: &Removal<'_>) -> BTreeSet<Uuid> {
    let objects = into.objects.iter().filter(|object| object.operation == Operation::Remove);
    objects.filter_map(|object| object.uuid).collect()
}

/// Networks go when everything that was attached to them is gone.
fn destroy_networks(
    desired: &Desired,
    inventory: &Inventory,
    policy: &Policy,
    options: DestroyOptions,
    into: &mut Removal<'_>,
) {
    let leaving = removed(into);
    let machines: Vec<Address> = into.drafts.iter().map(|draft| draft.address.clone()).collect();
    let entries = inventory.registers.get(&desired.stack).map(|register| &register.entries);
    for (address, declared) in &desired.networks {
        let Some(entry) = entries.and_then(|entries| entries.get(address)) else { continue };
        let Some((kind, name)) = registered_network(entry) else { continue };
        let delete = options.all || declared.lifecycle.on_remove == OnRemove::Delete;
        if !network::is_there(kind, name, inventory) {
            into.register.forget.insert(address.clone());
            continue;
        }
        if !delete {
            into.register.forget.insert(address.clone());
            let text = "is kept and no longer managed (onRemove: keep)".to_owned();
            into.objects.push(listed(address, None, text));
            continue;
        }
        if entry.protect || declared.lifecycle.protect {
            into.refusals.push(protected(address));
        }
        let mut draft =
            network::draft(address, policy.allow.union(&declared.lifecycle.allow).copied().collect());
        draft.after.extend(machines.iter().cloned());
        network::remove(&mut draft, kind, name, &leaving, inventory);
        let object = object(address, None, &draft);
        if object.operation == Operation::Remove {
            into.register.forget.insert(address.clone());
        }
        into.objects.push(object);
        into.drafts.push(draft);
    }
}

fn protected(address: &Address) -> Refusal {
    Refusal {
        reason: format!("{address} is protected"),
        hint: "set `lifecycle.protect: false` and apply that first".to_owned(),
    }
}
