//! The live display: a line for each running step with its time and VirtualBox's percentage, the sum below, and above them a line
//! for each object that is done and for everything that went wrong.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plain::{cancelling, write_outcome};
use super::{Progress, Run};
use crate::event::{Event, StepOutcome};
use crate::model::Address;
use crate::plan::StepId;
use crate::render::style::Styles;
use crate::render::text::{count, duration, printable};

/// Bars on a terminal.
pub struct Live {
    styles: Styles,
    bars: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    run: Run,
    total: Option<ProgressBar>,
    running: BTreeMap<StepId, ProgressBar>,
    objects: BTreeMap<Address, Object>,
}

/// What is known of one object while its steps go by.
#[derive(Default)]
struct Object {
    left: usize,
    steps: usize,
    milliseconds: u64,
    failed: bool,
}

impl Live {
    /// Draws to `target`, which is standard error.
    pub fn new(target: ProgressDrawTarget, styles: Styles) -> Self {
        Self { styles, bars: MultiProgress::with_draw_target(target), state: Mutex::default() }
    }

    fn say(&self, line: &str) {
        // A terminal that is gone has nobody to tell it to.
        let _ = self.bars.println(line);
    }

    fn started(&self, state: &mut State) {
        let total = self.bars.add(ProgressBar::new(state.run.labels.len() as u64));
        total.set_style(style("{bar:30} {pos}/{len} steps, {elapsed}"));
        total.enable_steady_tick(Duration::from_secs(1));
        state.total = Some(total);
        for label in state.run.labels.values() {
            let object = state.objects.entry(label.address.clone()).or_default();
            object.left += 1;
            object.steps += 1;
        }
    }

    fn finished(&self, state: &mut State, step: StepId, outcome: &StepOutcome, milliseconds: u64) {
        if let Some(bar) = state.running.remove(&step) {
            bar.finish_and_clear();
        }
        if let Some(total) = &state.total {
            total.inc(1);
        }
        let went_well = match outcome {
            StepOutcome::Done { warnings } => warnings.is_empty(),
            StepOutcome::Unchanged => true,
            StepOutcome::Failed { .. } | StepOutcome::Skipped { .. } => false,
        };
        if !went_well {
            let mut text = state.run.name(step).into_bytes();
            if write_outcome(&mut text, outcome, milliseconds, &self.styles).is_ok() {
                self.say(String::from_utf8_lossy(&text).trim_end());
            }
        }
        let Some(label) = state.run.labels.get(&step) else { return };
        let Some(object) = state.objects.get_mut(&label.address) else { return };
        object.left = object.left.saturating_sub(1);
        object.milliseconds += milliseconds;
        object.failed |= matches!(outcome, StepOutcome::Failed { .. } | StepOutcome::Skipped { .. });
        if object.left == 0 && !object.failed {
            let s = &self.styles;
            let name = printable(&label.address.to_string());
            let detail = format!("{}, {}", count(object.steps, "step"), duration(object.milliseconds));
            self.say(&format!("{}done{:#} {name} {}({detail}){:#}", s.add, s.add, s.faint, s.faint));
        }
    }
}

impl Progress for Live {
    fn event(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { steps, .. } => {
                state.run.start(steps);
                self.started(&mut state);
            }
            Event::StepStarted { step } => {
                let bar = ProgressBar::new(100);
                bar.set_style(style("{spinner} {msg} {elapsed}"));
                bar.set_message(state.run.name(*step));
                let bar = match &state.total {
                    Some(total) => self.bars.insert_before(total, bar),
                    None => self.bars.add(bar),
                };
                bar.enable_steady_tick(Duration::from_millis(120));
                state.running.insert(*step, bar);
            }
            Event::StepProgress { step, percent } => {
                if let Some(bar) = state.running.get(step) {
                    bar.set_style(style("{spinner} {msg} {bar:20} {percent}% {elapsed}"));
                    bar.set_position(u64::from(*percent));
                }
            }
            Event::StepRetried { step, reason } => {
                let s = &self.styles;
                let name = state.run.name(*step);
                self.say(&format!("{}{name}: tried again: {}{:#}", s.faint, printable(reason), s.faint));
            }
            Event::StepFinished { step, outcome, milliseconds } => {
                self.finished(&mut state, *step, outcome, *milliseconds);
            }
            // The bars move by themselves.
            Event::Heartbeat { .. } => {}
            Event::Cancelling { now } => {
                let s = &self.styles;
                self.say(&format!("{}{}{:#}", s.change, cancelling(*now), s.change));
            }
            Event::Finished { .. } => clear(&mut state),
        }
    }

    fn finish(&self) -> std::io::Result<()> {
        // A run that ends with an error sends no last event.
        clear(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }
}

fn clear(state: &mut State) {
    for bar in state.running.values().chain(&state.total) {
        bar.finish_and_clear();
    }
    state.running.clear();
}

/// A bar's look. The templates are ours: one that does not parse would be a bar of the default look.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
