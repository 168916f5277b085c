//! The walk on a real VirtualBox: manifest, plan, apply, and an empty plan after it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Test;
use crate::guest::Guest;
use crate::home::{Home, Output, path};
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("two_machines_run_drift_and_are_put_right", two_machines_run_drift_and_are_put_right),
    ("a_guest_that_obeys_needs_no_power_cut", a_guest_that_obeys_needs_no_power_cut),
    ("a_hundred_machines", a_hundred_machines),
    ("plan_starts_no_process_it_does_not_need", plan_starts_no_process_it_does_not_need),
    ("a_clone_is_unowned", a_clone_is_unowned),
    ("only_what_touches_the_broken_fails", only_what_touches_the_broken_fails),
    ("an_unknown_version_is_read_by_showvminfo", an_unknown_version_is_read_by_showvminfo),
];

const PAIR: &str = "\
apiVersion: vboxmcp/v1
kind: Stack
metadata: {name: pair}
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: one}
spec:
  osType: Other
  memory: 32MiB
  disks:
    root: {size: 16MiB}
  nics:
    - nat:
        portForwards:
          ssh: \"PORT1:22\"
          web: \"PORT2:80\"
  state: running
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: two}
spec:
  osType: Other
  memory: 32MiB
  nics:
    - nat:
        portForwards:
          ssh: \"PORT3:22\"
  state: running
";

/// Ports that nobody listens on now.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners =
        std::array::from_fn::<_, N, _>(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("its address").port())
}

fn write(home: &Home, name: &str, text: &str) -> PathBuf {
    let file = home.scratch().join(name);
    fs::write(&file, text).expect("a manifest in the scratch folder");
    file
}

fn expect(said: Output, code: i32) -> Output {
    assert_eq!(said.code, Some(code), "{said:?}");
    said
}

fn json(said: &Output) -> Value {
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

/// Everything below a folder, with its kind.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder").flatten() {
        found.push(entry.path());
        if entry.file_type().expect("its kind").is_dir() {
            found.extend(tree(&entry.path()));
        }
    }
    found.sort();
    found
}

fn uuid(home: &Home, machine: &str) -> String {
    home.info(machine, "UUID").expect("the machine's UUID")
}

fn two_machines_run_drift_and_are_put_right(lab: &Lab) {
    let home = lab.home();
    let [one, two, three] = free_ports();
    let manifest = |text: &str| {
        text.replace("PORT1", &one.to_string())
            .replace("PORT2", &two.to_string())
            .replace("PORT3", &three.to_string())
    };
    let lab_yaml = write(&home, "pair.yaml", &manifest(PAIR));
    let file = path(&lab_yaml);
    let (files_before, machines_before) = (tree(&home.machines()), home.vbox(&["list", "vms"]).ok());

    expect(home.vboxmcp(&["plan", file, "--detailed-exitcode"]), 2);
    expect(home.vboxmcp(&["apply", file, "--yes"]), 0);
    assert_eq!((home.state("one"), home.state("two")), ("running".to_owned(), "running".to_owned()));
    expect(home.vboxmcp(&["plan", file, "--detailed-exitcode"]), 0);
    expect(home.vboxmcp(&["drift", file]), 0);
    // The forwarded port answers: VirtualBox's own NAT engine takes the connection.
    std::net::TcpStream::connect(("127.0.0.1", one)).expect("the forwarded port listens");

    // Somebody moves a rule of the running machine, and memory of the other one while it is off.
    let vm = home.vm_pid(&uuid(&home, "one")).expect("the machine's process");
    home.vbox(&["controlvm", "one", "natpf1", "delete", "ssh"]).ok();
    home.vbox(&["controlvm", "one", "natpf1", &format!("ssh,tcp,127.0.0.1,{one},,2200")]).ok();
    home.vbox(&["controlvm", "two", "poweroff"]).ok();
    home.vbox(&["modifyvm", "two", "--memory", "48"]).ok();
    let drift = expect(home.vboxmcp(&["drift", file, "-o", "json"]), 3);
    for field in ["nics.1.nat.portForwards.ssh", "memory", "state"] {
        assert!(drift.stdout.contains(field), "{field} is not in {}", drift.stdout);
    }
    expect(home.vboxmcp(&["apply", file, "--yes"]), 0);
    expect(home.vboxmcp(&["plan", file, "--detailed-exitcode"]), 0);
    assert_eq!(home.info("two", "memory").as_deref(), Some("32"));
    assert_eq!(home.vm_pid(&uuid(&home, "one")), Some(vm), "the guest was disturbed");

    // A rule that leaves the manifest leaves the running machine.
    let without = manifest(PAIR).replace(&format!("          web: \"{two}:80\"\n"), "");
    fs::write(&lab_yaml, without).expect("the manifest");
    expect(home.vboxmcp(&["apply", file, "--yes"]), 0);
    assert!(!home.vbox(&["showvminfo", "one", "--machinereadable"]).ok().contains("web,tcp"));
    assert_eq!(home.vm_pid(&uuid(&home, "one")), Some(vm), "the guest was disturbed");
    expect(home.vboxmcp(&["plan", file, "--detailed-exitcode"]), 0);

    // Destroying needs its permissions and the stack's name.
    expect(home.vboxmcp(&["destroy", file, "--all", "--confirm", "pair"]), 11);
    let allow = "downtime,power-cut,destroy-data";
    expect(home.vboxmcp(&["destroy", file, "--all", "--allow", allow]), 64);
    let slow = fs::read_to_string(&lab_yaml)
        .expect("the manifest")
        .replace("  state: running", "  stopTimeout: 1s\n  state: running");
    fs::write(&lab_yaml, slow).expect("the manifest");
    expect(home.vboxmcp(&["destroy", file, "--all", "--allow", allow, "--confirm", "pair"]), 0);
    assert_eq!(home.vbox(&["list", "vms"]).ok(), machines_before);
    assert_eq!(tree(&home.machines()), files_before);
    assert!(
        !home.vbox(&["getextradata", "global", "enumerate"]).ok().contains("vboxmcp/"),
        "the register stays behind"
    );
}

