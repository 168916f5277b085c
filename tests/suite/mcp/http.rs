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

#[test]
fn beyond_this_machine_nothing_is_reached_without_the_token() {
    let bench = Bench::new();
    let mut command = bench.command(&["mcp", "--http", "0.0.0.0:0", "--allow-host", "lab.example"]);
    command.env("VBOXMCP_MCP_TOKEN", TOKEN);
    let mut server = Server::start(command);
    server.address = server.address.replace("0.0.0.0", "127.0.0.1");
    let own = bearer(TOKEN);
    let list = |more: &[(&str, &str)]| ask(&server, more, "tools/list", None, json!({})).0;
    assert_eq!(list(&[]), 401);
    assert_eq!(list(&[("Host", "lab.example")]), 401);
    assert_eq!(list(&[("Host", "lab.example"), ("Authorization", &own)]), 200);
    assert_eq!(list(&[("Host", "evil.example"), ("Authorization", &own)]), 403);
    assert_eq!(list(&[("Authorization", &own), ("Origin", "https://evil.example")]), 403);
    let (status, said) =
        server.post(&[], &json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}));
    assert_eq!(status, 401, "{said}");
}

/// The first message of an answer, whether it comes alone or as a stream of events.
fn message(answer: &str) -> Value {
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let json = body.find('{').and_then(|at| body[at..].lines().next()).unwrap();
    serde_json::from_str(json).unwrap_or_else(|_| panic!("no message: {answer}"))
}

#[test]
fn a_client_that_closes_its_stream_stops_a_run_that_can_be_gone_on_with() {
    let bench = Bench::new();
    bench.configure("[mcp]\ntier = \"apply-safe\"\n");
    let many = "apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {name: node}\n\
                spec: {replicas: 100, osType: Debian_64, memory: 64MiB}\n";
    std::fs::write(bench.root().join("lab.yaml"), many).unwrap();
    let server = Server::start(bench.command(&["mcp", "--http", "127.0.0.1:0"]));
    let ask = |name: &str, params: &Value| {
        let (headers, mut body) = modern("http-agent", "tools/call", Some(name), params.clone());
        let can = "io.modelcontextprotocol/clientCapabilities";
        body["params"]["_meta"][can] = json!({"elicitation": {}});
        body["params"]["_meta"]["progressToken"] = json!("p");
        (headers, body)
    };
    let post = |name: &str, params: &Value| {
        let (headers, body) = ask(name, params);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let (status, said) = server.post(&headers, &body);
        assert_eq!(status, 200, "{said}");
        message(&said)["result"].take()
    };
    let plan = post("plan", &json!({"name": "plan", "arguments": {"paths": ["lab.yaml"]}}));
    let mut params = json!({"name": "apply", "arguments": {"hash": plan["structuredContent"]["hash"]}});
    let asked = post("apply", &params);
    assert_eq!(asked["resultType"], json!("input_required"), "{asked}");
    params["requestState"] = asked["requestState"].clone();
    params["inputResponses"] = json!({"approval": {"action": "accept", "content": {"approve": true}}});
    let (headers, body) = ask("apply", &params);
    let headers: Vec<(&str, &str)> = headers.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    // It goes at the first word of progress.
    let stream = server.open(&headers, &body);
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stream));
    assert!(lines.any(|line| line.unwrap().contains("notifications/progress")), "there was no progress");
    drop(lines);
    let run = loop {
        let run = bench.terminal(&["runs", "show", "latest"], None);
        if run["run"]["state"] != json!("running") {
            break run;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert_eq!(run["run"]["state"], json!("cancelled"), "{run}");
    let agent = &run["header"]["who"]["agent"];
    assert_eq!((&agent["client"], &agent["approval"]), (&json!("http-agent"), &json!("asked by the client")));
    assert_eq!(bench.terminal(&["runs", "resume", "latest", "--yes"], None)["exitCode"], json!(0));
    let there = post("list", &json!({"name": "list", "arguments": {"limit": 1}}));
    assert_eq!(there["structuredContent"]["total"], json!(100));
}
