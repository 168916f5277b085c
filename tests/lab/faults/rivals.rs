//! Other people at work: another client of VirtualBox, another vboxmcp.

use std::fs;
use std::process::Stdio;

use super::meddler::meddler;
use super::{ONE, converges, expect, is_settled, write};
use crate::Test;
use crate::home::{eventually, path};
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("a_value_that_moves_after_the_plan_is_named", a_value_that_moves_after_the_plan_is_named),
    ("a_value_that_moves_during_the_run_ends_its_step", a_value_that_moves_during_the_run_ends_its_step),
    ("a_machine_that_somebody_starts_during_the_run", a_machine_that_somebody_starts_during_the_run),
    ("a_name_that_somebody_takes_during_the_run", a_name_that_somebody_takes_during_the_run),
    ("a_second_run_says_who_holds_the_lock", a_second_run_says_who_holds_the_lock),
    ("complaint_the_session_is_still_locked", complaint_the_session_is_still_locked),
    ("complaint_parallel_work_breaks", complaint_parallel_work_breaks),
];

fn a_value_that_moves_after_the_plan_is_named(lab: &Lab) {
    let home = lab.home();
    let file = write(&home, ONE);
    converges(&home, &file);
    home.vbox(&["createvm", "--name=stranger", "--ostype=Other", "--register"]).ok();
    write(&home, &ONE.replace("32MiB", "40MiB"));
    let plan = home.scratch().join("lab.plan");
    expect(home.vboxmcp(&["plan", path(&file), "--out", path(&plan)]), 0, &[]);
    home.vbox(&["guestproperty", "set", "one", "/some/property", "1"]).ok();
    home.vbox(&["modifyvm", "stranger", "--memory", "16"]).ok();
    home.vbox(&["modifyvm", "one", "--memory", "36"]).ok();
    let said = ["the plan is stale, nothing was done", "vm/one memory: was 32, is 36"];
    expect(home.vboxmcp(&["apply", "--plan", path(&plan)]), 4, &said[..1]);
    assert_eq!(home.info("one", "memory").as_deref(), Some("36"));
    home.vbox(&["modifyvm", "one", "--memory", "32"]).ok();
    expect(home.vboxmcp(&["apply", "--plan", path(&plan)]), 0, &[]);
    assert_eq!(home.info("one", "memory").as_deref(), Some("40"));
    is_settled(&home, &file);
}

fn a_value_that_moves_during_the_run_ends_its_step(lab: &Lab) {
    let home = lab.home();
    let two = format!("{ONE}---\n{}", ONE.split("---\n").nth(1).expect("a machine").replace("one", "two"));
    let file = write(&home, &two);
    converges(&home, &file);
    write(&home, &two.replace("32MiB", "40MiB"));
    // While the first machine is changed, somebody else changes the second.
    let program = meddler(&home, lab.vboxmanage(), "modifyvm", "VBoxManage modifyvm two --memory 36");
    let arguments = ["apply", path(&file), "--yes", "--route=vboxmanage", "--vboxmanage", path(&program)];
    expect(
        home.vboxmcp(&arguments),
        6,
        &["memory was 32 and is 36 now", "somebody else changed it meanwhile"],
    );
    assert_eq!(home.info("one", "memory").as_deref(), Some("40"));
    assert_eq!(home.info("two", "memory").as_deref(), Some("36"));
    converges(&home, &file);
    assert_eq!(home.info("two", "memory").as_deref(), Some("40"));
}

fn a_machine_that_somebody_starts_during_the_run(lab: &Lab) {
    let home = lab.home();
    let two = format!("{ONE}---\n{}", ONE.split("---\n").nth(1).expect("a machine").replace("one", "two"));
    let file = write(&home, &two);
    converges(&home, &file);
    for (memory, somebody, said) in [
        ("36MiB", "VBoxManage startvm two --type=headless", "its state was off and is running now"),
        (
            "40MiB",
            "VBoxManage startvm two --type=headless && VBoxManage controlvm two savestate",
            "its state was off and is saved now",
        ),
    ] {
        write(&home, &two.replace("32MiB", memory));
        let program = meddler(&home, lab.vboxmanage(), "modifyvm", somebody);
        let arguments = ["apply", path(&file), "--yes", "--route=vboxmanage", "--vboxmanage", path(&program)];
        expect(home.vboxmcp(&arguments), 6, &[said, "somebody else changed it meanwhile"]);
        if memory == "36MiB" {
            home.vbox(&["controlvm", "two", "poweroff"]).ok();
        } else {
            home.vbox(&["discardstate", "two"]).ok();
        }
        converges(&home, &file);
    }
}

