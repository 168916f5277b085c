//! Tests on a real VirtualBox.
//!
//! Each test gets a VirtualBox home and a VirtualBox server of its own ([`home::Home`]), so that any number of them
//! run side by side. Which VirtualBox that is, [`lab::Lab`] decides: an installed one, or the laboratory that
//! `setup.sh` makes on a Debian machine. Where neither can be, every test is reported as ignored, by name.
//!
//! | Variable | Effect |
//! |---|---|
//! | `VBOXMCP_TEST_VBOXMANAGE` | the `VBoxManage` of an installed VirtualBox, instead of the laboratory |
//! | `VBOXMCP_TEST_ROUTE` | the `--route` that the scenarios are played by: `native` if it is not set, else `vboxmanage`, `born` |
//! | `VBOXMCP_REQUIRE_LAB=1` | a machine that cannot have the laboratory, or the SDK of `python_sdk`, fails the tests |
//! | `VBOXMCP_KILLS`, `VBOXMCP_KILLS_SEED` | how many kills `kills` tries (15), and which (`kills.sh` sets both) |
//! | `VBOXMCP_TEST_KEEP=1` | the tests' folders stay, and it is said where |
//!
//! In the laboratory no machine *starts* with an internal, NAT-network, host-only or bridged adapter (it has no kernel
//! driver): machines that run have adapters that are `nat` or unattached.
//!
//! A new file of tests has a `TESTS` list like the ones below, and its line in [`TESTS`].

#![allow(
    clippy::disallowed_methods,
    reason = "tests start programs, read the environment and the clock themselves"
)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "a test panics and talks")]

#[path = "../agent/mod.rs"]
#[allow(dead_code, reason = "the other tests ask more of it")]
mod agent;
mod births;
mod by_hand;
mod capability;
mod commands;
mod doctor;
mod everything;
mod examples;
mod export;
mod faults;
mod guest;
mod home;
mod kills;
mod lab;
mod mcp;
mod native;
mod operate;
mod os_types;
mod plans;
#[path = "../capability/mod.rs"]
mod probe;
mod python_sdk;
mod random;
mod reader;
mod revert;
mod runs;
#[path = "../scenario/mod.rs"]
mod scenario;
mod scenarios;
mod smoke;
mod transcripts;
mod walk;

use std::panic::resume_unwind;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use vboxmcp::model::Route;

use crate::lab::Lab;

/// One test: its name and what it does. It fails by panicking.
type Test = (&'static str, fn(&Lab));

/// What a test does.
type Body = Box<dyn Fn(&Lab) + Send + Sync>;

/// When a test is given up: many times what the slowest takes, so that one that hangs fails by its name, and the others are heard.
const LONGEST: Duration = Duration::from_mins(20);

/// All tests: the group's name stands before the test's.
const TESTS: &[(&str, &[Test])] = &[
    ("births", births::TESTS),
    ("capability", capability::TESTS),
    ("commands", commands::TESTS),
    ("doctor", doctor::TESTS),
    ("everything", everything::TESTS),
    ("examples", examples::TESTS),
    ("export", export::TESTS),
    ("mcp", mcp::TESTS),
    ("native", native::TESTS),
    ("faults", faults::DEATHS),
    ("faults", faults::HOST),
    ("faults", faults::NAMES),
    ("faults", faults::RIVALS),
    ("kills", kills::TESTS),
    ("operate", operate::TESTS),
    ("os_types", os_types::TESTS),
    ("plans", plans::TESTS),
    ("python_sdk", python_sdk::TESTS),
    ("reader", reader::TESTS),
    ("revert", revert::TESTS),
    ("runs", runs::TESTS),
    ("smoke", smoke::TESTS),
    ("transcripts", transcripts::TESTS),
    ("walk", walk::TESTS),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // A test waits for VirtualBox most of the time; more than four at once make its stalls frequent.
    let threads = thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 4));
    arguments.test_threads.get_or_insert(threads);

    let tests = TESTS.iter().flat_map(|(group, tests)| {
        tests.iter().map(move |(name, run)| (format!("{group}::{name}"), Box::new(*run) as Body))
    });
    let route = std::env::var("VBOXMCP_TEST_ROUTE").ok().map(|route| route.parse().expect("a route"));
    let scenarios = scenarios::tests(route.unwrap_or(Route::Native));
    let scenarios = scenarios.into_iter().map(|(name, run)| (format!("scenarios::{name}"), run));
    let tests: Vec<_> = tests.chain(scenarios).filter(|(name, _)| wanted(name, &arguments)).collect();
    if arguments.list || tests.is_empty() {
        let trials = tests.into_iter().map(|(name, _)| Trial::test(name, || Ok(()))).collect();
        return libtest_mimic::run(&arguments, trials).exit_code();
    }

    let lab = Lab::find();
    if let Err(why) = &lab {
        eprintln!("no VirtualBox to test with: {why}");
    }
    let ignored = matches!(&lab, Err(why) if why.is_permitted());
    let lab = Arc::new(lab);
    let trial = |(name, run): (String, Body)| {
        let lab = Arc::clone(&lab);
        let thread = name.clone();
        let body = move || match &*lab {
            Ok(_) => to_its_end(thread, Arc::clone(&lab), run),
            Err(why) => Err(Failed::from(why.to_string())),
        };
        let ignored = ignored || name.starts_with("python_sdk::") && python_sdk::cannot_be();
        Trial::test(name, body).with_ignored_flag(ignored)
    };
    let conclusion = libtest_mimic::run(&arguments, tests.into_iter().map(trial).collect());
    home::end_given_up();
    conclusion.exit_code()
}

/// Runs a test, in a thread of its own that is left behind if it does not end.
fn to_its_end(name: String, lab: Arc<Result<Lab, lab::Missing>>, run: Body) -> Result<(), Failed> {
    let (ended, end) = channel::<()>();
    let test = thread::Builder::new().name(name).spawn(move || {
        let _ended = ended;
        run(lab.as_ref().as_ref().expect("it is there: the caller has looked"));
    })?;
    // Many kills (`kills.sh`) or machines take as long as they take.
    let is_longer = home::is_set("VBOXMCP_KILLS") || home::is_set("VBOXMCP_MACHINES");
    let longest = if is_longer { Duration::MAX } else { LONGEST };
    match end.recv_timeout(longest) {
        Err(RecvTimeoutError::Timeout) => {
            Err(Failed::from(format!("it did not end within {LONGEST:?}, and is left behind")))
        }
        Ok(()) | Err(RecvTimeoutError::Disconnected) => test.join().map_err(|panic| resume_unwind(panic)),
    }
}

/// Whether this run's filters leave a test in. A run without any test needs no VirtualBox.
fn wanted(name: &str, arguments: &Arguments) -> bool {
    let matches = |filter: &str| if arguments.exact { name == filter } else { name.contains(filter) };
    arguments.filter.as_deref().is_none_or(matches) && !arguments.skip.iter().any(|skip| matches(skip))
}
