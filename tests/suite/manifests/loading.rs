//! Finding and reading manifests: what is read, what is left out, what is refused.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use vboxmcp::manifest::{self, LoadRequest, Loaded};

use super::{context, root};

const MACHINE: &str = "apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {name: NAME}\nspec: {}\n";

fn machine(name: &str) -> String {
    MACHINE.replace("NAME", name)
}

fn load(cwd: &Path, paths: &[&str]) -> Loaded {
    let paths = paths.iter().map(PathBuf::from).collect();
    manifest::load(&LoadRequest { paths, stdin: None, cwd: cwd.to_owned() })
}

fn codes(loaded: &Loaded) -> Vec<&'static str> {
    loaded.diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

fn names(loaded: &Loaded) -> Vec<String> {
    let (desired, _) = manifest::lower(loaded, &context()).unwrap();
    desired.machines.values().map(|machine| machine.name.to_string()).collect()
}

#[test]
fn directories_are_read_in_order_and_without_what_is_not_ours() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir_all(at("lab/sub")).unwrap();
    fs::create_dir_all(at("lab/.git")).unwrap();
    fs::write(at("lab/b.yaml"), machine("b")).unwrap();
    fs::write(at("lab/a.yml"), machine("a")).unwrap();
    fs::write(at("lab/sub/c.yaml"), machine("c") + "---\n" + &machine("d")).unwrap();
    fs::write(at("lab/.git/e.yaml"), machine("e")).unwrap();
    fs::write(at("lab/notes.txt"), machine("f")).unwrap();
    fs::write(at("lab/pod.yaml"), "apiVersion: v1\nkind: Pod\na: 1\na: 2\n").unwrap();
    fs::write(at("lab/compose.yaml"), "services: {}\n").unwrap();
    fs::write(at("lab/chart.yaml"), "name: {{ .Values.name }}: x\n").unwrap();
    fs::write(at("lab/empty.yaml"), "# nothing\n---\n---\n").unwrap();
    let loaded = load(directory.path(), &["lab"]);
    assert_eq!(codes(&loaded), [""; 0]);
    assert_eq!(names(&loaded), ["a", "b", "c", "d"]);
    let left_out: Vec<&str> =
        loaded.notes.iter().map(|note| loaded.sources.get(note.labels[0].span.source).name()).collect();
    let shown = |name: &str| PathBuf::from("lab").join(name).display().to_string();
    assert_eq!(left_out, [shown("chart.yaml"), shown("compose.yaml"), shown("pod.yaml")]);
    assert_eq!(loaded.paths, [at("lab")]);
    let (_, findings) = manifest::lower(&loaded, &context()).unwrap();
    assert!(findings.list.iter().all(|finding| finding.code == "skipped") && findings.list.len() == 3);
}

#[test]
fn a_broken_file_that_may_be_ours_is_not_left_out() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.yaml"), machine("a")).unwrap();
    fs::write(directory.path().join("b.yaml"), machine("b") + "x: [\n").unwrap();
    fs::write(directory.path().join("c.yaml"), "kind: VirtualMachine\nmetadata: {name: c}\nspec: {}\n")
        .unwrap();
    fs::write(directory.path().join("d.yaml"), "apiVersion: vboxmpc/v1\nkind: VirtualMachine\n").unwrap();
    let loaded = load(directory.path(), &["."]);
    assert_eq!(codes(&loaded), ["yaml-syntax", "api-version", "api-version"]);
    let diagnostics = manifest::lower(&loaded, &context()).unwrap_err();
    assert_eq!(diagnostics.list.len(), 3);
}

#[test]
fn a_file_that_is_named_twice_is_read_once() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("lab")).unwrap();
    fs::write(directory.path().join("lab/a.yaml"), machine("a")).unwrap();
    let loaded = load(directory.path(), &["lab/a.yaml", "lab", "./lab/../lab/a.yaml"]);
    assert_eq!(names(&loaded), ["a"]);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("lab", directory.path().join("link")).unwrap();
        assert_eq!(names(&load(directory.path(), &["lab", "link"])), ["a"]);
    }
}

#[test]
fn standard_input_is_a_manifest() {
    let request = LoadRequest {
        paths: vec![PathBuf::from("-"), PathBuf::from("-")],
        stdin: Some((machine("a") + "  # x\n").replace("spec: {}", "spec: {location: ./vms}").into_bytes()),
        cwd: root(),
    };
    let loaded = manifest::load(&request);
    let (desired, _) = manifest::lower(&loaded, &context()).unwrap();
    let machine = desired.machines.values().next().unwrap();
    assert_eq!(machine.location, Some(root().join("vms")));
    assert_eq!(machine.source.file, "-");
    assert_eq!(desired.paths, [PathBuf::from("-")]);
}

