//! `vboxmcp watch`

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::arguments::{Permissions, Prune, Select};
use super::plan::print;
use super::run::listen;
use super::session::{Session, chosen};
use crate::config::Overrides;
use crate::failure::{Exit, Failure, Kind};
use crate::ops::{self, Cancel, Changed, Context, PlanRequest, Watch};
use crate::render::text::printable;

/// Plan again whenever the manifests or the host change
///
/// Changes nothing. A plan is written when it is another one than the last; a manifest that is wrong for a while is told and waited
/// for. Ctrl-C ends it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp watch lab.yaml              while the manifest is written
  vboxmcp watch -o json | jq .hash    one line for each plan")]
pub struct Arguments {
    /// Files and directories
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
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

/// How long a signal may have to wait.
const TICK: Duration = Duration::from_millis(200);

/// What was said last: a plan by its hash, or a failure by its text.
#[derive(PartialEq)]
enum Said {
    Plan(String),
    Failure(String),
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let manifests = chosen(&arguments.paths, &arguments.select)?;
    if manifests.stdin.is_some() {
        return Err(
            Failure::new(Kind::Usage, "standard input cannot be watched").hint("name a file or a directory")
        );
    }
    let context = Context { memory: ops::Memory::lasting(), ..session.context()? };
    context.host.stay();
    let request = PlanRequest { manifests };
    let cancel = Cancel::default();
    listen(&cancel)?;
    let mut watch = Watch::new()?;
    watch.follow(&context, Some(&request.manifests))?;
    let mut last = None;
    show(session, &context, &request, &mut last, None)?;
    while !cancel.is_requested() {
        let Some(changed) = watch.wait(TICK)? else { continue };
        // Machines that came take their folders along; one that cannot be followed yet comes with the next change.
        let followed = watch.follow(&context, Some(&request.manifests));
        show(session, &context, &request, &mut last, Some(&changed))?;
        followed?;
    }
    Ok(Exit::Done)
}

/// Plans, and says what is new.
fn show(
    session: &Session,
    context: &Context,
    request: &PlanRequest,
    last: &mut Option<Said>,
    changed: Option<&Changed>,
) -> Result<(), Failure> {
    let because = || {
        if let Some(changed) = changed {
            let names: Vec<String> =
                changed.files.iter().take(3).map(|path| path.display().to_string()).collect();
            session.status(&printable(&format!("{}: {} changed", ops::timestamp(), names.join(", "))));
        }
    };
    match ops::plan(context, request) {
        Ok(response) => {
            let said = Some(Said::Plan(response.plan.hash.clone()));
            if *last == said {
                return Ok(());
            }
            because();
            session.findings(&response.findings)?;
            if changed.is_some() && !session.is_json() {
                session.print(|out, _| writeln!(out))?;
            }
            print(session, &response.plan)?;
            *last = said;
        }
        Err(failure) if failure.kind == Kind::BrokenPipe => return Err(failure),
        Err(failure) => {
            let said = Some(Said::Failure(failure.to_string()));
            if *last == said {
                return Ok(());
            }
            because();
            session.fail(&failure);
            *last = said;
        }
    }
    Ok(())
}
