//! Single cases that the scenarios of `cargo bench --bench faults` taught.

use std::sync::Arc;

use vboxmcp::host::sim::{Fault, FaultPlan};

use crate::faults::bench::{Ask, Bench, Press};
use crate::faults::picture;

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
