//! Runs that go on: what they are doing, and how they are asked to stop.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::ops::Cancel;

/// Runs that go on in this process.
#[derive(Default)]
pub struct Running {
    runs: Mutex<BTreeMap<u64, Run>>,
    ended: Notify,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Asks it to stop.
    pub cancel: Cancel,
    /// Its id, from when it has begun.
    pub id: Option<String>,
    /// What it does right now.
    pub doing: String,
}

impl Running {
    /// Writes down that a run begins; the number by which it is known until it ends.
    pub fn begin(&self, cancel: Cancel) -> u64 {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let number = runs.last_key_value().map_or(1, |(last, _)| last + 1);
        runs.insert(number, Run { cancel, id: None, doing: "begins".to_owned() });
        number
    }

    /// Writes down what a run does.
    pub fn change(&self, number: u64, change: impl FnOnce(&mut Run)) {
        if let Some(run) = self.runs.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&number) {
            change(run);
        }
    }

    /// Writes down that a run has ended.
    pub fn end(&self, number: u64) {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        self.ended.notify_waiters();
    }

    /// The run with an id.
    pub fn find(&self, id: &str) -> Option<Run> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.values().find(|run| run.id.as_deref() == Some(id)).cloned()
    }

    /// Asks all runs to finish the steps that are running.
    pub fn ask_to_stop(&self) {
        for run in self.runs.lock().unwrap_or_else(PoisonError::into_inner).values() {
            run.cancel.request();
        }
    }

    /// Asks all runs to finish the steps that are running, and returns when they have ended.
    pub async fn stop(&self) {
        loop {
            let ended = self.ended.notified();
            let runs: Vec<Run> =
                self.runs.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
            if runs.is_empty() {
                return;
            }
            for run in runs.iter().filter(|run| !run.cancel.is_requested()) {
                run.cancel.request();
            }
            // A run may end between the look and the wait: it is looked at again.
            let _ = tokio::time::timeout(std::time::Duration::from_millis(200), ended).await;
        }
    }
}
