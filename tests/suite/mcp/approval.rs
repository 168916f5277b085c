//! `apply`: a person's consent to exactly one plan, once, in three ways; and everything that is no consent.

use std::path::PathBuf;

use serde_json::{Value, json};
use vboxmcp::ops::kept::Shelf;

use super::Bench;
use crate::agent::{Agent, Era, text};

const SAFE: &str = "[mcp]\ntier = \"apply-safe\"\n";

fn yes() -> Value {
    json!({"action": "accept", "content": {"approve": true}})
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.configure(SAFE);
    bench
}

fn planned(agent: &mut Agent) -> Value {
    agent.tool("plan", json!({"paths": ["lab.yaml"]})).1["hash"].clone()
}

fn shelf(bench: &Bench) -> Shelf {
    Shelf::at(bench.folder.path().join("host/state/plans"))
}

#[track_caller]
fn refused(result: &Value, words: &str) {
    assert_eq!(result["isError"], json!(true), "{result}");
    assert!(text(result).contains(words), "{}", text(result));
}

#[test]
fn a_person_who_says_yes_at_the_client_lets_it_run_and_the_journal_says_who_asked() {
    for era in Era::ALL {
        let bench = bench();
        let mut agent = bench.person(era);
        agent.answer = yes();
        let hash = planned(&mut agent);
        let result = agent.apply(&hash);
        assert_eq!(result["isError"], json!(false), "{era:?}: {}", text(&result));
        assert_eq!(result["structuredContent"]["outcome"], json!("done"));
        let asked = &agent.asked[0];
        let message = asked["message"].as_str().unwrap();
        assert!(message.starts_with("test-agent 1.0 asks to apply this plan of stack shop"), "{message}");
        assert!(message.contains("Plan: 2 to add") && message.contains(hash.as_str().unwrap()), "{message}");
        assert_eq!(asked["requestedSchema"]["required"], json!(["approve"]));
        let run = bench.terminal(&["runs", "show", "latest"], None);
        let expected = json!({"client": "test-agent", "version": "1.0", "approval": "asked by the client"});
        assert_eq!(run["header"]["who"]["agent"], expected, "{run}");
        assert_eq!(run["header"]["plan"], hash);
        // The plan ran once, and now there is nothing to do.
        refused(&agent.apply(&hash), "is kept here");
        assert_eq!(planned(&mut agent), Value::Null);
    }
}

#[test]
fn anything_but_a_plain_yes_is_a_no() {
    for era in Era::ALL {
        let bench = bench();
        let mut agent = bench.person(era);
        let hash = planned(&mut agent);
        let before = bench.host();
        for answer in [
            json!({"action": "decline"}),
            json!({"action": "cancel"}),
            json!({"action": "accept"}),
            json!({"action": "accept", "content": {}}),
            json!({"action": "accept", "content": {"approve": false}}),
            json!({"action": "accept", "content": {"approve": "true"}}),
        ] {
            agent.answer = answer;
            refused(&agent.apply(&hash), "nothing was done");
        }
        assert_eq!(bench.host(), before, "{era:?}");
    }
}

#[test]
fn an_answer_counts_once_for_its_plan_and_its_client() {
    let bench = bench();
    let mut agent = bench.person(Era::Modern);
    agent.answer = yes();
    let hash = planned(&mut agent);
    let with = json!({"paths": ["lab.yaml"], "variables": {"state": "poweroff"}});
    let other_hash = agent.tool("plan", with).1["hash"].clone();
    let before = bench.host();
    let ask = |agent: &mut Agent, hash: &Value| {
        let first = agent.call("apply", json!({"hash": hash}));
        assert_eq!(first["resultType"], json!("input_required"), "{first}");
        first["requestState"].clone()
    };

    // For another plan, and with another client's question.
    let state = ask(&mut agent, &hash);
    refused(&agent.answered(&other_hash, &state), "this is no approval of plan");
    agent.name = "another-agent";
    let others = agent.tool("plan", json!({"paths": ["lab.yaml"]})).1["hash"].clone();
    assert_eq!(others, hash);
    refused(&agent.answered(&hash, &state), "this is no approval of plan");
    agent.name = "test-agent";
    // Altered, made up, empty.
    let text = state.as_str().unwrap();
    for wrong in
        [format!("{text}x"), text.replace("rs1", "rs2"), text[..text.len() / 2].to_owned(), String::new()]
    {
        refused(&agent.answered(&hash, &json!(wrong)), "this is no approval of plan");
    }
    assert_eq!(bench.host(), before);
    // A no uses it up, too.
    agent.answer = json!({"action": "decline"});
    refused(&agent.answered(&hash, &state), "not consented to");
    agent.answer = yes();
    refused(&agent.answered(&hash, &state), "answered already");
    assert_eq!(bench.host(), before);
    // Used once, it is used up, even where the same plan is made again.
    let state = ask(&mut agent, &hash);
    assert_eq!(agent.answered(&hash, &state)["structuredContent"]["outcome"], json!("done"));
    bench.terminal(
        &["destroy", "lab.yaml", "--confirm", "shop", "--all", "--allow", "destroy-data,power-cut,downtime"],
        None,
    );
    agent.tool("plan", json!({"paths": ["lab.yaml"]}));
    let again = agent.answered(&hash, &state);
    assert_eq!(again["isError"], json!(true), "{again}");
}

