//! `vboxmcp adopt`

use std::path::PathBuf;

use clap::Args;
use uuid::Uuid;

use super::run::{self, Approval, Question};
use super::session::{Session, manifests};
use crate::failure::{Exit, Failure};
use crate::model::Address;
use crate::ops::{self, AdoptRequest};

/// Take over machines that are already there.
///
/// A machine that somebody made by hand is never touched, even where a manifest declares its name. Adoption writes vboxmcp's mark into it
/// and nothing else; the next plan shows what differs from the manifest.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp export vm/web > web.yaml            write the manifest of a machine made by hand
  vboxmcp adopt vm/web -f web.yaml            then take it over
  vboxmcp adopt vm/web --uuid 6d6f6e6b-…      where two machines share the name")]
pub struct Arguments {
    /// Machines that the manifests declare: vm/NAME
    #[arg(value_name = "ADDRESS", required = true)]
    pub addresses: Vec<Address>,
    /// Manifests that describe them: files, directories, `-`
    #[arg(short = 'f', long = "file", value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The machine, where several share the name
    #[arg(long, value_name = "UUID")]
    pub uuid: Option<Uuid>,
    #[command(flatten)]
    pub approval: Approval,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let context = session.context()?;
    let request = AdoptRequest {
        manifests: manifests(&arguments.paths)?,
        addresses: arguments.addresses.clone(),
        uuid: arguments.uuid,
    };
    let plan = || ops::adopt(&context, &request);
    run::consented(session, &context, &arguments.approval, Question::Plan, &plan)
}
