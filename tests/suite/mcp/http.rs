//! The server over HTTP: who may come in, and as whom.

use serde_json::{Value, json};

use super::Bench;
use crate::agent::server::{Server, modern};

const TOKEN: &str = "correct-horse-battery-staple-1";

fn ask(
    server: &Server,
    more: &[(&str, &str)],
    method: &str,
    name: Option<&str>,
    params: Value,
) -> (u16, String) {
    let (headers, body) = modern("boss", method, name, params);
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    server.post(&headers.chain(more.iter().copied()).collect::<Vec<_>>(), &body)
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[test]
fn pages_and_names_from_elsewhere_are_refused() {
    let bench = Bench::new();
    let server = Server::start(bench.command(&["mcp", "--http", "127.0.0.1:0"]));
    let list = |more: &[(&str, &str)]| ask(&server, more, "tools/list", None, json!({})).0;
    assert_eq!(list(&[]), 200);
    assert_eq!(list(&[("Origin", "http://localhost:5173")]), 200);
    for origin in ["https://evil.example", "http://localhost.evil.example", "null"] {
        assert_eq!(list(&[("Origin", origin)]), 403, "{origin}");
    }
    assert_eq!(list(&[("Host", "evil.example")]), 403);
    let hello = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
    });
    let (status, said) = server.post(&[], &hello);
    assert_eq!(status, 200, "{said}");
    assert!(said.contains("vboxmcp makes VirtualBox match"), "{said}");
}

#[test]
fn a_token_is_asked_for_and_says_who_it_is() {
    let bench = Bench::new();
    let digest = vboxmcp::model::digest::sha256(b"the-token-of-the-night-watch");
    bench.configure(&format!(
        "[mcp.clients.watch]\ntier = \"observe\"\ntoken_sha256 = \"{digest}\"\n[mcp.clients.boss]\ntier = \"apply-safe\"\n"
    ));
    let mut command = bench.command(&["mcp", "--http", "127.0.0.1:0"]);
    command.env("VBOXMCP_MCP_TOKEN", TOKEN);
    let server = Server::start(command);
    let list = |token: Option<&str>| {
        let more: Vec<(&str, &str)> = token.iter().map(|token| ("Authorization", *token)).collect();
        ask(&server, &more, "tools/list", None, json!({}))
    };
    let wrong = bearer("correct-horse-battery-staple-2");
    for refused in [None, Some(wrong.as_str()), Some("Bearer "), Some(TOKEN), Some("Basic Y29ycmVjdA==")] {
        let (status, said) = list(refused);
        assert_eq!(status, 401, "{refused:?}");
        assert!(said.to_lowercase().contains("www-authenticate: bearer"), "{said}");
        assert!(!said.contains("tools"), "{said}");
    }
    let (status, said) = list(Some(&bearer(TOKEN)));
    assert!(status == 200 && said.contains("\"name\":\"apply\""), "{said}");
    // The client calls itself boss, and its token says otherwise.
    let (status, said) = list(Some(&bearer("the-token-of-the-night-watch")));
    assert!(
        status == 200 && said.contains("\"name\":\"list\"") && !said.contains("\"name\":\"plan\""),
        "{said}"
    );
    let own = bearer("the-token-of-the-night-watch");
    let more = [("Authorization", own.as_str())];
    let params = json!({"name": "host", "arguments": {}});
    let (_, said) = ask(&server, &more, "tools/call", Some("host"), params);
    assert!(said.contains("watch is at tier observe"), "{said}");
}

#[test]
fn nothing_listens_beyond_this_machine_without_a_token() {
    let bench = Bench::new();
    let output = bench.command(&["mcp", "--http", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let mut short = bench.command(&["mcp", "--http", "127.0.0.1:0"]);
    assert_eq!(short.env("VBOXMCP_MCP_TOKEN", "hunter2").output().unwrap().status.code(), Some(64));
}
