//! `doctor` on a real VirtualBox: what it finds well, and a machine that is not read as VirtualBox tells it.

use std::path::Path;

use serde_json::{Value, json};

use crate::Test;
use crate::agent::{Agent, Era};
use crate::home::{Home, Output, eventually, kill, path, signal};
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("the_reader_is_compared_with_virtualbox", the_reader_is_compared_with_virtualbox),
    (
        "an_untested_virtualbox_is_compared_before_it_is_changed",
        an_untested_virtualbox_is_compared_before_it_is_changed,
    ),
    ("a_saved_state_that_is_lost_is_found", a_saved_state_that_is_lost_is_found),
    ("a_saved_state_that_only_the_server_knows_is_seen", a_saved_state_that_only_the_server_knows_is_seen),
    ("a_server_that_does_not_answer_is_named", a_server_that_does_not_answer_is_named),
    ("a_copied_disk_gets_another_uuid", a_copied_disk_gets_another_uuid),
    ("two_disks_of_one_path_are_put_right_by_hand", two_disks_of_one_path_are_put_right_by_hand),
];

/// Verdict and text of each row about something.
fn rows(said: &Output, what: &str) -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(said.stdout.lines().last().unwrap()).unwrap();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let all = document["report"]["checks"].as_array().unwrap().iter();
    all.filter(|row| row["what"] == what).map(|row| (text(row, "verdict"), text(row, "text"))).collect()
}

fn doctor(home: &Home, more: &[&str]) -> Output {
    home.vboxmcp(&[&["doctor", "-o", "json"], more].concat())
}

/// Makes machines that start without a disk.
fn create(home: &Home, names: &[&str]) {
    for name in names {
        home.vbox(&["createvm", "--name", name, "--ostype=Other", "--register"]).ok();
        home.vbox(&["modifyvm", name, "--memory=32"]).ok();
    }
}

/// As VirtualBox leaves it where a guest's process ends too soon.
fn a_saved_state_that_is_lost_is_found(lab: &Lab) {
    let home = lab.home();
    create(&home, &["lost", "discarded"]);
    for name in ["lost", "discarded"] {
        home.vbox(&["startvm", name, "--type=headless"]).ok();
        home.save_state(name);
    }
    home.vbox(&["discardstate", "discarded"]).ok();
    home.wait_no_server();
    assert_eq!(rows(&doctor(&home, &[]), "machines").len(), 1);
    home.wait_no_server();
    let settings = home.settings("lost");
    let text = std::fs::read_to_string(&settings).unwrap();
    let (before, rest) = text.split_once(" stateFile=\"").unwrap();
    let (state, after) = rest.split_once('"').unwrap();
    std::fs::write(&settings, format!("{before}{after}")).unwrap();
    let state = settings.with_file_name("").join(state);
    let found = rows(&doctor(&home, &[]), "machines");
    assert_eq!(found[0].0, "warning");
    assert!(found[0].1.contains("\"lost\"") && found[0].1.ends_with(path(&state)), "{found:?}");
    assert_eq!(found.len(), 2, "{found:?}");
    home.vbox(&["adoptstate", "lost", path(&state)]).ok();
    assert_eq!(home.state("lost"), "saved");
    home.vbox(&["startvm", "lost", "--type=headless"]).ok();
    assert_eq!(home.state("lost"), "running");
}

/// The same while the server still knows it: nobody takes the machine for one that is off.
fn a_saved_state_that_only_the_server_knows_is_seen(lab: &Lab) {
    let home = lab.home();
    create(&home, &["saved", "off"]);
    home.vbox(&["startvm", "saved", "--type=headless"]).ok();
    home.save_state("saved");
    let settings = home.settings("saved");
    let text = std::fs::read_to_string(&settings).unwrap();
    let (before, rest) = text.split_once(" stateFile=\"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    std::fs::write(&settings, format!("{before}{after}")).unwrap();
    for route in ["auto", "vboxmanage"] {
        assert!(home.has_server());
        let said = home.vboxmcp(&["get", "machines", "-o", "json", "--route", route]);
        let document: Value = serde_json::from_str(&said.stdout).unwrap();
        let rows = document["machines"].as_array().unwrap().iter();
        let states: Vec<_> = rows.map(|row| (row["name"].as_str(), row["state"].as_str())).collect();
        assert_eq!(states, [(Some("off"), Some("poweroff")), (Some("saved"), Some("saved"))], "{route}");
    }
    // Within `mcp` the helper tells it, and goes again: no guest lives.
    let mut command = home.command(env!("CARGO_BIN_EXE_vboxmcp"));
    command.arg("mcp");
    let mut agent = Agent::start(command, Era::ALL[0]);
    assert_eq!(agent.tool("get", json!({"machine": "saved"})).1["state"], "saved");
    assert_eq!(agent.tool("get", json!({"machine": "off"})).1["state"], "poweroff");
    assert!(agent.end().success());
    let said = doctor(&home, &[]);
    let found = rows(&said, "machines");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].0 == "warning" && found[0].1.contains("\"saved\""), "{found:?}");
    let hint = &said.stdout[said.stdout.find("modifyvm").unwrap()..];
    let words: Vec<&str> = hint[..hint.find('`').unwrap()].split(' ').collect();
    home.vbox(&words).ok();
    assert_eq!(std::fs::read_to_string(&settings).unwrap().matches("stateFile=").count(), 1);
    assert_eq!(rows(&doctor(&home, &[]), "machines").len(), 1);
}

