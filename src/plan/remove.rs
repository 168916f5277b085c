//! Removal: `--prune` of what is no longer declared, and `destroy` of what is.

use std::collections::BTreeSet;
use std::path::PathBuf;

use uuid::Uuid;

use super::action::{Action, Insert, Target};
use super::draft::Draft;
use super::power::Power;
use super::register::RegisterPlan;
use super::types::{ObjectPlan, Operation, Refusal};
use super::whole::Removal;
use super::{PlanOptions, network, own_disk, snapshot};
use crate::diff::{ChangeSet, Finding, Undeclared, disk, machine as machine_shape, network as shape};
use crate::inventory::{
    AttachedMedium, DeviceKind, Entry, Identity, Inventory, Machine, Medium, Ownership, Snapshot,
};
use crate::model::disk::makes_differences;
use crate::model::{
    Address, Danger, Dangers, Desired, DesiredMachine, DesiredState, Location, NetworkKind, OnRemove, Policy,
    PowerState,
};

/// Members that are no longer declared: listed in every plan, removed where that is asked for and allowed.
pub fn undeclared(
    changes: &ChangeSet,
    desired: &Desired,
    inventory: &Inventory,
    policy: &Policy,
    options: &PlanOptions,
    into: &mut Removal<'_>,
) {
    let mut removable: Vec<(&Address, &Undeclared)> = Vec::new();
    for (address, undeclared) in &changes.undeclared {
        let there = match address {
            Address::Machine(_) | Address::Snapshot(..) => undeclared.uuid.is_some(),
            Address::Network(_) => registered_network(&undeclared.entry)
                .is_some_and(|(kind, name)| network::is_there(kind, name, inventory)),
            Address::Disk(_) => own_disk::is_there(&undeclared.entry, inventory),
            Address::InlineDisk(..) => true,
        };
        if !there {
            into.register.forget.insert(address.clone());
            continue;
        }
        let kept = if undeclared.entry.protect {
            Some("no longer declared, and protected: kept".to_owned())
        } else if undeclared.entry.on_remove == OnRemove::Keep {
            Some("no longer declared: kept (onRemove: keep)".to_owned())
        } else if !policy.prune {
            Some("no longer declared: --prune would delete it".to_owned())
        } else {
            None
        };
        match kept {
            Some(text) => into
                .notes
                .push(Finding { address: Some(address.clone()), text: format!("{address}: {text}") }),
            None => removable.push((address, undeclared)),
        }
    }
    if removable.is_empty() {
        return;
    }
    if let Some(refusal) = prune_refusal(desired, inventory, options) {
        into.refusals.push(refusal);
    }
    // Members of a replicated machine have rising names: the highest goes first.
    removable.sort_by_key(|(address, _)| std::cmp::Reverse(natural(address)));
    // Of a machine's snapshots those go first that no other one is based on.
    removable.sort_by_key(|(_, undeclared)| std::cmp::Reverse(snapshot::depth(undeclared, inventory)));
    // Networks and disks of their own last: what is attached to them leaves before.
    removable.sort_by_key(|(address, _)| matches!(address, Address::Network(_) | Address::Disk(_)));
    // A snapshot has the UUID of its machine, which stays.
    let machines = removable.iter().filter(|(address, _)| matches!(address, Address::Machine(_)));
    let leaving: BTreeSet<Uuid> = machines.filter_map(|(_, undeclared)| undeclared.uuid).collect();
    for (address, undeclared) in removable {
        let entry = &undeclared.entry;
        match (address, undeclared.uuid.and_then(|uuid| inventory.machines.get(&uuid))) {
            (Address::Snapshot(..), _) => snapshot::prune(address, undeclared, inventory, policy, into),
            (Address::Machine(_), Some(machine)) => {
                let mut draft =
                    Draft::new(address.clone(), Target::Existing(machine.uuid), policy.allow.clone());
                delete_machine(&mut draft, machine, inventory, DesiredMachine::STOP_TIMEOUT);
                let object = object(address, machine.uuid, &draft);
                if object.operation == Operation::Remove {
                    forget_with_disks(into.register, address, inventory, desired);
                }
                into.objects.push(object);
                into.drafts.push(draft);
            }
            (Address::InlineDisk(..) | Address::Disk(_), _) => {
                delete_disk(address, entry, &leaving, inventory, policy, into);
            }
            (Address::Network(_), _) => {
                let Some((kind, name)) = registered_network(&undeclared.entry) else { continue };
                let mut draft = network::draft(address, policy.allow.clone());
                draft.after.extend(into.drafts.iter().map(|draft| draft.address.clone()));
                let leaving = off_it(kind, name, &leaving, desired, inventory);
                network::remove(&mut draft, kind, name, &leaving, inventory);
                let object = object(address, None, &draft);
                if object.operation == Operation::Remove {
                    into.register.forget.insert(address.clone());
                }
                into.objects.push(object);
                into.drafts.push(draft);
            }
            _ => {}
        }
    }
}