fn a_guest_that_obeys_needs_no_power_cut(lab: &Lab) {
    let home = lab.home();
    let guest = Guest::ObeysAcpi.machine(&home, "obeys");
    let text = "\
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: obeys}
spec:
  memory: 32MiB
  state: running
";
    let file = write(&home, "obeys.yaml", text);
    let file = path(&file);
    expect(home.vboxmcp(&["adopt", "vm/obeys", "-f", file, "--yes"]), 0);
    home.vbox(&["modifyvm", &guest.uuid, "--memory", "32"]).ok();
    guest.start(&home);
    guest.wait_up();
    fs::write(file, text.replace("32MiB", "40MiB")).expect("the manifest");
    let blocked = expect(home.vboxmcp(&["apply", file, "--yes"]), 11);
    assert!(
        blocked.stdout.contains("--allow downtime") || blocked.stderr.contains("--allow downtime"),
        "{blocked:?}"
    );
    expect(home.vboxmcp(&["apply", file, "--yes", "--allow", "downtime"]), 0);
    assert_eq!(home.info(&guest.uuid, "memory").as_deref(), Some("40"));
    assert_eq!(home.state(&guest.uuid), "running");
    expect(home.vboxmcp(&["plan", file, "--detailed-exitcode"]), 0);
}

fn a_hundred_machines(lab: &Lab) {
    let home = lab.home();
    let fleet = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/fleet.yaml");
    let file = path(&fleet);
    expect(home.vboxmcp(&["apply", file, "--yes"]), 0);
    assert_eq!(home.vbox(&["list", "vms"]).ok().lines().count(), 100);
    expect(home.vboxmcp(&["plan", file, "--detailed-exitcode"]), 0);
    assert!(
        home.vbox(&["showvminfo", "node-100", "--machinereadable"])
            .ok()
            .contains("ssh,tcp,127.0.0.1,20100,,22")
    );
}

