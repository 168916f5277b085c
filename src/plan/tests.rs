//! The planner on hand-made inventories: what it plans, what it leaves undone, and what it never touches.

mod disks;
mod stale;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::diff::{self, machine as shape};
use crate::inventory::{Access, Entry, Identity, Inventory, Machine, Mark, MarkState, ReadSet, Status};
use crate::model::{
    Address, Danger, Dangers, Desired, DesiredMachine, DesiredState, Lifecycle, Mebibytes, Nat, Nic, NicMode,
    OnRemove, Policy, PowerState, Settings, Source, StackName,
};

fn stack() -> StackName {
    StackName::new("lab").unwrap()
}

fn source() -> Source {
    Source { file: "lab.yaml".to_owned(), line: 1, column: 1 }
}

fn declared(name: &str) -> DesiredMachine {
    DesiredMachine {
        name: crate::model::MachineName::new(name),
        source: source(),
        settings: Settings { memory: Some(Mebibytes(64)), ..Settings::default() }.into(),
        disks: None,
        dvds: None,
        state: None,
        location: None,
        floppies: None,
        bridges: BTreeMap::new(),
        secrets: BTreeMap::new(),
        lifecycle: Lifecycle::default(),
        stop_timeout: 60,
        depends_on: BTreeSet::new(),
        labels: BTreeMap::new(),
        sources: crate::model::Shared::default(),
    }
}

fn desired(machines: impl IntoIterator<Item = DesiredMachine>) -> Desired {
    Desired {
        stack: stack(),
        machines: machines.into_iter().map(|m| (Address::Machine(m.name.clone()), m)).collect(),
        snapshots: Vec::new(),
        networks: BTreeMap::new(),
        disks: BTreeMap::new(),
        unsupported: Vec::new(),
        paths: vec![PathBuf::from("/lab.yaml")],
    }
}

fn live(number: u128, name: &str, state: PowerState) -> Machine {
    let nic = Nic {
        mode: Some(NicMode::Nat),
        nat: Some(Nat { port_forwards: Some(BTreeMap::new()), ..Nat::default() }),
        ..Nic::default()
    };
    Machine {
        uuid: Uuid::from_u128(number),
        name: Some(name.to_owned()),
        access: Access::Settings,
        settings_file: PathBuf::from(format!("/vms/{name}/{name}.vbox")),
        state: Some(state),
        settings: Settings {
            memory: Some(Mebibytes(64)),
            cpus: Some(1),
            nics: Some(BTreeMap::from([(1, Box::new(nic))])),
            shared_folders: Some(BTreeMap::new()),
            extra_data: Some(BTreeMap::new()),
            guest_properties: Some(BTreeMap::new()),
            controllers: Some(BTreeMap::new()),
            ..Settings::default()
        }
        .into(),
        unknown: BTreeMap::new(),
        attachments: Vec::new(),
        snapshots: None,
        current_snapshot: None,
        mark: MarkState::None,
        remembered: BTreeMap::new(),
        beyond: Vec::new(),
    }
}

fn owned(mut machine: Machine) -> Machine {
    let name = machine.name.clone().unwrap();
    machine.mark = MarkState::Valid(Mark::new(stack(), Address::machine(name), machine.uuid));
    machine
}

fn inventory(machines: impl IntoIterator<Item = Machine>) -> Inventory {
    let mut inventory = Inventory::default();
    inventory.host.machine_folder = PathBuf::from("/vms");
    for machine in machines {
        if let MarkState::Valid(mark) = &machine.mark {
            let mut entry = Entry::pending(Identity::Uuid(machine.uuid));
            entry.status = Status::Confirmed;
            entry.applied = json!({"memory": 64, "name": machine.name}).into();
            inventory
                .registers
                .entry(mark.stack.clone())
                .or_default()
                .entries
                .insert(mark.address.clone(), entry);
        }
        inventory.machines.insert(machine.uuid, machine);
    }
    inventory
}

