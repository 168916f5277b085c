//! Saved plans on a real VirtualBox: stale after whatever they used was changed, fresh after anything else; two at once; plans as commands.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::Test;
use crate::home::{Home, Output, eventually, path};
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("a_plan_is_stale_after_whatever_it_used", a_plan_is_stale_after_whatever_it_used),
    ("two_stacks_leave_each_others_plans_alone", two_stacks_leave_each_others_plans_alone),
    ("the_second_of_two_is_told_who_is_at_work", the_second_of_two_is_told_who_is_at_work),
    ("the_commands_do_what_the_plan_does", the_commands_do_what_the_plan_does),
    ("a_plan_that_was_made_elsewhere_is_the_same", a_plan_that_was_made_elsewhere_is_the_same),
];

const WEB: &str = "\
apiVersion: vboxmcp/v1
kind: Stack
metadata: {name: shop}
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: web}
spec:
  osType: Other
  memory: 32MiB
  description: first
  groups: [/shop]
  disks:
    root: {size: 8MiB}
  nics:
    - nat: {portForwards: {ssh: \"45901:22\"}}
      mac: \"08:00:27:00:AB:01\"
  extraData: {note: one}
  stopTimeout: 1s
  state: poweroff
";

fn write(home: &Home, name: &str, text: &str) -> PathBuf {
    let file = home.scratch().join(name);
    fs::write(&file, text).expect("a manifest in the scratch folder");
    file
}

#[track_caller]
fn expect(said: Output, code: i32) -> Output {
    assert_eq!(said.code, Some(code), "{said:?}");
    said
}

/// Keeps a plan of `file` that changes memory, port and address, grows the disk and adds another one.
fn keep(home: &Home, file: &str) {
    let wider = WEB
        .replace("memory: 32MiB", "memory: 40MiB")
        .replace("45901", "45902")
        .replace("AB:01", "AB:02")
        .replace("size: 8MiB}", "size: 16MiB}\n    data: {size: 8MiB}");
    fs::write(file, wider).expect("the manifest");
    expect(home.vboxmcp(&["plan", file, "--out", "web.plan"]), 0);
}

fn a_plan_is_stale_after_whatever_it_used(lab: &Lab) {
    let home = lab.home();
    let web = write(&home, "web.yaml", WEB);
    let file = path(&web);
    expect(home.vboxmcp(&["apply", file, "--yes"]), 0);
    home.vbox(&["createvm", "--name", "other", "--ostype", "Other", "--register"]).ok();
    home.vbox(&["modifyvm", "other", "--memory", "32", "--natpf1", "x,tcp,,45999,,22"]).ok();
    keep(&home, file);

    let there =
        home.settings("web").parent().expect("its folder").parent().expect("the group").join("shop/web");
    let data = there.join("data.vdi");
    let other_port = "y,tcp,127.0.0.1,45902,,22";
    // What somebody does, what the refusal names, and how it is undone.
    let changes: &[(&[&str], &str, &[&str])] = &[
        (
            &["modifyvm", "web", "--memory", "36"],
            "vm/web memory: was 32, is 36 now",
            &["modifyvm", "web", "--memory", "32"],
        ),
        (
            &["modifyvm", "web", "--description", "second"],
            "vm/web description: was \"first\", is \"second\" now",
            &["modifyvm", "web", "--description", "first"],
        ),
        (
            &["setextradata", "web", "note", "two"],
            "vm/web extraData.note: was \"one\", is \"two\" now",
            &["setextradata", "web", "note", "one"],
        ),
        (
            &["modifyvm", "web", "--natpf1", "more,tcp,127.0.0.1,45903,,80"],
            "vm/web nics.1.nat.portForwards: was [ssh], is [more, ssh] now",
            &["modifyvm", "web", "--natpf1", "delete", "more"],
        ),
        (
            &["modifyvm", "web", "--macaddress1", "08002700AB09"],
            "vm/web nics.1.mac: was \"08002700AB01\", is \"08002700AB09\" now",
            &["modifyvm", "web", "--macaddress1", "08002700AB01"],
        ),
        (
            &["startvm", "web", "--type=headless"],
            "vm/web state: was \"poweroff\", is \"running\" now",
            &["controlvm", "web", "poweroff"],
        ),
        (
            &["modifyvm", "other", "--natpf1", other_port],
            "host port 45902: was free, is held by",
            &["modifyvm", "other", "--natpf1", "delete", "y"],
        ),
        (
            &["modifyvm", "other", "--macaddress1", "08002700AB02"],
            "MAC address 08002700AB02: was free, is held by",
            &["modifyvm", "other", "--macaddress1", "08002700AB07"],
        ),
        (
            &["createmedium", "disk", "--filename", path(&data), "--sizebyte", "8388608"],
            "data.vdi: was absent, is",
            &["closemedium", "disk", path(&data), "--delete"],
        ),
        (&["modifyvm", "other", "--name", "web"], "machine name \"web\": was held by", &[]),
    ];
    for (change, says, undo) in changes {
        home.vbox(change).ok();
        let before = fs::read(home.settings_of("web")).expect("the settings");
        let said = expect(home.vboxmcp(&["apply", "--plan", "web.plan"]), 4);
        assert!(
            said.stderr.contains("nothing was done") && said.stderr.contains(says),
            "{change:?}: {said:?}"
        );
        assert_eq!(fs::read(home.settings_of("web")).expect("the settings"), before, "{change:?}");
        if undo.is_empty() {
            let all = home.vbox(&["list", "vms"]).ok();
            let uuid = all
                .lines()
                .find(|line| !line.contains(&web_uuid(&home)))
                .and_then(|line| line.split(['{', '}']).nth(1));
            home.vbox(&["modifyvm", uuid.expect("the other one"), "--name", "other"]).ok();
        } else {
            eventually("it is undone", 20, || home.vbox(undo).is_success());
        }
    }
    // A guest property, an unrelated machine that starts, a machine that is new.
    home.vbox(&["guestproperty", "set", "web", "/lab/x", "1"]).ok();
    home.vbox(&["startvm", "other", "--type=headless"]).ok();
    home.vbox(&["createvm", "--name", "third", "--ostype", "Other", "--register"]).ok();
    expect(home.vboxmcp(&["apply", "--plan", "web.plan"]), 0);
    expect(home.vboxmcp(&["plan", file, "--detailed-exitcode"]), 0);
}

/// The UUID that the settings file of `web` says.
fn web_uuid(home: &Home) -> String {
    let text = fs::read_to_string(home.settings_of("web")).expect("the settings");
    let from = text.find("<Machine uuid=\"{").expect("a machine") + "<Machine uuid=\"{".len();
    text[from..from + 36].to_owned()
}

impl Home<'_> {
    /// The settings file of a machine of group `/shop`.
    fn settings_of(&self, machine: &str) -> PathBuf {
        self.machines().join("shop").join(machine).join(format!("{machine}.vbox"))
    }
}

fn two_stacks_leave_each_others_plans_alone(lab: &Lab) {
    let home = lab.home();
    let stack = |name: &str, machine: &str, port: u16| {
        let text = format!(
            "apiVersion: vboxmcp/v1\nkind: Stack\nmetadata: {{name: {name}}}\n---\napiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {{name: {machine}}}\nspec:\n  osType: Other\n  memory: 32MiB\n  disks: {{root: {{size: 8MiB}}}}\n  nics: [{{nat: {{portForwards: {{ssh: \"{port}:22\"}}}}}}]\n"
        );
        write(&home, &format!("{name}.yaml"), &text)
    };
    let (one, two, three) = (stack("one", "a", 45911), stack("two", "b", 45912), stack("three", "c", 45911));
    for (file, plan) in [(&one, "one.plan"), (&two, "two.plan"), (&three, "three.plan")] {
        expect(home.vboxmcp(&["plan", path(file), "--out", plan]), 0);
    }
    expect(home.vboxmcp(&["apply", "--plan", "two.plan"]), 0);
    expect(home.vboxmcp(&["apply", "--plan", "one.plan"]), 0);
    let said = expect(home.vboxmcp(&["apply", "--plan", "three.plan"]), 4);
    assert!(said.stderr.contains("host port 45911: was free, is held by"), "{said:?}");
    assert_eq!(home.vbox(&["list", "vms"]).ok().lines().count(), 2);
}

fn the_second_of_two_is_told_who_is_at_work(lab: &Lab) {
    let home = lab.home();
    let web = write(
        &home,
        "web.yaml",
        &WEB.replace("state: poweroff", "replicas: 8")
            .replace("      mac: \"08:00:27:00:AB:01\"\n", "")
            .replace("45901", "auto"),
    );
    let file = path(&web);
    let mut first = home
        .command(env!("CARGO_BIN_EXE_vboxmcp"))
        // Step by step, so that it is at work for a while.
        .args(["apply", file, "--yes", "--quiet", "--route", "vboxmanage"])
        .spawn()
        .expect("vboxmcp can be started");
    let lock = home.virtualbox().join("vboxmcp.lock");
    eventually("the first one has the lock", 60, || {
        fs::read_to_string(&lock).is_ok_and(|text| text.contains("pid"))
    });
    let said = expect(home.vboxmcp(&["apply", file, "--yes", "--quiet"]), 9);
    let holder = format!("(process {})", first.id());
    assert!(said.stderr.contains(&holder) && said.stderr.contains("apply of plan"), "{said:?}");
    // Planning never waits.
    expect(home.vboxmcp(&["plan", file]), 0);
    // One that waits runs afterwards: what it was to do is done, or it is another plan by then.
    let waited = home.vboxmcp(&["apply", file, "--yes", "--quiet", "--lock-timeout", "120"]);
    assert!(matches!(waited.code, Some(0 | 4)), "{waited:?}");
    assert_eq!(first.wait().expect("vboxmcp ends").code(), Some(0));
    expect(home.vboxmcp(&["plan", file, "--detailed-exitcode"]), 0);
}

fn the_commands_do_what_the_plan_does(lab: &Lab) {
    let home = lab.home();
    let text = WEB.replace("description: first", "description: \"it's $HOME \\\"quoted\\\" `x`\"");
    let web = write(&home, "web.yaml", &text);
    let file = path(&web);
    let by_hand = |arguments: &[&str]| {
        let script = expect(home.vboxmcp(arguments), 0).stdout;
        let script = write(&home, "script.sh", &script);
        let folder = lab.vboxmanage().parent().expect("its folder").to_owned();
        let said = home
            .command("sh")
            .args(["-eu", path(&script)])
            .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
            .output()
            .expect("sh can be started");
        assert!(said.status.success(), "{said:?}");
    };
    by_hand(&["plan", file, "-o", "commands"]);
    expect(home.vboxmcp(&["plan", file, "--detailed-exitcode"]), 0);
    // A running machine is stopped, changed and started again.
    let running = text.replace("state: poweroff", "state: running");
    fs::write(file, running).expect("the manifest");
    expect(home.vboxmcp(&["apply", file, "--yes"]), 0);
    fs::write(
        file,
        text.replace("state: poweroff", "state: running").replace("memory: 32MiB", "memory: 40MiB"),
    )
    .expect("the manifest");
    by_hand(&["plan", file, "-o", "commands", "--allow", "downtime,power-cut", "--max-downtime", "100%"]);
    expect(home.vboxmcp(&["plan", file, "--detailed-exitcode"]), 0);
}

fn a_plan_that_was_made_elsewhere_is_the_same(lab: &Lab) {
    let home = lab.home();
    let web = write(
        &home,
        "web.yaml",
        &WEB.replace("root: {", "data: {location: disks/data.vdi, size: 8MiB}\n    root: {"),
    );
    let elsewhere = home.root().join("elsewhere");
    fs::create_dir(&elsewhere).expect("another checkout");
    fs::copy(&web, elsewhere.join("web.yaml")).expect("the manifest");
    let inventory = expect(home.vboxmcp(&["inventory", "--root", path(&home.scratch())]), 0).stdout;
    fs::write(elsewhere.join("host.json"), inventory).expect("the inventory");
    let hash = |said: &str| {
        let plan: Value = serde_json::from_str(said).expect("a plan");
        plan["hash"].as_str().expect("a hash").to_owned()
    };
    let here = hash(&expect(home.vboxmcp(&["plan", "web.yaml", "-o", "json"]), 0).stdout);
    // Nothing of the host: no VBoxManage, no home.
    let there = Command::new(env!("CARGO_BIN_EXE_vboxmcp"))
        .args(["plan", "web.yaml", "--inventory", "host.json", "-o", "json"])
        .current_dir(&elsewhere)
        .env_clear()
        .env("HOME", &elsewhere)
        .output()
        .expect("vboxmcp can be started");
    assert!(there.status.success(), "{there:?}");
    assert_eq!(hash(&String::from_utf8_lossy(&there.stdout)), here);
    expect(home.vboxmcp(&["apply", "web.yaml", "--plan-hash", &here]), 0);
}
