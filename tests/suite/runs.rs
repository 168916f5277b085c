//! Runs on the simulated host: what journals say, what becomes of a run that died, and when going on asks again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use vboxmcp::apply::{Cancel, Outcome};
use vboxmcp::config::{Environment, HostChoice, Overrides, Settings};
use vboxmcp::failure::{Failure, Kind};
use vboxmcp::host::Want;
use vboxmcp::host::sim::{Fault, FaultPlan, SimHost};
use vboxmcp::model::Selection;
use vboxmcp::ops::runs::{self, RunState};
use vboxmcp::ops::{
    self, Chain, Consent, Context, Manifests, Memory, NewSnapshot, PlanRequest, PlanResponse, SnapshotRequest,
};

const LAB: &str = "\
apiVersion: vboxmcp/v1
kind: Stack
metadata: {name: shop}
spec:
  variables:
    count: {default: 1}
    token: {sensitive: true}
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: web}
spec:
  replicas: 3
  osType: Debian_64
  memory: ${var.count}GiB
  disks: {root: {size: 16MiB}}
  state: running
";

/// A directory with a manifest and a simulated host.
struct Bench {
    folder: tempfile::TempDir,
    root: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::write(root.join("lab.yaml"), LAB).unwrap();
        Self { folder, root }
    }

    fn context(&self, variables: &[(&str, &str)], faults: FaultPlan) -> Context {
        let environment = Environment { directory: self.root.clone(), ..Environment::default() };
        let overrides = Overrides {
            host: Some(HostChoice::Sim(Some("host".into()))),
            variables: variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            ..Overrides::default()
        };
        let settings = Settings::resolve(overrides, &environment).unwrap();
        let host = SimHost::open(&self.root.join("host")).unwrap().with_faults(faults);
        Context { host: Arc::new(host), settings, environment, memory: Memory::default() }
    }

    fn plain(&self) -> Context {
        self.context(&[("token", "hunter2")], FaultPlan::none())
    }

    fn apply(context: &Context) -> Result<Outcome, Failure> {
        let manifests = Manifests { paths: vec!["lab.yaml".into()], stdin: None, ..Manifests::default() };
        run(context, &|| ops::plan(context, &PlanRequest { manifests: manifests.clone() }))
    }

    fn is_settled(&self) -> bool {
        let manifests = Manifests { paths: vec!["lab.yaml".into()], stdin: None, ..Manifests::default() };
        ops::plan(&self.plain(), &PlanRequest { manifests }).unwrap().plan.is_empty()
    }

    fn journal(&self, id: &str) -> PathBuf {
        self.folder.path().join("host/state/runs").join(format!("{id}.jsonl"))
    }

    /// Leaves only the first lines of a journal, and part of the next one: what a death leaves.
    fn cut(&self, id: &str, lines: usize) {
        let text = std::fs::read_to_string(self.journal(id)).unwrap();
        let mut kept: String = text.split_inclusive('\n').take(lines).collect();
        kept.extend(text.lines().nth(lines).map(|line| &line[..line.len() / 2]));
        std::fs::write(self.journal(id), kept).unwrap();
    }
}

fn run(context: &Context, again: &dyn Fn() -> Result<PlanResponse, Failure>) -> Result<Outcome, Failure> {
    let hash = again()?.plan.hash;
    let consent = Consent { hash, lock_timeout: Duration::ZERO };
    ops::apply(context, &consent, again, &Cancel::default(), &|_| {})
}

fn no_stdin() -> Result<Vec<u8>, Failure> {
    panic!("nothing came from standard input")
}

#[test]
fn a_run_says_what_was_done_and_what_was_there_before() {
    let bench = Bench::new();
    let first = Bench::apply(&bench.plain()).unwrap();
    let context = bench.context(&[("token", "hunter2"), ("count", "2")], FaultPlan::none());
    let mut context = context;
    context.settings.policy.allow =
        [vboxmcp::model::Danger::Downtime, vboxmcp::model::Danger::PowerCut].into();
    context.settings.policy.limits.max_downtime = vboxmcp::model::Limit::Percent(100);
    let second = Bench::apply(&context).unwrap();
    let rows = runs::list(&bench.plain(), None).unwrap();
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, [second.run.as_str(), first.run.as_str()]);
    assert!(rows.iter().all(|row| row.state == RunState::Done && row.done == row.steps), "{rows:?}");
    let report = runs::show(&bench.plain(), "latest").unwrap();
    let changed: Vec<_> = report
        .steps
        .iter()
        .filter_map(|step| {
            step.trail.before.get("memory").map(|value| (step.address.to_string(), value.clone()))
        })
        .collect();
    assert_eq!(changed.len(), 3);
    assert!(changed.iter().all(|(_, value)| *value == 1024), "{changed:?}");
    assert_eq!(runs::list(&bench.plain(), Some(1)).unwrap().len(), 1);
}