/// Kind and name of a registered network.
pub fn registered_network(entry: &Entry) -> Option<(NetworkKind, &str)> {
    match &entry.identity {
        Identity::Network(name) => Some((shape::registered_kind(entry)?, name)),
        Identity::Uuid(_) | Identity::Path(_) => None,
    }
}

/// Machines that are not on the network when the plan has run: those that go, and those whose declared adapters are elsewhere.
pub fn off_it(
    kind: NetworkKind,
    name: &str,
    leaving: &BTreeSet<Uuid>,
    desired: &Desired,
    inventory: &Inventory,
) -> BTreeSet<Uuid> {
    let moves = |machine: &&Machine| {
        let Ownership::Owned { stack, address } = inventory.owner_of(machine) else { return false };
        let declared = desired.machines.get(&address).filter(|_| stack == desired.stack);
        let nics = declared.and_then(|declared| declared.settings.nics.as_ref());
        nics.is_some_and(|nics| {
            nics.values()
                .all(|nic| nic.mode.as_ref() != Some(&kind.mode()) || nic.network.as_deref() != Some(name))
        })
    };
    let moving = inventory.network_users(kind, name).filter(moves).map(|machine| machine.uuid);
    leaving.iter().copied().chain(moving).collect()
}

pub fn listed(address: &Address, uuid: Option<Uuid>, text: String) -> ObjectPlan {
    ObjectPlan {
        address: address.clone(),
        operation: Operation::Forget,
        uuid,
        fields: Vec::new(),
        effects: vec![text],
        blocked: Vec::new(),
        danger: Dangers::new(),
    }
}

fn prune_refusal(desired: &Desired, inventory: &Inventory, options: &PlanOptions) -> Option<Refusal> {
    if desired.stack.is_default() {
        return Some(Refusal {
            reason:
                "--prune needs a named stack: manifests without a Stack document share the stack `default`"
                    .to_owned(),
            hint: "add a Stack document with a name".to_owned(),
        });
    }
    if desired.machines.is_empty() && desired.networks.is_empty() && desired.disks.is_empty() {
        return Some(Refusal {
            reason: "--prune of a set of manifests that declares nothing would delete everything".to_owned(),
            hint: format!("vboxmcp destroy PATH..., which asks for the name of stack {}", desired.stack),
        });
    }
    let last = inventory.registers.get(&desired.stack).map(|register| &register.paths);
    if last.is_some_and(|last| !last.is_empty() && *last != desired.paths) && !options.stack_typed {
        return Some(Refusal {
            reason: "--prune with other manifest paths than the last full apply's would delete what those others declare".to_owned(),
            hint: format!("give the same paths, or type --stack {}", desired.stack),
        });
    }
    None
}

/// `node-9` before `node-10`.
pub fn natural(address: &Address) -> (String, u64) {
    let text = address.to_string();
    let digits = text.len() - text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (stem, number) = text.split_at(text.len() - digits);
    (stem.to_owned(), number.parse().unwrap_or(0))
}

