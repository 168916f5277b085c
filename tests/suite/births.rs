//! Births that were cut short: finished by the next run, or cleared up by `destroy`.

use std::sync::Arc;

use vboxmcp::host::sim::{ByHand, Fault, FaultPlan};

use crate::faults::bench::{Ask, Bench, Press};
use crate::faults::picture::{self, Damage};
use crate::faults_suite::{machine, things};

#[test]
fn a_birth_that_was_cut_short_anywhere_is_finished_under_a_new_name() {
    let bench = Bench::new();
    let empty = bench.host();
    let ask = Ask::Apply { prune: false };
    let spec = "disks: {root: {size: 8MiB}, log: {size: 8MiB, format: vmdk}}, nics: [], ioapic: true";
    let one = machine("metadata: {name: b}\n", spec);
    let two = machine("metadata: {name: e}\nlifecycle: {renamedFrom: b}\n", spec);
    let fresh = Arc::new(empty.copy().unwrap());
    bench.converge(&fresh, &machine("metadata: {name: e}\n", spec), &ask, 1).unwrap();
    let should = picture::of(&fresh, bench.root());
    let actions = fresh.asked();
    for (at, fault) in
        (0..actions).flat_map(|at| [Fault::DiesBefore, Fault::DiesAfterwards].map(|fault| (at, fault)))
    {
        let host = Arc::new(empty.copy().unwrap().with_faults(FaultPlan::at(at, fault)));
        let _ = bench.run(&host, &one, &ask, Press::Never, false);
        let host = Arc::new(host.with_faults(FaultPlan::none()));
        assert_eq!(bench.converge(&host, &two, &ask, 1), Ok(1), "{fault:?} at {at}");
        let damage = Damage::between(&should, &picture::of(&host, bench.root()));
        assert!(damage.is_none(), "{fault:?} at {at}: {damage:#?}");
    }
}

#[test]
fn machines_that_are_born_whole_end_as_those_that_are_made_step_by_step_whatever_goes_wrong() {
    let bench = Bench::new();
    let ask = Ask::Apply { prune: false };
    let documents = ["a", "b", "c"].map(|name| {
        let spec = format!(
            "memory: 64MiB, disks: {{root: {{size: 8MiB}}, log: {{size: 8MiB}}}}, nics: [{{nat: {{portForwards: {{ssh: \"{}:22\"}}}}}}], extraData: {{x/y: z}}",
            2200 + usize::from(name.as_bytes()[0])
        );
        format!("---\napiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n")
    });
    let text =
        format!("apiVersion: vboxmcp/v1\nkind: Stack\nmetadata: {{name: lab}}\n{}", documents.concat());
    let step_by_step = Arc::new(bench.host());
    bench.converge(&step_by_step, &text, &ask, 1).unwrap();
    let things = |host: &_| things(host, &bench);
    let should = things(&step_by_step);
    let whole = Arc::new(bench.host().with_births(2));
    bench.converge(&whole, &text, &ask, 1).unwrap();
    assert_eq!(things(&whole), should);
    let actions = whole.asked();
    assert!(actions < step_by_step.asked() / 3, "{actions}");
    let faults = Fault::ALL.into_iter().filter(|fault| !fault.waits());
    for (fault, at) in faults.flat_map(|fault| (0..actions).map(move |at| (fault, at))) {
        let host = Arc::new(bench.host().with_births(2).with_faults(FaultPlan::at(at, fault)));
        let _ = bench.run(&host, &text, &ask, Press::Never, false);
        let host = Arc::new(host.with_faults(FaultPlan::none()));
        bench.converge(&host, &text, &ask, 3).unwrap_or_else(|error| panic!("{fault:?} at {at}: {error}"));
        assert_eq!(things(&host), should, "{fault:?} at {at}");
    }
}

#[test]
fn destroy_leaves_nothing_of_a_birth_that_was_cut_short() {
    let bench = Bench::new();
    let apply = Ask::Apply { prune: false };
    let destroy = Ask::Destroy { all: true };
    let text = machine("metadata: {name: a}\n", "disks: {root: {size: 8MiB}, log: {size: 8MiB}}");
    let things = |host: &_| things(host, &bench);
    let nothing = things(&Arc::new(bench.host()));
    for births in [0, 2] {
        let whole = Arc::new(bench.host().with_births(births));
        bench.converge(&whole, &text, &apply, 1).unwrap();
        // VirtualBox chooses the UUID of a disk that it makes: nobody knows one whose making was cut short from one of somebody else's.
        let is_halfway = |fault: &Fault| matches!(fault, Fault::FailedHalfway | Fault::DiesHalfway);
        let faults =
            Fault::ALL.into_iter().filter(|fault| !fault.waits() && (births > 0 || !is_halfway(fault)));
        for (fault, at) in faults.flat_map(|fault| (0..whole.asked()).map(move |at| (fault, at))) {
            let host = Arc::new(bench.host().with_births(births).with_faults(FaultPlan::at(at, fault)));
            let _ = bench.run(&host, &text, &apply, Press::Never, false);
            let host = Arc::new(host.with_faults(FaultPlan::none()));
            bench
                .converge(&host, &text, &destroy, 2)
                .unwrap_or_else(|error| panic!("{fault:?} at {at}: {error}"));
            let damage = Damage::between(&nothing, &things(&host));
            assert!(damage.is_none(), "births {births}: {fault:?} at {at}: {damage:#?}");
        }
    }
}

