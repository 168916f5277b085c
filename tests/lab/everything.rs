//! A machine with every word of the language that the laboratory can hold: made, written down, and still as declared. And what
//! depends on the host itself: its interfaces, its autostart database.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Test;
use crate::home::{Home, Output, path};
use crate::lab::Lab;
use crate::scenario::case::Case;
use crate::scenario::iso;

pub const TESTS: &[Test] = &[
    ("every_word_round_trips", every_word_round_trips),
    ("a_secret_is_set_again_and_nowhere_written", a_secret_is_set_again_and_nowhere_written),
    ("autostart_works_once_there_is_a_database", autostart_works_once_there_is_a_database),
    ("an_interface_is_found_by_its_address_and_by_a_pattern", an_interface_is_found),
];

#[track_caller]
fn expect(said: Output, code: i32) -> Output {
    assert_eq!(said.code, Some(code), "{said:?}");
    said
}

fn manifest(home: &Home, name: &str, text: &str) -> PathBuf {
    let file = home.scratch().join(name);
    fs::write(&file, text).expect("a manifest in the scratch folder");
    file
}

/// Nothing is to be done.
#[track_caller]
fn settled(home: &Home, arguments: &[&str]) {
    let plan = home.vboxmcp(&[&["plan", "-o", "json", "--detailed-exitcode"], arguments].concat());
    let plan: Value = serde_json::from_str(&expect(plan, 0).stdout).expect("a plan");
    assert_eq!(plan["steps"].as_array().map(Vec::len), Some(0), "{plan:#}");
    assert_eq!(plan["objects"].as_array().map(Vec::len), Some(0), "{plan:#}");
}

fn every_word_round_trips(lab: &Lab) {
    let home = lab.home();
    let case = Case::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/everything.yaml"));
    for folder in &case.folders {
        fs::create_dir_all(home.scratch().join(folder)).expect("a folder");
    }
    for image in &case.images {
        fs::write(home.scratch().join(image), iso()).expect("an image");
    }
    let text = case.runs[0].manifests.as_deref().expect("a manifest");
    let file = manifest(&home, "lab.yaml", text);
    let secret = "teleport_password=hunter2";
    expect(home.vboxmcp(&["apply", path(&file), "--yes", "--var", secret]), 0);
    settled(&home, &[path(&file), "--var", secret]);
    let exported = expect(home.vboxmcp(&["export", "vm/all"]), 0).stdout;
    assert!(!exported.contains("left out: ") || exported.matches("left out: ").count() == 1, "{exported}");
    let file = manifest(&home, "export.yaml", &exported);
    settled(&home, &[path(&file), "--stack", "vocabulary"]);
    expect(home.vboxmcp(&["drift", path(&file), "--stack", "vocabulary"]), 0);
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let kind = entry.file_type().expect("a kind of file");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found
}

fn a_secret_is_set_again_and_nowhere_written(lab: &Lab) {
    let home = lab.home();
    let text = "apiVersion: vboxmcp/v1\nkind: Stack\nmetadata: {name: shop}\nspec:\n  variables: {pass: {sensitive: true}}\n---\n\
                apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {name: web}\nspec:\n  osType: Debian_64\n  memory: 64MiB\n  \
                teleporter: {enabled: true, port: 6000, password: \"${var.pass}\"}\n";
    let file = manifest(&home, "lab.yaml", text);
    let kept = || {
        let settings = fs::read_to_string(home.machines().join("web/web.vbox")).expect("a settings file");
        let (_, rest) = settings.split_once("password=\"").expect("a password");
        rest.split('"').next().expect("a hash").to_owned()
    };
    let mut said = String::new();
    let mut run = |words: &[&str], code| {
        let output = expect(home.vboxmcp(&[words, &[path(&file)]].concat()), code);
        write!(said, "{output:?}").expect("a text grows");
    };
    run(&["apply", "--yes", "-o", "json", "--var", "pass=s3cret-eins"], 0);
    let first = kept();
    // VirtualBox keeps a hash of what it was told: the same as of the word on the command line.
    home.vbox(&["createvm", "--name=other", "--ostype=Debian_64", "--register"]).ok();
    home.vbox(&["modifyvm", "other", "--teleporter=on", "--teleporter-password=s3cret-eins"]).ok();
    let other = fs::read_to_string(home.machines().join("other/other.vbox")).expect("a settings file");
    assert!(first.len() > 20 && other.contains(&first), "{first}");
    run(&["plan", "--detailed-exitcode", "--var", "pass=s3cret-eins"], 0);
    run(&["plan", "--detailed-exitcode", "--var", "pass=s3cret-zwei"], 2);
    run(&["apply", "--yes", "--var", "pass=s3cret-zwei"], 0);
    assert_ne!(kept(), first);
    run(&["plan", "--detailed-exitcode", "--var", "pass=s3cret-zwei"], 0);
    assert!(!said.contains("s3cret"), "{said}");
    for file in files(home.root()) {
        let bytes = fs::read(&file).unwrap_or_default();
        let found = bytes.windows(6).any(|window| window == b"s3cret");
        assert!(!found, "{} holds a secret", file.display());
    }
}

fn autostart_works_once_there_is_a_database(lab: &Lab) {
    let home = lab.home();
    let text = "apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {name: web}\nspec:\n  osType: Debian_64\n  memory: 64MiB\n  \
                autostart: {enabled: true, delay: 5s, stop: acpishutdown}\n";
    let file = manifest(&home, "lab.yaml", text);
    expect(home.vboxmcp(&["apply", "--yes", path(&file)]), 11);
    let database = home.scratch().join("autostart");
    fs::create_dir(&database).expect("a folder");
    home.vbox(&["setproperty", "autostartdbpath", path(&database)]).ok();
    expect(home.vboxmcp(&["apply", "--yes", path(&file)]), 0);
    settled(&home, &[path(&file)]);
    assert!(files(&database).iter().any(|file| file.extension().is_some_and(|end| end == "start")));
    home.vbox(&["modifyvm", "web", "--autostart-enabled=off"]).ok();
}

fn an_interface_is_found(lab: &Lab) {
    let home = lab.home();
    let listed = home.vbox(&["list", "bridgedifs"]).ok();
    let value = |key: &str| {
        let line = listed.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let (Some(name), Some(mac)) = (value("Name:"), value("HardwareAddress:")) else {
        // A host without any interface has nothing that could be found.
        return;
    };
    for bridged in [format!("{{mac: \"{mac}\"}}"), format!("{{match: \"{name}\"}}")] {
        let text = format!(
            "apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {{name: web}}\nspec:\n  osType: Debian_64\n  memory: 64MiB\n  \
             nics: [{{bridged: {{interface: {bridged}}}}}]\n"
        );
        let file = manifest(&home, "lab.yaml", &text);
        let said = expect(home.vboxmcp(&["apply", "--yes", path(&file)]), 0);
        settled(&home, &[path(&file)]);
        assert!(bridged.contains("match") || said.stdout.contains(&format!("to {name} (mac ")), "{said:?}");
        assert_eq!(home.info("web", "bridgeadapter1").as_deref(), Some(name.as_str()));
    }
}
