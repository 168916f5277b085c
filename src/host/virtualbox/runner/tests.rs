//! The runner against a shell that behaves as badly as VBoxManage can.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Deadline, Patience, Runner, Sight};
use crate::host::virtualbox::CommandLine;
use crate::host::{ErrorClass, HostError};

fn runner() -> Runner {
    let milliseconds = Duration::from_millis;
    Runner::new("/bin/sh".into(), vec![("VBOX_USER_HOME".into(), "/tmp/home".into())]).with_patience(
        Patience {
            read: vec![milliseconds(300), milliseconds(600)],
            repeatable: vec![milliseconds(300), milliseconds(600)],
            once: milliseconds(300),
            silence: milliseconds(500),
            pauses: vec![milliseconds(1), milliseconds(1)],
            grace: milliseconds(100),
        },
    )
}

fn script(text: &str) -> CommandLine {
    CommandLine::of(["-c", text])
}

/// A script that does something else at its second run.
fn at_first(folder: &tempfile::TempDir, first: &str, then: &str) -> CommandLine {
    let mark = folder.path().join("ran");
    let mark = mark.display();
    script(&format!("if [ -e {mark} ]; then {then}; else touch {mark}; {first}; fi"))
}

#[test]
fn a_program_that_is_not_there_is_unreachable() {
    let error =
        Runner::new(PathBuf::from("/nowhere/VBoxManage"), Vec::new()).read(["list", "vms"]).unwrap_err();
    assert!(matches!(&error, HostError::Spawn { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Unreachable);
}

#[test]
fn it_gets_its_own_locale_and_home_and_no_input() {
    let output = runner().run(&script("echo $LC_ALL $VBOX_USER_HOME; cat"), Deadline::Read).unwrap();
    assert_eq!(output.stdout, "C.UTF-8 /tmp/home\n");
}

#[test]
fn a_system_without_the_locale_has_another() {
    let picky = "if [ $LC_ALL = en_US.UTF-8 ]; then echo done; else \
                 echo 'VBoxManage: fatal error: RTR3Init: VERR_NO_TRANSLATION' >&2; exit 3; fi";
    let runner = runner();
    assert_eq!(runner.run(&script(picky), Deadline::Once).unwrap().stdout, "done\n");
    let none = "echo 'VBoxManage: fatal error: RTR3Init: VERR_NO_TRANSLATION' >&2; exit 3";
    assert_eq!(runner.run(&script(none), Deadline::Once).unwrap_err().class(), ErrorClass::Unreachable);
}

#[test]
fn lines_end_alike_everywhere() {
    let output = runner().run(&script("printf 'a\\r\\nb\\r\\n'"), Deadline::Read).unwrap();
    assert_eq!(output.stdout, "a\nb\n");
}

#[test]
fn a_reading_command_that_stalls_is_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let runner = runner();
    let output = runner.run(&at_first(&folder, "exec sleep 10", "echo done"), Deadline::Read).unwrap();
    assert_eq!((output.stdout.as_str(), runner.spawned()), ("done\n", 2));
}

#[test]
fn a_command_that_hangs_is_ended_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let hang = script(&format!("echo $$ > {}; trap '' TERM; while :; do sleep 0.05; done", pid.display()));
    let mut patience = runner().patience;
    patience.once = Duration::from_millis(400);
    patience.read = vec![Duration::from_millis(100); 2];
    let (runner, started) = (runner().with_patience(patience), Instant::now());
    let error = runner.run(&hang, Deadline::Once).unwrap_err();
    assert!(matches!(error, HostError::Timeout { harmless: false, .. }), "{error}");
    assert_eq!((error.class(), runner.spawned()), (ErrorClass::Unknown, 1));
    assert!(started.elapsed() < Duration::from_secs(10));
    let pid = std::fs::read_to_string(pid).unwrap();
    assert!(!PathBuf::from("/proc").join(pid.trim()).join("exe").exists());
    let error = runner.run(&hang, Deadline::Read).unwrap_err();
    assert_eq!((error.class(), runner.spawned()), (ErrorClass::NotExecuted, 3));
}

#[test]
fn a_long_command_may_take_long_while_it_shows_life() {
    let seen = Mutex::new(Vec::new());
    let slow = script("for p in 0 10 20 50 100; do printf \"$p%%...\" >&2; sleep 0.2; done");
    let note = |percent| seen.lock().unwrap().push(percent);
    runner().run_with_progress(&slow, Deadline::Long, &note).unwrap();
    assert_eq!(*seen.lock().unwrap(), [0, 10, 20, 50, 100]);
    let error = runner().run(&script("echo 0% >&2; sleep 5"), Deadline::Long).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unknown);
}

