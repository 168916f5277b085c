//! One step: look, act, look again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;

use super::journal::before;
use super::readback;
use super::turns::Turn;
use crate::diff::{disk, equal, machine as shape, tree};
use crate::event::StepOutcome;
use crate::host::{ErrorClass, Host, HostError};
use crate::inventory::Inventory;
use crate::model::Address;
use crate::plan::{Action, Expectation, Step, Target};

/// Why nothing begins on a host that is broken.
pub const BROKEN: &str = "VirtualBox's files are broken";

/// How one step ended, and what it made.
#[derive(Debug)]
pub struct StepEnd {
    /// For the events.
    pub outcome: StepOutcome,
    /// The object that it made.
    pub made: Option<Uuid>,
    /// Values of what it changes, as they were right before.
    pub before: BTreeMap<String, Value>,
    /// VirtualBox is missing or unreachable.
    pub unreachable: bool,
    /// The host is broken: whatever comes next would only break more.
    pub broken: bool,
}

/// Reports while a step runs.
pub trait Report: Sync {
    /// VirtualBox says how far it is.
    fn percent(&self, percent: u8);
    /// It is tried again.
    fn retried(&self, reason: String);
}

/// A step's action with every object that it names; otherwise the address of the first one that was not made.
pub fn bound(step: &Step, bindings: &BTreeMap<Address, Uuid>) -> Result<Action, Address> {
    let mut action = step.action.bound(bindings)?;
    if let Action::CreateMachine { uuid: uuid @ None, .. } = &mut action {
        *uuid = bindings.get(&step.address).copied();
    }
    Ok(action)
}

/// Performs one step, whose action is [`bound`]. Never panics, never loses an outcome: an unknown one is read back. `folder` is the run's own. With a
/// turn it waits until the others before it have been performed, or are so few that it goes beside them.
pub fn run(
    step: &Step,
    action: Result<Action, Address>,
    host: &Arc<dyn Host>,
    folder: Option<&Path>,
    report: &dyn Report,
    turn: Option<Turn<'_>>,
) -> StepEnd {
    let mut values = BTreeMap::new();
    let end = match action {
        Ok(action) => perform(step, &action, host, folder, report, turn, &mut values),
        Err(address) => failed(vec![format!("{address} was not made by this run")], None, false),
    };
    StepEnd { before: values, ..end }
}

