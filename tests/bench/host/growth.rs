//! How time and memory grow with the number of machines, on a simulated host; and how long the program takes to begin.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use vboxmcp::apply::{Cancel, machine_uuids};
use vboxmcp::config::{Environment, HostChoice, Settings};
use vboxmcp::host::Operate as _;
use vboxmcp::host::sim::SimHost;
use vboxmcp::ops::{self, Consent, Context, Manifests, PlanRequest, PlanResponse};
use vboxmcp::plan::{Action, Plan};

use crate::fleet::{MEMORY, manifest};
use crate::measure::{Table, process};

/// Makes this program one that runs another one and says what that took: the system tells the most memory of all processes together that
/// one has waited for.
pub const CHILD: &str = "--child";

const SIZES: [usize; 3] = [100, 1_000, 10_000];

/// Runs a program to its end; prints nanoseconds and KiB.
pub fn child(command: &[String]) -> ExitCode {
    let begun = Instant::now();
    let status = Command::new(&command[0]).args(&command[1..]).stdout(Stdio::null()).status().unwrap();
    let time = begun.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    println!("{} {}", time.as_nanos(), getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss());
    ExitCode::SUCCESS
}

/// Seconds and MB of one run of vboxmcp.
fn measured(arguments: &[&str]) -> (f64, f64) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(CHILD).arg(env!("CARGO_BIN_EXE_vboxmcp")).args(arguments);
    let (_, said) = process(&mut command);
    let (nanoseconds, kibibytes) = said.trim().split_once(' ').unwrap();
    (nanoseconds.parse::<f64>().unwrap() / 1e9, kibibytes.parse::<f64>().unwrap() * 1024.0 / 1e6)
}

/// `vboxmcp --version`.
pub fn binary(table: &mut Table, rounds: usize) {
    let times = (0..rounds).map(|_| measured(&["--version"]).0 * 1e3);
    table.values("the program begins and ends", Some(10.0), "ms", times);
}

/// `vboxmcp plan` of machines that are all new, and of machines that are in sync.
pub fn growth(table: &mut Table, rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut medians: Vec<[f64; 2]> = Vec::new();
    for size in SIZES {
        let file = folder.path().join(format!("{size}.yaml"));
        std::fs::write(&file, manifest(size, MEMORY[0])).unwrap();
        let host = folder.path().join(format!("host-{size}"));
        let chosen = format!("sim:{}", host.display());
        let arguments = ["plan", file.to_str().unwrap(), "--host", &chosen];
        let mut of_size = [0.0; 2];
        for (state, median) in ["all new", "in sync"].into_iter().zip(&mut of_size) {
            if state == "in sync" {
                make(&host, &manifest(size, MEMORY[0]));
            }
            let runs: Vec<(f64, f64)> = (0..rounds).map(|_| measured(&arguments)).collect();
            let mut times: Vec<f64> = runs.iter().map(|run| run.0 * 1e3).collect();
            times.sort_by(f64::total_cmp);
            *median = times[rounds / 2];
            let bound = |most| (size == 1_000).then_some(most);
            table.values(&format!("plan, {size} machines, {state}"), bound(300.0), "ms", times);
            let memory = runs.iter().map(|run| run.1);
            table.values(&format!("plan, {size} machines, {state}, memory"), bound(60.0), "MB", memory);
        }
        medians.push(of_size);
    }
    // n log n from 1,000 to 10,000.
    let most = 10.0 * 4.0 / 3.0;
    for (index, state) in ["all new", "in sync"].into_iter().enumerate() {
        let grown = medians[2][index] / medians[1][index];
        table.values(&format!("growth from 1,000 to 10,000 machines, {state}"), Some(most), "x", [grown]);
    }
}

/// Makes the machines of a manifest on a simulated host in memory, without the executor's reading back, and keeps it in a folder.
fn make(folder: &Path, text: &str) {
    let folder = std::path::absolute(folder).unwrap();
    let host = Arc::new(SimHost::in_memory_below(&folder));
    let environment = Environment { directory: folder.clone(), ..Environment::default() };
    let mut settings = Settings::resolve(vboxmcp::config::Overrides::default(), &environment).unwrap();
    settings.host = HostChoice::Sim(None);
    let context =
        Context { host: Arc::clone(&host) as _, settings, environment, memory: ops::Memory::default() };
    perform(&host, &plan(&context, text).plan);
    let now = plan(&context, text);
    assert!(now.plan.steps.is_empty());
    // Only the register is left to be written.
    let consent = Consent { hash: now.plan.hash.clone(), lock_timeout: Duration::ZERO };
    ops::apply(&context, &consent, &|| Ok(plan(&context, text)), &Cancel::default(), &|_| {}).unwrap();
    host.keep_in(&folder).unwrap();
}

fn plan(context: &Context, text: &str) -> PlanResponse {
    let manifests =
        Manifests { paths: vec!["-".into()], stdin: Some(text.as_bytes().to_vec()), ..Manifests::default() };
    ops::plan(context, &PlanRequest { manifests }).unwrap()
}

fn perform(host: &SimHost, plan: &Plan) {
    let mut bindings = machine_uuids(plan);
    for step in &plan.steps {
        let mut action = step.action.bound_where_known(&bindings);
        if let Action::CreateMachine { uuid, .. } = &mut action {
            *uuid = bindings.get(&step.address).copied();
        }
        let done = host.perform(&action, &|_| {}).unwrap();
        if let (Action::CreateDisk { address, .. }, Some(made)) = (&action, done.made) {
            bindings.insert(address.clone(), made);
        }
    }
}
