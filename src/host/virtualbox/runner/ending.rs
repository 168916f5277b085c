//! Waiting for the end of a child without missing a request to stop.

use std::process::Child;
use std::time::Duration;

/// How often is looked whether something else has happened.
const MOMENT: Duration = Duration::from_millis(10);

/// A child whose end is waited for.
#[derive(Debug)]
pub struct Ending(#[cfg(target_os = "linux")] Option<std::os::fd::OwnedFd>);

impl Ending {
    /// Waits for a child that was not waited for yet.
    #[cfg(target_os = "linux")]
    pub fn of(child: &Child) -> Self {
        use rustix::process::{Pid, PidfdFlags, pidfd_open};
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Self(pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()))
    }

    /// Waits for a child that was not waited for yet.
    #[cfg(not(target_os = "linux"))]
    pub fn of(_: &Child) -> Self {
        Self()
    }

    /// Waits until the child has ended, or for a moment. `since` is how long it runs already.
    pub fn pause(&self, since: Duration) {
        if !self.polled() {
            // Most commands end after 30 ms: those are looked at often, the others seldom.
            let often = since < Duration::from_millis(200);
            std::thread::sleep(if often { Duration::from_millis(1) } else { MOMENT });
        }
    }

    /// Whether the system could wait for it: Linux from 5.3 on.
    #[cfg(target_os = "linux")]
    fn polled(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        use rustix::io::Errno;
        let (Some(process), Ok(moment)) = (&self.0, Timespec::try_from(MOMENT)) else { return false };
        let polled = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&moment));
        matches!(polled, Ok(_) | Err(Errno::INTR))
    }

    #[cfg(not(target_os = "linux"))]
    fn polled(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::Ending;

    #[test]
    #[cfg(target_os = "linux")]
    #[expect(clippy::disallowed_methods, reason = "a child to wait for")]
    fn it_is_over_with_the_child_and_after_a_moment() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let ending = Ending::of(&child);
        assert!(ending.polled(), "Linux can");
        let begun = Instant::now();
        ending.pause(Duration::ZERO);
        assert!(child.try_wait().unwrap().is_none() && begun.elapsed() >= super::MOMENT);
        drop(child.stdin.take());
        while child.try_wait().unwrap().is_none() {
            ending.pause(Duration::ZERO);
        }
        // Of one that has ended nothing is waited for.
        let begun = Instant::now();
        for _ in 0..100 {
            ending.pause(Duration::ZERO);
        }
        assert!(begun.elapsed() < 50 * super::MOMENT, "{:?}", begun.elapsed());
    }
}
