//! The run's side of the helper: it is started when it is first of use, asked, given up where it dies, and ended with the run.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use uuid::Uuid;

use super::protocol::{Answer, Ask, Greeting, Refusal, Reply, Request, Response, VERSION};
use super::{FOLDER_VARIABLE, VERB};
use crate::host::virtualbox::live::numbered;
use crate::host::virtualbox::runner::{Patience, Runner, Servant};
use crate::model::state::StateClass;

/// How a helper is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// vboxmcp itself.
    pub program: PathBuf,
    /// A program that is run instead, with vboxmcp and its arguments as its own: where VirtualBox lives in a root of its own.
    pub through: Option<PathBuf>,
    /// The folder of VirtualBox's libraries.
    pub folder: PathBuf,
}

impl Launch {
    fn start(&self, runner: &Runner) -> Result<Servant, String> {
        let mut arguments = vec![OsString::from(VERB)];
        let program = match &self.through {
            None => &self.program,
            Some(through) => {
                arguments.insert(0, self.program.clone().into_os_string());
                through
            }
        };
        let folder = (FOLDER_VARIABLE, self.folder.as_os_str());
        runner.start_servant(program, &arguments, folder).map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            format!("{error}{}", cause.unwrap_or_default())
        })
    }
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done(Reply),
    /// VirtualBox refused.
    Refused(Refusal),
    /// Nothing was begun: VBoxManage may do it.
    Untouched,
    /// The helper ended, or was ended, in the middle of it, for this reason: nobody knows what came of it.
    Lost(String),
}

/// How often a helper may be lost before the run goes on without.
const LOSSES: u32 = 3;

/// How many helpers change machines at a time, where there is much to do.
const LANES: usize = 2;

/// How many changes one helper does before another one is worth its start: fifteen milliseconds, and what they do at the same time is saved
/// (both measured).
const MANY: u32 = 8;

/// A helper, where it runs.
#[derive(Debug, Default)]
struct Lane {
    helper: Option<Helper>,
    /// Whether it was started to say what runs, and has done nothing else.
    only_looks: bool,
    /// Whether it is not tried again: there is the first one.
    is_closed: bool,
}

/// What the helpers of a run were lost with.
#[derive(Debug, Default)]
struct Losses {
    /// Why there is none, and will be none.
    impossible: Option<String>,
    number: u32,
    /// What comes next of it is VBoxManage's.
    shunned: BTreeSet<Subject>,
}

/// The helper of a run, and a second one that changes machines beside it.
#[derive(Debug, Default)]
pub struct Native {
    launch: Option<Launch>,
    first: Mutex<Lane>,
    second: Mutex<Lane>,
    losses: Mutex<Losses>,
    /// How many changes were asked for.
    changes: AtomicU32,
    /// Whether some are to be expected.
    expects_changes: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Machine(Uuid),
    File(PathBuf),
    VirtualBox,
}

impl Subject {
    fn of(ask: &Ask) -> Self {
        match ask {
            Ask::State { machine }
            | Ask::Change { machine, .. }
            | Ask::Unregister { machine, .. }
            | Ask::Data { machine: Some(machine), .. } => Self::Machine(*machine),
            Ask::Register { file } => Self::File(file.clone()),
            Ask::Data { machine: None, .. } | Ask::States { .. } => Self::VirtualBox,
        }
    }
}

impl Native {
    /// A helper that is not started yet.
    pub fn new(launch: Launch) -> Self {
        Self { launch: Some(launch), ..Self::default() }
    }

    /// How it is started; `None` where it was not looked for.
    pub fn launch(&self) -> Option<&Launch> {
        self.launch.as_ref()
    }

    /// Starts it where it does not run. The error says why there is none.
    pub fn greet(&self, runner: &Runner) -> Result<Greeting, String> {
        let mut lane = lock(&self.first);
        lane.only_looks = false;
        self.ensure(&mut lane, runner)?;
        Ok(lane.helper.as_ref().map(|helper| helper.greeting.clone()).unwrap_or_default())
    }

