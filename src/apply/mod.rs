//! The executor: walks the plan's DAG, one writer a machine, reads every effect back. It decides nothing about *what* is done.
//!
//! `walk` orders the steps, `step` performs one, `born` the steps of a new machine in one go, `readback` tells whether its effect is there, `members` writes the stack's
//! register, `lock` keeps other runs out, `preflight` looks whether the host has what the plan needs, `journal` writes down what is about to happen and what came of it, `cancel` stops, `clock` is
//! the only reader of the time of day.

mod born;
mod cancel;
pub mod clock;
pub mod journal;
mod lock;
mod members;
mod network;
mod preflight;
mod readback;
mod step;
mod turns;
mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use cancel::Cancel;
pub use journal::{Journal, JournalError};
pub use lock::{Holder, Holding, Lock, LockError};
pub use members::pending_writes;
pub use preflight::{Lack, preflight};

use journal::{End, Line, Phase};

use crate::event::{Event, StepLabel};
use crate::host::{Host, HostError, Want};
use crate::inventory::{Inventory, RegisterError, Shard};
use crate::model::Address;
use crate::plan::{Action, Plan, StepId};

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The run's id.
    pub run: String,
    /// The plan's hash.
    pub plan: String,
    /// Steps done, those that were as they should be included.
    pub done: usize,
    /// Steps that failed.
    pub failed: Vec<FailedStep>,
    /// Steps that were not tried, and why.
    pub skipped: Vec<SkippedStep>,
    /// Objects with something that the plan left undone.
    pub blocked: usize,
    /// Somebody asked to stop, or the journal could no longer be written.
    pub cancelled: bool,
    /// Why the journal could no longer be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<String>,
}

impl Outcome {
    /// The journal can no longer be written: the run stops as if somebody had asked for it. Only the first error counts.
    fn lose_journal(&mut self, error: &JournalError, sink: Sink<'_>) {
        if self.journal.is_none() {
            self.cancelled = true;
            self.journal = Some(error.to_text());
            sink(Event::JournalFailed { error: error.to_text() });
        }
    }
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedStep {
    /// The step.
    pub step: StepId,
    /// The object.
    pub address: Address,
    /// What it was to do.
    pub label: String,
    /// The chain of causes, outermost first.
    pub errors: Vec<String>,
    /// What may help.
    pub hint: Option<String>,
    /// Somebody else changed the object meanwhile.
    pub moved: bool,
    /// VirtualBox is missing or unreachable.
    pub unreachable: bool,
}

/// A step that was not tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SkippedStep {
    /// The step.
    pub step: StepId,
    /// The object.
    pub address: Address,
    /// Why.
    pub because: String,
}

/// What ends a run before or after its steps.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// VirtualBox does not answer: nothing was done.
    #[error("VirtualBox does not answer")]
    Unreachable(#[source] Box<HostError>),
    /// The host could not be read or written.
    #[error("{doing}")]
    Host {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: Box<HostError>,
    },
    /// The host lacks what the steps need: nothing was done.
    #[error("nothing was done: {}", lacks.iter().map(|lack| lack.text.as_str()).collect::<Vec<_>>().join("\n  and: "))]
    Lacking {
        /// What.
        lacks: Vec<Lack>,
    },
    /// The journal cannot be written, and nothing was done yet.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The register cannot hold the stack.
    #[error("cannot write the stack's register")]
    Register(#[source] RegisterError),
    /// The register was written and is not there.
    #[error("the stack's register was written and does not read back ({key})")]
    RegisterLost {
        /// The shard.
        key: String,
    },
    /// The stack's register cannot be read.
    #[error("the register of stack {stack} cannot be read: {reason}")]
    RegisterBroken {
        /// The stack.
        stack: String,
        /// Why.
        reason: String,
    },
}

impl ApplyError {
    fn host(doing: &'static str) -> impl Fn(HostError) -> Self {
        move |source| Self::Host { doing, source: Box::new(source) }
    }
}

/// Takes events while a run goes on.
pub type Sink<'a> = &'a (dyn Fn(Event) + Send + Sync);

/// UUIDs of new machines come from plan and address, so that a retry makes the same ones.
const NAMESPACE: Uuid = Uuid::from_u128(0x6a1f_6d0e_93a4_5c0b_8d27_2f51_7be0_44c9);

/// The UUID that a plan's new machine gets.
pub fn derived_uuid(plan: &Plan, address: &Address) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{}\n{address}", plan.hash).as_bytes())
}

/// The UUIDs that a plan's new machines get.
pub fn machine_uuids(plan: &Plan) -> BTreeMap<Address, Uuid> {
    let uuids = plan.steps.iter().filter_map(|step| match &step.action {
        Action::CreateMachine { uuid, .. } => {
            Some((step.address.clone(), uuid.unwrap_or_else(|| derived_uuid(plan, &step.address))))
        }
        _ => None,
    });
    uuids.collect()
}

