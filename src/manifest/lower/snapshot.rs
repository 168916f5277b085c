//! `Snapshot` documents.

use super::super::checked::{Checked, place};
use super::super::resolve::Scope;
use super::machine::referenced;
use super::member::Member;
use super::objects::Object;
use super::{lifecycle, text_of};
use crate::model::{DesiredSnapshot, Take};

/// A point over one or more machines. A replicated machine's name means all its members.
pub(super) fn lower(snapshot: &Object<'_>, members: &[Member<'_>], scope: Scope<'_>) -> DesiredSnapshot {
    let (doc, spec) = (snapshot.doc, &snapshot.spec);
    let named = spec.get("machines").map(Checked::items).unwrap_or_default();
    DesiredSnapshot {
        name: doc.name.clone(),
        source: place(scope.sources, doc.start),
        machines: named.iter().filter_map(Checked::text).flat_map(|name| referenced(name, members)).collect(),
        take: match text_of(spec, "take") {
            Some(("now", _)) => Take::Now,
            _ => Take::BeforeFirstStart,
        },
        description: text_of(spec, "description").map(|(text, _)| text.to_owned()),
        lifecycle: doc.lifecycle.as_ref().map(lifecycle::lower).unwrap_or_default(),
    }
}
