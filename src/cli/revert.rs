//! `vboxmcp revert`

use std::path::PathBuf;

use clap::Args;

use super::arguments::Permissions;
use super::run::{self, Approval, Question};
use super::session::{Session, manifests};
use crate::failure::{Exit, Failure};
use crate::model::Pattern;
use crate::ops::{self, RevertRequest};

/// Go back to a snapshot
///
/// VirtualBox brings back all of a machine's hardware, its disks and, where the snapshot was taken while the guest ran, the guest's state.
/// What the manifests declare of the machine by now is applied again in the same plan. What was written since is lost: that takes
/// `--allow revert`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp revert clean                                every machine that has the snapshot
  vboxmcp revert clean 'web-*' --allow revert         some of them
  vboxmcp revert clean db --allow revert,downtime     a guest that runs is switched off")]
pub struct Arguments {
    /// The name of the snapshot
    #[arg(value_name = "SNAPSHOT")]
    pub snapshot: String,
    /// Machines that vboxmcp owns: vm/NAME, NAME, or a pattern like `web-*`; all that have the snapshot where none is given
    #[arg(value_name = "MACHINE")]
    pub machines: Vec<Pattern>,
    /// Manifests that are applied again: files, directories, `-`
    #[arg(short = 'f', long = "file", value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub approval: Approval,
    #[command(flatten)]
    pub permissions: Permissions,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let context = session.context()?;
    let request = RevertRequest {
        manifests: manifests(&arguments.paths)?,
        snapshot: arguments.snapshot.clone(),
        machines: arguments.machines.clone(),
        ..RevertRequest::default()
    };
    let plan = || ops::revert(&context, &request);
    run::consented(session, &context, &arguments.approval, Question::Plan, &plan)
}
