//! The door for agents on a real VirtualBox: same manifests, same plan as in a terminal; machines as they are.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use crate::Test;
use crate::agent::{Agent, Era, text};
use crate::guest::Guest;
use crate::home::{Home, path};
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("a_plan_is_the_same_as_in_a_terminal", a_plan_is_the_same_as_in_a_terminal),
    ("an_agent_plans_and_applies_with_consent", an_agent_plans_and_applies_with_consent),
    ("an_agent_sees_a_guest_come_up", an_agent_sees_a_guest_come_up),
    ("a_client_is_told_what_changes_by_hand", a_client_is_told_what_changes_by_hand),
    ("a_client_that_goes_leaves_a_run_to_go_on_with", a_client_that_goes_leaves_a_run_to_go_on_with),
    ("what_virtualbox_has_done_of_a_step_is_told", what_virtualbox_has_done_of_a_step_is_told),
    ("the_recorded_conversation_is_what_is_said", the_recorded_conversation_is_what_is_said),
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

/// VirtualBox counts while it writes a disk, and the client is told how far it is.
fn what_virtualbox_has_done_of_a_step_is_told(lab: &Lab) {
    let home = Home::new(lab);
    let fixed = MANIFEST.replace("replicas: 2", "replicas: 1").replace("8MiB", "512MiB, variant: fixed");
    fs::write(home.scratch().join("lab.yaml"), fixed).expect("a manifest in the scratch folder");
    let tiers = "[mcp.clients.test-agent]\ntier = \"apply-safe\"\n";
    fs::write(home.scratch().join("vboxmcp.toml"), tiers).expect("a configuration in the scratch folder");
    let mut command = home.command(env!("CARGO_BIN_EXE_vboxmcp"));
    command.args(["mcp", "--root", path(&home.scratch())]);
    let mut agent = Agent::with_person(command, Era::Legacy);
    agent.answer = json!({"action": "accept", "content": {"approve": true}});
    let (_, plan) = agent.tool("plan", json!({"paths": ["lab.yaml"]}));
    let result = agent.request(
        "tools/call",
        json!({"name": "apply", "arguments": {"hash": plan["hash"]}, "_meta": {"progressToken": "p"}}),
    );
    assert_eq!(result.expect("an answer")["structuredContent"]["outcome"], json!("done"));
    let told = agent.notifications.iter().filter(|one| one["method"] == json!("notifications/progress"));
    let told: Vec<(f64, &str)> = told
        .map(|one| {
            let of = |key: &str| &one["params"][key];
            (of("progress").as_f64().expect("a number"), of("message").as_str().expect("a text"))
        })
        .collect();
    let within =
        told.iter().filter(|(_, message)| message.contains("create disk") && message.ends_with(" %"));
    assert!(within.count() >= 2, "{told:?}");
    assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0), "{told:?}");
}

