//! Runs: their journals, kept by every apply; what they say, whether they are as they were written, and how to go on.

mod resume;

use std::path::{Path, PathBuf};

use serde::Serialize;

pub use resume::{Resume, resume};

pub use crate::apply::journal::Header;

use super::Context;
use crate::apply::journal::{self, Agent, Chain, Origin, Record, StepTrail, Who};
use crate::apply::{Holding, Journal, Lock};
use crate::config::HostChoice;
use crate::failure::{Failure, Kind};
use crate::model::digest::sha256;
use crate::model::{Address, StackName};
use crate::plan::{Plan, StepId, Verb};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Everything that was planned is done.
    Done,
    /// Some steps failed, others are done.
    Partly,
    /// It ended before its first step, or could not be brought to its end.
    Failed,
    /// Somebody asked it to stop.
    Cancelled,
    /// It has no end, and its process is gone.
    Died,
    /// It goes on.
    Running,
    /// Its journal is not as it was written.
    Broken,
}

impl RunState {
    /// One word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Partly => "partly",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Died => "died",
            Self::Running => "running",
            Self::Broken => "broken",
        }
    }
}

/// One run in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRow {
    /// Its id.
    pub id: String,
    /// How it ended.
    pub state: RunState,
    /// What it was for.
    pub verb: Option<Verb>,
    /// The stack.
    pub stack: Option<StackName>,
    /// Name of the user.
    pub user: String,
    /// When it began, UTC.
    pub started: String,
    /// When its last line was written.
    pub ended: String,
    /// The plan's hash.
    pub plan: String,
    /// The run that it went on from.
    pub resumes: Option<String>,
    /// Steps of the plan.
    pub steps: usize,
    /// Steps that were done.
    pub done: usize,
    /// Steps that failed.
    pub failed: usize,
    /// Steps that were not tried.
    pub skipped: usize,
    /// Steps that were announced and of which no result is known.
    pub unknown: usize,
    /// What went wrong, where that is not a step's failure.
    pub reason: Option<String>,
}

/// All that a journal says.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// In short.
    pub row: RunRow,
    /// The first line; `None` where it cannot be read.
    pub header: Option<Header>,
    /// The steps of its plan.
    pub steps: Vec<RunStep>,
}

/// One step of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunStep {
    /// Its number.
    pub step: StepId,
    /// The object.
    pub address: Address,
    /// What it was to do.
    pub label: String,
    /// What became of it.
    #[serde(flatten)]
    pub trail: StepTrail,
    /// Why it was not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// Whether a journal is as it was written.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The run.
    pub id: String,
    /// The answer.
    pub chain: Chain,
    /// Lines that are as they were written.
    pub lines: usize,
    /// SHA-256 of the last of them.
    pub head: Option<String>,
    /// Whether the run goes on, so that a missing end means nothing.
    pub running: bool,
}

/// The latest runs on this host, newest first; all of them where no number is given.
pub fn list(context: &Context, most: Option<usize>) -> Result<Vec<RunRow>, Failure> {
    let ids = ids(context)?;
    let holding = holding(context)?;
    let chosen = ids.iter().take(most.unwrap_or(usize::MAX));
    chosen.map(|(id, path)| Ok(row(id, &record(path)?, &holding))).collect()
}

/// What one run did.
pub fn show(context: &Context, id: &str) -> Result<RunReport, Failure> {
    let (id, record, holding) = current(context, id)?;
    let row = row(&id, &record, &holding);
    let skipped = |step: StepId| {
        let skipped = record.end.iter().flat_map(|end| &end.outcome.skipped);
        skipped.into_iter().find(|one| one.step == step).map(|one| one.because.clone())
    };
    let steps = record.plan.iter().flat_map(|plan| &plan.steps).map(|step| RunStep {
        step: step.id,
        address: step.address.clone(),
        label: step.action.label().to_owned(),
        trail: record.steps.get(&step.id).cloned().unwrap_or_default(),
        skipped: skipped(step.id),
    });
    Ok(RunReport { row, steps: steps.collect(), header: record.header.clone() })
}

