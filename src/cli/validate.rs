//! `vboxmcp validate`

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::print_json;
use super::session::{Session, manifests};
use crate::failure::{Exit, Failure};
use crate::manifest::diagnostic::Record;
use crate::ops;
use crate::render::text::{count, printable};

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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    r#type: &'static str,
    version: u32,
    stack: String,
    objects: Vec<String>,
    unsupported: Vec<String>,
    diagnostics: Vec<Record>,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let response = ops::validate(&manifests(&arguments.paths)?, &session.settings, &session.environment)?;
    session.findings(&response.findings)?;
    if session.is_json() {
        print_json(&Document {
            r#type: "validation",
            version: 1,
            stack: response.stack,
            objects: response.objects.iter().map(ToString::to_string).collect(),
            unsupported: response.unsupported,
            diagnostics: response.findings.records(),
        })?;
        return Ok(Exit::Done);
    }
    session.print(|out, view| {
        let s = &view.styles;
        for word in &response.unsupported {
            writeln!(out, "{}not supported yet:{:#} {}", s.note, s.note, printable(word))?;
        }
        let objects = count(response.objects.len(), "machine");
        writeln!(out, "{}valid:{:#} stack {}, {objects}", s.add, s.add, printable(&response.stack))
    })?;
    Ok(Exit::Done)
}
