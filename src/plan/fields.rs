//! From differences of settings to assignments and actions: what to set, in the order that VirtualBox needs.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::action::{Action, Assignment};
use super::companions;
use super::draft::Draft;
use super::ports::Ports;
use super::types::Expectation;
use crate::diff::{FieldDifference, machine as shape, tree};
use crate::inventory::{HostFacts, Machine, Mark};
use crate::model::capability::{self, Edit};
use crate::model::nic::Bridge;
use crate::model::{
    DesiredMachine, FieldPath, NicMode, PortForward, Secret, Settings, SharedFolder, os_type,
};

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
    if path.parts().starts_with(&["usb", "filters"]) {
        return false;
    }
    !matches!(
        path.parts().first(),
        Some(
            &("disks"
                | "dvds"
                | "controllers"
                | "sharedFolders"
                | "extraData"
                | "guestProperties"
                | "floppies"
                | "bandwidthGroups"
                | "secureBoot"
                | "location"
                | "state")
        )
    )
}

/// What is declared of a machine, as a tree that is made when somebody first looks at it: of most machines nobody does.
pub struct Declared<'a> {
    machine: &'a DesiredMachine,
    tree: OnceCell<Value>,
}

impl<'a> Declared<'a> {
    /// Of one machine.
    pub fn of(machine: &'a DesiredMachine) -> Self {
        Self { machine, tree: OnceCell::new() }
    }

    /// The tree.
    pub fn tree(&self) -> &Value {
        self.tree.get_or_init(|| shape::declared(self.machine, None))
    }
}

/// What a settings change starts from.
pub struct Before<'a> {
    /// The machine, where it is there.
    pub live: Option<&'a Machine>,
    /// Id of its operating system.
    pub os_type: &'a str,
    /// What is declared of it.
    pub declared: &'a Declared<'a>,
    /// Fields that are set apart from the others.
    pub secrets: &'a BTreeMap<FieldPath, Secret>,
}

/// Assignments for the fields that `modifyvm` and `controlvm` set, with their causes and what they expect.
pub fn settings(
    fields: &[&FieldDifference],
    ports: &mut Ports,
    before: &Before<'_>,
) -> (Vec<Assignment>, Vec<FieldPath>, Vec<Expectation>) {
    let mut set = Vec::new();
    let mut cause = Vec::new();
    let mut expects = Vec::new();
    let is_secret = |path: &FieldPath| before.secrets.contains_key(path);
    for field in fields.iter().filter(|field| is_setting(&field.path) && !is_secret(&field.path)) {
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
            .filter(|leaf| is_setting(&leaf.path) && !before.secrets.contains_key(&leaf.path))
            .collect();
        if field.live.is_none() && matches!(field.path.parts().as_slice(), ["nics", _]) {
            leaves.extend(recommended(&field.path, &leaves, before.os_type));
        }
        // An adapter must have its mode before the mode's own settings.
        leaves.sort_by_key(|assignment| assignment.path.parts().last() != Some(&"mode"));
        set.extend(leaves);
    }
    // What follows goes with what is set.
    if set.is_empty() {
        return (set, cause, expects);
    }
    set.extend(unsaid_modes(&set, before.live));
    let forgotten: Vec<Assignment> =
        set.iter().flat_map(|assignment| forgotten(assignment, before.live)).collect();
    set.extend(forgotten);
    let live = before.live.map(|live| &*live.settings);
    set.extend(unsaid_modes(&set, before.live));
    set.extend(companions::companions(&set, before.declared.tree(), live));
    set.extend(companions::of_ports(&set, live));
    // Rules that go make room for rules that come; modes come before what they bring; the name is last, because it moves the folder.
    set.sort_by_key(|assignment| match assignment.path.parts().as_slice() {
        ["nics", _] | ["nics", _, "nat", "portForwards", _] if assignment.value.is_none() => 0,
        ["nics", _, "mode"] => 1,
        ["groups" | "name"] => 3,
        _ => 2,
    });
    (set, cause, expects)
}

/// What a new adapter gets that its manifest does not write. VirtualBox alone would give it the type of another operating system
/// where its server has been started again since the machine was made, and no cable beyond slot 8.
fn recommended(adapter: &FieldPath, leaves: &[Assignment], os_type: &str) -> Vec<Assignment> {
    let plain = os_type::lookup(os_type).and_then(|row| row.plain.nics.as_ref()?.get(&1)?.nic_type.clone());
    let base =
        os_type::lookup(os_type::BASE).and_then(|row| row.plain.nics.as_ref()?.get(&1)?.nic_type.clone());
    let nic_type = plain.or(base).map(|nic_type| Value::from(nic_type.as_str()));
    [("type", nic_type), ("cable", Some(Value::Bool(true)))]
        .into_iter()
        .filter_map(|(key, value)| Some(Assignment { path: adapter.join(key), value: Some(value?) }))
        .filter(|assignment| leaves.iter().all(|leaf| leaf.path != assignment.path))
        .collect()
}

/// The modes of adapters that only get another network: VirtualBox takes the two together.
fn unsaid_modes(set: &[Assignment], live: Option<&Machine>) -> Vec<Assignment> {
    let mode = |assignment: &Assignment| {
        let ["nics", slot, "network"] = assignment.path.parts()[..] else { return None };
        let path = FieldPath::of(["nics", slot, "mode"]);
        let nics = live?.settings.nics.as_ref()?;
        let mode = nics.get(&slot.parse().ok()?)?.mode.as_ref()?;
        let is_said = set.iter().any(|other| other.path == path);
        (!is_said).then(|| Assignment::set(path, mode.as_str()))
    };
    set.iter().filter_map(mode).collect()
}