    fn ensure(&self, lane: &mut Lane, runner: &Runner) -> Result<(), String> {
        let impossible = lock(&self.losses).impossible.clone();
        if let Some(why) = impossible {
            return Err(why);
        }
        if lane.helper.is_some() {
            return Ok(());
        }
        match self.start(runner, &runner.patience().read) {
            Ok(helper) => lane.helper = Some(helper),
            Err(why) => {
                lock(&self.losses).impossible = Some(why.clone());
                return Err(why);
            }
        }
        Ok(())
    }

    fn start(&self, runner: &Runner, limits: &[Duration]) -> Result<Helper, String> {
        let launch = self.launch.as_ref().ok_or_else(|| "it was not looked for".to_owned())?;
        Helper::start(launch, runner, limits)
    }

    /// How many changes may be asked for at a time: more than one where there are many, and two helpers to do them.
    pub fn lanes(&self) -> usize {
        let are_many = self.changes.load(Ordering::Relaxed) >= MANY;
        let are_two = || match self.second.try_lock() {
            Ok(second) => second.helper.is_some() || !second.is_closed,
            // It is at work, or somebody starts it.
            Err(_) => true,
        };
        if are_many && are_two() && lock(&self.losses).impossible.is_none() { LANES } else { 1 }
    }

    /// Asks for several things at once. They are begun one after another.
    pub fn ask(&self, runner: &Runner, asks: &[Ask]) -> Vec<Outcome> {
        let mut lane = self.lane(runner, asks);
        lane.only_looks = false;
        self.ask_of(&mut lane, runner, asks)
    }

