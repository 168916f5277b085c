//! `vboxmcp drift`

use std::path::PathBuf;

use clap::Args;

use super::arguments::{Recorded, Select};
use super::session::{Session, chosen};
use crate::failure::{Exit, Failure};
use crate::ops::{self, PlanRequest};
use crate::render::drift::{write_drift, write_drift_json};

/// Show what somebody else changed since the last apply.
///
/// Drift is where VirtualBox moved and the declaration did not; what the manifests newly ask for is no drift. Cannot change anything, and
/// exits with 3 where there is drift.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp drift lab.yaml                 what was applied, and what is there now
  vboxmcp drift -o json || mail-ops      in a nightly job: 0 no drift, 3 drift, anything else an error")]
pub struct Arguments {
    /// Files, directories, `-` for standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub recorded: Recorded,
    #[command(flatten)]
    pub select: Select,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let context = session.context()?;
    let request = PlanRequest { manifests: chosen(&arguments.paths, &arguments.select)? };
    let report = ops::drift(&context, &request)?;
    session.findings(&report.response.findings)?;
    session.print(|out, view| {
        if session.is_json() { write_drift_json(out, &report) } else { write_drift(out, &report, view) }
    })?;
    Ok(if report.has_drift() { Exit::Drift } else { Exit::Done })
}
