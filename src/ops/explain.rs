//! `explain`: what a word of the language is, what it takes, and what changing it costs in each state. Asks no host.

use serde::Serialize;
use serde_json::Value;

use crate::diff::{machine as shape, tree};
use crate::failure::{Failure, Kind};
use crate::manifest::reference::{self, Entry};
use crate::model::capability::{self, Case, Edit, Outcome, Row};
use crate::model::state::StateClass;
use crate::model::{FieldPath, os_type};

/// What is to be explained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExplainRequest {
    /// A field or a kind; none for the list of kinds.
    pub field: Option<String>,
    /// The operating system whose recommended value is of interest.
    pub os_type: Option<String>,
}

/// How a field behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Class {
    /// Read from VirtualBox and set in place.
    Live,
    /// VirtualBox does not tell it: compared with what was applied last.
    WriteOnly,
    /// Used when the object is made.
    Birth,
    /// VirtualBox cannot change it in place.
    Fixed,
    /// vboxmcp's own: nothing in VirtualBox.
    Own,
}

/// What a change costs in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// `off`, `saved`, `running`, `paused`
    pub state: &'static str,
    /// Whether it is done in that state, without touching the guest.
    pub in_place: bool,
    /// Permissions of which each alone is enough.
    pub needs: Vec<&'static str>,
    /// What is done.
    pub how: String,
    /// Why not in place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// One kind of change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// What is done to the field.
    pub edit: Edit,
    /// What else it depends on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<Case>,
    /// The cost in each state.
    pub costs: Vec<Cost>,
}

/// All that is known of a word.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The word.
    #[serde(flatten)]
    pub entry: Entry,
    /// How it behaves; none for what only holds further words.
    pub class: Option<Class>,
    /// What a new machine gets where nothing is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Whose recommendation that is.
    pub os_type: String,
    /// What changes cost.
    pub changes: Vec<Change>,
    /// What to do by hand where VirtualBox cannot change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<&'static str>,
}

/// An answer of `explain`.
#[derive(Clone, Debug, PartialEq)]
pub enum Explanation {
    /// The kinds: name and meaning.
    Kinds(Vec<(&'static str, &'static str)>),
    /// One word.
    Word(Box<Explained>),
}

/// Explains a word, or lists the kinds.
pub fn explain(request: &ExplainRequest) -> Result<Explanation, Failure> {
    let Some(field) = &request.field else { return Ok(Explanation::Kinds(reference::kinds().collect())) };
    let entry = reference::look_up(field).map_err(|unknown| {
        let failure = Failure::new(Kind::Usage, unknown.to_string());
        match &unknown.near {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("`vboxmcp explain VirtualMachine` lists all words of a machine"),
        }
    })?;
    let os_type = request.os_type.clone().unwrap_or_else(|| shape::DEFAULT_OS_TYPE.to_owned());
    if os_type::lookup(&os_type).is_none() {
        return Err(Failure::new(Kind::Usage, format!("there is no operating system `{os_type}`"))
            .hint("`VBoxManage list ostypes` lists them"));
    }
    let is_machine = entry.kind == "VirtualMachine";
    let path = is_machine.then(|| live_path(&entry.path)).flatten();
    let by_hand = path.as_ref().and_then(capability::fixed);
    let class = if entry.keys.is_empty() { Some(class(&entry, path.as_ref())) } else { None };
    let changes = match (&path, class) {
        (Some(path), Some(Class::Live | Class::WriteOnly) | None) => changes(path),
        _ => Vec::new(),
    };
    let default =
        path.as_ref().filter(|_| class == Some(Class::Live)).and_then(|path| default(path, &os_type));
    Ok(Explanation::Word(Box::new(Explained { entry, class, default, os_type, changes, by_hand })))
}

/// One word of the language in a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Word {
    /// The kind of document that it is in.
    pub kind: &'static str,
    /// From `spec`, `*` for free keys and positions.
    pub path: String,
    /// What it takes.
    pub takes: String,
    /// What it is.
    pub doc: &'static str,
    /// The states of a machine in which it is changed without touching the guest; none for what no machine has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes_while: Vec<&'static str>,
}

