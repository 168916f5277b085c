//! What becomes of a run that loses its helper, or the server that its helper is connected to.
//!
//! "In the middle" is made by stopping VirtualBox's server: the helper waits for an answer then, and what it has asked for is done when the
//! server goes on, helper or not.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use uuid::Uuid;
use vboxmcp::host::{ErrorClass, Operate as _};
use vboxmcp::model::{PowerState, Route};

use super::{Side, born, both, data, files, set, settings, staying, unregister};
use crate::home::{Home, eventually, is_running, kill, path, signal};
use crate::lab::Lab;

/// Does something while the server stands still and the helper is killed; then the server goes on.
fn killed_in_the_middle<T>(home: &Home, side: &Side, work: impl FnOnce() -> T) -> T {
    let (server, helper) = (home.server_pid().expect("a server"), side.helper());
    signal(server, "STOP");
    let killer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(400));
        kill(helper);
        thread::sleep(Duration::from_millis(200));
        signal(server, "CONT");
    });
    let result = work();
    killer.join().expect("the helper was killed");
    result
}

pub fn it_dies_in_the_middle_of_a_change(lab: &Lab) {
    let home = lab.home();
    let (native, other) = both(&home, lab);
    let machine = born(&home, "one");
    native.done(&data(machine, "a", Some("b")));
    // One that may be given twice: its outcome is unknown, the next try is VBoxManage's.
    let change = set(machine, &[("memory", json!(48)), ("description", json!("new"))]);
    let error = killed_in_the_middle(&home, &native, || native.perform(&change)).expect_err("it died");
    assert_eq!(error.class(), ErrorClass::Unknown, "{error}");
    let seen = settings(&native, machine);
    let is = |memory: u32, description: &str| {
        seen["memory"] == json!(memory) && seen["description"] == json!(description)
    };
    assert!(is(32, "") || is(48, "new"), "all or nothing: {seen}");
    let before = native.commands();
    native.done(&change);
    assert!(native.commands() > before, "by VBoxManage");
    assert_eq!(settings(&native, machine)["memory"], json!(48));
    // Another machine has a helper again.
    let second = born(&home, "two");
    let before = native.commands();
    native.done(&set(second, &[("memory", json!(40))]));
    assert_eq!((native.commands(), settings(&other, second)["memory"].clone()), (before, json!(40)));
}

pub fn it_dies_in_the_middle_of_a_deletion(lab: &Lab) {
    let home = lab.home();
    let (native, _) = both(&home, lab);
    for round in 0..3 {
        let name = format!("m{round}");
        let machine = born(&home, &name);
        let disk = home.machines().join(&name).join("disk.vdi");
        home.vbox(&["storagectl", &name, "--name", "s", "--add=sata"]).ok();
        home.vbox(&["createmedium", "disk", "--filename", path(&disk), "--size=8"]).ok();
        let medium = ["--storagectl=s", "--port=0", "--type=hdd", "--medium", path(&disk)];
        home.vbox(&[&["storageattach", &name], &medium[..]].concat()).ok();
        let alive = born(&home, &format!("alive{round}"));
        native.done(&data(alive, "a", Some("b")));
        // Whoever ends it, VBoxManage or the server that goes on: nothing is left.
        match killed_in_the_middle(&home, &native, || native.perform(&unregister(machine, true))) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.class(), ErrorClass::Unknown, "{error}"),
        }
        eventually("it is no longer registered", 10, || !native.inventory().machines.contains_key(&machine));
        eventually("nothing is left", 10, || files(&home.machines().join(&name)).is_empty());
        assert!(!home.vbox(&["list", "hdds"]).ok().contains("disk.vdi"));
    }
}