#[test]
fn questions_and_plans_expire() {
    let bench = bench();
    let mut agent = bench.person(Era::Modern);
    agent.answer = yes();
    let hash = planned(&mut agent);
    let first = agent.call("apply", json!({"hash": hash}));
    let folder = bench.folder.path().join("host/state/plans");
    let age = |extension: &str| {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.extension().is_some_and(|found| found == extension) {
                let mut value: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                value["expires"] = json!(1);
                std::fs::write(&path, value.to_string()).unwrap();
            }
        }
    };
    age("question");
    refused(&agent.answered(&hash, &first["requestState"]), "has expired");
    age("plan");
    refused(&agent.apply(&hash), "is kept here");
}

#[test]
fn a_client_that_cannot_ask_needs_an_approval_on_a_terminal() {
    for era in Era::ALL {
        let bench = bench();
        let mut agent = bench.agent(era);
        let hash = planned(&mut agent);
        let digits = &hash.as_str().unwrap()[..8];
        let result = agent.apply(&hash);
        refused(&result, "nobody approved plan");
        assert!(text(&result).contains(&format!("vboxmcp approve {digits}")), "{}", text(&result));
        let waiting = bench.command(&["approve"]).output().unwrap();
        let waiting = String::from_utf8(waiting.stdout).unwrap();
        assert!(waiting.starts_with(&format!("{digits}  apply of stack shop")), "{waiting}");
        // What `vboxmcp approve` does once the digits are typed.
        let kept = shelf(&bench).find(digits, None).unwrap();
        shelf(&bench).approve(&kept, "ann").unwrap();
        let mut stranger = Agent::with_capabilities(bench.command(&["mcp"]), era, "another-agent", json!({}));
        assert_eq!(planned(&mut stranger), hash);
        refused(&stranger.apply(&hash), "nobody approved plan");
        assert_eq!(agent.apply(&hash)["structuredContent"]["outcome"], json!("done"));
        let run = bench.terminal(&["runs", "show", "latest"], None);
        assert_eq!(run["header"]["who"]["agent"]["approval"], json!("approved on a terminal by ann"));
    }
}

#[cfg(unix)]
#[test]
fn without_a_terminal_nothing_can_be_approved() {
    let bench = bench();
    let mut agent = bench.agent(Era::Modern);
    let hash = planned(&mut agent);
    let digits = &hash.as_str().unwrap()[..8];
    // A session of its own has no controlling terminal, whatever this test has.
    let own = bench.command(&["approve", digits]);
    #[expect(clippy::disallowed_methods, reason = "the program that takes the terminal away")]
    let mut command = std::process::Command::new("setsid");
    command.arg("-w").arg(own.get_program()).args(own.get_args()).current_dir(bench.root());
    command.env("HOME", bench.folder.path());
    let mut child =
        command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{digits}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
    refused(&agent.apply(&hash), "nobody approved plan");
}