/// Every word that this version can apply.
pub fn vocabulary() -> Vec<Word> {
    let word = |entry: Entry| {
        let path =
            Some(entry.kind).filter(|kind| *kind == "VirtualMachine").and_then(|_| live_path(&entry.path));
        let changes = path.map(|path| changes(&path)).unwrap_or_default();
        let costs =
            changes.into_iter().filter(|change| change.edit == Edit::Change).flat_map(|change| change.costs);
        let mut changes_while: Vec<&'static str> = Vec::new();
        for cost in costs.filter(|cost| cost.in_place) {
            if !changes_while.contains(&cost.state) {
                changes_while.push(cost.state);
            }
        }
        Word {
            kind: entry.kind,
            path: entry.path.to_string(),
            takes: entry.takes,
            doc: entry.doc,
            changes_while,
        }
    };
    let all = reference::kinds().flat_map(|(kind, _)| reference::leaves(kind));
    all.filter(|entry| entry.ready && entry.refused.is_none()).map(word).collect()
}

/// The path under which the planner and the capability table know a word of a machine; none for what VirtualBox has not.
pub fn live_path(path: &FieldPath) -> Option<FieldPath> {
    let of = |keys: &[&str]| Some(FieldPath::of(keys.iter().copied()));
    match path.parts().as_slice() {
        ["replicas" | "stopTimeout" | "dependsOn" | "lifecycle" | "state", ..] | ["nics", _, "slot"] | [] => {
            None
        }
        ["nics", _, "nat" | "unattached"] => of(&["nics", "*", "mode"]),
        ["nics", _, "network" | "bridged", ..] => of(&["nics", "*", "network"]),
        ["nics", _, "generic", below @ ..] => of(&[&["nics", "*"], below].concat()),
        ["nics", _, "trace", ..] => of(&["nics", "*", "trace"]),
        [drives @ ("dvds" | "floppies"), _, "image" | "hostDrive" | "empty"] => of(&[drives, "*", "medium"]),
        ["tpm", ..] => of(&["tpm"]),
        _ => Some(path.clone()),
    }
}

fn class(entry: &Entry, path: Option<&FieldPath>) -> Class {
    match (entry.path.parts().as_slice(), path) {
        (["location"] | ["disks", _, "image" | "sha256" | "linked"], _) => Class::Birth,
        (["state"], _) => Class::Live,
        (_, Some(path)) if capability::fixed(path).is_some() => Class::Fixed,
        _ if entry.kind == "Disk" && matches!(entry.path.parts().as_slice(), ["format" | "variant"]) => {
            Class::Fixed
        }
        _ if entry.secret => Class::WriteOnly,
        (_, None) if entry.kind == "VirtualMachine" => Class::Own,
        _ => Class::Live,
    }
}

fn default(path: &FieldPath, os_type: &str) -> Option<Value> {
    let rows = [os_type, os_type::BASE].map(os_type::lookup);
    let trees =
        [rows[0].map(|row| &row.settings), rows[0].map(|row| &row.plain), rows[1].map(|row| &row.plain)];
    trees.into_iter().flatten().find_map(|settings| tree::get(&shape::settings_tree(settings), path).cloned())
}

