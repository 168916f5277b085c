//! `lifecycle`.

use super::super::checked::Checked;
use super::super::diagnostic::{Diagnostic, Sink};
use super::super::shape::Shape;
use super::super::suggest::nearest;
use super::document::Doc;
use super::text_of;
use crate::model::{Danger, FieldPath, Lifecycle, OnRemove, StackName};

/// Rules for the `lifecycle` of one document.
pub(super) fn rules(doc: &Doc<'_>, sink: &mut Sink) {
    let Some(lifecycle) = &doc.lifecycle else { return };
    for item in lifecycle.get("ignore").map(Checked::items).unwrap_or_default() {
        if let Some(path) = item.text() {
            ignored(doc, path, item, sink);
        }
    }
    if let Some((former, value)) = text_of(lifecycle, "renamedFrom") {
        if doc.kind.name == "Network" {
            sink.push(
                Diagnostic::error("refused", "lifecycle.renamedFrom: VirtualBox cannot rename a network")
                    .at_all(value.places("not possible"))
                    .help("declare the new network, move the adapters to it, then remove the old one"),
            );
        } else if former == doc.name {
            sink.push(
                Diagnostic::error("conflict", "lifecycle.renamedFrom: this is the name that it has now")
                    .at_all(value.places("the former name"))
                    .at(doc.name_span, "the name")
                    .help("leave it out, or write the name that it had before"),
            );
        }
    }
    if doc.flag("external") {
        for key in ["protect", "onRemove", "allow", "renamedFrom"] {
            if let Some(member) = lifecycle.member(key) {
                sink.push(
                    Diagnostic::error(
                        "conflict",
                        format!("lifecycle.{key}: an external object is never changed or removed"),
                    )
                    .at(member.key_span, "has nothing to act on")
                    .at_all(
                        lifecycle.get("external").map(|value| value.places("external")).unwrap_or_default(),
                    )
                    .help("leave it out"),
                );
            }
        }
    }
}

/// `lifecycle.ignore` names fields as plans and messages do.
fn ignored(doc: &Doc<'_>, text: &str, item: &Checked, sink: &mut Sink) {
    let Ok(path) = text.parse::<FieldPath>();
    if let Err(help) = follow(&Shape::Object(doc.kind.spec), path.keys()) {
        sink.push(
            Diagnostic::error("unknown-field", format!("lifecycle.ignore: there is no field `{text}`"))
                .at_all(item.places("no such field"))
                .help(help),
        );
    }
}

/// Follows a path through the vocabulary; where it leaves it, says what to write.
fn follow(shape: &Shape, keys: &[String]) -> Result<(), String> {
    let Some((key, rest)) = keys.split_first() else { return Ok(()) };
    match shape {
        Shape::Object(object) | Shape::Either(_, object) => {
            if let Some(field) = object.field(key) {
                return follow(&field.shape, rest);
            }
            Err(match nearest(key, object.fields.iter().map(|field| field.name)) {
                Some(near) => format!("did you mean `{near}` instead of `{key}`?"),
                None => "write the path as plans show it: `memory`, `nics.1.mac`".to_owned(),
            })
        }
        Shape::Map(rule) => follow(&rule.value, rest),
        Shape::List(rule) if rule.by_position && key.parse::<u32>().is_ok_and(|n| n > 0) => {
            follow(&rule.item, rest)
        }
        Shape::List(rule) if rule.by_position => Err("positions are counted from 1".to_owned()),
        _ => Err(format!("nothing is below it, so `{key}` names nothing")),
    }
}

/// `[STACK/]NAME`
pub(super) fn former(text: &str) -> (Option<StackName>, &str) {
    match text.split_once('/') {
        Some((stack, name)) => (StackName::new(stack).ok(), name),
        None => (None, text),
    }
}

/// `lifecycle` as the planner sees it, without former names.
pub(super) fn lower(written: &Checked) -> Lifecycle {
    let flag = |key| written.get(key).and_then(Checked::flag).unwrap_or_default();
    let items =
        |key| written.get(key).map(Checked::items).unwrap_or_default().iter().filter_map(Checked::text);
    Lifecycle {
        protect: flag("protect"),
        on_remove: match text_of(written, "onRemove") {
            Some(("delete", _)) => OnRemove::Delete,
            _ => OnRemove::Keep,
        },
        allow: items("allow").filter_map(|word| word.parse::<Danger>().ok()).collect(),
        renamed_from: Vec::new(),
        ignore: items("ignore").filter_map(|path| path.parse::<FieldPath>().ok()).collect(),
        external: flag("external"),
    }
}
