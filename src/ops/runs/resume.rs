//! `runs resume`: plans again from what a run was made from, and tells whether what is left was consented to already.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{current, is_running};
use crate::apply::journal::{Chain, Header, Origin, Record, Request, StepTrail};
use crate::config::Variable;
use crate::event::StepOutcome;
use crate::failure::{Failure, Kind};
use crate::model::state::StateClass;
use crate::model::{Address, Pattern};
use crate::ops::{
    self, AdoptRequest, CommandRequest, Context, DestroyOptions, DestroyRequest, Manifests, PlanRequest,
    PlanResponse, RevertRequest, SnapshotRequest,
};
use crate::plan::{Action, Expectation, NewSnapshot, Plan, PowerCommand, Step, StepId, Verb};

/// A run that is gone on with.
pub struct Resume {
    /// The run.
    pub id: String,
    /// What it was for.
    pub verb: Verb,
    /// The settings that it had.
    pub context: Context,
    origin: Origin,
    stdin: Option<Vec<u8>>,
    approved: BTreeSet<String>,
    /// Machines that it has brought back to a snapshot, with the state that they had before.
    went_back: BTreeMap<Address, StateClass>,
}

/// Prepares to go on with a run. `stdin` is asked for where the run's manifests came from standard input.
pub fn resume(
    context: &Context,
    id: &str,
    stdin: impl FnOnce() -> Result<Vec<u8>, Failure>,
) -> Result<Resume, Failure> {
    let (id, record, holding) = current(context, id)?;
    if let Chain::Broken { line, reason } = &record.chain {
        return Err(Failure::new(
            Kind::Other,
            format!("the journal of run {id} is not as it was written: line {line}: {reason}"),
        )
        .hint("plan again from the manifests: `vboxmcp plan`"));
    }
    let running = is_running(&record, &holding);
    let Record { header: Some(header), plan: Some(plan), made, steps, .. } = record else {
        return Err(Failure::new(Kind::Other, format!("run {id} died before it had written down its plan"))
            .hint("nothing was done: plan again from the manifests, `vboxmcp plan`"));
    };
    if running {
        return Err(Failure::new(
            Kind::Locked,
            format!("run {id} is not over: process {} of {} goes on", header.who.pid, header.who.user),
        ));
    }
    let Header { origin, verb, .. } = *Box::new(header);
    if origin.paths.is_empty()
        && !matches!(
            origin.request,
            Request::Command { .. }
                | Request::Snapshot { .. }
                | Request::Revert { .. }
                | Request::Repair { .. }
        )
    {
        return Err(Failure::new(
            Kind::Usage,
            format!("run {id} does not say which manifests it was made from"),
        )
        .hint("plan again from the manifests: `vboxmcp plan`"));
    }
    let is_stdin = origin.paths.iter().any(|path| path.as_os_str() == "-");
    let stdin = if is_stdin { Some(stdin()?) } else { None };
    let context = as_then(context, &origin, &plan);
    let bindings = bindings(&plan, made);
    let approved = plan.steps.iter().map(|step| text(step, &bindings)).collect();
    let went_back = went_back(&plan, &steps);
    Ok(Resume { id, verb, context, origin, stdin, approved, went_back })
}

/// Machines that a run has brought back to a snapshot. What they were before stands in front of the first step of each.
fn went_back(plan: &Plan, trails: &BTreeMap<StepId, StepTrail>) -> BTreeMap<Address, StateClass> {
    let is_done = |step: &Step| {
        let outcome = trails.get(&step.id).and_then(|trail| trail.outcome.as_ref());
        matches!(outcome, Some(StepOutcome::Done { .. } | StepOutcome::Unchanged))
    };
    let back = plan.steps.iter().filter(|step| matches!(step.action, Action::RestoreSnapshot { .. }));
    back.filter(|step| is_done(step))
        .filter_map(|step| {
            let first = plan.steps.iter().find(|one| one.address == step.address)?;
            let class = first.expects.iter().find_map(|expected| match expected {
                Expectation::State(word) => StateClass::of_word(word),
                _ => None,
            });
            Some((step.address.clone(), class.unwrap_or(StateClass::Off)))
        })
        .collect()
}

