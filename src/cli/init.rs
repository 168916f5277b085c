//! `vboxmcp init`

use std::path::PathBuf;

use clap::Args;

use super::session::Session;
use crate::failure::{Exit, Failure};
use crate::model::StackName;
use crate::ops;
use crate::render::text::printable;

/// Write a first manifest that plans and applies as it stands.
///
/// One machine with a disk and an adapter, in NAME.yaml; nothing that is there is written over. For machines that VirtualBox has already
/// `vboxmcp export` writes the manifest.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp init                  in this directory, the stack named after it
  vboxmcp init shop --name web  shop/web.yaml")]
pub struct Arguments {
    /// The folder; made where it is missing
    #[arg(value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// The stack's name [default: the folder's]
    #[arg(long, value_name = "NAME", value_parser = super::arguments::stack)]
    pub name: Option<StackName>,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let folder = ops::lexical(&session.environment.directory.join(&arguments.folder));
    let path = ops::first(&folder, arguments.name.as_ref())?;
    let shown = path.strip_prefix(&session.environment.directory).unwrap_or(&path);
    let shown = printable(&shown.display().to_string());
    session.print(|out, _| writeln!(out, "{shown}"))?;
    session.status(&format!("next: `vboxmcp plan {shown}` shows what it would make"));
    Ok(Exit::Done)
}
