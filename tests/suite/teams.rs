//! The examples for teams say what the program knows: their YAML is whole, their verbs and flags are there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/teams")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

#[expect(clippy::disallowed_methods, reason = "the program under test")]
fn help(verb: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_vboxmcp"))
        .args([verb, "--help"])
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "`{verb}` is no verb");
    String::from_utf8(output.stdout).unwrap()
}

/// The words of each line that runs vboxmcp, in a shell or as a list, from the verb on.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let joined = text.replace(",\n", ", ");
    for line in joined.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let words: Vec<String> = line
            .split(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | ',' | '[' | ']' | '>' | '|' | ')'))
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        for (at, _) in words.iter().enumerate().filter(|(_, word)| *word == "vboxmcp") {
            if words.get(at.wrapping_sub(1)).is_some_and(|word| word == "name:") {
                continue;
            }
            found.push(words[at + 1..].to_vec());
        }
    }
    found
}

#[test]
fn every_command_of_the_examples_is_one_of_the_programs() {
    let mut seen = 0;
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        for words in commands(&text) {
            let Some(verb) = words.first() else { panic!("{}: a command without a verb", file.display()) };
            let help = help(verb);
            for flag in words.iter().filter(|word| word.starts_with('-') && word.len() > 1) {
                let name = flag.split('=').next().unwrap();
                let is_known = help
                    .split(|c: char| c.is_whitespace() || matches!(c, ',' | '=' | '[' | '<'))
                    .any(|word| word == name);
                assert!(is_known, "{}: `vboxmcp {verb}` has no {name}", file.display());
            }
            seen += 1;
        }
    }
    assert!(seen >= 12, "{seen} commands were found");
}

#[test]
fn the_examples_are_whole_documents() {
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let document: Value =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(document.is_object() || document.is_array(), "{}", file.display());
    }
}
