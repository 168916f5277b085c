//! What `showvminfo` of VirtualBox 7.2.22 told of machines whose settings files stand beside.

use std::path::Path;

use proptest::prelude::{any, prop_assert_eq, proptest};
use serde_json::Value;
use uuid::Uuid;

use super::{Told, read_extra_data, read_info};
use crate::host::virtualbox::settings::read_machine;
use crate::inventory::{Machine, MarkState};
use crate::model::FieldPath;

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/settings").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn told(name: &str) -> Told {
    let text = fixture(&format!("{name}.info"));
    let (_, rest) = text.split_once("\nUUID=\"").unwrap();
    read_info(&text, Uuid::try_parse(&rest[..36]).unwrap(), Path::new("/x"), "a test").unwrap()
}

fn written(name: &str, told: &Told) -> Machine {
    let file = &told.machine.settings_file;
    read_machine(&fixture(&format!("{name}.vbox")), told.machine.uuid, file).unwrap().machine
}

/// Fields that differ, but for those that are known to be unknown.
fn differences(path: &FieldPath, told: &Machine, a: &Value, b: &Value, found: &mut Vec<String>) {
    if told.why_unknown(path).is_some() {
        return;
    }
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let value =
                    |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                differences(&path.join(key), told, &value(a), &value(b), found);
            }
        }
        _ if a == b => {}
        _ => found.push(format!("{path}: told {a}, written {b}")),
    }
}

#[test]
fn what_it_tells_is_what_the_file_says() {
    for name in ["devices-1.21", "platform-1.20"] {
        let told = told(name);
        let written = written(name, &told);
        let tree = |machine: &Machine| serde_json::to_value(&machine.settings).unwrap();
        let mut found = Vec::new();
        differences(&FieldPath::root(), &told.machine, &tree(&told.machine), &tree(&written), &mut found);
        assert!(found.is_empty(), "{name}: {found:#?}");
        assert_eq!(told.machine.state, written.state);
        assert_eq!(told.machine.current_snapshot, written.current_snapshot);
        let names = |machine: &Machine| {
            let snapshots = machine.snapshots.iter().flat_map(|s| s.leaves_first());
            snapshots.map(|s| (s.uuid, s.name.clone(), s.description.clone())).collect::<Vec<_>>()
        };
        assert_eq!(names(&told.machine), names(&written));
        let places = |machine: &Machine| {
            let attachments = machine.attachments.iter();
            attachments
                .map(|a| (a.controller.clone(), a.port, a.device, a.kind, a.medium.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(places(&told.machine), places(&written));
    }
}

#[test]
fn it_is_of_the_machine_that_was_asked_for() {
    let text = fixture("platform-1.20.info");
    assert!(read_info(&text, Uuid::nil(), Path::new("/x"), "").is_err());
    assert!(read_info("", Uuid::nil(), Path::new("/x"), "").is_err());
}

#[test]
fn secrets_are_left_behind() {
    assert!(fixture("devices-1.21.info").contains("SHA-512"));
    assert!(!format!("{:?}", told("devices-1.21")).contains("SHA-512"));
}

#[test]
fn extra_data_may_have_several_lines() {
    let mut machine = told("platform-1.20").machine;
    let text = "Key: GUI/x, Value: y\nKey: a, Value: 1\n2\nKey: vboxmcp/owner, Value: no JSON\n\
                Key: b, Value: \nKey: vboxmcp/owner, Value: {}\n";
    read_extra_data(text, &mut machine);
    let extra = machine.settings.extra_data.as_ref().unwrap();
    assert_eq!(extra["a"].as_deref(), Some("1\n2"));
    assert_eq!(extra.keys().collect::<Vec<_>>(), ["GUI/x", "a", "b"]);
    assert!(matches!(machine.mark, MarkState::Broken(_)));
}

proptest! {
    /// Whatever VBoxManage prints, reading it ends in a machine or in a reason.
    #[test]
    fn no_output_is_too_broken(
        is_first in any::<bool>(),
        changes in proptest::collection::vec((any::<usize>(), 0..80_usize, "[\"=,\\\\a-z0-9\n]{0,6}"), 1..6),
    ) {
        let name = if is_first { "devices-1.21" } else { "platform-1.20" };
        let mut text = fixture(&format!("{name}.info"));
        let uuid = told(name).machine.uuid;
        for (at, length, piece) in changes {
            let at = text.floor_char_boundary(at % (text.len() + 1));
            let end = text.floor_char_boundary((at + length).min(text.len()));
            text.replace_range(at..end, &piece);
        }
        if let Ok(told) = read_info(&text, uuid, Path::new("/x"), "") {
            prop_assert_eq!(told.machine.uuid, uuid);
        }
    }
}