fn plan_of(desired: &Desired, inventory: &Inventory, allow: &[Danger]) -> Plan {
    let policy = Policy {
        allow: allow.iter().copied().collect(),
        limits: crate::model::Limits {
            max_downtime: crate::model::Limit::Percent(100),
            ..Default::default()
        },
        ..Policy::default()
    };
    plan(&diff::diff(desired, inventory), desired, inventory, &policy, &PlanOptions::default())
}

fn labels(plan: &Plan) -> Vec<&'static str> {
    plan.steps.iter().map(|step| step.action.label()).collect()
}

#[test]
fn a_machine_in_sync_needs_nothing() {
    let plan =
        plan_of(&desired([declared("a")]), &inventory([owned(live(1, "a", PowerState::PowerOff))]), &[]);
    assert!(plan.is_empty(), "{plan:#?}");
}

#[test]
fn only_a_plan_with_nothing_to_do_and_nobody_to_approve_it_goes_without_a_hash() {
    let inventory = inventory([owned(live(1, "a", PowerState::PowerOff))]);
    let planned = |desired: &Desired, is_only_shown| {
        let options = PlanOptions { is_only_shown, ..PlanOptions::default() };
        let mut changes = diff::diff(desired, &inventory);
        changes.findings.push(diff::Finding { address: None, text: "a thing to know".to_owned() });
        plan(&changes, desired, &inventory, &Policy::default(), &options)
    };
    let in_sync = desired([declared("a")]);
    let (shown, whole) = (planned(&in_sync, true), planned(&in_sync, false));
    assert!(shown.hash.is_empty() && shown.reads == ReadSet::default(), "{shown:#?}");
    assert!(whole.hash == whole.sealed_hash() && whole.reads != ReadSet::default(), "{whole:#?}");
    assert!(!shown.notes.is_empty());
    let Plan { desired_digest, reads, hash, .. } = whole.clone();
    assert_eq!(Plan { desired_digest, reads, hash, ..shown }, whole);
    for differs in [desired([declared("a"), declared("b")]), {
        let mut blocked = declared("a");
        blocked.settings.memory = Some(Mebibytes(128));
        desired([blocked])
    }] {
        assert_eq!(planned(&differs, true), planned(&differs, false));
    }
}

#[test]
fn a_machine_that_has_only_its_mark_is_adopted_once_more() {
    let (desired, address) = (desired([declared("a")]), Address::machine("a"));
    let adopted = |inventory: &Inventory| {
        adopt(std::slice::from_ref(&address), &BTreeMap::new(), &desired, inventory, &Policy::default())
    };
    let whole = inventory([owned(live(1, "a", PowerState::PowerOff))]);
    assert!(adopted(&whole).is_empty());
    let unregistered = Inventory { registers: BTreeMap::new().into(), ..whole };
    let plan = adopted(&unregistered);
    assert_eq!(labels(&plan), ["write mark"]);
    assert!(plan.register.members.contains_key(&address));
}

#[test]
fn memory_of_a_running_machine_is_blocked_and_names_the_permission() {
    let mut machine = declared("a");
    machine.settings.memory = Some(Mebibytes(128));
    let inventory = inventory([owned(live(1, "a", PowerState::Running))]);
    let blocked = plan_of(&desired([machine.clone()]), &inventory, &[]);
    assert!(blocked.steps.is_empty());
    assert_eq!(blocked.objects[0].blocked[0].missing, Dangers::from([Danger::Downtime]));
    let allowed = plan_of(&desired([machine]), &inventory, &[Danger::Downtime, Danger::PowerCut]);
    assert_eq!(labels(&allowed), ["shut down", "change settings", "start"]);
    assert_eq!(allowed.objects[0].danger, Dangers::from([Danger::Downtime, Danger::PowerCut]));
}

