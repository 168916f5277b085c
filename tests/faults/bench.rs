//! A place for scenarios: a folder with what manifests point at, and runs of vboxmcp on a simulated host.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use vboxmcp::apply::{Cancel, Outcome};
use vboxmcp::config::{Environment, HostChoice, Overrides, Settings};
use vboxmcp::event::Event;
use vboxmcp::failure::Failure;
use vboxmcp::host::sim::SimHost;
use vboxmcp::model::{Danger, Limit};
use vboxmcp::ops::{
    self, AdoptRequest, Consent, Context, DestroyOptions, DestroyRequest, Manifests, PlanRequest,
    PlanResponse, RevertRequest,
};
use vboxmcp::ops::{Memory, runs};
use vboxmcp::plan::Plan;

use crate::scenario::image::iso;

/// What vboxmcp is asked for.
#[derive(Clone, Debug)]
pub enum Ask {
    /// `apply`, with `--prune` or without.
    Apply { prune: bool },
    /// `destroy`, with `--all` or without.
    Destroy { all: bool },
    /// `adopt`
    Adopt(String),
    /// `revert` of all machines that have the snapshot.
    Revert(String),
}

/// How one run is cut short by Ctrl-C.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Press {
    /// Nobody presses it.
    #[default]
    Never,
    /// Once, when the step begins that has this place among those that begin.
    Once(u64),
    /// Twice.
    Twice(u64),
}

/// What came of one run.
#[derive(Debug)]
pub struct Ran {
    /// What was planned.
    pub plan: Plan,
    /// `None` where there was nothing to do.
    pub outcome: Option<Result<Outcome, Failure>>,
    /// How many actions the host had been asked for when each step began.
    pub begins: Vec<u64>,
}

/// A folder with manifests' files.
pub struct Bench {
    folder: tempfile::TempDir,
    /// The folder, without links.
    pub root: PathBuf,
    allow: Vec<Danger>,
}

