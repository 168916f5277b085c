//! `vboxmcp runs`

use clap::{Args, Subcommand};

use super::run::{self, Approval, Question};
use super::session::{self, Session};
use crate::failure::{Exit, Failure};
use crate::ops::{Chain, runs};
use crate::render::runs::{
    write_run, write_run_json, write_runs, write_runs_json, write_verified, write_verified_json,
};

/// Show what was done on this host, and go on with a run that did not come to its end.
///
/// Every run keeps a journal: who ran which plan, what was about to happen, what came of it, and the values that were there before. Its
/// lines are chained by their hashes. No journal is needed to go on: that plans again from what is there.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp runs list                       the latest runs, newest first
  vboxmcp runs show latest                what the last one did, step by step
  vboxmcp runs resume latest              go on with it
  vboxmcp runs verify                     whether the journals are as they were written
  vboxmcp runs list -o json -n 0 | jq '.runs[] | select(.state == \"died\") | .id'")]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub enum What {
    /// List runs, newest first: done, partly, failed, cancelled, died, running, broken
    List {
        /// How many; 0 for all
        #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Show the steps of a run, how they ended and what was there before
    Show {
        /// Its id, the beginning of one, or `latest`
        #[arg(value_name = "RUN", default_value = "latest")]
        run: String,
    },
    /// Check that journals are as they were written
    Verify {
        /// An id, the beginning of one, or `latest` [default: all]
        #[arg(value_name = "RUN")]
        run: Option<String>,
    },
    Resume(ResumeArguments),
}

/// Plan again from what a run was made from, and go on.
///
/// Does not ask where every step that is left is one of the plan that was consented to; shows the plan and asks otherwise. Permissions,
/// limits and variables are those of the run; a sensitive variable must be set again.
#[derive(Args, Debug)]
pub struct ResumeArguments {
    /// Its id, the beginning of one, or `latest`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// The stack's name, where a destroy asks for it and nobody can be asked
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    #[command(flatten)]
    pub approval: Approval,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let context = session.context()?;
    match &arguments.what {
        What::List { limit } => {
            let rows = runs::list(&context, Some(*limit).filter(|limit| *limit > 0))?;
            session.print(|out, view| {
                if session.is_json() { write_runs_json(out, &rows) } else { write_runs(out, &rows, view) }
            })?;
            Ok(Exit::Done)
        }
        What::Show { run } => {
            let report = runs::show(&context, run)?;
            session.print(|out, view| {
                if session.is_json() { write_run_json(out, &report) } else { write_run(out, &report, view) }
            })?;
            Ok(Exit::Done)
        }
        What::Verify { run } => {
            let verified = runs::verify(&context, run.as_deref())?;
            session.print(|out, view| {
                if session.is_json() {
                    write_verified_json(out, &verified)
                } else {
                    write_verified(out, &verified, view)
                }
            })?;
            let is_broken = verified.iter().any(|one| matches!(one.chain, Chain::Broken { .. }));
            Ok(if is_broken { Exit::Error } else { Exit::Done })
        }
        What::Resume(arguments) => {
            let resume = runs::resume(&context, &arguments.run, session::stdin)?;
            let question = Question::Resume(&resume, arguments.confirm.as_deref());
            run::consented(session, &resume.context, &arguments.approval, question, &|| resume.plan())
        }
    }
}