pub fn object(address: &Address, uuid: impl Into<Option<Uuid>>, draft: &Draft) -> ObjectPlan {
    ObjectPlan {
        address: address.clone(),
        operation: if draft.blocked.is_empty() { Operation::Remove } else { Operation::Blocked },
        uuid: uuid.into(),
        fields: Vec::new(),
        effects: draft.effects.clone(),
        blocked: draft.blocked.clone(),
        danger: draft.danger(),
    }
}

pub fn forget_with_disks(
    register: &mut RegisterPlan,
    address: &Address,
    inventory: &Inventory,
    desired: &Desired,
) {
    register.forget.insert(address.clone());
    let Some(name) = address.machine_name() else { return };
    for member in
        inventory.registers.get(&desired.stack).into_iter().flat_map(|register| register.entries.keys())
    {
        if matches!(member, Address::InlineDisk(machine, _) | Address::Snapshot(_, machine) if machine == name)
        {
            register.forget.insert(member.clone());
        }
    }
}

/// Deletes a machine: detach what is not ours, delete its snapshots leaf first, and only then the machine with what is left.
pub fn delete_machine(draft: &mut Draft, machine: &Machine, inventory: &Inventory, stop_timeout: u64) {
    let missing = draft.missing([Danger::DestroyData]);
    if !missing.is_empty() {
        draft.block_for(Vec::new(), missing, "deleting the machine deletes its disks".to_owned());
        return;
    }
    let class = machine.state.as_ref().map_or(crate::model::state::StateClass::Moving, PowerState::class);
    let off = DesiredState::PowerOff;
    let power = Power { live: class, declared: Some(&off), stop_timeout, owed: false };
    let saved = class == crate::model::state::StateClass::Saved;
    // A saved state goes with its machine, which is what destroy-data permits.
    if !saved && !power.stop(draft, &[], "deleting it stops the guest") {
        if draft.blocked.is_empty() {
            draft.block(Vec::new(), "it is on the way from one state to another", Vec::new());
        }
        return;
    }
    let target = draft.target.clone();
    if saved {
        draft.push(Action::DiscardState { machine: target.clone() }, [], [Danger::DestroyData]);
    }
    let owned = owned_bases(machine, inventory);
    let mut foreign_children = Vec::new();
    let mut of_their_own = Vec::new();
    for attachment in &machine.attachments {
        let at = disk::place(attachment);
        let AttachedMedium::Image(leaf) = &attachment.medium else { continue };
        let base = inventory.base_of(*leaf);
        let name = base.map_or_else(|| format!("{{{leaf}}}"), |base| base.location.display().to_string());
        match attachment.kind {
            DeviceKind::Disk if base.is_some_and(|base| owned.contains(&base.uuid)) => {
                draft.effects.push(format!("deletes disk {name}"));
                foreign_children.extend(children_elsewhere(*leaf, machine, inventory));
            }
            DeviceKind::Disk => {
                if let Some(address) = base.and_then(|base| own(base, inventory)) {
                    draft.effects.push(format!("detaches {address} ({name})"));
                    let is_difference = base.is_some_and(|base| makes_differences(&base.medium_type));
                    of_their_own.push((at, is_difference.then_some(*leaf)));
                } else {
                    draft.effects.push(format!("detaches disk {name}, which is not ours and is kept"));
                    draft.push(Action::Detach { machine: target.clone(), at }, [], []);
                }
            }
            DeviceKind::Dvd | DeviceKind::Floppy => {
                let action = Action::Attach {
                    machine: target.clone(),
                    at,
                    kind: attachment.kind,
                    insert: Insert::Nothing,
                    options: std::collections::BTreeMap::new(),
                };
                draft.push(action, [], []);
            }
        }
    }
    if !foreign_children.is_empty() {
        foreign_children.sort();
        foreign_children.dedup();
        draft.steps.clear();
        draft.block(
            Vec::new(),
            format!("its disks have linked clones: {}", foreign_children.join(", ")),
            vec!["delete those first".to_owned()],
        );
        return;
    }
    let detached = detached_disks(machine, inventory);
    let delete = |medium: Uuid| Action::DeleteDisk { medium: Target::Existing(medium), folder: None };
    // What was once detached from it first: VirtualBox does not delete a snapshot whose disk has several differences (measured).
    for leftover in stray(machine, inventory) {
        draft.effects.push(format!("deletes {}, which nothing uses", leftover.location.display()));
        draft.push(delete(leftover.uuid), [], [Danger::DestroyData]);
    }
    // Its content first: VirtualBox would merge it into what the snapshots have of it.
    for leaf in detached.iter().filter_map(|(_, leaf)| *leaf) {
        draft.push(delete(leaf), [], [Danger::DestroyData]);
    }
    if let Some(root) = &machine.snapshots {
        for snapshot in root.leaves_first() {
            draft.effects.push(format!("deletes snapshot {:?}", snapshot.name));
            let action = Action::DeleteSnapshot { machine: target.clone(), snapshot: snapshot.uuid };
            draft.push(action, [], [Danger::DestroyData]);
        }
    }
    for (medium, _) in detached {
        draft.effects.push(format!("deletes disk {}, which was detached", medium.location.display()));
        draft.push(delete(medium.uuid), [], [Danger::DestroyData]);
    }
    // With the snapshots their differences are merged: what leaves then holds everything that the guest wrote.
    for (at, difference) in of_their_own {
        draft.push(Action::Detach { machine: target.clone(), at }, [], []);
        // That of an immutable disk is the machine's own, and would keep the disk itself from being deleted.
        if let Some(leaf) = difference {
            draft.push(delete(leaf), [], [Danger::DestroyData]);
        }
    }
    draft.push(Action::Unregister { machine: target, delete: true }, [], [Danger::DestroyData]);
    draft.expect_what_is_there(machine, &machine_shape::settings_tree(&machine.settings));
}

