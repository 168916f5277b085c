//! The rooms of the crate and what they may import; lengths, headings and words of its files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What each room may import. `lib.rs` and `main.rs` stand above the rooms.
const IMPORTS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("threads", &[]),
    ("manifest", &["model", "threads"]),
    ("inventory", &["model"]),
    ("diff", &["model", "threads", "inventory"]),
    ("plan", &["model", "diff", "inventory"]),
    ("event", &["model", "plan"]),
    ("host", &["model", "threads", "inventory", "plan"]),
    ("apply", &["model", "diff", "inventory", "plan", "event", "host"]),
    ("config", &["model"]),
    ("failure", &["config", "host", "manifest"]),
    (
        "ops",
        &[
            "model",
            "threads",
            "manifest",
            "inventory",
            "diff",
            "plan",
            "event",
            "host",
            "apply",
            "config",
            "failure",
        ],
    ),
    ("render", &["model", "manifest", "inventory", "diff", "plan", "event", "ops", "failure"]),
    ("mcp", &["model", "config", "ops", "render", "failure"]),
    ("cli", &["model", "config", "ops", "render", "failure", "mcp"]),
];

/// The longest file. It is split before it comes that far.
const MOST_LINES: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below some folders, with their paths from the root, `/` between the parts.
fn files(folders: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn room(name: &str) -> &str {
    let inside = name.strip_prefix("src/").unwrap();
    inside.split('/').next().unwrap().trim_end_matches(".rs")
}

fn is_test(name: &str) -> bool {
    name.split('/').any(|part| matches!(part, "tests" | "tests.rs"))
}

/// The code of a file: no comments, and nothing from its test module on.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Rooms that stand behind `crate::`, alone or in braces.
fn imported(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (_, rest) in code.match_indices("crate::").map(|(at, found)| (at, &code[at + found.len()..])) {
        let word = |text: &str| {
            text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>()
        };
        match rest.strip_prefix('{') {
            None => rooms.push(word(rest)),
            Some(list) => {
                let (mut depth, mut start) = (0, true);
                for (at, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && !c.is_whitespace() => {
                            rooms.push(word(&list[at..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    rooms
}

#[test]
fn rooms_import_what_the_design_allows() {
    let allowed: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (name, text) in files(&["src"]) {
        let room = room(&name);
        if matches!(room, "lib" | "main") || is_test(&name) {
            continue;
        }
        let Some(allowed) = allowed.get(room) else {
            wrong.push(format!("{name}: the room `{room}` is in no table"));
            continue;
        };
        for import in imported(&code(&text)) {
            let is_macro = import.is_empty() || !IMPORTS.iter().any(|(room, _)| *room == import);
            if import != room && !is_macro && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{name} imports crate::{import}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_are_found_however_they_are_written() {
    let code = code(
        "use crate::{model::{A, B}, plan};\nlet x = crate::diff::equal; // crate::cli\n#[cfg(test)]\nmod tests { use crate::ops; }",
    );
    assert_eq!(imported(&code), ["model", "plan", "diff"]);
}

#[test]
fn files_are_short() {
    for (name, text) in files(&["src", "tests"]) {
        let lines = text.lines().count();
        assert!(lines < MOST_LINES, "{name} has {lines} lines: split it before {MOST_LINES}");
    }
}

#[test]
fn every_module_says_what_may_live_there() {
    for (name, text) in files(&["src", "tests"]) {
        let is_included = name.starts_with("tests/fixtures/");
        assert!(is_included || is_test(&name) || text.starts_with("//!"), "{name} does not begin with `//!`");
    }
}

#[test]
fn exceptions_from_lints_have_reasons() {
    for (name, text) in files(&["src", "tests"]) {
        for word in ["[allow(", "[expect("] {
            for (at, _) in text.match_indices(word) {
                let attribute = &text[at..text[at..].find(")]").map_or(text.len(), |end| at + end)];
                let is_quoted = text[..at].ends_with('"');
                assert!(is_quoted || attribute.contains("reason = "), "{name}: {attribute})] has no reason");
            }
        }
    }
}

#[test]
fn standard_streams_are_the_command_lines_own() {
    for (name, text) in files(&["src"]) {
        let code = code(&text);
        let is_door = name.starts_with("src/cli/") || name == "src/config/environment.rs";
        for stream in ["stdin()", "stdout()", "stderr()"] {
            let used = code.contains(&format!("io::{stream}"));
            assert!(is_door || is_test(&name) || !used, "{name} uses io::{stream}: pass a reader or writer");
        }
    }
}

#[test]
fn unfinished_work_is_named_with_an_issue() {
    // In two parts, so that this file does not find itself.
    let words = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["HA", "CK"]].map(|parts| parts.concat());
    for (name, text) in files(&["src", "tests"]) {
        for (number, line) in (1..).zip(text.lines()) {
            let found =
                line.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| words.iter().any(|w| w == word));
            if let Some(word) = found {
                assert!(line.contains(&format!("{word}(#")), "{name}:{number}: {word} without its issue");
            }
        }
    }
}
