//! The scenarios on a real VirtualBox, each beside the same one on the simulated one: both must say the same and end in the same
//! inventory. That is what keeps the simulated one honest.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use vboxmcp::config::Environment;
use vboxmcp::host::sim::SimHost;
use vboxmcp::model::Route;

use crate::Body;
use crate::by_hand::do_by_hand;
use crate::home::Home;
use crate::lab::Lab;
use crate::scenario::case::Case;
use crate::scenario::{Record, Stage, cases, play};

/// One test for each case that can play here, by one of the routes.
pub fn tests(route: Route) -> Vec<(String, Body)> {
    cases()
        .into_iter()
        .filter(|(_, path)| Case::read(path).only_simulated.is_none())
        .map(|(name, path)| {
            let test: Body = Box::new(move |lab| both(lab, &path, route));
            (name, test)
        })
        .collect()
}

fn both(lab: &Lab, path: &Path, route: Route) {
    let case = Case::read(path);
    let real = {
        let home = lab.home();
        let mut variables = variables(&home);
        variables.insert("VBOXMCP_ROUTE".into(), route.word().into());
        let program = Some(env!("CARGO_BIN_EXE_vboxmcp").into());
        let environment = Environment { variables, program, ..Environment::default() };
        let root = home.root().to_owned();
        play(&case, &Stage { environment, root, hand: Box::new(|hand| do_by_hand(&home, hand)) })
    };
    let simulated = simulated(&case);
    let text = |record: &Record| {
        let left: Vec<String> =
            record.left.iter().map(|(when, value)| format!("=== left by {when}\n{value:#}\n")).collect();
        format!("{}\n{}", record.said, left.concat())
    };
    if real != simulated {
        let (real, simulated) = (text(&real), text(&simulated));
        let diff = similar::TextDiff::from_lines(&simulated, &real);
        panic!("{}\n--- simulated\n+++ real\n{}", case.title, diff.unified_diff().context_radius(6));
    }
}

fn simulated(case: &Case) -> Record {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let host = SimHost::open(&root).unwrap();
    let variables = BTreeMap::from([("VBOXMCP_HOST".into(), format!("sim:{}", root.display()).into())]);
    let environment = Environment { variables, ..Environment::default() };
    let hand =
        Box::new(move |hand: &_| host.by_hand(hand).unwrap_or_else(|error| panic!("{hand:?}: {error}")));
    play(case, &Stage { environment, root, hand })
}

/// What vboxmcp is started in.
fn variables(home: &Home) -> BTreeMap<OsString, OsString> {
    let command = home.command("vboxmcp");
    let set = command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    let kept = std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("VBOXMCP_"));
    kept.chain(set).collect()
}
