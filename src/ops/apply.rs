//! `apply`: runs a plan that somebody consented to, if the host is still what it was made from.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::plan::{self as planning, PlanResponse};
use super::{Context, runs, self_check};
use crate::apply::{self, ApplyError, Cancel, Lock, LockError, Outcome, Sink};
use crate::failure::{Exit, Failure, Kind};
use crate::host::{ErrorClass, Host};
use crate::plan::{Plan, Verb};

/// What was consented to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// The plan's hash.
    pub hash: String,
    /// How long to wait for another run.
    pub lock_timeout: Duration,
}

/// Runs a plan. Under the lock it is computed once more from the host as it is then: another hash means another plan, which nobody consented to.
///
/// `again` computes the same kind of plan from what is there now.
pub fn apply(
    context: &Context,
    consent: &Consent,
    again: &dyn Fn() -> Result<PlanResponse, Failure>,
    cancel: &Cancel,
    sink: Sink<'_>,
) -> Result<Outcome, Failure> {
    let home = context.host.home_folder().map_err(Failure::from)?;
    let operation = format!("apply of plan {}", short(&consent.hash));
    let _lock = locked(context, &home, &operation, consent.lock_timeout)?;
    let _expectation = Expectation::of(context.host.as_ref());
    let now = again()?;
    if now.plan.hash != consent.hash {
        return Err(stale(&now.plan, consent));
    }
    if let Some(refused) = planning::refused(&now.plan) {
        return Err(refused);
    }
    if !now.plan.steps.is_empty() {
        self_check::before_changes(context)?;
    }
    let mut journal = runs::begin(context, &now.plan, now.origin)?;
    apply::apply(&now.plan, &now.inventory, &context.host, &mut journal, cancel, sink).map_err(ended)
}

/// Changes are expected of a host as long as this is there.
pub(super) struct Expectation<'h>(&'h dyn Host);

impl<'h> Expectation<'h> {
    pub(super) fn of(host: &'h dyn Host) -> Self {
        host.expect_changes();
        Self(host)
    }
}

impl Drop for Expectation<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Whether applying an empty plan would still bring the stack's register up to date.
pub fn has_pending_writes(response: &PlanResponse) -> Result<bool, Failure> {
    apply::pending_writes(&response.plan, &response.inventory)
        .map_err(|error| Failure::new(Kind::Other, error))
}

/// The code of a run that ended by itself.
pub fn ended_as(outcome: &Outcome) -> Exit {
    let unreachable = outcome.failed.iter().all(|step| step.unreachable);
    match outcome {
        Outcome { failed, done: 0, .. } if !failed.is_empty() && unreachable => Exit::Unreachable,
        Outcome { failed, .. } if !failed.is_empty() => Exit::Partial,
        Outcome { cancelled: true, .. } => Exit::Cancelled,
        Outcome { blocked, .. } if *blocked > 0 => Exit::Blocked,
        _ => Exit::Done,
    }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

fn stale(now: &Plan, consent: &Consent) -> Failure {
    let verb = match now.verb {
        Verb::Apply => "plan",
        verb => verb.word(),
    };
    Failure::new(
        Kind::Stale,
        format!(
            "the plan {} is stale: the host or the manifests changed since it was shown, and the plan is {} now",
            short(&consent.hash),
            short(&now.hash)
        ),
    )
    .hint(format!("look at it again with `vboxmcp {verb}`"))
}

/// Where the run before was killed: waits until the commands that it had begun have ended. What is planned before would be stale.
pub fn settle(context: &Context) -> Result<(), Failure> {
    let home = context.host.home_folder().map_err(Failure::from)?;
    match Lock::left_by(&home) {
        Some(died) => context.host.settle(died.pid).map_err(Failure::from),
        None => Ok(()),
    }
}

/// Takes the lock of a VirtualBox home. Where the run before was killed, what it had begun has ended, too.
pub(super) fn locked(
    context: &Context,
    home: &Path,
    operation: &str,
    timeout: Duration,
) -> Result<Lock, Failure> {
    let user = context.environment.user().unwrap_or("unknown user");
    let lock = Lock::take(home, user, operation, timeout).map_err(|error| match error {
        LockError::Held { .. } => Failure::new(Kind::Locked, error)
            .hint("wait for it with --lock-timeout SECONDS, or try again later"),
        LockError::File { .. } => Failure::new(Kind::Other, error),
    })?;
    if let Some(died) = lock.died()
        && let Err(error) = context.host.settle(died.pid)
    {
        lock.give_back();
        return Err(error.into());
    }
    Ok(lock)
}

pub(super) fn ended(error: ApplyError) -> Failure {
    let (kind, hint) = match &error {
        ApplyError::Unreachable(source) => (Kind::Unreachable, source.hint()),
        ApplyError::Lacking { lacks } => {
            let hints: BTreeSet<String> = lacks.iter().map(|lack| lack.hint.clone()).collect();
            let failure = Failure::new(Kind::Other, error);
            return hints.into_iter().fold(failure, Failure::hint);
        }
        ApplyError::Host { source, .. } if source.class() == ErrorClass::Unreachable => {
            (Kind::Unreachable, source.hint())
        }
        ApplyError::Host { source, .. } => (Kind::Other, source.hint()),
        ApplyError::Journal(_)
        | ApplyError::Register(_)
        | ApplyError::RegisterLost { .. }
        | ApplyError::RegisterBroken { .. } => (Kind::Other, None),
    };
    let failure = Failure::new(kind, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