fn a_name_that_somebody_takes_during_the_run(lab: &Lab) {
    let home = lab.home();
    let file = write(&home, ONE);
    let program = meddler(
        &home,
        lab.vboxmanage(),
        "setextradata",
        "VBoxManage createvm --name=one --ostype=Other --register",
    );
    let arguments = ["apply", path(&file), "--yes", "--route=vboxmanage", "--vboxmanage", path(&program)];
    // It is seen before the action, or VirtualBox refuses the action: that depends on who is faster.
    expect(home.vboxmcp(&arguments), 6, &["somebody else changed it meanwhile"]);
    assert_eq!(home.vbox(&["list", "vms"]).ok().lines().count(), 1);
    // It is theirs, and stays so.
    expect(
        home.vboxmcp(&["apply", path(&file), "--yes"]),
        11,
        &["that no stack owns", "vboxmcp adopt vm/one"],
    );
    home.vbox(&["unregistervm", "one", "--delete"]).ok();
    converges(&home, &file);
}

fn a_second_run_says_who_holds_the_lock(lab: &Lab) {
    let home = lab.home();
    let file = write(&home, ONE);
    let hold = home.scratch().join("hold");
    fs::write(&hold, "").expect("a file");
    let script = format!("while [ -e '{}' ]; do sleep 0.05; done", path(&hold));
    let program = meddler(&home, lab.vboxmanage(), "createvm", &script);
    let mut first = home
        .command(env!("CARGO_BIN_EXE_vboxmcp"))
        .args(["apply", path(&file), "--yes", "--route=vboxmanage", "--vboxmanage", path(&program)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("vboxmcp can be started");
    eventually("the first run is at work", 30, || !home.scratch().join("meddler/order").exists());
    let who = format!("(process {})", first.id());
    expect(home.vboxmcp(&["apply", path(&file), "--yes"]), 9, &["another run holds", &who, "--lock-timeout"]);
    // Planning waits for nobody.
    expect(home.vboxmcp(&["plan", path(&file)]), 0, &[]);
    fs::remove_file(&hold).expect("the file");
    // What it waited for has moved the host: the plan is another one.
    let second = home.vboxmcp(&["apply", path(&file), "--yes", "--lock-timeout", "60"]);
    assert!(matches!(second.code, Some(0 | 4)), "{second:?}");
    assert!(first.wait().expect("its end").success());
    is_settled(&home, &file);
}

/// "The machine is locked by a session": right behind its end a machine's process still holds it. Nobody has to sleep.
fn complaint_the_session_is_still_locked(lab: &Lab) {
    let home = lab.home();
    let file = write(&home, ONE);
    converges(&home, &file);
    for (round, route) in ["native", "vboxmanage", "native", "vboxmanage"].into_iter().enumerate() {
        home.vbox(&["startvm", "one", "--type=headless"]).ok();
        let memory = format!("{}MiB", 36 + 4 * round);
        write(&home, &ONE.replace("32MiB", &memory));
        home.vbox(&["controlvm", "one", "poweroff"]).ok();
        expect(home.vboxmcp(&["apply", path(&file), "--yes", "--route", route]), 0, &[]);
        is_settled(&home, &file);
    }
}

/// "Parallel imports fail": two stacks are applied to one VirtualBox in the same moment, and both come to their end.
fn complaint_parallel_work_breaks(lab: &Lab) {
    let home = lab.home();
    let stack = |name: &str| {
        let text = ONE.replace("faults", name).replace("{name: one}", &format!("{{name: {name}-web}}"));
        let file = home.scratch().join(format!("{name}.yaml"));
        fs::write(&file, text.replace("  disks:", "  replicas: 6\n  disks:")).expect("a manifest");
        file
    };
    let files = [stack("left"), stack("right")];
    for verb in [&["apply"][..], &["destroy", "--allow", "destroy-data"]] {
        let runs = files.each_ref().map(|file| {
            let name = file.file_stem().and_then(|stem| stem.to_str()).expect("its name");
            let consent: &[&str] = if verb[0] == "destroy" { &["--confirm", name] } else { &[] };
            home.command(env!("CARGO_BIN_EXE_vboxmcp"))
                .args(verb)
                .args([path(file), "--yes", "--quiet", "--lock-timeout", "60"])
                .args(consent)
                .stdout(Stdio::null())
                .spawn()
                .expect("vboxmcp can be started")
        });
        for (mut run, file) in runs.into_iter().zip(&files) {
            assert!(run.wait().expect("its end").success(), "{verb:?} {}", file.display());
        }
        let left = home.vbox(&["list", "vms"]).ok().lines().count();
        assert_eq!(left, if verb[0] == "apply" { 12 } else { 0 });
    }
}
