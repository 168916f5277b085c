//! One VBoxManage while it runs: how far it is, and when it is not waited for any longer.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use super::Output;
use crate::host::Progress;

/// Longest output that is read: nothing that VirtualBox prints comes near it.
pub const MAX_OUTPUT: u64 = 64 << 20;

/// How far a command is, by what there is to see of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Nothing of it is to be seen.
    NotBegun,
    /// It is at work, or nobody can tell.
    Begun,
    /// All that it was to do is done.
    Over,
}

/// After this much silence a command is looked at for the first time, and then after twice as much. Most take a tenth of it.
const GLANCE: Duration = Duration::from_millis(200);

/// What is looked at while a command runs.
pub struct Watch<'a> {
    /// Takes the percentages that it prints.
    pub progress: Progress<'a>,
    /// Tells how far it is, by the percentage that it printed last.
    pub sight: Option<&'a dyn Fn(Option<u8>) -> Sight>,
}

impl Default for Watch<'_> {
    fn default() -> Self {
        Self { progress: &|_| {}, sight: None }
    }
}

/// Why waiting ended.
pub enum End {
    /// It ended by itself.
    Status(ExitStatus),
    /// The limit.
    Limit,
    /// It has not begun in this time.
    Asleep(Duration),
    /// It has done everything.
    Over,
    /// Somebody cancelled.
    Cancelled,
    /// It prints without end.
    Flood,
}

/// A VBoxManage that runs.
pub struct Process {
    /// It.
    pub child: Child,
    /// Its standard output, in a file without a name.
    pub stdout: File,
    /// Its standard error, the same.
    pub stderr: File,
}

impl Process {
    /// Waits for the end or the limit. With `renewed` every sign of life moves the limit.
    pub fn wait(
        &mut self,
        limit: Duration,
        renewed: bool,
        soon: Duration,
        cancelled: &dyn Fn() -> bool,
        watch: &Watch<'_>,
    ) -> io::Result<End> {
        let started = Instant::now();
        let mut since = started;
        let mut seen = 0;
        let mut percent = None;
        let mut look = GLANCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(End::Status(status));
            }
            let length = self.stderr.metadata()?.len();
            let written = length + self.stdout.metadata()?.len();
            if written > MAX_OUTPUT {
                return Ok(End::Flood);
            }
            if written > seen {
                seen = written;
                look = GLANCE;
                if renewed {
                    since = Instant::now();
                }
                let now = last_percent(&tail(&self.stderr, length)?);
                if let Some(now) = now.filter(|_| now != percent) {
                    percent = Some(now);
                    (watch.progress)(now);
                }
            }
            if let Some(sight) = watch.sight.filter(|_| since.elapsed() >= look) {
                match sight(percent) {
                    Sight::Over => return Ok(End::Over),
                    Sight::NotBegun if started.elapsed() >= soon => {
                        return Ok(End::Asleep(started.elapsed()));
                    }
                    Sight::NotBegun | Sight::Begun => look *= 2,
                }
            }
            if since.elapsed() >= limit {
                return Ok(End::Limit);
            }
            if cancelled() {
                return Ok(End::Cancelled);
            }
            // Most commands end after 30 ms: those are looked at often, the others seldom.
            let is_young = started.elapsed() < Duration::from_millis(200);
            std::thread::sleep(if is_young { Duration::from_micros(250) } else { Duration::from_millis(10) });
        }
    }

    /// What it printed, after its end.
    pub fn output(mut self) -> io::Result<Output> {
        Ok(Output { stdout: text(&mut self.stdout)?, stderr: text(&mut self.stderr)? })
    }

    /// Ends it: politely, and if that does not help in time, for good.
    pub fn end(&mut self, grace: Duration) {
        terminate(&mut self.child);
        let end = Instant::now() + grace;
        while Instant::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        // An error means that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks a child to end. It was not waited for yet, so that its id is still its own.
#[cfg(unix)]
fn terminate(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process};
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // An error means that it has ended.
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// There is no polite way on Windows.
#[cfg(windows)]
fn terminate(child: &mut Child) {
    let _ = child.kill();
}

fn text(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(MAX_OUTPUT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
}

/// The last bytes of a file that another process writes. The position is shared with the writer, so that it must be
/// moved by nobody: unix reads at a place, Windows does without.
#[cfg(unix)]
fn tail(file: &File, length: u64) -> io::Result<Vec<u8>> {
    use std::os::unix::fs::FileExt as _;
    let mut bytes = vec![0; 64];
    let read = file.read_at(&mut bytes, length.saturating_sub(64))?;
    bytes.truncate(read);
    Ok(bytes)
}

#[cfg(windows)]
#[allow(clippy::unnecessary_wraps, reason = "the same signature as elsewhere")]
fn tail(_: &File, _: u64) -> io::Result<Vec<u8>> {
    Ok(Vec::new())
}

/// The last number of `0%...10%...20%...`.
fn last_percent(bytes: &[u8]) -> Option<u8> {
    let text = String::from_utf8_lossy(bytes);
    let before = &text[..text.rfind('%')?];
    let start = before.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    before[start..].parse().ok().filter(|percent| *percent <= 100)
}
