//! How long vboxmcp takes for what VBoxManage does, too, side by side in one run: `cargo bench --bench host`.
//!
//! | Argument | Effect |
//! |---|---|
//! | `--only NAME` | only the scenes whose names begin so (`read`, `running`, `write`, `start`, `growth`, `binary`) |
//! | `--rounds N` | rounds of each scene (7) |
//! | `--machines N`, `--running N` | how many machines there are (100), and how many of them run (20) |
//! | `--routes A,B` | ways to change VirtualBox (all that the program knows) |
//!
//! Alternatives take turns in every round, and a ratio is of two runs of the same round. Those of VirtualBox need one: an installed one that
//! `VBOXMCP_TEST_VBOXMANAGE` names, or the tests' laboratory. Each side has a VirtualBox home and a server of its own. Whole processes are measured,
//! from their start to their end. A *stall* is one call, or one step of a run, that takes longer than three seconds.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark starts programs, prints and may panic"
)]

#[allow(dead_code, reason = "the tests ask more of it")]
#[path = "../../agent/mod.rs"]
mod agent;
mod fleet;
mod growth;
#[allow(dead_code, reason = "the tests ask more of it")]
#[path = "../../lab/home.rs"]
mod home;
#[allow(dead_code, reason = "the tests ask more of it")]
#[path = "../../lab/lab.rs"]
mod lab;
mod measure;
mod read;
mod route;
mod script;
mod write;

use std::process::ExitCode;

use crate::fleet::Size;
use crate::lab::Lab;
use crate::measure::Table;
use crate::route::Route;

/// What the command line says.
struct Wanted {
    only: Option<String>,
    rounds: usize,
    size: Size,
    routes: Option<Vec<String>>,
}

impl Wanted {
    fn read(arguments: &[String]) -> Self {
        let after = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name)?;
            Some(arguments.get(at + 1).unwrap_or_else(|| panic!("{name} needs a value")).as_str())
        };
        let number = |name: &str, otherwise| {
            after(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
        };
        let machines = number("--machines", 100);
        Self {
            only: after("--only").map(str::to_owned),
            rounds: number("--rounds", 7).max(1),
            size: Size { machines, running: number("--running", 20).min(machines) },
            routes: after("--routes").map(|text| text.split(',').map(str::to_owned).collect()),
        }
    }

    fn wants(&self, scene: &str) -> bool {
        self.only.as_deref().is_none_or(|only| scene.starts_with(only))
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|first| first == growth::CHILD) {
        return growth::child(&arguments[2..]);
    }
    let wanted = Wanted::read(&arguments);
    let mut table = Table::default();
    if wanted.wants("binary") {
        growth::binary(&mut table, wanted.rounds);
    }
    if wanted.wants("growth") {
        growth::growth(&mut table, wanted.rounds);
    }
    let on_virtualbox = ["read", "running", "write", "start"].into_iter().filter(|scene| wanted.wants(scene));
    let scenes: Vec<&str> = on_virtualbox.collect();
    if !scenes.is_empty() {
        match Lab::find() {
            Ok(lab) => {
                let routes = Route::all(wanted.routes.as_deref());
                if scenes.contains(&"write") {
                    write::fleet(&lab, &mut table, wanted.rounds, wanted.size, &routes);
                }
                if scenes.iter().any(|scene| *scene != "write") {
                    read::fleet(&lab, &mut table, wanted.rounds, wanted.size, &routes, &scenes);
                }
            }
            Err(why) => eprintln!("no VirtualBox to measure against: {why}"),
        }
    }
    println!("\n{table}");
    ExitCode::SUCCESS
}
