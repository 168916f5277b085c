//! The stack's defaults, filled in.

use std::collections::BTreeMap;

use super::super::node::{Entry, Node, Value};
use super::document::Doc;

/// Defaults by kind.
pub(super) type Defaults = BTreeMap<String, Node>;

/// The defaults of the stack, marked as such.
pub(super) fn of(docs: &[Doc<'_>]) -> Defaults {
    let spec = docs.iter().find(|doc| doc.kind.name == "Stack").and_then(|doc| doc.spec);
    let Some(Value::Mapping(entries)) =
        spec.and_then(|spec| spec.get("defaults")).map(|entry| &entry.value.value)
    else {
        return Defaults::new();
    };
    entries
        .iter()
        .filter(|entry| matches!(entry.value.value, Value::Mapping(_)))
        .map(|entry| {
            let mut node = entry.value.clone();
            node.mark_defaulted();
            (entry.key.clone(), node)
        })
        .collect()
}

/// The `spec` of a document over the defaults of its kind: mappings are merged, values and lists replaced. Without either it
/// is an empty mapping where the document begins.
pub(super) fn merged(doc: &Doc<'_>, defaults: &Defaults) -> Node {
    let default = defaults.get(doc.kind.name);
    match (doc.spec, default) {
        (Some(spec), Some(default)) => merge(default, spec),
        (Some(spec), None) => spec.clone(),
        (None, default) => {
            let entries = match default.map(|node| &node.value) {
                Some(Value::Mapping(entries)) => entries.clone(),
                _ => Vec::new(),
            };
            Node { value: Value::Mapping(entries), span: doc.name_span, alias: None, defaulted: false }
        }
    }
}

fn merge(default: &Node, written: &Node) -> Node {
    let (Value::Mapping(below), Value::Mapping(above)) = (&default.value, &written.value) else {
        return written.clone();
    };
    let mut entries: Vec<Entry> = above
        .iter()
        .map(|entry| match below.iter().find(|default| default.key == entry.key) {
            Some(default) => Entry { value: merge(&default.value, &entry.value), ..entry.clone() },
            None => entry.clone(),
        })
        .collect();
    entries
        .extend(below.iter().filter(|default| !above.iter().any(|entry| entry.key == default.key)).cloned());
    Node { value: Value::Mapping(entries), ..written.clone() }
}
