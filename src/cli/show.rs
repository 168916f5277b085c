//! `vboxmcp show`

use std::path::{Path, PathBuf};

use clap::Args;

use super::session::{Session, stdin};
use crate::failure::{Exit, Failure, Kind};
use crate::ops;
use crate::render::text::printable;

/// Show a plan that was kept in a file.
///
/// Shows it as `plan` did, says for which host it is, and whether it is whole: the hash must be that of its content. A plan that was changed after
/// it was made is shown all the same, and then refused (4), as `apply --plan` would. Reads no host.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp show lab.plan                   what `apply --plan lab.plan` would do
  vboxmcp show lab.plan -o markdown       a comment for its review
  vboxmcp show lab.plan -o commands       the VBoxManage lines that would do it
  vboxmcp show lab.plan -o json | jq -r '.steps[].action.do'")]
pub struct Arguments {
    /// The file, or `-` for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let bytes = if arguments.file == Path::new("-") { stdin()? } else { read(session, &arguments.file)? };
    let plan = ops::saved::parse(&bytes)?;
    super::plan::print(session, &plan)?;
    ops::saved::check(&plan)?;
    session.status(&printable(&format!(
        "whole: the hash is that of its content; for host {} {}, made by vboxmcp {}",
        plan.host.kind,
        plan.host.home.display(),
        plan.tool_version
    )));
    Ok(if plan.refusals.is_empty() { Exit::Done } else { Exit::Refused })
}

/// The bytes of a plan's file.
pub fn read(session: &Session, file: &Path) -> Result<Vec<u8>, Failure> {
    let path = session.environment.directory.join(file);
    std::fs::read(&path).map_err(|error| {
        Failure::new(Kind::Usage, format!("cannot read the plan {}: {error}", path.display()))
    })
}
