//! The walk of a document along the table.
//!
//! May hold: what can be said of one value by its shape alone: unknown and missing keys, types, words, ranges, units,
//! expressions. Rules that look at more than one value are in [`super::lower`].

use serde_json::Value as Json;

use super::checked::{Checked, Data, Member};
use super::diagnostic::{Diagnostic, Label, Sink};
use super::node::{Entry, Node, Scalar, Value};
use super::resolve::{Resolved, Scope, places};
use super::shape::{Field, ListRule, MapRule, Object, QuantityRule, Shape, TextRule};
use super::source::Span;
use super::suggest::nearest;
use super::units::{self, Complaint};
use super::vocabulary::KINDS;
use crate::model::FieldPath;

/// Walks values along their shapes.
pub(super) struct Checker<'a> {
    pub(super) scope: Scope<'a>,
    pub(super) sink: &'a mut Sink,
    /// The object that defaults of the stack were filled into: the other end of what is wrong with them.
    pub(super) filled_into: Option<(String, Span)>,
    /// Whether something may be missing, as in the stack's defaults.
    pub(super) partial: bool,
    /// Kinds whose defaults are checked where they are filled in, where both ends are known.
    pub(super) skip_defaults_of: Vec<&'static str>,
    /// Words that this version cannot apply, with their places.
    pub(super) unsupported: Vec<(FieldPath, Span)>,
    /// Whether the walk is inside such a word already.
    inside_unsupported: bool,
}

impl<'a> Checker<'a> {
    pub(super) fn new(scope: Scope<'a>, sink: &'a mut Sink) -> Self {
        Self {
            scope,
            sink,
            filled_into: None,
            partial: false,
            skip_defaults_of: Vec::new(),
            unsupported: Vec::new(),
            inside_unsupported: false,
        }
    }

    /// Checks a value. What is wrong is reported and marked in the result.
    pub(super) fn check(&mut self, shape: &Shape, node: &Node, path: &FieldPath, secret: bool) -> Checked {
        match (shape, &node.value) {
            (_, Value::Null) => self.nothing(shape, node, path),
            (Shape::List(rule), Value::Sequence(items)) => self.list(rule, node, items, path),
            (Shape::Map(rule), Value::Mapping(entries)) => self.map(rule, node, entries, path),
            (Shape::Object(object) | Shape::Either(_, object), Value::Mapping(entries)) => {
                self.object(object, node, entries, path)
            }
            (Shape::Defaults, Value::Mapping(entries)) => {
                self.defaults(entries, path);
                Checked { data: Data::Map(Vec::new()), labels: places(node, "") }
            }
            (Shape::Either(scalar, _), Value::Scalar(_)) => self.check(scalar, node, path, secret),
            (
                Shape::Bool
                | Shape::Int(..)
                | Shape::Word(_)
                | Shape::Text(_)
                | Shape::Literal
                | Shape::Path
                | Shape::PathInFolder
                | Shape::Quantity(_),
                Value::Scalar(scalar),
            ) => self.scalar(shape, node, scalar, path, secret),
            _ => {
                let wanted = wanted(shape);
                self.report(
                    node,
                    Diagnostic::error("wrong-type", named(path, &format!("this is {}", node.shape()))),
                    &format!("must be {wanted}"),
                    &[],
                );
                wrong(node)
            }
        }
    }

    /// Pushes a diagnostic at a node, with all places that the value came from.
    fn report(&mut self, node: &Node, diagnostic: Diagnostic, text: &str, origins: &[Label]) {
        let diagnostic = diagnostic.at_all(places(node, text)).at_all(origins.iter().cloned());
        self.push(diagnostic, node.defaulted);
    }

    fn push(&mut self, diagnostic: Diagnostic, defaulted: bool) {
        let diagnostic = match &self.filled_into {
            Some((name, span)) if defaulted => {
                let mut diagnostic = diagnostic.at(*span, format!("filled into `{name}`"));
                diagnostic.members.push(name.clone());
                diagnostic
            }
            _ => diagnostic,
        };
        self.sink.push(diagnostic);
    }

    fn nothing(&mut self, shape: &Shape, node: &Node, path: &FieldPath) -> Checked {
        let help = match shape {
            Shape::List(_) => "write `[]` for an empty list, or leave the key out",
            Shape::Map(_) | Shape::Object(_) | Shape::Defaults => {
                "write `{}` for an empty mapping, or leave the key out"
            }
            _ => "leave the key out: what is not written is not managed",
        };
        let diagnostic = Diagnostic::error("no-value", named(path, "there is no value")).help(help);
        self.report(node, diagnostic, "nothing here", &[]);
        wrong(node)
    }

