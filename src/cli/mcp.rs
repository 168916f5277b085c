//! `vboxmcp mcp`

use std::path::PathBuf;

use clap::Args;

use super::session::Session;
use crate::config::Environment;
use crate::failure::{Exit, Failure, Kind};
use crate::mcp::{self, Desk};

/// Serve AI agents over the Model Context Protocol.
///
/// Speaks on standard input and output, as clients that start a program expect. Agents can look at machines, check manifests, plan, and see
/// drift; nothing is changed. They read only manifests below the root directory, which is also where vboxmcp.toml is looked for.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp mcp --root ~/lab                      what a client's configuration starts
  vboxmcp mcp --root ~/lab --host sim:demo      on a simulated VirtualBox")]
pub struct Arguments {
    /// The directory that manifests are below [default: the working directory]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

impl Arguments {
    /// The environment as it would be if the program had been started in the root.
    pub fn rooted(&self, mut environment: Environment) -> Result<Environment, Failure> {
        let Some(root) = &self.root else {
            // Some clients start programs in `/`, which would put every file below the root.
            if environment.directory.parent().is_none() {
                let directory = environment.directory.display();
                return Err(Failure::new(
                    Kind::Usage,
                    format!("started in {directory}, so that every file would be below the root"),
                )
                .hint("--root DIR names the directory that manifests are below"));
            }
            return Ok(environment);
        };
        let root = environment.directory.join(root);
        environment.directory = root
            .canonicalize()
            .map_err(|error| Failure::new(Kind::Usage, format!("--root {}: {error}", root.display())))?;
        Ok(environment)
    }
}

pub fn run(session: &Session) -> Result<Exit, Failure> {
    let desk = Desk::new(session.overrides.clone(), session.environment.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(mcp::serve(desk, tokio::io::stdin(), tokio::io::stdout()))?;
    Ok(Exit::Done)
}
