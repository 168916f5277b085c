//! Ctrl-C in the middle of a run: what runs is finished, nothing else begins, and the next run goes on.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

const MANIFEST: &str = "\
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: node}
spec:
  replicas: 12
  osType: Debian_64
  memory: 64MiB
";

#[expect(clippy::disallowed_methods, reason = "the program under test, and the one that sends it a signal")]
fn command(program: &str, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).stdin(Stdio::null()).stderr(Stdio::null());
    command
}

fn apply(directory: &Path) -> Command {
    let mut command = command(env!("CARGO_BIN_EXE_vboxmcp"), directory);
    command.args(["apply", "lab.yaml", "--host", "sim:host", "--yes", "-o", "json"]);
    command
}

#[test]
fn ctrl_c_finishes_what_runs_and_the_next_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path();
    std::fs::write(directory.join("lab.yaml"), MANIFEST).unwrap();
    let mut child = apply(directory).stdout(Stdio::piped()).spawn().unwrap();
    let mut documents: Vec<Value> = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let document: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let first = document["type"] == "stepFinished"
            && !documents.iter().any(|earlier| earlier["type"] == "stepFinished");
        documents.push(document);
        if first {
            let sent = command("kill", directory).args(["-INT", &child.id().to_string()]).status();
            assert!(sent.unwrap().success());
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert!(documents.iter().any(|document| document["type"] == "cancelling" && document["now"] == false));
    let outcome = &documents.last().unwrap()["outcome"];
    assert_eq!((&outcome["cancelled"], &outcome["failed"]), (&Value::Bool(true), &Value::Array(Vec::new())));
    assert_ne!(outcome["skipped"], Value::Array(Vec::new()), "the run had ended before it was cancelled");

    let again = apply(directory).output().unwrap();
    assert_eq!(again.status.code(), Some(0));
    let plan = apply(directory).output().unwrap();
    let text = String::from_utf8(plan.stdout).unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["plan"]["steps"], Value::Array(Vec::new()));
}
