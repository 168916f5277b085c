//! Performing actions with a VBoxManage that behaves as badly as the real one can.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

use crate::host::virtualbox::live::{self, Alive};
use crate::host::virtualbox::{Home, Patience, Runner, VirtualBox};
use crate::host::{ErrorClass, HostError, Inspect, Operate};
use crate::inventory::Machine;
use crate::model::{Address, Bytes, FieldPath, PowerState};
use crate::plan::{Action, Assignment, Target};

const VM: &str = "00000000-0000-4000-8000-0000000000a1";

/// A VirtualBox home and a VBoxManage that does what a shell script says.
struct Fake {
    folder: TempDir,
    host: VirtualBox,
}

impl Fake {
    fn new(behaviour: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("VBoxManage");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake/VBoxManage");
        std::os::unix::fs::symlink(script, &program).unwrap();
        fs::write(folder.path().join("behaviour"), behaviour).unwrap();
        let registry = format!(
            "<VirtualBox xmlns=\"http://www.virtualbox.org/\" version=\"1.12-linux\"><Global><MachineRegistry>\
             <MachineEntry uuid=\"{{{VM}}}\" src=\"{}/vm/vm.vbox\"/></MachineRegistry></Global></VirtualBox>",
            folder.path().display()
        );
        fs::write(folder.path().join("VirtualBox.xml"), registry).unwrap();
        let machine = format!(
            "<VirtualBox xmlns=\"http://www.virtualbox.org/\" version=\"1.19-linux\"><Machine uuid=\"{{{VM}}}\" name=\"vm\" \
             OSType=\"Other\"><Hardware><Memory RAMSize=\"32\"/></Hardware></Machine></VirtualBox>"
        );
        fs::create_dir(folder.path().join("vm")).unwrap();
        fs::write(folder.path().join("vm/vm.vbox"), machine).unwrap();
        let home = Home { folder: folder.path().into(), owner_home: folder.path().into(), ipc: None };
        let milliseconds = Duration::from_millis;
        let runner = Runner::new(program, Vec::new()).with_patience(Patience {
            read: vec![milliseconds(10_000)],
            repeatable: vec![milliseconds(1500), milliseconds(10_000)],
            once: milliseconds(1500),
            silence: milliseconds(10_000),
            pauses: vec![milliseconds(1); 2],
            grace: milliseconds(100),
        });
        Self { host: VirtualBox::new(home, Ok(runner)), folder }
    }

    fn perform(&self, action: &Action) -> Result<crate::host::Done, HostError> {
        self.host.perform(action, &|_| {})
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        calls.lines().map(|line| line.replace(VM, "VM")).collect()
    }

    /// Writes the machine's log.
    fn log(&self, state: &str) {
        let logs = self.folder.path().join("vm/Logs");
        fs::create_dir_all(&logs).unwrap();
        let text = format!("00:00:01.516967 Console: Machine state changed to '{state}'\n");
        fs::write(logs.join("VBox.log"), text).unwrap();
    }
}

fn vm() -> Target {
    Target::Existing(VM.parse().unwrap())
}

fn power_cut() -> Action {
    Action::PowerCut { machine: vm() }
}

fn extra_data() -> Action {
    Action::SetExtraData { machine: vm(), key: "k".into(), value: Some("v".into()) }
}

fn modify(path: &str, value: serde_json::Value) -> Action {
    Action::ModifyMachine { machine: vm(), set: vec![Assignment::set(path.parse().unwrap(), value)] }
}

fn disk(location: impl Into<std::path::PathBuf>) -> Action {
    Action::CreateDisk {
        address: Address::InlineDisk(crate::model::MachineName::new("vm"), "root".into()),
        location: location.into(),
        machine: Some(vm()),
        format: "vdi".into(),
        variant: "dynamic".into(),
        size: Bytes(1 << 20),
    }
}

fn shutdown(timeout: u64, then_power_cut: bool) -> Action {
    Action::Shutdown { machine: vm(), timeout, then_power_cut }
}

/// Fails as a locked machine does.
const LOCKED: &str =
    "echo \"VBoxManage: error: The machine 'vm' is already locked for a session (or being unlocked)\" >&2
