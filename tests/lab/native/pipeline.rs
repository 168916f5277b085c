//! Steps by the helper overlap: while VirtualBox does some, the next ones are announced and the last ones are looked at.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::home::path;
use crate::lab::Lab;

pub fn so_many_steps_are_under_way_at_most(lab: &Lab) {
    let home = lab.home();
    let file = home.scratch().join("fleet.yaml");
    let text = |memory: u32, data: &str| {
        format!(
            "apiVersion: vboxmcp/v1\nkind: Stack\nmetadata: {{name: fleet}}\n---\napiVersion: vboxmcp/v1\nkind: VirtualMachine\n\
             metadata: {{name: node}}\nspec:\n  replicas: 12\n  osType: Other\n  memory: {memory}MiB\n  extraData: {{x/one: \"{data}\"}}\n"
        )
    };
    fs::write(&file, text(32, "a")).expect("a manifest");
    let run = |arguments: &[&str]| home.vboxmcp(&[&["apply", path(&file), "--yes"], arguments].concat()).ok();
    run(&["--quiet"]);
    fs::write(&file, text(36, "b")).expect("a manifest");
    let told = run(&["-o", "json", "--route", "native"]);
    let (mut open, mut most, mut done) = (BTreeSet::new(), 0, 0);
    for line in told.lines() {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        let step = line["step"].as_u64();
        match line["type"].as_str() {
            Some("stepStarted") => assert!(open.insert(step), "{line}"),
            Some("stepFinished") => {
                assert!(open.remove(&step), "{line}");
                done += 1;
            }
            _ => {}
        }
        most = most.max(open.len());
    }
    assert_eq!((done, open.len()), (24, 0), "{told}");
    // Two for each of the two helpers.
    assert_eq!(most, 4, "{told}");
    home.vboxmcp(&["plan", path(&file), "--detailed-exitcode"]).ok();
    home.vboxmcp(&["runs", "verify"]).ok();
}
