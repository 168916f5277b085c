//! The only place that spawns a process: VBoxManage, with its stalls, its races and its lies about success.
//!
//! - A client now and then sleeps for exactly ten seconds (`vbox-settings` 5.2). A command that may be given twice has a
//!   short deadline and is then ended. One that only reads is given again at once; of one that changes something the outcome is
//!   unknown, and whoever gave it looks and gives it again, if it is still to be done: the next time it has longer. The last
//!   deadline is a long one.
//! - A deletion may take long, and must not be ended in the middle: it is looked at whether it is over, or has not begun.
//! - `Failed to create the VirtualBox object!` means that nothing was done: the command is given again, with pauses.
//! - Output goes to unnamed files: a server that the command starts would keep a pipe open long after the command has
//!   ended, and a file holds all that was written once the process is gone.

mod process;
mod servant;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use self::process::Sight;
use self::process::{End, MAX_OUTPUT, Process, Watch};
pub use self::servant::Servant;
pub use super::classify::Output;
use super::classify::judge;
use super::command::CommandLine;
use super::orphans;
use crate::host::{ErrorClass, HostError, Progress};

/// What a command is, which decides how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// Only reads: ended soon and given again.
    Read,
    /// Changes something, and may be given twice: ended soon, and sooner the first time than the next.
    Repeatable,
    /// Changes something and must not be given twice.
    Once,
    /// Works for as long as it works (a start, a copy): ended only after a long silence.
    Long,
}

/// The deadlines behind [`Deadline`]; tests have shorter ones.
#[derive(Clone, Debug)]
pub struct Patience {
    /// One for each attempt of a command that only reads.
    pub read: Vec<Duration>,
    /// One for each time that a change is given that may be given twice.
    pub repeatable: Vec<Duration>,
    /// For a change that must not be given twice.
    pub once: Duration,
    /// The longest silence of a long command.
    pub silence: Duration,
    /// Pauses before a command is given again that VirtualBox says it did not begin.
    pub pauses: Vec<Duration>,
    /// From the polite end of a process to the other one.
    pub grace: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = |all: &[u64]| all.iter().copied().map(Duration::from_secs).collect();
        let pauses = [250, 500, 1000, 2000, 4000].map(Duration::from_millis);
        Self {
            // The last one is longer than VirtualBox's own stall.
            read: seconds(&[1, 2, 15]),
            repeatable: seconds(&[1, 2, 60]),
            once: Duration::from_mins(1),
            silence: Duration::from_mins(10),
            pauses: pauses.to_vec(),
            grace: Duration::from_secs(1),
        }
    }
}

/// Sees each command line right before it is spawned.
pub type Trace = Box<dyn Fn(&CommandLine) + Send + Sync>;

/// Runs VBoxManage.
pub struct Runner {
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
    patience: Patience,
    spawned: AtomicU64,
    locale: AtomicUsize,
    cancelled: Mutex<bool>,
    wake: Condvar,
    trace: Option<Trace>,
    /// Changes that were ended at their deadlines, and how often each of them was since it last went well.
    ended: Mutex<HashMap<String, usize>>,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("program", &self.program).finish_non_exhaustive()
    }
}

/// Locales in which VBoxManage speaks English and takes any text. The first one that the system has is used: without one
/// VBoxManage ends with `RTR3Init: VERR_NO_TRANSLATION` on an argument that is not ASCII, before it does anything.
const LOCALES: &[&str] = if cfg!(target_os = "macos") {
    &["en_US.UTF-8", "C.UTF-8"]
} else {
    &["C.UTF-8", "en_US.UTF-8", "en_US.utf8"]
};

fn needs_another_locale(error: &HostError) -> bool {
    matches!(error, HostError::Refused { stderr, .. } if stderr.contains("RTR3Init: VERR_NO_TRANSLATION"))
}

impl Runner {
    /// Runs this program. `environment` holds what the settings say of `VBOX_USER_HOME` and `VBOX_IPC_SOCKETID`.
    pub fn new(program: PathBuf, environment: Vec<(OsString, OsString)>) -> Self {
        Self {
            program,
            environment,
            patience: Patience::default(),
            spawned: AtomicU64::new(0),
            locale: AtomicUsize::new(0),
            cancelled: Mutex::new(false),
            wake: Condvar::new(),
            trace: None,
            ended: Mutex::default(),
        }
    }