echo 'VBoxManage: error: Details: code VBOX_E_INVALID_OBJECT_STATE (0x80bb0007), component MachineWrap' >&2
exit 1";

#[test]
fn without_vboxmanage_nothing_can_be_done() {
    let fake = Fake::new("");
    let host = VirtualBox::new(fake.host.home().clone(), Err(vec!["PATH".into()]));
    assert_eq!(host.prepare().unwrap_err().class(), ErrorClass::Unreachable);
    assert_eq!(host.perform(&power_cut(), &|_| {}).unwrap_err().class(), ErrorClass::Unreachable);
}

#[test]
fn a_hanging_one_leaves_the_outcome_open() {
    let fake = Fake::new("exec sleep 20");
    let error = fake.perform(&power_cut()).unwrap_err();
    assert!(matches!(error, HostError::Timeout { harmless: false, .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Unknown);
    assert_eq!(fake.calls(), ["controlvm VM poweroff"]);
}

#[test]
fn a_false_success_and_a_signal_leave_the_outcome_open() {
    let lies = Fake::new("echo 'VBoxManage: error: Invalid NIC number 9' >&2");
    let error = lies.perform(&extra_data()).unwrap_err();
    assert!(error.to_string().ends_with("failed: Invalid NIC number 9"), "{error}");
    assert_eq!(error.class(), ErrorClass::Unknown);
    let dies = Fake::new("kill -TRAP $$");
    assert_eq!(dies.perform(&extra_data()).unwrap_err().class(), ErrorClass::Unknown);
}

#[test]
fn what_may_be_done_twice_is_ended_soon_and_has_longer_the_next_time() {
    let stalls = "[ -e \"$folder/once\" ] && exit 0; touch \"$folder/once\"; exec sleep 20";
    // Longer than the first time allows.
    let fake = Fake::new(&format!("[ -e \"$folder/once\" ] && sleep 2; {stalls}"));
    let ended = fake.perform(&extra_data()).unwrap_err();
    assert!(matches!(ended, HostError::Timeout { harmless: false, seconds: 1, .. }), "{ended:?}");
    assert_eq!(ended.class(), ErrorClass::Unknown, "whether it was done has to be looked at");
    fake.perform(&extra_data()).unwrap();
    assert_eq!(fake.calls(), ["setextradata VM k v"; 2]);
    // It went well: the next one begins with the shortest again.
    assert!(matches!(fake.perform(&extra_data()), Err(HostError::Timeout { seconds: 1, .. })));
    // A rule that is there would be refused the second time.
    let fake = Fake::new(&format!("[ $# = 1 ] && exit 1; {stalls}"));
    let rule = modify("nics.1.nat.portForwards.ssh", json!("2222:22"));
    assert_eq!(fake.perform(&rule).unwrap_err().class(), ErrorClass::Unknown);
    assert_eq!(fake.calls(), ["modifyvm", "modifyvm VM --nat-pf1=ssh,tcp,127.0.0.1,2222,,22"]);
}

#[test]
fn a_deletion_that_sleeps_is_not_waited_for() {
    const UNREGISTER: &str = "sed -i 's/<MachineEntry[^>]*>//' \"$folder/VirtualBox.xml\"";
    let delete = Action::Unregister { machine: vm(), delete: true };
    let calls = ["unregistervm VM --delete"; 2];
    let started = Instant::now();
    // Before it begins: another one deletes the machine.
    let fake = Fake::new("[ -e \"$folder/once\" ] && exit 0; touch \"$folder/once\"; exec sleep 20");
    fake.perform(&delete).unwrap();
    assert_eq!(fake.calls(), calls);
    // When it is over.
    let fake = Fake::new(&format!("{UNREGISTER}; rm -r \"$folder/vm\"; echo '0%...100%' >&2; exec sleep 20"));
    fake.perform(&delete).unwrap();
    assert_eq!(fake.calls(), calls[1..]);
    assert!(started.elapsed() < Duration::from_secs(19));
    // One that has taken the machine out of the registry is at work, however long that takes.
    let fake = Fake::new(&format!("{UNREGISTER}; echo 0% >&2; sleep 2.5; rm -r \"$folder/vm\""));
    fake.perform(&delete).unwrap();
    assert_eq!(fake.calls(), calls[1..]);
    assert!(!fake.folder.path().join("vm").exists());
    // One that was at work all the same: the second one finds nothing, and what the first one has not got to is removed.
    let gone = "echo \"VBoxManage: error: Could not find a registered machine named 'VM'\" >&2
        echo 'VBoxManage: error: Details: code VBOX_E_OBJECT_NOT_FOUND (0x80bb0001), component VirtualBoxWrap' >&2; exit 1";
    let second = format!("{UNREGISTER}\n{gone}");
    let fake = Fake::new(&format!(
        "if [ -e \"$folder/once\" ]; then {second}; fi; touch \"$folder/once\"; exec sleep 20"
    ));
    assert_eq!(fake.perform(&delete).unwrap_err().class(), ErrorClass::Unknown);
    assert_eq!(fake.calls(), calls);
    assert!(!fake.folder.path().join("vm").exists());
    // One that begins at the last moment, and is ended, leaves what it has not got to.
    let fake = Fake::new(&format!("trap '{}; exit 1' TERM; sleep 20 & wait", UNREGISTER.replace('\'', "\"")));
    assert_eq!(fake.perform(&delete).unwrap_err().class(), ErrorClass::Unknown);
    assert_eq!(fake.calls(), calls[1..]);
    assert!(!fake.folder.path().join("vm").exists());
}

#[test]
fn a_saved_state_that_the_settings_file_does_not_name_is_written() {
    const WRITE: &str = "sed -i 's/OSType/stateFile=\"Snapshots\\/x.sav\" OSType/' \"$folder/vm/vm.vbox\"";
    let save = Action::SaveState { machine: vm() };
    let fake = Fake::new(&format!("[ $1 = modifyvm ] && {WRITE}; exit 0"));
    fake.perform(&save).unwrap();
    assert_eq!(fake.calls(), ["controlvm VM savestate", "modifyvm VM --name=vm"]);
    // Nobody has to be asked where it comes by itself, be it late.
    let fake = Fake::new(&format!("(sleep 0.05; {WRITE}) >/dev/null 2>&1 & exit 0"));
    fake.perform(&save).unwrap();
    assert_eq!(fake.calls(), ["controlvm VM savestate"]);
    // Also where the machine has a disk that another machine's file registers.
    let fake = Fake::new(&format!("{WRITE}; exit 0"));
    let disk = "<StorageControllers><StorageController name='SATA' type='AHCI' PortCount='1'><AttachedDevice type='HardDisk' port='0' \
                device='0'><Image uuid='{00000000-0000-4000-8000-0000000000d1}'/></AttachedDevice></StorageController>\
                </StorageControllers></Hardware>";
    let file = fake.folder.path().join("vm/vm.vbox");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("</Hardware>", disk)).unwrap();
    fake.perform(&save).unwrap();
    assert_eq!(fake.calls(), ["controlvm VM savestate"]);
    // While VirtualBox is saving, it refuses.
    let fake = Fake::new(&format!(
        "[ $(grep -c modifyvm \"$folder/calls\") = 2 ] && {WRITE} && exit 0; [ $1 = controlvm ]"
    ));
    fake.perform(&save).unwrap();
    assert_eq!(fake.calls().len(), 3);
    // Of a machine with storage it says that saving failed.
    let failed = "echo 'VBoxManage: error: Failed to save machine state.
VBoxManage: error: Assertion failed: [SUCCEEDED(hrc)] at /MachineImpl.cpp (10409) in nsresult Machine::i_saveStorageControllers(settings::Storage&).
VBoxManage: error: COM RC=E_ACCESSDENIED (0x80070005).
VBoxManage: error: Please contact the product vendor!
VBoxManage: error: Details: code NS_ERROR_FAILURE (0x80004005), component SessionMachine, interface IMachine' >&2; exit 1";
    let storage = format!("[ $1 = list ] && exit 0; [ $1 = modifyvm ] && {WRITE} && exit 0; {failed}");
    let fake = Fake::new(&storage);
    fake.perform(&save).unwrap();
    assert_eq!(fake.calls(), ["controlvm VM savestate", "list runningvms", "modifyvm VM --name=vm"]);
    // It may have failed: then the guest runs. So it may where the machine is gone meanwhile.
    let runs = Fake::new(&format!("[ $1 = list ] && echo '\"vm\" {{{VM}}}' && exit 0; {failed}"));
    let gone = Fake::new(&format!("[ $1 = list ] && exit 0; rm \"$folder/VirtualBox.xml\"; {failed}"));
    for fake in [runs, gone] {
        let error = fake.perform(&save).unwrap_err();
        assert!(error.to_string().contains("Failed to save machine state"), "{error}");
        assert_eq!(fake.calls(), ["controlvm VM savestate", "list runningvms"]);
    }
    // Of a machine that is not read from its file nobody sees whether it is written.
    let told = format!("echo 'UUID=\"{VM}\"'; echo 'name=\"vm\"'; echo 'VMState=\"saved\"'");
    let fake = Fake::new(&format!("[ $1 = showvminfo ] && {{ {told}; }}; exit 0"));
    let file = fake.folder.path().join("vm/vm.vbox");
    let text = fs::read_to_string(&file).unwrap().replace("1.19-linux", "1.99-linux");
    fs::write(&file, text).unwrap();
    fake.perform(&save).unwrap();
    assert!(fake.calls().contains(&"modifyvm VM --name=vm".to_owned()), "{:?}", fake.calls());
}

#[test]
fn a_saved_state_that_cannot_be_written_down_is_no_success() {
    let fake = Fake::new("exit 0");
    let folder = fake.folder.path().join("vm/Snapshots");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("x.sav"), "").unwrap();
    let error = fake.perform(&Action::SaveState { machine: vm() }).unwrap_err();
    assert!(matches!(error, HostError::StateUnwritten { .. }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::WrongState);
    assert!(
        error.hint().unwrap().ends_with(&format!("VBoxManage modifyvm {VM} --name=vm")),
        "{:?}",
        error.hint()
    );
}

#[test]
fn a_saved_state_that_the_settings_file_does_not_name_is_found() {
    let fake = Fake::new("exit 0");
    let folder = fake.folder.path().join("vm");
    let mut machines = fake.host.look_at(VM.parse().unwrap(), false).unwrap().machines;
    let mut machine = machines.pop_first().unwrap().1;
    machine.state = Some(PowerState::PowerOff);
    let log = |state: &str| {
        let line = format!("00:00:01.000000 Console: Machine state changed to '{state}'\n");
        fs::write(folder.join("Logs/VBox.log"), line).unwrap();
    };
    fs::create_dir(folder.join("Logs")).unwrap();
    log("Saved");
    assert_eq!(fake.host.unwritten_state(&machine), None);
    fs::create_dir(folder.join("Snapshots")).unwrap();
    for file in ["x.sav", "disk.vdi"] {
        fs::write(folder.join("Snapshots").join(file), "").unwrap();
    }
    assert_eq!(fake.host.unwritten_state(&machine), Some(folder.join("Snapshots/x.sav")));
    let unknown = Machine { state: None, ..machine.clone() };
    assert_eq!(fake.host.unwritten_state(&unknown), Some(folder.join("Snapshots/x.sav")));
    // One that was lost before is not meant where a newer one is named.
    let file = folder.join("vm.vbox");
    let text = fs::read_to_string(&file).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    fs::write(folder.join("Snapshots/y.sav"), "").unwrap();
    fs::write(&file, text.replace("OSType", "stateFile=\"Snapshots/y.sav\" OSType")).unwrap();
    assert_eq!(fake.host.unwritten_state(&machine), None);
    fs::write(&file, text).unwrap();
    fs::remove_file(folder.join("Snapshots/y.sav")).unwrap();
    // While the server runs, it may know that state: it is asked, or the helper has told.
    let nobody = Alive::listed(BTreeSet::new());
    let told = |number| Alive::told(&BTreeMap::from([(machine.uuid, number)]));
    assert_eq!(live::state(&machine, &nobody), None);
    assert_eq!(live::state(&machine, &told(2)), Some(PowerState::Saved));
    assert_eq!(live::state(&machine, &told(1)), machine.state);
    // It ran since.
    log("PoweredOff");
    assert_eq!(fake.host.unwritten_state(&machine), None);
    assert_eq!(live::state(&machine, &nobody), machine.state);
    // A snapshot's.
    log("Saved");
    let file = folder.join("vm.vbox");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("<Hardware>", "<Snapshot stateFile='Snapshots/x.sav'/><Hardware>"))
        .unwrap();
    assert_eq!(fake.host.unwritten_state(&machine), None);
}