/// A VBoxManage that writes down that it was called.
fn counting(home: &Home, lab: &Lab) -> (PathBuf, PathBuf) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = home.scratch().join("counting");
    fs::create_dir_all(&folder).expect("a folder");
    let (program, log) = (folder.join("VBoxManage"), folder.join("log"));
    let text = format!(
        "#!/bin/sh\necho \"$*\" >> '{}'\nexec '{}' \"$@\"\n",
        log.display(),
        lab.vboxmanage().display()
    );
    fs::write(&program, text).expect("a script");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its permissions");
    let server = lab.vboxmanage().with_file_name("VBoxSVC");
    std::os::unix::fs::symlink(server, folder.join("VBoxSVC")).expect("a link to the server");
    fs::write(&log, "").expect("the log");
    (program, log)
}

fn plan_starts_no_process_it_does_not_need(lab: &Lab) {
    let home = lab.home();
    let ports: [u16; 3] = free_ports();
    let off = PAIR.replace("state: running", "state: poweroff");
    let text = off
        .replace("PORT1", &ports[0].to_string())
        .replace("PORT2", &ports[1].to_string())
        .replace("PORT3", &ports[2].to_string());
    let manifest = write(&home, "pair.yaml", &text);
    let file = path(&manifest);
    let (program, log) = counting(&home, lab);
    expect(home.vboxmcp(&["apply", file, "--yes"]), 0);
    home.wait_no_server();
    let plan = || -> Vec<String> {
        fs::write(&log, "").expect("the log");
        expect(home.vboxmcp(&["plan", file, "--detailed-exitcode", "--vboxmanage", path(&program)]), 0);
        let calls = fs::read_to_string(&log).expect("the log");
        calls.lines().map(str::to_owned).collect()
    };
    assert_eq!(plan(), [] as [&str; 0]);
    assert!(!home.has_server(), "plan started a server");
    fs::write(&manifest, text.replace("state: poweroff", "state: running")).expect("the manifest");
    expect(home.vboxmcp(&["apply", file, "--yes"]), 0);
    // A client that sleeps is ended and asked again, and so is one beside which VirtualBox wrote a file. That does not happen each time.
    let once = (0..5).any(|_| {
        let calls = plan();
        assert!(!calls.is_empty() && calls.iter().all(|call| call == "list runningvms"), "{calls:?}");
        calls.len() == 1
    });
    assert!(once, "each plan asked more than once");
}

fn a_clone_is_unowned(lab: &Lab) {
    let home = lab.home();
    let text = "\
apiVersion: vboxmcp/v1
kind: Stack
metadata: {name: clones}
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: original}
lifecycle: {onRemove: delete}
spec: {osType: Other, memory: 32MiB}
";
    let manifest = write(&home, "clones.yaml", text);
    let file = path(&manifest);
    expect(home.vboxmcp(&["apply", file, "--yes"]), 0);
    home.vbox(&["clonevm", "original", "--name=copy", "--register"]).ok();
    let plan = expect(home.vboxmcp(&["plan", file, "--detailed-exitcode"]), 0);
    assert!(plan.stdout.contains("clone") || plan.stderr.contains("clone"), "{plan:?}");
    // A declaration of the clone's name is a conflict, and destroying the stack leaves it alone.
    let both =
        format!("{text}---\n{}", text.split("---\n").nth(1).expect("a machine").replace("original", "copy"));
    fs::write(&manifest, both).expect("the manifest");
    let conflict = expect(home.vboxmcp(&["apply", file, "--yes"]), 11);
    assert!(conflict.stdout.contains("vboxmcp adopt vm/copy"), "{conflict:?}");
    expect(home.vboxmcp(&["destroy", file, "--allow", "destroy-data", "--confirm", "clones"]), 0);
    let left = home.vbox(&["list", "vms"]).ok();
    assert!(left.contains("\"copy\"") && !left.contains("\"original\""), "{left}");
}

fn three(home: &Home) -> PathBuf {
    const STACK: &str = "apiVersion: vboxmcp/v1\nkind: Stack\nmetadata: {name: broken}\n";
    const MACHINE: &str = "\
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: NAME}
spec:
  osType: Other
  memory: 32MiB
  acpi: true
  disks:
    root: {size: 8MiB}
";
    let machines = ["good", "bad", "diskless"].map(|name| MACHINE.replace("NAME", name));
    let text = STACK.to_owned() + &machines.concat();
    write(home, "broken.yaml", &text)
}

