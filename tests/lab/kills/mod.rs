//! The kill report: processes are killed while a small, varied lab is applied and destroyed, and the next run must end as if
//! nothing had happened.
//!
//! `tests/lab/kills.sh [KILLS [SEED]]` runs it (300 kills, a random seed) and prints a table; the test does 15. Each round takes another
//! lab as the declared one, or none, and kills a process on the way there. Then the same command runs again, undisturbed. After it
//! the plan must be empty, and nothing lost, orphaned, duplicated or changed that is not the stack's.

mod strike;
mod world;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use self::strike::{Kind, Strike, Striker};
use self::world::Wrong;
use crate::Test;
use crate::home::{Home, kill, path};
use crate::lab::Lab;
use crate::random::Random;

pub const TESTS: &[Test] = &[("nothing_is_lost", nothing_is_lost)];

/// Kills of the test, where the environment names no other number.
const KILLS: usize = 15;

/// Homes side by side.
const WORKERS: usize = 2;

/// Permissions and limits: the labs change in every way.
const FREE_HAND: &[&str] = &["--allow", "downtime,power-cut,destroy-data,discard-state"];
const NO_LIMITS: &[&str] =
    &["--prune", "--max-destroy-data", "99", "--max-downtime", "100%", "--max-prune", "100%"];

/// What was tried and what came of it, for one kind of kill.
#[derive(Default)]
struct Row {
    kills: usize,
    rounds: usize,
    lost: usize,
    orphaned: usize,
    duplicated: usize,
    changed: usize,
    unfinished: usize,
}

fn nothing_is_lost(lab: &Lab) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let seed = number("VBOXMCP_KILLS_SEED").unwrap_or(now);
    let kills = number("VBOXMCP_KILLS").map_or(KILLS, |kills| usize::try_from(kills).expect("a number"));
    eprintln!("kills: {kills}, seed {seed}");
    let begun = Instant::now();
    let left = AtomicUsize::new(kills);
    let reports = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS as u64)
            .map(|worker| {
                let left = &left;
                scope.spawn(move || {
                    work(lab, Random::new(seed ^ (worker << 32)), left, 21_000 + 1000 * worker)
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker")).collect::<Vec<_>>()
    });
    let mut table: BTreeMap<Kind, Row> = BTreeMap::new();
    let mut stories = Vec::new();
    for (rows, told) in reports {
        for (kind, row) in rows {
            table.entry(kind).or_default().add(&row);
        }
        stories.extend(told);
    }
    print(&table, seed, begun.elapsed());
    assert!(stories.is_empty(), "{}", stories.join("\n"));
}

impl Row {
    fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.rounds += other.rounds;
        self.lost += other.lost;
        self.orphaned += other.orphaned;
        self.duplicated += other.duplicated;
        self.changed += other.changed;
        self.unfinished += other.unfinished;
    }
}

fn print(table: &BTreeMap<Kind, Row>, seed: u64, took: Duration) {
    eprintln!(
        "{:<26}{:>6}{:>7}{:>6}{:>10}{:>12}{:>9}{:>12}",
        "killed", "kills", "rounds", "lost", "orphaned", "duplicated", "changed", "unfinished"
    );
    let line = |name: &str, row: &Row| {
        eprintln!(
            "{name:<26}{:>6}{:>7}{:>6}{:>10}{:>12}{:>9}{:>12}",
            row.kills, row.rounds, row.lost, row.orphaned, row.duplicated, row.changed, row.unfinished
        );
    };
    let mut sum = Row::default();
    for (kind, row) in table {
        line(kind.label(), row);
        sum.add(row);
    }
    line("all", &sum);
    eprintln!("seed {seed}, {} s", took.as_secs());
}

/// Rounds in a home of its own until all kills are done.
fn work(lab: &Lab, mut random: Random, left: &AtomicUsize, ports: u64) -> (BTreeMap<Kind, Row>, Vec<String>) {
    let mut rows: BTreeMap<Kind, Row> = BTreeMap::new();
    let mut stories = Vec::new();
    while left.load(Ordering::Relaxed) > 0 && stories.len() < 5 {
        let home = lab.home();
        world::make_bystanders(&home);
        let striker = Striker::new(&home, lab);
        let mut declared = world::Lab::new();
        while left.load(Ordering::Relaxed) > 0 {
            let round = round(&home, &striker, &mut random, &declared, ports);
            let row = rows.entry(round.strike.kind).or_default();
            row.rounds += 1;
            if round.is_hit {
                row.kills += 1;
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).ok();
            }
            row.lost += round.wrong.lost.len();
            row.orphaned += round.wrong.orphaned.len();
            row.duplicated += round.wrong.duplicated.len();
            row.changed += round.wrong.changed.len();
            row.unfinished += usize::from(round.is_unfinished);
            declared = round.declared;
            if round.is_unfinished || !round.wrong.is_nothing() {
                stories.push(round.story);
                // What is left would count in every round that follows.
                break;
            }
        }
    }
    (rows, stories)
}

