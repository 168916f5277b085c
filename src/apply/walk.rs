//! The walk over the DAG: what is ready runs, short actions one after another, long ones side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::born::{self, Ended, Group};
use super::journal::{Journal, JournalError, Line};
use super::step::{self, BROKEN, Report, StepEnd};
use super::turns::Turns;
use super::{Cancel, FailedStep, Outcome, Sink, SkippedStep, milliseconds};
use crate::event::{Event, StepOutcome};
use crate::host::Host;
use crate::model::Address;
use crate::plan::{Action, Plan, Step, StepId};

/// Nothing has been said for that long: say that the run goes on.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often the walk looks for a request to stop.
const TICK: Duration = Duration::from_millis(100);

/// How many pipelined steps are under way for each that the host does at a time: while it does one, the next is looked at and announced.
const PIPELINE: usize = 2;

enum Message<'p> {
    Event(Event),
    End(StepId, StepEnd, u64),
    /// Steps of a birth that are to be done one by one.
    Undone(Vec<&'p Step>),
}

struct Channel<'p> {
    step: StepId,
    sender: std::sync::mpsc::Sender<Message<'p>>,
}

impl Report for Channel<'_> {
    fn percent(&self, percent: u8) {
        // A display that is gone is no reason to stop.
        let _ = self.sender.send(Message::Event(Event::StepProgress { step: self.step, percent }));
    }

    fn retried(&self, reason: String) {
        let _ = self.sender.send(Message::Event(Event::StepRetried { step: self.step, reason }));
    }
}

/// Runs all steps of a plan and fills in their outcomes. What is about to happen and what came of it goes into the journal.
pub fn walk(
    plan: &Plan,
    host: &Arc<dyn Host>,
    journal: &mut Journal,
    cancel: &Cancel,
    sink: Sink<'_>,
    bindings: &mut BTreeMap<Address, Uuid>,
    outcome: &mut Outcome,
) {
    let begun = Instant::now();
    let mut waiting: BTreeMap<StepId, &Step> = plan.steps.iter().map(|step| (step.id, step)).collect();
    let mut running: BTreeMap<StepId, &Step> = BTreeMap::new();
    let mut succeeded: BTreeSet<StepId> = BTreeSet::new();
    let mut ended: BTreeMap<StepId, String> = BTreeMap::new();
    let folder = journal.folder();
    let mut pen = Pen { journal, plan, announced: BTreeSet::new() };
    let (sender, receiver) = std::sync::mpsc::channel::<Message<'_>>();
    let turns = Turns::default();
    let mut last_word = Instant::now();
    let mut told = 0;
    let mut is_broken = false;
    // Machines that are made step by step: the host cannot make them whole.
    let mut unborn: BTreeSet<StepId> = BTreeSet::new();
    std::thread::scope(|scope| {
        loop {
            if cancel.is_requested() && told == 0 {
                told = 1;
                outcome.cancelled = true;
                sink(Event::Cancelling { now: false });
                pen.note(&Line::Cancel { now: false }, sink, outcome);
            }
            if cancel.is_urgent() && told == 1 {
                told = 2;
                host.cancel();
                sink(Event::Cancelling { now: true });
                pen.note(&Line::Cancel { now: true }, sink, outcome);
            }
            let end = stop(cancel, outcome, is_broken);
            if let Some(reason) = end {
                turns.end(reason);
            }
            skip(&mut waiting, &mut ended, end, sink, outcome);
            let mut next = startable(&waiting, &running, &succeeded, &unborn, host);
            if let Err(error) = pen.announce(&next, bindings) {
                // What is not announced does not begin.
                outcome.lose_journal(&error, sink);
                skip(&mut waiting, &mut ended, stop(cancel, outcome, is_broken), sink, outcome);
                next.clear();
            }
            let mut births = Vec::new();
            for id in next {
                let first = waiting.get(&id).filter(|step| is_birth(step, &unborn, host));
                if let Some(group) = first.and_then(|step| Group::of(plan, step, bindings)) {
                    for step in &group.steps {
                        waiting.remove(&step.id);
                        running.insert(step.id, step);
                    }
                    sink(Event::StepStarted { step: id });
                    births.push(group);
                    continue;
                }
                let Some(step) = waiting.remove(&id) else { continue };
                running.insert(id, step);
                sink(Event::StepStarted { step: id });
                last_word = Instant::now();
                let (host, sender, action) = (Arc::clone(host), sender.clone(), step::bound(step, bindings));
                let folder = folder.clone();
                let turn = host.is_pipelined(&step.action).then(|| turns.next(host.lanes(&step.action)));
                scope.spawn(move || {
                    let since = Instant::now();
                    let channel = Channel { step: id, sender: sender.clone() };
                    let end = step::run(step, action, &host, folder.as_deref(), &channel, turn);
                    let _ = sender.send(Message::End(id, end, milliseconds(since)));
                });
            }
            if !births.is_empty() {
                last_word = Instant::now();
                let (host, sender) = (Arc::clone(host), sender.clone());
                scope.spawn(move || {
                    for message in bear(&births, &host) {
                        let _ = sender.send(message);
                    }
                });
            }
            if running.is_empty() {
                break;
            }
            match receiver.recv_timeout(TICK) {
                Ok(Message::Event(event)) => {
                    last_word = Instant::now();
                    if let Event::StepRetried { step, reason } = &event {
                        pen.note(&Line::Retry { step: *step, reason: reason.clone() }, sink, outcome);
                    }
                    sink(event);
                }
                Ok(Message::End(id, end, milliseconds)) => {
                    last_word = Instant::now();
                    let Some(step) = running.remove(&id) else { continue };
                    is_broken |= end.broken;
                    if let Some((address, made)) = made_disk(step, &end) {
                        bindings.insert(address, made);
                    }
                    pen.note(&result(step, &end, milliseconds), sink, outcome);
                    finish(step, &end, &mut succeeded, &mut ended, outcome);
                    sink(Event::StepFinished { step: id, outcome: end.outcome, milliseconds });
                }
                Ok(Message::Undone(steps)) => {
                    for step in steps {
                        running.remove(&step.id);
                        waiting.insert(step.id, step);
                        unborn.extend(creates_machine(step).then_some(step.id));
                    }
                }
                Err(_) if last_word.elapsed() >= HEARTBEAT => {
                    last_word = Instant::now();
                    let running = running.keys().copied().collect();
                    sink(Event::Heartbeat { running, seconds: begun.elapsed().as_secs() });
                }
                Err(_) => {}
            }
        }
    });
}