/// Differences to disks that the machine has attached and that are ours, which no machine and no snapshot uses: what was written before
/// they were detached by hand and the machine went back to a snapshot. Those on top of others first.
pub fn stray<'a>(machine: &Machine, inventory: &'a Inventory) -> Vec<&'a Medium> {
    let owned = owned_bases(machine, inventory);
    let images = machine.attachments.iter().filter_map(|attachment| match attachment.medium {
        AttachedMedium::Image(leaf) => inventory.base_of(leaf),
        AttachedMedium::HostDrive(_) | AttachedMedium::Empty => None,
    });
    let ours = images.filter(|base| owned.contains(&base.uuid) || own(base, inventory).is_some());
    ours.flat_map(|base| own_disk::leftovers(base.uuid, inventory)).collect()
}

/// Inline disks of the machine, which live and die with it, that no machine has: VirtualBox would leave their files behind, unregistered. With each goes the
/// difference that is its content, where snapshots have the rest of it.
fn detached_disks<'a>(machine: &Machine, inventory: &'a Inventory) -> Vec<(&'a Medium, Option<Uuid>)> {
    let Ownership::Owned { stack, address } = inventory.owner_of(machine) else { return Vec::new() };
    let (Some(register), Some(name)) = (inventory.registers.get(&stack), address.machine_name()) else {
        return Vec::new();
    };
    let disks = register.disks_of(name).filter(|(_, entry)| !entry.protect);
    disks
        .filter_map(|(_, entry)| {
            let base = medium_of(entry, inventory).filter(|base| !inventory.is_attached(base.uuid))?;
            if !inventory.has_children(base.uuid) {
                return Some((base, None));
            }
            let leaf = entry.leaf.filter(|leaf| !inventory.is_attached(*leaf))?;
            let chain = disk::chain(leaf, inventory);
            let mut others = inventory.media.keys().filter(|other| !chain.contains(other));
            let has_another = others.any(|other| inventory.is_in_chain(base.uuid, *other));
            (!has_another && chain.first() == Some(&base.uuid)).then_some((base, Some(leaf)))
        })
        .collect()
}