#[test]
fn no_secret_is_written_down() {
    let bench = Bench::new();
    let outcome = Bench::apply(&bench.plain()).unwrap();
    let text = std::fs::read_to_string(bench.journal(&outcome.run)).unwrap();
    assert!(text.contains("\"token\"") && !text.contains("hunter2"));
}

#[test]
fn a_run_that_died_is_gone_on_with() {
    let bench = Bench::new();
    // Nothing happens after the eighth action: what a death leaves on the host.
    let dead = bench.context(&[("token", "hunter2")], FaultPlan::at(8, Fault::DiesAfterwards));
    assert!(Bench::apply(&dead).is_err());
    let id = runs::list(&bench.plain(), None).unwrap()[0].id.clone();
    let lines = std::fs::read_to_string(bench.journal(&id)).unwrap().lines().count();
    for kept in (2..lines).rev() {
        bench.cut(&id, kept);
        let row = runs::list(&bench.plain(), None).unwrap().remove(0);
        assert_eq!(row.state, RunState::Died, "{kept} of {lines} lines");
        let verified = runs::verify(&bench.plain(), Some(&id)).unwrap().remove(0);
        assert!(matches!(verified.chain, Chain::CutShort { bytes: 1.. }), "{:?}", verified.chain);
        assert_eq!(verified.lines, kept);
    }
    // Even a journal that holds the plan only is enough, and of the steps' outcomes none is needed.
    let context = bench.plain();
    let resume = runs::resume(&context, &id[..20], no_stdin).unwrap();
    let outcome = run(&resume.context, &|| resume.plan()).unwrap();
    assert!(outcome.failed.is_empty() && outcome.skipped.is_empty(), "{outcome:?}");
    assert!(bench.is_settled());
    assert_eq!(runs::list(&context, None).unwrap()[0].resumes.as_deref(), Some(id.as_str()));
}

#[test]
fn a_run_about_some_objects_is_gone_on_with_for_those() {
    let bench = Bench::new();
    let dead = bench.context(&[("token", "hunter2")], FaultPlan::at(4, Fault::DiesAfterwards));
    let selection = Selection { target: vec!["web-2".parse().unwrap()], ..Selection::default() };
    let manifests = Manifests { paths: vec!["lab.yaml".into()], selection, ..Manifests::default() };
    let plan = || ops::plan(&dead, &PlanRequest { manifests: manifests.clone() });
    assert!(run(&dead, &plan).is_err());
    let context = bench.plain();
    let id = runs::list(&context, None).unwrap()[0].id.clone();
    let resume = runs::resume(&context, &id, no_stdin).unwrap();
    let outcome = run(&resume.context, &|| resume.plan()).unwrap();
    assert!(outcome.failed.is_empty() && outcome.skipped.is_empty(), "{outcome:?}");
    let inventory = context.host.inventory(&Want::default()).unwrap();
    let names: Vec<&str> =
        inventory.machines.values().filter_map(|machine| machine.name.as_deref()).collect();
    assert_eq!(names, ["web-2"]);
    // The paths are those of full applies only: a prune compares with them.
    let register = inventory.registers.values().next().unwrap();
    assert!(register.paths.is_empty(), "{:?}", register.paths);
    Bench::apply(&context).unwrap();
    assert!(bench.is_settled());
}

#[test]
fn a_snapshot_that_died_is_taken_of_the_rest_only() {
    let bench = Bench::new();
    Bench::apply(&bench.plain()).unwrap();
    let dead = bench.context(&[("token", "hunter2")], FaultPlan::at(1, Fault::DiesAfterwards));
    let snapshot = NewSnapshot { name: "clean".to_owned(), description: String::new(), goes_on: false };
    let request = SnapshotRequest { snapshot, machines: vec!["web-*".parse().unwrap()] };
    assert!(run(&dead, &|| ops::snapshot(&dead, &request)).is_err());
    let context = bench.plain();
    let id = runs::list(&context, None).unwrap()[0].id.clone();
    let resume = runs::resume(&context, &id, no_stdin).unwrap();
    let left = resume.plan().unwrap().plan;
    assert!(left.steps.len() < 3 && resume.covers(&left), "{:?}", left.steps);
    let outcome = run(&resume.context, &|| resume.plan()).unwrap();
    assert!(outcome.failed.is_empty() && outcome.skipped.is_empty(), "{outcome:?}");
    let inventory = context.host.inventory(&Want::default()).unwrap();
    for machine in inventory.machines.values() {
        let names: Vec<&str> = machine
            .snapshots
            .iter()
            .flat_map(|root| root.leaves_first())
            .map(|snapshot| snapshot.name.as_str())
            .collect();
        assert_eq!(names, ["clean"], "{:?}", machine.name);
    }
    assert!(bench.is_settled());
}

