//! `vboxmcp snapshot`

use clap::Args;

use super::arguments::Permissions;
use super::run::{self, Approval, Question};
use super::session::Session;
use crate::failure::{Exit, Failure};
use crate::model::Pattern;
use crate::ops::{self, NewSnapshot, SnapshotRequest};

/// Take a snapshot of machines
///
/// One of the same name on each of them; a guest that runs goes on running. It is nobody's declaration: it stays until somebody deletes
/// it. A snapshot that is to be there on every host is a `Snapshot` document, which `apply` takes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp snapshot before-upgrade db              show the plan, ask, do it
  vboxmcp snapshot clean 'web-*' db --yes         one point over several machines")]
pub struct Arguments {
    /// The name of the new snapshot
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Machines that vboxmcp owns: vm/NAME, NAME, or a pattern like `web-*`
    #[arg(value_name = "MACHINE", required = true)]
    pub machines: Vec<Pattern>,
    /// Free text
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub description: String,
    #[command(flatten)]
    pub approval: Approval,
    #[command(flatten)]
    pub permissions: Permissions,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let context = session.context()?;
    let request = SnapshotRequest {
        snapshot: NewSnapshot {
            name: arguments.name.clone(),
            description: arguments.description.clone(),
            goes_on: false,
        },
        machines: arguments.machines.clone(),
    };
    let plan = || ops::snapshot(&context, &request);
    run::consented(session, &context, &arguments.approval, Question::Plan, &plan)
}
