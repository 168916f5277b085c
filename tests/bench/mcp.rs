//! What an agent waits for, on a real VirtualBox with a hundred machines of vboxmcp's: `cargo bench --bench mcp`.
//!
//! First one look at all machines (`list`), against one `VBoxManage list runningvms` of the same VirtualBox, which is the least that
//! anybody who asks VirtualBox for the state of its machines waits for; taken in turn, so that a busy moment of the host strikes all of them.
//! A first answer is that of a server that has just been started, its start included. Then a hundred calls at once, over standard input
//! and over HTTP with a connection for each call; what of them fails is counted.
//!
//! The VirtualBox is that of the tests in `tests/lab`, or `VBOXMCP_TEST_VBOXMANAGE`; in the laboratory no machine runs.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark starts programs, and reads the environment and the clock itself"
)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark prints, and may panic"
)]

#[path = "../agent/mod.rs"]
#[allow(dead_code, reason = "the tests ask more of it")]
mod agent;
#[path = "../lab/home.rs"]
#[allow(dead_code, reason = "the tests ask more of it")]
mod home;
#[path = "../lab/lab.rs"]
#[allow(dead_code, reason = "the tests ask more of it")]
mod lab;

use std::fs;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::agent::server::{Server, modern};
use crate::agent::{Agent, Era};
use crate::home::{Home, path};
use crate::lab::Lab;

const MACHINES: usize = 100;

/// Looks, each beside one of VirtualBox's own.
const LOOKS: usize = 60;

/// Calls that are under way at once, and how often that is done.
const AT_ONCE: usize = 100;
const ROUNDS: usize = 5;

const MANIFEST: &str = "\
apiVersion: vboxmcp/v1
kind: Stack
metadata: {name: bench}
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: node}
spec: {replicas: 100, osType: Debian_64, memory: 64MiB, nics: [{nat: {}}]}
";

fn main() -> ExitCode {
    // `cargo test --all-targets` runs benchmarks, too.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let lab = match Lab::find() {
        Ok(lab) => lab,
        Err(why) => {
            eprintln!("no VirtualBox to measure: {why}");
            return ExitCode::FAILURE;
        }
    };
    let home = Home::new(&lab);
    fs::write(home.scratch().join("lab.yaml"), MANIFEST).unwrap();
    let start = Instant::now();
    let mut command = home.command(env!("CARGO_BIN_EXE_vboxmcp"));
    let said = home::run(command.args(["apply", "lab.yaml", "--yes", "--quiet"]), Duration::from_mins(20));
    assert!(said.as_ref().is_some_and(|said| said.code == Some(0)), "{said:?}");
    println!("{MACHINES} machines applied in {}", seconds(start.elapsed()));
    looks(&home, &lab);
    at_once_over_stdio(&home);
    at_once_over_http(&home);
    ExitCode::SUCCESS
}

fn server(home: &Home<'_>, more: &[&str]) -> Command {
    let mut command = home.command(env!("CARGO_BIN_EXE_vboxmcp"));
    command.args(["mcp", "--root", path(&home.scratch())]).args(more);
    command
}

fn looks(home: &Home<'_>, lab: &Lab) {
    let mut agent = Agent::start(server(home, &[]), Era::Modern);
    let look = |agent: &mut Agent| {
        let (text, said) = agent.tool("list", json!({}));
        assert_eq!(said["machines"].as_array().map(Vec::len), Some(MACHINES));
        (text.len(), said.to_string().len())
    };
    let (text, structured) = look(&mut agent);
    println!("list of {MACHINES} machines: {text} bytes of text, {structured} bytes of structured content");
    let (mut own, mut first, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..LOOKS {
        // Whoever comes second finds the host a bit warmer: they take turns at that, too.
        if round % 2 == 0 {
            theirs.push(running(home, lab));
        }
        own.push(timed(|| {
            look(&mut agent);
        }));
        if round % 2 == 1 {
            theirs.push(running(home, lab));
        }
        first.push(timed(|| {
            let mut other = Agent::start(server(home, &[]), Era::Modern);
            look(&mut other);
            assert!(other.end().success());
        }));
    }
    let theirs = told("VBoxManage list runningvms", theirs, 0);
    let own = told("list, of a server that runs", own, 0);
    let first = told("list, server started and ended", first, 0);
    println!(
        "list / runningvms: {:.2} (running server), {:.2} (started for it)",
        own / theirs,
        first / theirs
    );
}

/// One `VBoxManage list runningvms`, without the patience that tests have with it.
fn running(home: &Home<'_>, lab: &Lab) -> Duration {
    let mut command = home.command(lab.vboxmanage());
    command.args(["list", "runningvms"]);
    timed(|| assert!(command.output().unwrap().status.success()))
}

fn at_once_over_stdio(home: &Home<'_>) {
    for (what, name, arguments) in calls() {
        let mut agent = Agent::start(server(home, &[]), Era::Modern);
        let (mut times, mut errors) = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for _ in 0..AT_ONCE {
                agent.send("tools/call", json!({"name": name, "arguments": arguments}));
            }
            for _ in 0..AT_ONCE {
                let (_, answer) = agent.next();
                times.push(start.elapsed());
                errors += usize::from(!is_fine(answer.as_ref().ok()));
            }
        }
        told(&format!("{AT_ONCE} {what} at once, stdio"), times, errors);
        assert!(agent.end().success());
    }
}

fn at_once_over_http(home: &Home<'_>) {
    let server = Server::start(server(home, &["--http", "127.0.0.1:0"]));
    for (what, name, arguments) in calls() {
        let call = || {
            let params = json!({"name": name, "arguments": arguments});
            let (headers, body) = modern("bench", "tools/call", Some(name), params);
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let start = Instant::now();
            let (status, said) = server.post(&headers, &body);
            let took = start.elapsed();
            let is_error = status != 200 || !said.contains("\"isError\":false");
            (took, is_error)
        };
        let (mut times, mut errors) = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            let answers: Vec<(Duration, bool)> = thread::scope(|scope| {
                let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(call)).collect();
                threads.into_iter().map(|one| one.join().unwrap()).collect()
            });
            times.extend(answers.iter().map(|(took, _)| *took));
            errors += answers.iter().filter(|(_, is_error)| *is_error).count();
        }
        told(&format!("{AT_ONCE} {what} at once, HTTP"), times, errors);
    }
}

/// What is called a hundred times at once: the cheapest, one look at all machines, and a plan over all of them.
fn calls() -> [(&'static str, &'static str, Value); 3] {
    [
        ("explain", "explain", json!({"field": "memory"})),
        ("list", "list", json!({})),
        ("plan", "plan", json!({"paths": ["lab.yaml"]})),
    ]
}

fn is_fine(answer: Option<&Value>) -> bool {
    answer.is_some_and(|answer| answer["isError"] == json!(false))
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Prints how long something took, and returns the median in seconds.
fn told(what: &str, mut times: Vec<Duration>, errors: usize) -> f64 {
    times.sort_unstable();
    let share = |hundredths: usize| times[(times.len() * hundredths / 100).min(times.len() - 1)];
    println!(
        "{what}: {} calls, {errors} errors, p50 {}, p99 {}",
        times.len(),
        seconds(share(50)),
        seconds(share(99))
    );
    share(50).as_secs_f64()
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}