    fn list(&mut self, rule: &ListRule, node: &Node, items: &[Node], path: &FieldPath) -> Checked {
        if let Some(extra) = items.get(rule.max) {
            let message = format!("there are {} items, {} is the most", items.len(), rule.max);
            self.report(
                extra,
                Diagnostic::error("too-many", named(path, &message)),
                "too many from here",
                &[],
            );
        }
        let mut checked: Vec<Checked> = Vec::new();
        for (position, item) in (1_usize..).zip(items) {
            let item = self.check(&rule.item, item, &path.join(position), false);
            let same = |known: &&Checked| match (&known.data, &item.data) {
                (Data::Scalar(known), Data::Scalar(item)) => known == item,
                _ => false,
            };
            if let Some(first) = checked.iter().find(same).filter(|_| rule.unique) {
                let diagnostic = Diagnostic::error("duplicate", named(path, "this is there twice"))
                    .at_all(item.places("again here"))
                    .at_all(first.places("first here"));
                self.push(diagnostic, node.defaulted);
            }
            checked.push(item);
        }
        Checked { data: Data::List(checked), labels: places(node, "") }
    }

    fn map(&mut self, rule: &MapRule, node: &Node, entries: &[Entry], path: &FieldPath) -> Checked {
        if let Some(extra) = entries.get(rule.max) {
            let message = format!("there are {} entries, {} is the most", entries.len(), rule.max);
            let diagnostic =
                Diagnostic::error("too-many", named(path, &message)).at(extra.key_span, "too many from here");
            self.push(diagnostic, node.defaulted);
        }
        let mut members: Vec<Member> = Vec::new();
        for entry in entries {
            let key = match (rule.key.check)(&entry.key) {
                Ok(key) => key,
                Err(complaint) => {
                    let diagnostic =
                        complain(path, complaint).at(entry.key_span, format!("must be {}", rule.key.noun));
                    self.push(diagnostic, entry.value.defaulted);
                    continue;
                }
            };
            if let Some(first) = members.iter().find(|member| member.key == key) {
                let diagnostic =
                    Diagnostic::error("duplicate", named(path, &format!("`{key}` is there twice")))
                        .at(entry.key_span, "again here")
                        .at(first.key_span, "first here");
                self.push(diagnostic, entry.value.defaulted);
                continue;
            }
            let value = if rule.nullable && entry.value.value == Value::Null {
                Checked { data: Data::Null, labels: places(&entry.value, "") }
            } else {
                self.check(&rule.value, &entry.value, &path.join(&key), false)
            };
            members.push(Member { key, key_span: entry.key_span, field: None, value });
        }
        Checked { data: Data::Map(members), labels: places(node, "") }
    }

    /// Checks the entries of an object.
    pub(super) fn object(
        &mut self,
        object: &'static Object,
        node: &Node,
        entries: &[Entry],
        path: &FieldPath,
    ) -> Checked {
        let mut members = Vec::new();
        for entry in entries {
            match object.field(&entry.key) {
                None => self.unknown_key(object, entry, path),
                Some(field) => members.push(self.field(field, entry, path)),
            }
        }
        self.presence(object, node, entries, path);
        Checked { data: Data::Map(members), labels: places(node, "") }
    }

    fn field(&mut self, field: &'static Field, entry: &Entry, path: &FieldPath) -> Member {
        let path = path.join(field.name);
        let member =
            |value| Member { key: entry.key.clone(), key_span: entry.key_span, field: Some(field), value };
        if let Some(why) = field.refused {
            let diagnostic = Diagnostic::error("refused", named(&path, "this cannot be declared"))
                .at(entry.key_span, "take it out")
                .help(why);
            self.push(diagnostic, entry.value.defaulted);
            return member(wrong(&entry.value));
        }
        let outer = self.inside_unsupported;
        if !field.ready && !outer && !self.partial {
            self.unsupported.push((path.clone(), entry.key_span));
        }
        self.inside_unsupported = outer || !field.ready;
        let value = self.check(&field.shape, &entry.value, &path, field.secret);
        self.inside_unsupported = outer;
        member(value)
    }