#[test]
fn a_guest_may_live_unless_its_log_says_that_it_ended() {
    let fake = Fake::new("exit 0");
    let machine = fake.host.look_at(VM.parse().unwrap(), false).unwrap().machines.pop_first().unwrap().1;
    let logs = fake.folder.path().join("vm/Logs");
    assert!(!fake.host.may_live(&machine));
    fs::create_dir(&logs).unwrap();
    let state = |state: &str| format!("00:00:01.000000 Console: Machine state changed to '{state}'\n");
    let chatter = "00:00:02.000000 VMMDev: Guest Log: 0123456789abcde\n".repeat(4000);
    for (log, expected) in [
        ("00:00:00.000000 VirtualBox VM 7.2\n".to_owned(), true),
        (state("Running"), true),
        (state("Running") + &chatter, true),
        (state("Running") + &chatter + &state("PoweredOff"), false),
        (state("Saved"), false),
    ] {
        fs::write(logs.join("VBox.log"), &log).unwrap();
        assert_eq!(fake.host.may_live(&machine), expected, "{}", log.lines().next().unwrap());
    }
}

#[test]
fn the_usage_text_is_asked_once() {
    let fake = Fake::new("[ $# = 1 ] && echo 'VBoxManage modifyvm [--pae= on | off]' && exit 1; exit 0");
    fake.perform(&modify("pae", json!(true))).unwrap();
    fake.perform(&modify("hpet", json!(true))).unwrap();
    assert_eq!(fake.calls(), ["modifyvm", "modifyvm VM --pae=on", "modifyvm VM --x86-hpet=on"]);
}

