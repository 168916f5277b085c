//! Changes and deletions by the native helper, beside a script of VBoxManage calls, on a real VirtualBox: `cargo bench --bench native`,
//! with `-- --rounds 7 --machines 100` as the default.
//!
//! Both work on their own machines of one VirtualBox home with one server, one after the other in every round. `run` is what vboxmcp does
//! for each: it looks before and after. Needs the laboratory of `tests/lab/setup.sh`, or a VirtualBox that `VBOXMCP_TEST_VBOXMANAGE` names.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a benchmark prints, starts programs, and may panic"
)]

/// What of the laboratory is needed here.
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../lab/home.rs"]
mod home;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../lab/lab.rs"]
mod lab;

use std::time::{Duration, Instant};

use uuid::Uuid;
use vboxmcp::host::virtualbox::VirtualBox;
use vboxmcp::host::virtualbox::native::Launch;
use vboxmcp::host::virtualbox::{CommandLine, Deadline, locate};
use vboxmcp::host::{Inspect as _, Operate as _};
use vboxmcp::model::Route;
use vboxmcp::plan::{Action, Assignment, Target};

use crate::home::{Home, path};
use crate::lab::Lab;

/// The times of one way, over all rounds.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn median(&mut self) -> Duration {
        self.0.sort_unstable();
        self.0[self.0.len() / 2]
    }

    fn line(&mut self, what: &str, yardstick: Duration) {
        let median = self.median();
        println!(
            "  {what:<28} least {:>8.1?}  median {median:>8.1?}  most {:>8.1?}  {:>5.2} of the script",
            self.0[0],
            self.0[self.0.len() - 1],
            median.as_secs_f64() / yardstick.as_secs_f64()
        );
    }
}

fn timed(times: &mut Times, work: impl FnOnce()) {
    let begun = Instant::now();
    work();
    times.0.push(begun.elapsed());
}

fn number(name: &str, default: usize) -> usize {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|argument| argument == name);
    at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(default)
}

/// Machines with a disk each, ready to be changed and deleted.
fn machines(home: &Home, host: &VirtualBox, prefix: &str, count: usize) -> Vec<Uuid> {
    let runner = host.runner().expect("VBoxManage");
    let run = |words: &[&str]| {
        runner
            .run(&CommandLine::of(words.iter().copied()), Deadline::Once)
            .expect("VBoxManage does it")
            .stdout
    };
    let born = |number: usize| {
        let name = format!("{prefix}{number}");
        let said = run(&["createvm", "--name", &name, "--ostype=Debian_64", "--register"]);
        let disk = home.machines().join(&name).join("root.vdi");
        run(&["createmedium", "disk", "--filename", path(&disk), "--size=1024"]);
        run(&["storagectl", &name, "--name", "s", "--add=sata"]);
        run(&["storageattach", &name, "--storagectl=s", "--port=0", "--type=hdd", "--medium", path(&disk)]);
        let uuid = said.lines().find_map(|line| line.strip_prefix("UUID: "));
        uuid.and_then(|uuid| uuid.trim().parse().ok()).expect("a UUID")
    };
    (0..count).map(born).collect()
}

fn change(machine: Uuid, memory: u64) -> Action {
    let set = vec![Assignment::set("memory".parse().expect("a path"), memory)];
    Action::ModifyMachine { machine: Target::Existing(machine), set }
}

fn delete(machine: Uuid) -> Action {
    Action::Unregister { machine: Target::Existing(machine), delete: true }
}

/// An action with what the executor does around it: a look before and one after.
fn run(host: &VirtualBox, machine: Uuid, action: &Action) {
    host.reread(machine, false).expect("an inventory");
    host.perform(action, &|_| {}).expect("it is done");
    host.reread(machine, false).expect("an inventory");
}

fn main() {
    let (rounds, count) = (number("--rounds", 7), number("--machines", 100));
    let lab = match Lab::find() {
        Ok(lab) => lab,
        Err(why) => return eprintln!("no VirtualBox to measure with: {why}"),
    };
    let home = lab.home();
    let launch = Launch {
        program: env!("CARGO_BIN_EXE_vboxmcp").into(),
        through: lab.bring(),
        folder: locate::binding(lab.vboxmanage()).expect("VirtualBox's C binding"),
    };
    let native = home.host().with_helper(launch).by_route(Route::Native);
    native.prepare().expect("VirtualBox answers, and has a helper");
    let runner = native.runner().expect("VBoxManage");
    let script = |words: &[&str]| {
        runner.run(&CommandLine::of(words.iter().copied()), Deadline::Once).expect("VBoxManage does it");
    };
    let mut changes = [Times::default(), Times::default()];
    let mut deletions = [Times::default(), Times::default()];
    for round in 0..rounds {
        let ours = machines(&home, &native, &format!("a{round}-"), count);
        let theirs = machines(&home, &native, &format!("b{round}-"), count);
        let by_script = |times: &mut [Times; 2], words: &dyn Fn(&str) -> Vec<String>| {
            timed(&mut times[0], || {
                for machine in &theirs {
                    let words = words(&machine.to_string());
                    script(&words.iter().map(String::as_str).collect::<Vec<_>>());
                }
            });
        };
        let by_helper = |times: &mut [Times; 2], action: &dyn Fn(Uuid) -> Action| {
            timed(&mut times[1], || {
                for machine in &ours {
                    run(&native, *machine, &action(*machine));
                }
            });
        };
        let modify =
            |machine: &str| vec!["modifyvm".to_owned(), machine.to_owned(), "--memory=96".to_owned()];
        let unregister =
            |machine: &str| vec!["unregistervm".to_owned(), machine.to_owned(), "--delete".to_owned()];
        if round % 2 == 0 {
            by_script(&mut changes, &modify);
            by_helper(&mut changes, &|machine| change(machine, 96));
            by_script(&mut deletions, &unregister);
            by_helper(&mut deletions, &delete);
        } else {
            by_helper(&mut changes, &|machine| change(machine, 96));
            by_script(&mut changes, &modify);
            by_helper(&mut deletions, &delete);
            by_script(&mut deletions, &unregister);
        }
    }
    for (what, mut times) in [("a new memory size", changes), ("a deletion, with a disk", deletions)] {
        println!("{what}, {count} machines, {rounds} rounds:");
        let yardstick = times[0].median();
        times[0].line("script of VBoxManage", yardstick);
        times[1].line("the helper, looks included", yardstick);
    }
}
