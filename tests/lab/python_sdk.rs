//! The protocol's official Python SDK, a client that is none of ours, plans, asks a person and applies on a real VirtualBox: over standard
//! input and over HTTP, in both of the protocol's eras (`tests/python_sdk/drive.py`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Test;
use crate::agent::server::Server;
use crate::home::{self, Home, path};
use crate::lab::{self, Lab, Missing};

pub const TESTS: &[Test] = &[
    ("stdio_2026_07_28", |lab| over_stdio(lab, "auto", "2026-07-28")),
    ("stdio_2025_11_25", |lab| over_stdio(lab, "legacy", "2025-11-25")),
    ("http_2026_07_28", |lab| over_http(lab, "auto", "2026-07-28")),
    ("http_2025_11_25", |lab| over_http(lab, "legacy", "2025-11-25")),
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
  nics: [{nat: {portForwards: {ssh: \"${2300 + index}:22\"}}}]
";

const TOKEN: &str = "the-token-of-the-python-sdk-1";

/// The Python that has the SDK, or why there is none.
fn python() -> &'static Result<PathBuf, Missing> {
    static PYTHON: OnceLock<Result<PathBuf, Missing>> = OnceLock::new();
    PYTHON.get_or_init(|| lab::set_up("python_sdk/setup.sh"))
}

/// Whether these tests are left out.
pub fn cannot_be() -> bool {
    let why = python().as_ref().err().filter(|why| why.is_permitted());
    if let Some(why) = why {
        eprintln!("no Python SDK to test with: {why}");
    }
    why.is_some()
}

/// A home whose scratch folder is a server's root: a manifest, and a configuration that lets this client apply.
fn home(lab: &Lab) -> Home<'_> {
    let home = Home::new(lab);
    fs::write(home.scratch().join("lab.yaml"), MANIFEST).expect("a manifest in the scratch folder");
    let digest = vboxmcp::model::digest::sha256(TOKEN.as_bytes());
    let tiers = format!("[mcp.clients.python-sdk]\ntier = \"apply-safe\"\ntoken_sha256 = \"{digest}\"\n");
    fs::write(home.scratch().join("vboxmcp.toml"), tiers).expect("a configuration in the scratch folder");
    home
}

fn over_stdio(lab: &Lab, mode: &str, revision: &str) {
    let home = home(lab);
    let root = home.scratch();
    let report = drive(&home, mode, &[env!("CARGO_BIN_EXE_vboxmcp"), "mcp", "--root", path(&root)]);
    check(&home, &report, revision);
}

fn over_http(lab: &Lab, mode: &str, revision: &str) {
    let home = home(lab);
    let mut command = home.command(env!("CARGO_BIN_EXE_vboxmcp"));
    command.args(["mcp", "--root", path(&home.scratch()), "--http", "127.0.0.1:0"]);
    let server = Server::start(command);
    let report = drive(&home, mode, &[&server.url()]);
    check(&home, &report, revision);
}

/// What the client saw.
fn drive(home: &Home<'_>, mode: &str, server: &[&str]) -> Value {
    let python = python().as_ref().unwrap_or_else(|why| panic!("no Python SDK: {why}"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python_sdk/drive.py");
    let mut command: Command = home.command(python);
    command.arg(script).arg(mode).args(server);
    command.env("VBOXMCP_DRIVE_TOKEN", TOKEN).env("PYTHONDONTWRITEBYTECODE", "1");
    let said = home::run(&mut command, Duration::from_mins(5)).expect("the client ends within five minutes");
    serde_json::from_str(&said.ok()).expect("a report")
}

/// Holds what the client saw against what a terminal says, and against what VirtualBox has.
fn check(home: &Home<'_>, report: &Value, revision: &str) {
    assert_eq!(report["protocol"], json!(revision));
    assert!(report["instructions"].as_str().is_some_and(|said| said.contains("vboxmcp")), "{report}");
    assert!(report["tools"].as_array().is_some_and(|tools| tools.contains(&json!("apply"))), "{report}");
    // No consent, no run: nobody could be asked, then somebody said no, then the plan had run already.
    for (key, words) in
        [("unasked", "vboxmcp approve"), ("declined", "nothing was done"), ("again", "is kept here")]
    {
        let (failed, said) = (&report[key][0], report[key][1].as_str().expect("a text"));
        assert!(*failed == json!(true) && said.contains(words), "{key}: {said}");
    }
    assert_eq!(report["before"], json!(0));
    let asked = report["asked"].as_array().expect("questions");
    let hash = report["hash"].as_str().expect("a hash");
    assert!(
        asked.iter().all(|message| message.as_str().is_some_and(|said| said.contains(hash))),
        "{asked:?}"
    );
    assert_eq!((asked.len(), &report["pending"]), (2, &Value::Null));
    assert_eq!(
        (&report["applied"]["outcome"], &report["applied"]["failed"]),
        (&json!("done"), &json!([])),
        "{report}"
    );

    let machines = report["machines"].as_array().expect("machines");
    assert_eq!(machines.len(), 2);
    for machine in ["node-1", "node-2"] {
        assert_eq!(home.info(machine, "memory").as_deref(), Some("32"), "{machine} is really there");
    }
    assert_eq!(report["machine"]["row"]["uuid"], json!(home.info("node-1", "UUID")));
    let run = home.vboxmcp(&["runs", "show", "latest", "-o", "json"]).ok();
    let run: Value = serde_json::from_str(&run).expect("a run");
    let who = json!({"client": "python-sdk", "version": "1.0", "approval": "asked by the client"});
    assert_eq!((&run["header"]["who"]["agent"], &run["header"]["plan"]), (&who, &json!(hash)));
}