pub fn it_dies_in_the_middle_of_a_birth(lab: &Lab) {
    let home = lab.home();
    let (native, other) = both(&home, lab);
    let machines: Vec<Uuid> = ["one", "two", "three"].iter().map(|name| born(&home, name)).collect();
    for machine in &machines {
        other.done(&unregister(*machine, false));
    }
    let files: Vec<_> = ["one", "two", "three"].map(|name| home.settings(name)).to_vec();
    let alive = born(&home, "alive");
    native.done(&data(alive, "a", Some("b")));
    let answers = killed_in_the_middle(&home, &native, || native.host.register_all(&files));
    let classes: Vec<ErrorClass> = answers
        .expect("by the helper")
        .into_iter()
        .map(|answer| answer.expect_err("it died").class())
        .collect();
    // The first one may have been done; the others were not begun, and may be given again.
    assert_eq!(classes, [ErrorClass::Unknown, ErrorClass::NotExecuted, ErrorClass::NotExecuted]);
    let answers = native.host.register_all(&files[1..]).expect("by another helper");
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let there = native.inventory();
    assert!(machines[1..].iter().all(|machine| there.machines.contains_key(machine)));
}

/// Kills at times that nobody has chosen: a machine is never anything but what it was or what it was to be.
pub fn it_dies_at_any_time(lab: &Lab) {
    let home = lab.home();
    let mut unknown = 0;
    let machines: Vec<Uuid> = (0..12).map(|number| born(&home, &format!("m{number}"))).collect();
    for (number, machine) in (0_u64..).zip(&machines) {
        // A run of its own: one that has lost three goes on without.
        let native = Side::new(&home, lab, Route::Native);
        let helper = native.helper();
        let killer = thread::spawn(move || {
            thread::sleep(Duration::from_micros(300 + 900 * number));
            kill(helper);
        });
        let (mut memory, mut is_locked) = (32, false);
        for next in 33..60 {
            let change = set(*machine, &[("memory", json!(next)), ("graphics.vram", json!(next - 20))]);
            let outcome = native.perform(&change);
            let seen = settings(&native, *machine);
            let now = u32::try_from(seen["memory"].as_u64().expect("a number")).expect("a small one");
            match outcome {
                Ok(_) => assert_eq!(now, next),
                // A machine whose client died while it was locking it stays locked until VirtualBox's server ends (measured: more than
                // 100 s). Nothing is done to it meanwhile, and afterwards it is as any other.
                Err(error) if !is_running(helper) && error.to_string().contains("already locked") => {
                    assert_eq!((error.class(), now), (ErrorClass::WrongState, memory), "{error}");
                    is_locked = true;
                    break;
                }
                Err(error) => {
                    assert_eq!(error.class(), ErrorClass::Unknown, "{error}");
                    assert!(now == memory || now == next, "{now} is neither {memory} nor {next}");
                    unknown += 1;
                }
            }
            if now > 33 {
                assert_eq!(seen["graphics"]["vram"], json!(now - 20), "half a change");
            }
            memory = now;
        }
        killer.join().expect("the helper was killed");
        if is_locked {
            drop(native);
            home.wait_no_server();
            let native = Side::new(&home, lab, Route::Native);
            native.done(&set(*machine, &[("memory", json!(60))]));
            assert_eq!(settings(&native, *machine)["memory"], json!(60));
        }
    }
    assert!(unknown > 0, "no helper died at work");
}

