//! Each action performed on a real VirtualBox, and read back.

mod lifecycle;
mod settings;
mod storage;

use std::cell::Cell;

use serde_json::Value;
use uuid::Uuid;
use vboxmcp::host::virtualbox::VirtualBox;
use vboxmcp::host::{Done, HostError, Inspect as _, Operate as _};
use vboxmcp::inventory::Machine;
use vboxmcp::model::FieldPath;
use vboxmcp::plan::{Action, Assignment, Target};

use crate::Test;
use crate::home::Home;
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("births", settings::births),
    ("recommendations", settings::recommendations),
    ("every_setting", settings::every_setting),
    ("adapters", settings::adapters),
    ("data_and_ownership", settings::data_and_ownership),
    ("shared_folders", settings::shared_folders),
    ("live_settings", lifecycle::live_settings),
    ("states", lifecycle::states),
    ("shutdowns", lifecycle::shutdowns),
    ("snapshots_and_ends", lifecycle::snapshots_and_ends),
    ("the_server_is_started_once", lifecycle::the_server_is_started_once),
    ("controllers", storage::controllers),
    ("disks", storage::disks),
    ("attachments", storage::attachments),
    ("a_leaf_stays_a_leaf", storage::a_leaf_stays_a_leaf),
];

/// A home and its host, with machines that are born by actions.
struct Stage<'lab> {
    home: Home<'lab>,
    host: VirtualBox,
    born: Cell<u8>,
}

/// Performs an action, as often as a run would when VirtualBox stalls.
fn perform(host: &VirtualBox, action: &Action) -> Result<Done, HostError> {
    for _ in 0..2 {
        match host.perform(action, &|_| {}) {
            Err(HostError::Timeout { harmless: false, .. }) if action.is_repeatable() => {}
            other => return other,
        }
    }
    host.perform(action, &|_| {})
}

impl<'lab> Stage<'lab> {
    fn new(lab: &'lab Lab) -> Self {
        let home = lab.home();
        let host = home.host();
        host.prepare().expect("VirtualBox answers");
        Self { home, host, born: Cell::new(0) }
    }

    fn perform(&self, action: &Action) -> Result<Done, HostError> {
        perform(&self.host, action)
    }

    #[track_caller]
    fn done(&self, action: &Action) -> Done {
        self.perform(action).unwrap_or_else(|error| panic!("{}: {error}", action.label()))
    }

    /// A machine of 32 MiB without adapters and controllers.
    #[track_caller]
    fn machine(&self, name: &str) -> Uuid {
        self.born.set(self.born.get() + 1);
        let uuid = Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0000 + u128::from(self.born.get()));
        self.done(&create(uuid, name, "Other", &[], &self.home));
        self.set(uuid, &[("memory", 32.into()), ("nics.1", Value::Null)]);
        uuid
    }

    #[track_caller]
    fn set(&self, machine: Uuid, set: &[(&str, Value)]) {
        self.done(&modify(machine, set));
    }

    /// The machine as the files and VirtualBox say.
    #[track_caller]
    fn read(&self, machine: Uuid) -> Machine {
        let mut inventory = self.host.reread(machine, true).expect("an inventory");
        inventory.machines.remove(&machine).expect("the machine is registered")
    }

    #[track_caller]
    fn setting(&self, machine: Uuid, path: &str) -> Value {
        let tree = serde_json::to_value(self.read(machine).settings).unwrap();
        let path: FieldPath = path.parse().unwrap();
        path.keys().iter().fold(tree, |value, key| value[key].clone())
    }
}

fn create(uuid: Uuid, name: &str, os_type: &str, groups: &[&str], home: &Home) -> Action {
    Action::CreateMachine {
        uuid: Some(uuid),
        name: name.to_owned(),
        os_type: os_type.to_owned(),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        folder: home.machines(),
    }
}

/// Assignments; `null` removes.
fn assignments(set: &[(&str, Value)]) -> Vec<Assignment> {
    let one = |(path, value): &(&str, Value)| {
        let path: FieldPath = path.parse().unwrap();
        if value.is_null() { Assignment::remove(path) } else { Assignment::set(path, value.clone()) }
    };
    set.iter().map(one).collect()
}

fn modify(machine: Uuid, set: &[(&str, Value)]) -> Action {
    Action::ModifyMachine { machine: Target::Existing(machine), set: assignments(set) }
}

fn live(machine: Uuid, set: &[(&str, Value)]) -> Action {
    Action::ModifyLive { machine: Target::Existing(machine), set: assignments(set), save: None }
}
