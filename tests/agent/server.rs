//! A server over HTTP.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A server, and where it listens. Dropping it ends it.
pub struct Server {
    child: Child,
    /// Host and port.
    pub address: String,
}

impl Server {
    /// Starts `vboxmcp mcp --http`.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = lines.map_while(Result::ok).find_map(|line| {
            Some(line.strip_prefix("listening on http://")?.strip_suffix("/mcp")?.to_owned())
        });
        Self { child, address: said.unwrap() }
    }

    /// Where its clients connect to.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