/// The address of a base that has a document of its own.
pub fn own<'a>(base: &Medium, inventory: &'a Inventory) -> Option<&'a Address> {
    let (_, address) = crate::diff::own_disk::owner(base.uuid, &base.location, inventory)?;
    matches!(address, Address::Disk(_)).then_some(address)
}

/// Bases of the machine's disks that are ours: registered as its inline disks, or in its own folder where the register knows nothing.
pub fn owned_bases(machine: &Machine, inventory: &Inventory) -> BTreeSet<Uuid> {
    let registered =
        inventory.registers.values().flat_map(|register| &register.entries).filter_map(|(address, entry)| {
            match (&entry.identity, address) {
                (Identity::Uuid(uuid), Address::InlineDisk(..)) => Some(*uuid),
                (Identity::Path(path), Address::InlineDisk(..)) => {
                    inventory.medium_at(path).map(|medium| medium.uuid)
                }
                _ => None,
            }
        });
    let known: BTreeSet<Uuid> = registered.collect();
    machine
        .attachments
        .iter()
        .filter_map(|attachment| match &attachment.medium {
            AttachedMedium::Image(leaf) => inventory.base_of(*leaf).map(|base| base.uuid),
            _ => None,
        })
        .filter(|base| known.contains(base))
        .collect()
}

/// Machines whose disks are differences to a chain of this one.
fn children_elsewhere(leaf: Uuid, machine: &Machine, inventory: &Inventory) -> Vec<String> {
    let chain = disk::chain(leaf, inventory);
    inventory
        .machines
        .values()
        .filter(|other| other.uuid != machine.uuid)
        .filter(|other| {
            other.attachments.iter().any(|attachment| match &attachment.medium {
                AttachedMedium::Image(medium) => {
                    disk::chain(*medium, inventory).iter().any(|uuid| chain.contains(uuid))
                }
                _ => false,
            })
        })
        .map(|other| format!("{:?}", other.name.as_deref().unwrap_or("?")))
        .collect()
}

pub fn medium_of<'a>(entry: &Entry, inventory: &'a Inventory) -> Option<&'a Medium> {
    match &entry.identity {
        Identity::Uuid(uuid) => inventory.media.get(uuid),
        Identity::Path(path) => inventory.medium_at(path),
        Identity::Network(_) => None,
    }
}