#[test]
fn a_paused_machine_goes_back_to_paused() {
    let mut machine = declared("a");
    machine.settings.memory = Some(Mebibytes(128));
    let inventory = inventory([owned(live(1, "a", PowerState::Paused))]);
    let plan = plan_of(&desired([machine]), &inventory, &[Danger::Downtime]);
    assert_eq!(labels(&plan), ["resume", "shut down", "change settings", "start", "pause"]);
}

#[test]
fn what_a_run_stopped_is_brought_back_by_the_next_one() {
    let mut machine = declared("a");
    machine.settings.memory = Some(Mebibytes(128));
    let desired = desired([machine]);
    let address = Address::machine("a");
    for (before, owed) in
        [(PowerState::Running, DesiredState::Running), (PowerState::Paused, DesiredState::Paused)]
    {
        let whole = inventory([owned(live(1, "a", before))]);
        let plan = plan_of(&desired, &whole, &[Danger::Downtime]);
        assert_eq!(plan.register.members[&address].owes, Some(owed.clone()));
        // The register says so from before the first step, and the run died after the stop.
        let stopped_in = |state: PowerState| {
            let mut stopped = whole.clone();
            let register = stopped.registers.get_mut(&stack()).unwrap();
            *register = plan.register.before(register, |_, _| unreachable!("it is there"));
            stopped.machines.get_mut(&Uuid::from_u128(1)).unwrap().state = Some(state);
            stopped
        };
        let off = stopped_in(PowerState::PowerOff);
        let again = plan_of(&desired, &off, &[Danger::Downtime]);
        assert_eq!(labels(&again)[..2], ["change settings", "start"]);
        assert_eq!(again.register.members[&address].owes, Some(owed));
        // Somebody else took care of it.
        let saved = plan_of(&desired, &stopped_in(PowerState::Saved), &[]);
        assert_eq!(saved.register.members[&address].owes, None);
        // What is declared counts more.
        let mut declared_off = desired.clone();
        declared_off.machines.get_mut(&address).unwrap().state = Some(DesiredState::PowerOff);
        assert_eq!(labels(&plan_of(&declared_off, &off, &Danger::ALL)), ["change settings"]);
    }
}

#[test]
fn a_rule_changes_while_the_guest_runs() {
    let mut machine = declared("a");
    let rule = "2222:22".parse().unwrap();
    let nat = Nat { port_forwards: Some(BTreeMap::from([("ssh".to_owned(), rule)])), ..Nat::default() };
    machine.settings.nics = Some(BTreeMap::from([(
        1,
        Box::new(Nic { mode: Some(NicMode::Nat), nat: Some(nat), ..Nic::default() }),
    )]));
    let plan = plan_of(&desired([machine]), &inventory([owned(live(1, "a", PowerState::Running))]), &[]);
    assert_eq!(labels(&plan), ["change settings live"]);
    assert!(plan.objects[0].danger.is_empty());
}

#[test]
fn what_depends_is_stopped_first_and_started_last() {
    let names = ["app", "db", "web"];
    let all: Vec<DesiredMachine> = names
        .iter()
        .map(|name| {
            let mut machine = declared(name);
            machine.settings.memory = Some(Mebibytes(128));
            machine
        })
        .collect();
    let mut desired = desired(all);
    let needs = |one: &str| BTreeSet::from([Address::machine(one)]);
    desired.machines.get_mut(&Address::machine("app")).unwrap().depends_on = needs("db");
    desired.machines.get_mut(&Address::machine("web")).unwrap().depends_on = needs("app");
    let live: Vec<Machine> =
        (1..).zip(names).map(|(number, name)| owned(live(number, name, PowerState::Running))).collect();
    let plan = plan_of(&desired, &inventory(live), &[Danger::Downtime]);
    let of = |label: &str| -> Vec<String> {
        let steps = plan.steps.iter().filter(|step| step.action.label() == label);
        steps.map(|step| step.address.to_string()).collect()
    };
    assert_eq!(of("shut down"), ["vm/web", "vm/app", "vm/db"]);
    assert_eq!(of("start"), ["vm/db", "vm/app", "vm/web"]);
    let number = |address: &str, label: &str| {
        let found = plan.steps.iter().find(|s| s.address.to_string() == address && s.action.label() == label);
        found.unwrap()
    };
    assert!(number("vm/web", "start").needs.contains(&number("vm/app", "start").id));
    assert!(number("vm/db", "shut down").needs.contains(&number("vm/app", "shut down").id));
    assert!(plan.steps.iter().all(|step| step.needs.iter().all(|need| need < &step.id)));
}

