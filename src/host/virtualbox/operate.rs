//! [`Operate`] for the real VirtualBox: VBoxManage performs actions, and what one call cannot do is done around it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::argv::{Spellings, command_lines};
use super::classify::is_locked;
use super::command::CommandLine;
use super::registry::Reading;
use super::runner::{Deadline, Output, Runner};
use super::settings::Distrust;
use super::{VirtualBox, leftovers, live, locate, native, orphans, registry};
use crate::host::{Birth, Done, ErrorClass, HostError, Operate, Progress};
use crate::inventory::{Inventory, Machine};
use crate::model::state::StateClass;
use crate::model::{Route, Secret};
use crate::plan::{Action, Insert, NetworkChange, Target};
use crate::threads;

/// How long VirtualBox's server stays after its last client. It is never signalled: machines would die with it.
const SERVER_ARGUMENTS: [&str; 3] = ["--auto-shutdown", "--shutdown-delay", "20000"];

/// How long a server may take until clients find it.
const SERVER_START: Duration = Duration::from_secs(5);

/// How long a command of a run that was killed is waited for: as long as it would have been by that run.
const ORPHAN: Duration = Duration::from_mins(1);

/// How long a machine that just stopped may be locked by the process that ran it.
const UNLOCK: Duration = Duration::from_secs(10);

/// What VirtualBox gives a new machine without being asked was measured on Linux. Elsewhere it has other defaults (large pages, sound), and
/// makes its machines itself.
const NEW_MACHINES_ARE_KNOWN: bool = cfg!(target_os = "linux");

impl Operate for VirtualBox {
    fn settle(&self, former: u32) -> Result<(), HostError> {
        // Without VBoxManage nothing can be done anyway, which is said later.
        let Ok(runner) = self.runner() else { return Ok(()) };
        let end = Instant::now() + ORPHAN;
        let helper = Path::new(native::PROCESS_NAME.to_str().unwrap_or_default());
        let left = || orphans::of(former, runner.program()).or_else(|| orphans::of(former, helper));
        while let Some(process) = left() {
            if Instant::now() >= end || runner.pause(Duration::from_millis(20)) {
                return Err(HostError::Orphan { run: former, process });
            }
        }
        Ok(())
    }

    fn prepare(&self) -> Result<(), HostError> {
        self.ensure_server()?;
        // The helper is connected to VirtualBox from its beginning.
        if !self.may_help() || self.find_native().version.is_err() {
            live::running(self.runner()?)?;
        }
        self.require_native()
    }

    fn perform(&self, action: &Action, progress: Progress<'_>) -> Result<Done, HostError> {
        self.ensure_server()?;
        let done = self.act(action, progress)?;
        self.is_whole(action, &done)?;
        Ok(done)
    }

    /// Those that the helper does, in less time than looking before and after takes; and deletions, of which there are many at a time.
    fn is_pipelined(&self, action: &Action) -> bool {
        let is_deletion = matches!(action, Action::Unregister { delete: true, machine: Target::Existing(_) });
        is_deletion || (self.may_help() && native::can_do(action))
    }

    /// VirtualBox's server changes the settings of two machines for two clients in two thirds of the time that it needs for one (measured). What
    /// concerns more than one machine, a deletion or the registry, is done alone, one turn after the other, and so is what VBoxManage does: overlapping ones stall.
    fn lanes(&self, action: &Action) -> usize {
        let is_of_one_machine = matches!(
            action,
            Action::ModifyMachine { .. } | Action::SetExtraData { .. } | Action::WriteMark { .. }
        );
        if is_of_one_machine { self.native.lanes() } else { 1 }
    }

    /// So many that a request to stop is heard within a second: VBoxManage registers forty machines in that time, the helper hundreds.
    fn births(&self) -> usize {
        if !NEW_MACHINES_ARE_KNOWN {
            return 0;
        }
        match self.route() {
            Route::VBoxManage => 0,
            Route::Auto | Route::Native if self.native.launch().is_some() => 100,
            Route::Auto | Route::Native | Route::Born => 32,
        }
    }

    fn bear(&self, births: &[Birth], known: &Inventory) -> Vec<Option<Result<(), HostError>>> {
        match self.ensure_server() {
            Ok(()) => self.bear_all(births, known),
            Err(_) => births.iter().map(|_| None).collect(),
        }
    }

