//! The walk over the DAG: what is ready runs, short actions one after another, long ones side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::step::{self, Report, StepEnd};
use super::{Cancel, FailedStep, Outcome, Sink, SkippedStep, milliseconds};
use crate::event::{Event, StepOutcome};
use crate::host::Host;
use crate::model::Address;
use crate::plan::{Plan, Step, StepId};

/// Nothing has been said for that long: say that the run goes on.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often the walk looks for a request to stop.
const TICK: Duration = Duration::from_millis(100);

enum Message {
    Event(Event),
    End(StepId, StepEnd, u64),
}

struct Channel {
    step: StepId,
    sender: std::sync::mpsc::Sender<Message>,
}

impl Report for Channel {
    fn percent(&self, percent: u8) {
        // A display that is gone is no reason to stop.
        let _ = self.sender.send(Message::Event(Event::StepProgress { step: self.step, percent }));
    }

    fn retried(&self, reason: String) {
        let _ = self.sender.send(Message::Event(Event::StepRetried { step: self.step, reason }));
    }
}

/// Runs all steps of a plan and fills in their outcomes.
pub fn walk(
    plan: &Plan,
    host: &Arc<dyn Host>,
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
    let (sender, receiver) = std::sync::mpsc::channel::<Message>();
    let mut last_word = Instant::now();
    let mut told = 0;
    std::thread::scope(|scope| {
        loop {
            if cancel.is_requested() && told == 0 {
                told = 1;
                outcome.cancelled = true;
                sink(Event::Cancelling { now: false });
            }
            if cancel.is_urgent() && told == 1 {
                told = 2;
                host.cancel();
                sink(Event::Cancelling { now: true });
            }
            skip(&mut waiting, &mut ended, cancel.is_requested(), sink, outcome);
            for id in startable(&waiting, &running, &succeeded, host) {
                let Some(step) = waiting.remove(&id) else { continue };
                running.insert(id, step);
                sink(Event::StepStarted { step: id });
                last_word = Instant::now();
                let (host, sender, bound) = (Arc::clone(host), sender.clone(), bindings.clone());
                scope.spawn(move || {
                    let since = Instant::now();
                    let channel = Channel { step: id, sender: sender.clone() };
                    let end = step::run(step, &bound, &host, &channel);
                    let _ = sender.send(Message::End(id, end, milliseconds(since)));
                });
            }
            if running.is_empty() {
                break;
            }
            match receiver.recv_timeout(TICK) {
                Ok(Message::Event(event)) => {
                    last_word = Instant::now();
                    sink(event);
                }
                Ok(Message::End(id, end, milliseconds)) => {
                    last_word = Instant::now();
                    let Some(step) = running.remove(&id) else { continue };
                    if let (Some(made), crate::plan::Action::CreateDisk { address, .. }) =
                        (end.made, &step.action)
                    {
                        bindings.insert(address.clone(), made);
                    }
                    finish(step, &end, &mut succeeded, &mut ended, outcome);
                    sink(Event::StepFinished { step: id, outcome: end.outcome, milliseconds });
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
        StepOutcome::Skipped { because } => {
            ended.insert(step.id, because.clone());
        }
    }
}

/// Steps whose needs can no longer be met are not tried; with a request to stop, none is.
fn skip(
    waiting: &mut BTreeMap<StepId, &Step>,
    ended: &mut BTreeMap<StepId, String>,
    cancelled: bool,
    sink: Sink<'_>,
    outcome: &mut Outcome,
) {
    // Needs have lower numbers: one pass in order reaches every dependant.
    let ids: Vec<StepId> = waiting.keys().copied().collect();
    for id in ids {
        let Some(step) = waiting.get(&id) else { continue };
        let because = match step.needs.iter().find_map(|need| ended.get(need)) {
            Some(earlier) => earlier.clone(),
            None if cancelled => "cancelled".to_owned(),
            None => continue,
        };
        outcome.skipped.push(SkippedStep {
            step: id,
            address: step.address.clone(),
            because: because.clone(),
        });
        sink(Event::StepFinished {
            step: id,
            outcome: StepOutcome::Skipped { because: because.clone() },
            milliseconds: 0,
        });
        ended.insert(id, because);
        waiting.remove(&id);
    }
}

/// Steps that may begin now, in plan order: their needs are met, and the host allows one more of their kind.
fn startable(
    waiting: &BTreeMap<StepId, &Step>,
    running: &BTreeMap<StepId, &Step>,
    succeeded: &BTreeSet<StepId>,
    host: &Arc<dyn Host>,
) -> Vec<StepId> {
    let mut short = running.values().filter(|step| host.width(&step.action) <= 1).count();
    let mut long = running.len() - short;
    let mut chosen = Vec::new();
    for (id, step) in waiting {
        if !step.needs.iter().all(|need| succeeded.contains(need)) {
            continue;
        }
        let width = host.width(&step.action);
        if width <= 1 && short == 0 {
            short += 1;
            chosen.push(*id);
        } else if width > 1 && long < width {
            long += 1;
            chosen.push(*id);
        }
    }
    chosen
}