    fn unknown_key(&mut self, object: &Object, entry: &Entry, path: &FieldPath) {
        let known: Vec<&str> = object.fields.iter().map(|field| field.name).collect();
        let help = match nearest(&entry.key, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "nothing may stand here: write `{}`".to_owned(),
            None if known.len() <= 16 => format!("there are {}", known.join(", ")),
            None => "`vboxmcp schema` lists every word of the language".to_owned(),
        };
        let message = named(path, &format!("there is no key `{}` here", entry.key));
        let diagnostic = Diagnostic::error("unknown-key", message).at(entry.key_span, "not known").help(help);
        self.push(diagnostic, entry.value.defaulted);
    }

    fn presence(&mut self, object: &Object, node: &Node, entries: &[Entry], path: &FieldPath) {
        let here = super::load::first_line(self.scope.sources, node.alias.unwrap_or(node.span));
        let has = |key: &str| entries.iter().find(|entry| entry.key == key);
        if let Some(one_of) = &object.one_of {
            let found: Vec<&Entry> = one_of.keys.iter().filter_map(|key| has(key)).collect();
            if let [first, second, ..] = found.as_slice() {
                let message = format!("`{}` and `{}` cannot stand together", first.key, second.key);
                let mut diagnostic = Diagnostic::error("conflict", named(path, &message)).help(format!(
                    "only one of {} says {}",
                    one_of.keys.join(", "),
                    one_of.what
                ));
                for entry in &found {
                    diagnostic = diagnostic.at(entry.key_span, "");
                }
                self.push(diagnostic, found.iter().any(|entry| entry.value.defaulted));
            } else if found.is_empty() && !self.partial {
                let message = format!("it is not said {}", one_of.what);
                let diagnostic = Diagnostic::error("missing-key", named(path, &message))
                    .at(here, "here")
                    .help(format!("write one of {}", one_of.keys.join(", ")));
                self.push(diagnostic, node.defaulted);
            }
        }
        if self.partial {
            return;
        }
        for field in object.fields.iter().filter(|field| field.required) {
            if has(field.name).is_none() {
                let diagnostic =
                    Diagnostic::error("missing-key", named(path, &format!("`{}` is missing", field.name)))
                        .at(here, format!("here belongs `{}`", field.name))
                        .help(format!("it is {}: {}", wanted(&field.shape), field.doc));
                self.push(diagnostic, node.defaulted);
            }
        }
    }

