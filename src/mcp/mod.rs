//! The door for AI agents: the Model Context Protocol, on the official SDK `rmcp`.
//!
//! May hold: the mapping of the protocol's requests onto the functions in `ops`, one file per tool in `tools`, and what an
//! answer looks like. What a verb does is in `ops`; what a text looks like is in `render`. Nothing here opens a standard
//! stream: whoever serves hands over a reader and a writer, and only protocol goes into the writer.
//!
//! `door` answers requests, `desk` is what all of them share, `tool` is what a tool is made of, `answer` what it says.

mod answer;
mod desk;
mod door;
mod tool;
mod tools;

use rmcp::ServiceExt as _;
use rmcp::service::{QuitReason, ServerInitializeError};
use tokio::io::{AsyncRead, AsyncWrite};

pub use desk::Desk;

use crate::failure::{Failure, Kind};
use door::Door;

/// Serves one client until it closes its end.
pub async fn serve(
    desk: Desk,
    reader: impl AsyncRead + Send + Unpin + 'static,
    writer: impl AsyncWrite + Send + Unpin + 'static,
) -> Result<(), Failure> {
    let broken = |error: Box<dyn std::error::Error + Send + Sync>| Failure::new(Kind::Other, error);
    let running = match Door::new(desk).serve((reader, writer)).await {
        Ok(running) => running,
        // A client that goes before it said anything has lost nothing.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(broken(Box::new(error))),
    };
    match running.waiting().await {
        Ok(QuitReason::JoinError(error)) | Err(error) => Err(broken(Box::new(error))),
        Ok(_) => Ok(()),
    }
}