pub fn delete_disk(
    address: &Address,
    entry: &Entry,
    leaving: &BTreeSet<Uuid>,
    inventory: &Inventory,
    policy: &Policy,
    into: &mut Removal<'_>,
) {
    let Some(medium) = medium_of(entry, inventory) else { return };
    let mut draft = Draft::new(address.clone(), Target::Existing(medium.uuid), policy.allow.clone());
    let missing = draft.missing([Danger::DestroyData]);
    draft.after.extend(into.drafts.iter().map(|draft| draft.address.clone()));
    let leftovers = own_disk::leftovers(medium.uuid, inventory);
    let has_children = crate::diff::own_disk::differences(medium.uuid, inventory).len() > leftovers.len();
    let attached: Vec<(&Machine, Location, Uuid)> = inventory
        .machines
        .values()
        .filter(|machine| !leaving.contains(&machine.uuid))
        .flat_map(|machine| machine.attachments.iter().map(move |attachment| (machine, attachment)))
        .filter_map(|(machine, attachment)| match &attachment.medium {
            AttachedMedium::Image(leaf) if disk::chain(*leaf, inventory).contains(&medium.uuid) => {
                Some((machine, disk::place(attachment), *leaf))
            }
            _ => None,
        })
        .collect();
    let going: BTreeSet<Uuid> = into.drafts.iter().flat_map(Draft::deleted_snapshots).collect();
    let holders = holders(medium, leaving, &going, inventory);
    // Where this plan detaches it, the same machine's steps delete it.
    let detaches = match &attached[..] {
        [(machine, place, leaf)] => {
            into.drafts.iter().position(|draft| draft.detaches(machine.uuid, place, *leaf))
        }
        _ => None,
    };
    if let ([(machine, ..), ..], None) = (&attached[..], detaches) {
        let name = machine.name.as_deref().unwrap_or("?");
        draft.block(
            Vec::new(),
            format!("it is no longer declared and is still attached to machine {name:?}"),
            vec!["the next apply deletes it, when it is detached".to_owned()],
        );
    } else if !holders.is_empty() {
        draft.block(
            Vec::new(),
            format!("snapshots have it: {}", holders.join(", ")),
            vec!["delete the snapshots first".to_owned()],
        );
    } else if has_children && leaving.is_empty() && going.is_empty() {
        draft.block(
            Vec::new(),
            "snapshots hold differences to it",
            vec!["delete the snapshots first".to_owned()],
        );
    } else if !missing.is_empty() {
        draft.block_for(Vec::new(), missing, "deleting the disk deletes its data".to_owned());
    } else {
        draft.effects.push(format!("deletes disk {}", medium.location.display()));
        for leftover in leftovers {
            draft.effects.push(format!("deletes {}, a difference to it", leftover.location.display()));
            let medium = Target::Existing(leftover.uuid);
            draft.push(Action::DeleteDisk { medium, folder: None }, [], [Danger::DestroyData]);
        }
        let action = Action::DeleteDisk {
            medium: Target::Existing(medium.uuid),
            folder: abandoned_folder(address, medium, inventory),
        };
        draft.push(action, [], [Danger::DestroyData]);
        into.register.forget.insert(address.clone());
    }
    into.objects.push(object(address, medium.uuid, &draft));
    // One that goes has it, too: then it is the last of all.
    let has_it = |machine: &Machine| {
        machine.attachments.iter().any(|attachment| match &attachment.medium {
            AttachedMedium::Image(leaf) => disk::chain(*leaf, inventory).contains(&medium.uuid),
            _ => false,
        })
    };
    let is_elsewhere = leaving.iter().filter_map(|uuid| inventory.machines.get(uuid)).any(has_it);
    match detaches.filter(|_| !is_elsewhere).and_then(|index| into.drafts.get_mut(index)) {
        Some(of_machine) => of_machine.take(draft),
        None => into.drafts.push(draft),
    }
}

/// The snapshots that stay, of machines that stay, and have the disk or a difference to it: VirtualBox deletes none that they have (measured).
fn holders(
    medium: &Medium,
    leaving: &BTreeSet<Uuid>,
    going: &BTreeSet<Uuid>,
    inventory: &Inventory,
) -> Vec<String> {
    let staying = inventory.machines.values().filter(|machine| !leaving.contains(&machine.uuid));
    let snapshots = staying.flat_map(|machine| {
        let all = machine.snapshots.iter().flat_map(Snapshot::leaves_first);
        all.map(move |snapshot| (machine, snapshot))
    });
    let has_it = |snapshot: &Snapshot| {
        snapshot.media.iter().any(|leaf| disk::chain(*leaf, inventory).contains(&medium.uuid))
    };
    snapshots
        .filter(|(_, snapshot)| !going.contains(&snapshot.uuid) && has_it(snapshot))
        .map(|(machine, snapshot)| {
            format!("{:?} of machine {:?}", snapshot.name, machine.name.as_deref().unwrap_or("?"))
        })
        .collect()
}

/// The folder in which a machine was that is gone: the disk's own, where it has the machine's name, and no machine is in it.
fn abandoned_folder(address: &Address, medium: &Medium, inventory: &Inventory) -> Option<PathBuf> {
    let folder = medium.location.parent()?;
    let is_of_machine = address.machine_name().is_some_and(|name| folder.ends_with(name.as_str()));
    let below = folder != inventory.host.machine_folder && folder.starts_with(&inventory.host.machine_folder);
    let is_used = inventory.machines.values().any(|machine| machine.folder() == folder);
    (is_of_machine && below && !is_used).then(|| folder.to_owned())
}
