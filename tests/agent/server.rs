//! A server over HTTP.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

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

    /// The status of an answer, and what it says.
    pub fn post(&self, headers: &[(&str, &str)], body: &Value) -> (u16, String) {
        let mut answer = String::new();
        self.open(headers, body).read_to_string(&mut answer).unwrap();
        let status = answer.split_whitespace().nth(1).unwrap().parse().unwrap();
        (status, answer)
    }

    /// Asks, and leaves it to the caller how much of the answer is read.
    pub fn open(&self, headers: &[(&str, &str)], body: &Value) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let body = body.to_string();
        let mut request = "POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\nConnection: close\r\n\
                           Accept: application/json, text/event-stream\r\n"
            .to_owned();
        if !headers.iter().any(|(name, _)| *name == "Host") {
            write!(request, "Host: {}\r\n", self.address).unwrap();
        }
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        write!(request, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request of 2026-07-28, as a client says it, with the headers that it needs.
pub fn modern(
    client: &str,
    method: &str,
    name: Option<&str>,
    mut params: Value,
) -> (Vec<(String, String)>, Value) {
    let version = "2026-07-28";
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": {"name": client, "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut headers = vec![
        ("MCP-Protocol-Version".to_owned(), version.to_owned()),
        ("Mcp-Method".to_owned(), method.to_owned()),
    ];
    headers.extend(name.map(|name| ("Mcp-Name".to_owned(), name.to_owned())));
    (headers, json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
}