    fn defaults(&mut self, entries: &[Entry], path: &FieldPath) {
        for entry in entries {
            let Some(kind) = KINDS.iter().find(|kind| kind.name == entry.key && kind.lifecycle.is_some())
            else {
                let kinds = KINDS.iter().filter(|kind| kind.lifecycle.is_some()).map(|kind| kind.name);
                let near = nearest(&entry.key, kinds.clone());
                let help = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are {}", kinds.collect::<Vec<_>>().join(", ")),
                };
                let message = named(path, &format!("there are no defaults for `{}`", entry.key));
                self.sink.push(
                    Diagnostic::error("unknown-key", message).at(entry.key_span, "no such kind").help(help),
                );
                continue;
            };
            if self.skip_defaults_of.contains(&kind.name) && matches!(entry.value.value, Value::Mapping(_)) {
                continue;
            }
            self.partial = true;
            self.check(&Shape::Object(kind.spec), &entry.value, &path.join(kind.name), false);
            self.partial = false;
        }
    }

    fn scalar(
        &mut self,
        shape: &Shape,
        node: &Node,
        scalar: &Scalar,
        path: &FieldPath,
        secret: bool,
    ) -> Checked {
        if matches!(shape, Shape::Literal) {
            return self.literal(node, scalar, path);
        }
        let Some(resolved) = self.scope.resolve(node, scalar, self.sink) else { return wrong(node) };
        let mut labels = places(node, "");
        labels.extend(resolved.origins.iter().cloned());
        if resolved.secret && !secret {
            let message = named(path, "a sensitive variable may not flow in here");
            let diagnostic = Diagnostic::error("secret-exposed", message)
                .help("this field is shown in plans and kept in clear by VirtualBox; only fields for secrets take one");
            self.report(node, diagnostic, "not a field for secrets", &resolved.origins);
            return wrong(node);
        }
        if resolved.placeholder {
            return Checked { data: Data::Placeholder, labels };
        }
        match self.typed(shape, &resolved) {
            Ok(json) => Checked { data: Data::Scalar(json), labels },
            Err(complaint) => {
                let text = match shape {
                    Shape::Word(words) if words.len() > 8 => {
                        "not one of the words that may stand here".to_owned()
                    }
                    _ => format!("must be {}", wanted(shape)),
                };
                self.report(node, complain(path, complaint), &text, &resolved.origins);
                wrong(node)
            }
        }
    }

    fn literal(&mut self, node: &Node, scalar: &Scalar, path: &FieldPath) -> Checked {
        if scalar.text.contains("${") {
            let diagnostic = Diagnostic::error("expression", named(path, "a default cannot use expressions"))
                .help("write the value itself; expressions can stand where the variable is used");
            self.report(node, diagnostic, "must be a plain value", &[]);
            return wrong(node);
        }
        Checked { data: Data::Scalar(Json::from(scalar.text.as_str())), labels: places(node, "") }
    }

    fn typed(&self, shape: &Shape, resolved: &Resolved) -> Result<Json, Complaint> {
        let text = resolved.text.as_str();
        match shape {
            Shape::Bool => boolean(resolved),
            Shape::Int(min, max) => integer(resolved, *min, *max),
            Shape::Word(words) => word(text, words),
            Shape::Text(TextRule { check, .. }) => check(text).map(Json::from),
            Shape::Literal => Ok(Json::from(text)),
            Shape::Quantity(rule) => quantity(resolved, rule),
            Shape::Path => self.path(resolved).map(Json::from),
            Shape::PathInFolder => {
                let bare = !text.is_empty()
                    && !text.contains(std::path::is_separator)
                    && !text.starts_with(['.', '~']);
                if bare {
                    super::text::machine_name(text).map(Json::from)
                } else {
                    self.path(resolved).map(Json::from)
                }
            }
            Shape::List(_) | Shape::Map(_) | Shape::Object(_) | Shape::Either(..) | Shape::Defaults => {
                Err(Complaint::new("wrong-type", "this is a single value"))
            }
        }
    }

    fn path(&self, resolved: &Resolved) -> Result<String, Complaint> {
        let text = resolved.text.as_str();
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(Complaint::new("malformed", "a path may not be empty or have control characters"));
        }
        if text.contains("://") {
            return Err(Complaint::new(
                "malformed",
                format!("`{text}` is an address, not a path of the host"),
            )
            .help("download it first"));
        }
        let base = self.scope.base(resolved.written_in);
        let path = super::paths::resolve(text, &base, self.scope.home)
            .map_err(|why| Complaint::new("malformed", why))?;
        let within = self.scope.within;
        if !within.is_empty() && !within.iter().any(|folder| path.starts_with(folder)) {
            let folders: Vec<String> = within.iter().map(|folder| folder.display().to_string()).collect();
            return Err(Complaint::new(
                "path-outside",
                format!("{} is outside {}", path.display(), folders.join(" and ")),
            )
            .help("`allow_paths` under [mcp] in vboxmcp.toml names further folders"));
        }
        Ok(path.display().to_string())
    }
}

fn wrong(node: &Node) -> Checked {
    Checked { data: Data::Wrong, labels: places(node, "") }
}

/// A sentence with the field that it is about.
pub(super) fn named(path: &FieldPath, sentence: &str) -> String {
    if path.keys().is_empty() { sentence.to_owned() } else { format!("{path}: {sentence}") }
}

fn complain(path: &FieldPath, complaint: Complaint) -> Diagnostic {
    Diagnostic::error(complaint.code, named(path, &complaint.message)).maybe_help(complaint.help)
}

/// What a shape asks for, in words.
fn wanted(shape: &Shape) -> String {
    match shape {
        Shape::Bool => "true or false".to_owned(),
        Shape::Int(min, max) => format!("a whole number from {min} to {max}"),
        Shape::Word(words) => format!("one of {}", words.join(", ")),
        Shape::Text(rule) => rule.noun.to_owned(),
        Shape::Literal => "a single value".to_owned(),
        Shape::Path | Shape::PathInFolder => "a path".to_owned(),
        Shape::Quantity(rule) => format!("{}, such as {}", rule.quantity.noun(), rule.quantity.example()),
        Shape::List(_) => "a list".to_owned(),
        Shape::Map(_) | Shape::Object(_) | Shape::Defaults => "a mapping".to_owned(),
        Shape::Either(scalar, _) => format!("{}, or a mapping", wanted(scalar)),
    }
}

fn boolean(resolved: &Resolved) -> Result<Json, Complaint> {
    let text = resolved.text.as_str();
    let wrong = || Complaint::new("wrong-type", format!("`{text}` is not true or false"));
    let meant = match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "enabled" => Some(true),
        "false" | "no" | "off" | "0" | "disabled" => Some(false),
        _ => None,
    };
    match text {
        "true" | "false" if resolved.plain => Ok(Json::Bool(text == "true")),
        _ => Err(match meant {
            Some(meant) => wrong().help(format!("write {meant}, without quotes")),
            None => wrong(),
        }),
    }
}

