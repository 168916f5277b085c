//! The vocabulary for readers: what each word means and what it takes. `explain` reads it.
//!
//! May hold: looking a path up in [`super::vocabulary`] and putting shapes into words.

use serde::Serialize;

use super::shape::{Field, Kind, Object, Shape};
use super::suggest::nearest;
use super::units::Quantity;
use super::vocabulary::KINDS;
use crate::model::FieldPath;

/// One word of the language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The kind of document that it is in.
    pub kind: &'static str,
    /// From `spec`, or from the document for what stands beside it; `*` for free keys and positions. Empty for the kind itself.
    pub path: FieldPath,
    /// What it is.
    pub doc: &'static str,
    /// What it takes, in words, with unit and bounds.
    pub takes: String,
    /// The words that it takes, where it takes only some.
    pub words: Vec<&'static str>,
    /// Values that it takes, as they are written in a manifest.
    pub examples: Vec<String>,
    /// Whether it must be there.
    pub required: bool,
    /// Whether this version can apply it.
    pub ready: bool,
    /// Whether a `sensitive` variable may flow into it.
    pub secret: bool,
    /// Why it is refused.
    pub refused: Option<&'static str>,
    /// Keys below it.
    pub keys: Vec<Key>,
    /// One document that has it.
    pub example: String,
}

/// One key below an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Its name; `*` for a free one.
    pub name: String,
    /// What it is.
    pub doc: &'static str,
    /// Whether this version can apply it.
    pub ready: bool,
}

/// A word that the language does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what}")]
pub struct Unknown {
    what: String,
    /// The path that was meant, if one is near.
    pub near: Option<String>,
}

/// Kinds of documents: name and meaning.
pub fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    KINDS.iter().map(|kind| (kind.name, kind.doc))
}

/// Looks a word up: `memory`, `nics.1.nat.portForwards`, `vm.memory`, `disk.size`, `VirtualMachine`, `lifecycle.allow`.
///
/// Without a kind it is one of a machine. Positions and free keys may be left out.
pub fn look_up(text: &str) -> Result<Entry, Unknown> {
    let Ok(path) = text.parse::<FieldPath>();
    let keys = path.parts();
    let (kind, rest) = match keys.split_first() {
        Some((first, rest)) => match kind_named(first) {
            Some(kind) => (kind, rest),
            None => (machine(), keys.as_slice()),
        },
        None => (machine(), keys.as_slice()),
    };
    let rest = rest.strip_prefix(&["spec"]).unwrap_or(rest);
    let mut walk = Walk { kind, trail: Vec::new(), path: Vec::new(), ready: true };
    if let (Some((&"lifecycle", below)), Some(lifecycle)) = (rest.split_first(), kind.lifecycle) {
        walk.path.push("lifecycle".to_owned());
        return walk.object(lifecycle, lifecycle.doc, below);
    }
    walk.object(kind.spec, kind.doc, rest)
}

/// Every word of a kind's `spec` that holds a value and not further words.
pub fn leaves(kind: &str) -> Vec<Entry> {
    let mut found = Vec::new();
    if let Some(kind) = kind_named(kind) {
        collect(&look_up(kind.name), kind, &mut found);
    }
    found
}

fn collect(entry: &Result<Entry, Unknown>, kind: &Kind, found: &mut Vec<Entry>) {
    let Ok(entry) = entry else { return };
    if entry.keys.is_empty() {
        found.push(entry.clone());
    }
    for key in &entry.keys {
        let below = key.name.split('.').fold(entry.path.clone(), |path, key| path.join(key));
        collect(&look_up(&format!("{}.{below}", kind.name)), kind, found);
    }
}

fn machine() -> &'static Kind {
    KINDS.iter().find(|kind| kind.name == "VirtualMachine").unwrap_or(&KINDS[0])
}

fn kind_named(word: &str) -> Option<&'static Kind> {
    let name = match word {
        "vm" => "VirtualMachine",
        "net" => "Network",
        other => other,
    };
    KINDS.iter().find(|kind| kind.name.eq_ignore_ascii_case(name))
}

