//! The same engine behind both doors: same manifests, same plan hash, same refusals.

use serde_json::{Value, json};
use vboxmcp::host::sim::ByHand;

use super::{Bench, LAB};
use crate::agent::Era;

#[test]
fn a_plan_is_the_same_in_a_terminal_and_for_an_agent() {
    let bench = Bench::new();
    let typed = bench.terminal(&["plan", "lab.yaml"], None);
    let piped = bench.terminal(&["plan", "-"], Some(&bench.root().join("lab.yaml")));
    let off = bench.terminal(&["plan", "lab.yaml", "--var", "state=poweroff"], None);
    assert_ne!(typed["hash"], off["hash"], "the variable does something");
    for era in Era::ALL {
        let mut agent = bench.agent(era);
        let (text, plan) = agent.tool("plan", json!({"paths": ["lab.yaml"]}));
        assert_eq!(plan["hash"], typed["hash"], "{era:?}");
        assert_eq!(plan["steps"], json!(typed["steps"].as_array().unwrap().len()));
        assert!(text.contains("Plan: 2 to add, 0 to change, 0 to remove."), "{text}");
        let (_, plan) = agent.tool("plan", json!({"manifest": LAB}));
        assert_eq!(plan["hash"], piped["hash"], "{era:?}");
        let with = json!({"paths": ["lab.yaml"], "variables": {"state": "poweroff"}});
        assert_eq!(agent.tool("plan", with).1["hash"], off["hash"], "{era:?}");
        assert!(agent.end().success());
    }
}

#[test]
fn permissions_and_drift_are_the_same_too() {
    let bench = Bench::new();
    assert_eq!(bench.terminal(&["apply", "lab.yaml", "--yes"], None)["exitCode"], json!(0));
    let off = ["plan", "lab.yaml", "--var", "state=poweroff"];
    let blocked = bench.terminal(&off, None);
    let allowed = bench.terminal(&[&off[..], &["--allow", "downtime"]].concat(), None);
    let drift = bench.terminal(&["drift", "lab.yaml"], None);
    let mut agent = bench.agent(Era::Modern);
    let mut with = json!({"paths": ["lab.yaml"], "variables": {"state": "poweroff"}});
    let (_, plan) = agent.tool("plan", with.clone());
    let objects = plan["objects"].as_object().unwrap().values();
    assert_eq!(objects.filter(|lines| lines[0] == json!("blocked")).count(), 2);
    assert_eq!((&plan["steps"], plan.get("hash")), (&json!(0), None));
    assert_eq!(plan["missing"], json!(["downtime"]));
    assert_eq!(blocked["steps"], json!([]));
    with["allow"] = json!(["downtime"]);
    let (_, plan) = agent.tool("plan", with);
    assert_eq!(plan["hash"], allowed["hash"]);
    assert_eq!(plan["danger"]["downtime"], json!(["vm/web-1", "vm/web-2"]));
    let (_, said) = agent.tool("drift", json!({"paths": ["lab.yaml"]}));
    assert_eq!((&said["drift"], &said["pending"]), (&drift["drift"], &drift["pending"]));
}

/// Every tool that makes a plan, and its twin in a terminal: the same hash, and where it is refused, the same failure.
#[test]
fn acting_tools_make_the_plans_of_their_twins() {
    let bench = Bench::new();
    bench.terminal(&["apply", "lab.yaml", "--yes"], None);
    bench.terminal(&["snapshot", "clean", "web-*", "--yes"], None);
    let create = |name: &str| ByHand::Create {
        name: name.to_owned(),
        os_type: "Other".to_owned(),
        groups: Vec::new(),
    };
    bench.by_hand(&create("stranger"));
    let foreign =
        "apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {name: stranger}\nspec: {osType: Other}\n";
    std::fs::write(bench.root().join("stranger.yaml"), foreign).unwrap();
    let lab = json!(["lab.yaml"]);
    let mut agent = bench.agent(Era::Modern);
    for (tool, with, twin) in [
        ("power", json!({"command": "save", "machines": ["web-1"]}), &["save", "web-1"][..]),
        (
            "power",
            json!({"command": "stop", "machines": ["web-*"], "allow": ["downtime"]}),
            &["stop", "web-*", "--allow", "downtime"],
        ),
        ("power", json!({"command": "reset", "machines": ["web-1"]}), &["reset", "web-1"]),
        ("snapshot", json!({"name": "second", "machines": ["web-2"]}), &["snapshot", "second", "web-2"]),
        (
            "revert",
            json!({"snapshot": "clean", "paths": lab, "allow": ["revert", "downtime"]}),
            &["revert", "clean", "-f", "lab.yaml", "--allow", "revert,downtime"],
        ),
        (
            "destroy",
            json!({"paths": lab, "all": true, "allow": ["destroy-data", "downtime", "power-cut"]}),
            &["destroy", "lab.yaml", "--all", "--allow", "destroy-data,downtime,power-cut"],
        ),
        (
            "adopt",
            json!({"paths": ["stranger.yaml"], "addresses": ["vm/stranger"]}),
            &["adopt", "vm/stranger", "-f", "stranger.yaml"],
        ),
        ("power", json!({"command": "stop", "machines": ["stranger"]}), &["stop", "stranger"]),
        ("snapshot", json!({"name": "x", "machines": ["stranger"]}), &["snapshot", "x", "stranger"]),
        ("power", json!({"command": "start", "machines": ["nobody"]}), &["start", "nobody"]),
        (
            "adopt",
            json!({"paths": ["lab.yaml"], "addresses": ["vm/web-1"]}),
            &["adopt", "vm/web-1", "-f", "lab.yaml"],
        ),
    ] {
        let typed = bench.documents(twin);
        let result = agent.call(tool, with.clone());
        let planned = typed.iter().find(|one| one["type"] == json!("plan")).map(|one| &one["plan"]);
        if let Some(plan) = planned {
            let own = &result["structuredContent"];
            let steps = plan["steps"].as_array().unwrap().len();
            assert_eq!(own["steps"], json!(steps), "{tool} {with}: {result}");
            let hash = if steps == 0 { &Value::Null } else { &plan["hash"] };
            assert_eq!(own.get("hash").unwrap_or(&Value::Null), hash, "{tool} {with}");
        } else {
            let failure = typed.last().unwrap();
            assert_eq!(failure["type"], json!("error"), "{tool} {with}: {typed:?}");
            assert_eq!(&result["_meta"]["vboxmcp/error"], failure, "{tool} {with}");
        }
    }
}

#[test]
fn a_wrong_manifest_is_refused_with_the_same_words() {
    let bench = Bench::new();
    let wrong = LAB.replace("memory: 512MiB", "memroy: 512MiB");
    std::fs::write(bench.root().join("wrong.yaml"), &wrong).unwrap();
    let typed = bench.terminal(&["validate", "wrong.yaml"], None);
    let mut agent = bench.agent(Era::Legacy);
    let (text, said) = agent.failing_tool("validate", json!({"paths": ["wrong.yaml"]}));
    assert_eq!(said, typed);
    assert_eq!((&said["kind"], &said["diagnostics"][0]["line"]), (&json!("manifest"), &json!(14)));
    assert!(text.contains("did you mean `memory`"), "{text}");
}