#[test]
fn a_lock_that_goes_is_waited_for() {
    let fake = Fake::new(&format!(
        "[ $1 = list ] && exit 0; n=$(grep -c setextradata \"$folder/calls\"); [ $n -gt 2 ] && exit 0\n{LOCKED}"
    ));
    fake.perform(&extra_data()).unwrap();
    let calls = fake.calls();
    assert_eq!(calls.iter().filter(|call| *call == "setextradata VM k v").count(), 3, "{calls:?}");
}

#[test]
fn a_lock_of_a_running_machine_is_not_waited_for() {
    let fake = Fake::new(&format!("[ $1 = list ] && echo '\"vm\" {{{VM}}}' && exit 0\n{LOCKED}"));
    let started = Instant::now();
    let error = fake.perform(&extra_data()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::WrongState);
    assert!(error.hint().is_some_and(|hint| hint.contains("another program holds it")));
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(fake.calls(), ["setextradata VM k v", "list runningvms"]);
}

#[test]
fn a_live_change_that_was_half_done_is_not_said_to_be_undone() {
    let fake = Fake::new(
        "case $3 in cpuexecutioncap) exit 0;; esac\n\
         echo 'VBoxManage: error: Failed to create the VirtualBox object!' >&2; exit 1",
    );
    let set = vec![
        Assignment::set(FieldPath::of(["cpuExecutionCap"]), 50),
        Assignment::set(FieldPath::of(["nics", "1", "cable"]), false),
    ];
    let error = fake.perform(&Action::ModifyLive { machine: vm(), set, save: None }).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unknown, "{error}");
    let alone = Action::ModifyLive {
        machine: vm(),
        set: vec![Assignment::set(FieldPath::of(["nics", "1", "cable"]), false)],
        save: None,
    };
    assert_eq!(fake.perform(&alone).unwrap_err().class(), ErrorClass::NotExecuted);
}

