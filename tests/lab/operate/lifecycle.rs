//! States, and what happens in them.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;
use vboxmcp::host::{ErrorClass, HostError, Inspect as _, Operate as _, Want};
use vboxmcp::inventory::Mark;
use vboxmcp::model::{Address, PowerState, StackName};
use vboxmcp::plan::{Action, Target};

use super::{Stage, create, live, modify, perform};
use crate::guest::Guest;
use crate::lab::Lab;

fn action(machine: Uuid, make: impl Fn(Target) -> Action) -> Action {
    make(Target::Existing(machine))
}

fn start(machine: Uuid) -> Action {
    action(machine, |machine| Action::Start { machine })
}

fn power_cut(machine: Uuid) -> Action {
    action(machine, |machine| Action::PowerCut { machine })
}

pub fn live_settings(lab: &Lab) {
    let stage = Stage::new(lab);
    let uuid = stage.machine("live");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    stage.set(
        uuid,
        &[
            ("nics.1", json!({"mode": "nat", "nat": {"portForwards": {"old": format!("{port}:1")}}})),
            ("nics.2", json!({"mode": "unattached"})),
            ("serialPorts.1", json!({"ioBase": 1016, "irq": 4, "mode": "disconnected"})),
        ],
    );
    stage.done(&start(uuid));
    assert_eq!(stage.read(uuid).state, Some(PowerState::Running));
    let process = stage.home.vm_pid(&uuid.to_string());
    assert!(process.is_some());
    let set = [
        ("nics.1.nat.portForwards.old", Value::Null),
        ("nics.1.nat.portForwards.new", json!(format!("{port}:2"))),
        ("nics.1.cable", json!(false)),
        ("nics.1.promiscuous", json!("allow-all")),
        ("nics.2.mode", json!("nat")),
        ("cpuExecutionCap", json!(40)),
        ("clipboard.mode", json!("bidirectional")),
        ("clipboard.fileTransfers", json!(true)),
        ("dragAndDrop", json!("hosttoguest")),
        ("audio.in", json!(true)),
        ("audio.out", json!(true)),
        ("vrde.enabled", json!(false)),
        ("vrde.port", json!("5055")),
        ("autostart.delay", json!(7)),
        // These three stay in memory until the mark behind them is written.
        ("processPriority", json!("low")),
        ("memoryBalloon", json!(4)),
        ("serialPorts.1.mode", json!("file:/tmp/serial.log")),
    ];
    stage.done(&live(uuid, &set));
    let mark = Mark::new(StackName::default_stack(), Address::machine("live"), uuid);
    stage.done(&Action::WriteMark { machine: Target::Existing(uuid), mark: Some(mark) });
    for (path, value) in set.iter().filter(|(_, value)| !value.is_null()) {
        assert_eq!(stage.setting(uuid, path), *value, "{path}");
    }
    assert_eq!(stage.setting(uuid, "nics.1.nat.portForwards").as_object().unwrap().len(), 1);
    assert_eq!(stage.home.vm_pid(&uuid.to_string()), process, "the guest is undisturbed");

    // What needs the machine off is refused, and named as a wrong state at once.
    let started = Instant::now();
    let refused = stage.perform(&modify(uuid, &[("memory", json!(64))])).unwrap_err();
    assert_eq!(refused.class(), ErrorClass::WrongState, "{refused}");
    assert!(started.elapsed() < Duration::from_secs(8));
    let unknown = live(uuid, &[("nics.1.nat.portForwards.old", Value::Null)]);
    assert_eq!(stage.perform(&unknown).unwrap_err().class(), ErrorClass::WrongInput);
    stage.done(&power_cut(uuid));
}

pub fn states(lab: &Lab) {
    let stage = Stage::new(lab);
    let uuid = stage.machine("moody");
    let now = || stage.read(uuid).state.unwrap();
    let pause = action(uuid, |machine| Action::Pause { machine });
    let resume = action(uuid, |machine| Action::Resume { machine });
    let save = action(uuid, |machine| Action::SaveState { machine });
    let discard = action(uuid, |machine| Action::DiscardState { machine });
    for refused in [&pause, &resume, &save, &discard, &power_cut(uuid)] {
        let error = stage.perform(refused).unwrap_err();
        assert_eq!(error.class(), ErrorClass::WrongState, "{}: {error}", refused.label());
    }
    for _ in 0..2 {
        stage.done(&start(uuid));
        assert_eq!(now(), PowerState::Running);
        stage.done(&pause);
        assert_eq!(now(), PowerState::Paused);
        assert_eq!(stage.perform(&pause).unwrap_err().class(), ErrorClass::WrongState);
        stage.done(&resume);
        assert_eq!(now(), PowerState::Running);
        assert_eq!(stage.perform(&start(uuid)).unwrap_err().class(), ErrorClass::WrongState);
        stage.done(&save);
        assert_eq!(now(), PowerState::Saved);
        stage.set(uuid, &[("description", json!("saved"))]);
        stage.done(&start(uuid));
        assert_eq!(now(), PowerState::Running);
        stage.done(&save);
        stage.done(&discard);
        assert_eq!(now(), PowerState::PowerOff);
        // Right behind a stop the machine may still be locked by the process that ran it.
        stage.done(&start(uuid));
        stage.done(&power_cut(uuid));
        stage.set(uuid, &[("memory", json!(40))]);
        assert_eq!(now(), PowerState::PowerOff);
    }
}

