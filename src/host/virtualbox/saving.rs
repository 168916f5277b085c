//! Saving a running machine's state, so that it is not lost.

use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::VirtualBox;
use super::command::{CommandLine, Shell};
use super::live;
use super::registry::Reading;
use super::runner::Deadline;
use crate::host::{Done, ErrorClass, HostError, Inspect as _, Progress};
use crate::inventory::Access;
use crate::model::PowerState;
use crate::model::state::StateClass;
use crate::plan::Action;

/// How long the settings file is waited for before it is asked for, and then again: mostly it is there after 5 ms.
const WAITS: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// What there is to see of a saved state.
enum Seen {
    /// The settings file names it.
    Written,
    /// The settings file does not name it; the machine's name.
    Unwritten(String),
    /// VirtualBox's server says so, and the settings file is not one that is read here; the machine's name.
    Told(String),
    /// Nobody can tell any more: the machine is gone or cannot be read, or the server has ended.
    None,
}

/// The command that changes nothing of a machine but has VirtualBox write its settings.
pub fn rewriting(machine: Uuid, name: &str) -> CommandLine {
    CommandLine::of(["modifyvm", &machine.to_string()]).option("name", name)
}

impl VirtualBox {
    /// Saves a machine's state, and sees to it that its settings file names the file of the state.
    ///
    /// Where the machine's process ends before VirtualBox's server has seen to its settings, the server knows that the state is saved,
    /// and the settings file never does (measured: 13 of 680 on a busy host; `SessionMachine: The object is not ready` in the server's log). Of a
    /// machine with storage VBoxManage says then that saving failed, of another one that it is done. When the server ends, a few seconds later,
    /// the machine is off and nothing names the file of its state any more. Until then the next change of the settings writes all of them, even one
    /// that changes nothing (measured).
    pub(super) fn save_state(
        &self,
        machine: Uuid,
        action: &Action,
        progress: Progress<'_>,
    ) -> Result<Done, HostError> {
        let outcome = self.plainly(action, progress);
        if let Err(error) = &outcome
            && (error.class() != ErrorClass::Unknown
                || matches!(error, HostError::Cancelled)
                || !self.has_ended(machine))
        {
            return outcome;
        }
        match (outcome, self.is_written(machine)) {
            (Err(_), Ok(true)) => Ok(Done::default()),
            (Ok(_), Err(error)) | (Err(_), Err(error @ HostError::StateUnwritten { .. })) => Err(error),
            (outcome, _) => outcome,
        }
    }

    /// Whether its process has ended, as far as can be told.
    fn has_ended(&self, machine: Uuid) -> bool {
        let running = self.runner().and_then(live::running);
        running.is_ok_and(|running| !running.contains(&machine))
    }

    /// Whether the settings file names the saved state, by itself or because it was asked for.
    fn is_written(&self, machine: Uuid) -> Result<bool, HostError> {
        for wait in WAITS {
            let (name, is_told) = match self.seen_within(machine, wait)? {
                Seen::Written => return Ok(true),
                Seen::None => return Ok(false),
                Seen::Told(name) => (name, true),
                Seen::Unwritten(name) => (name, false),
            };
            // It is refused while VirtualBox has not let go of the machine yet. What is to be seen decides.
            let written = self.runner()?.run(&rewriting(machine, &name), Deadline::Repeatable);
            if is_told && written.is_ok() {
                return Ok(true);
            }
        }
        match self.saved_state(machine)? {
            Seen::Written => Ok(true),
            Seen::Unwritten(name) if self.leaves_state(machine)? => {
                let command = rewriting(machine, &name).to_script(Shell::HERE);
                Err(HostError::StateUnwritten { command })
            }
            Seen::Unwritten(_) | Seen::Told(_) | Seen::None => Ok(false),
        }
    }

    /// Whether a state was saved that the settings do not name.
    fn leaves_state(&self, machine: Uuid) -> Result<bool, HostError> {
        let found = self.look_at(machine, false)?.machines.remove(&machine);
        Ok(found.is_some_and(|machine| live::unnamed_state(&machine).is_some()))
    }

    /// What there is to see as soon as the state is written, or after this time.
    fn seen_within(&self, machine: Uuid, wait: Duration) -> Result<Seen, HostError> {
        let started = Instant::now();
        loop {
            let seen = self.saved_state(machine)?;
            if !matches!(seen, Seen::Unwritten(_)) || started.elapsed() >= wait {
                return Ok(seen);
            }
            // It is not cut short: a state that is lost is worse than seconds.
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn saved_state(&self, machine: Uuid) -> Result<Seen, HostError> {
        let rows = Reading::of(self.home(), &self.cache, |registered| registered == machine)?.rows;
        let Some(row) = rows.first() else { return Ok(Seen::None) };
        let is_saved = |state: &Option<PowerState>| {
            state.as_ref().is_some_and(|state| state.class() == StateClass::Saved)
        };
        if let Ok(file) = row.file.as_ref() {
            let may_be_asked = || self.home().has_server() != Some(false);
            return Ok(match &file.machine.name {
                _ if is_saved(&file.machine.state) => Seen::Written,
                Some(name) if may_be_asked() => Seen::Unwritten(name.clone()),
                _ => Seen::None,
            });
        }
        let Some(told) = self.look_at(machine, false)?.machines.remove(&machine) else {
            return Ok(Seen::None);
        };
        Ok(match (told.access, told.name) {
            (Access::ShowVmInfo { .. }, Some(name)) if is_saved(&told.state) => Seen::Told(name),
            (Access::ShowVmInfo { .. }, Some(name)) => Seen::Unwritten(name),
            _ => Seen::None,
        })
    }
}
