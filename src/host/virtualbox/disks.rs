//! New disks: empty ones, and copies of images.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::argv::{Spellings, command_lines};
use super::command::CommandLine;
use super::operate::{deadline, forget, uuid_in};
use super::runner::Deadline;
use super::{VirtualBox, headers};
use crate::host::{Done, ErrorClass, HostError, Inspect as _, Progress};
use crate::inventory::AttachedMedium;
use crate::model::Location;
use crate::model::digest::hex;
use crate::plan::{Action, Target};

impl VirtualBox {
    /// Makes an empty disk.
    pub(super) fn create_disk(&self, action: &Action, progress: Progress<'_>) -> Result<Done, HostError> {
        let Action::CreateDisk { location, machine, .. } = action else { return Ok(Done::default()) };
        let file = self.file(location, machine.as_ref())?;
        let mut action = action.clone();
        if let Action::CreateDisk { location, .. } = &mut action {
            location.clone_from(&file);
        }
        self.make(&file, &action, progress)
    }

    /// Makes a disk with the content of an image, which VirtualBox does not go on knowing where it did not know it before.
    pub(super) fn clone_disk(&self, action: &Action, progress: Progress<'_>) -> Result<Done, HostError> {
        let Action::CloneDisk { image, sha256, location, machine, size, .. } = action else {
            return Ok(Done::default());
        };
        let file = self.file(location, Some(machine))?;
        if let Some(wanted) = sha256 {
            check(action, image, wanted)?;
        }
        let holds =
            headers::capacity(image).map_err(|source| HostError::Read { path: image.clone(), source })?;
        if let (Some(holds), Some(size)) = (holds, size)
            && holds > *size
        {
            return Err(refused(
                action,
                format!("it holds a disk of {holds}, and the new one is to have {size}"),
            ));
        }
        let is_known = self.reread(Uuid::nil(), false)?.medium_at(image).is_some();
        let mut action = action.clone();
        if let Action::CloneDisk { location, .. } = &mut action {
            location.clone_from(&file);
        }
        let made = self.make(&file, &action, progress);
        if is_known {
            return made;
        }
        // VirtualBox registers what it reads, in the way of everybody who has an image of the same origin.
        let close = CommandLine::of(["closemedium", "disk", &image.display().to_string()]);
        let closed = self.runner()?.run(&close, Deadline::Once);
        let mut done = made?;
        if let Err(error) = closed {
            done.warnings.push(format!("the image stays registered: {error}"));
        }
        Ok(done)
    }

    /// Writes another UUID into a file that still holds the one that it is known by.
    pub(super) fn renew_disk(
        &self,
        file: &Path,
        from: Uuid,
        to: Uuid,
        action: &Action,
        progress: Progress<'_>,
    ) -> Result<Done, HostError> {
        let now = self.disk_in(file)?;
        if now == Some(to) {
            return Ok(Done::default());
        }
        if now != Some(from) {
            let holds = now.map_or_else(|| "no UUID".to_owned(), |uuid| uuid.to_string());
            return Err(refused(action, format!("{} holds {holds} now, and not {from}", file.display())));
        }
        let done = self.plainly(action, progress)?;
        if self.disk_in(file)? != Some(to) {
            return Err(refused(action, format!("{} does not hold {to} afterwards", file.display())));
        }
        Ok(done)
    }

    /// Says what becomes of the difference that is attached somewhere.
    pub(super) fn set_auto_reset(
        &self,
        machine: Uuid,
        at: &Location,
        enabled: bool,
        action: &Action,
    ) -> Result<Done, HostError> {
        let there = self.reread(machine, false)?;
        let there = there.machines.get(&machine);
        let there = there.and_then(|machine| machine.attachment_at(&at.controller, at.port, at.device));
        let Some(AttachedMedium::Image(leaf)) = there.map(|there| &there.medium) else {
            return Err(HostError::Unsupported { what: format!("an action on what is attached at {at}") });
        };
        let command = CommandLine::of(["modifymedium", "disk", &leaf.to_string()])
            .option("autoreset", if enabled { "on" } else { "off" });
        let output = self.runner()?.run(&command, deadline(action))?;
        Ok(Done { made: None, warnings: output.warnings() })
    }

    fn file(&self, location: &Path, machine: Option<&Target>) -> Result<PathBuf, HostError> {
        match machine {
            _ if location.is_absolute() => Ok(location.to_owned()),
            Some(Target::Existing(machine)) => Ok(self.folder(*machine)?.join(location)),
            _ => Err(HostError::Unsupported { what: format!("making the disk {}", location.display()) }),
        }
    }

    fn make(&self, file: &Path, action: &Action, progress: Progress<'_>) -> Result<Done, HostError> {
        let was_there = file.symlink_metadata().is_ok();
        let mut done = Done::default();
        for command in command_lines(action, &Spellings::default())? {
            let outcome = self.runner()?.run_with_progress(&command, deadline(action), progress);
            let output = outcome.inspect_err(|error| forget(file, was_there, error))?;
            done.warnings.extend(output.warnings());
            done.made = uuid_in(&output.stdout);
            if done.made.is_none() {
                return Err(HostError::Garbage {
                    command: command.to_string(),
                    detail: "no UUID of the new disk".to_owned(),
                });
            }
        }
        Ok(done)
    }
}

/// Compares a file's checksum.
fn check(action: &Action, image: &Path, wanted: &str) -> Result<(), HostError> {
    let read = |source| HostError::Read { path: image.to_owned(), source };
    let mut file = File::open(image).map_err(read)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece).map_err(read)? {
            0 => break,
            length => hasher.update(&piece[..length]),
        }
    }
    let found = hex(&hasher.finalize());
    if found == wanted {
        return Ok(());
    }
    Err(refused(action, format!("its SHA-256 is {found}, and {wanted} is declared")))
}

/// What vboxmcp itself refuses before VirtualBox is asked.
fn refused(action: &Action, message: String) -> HostError {
    let commands = command_lines(action, &Spellings::default()).unwrap_or_default();
    HostError::Refused {
        command: commands.first().map_or_else(|| "VBoxManage clonemedium".to_owned(), ToString::to_string),
        message,
        code: None,
        status: None,
        stderr: String::new(),
        class: ErrorClass::WrongInput,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_checked_against_its_checksum() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("a.img");
        std::fs::write(&image, "abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let action = Action::CloseDisk { medium: Target::Existing(Uuid::nil()) };
        check(&action, &image, abc).unwrap();
        let error = check(&action, &image, &abc.replace('b', "c")).unwrap_err();
        assert_eq!(error.class(), ErrorClass::WrongInput);
        assert!(error.to_string().contains(abc), "{error}");
        assert!(check(&action, &folder.path().join("nonesuch"), abc).is_err());
    }
}
