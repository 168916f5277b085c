//! The laboratory itself: what other tests take for granted.

use std::thread;
use std::time::Duration;

use crate::Test;
use crate::guest::Guest;
use crate::home::{eventually, is_running};
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("virtualbox_answers", virtualbox_answers),
    ("vboxmcp_starts", vboxmcp_starts),
    ("each_home_is_alone", each_home_is_alone),
    ("a_machine_lives", a_machine_lives),
    ("a_guest_obeys_acpi", a_guest_obeys_acpi),
    ("a_guest_ignores_acpi", a_guest_ignores_acpi),
    ("nothing_stays_behind", nothing_stays_behind),
];

fn virtualbox_answers(lab: &Lab) {
    let home = lab.home();
    let version = home.vbox(&["--version"]).ok();
    assert!(version.starts_with("7."), "{version}");
    let folder = home.vbox(&["list", "systemproperties"]).ok();
    assert!(folder.contains(crate::home::path(&home.machines())), "{folder}");
    let refused = home.vbox(&["showvminfo", "nobody"]);
    assert!(!refused.is_success());
    assert!(refused.stderr.contains("Could not find a registered machine named 'nobody'"), "{refused:?}");
}

fn vboxmcp_starts(lab: &Lab) {
    let said = lab.home().vboxmcp(&["--version"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

fn each_home_is_alone(lab: &Lab) {
    let (one, other) = (lab.home(), lab.home());
    one.vbox(&["createvm", "--name=a", "--ostype=Other", "--register"]).ok();
    assert!(one.settings("a").is_file());
    assert!(one.vbox(&["list", "vms"]).ok().starts_with("\"a\""));
    assert_eq!(other.vbox(&["list", "vms"]).ok(), "");
    assert_ne!(one.server_pid(), other.server_pid());
}

fn a_machine_lives(lab: &Lab) {
    let home = lab.home();
    let machine = Guest::ObeysAcpi.machine(&home, "lives");
    let (vm, control) = (machine.uuid.as_str(), |verb| home.vbox(&["controlvm", &machine.uuid, verb]).ok());
    assert_eq!(home.state(vm), "poweroff");
    machine.start(&home);
    assert_eq!(home.state(vm), "running");
    assert!(home.vm_pid(vm).is_some());
    control("pause");
    assert_eq!(home.state(vm), "paused");
    control("resume");
    home.vbox(&["snapshot", vm, "take", "live", "--live"]).ok();
    home.save_state(vm);
    assert_eq!(home.vm_pid(vm), None);
    home.vbox(&["startvm", vm, "--type=headless"]).ok();
    assert_eq!(home.state(vm), "running");
    control("poweroff");
    assert_eq!(home.state(vm), "poweroff");
}

fn a_guest_obeys_acpi(lab: &Lab) {
    let home = lab.home();
    let machine = Guest::ObeysAcpi.machine(&home, "obeys");
    machine.start(&home);
    home.vbox(&["controlvm", &machine.uuid, "acpipowerbutton"]).ok();
    eventually("the guest switches itself off", 30, || home.state(&machine.uuid) == "poweroff");
}

fn a_guest_ignores_acpi(lab: &Lab) {
    let home = lab.home();
    let machine = Guest::IgnoresAcpi.machine(&home, "ignores");
    machine.start(&home);
    home.vbox(&["controlvm", &machine.uuid, "acpipowerbutton"]).ok();
    thread::sleep(Duration::from_secs(3));
    assert_eq!(home.state(&machine.uuid), "running");
}

fn nothing_stays_behind(lab: &Lab) {
    let home = lab.home();
    home.vbox(&["createvm", "--name=runs", "--ostype=Other", "--register"]).ok();
    home.vbox(&["startvm", "runs", "--type=headless"]).ok();
    let uuid = home.info("runs", "UUID").expect("it has one");
    let processes = [home.server_pid().expect("a server"), home.vm_pid(&uuid).expect("a machine")];
    let folder = home.virtualbox();
    drop(home);
    eventually("the processes are gone", 10, || !processes.into_iter().any(is_running));
    assert!(!folder.exists());

    let home = lab.home();
    home.vbox(&["list", "vms"]).ok();
    assert!(home.has_server());
    home.wait_no_server();
}
