//! From a plan to its end: show it, get consent, run it, say how it went.

use std::io::{self, Write as _};
use std::time::Duration;

use clap::Args;
use indicatif::ProgressDrawTarget;

use super::session::Session;
use crate::failure::{Exit, Failure, Kind};
use crate::ops::runs::Resume;
use crate::ops::{self, Cancel, Consent, Context, Event, Outcome, Plan, PlanResponse, Sink, Verb};
use crate::render::outcome::{write_outcome, write_outcome_json};
use crate::render::plan::{write_plan, write_plan_event};
use crate::render::progress::{JsonLines, Live, Plain, Progress, Quiet};
use crate::render::text::printable;

/// Consent that is given beforehand.
#[derive(Args, Clone, Debug, Default)]
pub struct Approval {
    /// Do not ask
    #[arg(short = 'y', long)]
    pub yes: bool,
    /// Run only the plan with this hash, without asking; another plan is refused (4)
    #[arg(long, value_name = "HASH")]
    pub plan_hash: Option<String>,
    /// How long to wait for another run, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub lock_timeout: u64,
}

impl Approval {
    fn is_given(&self) -> bool {
        self.yes || self.plan_hash.is_some()
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.lock_timeout)
    }
}

/// How consent is got.
#[derive(Clone, Copy)]
pub enum Question<'a> {
    /// Yes or no.
    Plan,
    /// The stack's name must be said, or was given.
    Stack(Option<&'a str>),
    /// None where all that is left was consented to already; else as for the run that is gone on with.
    Resume(&'a Resume, Option<&'a str>),
}

/// Shows a plan and runs it with consent.
pub fn consented(
    session: &Session,
    context: &Context,
    approval: &Approval,
    question: Question<'_>,
    again: &dyn Fn() -> Result<PlanResponse, Failure>,
) -> Result<Exit, Failure> {
    ops::settle(context)?;
    let response = again()?;
    session.findings(&response.findings)?;
    let plan = &response.plan;
    let is_given = match question {
        Question::Plan => approval.is_given(),
        Question::Stack(given) => given.is_some(),
        Question::Resume(resume, given) => {
            resume.covers(plan) || given.is_some() || (resume.verb != Verb::Destroy && approval.is_given())
        }
    };
    show(session, plan, approval, is_given)?;
    // What only the register would show is no change, and needs no consent.
    if plan.steps.is_empty() {
        if !ops::has_pending_writes(&response)? {
            return end(session, plan, &untouched(plan));
        }
    } else {
        match question {
            Question::Resume(resume, _) if resume.covers(plan) => {
                let run = printable(&resume.id);
                session.status(&format!("going on with run {run}: every step was consented to"));
            }
            Question::Stack(given) | Question::Resume(Resume { verb: Verb::Destroy, .. }, given) => {
                confirm_stack(session, plan, given)?;
            }
            Question::Plan | Question::Resume(..) => approve(session, plan, approval)?,
        }
    }
    let consent = Consent { hash: plan.hash.clone(), lock_timeout: approval.patience() };
    let outcome = follow(session, plan, |cancel, sink| ops::apply(context, &consent, again, cancel, sink))?;
    end(session, plan, &outcome)
}

/// Shows a plan that was kept and runs it: naming its file is the consent.
pub fn saved(
    session: &Session,
    context: &Context,
    approval: &Approval,
    plan: &Plan,
) -> Result<Exit, Failure> {
    show(session, plan, approval, true)?;
    if plan.is_empty() {
        return end(session, plan, &untouched(plan));
    }
    let outcome = follow(session, plan, |cancel, sink| {
        ops::saved::apply_saved(context, plan, approval.patience(), cancel, sink)
    })?;
    end(session, plan, &outcome)
}

/// The plan for the eyes of who must consent or wants to see it, and the refusals that need no host.
fn show(session: &Session, plan: &Plan, approval: &Approval, is_given: bool) -> Result<(), Failure> {
    let is_seen = !session.settings.quiet || !is_given || plan.is_empty();
    session.print(|out, view| match session.is_json() {
        true => write_plan_event(out, plan),
        false if is_seen => write_plan(out, plan, view),
        false => Ok(()),
    })?;
    if let Some(hash) = &approval.plan_hash {
        expect_hash(plan, hash)?;
    }
    ops::refused(plan).map_or(Ok(()), Err)
}

