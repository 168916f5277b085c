//! The client with a helper that does what a shell script says, and dies as a helper can.

use std::time::{Duration, Instant};

use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::host::ErrorClass;
use crate::host::Operate as _;
use crate::host::virtualbox::{Home, VirtualBox};
use crate::inventory::Shard;
use crate::model::Route;
use crate::plan::{Action, Target};

const GREETING: &str = r#"echo '{"protocol":1,"version":"7.2.22"}'; "#;

/// What a helper says to each request, whose first one has the id 1.
fn answering(answer: &str) -> String {
    format!("{GREETING} id=1; while read -r line; do echo '{{\"id\":'$id',{answer}}}'; id=$((id+1)); done")
}

struct Fake {
    folder: TempDir,
    runner: Runner,
    native: Native,
}

fn patience() -> Patience {
    let milliseconds = Duration::from_millis;
    Patience {
        read: vec![milliseconds(400), milliseconds(3000)],
        repeatable: vec![milliseconds(400)],
        once: milliseconds(400),
        silence: milliseconds(800),
        pauses: vec![milliseconds(1)],
        grace: milliseconds(1000),
    }
}

/// `sh` is run with the script as if it were a program that brings vboxmcp along.
fn launch(folder: &TempDir, script: &str) -> Launch {
    use std::os::unix::fs::PermissionsExt as _;
    let through = folder.path().join("helper");
    let text = format!("#!/bin/sh\necho started >>'{}/starts'\n{script}\n", folder.path().display());
    std::fs::write(&through, text).unwrap();
    std::fs::set_permissions(&through, std::fs::Permissions::from_mode(0o755)).unwrap();
    Launch { program: "/nowhere/vboxmcp".into(), through: Some(through), folder: folder.path().into() }
}

impl Fake {
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let native = Native::new(launch(&folder, script));
        let runner = Runner::new("/nowhere/VBoxManage".into(), Vec::new()).with_patience(patience());
        Self { folder, runner, native }
    }

    fn ask(&self, asks: &[Ask]) -> Vec<Outcome> {
        self.native.ask(&self.runner, asks)
    }

    fn starts(&self) -> usize {
        std::fs::read_to_string(self.folder.path().join("starts")).unwrap_or_default().lines().count()
    }
}

fn data(machine: u128) -> Ask {
    Ask::Data { machine: Some(Uuid::from_u128(machine)), key: "a".into(), value: None }
}

#[test]
fn it_is_started_once_and_ends_with_its_input() {
    let fake = Fake::new(&answering(r#""done":{}"#));
    assert_eq!((fake.native.processes(), fake.starts()), (vec![], 0));
    assert_eq!(fake.native.states(&fake.runner, None, false), None);
    let done = Outcome::Done(Reply::default());
    assert_eq!(fake.ask(&[data(1), data(2), data(3)]), [done.clone(), done.clone(), done.clone()]);
    assert_eq!(fake.ask(&[data(1)]), [done]);
    assert_eq!(fake.starts(), 1);
    let process = PathBuf::from(format!("/proc/{}", fake.native.processes()[0]));
    let begun = Instant::now();
    fake.native.dismiss();
    assert!(!process.exists() && begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
}

#[test]
fn one_that_only_looks_goes_where_nothing_runs_unless_changes_follow() {
    let fake = Fake::new(&answering(r#""done":{}"#));
    let states = || fake.native.states(&fake.runner, None, true);
    assert_eq!((states(), fake.native.processes().len()), (Some(BTreeMap::new()), 0));
    fake.native.expect_changes();
    assert_eq!((states(), fake.native.processes().len()), (Some(BTreeMap::new()), 1));
    fake.native.greet(&fake.runner).unwrap();
    assert_eq!(fake.starts(), 2);
    fake.native.end_run();
    assert_eq!((states(), fake.native.processes().len()), (Some(BTreeMap::new()), 0));
}

/// Says so for each of several changes, so slowly that the next one comes meanwhile.
fn slowly() -> String {
    let answer = r#"sleep 0.1; echo '{"id":'$id',"done":{}}'; id=$((id+1))"#;
    format!("{GREETING} id=1; while read -r line; do {answer}; done")
}

/// What comes of changes of so many machines, of which two are asked for at a time.
fn changes(fake: &Fake, machines: std::ops::Range<u128>) -> Vec<Outcome> {
    let change = |machine| Ask::Change { machine: Uuid::from_u128(machine), set: Vec::new() };
    let half = |odd: u128| machines.clone().filter(move |machine| machine % 2 == odd);
    let asked = |machine| {
        let outcomes = fake.ask(&[change(machine)]);
        // A step that ended is written down before the next one comes, and whoever waits for the helper gets it.
        std::thread::sleep(Duration::from_millis(5));
        outcomes
    };
    let all = |odd| half(odd).flat_map(asked).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| all(1));
        let mut outcomes = all(0);
        outcomes.extend(other.join().unwrap());
        outcomes
    })
}

#[test]
fn many_changes_are_worth_a_second_one() {
    let fake = Fake::new(&slowly());
    let done = Outcome::Done(Reply::default());
    assert_eq!(changes(&fake, 0..4), vec![done.clone(); 4]);
    assert_eq!(fake.starts(), 1, "for a few one is enough");
    assert_eq!(changes(&fake, 0..10), vec![done; 10]);
    assert_eq!(fake.starts(), 2);
    let processes = fake.native.processes();
    fake.native.end_run();
    let is_there = |process: &u32| PathBuf::from(format!("/proc/{process}")).exists();
    assert!(processes.len() == 2 && !processes.iter().any(is_there), "{processes:?}");
}

#[test]
fn without_the_second_one_the_first_does_it() {
    let is_second = "if [ $(wc -l <\"${0%/*}/starts\") = 2 ]; then";
    let cannot = format!("{is_second} exit 1; fi; {}", slowly());
    let fake = Fake::new(&cannot);
    assert_eq!(changes(&fake, 0..16), vec![Outcome::Done(Reply::default()); 16]);
    assert_eq!(fake.starts(), 2);
    // What it is lost with is unknown, as with the first, and everything else is done.
    let dies = format!("{is_second} {GREETING} read -r line; exit 1; fi; {}", slowly());
    let fake = Fake::new(&dies);
    let outcomes = changes(&fake, 0..16);
    let lost = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Lost(_))).count();
    let done = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Done(_))).count();
    assert_eq!((lost, done, fake.starts()), (1, 15, 2), "{outcomes:?}");
}