/// Has machines born, and tells of each step as if it had been done by itself.
fn bear<'p>(births: &[Group<'p>], host: &Arc<dyn Host>) -> Vec<Message<'p>> {
    let since = Instant::now();
    let ends = born::bear(births, host);
    // All of them came at once.
    let each = milliseconds(since) / u64::try_from(births.len()).unwrap_or(1).max(1);
    let mut messages = Vec::new();
    for (group, Ended { steps, reason }) in births.iter().zip(ends) {
        let first = group.steps.first().map(|step| step.id);
        if let (Some(step), Some(reason)) = (first, reason) {
            messages.push(Message::Event(Event::StepRetried { step, reason }));
        }
        let undone = group.steps.iter().skip(steps.len()).copied().collect();
        for (id, end) in steps {
            if Some(id) == first {
                messages.push(Message::End(id, end, each));
            } else {
                messages.push(Message::Event(Event::StepStarted { step: id }));
                messages.push(Message::End(id, end, 0));
            }
        }
        messages.push(Message::Undone(undone));
    }
    messages
}

fn creates_machine(step: &Step) -> bool {
    matches!(step.action, Action::CreateMachine { .. })
}

/// Whether a step is the first of a machine that the host is to make whole.
fn is_birth(step: &Step, unborn: &BTreeSet<StepId>, host: &Arc<dyn Host>) -> bool {
    creates_machine(step) && !unborn.contains(&step.id) && host.births() > 0
}

/// What the journal says of a step that ended.
fn result(step: &Step, end: &StepEnd, milliseconds: u64) -> Line {
    Line::Result {
        step: step.id,
        outcome: end.outcome.clone(),
        milliseconds,
        before: end.before.clone(),
        made: end.made,
    }
}

/// The disk that a step has made.
fn made_disk(step: &Step, end: &StepEnd) -> Option<(Address, Uuid)> {
    match &step.action {
        Action::CreateDisk { address, .. } | Action::CloneDisk { address, .. } => {
            Some((address.clone(), end.made?))
        }
        _ => None,
    }
}

/// Writes the journal while steps run. Its failure stops the run as a request to stop does: what runs is finished, nothing begins.
struct Pen<'a> {
    journal: &'a mut Journal,
    plan: &'a Plan,
    announced: BTreeSet<StepId>,
}

impl Pen<'_> {
    /// Puts steps on the disk before they begin. The steps that make one machine are announced together, and machines that are born together
    /// with them, so that births cost one wait for the disk.
    fn announce(&mut self, next: &[StepId], bindings: &BTreeMap<Address, Uuid>) -> Result<(), JournalError> {
        let mut written = false;
        for id in next {
            if self.announced.contains(id) {
                continue;
            }
            let steps = self.together(*id);
            let made = steps.iter().filter_map(|step| self.plan.made_by(*step));
            let making =
                made.filter_map(|address| Some((address.clone(), *bindings.get(address)?))).collect();
            self.announced.extend(&steps);
            self.journal.write(&Line::Intent { steps, making })?;
            written = true;
        }
        if written { self.journal.sync() } else { Ok(()) }
    }

    /// A step, and where it makes a machine all that makes it whole: nothing of that was there before.
    fn together(&self, id: StepId) -> Vec<StepId> {
        let Some(first) = self.plan.steps.iter().find(|step| step.id == id) else { return vec![id] };
        if !creates_machine(first) {
            return vec![id];
        }
        let of_birth =
            |step: &&Step| step.address == first.address && !matches!(step.action, Action::Start { .. });
        let steps = self.plan.steps.iter().filter(|step| step.id >= id).filter(of_birth);
        steps.take_while(|step| step.danger.is_empty()).map(|step| step.id).collect()
    }

    /// Writes what need not be on the disk at once.
    fn note(&mut self, line: &Line, sink: Sink<'_>, outcome: &mut Outcome) {
        if outcome.journal.is_none()
            && let Err(error) = self.journal.write(line)
        {
            outcome.lose_journal(&error, sink);
        }
    }
}

