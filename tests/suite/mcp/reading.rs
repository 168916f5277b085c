//! Resources, prompts, completions, progress and tasks.

use serde_json::{Value, json};

use super::Bench;
use crate::agent::{Agent, Era};

fn yes() -> Value {
    json!({"action": "accept", "content": {"approve": true}})
}

fn read(agent: &mut Agent, address: &str) -> Result<String, Value> {
    let read = agent.request("resources/read", json!({"uri": address}))?;
    Ok(read["contents"][0]["text"].as_str().unwrap().to_owned())
}

#[test]
fn machines_plans_runs_and_the_schema_are_read_by_their_addresses() {
    for era in Era::ALL {
        let bench = Bench::new();
        let mut agent = bench.agent(era);
        let with = json!({"paths": ["lab.yaml"], "variables": {"state": "paused"}});
        let hash = agent.tool("plan", with).1["hash"].clone();
        let plan = read(&mut agent, &format!("vbox://plan/{}", hash.as_str().unwrap())).unwrap();
        assert!(plan.contains(hash.as_str().unwrap()), "{plan}");
        bench.terminal(&["apply", "lab.yaml", "--yes"], None);
        let machine: Value =
            serde_json::from_str(&read(&mut agent, "vbox://machine/web-1").unwrap()).unwrap();
        assert_eq!(machine["settings"]["memory"], json!(512));
        assert!(read(&mut agent, "vbox://run/latest").unwrap().contains("done"));
        assert!(read(&mut agent, "vbox://schema/manifest").unwrap().contains("VirtualMachine"));
        let words: Value = serde_json::from_str(&read(&mut agent, "vbox://vocabulary").unwrap()).unwrap();
        let memory = words.as_array().unwrap().iter().find(|word| word["path"] == json!("memory")).unwrap();
        assert_eq!(memory["changesWhile"], json!(["off"]), "{memory}");
        let code = if era == Era::Modern { -32602 } else { -32002 };
        for wrong in [
            "vbox://machine/nobody",
            "vbox://plan/00000000",
            "vbox://run/x",
            "vbox://x",
            "file:///etc/passwd",
        ] {
            assert_eq!(read(&mut agent, wrong).unwrap_err()["code"], json!(code), "{wrong}");
        }
        let listed = agent.request("resources/list", json!({})).unwrap();
        let listed = listed["resources"].as_array().unwrap();
        assert!(listed.iter().any(|one| one["name"] == json!("web-2")), "{listed:?}");
        for one in listed {
            read(&mut agent, one["uri"].as_str().unwrap()).unwrap();
        }
        let templates = agent.request("resources/templates/list", json!({})).unwrap();
        assert_eq!(templates["resourceTemplates"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn another_clients_plan_is_not_there() {
    let bench = Bench::new();
    let mut agent = bench.agent(Era::Modern);
    let hash = agent.tool("plan", json!({"paths": ["lab.yaml"]})).1["hash"].clone();
    let address = format!("vbox://plan/{}", hash.as_str().unwrap());
    let mut other = Agent::with_capabilities(bench.command(&["mcp"]), Era::Modern, "other", json!({}));
    assert!(read(&mut other, &address).is_err());
    assert!(read(&mut agent, &address).is_ok());
}

#[test]
fn prompts_are_filled_in_and_names_completed() {
    let bench = Bench::new();
    bench.terminal(&["apply", "lab.yaml", "--yes", "--var", "state=poweroff"], None);
    bench.terminal(&["snapshot", "clean", "web-*", "--yes"], None);
    bench.terminal(&["snapshot", "tested", "web-2", "--yes"], None);
    let mut agent = bench.agent(Era::Legacy);
    let prompts = agent.request("prompts/list", json!({})).unwrap();
    assert_eq!(prompts["prompts"].as_array().unwrap().len(), 4);
    let asked = json!({"name": "take-over", "arguments": {"machine": "web-1"}});
    let prompt = agent.request("prompts/get", asked).unwrap();
    assert!(prompt["messages"][0]["content"]["text"].as_str().unwrap().contains("web-1"));
    assert!(agent.request("prompts/get", json!({"name": "take-over"})).is_err());
    assert!(agent.request("prompts/get", json!({"name": "nothing"})).is_err());
    let completed = |agent: &mut Agent, reference: Value, name: &str, value: &str| {
        let params = json!({"ref": reference, "argument": {"name": name, "value": value}});
        agent.request("completion/complete", params).unwrap()["completion"]["values"].clone()
    };
    let machine = json!({"type": "ref/resource", "uri": "vbox://machine/{name}"});
    assert_eq!(completed(&mut agent, machine.clone(), "name", "web"), json!(["web-1", "web-2"]));
    assert_eq!(completed(&mut agent, machine, "name", "x"), json!([]));
    let prompt = json!({"type": "ref/prompt", "name": "take-over"});
    assert_eq!(completed(&mut agent, prompt, "machine", "web-2"), json!(["web-2"]));
    let prompt = json!({"type": "ref/prompt", "name": "go-back"});
    assert_eq!(completed(&mut agent, prompt.clone(), "snapshot", ""), json!(["clean", "tested"]));
    assert_eq!(completed(&mut agent, prompt.clone(), "snapshot", "te"), json!(["tested"]));
    let with = json!({"ref": prompt, "argument": {"name": "snapshot", "value": ""}, "context": {"arguments": {"machine": "web-1"}}});
    let named = agent.request("completion/complete", with).unwrap();
    assert_eq!(named["completion"]["values"], json!(["clean"]), "those of the machine that was picked");
    let asked = json!({"name": "go-back", "arguments": {"machine": "web-1", "snapshot": "clean"}});
    let prompt = agent.request("prompts/get", asked).unwrap().to_string();
    assert!(prompt.contains("web-1") && prompt.contains("clean") && prompt.contains("`revert`"), "{prompt}");
}

#[test]
fn progress_goes_up_step_by_step() {
    let bench = Bench::new();
    bench.configure("[mcp]\ntier = \"apply-safe\"\n");
    for (era, state) in [(Era::Legacy, "poweroff"), (Era::Modern, "running")] {
        let mut agent = bench.person(era);
        agent.answer = yes();
        let with = json!({"paths": ["lab.yaml"], "variables": {"state": state}});
        let (_, plan) = agent.tool("plan", with);
        let mut params =
            json!({"name": "apply", "arguments": {"hash": plan["hash"]}, "_meta": {"progressToken": "p"}});
        let mut result = agent.request("tools/call", params.clone()).unwrap();
        if result["resultType"] == json!("input_required") {
            params["requestState"] = result["requestState"].clone();
            params["inputResponses"] = json!({"approval": yes()});
            result = agent.request("tools/call", params).unwrap();
        }
        assert_eq!(result["structuredContent"]["outcome"], json!("done"), "{result}");
        let told: Vec<f64> = agent
            .notifications
            .iter()
            .filter(|one| one["method"] == json!("notifications/progress"))
            .map(|one| {
                assert_eq!(
                    (&one["params"]["progressToken"], &one["params"]["total"]),
                    (&json!("p"), &json!(plan["steps"].as_f64()))
                );
                one["params"]["progress"].as_f64().unwrap()
            })
            .collect();
        assert!(told.len() >= 2 && told.windows(2).all(|pair| pair[0] < pair[1]), "{era:?}: {told:?}");
    }
}

#[test]
fn a_run_is_a_task_that_outlives_its_server() {
    let bench = Bench::new();
    bench.configure("[mcp]\ntier = \"apply-safe\"\n");
    let can = json!({"elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}});
    let start = |name| Agent::with_capabilities(bench.command(&["mcp"]), Era::Modern, name, can.clone());
    let mut agent = start("test-agent");
    agent.answer = yes();
    let hash = agent.tool("plan", json!({"paths": ["lab.yaml"]})).1["hash"].clone();
    let task = agent.apply(&hash);
    assert_eq!(task["resultType"], json!("task"), "{task}");
    let id = json!({"taskId": task["taskId"]});
    let ended = loop {
        let now = agent.request("tasks/get", id.clone()).unwrap();
        if now["status"] != json!("working") {
            break now;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert_eq!(ended["status"], json!("completed"), "{ended}");
    assert_eq!(ended["result"]["structuredContent"]["outcome"], json!("done"));
    assert!(agent.end().success());
    let mut later = start("test-agent");
    let again = later.request("tasks/get", id.clone()).unwrap();
    assert_eq!((&again["status"], &again["result"]), (&ended["status"], &ended["result"]));
    later.request("tasks/cancel", id.clone()).unwrap();
    assert!(start("other").request("tasks/get", id).is_err(), "it is no task of another client");
}

#[test]
fn a_task_whose_server_dies_says_so_and_is_gone_on_with() {
    let bench = Bench::new();
    bench.configure("[mcp]\ntier = \"apply-safe\"\n");
    let many = "apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {name: node}\n\
                spec: {replicas: 100, osType: Debian_64, memory: 64MiB}\n";
    std::fs::write(bench.root().join("lab.yaml"), many).unwrap();
    let can = json!({"elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}});
    let start = || Agent::with_capabilities(bench.command(&["mcp"]), Era::Modern, "test-agent", can.clone());
    let mut agent = start();
    agent.answer = yes();
    let hash = agent.tool("plan", json!({"paths": ["lab.yaml"]})).1["hash"].clone();
    let task = agent.apply(&hash);
    let id = json!({"taskId": task["taskId"]});
    assert_eq!(agent.request("tasks/get", id.clone()).unwrap()["status"], json!("working"));
    agent.kill();
    let mut later = start();
    let told = later.request("tasks/get", id).unwrap();
    assert_eq!(told["status"], json!("failed"), "{told}");
    assert!(told["error"]["message"].as_str().unwrap().contains("vboxmcp runs resume"), "{told}");
    // Nobody takes the consent over for a plan that has run.
    let again = later.call("apply", json!({"hash": hash}));
    assert_eq!(again["isError"], json!(true), "{again}");
    let run = task["taskId"].as_str().unwrap();
    assert_eq!(bench.terminal(&["runs", "resume", run, "--yes"], None)["exitCode"], json!(0));
    assert_eq!(later.tool("list", json!({"limit": 1})).1["total"], json!(100));
}

#[test]
fn a_cancelled_call_stops_between_steps_and_the_next_apply_goes_on() {
    let bench = Bench::new();
    bench.configure("[mcp]\ntier = \"apply-safe\"\n");
    let many = "apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {name: node}\n\
                spec: {replicas: 40, osType: Debian_64, memory: 64MiB}\n";
    std::fs::write(bench.root().join("lab.yaml"), many).unwrap();
    let mut agent = bench.person(Era::Modern);
    let hash = agent.tool("plan", json!({"paths": ["lab.yaml"]})).1["hash"].clone();
    let asked = agent.call("apply", json!({"hash": hash}));
    let call = agent.send(
        "tools/call",
        json!({
            "name": "apply", "arguments": {"hash": hash}, "requestState": asked["requestState"],
            "inputResponses": {"approval": yes()}, "_meta": {"progressToken": 1},
        }),
    );
    while !agent.notifications.iter().any(|one| one["params"]["progress"].as_f64() >= Some(1.0)) {
        agent.read();
    }
    let cancelled =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": call}});
    agent.write(&cancelled);
    assert!(agent.end().success());
    let run = bench.terminal(&["runs", "show", "latest"], None);
    assert_eq!(run["run"]["state"], json!("cancelled"), "{run}");
    assert!(run["run"]["done"].as_u64().unwrap() > 0 && run["run"]["failed"] == json!(0), "{run}");
    assert_eq!(bench.terminal(&["apply", "lab.yaml", "--yes"], None)["exitCode"], json!(0));
}

/// Reads what comes until a notification is among it.
fn told(agent: &mut Agent, method: &str, fits: impl Fn(&Value) -> bool) -> Value {
    loop {
        if let Some(at) =
            agent.notifications.iter().position(|one| one["method"] == json!(method) && fits(one))
        {
            return agent.notifications.remove(at);
        }
        agent.read();
    }
}

#[test]
fn a_client_is_told_of_machines_that_somebody_else_changes() {
    const UPDATED: &str = "notifications/resources/updated";
    for era in Era::ALL {
        let bench = Bench::new();
        bench.terminal(&["apply", "lab.yaml", "--yes", "--var", "state=poweroff"], None);
        let mut agent = bench.agent(era);
        let (mine, other) = ("vbox://machine/web-1", "vbox://machine/web-2");
        match era {
            Era::Legacy => {
                agent.request("resources/subscribe", json!({"uri": mine})).unwrap();
                agent.request("resources/subscribe", json!({"uri": other})).unwrap();
                agent.request("resources/unsubscribe", json!({"uri": other})).unwrap();
            }
            Era::Modern => {
                let wanted = json!({"resourceSubscriptions": [mine, "file:///etc/passwd"], "resourcesListChanged": true});
                agent.send("subscriptions/listen", json!({"notifications": wanted}));
                let said = told(&mut agent, "notifications/subscriptions/acknowledged", |_| true);
                assert_eq!(said["params"]["notifications"]["resourceSubscriptions"], json!([mine]), "{said}");
            }
        }
        // The watcher begins with the first who wants to know: what it then finds is what it compares with.
        std::thread::sleep(std::time::Duration::from_millis(300));
        bench.terminal(&["start", "web-2", "--yes"], None);
        bench.terminal(&["start", "web-1", "--yes"], None);
        let said = told(&mut agent, UPDATED, |_| true);
        assert_eq!(said["params"]["uri"], json!(mine), "{era:?}: the other one is not of interest");
        if era == Era::Modern {
            let all = [
                "destroy",
                "lab.yaml",
                "--all",
                "--allow",
                "destroy-data,downtime,power-cut",
                "--confirm",
                "shop",
            ];
            bench.terminal(&[&all[..], &["--yes"]].concat(), None);
            told(&mut agent, "notifications/resources/list_changed", |_| true);
        }
    }
}