pub fn shutdowns(lab: &Lab) {
    let stage = Stage::new(lab);
    let uuid = |text: &str| Uuid::try_parse(text).unwrap();
    let shutdown = |machine, timeout, then_power_cut| Action::Shutdown {
        machine: Target::Existing(machine),
        timeout,
        then_power_cut,
    };
    let obeys = Guest::ObeysAcpi.machine(&stage.home, "obeys");
    let ignores = Guest::IgnoresAcpi.machine(&stage.home, "ignores");
    stage.done(&start(uuid(&obeys.uuid)));
    stage.done(&start(uuid(&ignores.uuid)));
    obeys.wait_up();
    ignores.wait_up();
    let started = Instant::now();
    stage.done(&shutdown(uuid(&obeys.uuid), 60, false));
    assert!(started.elapsed() < Duration::from_secs(40));
    assert_eq!(stage.read(uuid(&obeys.uuid)).state, Some(PowerState::PowerOff));
    stage.set(uuid(&obeys.uuid), &[("memory", json!(20))]);

    let ignores = uuid(&ignores.uuid);
    let error = stage.perform(&shutdown(ignores, 2, false)).unwrap_err();
    assert!(matches!(error, HostError::GuestStaysOn { seconds: 2 }), "{error}");
    assert_eq!(stage.read(ignores).state, Some(PowerState::Running));
    stage.done(&shutdown(ignores, 1, true));
    assert_eq!(stage.read(ignores).state, Some(PowerState::PowerOff));
    assert_eq!(stage.perform(&shutdown(ignores, 1, true)).unwrap_err().class(), ErrorClass::WrongState);
}

pub fn snapshots_and_ends(lab: &Lab) {
    let stage = Stage::new(lab);
    let uuid = stage.machine("ends");
    for name in ["one", "two"] {
        stage.home.vbox(&["snapshot", &uuid.to_string(), "take", name]).ok();
    }
    let tree = stage.read(uuid).snapshots.expect("a snapshot");
    for snapshot in tree.leaves_first().iter().map(|snapshot| snapshot.uuid) {
        stage.done(&Action::DeleteSnapshot { machine: Target::Existing(uuid), snapshot });
    }
    assert_eq!(stage.read(uuid).snapshots, None);
    let unknown = Action::DeleteSnapshot { machine: Target::Existing(uuid), snapshot: Uuid::from_u128(7) };
    assert_eq!(stage.perform(&unknown).unwrap_err().class(), ErrorClass::WrongState);

    let end = |delete| Action::Unregister { machine: Target::Existing(uuid), delete };
    stage.done(&start(uuid));
    assert_eq!(stage.perform(&end(true)).unwrap_err().class(), ErrorClass::WrongState);
    stage.done(&power_cut(uuid));
    let file = stage.read(uuid).settings_file;
    stage.done(&end(false));
    assert!(file.is_file() && stage.host.inventory(&Want::default()).unwrap().machines.is_empty());
    stage.home.vbox(&["registervm", file.to_str().unwrap()]).ok();
    stage.done(&end(true));
    assert!(!file.parent().unwrap().exists());
    assert_eq!(stage.perform(&end(true)).unwrap_err().class(), ErrorClass::WrongState);
}

pub fn the_server_is_started_once(lab: &Lab) {
    let home = lab.home();
    home.wait_no_server();
    let host = home.host();
    host.prepare().unwrap();
    assert!(host.runner().unwrap().spawned() >= 2, "the server and a list");
    let server = home.server_pid().expect("a server");
    host.prepare().unwrap();
    home.host().prepare().unwrap();
    assert_eq!(home.server_pid(), Some(server));
    // Overlapping clients, and a pause in which a server that a client had started would have left.
    thread::scope(|scope| {
        let births: Vec<_> = (0..8)
            .map(|number| {
                let (host, home) = (&host, &home);
                let uuid = Uuid::from_u128(0xbead_0000_0000_4000_8000_0000_0000_0000 + number);
                scope.spawn(move || {
                    host.perform(&create(uuid, &format!("m{number}"), "Other", &[], home), &|_| {}).unwrap();
                    perform(host, &modify(uuid, &[("memory", json!(16)), ("nics.1", Value::Null)])).unwrap();
                    host.perform(&start(uuid), &|_| {}).unwrap();
                    host.perform(&power_cut(uuid), &|_| {}).unwrap();
                })
            })
            .collect();
        for birth in births {
            birth.join().unwrap();
        }
    });
    thread::sleep(Duration::from_secs(8));
    assert_eq!(home.server_pid(), Some(server));
    assert_eq!(
        host.inventory(&Want { states: true, ask_server: true, ..Want::default() }).unwrap().machines.len(),
        8
    );
}
