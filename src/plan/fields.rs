//! From differences of settings to assignments and actions: what to set, in the order that VirtualBox needs.

use serde_json::Value;

use super::action::{Action, Assignment};
use super::draft::Draft;
use super::ports::Ports;
use super::types::Expectation;
use crate::diff::{FieldDifference, tree};
use crate::model::capability::{self, Edit};
use crate::model::{FieldPath, PortForward, Settings, SharedFolder};

/// Fields in a sentence: `memory, cpus and name`.
pub fn list(paths: &[FieldPath]) -> String {
    let words: Vec<String> = paths.iter().map(ToString::to_string).collect();
    match words.as_slice() {
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
        [] => String::new(),
    }
}

/// What a difference does to its field.
pub fn edit(field: &FieldDifference) -> Edit {
    match (&field.declared, &field.live) {
        (Some(_), None) => Edit::Add,
        (Some(_), Some(_)) => Edit::Change,
        (None, _) => Edit::Remove,
    }
}

/// Paths that other actions than a settings change are for.
fn is_setting(path: &FieldPath) -> bool {
    !matches!(
        path.parts().first(),
        Some(
            &("disks" | "dvds" | "controllers" | "sharedFolders" | "extraData" | "guestProperties" | "state")
        )
    )
}

pub fn settings(
    fields: &[&FieldDifference],
    ports: &mut Ports,
) -> (Vec<Assignment>, Vec<FieldPath>, Vec<Expectation>) {
    let mut set = Vec::new();
    let mut cause = Vec::new();
    let mut expects = Vec::new();
    for field in fields.iter().filter(|field| is_setting(&field.path)) {
        cause.push(field.path.clone());
        expects.push(Expectation::Field(field.path.clone(), field.live.clone()));
        let Some(declared) = &field.declared else {
            set.push(Assignment::remove(field.path.clone()));
            continue;
        };
        if field.live.is_some()
            && matches!(field.path.parts().as_slice(), ["nics", _, "nat", "portForwards", _])
        {
            // VirtualBox has no way to change a rule: it goes and comes.
            set.push(Assignment::remove(field.path.clone()));
        }
        let mut leaves: Vec<Assignment> = tree::leaves(declared)
            .into_iter()
            .filter(|(_, value)| !value.as_object().is_some_and(serde_json::Map::is_empty))
            .map(|(below, value)| {
                let path = below.keys().iter().fold(field.path.clone(), |path, key| path.join(key));
                Assignment::set(path.clone(), resolve(&path, value, ports))
            })
            .collect();
        // An adapter must have its mode before the mode's own settings.
        leaves.sort_by_key(|assignment| assignment.path.parts().last() != Some(&"mode"));
        set.extend(leaves);
    }
    // Rules that go make room for rules that come; modes come before what they bring; the name is last, because it moves the folder.
    set.sort_by_key(|assignment| match assignment.path.parts().as_slice() {
        ["nics", _] | ["nics", _, "nat", "portForwards", _] if assignment.value.is_none() => 0,
        ["nics", _, "mode"] => 1,
        ["groups" | "name"] => 3,
        _ => 2,
    });
    (set, cause, expects)
}

fn resolve(path: &FieldPath, value: &Value, ports: &mut Ports) -> Value {
    match (path.parts().as_slice(), value.as_str().and_then(|text| text.parse::<PortForward>().ok())) {
        (["nics", _, "nat", "portForwards", _], Some(rule)) => ports.resolve(rule).to_string().into(),
        _ => value.clone(),
    }
}

/// Permanent shared folders cannot be changed: they go and come.
pub fn shared_folders(
    draft: &mut Draft,
    fields: &[&FieldDifference],
    live: Option<&Settings>,
    removals: bool,
) {
    let mut names: Vec<&str> = Vec::new();
    for field in fields {
        if let ["sharedFolders", name, ..] = field.path.parts().as_slice()
            && !names.contains(name)
        {
            names.push(name);
        }
    }
    for name in names {
        let path = FieldPath::of(["sharedFolders", name]);
        let of_it: Vec<&&FieldDifference> =
            fields.iter().filter(|field| field.path.starts_with(&path)).collect();
        let cause: Vec<FieldPath> = of_it.iter().map(|field| field.path.clone()).collect();
        let whole = of_it.iter().find(|field| field.path == path);
        let adds_new = whole.is_some_and(|field| field.live.is_none());
        if removals {
            if !adds_new {
                let machine = draft.target.clone();
                draft.push(Action::RemoveSharedFolder { machine, name: name.to_owned() }, cause, []);
            }
            continue;
        }
        let folder = if let Some(field) = whole {
            field.declared.clone()
        } else {
            let there =
                live.and_then(|settings| settings.shared_folders.as_ref()).and_then(|all| all.get(name));
            let mut merged = there.and_then(|folder| serde_json::to_value(folder).ok()).unwrap_or_default();
            for field in &of_it {
                let below = FieldPath::of(field.path.keys()[2..].to_vec());
                tree::set(&mut merged, &below, field.declared.clone().unwrap_or(Value::Null));
            }
            Some(merged)
        };
        let Some(folder) = folder.and_then(|tree| serde_json::from_value::<SharedFolder>(tree).ok()) else {
            continue;
        };
        let machine = draft.target.clone();
        draft.push(Action::AddSharedFolder { machine, name: name.to_owned(), folder }, cause, []);
    }
}

/// Extra data and guest properties, key by key.
pub fn keyed_data(draft: &mut Draft, fields: &[&FieldDifference]) {
    for field in fields {
        let machine = draft.target.clone();
        let value = field.declared.as_ref().and_then(Value::as_str).map(str::to_owned);
        let action = match field.path.parts().as_slice() {
            ["extraData", key] => Action::SetExtraData { machine, key: (*key).to_owned(), value },
            ["guestProperties", key] => Action::SetGuestProperty { machine, key: (*key).to_owned(), value },
            _ => continue,
        };
        let expects = [Expectation::Field(field.path.clone(), field.live.clone())];
        draft.push_expecting(action, [field.path.clone()], expects);
    }
}

/// Leaves a field undone that nothing can do: unknown, fixed, not supported.
pub fn undoable(draft: &mut Draft, field: &FieldDifference) -> bool {
    let path = vec![field.path.clone()];
    if let Some(reason) = &field.unknown {
        draft.block(
            path,
            format!("{} is declared and its live value is not known: {reason}", field.path),
            Vec::new(),
        );
        return true;
    }
    if field.live.is_some()
        && let Some(way) = capability::fixed(&field.path)
    {
        draft.block(path, format!("{} cannot be changed in place", field.path), vec![way.to_owned()]);
        return true;
    }
    match (field.path.parts().as_slice(), &field.declared, &field.live) {
        (["disks", _, "size"], Some(declared), Some(live)) if declared.as_u64() < live.as_u64() => {
            draft.block(
                path,
                format!("{}: VirtualBox cannot shrink a disk", field.path),
                vec!["make a smaller disk and copy its content inside the guest".to_owned()],
            );
            true
        }
        (["disks", _, "location"], Some(_), Some(_)) => {
            draft.block(
                path,
                format!("{}: moving a disk is not supported yet", field.path),
                vec!["VBoxManage modifymedium disk OLD --move NEW".to_owned()],
            );
            true
        }
        _ => false,
    }
}