    /// The helper that is asked: the second one only for a change while the first one is busy, and where there are many.
    fn lane(&self, runner: &Runner, asks: &[Ask]) -> MutexGuard<'_, Lane> {
        let [Ask::Change { .. } | Ask::Data { machine: Some(_), .. }] = asks else {
            return lock(&self.first);
        };
        let are_many = self.changes.fetch_add(1, Ordering::Relaxed) >= MANY;
        match self.first.try_lock() {
            Ok(first) => return first,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if are_many => {}
            Err(TryLockError::WouldBlock) => return lock(&self.first),
        }
        let mut second = lock(&self.second);
        if second.helper.is_none() && !second.is_closed {
            // One that cannot be started soon, or was lost, is no reason to do without the first.
            let soon = runner.patience().read.get(..1).unwrap_or_default();
            second.helper = self.start(runner, soon).ok();
            second.is_closed = true;
        }
        if second.helper.is_some() {
            return second;
        }
        drop(second);
        lock(&self.first)
    }

    fn ask_of(&self, lane: &mut Lane, runner: &Runner, asks: &[Ask]) -> Vec<Outcome> {
        let is_shunned = {
            let losses = lock(&self.losses);
            asks.iter().any(|ask| losses.shunned.contains(&Subject::of(ask)))
        };
        if is_shunned || self.ensure(lane, runner).is_err() {
            return vec![Outcome::Untouched; asks.len()];
        }
        let Some(helper) = &mut lane.helper else { return vec![Outcome::Untouched; asks.len()] };
        let outcomes = helper.ask(asks, runner.patience());
        let lost = asks.iter().zip(&outcomes).find(|(_, outcome)| matches!(outcome, Outcome::Lost(_)));
        if let Some((ask, Outcome::Lost(why))) = lost {
            if let Some(mut helper) = lane.helper.take() {
                helper.servant.end();
            }
            let mut losses = lock(&self.losses);
            losses.shunned.insert(Subject::of(ask));
            // The second one is not started again.
            losses.number += u32::from(!lane.is_closed);
            if losses.number >= LOSSES {
                losses.impossible = Some(why.clone());
            }
        }
        outcomes
    }

    /// States of the machines that live or are saved, in VirtualBox's numbers, from a helper that runs and has nothing else to do. One that is only
    /// started for this (`starts`) is ended where none lives and no changes follow: VirtualBox's server stays as long as it has a client.
    /// `registry` is another word when other machines are registered.
    pub fn states(
        &self,
        runner: &Runner,
        registry: Option<String>,
        starts: bool,
    ) -> Option<BTreeMap<Uuid, u32>> {
        let mut lane = self.first.try_lock().ok()?;
        if lane.helper.is_none() {
            if !starts || self.ensure(&mut lane, runner).is_err() {
                return None;
            }
            lane.only_looks = true;
        }
        lane.only_looks &= !self.expects_changes();
        let states = self.told(&mut lane, runner, Ask::States { registry })?;
        let lives = |number: &u32| numbered(*number).is_some_and(|state| state.class() != StateClass::Saved);
        if lane.only_looks && !states.values().any(lives) {
            lane.helper = None;
        }
        Some(states)
    }

    /// The same of one machine, whatever its state is, from a helper that runs anyway.
    pub fn state_of(&self, runner: &Runner, machine: Uuid) -> Option<BTreeMap<Uuid, u32>> {
        let mut lane = self.first.try_lock().ok()?;
        lane.helper.as_ref()?;
        self.told(&mut lane, runner, Ask::State { machine })
    }

    fn told(&self, lane: &mut Lane, runner: &Runner, ask: Ask) -> Option<BTreeMap<Uuid, u32>> {
        match self.ask_of(lane, runner, &[ask]).pop() {
            Some(Outcome::Done(reply)) => Some(reply.states),
            _ => None,
        }
    }

    /// Ends them: the server that they are connected to is another one by now.
    pub fn dismiss(&self) {
        for lane in [&self.first, &self.second] {
            *lock(lane) = Lane::default();
        }
    }

    /// Changes follow: a helper that is started to say what runs stays for them.
    pub fn expect_changes(&self) {
        self.expects_changes.store(true, Ordering::Relaxed);
    }

    /// Whether changes follow.
    pub fn expects_changes(&self) -> bool {
        self.expects_changes.load(Ordering::Relaxed)
    }

    /// The run is over: ends them, and what they were lost with is tried again by the next one.
    pub fn end_run(&self) {
        // First: whoever starts one to look until then has it ended here.
        self.expects_changes.store(false, Ordering::Relaxed);
        self.dismiss();
        *lock(&self.losses) = Losses::default();
        self.changes.store(0, Ordering::Relaxed);
    }

    /// Process ids of the helpers that run.
    pub fn processes(&self) -> Vec<u32> {
        let lanes = [&self.first, &self.second].into_iter();
        lanes.filter_map(|lane| Some(lock(lane).helper.as_ref()?.servant.id())).collect()
    }
}

/// A helper that runs.
#[derive(Debug)]
struct Helper {
    servant: Servant,
    greeting: Greeting,
    lines: Receiver<String>,
    next: u64,
}

/// The end of a helper's answers.
enum Silence {
    /// It has ended.
    Ended,
    /// It says nothing.
    Late,
    /// It says what nobody expects.
    Garbage,
}

impl Helper {
    /// Starts one and waits until it is connected. A client that stalls while it connects has done nothing: another one is started.
    fn start(launch: &Launch, runner: &Runner, limits: &[Duration]) -> Result<Self, String> {
        let mut why = String::new();
        for limit in limits {
            let mut helper = Self::spawn(launch, runner)?;
            match helper.line::<Greeting>(*limit) {
                Ok(greeting) if greeting.protocol != VERSION => {
                    return Err("it is another version of vboxmcp".to_owned());
                }
                Ok(Greeting { refused: Some(why), .. }) => return Err(why),
                Ok(greeting) => {
                    helper.greeting = greeting;
                    return Ok(helper);
                }
                Err(Silence::Ended | Silence::Garbage) => return Err(helper.last_words()),
                Err(Silence::Late) => why = format!("it did not connect within {} s", limit.as_secs()),
            }
        }
        Err(why)
    }

