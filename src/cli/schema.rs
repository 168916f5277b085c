//! `vboxmcp schema`

use clap::Args;

use super::session::Session;
use crate::failure::{Exit, Failure};
use crate::render::schema::SchemaOf;

/// Print a JSON Schema.
///
/// Of the manifests, for editors and checks; or of what programs read: plans, inventories, and the lines of `apply -o json`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp schema > vboxmcp.schema.json     of the manifests
  vboxmcp schema plan                      of `plan -o json` and of plan files
  vboxmcp schema inventory                 of `inventory`
  vboxmcp schema events                    of each line of `apply -o json`")]
pub struct Arguments {
    /// `manifest`, `plan`, `inventory` or `events`
    #[arg(value_name = "WHAT", default_value = "manifest")]
    pub what: SchemaOf,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let text = arguments.what.text();
    session.print(|out, _| out.write_all(text.as_bytes()))?;
    Ok(Exit::Done)
}
