//! Faults on the simulated host: random worlds, manifests and edits, everything that can go wrong, and what must never come of it.
//!
//! A scenario has a seed and one kind of trouble. What is asked for is done twice: on one host without faults, on a copy of it with
//! them. Then vboxmcp runs there again, a few times, without faults, and both must end in the same: nothing lost, orphaned,
//! duplicated, and nothing changed that is not ours. `cargo bench --bench faults` plays as many as one likes.
//!
//! `dice` is chance, `lab` makes manifests, `hands` what other people do, `bench` runs vboxmcp, `picture` compares, `play` plays.

pub mod bench;
pub mod dice;
pub mod hands;
pub mod lab;
pub mod picture;
pub mod play;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bench::Bench;
use dice::Dice;
use play::{Shown, Trouble};

/// Scenarios of one kind of trouble.
#[derive(Clone, Debug, Default)]
struct Row {
    scenarios: usize,
    actions: u64,
    lost: usize,
    orphaned: usize,
    duplicated: usize,
    unowned: usize,
    stuck: usize,
}

/// What many scenarios showed.
#[derive(Debug)]
pub struct Report {
    seed: u64,
    rows: BTreeMap<Trouble, Row>,
    refused: usize,
    /// The first ones in which something was wrong.
    pub wrong: Vec<String>,
}

/// Plays scenarios on all processors.
pub fn many(seed: u64, scenarios: u64, only: Option<u64>) -> Report {
    let report = Mutex::new(Report { seed, rows: BTreeMap::new(), refused: 0, wrong: Vec::new() });
    let next = AtomicU64::new(0);
    let kinds = Trouble::all();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, std::num::NonZero::get) {
            scope.spawn(|| {
                let mut bench = Bench::new();
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= scenarios {
                        break;
                    }
                    if only.is_some_and(|only| only != number) {
                        continue;
                    }
                    let trouble = kinds[usize::try_from(number).unwrap() % kinds.len()];
                    let shown = play::play(&mut bench, Dice::new(seed ^ number).any(), trouble);
                    report.lock().unwrap().add(number, trouble, &shown);
                }
            });
        }
    });
    report.into_inner().unwrap()
}

impl Report {
    fn add(&mut self, number: u64, trouble: Trouble, shown: &Shown) {
        let row = self.rows.entry(trouble).or_default();
        row.scenarios += 1;
        row.actions += shown.actions;
        row.lost += shown.damage.lost.len();
        row.orphaned += shown.damage.orphaned.len();
        row.duplicated += shown.damage.duplicated.len();
        row.unowned += shown.damage.unowned.len();
        row.stuck += shown.stuck.len();
        self.refused += shown.refused;
        if !shown.is_well() {
            self.wrong.push(format!(
                "=== scenario {number} of seed {}: {}\n{}\nlost: {:#?}\norphaned: {:#?}\nduplicated: {:#?}\nchanged though unowned: {:#?}\nstuck: {}\n",
                self.seed,
                trouble.words(),
                shown.story.join("\n"),
                shown.damage.lost,
                shown.damage.orphaned,
                shown.damage.duplicated,
                shown.damage.unowned,
                shown.stuck.join("\n"),
            ));
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}; counted are objects; at most 4 further runs each\n", self.seed)?;
        let head = ["scenarios", "actions", "lost", "orphaned", "duplicated", "unowned", "stuck"];
        write!(f, "{:48}", "what goes wrong")?;
        for head in head {
            write!(f, "{head:>11}")?;
        }
        writeln!(f)?;
        let mut sum = Row::default();
        for (trouble, row) in &self.rows {
            sum.scenarios += row.scenarios;
            sum.actions += row.actions;
            sum.lost += row.lost;
            sum.orphaned += row.orphaned;
            sum.duplicated += row.duplicated;
            sum.unowned += row.unowned;
            sum.stuck += row.stuck;
            line(f, &trouble.words(), row)?;
        }
        line(f, "all", &sum)?;
        write!(f, "\nmanifests that the generator made and vboxmcp refused: {}", self.refused)
    }
}

fn line(f: &mut fmt::Formatter<'_>, what: &str, row: &Row) -> fmt::Result {
    write!(f, "{what:48}{:>11}{:>11}", row.scenarios, row.actions)?;
    for number in [row.lost, row.orphaned, row.duplicated, row.unowned, row.stuck] {
        write!(f, "{number:>11}")?;
    }
    writeln!(f)
}
