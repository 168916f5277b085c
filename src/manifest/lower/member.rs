//! Replicas, unfolded: one checked `spec` for each machine.

use super::super::check::Checker;
use super::super::checked::{Checked, Data};
use super::super::diagnostic::{Diagnostic, Sink};
use super::super::node::Value;
use super::super::resolve::Scope;
use super::super::shape::Shape;
use super::super::source::Span;
use super::defaults::{Defaults, merged};
use super::document::Doc;
use super::note_unsupported;
use crate::model::FieldPath;

/// Members whose mistakes are gathered before the rest is left unchecked: they come from one text.
const ENOUGH_MISTAKES: usize = 50;

/// One machine.
#[derive(Debug)]
pub(super) struct Member<'a> {
    pub(super) doc: &'a Doc<'a>,
    pub(super) name: String,
    /// Its number, in a replicated machine.
    pub(super) index: Option<i64>,
    /// Whether its document makes more than one.
    pub(super) of_several: bool,
    pub(super) spec: Checked,
}

/// The machines of a document.
pub(super) fn unfold<'a>(
    doc: &'a Doc<'a>,
    defaults: &Defaults,
    scope: Scope<'_>,
    unsupported: &mut Vec<(String, Span)>,
    sink: &mut Sink,
) -> Vec<Member<'a>> {
    let spec = merged(doc, defaults);
    let Value::Mapping(entries) = &spec.value else {
        Checker::new(scope, sink).check(&Shape::Object(doc.kind.spec), &spec, &FieldPath::root(), false);
        return Vec::new();
    };
    let replicas = spec.get("replicas").zip(doc.kind.spec.field("replicas")).map(|(entry, field)| {
        // A number of its own: an index has no value here.
        Checker::new(scope, sink).check(&field.shape, &entry.value, &FieldPath::of([field.name]), false)
    });
    let count = replicas.as_ref().map(|replicas| replicas.int().unwrap_or(1));
    let indices: Vec<Option<i64>> = match count {
        None => vec![None],
        Some(0) => vec![Some(1)],
        Some(count) => (1..=count).map(Some).collect(),
    };
    let before = sink.len();
    let mut members = Vec::new();
    for index in indices {
        let name = match index {
            Some(index) => format!("{}-{index}", doc.name),
            None => doc.name.clone(),
        };
        let of_several = count.is_some_and(|count| count > 1);
        sink.in_member(of_several.then(|| name.clone()));
        let mut checker = Checker::new(Scope { index, ..scope }, sink);
        checker.filled_into = Some((name.clone(), doc.name_span));
        let mut values = checker.object(doc.kind.spec, &spec, entries, &FieldPath::root());
        for (path, span) in std::mem::take(&mut checker.unsupported) {
            note_unsupported(unsupported, format!("{path} of {}", doc.name), span);
        }
        if let Data::Map(fields) = &mut values.data {
            fields.retain(|field| field.key != "replicas");
        }
        sink.in_member(None);
        if count != Some(0) && !doc.name.is_empty() {
            members.push(Member { doc, name, index, of_several, spec: values });
        }
        if sink.len() > before + ENOUGH_MISTAKES {
            break;
        }
    }
    if let (Some(replicas), Some(last)) = (&replicas, members.last())
        && let Err(complaint) = super::super::text::machine_name(&last.name)
    {
        sink.push(
            Diagnostic::error(complaint.code, complaint.message)
                .at(doc.name_span, format!("gives `{}`", last.name))
                .at_all(replicas.places("with this many members")),
        );
    }
    members
}
