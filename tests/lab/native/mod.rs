//! The native helper on a real VirtualBox: what it does ends as VBoxManage's does (`same`), and what becomes of a run that loses it
//! (`deaths`).

mod deaths;
mod pipeline;
mod same;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;
use vboxmcp::host::virtualbox::native::Launch;
use vboxmcp::host::virtualbox::{Home as VirtualBoxHome, Patience, Runner, VirtualBox, locate};
use vboxmcp::host::{Done, HostError, Inspect as _, Operate as _, Want};
use vboxmcp::inventory::Inventory;
use vboxmcp::model::{FieldPath, Route};
use vboxmcp::plan::{Action, Assignment, Target};

use crate::Test;
use crate::home::{Home, path};
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("every_setting_alike", same::every_setting_alike),
    ("rules_alike", same::rules_alike),
    ("data_alike", same::data_alike),
    ("births_alike", same::births_alike),
    ("deletions_alike", same::deletions_alike),
    ("refusals_alike", same::refusals_alike),
    ("states_alike", same::states_alike),
    ("a_stack_alike", same::a_stack_alike),
    ("so_many_steps_are_under_way_at_most", pipeline::so_many_steps_are_under_way_at_most),
    ("who_stays_asks_the_helper", same::who_stays_asks_the_helper),
    ("who_only_looks_starts_none", same::who_only_looks_starts_none),
    ("it_dies_in_the_middle_of_a_change", deaths::it_dies_in_the_middle_of_a_change),
    ("it_dies_in_the_middle_of_a_deletion", deaths::it_dies_in_the_middle_of_a_deletion),
    ("it_dies_in_the_middle_of_a_birth", deaths::it_dies_in_the_middle_of_a_birth),
    ("it_dies_at_any_time", deaths::it_dies_at_any_time),
    ("either_of_two_dies", deaths::either_of_two_dies),
    ("the_server_dies", deaths::the_server_dies),
    ("the_server_dies_that_states_came_from", deaths::the_server_dies_that_states_came_from),
    ("it_goes_with_its_run", deaths::it_goes_with_its_run),
];

/// How the helper is started for a VirtualBox.
fn launch(lab: &Lab) -> Launch {
    Launch {
        program: env!("CARGO_BIN_EXE_vboxmcp").into(),
        through: lab.bring(),
        folder: locate::binding(lab.vboxmanage()).expect("VirtualBox's C binding"),
    }
}

/// A home as one of the routes sees it, and how many commands VBoxManage was given.
struct Side {
    host: VirtualBox,
    commands: Arc<AtomicU64>,
}

impl Side {
    fn new(home: &Home, lab: &Lab, route: Route) -> Self {
        let commands = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&commands);
        let runner = Runner::new(lab.vboxmanage().to_owned(), home.variables())
            .with_trace(Box::new(move |_| {
                count.fetch_add(1, Ordering::Relaxed);
            }))
            .with_patience(Patience { once: Duration::from_secs(20), ..Patience::default() });
        let place = VirtualBoxHome {
            folder: home.virtualbox(),
            owner_home: home.root().to_owned(),
            ipc: home.host().home().ipc.clone(),
        };
        let host = VirtualBox::new(place, Ok(runner)).with_helper(launch(lab)).by_route(route);
        host.prepare().expect("VirtualBox answers");
        Self { host, commands }
    }

    fn perform(&self, action: &Action) -> Result<Done, HostError> {
        let mut outcome = self.host.perform(action, &|_| {});
        // A VBoxManage that stalls is ended, and the executor gives the change again.
        for _ in 0..3 {
            if matches!(outcome, Err(HostError::Timeout { .. })) && action.is_repeatable() {
                outcome = self.host.perform(action, &|_| {});
            }
        }
        outcome
    }

    #[track_caller]
    fn done(&self, action: &Action) {
        self.perform(action).unwrap_or_else(|error| panic!("{}: {error}", action.label()));
    }

    fn commands(&self) -> u64 {
        self.commands.load(Ordering::Relaxed)
    }

    fn inventory(&self) -> Inventory {
        self.host.inventory(&Want { states: true, ..Want::default() }).expect("an inventory")
    }

    fn reread(&self, machine: Uuid) -> Inventory {
        self.host.reread(machine, true).expect("a machine")
    }

    fn helper(&self) -> u32 {
        *self.host.native().processes().first().expect("a helper runs")
    }
}

/// Both routes to one home.
fn both(home: &Home, lab: &Lab) -> (Side, Side) {
    (Side::new(home, lab, Route::Native), Side::new(home, lab, Route::VBoxManage))
}

/// A machine without adapters.
#[track_caller]
fn born(home: &Home, name: &str) -> Uuid {
    let named = format!("--name={name}");
    let said = home.vbox(&["createvm", &named, "--ostype=Debian_64", "--register"]).ok();
    home.vbox(&["modifyvm", name, "--memory=32", "--nic1=none"]).ok();
    said.lines().find_map(|line| line.strip_prefix("UUID: ")?.trim().parse().ok()).expect("a UUID")
}

/// Both routes to one home, as of a program that stays, and a machine that runs there.
fn staying(home: &Home, lab: &Lab) -> (Side, Side, Uuid) {
    let (native, other) = both(home, lab);
    let machine = born(home, "one");
    // Without the helper of a run.
    native.host.finish();
    native.host.stay();
    home.vbox(&["startvm", "one", "--type=headless"]).ok();
    (native, other, machine)
}

fn set(machine: Uuid, set: &[(&str, Value)]) -> Action {
    let one = |(path, value): &(&str, Value)| {
        let path: FieldPath = path.parse().unwrap();
        if value.is_null() { Assignment::remove(path) } else { Assignment::set(path, value.clone()) }
    };
    Action::ModifyMachine { machine: Target::Existing(machine), set: set.iter().map(one).collect() }
}

fn data(machine: Uuid, key: &str, value: Option<&str>) -> Action {
    Action::SetExtraData {
        machine: Target::Existing(machine),
        key: key.to_owned(),
        value: value.map(str::to_owned),
    }
}

fn unregister(machine: Uuid, delete: bool) -> Action {
    Action::Unregister { machine: Target::Existing(machine), delete }
}

/// A machine's settings, without what is its own.
fn settings(side: &Side, machine: Uuid) -> Value {
    let mut inventory = side.host.reread(machine, false).expect("an inventory");
    let machine = inventory.machines.remove(&machine).expect("the machine is registered");
    let mut tree = serde_json::to_value(machine.settings).unwrap();
    tree.as_object_mut().unwrap().remove("hardwareUuid");
    tree
}

/// Everything below a folder, without the folder's own name.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
            found.push(path(entry.path().strip_prefix(folder).unwrap()).to_owned());
        }
    }
    found.sort();
    found
}
