//! Single machines are told what to do, on a real VirtualBox.

use std::fs;

use crate::Test;
use crate::home::path;
use crate::lab::Lab;

pub const TESTS: &[Test] =
    &[("a_machine_goes_through_all_its_states", a_machine_goes_through_all_its_states)];

const MANIFEST: &str = "\
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: web}
spec: {osType: Other, memory: 32MiB}
";

fn a_machine_goes_through_all_its_states(lab: &Lab) {
    let home = lab.home();
    let manifest = home.scratch().join("lab.yaml");
    fs::write(&manifest, MANIFEST).expect("a manifest in the scratch folder");
    let said = home.vboxmcp(&["apply", path(&manifest), "--yes"]);
    assert_eq!(said.code, Some(0), "{said:?}");

    let steps: [(&[&str], &str); 9] = [
        (&["start", "web"], "running"),
        (&["pause", "web", "--allow", "downtime"], "paused"),
        (&["resume", "web"], "running"),
        (&["reset", "web", "--allow", "power-cut"], "running"),
        (&["save", "vm/web", "--allow", "downtime"], "saved"),
        (&["resume", "w*"], "running"),
        // It has no operating system that would hear the power button.
        (&["restart", "web", "--allow", "downtime,power-cut", "--stop-timeout", "1"], "running"),
        (&["stop", "web", "--allow", "downtime,power-cut", "--stop-timeout", "1"], "poweroff"),
        (&["start", "web"], "running"),
    ];
    for (words, state) in steps {
        let said = home.vboxmcp(&[words, &["--yes"]].concat());
        assert_eq!(said.code, Some(0), "{words:?}: {said:?}");
        assert_eq!(home.state("web"), state, "{words:?}");
    }

    // A snapshot of a guest that runs on, and one of the machine when it is off.
    let pid = home.vm_pid("web");
    let said = home.vboxmcp(&["snapshot", "live", "web", "--description", "it runs", "--yes"]);
    assert_eq!((said.code, home.state("web").as_str()), (Some(0), "running"), "{said:?}");
    assert!(pid.is_some() && home.vm_pid("web") == pid, "the guest is another one");
    let said = home.vboxmcp(&["snapshot", "live", "web", "--yes"]);
    assert_eq!(said.code, Some(11), "a second one of the name: {said:?}");
    let tree = home.vbox(&["snapshot", "web", "list", "--machinereadable"]).ok();
    assert_eq!(tree.lines().filter(|line| line.starts_with("SnapshotName")).count(), 1, "{tree}");

    let said = home.vboxmcp(&["stop", "web", "--allow", "downtime", "--stop-timeout", "1", "--yes"]);
    assert_eq!(said.code, Some(6), "a guest that does not obey is not switched off: {said:?}");
    assert_eq!(home.state("web"), "running");

    home.vbox(&["createvm", "--name", "stranger", "--register"]).ok();
    let said = home.vboxmcp(&["start", "stranger", "--yes"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert_eq!(home.state("stranger"), "poweroff");
}