/// Runs a plan whose host was just read as `inventory`. The caller holds the lock and has begun the journal.
pub fn apply(
    plan: &Plan,
    inventory: &Inventory,
    host: &Arc<dyn Host>,
    journal: &mut Journal,
    cancel: &Cancel,
    sink: Sink<'_>,
) -> Result<Outcome, ApplyError> {
    let begun = Instant::now();
    let mut outcome = Outcome {
        run: journal.run().to_owned(),
        plan: plan.hash.clone(),
        blocked: plan.objects.iter().filter(|object| !object.blocked.is_empty()).count(),
        ..Outcome::default()
    };
    let result = run(plan, inventory, host, journal, cancel, sink, &mut outcome);
    let mut errors = Vec::new();
    let mut error = result.as_ref().err().map(|error| error as &dyn std::error::Error);
    while let Some(cause) = error {
        errors.push(cause.to_string());
        error = cause.source();
    }
    let end = End { outcome: outcome.clone(), errors, milliseconds: milliseconds(begun) };
    if let Err(error) = journal.end(end) {
        outcome.lose_journal(&error, sink);
    }
    result?;
    sink(Event::Finished {
        done: outcome.done,
        failed: outcome.failed.len(),
        skipped: outcome.skipped.len(),
        milliseconds: milliseconds(begun),
    });
    Ok(outcome)
}

fn run(
    plan: &Plan,
    inventory: &Inventory,
    host: &Arc<dyn Host>,
    journal: &mut Journal,
    cancel: &Cancel,
    sink: Sink<'_>,
    outcome: &mut Outcome,
) -> Result<(), ApplyError> {
    let register = inventory.registers.get(&plan.stack).cloned().unwrap_or_default();
    if let Some(reason) = register.broken {
        return Err(ApplyError::RegisterBroken { stack: plan.stack.to_string(), reason });
    }
    let lacks: Vec<Lack> =
        preflight(plan, inventory, host.as_ref()).into_iter().filter(|lack| lack.stops).collect();
    if !lacks.is_empty() {
        return Err(ApplyError::Lacking { lacks });
    }
    let mut bindings = machine_uuids(plan);
    sink(Event::Started {
        version: Event::VERSION,
        run: outcome.run.clone(),
        plan: plan.hash.clone(),
        steps: plan.steps.iter().map(label).collect(),
    });
    let membership = members::before(plan, inventory, &bindings).map_err(ApplyError::Register)?;
    if !plan.steps.is_empty() || !membership.is_empty() {
        host.prepare().map_err(|source| ApplyError::Unreachable(Box::new(source)))?;
        announce(journal, Phase::Before, &membership)?;
        write_register(host, &membership)?;
        walk::walk(plan, host, journal, cancel, sink, &mut bindings, outcome);
    }
    let want = Want { states: true, ..Want::default() };
    let unreadable = ApplyError::host("cannot read the host after the run");
    let mut after = host.inventory(&want).map_err(&unreadable)?;
    if inventory.networks.host_only.is_some() {
        after.networks.host_only = Some(host.host_only().map_err(&unreadable)?);
    }
    let finished = members::after(plan, &after, &bindings, outcome).map_err(ApplyError::Register)?;
    // What was done must be registered, journal or not.
    if let Err(error) = announce(journal, Phase::After, &finished) {
        outcome.lose_journal(&error, sink);
    }
    write_register(host, &finished)
}

fn announce(journal: &mut Journal, phase: Phase, writes: &[Shard]) -> Result<(), JournalError> {
    if writes.is_empty() {
        return Ok(());
    }
    journal.write(&Line::Register { phase, keys: writes.iter().map(|shard| shard.key.clone()).collect() })?;
    journal.sync()
}

fn write_register(host: &Arc<dyn Host>, writes: &[Shard]) -> Result<(), ApplyError> {
    for shard in writes {
        let action = Action::WriteRegister { shard: shard.clone() };
        for attempt in 0.. {
            let written = host.perform(&action, &|_| {});
            // Whatever VirtualBox said: what counts is what is there now.
            let there = host
                .reread(Uuid::nil(), false)
                .map_err(ApplyError::host("cannot read the stack's register back"))?;
            match written {
                _ if readback::missing(&action, None, &there).is_none() => break,
                Err(error) if step::again(&action, &error, attempt) => {}
                Err(source) => return Err(ApplyError::host("cannot write the stack's register")(source)),
                Ok(_) => return Err(ApplyError::RegisterLost { key: shard.key.clone() }),
            }
        }
    }
    Ok(())
}

fn label(step: &crate::plan::Step) -> StepLabel {
    StepLabel {
        step: step.id,
        address: step.address.clone(),
        label: step.action.label().to_owned(),
        danger: step.danger.clone(),
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