#[test]
fn what_was_consented_to_is_not_asked_again() {
    let bench = Bench::new();
    let plan = |context: &Context| {
        let manifests = Manifests { paths: vec!["lab.yaml".into()], stdin: None, ..Manifests::default() };
        ops::plan(context, &PlanRequest { manifests }).unwrap().plan
    };
    let steps = plan(&bench.plain()).steps.len() as u64;
    let mut asked_again = 0;
    // The first action writes the register; each of the others is refused once.
    for at in 1..=steps {
        let bench = Bench::new();
        let refused = bench.context(&[("token", "hunter2")], FaultPlan::at(at, Fault::Refused));
        let outcome = Bench::apply(&refused).unwrap();
        assert_eq!(outcome.failed.len(), 1, "{at}");
        let row = runs::list(&bench.plain(), None).unwrap().remove(0);
        assert_eq!((row.state, row.failed), (RunState::Partly, 1), "{at}");
        let resume = runs::resume(&bench.plain(), "latest", no_stdin).unwrap();
        let left = resume.plan().unwrap().plan;
        assert!(!left.is_empty(), "{at}");
        let label = outcome.failed[0].label.clone();
        if !resume.covers(&left) {
            asked_again += 1;
            // A machine that is half born is planned anew, with what still differs.
            assert!(matches!(label.as_str(), "change settings" | "write mark"), "{at}: {label}");
        }
        run(&resume.context, &|| resume.plan()).unwrap();
        assert!(bench.is_settled(), "{at}: {label}");
    }
    assert!(asked_again < steps / 2, "{asked_again} of {steps}");
}

#[test]
fn another_plan_is_asked_for() {
    let bench = Bench::new();
    let refused = bench.context(&[("token", "hunter2")], FaultPlan::at(3, Fault::Refused));
    Bench::apply(&refused).unwrap();
    // The values of the run's variables are those that it had; what is typed now wins.
    let resume =
        runs::resume(&bench.context(&[("token", "x")], FaultPlan::none()), "latest", no_stdin).unwrap();
    let same = resume.plan().unwrap().plan;
    let other = bench.context(&[("token", "x"), ("count", "2")], FaultPlan::none());
    let other = runs::resume(&other, "latest", no_stdin).unwrap();
    let changed = other.plan().unwrap().plan;
    assert_ne!(same.hash, changed.hash);
    assert!(!other.covers(&changed));
    let edited = LAB.replace("state: running", "state: running\n  cpus: 2");
    std::fs::write(bench.root.join("lab.yaml"), edited).unwrap();
    assert!(!resume.covers(&resume.plan().unwrap().plan));
}

#[test]
fn a_journal_that_was_tampered_with_is_no_consent() {
    let bench = Bench::new();
    let outcome = Bench::apply(&bench.plain()).unwrap();
    let path = bench.journal(&outcome.run);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"pid\":", "\"pid\":1", 1)).unwrap();
    let row = runs::list(&bench.plain(), None).unwrap().remove(0);
    assert_eq!(row.state, RunState::Broken);
    assert!(row.reason.unwrap().starts_with("line 1: "));
    assert!(runs::resume(&bench.plain(), "latest", no_stdin).is_err());
    let verified = runs::verify(&bench.plain(), None).unwrap().remove(0);
    assert!(matches!(verified.chain, Chain::Broken { line: 1, .. }));
}

#[test]
fn without_a_journal_nothing_is_done() {
    let bench = Bench::new();
    let context = bench.plain();
    std::fs::write(bench.root.join("host/state"), "in the way").unwrap();
    let failure = Bench::apply(&context).unwrap_err();
    assert_eq!(failure.kind, Kind::Other);
    assert!(failure.to_string().contains("journal"), "{failure}");
    let inventory = context.host.inventory(&Want::default()).unwrap();
    assert!(inventory.machines.is_empty() && inventory.registers.is_empty());
}

#[test]
fn a_run_that_goes_on_is_seen_and_not_resumed() {
    use vboxmcp::apply::Lock;
    let bench = Bench::new();
    let outcome = Bench::apply(&bench.plain()).unwrap();
    let text = std::fs::read_to_string(bench.journal(&outcome.run)).unwrap();
    let without_end: Vec<&str> = text.lines().collect();
    let without_end = without_end[..without_end.len() - 1].join("\n") + "\n";
    std::fs::write(bench.journal(&outcome.run), without_end).unwrap();
    let state = || runs::list(&bench.plain(), None).unwrap()[0].state;
    assert_eq!(state(), RunState::Died);
    // The lock's holder must have been there before the journal: the same process, taken since.
    let home: &Path = &bench.root.join("host/home");
    let lock = Lock::take(home, "ada", "apply", Duration::ZERO).unwrap();
    let file = home.join(Lock::FILE_NAME);
    let holder = std::fs::read_to_string(&file).unwrap();
    let mut holder: vboxmcp::apply::Holder = serde_json::from_str(&holder).unwrap();
    holder.since = "2000-01-01T00:00:00Z".to_owned();
    std::fs::write(&file, serde_json::to_string(&holder).unwrap()).unwrap();
    assert_eq!(state(), RunState::Running);
    let failure = runs::resume(&bench.plain(), "latest", no_stdin).err().unwrap();
    assert_eq!(failure.kind, Kind::Locked);
    drop(lock);
    assert_eq!(state(), RunState::Died);
}