fn perform(
    step: &Step,
    action: &Action,
    host: &Arc<dyn Host>,
    folder: Option<&Path>,
    report: &dyn Report,
    mut turn: Option<Turn<'_>>,
    values: &mut BTreeMap<String, Value>,
) -> StepEnd {
    let looked_at = match (action, action.machine()) {
        (Action::CreateMachine { uuid: Some(uuid), .. }, _) | (_, Some(Target::Existing(uuid))) => *uuid,
        _ => Uuid::nil(),
    };
    let expects_state = step.expects.iter().any(|expectation| matches!(expectation, Expectation::State(_)));
    let states = readback::needs_state(action) || (expects_state && !readback::is_refused_unless_off(action));
    let look = |states: bool| -> Result<Inventory, HostError> {
        if readback::is_of_one_machine(action) {
            return host.look_at(looked_at, states);
        }
        let mut seen = host.reread(looked_at, states)?;
        if matches!(action, Action::Network { change } if change.is_of_the_host()) {
            seen.networks.host_only = Some(host.host_only()?);
        }
        Ok(seen)
    };
    // Nothing of this machine moves between this look and what is done.
    if let Some(Err(because)) = turn.as_ref().map(Turn::wait) {
        return ended(StepOutcome::Skipped { because: because.to_owned() }, None);
    }
    let before = match look(states) {
        Ok(before) => before,
        Err(error) => return refused(&error),
    };
    *values = before::values(action, &before);
    if can_be_seen_done(action) && readback::missing(action, None, &before).is_none() {
        return ended(StepOutcome::Unchanged, None);
    }
    if let Some(moved) = moved(step, &before, looked_at) {
        return changed_meanwhile(moved);
    }
    if let Some(folder) = folder.filter(|_| is_about_snapshots(action))
        && let Err(error) =
            host.keep_settings(looked_at, &folder.join(format!("{looked_at}-{}.vbox", step.id)))
    {
        return refused(&error);
    }
    if let Some(Err(because)) = turn.as_ref().map(Turn::go) {
        return ended(StepOutcome::Skipped { because: because.to_owned() }, None);
    }
    let mut attempt = 0;
    loop {
        let performed = host.perform(action, &|percent| report.percent(percent));
        if let (Some(turn), Err(error)) = (&turn, &performed)
            && error.class() == ErrorClass::HostBroken
        {
            turn.be_last(BROKEN);
        }
        // What is asked for again keeps its turn.
        drop(turn.take_if(|_| performed.is_ok()));
        let made = match (&performed, action) {
            (Ok(done), _) if done.made.is_some() => done.made,
            (_, Action::CreateMachine { uuid, .. }) => *uuid,
            _ => None,
        };
        let until = performed.is_ok().then(|| Instant::now() + host.patience(action));
        let missing = loop {
            let after = match look(readback::needs_state(action)) {
                Ok(after) => after,
                Err(error) => return refused(&error),
            };
            let missing = readback::missing(action, made, &after)
                .or_else(|| readback::left_behind(action, &before, &after));
            if missing.is_none() || until.is_none_or(|until| Instant::now() >= until) {
                break missing;
            }
            std::thread::sleep(LOOK_AGAIN);
        };
        match (performed, missing) {
            (Ok(done), None) => {
                return ended(StepOutcome::Done { warnings: done.warnings }, made);
            }
            // It says that it failed, and what it was to do is there: it was done.
            (Err(error), None) if error.class() == ErrorClass::Unknown => {
                // That it was ended early is nobody's concern.
                let is_soft = matches!(error, HostError::Timeout { .. }) && action.is_repeatable();
                let warnings =
                    if is_soft { Vec::new() } else { vec![format!("{error}; what it was to do is there")] };
                return ended(StepOutcome::Done { warnings }, made);
            }
            (Err(error), None) => return refused(&error),
            (Ok(_), Some(missing)) => {
                return failed(
                    vec![format!("VirtualBox said that it was done, and it is not: {missing}")],
                    Some("plan again to see what is there now".to_owned()),
                    false,
                );
            }
            (Err(error), Some(missing)) => {
                if !again(action, &error, attempt) {
                    // Nobody has asked before, because VirtualBox refuses it then.
                    if expects_state
                        && !states
                        && error.class() == ErrorClass::WrongState
                        && let Ok(now) = look(true)
                        && let Some(moved) = moved(step, &now, looked_at)
                    {
                        return changed_meanwhile(moved);
                    }
                    let mut end = refused(&error);
                    if let (StepOutcome::Failed { errors, .. }, ErrorClass::Unknown) =
                        (&mut end.outcome, error.class())
                    {
                        errors.push(missing);
                    }
                    return end;
                }
                report.retried(error.to_string());
                attempt += 1;
            }
        }
    }
}

/// Whether an action that is not done is tried once more after so many times. What VirtualBox did not answer in time was ended soon the
/// first two times, and has long the third.
pub(super) fn again(action: &Action, error: &HostError, attempt: usize) -> bool {
    match (error, error.class()) {
        (HostError::Timeout { .. }, ErrorClass::Unknown) => attempt < 2 && action.is_repeatable(),
        (HostError::Cancelled, _) => false,
        (_, ErrorClass::NotExecuted) => attempt < 1,
        (_, ErrorClass::Unknown) => attempt < 1 && action.is_repeatable(),
        _ => false,
    }
}

const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Actions in the middle of which a settings file was seen to be left with half of the change (measured). It is copied before them: the
/// repair needs what stood there.
fn is_about_snapshots(action: &Action) -> bool {
    matches!(
        action,
        Action::TakeSnapshot { .. } | Action::RestoreSnapshot { .. } | Action::DeleteSnapshot { .. }
    )
}

