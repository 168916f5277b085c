//! The spanned tree of a YAML document.
//!
//! May hold: reading text into nodes whose every key and value knows its bytes, and the refusals that belong to YAML
//! itself (syntax, size, depth, alias bombs, duplicate keys). What the words mean is not known here. Scalars stay text:
//! the field that a scalar is for gives it its type, so `tpm: 2.0`, `mac: 080027000001` and `description: no` are what they say.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};

use super::diagnostic::Diagnostic;
use super::source::{SourceId, Sources, Span};

/// The largest manifest that is read.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
const MAX_DEPTH: usize = 32;
const MAX_ALIAS_EVENTS: usize = 50_000;

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands.
    pub span: Span,
    /// The alias through which it was used, if it stands behind an anchor.
    pub alias: Option<Span>,
    /// Whether it was filled in by the stack's defaults.
    pub defaulted: bool,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `~`, `null`, or nothing.
    Null,
    /// A scalar, still untyped.
    Scalar(Scalar),
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping in its order.
    Mapping(Vec<Entry>),
}

/// The text of a scalar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// Its content, without quotes.
    pub text: String,
    /// Whether it was written without quotes and may be a number or a boolean.
    pub plain: bool,
}

/// One entry of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// The value under a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// What it is, for sentences.
    pub fn shape(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// Marks this node and all below it as filled in by the stack's defaults.
    pub fn mark_defaulted(&mut self) {
        self.defaulted = true;
        match &mut self.value {
            Value::Null | Value::Scalar(_) => {}
            Value::Sequence(items) => items.iter_mut().for_each(Self::mark_defaulted),
            Value::Mapping(entries) => entries.iter_mut().for_each(|entry| entry.value.mark_defaulted()),
        }
    }
}

/// Reads all documents of a source. Duplicate keys are reported and the first of them kept, so that everything else is still
/// checked; a syntax error ends the source.
pub fn read(sources: &Sources, source: SourceId) -> (Vec<Node>, Vec<Diagnostic>) {
    let text = sources.get(source).text();
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: 4096,
            max_nodes: 500_000,
            max_aliases: 2000,
            max_anchors: 2000,
            max_recorded_anchor_events: 200_000,
            alias_anchor_ratio_multiplier: 200,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_ALIAS_EVENTS,
            max_replay_stack_depth: MAX_DEPTH,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    let mut reader = Reader { text, source, found: Vec::new() };
    match serde_saphyr::from_multiple_with_options::<Spanned<Raw>>(text, options) {
        Ok(documents) => {
            let nodes = documents.into_iter().map(|raw| reader.node(raw)).collect();
            (nodes, reader.found)
        }
        Err(error) => (Vec::new(), vec![reader.refused(&error, sources)]),
    }
}

