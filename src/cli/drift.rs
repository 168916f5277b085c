//! `vboxmcp drift`

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::print_json;
use super::session::{Session, manifests};
use crate::diff::{FieldDifference, Finding};
use crate::failure::{Exit, Failure};
use crate::model::Address;
use crate::ops::{self, PlanRequest};
use crate::render::drift::write_drift;

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
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    r#type: &'static str,
    version: u32,
    drift: bool,
    objects: Vec<Drifted<'a>>,
    lost: &'a [Address],
    pending: usize,
    notes: &'a [Finding],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Drifted<'a> {
    address: &'a Address,
    fields: &'a [FieldDifference],
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let context = session.context()?;
    let request = PlanRequest { manifests: manifests(&arguments.paths)? };
    let report = ops::drift(&context, &request)?;
    session.findings(&report.response.findings)?;
    if session.is_json() {
        print_json(&Document {
            r#type: "drift",
            version: 1,
            drift: report.has_drift(),
            objects: report.drifted.iter().map(|(address, fields)| Drifted { address, fields }).collect(),
            lost: &report.lost,
            pending: report.pending,
            notes: report.notes(),
        })?;
    } else {
        session.print(|out, view| write_drift(out, &report, view))?;
    }
    Ok(if report.has_drift() { Exit::Drift } else { Exit::Done })
}