/// The mark that makes VirtualBox save a change is the one that the plan writes, also where the one that is there is a former one.
#[test]
fn what_stays_in_memory_is_saved_with_the_mark_of_the_new_address() {
    let mut machine = declared("b");
    machine.settings.memory_balloon = Some(Mebibytes(8));
    machine.lifecycle.renamed_from = vec![(None, crate::model::MachineName::new("a"))];
    let there = inventory([owned(live(1, "a", PowerState::Running))]);
    // The name waits for a permission.
    let plan = plan_of(&desired([machine]), &there, &[]);
    let marks: Vec<&Mark> = plan
        .steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::WriteMark { mark, .. } => mark.as_ref(),
            Action::ModifyLive { save, .. } => save.as_ref(),
            _ => None,
        })
        .collect();
    assert_eq!(labels(&plan), ["write mark", "change settings live"], "{plan:#?}");
    assert_eq!(
        marks.iter().map(|mark| (mark.address.to_string(), mark.n)).collect::<Vec<_>>(),
        [("vm/b".to_owned(), 1), ("vm/b".to_owned(), 2),]
    );
}

/// A saved machine is resumed only to be shut down: that start waits for nobody, or its shutdown would wait for itself.
#[test]
fn a_start_that_only_leads_to_a_stop_waits_for_no_dependency() {
    let mut db = declared("db");
    db.settings.memory = Some(Mebibytes(128));
    let mut app = declared("app");
    app.state = Some(DesiredState::PowerOff);
    app.depends_on = BTreeSet::from([Address::machine("db")]);
    let live = [owned(live(1, "db", PowerState::Running)), owned(live(2, "app", PowerState::Saved))];
    let plan = plan_of(&desired([db, app]), &inventory(live), &[Danger::Downtime]);
    let steps: Vec<(String, &str)> =
        plan.steps.iter().map(|step| (step.address.to_string(), step.action.label())).collect();
    let position = |address: &str, label: &str| {
        steps.iter().position(|(one, what)| one == address && *what == label).unwrap()
    };
    assert!(position("vm/app", "start") < position("vm/app", "shut down"), "{steps:?}");
    assert!(position("vm/app", "shut down") < position("vm/db", "shut down"), "{steps:?}");
    assert!(plan.steps.iter().all(|step| step.needs.iter().all(|need| need < &step.id)), "{steps:?}");
}