fn changes(path: &FieldPath) -> Vec<Change> {
    let own = |edit: Edit| {
        let rows = capability::rows(path, edit);
        let is_own = rows.iter().any(|row| row.field == *path);
        if is_own || edit == Edit::Change { rows } else { Vec::new() }
    };
    let mut rows: Vec<&Row> = Vec::new();
    for row in [Edit::Add, Edit::Change, Edit::Remove].into_iter().flat_map(own) {
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    let cost = |row: &Row| {
        let states = [StateClass::Off, StateClass::Saved, StateClass::Running, StateClass::Paused];
        states.into_iter().filter_map(|state| cost(row, path, state)).collect()
    };
    rows.into_iter().map(|row| Change { edit: row.edit, case: row.case, costs: cost(row) }).collect()
}

fn cost(row: &Row, path: &FieldPath, state: StateClass) -> Option<Cost> {
    let answer = row.answer(state)?;
    let held_back = capability::held_back(path, state);
    let (word, detour, needs): (_, _, &[&str]) = match state {
        StateClass::Off => ("off", "", &[]),
        StateClass::Saved => (
            "saved",
            "resumed, shut down, changed, started; or the state is thrown away",
            &["downtime", "discard-state"],
        ),
        StateClass::Running => ("running", "shut down, changed, started", &["downtime"]),
        StateClass::Paused => ("paused", "resumed, shut down, changed, started, paused", &["downtime"]),
        StateClass::Stuck | StateClass::Moving => return None,
    };
    if capability::allows(path, row.edit, None, state) {
        return Some(Cost {
            state: word,
            in_place: true,
            needs: Vec::new(),
            how: match answer.is {
                Outcome::Memory => {
                    format!("{}, then the machine's mark, so that VirtualBox saves it", answer.by)
                }
                _ => answer.by.clone(),
            },
            why: None,
        });
    }
    let why = match answer.is {
        _ if held_back.is_some() => held_back.map(str::to_owned),
        Outcome::Done | Outcome::Memory => {
            Some("VirtualBox could do it in place, and this version does not ask for it".to_owned())
        }
        Outcome::Refused | Outcome::Ignored | Outcome::Half => answer.text.clone(),
    };
    Some(Cost { state: word, in_place: false, needs: needs.to_vec(), how: detour.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_can_be_applied_has_a_row() {
        let missing: Vec<String> = reference::leaves("VirtualMachine")
            .into_iter()
            .filter(|entry| entry.ready && entry.refused.is_none())
            .filter(|entry| {
                let path = live_path(&entry.path);
                let needs_a_row = matches!(class(entry, path.as_ref()), Class::Live | Class::WriteOnly);
                needs_a_row && path.is_some_and(|path| changes(&path).is_empty())
            })
            // Ways that the planner finds or refuses by itself (a disk of its own is detached and attached), one whose drives only a host with a drive has, and what takes more than
            // a value: a picture's file, a variable store, a secret that the host was entrusted with.
            .filter(|entry| {
                !matches!(
                    entry.path.parts().as_slice(),
                    ["disks", _, "location" | "disk"]
                        | ["dvds", _, "at" | "passthrough"]
                        | ["icon" | "secureBoot"]
                        | ["teleporter", "password"]
                )
            })
            .map(|entry| entry.path.to_string())
            .collect();
        assert!(missing.is_empty(), "fields without a sample in tests/capability: {missing:?}");
    }

    #[test]
    fn the_vocabulary_says_what_can_be_changed_while_a_guest_runs() {
        let words = vocabulary();
        let of = |path: &str| {
            words.iter().find(|word| word.kind == "VirtualMachine" && word.path == path).unwrap()
        };
        assert_eq!(of("memory").changes_while, ["off"]);
        assert_eq!(of("cpuExecutionCap").changes_while, ["off", "running"]);
        assert!(words.iter().any(|word| word.kind == "Network" && word.path == "nat.cidr"));
        assert!(words.len() > 150, "{}", words.len());
    }

    #[test]
    fn memory_costs_downtime_and_a_rule_nothing() {
        let costs = |field: &str| {
            let request = ExplainRequest { field: Some(field.to_owned()), os_type: None };
            let Ok(Explanation::Word(word)) = explain(&request) else { panic!("{field}") };
            let change = word.changes.into_iter().find(|change| change.edit == Edit::Change);
            change.map(|change| {
                change.costs.into_iter().map(|cost| (cost.state, cost.in_place)).collect::<Vec<_>>()
            })
        };
        let [off, saved, running, paused] = ["off", "saved", "running", "paused"];
        assert_eq!(
            costs("memory").unwrap(),
            [(off, true), (saved, false), (running, false), (paused, false)]
        );
        assert_eq!(
            costs("nics.1.nat.portForwards.ssh").unwrap(),
            [(off, true), (saved, true), (running, true), (paused, true)]
        );
        assert_eq!(
            costs("disks.root.size").unwrap(),
            [(off, true), (saved, false), (running, false), (paused, false)]
        );
    }
}