/// Takes away the rules that VirtualBox would bring back with the NAT engine of an adapter.
fn forgotten(assignment: &Assignment, live: Option<&Machine>) -> Vec<Assignment> {
    let parts = assignment.path.parts();
    let (["nics", slot, "mode"], Some(mode)) = (parts.as_slice(), &assignment.value) else {
        return Vec::new();
    };
    if mode.as_str() != Some(NicMode::Nat.as_str()) {
        return Vec::new();
    }
    let rules = slot.parse().ok().and_then(|slot: u32| live?.remembered.get(&slot));
    let path = |name: &String| FieldPath::of(["nics", slot, "nat", "portForwards", name]);
    rules.into_iter().flat_map(BTreeMap::keys).map(|name| Assignment::remove(path(name))).collect()
}

/// In words what [`settings`] does beyond the fields that it is for.
pub fn effects(set: &[Assignment], cause: &[FieldPath], bridges: &BTreeMap<u32, Bridge>) -> Vec<String> {
    let chosen = set.iter().filter_map(|assignment| {
        let ["nics", slot, "network"] = assignment.path.parts()[..] else { return None };
        let bridge = bridges.get(&slot.parse().ok()?)?;
        Some(format!("bridges adapter {slot} to {} ({bridge})", assignment.value.as_ref()?.as_str()?))
    });
    let forgotten = set
        .iter()
        .filter(|assignment| assignment.value.is_none() && !cause.contains(&assignment.path))
        .filter_map(|assignment| match assignment.path.parts().as_slice() {
            ["nics", slot, "nat", "portForwards", name] => {
                Some(format!("drops the port-forward {name} that VirtualBox remembers of adapter {slot}"))
            }
            _ => None,
        });
    chosen.chain(forgotten).collect()
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

/// What commands of their own change while the machine is off.
pub fn apart(draft: &mut Draft, fields: &[&FieldDifference], groups: Option<&[String]>) {
    for field in fields {
        let machine = draft.target.clone();
        match (field.path.parts().as_slice(), &field.declared) {
            (["secureBoot"], Some(Value::Bool(enabled))) => {
                if *enabled {
                    draft.effects.push(
                        "sets up the firmware's variable store, with Oracle's and Microsoft's keys, where it is empty"
                            .to_owned(),
                    );
                }
                draft.push(Action::SetSecureBoot { machine, enabled: *enabled }, [field.path.clone()], []);
            }
            (["location"], Some(Value::String(folder))) => {
                let group = groups.and_then(|groups| groups.first()).map_or("", String::as_str);
                let folder = PathBuf::from(folder).join(group.trim_start_matches('/'));
                draft.effects.push("moves its folder with the disks in it".to_owned());
                draft.push(Action::MoveMachine { machine, folder }, [field.path.clone()], []);
            }
            _ => {}
        }
    }
}

/// Leaves a field undone that VirtualBox would refuse together with everything else of the same call.
pub fn unprepared(draft: &mut Draft, field: &FieldDifference, host: &HostFacts) -> bool {
    let needs = matches!(field.path.parts().as_slice(), ["autostart", "enabled" | "stop"]);
    if !needs || host.autostart_database.is_some() {
        return false;
    }
    draft.block(
        vec![field.path.clone()],
        format!("{} needs an autostart database, and VirtualBox knows of none", field.path),
        vec![
            "VBoxManage setproperty autostartdbpath DIR (the directory that its autostart service reads)"
                .to_owned(),
        ],
    );
    true
}

/// Extra data and guest properties, key by key. `save` gives the mark for what a live machine would keep in memory only.
pub fn keyed_data(
    draft: &mut Draft,
    fields: &[&FieldDifference],
    mut save: impl FnMut(&FieldPath) -> Option<Mark>,
) {
    for field in fields {
        let machine = draft.target.clone();
        let value = field.declared.as_ref().and_then(Value::as_str).map(str::to_owned);
        let action = match field.path.parts().as_slice() {
            ["extraData", key] => Action::SetExtraData { machine, key: (*key).to_owned(), value },
            ["guestProperties", key] => {
                let save = save(&field.path);
                Action::SetGuestProperty { machine, key: (*key).to_owned(), value, save }
            }
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
        (["nics", _, "nat", "mtu"] | ["nics", _, "nat", "socketBuffers", _], Some(declared), Some(_))
            if declared == 0 =>
        {
            draft.block(
                path,
                format!("{}: VirtualBox has no way back to its default", field.path),
                vec!["declare a size, or leave the field out".to_owned()],
            );
            true
        }
        (["disks", _, "size"], Some(declared), Some(live)) if declared.as_u64() < live.as_u64() => {
            draft.block(
                path,
                format!("{}: VirtualBox cannot shrink a disk", field.path),
                vec!["make a smaller disk and copy its content inside the guest".to_owned()],
            );
            true
        }
        (["disks", key, "disk"], Some(_), None) => {
            draft.block(
                path,
                format!("disks.{key}: a disk of the machine's own has this key"),
                vec!["give the other one another key".to_owned()],
            );
            true
        }
        _ => false,
    }
}
