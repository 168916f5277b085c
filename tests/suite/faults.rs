//! Single cases that the scenarios of `cargo bench --bench faults` taught.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;
use vboxmcp::host::sim::{ByHand, Fault, FaultPlan, SimHost};
use vboxmcp::inventory::Identity;
use vboxmcp::model::{Location, PowerState};
use vboxmcp::plan::{Plan, StepId};

use crate::faults;
use crate::faults::bench::{Ask, Bench, Press};
use crate::faults::dice::Dice;
use crate::faults::picture::{self, Damage};

const TWO_DISKS: &str = "\
apiVersion: vboxmcp/v1
kind: Stack
metadata: {name: lab}
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: a}
lifecycle: {onRemove: delete}
spec: {disks: {root: {size: 8MiB}, data: {size: 8MiB}}}
";

#[test]
fn a_deletion_that_was_cut_short_is_told_and_finished_by_the_next_run() {
    let bench = Bench::new();
    let host = Arc::new(bench.host());
    // The machine's folder, empty, is what VirtualBox leaves of it.
    let things = |host| {
        let mut things = picture::of(host, bench.root());
        things.retain(|key, _| !key.starts_with("folder "));
        things
    };
    let nothing = things(&host);
    bench.converge(&host, TWO_DISKS, &Ask::Apply { prune: false }, 1).unwrap();
    let ask = Ask::Destroy { all: false };
    // The machine is gone then, and one of its disks is.
    let cut = Arc::new(host.with_faults(FaultPlan::at(0, Fault::FailedHalfway)));
    let outcome = bench.run(&cut, TWO_DISKS, &ask, Press::Never, false).unwrap().outcome.unwrap().unwrap();
    assert_eq!(outcome.failed.len(), 1, "{outcome:?}");
    assert!(outcome.failed[0].errors.iter().any(|error| error.contains("still registered")), "{outcome:?}");
    assert_eq!(bench.converge(&host, TWO_DISKS, &ask, 2), Ok(1));
    assert_eq!(things(&host), nothing);
}

#[test]
fn a_register_that_virtualbox_only_says_it_wrote_ends_the_run() {
    let bench = Bench::new();
    let ask = Ask::Apply { prune: false };
    let whole = Arc::new(bench.host());
    bench.converge(&whole, TWO_DISKS, &ask, 1).unwrap();
    let mut at_steps = Vec::new();
    for at in 0..whole.asked() {
        let host = Arc::new(bench.host().with_faults(FaultPlan::at(at, Fault::FalseSuccess)));
        let outcome = bench.run(&host, TWO_DISKS, &ask, Press::Never, false).unwrap().outcome.unwrap();
        if let Err(failure) = outcome {
            assert!(failure.to_string().contains("register was written and does not read back"), "{failure}");
            at_steps.push(at);
        }
        let host = Arc::new(host.with_faults(FaultPlan::none()));
        bench.converge(&host, TWO_DISKS, &ask, 2).unwrap();
    }
    // Before the first step, and after the last.
    assert_eq!(at_steps, [0, whole.asked() - 1]);
}

/// What is there, but for the folder that the first run makes for its lock: a later host of the same bench finds it there.
pub fn things(host: &SimHost, bench: &Bench) -> picture::Picture {
    let mut things = picture::of(host, bench.root());
    things.retain(|key, _| key != "folder $ROOT/home");
    things
}

/// A stack with one machine.
pub fn machine(lifecycle: &str, spec: &str) -> String {
    format!(
        "apiVersion: vboxmcp/v1\nkind: Stack\nmetadata: {{name: lab}}\n---\napiVersion: vboxmcp/v1\nkind: VirtualMachine\n{lifecycle}spec: {{{spec}}}\n"
    )
}

