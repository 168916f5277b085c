//! The live display: one line with the sum and the steps that run, with VirtualBox's percentages, and above it a line for
//! each object that is done and for everything that went wrong.
//!
//! One line and not one a step: short steps come and go forty times a second, and a display whose height changes that often
//! leaves remains of itself on the screen.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plain::{cancelling, journal_failed, write_outcome};
use super::{Progress, Run};
use crate::event::{Event, StepOutcome};
use crate::model::Address;
use crate::plan::StepId;
use crate::render::style::Styles;
use crate::render::text::{count, duration, printable};

/// Bars on a terminal.
pub struct Live {
    styles: Styles,
    bar: ProgressBar,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    run: Run,
    running: BTreeMap<StepId, Option<u8>>,
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
        let bar = ProgressBar::with_draw_target(None, target);
        // The template is ours: one that does not parse would be a bar of the default look.
        let style =
            ProgressStyle::with_template("{spinner} {bar:24} {pos}/{len} steps, {elapsed}  {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        Self { styles, bar, state: Mutex::default() }
    }

    fn say(&self, line: &str) {
        self.bar.println(line);
    }

    fn started(&self, state: &mut State) {
        self.bar.set_length(state.run.labels.len() as u64);
        self.bar.enable_steady_tick(Duration::from_millis(120));
        for label in state.run.labels.values() {
            let object = state.objects.entry(label.address.clone()).or_default();
            object.left += 1;
            object.steps += 1;
        }
    }

    /// What runs now, the longest running first.
    fn show_running(&self, state: &State) {
        let names = state.running.iter().map(|(step, percent)| match percent {
            Some(percent) => format!("{} {percent}%", state.run.name(*step)),
            None => state.run.name(*step),
        });
        self.bar.set_message(names.collect::<Vec<_>>().join(", "));
    }

    fn finished(&self, state: &mut State, step: StepId, outcome: &StepOutcome, milliseconds: u64) {
        state.running.remove(&step);
        self.show_running(state);
        self.bar.inc(1);
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
            Event::Started { run, steps, .. } => {
                state.run.start(run, steps);
                self.started(&mut state);
            }
            Event::StepStarted { step } => {
                state.running.insert(*step, None);
                self.show_running(&state);
            }
            Event::StepProgress { step, percent } => {
                if let Some(shown) = state.running.get_mut(step) {
                    *shown = Some(*percent);
                }
                self.show_running(&state);
            }
            Event::StepRetried { step, reason } => {
                let s = &self.styles;
                let name = state.run.name(*step);
                self.say(&format!("{}{name}: tried again: {}{:#}", s.faint, printable(reason), s.faint));
            }
            Event::StepFinished { step, outcome, milliseconds } => {
                self.finished(&mut state, *step, outcome, *milliseconds);
            }
            // The display moves by itself.
            Event::Heartbeat { .. } => {}
            Event::Cancelling { now } => {
                let s = &self.styles;
                self.say(&format!("{}{}{:#}", s.change, cancelling(*now, &state.run.id), s.change));
            }
            Event::JournalFailed { error } => {
                let s = &self.styles;
                self.say(&format!("{}{}{:#}", s.remove, journal_failed(error), s.remove));
            }
            Event::Finished { .. } => self.bar.finish_and_clear(),
        }
    }

    fn finish(&self) -> std::io::Result<()> {
        // A run that ends with an error sends no last event.
        self.bar.finish_and_clear();
        Ok(())
    }
}
