//! `snapshot`: a point in time of machines that are named, without a manifest.

use super::action::{Action, Target};
use super::draft::{Draft, DraftStep};
use super::imperative;
use super::types::{Expectation, ObjectPlan, Operation, Plan, Verb};
use crate::diff::snapshot as shape;
use crate::inventory::{Inventory, Machine};
use crate::model::state::StateClass;
use crate::model::{Address, Dangers, Desired, Policy, PowerState};

/// The snapshot that is to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSnapshot {
    /// Its name, on each of the machines.
    pub name: String,
    /// Free text; empty for none.
    pub description: String,
    /// A machine that has one of this name is done with: what goes on from a run that was cut short.
    pub goes_on: bool,
}

/// Plans a snapshot of machines that the stack of `desired` owns. It is nobody's declaration: it stays until somebody deletes it, or
/// permits that it goes with its machine.
pub fn take(
    snapshot: &NewSnapshot,
    machines: &[(Address, &Machine)],
    desired: &Desired,
    inventory: &Inventory,
    policy: &Policy,
) -> Plan {
    let mut objects = Vec::new();
    let mut drafts = Vec::new();
    let mut reads = Vec::new();
    for (address, machine) in machines {
        let Some(name) = address.machine_name() else { continue };
        let is_there = shape::named(machine, &snapshot.name).is_some();
        if is_there && snapshot.goes_on {
            continue;
        }
        let point = Address::Snapshot(snapshot.name.clone(), name.clone());
        let mut draft = Draft::new(address.clone(), Target::Existing(machine.uuid), policy.allow.clone());
        let class = machine.state.as_ref().map_or(StateClass::Moving, PowerState::class);
        let mut effects = Vec::new();
        if is_there {
            let reason = format!("{address} has a snapshot {:?} already", snapshot.name);
            draft.block(Vec::new(), reason, vec!["give the new one another name".to_owned()]);
        } else if matches!(class, StateClass::Moving | StateClass::Stuck) {
            let reason = "the machine is in no state that can be kept";
            draft.block(Vec::new(), reason, vec!["try again when it runs, or is off".to_owned()]);
        } else {
            let live = class == StateClass::Running;
            effects.push(if live { "taken while the guest runs on" } else { "taken as it is" }.to_owned());
            draft.steps.push(DraftStep {
                action: Action::TakeSnapshot {
                    machine: draft.target.clone(),
                    name: snapshot.name.clone(),
                    description: snapshot.description.clone(),
                    live,
                },
                cause: Vec::new(),
                danger: Dangers::new(),
                expects: vec![Expectation::State(class.word().to_owned())],
                object: Some(point.clone()),
            });
        }
        objects.push(ObjectPlan {
            address: point,
            operation: if draft.steps.is_empty() { Operation::Blocked } else { Operation::Create },
            uuid: None,
            fields: Vec::new(),
            effects,
            blocked: draft.blocked.clone(),
            danger: Dangers::new(),
        });
        reads.extend(super::reads::of_state(&desired.stack, address, machine, inventory));
        drafts.push(draft);
    }
    imperative::sealed(Verb::Snapshot, objects, &drafts, reads, desired, inventory, policy)
}
