//! What is another one each time: the directory, hashes, UUIDs, MACs, times, the order in which parallel steps end.

use std::path::{Path, PathBuf};

/// Hides what changes from run to run.
pub struct Redact {
    directory: PathBuf,
    hash: Option<String>,
    run: Option<String>,
}

impl Redact {
    /// For one directory.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), hash: None, run: None }
    }

    /// Remembers the last hash of an output.
    pub fn look(&mut self, text: &str) {
        let is_hash = |word: &&str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
        let found = text.split(|c: char| !c.is_ascii_alphanumeric()).rfind(is_hash);
        if let Some(hash) = found {
            self.hash = Some(hash.to_owned());
        }
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        if let Some(run) = words.into_iter().find(|word| is_run(word)) {
            self.run = Some(run.to_owned());
        }
    }

    /// A command with its `$HASH`, `$RUN` and `$DIR`.
    pub fn fill_in(&self, command: &str) -> String {
        let command = command.replace("$DIR", &self.directory.display().to_string());
        let command = match &self.hash {
            Some(hash) => command.replace("$HASH", hash),
            None => command,
        };
        match &self.run {
            Some(run) => command.replace("$RUN", run),
            None => command,
        }
    }

    /// A text without what changes.
    pub fn hide(&self, text: &str) -> String {
        let text = text.replace(&self.directory.display().to_string(), "<dir>");
        let lines: Vec<String> = text.lines().map(hide_line).collect();
        sorted_steps(&lines).join("\n")
    }
}

fn hide_line(line: &str) -> String {
    let line = hide_moments(line);
    let mut shown = String::new();
    let mut rest = line.as_str();
    while !rest.is_empty() {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        if end == 0 {
            let c = rest.chars().next().unwrap();
            shown.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            shown.push_str(hide_word(&rest[..end]));
            rest = &rest[end..];
        }
    }
    narrowed(&hide_space(&hide_times(&shown)))
}

/// `, 12.3 GiB free` at the end of a line
fn hide_space(line: &str) -> String {
    match line.strip_suffix(" free").and_then(|line| line.rsplit_once(", ")) {
        Some((rest, _)) => format!("{rest}, <n> free"),
        None => line.to_owned(),
    }
}

/// A column is as wide as the longest path in it, which is another one elsewhere.
fn narrowed(line: &str) -> String {
    let is_wide = line.contains("<dir>") || line.starts_with("LOCATION");
    let indent = line.len() - line.trim_start().len();
    if !is_wide || !line.trim_start().contains("  ") {
        return line.to_owned();
    }
    let words: Vec<&str> =
        line[indent..].split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
    format!("{}{}", &line[..indent], words.join("  "))
}

fn hide_word(word: &str) -> &str {
    let hexadecimal = |word: &str| word.bytes().all(|b| b.is_ascii_hexdigit());
    let is_uuid = || {
        let parts: Vec<usize> = word.split('-').map(str::len).collect();
        parts == [8, 4, 4, 4, 12] && word.split('-').all(hexadecimal)
    };
    match word.len() {
        64 if hexadecimal(word) => "<hash>",
        36 if is_uuid() => "<uuid>",
        12 if word.starts_with("080027") && hexadecimal(word) => "<mac>",
        12 if hexadecimal(word) && word.bytes().any(|b| b.is_ascii_digit()) => "<short hash>",
        28 if is_run(word) => "<run>",
        _ => word,
    }
}

/// `20260131T120000042Z-1a2b3c4d`
fn is_run(word: &str) -> bool {
    word.len() == 28 && word.as_bytes()[8] == b'T' && word.as_bytes()[18] == b'Z'
}

/// `2026-01-31T12:00:00Z`, wherever it stands.
fn hide_moments(line: &str) -> String {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00Z";
    let fits = |at: usize| {
        let part = line.as_bytes().get(at..at + SHAPE.len())?;
        let same =
            |(byte, shape): (&u8, &u8)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
        part.iter().zip(SHAPE).all(same).then_some(())
    };
    match (0..line.len()).find(|at| line.is_char_boundary(*at) && fits(*at).is_some()) {
        Some(at) => format!("{}<time>{}", &line[..at], hide_moments(&line[at + SHAPE.len()..])),
        None => line.to_owned(),
    }
}

/// `(12 ms)`, `after 1.2 s`, `"milliseconds":12`
fn hide_times(line: &str) -> String {
    let mut line = line.to_owned();
    for (before, after) in [
        ("(", " ms)"),
        ("(", " s)"),
        ("after ", " ms"),
        ("after ", " s"),
        ("milliseconds\":", ""),
        ("process ", ")"),
        ("since ", "-"),
    ] {
        let Some(at) = line.rfind(before).map(|at| at + before.len()) else { continue };
        let number: String = line[at..].chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        if !number.is_empty() && line[at + number.len()..].starts_with(after) {
            let end = if before == "since " { line.len() } else { at + number.len() };
            line.replace_range(at..end, "<n>");
        }
    }
    line
}

/// Parallel steps end in any order: their lines lose their numbers and are sorted with what stands indented below them, each
/// run of them by itself.
fn sorted_steps(lines: &[String]) -> Vec<String> {
    let mut result: Vec<String> = Vec::new();
    let mut steps: Vec<Vec<String>> = Vec::new();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    for line in lines {
        let step = line.strip_prefix('[').and_then(|rest| rest.split_once('/'));
        if let Some((_, rest)) = step.filter(|(number, _)| is_number(number.trim())) {
            steps.push(vec![format!("[*/{rest}")]);
        } else if let Some(step) = steps.last_mut().filter(|_| line.starts_with("    ")) {
            step.push(line.clone());
        } else {
            steps.sort();
            result.extend(steps.drain(..).flatten());
            result.push(line.clone());
        }
    }
    steps.sort();
    result.extend(steps.into_iter().flatten());
    result
}