/// Runs something while a person or a program follows it, and Ctrl-C stops it.
fn follow(
    session: &Session,
    plan: &Plan,
    run: impl FnOnce(&Cancel, Sink<'_>) -> Result<Outcome, Failure>,
) -> Result<Outcome, Failure> {
    let cancel = Cancel::default();
    listen(&cancel)?;
    let progress = progress(session, plan);
    let result = run(&cancel, &|event: Event| progress.event(&event));
    let written = progress.finish();
    let outcome = result?;
    written?;
    Ok(outcome)
}

/// The end of a run that had nothing to do.
fn untouched(plan: &Plan) -> Outcome {
    let blocked = plan.objects.iter().filter(|object| !object.blocked.is_empty()).count();
    Outcome { plan: plan.hash.clone(), blocked, ..Outcome::default() }
}

fn end(session: &Session, plan: &Plan, outcome: &Outcome) -> Result<Exit, Failure> {
    let exit = ops::ended_as(outcome);
    if session.is_json() {
        session.print(|out, _| write_outcome_json(out, outcome, exit))?;
    } else if !plan.steps.is_empty() {
        session.print(|out, view| write_outcome(out, plan, outcome, view))?;
    }
    Ok(exit)
}

fn expect_hash(plan: &Plan, hash: &str) -> Result<(), Failure> {
    if plan.hash == hash {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Stale,
        format!("the plan is not the approved one: its hash is {}, and --plan-hash says {hash}", plan.hash),
    )
    .hint("the host, the manifests, the permissions or the version of vboxmcp have changed since: look at the plan above"))
}

fn approve(session: &Session, plan: &Plan, approval: &Approval) -> Result<(), Failure> {
    if approval.is_given() {
        return Ok(());
    }
    if !session.can_ask() {
        return Err(Failure::new(
            Kind::Usage,
            "nothing was done: consent is needed, and there is no terminal to ask on",
        )
        .hint("--yes runs whatever the plan is")
        .hint(format!("--plan-hash {} runs exactly this one", plan.hash)));
    }
    let answer = session.ask("Do this? Only `yes` does it:")?;
    if answer == "yes" { Ok(()) } else { Err(declined()) }
}

fn confirm_stack(session: &Session, plan: &Plan, given: Option<&str>) -> Result<(), Failure> {
    let stack = plan.stack.as_str();
    match given {
        Some(name) if name == stack => Ok(()),
        Some(name) => {
            Err(Failure::new(Kind::Usage, format!("--confirm says `{name}`, and the stack is `{stack}`")))
        }
        None if session.can_ask() => {
            let answer = session.ask(&format!("Type the name of the stack ({stack}) to destroy it:"))?;
            if answer == stack { Ok(()) } else { Err(declined()) }
        }
        None => Err(Failure::new(
            Kind::Usage,
            "nothing was done: the stack's name must be said, and there is no terminal to ask on",
        )
        .hint(format!("--confirm {stack}"))),
    }
}

fn declined() -> Failure {
    Failure::new(Kind::Cancelled, "nothing was done: it was not consented to")
}

fn progress(session: &Session, plan: &Plan) -> Box<dyn Progress> {
    let styles = session.err.styles;
    if session.is_json() {
        Box::new(JsonLines::new(io::stdout()))
    } else if session.settings.quiet || plan.steps.is_empty() {
        Box::new(Quiet)
    } else if session.environment.stderr_is_terminal {
        Box::new(Live::new(ProgressDrawTarget::stderr(), styles))
    } else {
        Box::new(Plain::new(io::stderr(), styles))
    }
}

/// Ctrl-C asks to stop, twice to stop now; so does a request to end (SIGTERM), which is how CI cancels a job.
pub fn listen(cancel: &Cancel) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let cancel = cancel.clone();
    // Signals are caught from here on, not from whenever the thread begins.
    let signals = {
        let _guard = runtime.enter();
        Signals::catch()?
    };
    std::thread::spawn(move || runtime.block_on(signals.each(|| cancel.request())));
    Ok(())
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn catch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn each(mut self, request: impl Fn() -> u8) {
        loop {
            let received = tokio::select! {
                received = self.interrupt.recv() => received,
                received = self.terminate.recv() => received,
            };
            if received.is_none() || request() > 2 {
                leave();
            }
        }
    }
}

#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
}

#[cfg(windows)]
impl Signals {
    fn catch() -> io::Result<Self> {
        Ok(Self { interrupt: tokio::signal::windows::ctrl_c()? })
    }

    async fn each(mut self, request: impl Fn() -> u8) {
        while self.interrupt.recv().await.is_some() && request() <= 2 {}
        leave();
    }
}

/// Three times is somebody who does not want to wait for anything. The next run goes on from what is there.
#[expect(clippy::disallowed_methods, reason = "everything else has been asked to stop, and has not")]
fn leave() -> ! {
    let _ = io::stderr().flush();
    std::process::exit(Exit::Error.code().into())
}