    fn spawn(launch: &Launch, runner: &Runner) -> Result<Self, String> {
        let mut servant = launch.start(runner)?;
        let (sender, lines) = channel();
        let output = servant.take_output().ok_or("it has no output")?;
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { servant, greeting: Greeting::default(), lines, next: 1 })
    }

    fn line<T: serde::de::DeserializeOwned>(&self, limit: Duration) -> Result<T, Silence> {
        let line = self.lines.recv_timeout(limit).map_err(|error| match error {
            RecvTimeoutError::Timeout => Silence::Late,
            RecvTimeoutError::Disconnected => Silence::Ended,
        })?;
        serde_json::from_str(&line).map_err(|_| Silence::Garbage)
    }

    /// What a helper that has ended said last.
    fn last_words(&mut self) -> String {
        let mut text = String::new();
        let mut errors = &self.servant.errors;
        // What cannot be read was not said.
        let _ = errors.rewind().and_then(|()| errors.take(64 << 10).read_to_string(&mut text));
        let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
        last.map_or_else(|| "it ended without a word".to_owned(), str::to_owned)
    }

    /// Asks for all of it, as much at a time as a pipe holds: writing must not wait for a helper that hangs.
    fn ask(&mut self, asks: &[Ask], patience: &Patience) -> Vec<Outcome> {
        const HELD: usize = 32 << 10;
        let mut outcomes = Vec::new();
        let mut rest = asks;
        while !rest.is_empty() && !matches!(outcomes.last(), Some(Outcome::Lost(_))) {
            let (mut text, mut taken) = (Vec::new(), 0);
            let first = self.next;
            for ask in rest {
                let request = Request { id: self.next, ask: ask.clone() };
                let Ok(line) = serde_json::to_string(&request) else { break };
                if taken > 0 && text.len() + line.len() >= HELD {
                    break;
                }
                text.extend([line.as_bytes(), b"\n"].concat());
                self.next += 1;
                taken += 1;
            }
            if taken == 0 {
                break;
            }
            // One that has ended is noticed by its silence. What it has begun by then, nobody knows.
            let _ = self.servant.input().map(|input| input.write_all(&text).and_then(|()| input.flush()));
            let (now, later) = rest.split_at(taken);
            self.listen(first, now, patience, &mut outcomes);
            rest = later;
        }
        if outcomes.len() < asks.len() {
            // It does one thing at a time: what comes behind the one that it was lost with was not begun, once it has ended.
            self.servant.end();
            outcomes.resize(asks.len(), Outcome::Untouched);
        }
        outcomes
    }

    /// Takes the answers to some requests, up to the one that it was lost with.
    fn listen(&mut self, first: u64, asks: &[Ask], patience: &Patience, outcomes: &mut Vec<Outcome>) {
        for (id, ask) in (first..).zip(asks) {
            let limit = if matches!(ask, Ask::Unregister { .. }) { patience.silence } else { patience.once };
            let answer = match self.line::<Response>(limit) {
                Ok(response) if response.id == id => Ok(response.answer),
                Ok(_) => Err(Silence::Garbage),
                Err(silence) => Err(silence),
            };
            let outcome = match answer {
                Ok(Answer::Done(reply)) => Outcome::Done(reply),
                Ok(Answer::Refused(refusal)) => Outcome::Refused(refusal),
                Ok(Answer::Cannot(_)) => Outcome::Untouched,
                Ok(Answer::Lost(why)) => Outcome::Lost(why),
                Err(Silence::Ended) => Outcome::Lost(self.last_words()),
                Err(Silence::Garbage) => Outcome::Lost("it said something unexpected".to_owned()),
                Err(Silence::Late) => {
                    Outcome::Lost(format!("it did not answer within {} s", limit.as_secs()))
                }
            };
            let is_lost = matches!(outcome, Outcome::Lost(_));
            outcomes.push(outcome);
            if is_lost {
                break;
            }
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
