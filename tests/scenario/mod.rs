//! Scenarios: what is there, what is declared, what vboxmcp says and does, and the way back.
//!
//! A scenario is a file of `tests/cases/`. It runs in four phases: what is given; a plan and its apply; the same plan again, which
//! must be empty; and the way back with an empty plan behind it. Everything that was said is written to a record, which is committed
//! beside the case; `VBOXMCP_UPDATE=1` rewrites it. On a simulated VirtualBox all of them run always. In the laboratory the same ones
//! run on a real VirtualBox too, and both must say the same and end in the same inventory.

pub mod case;
pub mod image;
pub mod normal;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use vboxmcp::apply::{Cancel, Outcome};
use vboxmcp::config::{Environment, Settings};
use vboxmcp::failure::{Exit, Failure};
use vboxmcp::host::Want;
use vboxmcp::host::sim::ByHand;
use vboxmcp::ops::{self, Context, Manifests, Memory, PlanResponse};
use vboxmcp::plan::DestroyOptions;
use vboxmcp::render::{self, View};

use case::{Case, Run, Step, Verb};
pub use image::iso;

/// Where a scenario plays.
pub struct Stage<'a> {
    /// What vboxmcp is started in: it says which host.
    pub environment: Environment,
    /// Everything of the scenario is below it; it stands as `$ROOT` in records.
    pub root: PathBuf,
    /// Does something behind vboxmcp's back.
    pub hand: Box<dyn Fn(&ByHand) + 'a>,
}

/// What a scenario said and left.
#[derive(Debug, Default, PartialEq)]
pub struct Record {
    /// All that was said.
    pub said: String,
    /// The inventory after each run, without what differs between hosts.
    pub left: Vec<(String, Value)>,
}

/// Plays a scenario.
pub fn play(case: &Case, stage: &Stage<'_>) -> Record {
    let player = Player { stage, folder: stage.root.join("scratch"), memory: Memory::lasting() };
    player.set_up(case);
    let mut record = Record::default();
    let mut last = String::new();
    for (number, step) in (1..).zip(&case.given) {
        match step {
            Step::Hand(hand) => {
                writeln!(record.said, "## by hand: {}\n", words(hand)).unwrap();
                (stage.hand)(hand);
            }
            Step::Run(run) => {
                player.run(&format!("given {number}"), run, &mut last, &mut record);
            }
        }
    }
    for (number, run) in (1..).zip(&case.runs) {
        let title = if case.runs.len() == 1 { "then".to_owned() } else { format!("then {number}") };
        player.run(&title, run, &mut last, &mut record);
        if !run.unsettled {
            player.again(run, &mut record);
        }
    }
    record
}

struct Player<'a> {
    stage: &'a Stage<'a>,
    folder: PathBuf,
    /// One for all runs: debug builds make every plan that it remembers again.
    memory: Memory,
}

