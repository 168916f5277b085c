//! Plain lines: one for each step that ended, and one every ten seconds in which none did.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use super::{Progress, Run};
use crate::event::{Event, StepOutcome};
use crate::render::style::Styles;
use crate::render::text::{duration, list, printable};

/// Lines for a log.
pub struct Plain<W: Write + Send> {
    styles: Styles,
    state: Mutex<State<W>>,
}

struct State<W> {
    out: W,
    run: Run,
    result: io::Result<()>,
}

impl<W: Write + Send> Plain<W> {
    /// Writes to `out`.
    pub fn new(out: W, styles: Styles) -> Self {
        Self { styles, state: Mutex::new(State { out, run: Run::default(), result: Ok(()) }) }
    }
}

impl<W: Write + Send> Progress for Plain<W> {
    fn event(&self, event: &Event) {
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { out, run, result } = &mut *guard;
        if result.is_ok() {
            *result = write_event(out, event, run, &self.styles).and_then(|()| out.flush());
        }
    }

    fn finish(&self) -> io::Result<()> {
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut guard.result, Ok(()))
    }
}

fn write_event(out: &mut dyn Write, event: &Event, run: &mut Run, s: &Styles) -> io::Result<()> {
    match event {
        Event::Started { run: id, steps, .. } => {
            run.start(id, steps);
            Ok(())
        }
        Event::StepStarted { .. } | Event::StepProgress { .. } | Event::Finished { .. } => Ok(()),
        Event::StepRetried { step, reason } => {
            writeln!(out, "{}{}: tried again: {}{:#}", s.faint, run.name(*step), printable(reason), s.faint)
        }
        Event::StepFinished { step, outcome, milliseconds } => {
            run.ended += 1;
            let total = run.labels.len();
            let width = total.to_string().len();
            write!(out, "[{:>width$}/{total}] {}", run.ended, run.name(*step))?;
            write_outcome(out, outcome, *milliseconds, s)
        }
        Event::Heartbeat { running, seconds } => {
            let names: Vec<String> = running.iter().map(|step| run.name(*step)).collect();
            let time = duration(seconds * 1_000);
            writeln!(out, "{}... {time}, still running: {}{:#}", s.faint, list(&names, 3), s.faint)
        }
        Event::Cancelling { now } => {
            writeln!(out, "{}{}{:#}", s.change, cancelling(*now, &run.id), s.change)
        }
        Event::JournalFailed { error } => {
            writeln!(out, "{}{}{:#}", s.remove, journal_failed(error), s.remove)
        }
    }
}

/// How a step ended, behind its name, with details on lines of their own.
pub(super) fn write_outcome(
    out: &mut dyn Write,
    outcome: &StepOutcome,
    time: u64,
    s: &Styles,
) -> io::Result<()> {
    match outcome {
        StepOutcome::Done { warnings } => {
            writeln!(out, " {}({}){:#}", s.faint, duration(time), s.faint)?;
            for warning in warnings {
                writeln!(out, "    {}warning:{:#} {}", s.change, s.change, printable(warning))?;
            }
            Ok(())
        }
        StepOutcome::Unchanged => writeln!(out, " {}(already so){:#}", s.faint, s.faint),
        StepOutcome::Failed { errors, hint, moved } => {
            writeln!(out, " {}FAILED{:#} after {}", s.remove, s.remove, duration(time))?;
            for (index, error) in errors.iter().enumerate() {
                let word = if index == 0 { "error" } else { "caused by" };
                writeln!(out, "    {}{word}:{:#} {}", s.remove, s.remove, printable(error))?;
            }
            if *moved {
                writeln!(out, "    {}note:{:#} somebody else changed it meanwhile", s.note, s.note)?;
            }
            match hint {
                Some(hint) => writeln!(out, "    {}hint:{:#} {}", s.hint, s.hint, printable(hint)),
                None => Ok(()),
            }
        }
        StepOutcome::Skipped { because } => {
            writeln!(out, " {}skipped because {}{:#}", s.blocked, printable(because), s.blocked)
        }
    }
}

/// What Ctrl-C does, and how to go on afterwards.
pub(super) fn cancelling(now: bool, run: &str) -> String {
    if now {
        return "stopping now".to_owned();
    }
    let run = printable(run);
    format!(
        "finishing what is running, then stopping; Ctrl-C again stops now. To go on: vboxmcp runs resume {run}"
    )
}

/// Why the run stops although nobody asked for it.
pub(super) fn journal_failed(error: &str) -> String {
    format!("{}: finishing what is running, then stopping", printable(error))
}
