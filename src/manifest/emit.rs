//! Writing documents: the YAML that a person would have written.
//!
//! May hold: layout, quoting and comments. What the words mean is not known here. What is written reads back as the same text,
//! here and in every other YAML reader: texts that some reader takes for a number, a boolean or a date stand in quotes, and what
//! looks like an expression is escaped.

use std::fmt::Write as _;

/// The widest line that a mapping or list is put on.
const WIDTH: usize = 100;
const STEP: usize = 2;

/// A value to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Yaml {
    /// `true` or `false`
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A text, quoted where it needs quotes. `${` in it is text, not an expression.
    Text(String),
    /// A list.
    List(List),
    /// A mapping.
    Map(Map),
}

/// How a list or mapping is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Each member has a line.
    #[default]
    Block,
    /// On one line, where that is wide enough and nothing is said about members.
    Line,
}

/// A list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// Its layout.
    pub layout: Layout,
    /// Its items.
    pub items: Vec<Item>,
}

/// An item of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Comments above it.
    pub above: Vec<String>,
    /// The item.
    pub value: Yaml,
}

/// A mapping, in the order of its entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    /// Its layout.
    pub layout: Layout,
    /// Its entries.
    pub entries: Vec<Entry>,
    /// Comments under its last entry.
    pub below: Vec<String>,
}

/// An entry of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Comments above it.
    pub above: Vec<String>,
    /// Its key; never an expression.
    pub key: String,
    /// Its value.
    pub value: Yaml,
}

impl From<bool> for Yaml {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u32> for Yaml {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<&str> for Yaml {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Yaml {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Map> for Yaml {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl From<List> for Yaml {
    fn from(list: List) -> Self {
        Self::List(list)
    }
}

impl Map {
    /// An empty mapping whose entries stand on one line.
    pub fn line() -> Self {
        Self { layout: Layout::Line, ..Self::default() }
    }

    /// Adds an entry.
    pub fn put(&mut self, key: impl Into<String>, value: impl Into<Yaml>) {
        self.entries.push(Entry { above: Vec::new(), key: key.into(), value: value.into() });
    }