struct Reader<'a> {
    text: &'a str,
    source: SourceId,
    found: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn span(&self, location: serde_saphyr::Location) -> Span {
        let span = location.span();
        let byte = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let start = byte(span.byte_offset()).min(self.text.len());
        let end = (start + byte(span.byte_len())).min(self.text.len());
        Span::new(self.source, start..end)
    }

    fn node(&mut self, raw: Spanned<Raw>) -> Node {
        let span = self.span(raw.defined);
        let referenced = self.span(raw.referenced);
        let alias = (referenced != span).then_some(referenced);
        let written = self.text.get(span.range()).unwrap_or_default();
        let value = match raw.value {
            Raw::Null => Value::Null,
            Raw::Typed => Value::Scalar(Scalar { text: unquoted(written).to_owned(), plain: true }),
            Raw::Text(text) => {
                let plain = text == written;
                Value::Scalar(Scalar { text, plain })
            }
            Raw::Sequence(items) => Value::Sequence(items.into_iter().map(|item| self.node(item)).collect()),
            Raw::Mapping(entries) => Value::Mapping(self.entries(entries)),
        };
        let mut node = Node { value, span, alias, defaulted: false };
        if let Some(last) = last_span(&node)
            && last.source == span.source
            && last.start >= span.start
        {
            // A block collection has no text of its own: it reaches from its first key to its last value.
            node.span = span.to(last);
        }
        node
    }

    fn entries(&mut self, raw: Vec<(Spanned<Raw>, Spanned<Raw>)>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::with_capacity(raw.len());
        for (key, value) in raw {
            let key_span = self.span(key.referenced);
            let name = match key.value {
                Raw::Text(text) => text,
                Raw::Typed => {
                    unquoted(self.text.get(self.span(key.defined).range()).unwrap_or_default()).to_owned()
                }
                Raw::Null | Raw::Sequence(_) | Raw::Mapping(_) => {
                    let template = self.text.contains("{{").then(|| TEMPLATE_HELP.to_owned());
                    self.found.push(
                        Diagnostic::error("yaml-key", "a key must be a single value")
                            .at(key_span, "this key")
                            .maybe_help(template),
                    );
                    continue;
                }
            };
            if name == "<<" {
                self.found.push(
                    Diagnostic::error("yaml-merge-key", "YAML 1.2 has no merge key `<<`")
                        .at(key_span, "not merged")
                        .help("put what machines share into Stack.spec.defaults, or repeat it"),
                );
                continue;
            }
            let value = self.node(value);
            if let Some(first) = entries.iter().find(|entry| entry.key == name) {
                self.found.push(
                    Diagnostic::error("yaml-duplicate-key", format!("the key `{name}` is there twice"))
                        .at(key_span, "again here")
                        .at(first.key_span, "first here")
                        .help("keep one of them: YAML would drop the other in silence"),
                );
                continue;
            }
            entries.push(Entry { key: name, key_span, value });
        }
        entries
    }

    fn refused(&self, error: &serde_saphyr::Error, sources: &Sources) -> Diagnostic {
        let mut error = error.without_snippet();
        while let serde_saphyr::Error::AliasError { error: inner, .. } = error {
            error = inner.without_snippet();
        }
        let location = error.location().unwrap_or(serde_saphyr::Location::UNKNOWN);
        let line = usize::try_from(location.line()).unwrap_or(usize::MAX);
        let column = usize::try_from(location.column()).unwrap_or(usize::MAX);
        let source = sources.get(self.source);
        let start = if line == 0 { 0 } else { source.offset(line, column) };
        let rest = self.text.get(start..).unwrap_or_default();
        let end = start + rest.chars().next().filter(|c| !c.is_control()).map_or(0, char::len_utf8);
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(sentence, _)| sentence);
        let line_text = source.text().lines().nth(line.saturating_sub(1)).unwrap_or_default();
        let diagnostic = match error {
            serde_saphyr::Error::Budget { .. }
            | serde_saphyr::Error::AliasReplayLimitExceeded { .. }
            | serde_saphyr::Error::AliasReplayStackDepthExceeded { .. }
            | serde_saphyr::Error::AliasExpansionLimitExceeded { .. } => Diagnostic::error(
                "yaml-too-complex",
                format!("refused, because reading it all would take too much memory: {message}"),
            )
            .help(format!(
                "at most {MAX_DEPTH} levels, 500000 values and {MAX_ALIAS_EVENTS} values behind aliases are read"
            )),
            serde_saphyr::Error::RecursiveReferencesRequireWeakTypes { .. } => {
                Diagnostic::error("yaml-too-complex", "an anchor may not contain its own alias")
            }
            _ if message.contains("recursion limit") => {
                Diagnostic::error("yaml-too-complex", format!("there are more than {MAX_DEPTH} levels"))
            }
            _ => Diagnostic::error("yaml-syntax", format!("not valid YAML: {message}"))
                .maybe_help(syntax_help(line_text, self.text)),
        };
        diagnostic.at(Span::new(self.source, start..end), "here")
    }
}

const TEMPLATE_HELP: &str = "this looks like a template: render it first, vboxmcp reads plain YAML";

/// The commonest reasons for a syntax error in a manifest.
fn syntax_help(line: &str, text: &str) -> Option<String> {
    if line.contains("${") && line.contains(['{', '[']) && !line.contains("\"${") && !line.contains("'${") {
        return Some("inside { } and [ ], write an expression in quotes: \"${var.name}\"".to_owned());
    }
    if line.trim_start_matches(' ').starts_with('\t') || line.contains('\t') {
        return Some("YAML is indented with spaces; there is a tab in this line".to_owned());
    }
    if text.contains("{{") {
        return Some(TEMPLATE_HELP.to_owned());
    }
    None
}

fn last_span(node: &Node) -> Option<Span> {
    match &node.value {
        Value::Null | Value::Scalar(_) => None,
        Value::Sequence(items) => items.last().map(|item| item.alias.unwrap_or(item.span)),
        Value::Mapping(entries) => {
            entries.last().map(|entry| entry.key_span.to(entry.value.alias.unwrap_or(entry.value.span)))
        }
    }
}

