//! What clients rely on: nothing but messages on standard output, no answer lost, tools that say what they are.

use serde_json::{Value, json};

use super::Bench;
use crate::agent::{Agent, Era};

#[test]
fn two_hundred_calls_at_once_lose_no_answer() {
    let bench = Bench::new();
    for era in Era::ALL {
        let mut agent = bench.agent(era);
        let sent: Vec<u64> = (0..200)
            .map(|number| {
                let (name, arguments) = match number % 3 {
                    0 => ("list", json!({})),
                    1 => ("plan", json!({"paths": ["lab.yaml"]})),
                    _ => ("get", json!({"machine": "nobody"})),
                };
                agent.send("tools/call", json!({"name": name, "arguments": arguments}))
            })
            .collect();
        let failed = sent.into_iter().filter(|number| agent.wait(*number).unwrap()["isError"] == json!(true));
        assert_eq!(failed.count(), 66, "{era:?}");
        assert!(agent.end().success());
    }
}

#[test]
fn tools_say_what_they_are_in_a_list_that_is_short_and_always_the_same() {
    let bench = Bench::new();
    // Whoever may do everything has the longest list.
    bench.configure("[mcp]\ntier = \"apply-destroy\"\n");
    let list = |mut agent: Agent| agent.request("tools/list", json!({})).unwrap()["tools"].take();
    let listed = list(bench.agent(Era::Modern));
    assert_eq!(listed, list(bench.agent(Era::Legacy)));
    assert!(listed.to_string().len() <= 20_000, "{} bytes", listed.to_string().len());
    let tools = listed.as_array().unwrap();
    assert!(tools.len() <= 20, "{} tools", tools.len());
    for tool in tools {
        let name = tool["name"].as_str().unwrap();
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{name}: {hint}");
        }
        assert!(tool["title"].is_string() && tool["description"].as_str().unwrap().len() > 60, "{name}");
        for schema in [&tool["inputSchema"], &tool["outputSchema"]] {
            assert_eq!(schema["type"], json!("object"), "{name}");
            typed(name, schema);
        }
        assert_eq!(tool["inputSchema"]["additionalProperties"], json!(false), "{name}");
        assert!(tool["inputSchema"]["properties"].get("action").is_none(), "{name} does everything");
    }
}

/// Every property says of which type it is, and there is nothing that a client would have to look up elsewhere.
fn typed(tool: &str, schema: &Value) {
    assert!(!schema.to_string().contains("$ref"), "{tool}");
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let has_type = property["type"].is_string() || property["enum"].is_array();
        assert!(has_type, "{tool}: {name} has no type: {property}");
        typed(tool, property);
    }
}

#[test]
fn a_misspelt_argument_is_told_and_so_is_an_unknown_tool() {
    let bench = Bench::new();
    let mut agent = bench.agent(Era::Modern);
    let (text, said) = agent.failing_tool("get", json!({"machin": "web-1"}));
    assert!(text.contains("`get` has no argument `machin`") && text.contains("it has: machine"), "{text}");
    assert_eq!(said["kind"], json!("usage"));
    let (text, _) = agent.failing_tool("get", json!({}));
    assert!(text.contains("missing field `machine`"), "{text}");
    let error = agent.request("tools/call", json!({"name": "vm_management", "arguments": {}})).unwrap_err();
    assert_eq!(error["code"], json!(-32602));
}

#[test]
fn files_outside_the_root_are_not_read() {
    let bench = Bench::new();
    let outside = bench.folder.path().join("secret.yaml");
    std::fs::write(&outside, "password: hunter2\n").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(&outside, bench.root().join("link.yaml")).unwrap();
    let mut agent = bench.agent(Era::Modern);
    let outside = outside.to_str().unwrap();
    for path in [outside, "../secret.yaml", "a/../../secret.yaml", "-", "link.yaml"] {
        for tool in ["validate", "plan", "drift"] {
            let (text, _) = agent.failing_tool(tool, json!({"paths": [path]}));
            assert!(!text.contains("hunter2") && !text.contains("password"), "{tool} {path}: {text}");
        }
    }
    let (text, said) = agent.failing_tool("plan", json!({"paths": ["../secret.yaml"]}));
    assert_eq!(said["kind"], json!("refused"), "{text}");
}

#[test]
fn a_server_whose_root_would_be_everything_does_not_start() {
    let bench = Bench::new();
    let mut command = bench.command(&["mcp"]);
    let output = command.current_dir("/").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(output.stdout.is_empty());
}