impl Bench {
    /// A new one.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("site")).unwrap();
        for name in ["one.iso", "two.iso"] {
            std::fs::write(root.join(name), iso()).unwrap();
        }
        Self { folder, root, allow: Danger::ALL.to_vec() }
    }

    /// A host with nothing on it.
    pub fn host(&self) -> SimHost {
        debug_assert!(self.folder.path().is_dir());
        SimHost::in_memory_below(&self.root)
    }

    /// Only these dangers are permitted from now on.
    pub fn permit(&mut self, allow: &[Danger]) {
        self.allow = allow.to_vec();
    }

    /// What a run works with. With a journal its runs can be resumed.
    pub fn context(&self, host: &Arc<SimHost>, prune: bool, journal: bool) -> Context {
        let environment = Environment { directory: self.root.clone(), ..Environment::default() };
        let settings = Settings::resolve(
            Overrides {
                host: Some(HostChoice::Sim(journal.then(|| self.root.clone()))),
                allow: self.allow.iter().copied().collect(),
                prune,
                max_destroy_data: Some(Limit::Percent(100)),
                max_downtime: Some(Limit::Percent(100)),
                max_prune: Some(Limit::Percent(100)),
                ..Overrides::default()
            },
            &environment,
        );
        let mut settings = settings.unwrap();
        settings.policy.limits.max_destroy_data = Limit::Count(1_000);
        Context { host: Arc::clone(host) as _, settings, environment, memory: Memory::default() }
    }

    /// Plans.
    pub fn plan(&self, context: &Context, text: &str, ask: &Ask) -> Result<PlanResponse, Failure> {
        debug_assert_eq!(context.environment.directory, self.root);
        let manifests = Manifests {
            paths: vec!["-".into()],
            stdin: Some(text.as_bytes().to_vec()),
            ..Manifests::default()
        };
        match ask {
            Ask::Apply { .. } => ops::plan(context, &PlanRequest { manifests }),
            Ask::Destroy { all } => {
                ops::destroy(context, &DestroyRequest { manifests, options: DestroyOptions { all: *all } })
            }
            Ask::Revert(snapshot) => {
                let request =
                    RevertRequest { manifests, snapshot: snapshot.clone(), ..RevertRequest::default() };
                ops::revert(context, &request)
            }
            Ask::Adopt(name) => {
                let addresses = vec![vboxmcp::model::Address::machine(name.clone())];
                ops::adopt(context, &AdoptRequest { manifests, addresses, uuid: None })
            }
        }
    }

    /// One run: a plan, and its apply where there is something to do.
    pub fn run(
        &self,
        host: &Arc<SimHost>,
        text: &str,
        ask: &Ask,
        press: Press,
        journal: bool,
    ) -> Result<Ran, Failure> {
        let context = self.context(host, matches!(ask, Ask::Apply { prune: true }), journal);
        Self::run_in(&context, host, press, &|| self.plan(&context, text, ask))
    }

    /// One run whose steps are put into another order first, always the same one for the same plan.
    pub fn run_in_order(
        &self,
        host: &Arc<SimHost>,
        text: &str,
        ask: &Ask,
        order: &dyn Fn(&mut Plan),
    ) -> Result<Ran, Failure> {
        let context = self.context(host, matches!(ask, Ask::Apply { prune: true }), false);
        Self::run_in(&context, host, Press::Never, &|| {
            let mut response = self.plan(&context, text, ask)?;
            order(&mut response.plan);
            Ok(response)
        })
    }

    /// Goes on with the last run.
    pub fn resume(&self, host: &Arc<SimHost>, text: &str) -> Result<Ran, Failure> {
        let context = self.context(host, false, true);
        let resume = runs::resume(&context, "latest", || Ok(text.as_bytes().to_vec()))?;
        Self::run_in(&resume.context, host, Press::Never, &|| resume.plan())
    }

    fn run_in(
        context: &Context,
        host: &Arc<SimHost>,
        press: Press,
        plan: &dyn Fn() -> Result<PlanResponse, Failure>,
    ) -> Result<Ran, Failure> {
        let response = plan()?;
        if let Some(refused) = ops::refused(&response.plan) {
            return Err(refused);
        }
        let nothing = response.plan.steps.is_empty() && !ops::has_pending_writes(&response)?;
        if nothing {
            return Ok(Ran { plan: response.plan, outcome: None, begins: Vec::new() });
        }
        let (cancel, begun) = (Cancel::default(), AtomicU64::new(0));
        let begins = std::sync::Mutex::new(Vec::new());
        let sink = |event: Event| {
            if !matches!(event, Event::StepStarted { .. }) {
                return;
            }
            begins.lock().unwrap().push(host.asked());
            let number = begun.fetch_add(1, Ordering::SeqCst);
            let times = match press {
                Press::Once(at) if at == number => 1,
                Press::Twice(at) if at == number => 2,
                _ => 0,
            };
            for _ in 0..times {
                cancel.request();
            }
        };
        let consent = Consent { hash: response.plan.hash.clone(), lock_timeout: Duration::ZERO };
        let ended = AtomicBool::new(false);
        let outcome = std::thread::scope(|scope| {
            if matches!(press, Press::Twice(_)) {
                // The action that hangs may be another one than that of the step at which the keys are pressed.
                scope.spawn(|| {
                    for _ in 0..100 {
                        std::thread::sleep(Duration::from_millis(20));
                        if ended.load(Ordering::SeqCst) {
                            return;
                        }
                    }
                    cancel.request();
                    cancel.request();
                });
            }
            let outcome = ops::apply(context, &consent, plan, &cancel, &sink);
            ended.store(true, Ordering::SeqCst);
            outcome
        });
        let begins = begins.lock().unwrap().clone();
        Ok(Ran { plan: response.plan, outcome: Some(outcome), begins })
    }

    /// What is left to do, in words.
    pub fn left(&self, host: &Arc<SimHost>, text: &str, ask: &Ask) -> Vec<String> {
        let context = self.context(host, matches!(ask, Ask::Apply { prune: true }), false);
        let response = match self.plan(&context, text, ask) {
            Ok(response) => response,
            Err(failure) => return vec![failure_text(&failure)],
        };
        let mut left: Vec<String> = response
            .plan
            .steps
            .iter()
            .map(|step| format!("{} {:?} {:?}", step.address, step.action, step.cause))
            .collect();
        if ops::has_pending_writes(&response).unwrap_or_default() {
            left.push(format!("register {:?} {:?}", response.plan.register, response.inventory.registers));
        }
        left
    }

    /// Runs until nothing is left to do, or until the same plan fails the same way: the runs that it took, at most `most`.
    pub fn converge(&self, host: &Arc<SimHost>, text: &str, ask: &Ask, most: usize) -> Result<usize, String> {
        let mut last: Option<(String, String)> = None;
        for run in 0..=most {
            let ran =
                self.run(host, text, ask, Press::Never, false).map_err(|failure| failure_text(&failure))?;
            let Some(outcome) = ran.outcome else { return Ok(run) };
            let how = match &outcome {
                Ok(outcome) if outcome.failed.is_empty() => String::new(),
                Ok(outcome) => outcome.failed.iter().flat_map(|step| step.errors.clone()).collect(),
                Err(failure) => failure_text(failure),
            };
            let this = (ran.plan.hash.clone(), how);
            if !this.1.is_empty() && last.as_ref() == Some(&this) {
                return Ok(run);
            }
            if run == most {
                let steps: Vec<String> =
                    ran.plan.steps.iter().map(|step| format!("{} {:?}", step.address, step.action)).collect();
                return Err(format!(
                    "after {run} runs there is still something to do:\n{}\n{}",
                    steps.join("\n"),
                    this.1
                ));
            }
            last = Some(this);
        }
        Ok(most)
    }

    /// Cuts the newest journal as a death would have: nothing of what came afterwards is in it, and the last line may be torn.
    pub fn cut_journal(&self, length: u64) {
        if let Some(path) = self.newest_journal() {
            std::fs::File::options().write(true).open(path).unwrap().set_len(length).unwrap();
        }
    }

    /// The newest journal.
    pub fn newest_journal(&self) -> Option<PathBuf> {
        let entries = std::fs::read_dir(self.root.join("state/runs")).ok()?;
        entries.map(|entry| entry.unwrap().path()).max()
    }

    /// Forgets all journals.
    pub fn forget_journals(&self) {
        let _ = std::fs::remove_dir_all(self.root.join("state"));
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// A failure with its causes, on one line.
pub fn failure_text(failure: &Failure) -> String {
    let mut text = Vec::new();
    vboxmcp::render::failure::write_failure(&mut text, failure, &vboxmcp::render::View::default()).unwrap();
    String::from_utf8(text).unwrap()
}
