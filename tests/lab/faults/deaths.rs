//! Processes that end in the middle: a command that outlives its run, VirtualBox's server with machines that run.

use std::fs;

use super::meddler::meddler;
use super::{ONE, converges, expect, is_settled, write};
use crate::Test;
use crate::home::{eventually, is_running, kill, path};
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("a_command_of_a_killed_run_is_waited_for", a_command_of_a_killed_run_is_waited_for),
    ("the_server_dies_under_machines_that_run", the_server_dies_under_machines_that_run),
];

/// The run is killed while its VBoxManage sleeps (as VirtualBox's clients now and then do); the next one must not begin before it.
fn a_command_of_a_killed_run_is_waited_for(lab: &Lab) {
    let home = lab.home();
    let file = write(&home, ONE);
    let program = meddler(&home, lab.vboxmanage(), "createvm", "kill -KILL $PPID; sleep 3");
    let died =
        home.vboxmcp(&["apply", path(&file), "--yes", "--route=vboxmanage", "--vboxmanage", path(&program)]);
    assert_eq!(died.code, None, "{died:?}");
    assert_eq!(home.vbox(&["list", "vms"]).ok(), "");
    // With another plan for the same machine: what the first run began would be in its way.
    let other = write(&home, &ONE.replace("32MiB", "40MiB"));
    converges(&home, &other);
    assert_eq!(home.vbox(&["list", "vms"]).ok().lines().count(), 1);
    let runs = expect(home.vboxmcp(&["runs", "list"]), 0, &["died", "done"]);
    assert_eq!(runs.stdout.matches("died").count(), 1, "{runs:?}");
}

/// Machines die with the server, some seconds later.
fn the_server_dies_under_machines_that_run(lab: &Lab) {
    let home = lab.home();
    let text = ONE.replace("memory: 32MiB", "memory: 32MiB\n  state: running");
    let file = write(&home, &text);
    converges(&home, &file);
    let disk = fs::metadata(home.machines().join("one/root.vdi")).expect("the disk").len();
    let uuid = home.info("one", "UUID").expect("a UUID");
    let machine = home.vm_pid(&uuid).expect("the machine's process");
    kill(home.server_pid().expect("a server"));
    eventually("the machine dies with the server", 60, || !is_running(machine));
    converges(&home, &file);
    assert_eq!(home.state("one"), "running");
    assert_eq!(home.info("one", "UUID").as_deref(), Some(&*uuid));
    assert_eq!(fs::metadata(home.machines().join("one/root.vdi")).expect("the disk").len(), disk);
    is_settled(&home, &file);
}
