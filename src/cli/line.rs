//! From the words of a command line to what they ask for.

use std::ffi::OsString;

use clap::{Args, Command, FromArgMatches as _, Parser as _};

use super::arguments::{Arguments, Global};
use super::{
    adopt, apply, approve, command, destroy, doctor, drift, explain, export, get, graph, init, inventory,
    mcp, plan, revert, runs, schema, show, snapshot, validate, watch,
};

/// Adds the arguments of one verb to its command.
type Augment = fn(Command) -> Command;

/// The verbs that scripts and people give all day.
const VERBS: [(&str, Augment); 28] = [
    ("adopt", adopt::Arguments::augment_args),
    ("apply", apply::Arguments::augment_args),
    ("approve", approve::Arguments::augment_args),
    ("destroy", destroy::Arguments::augment_args),
    ("doctor", doctor::Arguments::augment_args),
    ("drift", drift::Arguments::augment_args),
    ("explain", explain::Arguments::augment_args),
    ("export", export::Arguments::augment_args),
    ("get", get::Arguments::augment_args),
    ("graph", graph::Arguments::augment_args),
    ("init", init::Arguments::augment_args),
    ("inventory", inventory::Arguments::augment_args),
    ("mcp", mcp::Arguments::augment_args),
    ("pause", command::Arguments::augment_args),
    ("plan", plan::Arguments::augment_args),
    ("reset", command::Arguments::augment_args),
    ("restart", command::Arguments::augment_args),
    ("resume", command::Arguments::augment_args),
    ("revert", revert::Arguments::augment_args),
    ("runs", runs::Arguments::augment_args),
    ("save", command::Arguments::augment_args),
    ("schema", schema::Arguments::augment_args),
    ("show", show::Arguments::augment_args),
    ("snapshot", snapshot::Arguments::augment_args),
    ("start", command::Arguments::augment_args),
    ("stop", command::Arguments::augment_args),
    ("validate", validate::Arguments::augment_args),
    ("watch", watch::Arguments::augment_args),
];

/// Takes a command line apart; the first word is the program's.
///
/// To make what `clap` has to know of all verbs takes a fifth of the time of a look at a hundred machines. Where the verb comes first, it
/// is told of that one alone. What it does not understand then is given to it again with all of them: help and mistakes are told by what
/// knows everything.
///
/// # Errors
/// What is wrong with it, or the help that it asks for.
pub fn parse(words: &[OsString]) -> Result<Arguments, clap::Error> {
    let verb = words.get(1).and_then(|word| word.to_str());
    let known = VERBS.iter().find(|(name, _)| Some(*name) == verb);
    if let Some(matches) = known.and_then(|known| with(known).try_get_matches_from(words).ok())
        && let Ok(arguments) = Arguments::from_arg_matches(&matches)
    {
        return Ok(arguments);
    }
    Arguments::try_parse_from(words)
}

/// A program that has one verb.
fn with(&(name, augment): &(&'static str, Augment)) -> Command {
    Global::augment_args(Command::new("vboxmcp")).subcommand(augment(Command::new(name)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// All that `clap` knows of the arguments of a command and of those below it, but for what it says of its help.
    fn arguments(command: &Command) -> Vec<String> {
        let own = command.get_arguments().filter(|argument| argument.get_id() != "help");
        let own = own.map(|argument| format!("{} {argument:?}", command.get_name()));
        let groups = command.get_groups().map(|group| format!("{} {group:?}", command.get_name()));
        own.chain(groups).chain(command.get_subcommands().flat_map(arguments)).collect()
    }

    fn words(line: &str) -> Vec<OsString> {
        std::iter::once("vboxmcp").chain(line.split(' ')).map(OsString::from).collect()
    }

    #[test]
    fn a_verb_alone_has_the_arguments_that_it_has_among_all() {
        let mut all = Arguments::command();
        all.build();
        for known in &VERBS {
            let mut alone = with(known);
            alone.build();
            let find = |line: &Command| arguments(line.find_subcommand(known.0).unwrap());
            let (alone, among_all) = (find(&alone), find(&all));
            assert!(among_all.len() > 10, "{}: {}", known.0, among_all.len());
            assert_eq!(alone.len(), among_all.len(), "{}", known.0);
            for (alone, among_all) in alone.iter().zip(&among_all) {
                assert_eq!(alone, among_all);
            }
        }
        let known = |name: &str| VERBS.iter().any(|(verb, _)| *verb == name);
        let verbs = all.get_subcommands().filter(|verb| !verb.is_hide_set()).map(Command::get_name);
        assert_eq!(verbs.filter(|name| !known(name)).collect::<Vec<_>>(), ["completions", "man", "help"]);
    }

    #[test]
    fn one_verb_alone_understands_what_all_do() {
        for line in [
            "plan",
            "plan a.yaml b.yaml --host sim:x -o json --quiet",
            "plan --var a=1 --var b=2 --stack lab --out p.json -- -x.yaml",
            "apply --yes --allow downtime,destroy-data --target vm/a --lock-timeout 5 a.yaml",
            "destroy --all --yes --confirm lab --max-destroy-data 100%",
            "get machines -o json --color never",
            "export --all --stack lab",
            "runs list -o json",
            "runs show 3 --quiet",
            "snapshot before vm/a vm/b",
            "stop vm/a --yes",
            "doctor --fix --out fix.json",
            "explain VirtualMachine.spec.memory",
            "--host sim:x plan a.yaml",
        ] {
            let words = words(line);
            let said =
                |result: Result<Arguments, clap::Error>| format!("{:?}", result.map_err(|e| e.to_string()));
            let all = said(Arguments::try_parse_from(&words));
            assert_eq!(said(parse(&words)), all, "{line}");
            assert!(all.starts_with("Ok("), "{line}: {all}");
        }
    }

    #[test]
    fn what_one_verb_does_not_understand_is_told_by_all() {
        for line in [
            "plan --help",
            "plan --frobnicate",
            "get --output nonsense",
            "pln",
            "plan a.yaml --quiet --verbose",
            "runs",
            "runs list x y z",
        ] {
            let words = words(line);
            let told =
                |result: Result<Arguments, clap::Error>| result.map_err(|error| error.render().to_string());
            assert_eq!(
                told(parse(&words)).unwrap_err(),
                told(Arguments::try_parse_from(&words)).unwrap_err()
            );
        }
    }
}