/// With what ends when it is ended.
fn a_server_that_does_not_answer_is_named(lab: &Lab) {
    let home = lab.home();
    create(&home, &["on", "off"]);
    home.vbox(&["startvm", "on", "--type=headless"]).ok();
    let server = home.server_pid().expect("a server");
    let hint = || {
        signal(server, "STOP");
        let said = doctor(&home, &["--route", "vboxmanage"]);
        signal(server, "CONT");
        assert_eq!(rows(&said, "server")[0].0, "bad", "{said:?}");
        let document: Value = serde_json::from_str(said.stdout.lines().last().unwrap()).unwrap();
        let checks = document["report"]["checks"].as_array().unwrap();
        checks.iter().find(|row| row["what"] == "server").unwrap()["hint"].as_str().unwrap().to_owned()
    };
    let with_guest = hint();
    assert!(with_guest.contains(&format!("`kill {server}`")), "{with_guest}");
    assert!(with_guest.contains("\"on\"") && !with_guest.contains("\"off\""), "{with_guest}");
    home.vbox(&["controlvm", "on", "poweroff"]).ok();
    eventually("its process is gone", 30, || home.state("on") == "poweroff");
    let without = hint();
    assert!(without.contains("no guest runs"), "{without}");
    assert!(without.contains(&format!("`kill -KILL {server}`")), "{without}");
    signal(server, "STOP");
    kill(server);
    home.vbox(&["list", "runningvms"]).ok();
}