impl Player<'_> {
    fn set_up(&self, case: &Case) {
        fs::create_dir_all(&self.folder).unwrap();
        for folder in &case.folders {
            fs::create_dir_all(self.folder.join(folder)).unwrap();
        }
        for file in &case.images {
            fs::write(self.folder.join(file), iso()).unwrap();
        }
    }

    fn context(&self, run: &Run) -> Result<Context, Failure> {
        let environment = Environment { directory: self.folder.clone(), ..self.stage.environment.clone() };
        let settings = Settings::resolve(run.overrides(), &environment)?;
        let host = ops::open(&settings, &environment)?;
        Ok(Context { host, settings, environment, memory: self.memory.clone() })
    }

    /// One run of vboxmcp: a plan, and where it may run its apply.
    fn run(&self, title: &str, run: &Run, last: &mut String, record: &mut Record) {
        if let Some(text) = &run.manifests {
            last.clone_from(text);
        }
        fs::write(self.folder.join("lab.yaml"), &*last).unwrap();
        writeln!(record.said, "## {title}: {}\n", run.command()).unwrap();
        let exit = match self.attempt(run, &mut record.said) {
            Ok(exit) => exit,
            Err(failure) => {
                self.say_failure(&failure, &mut record.said);
                failure.kind.exit()
            }
        };
        writeln!(record.said, "exit {}: {}\n", exit.code(), exit.meaning()).unwrap();
        assert_eq!(exit.code(), run.exit, "{title}\n{}", record.said);
        record.left.push((title.to_owned(), self.inventory(run)));
    }

    fn attempt(&self, run: &Run, said: &mut String) -> Result<Exit, Failure> {
        let context = self.context(run)?;
        let shown = Self::plan(&context, run)?;
        self.say_plan(&shown, said);
        if let Some(refused) = ops::refused(&shown.plan) {
            return Err(refused);
        }
        if run.only_plan {
            return Ok(Exit::Done);
        }
        let consent = ops::Consent { hash: shown.plan.hash.clone(), lock_timeout: Duration::ZERO };
        let again = || Self::plan(&context, run);
        let outcome = ops::apply(&context, &consent, &again, &Cancel::default(), &|_| {})?;
        Ok(self.say_outcome(&outcome, said))
    }

    fn plan(context: &Context, run: &Run) -> Result<PlanResponse, Failure> {
        let manifests = Manifests { paths: vec!["lab.yaml".into()], stdin: None, ..Manifests::default() };
        match &run.verb {
            Verb::Apply => ops::plan(context, &ops::PlanRequest { manifests }),
            Verb::Adopt(addresses) => {
                let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
                ops::adopt(context, &ops::AdoptRequest { manifests, addresses, uuid: None })
            }
            Verb::Revert(snapshot) => {
                let request =
                    ops::RevertRequest { manifests, snapshot: snapshot.clone(), ..Default::default() };
                ops::revert(context, &request)
            }
            Verb::Repair => ops::repair(context, None),
            Verb::Destroy { all } => ops::destroy(
                context,
                &ops::DestroyRequest { manifests, options: DestroyOptions { all: *all } },
            ),
        }
    }

    /// The same once more: there must be nothing to do.
    fn again(&self, run: &Run, record: &mut Record) {
        let again = Run { manifests: None, verb: Verb::Apply, ..run.clone() };
        if run.verb != Verb::Apply
            && run.verb != Verb::Adopt(Vec::new())
            && matches!(run.verb, Verb::Destroy { .. })
        {
            return;
        }
        let context = self.context(&again).unwrap_or_else(|failure| panic!("{failure:?}"));
        let response = Self::plan(&context, &again).unwrap_or_else(|failure| panic!("{failure:?}"));
        let mut said = String::new();
        self.say_plan(&response, &mut said);
        assert!(response.plan.is_empty(), "the next plan is not empty\n{}\n{said}", record.said);
        assert!(
            !ops::has_pending_writes(&response).unwrap(),
            "the register is not up to date\n{}\n{said}",
            record.said
        );
        writeln!(record.said, "## again\n\n{said}").unwrap();
    }

    fn say_plan(&self, response: &PlanResponse, said: &mut String) {
        let mut text = Vec::new();
        render::plan::write_plan(&mut text, &response.plan, &View::default()).unwrap();
        let text = String::from_utf8(text).unwrap();
        // What only one host lacks beside VirtualBox is no part of the comparison.
        let of_the_host = ["Extension Pack", "kernel driver", "which this host reaches by", "of memory, and"];
        let is_of_the_host =
            |line: &&str| line.starts_with("note: ") && of_the_host.iter().any(|words| line.contains(words));
        let text: Vec<&str> =
            text.lines().filter(|line| !line.starts_with("Hash: ") && !is_of_the_host(line)).collect();
        writeln!(said, "{}\n", self.plain(text.join("\n").trim())).unwrap();
    }

    fn say_outcome(&self, outcome: &Outcome, said: &mut String) -> Exit {
        for step in &outcome.failed {
            let text = format!("failed: {} {}: {}", step.address, step.label, step.errors.join(": "));
            writeln!(said, "{}", self.plain(&text)).unwrap();
        }
        for step in &outcome.skipped {
            writeln!(said, "skipped: {}: {}", step.address, self.plain(&step.because)).unwrap();
        }
        if !outcome.failed.is_empty() {
            Exit::Partial
        } else if outcome.blocked > 0 {
            Exit::Blocked
        } else {
            Exit::Done
        }
    }

    fn say_failure(&self, failure: &Failure, said: &mut String) {
        let mut text = Vec::new();
        render::failure::write_failure(&mut text, failure, &View::default()).unwrap();
        writeln!(said, "{}", self.plain(String::from_utf8(text).unwrap().trim_end())).unwrap();
    }

    fn plain(&self, text: &str) -> String {
        normal::text(text, &self.stage.root)
    }

    fn inventory(&self, run: &Run) -> Value {
        let Ok(context) = self.context(run) else { return Value::Null };
        let inventory = context.host.inventory(&Want { states: true, ..Want::default() }).unwrap();
        normal::inventory(&inventory, &self.stage.root)
    }
}

fn words(hand: &ByHand) -> String {
    serde_json::to_string(hand).unwrap_or_default()
}

/// Whether records are to be written anew.
#[allow(dead_code, reason = "only the suite on the simulated host writes records")]
pub fn updating() -> bool {
    #[expect(clippy::disallowed_methods, reason = "a switch for tests, not part of the program")]
    std::env::var_os("VBOXMCP_UPDATE").is_some()
}

/// All cases by their names.
pub fn cases() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut found: Vec<(String, PathBuf)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), path))
        .collect();
    found.sort();
    found
}