#[test]
fn what_is_not_there_is_said() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(codes(&load(directory.path(), &["nothing.yaml"])), ["file-not-found"]);
    assert_eq!(codes(&load(directory.path(), &["."])), ["no-documents"]);
    assert_eq!(codes(&load(directory.path(), &[])), ["no-documents"]);
    assert!(manifest::lower(&load(directory.path(), &["."]), &context()).is_err());
}

#[test]
fn a_file_of_50_megabytes_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = fs::File::create(directory.path().join("big.yaml")).unwrap();
    file.set_len(50 * 1024 * 1024).unwrap();
    assert_eq!(codes(&load(directory.path(), &["big.yaml"])), ["file-too-large"]);
    assert_eq!(codes(&load(directory.path(), &["."])), ["file-too-large"]);
    let full = machine("a") + &"# filler\n".repeat(400_000);
    fs::write(directory.path().join("big.yaml"), full).unwrap();
    assert_eq!(codes(&load(directory.path(), &["big.yaml"])), [""; 0]);
}

#[test]
fn a_file_in_another_encoding_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("latin.yaml"), b"apiVersion: vboxmcp/v1\nname: B\xfcro\n").unwrap();
    let loaded = load(directory.path(), &["latin.yaml"]);
    assert_eq!(codes(&loaded), ["not-utf8"]);
    assert!(loaded.diagnostics[0].message.contains("line 2"), "{}", loaded.diagnostics[0].message);
}

/// So many that several threads read them: what they hold, and what is wrong with them, stays in the order of their paths.
#[test]
fn many_files_are_what_one_with_all_of_them_is() {
    let directory = tempfile::tempdir().unwrap();
    let texts: Vec<String> = (0..600).map(|number| machine(&format!("m{number:03}"))).collect();
    for (number, text) in texts.iter().enumerate() {
        fs::write(directory.path().join(format!("{number:03}.yaml")), text).unwrap();
    }
    let several = load(directory.path(), &["."]);
    let one = LoadRequest {
        paths: vec![PathBuf::from("-")],
        stdin: Some(texts.join("---\n").into_bytes()),
        cwd: root(),
    };
    let name = |document: &manifest::load::Document| {
        let metadata = &document.node.get("metadata").unwrap().value;
        metadata.get("name").unwrap().value.text().unwrap().to_owned()
    };
    let order = |loaded: &Loaded| loaded.documents.iter().map(name).collect::<Vec<_>>();
    assert_eq!(order(&several), order(&manifest::load(&one)));
    let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(order(&several), order(&manifest::load_texts(&borrowed, &root())));

    fs::write(directory.path().join("200.yaml"), [0xff]).unwrap();
    fs::write(directory.path().join("100.yaml"), machine("m100") + "x: [\n").unwrap();
    fs::write(directory.path().join("300.yaml"), machine("m300").replace("/v1", "/v9")).unwrap();
    let broken = load(directory.path(), &["."]);
    assert_eq!(codes(&broken), ["yaml-syntax", "not-utf8", "api-version"]);
    assert_eq!(broken.documents.len(), 597);
}

#[cfg(unix)]
#[test]
fn a_directory_that_leads_back_into_itself_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("lab")).unwrap();
    fs::write(directory.path().join("lab/a.yaml"), machine("a")).unwrap();
    std::os::unix::fs::symlink("..", directory.path().join("lab/up")).unwrap();
    assert_eq!(codes(&load(directory.path(), &["lab"])), ["directory-loop"]);
    fs::remove_file(directory.path().join("lab/up")).unwrap();
    std::os::unix::fs::symlink("nowhere", directory.path().join("lab/gone.yaml")).unwrap();
    assert_eq!(codes(&load(directory.path(), &["lab"])), ["file-not-found"]);
}

#[test]
fn notes_do_not_hold_up_a_run() {
    let request = LoadRequest {
        paths: vec![PathBuf::from("-")],
        stdin: Some((machine("a") + "---\napiVersion: apps/v1\nkind: Deployment\n").into_bytes()),
        cwd: root(),
    };
    // Named one by one, so that everything in it must be ours.
    assert_eq!(codes(&manifest::load(&request)), ["api-version"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a file holds, it is read or refused; every diagnostic has a place that can be drawn.
    #[test]
    fn no_text_brings_it_down(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, "[ -~äß\\n\\t]{0,8}"), 1..6)
    ) {
        let mut text = fs::read_to_string(root().join("examples/vocabulary.yaml")).unwrap();
        for (at, length, insert) in edits {
            let chars: Vec<(usize, char)> = text.char_indices().collect();
            let start = at.index(chars.len());
            let end = (start + length).min(chars.len());
            let to = chars.get(end).map_or(text.len(), |(at, _)| *at);
            text.replace_range(chars[start].0..to, &insert);
        }
        let request = LoadRequest { paths: vec!["-".into()], stdin: Some(text.into_bytes()), cwd: root() };
        let loaded = manifest::load(&request);
        if let Err(diagnostics) = manifest::lower(&loaded, &context()) {
            prop_assert!(!super::render(&diagnostics).is_empty());
        }
    }
}