/// One step of the way to a word: what stands beside the next key.
enum Step {
    Key(&'static Object, &'static str),
    Item,
    Member(&'static str),
}

struct Walk {
    kind: &'static Kind,
    trail: Vec<Step>,
    path: Vec<String>,
    /// Whether this version can apply all that was walked through.
    ready: bool,
}

impl Walk {
    fn object(mut self, object: &'static Object, doc: &'static str, rest: &[&str]) -> Result<Entry, Unknown> {
        let Some((key, below)) = rest.split_first() else {
            return Ok(self.entry(doc, "a mapping".to_owned(), &Shape::Object(object), None));
        };
        let Some(field) = object.field(key) else { return Err(self.unknown(object, key)) };
        self.ready &= field.ready;
        self.path.push(field.name.to_owned());
        self.trail.push(Step::Key(object, field.name));
        self.shape(field, &field.shape, below)
    }

    fn shape(
        mut self,
        field: &'static Field,
        shape: &'static Shape,
        rest: &[&str],
    ) -> Result<Entry, Unknown> {
        let Some((key, below)) = rest.split_first() else {
            return Ok(self.entry(field.doc, takes(shape), shape, Some(field)));
        };
        match shape {
            Shape::Object(object) | Shape::Either(_, object) => self.object(object, object.doc, rest),
            Shape::List(rule) => {
                let is_position = *key == "*" || key.parse::<u32>().is_ok();
                self.path.push("*".to_owned());
                self.trail.push(Step::Item);
                self.shape(field, &rule.item, if is_position { below } else { rest })
            }
            Shape::Map(rule) => {
                let is_field = matches!(&rule.value, Shape::Object(object) if object.field(key).is_some());
                self.path.push("*".to_owned());
                self.trail.push(Step::Member(rule.key.examples.first().copied().unwrap_or("name")));
                self.shape(field, &rule.value, if is_field && below.is_empty() { rest } else { below })
            }
            _ => Err(Unknown {
                what: format!("`{key}` below {}: it is {}", self.path.join("."), takes(shape)),
                near: None,
            }),
        }
    }

    fn unknown(&self, object: &'static Object, key: &str) -> Unknown {
        let near = nearest(key, object.fields.iter().map(|field| field.name));
        let place = self.path.join(".");
        let what = if place.is_empty() {
            format!("`{key}` in {}", self.kind.name)
        } else {
            format!("`{key}` in {place}")
        };
        let full = |near: &str| {
            let prefix = if self.kind.name == "VirtualMachine" {
                String::new()
            } else {
                format!("{}.", self.kind.name)
            };
            let place = if place.is_empty() { String::new() } else { format!("{place}.") };
            format!("{prefix}{place}{near}")
        };
        let elsewhere = || {
            let kinds = KINDS.iter().map(|kind| kind.name);
            self.path.is_empty().then(|| nearest(key, kinds)).flatten().map(str::to_owned)
        };
        Unknown { what, near: near.map(full).or_else(elsewhere) }
    }

    fn entry(self, doc: &'static str, takes: String, shape: &Shape, field: Option<&Field>) -> Entry {
        let example = self.example(shape);
        Entry {
            kind: self.kind.name,
            path: FieldPath::of(self.path.clone()),
            doc,
            takes,
            words: words(shape),
            examples: examples(shape),
            required: field.is_some_and(|field| field.required),
            ready: self.ready,
            secret: field.is_some_and(|field| field.secret),
            refused: field.and_then(|field| field.refused),
            keys: keys(shape).into_iter().map(|key| Key { ready: key.ready && self.ready, ..key }).collect(),
            example,
        }
    }

