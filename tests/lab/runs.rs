//! Runs on a real VirtualBox: Ctrl-C and a death in the middle, what the journal says then, and going on.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Child;

use serde_json::Value;

use crate::Test;
use crate::home::{Home, Output, eventually, kill, path, signal};
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("ctrl_c_says_how_to_go_on", ctrl_c_says_how_to_go_on),
    ("a_killed_run_died_and_is_gone_on_with", a_killed_run_died_and_is_gone_on_with),
];

fn manifest(home: &Home) -> PathBuf {
    let text = "\
apiVersion: vboxmcp/v1
kind: Stack
metadata: {name: runs}
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: node}
spec:
  replicas: 12
  osType: Other
  memory: 32MiB
  disks:
    root: {size: 8MiB}
";
    let file = home.scratch().join("runs.yaml");
    fs::write(&file, text).expect("a manifest in the scratch folder");
    file
}

/// An apply that goes on, with the file that its standard error goes to.
fn begun(home: &Home, file: &str) -> (Child, PathBuf) {
    let said = home.scratch().join("stderr");
    let child = home
        .command(env!("CARGO_BIN_EXE_vboxmcp"))
        .args(["apply", file, "--yes", "--route", "vboxmanage"])
        .stdout(File::create(home.scratch().join("stdout")).expect("a file"))
        .stderr(File::create(&said).expect("a file"))
        .spawn()
        .expect("vboxmcp can be started");
    // The first machine is whole, others are to come.
    eventually("the first steps are done", 60, || {
        fs::read_to_string(&said).expect("the file").lines().count() > 8
    });
    (child, said)
}

fn expect(said: Output, code: i32) -> Output {
    assert_eq!(said.code, Some(code), "{said:?}");
    said
}

fn runs(home: &Home) -> Vec<Value> {
    let said = expect(home.vboxmcp(&["runs", "list", "-o", "json"]), 0);
    let document: Value = serde_json::from_str(&said.stdout).expect("one document");
    document["runs"].as_array().expect("runs").clone()
}

fn is_whole(home: &Home, file: &str) {
    assert_eq!(home.vbox(&["list", "vms"]).ok().lines().count(), 12);
    assert_eq!(
        home.vbox(&["list", "hdds"]).ok().lines().filter(|line| line.starts_with("UUID:")).count(),
        12
    );
    expect(home.vboxmcp(&["plan", file, "--detailed-exitcode"]), 0);
    expect(home.vboxmcp(&["runs", "verify"]), 0);
}

fn ctrl_c_says_how_to_go_on(lab: &Lab) {
    let home = lab.home();
    let manifest = manifest(&home);
    let file = path(&manifest);
    let (mut child, said) = begun(&home, file);
    let going = runs(&home);
    assert_eq!(going[0]["state"], "running", "{going:?}");
    expect(home.vboxmcp(&["runs", "resume", "latest"]), 9);
    signal(child.id(), "INT");
    let status = child.wait().expect("vboxmcp ends");
    let said = fs::read_to_string(said).expect("the file");
    assert_eq!(status.code(), Some(7), "{said}");
    let run = runs(&home).remove(0);
    assert_eq!(run["state"], "cancelled", "{run}");
    let id = run["id"].as_str().expect("an id").to_owned();
    assert!(said.contains(&format!("To go on: vboxmcp runs resume {id}")), "{said}");
    let shown = expect(home.vboxmcp(&["runs", "show", &id]), 0).stdout;
    assert!(shown.contains("cancelled") && shown.contains("  done "), "{shown}");

    // A machine that is half born is planned anew: that is not what was consented to.
    expect(home.vboxmcp(&["runs", "resume", &id, "--yes"]), 0);
    is_whole(&home, file);
    assert_eq!(runs(&home)[0]["resumes"], id.as_str());
}

fn a_killed_run_died_and_is_gone_on_with(lab: &Lab) {
    let home = lab.home();
    let manifest = manifest(&home);
    let file = path(&manifest);
    let (mut child, _) = begun(&home, file);
    kill(child.id());
    child.wait().expect("vboxmcp ends");
    let run = runs(&home).remove(0);
    assert_eq!(run["state"], "died", "{run}");
    let id = run["id"].as_str().expect("an id").to_owned();
    let verified = expect(home.vboxmcp(&["runs", "verify", &id]), 0);
    assert!(verified.stdout.contains("the run died"), "{verified:?}");
    let shown = expect(home.vboxmcp(&["runs", "show", &id]), 0).stdout;
    assert!(shown.contains("not begun"), "{shown}");
    expect(home.vboxmcp(&["runs", "resume", &id, "--yes"]), 0);
    is_whole(&home, file);
    let states: Vec<Value> = runs(&home).iter().map(|run| run["state"].clone()).collect();
    assert_eq!(states, ["done", "died"]);
}
