//! What VirtualBox can change in which state of a machine, and how.
//!
//! `capability.json` is what VirtualBox answered when vboxmcp's own way to make each change was tried in each state. The lab test
//! `capability` asks (`VBOXMCP_UPDATE=1` writes the table anew), and the same test compares the table with the VirtualBox at
//! hand. A test on the simulated host asks that one the same. The planner and `explain` read the table; what it does not name
//! needs a machine that is off.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::field::FieldPath;
use super::state::StateClass;

/// What a change does to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Edit {
    /// A member that is not there comes.
    Add,
    /// A value becomes another one.
    Change,
    /// A member goes.
    Remove,
}

/// On what the answer depends besides field and state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Case {
    /// A place on a controller whose bus takes devices while the guest runs (SATA).
    HotPlugBus,
    /// A place on another controller.
    ColdPlugBus,
    /// A disk that is attached as hot-pluggable.
    HotPluggable,
    /// A disk that is not.
    NotHotPluggable,
}

/// What came of a change that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Done, and kept in the settings file.
    Done,
    /// Done in memory: lost when the machine stops, unless something else makes VirtualBox save the machine before.
    Memory,
    /// Refused; nothing was done.
    Refused,
    /// Nothing was done, and the exit status was 0.
    Ignored,
    /// Refused, and done all the same, or a part of it.
    Half,
}

/// What VirtualBox said to one change in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// What came of it.
    pub is: Outcome,
    /// How it was tried: verb and flags of VBoxManage, without names and values.
    pub by: String,
    /// VirtualBox's result code by name, where it printed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Its message; `NAME`, `UUID` and `PATH` stand for what differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Answer {
    /// Whether the change can be made, and stays: one in memory does when the machine's mark is written anew behind it.
    pub fn is_yes(&self) -> bool {
        matches!(self.is, Outcome::Done | Outcome::Memory)
    }
}

/// One kind of change, in each state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Row {
    /// The field, `*` for any key (`nics.*.cable`).
    pub field: FieldPath,
    /// What is done to it.
    pub edit: Edit,
    /// What else it depends on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<Case>,
    /// Powered off or aborted.
    pub off: Answer,
    /// While a state is saved.
    pub saved: Answer,
    /// While the guest runs.
    pub running: Answer,
    /// While the guest is held.
    pub paused: Answer,
}

impl Row {
    /// The answer in a state; none where nothing can be asked.
    pub fn answer(&self, state: StateClass) -> Option<&Answer> {
        match state {
            StateClass::Off => Some(&self.off),
            StateClass::Saved => Some(&self.saved),
            StateClass::Running => Some(&self.running),
            StateClass::Paused => Some(&self.paused),
            StateClass::Stuck | StateClass::Moving => None,
        }
    }

    /// Whether the row is for that field or one below it.
    fn covers(&self, path: &FieldPath) -> bool {
        path.keys().len() >= self.field.keys().len() && matches(&self.field, path)
    }
}

/// Whether the keys that both have are the same.
fn matches(pattern: &FieldPath, path: &FieldPath) -> bool {
    pattern.keys().iter().zip(path.keys()).all(|(pattern, key)| pattern == "*" || pattern == key)
}

/// The table, in the order of its fields.
pub fn table() -> &'static [Row] {
    static TABLE: OnceLock<Vec<Row>> = OnceLock::new();
    TABLE.get_or_init(|| {
        // The file is part of the program, and a test parses it: an empty table is never seen in a release.
        serde_json::from_str(include_str!("capability.json")).unwrap_or_default()
    })
}

/// The rows that decide on a change: those of the field itself, or of the nearest field that it is below.
///
/// A scalar that is not there yet comes by the way that changes it.
pub fn rows(path: &FieldPath, edit: Edit) -> Vec<&'static Row> {
    let nearest = |edit: Edit| {
        let covering: Vec<&Row> = table().iter().filter(|row| row.edit == edit && row.covers(path)).collect();
        let deepest = covering.iter().map(|row| row.field.keys().len()).max().unwrap_or_default();
        let mut rows = covering;
        rows.retain(|row| row.field.keys().len() == deepest);
        (deepest, rows)
    };
    let (own, rows) = nearest(edit);
    let (other, changing) = nearest(Edit::Change);
    // Whole members have rows of their own; what is below them has rows for changes.
    if other > own { changing } else { rows }
}

