//! Runs of processes, and the table of what came of them.

use std::fmt;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One call, or one step, that takes longer than this has stalled.
pub const STALL: Duration = Duration::from_secs(3);

/// One run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    /// From the start of its first process to the end of its last one.
    pub time: Duration,
    /// How many of its parts stalled.
    pub stalls: usize,
}

impl Run {
    /// A run of a single part.
    pub fn of(time: Duration) -> Self {
        Self { time, stalls: usize::from(time > STALL) }
    }

    /// The same and another one behind it.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { time: self.time + other.time, stalls: self.stalls + other.stalls }
    }
}

/// Runs a process that must end well; how long it took, and what it printed.
#[track_caller]
pub fn process(command: &mut Command) -> (Duration, String) {
    // A server that VBoxManage starts would keep a pipe open.
    let (mut stdout, mut stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command.stdin(Stdio::null()).stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
    let begun = Instant::now();
    let status = command.spawn().unwrap().wait().unwrap();
    let time = begun.elapsed();
    let said = text(&mut stdout);
    assert!(status.success(), "{command:?}: {status}\n{said}\n{}", text(&mut stderr));
    (time, said)
}

fn text(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

/// What two alternatives took, round by round.
#[derive(Debug, Default)]
pub struct Pairs {
    ours: Vec<Run>,
    yardstick: Vec<Run>,
}

impl Pairs {
    /// Adds one round.
    pub fn push(&mut self, ours: Run, yardstick: Run) {
        self.ours.push(ours);
        self.yardstick.push(yardstick);
    }
}

/// What must be kept.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// The median ratio is at most this.
    Ratio(f64),
    /// The same, and no run has a stall in it.
    RatioWithoutStall(f64),
    /// Nothing is promised; it is measured for comparison.
    None,
}

/// One line of the table.
struct Row {
    name: String,
    route: String,
    bound: String,
    measured: [String; 3],
    ours: String,
    yardstick: String,
    stalls: String,
    met: Option<bool>,
}

/// All that was measured.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
}

/// A sorted copy, its middle and its ends: the median, the least, the worst.
fn spread(values: impl IntoIterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    [values[values.len() / 2], values[0], values[values.len() - 1]]
}

fn seconds(runs: &[Run]) -> [f64; 3] {
    spread(runs.iter().map(|run| run.time.as_secs_f64()))
}

/// A median and, behind it, the worst.
fn shown([median, _, worst]: [f64; 3]) -> String {
    if worst < 1.0 {
        format!("{:.1} ({:.1}) ms", median * 1e3, worst * 1e3)
    } else {
        format!("{median:.2} ({worst:.2}) s")
    }
}

impl Table {
    /// Adds a comparison, and tells of it.
    pub fn compare(&mut self, name: &str, route: &str, bound: Bound, pairs: &Pairs) {
        let ratios = pairs.ours.iter().zip(&pairs.yardstick);
        let ratios =
            spread(ratios.map(|(ours, yardstick)| ours.time.as_secs_f64() / yardstick.time.as_secs_f64()));
        let stalls = |runs: &[Run]| runs.iter().filter(|run| run.stalls > 0).count();
        let met = match bound {
            Bound::Ratio(most) => Some(ratios[0] <= most),
            Bound::RatioWithoutStall(most) => Some(ratios[0] <= most && stalls(&pairs.ours) == 0),
            Bound::None => None,
        };
        self.add(Row {
            name: name.to_owned(),
            route: route.to_owned(),
            bound: match bound {
                Bound::Ratio(most) => format!("{most:.2} x"),
                Bound::RatioWithoutStall(most) => format!("{most:.2} x, no stall"),
                Bound::None => "-".to_owned(),
            },
            measured: ratios.map(|ratio| format!("{ratio:.3}")),
            ours: shown(seconds(&pairs.ours)),
            yardstick: shown(seconds(&pairs.yardstick)),
            stalls: format!("{} / {}", stalls(&pairs.ours), stalls(&pairs.yardstick)),
            met,
        });
    }

    /// Adds values that have a bound of their own, in a unit.
    pub fn values(
        &mut self,
        name: &str,
        most: Option<f64>,
        unit: &str,
        values: impl IntoIterator<Item = f64>,
    ) {
        let measured = spread(values);
        self.add(Row {
            name: name.to_owned(),
            route: "-".to_owned(),
            bound: most.map_or_else(|| "-".to_owned(), |most| format!("{most:.1} {unit}")),
            measured: measured.map(|value| format!("{value:.1} {unit}")),
            ours: "-".to_owned(),
            yardstick: "-".to_owned(),
            stalls: "-".to_owned(),
            met: most.map(|most| measured[0] <= most),
        });
    }

    fn add(&mut self, row: Row) {
        eprintln!(
            "{}: {}{}",
            row.name,
            row.measured[0],
            if row.met == Some(false) { " (not met)" } else { "" }
        );
        self.rows.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = [
            "scene",
            "route",
            "bound",
            "measured",
            "least",
            "worst",
            "ours (worst)",
            "yardstick (worst)",
            "stalled runs, ours / theirs",
            "met",
        ];
        writeln!(f, "| {} |", heads.join(" | "))?;
        writeln!(f, "|{}", "---|".repeat(heads.len()))?;
        for row in &self.rows {
            let met = match row.met {
                Some(true) => "yes",
                Some(false) => "no",
                None => "-",
            };
            let [median, least, worst] = &row.measured;
            let Row { name, route, bound, ours, yardstick, stalls, .. } = row;
            let cells = [name, route, bound, median, least, worst, ours, yardstick, stalls];
            writeln!(f, "| {} | {met} |", cells.map(String::as_str).join(" | "))?;
        }
        Ok(())
    }
}
