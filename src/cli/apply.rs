//! `vboxmcp apply`

use std::path::PathBuf;

use clap::Args;

use super::arguments::{Permissions, Prune, Select};
use super::run::{self, Approval, Question};
use super::session::{Session, chosen};
use crate::config::Overrides;
use crate::failure::{Exit, Failure};
use crate::ops::{self, PlanRequest};

/// Make VirtualBox match the manifests.
///
/// Plans, shows the plan, asks, then does it and reads every effect back. Without a terminal it needs `--yes`, or `--plan-hash` to apply
/// only the plan that somebody has seen: where the host or the manifests have moved since, it is refused (4)
/// before the first action. What is not permitted is left undone (11). Ctrl-C finishes the running steps and
/// stops; apply again to go on.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp apply lab.yaml                             show the plan, ask, do it
  vboxmcp apply lab.yaml --yes --allow downtime      in a script; guests may be restarted
  vboxmcp apply lab.yaml --plan-hash 8d0f…           only the plan that was shown
  vboxmcp apply lab.yaml --target web-1              one machine, and what it needs
  vboxmcp apply --plan lab.plan                      a plan that was kept with `plan --out`
  vboxmcp apply lab.yaml --host sim:demo --yes       on a simulated VirtualBox, kept in ./demo")]
pub struct Arguments {
    /// Files, directories, `-` for standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Run a plan that `plan --out` kept, if nothing that it was made from has moved; does not ask
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "paths", "target", "exclude", "labels", "allow", "all_or_nothing", "max_destroy_data", "max_downtime", "prune", "max_prune",
    ])]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub approval: Approval,
    #[command(flatten)]
    pub select: Select,
    #[command(flatten)]
    pub permissions: Permissions,
    #[command(flatten)]
    pub prune: Prune,
}

impl Arguments {
    /// Puts permissions into what the configuration reads.
    pub fn add_to(&self, overrides: &mut Overrides) {
        self.permissions.add_to(overrides);
        self.prune.add_to(overrides);
    }
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let context = session.context()?;
    if let Some(path) = &arguments.plan {
        let bytes = super::show::read(session, path)?;
        return run::saved(session, &context, &arguments.approval, &ops::saved::from_bytes(&bytes)?);
    }
    let request = PlanRequest { manifests: chosen(&arguments.paths, &arguments.select)? };
    let plan = || ops::plan(&context, &request);
    run::consented(session, &context, &arguments.approval, Question::Plan, &plan)
}