/// Whether a field can be changed in a state of that class without touching the guest's state.
///
/// Where the answer depends on a case that is not given, all of them must say yes.
pub fn allows(path: &FieldPath, edit: Edit, case: Option<Case>, state: StateClass) -> bool {
    if state == StateClass::Off {
        return true;
    }
    if held_back(path, state).is_some() {
        return false;
    }
    let rows = rows(path, edit);
    let mut deciding =
        rows.iter().filter(|row| case.is_none() || row.case.is_none() || row.case == case).peekable();
    deciding.peek().is_some() && deciding.all(|row| row.answer(state).is_some_and(Answer::is_yes))
}

/// Whether a change that is made in that state stays in memory until VirtualBox saves the machine.
pub fn is_memory_only(path: &FieldPath, edit: Edit, state: StateClass) -> bool {
    rows(path, edit).iter().filter_map(|row| row.answer(state)).any(|answer| answer.is == Outcome::Memory)
}

/// What VirtualBox would do, and vboxmcp does not ask for: the reason.
pub fn held_back(path: &FieldPath, state: StateClass) -> Option<&'static str> {
    match (path.parts().as_slice(), state) {
        (["disks", _, "size"], StateClass::Saved) => {
            Some("the guest that is resumed would find another disk than the one that it left")
        }
        _ => None,
    }
}

/// Fields that VirtualBox cannot change in place: what to do by hand instead.
pub fn fixed(path: &FieldPath) -> Option<&'static str> {
    match path.parts().as_slice() {
        ["disks", _, "format" | "variant"] | ["format" | "variant"] => Some(
            "VirtualBox cannot change it in place: copy the disk with `VBoxManage clonemedium SOURCE TARGET --format FORMAT --variant VARIANT` and declare the copy's location",
        ),
        ["bandwidthGroups", _, "type"] => {
            Some("a bandwidth group's type cannot be changed: declare a group of another name")
        }
        ["controllers", _, "bus"] => Some(
            "a controller's bus cannot be changed: declare a controller of another name and move the disks with `at:`",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn can(path: &str, edit: Edit, state: StateClass) -> bool {
        let Ok(path) = path.parse();
        allows(&path, edit, None, state)
    }

    #[test]
    fn the_committed_table_parses() {
        let parsed: Result<Vec<Row>, _> = serde_json::from_str(include_str!("capability.json"));
        assert!(parsed.is_ok_and(|table| table.len() > 30));
    }

    #[test]
    fn a_machine_that_is_off_takes_every_change() {
        // What the host that was asked lacks: an autostart database, and what no 64-bit host has.
        let lacks = |row: &&Row| {
            matches!(row.field.parts().as_slice(), ["autostart", "enabled" | "stop"] | ["pageFusion"])
        };
        let refused: Vec<String> = table()
            .iter()
            .filter(|row| row.off.is != Outcome::Done && !lacks(row))
            .map(|row| format!("{} {:?}: {:?}", row.field, row.edit, row.off))
            .collect();
        assert!(refused.is_empty(), "{}", refused.join("\n"));
    }

    #[test]
    fn a_new_adapter_needs_a_machine_that_is_off_and_a_rule_does_not() {
        assert!(!can("nics.2", Edit::Add, StateClass::Running));
        assert!(can("nics.2", Edit::Add, StateClass::Off));
        assert!(can("nics.1.nat.portForwards.ssh", Edit::Remove, StateClass::Running));
    }

    #[test]
    fn the_nearest_row_decides() {
        assert!(can("nics.1.cable", Edit::Change, StateClass::Running));
        // A scalar that is not written yet comes as it changes; a whole adapter does not.
        assert!(can("nics.1.cable", Edit::Add, StateClass::Running));
        assert!(!can("nics.1.mac", Edit::Change, StateClass::Running));
        assert!(can("extraData.GUI/x", Edit::Add, StateClass::Saved));
        assert!(!can("no.such.field", Edit::Change, StateClass::Saved));
    }

    #[test]
    fn a_case_that_is_not_known_is_the_worst_one() {
        let disk = FieldPath::of(["disks", "data"]);
        let ask = |case| allows(&disk, Edit::Add, case, StateClass::Running);
        assert!(ask(Some(Case::HotPlugBus)) && !ask(Some(Case::ColdPlugBus)) && !ask(None));
    }

    #[test]
    fn a_disk_does_not_change_under_a_saved_guest() {
        assert!(!can("disks.root.size", Edit::Change, StateClass::Saved));
    }
}
