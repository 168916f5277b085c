//! `vboxmcp doctor`

use clap::Args;

use super::session::Session;
use crate::failure::{Exit, Failure};
use crate::ops::{self, DoctorRequest, Verdict};
use crate::render::doctor::{write_doctor, write_doctor_json};

/// Look whether everything that an apply needs is there and well.
///
/// Which VBoxManage and which VirtualBox home are used, whether VirtualBox answers and has its kernel driver, extension packs, room and
/// writable folders, whether machines are read as VirtualBox tells them (a few of them are compared), what cannot be read and why, clones
/// and lost marks, stacks whose last run was cut short, who holds the lock. Changes nothing. Exits with 10 where VirtualBox is
/// missing or does not answer, with 1 where an apply would fail for another reason.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp doctor
  vboxmcp doctor --verify-read    after an upgrade of VirtualBox, or when a plan looks wrong
  vboxmcp doctor -o json | jq '.report.checks[] | select(.verdict != \"good\")'")]
pub struct Arguments {
    /// Compare every machine that is off with what VirtualBox says of it, about 40 ms each
    #[arg(long)]
    pub verify_read: bool,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let context = session.context()?;
    let report = ops::doctor(&context, DoctorRequest { verify_all: arguments.verify_read });
    session.print(|out, view| {
        if session.is_json() { write_doctor_json(out, &report) } else { write_doctor(out, &report, view) }
    })?;
    Ok(match report.verdict() {
        Verdict::Bad if report.unreachable => Exit::Unreachable,
        Verdict::Bad => Exit::Error,
        Verdict::Good | Verdict::Warning => Exit::Done,
    })
}