fn only_what_touches_the_broken_fails(lab: &Lab) {
    let home = lab.home();
    let manifest = three(&home);
    let file = path(&manifest);
    expect(home.vboxmcp(&["apply", file, "--yes"]), 0);
    home.wait_no_server();
    let bad = home.settings("bad");
    let whole = fs::read(&bad).expect("the settings file");
    fs::write(&bad, &whole[..whole.len() / 2]).expect("the settings file");
    fs::remove_file(home.machines().join("diskless/root.vdi")).expect("the disk");
    // A machine of the name of a declared one, made by hand.
    home.vbox(&["createvm", "--name=taken", "--ostype=Other", "--register"]).ok();
    let mut text =
        fs::read_to_string(&manifest).expect("the manifest").replace("memory: 32MiB", "memory: 36MiB");
    text +=
        "---\napiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {name: taken}\nspec: {memory: 36MiB}\n";
    fs::write(&manifest, text).expect("the manifest");
    let plan = json(&expect(home.vboxmcp(&["plan", file, "-o", "json"]), 0));
    let of = |address: &str| {
        let objects = plan["objects"].as_array().expect("objects");
        objects
            .iter()
            .find(|object| object["address"] == address)
            .unwrap_or_else(|| panic!("{address}: {plan}"))
            .clone()
    };
    assert_eq!(of("vm/bad")["operation"], "blocked");
    assert_eq!(of("vm/taken")["operation"], "blocked");
    assert_eq!(of("vm/good")["operation"], "change");
    expect(home.vboxmcp(&["apply", file, "--yes"]), 11);
    assert_eq!(home.info("good", "memory").as_deref(), Some("36"));
    assert_eq!(home.info("diskless", "memory").as_deref(), Some("36"));
    assert_ne!(home.info("taken", "memory").as_deref(), Some("36"));
    assert_eq!(
        fs::read(&bad).expect("the settings file").len(),
        whole.len() / 2,
        "the broken file was written"
    );
    let rows = expect(home.vboxmcp(&["get", "machines"]), 0);
    assert!(rows.stdout.contains("good") && rows.stdout.to_lowercase().contains("inaccessible"), "{rows:?}");
}

/// Version 1.30 in the layout of 1.20 loads in VirtualBox 7.2; in the layout of 1.19 it does not.
fn an_unknown_version_is_read_by_showvminfo(lab: &Lab) {
    let home = lab.home();
    let manifest = three(&home);
    let file = path(&manifest);
    expect(home.vboxmcp(&["apply", file, "--yes"]), 0);
    // The execution engine lifts the file to 1.20 and its layout.
    home.vbox(&["modifyvm", "good", "--vm-execution-engine=interpreter"]).ok();
    home.wait_no_server();
    for (name, from) in [("good", "1.20-"), ("bad", "1.19-")] {
        let settings = home.settings(name);
        let text = fs::read_to_string(&settings).expect("the settings file");
        assert!(text.contains(&format!("version=\"{from}")), "{name} is not {from}");
        fs::write(&settings, text.replace(&format!("version=\"{from}"), "version=\"1.30-"))
            .expect("the settings file");
    }
    let with_unknown = fs::read_to_string(&manifest)
        .expect("the manifest")
        .replace("memory: 32MiB", "memory: 36MiB")
        .replacen(
            "  acpi: true\n",
            "  acpi: true\n  controllers:\n    SATA: {bus: sata, hostIoCache: true}\n",
            1,
        );
    fs::write(&manifest, with_unknown).expect("the manifest");
    let plan = json(&expect(home.vboxmcp(&["plan", file, "-o", "json"]), 0));
    let of = |address: &str| {
        let objects = plan["objects"].as_array().expect("objects");
        objects
            .iter()
            .find(|object| object["address"] == address)
            .unwrap_or_else(|| panic!("{address}: {plan}"))
            .clone()
    };
    assert_eq!(of("vm/bad")["operation"], "blocked");
    // Memory is what showvminfo tells; the cache of a controller is not.
    let good = of("vm/good");
    let fields = good["fields"].as_array().expect("fields");
    let memory = fields.iter().find(|field| field["difference"]["path"] == "memory").expect("memory");
    assert_ne!(memory["blocked"], true, "{good}");
    assert!(good["blocked"].as_array().is_some_and(|all| !all.is_empty()), "{good}");
}