#[test]
fn a_guest_that_a_run_stopped_comes_back_wherever_the_run_dies() {
    let bench = Bench::new();
    let host = Arc::new(bench.host());
    let ask = Ask::Apply { prune: false };
    bench.converge(&host, &machine("metadata: {name: a}\n", "memory: 32MiB"), &ask, 1).unwrap();
    host.by_hand(&ByHand::Start("a".to_owned())).unwrap();
    let more = machine("metadata: {name: a}\n", "memory: 64MiB");
    let state = |host: &_| picture::inventory(host).machines.values().next().unwrap().state.clone();
    let mut off = 0;
    for at in 0.. {
        for fault in DEATHS {
            let is = Arc::new(host.copy().unwrap().with_faults(FaultPlan::at(at, fault)));
            let _ = bench.run(&is, &more, &ask, Press::Never, false);
            if !is.is_dead() {
                assert!(at > 3 && off > 0, "it was never off: {at}");
                return;
            }
            let is = Arc::new(is.with_faults(FaultPlan::none()));
            off += usize::from(state(&is) == Some(PowerState::PowerOff));
            bench.converge(&is, &more, &ask, 2).unwrap();
            assert_eq!(state(&is), Some(PowerState::Running), "{fault:?} at {at}");
            assert!(bench.left(&is, &more, &ask).is_empty());
        }
    }
}

#[test]
fn a_snapshot_is_taken_once_whatever_goes_wrong_on_the_way() {
    let bench = Bench::new();
    let ask = Ask::Apply { prune: false };
    let born = machine("metadata: {name: a}\n", "disks: {root: {size: 8MiB}}, state: running");
    let text = format!(
        "{born}---\napiVersion: vboxmcp/v1\nkind: Snapshot\nmetadata: {{name: clean}}\nspec: {{machines: [a]}}\n"
    );
    let whole = Arc::new(bench.host());
    bench.converge(&whole, &text, &ask, 1).unwrap();
    let things = |host: &_| things(host, &bench);
    let expected = things(&whole);
    let snapshots = |host: &_| {
        let machine = picture::inventory(host).machines.into_values().next().unwrap();
        let names = machine.snapshots.iter().flat_map(|root| root.leaves_first());
        names.map(|snapshot| (snapshot.name.clone(), snapshot.online)).collect::<Vec<_>>()
    };
    assert_eq!(snapshots(&whole), [("clean".to_owned(), false)]);
    // VirtualBox takes a second one of the same name, and nothing but the client that is asked twice would ask for it.
    let faults = Fault::ALL.into_iter().filter(|fault| !fault.waits() && *fault != Fault::Twice);
    let actions = whole.asked();
    for (fault, at) in faults.flat_map(|fault| (0..actions).map(move |at| (fault, at))) {
        let host = Arc::new(bench.host().with_faults(FaultPlan::at(at, fault)));
        let _ = bench.run(&host, &text, &ask, Press::Never, false);
        let host = Arc::new(host.with_faults(FaultPlan::none()));
        bench.converge(&host, &text, &ask, 3).unwrap();
        assert_eq!(snapshots(&host), [("clean".to_owned(), false)], "{fault:?} at {at}");
        assert_eq!(things(&host), expected, "{fault:?} at {at}");
    }
}

#[test]
fn a_rename_together_with_a_new_disk_is_registered_by_the_run_that_does_it() {
    let bench = Bench::new();
    let host = Arc::new(bench.host());
    let ask = Ask::Apply { prune: false };
    let one = machine("metadata: {name: a}\n", "disks: {root: {size: 8MiB}}");
    bench.converge(&host, &one, &ask, 1).unwrap();
    let renamed = "metadata: {name: b}\nlifecycle: {renamedFrom: a}\n";
    let two = machine(renamed, "disks: {root: {size: 8MiB}, data: {size: 8MiB}}");
    bench.run(&host, &two, &ask, Press::Never, false).unwrap().outcome.unwrap().unwrap();
    assert_eq!(bench.left(&host, &two, &ask), Vec::<String>::new());
}

const DEATHS: [Fault; 3] = [Fault::DiesBefore, Fault::DiesHalfway, Fault::DiesAfterwards];