    /// `spec:` with this word in it, and what must stand beside it.
    fn example(&self, shape: &Shape) -> String {
        let mut value = value(shape);
        for step in self.trail.iter().rev() {
            value = match step {
                Step::Item => format!("[{value}]"),
                Step::Member(key) => format!("{{{}: {value}}}", quoted(key)),
                Step::Key(object, name) => mapping(object, Some((name, value))),
            };
        }
        let value = value.strip_prefix('{').and_then(|value| value.strip_suffix('}')).unwrap_or(&value);
        let place =
            if self.path.first().is_some_and(|first| first == "lifecycle") { "lifecycle" } else { "spec" };
        if value.is_empty() { String::new() } else { format!("{place}: {{{value}}}") }
    }
}

/// A mapping in one line, with all that it must have.
fn mapping(object: &Object, own: Option<(&str, String)>) -> String {
    let name = own.as_ref().map_or("", |(name, _)| name);
    let mut members: Vec<String> = object
        .fields
        .iter()
        .filter(|field| field.required && field.name != name)
        .map(|field| format!("{}: {}", field.name, value(&field.shape)))
        .collect();
    if let Some(choice) = object.one_of.as_ref().filter(|choice| !choice.keys.contains(&name))
        && let Some(field) = choice.keys.iter().find_map(|key| object.field(key).filter(|field| field.ready))
    {
        members.push(format!("{}: {}", field.name, value(&field.shape)));
    }
    members.extend(own.map(|(name, value)| format!("{name}: {value}")));
    format!("{{{}}}", members.join(", "))
}

fn keys(shape: &Shape) -> Vec<Key> {
    match shape {
        Shape::Object(object) | Shape::Either(_, object) => object
            .fields
            .iter()
            .map(|field| Key { name: field.name.to_owned(), doc: field.doc, ready: field.ready })
            .collect(),
        Shape::List(rule) => keys_of_members(&rule.item),
        Shape::Map(rule) if matches!(rule.value, Shape::Object(_)) => keys_of_members(&rule.value),
        Shape::Map(_) => vec![Key { name: "*".to_owned(), doc: "Any key.", ready: true }],
        _ => Vec::new(),
    }
}

/// Keys of each member of a list or map.
fn keys_of_members(shape: &Shape) -> Vec<Key> {
    keys(shape).into_iter().map(|key| Key { name: format!("*.{}", key.name), ..key }).collect()
}

fn words(shape: &Shape) -> Vec<&'static str> {
    match shape {
        Shape::Word(words) => words.to_vec(),
        Shape::Either(scalar, _) => words(scalar),
        Shape::List(rule) => words(&rule.item),
        _ => Vec::new(),
    }
}

/// What a shape takes, with unit and bounds.
fn takes(shape: &Shape) -> String {
    match shape {
        Shape::Bool => "true or false".to_owned(),
        Shape::Int(least, most) => format!("a whole number, {least} to {most}"),
        Shape::Word(words) => format!("one of {}", words.join(", ")),
        Shape::Text(rule) => format!("a text: {}", rule.noun),
        Shape::Literal => "any scalar".to_owned(),
        Shape::Path => "a path of the host, relative to the file that names it".to_owned(),
        Shape::PathInFolder => "a path of the host; a bare name is in the machine's own folder".to_owned(),
        Shape::Quantity(rule) => {
            let show = |base: i64| match u64::try_from(base) {
                Ok(base) => rule.quantity.show(base),
                Err(_) => format!("-{}", rule.quantity.show(base.unsigned_abs())),
            };
            let most = if rule.max == i64::MAX { "up".to_owned() } else { format!("to {}", show(rule.max)) };
            format!("{}, {} {most}, in steps of {}", rule.quantity.noun(), show(rule.min), rule.multiple.1)
        }
        Shape::List(rule) => format!("a list of at most {}, each {}", rule.max, takes(&rule.item)),
        Shape::Map(rule) => {
            format!("a mapping; each key {}, each value {}", rule.key.noun, takes(&rule.value))
        }
        Shape::Object(_) | Shape::Defaults => "a mapping".to_owned(),
        Shape::Either(scalar, object) => {
            let keys: Vec<&str> = object.fields.iter().map(|field| field.name).collect();
            format!("{}, or a mapping with {}", takes(scalar), keys.join(", "))
        }
    }
}

