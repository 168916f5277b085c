//! The report on faults: `cargo bench --bench faults -- --scenarios 20000 --seed 1`. `--only N` plays one scenario of a seed;
//! `--print N` tells of so many in which something was wrong, and not of three.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a report prints, and may panic"
)]

/// What of them is needed here.
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../faults/mod.rs"]
mod faults;
/// What of the scenarios is needed here.
#[allow(dead_code, reason = "the scenarios use the rest")]
#[path = "../scenario"]
mod scenario {
    pub mod image;
    pub mod normal;
}

use std::process::ExitCode;
use std::time::Instant;

fn number(arguments: &[String], name: &str) -> Option<u64> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1).and_then(|text| text.parse().ok())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let seed = number(&arguments, "--seed").unwrap_or(1);
    let scenarios = number(&arguments, "--scenarios").unwrap_or(20_000);
    let only = number(&arguments, "--only");
    let begun = Instant::now();
    let report = faults::many(seed, scenarios, only);
    for wrong in
        report.wrong.iter().take(usize::try_from(number(&arguments, "--print").unwrap_or(3)).unwrap())
    {
        eprintln!("{wrong}");
    }
    println!("{report}\n{scenarios} scenarios in {:.1} s", begun.elapsed().as_secs_f64());
    if report.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
