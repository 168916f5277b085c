//! Which actions the helper can do: as a whole, or not at all.

use std::path::Path;

use serde_json::Value;
use uuid::Uuid;

use super::fields::known;
use super::protocol::{Ask, Setting};
use crate::host::virtualbox::argv::modify::{calls, ordered};
use crate::inventory::Mark;
use crate::plan::{Action, Assignment, Target};

/// What the helper is asked for to perform an action; `None` where VBoxManage performs it.
pub fn of(action: &Action) -> Option<Ask> {
    let data = |machine: Option<&Target>, key: &str, value: Option<String>| {
        let machine = machine.map(existing);
        let is_text = !key.contains('\0') && !value.as_deref().unwrap_or_default().contains('\0');
        match machine {
            Some(None) => None,
            _ if !is_text => None,
            machine => Some(Ask::Data { machine: machine.flatten(), key: key.to_owned(), value }),
        }
    };
    match action {
        Action::ModifyMachine { machine, set } => {
            Some(Ask::Change { machine: existing(machine)?, set: settings(set)? })
        }
        Action::SetExtraData { machine, key, value } => data(Some(machine), key, value.clone()),
        Action::WriteMark { machine, mark } => {
            data(Some(machine), Mark::KEY, mark.as_ref().map(Mark::to_value))
        }
        Action::WriteRegister { shard } => data(None, &shard.key, shard.value.clone()),
        Action::Unregister { machine, delete } => {
            Some(Ask::Unregister { machine: existing(machine)?, delete: *delete })
        }
        _ => None,
    }
}

/// What the helper is asked for to register the machine of a file.
pub fn register(file: &Path) -> Option<Ask> {
    let text = file.to_str()?;
    (file.is_absolute() && !text.contains('\0')).then(|| Ask::Register { file: file.to_owned() })
}

/// VirtualBox takes an empty UUID for the first object that it finds.
fn existing(target: &Target) -> Option<Uuid> {
    match target {
        Target::Existing(uuid) if !uuid.is_nil() => Some(*uuid),
        _ => None,
    }
}

/// Settings in the order in which VBoxManage sets them, where all of them are known and one call sets them.
fn settings(set: &[Assignment]) -> Option<Vec<Setting>> {
    if set.is_empty() || calls(set).len() > 1 {
        return None;
    }
    let leaves = ordered(set);
    let settings = leaves.into_iter().map(|(keys, value)| {
        let value = value.cloned().unwrap_or(Value::Null);
        known(&keys, &value)?;
        Some(Setting { keys: keys.into_iter().map(str::to_owned).collect(), value })
    });
    settings.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inventory::Shard;

    const VM: Uuid = Uuid::from_u128(0xa1);

    fn change(set: &[(&str, Value)]) -> Option<Ask> {
        let set = set.iter().map(|(path, value)| {
            let path = path.parse().unwrap();
            Assignment { path, value: Some(value.clone()).filter(|value| !value.is_null()) }
        });
        of(&Action::ModifyMachine { machine: Target::Existing(VM), set: set.collect() })
    }

    fn keys(ask: Option<Ask>) -> Vec<String> {
        let Some(Ask::Change { set, .. }) = ask else { panic!("{ask:?}") };
        set.into_iter().map(|setting| setting.keys.join(".")).collect()
    }

    #[test]
    fn settings_come_in_the_order_of_vboxmanage_and_all_or_none() {
        let known = [
            ("memory", json!(64)),
            ("nics.1.nat.portForwards.new", json!("2222:22")),
            ("graphics", json!({"vram": 16, "monitors": 2})),
            ("nics.1.nat.portForwards.old", json!(null)),
            ("cpus", json!(2)),
        ];
        assert_eq!(
            keys(change(&known)),
            [
                "nics.1.nat.portForwards.old",
                "cpus",
                "memory",
                "graphics.vram",
                "graphics.monitors",
                "nics.1.nat.portForwards.new"
            ]
        );
        for (path, value) in [
            ("chipset", json!("ich9")),
            ("nics.2.mode", json!("nat")),
            ("nics.1", json!(null)),
            ("tpm", json!("2.0")),
            ("memory", json!("much")),
            ("memory", json!(-1)),
            ("description", json!("a\0b")),
            ("paravirtProvider", json!("xen")),
            ("nics.1.nat.portForwards.auto", json!("auto:22")),
            ("nics.0.cable", json!(true)),
        ] {
            assert_eq!(change(&[("cpus", json!(2)), (path, value)]), None, "{path}");
        }
        assert_eq!(change(&[]), None);
    }

    #[test]
    fn what_is_removed_has_no_value() {
        let data = |action: &Action| match of(action) {
            Some(Ask::Data { machine, key, value }) => (machine, key, value),
            other => panic!("{other:?}"),
        };
        let machine = Target::Existing(VM);
        let gone = Action::WriteMark { machine: machine.clone(), mark: None };
        assert_eq!(data(&gone), (Some(VM), Mark::KEY.to_owned(), None));
        let set = Action::SetExtraData { machine, key: "a".into(), value: Some("b".into()) };
        assert_eq!(data(&set), (Some(VM), "a".to_owned(), Some("b".to_owned())));
        let shard = Shard { key: "vboxmcp/stack/lab".into(), value: Some("{}".into()) };
        assert_eq!(data(&Action::WriteRegister { shard }).0, None);
    }

    #[test]
    fn nothing_is_done_to_a_machine_without_a_uuid() {
        for machine in [Target::Existing(Uuid::nil()), Target::Planned("vm/a".parse().unwrap())] {
            for action in [
                Action::Unregister { machine: machine.clone(), delete: true },
                Action::SetExtraData { machine: machine.clone(), key: "a".into(), value: None },
                Action::WriteMark { machine: machine.clone(), mark: None },
            ] {
                assert_eq!(of(&action), None);
            }
        }
        let start = Action::Start { machine: Target::Existing(VM) };
        assert_eq!(of(&start), None);
    }

    #[test]
    fn a_file_has_a_whole_path() {
        assert_eq!(register(Path::new("a.vbox")), None);
        let file = std::env::temp_dir().join("a.vbox");
        assert_eq!(register(&file), Some(Ask::Register { file }));
    }
}