fn examples(shape: &Shape) -> Vec<String> {
    match shape {
        Shape::Text(rule) => rule.examples.iter().map(|example| quoted(example)).collect(),
        Shape::Either(scalar, _) => examples(scalar),
        Shape::List(rule) => examples(&rule.item),
        Shape::Map(rule) => examples(&rule.value),
        Shape::Bool | Shape::Word(_) | Shape::Object(_) | Shape::Defaults => Vec::new(),
        _ => vec![value(shape)],
    }
}

/// A value that a shape takes.
fn value(shape: &Shape) -> String {
    match shape {
        Shape::Bool => "true".to_owned(),
        Shape::Int(least, most) => (*least).max(2).min(*most).to_string(),
        Shape::Word(words) => quoted(words.iter().find(|word| **word != "none").unwrap_or(&"none")),
        Shape::Text(rule) => quoted(rule.examples.first().unwrap_or(&"text")),
        Shape::Literal => "text".to_owned(),
        Shape::Path => "./file".to_owned(),
        Shape::PathInFolder => "file.vdi".to_owned(),
        Shape::Quantity(rule) => {
            let fits = |base: &&i64| (rule.min..=rule.max).contains(*base);
            let usual: &[i64] = match rule.quantity {
                Quantity::Size => &[2 << 30, 64 << 20, 1 << 20],
                Quantity::Duration => &[60_000, 1_000, 0],
                Quantity::Rate => &[100_000_000, 1_000_000],
            };
            let base = usual.iter().find(fits).copied().unwrap_or(rule.min);
            rule.quantity.show(base.unsigned_abs())
        }
        Shape::List(rule) => format!("[{}]", value(&rule.item)),
        Shape::Map(rule) => {
            let key = rule.key.examples.first().copied().unwrap_or("name");
            format!("{{{}: {}}}", quoted(key), value(&rule.value))
        }
        Shape::Object(object) => mapping(object, None),
        Shape::Either(scalar, _) => value(scalar),
        Shape::Defaults => "{}".to_owned(),
    }
}

/// A scalar as YAML reads it back as text, in a flow.
fn quoted(text: &str) -> String {
    let is_plain = !text.is_empty()
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.'))
        && !matches!(text, "true" | "false" | "null" | "yes" | "no" | "on" | "off");
    if is_plain { text.to_owned() } else { format!("{text:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_with_and_without_its_kind_positions_and_keys() {
        let path = |text: &str| look_up(text).map(|entry| format!("{} {}", entry.kind, entry.path));
        let is = |text: &str, wanted: &str| assert_eq!(path(text).as_deref(), Ok(wanted), "{text}");
        is("memory", "VirtualMachine memory");
        is("vm.memory", "VirtualMachine memory");
        is("VirtualMachine.spec.memory", "VirtualMachine memory");
        is("nics.1.nat.portForwards", "VirtualMachine nics.*.nat.portForwards");
        is("nics.nat.portForwards.ssh", "VirtualMachine nics.*.nat.portForwards.*");
        is("disk.size", "Disk size");
        is("disks.size", "VirtualMachine disks.*.size");
        is("lifecycle.allow", "VirtualMachine lifecycle.allow");
        is("network", "Network ");
    }

    #[test]
    fn an_unknown_word_says_which_was_meant() {
        let near = |text: &str| look_up(text).map_or_else(|unknown| unknown.near, |_| None);
        assert_eq!(near("memroy").as_deref(), Some("memory"));
        assert_eq!(near("nics.1.nat.portForward").as_deref(), Some("nics.*.nat.portForwards"));
        assert_eq!(near("disk.sise").as_deref(), Some("Disk.size"));
        assert_eq!(near("xyzzy"), None);
        assert!(look_up("memory.size").is_err());
    }

    #[test]
    fn every_kind_has_leaves() {
        for (kind, _) in kinds() {
            assert!(!leaves(kind).is_empty(), "{kind}");
        }
        assert!(
            leaves("VirtualMachine").iter().any(|entry| entry.path.to_string() == "nics.*.nat.dns.proxy")
        );
    }
}
