//! The order that `dependsOn` asks for, across machines.

use std::collections::{BTreeMap, BTreeSet};

use super::action::Action;
use super::types::{Step, StepId};
use crate::model::{Address, Desired};

/// Makes starts wait for the starts of what a machine depends on, and stops for the stops of what depends on it. Numbers the steps
/// anew, so that every step still needs lower numbers only.
pub fn along_dependencies(mut steps: Vec<Step>, desired: &Desired) -> Vec<Step> {
    let power = Power::of(&steps);
    let mut edges: BTreeMap<StepId, BTreeSet<StepId>> = BTreeMap::new();
    for (address, machine) in &desired.machines {
        for dependency in &machine.depends_on {
            let up = (power.last_start.get(dependency), power.last_start.get(address));
            let down = (power.last_stop.get(address), power.first_stop.get(dependency));
            for pair in [up, down] {
                if let (Some(before), Some(after)) = pair {
                    edges.entry(*after).or_default().insert(*before);
                }
            }
        }
    }
    if edges.is_empty() {
        return steps;
    }
    for step in &mut steps {
        let needs: BTreeSet<StepId> =
            step.needs.iter().copied().chain(edges.remove(&step.id).into_iter().flatten()).collect();
        step.needs = needs.into_iter().collect();
    }
    renumbered(steps)
}

/// Where machines go up and down.
#[derive(Default)]
struct Power<'a> {
    /// The start that lasts: one that is made only to be ended again, to get rid of a saved state, brings nothing up.
    last_start: BTreeMap<&'a Address, StepId>,
    first_stop: BTreeMap<&'a Address, StepId>,
    last_stop: BTreeMap<&'a Address, StepId>,
}

impl<'a> Power<'a> {
    fn of(steps: &'a [Step]) -> Self {
        let mut power = Self::default();
        for step in steps {
            match step.action {
                Action::Start { .. } => {
                    power.last_start.insert(&step.address, step.id);
                }
                Action::Shutdown { .. } | Action::PowerCut { .. } | Action::SaveState { .. } => {
                    power.first_stop.entry(&step.address).or_insert(step.id);
                    power.last_stop.insert(&step.address, step.id);
                    power.last_start.remove(&step.address);
                }
                _ => {}
            }
        }
        power
    }
}

/// The steps in an order in which they can run, numbered anew; what has a choice stays in the order that it had.
fn renumbered(mut steps: Vec<Step>) -> Vec<Step> {
    let mut open: BTreeMap<StepId, usize> = BTreeMap::new();
    let mut dependants: BTreeMap<StepId, Vec<StepId>> = BTreeMap::new();
    for step in &steps {
        open.insert(step.id, step.needs.len());
        for need in &step.needs {
            dependants.entry(*need).or_default().push(step.id);
        }
    }
    let mut ready: BTreeSet<StepId> =
        open.iter().filter(|(_, needs)| **needs == 0).map(|(id, _)| *id).collect();
    let mut numbers: BTreeMap<StepId, StepId> = BTreeMap::new();
    let mut next: StepId = 1;
    // A cycle is a mistake of the manifests, which is found before anything is planned.
    while let Some(id) = ready.pop_first() {
        numbers.insert(id, next);
        next += 1;
        for dependant in dependants.remove(&id).into_iter().flatten() {
            if let Some(needs) = open.get_mut(&dependant) {
                *needs -= 1;
                if *needs == 0 {
                    ready.insert(dependant);
                }
            }
        }
    }
    let number = |id: StepId| numbers.get(&id).copied().unwrap_or(id);
    for step in &mut steps {
        step.id = number(step.id);
        for need in &mut step.needs {
            *need = number(*need);
        }
        step.needs.sort_unstable();
    }
    steps.sort_by_key(|step| step.id);
    steps
}
