//! What happens while a plan runs: a live display on a terminal, plain lines in a log, JSON lines for programs.

mod live;
mod plain;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

pub use live::Live;
pub use plain::Plain;

use super::text::printable;
use crate::event::{Event, StepLabel};
use crate::plan::StepId;

/// Takes events in the order in which they happen.
pub trait Progress: Send + Sync {
    /// Shows one event.
    fn event(&self, event: &Event);

    /// The first error of the output: events are never stopped by it.
    fn finish(&self) -> io::Result<()> {
        Ok(())
    }
}

/// One JSON document per event.
pub struct JsonLines<W: Write + Send> {
    out: Mutex<(W, io::Result<()>)>,
}

impl<W: Write + Send> JsonLines<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out: Mutex::new((out, Ok(()))) }
    }
}

impl<W: Write + Send> Progress for JsonLines<W> {
    fn event(&self, event: &Event) {
        let mut guard = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let (out, result) = &mut *guard;
        if result.is_ok() {
            *result = super::json::write_line(out, event).and_then(|()| out.flush());
        }
    }

    fn finish(&self) -> io::Result<()> {
        let mut guard = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut guard.1, Ok(()))
    }
}

/// Shows nothing.
pub struct Quiet;

impl Progress for Quiet {
    fn event(&self, _: &Event) {}
}

/// What the displays remember of the run.
#[derive(Debug, Default)]
struct Run {
    id: String,
    labels: BTreeMap<StepId, StepLabel>,
    ended: usize,
}

impl Run {
    fn start(&mut self, id: &str, steps: &[StepLabel]) {
        id.clone_into(&mut self.id);
        self.labels = steps.iter().map(|label| (label.step, label.clone())).collect();
        self.ended = 0;
    }

    /// `vm/web-1: create machine`
    fn name(&self, step: StepId) -> String {
        match self.labels.get(&step) {
            Some(label) => printable(&format!("{}: {}", label.address, label.label)),
            None => format!("step {step}"),
        }
    }
}

#[cfg(test)]
mod tests;
