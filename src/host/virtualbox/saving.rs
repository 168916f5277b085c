//! Saving a running machine's state, so that it is not lost.

use std::time::Duration;

use uuid::Uuid;

use super::VirtualBox;
use super::command::CommandLine;
use super::operate::says;
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

/// What VBoxManage says of a machine with storage whose settings could not be written: the state is saved all the same.
const NOT_WRITTEN: &str = "Failed to save machine state";

impl VirtualBox {
    /// Saves a machine's state, and sees to it that its settings file names the file of the state.
    ///
    /// Where the machine's process ends before VirtualBox's server has seen to its settings, the server says that the state is saved,
    /// and the settings file never does (measured: 13 of 680 on a busy host; `SessionMachine: The object is not ready` in the server's log). Of a
    /// machine with storage VBoxManage says that saving failed, of another one that it is done. When the server ends, a few seconds later, the
    /// machine is off and nothing names the file of its state any more. Until then the next change of the settings writes all of them, even one that
    /// changes nothing (measured).
    pub(super) fn save_state(
        &self,
        machine: Uuid,
        action: &Action,
        progress: Progress<'_>,
    ) -> Result<Done, HostError> {
        let outcome = self.plainly(action, progress);
        let waits = match &outcome {
            Ok(_) => &WAITS[..],
            // Where the guest still runs, nothing is to be waited for.
            Err(error) if says(error, NOT_WRITTEN) => &WAITS[..1],
            Err(_) => return outcome,
        };
        for wait in waits {
            let Some(name) = self.unsaved_after(machine, *wait)?.and_then(|machine| machine.name) else {
                return outcome.or_else(|_| Ok(Done::default()));
            };
            let same = CommandLine::of(["modifyvm", &machine.to_string(), "--name", &name]);
            // While the state is still being saved it is refused, and so it is where the guest runs. What is to be seen decides.
            let _ = self.runner()?.run(&same, Deadline::Repeatable);
        }
        match self.unsaved_after(machine, Duration::ZERO)? {
            None => outcome.or_else(|_| Ok(Done::default())),
            Some(_) => outcome,
        }
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
