//! A VBoxManage that is missing, hangs, prints garbage, dies or fails with exit 0: a clear error, the right exit code, and nothing done.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const MANIFEST: &str = "\
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: a}
spec: {osType: Other, memory: 32MiB}
";

/// A folder with a manifest, an empty VirtualBox home and a VBoxManage that does what `behaviour` says in the shell's language.
fn scene(behaviour: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("home")).unwrap();
    fs::write(folder.path().join("a.yaml"), MANIFEST).unwrap();
    fs::write(folder.path().join("behaviour"), behaviour).unwrap();
    let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake/VBoxManage");
    std::os::unix::fs::symlink(fake, folder.path().join("VBoxManage")).unwrap();
    folder
}

#[expect(clippy::disallowed_methods, reason = "a test runs the program")]
fn vboxmcp(folder: &Path, vboxmanage: &Path, arguments: &[&str]) -> Output {
    let socket = folder.file_name().unwrap().to_string_lossy().trim_start_matches('.').to_owned();
    Command::new(env!("CARGO_BIN_EXE_vboxmcp"))
        .args(arguments)
        .current_dir(folder)
        .env("VBOX_USER_HOME", folder.join("home"))
        .env("VBOX_IPC_SOCKETID", socket)
        .env("VBOXMCP_VBOXMANAGE", vboxmanage)
        .env("XDG_STATE_HOME", folder.join("state"))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn apply(behaviour: &str) -> (Option<i32>, String) {
    let folder = scene(behaviour);
    let said = vboxmcp(folder.path(), &folder.path().join("VBoxManage"), &["apply", "a.yaml", "--yes"]);
    assert!(!folder.path().join("home/VirtualBox.xml").exists(), "something was done");
    (said.status.code(), String::from_utf8_lossy(&said.stderr).into_owned())
}

#[test]
fn garbage() {
    let (code, said) = apply("echo 'Segmentation fault banana'");
    assert_eq!(code, Some(10), "{said}");
    assert!(said.contains("printed something unexpected: `Segmentation fault banana`"), "{said}");
}

#[test]
fn failing_with_exit_0() {
    let (code, said) = apply("echo 'VBoxManage: error: no more rooms' >&2");
    assert_eq!(code, Some(10), "{said}");
    assert!(said.contains("no more rooms"), "{said}");
}

#[test]
fn ended_by_a_signal() {
    let (code, said) = apply("kill -KILL $$");
    assert_eq!(code, Some(10), "{said}");
    assert!(said.contains("ended by a signal"), "{said}");
}

#[test]
fn hanging() {
    let (code, said) = apply("exec sleep 600");
    assert_eq!(code, Some(10), "{said}");
    assert!(said.contains("did not answer within"), "{said}");
}

#[test]
fn missing() {
    let folder = scene("");
    let nowhere = folder.path().join("nowhere/VBoxManage");
    let said = vboxmcp(folder.path(), &nowhere, &["apply", "a.yaml", "--yes"]);
    assert_eq!(said.status.code(), Some(10), "{said:?}");
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(text.contains("VBoxManage was not found") && text.contains("--vboxmanage"), "{text}");
    // What is registered stands in files: looking needs no VBoxManage while no server runs.
    let plan = vboxmcp(folder.path(), &nowhere, &["plan", "a.yaml"]);
    assert_eq!(plan.status.code(), Some(0), "{plan:?}");
}