/// The design's table of declared and live state: what is planned with everything permitted, row by row.
#[test]
fn the_state_table() {
    let all = Danger::ALL;
    let rows: [(PowerState, DesiredState, &[&str]); 17] = [
        (PowerState::PowerOff, DesiredState::Running, &["start"]),
        (PowerState::Aborted, DesiredState::Running, &["start"]),
        (PowerState::PowerOff, DesiredState::Saved, &[]),
        (PowerState::PowerOff, DesiredState::Paused, &["start", "pause"]),
        (PowerState::Saved, DesiredState::Running, &["start"]),
        (PowerState::AbortedSaved, DesiredState::Running, &["start"]),
        (PowerState::Saved, DesiredState::PowerOff, &["discard saved state"]),
        (PowerState::Saved, DesiredState::Paused, &["start", "pause"]),
        (PowerState::Running, DesiredState::PowerOff, &["shut down"]),
        (PowerState::Running, DesiredState::Saved, &["save state"]),
        (PowerState::Running, DesiredState::Paused, &["pause"]),
        (PowerState::Paused, DesiredState::Running, &["resume"]),
        (PowerState::Paused, DesiredState::PowerOff, &["resume", "shut down"]),
        (PowerState::Paused, DesiredState::Saved, &["save state"]),
        (PowerState::Stuck, DesiredState::Running, &["switch off", "start"]),
        (PowerState::Stuck, DesiredState::PowerOff, &["switch off"]),
        (PowerState::Stuck, DesiredState::Saved, &[]),
    ];
    for (state, wanted, expected) in rows {
        let mut machine = declared("a");
        machine.state = Some(wanted.clone());
        let inventory = inventory([owned(live(1, "a", state.clone()))]);
        let plan = plan_of(&desired([machine.clone()]), &inventory, &all);
        assert_eq!(labels(&plan), expected, "{state} -> {wanted}");
        assert_eq!(expected.is_empty(), plan.summary().blocked == 1, "{state} -> {wanted}");
        let refused = plan_of(&desired([machine]), &inventory, &[]);
        let dangerous = plan.steps.iter().any(|step| !step.danger.is_empty());
        assert_eq!(
            dangerous || expected.is_empty(),
            refused.summary().blocked == 1,
            "{state} -> {wanted} unpermitted"
        );
    }
}

#[test]
fn a_saved_machine_that_may_only_stop_is_resumed_and_shut_down() {
    let mut machine = declared("a");
    machine.state = Some(DesiredState::PowerOff);
    let inventory = inventory([owned(live(1, "a", PowerState::Saved))]);
    let plan = plan_of(&desired([machine]), &inventory, &[Danger::Downtime]);
    assert_eq!(labels(&plan), ["start", "shut down"]);
}

#[test]
fn an_unowned_machine_of_the_name_is_a_conflict_with_three_ways_out() {
    let plan =
        plan_of(&desired([declared("a")]), &inventory([live(1, "a", PowerState::PowerOff)]), &Danger::ALL);
    assert!(plan.steps.is_empty());
    assert_eq!(plan.objects[0].operation, Operation::Blocked);
    assert_eq!(plan.objects[0].blocked[0].hints.len(), 3);
}

#[test]
fn drift_and_change_are_told_apart() {
    let mut moved = owned(live(1, "a", PowerState::PowerOff));
    moved.settings.memory = Some(Mebibytes(32));
    let inventory = inventory([moved]);
    let kind = |memory: u64| {
        let mut machine = declared("a");
        machine.settings.memory = Some(Mebibytes(memory));
        let changes = diff::diff(&desired([machine]), &inventory);
        changes.machines.values().next().unwrap().fields[0].kind
    };
    assert_eq!(kind(64), diff::DifferenceKind::Drift);
    assert_eq!(kind(128), diff::DifferenceKind::DriftOverridden);
}

#[test]
fn prune_needs_a_word_a_permission_and_the_same_paths() {
    let mut inventory =
        inventory([owned(live(1, "a", PowerState::PowerOff)), owned(live(2, "b", PowerState::PowerOff))]);
    let register = inventory.registers.get_mut(&stack()).unwrap();
    register.entries.get_mut(&Address::machine("b")).unwrap().on_remove = OnRemove::Delete;
    let desired = desired([declared("a")]);
    let run = |inventory: &Inventory, prune: bool, allow: &[Danger]| {
        let policy = Policy {
            allow: allow.iter().copied().collect(),
            prune,
            limits: crate::model::Limits { max_prune: crate::model::Limit::Count(9), ..Default::default() },
            ..Policy::default()
        };
        plan(&diff::diff(&desired, inventory), &desired, inventory, &policy, &PlanOptions::default())
    };
    assert!(run(&inventory, false, &Danger::ALL).is_empty());
    assert_eq!(run(&inventory, true, &[]).summary().blocked, 1);
    assert_eq!(labels(&run(&inventory, true, &[Danger::DestroyData])), ["delete machine"]);
    let register = inventory.registers.get_mut(&stack()).unwrap();
    register.entries.get_mut(&Address::machine("b")).unwrap().protect = true;
    assert!(run(&inventory, true, &[Danger::DestroyData]).is_empty());
    let register = inventory.registers.get_mut(&stack()).unwrap();
    register.entries.get_mut(&Address::machine("b")).unwrap().protect = false;
    register.paths = vec![PathBuf::from("/other.yaml")];
    assert_eq!(run(&inventory, true, &[Danger::DestroyData]).refusals.len(), 1);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let inventory = inventory([owned(live(1, "a", PowerState::Running))]);
    let desired = desired([declared("a"), declared("b"), declared("c")]);
    let one = plan_of(&desired, &inventory, &Danger::ALL);
    let two = plan_of(&desired, &inventory, &Danger::ALL);
    assert_eq!(serde_json::to_vec(&one).unwrap(), serde_json::to_vec(&two).unwrap());
    assert_eq!(one.hash.len(), 64);
}