#[test]
fn a_run_that_dies_at_any_action_is_finished_by_the_next_one() {
    let bench = Bench::new();
    let (host, should) = before_and_after(&bench);
    let whole = Arc::new(host.copy().unwrap());
    bench.run(&whole, AFTER, &PRUNE, Press::Never, false).unwrap();
    for (at, pipeline) in (0..whole.asked()).flat_map(|at| [(at, false), (at, true)]) {
        for fault in DEATHS {
            let host = host.copy().unwrap().with_pipeline(pipeline);
            let is = Arc::new(host.with_faults(FaultPlan::at(at, fault)));
            let _ = bench.run(&is, AFTER, &PRUNE, Press::Never, false);
            let is = Arc::new(is.with_faults(FaultPlan::none()));
            // One that died after all was done leaves nothing to do.
            let runs = bench.converge(&is, AFTER, &PRUNE, 1);
            assert!(runs.is_ok(), "{fault:?} at {at}: {runs:?}");
            let damage = Damage::between(&should, &picture::of(&is, bench.root()));
            assert!(damage.is_none(), "{fault:?} at {at}: {damage:#?}");
        }
    }
}

#[test]
fn those_whose_turn_has_not_come_are_left_out_when_the_run_is_to_stop() {
    let bench = Bench::new();
    let text = machine("metadata: {name: a}\n", "replicas: 6, memory: 64MiB");
    let host = Arc::new(bench.host().with_pipeline(true));
    bench.converge(&host, &text, &Ask::Apply { prune: false }, 1).unwrap();
    let ask = Ask::Destroy { all: false };
    let ran = bench.run(&host, &text, &ask, Press::Once(1), false).unwrap();
    let outcome = ran.outcome.unwrap().unwrap();
    // Two are under way at a time, and which of them had its turn is a matter of luck.
    assert!(outcome.cancelled && outcome.done <= 2, "{outcome:?}");
    assert_eq!((outcome.done + outcome.skipped.len(), outcome.failed.len()), (ran.plan.steps.len(), 0));
    assert!(outcome.skipped.iter().all(|step| step.because == "cancelled"), "{outcome:?}");
    bench.converge(&host, &text, &ask, 1).unwrap();
}

#[test]
fn disks_that_change_places_under_a_snapshot_keep_their_content_wherever_the_run_dies() {
    let bench = Bench::new();
    let host = Arc::new(bench.host());
    let ask = Ask::Apply { prune: false };
    let lab = |root: u32, data: u32| {
        let disk = |port| format!("{{size: 8MiB, at: \"SATA:{port}\"}}");
        let disks = format!("disks: {{root: {}, data: {}}}", disk(root), disk(data));
        machine("metadata: {name: a}\n", &format!("controllers: {{SATA: {{bus: sata, ports: 4}}}}, {disks}"))
    };
    bench.converge(&host, &lab(0, 1), &ask, 1).unwrap();
    host.by_hand(&ByHand::TakeSnapshot { machine: "a".to_owned(), name: "before".to_owned() }).unwrap();
    let should = Arc::new(host.copy().unwrap());
    bench.converge(&should, &lab(2, 0), &ask, 1).unwrap();
    let asked = should.asked();
    let should = picture::of(&should, bench.root());
    for (at, fault) in (0..asked).flat_map(|at| DEATHS.map(|fault| (at, fault))) {
        let is = Arc::new(host.copy().unwrap().with_faults(FaultPlan::at(at, fault)));
        let _ = bench.run(&is, &lab(2, 0), &ask, Press::Never, false);
        let is = Arc::new(is.with_faults(FaultPlan::none()));
        let runs = bench.converge(&is, &lab(2, 0), &ask, 1);
        assert!(runs.is_ok(), "{fault:?} at {at}: {runs:?}");
        let damage = Damage::between(&should, &picture::of(&is, bench.root()));
        assert!(damage.is_none(), "{fault:?} at {at}: {damage:#?}");
    }
}