    /// Short commands one after another: overlapping ones stall more often (`vbox-semantics` 7).
    fn width(&self, action: &Action) -> usize {
        match action {
            // It waits for its guest and does nothing itself.
            Action::Shutdown { .. } => 16,
            // However much it deletes, it is short: several at a time stall nearly always (measured).
            Action::Unregister { .. } => 1,
            _ if is_long(action) => threads::processors().clamp(4, 8),
            _ => 1,
        }
    }

    /// A running machine's guest properties reach its settings file a moment after the command has ended (measured); everything else is there
    /// at once, or has been waited for. Waiting costs nothing where it is there, and where it is not, the run has failed anyway.
    fn patience(&self, action: &Action) -> Duration {
        match action {
            Action::SetGuestProperty { .. } => Duration::from_secs(2),
            _ => Duration::ZERO,
        }
    }

    fn keep_settings(&self, machine: Uuid, copy: &Path) -> Result<(), HostError> {
        let Some(file) = self.settings_file(machine)? else { return Ok(()) };
        let wrong = |source| HostError::Write { path: copy.to_owned(), source };
        if let Some(folder) = copy.parent() {
            std::fs::create_dir_all(folder).map_err(wrong)?;
        }
        std::fs::copy(file, copy).map(drop).map_err(wrong)
    }

    fn entrust(&self, secrets: BTreeMap<String, Secret>) {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).extend(secrets);
    }

    fn expect_changes(&self) {
        if self.may_help() {
            self.native.expect_changes();
        }
    }

    fn finish(&self) {
        self.native.end_run();
    }

    fn cancel(&self) {
        if let Ok(runner) = self.runner() {
            runner.cancel();
        }
    }
}

/// Work that takes as long as it takes.
fn is_long(action: &Action) -> bool {
    match action {
        Action::Start { .. }
        | Action::SaveState { .. }
        | Action::GrowDisk { .. }
        | Action::TakeSnapshot { .. }
        | Action::RestoreSnapshot { .. }
        | Action::DeleteSnapshot { .. }
        | Action::MoveMachine { .. }
        | Action::CloneDisk { .. }
        | Action::MoveDisk { .. }
        | Action::Unregister { delete: true, .. } => true,
        Action::CreateDisk { variant, .. } => variant != "dynamic",
        _ => false,
    }
}

pub(super) fn deadline(action: &Action) -> Deadline {
    match action {
        _ if is_long(action) => Deadline::Long,
        _ if action.is_repeatable() => Deadline::Repeatable,
        _ => Deadline::Once,
    }
}

/// An earlier part was done: to do all of it again is no longer the same.
fn partial(error: HostError) -> HostError {
    match error {
        HostError::Refused { command, message, code, status, stderr, class: ErrorClass::NotExecuted } => {
            HostError::Refused { command, message, code, status, stderr, class: ErrorClass::Unknown }
        }
        HostError::Timeout { command, seconds, .. } => {
            HostError::Timeout { command, seconds, harmless: false }
        }
        other => other,
    }
}