/// Whether the journals of one run, or of all, are as they were written.
pub fn verify(context: &Context, id: Option<&str>) -> Result<Vec<Verified>, Failure> {
    let (records, holding): (Vec<(String, Record)>, Holding) = if let Some(id) = id {
        let (id, record, holding) = current(context, id)?;
        (vec![(id, record)], holding)
    } else {
        let (ids, holding) = (ids(context)?, holding(context)?);
        let records = ids.into_iter().map(|(id, path)| Ok((id, record(&path)?)));
        (records.collect::<Result<_, Failure>>()?, holding)
    };
    let verified = records.into_iter().map(|(id, record)| Verified {
        running: is_running(&record, &holding),
        id,
        chain: record.chain,
        lines: record.lines,
        head: record.head,
    });
    Ok(verified.collect())
}

/// Begins the journal of a run. Without a journal nothing is done.
pub(super) fn begin(context: &Context, plan: &Plan, origin: Origin) -> Result<Journal, Failure> {
    begin_for(context, plan, origin, None)
}

/// As [`begin`], for an agent.
pub(super) fn begin_for(
    context: &Context,
    plan: &Plan,
    origin: Origin,
    agent: Option<Agent>,
) -> Result<Journal, Failure> {
    let user = context.environment.user().unwrap_or("unknown user").to_owned();
    let who = Who { user, pid: std::process::id(), agent };
    let begun = match folder(context)? {
        Some(folder) => Journal::create(&folder, plan, origin, who),
        None => Journal::in_memory(plan, origin, who),
    };
    begun.map_err(|error| {
        Failure::new(Kind::Other, error)
            .hint("nothing was done: a run that cannot be written down does not begin")
    })
}

/// Where the journals of a host are.
fn folder(context: &Context) -> Result<Option<PathBuf>, Failure> {
    match (&context.settings.host, state_folder(context)?) {
        (HostChoice::Local, None) => {
            Err(Failure::new(Kind::Other, "there is no place for journals: no state directory is known")
                .hint("set HOME or XDG_STATE_HOME (LOCALAPPDATA on Windows)"))
        }
        (_, state) => Ok(state.map(|state| state.join("runs"))),
    }
}

/// Where vboxmcp keeps what it knows of a host: in the state directory, by VirtualBox home; of a simulated host beside its state. A
/// host that is gone when the program ends has none, and neither has a user without a home.
pub(super) fn state_folder(context: &Context) -> Result<Option<PathBuf>, Failure> {
    Ok(match &context.settings.host {
        HostChoice::Sim(None) | HostChoice::Recorded(_) => None,
        HostChoice::Sim(Some(directory)) => Some(directory.join("state")),
        HostChoice::Local => {
            let home = context.host.home_folder()?;
            context.environment.state_directory().map(|state| of_home(&state, &home))
        }
    })
}

/// The part of the state directory that is about one VirtualBox home.
pub(super) fn of_home(state: &Path, home: &Path) -> PathBuf {
    state.join(sha256(home.as_os_str().as_encoded_bytes()).split_at(12).0)
}

/// All runs by their ids, newest first, with their files.
fn ids(context: &Context) -> Result<Vec<(String, PathBuf)>, Failure> {
    let Some(folder) = folder(context)? else { return Ok(Vec::new()) };
    match journal::runs(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        runs => runs.map_err(|error| unreadable(&folder, &error)),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Kind::Other, format!("cannot read {}: {error}", path.display()))
}

fn record(path: &Path) -> Result<Record, Failure> {
    journal::read(path).map_err(|error| unreadable(path, &error))
}