struct Round {
    strike: Strike,
    is_hit: bool,
    declared: world::Lab,
    wrong: Wrong,
    /// The command that ran again did not end with 0, or left something to do.
    is_unfinished: bool,
    story: String,
}

fn round(home: &Home, striker: &Striker, random: &mut Random, before: &world::Lab, ports: u64) -> Round {
    let mut kind = Kind::ALL[usize::try_from(random.below(Kind::ALL.len() as u64)).expect("small")];
    if kind.ends_machines() && world::runs_any(before) {
        kind = Kind::VboxmcpAnywhere;
    }
    let mut declared = world::Lab::new();
    if before.is_empty() || random.percent(65) {
        while declared == *before || declared.is_empty() {
            let next = world::next(random, before, true, ports);
            declared = if kind.ends_machines() { world::off(next) } else { next };
            // A round in which nothing changes is no round.
            if declared == *before && kind.ends_machines() {
                kind = Kind::VBoxManage;
            }
        }
    }
    let calls = if declared.is_empty() { 9 } else { 22 };
    let strike = Strike::random(random, kind, calls);
    let shown = if declared.is_empty() { before } else { &declared };
    let manifest = home.scratch().join("lab.yaml");
    fs::write(&manifest, world::manifest(home, shown)).expect("a manifest");
    let found = world::find(home);
    let foreign = world::foreign(home, &found);

    let arguments = command(path(&manifest), declared.is_empty());
    let (first, is_hit) = disturbed(home, striker, &arguments, &strike, random);
    let struck = striker.struck();
    striker.aim(None);
    let mut again = vec![home.vboxmcp(&arguments)];
    if world::drops_a_disk(before, &declared) && !declared.is_empty() {
        again.push(home.vboxmcp(&arguments));
    }
    let plan = (!declared.is_empty())
        .then(|| home.vboxmcp(&["plan", path(&manifest), "--stack", world::STACK, "--detailed-exitcode"]));
    let is_unfinished = again.last().is_some_and(|said| said.code != Some(0))
        || plan.as_ref().is_some_and(|said| said.code != Some(0));
    let now = world::find(home);
    let mut wrong = world::audit(home, &declared, &found, &now);
    let foreign_now = world::foreign(home, &now);
    if foreign_now != foreign {
        wrong.changed.push(format!("{foreign:?}\nis now\n{foreign_now:?}"));
    }
    let story = format!(
        "{strike:?} at {struck:?}: {wrong:#?}\nfirst: {first}\nagain: {again:#?}\nplan: {plan:#?}\n{}",
        fs::read_to_string(&manifest).unwrap_or_default()
    );
    Round { strike, is_hit, declared, wrong, is_unfinished, story }
}

fn command(manifest: &str, destroys: bool) -> Vec<&str> {
    let verb: &[&str] = if destroys {
        &["destroy", "--all", "--confirm", world::STACK]
    } else {
        &["apply", "--yes", "--stack", world::STACK]
    };
    let limits = if destroys { &[] } else { NO_LIMITS };
    [verb, FREE_HAND, limits, &[manifest]].concat()
}

/// Runs a command until something is killed; what it said, and whether the kill took place.
fn disturbed(
    home: &Home,
    striker: &Striker,
    arguments: &[&str],
    strike: &Strike,
    random: &mut Random,
) -> (String, bool) {
    striker.aim(Some(strike));
    let said = home.scratch().join("said");
    let output = File::create(&said).expect("a file");
    let mut child = home
        .command(env!("CARGO_BIN_EXE_vboxmcp"))
        .args(arguments)
        .arg("--vboxmanage")
        .arg(striker.program())
        .stdin(Stdio::null())
        .stderr(output.try_clone().expect("a file"))
        .stdout(output)
        .spawn()
        .expect("vboxmcp can be started");
    let mut is_hit = false;
    if strike.kind.is_anywhere() {
        thread::sleep(Duration::from_millis(random.below(1500)));
        if child.try_wait().expect("its end").is_none() {
            let victim = match strike.kind {
                Kind::ServerAnywhere => home.server_pid(),
                _ => Some(child.id()),
            };
            is_hit = victim.inspect(|id| kill(*id)).is_some();
        }
    }
    let code = child.wait().expect("vboxmcp ends").code();
    let text = fs::read_to_string(&said).unwrap_or_default();
    // Nothing that happens to VirtualBox may make it panic.
    assert!(!matches!(code, Some(70 | 101)), "{strike:?}: {text}");
    (format!("exit code {code:?}\n{text}"), is_hit || striker.struck().is_some())
}