#[test]
fn a_disk_that_somebody_else_attaches_meanwhile_stays_where_it_is() {
    let bench = Bench::new();
    let host = Arc::new(bench.host());
    let ask = Ask::Apply { prune: false };
    bench.converge(&host, TWO_DISKS, &ask, 1).unwrap();
    let at = Location { controller: "SATA".to_owned(), port: 1, device: 0 };
    let detach = ByHand::Detach { machine: "a".to_owned(), at: at.clone() };
    let attach = ByHand::AddDisk {
        machine: "a".to_owned(),
        file: "his.vdi".into(),
        size: 1 << 20,
        at: Some(at.clone()),
    };
    let meddled = Arc::new(host.with_faults(FaultPlan::none().and_before(0, detach).and_after(0, attach)));
    let one = TWO_DISKS.replace(", data: {size: 8MiB}", "");
    let ran = bench.run(&meddled, &one, &ask, Press::Never, false).unwrap();
    let failed = ran.outcome.unwrap().unwrap().failed;
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].moved, "{failed:?}");
    assert!(
        failed[0].errors[0].contains("at SATA:1 was ") && failed[0].errors[0].contains("his.vdi"),
        "{failed:?}"
    );
    let machine = picture::inventory(&host).machines.into_values().next().unwrap();
    assert!(machine.attachments.iter().any(|attachment| attachment.port == 1), "{machine:?}");
}

#[test]
fn a_disk_that_was_made_and_never_attached_is_found_when_its_folder_moves() {
    let bench = Bench::new();
    let host = Arc::new(bench.host());
    let ask = Ask::Apply { prune: false };
    let two = machine("metadata: {name: a}\n", "disks: {data: {size: 8MiB}, root: {size: 8MiB}}");
    let whole = Arc::new(host.copy().unwrap());
    bench.run(&whole, &two, &ask, Press::Never, false).unwrap();
    for at in 0..whole.asked() {
        let is = Arc::new(host.copy().unwrap().with_faults(FaultPlan::at(at, Fault::DiesAfterwards)));
        let _ = bench.run(&is, &two, &ask, Press::Never, false);
        let is = Arc::new(is.with_faults(FaultPlan::none()));
        let one = machine("metadata: {name: a}\n", "groups: [/lab], disks: {root: {size: 8MiB}}");
        let runs = bench.converge(&is, &one, &ask, 1);
        assert!(runs.is_ok(), "{at}: {runs:?}");
        let inventory = picture::inventory(&is);
        let register = inventory.registers.values().next().unwrap();
        let known: BTreeSet<Uuid> = register
            .entries
            .values()
            .filter_map(|entry| match entry.identity {
                Identity::Uuid(uuid) => Some(uuid),
                _ => None,
            })
            .collect();
        for disk in inventory.media.keys() {
            assert!(known.contains(disk), "{at}: nobody knows of {disk}");
        }
    }
}

/// "Packer leaves a machine that nobody tracks, and the next run says that it already exists."
#[test]
fn complaint_a_failed_create_is_tracked_by_nobody() {
    let bench = Bench::new();
    let (empty, apply) = (Arc::new(bench.host()), Ask::Apply { prune: false });
    let nothing = picture::of(&empty, bench.root());
    let whole = Arc::new(empty.copy().unwrap());
    bench.run(&whole, TWO_DISKS, &apply, Press::Never, false).unwrap();
    let asked = whole.asked();
    let should = picture::of(&whole, bench.root());
    let failures = [Fault::RefusedValue, Fault::FailedHalfway, Fault::ReplyLost];
    for (at, fault) in (0..asked).flat_map(|at| failures.map(|fault| (at, fault))) {
        let is = Arc::new(empty.copy().unwrap().with_faults(FaultPlan::at(at, fault)));
        let _ = bench.run(&is, TWO_DISKS, &apply, Press::Never, false);
        let is = Arc::new(is.with_faults(FaultPlan::none()));
        let runs = bench.converge(&is, TWO_DISKS, &apply, 1);
        assert!(runs.is_ok(), "{fault:?} at {at}: {runs:?}");
        let damage = Damage::between(&should, &picture::of(&is, bench.root()));
        assert!(damage.is_none(), "{fault:?} at {at}: {damage:#?}");
        let runs = bench.converge(&is, TWO_DISKS, &Ask::Destroy { all: false }, 1);
        assert!(runs.is_ok(), "{fault:?} at {at}: {runs:?}");
        let left = picture::of(&is, bench.root());
        // The machine's folder, empty, is what VirtualBox leaves of it.
        let is_new = |key: &&String| !nothing.contains_key(*key) && !key.starts_with("folder ");
        let files: Vec<&String> = left.keys().filter(is_new).collect();
        assert!(files.is_empty(), "{fault:?} at {at}: {files:?}");
    }
}