impl VirtualBox {
    fn act(&self, action: &Action, progress: Progress<'_>) -> Result<Done, HostError> {
        let is_deletion = matches!(action, Action::Unregister { delete: true, .. });
        if !is_deletion && let Some(done) = self.unlocked(action, || self.natively(action))? {
            return Ok(done);
        }
        match action {
            Action::CreateMachine { uuid, .. } => self.create_machine(*uuid, action),
            Action::CreateDisk { .. } => self.create_disk(action, progress),
            Action::CloneDisk { .. } => self.clone_disk(action, progress),
            Action::ClearBirth { machine, file, disks } => self.clear_birth(*machine, file, disks),
            Action::RenewDisk { file, from, to } => self.renew_disk(file, *from, *to, action, progress),
            Action::Network { change: NetworkChange::AddInterface { name } } => {
                self.add_interface(name, action)
            }
            Action::Attach { insert: Insert::Medium(Target::Existing(medium)), .. } => {
                self.acquaint(*medium)?;
                self.plainly(action, progress)
            }
            Action::SetAutoReset { machine: Target::Existing(machine), at, enabled } => {
                self.set_auto_reset(*machine, at, *enabled, action)
            }
            Action::Unregister { machine: Target::Existing(machine), delete: true } => {
                self.delete_machine(*machine, action, progress)
            }
            Action::SetSecureBoot { machine: Target::Existing(machine), enabled: true } => {
                self.secure_boot(*machine, action, progress)
            }
            Action::SetSecret { field, digest, .. } => {
                let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(secret) = secrets.get(digest).cloned() else {
                    return Err(HostError::Unsupported {
                        what: format!("setting {field}, whose value is not known,"),
                    });
                };
                drop(secrets);
                let mut done = Done::default();
                for command in command_lines(action, &Spellings::default())? {
                    let output = self.run_unlocked(action, &command.reading(secret.clone()), progress)?;
                    done.warnings.extend(output.warnings());
                }
                Ok(done)
            }
            Action::MoveMachine { folder, .. } => {
                // VirtualBox moves into what is there (measured: "Unable to determine free space").
                std::fs::create_dir_all(folder)
                    .map_err(|source| HostError::Write { path: folder.clone(), source })?;
                self.plainly(action, progress)
            }
            Action::DeleteDisk { folder: Some(folder), .. } => {
                let done = self.plainly(action, progress)?;
                leftovers::abandoned(folder);
                Ok(done)
            }
            Action::SaveState { machine: Target::Existing(machine) } => {
                self.save_state(*machine, action, progress)
            }
            Action::Shutdown { machine: Target::Existing(machine), timeout, then_power_cut } => {
                self.shut_down(*machine, Duration::from_secs(*timeout), *then_power_cut, action)
            }
            _ => self.plainly(action, progress),
        }
    }

    /// On a full disk VirtualBox leaves an empty settings file behind and says that all is well (measured). Its server
    /// still knows the machine, so that nothing else would show it before the server's end.
    fn is_whole(&self, action: &Action, done: &Done) -> Result<(), HostError> {
        let touched = match action.machine() {
            Some(Target::Existing(machine)) => Some(*machine),
            _ => done.made,
        };
        let Some(touched) = touched else { return Ok(()) };
        let reading = Reading::of(self.home(), &self.cache, |machine| machine == touched)?;
        match reading.rows.first().map(|row| (&row.entry.file, row.file.as_ref())) {
            Some((path, Err(Distrust::Broken(detail)))) => {
                let detail = format!(
                    "{detail}. VirtualBox could not write it: on a full disk it leaves nothing of it, and the former one beside it \
                     (`.vbox-prev`). Make room; the next change of the machine writes it again"
                );
                Err(HostError::Malformed { path: path.clone(), detail })
            }
            _ => Ok(()),
        }
    }

    /// Runs the command lines of an action.
    pub(super) fn plainly(&self, action: &Action, progress: Progress<'_>) -> Result<Done, HostError> {
        if let Action::Attach { insert: Insert::Medium(Target::Existing(medium)), .. } = action {
            self.acquaint(*medium)?;
        }
        let mut done = Done::default();
        let commands = command_lines(action, &self.spellings_for(action, self.runner()?))?;
        for (index, command) in commands.iter().enumerate() {
            let output = self.run_unlocked(action, command, progress);
            let output = output.map_err(|error| if index > 0 { partial(error) } else { error })?;
            done.warnings.extend(output.warnings());
        }
        Ok(done)
    }

    /// Switches secure boot on. A store that was never set up, or has no keys, is told by VirtualBox's refusal; one with keys
    /// is never set up anew, which would forget them.
    fn secure_boot(&self, machine: Uuid, action: &Action, progress: Progress<'_>) -> Result<Done, HostError> {
        let refused = match self.plainly(action, progress) {
            Err(error) if says(&error, "platform key (PK) is not enrolled") => {
                &["enrollorclpk", "enrollmssignatures"][..]
            }
            Err(error) if says(&error, "UEFI NVRAM file is not existing") => {
                &["inituefivarstore", "enrollorclpk", "enrollmssignatures"]
            }
            other => return other,
        };
        for verb in refused {
            let command = CommandLine::of(["modifynvram", &machine.to_string(), verb]);
            self.run_unlocked(action, &command, progress).map_err(partial)?;
        }
        self.plainly(action, progress).map_err(partial)
    }

