//! `vboxmcp explain`

use clap::Args;

use super::session::Session;
use crate::failure::{Exit, Failure};
use crate::ops::{self, ExplainRequest};
use crate::render::explain::{write_explanation, write_explanation_json};

/// Say what a word of the manifests means and what changing it costs.
///
/// What it takes, what a new machine gets, and for each state of a machine how it is changed and which permission that needs. Asks no host.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp explain                              the kinds of documents
  vboxmcp explain VirtualMachine               all words of a machine
  vboxmcp explain memory --os-type Debian_64   one word, and what Debian gets
  vboxmcp explain nics.1.nat.portForwards.ssh
  vboxmcp explain disk.size")]
pub struct Arguments {
    /// A field, with its kind before it where it is not a machine's; or a kind
    #[arg(value_name = "FIELD")]
    pub field: Option<String>,
    /// The operating system whose defaults are shown [default: Other]
    #[arg(long, value_name = "ID")]
    pub os_type: Option<String>,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let request = ExplainRequest { field: arguments.field.clone(), os_type: arguments.os_type.clone() };
    let explanation = ops::explain(&request)?;
    session.print(|out, view| {
        if session.is_json() {
            write_explanation_json(out, &explanation)
        } else {
            write_explanation(out, &explanation, view)
        }
    })?;
    Ok(Exit::Done)
}
