//! The envelope of documents, and the stack.

use std::collections::BTreeMap;

use super::super::check::Checker;
use super::super::checked::Checked;
use super::super::diagnostic::{Diagnostic, Sink};
use super::super::load::{Document, Loaded, first_line};
use super::super::node::{Node, Value};
use super::super::resolve::{Scope, places};
use super::super::shape::{Kind, Shape};
use super::super::source::Span;
use super::super::suggest::nearest;
use super::super::variables::Variables;
use super::super::vocabulary::{DOCUMENT, KINDS};
use crate::model::{FieldPath, StackName};

/// A document of a known kind, with its envelope checked.
#[derive(Debug)]
pub(super) struct Doc<'a> {
    pub(super) kind: &'static Kind,
    /// Empty where the name is wrong, which is reported.
    pub(super) name: String,
    pub(super) name_span: Span,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) lifecycle: Option<Checked>,
    pub(super) spec: Option<&'a Node>,
    /// Where the document begins.
    pub(super) start: Span,
}

impl Doc<'_> {
    /// A flag of `lifecycle`.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.lifecycle.as_ref().and_then(|lifecycle| lifecycle.get(key)?.flag()).unwrap_or_default()
    }
}

/// Declares the variables of all stacks, as far as they can be read: mistakes in them are found later.
pub(super) fn declare_variables(loaded: &Loaded, variables: &mut Variables) {
    for document in &loaded.documents {
        let is_stack = document.node.get("kind").and_then(|entry| entry.value.text()) == Some("Stack");
        let declared = document.node.get("spec").and_then(|spec| spec.value.get("variables"));
        let Some(Value::Mapping(entries)) = declared.map(|entry| &entry.value.value).filter(|_| is_stack)
        else {
            continue;
        };
        for entry in entries {
            let sensitive = entry.value.get("sensitive").and_then(|flag| flag.value.text()) == Some("true");
            let default = entry.value.get("default").and_then(|default| match &default.value.value {
                Value::Scalar(scalar) => Some((scalar.clone(), default.value.span)),
                _ => None,
            });
            variables.declare(&entry.key, entry.key_span, sensitive, default);
        }
    }
}

/// Checks the envelope of a document; `None` where its kind is not known.
pub(super) fn recognise<'a>(document: &'a Document, scope: Scope<'_>, sink: &mut Sink) -> Option<Doc<'a>> {
    let node = &document.node;
    let start = first_line(scope.sources, node.span);
    let Value::Mapping(entries) = &node.value else {
        let message = format!("a document is a mapping, this is {}", node.shape());
        sink.push(Diagnostic::error("wrong-type", message).at(start, "here"));
        return None;
    };
    let kind = kind_of(node, start, sink)?;
    for entry in entries {
        let known = match entry.key.as_str() {
            "apiVersion" | "kind" | "metadata" | "spec" => true,
            "lifecycle" => kind.lifecycle.is_some(),
            _ => false,
        };
        if !known {
            let mut keys = vec!["apiVersion", "kind", "metadata", "spec"];
            keys.extend(kind.lifecycle.map(|_| "lifecycle"));
            let help = if kind.spec.field(&entry.key).is_some() {
                format!("`{}` belongs below `spec`", entry.key)
            } else {
                match nearest(&entry.key, keys.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("a {} has {}", kind.name, keys.join(", ")),
                }
            };
            let message = format!("there is no key `{}` in a document of kind {}", entry.key, kind.name);
            sink.push(Diagnostic::error("unknown-key", message).at(entry.key_span, "not known").help(help));
        }
    }
    let (name, name_span, labels) = metadata(node, kind, start, scope, sink);
    let lifecycle = node.get("lifecycle").zip(kind.lifecycle).map(|(entry, object)| {
        let mut checker = Checker::new(scope, sink);
        checker.check(&Shape::Object(object), &entry.value, &FieldPath::of(["lifecycle"]), false)
    });
    Some(Doc {
        kind,
        name,
        name_span,
        labels,
        lifecycle,
        spec: node.get("spec").map(|entry| &entry.value),
        start,
    })
}

