//! `vboxmcp plan`

use std::path::{Path, PathBuf};

use clap::Args;

use super::arguments::{Permissions, Prune, Recorded, Select};
use super::session::{Session, chosen};
use crate::config::{Output, Overrides};
use crate::failure::{Exit, Failure, Kind};
use crate::ops::{self, Plan, PlanRequest};
use crate::render::plan::{write_commands, write_plan, write_plan_json, write_plan_markdown, write_refusals};
use crate::render::text::printable;

/// Show what apply would do.
///
/// Compares the manifests with what VirtualBox really has and changes nothing. Each difference says whether the declaration moved or the
/// host did (drift), each object what is endangered; what is not permitted is blocked, with the flag that
/// would permit it. The same host and manifests give the same plan and the same hash.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp plan lab.yaml                          what would be done
  vboxmcp plan --allow downtime,power-cut        with more permitted
  vboxmcp plan --target 'web-*' -l zone=a        some of the declared objects, with what they need
  vboxmcp plan --detailed-exitcode               exit code 2 where there is something to do
  vboxmcp plan -o json | jq .hash                the hash that `apply --plan-hash` takes
  vboxmcp plan --out lab.plan                    keep it; `vboxmcp apply --plan lab.plan` runs it
  vboxmcp plan -o markdown > comment.md          for the review of a pull request
  vboxmcp plan -o commands                       the VBoxManage lines that would do it
  vboxmcp plan --inventory host.json             without the host: what `vboxmcp inventory` wrote there")]
pub struct Arguments {
    /// Files, directories, `-` for standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Exit with 2 where there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Keep the plan in a file for `apply --plan`; it holds no secrets
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub recorded: Recorded,
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
        self.recorded.add_to(overrides);
        self.permissions.add_to(overrides);
        self.prune.add_to(overrides);
    }
}

/// Writes a plan in the form that is asked for.
pub fn print(session: &Session, plan: &Plan) -> Result<(), Failure> {
    session.print(|out, view| match session.settings.output {
        Output::Json => write_plan_json(out, plan),
        Output::Markdown => write_plan_markdown(out, plan),
        Output::Commands => write_commands(out, plan, &ops::script(plan, ops::Shell::HERE)),
        _ => {
            write_plan(out, plan, view)?;
            write_refusals(out, plan, view)
        }
    })
}

/// Keeps a plan in a file for `apply --plan`.
pub fn keep(session: &Session, plan: &Plan, path: &Path) -> Result<(), Failure> {
    let path = session.environment.directory.join(path);
    std::fs::write(&path, ops::saved::to_bytes(plan)).map_err(|error| {
        Failure::new(Kind::Other, format!("cannot write the plan to {}: {error}", path.display()))
    })?;
    session
        .status(&format!("kept in {0}: `vboxmcp apply --plan {0}`", printable(&path.display().to_string())));
    Ok(())
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let context = session.context()?;
    let request = PlanRequest { manifests: chosen(&arguments.paths, &arguments.select)? };
    // The text of a plan with nothing to do does not show its hash.
    let is_only_shown = session.settings.output == Output::Text && arguments.out.is_none();
    let response =
        if is_only_shown { ops::plan_to_show(&context, &request)? } else { ops::plan(&context, &request)? };
    session.findings(&response.findings)?;
    let plan = &response.plan;
    print(session, plan)?;
    if let Some(path) = &arguments.out {
        keep(session, plan, path)?;
    }
    let exit = match plan.is_empty() {
        // A plan that may not run is shown all the same, and scripts must not take it for an empty one.
        _ if !plan.refusals.is_empty() => Exit::Refused,
        false if arguments.detailed_exitcode => Exit::Changes,
        _ => Exit::Done,
    };
    // The program ends: to take thousands of machines apart first would be an eighth of its time (measured).
    std::mem::forget(response);
    Ok(exit)
}