/// The run that somebody means: an id, the beginning of one, or `latest`.
fn find(context: &Context, wanted: &str) -> Result<(String, Record), Failure> {
    let ids = ids(context)?;
    let no = |text: String| Failure::new(Kind::Usage, text).hint("`vboxmcp runs list` lists them");
    let found: Vec<&(String, PathBuf)> = match wanted {
        "latest" => ids.iter().take(1).collect(),
        wanted => match ids.iter().find(|(id, _)| id == wanted) {
            Some(exactly) => vec![exactly],
            None => ids.iter().filter(|(id, _)| id.starts_with(wanted)).collect(),
        },
    };
    match found.as_slice() {
        [(id, path)] => Ok((id.clone(), record(path)?)),
        [] if ids.is_empty() => Err(no("there is no run on this host yet".to_owned())),
        [] => Err(no(format!("there is no run `{wanted}` on this host"))),
        several => Err(no(format!("{} runs begin with `{wanted}`", several.len()))),
    }
}

/// A run with who holds the lock. A run writes its end before it lets go of the lock: where nobody holds it, the journal is read once
/// more, so that a run which ends between the two is not taken for a dead one.
fn current(context: &Context, wanted: &str) -> Result<(String, Record, Holding), Failure> {
    let (id, record) = find(context, wanted)?;
    let holding = holding(context)?;
    let record =
        if record.end.is_none() && !is_running(&record, &holding) { find(context, &id)?.1 } else { record };
    Ok((id, record, holding))
}

fn holding(context: &Context) -> Result<Holding, Failure> {
    Ok(Lock::look(&context.host.home_folder()?))
}

/// A run without an end goes on as long as its process holds the lock.
fn is_running(record: &Record, holding: &Holding) -> bool {
    let Some(header) = record.header.as_ref().filter(|_| record.end.is_none()) else { return false };
    match holding {
        Holding::Nobody => false,
        Holding::Somebody(None) => true,
        // The lock is taken first, and its time has no fraction of a second.
        Holding::Somebody(Some(holder)) => {
            let second = |text: &str| text.get(..19).unwrap_or(text).to_owned();
            holder.pid == header.who.pid && second(&holder.since) <= second(&record.started)
        }
    }
}

fn row(id: &str, record: &Record, holding: &Holding) -> RunRow {
    let header = record.header.as_ref();
    let outcome = record.end.as_ref().map(|end| &end.outcome);
    let is_done = |trail: &&StepTrail| {
        use crate::event::StepOutcome::{Done, Unchanged};
        matches!(trail.outcome, Some(Done { .. } | Unchanged))
    };
    let reason = match (&record.chain, &record.end) {
        (Chain::Broken { line, reason }, _) => Some(format!("line {line}: {reason}")),
        (_, Some(end)) if !end.errors.is_empty() => Some(end.errors.join(": ")),
        (_, Some(end)) => end.outcome.journal.clone(),
        (_, None) => None,
    };
    RunRow {
        id: id.to_owned(),
        state: state(record, holding),
        verb: header.map(|header| header.verb),
        stack: header.map(|header| header.stack.clone()),
        user: header.map(|header| header.who.user.clone()).unwrap_or_default(),
        started: record.started.clone(),
        ended: record.last.clone(),
        plan: header.map(|header| header.plan.clone()).unwrap_or_default(),
        resumes: header.and_then(|header| header.origin.resumes.clone()),
        steps: record.plan.as_ref().map_or(0, |plan| plan.steps.len()),
        done: record.steps.values().filter(is_done).count(),
        failed: outcome.map_or(0, |outcome| outcome.failed.len()),
        skipped: outcome.map_or(0, |outcome| outcome.skipped.len()),
        unknown: if outcome.is_some() { 0 } else { record.unknown().len() },
        reason,
    }
}

fn state(record: &Record, holding: &Holding) -> RunState {
    if matches!(record.chain, Chain::Broken { .. }) {
        return RunState::Broken;
    }
    let Some(end) = &record.end else {
        return if is_running(record, holding) { RunState::Running } else { RunState::Died };
    };
    let outcome = &end.outcome;
    if !end.errors.is_empty() {
        RunState::Failed
    } else if outcome.cancelled {
        RunState::Cancelled
    } else if outcome.failed.is_empty() && outcome.skipped.is_empty() {
        RunState::Done
    } else {
        RunState::Partly
    }
}