fn kind_of(node: &Node, start: Span, sink: &mut Sink) -> Option<&'static Kind> {
    let names = KINDS.iter().map(|kind| kind.name);
    let Some(entry) = node.get("kind") else {
        sink.push(
            Diagnostic::error("missing-key", "this document has no kind")
                .at(start, "here")
                .help(format!("write `kind:` and one of {}", names.collect::<Vec<_>>().join(", "))),
        );
        return None;
    };
    let written = entry.value.text().unwrap_or_default();
    let found = KINDS.iter().find(|kind| kind.name == written);
    if found.is_none() {
        let usual = match written.to_ascii_lowercase().as_str() {
            "vm" | "machine" | "virtualbox" => Some("VirtualMachine"),
            "volume" | "harddisk" | "medium" => Some("Disk"),
            _ => None,
        };
        let help = match usual.or_else(|| nearest(written, names.clone())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", names.collect::<Vec<_>>().join(", ")),
        };
        sink.push(
            Diagnostic::error("unknown-kind", format!("`{written}` is not a kind of document"))
                .at_all(places(&entry.value, "not known"))
                .help(help),
        );
    }
    found
}

fn metadata(
    node: &Node,
    kind: &'static Kind,
    start: Span,
    scope: Scope<'_>,
    sink: &mut Sink,
) -> (String, Span, BTreeMap<String, String>) {
    let nothing = |span| (String::new(), span, BTreeMap::new());
    let (Some(entry), Some(field)) = (node.get("metadata"), DOCUMENT.field("metadata")) else {
        sink.push(
            Diagnostic::error("missing-key", format!("this {} has no name", kind.name))
                .at(start, "here")
                .help("write `metadata: {name: NAME}`"),
        );
        return nothing(start);
    };
    let checked =
        Checker::new(scope, sink).check(&field.shape, &entry.value, &FieldPath::of(["metadata"]), false);
    let labels = checked
        .get("labels")
        .map(|labels| {
            let pair = |member: &super::super::checked::Member| {
                Some((member.key.clone(), member.value.text()?.to_owned()))
            };
            labels.members().iter().filter_map(pair).collect()
        })
        .unwrap_or_default();
    let Some((name, value)) = super::text_of(&checked, "name") else { return nothing(entry.key_span) };
    let span = value.span().unwrap_or(entry.key_span);
    match (kind.names.check)(name) {
        Ok(name) => (name, span, labels),
        Err(complaint) => {
            sink.push(
                Diagnostic::error(complaint.code, complaint.message)
                    .at_all(value.places(&format!("must be {}", kind.names.noun)))
                    .maybe_help(complaint.help),
            );
            (String::new(), span, labels)
        }
    }
}

/// The name of the stack, with its `spec` checked. There is at most one.
pub(super) fn stack(docs: &[Doc<'_>], scope: Scope<'_>, sink: &mut Sink) -> Option<StackName> {
    let mut stacks = docs.iter().filter(|doc| doc.kind.name == "Stack");
    let first = stacks.next()?;
    for other in stacks {
        sink.push(
            Diagnostic::error("several-stacks", "there is more than one Stack in this run")
                .at(other.name_span, "a second one")
                .at(first.name_span, "the first one")
                .help("plan each stack by itself, or keep one Stack document"),
        );
    }
    for doc in docs.iter().filter(|doc| doc.kind.name == "Stack") {
        let Some(spec) = doc.spec else { continue };
        // Defaults may speak of `${index}`: it has a value where they are filled in.
        let mut checker = Checker::new(Scope { index: Some(1), ..scope }, sink);
        checker.skip_defaults_of = docs.iter().map(|doc| doc.kind.name).collect();
        checker.check(&Shape::Object(doc.kind.spec), spec, &FieldPath::root(), false);
    }
    StackName::new(first.name.as_str()).ok()
}