/// Why no further step begins.
fn stop(cancel: &Cancel, outcome: &Outcome, is_broken: bool) -> Option<&'static str> {
    if is_broken {
        return Some(BROKEN);
    }
    if outcome.journal.is_some() {
        return Some("the run's journal cannot be written");
    }
    cancel.is_requested().then_some("cancelled")
}

fn finish(
    step: &Step,
    end: &StepEnd,
    succeeded: &mut BTreeSet<StepId>,
    ended: &mut BTreeMap<StepId, String>,
    outcome: &mut Outcome,
) {
    match &end.outcome {
        StepOutcome::Done { .. } | StepOutcome::Unchanged => {
            outcome.done += 1;
            succeeded.insert(step.id);
        }
        StepOutcome::Failed { errors, hint, moved } => {
            ended.insert(
                step.id,
                format!("step {} failed ({} {})", step.id, step.action.label(), step.address),
            );
            outcome.failed.push(FailedStep {
                step: step.id,
                address: step.address.clone(),
                label: step.action.label().to_owned(),
                errors: errors.clone(),
                hint: hint.clone(),
                moved: *moved,
                unreachable: end.unreachable,
            });
        }
        StepOutcome::Skipped { because } => leave_out(step, because.clone(), ended, outcome),
    }
}

/// A step that is not tried.
fn leave_out(step: &Step, because: String, ended: &mut BTreeMap<StepId, String>, outcome: &mut Outcome) {
    let (id, address) = (step.id, step.address.clone());
    outcome.skipped.push(SkippedStep { step: id, address, because: because.clone() });
    ended.insert(id, because);
}

/// Steps whose needs can no longer be met are not tried; with a request to stop, none is.
fn skip(
    waiting: &mut BTreeMap<StepId, &Step>,
    ended: &mut BTreeMap<StepId, String>,
    end: Option<&str>,
    sink: Sink<'_>,
    outcome: &mut Outcome,
) {
    if ended.is_empty() && end.is_none() {
        return;
    }
    // Needs have lower numbers: one pass in order reaches every dependant.
    let ids: Vec<StepId> = waiting.keys().copied().collect();
    for id in ids {
        let Some(step) = waiting.get(&id) else { continue };
        let because = match step.needs.iter().find_map(|need| ended.get(need)) {
            Some(earlier) => earlier.clone(),
            None => match end {
                Some(reason) => reason.to_owned(),
                None => continue,
            },
        };
        sink(Event::StepFinished {
            step: id,
            outcome: StepOutcome::Skipped { because: because.clone() },
            milliseconds: 0,
        });
        leave_out(step, because, ended, outcome);
        waiting.remove(&id);
    }
}

/// Steps that may begin now, in plan order: their needs are met, and the host allows one more of their kind.
fn startable(
    waiting: &BTreeMap<StepId, &Step>,
    running: &BTreeMap<StepId, &Step>,
    succeeded: &BTreeSet<StepId>,
    unborn: &BTreeSet<StepId>,
    host: &Arc<dyn Host>,
) -> Vec<StepId> {
    let short_ones = || running.values().filter(|step| host.width(&step.action) <= 1);
    let mut short = short_ones().count();
    let mut long = running.len() - short;
    let mut is_pipeline = short_ones().all(|step| host.is_pipelined(&step.action));
    let mut births = 0;
    let mut pipelined: Vec<&Step> = Vec::new();
    let mut chosen = Vec::new();
    for (id, step) in waiting {
        if !step.needs.iter().all(|need| succeeded.contains(need)) {
            continue;
        }
        let width = host.width(&step.action);
        // Machines are born many at a time, in one go.
        if is_birth(step, unborn, host) {
            if short == 0 && births < host.births() {
                births += 1;
                chosen.push(*id);
            }
            continue;
        }
        let is_next = || {
            is_pipeline
                && short < PIPELINE * host.lanes(&step.action)
                && host.is_pipelined(&step.action)
                // A machine has one writer.
                && !running.values().chain(&pipelined).any(|other| other.action.machine() == step.action.machine())
        };
        if width <= 1 && births == 0 && (short == 0 || is_next()) {
            short += 1;
            is_pipeline &= host.is_pipelined(&step.action);
            pipelined.push(step);
            chosen.push(*id);
        } else if width > 1 && long < width {
            long += 1;
            chosen.push(*id);
        }
    }
    chosen
}
