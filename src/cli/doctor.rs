//! `vboxmcp doctor`

use std::path::{Path, PathBuf};

use clap::Args;

use super::arguments::Permissions;
use super::run::{self, Approval, Question};
use super::session::Session;
use crate::failure::{Exit, Failure};
use crate::ops::{self, Context, DoctorRequest, Verdict};
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
  vboxmcp doctor --fix            disks whose files were moved behind VirtualBox: a plan, as of `apply`
  vboxmcp doctor --fix --out fix.plan && vboxmcp apply --plan fix.plan
  vboxmcp doctor --fix copy.vdi   a copy of a disk gets a UUID of its own
  vboxmcp doctor --verify-read    after an upgrade of VirtualBox, or when a plan looks wrong
  vboxmcp doctor -o json | jq '.report.checks[] | select(.verdict != \"good\")'")]
pub struct Arguments {
    /// Compare every machine that is off with what VirtualBox says of it, about 40 ms each
    #[arg(long)]
    pub verify_read: bool,
    /// Plan what puts the stack's own disks right whose registry and files do not agree, show it, ask, do it; deletes no file
    ///
    /// With a file: what lets VirtualBox take that file. A copy of a registered disk gets a UUID of its own, and a file that lies in the
    /// place of a registered disk gets the UUID of that disk. Nothing else of the file changes.
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    #[allow(clippy::option_option, reason = "an option whose value may be left out, as clap has it")]
    pub fix: Option<Option<PathBuf>>,
    /// Keep that plan in a file for `apply --plan`, and do nothing
    #[arg(long, value_name = "FILE", requires = "fix")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub approval: Approval,
    #[command(flatten)]
    pub permissions: Permissions,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let context = session.context()?;
    if let Some(file) = &arguments.fix {
        return fix(session, &context, file.as_deref(), arguments);
    }
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

fn fix(
    session: &Session,
    context: &Context,
    file: Option<&Path>,
    arguments: &Arguments,
) -> Result<Exit, Failure> {
    let plan = || ops::repair(context, file);
    let Some(path) = &arguments.out else {
        return run::consented(session, context, &arguments.approval, Question::Plan, &plan);
    };
    let response = plan()?;
    super::plan::print(session, &response.plan)?;
    super::plan::keep(session, &response.plan, path)?;
    Ok(if response.plan.refusals.is_empty() { Exit::Done } else { Exit::Refused })
}
