//! `vboxmcp watch`: a plan for each change of the manifests or of the host, and none where nothing else comes of it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::Value;

use super::behind::behind;

const MANIFEST: &str = "\
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: web}
spec: {osType: Debian_64, memory: 64MiB}
";

/// More than any machine needs: what is tested is that a plan comes, not when.
const LONG: Duration = Duration::from_mins(1);

#[expect(clippy::disallowed_methods, reason = "the program under test, and the one that sends it a signal")]
fn command(program: &str, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// The documents that a program writes, as they come.
fn documents(child: &mut Child) -> Receiver<Value> {
    let (send, receive) = mpsc::channel();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let _ = send.send(serde_json::from_str(&line).unwrap());
        }
    });
    receive
}

#[test]
fn each_change_has_its_plan() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path();
    let manifest = directory.join("lab.yaml");
    std::fs::write(&manifest, MANIFEST).unwrap();
    let run = |words: &[&str]| {
        let mut vboxmcp = command(env!("CARGO_BIN_EXE_vboxmcp"), directory);
        assert!(
            vboxmcp
                .args(words)
                .args(["--host", "sim:host"])
                .stdout(Stdio::null())
                .status()
                .unwrap()
                .success()
        );
    };
    run(&["apply", "lab.yaml", "--yes"]);
    let mut watch = command(env!("CARGO_BIN_EXE_vboxmcp"), directory);
    watch.args(["watch", "lab.yaml", "--host", "sim:host", "-o", "json"]).stdout(Stdio::piped());
    let mut child = watch.spawn().unwrap();
    let plans = documents(&mut child);
    let next = || plans.recv_timeout(LONG).expect("a plan");
    let field = |document: &Value| document["objects"][0]["fields"][0]["difference"].clone();
    assert_eq!(next()["steps"], Value::Array(Vec::new()));

    // An editor puts a new file in the place of the old one.
    std::fs::write(directory.join("new"), MANIFEST.replace("64MiB", "96MiB")).unwrap();
    std::fs::rename(directory.join("new"), &manifest).unwrap();
    let first = field(&next());
    assert_eq!((&first["path"], &first["declared"]), (&"memory".into(), &96.into()));

    // Somebody changes the machine.
    behind(&directory.join("host"), &["set", "web", "memory", "48"]);
    let second = field(&next());
    assert_eq!((&second["kind"], &second["live"]), (&"drift-overridden".into(), &48.into()));

    // What is wrong for a while is told, and what is as before is not told again.
    std::fs::write(&manifest, "kind: [").unwrap();
    assert_eq!(next()["type"], "error");
    std::fs::write(&manifest, MANIFEST.replace("64MiB", "48MiB")).unwrap();
    assert_eq!(next()["steps"], Value::Array(Vec::new()));
    std::fs::write(&manifest, MANIFEST.replace("64MiB", "48MiB") + "# a comment\n").unwrap();
    assert!(plans.recv_timeout(Duration::from_millis(500)).is_err(), "it is the same plan");

    if cfg!(unix) {
        let sent = command("kill", directory).args(["-INT", &child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
    } else {
        child.kill().unwrap();
    }
}
