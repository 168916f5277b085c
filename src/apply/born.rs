//! Births: the steps that make a machine, done in one go where the host can, and read back one by one.
//!
//! The plan knows nothing of it: whatever is not there afterwards is done step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::step::{self, StepEnd};
use super::{clock, readback};
use crate::event::StepOutcome;
use crate::host::{Birth, ErrorClass, Host, HostError, Want};
use crate::model::Address;
use crate::plan::{Action, Plan, Step, StepId};

/// The steps of one birth, the first of them the one that creates the machine.
#[derive(Clone)]
pub struct Group<'p> {
    /// In order.
    pub steps: Vec<&'p Step>,
    machine: Uuid,
    disks: BTreeMap<Address, Uuid>,
}

/// What became of a group: how its first steps ended. The rest is to be done step by step.
pub struct Ended {
    /// In order.
    pub steps: Vec<(StepId, StepEnd)>,
    /// Why it was not born, where it was tried.
    pub reason: Option<String>,
}

impl<'p> Group<'p> {
    /// The birth that a step begins, if it begins one: what makes the machine follows it, each step after the other.
    pub fn of(plan: &'p Plan, first: &'p Step, bindings: &BTreeMap<Address, Uuid>) -> Option<Self> {
        let Action::CreateMachine { .. } = &first.action else { return None };
        let machine = *bindings.get(&first.address)?;
        let mut group = Self { steps: vec![first], machine, disks: BTreeMap::new() };
        let mut last = first.id;
        let behind = plan.steps.partition_point(|step| step.id <= first.id);
        for step in plan.steps.iter().skip(behind).take_while(|step| step.address == first.address) {
            let made: BTreeSet<&Address> = group.disks.keys().collect();
            let follows = step.needs == [last] && step.danger.is_empty() && step.expects.is_empty();
            if !follows || !step.action.is_of_birth(&made) {
                break;
            }
            if let Action::CreateDisk { address, .. } = &step.action {
                group.disks.insert(address.clone(), Action::born_disk(machine, address));
            }
            group.steps.push(step);
            last = step.id;
        }
        Some(group)
    }

    fn birth(&self) -> Option<Birth> {
        let mut bindings = self.disks.clone();
        bindings.insert(self.steps.first()?.address.clone(), self.machine);
        let actions: Result<Vec<Action>, Address> =
            self.steps.iter().map(|step| step::bound(step, &bindings)).collect();
        let disks = self.disks.clone();
        Some(Birth {
            machine: self.machine,
            actions: actions.ok()?,
            disks,
            time: clock::timestamp(),
            seconds: clock::seconds(),
        })
    }
}

/// Has machines born, and looks what is there. One outcome for each group.
pub fn bear(groups: &[Group<'_>], host: &Arc<dyn Host>) -> Vec<Ended> {
    let none = || groups.iter().map(|_| Ended { steps: Vec::new(), reason: None }).collect();
    let Ok(before) = host.inventory(&Want::default()) else { return none() };
    let mut ends: Vec<Ended> = none();
    let mut births = Vec::new();
    let mut born = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        // What is no longer as it was planned is told by the step itself.
        let moved =
            group.steps.first().is_none_or(|step| step::moved(step, &before, group.machine).is_some());
        if let (Some(birth), false) = (group.birth(), moved) {
            births.push(birth);
            born.push(index);
        }
    }
    let results = host.bear(&births, &before);
    if results.iter().all(Option::is_none) {
        return ends;
    }
    let after = host.inventory(&Want::default());
    for ((index, birth), result) in born.into_iter().zip(&births).zip(results) {
        let (Some(group), Some(end)) = (groups.get(index), ends.get_mut(index)) else { continue };
        let error = match result {
            None => continue,
            Some(Ok(())) => None,
            Some(Err(error)) => Some(error),
        };
        match &after {
            Ok(after) => *end = read_back(group, birth, error, after),
            // Nobody knows what is there. Nothing more is done to it.
            Err(unreadable) => {
                end.steps =
                    group.steps.iter().take(1).map(|step| (step.id, step::refused(unreadable))).collect();
            }
        }
    }
    ends
}

/// The first steps whose effects are there were done.
fn read_back(
    group: &Group<'_>,
    birth: &Birth,
    error: Option<HostError>,
    after: &crate::inventory::Inventory,
) -> Ended {
    if let Some(error) = error.as_ref().filter(|error| error.class() != ErrorClass::Unknown) {
        return Ended { steps: Vec::new(), reason: Some(error.to_string()) };
    }
    let mut steps = Vec::new();
    let mut error = error;
    for (step, action) in group.steps.iter().zip(&birth.actions) {
        let made = match action {
            Action::CreateMachine { uuid, .. } => *uuid,
            Action::CreateDisk { address, .. } => birth.disks.get(address).copied(),
            _ => None,
        };
        if let Some(missing) = readback::missing(action, made, after) {
            // Nobody knows whether it still comes: it is not made a second time now.
            if let (true, Some(error)) = (steps.is_empty(), error.take()) {
                let mut end = step::refused(&error);
                if let StepOutcome::Failed { errors, .. } = &mut end.outcome {
                    errors.push(missing);
                }
                steps.push((step.id, end));
            }
            break;
        }
        steps.push((step.id, step::ended(StepOutcome::Done { warnings: Vec::new() }, made)));
    }
    Ended { steps, reason: None }
}
