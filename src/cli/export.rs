//! `vboxmcp export`

use clap::Args;

use super::arguments::Recorded;
use super::session::Session;
use crate::failure::{Exit, Failure};
use crate::ops::{self, ExportRequest};
use crate::render::export::{write_export, write_export_json, write_notes};

/// Write the manifest of machines that are there.
///
/// Writes what a person would have written: what a new machine gets anyway is left out, what the language cannot say yet is a comment.
/// After `adopt`, the plan of an exported manifest is empty. Changes nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp export vm/web > web.yaml            one machine; then `vboxmcp adopt vm/web -f web.yaml`
  vboxmcp export --all --stack lab > lab.yaml all machines, with a Stack document")]
#[group(id = "what", required = true, multiple = false)]
pub struct Arguments {
    /// Machines: vm/NAME, NAME or UUID
    #[arg(value_name = "MACHINE", group = "what")]
    pub machines: Vec<String>,
    /// All machines
    #[arg(long, group = "what")]
    pub all: bool,
    #[command(flatten)]
    pub recorded: Recorded,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let context = session.context()?;
    let stack = session.settings.stack.clone().filter(|_| session.settings.stack_typed);
    let exported = ops::export(&context, &ExportRequest { select: arguments.machines.clone(), stack })?;
    session.print(|out, _| {
        if session.is_json() { write_export_json(out, &exported) } else { write_export(out, &exported) }
    })?;
    if !session.is_json() && !session.settings.quiet {
        write_notes(&mut std::io::stderr().lock(), &exported, &session.err)?;
    }
    Ok(Exit::Done)
}