    /// Starts VirtualBox's server where none runs.
    ///
    /// A client that starts the server gets one that may leave while other clients are at work (`vbox-semantics` 7). One that is
    /// started here, with a delay, does not.
    fn ensure_server(&self) -> Result<(), HostError> {
        let runner = self.runner()?;
        let mut started = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(ipc) = self.home().ipc.as_deref() else { return Ok(()) };
        let Some(program) = locate::server(runner.program()) else { return Ok(()) };
        if self.home().has_server() != Some(false) {
            return Ok(());
        }
        registry::mend(self.home())?;
        // The socket is there before the server's name is, and a client between the two starts a server of its own, which
        // wins. The file is written when all is there (measured); it goes with the server.
        let ready = ipc.join(format!("vboxmcp-{}.pid", std::process::id()));
        // There is none but that of a server that was killed.
        let _ = std::fs::remove_file(&ready);
        let mut arguments = SERVER_ARGUMENTS.map(OsString::from).to_vec();
        arguments.extend(["--pidfile".into(), ready.clone().into_os_string()]);
        // One that is connected to the server before this one is of no use any more.
        self.native.dismiss();
        let mut server = runner.start_server(&program, &arguments)?;
        let end = Instant::now() + SERVER_START;
        while !ready.metadata().is_ok_and(|file| file.len() > 0)
            && !server.has_ended()
            && Instant::now() < end
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        *started = Some(server);
        Ok(())
    }

    /// The flags that this VirtualBox has, asked for once and only where there is a choice.
    fn spellings_for(&self, action: &Action, runner: &Runner) -> Spellings {
        if !matches!(action, Action::ModifyMachine { .. }) {
            return Spellings::default();
        }
        // Without an answer the newest spellings are tried.
        self.spellings
            .get_or_init(|| Spellings::of_usage(&runner.usage("modifyvm").unwrap_or_default()))
            .clone()
    }

    /// Runs a command of an action.
    pub(super) fn run_unlocked(
        &self,
        action: &Action,
        command: &CommandLine,
        progress: Progress<'_>,
    ) -> Result<Output, HostError> {
        let runner = self.runner()?;
        self.unlocked(action, || runner.run_with_progress(command, deadline(action), progress))
    }

    /// Tries a part of an action; once more, for a while, where the machine's last process still has to let go of it.
    pub(super) fn unlocked<T>(
        &self,
        action: &Action,
        attempt: impl Fn() -> Result<T, HostError>,
    ) -> Result<T, HostError> {
        let runner = self.runner()?;
        let end = Instant::now() + UNLOCK;
        loop {
            let outcome = attempt();
            let Err(error) = &outcome else { return outcome };
            let Some(Target::Existing(machine)) = action.machine() else { return outcome };
            let is_over = Instant::now() >= end || !is_locked(error);
            if is_over || live::running(runner)?.contains(machine) || runner.pause(Duration::from_millis(100))
            {
                return outcome;
            }
        }
    }

    fn create_machine(&self, uuid: Option<Uuid>, action: &Action) -> Result<Done, HostError> {
        let (Action::CreateMachine { name, .. }, Some(own)) = (action, action.birth_folder()) else {
            return Ok(Done::default());
        };
        let runner = self.runner()?;
        let was_there = own.symlink_metadata().is_ok();
        if let Some(uuid) = uuid.filter(|uuid| was_there && self.registered(*uuid).is_err()) {
            let file = own.join(format!("{name}.vbox"));
            if leftovers::has_lived(uuid, &file, &BTreeMap::new()) {
                return Err(HostError::HasLived { file, is_there: true });
            }
            leftovers::of_birth_of(&file, uuid).map_err(|source| HostError::Write { path: file, source })?;
        }
        let mut warnings = Vec::new();
        let mut made = uuid;
        for command in command_lines(action, &Spellings::default())? {
            let outcome = runner.run(&command, Deadline::Once);
            if outcome.as_ref().is_err_and(|error| !was_there && says(error, "Registered machine with UUID"))
            {
                // It was written before VirtualBox looked at the UUID.
                leftovers::of_birth(&own, name);
            }
            let is_unclear = outcome.as_ref().is_err_and(|error| error.class() == ErrorClass::Unknown);
            if is_unclear && !was_there && uuid.is_some_and(|uuid| self.registered(uuid).is_err()) {
                // The server ended between the file and the registry.
                leftovers::of_birth(&own, name);
            }
            let output = outcome?;
            warnings.extend(output.warnings());
            made = made.or_else(|| uuid_in(&output.stdout));
        }
        Ok(Done { made, warnings })
    }

