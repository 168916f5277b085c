//! `vboxmcp destroy`

use std::path::PathBuf;

use clap::Args;

use super::arguments::{Permissions, Select};
use super::run::{self, Approval, Question};
use super::session::{Session, chosen};
use crate::failure::{Exit, Failure};
use crate::ops::{self, DestroyOptions, DestroyRequest};

/// Remove what the manifests declare.
///
/// Deletes objects that say `onRemove: delete`, and with `--all` the others too; without it they are kept and no longer managed. Nothing that
/// vboxmcp does not own is touched, a protected object refuses the whole (5), and deleting needs its permissions
/// like any plan. The stack's name must be typed, or given with `--confirm`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp destroy lab.yaml                                       show what would go, ask for the stack's name
  vboxmcp destroy lab.yaml --all --allow destroy-data            everything, if nothing runs
  vboxmcp destroy lab.yaml --target 'web-*'                      some of it, and nothing that it needs
  vboxmcp destroy lab.yaml --all --allow downtime,power-cut,destroy-data --confirm shop
                                                                 in a script")]
pub struct Arguments {
    /// Files, directories, `-` for standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Delete also what says `onRemove: keep`, which is the default
    #[arg(long)]
    pub all: bool,
    /// The stack's name, where nobody can be asked for it
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    #[command(flatten)]
    pub select: Select,
    #[command(flatten)]
    pub approval: Approval,
    #[command(flatten)]
    pub permissions: Permissions,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let context = session.context()?;
    let request = DestroyRequest {
        manifests: chosen(&arguments.paths, &arguments.select)?,
        options: DestroyOptions { all: arguments.all },
    };
    let plan = || ops::destroy(&context, &request);
    let question = Question::Stack(arguments.confirm.as_deref());
    run::consented(session, &context, &arguments.approval, question, &plan)
}