#[test]
fn a_birth_writes_its_mark_first_and_names_no_uuid() {
    let plan = plan_of(&desired([declared("new")]), &inventory([]), &[]);
    assert_eq!(labels(&plan)[..3], ["create machine", "write mark", "change settings"]);
    assert!(plan.steps.iter().all(|step| !matches!(step.action.machine(), Some(Target::Existing(_)))));
    assert_eq!(shape::birth(&declared("new"), None)["nics"], json!({}));
}

#[derive(Clone, Debug)]
enum Whose {
    Ours,
    OtherStack,
    Nobody,
    Clone,
    Broken,
    MarkRemoved,
    Pending,
}

fn whose() -> impl Strategy<Value = Whose> {
    prop_oneof![
        Just(Whose::Ours),
        Just(Whose::OtherStack),
        Just(Whose::Nobody),
        Just(Whose::Clone),
        Just(Whose::Broken),
        Just(Whose::MarkRemoved),
        Just(Whose::Pending),
    ]
}

fn state() -> impl Strategy<Value = PowerState> {
    prop_oneof![
        Just(PowerState::PowerOff),
        Just(PowerState::Aborted),
        Just(PowerState::Saved),
        Just(PowerState::Running),
        Just(PowerState::Paused),
        Just(PowerState::Stuck),
        Just(PowerState::Starting),
    ]
}

