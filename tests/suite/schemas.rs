//! The published schemas of what programs read: fresh, and true of what the program writes.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use vboxmcp::render::schema::SchemaOf;

use crate::manifests::schema::Validator;
use crate::manifests::{committed, root};

#[test]
fn the_committed_schemas_are_fresh() {
    let mut wrong = Vec::new();
    for of in SchemaOf::ALL {
        wrong.extend(committed(&root().join("schemas").join(of.file()), &of.text()).err());
    }
    assert!(wrong.is_empty(), "VBOXMCP_UPDATE=1 writes them anew\n{}", wrong.join("\n"));
}

const LAB: &str = "\
apiVersion: vboxmcp/v1
kind: Stack
metadata: {name: shop}
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: web, labels: {tier: front}}
lifecycle: {protect: true, allow: [downtime, power-cut]}
spec:
  osType: Debian_64
  memory: 1GiB
  groups: [/shop]
  disks:
    root: {size: 16MiB}
  dvds: [{empty: true}]
  nics:
    - nat: {portForwards: {ssh: \"auto:22\"}}
  extraData: {note: one, gone: null}
  state: running
";

/// Runs the program and gives each line of its output.
#[expect(clippy::disallowed_methods, reason = "the program under test")]
fn lines(directory: &Path, words: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_vboxmcp"))
        .args(words)
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.is_empty(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn fits(of: SchemaOf, documents: &[Value], what: &str) {
    let schema: Value = serde_json::from_str(&of.text()).unwrap();
    for document in documents {
        let mut validator = Validator { root: &schema, used: BTreeSet::new() };
        validator.fits(&schema, document, what).unwrap_or_else(|error| panic!("{error}\n{document:#}"));
    }
}

#[test]
fn what_is_written_fits_its_schema() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().canonicalize().unwrap();
    let write = |text: &str| std::fs::write(directory.join("lab.yaml"), text).unwrap();
    let json = |words: &[&str]| lines(&directory, &[words, &["--host", "sim:host", "-o", "json"]].concat());
    write(LAB);
    let mut seen = BTreeSet::new();
    for (text, permissions) in [
        (LAB.to_owned(), &["--yes"][..]),
        (LAB.replace("1GiB", "2GiB").replace("16MiB", "32MiB").replace("note: one", "note: two"), &["--yes"]),
        (LAB.replace("state: running", "state: saved"), &["--yes", "--all-or-nothing"]),
        (LAB.replace("shop}", "other}"), &[]),
    ] {
        write(&text);
        fits(SchemaOf::Plan, &json(&["plan", "lab.yaml"]), "plan");
        let said = json(&[&["apply", "lab.yaml"], permissions].concat());
        seen.extend(said.iter().filter_map(|line| line["type"].as_str()).map(str::to_owned));
        fits(SchemaOf::Events, &said, "events");
        fits(SchemaOf::Inventory, &json(&["inventory", "--root", "."]), "inventory");
    }
    for kind in ["plan", "started", "stepStarted", "stepFinished", "finished", "outcome", "error"] {
        assert!(seen.contains(kind), "no line of type {kind} in {seen:?}");
    }
    write(LAB);
    fits(SchemaOf::Plan, &json(&["plan", "lab.yaml", "--out", "kept.plan"]), "plan");
    let kept: Value = serde_json::from_slice(&std::fs::read(directory.join("kept.plan")).unwrap()).unwrap();
    fits(SchemaOf::Plan, &[kept], "kept.plan");
}

#[test]
fn what_is_something_else_does_not_fit() {
    let schema: Value = serde_json::from_str(&SchemaOf::Plan.text()).unwrap();
    let mut validator = Validator { root: &schema, used: BTreeSet::new() };
    for wrong in [serde_json::json!({}), serde_json::json!({"formatVersion": "1"}), serde_json::json!([])] {
        assert!(validator.fits(&schema, &wrong, "").is_err(), "{wrong}");
    }
}
