//! `vboxmcp validate`

use std::path::PathBuf;

use clap::Args;

use super::session::{Session, manifests};
use crate::failure::{Exit, Failure};
use crate::ops;
use crate::render::validation::{write_validation, write_validation_json};

/// Check manifests without a host.
///
/// Finds all mistakes of a run at once: unknown keys, wrong units, dangling references, names and ports that are used twice, each with its
/// line, through variables, defaults and replicas. Needs no VirtualBox. Words of the language that this version
/// cannot apply yet are valid, and listed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp validate                       what vboxmcp.toml names, else this directory
  vboxmcp validate lab/ --var count=3    a directory, with a variable
  generate | vboxmcp validate -          standard input
  vboxmcp validate lab.yaml -o json      for programs")]
pub struct Arguments {
    /// Files, directories, `-` for standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let response = ops::validate(&manifests(&arguments.paths)?, &session.settings, &session.environment)?;
    session.findings(&response.findings)?;
    session.print(|out, view| {
        if session.is_json() {
            write_validation_json(out, &response)
        } else {
            write_validation(out, &response, view)
        }
    })?;
    Ok(Exit::Done)
}