/// Two helpers change machines side by side, and one of them is killed: what it was at is what it was or what it was to be, and the
/// other one goes on.
pub fn either_of_two_dies(lab: &Lab) {
    let home = lab.home();
    let machines: Vec<Uuid> = (0..8).map(|number| born(&home, &format!("m{number}"))).collect();
    for victim in [0, 1] {
        let native = Side::new(&home, lab, Route::Native);
        let half = |odd: usize| {
            let mut failed = 0;
            let mut mine: Vec<Uuid> = machines.iter().skip(odd).step_by(2).copied().collect();
            for next in 33..73 {
                mine.retain(|machine| {
                    let was = settings(&native, *machine)["memory"].clone();
                    let change =
                        set(*machine, &[("memory", json!(next)), ("graphics.vram", json!(next - 20))]);
                    let outcome = native.perform(&change);
                    let seen = settings(&native, *machine);
                    let is_new = seen["memory"] == json!(next);
                    if is_new {
                        assert_eq!(seen["graphics"]["vram"], json!(next - 20), "half a change");
                    }
                    let Err(error) = outcome else {
                        assert!(is_new, "{seen}");
                        return true;
                    };
                    assert!(is_new || seen["memory"] == was, "{error}: {seen}");
                    failed += 1;
                    // One that was being locked stays locked until VirtualBox's server ends.
                    !error.to_string().contains("already locked")
                });
            }
            failed
        };
        let failed: usize = thread::scope(|scope| {
            let halves = [scope.spawn(|| half(0)), scope.spawn(|| half(1))];
            eventually("there are two helpers", 30, || native.host.native().processes().len() == 2);
            thread::sleep(Duration::from_millis(50));
            kill(native.host.native().processes()[victim]);
            halves.into_iter().map(|half| half.join().expect("its changes")).sum()
        });
        // The one that it was at, and that again where it stays locked.
        assert!(failed <= 2, "{failed} changes failed");
        drop(native);
        home.wait_no_server();
        let native = Side::new(&home, lab, Route::Native);
        for machine in &machines {
            native.done(&set(*machine, &[("memory", json!(32)), ("graphics.vram", json!(9))]));
            assert_eq!(settings(&native, *machine)["memory"], json!(32));
        }
    }
}

pub fn the_server_dies(lab: &Lab) {
    let home = lab.home();
    let (native, _) = both(&home, lab);
    let machine = born(&home, "one");
    // Between two actions: another server is started, and another helper for it.
    native.done(&set(machine, &[("memory", json!(40))]));
    let first = native.helper();
    kill(home.server_pid().expect("a server"));
    eventually("it is gone", 10, || !home.has_server());
    let before = native.commands();
    native.done(&set(machine, &[("memory", json!(41))]));
    assert_ne!(native.helper(), first);
    assert_eq!((native.commands() - before, is_running(first)), (0, false));
    assert_eq!(settings(&native, machine)["memory"], json!(41));

    // In the middle of one.
    let server = home.server_pid().expect("a server");
    signal(server, "STOP");
    let killer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(400));
        kill(server);
    });
    let begun = Instant::now();
    let error = native.perform(&set(machine, &[("memory", json!(42))])).expect_err("the server died");
    assert_eq!(error.class(), ErrorClass::Unknown, "{error}");
    assert!(error.to_string().contains("native helper"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    killer.join().expect("the server was killed");
    native.done(&set(machine, &[("memory", json!(42))]));
    assert_eq!(settings(&native, machine)["memory"], json!(42));
}

/// What a helper keeps of a server that is gone is not given back to it.
pub fn the_server_dies_that_states_came_from(lab: &Lab) {
    let home = lab.home();
    let (native, other, machine) = staying(&home, lab);
    assert_eq!(native.inventory().machines[&machine].state, Some(PowerState::Running));
    let helper = native.helper();
    kill(home.server_pid().expect("a server"));
    eventually("it is gone", 10, || !home.has_server());
    home.vbox(&["list", "vms"]).ok();
    let begun = Instant::now();
    let seen = native.inventory();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(seen.machines[&machine].uuid, machine);
    eventually("its helper has ended", 5, || !is_running(helper));
    eventually("both see the same", 30, || native.inventory() == other.inventory());
}

/// A helper that outlived its run would keep VirtualBox's server, and its locks.
pub fn it_goes_with_its_run(lab: &Lab) {
    let home = lab.home();
    let native = Side::new(&home, lab, Route::Native);
    let machine = born(&home, "one");
    native.done(&set(machine, &[("memory", json!(40))]));
    let helper = native.helper();
    native.host.finish();
    assert!(!is_running(helper) && native.host.native().processes().is_empty());
    // The next action has another one.
    native.done(&set(machine, &[("memory", json!(41))]));
    let helper = native.helper();
    drop(native);
    assert!(!is_running(helper));
    home.wait_no_server();
}
