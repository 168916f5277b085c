//! The plan of `apply` as a whole: networks and disks, the machines on them, and what is no longer declared.

use std::collections::BTreeMap;

use super::draft::{self, Draft};
use super::fields::Declared;
use super::machine::Scene;
use super::network::{self, NetworkScene};
use super::own_disk::{self, DiskScene};
use super::ports::{self, Ports};
use super::types::{ObjectPlan, Plan, Verb};
use super::{PlanOptions, canonical, limits, order, register, remove};
use crate::diff::{ChangeSet, Finding};
use crate::inventory::Inventory;
use crate::model::{Desired, Policy};

/// Plans what makes the host match the declaration.
pub fn plan(
    changes: &ChangeSet,
    desired: &Desired,
    inventory: &Inventory,
    policy: &Policy,
    options: &PlanOptions,
) -> Plan {
    let Parts { mut objects, mut drafts, mut register, mut refusals, mut notes } =
        Parts::of(changes, desired, inventory, policy);
    let behind = std::mem::take(&mut notes);
    remove::undeclared(
        changes,
        desired,
        inventory,
        policy,
        options,
        &mut Removal {
            objects: &mut objects,
            drafts: &mut drafts,
            register: &mut register,
            refusals: &mut refusals,
            notes: &mut notes,
        },
    );
    register.forget.extend(changes.superseded.iter().cloned());
    register.paths = (!options.is_partial).then(|| desired.paths.clone());
    let steps = order::along_dependencies(draft::number(drafts), desired);
    let is_empty = objects.is_empty() && steps.is_empty() && refusals.is_empty();
    let is_sealed = !(options.is_only_shown && is_empty);
    let made = canonical::Made { objects, steps, register };
    let mut plan = if is_sealed {
        canonical::assemble(Verb::Apply, desired, inventory, policy, made)
    } else {
        canonical::unsealed(Verb::Apply, desired, inventory, policy, made)
    };
    plan.refusals = refusals;
    limits::check(&mut plan, desired, inventory);
    plan.notes.append(&mut notes);
    plan.notes.extend(behind);
    if is_sealed { canonical::seal(plan) } else { plan }
}

/// What becomes of the declared objects.
#[derive(Default)]
pub struct Parts {
    /// Objects.
    pub objects: Vec<ObjectPlan>,
    /// Steps.
    pub drafts: Vec<Draft>,
    /// Register.
    pub register: register::RegisterPlan,
    /// Refusals.
    pub refusals: Vec<super::Refusal>,
    /// Things to know.
    pub notes: Vec<Finding>,
}

impl Parts {
    /// Plans what makes the declared objects as declared.
    pub fn of(changes: &ChangeSet, desired: &Desired, inventory: &Inventory, policy: &Policy) -> Self {
        let mut given = Ports::of(desired, inventory);
        let mut parts = Self::default();
        for (address, difference) in &changes.networks {
            let Some(network) = desired.networks.get(address) else { continue };
            let scene = NetworkScene { address, network, difference, desired, inventory };
            let (object, draft) = scene.plan(&mut given, policy);
            network::add_member(&mut parts.register, &scene);
            parts.objects.extend(object);
            parts.drafts.push(draft);
        }
        for (address, difference) in &changes.disks {
            let Some(disk) = desired.disks.get(address) else { continue };
            let scene = DiskScene { address, disk, difference, desired, inventory };
            let (object, draft) = scene.plan(policy);
            own_disk::add_member(&mut parts.register, &scene);
            parts.objects.extend(object);
            parts.drafts.push(draft);
        }
        let mut shared = BTreeMap::new();
        for (address, difference) in &changes.machines {
            let Some(machine) = desired.machines.get(address) else { continue };
            let declared = Declared::of(machine);
            let scene =
                Scene { address, machine, declared, difference, desired, inventory, policy, shared: &shared };
            let (object, mut draft) = scene.plan(&mut given);
            draft.after.extend(desired.used_by(machine).into_iter().map(|(object, _)| object));
            register::add_members(&mut parts.register, &scene, &draft);
            scene.snapshot_members(&draft, &mut parts.register);
            parts.objects.extend(object);
            parts.objects.extend(scene.snapshot_objects(&draft));
            shared.extend(own_disk::shares(&draft).map(|disk| (disk.clone(), address.clone())));
            parts.drafts.push(draft);
        }
        own_disk::left_unshared(&mut parts.objects, &shared, desired);
        parts.notes.extend(changes.findings.iter().cloned());
        parts.notes.extend(ports::clashes(changes, desired, inventory));
        parts.notes.extend(released(changes));
        parts
    }
}

/// What is no longer managed of objects that are.
fn released(changes: &ChangeSet) -> impl Iterator<Item = Finding> {
    let machines = changes.machines.iter().map(|(address, d)| (address, &d.released));
    let disks = changes.disks.iter().map(|(address, d)| (address, &d.released));
    let networks = changes.networks.iter().map(|(address, d)| (address, &d.released));
    let all = machines.chain(disks).chain(networks);
    all.filter(|(_, fields)| !fields.is_empty()).map(|(address, fields)| {
        let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
        Finding {
            address: Some(address.clone()),
            text: format!("{address}: no longer managed, the live value stays: {}", fields.join(", ")),
        }
    })
}

/// Where removals put their parts of the plan.
pub struct Removal<'a> {
    /// Objects.
    pub objects: &'a mut Vec<ObjectPlan>,
    /// Steps.
    pub drafts: &'a mut Vec<Draft>,
    /// Register.
    pub register: &'a mut register::RegisterPlan,
    /// Refusals.
    pub refusals: &'a mut Vec<super::Refusal>,
    /// Things to know.
    pub notes: &'a mut Vec<Finding>,
}