    /// The same with other deadlines.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The same, telling someone of every process.
    #[must_use]
    pub fn with_trace(mut self, trace: Trace) -> Self {
        self.trace = Some(trace);
        self
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Its deadlines.
    pub fn patience(&self) -> &Patience {
        &self.patience
    }

    fn count_one(&self) {
        self.spawned.fetch_add(1, Ordering::Relaxed);
    }

    /// How many processes were spawned so far.
    pub fn spawned(&self) -> u64 {
        self.spawned.load(Ordering::Relaxed)
    }

    fn is_cancelled(&self) -> bool {
        *self.cancelled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all waiting, now and later: between attempts, and for long commands, whose work VirtualBox goes on with. Short
    /// commands are left to their end.
    pub fn cancel(&self) {
        *self.cancelled.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_all();
    }

    /// Waits; true where somebody cancelled before or meanwhile.
    pub fn pause(&self, duration: Duration) -> bool {
        let cancelled = self.cancelled.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.wake.wait_timeout_while(cancelled, duration, |cancelled| !*cancelled);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Runs a command that only reads.
    pub fn read<S: Into<String>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<Output, HostError> {
        self.run(&CommandLine::of(arguments), Deadline::Read)
    }

    /// Runs a command. `Ok` means that it ended with status 0 and printed no error, not that it did what it should.
    pub fn run(&self, command: &CommandLine, deadline: Deadline) -> Result<Output, HostError> {
        self.run_with_progress(command, deadline, &|_| {})
    }

    /// The same, passing the percentages on that it prints.
    pub fn run_with_progress(
        &self,
        command: &CommandLine,
        deadline: Deadline,
        progress: Progress<'_>,
    ) -> Result<Output, HostError> {
        self.run_watched(command, deadline, &Watch { progress, sight: None })
    }

    /// Runs a [`Deadline::Long`] command of which `sight` tells how far it is, by the percentage that it printed last. While it gives no sign
    /// of life, it is looked at now and then: one that has done everything is not waited for any longer, and one that has not begun after
    /// twice the first deadline of what may be given twice is ended, with [`HostError::Timeout`].
    pub fn run_in_sight(
        &self,
        command: &CommandLine,
        progress: Progress<'_>,
        sight: &dyn Fn(Option<u8>) -> Sight,
    ) -> Result<Output, HostError> {
        self.run_watched(command, Deadline::Long, &Watch { progress, sight: Some(sight) })
    }

    fn run_watched(
        &self,
        command: &CommandLine,
        deadline: Deadline,
        watch: &Watch<'_>,
    ) -> Result<Output, HostError> {
        fits(command)?;
        let mut pauses = self.patience.pauses.iter();
        loop {
            let outcome = self
                .attempts(command, deadline, watch)
                .and_then(|(status, output)| judge(command, status, output));
            if outcome.as_ref().is_err_and(needs_another_locale)
                && self.locale.fetch_add(1, Ordering::Relaxed) + 1 < LOCALES.len()
            {
                continue;
            }
            let again = matches!(&outcome, Err(error @ HostError::Refused { .. }) if error.class() == ErrorClass::NotExecuted);
            match pauses.next() {
                Some(pause) if again && !self.pause(*pause) => {}
                _ => return outcome,
            }
        }
    }

    /// The usage text of a verb, which VBoxManage prints when it gets nothing else.
    pub fn usage(&self, verb: &str) -> Result<String, HostError> {
        let (_, output) = self.attempts(&CommandLine::of([verb]), Deadline::Read, &Watch::default())?;
        Ok(output.stdout + &output.stderr)
    }

    /// Runs a command until an attempt ends by itself; the status is `None` where a signal ended it.
    fn attempts(
        &self,
        command: &CommandLine,
        deadline: Deadline,
        watch: &Watch<'_>,
    ) -> Result<(Option<i32>, Output), HostError> {
        let limits: &[Duration] = match deadline {
            Deadline::Read => &self.patience.read,
            Deadline::Repeatable => std::slice::from_ref(self.next_limit(command)),
            Deadline::Once => std::slice::from_ref(&self.patience.once),
            Deadline::Long => std::slice::from_ref(&self.patience.silence),
        };
        for limit in limits {
            let mut process = self.spawn(command)?;
            let cancelled = || deadline == Deadline::Long && self.is_cancelled();
            let end = process.wait(*limit, deadline == Deadline::Long, self.soon(), &cancelled, watch);
            match end.map_err(|source| self.failure(source))? {
                End::Status(status) => {
                    self.forget(command);
                    let output = process.output().map_err(|source| self.failure(source))?;
                    return Ok((status.code(), output));
                }
                End::Limit => {
                    process.end(self.patience.grace);
                    if deadline == Deadline::Repeatable {
                        self.remember(command);
                    }
                }
                End::Over => {
                    process.end(self.patience.grace);
                    let output = process.output().map_err(|source| self.failure(source))?;
                    return Ok((Some(0), output));
                }
                End::Asleep(waited) => {
                    process.end(self.patience.grace);
                    let seconds = waited.as_secs();
                    return Err(HostError::Timeout {
                        command: command.to_string(),
                        seconds,
                        harmless: false,
                    });
                }
                End::Cancelled => {
                    process.end(self.patience.grace);
                    return Err(HostError::Cancelled);
                }
                End::Flood => {
                    process.end(self.patience.grace);
                    let detail = format!("more than {} MiB", MAX_OUTPUT >> 20);
                    return Err(HostError::Garbage { command: command.to_string(), detail });
                }
            }
        }
        Err(HostError::Timeout {
            command: command.to_string(),
            seconds: limits.last().map_or(0, Duration::as_secs),
            harmless: deadline == Deadline::Read,
        })
    }

    fn ended(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// By when a command has begun.
    fn soon(&self) -> Duration {
        2 * self.patience.repeatable.first().copied().unwrap_or(self.patience.once)
    }

    /// How long a change may take this time.
    fn next_limit(&self, command: &CommandLine) -> &Duration {
        let times = self.ended().get(&command.to_string()).copied().unwrap_or_default();
        self.patience.repeatable.get(times).unwrap_or(&self.patience.once)
    }

    /// A change was ended. After the longest deadline it begins with the shortest.
    fn remember(&self, command: &CommandLine) {
        let (mut ended, key) = (self.ended(), command.to_string());
        let times = ended.get(&key).copied().unwrap_or_default() + 1;
        if times < self.patience.repeatable.len() {
            ended.insert(key, times);
        } else {
            ended.remove(&key);
        }
    }

    fn forget(&self, command: &CommandLine) {
        let mut ended = self.ended();
        if !ended.is_empty() {
            ended.remove(&command.to_string());
        }
    }

    fn failure(&self, source: io::Error) -> HostError {
        HostError::Spawn { program: self.program.clone(), source }
    }

    fn spawn(&self, command: &CommandLine) -> Result<Process, HostError> {
        if let Some(trace) = &self.trace {
            trace(command);
        }
        self.count_one();
        let start = || -> io::Result<Process> {
            let (stdout, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
            let mut process = self.process(&self.program);
            process.args(command.arguments()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
            if let Some(input) = command.input() {
                // A file that has no name: nobody has to wait until it is read.
                let mut file = tempfile::tempfile()?;
                file.write_all(input.reveal().as_bytes())?;
                file.rewind()?;
                process.stdin(file);
            }
            Ok(Process { child: process.spawn()?, stdout, stderr })
        };
        start().map_err(|source| self.failure(source))
    }

    /// A program of VirtualBox with the locale and environment that all of them get.
    fn process(&self, program: &Path) -> Command {
        #[expect(clippy::disallowed_methods, reason = "this is the room that may")]
        let mut process = Command::new(program);
        process
            .stdin(Stdio::null())
            .env("LC_ALL", LOCALES[self.locale.load(Ordering::Relaxed).min(LOCALES.len() - 1)])
            .env_remove("LANGUAGE")
            .env(orphans::VARIABLE, std::process::id().to_string())
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        detach(&mut process);
        process
    }

    /// Starts VirtualBox's own server and leaves it alone: it ends by itself after its last client.
    pub fn start_server(&self, program: &Path, arguments: &[OsString]) -> Result<Server, HostError> {
        self.count_one();
        let child = self
            .process(program)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| HostError::Spawn { program: program.to_owned(), source })?;
        Ok(Server(child))
    }
}

/// A server that was started here. It is never ended from here.
#[derive(Debug)]
pub struct Server(Child);

impl Server {
    /// Whether it has ended already.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

/// Keeps a terminal's Ctrl-C, which goes to a whole process group, from ending what VirtualBox is doing.
#[cfg(unix)]
fn detach(process: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    process.process_group(0);
}

/// The same on Windows, and no console window.
#[cfg(windows)]
fn detach(process: &mut Command) {
    use std::os::windows::process::CommandExt as _;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    process.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW);
}

/// Refuses what the operating system could not pass on: on Windows 32,767 characters in all, on Linux 128 KiB an argument.
fn fits(command: &CommandLine) -> Result<(), HostError> {
    let too_long = if cfg!(windows) {
        // Every argument may need quotes, and every quote and backslash in it another character.
        let quoted = |text: &str| text.encode_utf16().count() + text.matches(['"', '\\']).count() + 3;
        command.arguments().map(quoted).sum::<usize>() > 32_000
    } else {
        command.arguments().any(|argument| argument.len() >= 128 << 10)
    };
    if too_long {
        return Err(HostError::Unsupported {
            what: format!("passing `{command}`, which is too long for a command line,"),
        });
    }
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