#[test]
fn a_new_disk_has_the_uuid_that_virtualbox_says() {
    let fake = Fake::new("echo 'Medium created. UUID: 00000000-0000-4000-8000-0000000000d1'");
    let done = fake.perform(&disk("root.vdi")).unwrap();
    assert_eq!(done.made, Uuid::try_parse("00000000-0000-4000-8000-0000000000d1").ok());
    let file = fake.folder.path().join("vm/root.vdi");
    let expected = format!(
        "createmedium disk --filename={} --format=VDI --variant=Standard --sizebyte=1048576",
        file.display()
    );
    assert_eq!(fake.calls(), [expected]);
    let garbage = Fake::new("echo Segmentation fault");
    let error = garbage.perform(&disk("root.vdi")).unwrap_err();
    assert!(matches!(error, HostError::Garbage { .. }), "{error}");
}

#[test]
fn a_refused_disk_leaves_no_file_and_nobody_elses_is_touched() {
    let refuses = |text: &str| {
        format!("f=${{3#--filename=}}; [ -e $f ] || touch $f; echo 'VBoxManage: error: {text}' >&2; exit 1")
    };
    let fake = Fake::new(&refuses("Cannot register the hard disk, it already exists"));
    let file = fake.folder.path().join("new.vdi");
    assert_eq!(fake.perform(&disk(&file)).unwrap_err().class(), ErrorClass::WrongState);
    assert!(!file.exists());
    fs::write(&file, "somebody's").unwrap();
    fake.perform(&disk(&file)).unwrap_err();
    assert_eq!(fs::read_to_string(&file).unwrap(), "somebody's");
    let fake = Fake::new(&refuses("VDI: cannot create image (VERR_ALREADY_EXISTS)"));
    let file = fake.folder.path().join("new.vdi");
    fake.perform(&disk(&file)).unwrap_err();
    assert!(file.exists());
}