    /// Adds an entry, where there is a value.
    pub fn put_if(&mut self, key: &str, value: Option<impl Into<Yaml>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// This mapping and one entry more.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Yaml>) -> Self {
        self.put(key, value);
        self
    }
}

impl List {
    /// A list of texts on one line.
    pub fn line<S: Into<String>>(items: impl IntoIterator<Item = S>) -> Self {
        let items = items.into_iter().map(|text| Item { above: Vec::new(), value: Yaml::Text(text.into()) });
        Self { layout: Layout::Line, items: items.collect() }
    }
}

/// One document, without the line that separates it from others. It ends with a line break.
pub fn document(comments: &[String], content: &Map) -> String {
    let mut out = String::new();
    write_comments(&mut out, comments, 0);
    write_entries(&mut out, content, 0);
    out
}

fn write_entries(out: &mut String, map: &Map, indent: usize) {
    for entry in &map.entries {
        write_comments(out, &entry.above, indent);
        pad(out, indent);
        write_entry(out, entry, indent);
    }
    write_comments(out, &map.below, indent);
}

/// The entry itself, at a place that is indented already.
fn write_entry(out: &mut String, entry: &Entry, indent: usize) {
    let key = quoted(&entry.key, true);
    out.push_str(&key);
    out.push(':');
    let column = indent + key.len() + 2;
    if let Some(text) = one_line(&entry.value, column) {
        out.push(' ');
        out.push_str(&text);
        out.push('\n');
        if let Yaml::Map(map) = &entry.value {
            write_comments(out, &map.below, indent + STEP);
        }
        return;
    }
    match &entry.value {
        Yaml::Text(text) => write_block(out, &escaped(text), indent + STEP),
        Yaml::Map(map) => {
            out.push('\n');
            write_entries(out, map, indent + STEP);
        }
        Yaml::List(list) => {
            out.push('\n');
            for item in &list.items {
                write_item(out, item, indent + STEP);
            }
        }
        Yaml::Flag(_) | Yaml::Number(_) => {}
    }
}

fn write_item(out: &mut String, item: &Item, indent: usize) {
    write_comments(out, &item.above, indent);
    if let Some(text) = one_line(&item.value, indent + STEP) {
        pad(out, indent);
        let _ = writeln!(out, "- {text}");
        return;
    }
    match &item.value {
        Yaml::Map(map) => {
            for (position, entry) in map.entries.iter().enumerate() {
                write_comments(out, &entry.above, if position == 0 { indent } else { indent + STEP });
                pad(out, indent);
                out.push_str(if position == 0 { "- " } else { "  " });
                write_entry(out, entry, indent + STEP);
            }
            write_comments(out, &map.below, indent + STEP);
        }
        Yaml::List(list) => {
            pad(out, indent);
            out.push_str("-\n");
            for item in &list.items {
                write_item(out, item, indent + STEP);
            }
        }
        Yaml::Text(text) => {
            pad(out, indent);
            out.push('-');
            write_block(out, &escaped(text), indent + STEP);
        }
        Yaml::Flag(_) | Yaml::Number(_) => {}
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn write_comments(out: &mut String, comments: &[String], indent: usize) {
    for line in comments.iter().flat_map(|comment| comment.split('\n')) {
        pad(out, indent);
        out.push('#');
        if !line.is_empty() {
            out.push(' ');
            out.extend(line.chars().flat_map(visible));
        }
        out.push('\n');
    }
}

/// A character that cannot end a comment, nor change what a terminal shows.
fn visible(c: char) -> Vec<char> {
    if c != '\t' && is_unprintable(c) { c.escape_unicode().collect() } else { vec![c] }
}

/// A text of several lines, under its key.
fn write_block(out: &mut String, text: &str, indent: usize) {
    let body = text.trim_end_matches('\n');
    let breaks = text.len() - body.len();
    out.push_str(match breaks {
        0 => " |-\n",
        1 => " |\n",
        _ => " |+\n",
    });
    for line in body.split('\n') {
        if !line.is_empty() {
            pad(out, indent);
            out.push_str(line);
        }
        out.push('\n');
    }
    out.extend(std::iter::repeat_n('\n', breaks.saturating_sub(1)));
}

/// The value on one line; `None` where it needs several.
fn one_line(value: &Yaml, column: usize) -> Option<String> {
    match value {
        Yaml::Text(text) if fits_block(&escaped(text)) => None,
        Yaml::Text(text) => Some(quoted(&escaped(text), false)),
        Yaml::Map(map) if map.entries.is_empty() => Some("{}".to_owned()),
        Yaml::List(list) if list.items.is_empty() => Some("[]".to_owned()),
        Yaml::Map(map) if !map.below.is_empty() => None,
        _ => flow(value).filter(|text| {
            matches!(value, Yaml::Flag(_) | Yaml::Number(_)) || column + text.chars().count() <= WIDTH
        }),
    }
}

/// The value between brackets; `None` where something in it has lines of its own.
fn flow(value: &Yaml) -> Option<String> {
    match value {
        Yaml::Flag(flag) => Some(flag.to_string()),
        Yaml::Number(number) => Some(number.to_string()),
        Yaml::Text(text) => Some(quoted(&escaped(text), true)),
        Yaml::List(list) if list.items.is_empty() => Some("[]".to_owned()),
        Yaml::List(list) if list.layout == Layout::Line => {
            let item = |item: &Item| if item.above.is_empty() { flow(&item.value) } else { None };
            Some(format!("[{}]", list.items.iter().map(item).collect::<Option<Vec<_>>>()?.join(", ")))
        }
        Yaml::Map(map) if map.entries.is_empty() && map.below.is_empty() => Some("{}".to_owned()),
        Yaml::Map(map) if map.layout == Layout::Line && map.below.is_empty() => {
            let entry = |entry: &Entry| {
                let value = flow(&entry.value).filter(|_| entry.above.is_empty())?;
                Some(format!("{}: {value}", quoted(&entry.key, true)))
            };
            Some(format!("{{{}}}", map.entries.iter().map(entry).collect::<Option<Vec<_>>>()?.join(", ")))
        }
        Yaml::List(_) | Yaml::Map(_) => None,
    }
}

/// A text in which nothing is an expression.
fn escaped(text: &str) -> String {
    text.replace("${", "$${")
}

/// Whether a text of several lines can stand as it is, without marks for spaces that nobody sees.
fn fits_block(text: &str) -> bool {
    let starts_well = |line: &str| line.is_empty() || !line.starts_with([' ', '\t']);
    text.contains('\n')
        && text.chars().all(|c| c == '\n' || !is_unprintable(c))
        && text.lines().next().is_some_and(|first| !first.is_empty() && starts_well(first))
        && text
            .split('\n')
            .all(|line| line.is_empty() || (!line.trim().is_empty() && !line.starts_with('\t')))
}

/// Characters that no reader shows, or that some take for a line break.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
        // They turn the rest of a line around.
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A scalar, in quotes where it needs them. `flow`: between brackets, or as a key.
fn quoted(text: &str, flow: bool) -> String {
    if is_plain(text, flow) {
        return text.to_owned();
    }
    if text.contains(['\\', '"']) && !text.contains('\'') && !text.chars().any(is_unprintable) {
        return format!("'{text}'");
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if !is_unprintable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02X}"),
                    0x100..=0xffff => write!(out, "\\u{code:04X}"),
                    _ => write!(out, "\\U{code:08X}"),
                };
            }
        }
    }
    out.push('"');
    out
}

/// Whether every reader takes the letters for this text.
fn is_plain(text: &str, flow: bool) -> bool {
    let may_stand = |c: char| c.is_alphanumeric() || " -_./()+=@%~!?;'$".contains(c) || (!flow && c == ',');
    text.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | '_' | '('))
        && !text.ends_with(' ')
        && text.chars().all(may_stand)
        && !looks_typed(text)
}

/// Whether some reader, of YAML 1.1 or 1.2, takes a text for a number, a boolean, a date or nothing.
fn looks_typed(text: &str) -> bool {
    const WORDS: [&str; 12] =
        ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"];
    let number = text.starts_with(|c: char| c.is_numeric())
        && text.chars().all(|c| c.is_numeric() || "abcdefABCDEFxXoO_.+-tTzZ ".contains(c));
    number || WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests;