    /// Makes VirtualBox's server look at a VMDK before it attaches it.
    ///
    /// A compressed one can only be read, so that a difference to it is attached; but only by a server that has looked at the file. Another one
    /// attaches the file itself, and the guest's disk cannot be written. A difference that the server has just made it takes for
    /// compressed, too, until it looks (all measured).
    fn acquaint(&self, medium: Uuid) -> Result<(), HostError> {
        use crate::host::Inspect as _;
        let media = self.reread(Uuid::nil(), false)?.media;
        if media.get(&medium).is_some_and(|medium| medium.format == "vmdk") {
            self.runner()?.read(["showmediuminfo", "disk", &medium.to_string()])?;
        }
        Ok(())
    }

    /// The folder of a registered machine.
    pub(super) fn folder(&self, machine: Uuid) -> Result<PathBuf, HostError> {
        self.registered(machine).map(|machine| machine.folder())
    }

    fn registered(&self, machine: Uuid) -> Result<Machine, HostError> {
        use crate::host::Inspect as _;
        let found = self.look_at(machine, false)?.machines.remove(&machine);
        found.ok_or_else(|| HostError::Refused {
            command: format!("VBoxManage showvminfo {machine}"),
            message: format!("no machine {{{machine}}} is registered"),
            code: None,
            status: None,
            stderr: String::new(),
            class: ErrorClass::WrongState,
        })
    }

    /// Presses the power button and waits for the guest.
    fn shut_down(
        &self,
        uuid: Uuid,
        timeout: Duration,
        then_power_cut: bool,
        action: &Action,
    ) -> Result<Done, HostError> {
        let runner = self.runner()?;
        let machine = self.registered(uuid)?;
        for command in command_lines(action, &Spellings::default())? {
            runner.run(&command, Deadline::Once)?;
        }
        let end = Instant::now() + timeout;
        // The log tells without a process; VirtualBox itself is asked when the log says so, and now and then in any case.
        let mut ask_at = Instant::now() + ASK_EVERY;
        loop {
            let class = live::logged_state(&machine).map(|state| state.class());
            let says_so = matches!(class, Some(StateClass::Off | StateClass::Saved));
            if says_so || Instant::now() >= ask_at {
                // One that is on its way down is in no list and is not down.
                if class != Some(StateClass::Moving) && !live::running(runner)?.contains(&uuid) {
                    return Ok(Done::default());
                }
                ask_at = Instant::now() + ASK_EVERY;
            }
            if Instant::now() >= end {
                break;
            }
            if runner.pause(Duration::from_millis(100)) {
                return Err(HostError::Cancelled);
            }
        }
        if !then_power_cut {
            return Err(HostError::GuestStaysOn { seconds: timeout.as_secs() });
        }
        let cut = Action::PowerCut { machine: Target::Existing(uuid) };
        for command in command_lines(&cut, &Spellings::default())? {
            match runner.run(&command, Deadline::Once) {
                // It went off at the last moment.
                Err(error)
                    if error.class() == ErrorClass::WrongState && !live::running(runner)?.contains(&uuid) => {
                }
                outcome => drop(outcome?),
            }
        }
        Ok(Done::default())
    }
}

/// How often VirtualBox is asked while a guest shuts down.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// Removes the file that a refused `createmedium` leaves behind (`vbox-semantics` 3.4).
pub(super) fn forget(file: &Path, was_there: bool, error: &HostError) {
    let is_certain =
        matches!(error.class(), ErrorClass::WrongState | ErrorClass::WrongInput | ErrorClass::HostBroken);
    let is_someone_elses = says(error, "VERR_ALREADY_EXISTS");
    if !was_there && is_certain && !is_someone_elses {
        // It may not be there at all.
        let _ = std::fs::remove_file(file);
    }
}

fn says(error: &HostError, text: &str) -> bool {
    matches!(error, HostError::Refused { stderr, .. } if stderr.contains(text))
}

/// The UUID in `Medium created. UUID: ...` and `UUID: ...`.
pub(super) fn uuid_in(stdout: &str) -> Option<Uuid> {
    stdout.lines().find_map(|line| Uuid::try_parse(line.rsplit_once("UUID: ")?.1.trim()).ok())
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