#[test]
fn a_long_command_that_has_not_begun_is_ended() {
    let started = Instant::now();
    let none = |_| Sight::NotBegun;
    let mut patience = runner().patience;
    patience.silence = Duration::from_secs(20);
    let patient = runner().with_patience(patience);
    let error = patient.run_in_sight(&script("exec sleep 10"), &|_| {}, &none).unwrap_err();
    assert!(matches!(error, HostError::Timeout { harmless: false, .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
    // One of which something is to be seen is left at work.
    let works = script("sleep 0.4; echo done");
    assert_eq!(runner().run_in_sight(&works, &|_| {}, &|_| Sight::Begun).unwrap().stdout, "done\n");
}

#[test]
fn a_long_command_that_is_over_is_not_waited_for() {
    let started = Instant::now();
    let sight = |percent| if percent == Some(100) { Sight::Over } else { Sight::Begun };
    let sleeps = script("echo 100% >&2; exec sleep 10");
    assert_eq!(runner().run_in_sight(&sleeps, &|_| {}, &sight).unwrap().stderr, "100%\n");
    assert!(started.elapsed() < Duration::from_secs(5));
    // What it said went wrong did.
    let failed = script("echo 'VBoxManage: error: no' >&2; printf '100%%' >&2; exec sleep 10");
    assert!(runner().run_in_sight(&failed, &|_| {}, &sight).is_err());
}

#[test]
fn a_server_left_behind_keeps_nobody_waiting() {
    let started = Instant::now();
    let output = runner().run(&script("sleep 3 & echo done"), Deadline::Once).unwrap();
    assert_eq!(output.stdout, "done\n");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn what_was_not_begun_is_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let failure = "echo 'VBoxManage: error: Failed to create the VirtualBox object!' >&2; exit 1";
    let runner = runner();
    runner.run(&at_first(&folder, failure, "echo done"), Deadline::Once).unwrap();
    assert_eq!(runner.spawned(), 2);
    let error = runner.run(&script(failure), Deadline::Once).unwrap_err();
    assert_eq!((error.class(), runner.spawned()), (ErrorClass::NotExecuted, 5));
}

#[test]
fn cancelling_ends_the_waiting_and_not_the_command() {
    let mut patience = runner().patience;
    patience.pauses = vec![Duration::from_mins(1)];
    let runner = Arc::new(runner().with_patience(patience));
    let waiting = Arc::clone(&runner);
    let thread = std::thread::spawn(move || {
        let failure = "echo 'VBoxManage: error: Failed to create the VirtualBox object!' >&2; exit 1";
        waiting.run(&script(failure), Deadline::Once).unwrap_err().class()
    });
    while runner.spawned() == 0 {
        std::thread::yield_now();
    }
    runner.cancel();
    assert_eq!(thread.join().unwrap(), ErrorClass::NotExecuted);
    assert!(runner.run(&script("sleep 0.1; echo done"), Deadline::Once).is_ok());
    let started = Instant::now();
    let long = runner.run(&script("exec sleep 5"), Deadline::Long).unwrap_err();
    assert!(matches!(long, HostError::Cancelled) && started.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_signal_and_a_false_success_leave_the_outcome_open() {
    let killed = runner().run(&script("kill -TRAP $$"), Deadline::Once).unwrap_err();
    assert_eq!(killed.class(), ErrorClass::Unknown);
    let lied = runner().run(&script("echo 'VBoxManage: error: Invalid NIC number 9' >&2"), Deadline::Once);
    let lied = lied.unwrap_err();
    assert!(matches!(&lied, HostError::Refused { status: Some(0), .. }), "{lied:?}");
}

#[test]
fn everybody_can_be_told_of_every_process() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&seen);
    let runner = runner().with_trace(Box::new(move |line| note.lock().unwrap().push(line.to_string())));
    runner.run(&script("true"), Deadline::Read).unwrap();
    assert_eq!(*seen.lock().unwrap(), ["VBoxManage -c true"]);
}

#[test]
fn what_no_system_can_pass_on_is_refused_before() {
    let runner = runner();
    let error =
        runner.run(&CommandLine::of(["setextradata"]).arg("x".repeat(200_000)), Deadline::Once).unwrap_err();
    assert!(matches!(&error, HostError::Unsupported { .. }), "{error}");
    assert_eq!(runner.spawned(), 0);
}