/// `examples/agents/conversation.md`, written by `VBOXMCP_UPDATE=1 cargo test --test lab -- mcp::the_recorded`.
fn the_recorded_conversation_is_what_is_said(lab: &Lab) {
    const WISHED: &str = "\
apiVersion: vboxmcp/v1
kind: Stack
metadata: {name: demo}
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: web}
spec:
  replicas: 2
  osType: Debian_64
  memory: 64MiB
  disks: {root: {size: 16MiB}}
  nics: [{nat: {portForwards: {ssh: \"${2200 + index}:22\"}}}]
  state: running
";
    let home = Home::new(lab);
    let scratch = home.scratch();
    let tiers = "[mcp.clients.test-agent]\ntier = \"apply-downtime\"\n";
    fs::write(scratch.join("vboxmcp.toml"), tiers).expect("a configuration in the scratch folder");
    let mut command = home.command(env!("CARGO_BIN_EXE_vboxmcp"));
    command.args(["mcp", "--root", path(&scratch)]);
    let mut agent = Agent::with_person(command, Era::Modern);
    agent.answer = json!({"action": "accept", "content": {"approve": true}});
    let mut written = String::from(
        "# A conversation\n\nAn agent and vboxmcp on a real VirtualBox, as it was said; addresses and identifiers are left out. A test says it again, and \
         holds this file against it.\n\n**Person:** I need two Debian machines, reachable by SSH, on ports 2201 and 2202.\n",
    );
    let mut tell = |who: &str, tool: &str, with: &str, said: &str| {
        let with =
            if with.is_empty() { String::new() } else { format!("\n\n```yaml\n{}\n```", with.trim_end()) };
        let _ = write!(written, "\n**{who}** `{tool}`{with}\n\n```text\n{}\n```\n", said.trim_end());
    };
    let (said, _) = agent.tool("list", json!({}));
    tell("Agent:", "list", "", &said);
    let (said, _) = agent.tool("validate", json!({"manifest": WISHED}));
    tell("Agent:", "validate", WISHED, &said);
    let (said, plan) = agent.tool("plan", json!({"manifest": WISHED}));
    tell("Agent:", "plan", "manifest: (the same)", &said);
    let applied = agent.apply(&plan["hash"]);
    let asked = agent.asked[0]["message"].as_str().expect("a question").to_owned();
    tell("The client asks the person:", "apply", "hash: HASH", &asked);
    tell("Person: yes. The answer to", "apply", "", &text(&applied));
    let (said, _) = agent.tool("wait", json!({"machine": "web-2", "state": "running", "seconds": 20}));
    tell("Agent:", "wait", "{machine: web-2, state: running}", &said);
    let (said, _) = agent.tool("list", json!({}));
    tell("Agent:", "list", "", &said);
    assert!(agent.end().success());
    assert_eq!(home.state("web-1"), "running", "something has really happened");

    let hash = plan["hash"].as_str().expect("a hash");
    let written = written.replace(hash, "HASH").replace(&hash[..8], "HASH");
    let written = crate::scenario::normal::text(&written, &home.scratch().with_file_name(""));
    let lines = written.lines().map(|line| match line.split_once(" within ") {
        Some((before, rest)) if rest.ends_with(" s.") => format!("{before} within TIME."),
        _ => without_times(line),
    });
    let written = lines.collect::<Vec<String>>().join("\n") + "\n";
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/agents/conversation.md");
    if std::env::var_os("VBOXMCP_UPDATE").is_some() {
        fs::write(file, written).expect("the conversation");
        return;
    }
    assert_eq!(fs::read_to_string(file).expect("the conversation"), written);
}

/// A line without the time that a step took and the name of a run.
fn without_times(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split(' ') {
        let is_run = word.trim_matches(|c: char| !c.is_ascii_alphanumeric()).get(8..9) == Some("T")
            && word.trim_matches('`').starts_with("20");
        words.push(if is_run { "RUN".to_owned() } else { word.to_owned() });
    }
    words.join(" ")
}

/// A guest that writes to its serial port: its screen, its console, and waiting for what comes later.
fn an_agent_sees_a_guest_come_up(lab: &Lab) {
    let home = Home::new(lab);
    let scratch = home.scratch();
    let (disk, console) = (scratch.join("guest.vdi"), scratch.join("console.log"));
    Guest::ObeysAcpi.write_disk(&home, &disk);
    let manifest = format!(
        "apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {{name: guest}}\nspec:\n  osType: Other\n  memory: 32MiB\n  nics: [{{nat: {{}}}}]\n  \
         controllers: {{IDE: {{bus: ide}}}}\n  disks: {{root: {{image: {}, at: \"IDE:0:0\"}}}}\n  \
         serialPorts: {{\"1\": {{ioBase: 0x3f8, irq: 4, mode: {{file: {}}}}}}}\n  state: running\n",
        path(&disk),
        path(&console)
    );
    home.vbox(&["closemedium", "disk", path(&disk)]);
    let file = scratch.join("lab.yaml");
    fs::write(&file, manifest).expect("a manifest in the scratch folder");
    let said = home.vboxmcp(&["apply", path(&file), "--yes"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for era in Era::ALL {
        let mut agent = agent(&home, era);
        let (text, ended) =
            agent.tool("wait", json!({"machine": "guest", "state": "running", "seconds": 20}));
        assert_eq!(ended["came"], json!(true), "{text}");
        let eventually = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let text = loop {
            let (text, said) = agent.tool("console", json!({"machine": "guest"}));
            assert_eq!(said["port"], json!(1), "{said}");
            if text.contains("VBOXMCP-GUEST-UP") || std::time::Instant::now() > eventually {
                break text;
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
        };
        assert!(text.contains("\n  VBOXMCP-GUEST-UP\n[end of data]"), "{text}");
        let shown = agent.call("screenshot", json!({"machine": "guest"}));
        assert_eq!(shown["content"][1]["mimeType"], json!("image/png"), "{shown}");
        let size = &shown["structuredContent"];
        assert!(size["width"].as_u64() > Some(100) && size["height"].as_u64() > Some(100), "{size}");
        let late = agent.call("wait", json!({"machine": "guest", "property": "/x/ready", "seconds": 1}));
        assert_eq!(late["structuredContent"]["came"], json!(false), "{late}");
        home.vbox(&["guestproperty", "set", "guest", "/x/ready", "yes"]).ok();
        let with = json!({"machine": "guest", "property": "/x/ready", "value": "yes", "seconds": 20});
        assert_eq!(agent.tool("wait", with).1["now"], json!("yes"));
        home.vbox(&["guestproperty", "delete", "guest", "/x/ready"]).ok();
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

/// Subscriptions, fed by what somebody does with VBoxManage.
fn a_client_is_told_what_changes_by_hand(lab: &Lab) {
    const UPDATED: &str = "notifications/resources/updated";
    let home = Home::new(lab);
    fs::write(home.scratch().join("lab.yaml"), MANIFEST).expect("a manifest in the scratch folder");
    assert_eq!(home.vboxmcp(&["apply", "lab.yaml", "--yes"]).code, Some(0));
    for (era, memory) in Era::ALL.into_iter().zip(["64", "48"]) {
        let mut agent = agent(&home, era);
        let mine = "vbox://machine/node-2";
        match era {
            Era::Legacy => {
                agent.request("resources/subscribe", json!({"uri": mine})).expect("an answer");
            }
            Era::Modern => {
                let wanted = json!({"resourceSubscriptions": [mine]});
                agent.send("subscriptions/listen", json!({"notifications": wanted}));
            }
        }
        // What is there when the first one subscribes is what later changes are told by.
        std::thread::sleep(std::time::Duration::from_secs(1));
        for machine in ["node-1", "node-2"] {
            home.vbox(&["modifyvm", machine, "--memory", memory]).ok();
        }
        let told = loop {
            agent.read();
            if let Some(one) = agent.notifications.iter().find(|one| one["method"] == json!(UPDATED)) {
                break one["params"]["uri"].clone();
            }
        };
        assert_eq!(told, json!(mine), "{era:?}: nobody asked for node-1");
        let read = agent.request("resources/read", json!({"uri": mine})).expect("the machine");
        let text = read["contents"][0]["text"].as_str().expect("its text");
        let machine: Value = serde_json::from_str(text).expect("a document");
        assert_eq!(machine["settings"]["memory"].to_string(), memory, "{era:?}");
    }
}

/// A client that hangs up in the middle of an apply: the running step ends, and the run can be gone on with.
fn a_client_that_goes_leaves_a_run_to_go_on_with(lab: &Lab) {
    let home = Home::new(lab);
    let scratch = home.scratch();
    let many = MANIFEST.replace("replicas: 2", "replicas: 30");
    fs::write(scratch.join("lab.yaml"), many).expect("a manifest in the scratch folder");
    // Step by step, so that there is a middle.
    let tiers = "route = \"vboxmanage\"\n[mcp]\ntier = \"apply-safe\"\n";
    fs::write(scratch.join("vboxmcp.toml"), tiers).expect("a configuration in the scratch folder");
    let mut command = home.command(env!("CARGO_BIN_EXE_vboxmcp"));
    command.args(["mcp", "--root", path(&scratch)]);
    let mut agent = Agent::with_person(command, Era::Modern);
    let hash = agent.tool("plan", json!({"paths": ["lab.yaml"]})).1["hash"].clone();
    let asked = agent.call("apply", json!({"hash": hash}));
    agent.send(
        "tools/call",
        json!({
            "name": "apply", "arguments": {"hash": hash}, "requestState": asked["requestState"],
            "inputResponses": {"approval": {"action": "accept", "content": {"approve": true}}},
            "_meta": {"progressToken": 1},
        }),
    );
    while !agent.notifications.iter().any(|one| one["params"]["progress"].as_f64() >= Some(2.0)) {
        agent.read();
    }
    assert!(agent.end().success());
    let shown = |words: &[&str]| -> Value { serde_json::from_str(&home.vboxmcp(words).ok()).expect("a run") };
    let run = shown(&["runs", "show", "latest", "-o", "json"]);
    assert_eq!((&run["run"]["state"], &run["run"]["failed"]), (&json!("cancelled"), &json!(0)), "{run}");
    assert!(run["run"]["done"].as_u64() >= Some(2), "{run}");
    assert_eq!(home.vboxmcp(&["runs", "resume", "latest", "--yes"]).code, Some(0));
    assert_eq!(home.vbox(&["list", "vms"]).ok().lines().count(), 30);
    let pending = shown(&["plan", "lab.yaml", "-o", "json"]);
    assert_eq!(pending["steps"], json!([]), "{pending}");
}
