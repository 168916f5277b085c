//! Saving a running machine's state, so that it is not lost.

use std::time::Duration;

use uuid::Uuid;

use super::VirtualBox;
use super::command::CommandLine;
use super::runner::Deadline;
use crate::host::{Done, HostError, Inspect as _, Progress};
use crate::inventory::Machine;
use crate::model::PowerState;
use crate::plan::Action;

/// How long the settings file is waited for before it is asked for, and then again: mostly it is there after 5 ms.
const WAITS: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

impl VirtualBox {
    /// Saves a machine's state, and sees to it that its settings file names the file of the state.
    ///
    /// Where the machine's process ends before VirtualBox's server has seen to its settings, the server says that the state is saved,
    /// and the settings file never does (measured: 10 of 400 on a busy host; `SessionMachine: The object is not ready` in the server's log). When
    /// the server ends, a few seconds later, the machine is off and nothing names the file of its state any more. Until then the next change of
    /// the settings writes all of them, even one that changes nothing (measured).
    pub(super) fn save_state(
        &self,
        machine: Uuid,
        action: &Action,
        progress: Progress<'_>,
    ) -> Result<Done, HostError> {
        let done = self.plainly(action, progress)?;
        for wait in WAITS {
            let Some(name) = self.unsaved_after(machine, wait)?.and_then(|machine| machine.name) else {
                break;
            };
            let same = CommandLine::of(["modifyvm", &machine.to_string(), "--name", &name]);
            // While the state is still being saved it is refused. What is to be seen decides.
            let _ = self.runner()?.run(&same, Deadline::Repeatable);
        }
        Ok(done)
    }

    /// The machine, where this time passes and its settings file does not name a saved state.
    fn unsaved_after(&self, machine: Uuid, wait: Duration) -> Result<Option<Machine>, HostError> {
        let step = Duration::from_millis(10);
        let mut waited = Duration::ZERO;
        loop {
            let found = self.look_at(machine, false)?.machines.remove(&machine);
            match found {
                Some(found) if found.state != Some(PowerState::Saved) => {
                    if waited >= wait || self.runner()?.pause(step) {
                        return Ok(Some(found));
                    }
                }
                _ => return Ok(None),
            }
            waited += step;
        }
    }
}
