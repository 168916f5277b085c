//! The process that another vboxmcp starts to drive VirtualBox by its own interface. Nobody calls it by hand.

use std::io;

use super::session::Session;
use crate::failure::{Exit, Failure};
use crate::ops;

pub fn run(session: &Session) -> Result<Exit, Failure> {
    let answers = answers()?;
    ops::native_helper(&session.environment, io::stdin().lock(), answers)?;
    Ok(Exit::Done)
}

/// Standard output, which nobody else in this process can reach from here on: VirtualBox's libraries may print, and would break a
/// document.
#[cfg(unix)]
fn answers() -> io::Result<impl io::Write> {
    let answers = rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok(std::fs::File::from(answers))
}

/// There are no libraries of VirtualBox that would print.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as elsewhere")]
fn answers() -> io::Result<impl io::Write> {
    Ok(io::stdout())
}