#[test]
fn a_guest_that_obeys_is_off() {
    let fake = Fake::new("exit 0");
    fake.log("Running");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| fake.perform(&shutdown(20, false)));
        std::thread::sleep(Duration::from_millis(300));
        fake.log("PoweredOff");
        waiting.join().unwrap().unwrap();
    });
    assert_eq!(fake.calls(), ["controlvm VM acpipowerbutton", "list runningvms"]);
}

#[test]
fn a_guest_that_does_not_obey_stays_on_or_is_switched_off() {
    let fake = Fake::new(&format!("[ $1 = list ] && echo '\"vm\" {{{VM}}}'; exit 0"));
    fake.log("Running");
    let error = fake.perform(&shutdown(0, false)).unwrap_err();
    assert!(matches!(error, HostError::GuestStaysOn { seconds: 0 }), "{error}");
    assert_eq!(fake.calls(), ["controlvm VM acpipowerbutton"]);
    fake.perform(&shutdown(0, true)).unwrap();
    assert_eq!(fake.calls()[1..], ["controlvm VM acpipowerbutton", "controlvm VM poweroff"]);
}

#[test]
fn cancelling_ends_the_waiting_for_a_guest() {
    let fake = Fake::new(&format!("[ $1 = list ] && echo '\"vm\" {{{VM}}}'; exit 0"));
    fake.log("Running");
    let started = Instant::now();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| fake.perform(&shutdown(60, true)));
        std::thread::sleep(Duration::from_millis(200));
        fake.host.cancel();
        assert!(matches!(waiting.join().unwrap(), Err(HostError::Cancelled)));
    });
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(fake.calls(), ["controlvm VM acpipowerbutton"]);
}

#[test]
fn a_machine_that_is_gone_is_said_to_be_gone() {
    let fake = Fake::new("exit 0");
    let gone =
        Action::Shutdown { machine: Target::Existing(Uuid::from_u128(7)), timeout: 1, then_power_cut: false };
    let error = fake.perform(&gone).unwrap_err();
    assert_eq!(error.class(), ErrorClass::WrongState, "{error}");
    assert!(fake.calls().is_empty());
}

#[test]
fn starts_and_copies_run_side_by_side_and_nothing_else() {
    let fake = Fake::new("");
    assert_eq!(fake.host.width(&power_cut()), 1);
    assert_eq!(fake.host.width(&disk("a")), 1);
    assert_eq!(fake.host.width(&Action::Unregister { machine: vm(), delete: true }), 1);
    assert!(fake.host.width(&Action::Start { machine: vm() }) >= 4);
}
