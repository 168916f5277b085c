//! Which actions of a run go by the helper, and what its answers mean for the run.

use std::path::PathBuf;
use std::time::SystemTime;

use uuid::Uuid;

use super::client::Outcome;
use super::protocol::{Ask, Refusal};
use super::{Launch, Native, asks};
use crate::host::checkup::NativeRoute;
use crate::host::virtualbox::VirtualBox;
use crate::host::virtualbox::classify::told;
use crate::host::{Done, HostError};
use crate::model::Route;
use crate::plan::{Action, Target};

impl VirtualBox {
    /// The same, with a helper that is started when it is first of use.
    #[must_use]
    pub fn with_helper(mut self, launch: Launch) -> Self {
        self.native = Native::new(launch);
        self
    }

    /// The helper.
    pub fn native(&self) -> &Native {
        &self.native
    }

    /// Whether there is a helper and it may be used. Starts it, and needs VirtualBox's server.
    pub(in crate::host::virtualbox) fn find_native(&self) -> NativeRoute {
        let library = self.native.launch().map(|launch| launch.folder.join(super::LIBRARY));
        let version = match (&self.runner, self.native.launch()) {
            (Err(_), _) => Err("there is no VBoxManage".to_owned()),
            (Ok(_), None) => Err(format!("{} is not beside VBoxManage", super::LIBRARY)),
            (Ok(runner), Some(_)) => {
                self.native.greet(runner).map(|greeting| greeting.version.unwrap_or_default())
            }
        };
        NativeRoute { library, version }
    }

    /// Refuses to go on where only the helper is wanted and there is none.
    pub(in crate::host::virtualbox) fn require_native(&self) -> Result<(), HostError> {
        if self.route() != Route::Native {
            return Ok(());
        }
        self.find_native().version.map(drop).map_err(|why| HostError::NoHelper { why })
    }

    /// Registers machines whose settings files are written already, one answer each in their order; `None` where VBoxManage must.
    pub fn register_all(&self, files: &[PathBuf]) -> Option<Vec<Result<(), HostError>>> {
        let asked: Option<Vec<Ask>> = files.iter().map(|file| asks::register(file)).collect();
        let outcomes = self.by_helper(&asked?)?;
        if outcomes.iter().all(|outcome| *outcome == Outcome::Untouched) {
            return None;
        }
        let answers = outcomes.into_iter().zip(files).map(|(outcome, file)| {
            let what = || format!("register {}", file.display());
            match outcome {
                Outcome::Done(_) => Ok(()),
                Outcome::Refused(refusal) => Err(refused(&what(), &refusal)),
                Outcome::Lost(why) => Err(HostError::HelperLost { what: what(), why }),
                Outcome::Untouched => Err(HostError::NotBegun { what: what() }),
            }
        });
        Some(answers.collect())
    }

    /// Whether the helper is to be asked, where there is one.
    pub(in crate::host::virtualbox) fn may_help(&self) -> bool {
        let forbids = matches!(self.route(), Route::VBoxManage | Route::Born);
        !forbids && self.native.launch().is_some()
    }

    fn by_helper(&self, asks: &[Ask]) -> Option<Vec<Outcome>> {
        if !self.may_help() {
            return None;
        }
        let runner = self.runner().ok()?;
        Some(self.native.ask(runner, asks))
    }

    /// Performs an action by the helper; `None` where nothing was begun and VBoxManage performs it.
    pub(in crate::host::virtualbox) fn natively(&self, action: &Action) -> Result<Option<Done>, HostError> {
        let Some(ask) = asks::of(action) else { return Ok(None) };
        let before = self.written(action);
        let outcome = self.by_helper(&[ask]).and_then(|mut outcomes| outcomes.pop());
        let what = || match action.machine() {
            Some(Target::Existing(machine)) => format!("{} {machine}", action.label()),
            _ => action.label().to_owned(),
        };
        match outcome {
            None | Some(Outcome::Untouched) => Ok(None),
            Some(Outcome::Done(_)) => Ok(Some(Done::default())),
            Some(Outcome::Refused(refusal)) => Err(refused(&what(), &refusal)),
            // Its file is what it was: nothing was done.
            Some(Outcome::Lost(_)) if before.is_some() && before == self.written(action) => Ok(None),
            Some(Outcome::Lost(why)) => Err(HostError::HelperLost { what: what(), why }),
        }
    }

    /// When the settings file was written that a change of settings writes, and writes once. Only asked where the change cannot be
    /// given twice.
    fn written(&self, action: &Action) -> Option<(SystemTime, u64)> {
        let Action::ModifyMachine { machine: Target::Existing(machine), .. } = action else { return None };
        if action.is_repeatable() {
            return None;
        }
        self.written_at(*machine)
    }

    fn written_at(&self, machine: Uuid) -> Option<(SystemTime, u64)> {
        let file = self.settings_file(machine).ok()??;
        let about = file.metadata().ok()?;
        Some((about.modified().ok()?, about.len()))
    }
}

/// VirtualBox's refusal, meaning what it would mean if VBoxManage had printed it.
fn refused(what: &str, refusal: &Refusal) -> HostError {
    told(&format!("native: {what}"), refusal.code, &refusal.text, &refusal.component, refusal.half_deleted)
}
