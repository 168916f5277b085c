//! Values that have passed the table: typed, with the places that they came from.
//!
//! May hold: the checked tree, its reading by lowering, and its form as JSON in the model's own units.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::diagnostic::Label;
use super::shape::Field;
use super::source::{Sources, Span};
use crate::model::{FieldPath, Source};

/// A value that fits its shape.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub(super) data: Data,
    /// Its place first, then where its parts came from.
    pub(super) labels: Vec<Label>,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Data {
    /// `null`, where it is a value.
    Null,
    /// A scalar in the model's own units.
    Scalar(Json),
    /// A secret that has no value yet.
    Placeholder,
    /// It did not fit, which is reported. It stays in its place, so that nothing else is called missing or misplaced.
    Wrong,
    List(Vec<Checked>),
    Map(Vec<Member>),
}

/// An entry of a mapping.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) key_span: Span,
    /// The field of a key that the language knows.
    pub(super) field: Option<&'static Field>,
    pub(super) value: Checked,
}

impl Checked {
    /// The place of the value.
    pub(super) fn span(&self) -> Option<Span> {
        self.labels.first().map(|label| label.span)
    }

    /// The labels, the first with another text.
    pub(super) fn places(&self, text: &str) -> Vec<Label> {
        let mut labels = self.labels.clone();
        if let Some(first) = labels.first_mut() {
            text.clone_into(&mut first.text);
        }
        labels
    }

    pub(super) fn member(&self, key: &str) -> Option<&Member> {
        self.members().iter().find(|member| member.key == key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Checked> {
        self.member(key).map(|member| &member.value)
    }

    /// The entries of a mapping; none of anything else.
    pub(super) fn members(&self) -> &[Member] {
        match &self.data {
            Data::Map(members) => members,
            Data::Null | Data::Scalar(_) | Data::Placeholder | Data::Wrong | Data::List(_) => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub(super) fn items(&self) -> &[Checked] {
        match &self.data {
            Data::List(items) => items,
            Data::Null | Data::Scalar(_) | Data::Placeholder | Data::Wrong | Data::Map(_) => &[],
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar(json) => json.as_str(),
            _ => None,
        }
    }

    pub(super) fn int(&self) -> Option<i64> {
        match &self.data {
            Data::Scalar(json) => json.as_i64(),
            _ => None,
        }
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match &self.data {
            Data::Scalar(json) => json.as_bool(),
            _ => None,
        }
    }

    /// The value as JSON in the model's units, without secrets and what this version cannot apply.
    pub(super) fn to_json(&self) -> Json {
        match &self.data {
            Data::Null | Data::Placeholder | Data::Wrong => Json::Null,
            Data::Scalar(json) => json.clone(),
            Data::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Data::Map(members) => Json::Object(
                members
                    .iter()
                    .filter(|member| member.field.is_none_or(|field| field.ready && !field.secret))
                    .map(|member| (member.key.clone(), member.value.to_json()))
                    .collect(),
            ),
        }
    }

    /// Notes where each entry below this value was written.
    pub(super) fn trace(&self, path: &FieldPath, sources: &Sources, found: &mut BTreeMap<FieldPath, Source>) {
        for member in self.members() {
            let path = path.join(&member.key);
            found.insert(path.clone(), place(sources, member.key_span));
            member.value.trace(&path, sources, found);
        }
        for (position, item) in (1..).zip(self.items()) {
            if let (Data::Map(_), Some(span)) = (&item.data, item.span()) {
                let position: u32 = position;
                let key = item.slot().map_or_else(|| position.to_string(), |n| n.to_string());
                let path = path.join(key);
                found.insert(path.clone(), place(sources, span));
                item.trace(&path, sources, found);
            }
        }
    }

    /// Whether [`Self::trace`] notes the same of both.
    pub(super) fn is_written_like(&self, other: &Self) -> bool {
        let (members, items) = (self.members(), self.items());
        members.len() == other.members().len()
            && items.len() == other.items().len()
            && members.iter().zip(other.members()).all(|(one, other)| {
                one.key == other.key
                    && one.key_span == other.key_span
                    && one.value.is_written_like(&other.value)
            })
            && items.iter().zip(other.items()).all(|(one, other)| {
                matches!(one.data, Data::Map(_)) == matches!(other.data, Data::Map(_))
                    && one.span() == other.span()
                    && one.slot() == other.slot()
                    && one.is_written_like(other)
            })
    }

    /// An adapter is known by its slot, which need not be its position.
    fn slot(&self) -> Option<i64> {
        self.get("slot").and_then(Self::int)
    }
}

/// A place in the form that plans carry.
pub(super) fn place(sources: &Sources, span: Span) -> Source {
    let (file, position) = sources.locate(span);
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Source { file: file.to_owned(), line: number(position.line), column: number(position.column) }
}
