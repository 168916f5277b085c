//! How planning grows: stacks of 100, 1,000 and 10,000 machines on a simulated host, all new and in sync: `cargo bench --bench plan`.
//!
//! Loading, lowering, reading the host and planning, the median of seven rounds; on Linux also the most memory that the program has had so
//! far, the simulated host's own state included.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and may panic")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vboxmcp::apply::{Cancel, machine_uuids};
use vboxmcp::config::{Environment, HostChoice, Settings};
use vboxmcp::host::Operate as _;
use vboxmcp::host::sim::SimHost;
use vboxmcp::ops::{self, Consent, Context, Manifests, PlanRequest, PlanResponse};
use vboxmcp::plan::{Action, Plan};

const ROUNDS: usize = 7;

fn manifest(machines: usize) -> String {
    format!(
        "apiVersion: vboxmcp/v1\nkind: Stack\nmetadata: {{name: bench}}\n---\n\
         apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {{name: m}}\nspec:\n  replicas: {machines}\n  \
         osType: Debian_64\n  memory: 64MiB\n  disks:\n    root: {{size: 1GiB}}\n  nics:\n    \
         - nat: {{portForwards: {{ssh: \"${{20000 + index}}:22\"}}}}\n    - nat: {{}}\n"
    )
}

fn plan(context: &Context, text: &str) -> PlanResponse {
    let manifests =
        Manifests { paths: vec!["-".into()], stdin: Some(text.as_bytes().to_vec()), ..Manifests::default() };
    ops::plan(context, &PlanRequest { manifests }).unwrap()
}

/// Does what a plan says without the executor's reading back, which is not what is measured here.
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

/// Brings the stack's register up to date.
fn register(context: &Context, text: &str, response: &PlanResponse) {
    let consent = Consent { hash: response.plan.hash.clone(), lock_timeout: Duration::ZERO };
    ops::apply(context, &consent, &|| Ok(plan(context, text)), &Cancel::default(), &|_| {}).unwrap();
}

fn measure(what: &str, mut work: impl FnMut()) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let memory = most_memory().map_or_else(String::new, |mebibytes| format!(", {mebibytes} MiB"));
    println!("{what}: median {:?}, worst {:?}{memory}", times[ROUNDS / 2], times[ROUNDS - 1]);
}

/// `VmHWM` in MiB, on Linux.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(kibibytes.trim().strip_suffix(" kB")?.parse::<u64>().ok()? >> 10)
}

fn context(host: &Arc<SimHost>, root: &Path) -> Context {
    let environment = Environment { directory: root.to_owned(), ..Environment::default() };
    let mut settings = Settings::resolve(vboxmcp::config::Overrides::default(), &environment).unwrap();
    settings.host = HostChoice::Sim(None);
    Context { host: Arc::clone(host) as _, settings, environment }
}

fn main() {
    // `cargo bench --bench plan 1000` for one size.
    let named: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if named.is_empty() { vec![100, 1_000, 10_000] } else { named };
    for size in sizes {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("home")).unwrap();
        let host = Arc::new(SimHost::in_memory_below(root.path()));
        let context = context(&host, root.path());
        let text = manifest(size);
        measure(&format!("{size} machines, all new"), || drop(plan(&context, &text)));
        perform(&host, &plan(&context, &text).plan);
        let now = plan(&context, &text);
        assert!(now.plan.steps.is_empty());
        register(&context, &text, &now);
        measure(&format!("{size} machines, in sync"), || {
            assert!(plan(&context, &text).plan.steps.is_empty());
        });
    }
}
