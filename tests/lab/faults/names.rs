//! Names and text with quotes, line ends, leading dashes, slashes, letters beyond ASCII, and two hundred characters.

use serde_json::json;

use super::{expect, is_settled, write};
use crate::Test;
use crate::home::path;
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("names_that_virtualbox_cannot_hold_are_refused", names_that_virtualbox_cannot_hold_are_refused),
    ("strange_names_and_texts_work_end_to_end", strange_names_and_texts_work_end_to_end),
];

fn machine(name: &str) -> serde_json::Value {
    json!({
        "apiVersion": "vboxmcp/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name},
        "lifecycle": {"onRemove": "delete"},
        "spec": {"osType": "Other", "memory": "32MiB", "disks": {"root": {"size": "4MiB"}}},
    })
}

fn names_that_virtualbox_cannot_hold_are_refused(lab: &Lab) {
    let home = lab.home();
    let long = "x".repeat(201);
    let names = [
        "it's",
        "say \"hi\"",
        "two\nlines",
        "-dash",
        "--help",
        "a/b",
        "a\\b",
        "..",
        "",
        " a",
        "a.",
        "tab\t",
        &long,
    ];
    for name in names {
        let file = write(&home, &machine(name).to_string());
        for verb in [&["validate"][..], &["plan"], &["apply", "--yes"]] {
            expect(home.vboxmcp(&[verb, &[path(&file)]].concat()), 64, &["faults.yaml:1:"]);
        }
    }
    assert_eq!(home.vbox(&["list", "vms"]).ok(), "");
}

fn strange_names_and_texts_work_end_to_end(lab: &Lab) {
    let home = lab.home();
    // By hand VirtualBox takes names that no manifest may have: they are in nobody's way.
    home.vbox(&["createvm", "--name=--it's \"so\"", "--ostype=Other", "--register"]).ok();
    let long = "n".repeat(200);
    let text = "--help\n\"quoted\" and 'quoted', \\ back\nKey: x, Value: y\ngrüße 日本語 🚀";
    let mut documents =
        vec![json!({"apiVersion": "vboxmcp/v1", "kind": "Stack", "metadata": {"name": "faults"}})];
    for name in ["grüße 日本語", "a b (1) c.d", &long] {
        let mut machine = machine(name);
        machine["spec"]["description"] = text.into();
        machine["spec"]["extraData"] = json!({"some/key": "-x \"y\" 'z' \\ ü", "other/key": "--help"});
        machine["spec"]["sharedFolders"] = json!({"füße": {"hostPath": path(&home.scratch())}});
        documents.push(machine);
    }
    let all: Vec<String> = documents.iter().map(ToString::to_string).collect();
    let file = write(&home, &all.join("\n---\n"));
    expect(home.vboxmcp(&["apply", path(&file), "--yes"]), 0, &[]);
    is_settled(&home, &file);
    assert_eq!(home.vbox(&["list", "vms"]).ok().lines().count(), 4);
    assert!(home.settings(&long).exists() && home.settings("grüße 日本語").exists());
    expect(home.vboxmcp(&["get", "machines"]), 0, &["--it's", "grüße 日本語"]);
    let destroy = ["destroy", path(&file), "--confirm", "faults", "--allow", "destroy-data"];
    expect(home.vboxmcp(&destroy), 0, &[]);
    assert_eq!(home.vbox(&["list", "vms"]).ok().lines().count(), 1);
    let left = std::fs::read_dir(home.machines()).expect("the folder").count();
    assert_eq!(left, 1, "only the machine that was made by hand");
}
