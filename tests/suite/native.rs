//! The native helper as a process of its own, with libraries that are not the one it knows; none of them is VirtualBox.

#![expect(clippy::disallowed_methods, reason = "the helper and a compiler are started")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What the helper says first, with this folder as VirtualBox's.
fn greeting(folder: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_vboxmcp"))
        .arg("native-helper")
        .env("VBOX_APP_HOME", folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let [line] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text:?}") };
    serde_json::from_str(line).unwrap()
}

#[track_caller]
fn is_refused(folder: &Path, words: &[&str]) {
    let greeting = greeting(folder);
    let why = greeting["refused"].as_str().unwrap_or_else(|| panic!("{greeting}"));
    for word in words {
        assert!(why.contains(word), "{word:?} is not in {why:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_library_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    is_refused(folder.path(), &["VBoxXPCOMC.so"]);
    let library = folder.path().join("VBoxXPCOMC.so");
    fs::write(&library, "no library").unwrap();
    is_refused(folder.path(), &["VBoxXPCOMC.so"]);
    // One that this program has loaded itself.
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let other = maps.split_whitespace().find(|word| word.contains("/libgcc_s.so")).unwrap();
    fs::copy(other, &library).unwrap();
    is_refused(folder.path(), &["is not VirtualBox's C binding"]);
}

/// A folder with a library that the C compiler, which Rust links with, makes of `tests/fake/binding.c`.
#[cfg(target_os = "linux")]
fn binding(folder: &tempfile::TempDir, defines: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake/binding.c");
    let output = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(folder.path().join("VBoxXPCOMC.so"))
        .args(defines)
        .arg(source)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    folder.path().to_owned()
}

#[test]
#[cfg(target_os = "linux")]
fn another_virtualbox_is_refused_before_anything_is_called() {
    for (defines, words) in [
        (["-DVERSION=7003000u"], ["is of VirtualBox 7.3.0", "only 7.2 is known"]),
        (["-DVERSION=7001014u"], ["is of VirtualBox 7.1.14", "only 7.2 is known"]),
        (["-DEDITION=0x00050000u"], ["another edition", "of its table"]),
        // The version is right and the interface is not: its methods stand who knows where.
        (["-DVERSION=7002099u"], ["the interface Client of this VirtualBox has another id", "7.2"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        is_refused(&binding(&folder, &defines), &words);
    }
}

#[test]
#[cfg(not(target_os = "linux"))]
fn there_is_none_on_this_platform() {
    is_refused(Path::new("/nowhere"), &["not on this platform"]);
}
