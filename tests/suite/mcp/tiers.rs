//! What a client may do is what the configuration says, and nothing that the client sends.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use vboxmcp::host::sim::ByHand;

use super::Bench;
use crate::agent::{Agent, Era, text};

const YES: &str = r#"{"action": "accept", "content": {"approve": true, "stack": "shop"}}"#;

fn names(agent: &mut Agent) -> Vec<String> {
    let listed = agent.request("tools/list", json!({})).unwrap();
    listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_client_sees_the_tools_that_it_may_use() {
    let bench = Bench::new();
    for (toml, hidden) in [
        (
            "[mcp]\ntier = \"observe\"\n",
            &["plan", "power", "snapshot", "revert", "destroy", "adopt", "apply"][..],
        ),
        ("", &["apply"]),
        ("[mcp]\ntier = \"apply-safe\"\n", &[]),
        ("[mcp]\ntier = \"observe\"\n[mcp.clients.test-agent]\ntier = \"apply-safe\"\n", &[]),
        ("[mcp]\ntier = \"apply-safe\"\n[mcp.clients.\"test-agent\"]\ntier = \"plan\"\n", &["apply"]),
    ] {
        bench.configure(toml);
        let mut agent = bench.agent(Era::Modern);
        let names = names(&mut agent);
        for tool in TOOLS {
            assert_eq!(names.iter().any(|name| name == tool), !hidden.contains(tool), "{tool} with {toml}");
        }
        for tool in hidden {
            let (text, said) = agent.failing_tool(tool, json!({"hash": "00000000"}));
            assert_eq!(said["kind"], json!("refused"), "{tool}: {text}");
        }
    }
}

#[test]
fn whoever_starts_the_server_says_who_its_client_is() {
    let bench = Bench::new();
    bench.configure("[mcp]\ntier = \"observe\"\n[mcp.clients.boss]\ntier = \"apply-safe\"\n");
    let mut liar = Agent::with_capabilities(
        bench.command(&["mcp", "--client", "intern"]),
        Era::Modern,
        "boss",
        json!({}),
    );
    assert!(!names(&mut liar).contains(&"plan".to_owned()));
    let mut boss = Agent::start(bench.command(&["mcp", "--client", "boss"]), Era::Modern);
    assert!(names(&mut boss).contains(&"apply".to_owned()));
}

#[test]
fn a_file_that_an_agent_may_write_does_not_raise_it_while_it_runs() {
    let bench = Bench::new();
    let mut agent = bench.person(Era::Modern);
    bench.configure("[mcp]\ntier = \"apply-safe\"\n");
    let hash = agent.tool("plan", json!({"paths": ["lab.yaml"]})).1["hash"].clone();
    let result = agent.apply(&hash);
    assert_eq!(result["isError"], json!(true), "{result}");
}

#[test]
fn dangers_need_their_tier_their_word_and_the_name_of_the_stack() {
    let bench = Bench::new();
    bench.terminal(&["apply", "lab.yaml", "--yes"], None);
    let stop = json!({"command": "stop", "machines": ["web-1"], "allow": ["downtime"]});
    let cut = json!({"command": "reset", "machines": ["web-2"], "allow": ["power-cut"]});
    let apply = |toml: &str, what: &Value, answer: &str| {
        bench.configure(toml);
        let mut agent = bench.person(Era::Modern);
        agent.answer = serde_json::from_str(answer).unwrap();
        let hash = agent.tool("power", what.clone()).1["hash"].clone();
        let result = agent.apply(&hash);
        (result["isError"] == json!(false), text(&result))
    };
    let (done, said) = apply("[mcp]\ntier = \"apply-safe\"\n", &stop, YES);
    assert!(!done && said.contains("the plan contains downtime, which test-agent may not use"), "{said}");
    let (done, said) = apply("[mcp]\ntier = \"apply-downtime\"\n", &stop, YES);
    assert!(done, "{said}");
    for toml in
        ["[mcp]\ntier = \"apply-downtime\"\n", "[mcp]\ntier = \"apply-destroy\"\ngrant = [\"revert\"]\n"]
    {
        let (done, said) = apply(toml, &cut, YES);
        assert!(!done && said.contains("the plan contains power-cut"), "{said}");
    }
    let granted = "[mcp]\ntier = \"apply-destroy\"\ngrant = [\"power-cut\"]\n";
    let (done, said) = apply(granted, &cut, r#"{"action": "accept", "content": {"approve": true}}"#);
    assert!(!done && said.contains("the name of the stack (shop) was not typed"), "{said}");
    let (done, said) = apply(granted, &cut, YES);
    assert!(done, "{said}");
}

/// What happens to the objects of a plan.
fn operations(plan: &Value) -> Vec<&str> {
    plan["objects"].as_object().unwrap().values().map(|lines| lines[0].as_str().unwrap()).collect()
}

#[test]
fn an_agent_goes_back_to_a_snapshot_where_that_is_granted() {
    let bench = Bench::new();
    bench.terminal(&["apply", "lab.yaml", "--yes", "--var", "state=poweroff"], None);
    bench.terminal(&["snapshot", "clean", "web-*", "--yes"], None);
    let with = json!({"snapshot": "clean", "paths": ["lab.yaml"], "variables": {"state": "poweroff"}, "allow": ["revert"]});
    for (toml, granted) in [
        ("[mcp]\ntier = \"apply-downtime\"\n", false),
        ("[mcp]\ntier = \"apply-destroy\"\ngrant = [\"revert\"]\n", true),
    ] {
        bench.configure(toml);
        let mut agent = bench.person(Era::Modern);
        agent.answer = serde_json::from_str(YES).unwrap();
        let plan = agent.tool("revert", with.clone()).1;
        assert_eq!(operations(&plan), ["change", "change"], "{plan}");
        assert_eq!(plan["danger"]["revert"], json!(["vm/web-1", "vm/web-2"]), "{plan}");
        let result = agent.apply(&plan["hash"]);
        assert_eq!(result["isError"], json!(!granted), "{}", text(&result));
    }
}

#[test]
fn what_is_only_looked_at_says_why_it_cannot_be() {
    let bench = Bench::new();
    bench.terminal(&["apply", "lab.yaml", "--yes"], None);
    let mut agent = bench.agent(Era::Modern);
    let said = agent.failing_tool("screenshot", json!({"machine": "web-1"})).0;
    assert!(said.contains("a simulated one has no screen"), "{said}");
    let said = agent.failing_tool("console", json!({"machine": "web-1"})).0;
    assert!(
        said.contains("has no serial port that goes into a file") && said.contains("serialPorts"),
        "{said}"
    );
    let said = agent.failing_tool("wait", json!({"machine": "web-1"})).0;
    assert!(said.contains("say one of `port`, `property` and `state`"), "{said}");
    let create =
        ByHand::Create { name: "stranger".to_owned(), os_type: "Other".to_owned(), groups: Vec::new() };
    bench.by_hand(&create);
    for (tool, mut with) in
        [("screenshot", json!({})), ("console", json!({})), ("wait", json!({"state": "running"}))]
    {
        with["machine"] = json!("stranger");
        let said = agent.failing_tool(tool, with).1;
        assert_eq!(said["kind"], json!("refused"), "{tool}: {said}");
    }
    let (text, ended) = agent.tool("wait", json!({"machine": "web-1", "state": "running"}));
    assert_eq!(ended["came"], json!(true), "{text}");
    let result = agent.call("wait", json!({"machine": "web-1", "state": "saved", "seconds": 1}));
    assert_eq!(
        (&result["isError"], &result["structuredContent"]["came"]),
        (&json!(true), &json!(false)),
        "{result}"
    );
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_eq!(agent.tool("wait", json!({"machine": "web-1", "port": port})).1["came"], json!(true));
    drop(listener);
    let result = agent.call("wait", json!({"machine": "web-1", "port": port, "seconds": 0}));
    assert_eq!(result["structuredContent"]["now"], json!("nobody answers"), "{result}");
}

#[test]
fn an_agent_takes_a_snapshot_with_consent() {
    let bench = Bench::new();
    bench.terminal(&["apply", "lab.yaml", "--yes"], None);
    bench.configure("[mcp]\ntier = \"apply-safe\"\n");
    for (era, name) in Era::ALL.into_iter().zip(["first", "second"]) {
        let mut agent = bench.person(era);
        agent.answer = serde_json::from_str(YES).unwrap();
        let plan = agent.tool("snapshot", json!({"name": name, "machines": ["web-*"]})).1;
        assert_eq!(operations(&plan), ["create", "create"], "{plan}");
        let result = agent.apply(&plan["hash"]);
        assert_eq!(result["isError"], json!(false), "{}", text(&result));
        let there = agent.tool("get", json!({"machine": "web-1"})).1.to_string();
        assert!(there.contains(name), "{there}");
        let again = agent.tool("snapshot", json!({"name": name, "machines": ["web-1"]}));
        assert_eq!(operations(&again.1), ["blocked"], "{}", again.1);
    }
    let (said, why) =
        bench.agent(Era::Modern).failing_tool("snapshot", json!({"name": "x", "machines": ["foreign"]}));
    assert!(!said.is_empty() && why["kind"] != json!("internal"), "{said} {why}");
}

#[test]
fn paths_in_a_manifest_are_below_the_root_or_allowed() {
    let bench = Bench::new();
    let manifest = |path: &str| {
        format!(
            "apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {{name: web}}\n\
             spec: {{osType: Debian_64, sharedFolders: {{site: {{hostPath: {path}}}}}}}\n"
        )
    };
    for (path, fine) in
        [("./site", true), ("../site", false), ("/etc", false), ("~/x", false), ("./a/../../x", false)]
    {
        for tool in ["validate", "plan"] {
            let result = bench.agent(Era::Modern).call(tool, json!({"manifest": manifest(path)}));
            assert_eq!(result["isError"] == json!(false), fine, "{tool} {path}: {}", text(&result));
            if !fine {
                let found = &result["_meta"]["vboxmcp/error"]["diagnostics"][0];
                assert_eq!((&found["code"], &found["line"]), (&json!("path-outside"), &json!(4)), "{found}");
            }
        }
    }
    bench.configure("[mcp]\nallow_paths = [\"/etc\"]\n");
    bench.agent(Era::Modern).tool("validate", json!({"manifest": manifest("/etc/ssl")}));
    bench.agent(Era::Modern).failing_tool("validate", json!({"manifest": manifest("/etcetera")}));
}

/// All tools.
const TOOLS: &[&str] = &[
    "list",
    "get",
    "host",
    "runs",
    "screenshot",
    "console",
    "wait",
    "validate",
    "explain",
    "export",
    "drift",
    "plan",
    "power",
    "snapshot",
    "revert",
    "destroy",
    "adopt",
    "apply",
];

/// One thing that an agent may try: a tool, and arguments that are partly right.
fn attempt() -> impl Strategy<Value = (String, Value)> {
    let machine = prop_oneof![Just("web-1"), Just("vm/web-2"), Just("foreign"), Just("*")];
    let allow = prop::sample::subsequence(
        vec!["downtime", "power-cut", "discard-state", "revert", "destroy-data"],
        0..=5,
    );
    let command = prop::sample::select(vec!["start", "stop", "restart", "pause", "resume", "save", "reset"]);
    let state = prop::sample::select(vec!["running", "poweroff", "saved", "paused"]);
    let flags = any::<[bool; 3]>();
    (prop::sample::select(TOOLS), machine, allow, command, state, flags).prop_map(
        |(tool, machine, allow, command, state, [first, second, third])| {
            let declared = json!({"paths": ["lab.yaml"], "variables": {"state": state}});
            let with = |more: Value| {
                let mut all = declared.clone();
                for (key, value) in more.as_object().unwrap() {
                    all[key] = value.clone();
                }
                all
            };
            let arguments = match tool {
                "get" | "screenshot" | "console" => json!({"machine": machine}),
                "wait" => json!({"machine": machine, "state": "running", "seconds": 0}),
                "explain" => json!({"field": "memory"}),
                "revert" => with(json!({"snapshot": "clean", "allow": allow})),
                "validate" | "drift" => declared,
                "export" if first => json!({"machines": [machine], "stack": "shop"}),
                "plan" => with(json!({"allow": allow, "prune": second, "allOrNothing": third})),
                "power" => json!({"command": command, "machines": [machine], "allow": allow}),
                "snapshot" => json!({"name": if first { "clean" } else { "a/b" }, "machines": [machine]}),
                "destroy" => with(json!({"allow": allow, "all": first})),
                "adopt" => with(json!({"addresses": ["vm/web-1"]})),
                "apply" => json!({"hash": if first { "the last one" } else { "00000000" }}),
                _ => json!({}),
            };
            (tool.to_owned(), arguments)
        },
    )
}

#[test]
fn an_agent_that_may_plan_cannot_change_anything_by_any_sequence_of_calls() {
    let bench = Bench::new();
    bench.terminal(&["apply", "lab.yaml", "--yes"], None);
    bench.terminal(&["snapshot", "clean", "web-*", "--yes"], None);
    // All tools are tried, the one too that is not listed for this client.
    bench.configure("[mcp]\ntier = \"apply-destroy\"\n");
    let all: BTreeSet<String> = names(&mut bench.agent(Era::Modern)).into_iter().collect();
    assert_eq!(all, TOOLS.iter().map(|name| (*name).to_owned()).collect());
    bench.configure("[mcp]\ntier = \"plan\"\n");
    let inventory = || bench.terminal(&["inventory"], None);
    let (before, there) = (bench.host(), inventory());
    assert!(there.to_string().contains("web-2"), "{there}");
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(attempt(), 1..15), |attempts| {
            for era in Era::ALL {
                let mut agent = bench.person(era);
                agent.answer = serde_json::from_str(YES).unwrap();
                let mut last = json!("00000000");
                for (tool, mut arguments) in attempts.clone() {
                    if arguments["hash"] == json!("the last one") {
                        arguments["hash"] = last.clone();
                    }
                    let result = agent.call(&tool, arguments);
                    if let Some(hash) = result["structuredContent"].get("hash") {
                        last = hash.clone();
                        let tried = agent.apply(&last);
                        prop_assert_eq!(&tried["isError"], &json!(true), "{}", tried);
                    }
                }
                prop_assert_eq!(&agent.asked, &Vec::<Value>::new());
                prop_assert!(agent.end().success());
                prop_assert!(bench.host() == before, "the host is another one after {:?}", attempts);
                prop_assert_eq!(&inventory(), &there, "the host is another one after {:?}", &attempts);
            }
            Ok(())
        })
        .unwrap();
}
