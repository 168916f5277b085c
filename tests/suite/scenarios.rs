//! The scenarios on the simulated VirtualBox.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;

use vboxmcp::config::Environment;
use vboxmcp::host::sim::SimHost;

use crate::scenario::case::Case;
use crate::scenario::{Stage, cases, play, updating};

#[test]
fn addresses_that_virtualbox_made_up_look_alike_with_quotes_and_without() {
    let plain = |text| crate::scenario::normal::text(text, Path::new("/nowhere"));
    assert_eq!(plain("mac 0800271A2B3C -> \"080027123456\""), "mac MAC -> MAC");
    assert_eq!(plain("mac \"0800271234567\" and \"x\""), "mac \"MAC7\" and \"x\"");
}

#[test]
fn every_scenario_says_what_is_committed_and_ends_with_nothing_to_do() {
    let waiting = Mutex::new(cases());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |n| n.get().min(8)) {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap().pop();
                    let Some((name, path)) = next else { break };
                    if let Err(why) = one(&path) {
                        wrong.lock().unwrap().push(format!("=== {name}\n{why}"));
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Plays a case and compares what was said with what is committed.
fn one(path: &Path) -> Result<(), String> {
    let said = catch_unwind(AssertUnwindSafe(|| {
        let case = Case::read(path);
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let host = SimHost::open(&root).unwrap();
        let variables = [("VBOXMCP_HOST".into(), format!("sim:{}", root.display()).into())];
        let environment = Environment { variables: BTreeMap::from(variables), ..Environment::default() };
        let hand =
            Box::new(|hand: &_| host.by_hand(hand).unwrap_or_else(|error| panic!("{hand:?}: {error}")));
        let record = play(&case, &Stage { environment, root, hand });
        format!("# {}\n\n{}", case.title, record.said)
    }));
    let said = said.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })?;
    let committed = path.with_extension("record");
    if updating() {
        fs::write(committed, said).unwrap();
        return Ok(());
    }
    let expected = fs::read_to_string(&committed).unwrap_or_default();
    if expected == said {
        return Ok(());
    }
    let diff = similar::TextDiff::from_lines(&expected, &said);
    Err(diff.unified_diff().context_radius(3).to_string())
}