/// Actions whose effect, when it is there already, makes them needless. A new disk is never taken for an old one.
fn can_be_seen_done(action: &Action) -> bool {
    !matches!(
        action,
        Action::CreateDisk { .. }
            | Action::CloneDisk { .. }
            // Only the host sees what is in a file.
            | Action::RenewDisk { .. }
            | Action::ClearBirth { .. }
            | Action::Unregister { .. }
            | Action::DeleteDisk { .. }
            // A guest that was reset runs as it did before.
            | Action::Reset { .. }
            | Action::SetSecret { .. }
            // The snapshot may be the current one all the while.
            | Action::RestoreSnapshot { .. }
            | Action::AddUsbFilter { .. }
            | Action::RemoveUsbFilter { .. }
    )
}

/// What is no longer as the planner read it.
pub(super) fn moved(step: &Step, before: &Inventory, machine: Uuid) -> Option<String> {
    step.expects.iter().find_map(|expectation| match expectation {
        Expectation::NameFree(name) => before
            .machines_named(name)
            .next()
            .map(|machine| format!("a machine {name:?} is registered now, {{{}}}", machine.uuid)),
        Expectation::State(class) => {
            let machine = before.machines.get(&machine)?;
            let state = machine.state.as_ref()?;
            (state.class().word() != class).then(|| format!("its state was {class} and is {state} now"))
        }
        Expectation::Attached(at, then) => {
            let machine = before.machines.get(&machine)?;
            let now = disk::at(machine, at);
            let show = |medium: Option<Uuid>| {
                let location =
                    |uuid| before.media.get(&uuid).map(|medium| medium.location.display().to_string());
                medium.map_or_else(
                    || "nothing".to_owned(),
                    |uuid| location(uuid).unwrap_or_else(|| uuid.to_string()),
                )
            };
            (now != *then).then(|| format!("at {at} was {} and is {} now", show(*then), show(now)))
        }
        Expectation::Described(snapshot, then) => {
            let now = before.machines.get(&machine)?.snapshot(*snapshot).map(|there| &there.description);
            match now {
                None => Some("the snapshot is gone".to_owned()),
                Some(now) => {
                    (now != then).then(|| format!("its description was {then:?} and is {now:?} now"))
                }
            }
        }
        Expectation::Field(path, then) => {
            let machine = before.machines.get(&machine)?;
            let live = shape::set_at(machine, [path]);
            let now = tree::get(&live, path);
            let same = match (then, now) {
                (None, None) => true,
                (Some(then), Some(now)) => equal(path, then, now),
                // A member that is to come may stand there with nothing in it.
                (None, Some(now)) => now.as_object().is_some_and(serde_json::Map::is_empty),
                (Some(_), None) => false,
            };
            let show = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), ToString::to_string);
            (!same).then(|| format!("{path} was {} and is {} now", show(then.as_ref()), show(now)))
        }
    })
}

fn changed_meanwhile(moved: String) -> StepEnd {
    failed(vec![moved], Some("plan again: somebody else changed it meanwhile".to_owned()), true)
}

fn failed(errors: Vec<String>, hint: Option<String>, moved: bool) -> StepEnd {
    ended(StepOutcome::Failed { errors, hint, moved }, None)
}

pub(super) fn ended(outcome: StepOutcome, made: Option<Uuid>) -> StepEnd {
    StepEnd { outcome, made, before: BTreeMap::new(), unreachable: false, broken: false }
}

pub(super) fn refused(error: &HostError) -> StepEnd {
    let mut errors = vec![error.to_string()];
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        errors.push(source.to_string());
        cause = source.source();
    }
    // A guest that does not listen is where it was, and a state that is not written down is VirtualBox's doing: nobody moved it.
    let moved = error.class() == ErrorClass::WrongState
        && !matches!(error, HostError::GuestStaysOn { .. } | HostError::StateUnwritten { .. });
    let mut end = failed(errors, error.hint(), moved);
    end.unreachable = error.class() == ErrorClass::Unreachable;
    end.broken = error.class() == ErrorClass::HostBroken;
    end
}
