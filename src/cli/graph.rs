//! `vboxmcp graph`

use std::path::PathBuf;

use clap::Args;

use super::session::{Session, manifests};
use crate::config::Output;
use crate::failure::{Exit, Failure};
use crate::ops;
use crate::render::graph::{write_dot, write_graph_json, write_mermaid};

/// Draw what the manifests declare, and what of it needs what.
///
/// Machines with what they depend on, the networks and disks that they use, and the snapshots of them. Reads no host.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp graph lab.yaml | dot -Tsvg > lab.svg     with Graphviz
  vboxmcp graph lab.yaml -o mermaid                for Markdown that draws Mermaid
  vboxmcp graph lab.yaml -o json                   nodes and edges for programs")]
pub struct Arguments {
    /// Files, directories, `-` for standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let graph = ops::graph(&manifests(&arguments.paths)?, &session.settings, &session.environment)?;
    session.findings(&graph.findings)?;
    session.print(|out, _| match session.settings.output {
        Output::Json => write_graph_json(out, &graph),
        Output::Mermaid => write_mermaid(out, &graph),
        _ => write_dot(out, &graph),
    })?;
    Ok(Exit::Done)
}
