//! Scenarios in which something goes wrong, and single cases that they taught.

use std::sync::Arc;

use vboxmcp::host::sim::{Fault, FaultPlan};

use crate::faults::bench::{Ask, Bench, Press};
use crate::faults::many;
use crate::faults::picture;

/// Fixed, so that a run can be repeated; `cargo bench --bench faults -- --seed N` takes others.
const SEED: u64 = 1;

/// Two of each kind of trouble: without optimisation more would take minutes.
const SCENARIOS: u64 = 58;

#[test]
fn whatever_goes_wrong_the_next_runs_end_where_they_would_have_without_it() {
    let report = many(SEED, SCENARIOS, None);
    assert!(report.wrong.is_empty(), "{}\n{report}", report.wrong[..report.wrong.len().min(3)].join("\n"));
}

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
    let nothing = picture::of(&host, bench.root());
    bench.converge(&host, TWO_DISKS, &Ask::Apply { prune: false }, 1).unwrap();
    let ask = Ask::Destroy { all: false };
    // The machine is gone then, and one of its disks is.
    let cut = Arc::new(host.with_faults(FaultPlan::at(0, Fault::FailedHalfway)));
    let outcome = bench.run(&cut, TWO_DISKS, &ask, Press::Never, false).unwrap().outcome.unwrap().unwrap();
    assert_eq!(outcome.failed.len(), 1, "{outcome:?}");
    assert!(outcome.failed[0].errors.iter().any(|error| error.contains("still registered")), "{outcome:?}");
    assert_eq!(bench.converge(&host, TWO_DISKS, &ask, 2), Ok(1));
    assert_eq!(picture::of(&host, bench.root()), nothing);
}