#[test]
fn a_revert_that_dies_at_any_action_is_gone_on_with() {
    let bench = Bench::new();
    let host = Arc::new(bench.host());
    let apply = Ask::Apply { prune: false };
    let spec = |memory, more: &str| {
        let data = if more.is_empty() { "" } else { ", data: {size: 8MiB}" };
        machine(
            "metadata: {name: a}\n",
            &format!("memory: {memory}, disks: {{root: {{size: 8MiB}}{data}}}{more}"),
        )
    };
    bench.converge(&host, &spec("32MiB", ""), &apply, 1).unwrap();
    host.by_hand(&ByHand::Start("a".to_owned())).unwrap();
    host.by_hand(&ByHand::TakeSnapshot { machine: "a".to_owned(), name: "clean".to_owned() }).unwrap();
    let now = spec("64MiB", ", guestProperties: {/x/one: \"1\"}");
    bench.converge(&host, &now, &apply, 1).unwrap();
    let ask = Ask::Revert("clean".to_owned());
    let should = Arc::new(host.copy().unwrap());
    let ran = bench.run(&should, &now, &ask, Press::Never, false).unwrap();
    assert!(ran.outcome.unwrap().unwrap().failed.is_empty());
    assert_eq!(bench.left(&should, &now, &apply), Vec::<String>::new());
    let asked = should.asked();
    let machine = picture::inventory(&should).machines.values().next().unwrap().clone();
    assert_eq!(machine.state, Some(PowerState::Running), "it ran before");
    let should = picture::of(&should, bench.root());
    for (at, fault) in (0..asked).flat_map(|at| DEATHS.map(|fault| (at, fault))) {
        bench.forget_journals();
        let is = Arc::new(host.copy().unwrap().with_faults(FaultPlan::at(at, fault)));
        let _ = bench.run(&is, &now, &ask, Press::Never, true);
        let is = Arc::new(is.with_faults(FaultPlan::none()));
        let resumed =
            bench.resume(&is, &now).unwrap_or_else(|failure| panic!("{fault:?} at {at}: {failure:?}"));
        let failed = resumed.outcome.map(|outcome| outcome.map(|outcome| outcome.failed));
        assert!(
            failed.is_none_or(|failed| failed.is_ok_and(|failed| failed.is_empty())),
            "{fault:?} at {at}"
        );
        assert_eq!(bench.left(&is, &now, &apply), Vec::<String>::new(), "{fault:?} at {at}");
        let damage = Damage::between(&should, &picture::of(&is, bench.root()));
        assert!(damage.is_none(), "{fault:?} at {at}: {damage:#?}");
    }
}

/// Scenarios of this test, always the same ones. `cargo bench --bench faults` plays as many others as one likes.
const SCENARIOS: u64 = 1000;

#[test]
fn a_thousand_scenarios_lose_nothing() {
    let report = faults::many(1, SCENARIOS, None);
    println!("{report}");
    assert!(report.wrong.is_empty(), "{}", report.wrong.join("\n"));
}