#[test]
fn it_knows_where_virtualbox_is_and_what_it_is_started_as() {
    let fake = Fake::new("echo \"$VBOX_APP_HOME $*\" >&2");
    let why = fake.native.greet(&fake.runner).unwrap_err();
    assert_eq!(why, format!("{} /nowhere/vboxmcp native-helper", fake.folder.path().display()));
}

#[test]
fn one_that_cannot_is_not_asked_again() {
    for (script, why) in [
        (r#"echo '{"protocol":1,"refused":"of VirtualBox 7.9.0"}'"#, "of VirtualBox 7.9.0"),
        (r#"echo '{"protocol":2,"version":"7.2.22"}'"#, "it is another version of vboxmcp"),
        ("echo 'symbol not found' >&2; exit 127", "symbol not found"),
        ("exit 1", "it ended without a word"),
        ("echo hello", "it ended without a word"),
    ] {
        let fake = Fake::new(script);
        assert_eq!(fake.native.greet(&fake.runner).unwrap_err(), why);
        assert_eq!(fake.ask(&[data(1)]), [Outcome::Untouched]);
        assert_eq!(fake.starts(), 1, "{why}");
    }
    let nowhere = Launch { program: "/nowhere/vboxmcp".into(), through: None, folder: "/nowhere".into() };
    let fake = Fake { native: Native::new(nowhere), ..Fake::new("") };
    let why = fake.native.greet(&fake.runner).unwrap_err();
    assert!(why.starts_with("cannot start /nowhere/vboxmcp: "), "{why}");
}

/// VirtualBox's clients now and then sleep for ten seconds while they connect.
#[test]
fn one_that_stalls_while_it_connects_is_replaced() {
    let fake = Fake::new(&format!(
        "if [ $(wc -l <\"${{0%/*}}/starts\") = 1 ]; then exec sleep 10; fi; {}",
        answering(r#""done":{}"#)
    ));
    let begun = Instant::now();
    assert_eq!(fake.ask(&[data(1)]), [Outcome::Done(Reply::default())]);
    assert!(fake.starts() == 2 && begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn what_it_died_with_is_unknown_and_what_came_behind_was_not_begun() {
    let first = r#"read -r line; echo '{"id":1,"done":{}}'; read -r line; "#;
    for (end, why) in [
        ("kill -KILL $$", "it ended without a word"),
        ("echo 'terminate called' >&2; exit 134", "terminate called"),
        ("exec sleep 10", "it did not answer within 0 s"),
        ("echo oops; exec sleep 10", "it said something unexpected"),
        (r#"echo '{"id":7,"done":{}}'; exec sleep 10"#, "it said something unexpected"),
        (r#"echo '{"id":2,"lost":"the server went away"}'"#, "the server went away"),
    ] {
        let fake = Fake::new(&format!("{GREETING} {first} {end}"));
        let outcomes = fake.ask(&[data(1), data(2), data(3)]);
        let lost = Outcome::Lost(why.to_owned());
        assert_eq!(outcomes, [Outcome::Done(Reply::default()), lost, Outcome::Untouched], "{end}");
        assert!(fake.native.processes().is_empty());
        // The machine that it was lost with is VBoxManage's from then on; another one gets another helper.
        assert_eq!(fake.ask(&[data(2)]), [Outcome::Untouched]);
        assert_eq!(fake.starts(), 1);
        assert_eq!(fake.ask(&[data(3)]), [Outcome::Done(Reply::default())]);
        assert_eq!(fake.starts(), 2);
    }
}

#[test]
fn more_is_asked_for_than_a_pipe_holds() {
    let fake = Fake::new(&answering(r#""done":{}"#));
    let asks: Vec<Ask> = (1..=40)
        .map(|machine| Ask::Data {
            machine: Some(Uuid::from_u128(machine)),
            key: "k".repeat(5000),
            value: None,
        })
        .collect();
    assert_eq!(fake.ask(&asks), vec![Outcome::Done(Reply::default()); 40]);
    let hangs = Fake::new(&format!("{GREETING} exec sleep 10"));
    let outcomes = hangs.ask(&asks);
    assert!(matches!(outcomes[0], Outcome::Lost(_)), "{outcomes:?}");
    assert_eq!(outcomes[1..], vec![Outcome::Untouched; 39]);
}

#[test]
fn a_run_that_loses_one_helper_after_another_does_without() {
    let fake = Fake::new(&format!("{GREETING} read -r line; exit 1"));
    for machine in 1..=3 {
        assert!(matches!(fake.ask(&[data(machine)])[..], [Outcome::Lost(_)]), "{machine}");
    }
    assert_eq!(fake.ask(&[data(4)]), [Outcome::Untouched]);
    assert_eq!(fake.starts(), 3);
}

const VM: Uuid = Uuid::from_u128(0xa1);

/// A host whose VBoxManage writes down its calls.
fn host(folder: &TempDir, script: &str, route: Route) -> VirtualBox {
    let program = folder.path().join("VBoxManage");
    let fake = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake/VBoxManage");
    std::os::unix::fs::symlink(fake, &program).unwrap();
    std::fs::write(folder.path().join("behaviour"), "").unwrap();
    let registry = format!(
        "<VirtualBox xmlns=\"http://www.virtualbox.org/\" version=\"1.12-linux\"><Global><MachineRegistry>\
         <MachineEntry uuid=\"{{{VM}}}\" src=\"{}/vm/vm.vbox\"/></MachineRegistry></Global></VirtualBox>",
        folder.path().display()
    );
    std::fs::write(folder.path().join("VirtualBox.xml"), registry).unwrap();
    let machine = format!(
        "<VirtualBox xmlns=\"http://www.virtualbox.org/\" version=\"1.19-linux\"><Machine uuid=\"{{{VM}}}\" name=\"vm\" \
         OSType=\"Other\"><Hardware><Memory RAMSize=\"32\"/></Hardware></Machine></VirtualBox>"
    );
    std::fs::create_dir(folder.path().join("vm")).unwrap();
    std::fs::write(folder.path().join("vm/vm.vbox"), machine).unwrap();
    let home = Home { folder: folder.path().into(), owner_home: folder.path().into(), ipc: None };
    let runner = Runner::new(program, Vec::new()).with_patience(patience());
    VirtualBox::new(home, Ok(runner)).with_helper(launch(folder, script)).by_route(route)
}

fn calls(folder: &TempDir) -> Vec<String> {
    let calls = std::fs::read_to_string(folder.path().join("calls")).unwrap_or_default();
    calls.lines().map(|line| line.replace(&VM.to_string(), "VM")).collect()
}

fn register_write() -> Action {
    Action::WriteRegister { shard: Shard { key: "k".into(), value: Some("v".into()) } }
}

fn change(path: &str, value: &str) -> Action {
    let set = vec![crate::plan::Assignment::set(path.parse().unwrap(), value)];
    Action::ModifyMachine { machine: Target::Existing(VM), set }
}

#[test]
fn the_route_decides_who_does_it() {
    let done = answering(r#""done":{}"#);
    let routes =
        [(Route::Auto, true), (Route::Native, true), (Route::VBoxManage, false), (Route::Born, false)];
    for (route, helper) in routes {
        let folder = tempfile::tempdir().unwrap();
        let host = host(&folder, &done, route);
        host.perform(&register_write(), &|_| {}).unwrap();
        let by_vboxmanage = calls(&folder) == ["setextradata global k v"];
        assert_eq!((by_vboxmanage, folder.path().join("starts").exists()), (!helper, helper), "{route}");
        assert_eq!(host.register_all(&[folder.path().join("new.vbox")]).is_some(), helper, "{route}");
        // What the helper does not know is VBoxManage's on every route.
        host.perform(&Action::Start { machine: Target::Existing(VM) }, &|_| {}).unwrap();
        assert_eq!(calls(&folder).last().unwrap(), "startvm VM --type=headless");
    }
}

#[test]
fn only_who_insists_on_a_helper_is_refused_without() {
    let refused = r#"echo '{"protocol":1,"refused":"of another VirtualBox"}'"#;
    let folder = tempfile::tempdir().unwrap();
    let insisting = host(&folder, refused, Route::Native);
    let error = insisting.prepare().unwrap_err();
    assert_eq!(error.to_string(), "the native helper cannot be used here: of another VirtualBox");
    assert_eq!(error.class(), ErrorClass::Unreachable);
    let folder = tempfile::tempdir().unwrap();
    let other = host(&folder, refused, Route::Auto);
    other.prepare().unwrap();
    other.perform(&register_write(), &|_| {}).unwrap();
    assert_eq!(calls(&folder), ["list runningvms", "setextradata global k v"]);
    assert!(other.register_all(&[folder.path().join("new.vbox")]).is_none());
}

#[test]
fn a_refusal_means_what_it_means_from_vboxmanage() {
    let code = 0x80bb_0002_u32;
    let folder = tempfile::tempdir().unwrap();
    let text = "The machine is not mutable (state is Running)";
    let refusal = format!(r#""refused":{{"code":{code},"text":"{text}","component":"SessionMachine"}}"#);
    let host = host(&folder, &answering(&refusal), Route::Auto);
    let error = host.perform(&change("description", "a"), &|_| {}).unwrap_err();
    assert_eq!(error.to_string(), format!("`native: change settings {VM}` failed: {text}"));
    let crate::host::HostError::Refused { code, class, .. } = error else { panic!("{error:?}") };
    assert_eq!((code.as_deref(), class), (Some("VBOX_E_INVALID_VM_STATE"), ErrorClass::WrongState));
    assert!(calls(&folder).is_empty());
}

/// A machine that is unregistered and not deleted is no refusal that nothing came of.
#[test]
fn half_a_deletion_is_unknown() {
    let refusal = r#""refused":{"code":2159738884,"text":"cannot delete","halfDeleted":true}"#;
    let folder = tempfile::tempdir().unwrap();
    let host = host(&folder, &answering(refusal), Route::Auto);
    let delete = Action::Unregister { machine: Target::Existing(VM), delete: true };
    let error = host.perform(&delete, &|_| {}).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unknown, "{error}");
    assert!(calls(&folder).is_empty());
}

#[test]
fn a_lost_helper_leaves_an_unknown_outcome_or_what_vboxmanage_can_begin_anew() {
    let dies = format!("{GREETING} read -r line; exit 1");
    let folder = tempfile::tempdir().unwrap();
    let host = host(&folder, &dies, Route::Auto);
    // It may be given twice: the executor looks, and gives it again.
    let error = host.perform(&change("description", "a"), &|_| {}).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unknown, "{error}");
    host.perform(&change("description", "a"), &|_| {}).unwrap();
    assert_eq!(calls(&folder).last().unwrap(), "modifyvm VM --description=a");

    // These may not, and were not begun.
    for (action, call) in [
        (
            change("nics.1.nat.portForwards.ssh", "2222:22"),
            "modifyvm VM --nat-pf1=ssh,tcp,127.0.0.1,2222,,22",
        ),
        (Action::Unregister { machine: Target::Existing(VM), delete: true }, "unregistervm VM --delete"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let host = self::host(&folder, &dies, Route::Auto);
        host.perform(&action, &|_| {}).unwrap();
        assert_eq!(calls(&folder).last().unwrap(), call);
        assert!(folder.path().join("starts").exists());
    }
}
