//! Deleting a machine with all that hangs on it.

use uuid::Uuid;

use super::argv::{Spellings, command_lines};
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
            Err(error @ HostError::HelperLost { .. }) if self.is_whole_still(uuid, &before)? => {
                lost = Some(error);
            }
            Err(error) => return self.end_deletion(uuid, &before, error),
        }
        match self.unregister(uuid, &before, action, progress) {
            Ok(output) => Ok(Done { made: None, warnings: output.warnings() }),
            // What the lost one had asked for may have been done since.
            Err(error) => self.end_deletion(uuid, &before, lost.unwrap_or(error)),
        }
    }

    /// Deletes it by VBoxManage, which takes as long as the disks take. In one of 150 times it goes on to sleep for ten seconds when all is done
    /// (measured), or before it begins (`vbox-semantics` 7): then the machine is whole, and the next one deletes it.
    fn unregister(
        &self,
        uuid: Uuid,
        before: &Inventory,
        action: &Action,
        progress: Progress<'_>,
    ) -> Result<Output, HostError> {
        let mut output = Output::default();
        for command in command_lines(action, &Spellings::default())? {
            let sight = |percent| self.sight(uuid, before, percent);
            let runner = self.runner()?;
            let first = self.unlocked(action, || runner.run_in_sight(&command, progress, &sight));
            output = match first {
                Err(HostError::Timeout { .. }) if self.is_whole_still(uuid, before)? => {
                    self.run_unlocked(action, &command, progress)?
                }
                first => first?,
            };
        }
        Ok(output)
    }

    /// How far a deletion is that has printed this percentage.
    fn sight(&self, uuid: Uuid, before: &Inventory, percent: Option<u8>) -> Sight {
        let Ok(after) = self.reread(uuid, false) else { return Sight::Begun };
        match before.machines.get(&uuid).zip(after.machines.get(&uuid)) {
            Some((before, after)) if percent.is_none() && before.attachments == after.attachments => {
                Sight::NotBegun
            }
            None if percent == Some(100) => Sight::Over,
            Some(_) | None => Sight::Begun,
        }
    }

    /// Whether a machine that was to be deleted is still registered as it was.
    fn is_whole_still(&self, uuid: Uuid, before: &Inventory) -> Result<bool, HostError> {
        let (before, after) = (before.machines.get(&uuid), self.reread(uuid, false)?.machines.remove(&uuid));
        Ok(before.zip(after.as_ref()).is_some_and(|(before, after)| before.attachments == after.attachments))
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