impl Resume {
    /// What is left to do, planned from what is there now.
    pub fn plan(&self) -> Result<PlanResponse, Failure> {
        let manifests = Manifests {
            paths: self.origin.paths.clone(),
            stdin: self.stdin.clone(),
            selection: self.origin.selection.clone(),
        };
        let mut response = match &self.origin.request {
            Request::Apply | Request::Saved => ops::plan(&self.context, &PlanRequest { manifests }),
            Request::Destroy { all } => {
                let options = DestroyOptions { all: *all };
                ops::destroy(&self.context, &DestroyRequest { manifests, options })
            }
            Request::Adopt { addresses, uuid } => {
                let request = AdoptRequest { manifests, addresses: addresses.clone(), uuid: *uuid };
                ops::adopt(&self.context, &request)
            }
            Request::Snapshot { addresses, name, description } => {
                let (name, description) = (name.clone(), description.clone());
                let machines = addresses.iter().map(Pattern::of).collect();
                let snapshot = NewSnapshot { name, description, goes_on: true };
                ops::snapshot(&self.context, &SnapshotRequest { snapshot, machines })
            }
            Request::Revert { addresses, snapshot } => {
                let machines = addresses.iter().map(Pattern::of).collect();
                let (snapshot, went_back) = (snapshot.clone(), self.went_back.clone());
                ops::revert(&self.context, &RevertRequest { manifests, snapshot, machines, went_back })
            }
            Request::Repair { file } => ops::repair(&self.context, file.as_deref()),
            Request::Command { addresses, stop_timeout } => {
                let Some(command) = PowerCommand::of(self.verb) else {
                    return Err(Failure::new(
                        Kind::Internal,
                        format!("run {} is a command and its verb is {}", self.id, self.verb.word()),
                    ));
                };
                let machines = addresses.iter().map(Pattern::of).collect();
                let request = CommandRequest { command, machines, stop_timeout: *stop_timeout };
                ops::command(&self.context, &request)
            }
        }?;
        response.origin.resumes = Some(self.id.clone());
        Ok(response)
    }

    /// Whether every step of a plan is, byte for byte, one that was consented to.
    pub fn covers(&self, plan: &Plan) -> bool {
        let bindings = bindings(plan, BTreeMap::new());
        plan.steps.iter().all(|step| self.approved.contains(&text(step, &bindings)))
    }
}

/// The settings that the run had, with what only now can say: the values of sensitive variables, and what is typed now.
fn as_then(context: &Context, origin: &Origin, plan: &Plan) -> Context {
    let mut context = context.clone();
    let (typed, others): (Vec<_>, Vec<_>) =
        context.settings.variables.drain(..).partition(|variable| variable.origin == "--var");
    let recorded = origin.variables.iter().filter_map(|variable| {
        Some(Variable {
            name: variable.name.clone(),
            value: variable.value.clone()?,
            origin: variable.origin.clone(),
            base: variable.base.clone(),
        })
    });
    context.settings.variables = typed.into_iter().chain(recorded).chain(others).collect();
    context.settings.policy = plan.policy.clone();
    context.settings.stack.clone_from(&origin.stack);
    context.settings.stack_typed = origin.stack_typed;
    context.environment.directory.clone_from(&origin.directory);
    context
}

/// UUIDs of what a plan makes: those that are known, and those that its machines will get.
fn bindings(plan: &Plan, made: BTreeMap<Address, Uuid>) -> BTreeMap<Address, Uuid> {
    let mut bindings = crate::apply::machine_uuids(plan);
    bindings.extend(made);
    bindings
}

/// What is compared of a step, as text: what it does, to what, why, and what it endangers.
fn text(step: &Step, bindings: &BTreeMap<Address, Uuid>) -> String {
    let mut action = step.action.bound_where_known(bindings);
    if let Action::CreateMachine { uuid, .. } = &mut action {
        *uuid = bindings.get(&step.address).copied();
    }
    serde_json::json!({ "action": action, "danger": step.danger, "cause": step.cause }).to_string()
}
