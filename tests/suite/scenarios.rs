//! The scenarios on the simulated VirtualBox.

use std::collections::BTreeMap;
use std::fs;

use vboxmcp::config::Environment;
use vboxmcp::host::sim::SimHost;

use crate::scenario::case::Case;
use crate::scenario::{Stage, cases, play, updating};

#[test]
fn every_scenario_says_what_is_committed_and_ends_with_nothing_to_do() {
    let mut wrong = Vec::new();
    for (name, path) in cases() {
        let Ok(case) = std::panic::catch_unwind(|| Case::read(&path)) else {
            wrong.push(format!("=== {name} cannot be read"));
            continue;
        };
        let outcome = std::panic::catch_unwind(|| {
            let root = tempfile::tempdir().unwrap();
            let root_path = root.path().canonicalize().unwrap();
            let host = SimHost::open(&root_path).unwrap();
            let variables = [("VBOXMCP_HOST".into(), format!("sim:{}", root_path.display()).into())];
            let environment = Environment { variables: BTreeMap::from(variables), ..Environment::default() };
            let hand = Box::new(move |hand: &_| {
                host.by_hand(hand).unwrap_or_else(|error| panic!("{hand:?}: {error}"))
            });
            play(&case, &Stage { environment, root: root_path, hand }).said
        });
        let committed = path.with_extension("record");
        match outcome {
            Err(panic) => {
                let text = panic
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned()));
                wrong.push(format!("=== {name}: {}\n{}", case.title, text.unwrap_or_default()));
            }
            Ok(said) if updating() => fs::write(committed, format!("# {}\n\n{said}", case.title)).unwrap(),
            Ok(said) => {
                let said = format!("# {}\n\n{said}", case.title);
                let expected = fs::read_to_string(&committed).unwrap_or_default();
                if expected != said {
                    let diff = similar::TextDiff::from_lines(&expected, &said);
                    wrong.push(format!("=== {name}\n{}", diff.unified_diff().context_radius(3)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