/// A scalar with an explicit tag (`!!int "5"`) may be written in quotes and still not be text.
fn unquoted(written: &str) -> &str {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| written.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(written)
}

enum Raw {
    Null,
    /// A boolean or a number: its text is in the source.
    Typed,
    Text(String),
    Sequence(Vec<Spanned<Raw>>),
    Mapping(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key()? {
            entries.push((key, access.next_value()?));
        }
        Ok(Raw::Mapping(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> (Sources, Vec<Node>, Vec<Diagnostic>) {
        let mut sources = Sources::default();
        let id = sources.add("t.yaml", text, None);
        let (nodes, found) = read(&sources, id);
        (sources, nodes, found)
    }

    #[test]
    fn offsets_are_bytes_with_foreign_letters_and_crlf() {
        let text = "\u{feff}näme: \"ß q\"\r\nb: {ü: 0x3f8, d: [1.50, zwei Wörter]}\r\nc: |\r\n  x\r\n  y\r\nd: no\r\n";
        let (sources, nodes, found) = read_text(text);
        assert_eq!(found, []);
        let node = &nodes[0];
        let name = node.get("näme").unwrap();
        assert_eq!(sources.slice(name.key_span), "näme");
        assert_eq!(sources.slice(name.value.span), "\"ß q\"");
        assert_eq!(name.value.text(), Some("ß q"));
        let b = &node.get("b").unwrap().value;
        assert_eq!(sources.slice(b.get("ü").unwrap().value.span), "0x3f8");
        let Value::Sequence(items) = &b.get("d").unwrap().value.value else { panic!() };
        assert_eq!(sources.slice(items[1].span), "zwei Wörter");
        assert_eq!(items[0].text(), Some("1.50"));
        assert_eq!(node.get("c").unwrap().value.text(), Some("x\ny\n"));
        assert_eq!(
            node.get("d").unwrap().value.value,
            Value::Scalar(Scalar { text: "no".into(), plain: true })
        );
    }

    #[test]
    fn numbers_keep_their_spelling() {
        let (_, nodes, _) =
            read_text("a: 080027000001\nb: 1_000\nc: 99999999999999999999999999\nd: '5'\ne: .inf\nf: 2.0\n");
        let text = |key| nodes[0].get(key).unwrap().value.text().unwrap().to_owned();
        assert_eq!(
            ["a", "b", "c", "d", "e", "f"].map(text),
            ["080027000001", "1_000", "99999999999999999999999999", "5", ".inf", "2.0"]
        );
        assert!(matches!(&nodes[0].get("d").unwrap().value.value, Value::Scalar(s) if !s.plain));
    }

    #[test]
    fn an_alias_knows_both_ends() {
        let (sources, nodes, _) = read_text("a: &x 1\nb: *x\n");
        let b = &nodes[0].get("b").unwrap().value;
        assert_eq!(sources.slice(b.span), "1");
        assert_eq!(b.alias.map(|span| sources.slice(span)), Some("*x"));
    }

    #[test]
    fn duplicate_keys_point_at_both() {
        let (sources, nodes, found) = read_text("a: 1\nb: 2\na: 3\n");
        assert_eq!(found.len(), 1);
        let lines: Vec<_> = found[0].labels.iter().map(|l| sources.locate(l.span).1.line).collect();
        assert_eq!(lines, [3, 1]);
        assert_eq!(nodes[0].get("a").unwrap().value.text(), Some("1"));
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let alias = format!("*a{}", level - 1);
            let items = [alias.as_str(); 10].join(", ");
            text = format!("{text}a{level}: &a{level} [{items}]\n");
        }
        let (_, nodes, found) = read_text(&text);
        assert!(nodes.is_empty());
        assert_eq!(found[0].code, "yaml-too-complex");
    }

    #[test]
    fn depth_is_bounded() {
        let (_, _, found) = read_text(&("[".repeat(200) + &"]".repeat(200)));
        assert_eq!(found.len(), 1);
        let (_, _, found) = read_text(&(0..200).map(|n| " ".repeat(n) + "a:\n").collect::<String>());
        assert_eq!(found[0].code, "yaml-too-complex");
    }

    #[test]
    fn syntax_errors_have_a_place() {
        let (sources, _, found) = read_text("ä: 1\nb: [1,2\nc: 3\n");
        assert_eq!(found[0].code, "yaml-syntax");
        assert_eq!(sources.locate(found[0].labels[0].span).1.line, 3);
    }
}
