//! Scripts: files, commands, and what the commands print.
//!
//! ```text
//! A line that begins with nothing below is a comment and stays.
//! @ lab.yaml                    a file of the directory, up to the line `@`
//! apiVersion: vboxmcp/v1
//! @
//! $ vboxmcp plan lab.yaml       a command; `NAME=VALUE` before it sets variables, `< FILE` is its standard input
//! | No changes.                 standard output
//! ! warning: …                  standard error
//! = 2                           exit code, left out where it is 0
//! ```
//!
//! Commands besides `vboxmcp`: `edit FILE OLD => NEW`, `rm PATH`, `ls PATH`, `behind DIR …` (see `behind`), `locked DIR vboxmcp …` while
//! another run holds the host's lock. `$HASH` is the last hash that
//! was printed, `$RUN` the first run of the last output that names one, `$DIR` the directory. `| json KEY...` behind a command shows these keys of each document of its output,
//! `| json:TYPE KEY...` of the first document of a type.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::behind::behind;
use super::redact::Redact;

/// What a command left.
#[derive(Default)]
struct Printed {
    stdout: String,
    stderr: String,
    code: i32,
}

/// Runs a script and gives it back with the output of today.
pub fn run(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    // Links on the way to the folder (macOS) would hide it from redaction.
    let directory = folder.path().canonicalize().unwrap();
    let mut result: Vec<String> = Vec::new();
    let mut redact = Redact::new(&directory);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        assert!(!is_output(line), "output without a command: {line}");
        result.push(line.to_owned());
        if let Some(name) = line.strip_prefix("@ ") {
            let content: Vec<&str> = lines.by_ref().take_while(|line| *line != "@").collect();
            result.extend(content.iter().map(|&line| line.to_owned()));
            result.push("@".to_owned());
            let path = directory.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content.join("\n") + "\n").unwrap();
        } else if let Some(command) = line.strip_prefix("$ ") {
            while lines.next_if(|line| is_output(line)).is_some() {}
            let printed = perform(&redact.fill_in(command), &directory);
            redact.look(&printed.stdout);
            result.extend(prefixed('|', &redact.hide(&printed.stdout)));
            result.extend(prefixed('!', &redact.hide(&printed.stderr)));
            if printed.code != 0 {
                result.push(format!("= {}", printed.code));
            }
        }
    }
    result.join("\n") + "\n"
}

fn is_output(line: &str) -> bool {
    line == "|" || line == "!" || ["| ", "! ", "= "].iter().any(|prefix| line.starts_with(prefix))
}

fn prefixed(prefix: char, text: &str) -> impl Iterator<Item = String> {
    text.lines().map(move |line| format!("{prefix} {line}").trim_end().to_owned())
}

fn perform(command: &str, directory: &Path) -> Printed {
    let (command, keys) = match command.split_once(" | json") {
        Some((command, keys)) => (command, Some(keys)),
        None => (command, None),
    };
    let (command, input) = match command.split_once(" < ") {
        Some((command, input)) => (command, Some(input.trim())),
        None => (command, None),
    };
    let words = words(command);
    let (variables, words): (Vec<_>, Vec<_>) = {
        let first =
            words.iter().position(|word| !word.contains('=') || word.starts_with('-')).unwrap_or(words.len());
        (words[..first].to_vec(), words[first..].to_vec())
    };
    let rest: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    let mut printed = match words[0].as_str() {
        "vboxmcp" => vboxmcp(&rest, &variables, input, directory),
        "edit" => {
            let (file, change) = command.strip_prefix("edit ").unwrap().split_once(' ').unwrap();
            let (old, new) = change.split_once(" => ").unwrap();
            let path = directory.join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(old), "{file} has no {old:?}");
            std::fs::write(path, text.replace(old, new)).unwrap();
            Printed::default()
        }
        "rm" => {
            let path = directory.join(rest[0]);
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
            Printed::default()
        }
        "ls" => Printed { stdout: list(&directory.join(rest[0])), ..Printed::default() },
        "locked" => {
            let timeout = std::time::Duration::ZERO;
            let home = directory.join(rest[0]).join("home");
            let _lock =
                vboxmcp::apply::Lock::take(&home, "bob", "apply of plan 0123456789ab", timeout).unwrap();
            vboxmcp(&rest[2..], &variables, input, directory)
        }
        "behind" => {
            behind(&directory.join(rest[0]), &rest[1..]);
            Printed::default()
        }
        other => panic!("no such command: {other}"),
    };
    if let Some(keys) = keys {
        let (only, keys) = keys.split_once(' ').unwrap();
        let only = only.strip_prefix(':');
        let documents = serde_json::Deserializer::from_str(&printed.stdout).into_iter::<Value>();
        let meant =
            documents.map(Result::unwrap).filter(|document| only.is_none_or(|only| document["type"] == only));
        let most = if only.is_some() { 1 } else { usize::MAX };
        let shown: Vec<String> = meant.take(most).flat_map(|document| chosen(&document, keys)).collect();
        printed.stdout = shown.join("\n");
    }
    printed
}

fn vboxmcp(arguments: &[&str], variables: &[String], input: Option<&str>, directory: &Path) -> Printed {
    #[expect(clippy::disallowed_methods, reason = "the program under test")]
    let mut command = Command::new(env!("CARGO_BIN_EXE_vboxmcp"));
    command.args(arguments).current_dir(directory).env_clear().env("HOME", directory).env("USER", "ada");
    command.env("VBOX_USER_HOME", directory.join("VirtualBox"));
    for variable in variables {
        let (name, value) = variable.split_once('=').unwrap();
        command.env(name, value);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let bytes = input.map(|file| std::fs::read(directory.join(file)).unwrap()).unwrap_or_default();
    // A program that does not read its input closes it.
    let _ = child.stdin.take().unwrap().write_all(&bytes);
    let output = child.wait_with_output().unwrap();
    Printed {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap_or(-1),
    }
}

/// Some keys of a JSON document, one a line; `a.b` goes down, `*` is every member of a list, `keys` the names of an object.
fn chosen(document: &Value, keys: &str) -> Vec<String> {
    let found = keys.split_whitespace().flat_map(|key| down(document, key));
    found.map(|(name, value)| format!("{name}: {value}")).collect()
}

fn down(value: &Value, key: &str) -> Vec<(String, String)> {
    let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
    let members: Vec<(String, &Value)> = match (first, value) {
        ("*", Value::Array(members)) => {
            members.iter().enumerate().map(|(at, v)| (at.to_string(), v)).collect()
        }
        ("*", Value::Object(members)) => members.iter().map(|(key, v)| (key.clone(), v)).collect(),
        ("keys", Value::Object(members)) => {
            return vec![("keys".to_owned(), members.keys().cloned().collect::<Vec<_>>().join(" "))];
        }
        (key, value) => value.get(key).map(|v| (key.to_owned(), v)).into_iter().collect(),
    };
    members
        .into_iter()
        .flat_map(|(name, value)| match rest {
            None => vec![(name, value.to_string())],
            Some(rest) => down(value, rest)
                .into_iter()
                .map(|(below, value)| (format!("{name}.{below}"), value))
                .collect(),
        })
        .collect()
}

fn list(path: &Path) -> String {
    fn walk(root: &Path, path: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(path).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    walk(path, path, &mut found);
    found.sort();
    found.join("\n")
}

/// Words as a shell splits them, with `'` and `"`.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
