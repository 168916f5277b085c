//! What a plan makes of a machine's settings: the questions of the other files begin with it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::diff::{machine as shape, tree};
use crate::inventory::{Inventory, Machine};
use crate::model::{Address, FieldPath};
use crate::plan::{Action, Plan, Step, Target};

/// One machine after the plan.
pub struct After<'a> {
    /// The machine.
    pub address: &'a Address,
    /// As it is now; `None` where it is to be made.
    pub machine: Option<&'a Machine>,
    /// Its settings then, as a tree. Of a new machine those that the plan sets.
    pub settings: Value,
    /// The fields that the plan sets.
    pub changed: BTreeSet<FieldPath>,
    /// Whether the plan starts it.
    pub starts: bool,
    /// Whether the plan changes it while it runs.
    pub live: bool,
}

/// The machines that a plan has steps for, in the order of their addresses.
pub fn machines<'a>(plan: &'a Plan, inventory: &'a Inventory) -> Vec<After<'a>> {
    let mut by_address: BTreeMap<&Address, Vec<&Step>> = BTreeMap::new();
    for step in &plan.steps {
        by_address.entry(&step.address).or_default().push(step);
    }
    by_address.into_iter().map(|(address, steps)| one(address, &steps, inventory)).collect()
}

fn one<'a>(address: &'a Address, steps: &[&'a Step], inventory: &'a Inventory) -> After<'a> {
    let mut machine: Option<&Machine> = None;
    let (mut starts, mut live) = (false, false);
    let mut assignments = Vec::new();
    for step in steps {
        if let Some(Target::Existing(uuid)) = step.action.machine() {
            machine = inventory.machines.get(uuid);
        }
        match &step.action {
            Action::ModifyMachine { set, .. } => assignments.extend(set),
            Action::ModifyLive { set, .. } => {
                live = true;
                assignments.extend(set);
            }
            Action::Start { .. } => starts = true,
            _ => {}
        }
    }
    let mut settings = machine.map_or(Value::Null, shape::set);
    let mut changed = BTreeSet::new();
    for assignment in assignments {
        changed.insert(assignment.path.clone());
        match &assignment.value {
            Some(value) => tree::set(&mut settings, &assignment.path, value.clone()),
            None => tree::remove(&mut settings, &assignment.path),
        }
    }
    After { address, machine, settings, changed, starts, live }
}
