//! `vboxmcp mcp`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::session::Session;
use crate::config::Environment;
use crate::failure::{Exit, Failure, Kind};
use crate::mcp::{self, Desk, Listen, PATH};

/// Serve AI agents over the Model Context Protocol.
///
/// Speaks on standard input and output, as clients that start a program expect. Agents look at machines, check manifests and plan; what they
/// may apply, and always with a person's consent, [mcp] in vboxmcp.toml says: nothing, unless it says something. They read only
/// manifests below the root directory, which is also where vboxmcp.toml is looked for.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp mcp --root ~/lab                      what a client's configuration starts
  vboxmcp mcp --root ~/lab --host sim:demo      on a simulated VirtualBox
  vboxmcp mcp --root ~/lab --http 127.0.0.1:7070
  VBOXMCP_MCP_TOKEN=$(cat token) vboxmcp mcp --root ~/lab --http 0.0.0.0:7070 --allow-host lab.example")]
pub struct Arguments {
    /// The directory that manifests are below [default: the working directory]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// What clients are called here, whatever they call themselves: [mcp.clients.NAME] says what they may do
    #[arg(long, value_name = "NAME")]
    pub client: Option<String>,
    /// Serve over HTTP at this address, under /mcp. `VBOXMCP_MCP_TOKEN` is the bearer token, which any address but loopback needs
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// What else the server may be called in a Host header; may be given more than once
    #[arg(long = "allow-host", value_name = "HOST", requires = "http")]
    pub hosts: Vec<String>,
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

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let (overrides, environment) = (session.overrides.clone(), session.environment.clone());
    let desk = Arc::new(Desk::new(overrides, environment, arguments.client.clone())?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ended = runtime.block_on(async {
        let asked = stop_is_asked()?;
        if let Some(address) = arguments.http {
            let token = session.environment.var("VBOXMCP_MCP_TOKEN").map(str::to_owned);
            let listen = Listen { address, token, hosts: arguments.hosts.clone() };
            let ready = |address| session.status(&format!("listening on http://{address}{PATH}"));
            return mcp::listen(Arc::clone(&desk), listen, ready, asked).await;
        }
        tokio::select! {
            ended = mcp::serve(Arc::clone(&desk), tokio::io::stdin(), tokio::io::stdout()) => ended,
            () = asked => {
                desk.running.stop().await;
                Ok(())
            }
        }
    });
    // Nobody waits for the rest of standard input.
    runtime.shutdown_background();
    ended.map(|()| Exit::Done)
}

/// Returns when the server is asked to end: a run that goes on finishes its running steps first.
#[cfg(unix)]
fn stop_is_asked() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Returns when the server is asked to end: a run that goes on finishes its running steps first.
#[cfg(windows)]
fn stop_is_asked() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