const BEFORE: &str = "\
apiVersion: vboxmcp/v1
kind: Stack
metadata: {name: lab}
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: a}
lifecycle: {onRemove: delete}
spec:
  memory: 32MiB
  controllers: {SATA: {bus: sata, ports: 4}}
  disks: {root: {size: 8MiB}, data: {size: 8MiB, at: \"SATA:2\"}}
  nics: [{nat: {portForwards: {ssh: \"2201:22\"}}}]
  state: running
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: b}
lifecycle: {onRemove: delete}
spec: {disks: {root: {size: 8MiB}}, extraData: {x/one: \"1\"}}
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: c}
lifecycle: {onRemove: delete}
spec: {disks: {root: {size: 8MiB}, log: {size: 8MiB}}}
";

/// Every kind of step: a change that needs a stop, disks that change places, a rename with a new disk, a birth, a deletion.
const AFTER: &str = "\
apiVersion: vboxmcp/v1
kind: Stack
metadata: {name: lab}
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: a}
lifecycle: {onRemove: delete}
spec:
  memory: 64MiB
  controllers: {SATA: {bus: sata, ports: 3}}
  disks: {root: {size: 16MiB}, data: {size: 8MiB, at: \"SATA:0\"}}
  nics: [{nat: {portForwards: {ssh: \"2202:22\"}}}]
  sharedFolders: {site: {hostPath: ./site}}
  state: running
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: d}
lifecycle: {onRemove: delete, renamedFrom: b}
spec: {disks: {root: {size: 8MiB}, more: {size: 8MiB}}, extraData: {x/one: \"2\"}}
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: e}
lifecycle: {onRemove: delete}
spec: {disks: {root: {size: 8MiB}}, guestProperties: {/x/one: \"1\"}, state: paused}
";

const PRUNE: Ask = Ask::Apply { prune: true };

/// A host on which `BEFORE` was applied, and what is there when `AFTER` was applied to it without faults.
fn before_and_after(bench: &Bench) -> (Arc<SimHost>, picture::Picture) {
    let host = Arc::new(bench.host());
    bench.converge(&host, BEFORE, &PRUNE, 1).unwrap();
    let should = Arc::new(host.copy().unwrap());
    let outcome = bench.run(&should, AFTER, &PRUNE, Press::Never, false).unwrap().outcome.unwrap().unwrap();
    assert!(outcome.failed.is_empty() && outcome.blocked == 0, "{outcome:#?}");
    assert_eq!(bench.left(&should, AFTER, &PRUNE), Vec::<String>::new());
    (host, picture::of(&should, bench.root()))
}

#[test]
fn a_run_that_does_everything_twice_ends_the_same() {
    let bench = Bench::new();
    let (host, should) = before_and_after(&bench);
    let is = Arc::new(host.with_faults(FaultPlan::every(Fault::Twice)));
    let outcome = bench.run(&is, AFTER, &PRUNE, Press::Never, false).unwrap().outcome.unwrap().unwrap();
    assert!(outcome.failed.is_empty(), "{outcome:#?}");
    let damage = Damage::between(&should, &picture::of(&is, bench.root()));
    assert!(damage.is_none(), "{damage:#?}");
}

#[test]
fn any_order_that_the_plan_allows_ends_the_same() {
    let bench = Bench::new();
    let (host, should) = before_and_after(&bench);
    let mut orders = BTreeSet::new();
    for seed in 0..20 {
        let is = Arc::new(host.copy().unwrap());
        let order = |plan: &mut Plan| any_order(plan, &mut Dice::new(seed));
        let ran = bench.run_in_order(&is, AFTER, &PRUNE, &order).unwrap();
        let outcome = ran.outcome.unwrap().unwrap();
        assert!(outcome.failed.is_empty(), "seed {seed}: {outcome:#?}");
        orders.insert(ran.plan.steps.iter().map(|step| step.address.to_string()).collect::<Vec<_>>());
        let damage = Damage::between(&should, &picture::of(&is, bench.root()));
        assert!(damage.is_none(), "seed {seed}: {damage:#?}");
    }
    assert!(orders.len() > 10, "they are hardly different: {}", orders.len());
}

/// Puts the steps into an order that their needs allow: each then waits for the one before it.
fn any_order(plan: &mut Plan, dice: &mut Dice) {
    let mut waiting = std::mem::take(&mut plan.steps);
    let mut numbers: BTreeMap<StepId, StepId> = BTreeMap::new();
    while !waiting.is_empty() {
        let ready: Vec<usize> = (0..waiting.len())
            .filter(|index| waiting[*index].needs.iter().all(|need| numbers.contains_key(need)))
            .collect();
        let mut step = waiting.remove(*dice.one(&ready));
        let id = StepId::try_from(plan.steps.len() + 1).unwrap();
        numbers.insert(step.id, id);
        step.id = id;
        step.needs = step.needs.iter().map(|need| numbers[need]).collect();
        if id > 1 && !step.needs.contains(&(id - 1)) {
            step.needs.extend([id - 1]);
        }
        plan.steps.push(step);
    }
}
