//! The door for agents on a real VirtualBox: same manifests, same plan as in a terminal; machines as they are.

use std::fs;

use serde_json::{Value, json};

use crate::Test;
use crate::agent::{Agent, Era};
use crate::home::{Home, path};
use crate::lab::Lab;

pub const TESTS: &[Test] = &[("a_plan_is_the_same_as_in_a_terminal", a_plan_is_the_same_as_in_a_terminal)];

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
