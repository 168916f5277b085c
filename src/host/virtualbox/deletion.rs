//! Deleting a machine with all that hangs on it.

use uuid::Uuid;

use super::argv::{Spellings, command_lines};
use super::command::CommandLine;
use super::runner::{Output, Sight};
use super::{VirtualBox, leftovers};
use crate::host::{Done, ErrorClass, HostError, Inspect as _, Progress};
use crate::inventory::Inventory;
use crate::plan::Action;

impl VirtualBox {
    /// Deletes a machine. The registry loses it first: a server that ends then leaves files that nothing points to any more, which are
    /// removed here.
    pub(super) fn delete_machine(
        &self,
        uuid: Uuid,
        action: &Action,
        progress: Progress<'_>,
    ) -> Result<Done, HostError> {
        let before = self.look_at(uuid, false)?;
        let mut lost = None;
        match self.unlocked(action, || self.natively(action)) {
            Ok(Some(done)) => return Ok(done),
            Ok(None) => {}
            // It was lost before it came to the registry: VBoxManage begins anew.
            Err(error @ HostError::HelperLost { .. }) if self.is_whole_still(uuid, &before) => {
                lost = Some(error);
            }
            Err(error) => return self.end_deletion(uuid, &before, error),
        }
        let mut done = Done::default();
        for command in command_lines(action, &Spellings::default())? {
            match self.unregister(uuid, &before, action, &command, progress) {
                Ok(output) => done.warnings.extend(output.warnings()),
                // What the lost one had asked for may have been done since.
                Err(error) => return self.end_deletion(uuid, &before, lost.unwrap_or(error)),
            }
        }
        Ok(done)
    }

    /// Deletes it by VBoxManage, which takes as long as the disks take. In one of 150 times it goes on to sleep for ten seconds when all is done
    /// (measured), or before it begins (`vbox-semantics` 7): then the machine is whole, and the next one deletes it.
    fn unregister(
        &self,
        uuid: Uuid,
        before: &Inventory,
        action: &Action,
        command: &CommandLine,
        progress: Progress<'_>,
    ) -> Result<Output, HostError> {
        let runner = self.runner()?;
        let sight = |percent| self.sight(uuid, before, percent);
        match self.unlocked(action, || runner.run_in_sight(command, progress, &sight)) {
            Err(ended @ HostError::Timeout { .. }) if self.is_whole_still(uuid, before) => {
                // It had begun after all, and the server went on with it.
                let was_late = |error: &HostError| error.class() == ErrorClass::WrongState;
                self.run_unlocked(action, command, progress)
                    .map_err(|error| if was_late(&error) { ended } else { error })
            }
            outcome => outcome,
        }
    }

    /// How far a deletion is that has printed this percentage.
    fn sight(&self, uuid: Uuid, before: &Inventory, percent: Option<u8>) -> Sight {
        let is_told = before.machines.get(&uuid).is_some_and(|machine| machine.access.is_readable());
        // Percentages are not seen on Windows, and whether it sleeps there was not measured.
        if cfg!(windows) || !is_told {
            return Sight::Begun;
        }
        match self.look_at(uuid, false) {
            Ok(after) if !after.machines.contains_key(&uuid) && percent == Some(100) => Sight::Over,
            Ok(after) if percent.is_none() && is_whole(uuid, before, &after) => Sight::NotBegun,
            Ok(_) | Err(_) => Sight::Begun,
        }
    }

    /// Whether a machine that was to be deleted is still registered as it was, as far as can be told.
    fn is_whole_still(&self, uuid: Uuid, before: &Inventory) -> bool {
        self.look_at(uuid, false).is_ok_and(|after| is_whole(uuid, before, &after))
    }

    /// Removes what a deletion has left whose end nobody knows.
    fn end_deletion(&self, uuid: Uuid, before: &Inventory, error: HostError) -> Result<Done, HostError> {
        if error.class() == ErrorClass::Unknown {
            let after = self.reread(uuid, false)?;
            if let (Some(machine), false) = (before.machines.get(&uuid), after.machines.contains_key(&uuid)) {
                leftovers::of_deletion(machine, before, &after);
            }
        }
        Err(error)
    }
}

fn is_whole(uuid: Uuid, before: &Inventory, after: &Inventory) -> bool {
    let there = before.machines.get(&uuid).zip(after.machines.get(&uuid));
    there.is_some_and(|(before, after)| before.attachments == after.attachments)
}