#[test]
fn a_machine_that_has_run_since_its_birth_was_cut_short_stays() {
    let bench = Bench::new();
    let text = machine("metadata: {name: a}\n", "disks: {root: {size: 8MiB}}");
    // All of it is there and nobody has said so: the last write of the register was not made.
    let asked = {
        let whole = Arc::new(bench.host().with_births(2));
        bench.converge(&whole, &text, &Ask::Apply { prune: false }, 1).unwrap();
        whole.asked()
    };
    for did in ["nothing", "start", "snapshot"] {
        let faults = FaultPlan::at(asked - 1, Fault::DiesBefore);
        let host = Arc::new(bench.host().with_births(2).with_faults(faults));
        let _ = bench.run(&host, &text, &Ask::Apply { prune: false }, Press::Never, false);
        let host = Arc::new(host.with_faults(FaultPlan::none()));
        let name = "a".to_owned();
        match did {
            "start" => {
                host.by_hand(&ByHand::Start(name.clone())).unwrap();
                host.by_hand(&ByHand::PowerOff(name.clone())).unwrap();
            }
            "snapshot" => {
                host.by_hand(&ByHand::TakeSnapshot { machine: name.clone(), name: "s".to_owned() }).unwrap();
            }
            _ => {}
        }
        host.by_hand(&ByHand::Unregister { machine: name, delete: false }).unwrap();
        let before = picture::of(&host, bench.root());
        let _ = bench.run(&host, &text, &Ask::Destroy { all: true }, Press::Never, false);
        let after = picture::of(&host, bench.root());
        let is_left = after.keys().any(|key| key.ends_with("/machines/a/a.vbox"));
        assert_eq!(is_left, did != "nothing", "{did}: {before:?} {after:?}");
        assert_eq!(
            after.keys().any(|key| key.ends_with("/machines/a/root.vdi")),
            is_left,
            "{did}: {after:?}"
        );
        // Neither does an apply make it anew over what is there.
        if is_left {
            let _ = bench.run(&host, &text, &Ask::Apply { prune: false }, Press::Never, false);
            let now = picture::of(&host, bench.root());
            let of_machine = |key: &&String| key.contains("/machines/a/");
            assert!(now.keys().filter(of_machine).eq(before.keys().filter(of_machine)), "{did}: {now:?}");
            assert!(picture::inventory(&host).machines.is_empty(), "{did}");
        }
    }
}

#[test]
fn what_a_birth_left_is_cleared_up_by_the_destroy_that_comes_through() {
    let bench = Bench::new();
    let text = machine("metadata: {name: a}\n", "disks: {root: {size: 8MiB}}");
    let half = Arc::new(bench.host().with_births(2).with_faults(FaultPlan::at(1, Fault::DiesHalfway)));
    let _ = bench.run(&half, &text, &Ask::Apply { prune: false }, Press::Never, false);
    let is_left = |host: &_| picture::of(host, bench.root()).keys().any(|key| key.contains("/machines/a"));
    assert!(is_left(&Arc::new(half.with_faults(FaultPlan::none()))));
    let destroy = Ask::Destroy { all: true };
    for fault in Fault::ALL.into_iter().filter(|fault| !fault.waits()) {
        let copy = half.copy().unwrap();
        let first = Arc::new(copy.with_faults(FaultPlan::every(fault)));
        let _ = bench.run(&first, &text, &destroy, Press::Never, false);
        let host = Arc::new(first.with_faults(FaultPlan::none()));
        bench.converge(&host, &text, &destroy, 2).unwrap();
        assert!(!is_left(&host), "{fault:?}");
    }
}

#[test]
fn a_disk_that_the_manifest_no_longer_names_is_cleared_up_with_the_birth() {
    let bench = Bench::new();
    let of = |disks: &str| machine("metadata: {name: a}\n", &format!("disks: {{{disks}}}"));
    let both = of("root: {size: 8MiB}, log: {size: 8MiB}");
    for later in [of("root: {size: 8MiB}"), of("root: {size: 8MiB, location: elsewhere.vdi}"), of("")] {
        let half = Arc::new(bench.host().with_births(2).with_faults(FaultPlan::at(1, Fault::DiesHalfway)));
        let _ = bench.run(&half, &both, &Ask::Apply { prune: false }, Press::Never, false);
        let host = Arc::new(half.with_faults(FaultPlan::none()));
        assert!(picture::of(&host, bench.root()).keys().any(|key| key.contains("/machines/a/log.vdi")));
        bench.converge(&host, &later, &Ask::Destroy { all: true }, 2).unwrap();
        let left = picture::of(&host, bench.root());
        assert!(!left.keys().any(|key| key.contains("/machines/a")), "{later}: {left:?}");
    }
}