fn integer(resolved: &Resolved, min: i64, max: i64) -> Result<Json, Complaint> {
    let text = resolved.text.as_str();
    let digits = text
        .strip_prefix("0x")
        .map_or_else(|| text.parse::<i64>().ok(), |hex| i64::from_str_radix(hex, 16).ok());
    match digits {
        Some(_) if !resolved.plain => {
            Err(Complaint::new("wrong-type", format!("\"{text}\" is a text, not a number"))
                .help(format!("write {text}, without quotes")))
        }
        Some(number) if (min..=max).contains(&number) => Ok(Json::from(number)),
        Some(number) => {
            Err(Complaint::new("out-of-range", format!("{number} is not between {min} and {max}")))
        }
        None => {
            let complaint = Complaint::new("wrong-type", format!("`{text}` is not a whole number"));
            let number = text.trim_end_matches(|c: char| !c.is_ascii_digit());
            Err(if !number.is_empty() && number.parse::<i64>().is_ok() && number != text {
                complaint.help(format!("write {number}, without a unit"))
            } else {
                complaint
            })
        }
    }
}

/// What people and other programs call things, and the word of this language.
const USUAL_NAMES: &[(&[&str], &str)] = &[
    (&["e1000", "intel"], "82540EM"),
    (&["pcnet"], "Am79C973"),
    (&["virtio-net", "virtionet"], "virtio"),
    (&["hdd", "hd", "harddisk", "hard-disk"], "disk"),
    (&["cdrom", "cd", "cd-rom", "iso"], "dvd"),
    (&["network", "pxe", "lan"], "net"),
    (&["vga"], "vboxvga"),
    (&["svga"], "vmsvga"),
    (&["nvme"], "pcie"),
    (&["virtio-scsi"], "virtio"),
    (&["on", "started", "start", "up", "true"], "running"),
    (&["off", "stopped", "stop", "halted", "down", "shutdown", "false"], "poweroff"),
    (&["suspended"], "saved"),
    (&["destroy", "remove"], "delete"),
    (&["data-loss"], "destroy-data"),
    (&["i440fx", "440fx"], "piix3"),
    (&["q35"], "ich9"),
    (&["uefi"], "efi"),
    (&["legacy"], "bios"),
];

fn word(text: &str, words: &[&str]) -> Result<Json, Complaint> {
    if words.contains(&text) {
        return Ok(Json::from(text));
    }
    let complaint = Complaint::new("unknown-word", format!("`{text}` is not known here"));
    let lower = text.to_ascii_lowercase();
    let usual = USUAL_NAMES
        .iter()
        .find(|(names, word)| names.contains(&lower.as_str()) && words.contains(word))
        .map(|(_, word)| *word);
    Err(match usual.or_else(|| nearest(text, words.iter().copied())) {
        Some(near) => complaint.help(format!("did you mean `{near}`?")),
        None => complaint.help(format!("there are {}", words.join(", "))),
    })
}

fn quantity(resolved: &Resolved, rule: &QuantityRule) -> Result<Json, Complaint> {
    let text = resolved.text.as_str();
    let base = units::parse(rule.quantity, text, rule.bare)?;
    let (multiple, name) = rule.multiple;
    let show = |n: i64| match u64::try_from(n) {
        Ok(n) => rule.quantity.show(n),
        Err(_) => format!("-{}", rule.quantity.show(n.unsigned_abs())),
    };
    if base < i128::from(rule.min) || base > i128::from(rule.max) {
        return Err(Complaint::new(
            "out-of-range",
            format!("`{text}` is not between {} and {}", show(rule.min), show(rule.max)),
        ));
    }
    if base % i128::from(multiple) != 0 {
        let lower = base.div_euclid(i128::from(multiple)) * i128::from(multiple);
        let complaint = Complaint::new("out-of-range", format!("`{text}` is not a multiple of {name}"));
        let binary = text.strip_suffix('B').filter(|rest| rest.ends_with(['k', 'K', 'M', 'G', 'T']));
        return Err(match (binary, i64::try_from(lower)) {
            (Some(rest), _) => complaint.help(format!("did you mean `{rest}iB`?")),
            (None, Ok(lower)) => complaint.help(format!("the nearest below is `{}`", show(lower))),
            (None, Err(_)) => complaint,
        });
    }
    let lowered = base / i128::from(rule.unit);
    Ok(i64::try_from(lowered).map_or(Json::Null, Json::from))
}
