//! The command line: arguments in, text or JSON out, an exit code. One file per verb.
//!
//! May hold: arguments and their help, questions to a person, Ctrl-C, and the mapping of each verb onto its function in `ops`.
//! What a verb does is in `ops`; what it looks like is in `render`.
//!
//! Standard output is data: plans, tables, documents. Standard error is status: progress, warnings, errors. With
//! `-o json` every document is one line; `apply`, `destroy` and `adopt` write one line per event; a failure is the last
//! line, `{"type":"error","version":1,…}`, and is told on standard error as well.

mod adopt;
mod apply;
mod approve;
mod arguments;
mod command;
mod completions;
mod destroy;
mod doctor;
mod drift;
mod explain;
mod export;
mod foreign;
mod get;
mod graph;
mod init;
mod inventory;
mod line;
mod mcp;
mod native_helper;
mod plan;
mod revert;
mod run;
mod runs;
mod schema;
mod session;
mod show;
mod snapshot;
mod validate;
mod watch;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ErrorKind};

use crate::config::Environment;
use crate::failure::{Exit, Failure, Kind};
use crate::ops::PowerCommand;
use crate::render::View;
use crate::render::failure::{write_failure, write_failure_json};
use arguments::{Arguments, Global, Verb};
use session::Session;

/// Runs the program.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<OsString> = arguments.collect();
    ExitCode::from(start(&words).code())
}

fn start(words: &[OsString]) -> Exit {
    let arguments = match line::parse(words) {
        Ok(arguments) => arguments,
        Err(error) => return usage(error, words),
    };
    if let Some(word) = foreign::misread(words) {
        let text = format!("unexpected argument '{word}' found");
        return usage(Arguments::command().error(ErrorKind::UnknownArgument, text), words);
    }
    let environment = match Environment::capture() {
        Ok(environment) => environment,
        Err(error) => return early(&Failure::new(Kind::Other, error), &arguments),
    };
    let Arguments { global, verb } = arguments;
    let session = match open(global.clone(), &verb, environment) {
        Ok(session) => session,
        Err(failure) => return early(&failure, &Arguments { global, verb }),
    };
    match run(&session, verb) {
        Ok(exit) => exit,
        Err(failure) => session.fail(&failure),
    }
}

fn open(global: Global, verb: &Verb, environment: Environment) -> Result<Session, Failure> {
    let environment = match verb {
        Verb::Mcp(arguments) => arguments.rooted(environment)?,
        _ => environment,
    };
    Session::open(global, verb, environment)
}

fn run(session: &Session, verb: Verb) -> Result<Exit, Failure> {
    session.warn_of_slips();
    match verb {
        Verb::Init(arguments) => init::run(session, &arguments),
        Verb::Validate(arguments) => validate::run(session, &arguments),
        Verb::Plan(arguments) => plan::run(session, &arguments),
        Verb::Watch(arguments) => watch::run(session, &arguments),
        Verb::Show(arguments) => show::run(session, &arguments),
        Verb::Apply(arguments) => apply::run(session, &arguments),
        Verb::Drift(arguments) => drift::run(session, &arguments),
        Verb::Destroy(arguments) => destroy::run(session, &arguments),
        Verb::Adopt(arguments) => adopt::run(session, &arguments),
        Verb::Export(arguments) => export::run(session, &arguments),
        Verb::Get(arguments) => get::run(session, &arguments),
        Verb::Start(arguments) => command::run(session, PowerCommand::Start, &arguments),
        Verb::Stop(arguments) => command::run(session, PowerCommand::Stop, &arguments),
        Verb::Restart(arguments) => command::run(session, PowerCommand::Restart, &arguments),
        Verb::Pause(arguments) => command::run(session, PowerCommand::Pause, &arguments),
        Verb::Resume(arguments) => command::run(session, PowerCommand::Resume, &arguments),
        Verb::Save(arguments) => command::run(session, PowerCommand::Save, &arguments),
        Verb::Reset(arguments) => command::run(session, PowerCommand::Reset, &arguments),
        Verb::Snapshot(arguments) => snapshot::run(session, &arguments),
        Verb::Revert(arguments) => revert::run(session, &arguments),
        Verb::Explain(arguments) => explain::run(session, &arguments),
        Verb::Graph(arguments) => graph::run(session, &arguments),
        Verb::Inventory(arguments) => inventory::run(session, &arguments),
        Verb::Doctor(arguments) => doctor::run(session, &arguments),
        Verb::Runs(arguments) => runs::run(session, &arguments),
        Verb::Mcp(arguments) => mcp::run(session, &arguments),
        Verb::Approve(arguments) => approve::run(session, &arguments),
        Verb::Schema(arguments) => schema::run(session, &arguments),
        Verb::Completions(arguments) => completions::run(session, &arguments),
        Verb::Man(arguments) => completions::man(session, &arguments),
        Verb::NativeHelper => native_helper::run(session),
    }
}

/// A failure before it is known how to show things.
fn early(failure: &Failure, arguments: &Arguments) -> Exit {
    if arguments.global.wants_json() {
        let _ = write_failure_json(&mut io::stdout(), failure);
    }
    let _ = write_failure(&mut io::stderr(), failure, &View::default());
    failure.kind.exit()
}

/// What clap says of the command line: help and version are no failures.
fn usage(mut error: clap::Error, words: &[OsString]) -> Exit {
    if !error.use_stderr() {
        return match error.print() {
            Ok(()) => Exit::Done,
            Err(_) => Exit::Error,
        };
    }
    let hints = match error.kind() {
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand | ErrorKind::InvalidValue => {
            foreign::hints(words)
        }
        _ => Vec::new(),
    };
    if !hints.is_empty() {
        // Clap would advise to pass the word as a value.
        error.remove(ContextKind::Suggested);
    }
    if json_is_asked_for(words) {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let failure =
            hints.iter().fold(Failure::new(Kind::Usage, message), |failure, hint| failure.hint(*hint));
        let _ = write_failure_json(&mut io::stdout(), &failure);
    }
    let _ = error.print();
    for hint in hints {
        let _ = writeln!(io::stderr(), "hint: {hint}");
    }
    Exit::Usage
}

/// Whether the words that clap refused ask for JSON.
fn json_is_asked_for(words: &[OsString]) -> bool {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    words.windows(2).any(|pair| matches!(pair, ["-o" | "--output", "json"]))
        || words.iter().any(|word| matches!(*word, "-ojson" | "-o=json" | "--output=json"))
}