/// A host with few names and every kind of owner, and a declaration over the same names.
fn world() -> impl Strategy<Value = (Desired, Inventory)> {
    let machines = prop::collection::vec((0..5_u8, whose(), state(), 32..40_u64, any::<bool>()), 0..8);
    let declarations = prop::collection::btree_map(
        0..5_u8,
        (32..40_u64, any::<Option<bool>>(), any::<bool>(), prop::option::of(0..5_u8)),
        0..5,
    );
    (machines, declarations).prop_map(|(machines, declarations)| {
        let mut inventory = inventory([]);
        for (number, (name, whose, state, memory, readable)) in machines.into_iter().enumerate() {
            let mut machine = live(number as u128 + 1, &format!("m{name}"), state);
            machine.settings.memory = Some(Mebibytes(memory));
            let address = Address::machine(format!("m{name}"));
            let other = StackName::new("other").unwrap();
            let mut entry = Entry::pending(Identity::Uuid(machine.uuid));
            entry.status = Status::Confirmed;
            entry.on_remove = OnRemove::Delete;
            let register = |stack: StackName, entry: Entry, inventory: &mut Inventory| {
                inventory.registers.entry(stack).or_default().entries.insert(address.clone(), entry);
            };
            match whose {
                Whose::Ours => {
                    machine.mark = MarkState::Valid(Mark::new(stack(), address.clone(), machine.uuid));
                    register(stack(), entry, &mut inventory);
                }
                Whose::OtherStack => {
                    machine.mark = MarkState::Valid(Mark::new(other.clone(), address.clone(), machine.uuid));
                    register(other, entry, &mut inventory);
                }
                Whose::Nobody => {}
                Whose::Clone => {
                    machine.mark =
                        MarkState::Foreign(Mark::new(stack(), address.clone(), Uuid::from_u128(999)));
                }
                Whose::Broken => machine.mark = MarkState::Broken("not JSON".to_owned()),
                Whose::MarkRemoved => register(stack(), entry, &mut inventory),
                Whose::Pending => {
                    entry.status = Status::Pending;
                    register(stack(), entry, &mut inventory);
                }
            }
            if !readable {
                machine.access = Access::Inaccessible { reason: "broken".to_owned() };
            }
            inventory.machines.insert(machine.uuid, machine);
        }
        let machines = declarations.into_iter().map(|(name, (memory, running, protect, former))| {
            let mut machine = declared(&format!("m{name}"));
            machine.settings.memory = Some(Mebibytes(memory));
            machine.state = running.map(|on| if on { DesiredState::Running } else { DesiredState::PowerOff });
            machine.lifecycle.protect = protect;
            // Names below only: no cycles, which the manifests' check finds.
            machine.depends_on = (0..name)
                .filter(|one| (memory + u64::from(*one)).is_multiple_of(2))
                .map(|one| Address::machine(format!("m{one}")))
                .collect();
            machine.lifecycle.on_remove = OnRemove::Delete;
            machine.lifecycle.renamed_from = former
                .map(|name| (None, crate::model::MachineName::new(format!("m{name}"))))
                .into_iter()
                .collect();
            machine
        });
        (desired(machines.collect::<Vec<_>>()), inventory)
    })
}

fn touched(plan: &Plan) -> BTreeSet<Uuid> {
    plan.steps
        .iter()
        .filter_map(|step| match step.action.machine() {
            Some(Target::Existing(uuid)) => Some(*uuid),
            _ => None,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_unowned_is_ever_planned_on((desired, inventory) in world(), prune: bool, all: bool) {
        let policy = Policy { allow: Danger::ALL.into_iter().collect(), prune, ..Policy::default() };
        let changes = diff::diff(&desired, &inventory);
        let apply = plan(&changes, &desired, &inventory, &policy, &PlanOptions { stack_typed: true, is_partial: false, ..PlanOptions::default() });
        let destroy = destroy(&desired, &inventory, &policy, DestroyOptions { all });
        for plan in [&apply, &destroy] {
            for uuid in touched(plan) {
                let owner = inventory.owner_of(&inventory.machines[&uuid]);
                let ours = matches!(&owner, crate::inventory::Ownership::Owned { stack, .. } if *stack == desired.stack);
                prop_assert!(ours, "{uuid} is {owner:?} in {plan:#?}");
            }
        }
        // Adoption writes marks, and nothing else.
        let addresses: Vec<Address> = desired.machines.keys().cloned().collect();
        let adopted = adopt(&addresses, &BTreeMap::new(), &desired, &inventory, &policy);
        let only_marks = adopted.steps.iter().all(|step| matches!(step.action, Action::WriteMark { .. }));
        prop_assert!(only_marks);
    }

    #[test]
    fn steps_need_only_earlier_steps_and_every_danger_is_permitted((desired, inventory) in world(), allow in prop::collection::btree_set(0..5_usize, 0..5)) {
        let allow: Dangers = allow.into_iter().map(|index| Danger::ALL[index]).collect();
        let policy = Policy { allow: allow.clone(), prune: true, ..Policy::default() };
        let plan = plan(&diff::diff(&desired, &inventory), &desired, &inventory, &policy, &PlanOptions { stack_typed: true, is_partial: false, ..PlanOptions::default() });
        for step in &plan.steps {
            prop_assert!(step.needs.iter().all(|need| need < &step.id));
            prop_assert!(step.danger.is_subset(&allow), "{step:?}");
        }
    }
}