/// A terminal of its own for a program, and a person who types one line at it when it asks; what the program said, and how it ended.
#[cfg(target_os = "linux")]
fn typed(bench: &Bench, digits: &str, line: &str) -> (String, Option<i32>) {
    use std::io::{Read as _, Write as _};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let end = std::fs::File::options().read(true).write(true).open(name).unwrap();
    let mut terminal = std::fs::File::from(terminal);
    let own = bench.command(&["approve", digits]);
    #[expect(clippy::disallowed_methods, reason = "the program that gives the terminal")]
    let mut command = std::process::Command::new("setsid");
    command.args(["--ctty", "--wait"]).arg(own.get_program()).args(own.get_args());
    command.current_dir(bench.root()).env("HOME", bench.folder.path());
    command.stdin(end).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    // The command holds the other end of the terminal: what the program said ends when both are gone.
    drop(command);
    let (mut said, mut bytes, mut has_typed) = (String::new(), [0; 4096], false);
    while let Ok(count @ 1..) = terminal.read(&mut bytes) {
        said.push_str(&String::from_utf8_lossy(&bytes[..count]));
        if !has_typed && said.contains("to approve it: ") {
            writeln!(terminal, "{line}").unwrap();
            has_typed = true;
        }
    }
    (said, child.wait().unwrap().code())
}

#[cfg(target_os = "linux")]
#[test]
fn the_first_eight_digits_typed_at_a_terminal_approve_a_plan() {
    let bench = bench();
    let mut agent = bench.agent(Era::Modern);
    let hash = planned(&mut agent);
    let digits = &hash.as_str().unwrap()[..8];
    for wrong in ["yes", "", &digits[..7], "00000000"] {
        let (said, code) = typed(&bench, digits, wrong);
        assert_eq!(code, Some(7), "{said}");
        refused(&agent.apply(&hash), "nobody approved plan");
    }
    let (said, code) = typed(&bench, digits, digits);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("test-agent 1.0 made this plan") && said.contains("Plan: 2 to add"), "{said}");
    assert_eq!(agent.apply(&hash)["structuredContent"]["outcome"], json!("done"));
    // An approval is for one run of one plan.
    bench.terminal(
        &[
            "destroy",
            "lab.yaml",
            "--confirm",
            "shop",
            "--all",
            "--yes",
            "--allow",
            "destroy-data,power-cut,downtime",
        ],
        None,
    );
    let again = planned(&mut agent);
    refused(&agent.apply(&again), "nobody approved plan");
}

#[test]
fn a_plan_that_the_world_has_overtaken_is_refused_before_anybody_is_asked() {
    let bench = bench();
    let mut agent = bench.person(Era::Modern);
    agent.answer = yes();
    let hash = planned(&mut agent);
    bench.terminal(&["apply", "lab.yaml", "--yes", "--var", "state=poweroff"], None);
    let result = agent.apply(&hash);
    refused(&result, "the plan is stale, nothing was done");
    assert!(text(&result).contains("web-1"), "{}", text(&result));
    assert_eq!(agent.asked, Vec::<Value>::new());
}

#[test]
fn a_client_that_goes_in_the_middle_leaves_a_run_that_ended_or_can_be_gone_on_with() {
    let bench = bench();
    let many = "apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {name: node}\n\
                spec: {replicas: 12, osType: Debian_64, memory: 64MiB}\n";
    std::fs::write(bench.root().join("lab.yaml"), many).unwrap();
    let mut agent = bench.person(Era::Modern);
    agent.answer = yes();
    let hash = planned(&mut agent);
    let first = agent.call("apply", json!({"hash": hash}));
    agent.send(
        "tools/call",
        json!({
            "name": "apply", "arguments": {"hash": hash}, "requestState": first["requestState"],
            "inputResponses": {"approval": yes()}, "_meta": {"progressToken": 1},
        }),
    );
    assert!(agent.end().success());
    let run = bench.terminal(&["runs", "show", "latest"], None);
    match run["run"]["state"].as_str() {
        Some("done") => {}
        Some("cancelled") => {
            assert_eq!(bench.terminal(&["runs", "resume", "latest", "--yes"], None)["exitCode"], json!(0));
        }
        _ => panic!("{run}"),
    }
    let again = bench.terminal(&["apply", "lab.yaml", "--yes"], None);
    assert_eq!((&again["exitCode"], &again["outcome"]["done"]), (&json!(0), &json!(0)), "{again}");
}
