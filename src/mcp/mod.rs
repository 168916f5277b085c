//! The door for AI agents: the Model Context Protocol, on the official SDK `rmcp`.
//!
//! May hold: the mapping of the protocol's requests onto the functions in `ops`, one file per tool in `tools`, who may do what, and
//! how a person is asked. What a verb does is in `ops`; what a text looks like is in `render`. Nothing here opens a standard
//! stream: whoever serves hands over a reader and a writer, and only protocol goes into the writer.
//!
//! `door` answers requests, `caller` is who asks, `desk` is what all requests share, `tool` is what a tool is made of and
//! `schema` how it is described, `answer` what it says; `apply` is the one tool that changes anything, `running` knows the runs
//! that go on, `tasks` are runs as the protocol sees them; `resources` and `prompts` are what their names say, `follow` tells who subscribed to them; `http` is the
//! other way in.

mod answer;
mod apply;
mod caller;
mod desk;
mod door;
mod follow;
mod http;
mod prompts;
mod resources;
mod running;
mod schema;
mod tasks;
mod tool;
mod tools;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use rmcp::ServiceExt as _;
use rmcp::service::{QuitReason, ServerInitializeError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use desk::Desk;
pub use door::Door;
pub use http::{Listen, PATH, listen, listen_with};

use crate::failure::{Failure, Kind};

/// Serves one client until it closes its end. A run that goes on then finishes its running steps and stops.
pub async fn serve(
    desk: Arc<Desk>,
    reader: impl AsyncRead + Send + Unpin + 'static,
    writer: impl AsyncWrite + Send + Unpin + 'static,
) -> Result<(), Failure> {
    let ended = converse(Arc::clone(&desk), reader, writer).await;
    desk.running.stop().await;
    ended
}

/// What a client says, until it closes its end. Runs are asked to stop then: the SDK goes on waiting for their answers, which nobody reads.
struct Listening<R> {
    reader: R,
    desk: Arc<Desk>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Listening<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = (buffer.filled().len(), buffer.remaining());
        let read = Pin::new(&mut self.reader).poll_read(context, buffer);
        let is_end = matches!(read, Poll::Ready(Ok(()))) && before.1 > 0 && buffer.filled().len() == before.0;
        if is_end || matches!(read, Poll::Ready(Err(_))) {
            self.desk.running.ask_to_stop();
        }
        read
    }
}

async fn converse(
    desk: Arc<Desk>,
    reader: impl AsyncRead + Send + Unpin + 'static,
    writer: impl AsyncWrite + Send + Unpin + 'static,
) -> Result<(), Failure> {
    let broken = |error: Box<dyn std::error::Error + Send + Sync>| Failure::new(Kind::Other, error);
    let reader = Listening { reader, desk: Arc::clone(&desk) };
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
