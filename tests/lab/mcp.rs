//! The door for agents on a real VirtualBox: same manifests, same plan as in a terminal; machines as they are.

use std::fs;

use serde_json::{Value, json};

use crate::Test;
use crate::agent::{Agent, Era, text};
use crate::home::{Home, path};
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("a_plan_is_the_same_as_in_a_terminal", a_plan_is_the_same_as_in_a_terminal),
    ("an_agent_plans_and_applies_with_consent", an_agent_plans_and_applies_with_consent),
];

const MANIFEST: &str = "\
apiVersion: vboxmcp/v1
kind: Stack
metadata: {name: agents}
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: node}
spec:
  replicas: 2
  osType: Other
  memory: 32MiB
  disks: {root: {size: 8MiB}}
  nics: [{nat: {portForwards: {ssh: \"${2200 + index}:22\"}}}]
";

/// A server whose root is the scratch folder of a home.
fn agent(home: &Home, era: Era) -> Agent {
    let mut command = home.command(env!("CARGO_BIN_EXE_vboxmcp"));
    command.args(["mcp", "--root", path(&home.scratch())]);
    Agent::start(command, era)
}

fn hash(home: &Home, file: &str) -> Value {
    let said = home.vboxmcp(&["plan", file, "-o", "json"]).ok();
    serde_json::from_str::<Value>(&said).expect("a plan")["hash"].clone()
}

fn a_plan_is_the_same_as_in_a_terminal(lab: &Lab) {
    let home = Home::new(lab);
    let file = home.scratch().join("lab.yaml");
    fs::write(&file, MANIFEST).expect("a manifest in the scratch folder");
    let file = path(&file);
    let before = hash(&home, file);
    for era in Era::ALL {
        let mut agent = agent(&home, era);
        assert_eq!(agent.tool("plan", json!({"paths": [file]})).1["hash"], before, "{era:?}");
        assert_eq!(agent.tool("list", json!({})).1["total"], json!(0));
    }
    assert_eq!(home.vboxmcp(&["apply", file, "--yes"]).code, Some(0));
    let id = home.info("node-1", "UUID").expect("a UUID");
    home.vbox(&["modifyvm", &id, "--memory", "64"]).ok();
    let after = hash(&home, file);
    assert_ne!(before, after);
    for era in Era::ALL {
        let mut agent = agent(&home, era);
        assert_eq!(agent.tool("plan", json!({"paths": [file]})).1["hash"], after, "{era:?}");
        let (_, drift) = agent.tool("drift", json!({"paths": [file]}));
        let moved =
            json!([{"address": "vm/node-1", "fields": [{"path": "memory", "was": "32MiB", "is": "64MiB"}]}]);
        assert_eq!((&drift["drift"], &drift["objects"]), (&json!(true), &moved));
        let (_, machine) = agent.tool("get", json!({"machine": "node-1"}));
        assert_eq!((&machine["id"], &machine["settings"]["memory"]), (&json!(id), &json!(64)));
        let (text, _) = agent.failing_tool("get", json!({"machine": "nobody"}));
        assert!(text.contains("there is no machine `nobody`"), "{text}");
        assert!(agent.end().success());
    }
}

/// From nothing to machines and back, in both eras, with a person at the client; a plan that was overtaken is refused.
fn an_agent_plans_and_applies_with_consent(lab: &Lab) {
    let home = Home::new(lab);
    let scratch = home.scratch();
    fs::write(scratch.join("lab.yaml"), MANIFEST).expect("a manifest in the scratch folder");
    let tiers = "[mcp.clients.test-agent]\ntier = \"apply-destroy\"\ngrant = [\"destroy-data\"]\n";
    fs::write(scratch.join("vboxmcp.toml"), tiers).expect("a configuration in the scratch folder");
    for era in Era::ALL {
        let mut command = home.command(env!("CARGO_BIN_EXE_vboxmcp"));
        command.args(["mcp", "--root", path(&scratch)]);
        let mut agent = Agent::with_person(command, era);
        agent.answer = json!({"action": "accept", "content": {"approve": true, "stack": "agents"}});
        let declared = json!({"paths": ["lab.yaml"]});
        let hash = agent.tool("plan", declared.clone()).1["hash"].clone();
        let applied = agent.apply(&hash);
        assert_eq!(applied["structuredContent"]["outcome"], json!("done"), "{era:?}: {applied}");
        assert_eq!(agent.tool("plan", declared.clone()).1.get("hash"), None, "{era:?}");

        let id = home.info("node-1", "UUID").expect("a UUID");
        home.vbox(&["modifyvm", &id, "--memory", "64"]).ok();
        let hash = agent.tool("plan", declared).1["hash"].clone();
        home.vbox(&["modifyvm", &id, "--memory", "48"]).ok();
        let stale = agent.apply(&hash);
        assert_eq!(stale["isError"], json!(true), "{stale}");
        let said = text(&stale);
        assert!(said.contains("the plan is stale") && said.contains("memory"), "{said}");
        assert_eq!(home.info("node-1", "memory").as_deref(), Some("48"));

        let all = json!({"paths": ["lab.yaml"], "all": true, "allow": ["destroy-data"]});
        let hash = agent.tool("destroy", all).1["hash"].clone();
        let gone = agent.apply(&hash);
        assert_eq!(gone["structuredContent"]["outcome"], json!("done"), "{era:?}: {gone}");
        assert_eq!(agent.tool("list", json!({})).1["total"], json!(0));
        assert!(agent.end().success());
    }
}