fn the_reader_is_compared_with_virtualbox(lab: &Lab) {
    let home = lab.home();
    for name in ["a", "b"] {
        home.vbox(&["createvm", "--name", name, "--ostype=Debian_64", "--register"]).ok();
        home.vbox(&["modifyvm", name, "--memory=64", "--nic2=nat"]).ok();
    }
    let said = doctor(&home, &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let [(verdict, text)] = &rows(&said, "reader")[..] else { panic!("{said:?}") };
    assert_eq!((verdict.as_str(), text.contains("2 of the machines")), ("good", true), "{text}");
    assert!(rows(&said, "VBoxManage")[0].1.contains(" 7."), "{said:?}");
    for folder in ["home", "machine folder", "state"] {
        assert!(rows(&said, folder)[0].1.ends_with(" free"), "{said:?}");
    }
    if lab.is_driverless() {
        assert_eq!(rows(&said, "driver")[0].0, "warning");
    }

    // A file that changes behind a server that runs: the server goes on with what it knows.
    let file = home.settings("b");
    let before = std::fs::read_to_string(&file).unwrap();
    let after = before.replace("RAMSize=\"64\"", "RAMSize=\"96\"");
    assert_ne!(before, after);
    assert!(home.has_server());
    std::fs::write(&file, after).unwrap();
    let said = doctor(&home, &["--verify-read"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let bad = rows(&said, "reader");
    assert_eq!(bad, [("bad".to_owned(), "\"b\": memory: its file says 96, VirtualBox 64".to_owned())]);

    home.wait_no_server();
    let said = doctor(&home, &["--verify-read"]);
    assert_eq!((said.code, rows(&said, "reader")[0].0.as_str()), (Some(0), "good"), "{said:?}");
}

const MANIFEST: &str = "\
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: new}
spec: {osType: Other, memory: 32MiB}
";

/// A VBoxManage that says of itself that it is another version.
fn another_version(home: &Home, lab: &Lab) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let program = home.root().join("VBoxManage");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && {{ echo 7.9.0r1; exit 0; }}\nexec '{}' \"$@\"\n",
        lab.vboxmanage().display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    path(&program).to_owned()
}

fn an_untested_virtualbox_is_compared_before_it_is_changed(lab: &Lab) {
    let home = lab.home();
    let program = another_version(&home, lab);
    home.vbox(&["createvm", "--name", "a", "--ostype=Debian_64", "--register"]).ok();
    home.vbox(&["modifyvm", "a", "--memory=64"]).ok();
    std::fs::write(home.scratch().join("new.yaml"), MANIFEST).unwrap();
    let file = home.settings("a");
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, before.replace("RAMSize=\"64\"", "RAMSize=\"96\"")).unwrap();
    assert!(home.has_server());

    let apply = ["apply", "new.yaml", "--yes", "--vboxmanage", &program];
    let said = home.vboxmcp(&apply);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(
        said.stderr.contains("are not read right (\"a\": memory: its file says 96, VirtualBox 64)"),
        "{said:?}"
    );
    assert!(!home.settings("new").exists());
    // From now on VirtualBox is asked about such machines, and told so.
    let said = home.vboxmcp(&["get", "-o", "json", "--vboxmanage", &program]);
    assert!(said.stdout.contains("\"memory\":64") && said.stdout.contains("are not read right"), "{said:?}");
    assert_eq!(home.vboxmcp(&apply).code, Some(0));

    // Until the files are found well again.
    home.wait_no_server();
    let said = home.vboxmcp(&["doctor", "--vboxmanage", &program]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = home.vboxmcp(&["get", "-o", "json", "--vboxmanage", &program]);
    assert!(said.stdout.contains("\"memory\":96") && !said.stdout.contains("are not read right"), "{said:?}");
}

const DISKS: &str = "\
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: web}
spec: {osType: Other, memory: 32MiB, nics: [], disks: {root: {size: 8MiB}, data: {size: 8MiB, format: vmdk}}}
";

/// VirtualBox takes neither a copy of a disk, nor one that lies in the place of another. Afterwards it takes both.
fn a_copied_disk_gets_another_uuid(lab: &Lab) {
    let home = lab.home();
    std::fs::write(home.scratch().join("lab.yaml"), DISKS).unwrap();
    assert_eq!(home.vboxmcp(&["apply", "lab.yaml", "--yes"]).code, Some(0));
    let info = |file: &Path| home.vbox(&["showmediuminfo", "disk", path(file)]);
    for disk in ["root.vdi", "data.vmdk"] {
        let file = home.machines().join("web").join(disk);
        let copy = home.scratch().join(disk);
        std::fs::copy(&file, &copy).unwrap();
        let refused = info(&copy);
        assert!(refused.stderr.contains("already exists"), "{refused:?}");
        let said = home.vboxmcp(&["doctor", "--fix", disk, "--yes"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let taken = info(&copy).ok();
        assert!(taken.contains(path(&copy)), "{taken}");
        assert!(info(&file).ok().contains("web"), "the disk itself is what it was");
        assert_eq!(
            home.vboxmcp(&["doctor", "--fix", disk, "--yes"]).code,
            Some(64),
            "there is no copy any more"
        );
    }
    let (root, data) = (home.machines().join("web/root.vdi"), home.scratch().join("other.vdi"));
    home.vbox(&["clonemedium", "disk", path(&root), path(&data)]).ok();
    home.vbox(&["closemedium", "disk", path(&data)]).ok();
    home.wait_no_server();
    std::fs::rename(&data, &root).unwrap();
    assert_eq!(rows(&doctor(&home, &[]), "disks")[0].0, "warning");
    let said = home.vboxmcp(&["doctor", "--fix", "--yes"]);
    assert_eq!(said.code, Some(11), "only a person can know that it is a copy: {said:?}");
    let said = home.vboxmcp(&["doctor", "--fix", path(&root), "--yes"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(rows(&doctor(&home, &[]), "disks"), []);
    assert!(info(&root).ok().contains("web"));
    home.vbox(&["startvm", "web", "--type=headless"]).ok();
    home.vbox(&["controlvm", "web", "poweroff"]).ok();
}

/// VirtualBox lets a disk be said to be where another one is, and its server does not start afterwards. What is said of it helps.
fn two_disks_of_one_path_are_put_right_by_hand(lab: &Lab) {
    let home = lab.home();
    let [one, two] = ["one.vdi", "two.vdi"].map(|name| home.scratch().join(name));
    for file in [&one, &two] {
        home.vbox(&["createmedium", "disk", "--filename", path(file), "--size=4"]).ok();
    }
    home.vbox(&["modifymedium", "disk", path(&one), "--setlocation", path(&two)]).ok();
    home.wait_no_server();
    assert_ne!(home.vbox(&["list", "hdds"]).code, Some(0));
    let said = doctor(&home, &[]);
    let document: Value = serde_json::from_str(said.stdout.lines().last().unwrap()).unwrap();
    let checks = document["report"]["checks"].as_array().unwrap();
    let twice = checks.iter().find(|row| row["text"].as_str().unwrap().contains("registered 2 times"));
    let twice = twice.unwrap_or_else(|| panic!("{said:?}"));
    let hint = twice["hint"].as_str().unwrap();
    let register = home.virtualbox().join("VirtualBox.xml");
    assert!(twice["verdict"] == "bad" && hint.contains(path(&register)), "{twice}");
    let uuid = hint.split_once("`location` of {").unwrap().1.split_once('}').unwrap().0;
    home.wait_no_server();
    let text = std::fs::read_to_string(&register).unwrap();
    let wrong = format!("uuid=\"{{{uuid}}}\" location=\"{}\"", path(&two));
    assert!(text.contains(&wrong), "{text}");
    let right = format!("uuid=\"{{{uuid}}}\" location=\"{}\"", path(&one));
    std::fs::write(&register, text.replace(&wrong, &right)).unwrap();
    let listed = home.vbox(&["list", "hdds"]).ok();
    assert!(listed.contains(path(&one)) && listed.contains(path(&two)), "{listed}");
}
