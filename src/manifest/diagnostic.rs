//! What is wrong with a manifest, where, and what would be right.
//!
//! May hold: the diagnostic, its collection, its stable record for machines. Drawing for people is in
//! [`super::report`] and `render/`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};

use super::source::{Sources, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing can be planned.
    Error,
    /// Most likely not what was meant.
    Warning,
    /// Good to know.
    Note,
}

/// Text beside a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is to be said about it, without a full stop.
    pub text: String,
}

/// One finding. The first label is its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable name of the rule, such as `unknown-key`.
    pub code: &'static str,
    /// One sentence without a full stop.
    pub message: String,
    /// Places; the first one is where the mistake is, the others are where its parts came from.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub help: Option<String>,
    /// The machines that it was found in, where one place makes several.
    pub members: Vec<String>,
}

impl Diagnostic {
    fn new(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        Self { severity, code, message: message.into(), labels: Vec::new(), help: None, members: Vec::new() }
    }

    /// A mistake.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// Something that is most likely not meant.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// Something good to know.
    pub fn note(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, message)
    }

    /// Adds a place.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        // One text may make several machines: the same place is pointed at once.
        if !self.labels.iter().any(|known| known.span == span) {
            self.labels.push(Label { span, text: text.into() });
        }
        self
    }

    /// Adds places.
    #[must_use]
    pub fn at_all(self, labels: impl IntoIterator<Item = Label>) -> Self {
        labels.into_iter().fold(self, |diagnostic, label| diagnostic.at(label.span, label.text))
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what to do about it, if there is anything to say.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// The message, with the members of a replicated machine that it was found in.
    pub fn full_message(&self) -> String {
        match self.members.as_slice() {
            [] => self.message.clone(),
            [one] => format!("{} (in `{one}`)", self.message),
            [first, .., last] => {
                format!("{} (in {} machines, `{first}` to `{last}`)", self.message, self.members.len())
            }
        }
    }
}

/// The stable form of a diagnostic for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Record {
    /// Name of the rule.
    pub code: String,
    /// `error`, `warning` or `note`.
    pub severity: String,
    /// The file as it was given, `<stdin>`, or the name of a flag; absent where there is no place.
    pub file: Option<String>,
    /// From 1.
    pub line: Option<usize>,
    /// In characters, from 1.
    pub column: Option<usize>,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// All findings of a run, with the texts they point into.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    /// The texts.
    pub sources: Sources,
    /// The findings, in the order of their places.
    pub list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Sorts findings by place and joins those that members of a replicated machine, or machines with the same default,
    /// share: the places of the first are shown.
    pub fn new(sources: Sources, found: Vec<Diagnostic>) -> Self {
        let mut list: Vec<Diagnostic> = Vec::new();
        let mut known: BTreeMap<(&'static str, String, Option<Span>), usize> = BTreeMap::new();
        for diagnostic in found {
            let place = diagnostic.labels.first().map(|label| label.span);
            match known.entry((diagnostic.code, diagnostic.message.clone(), place)) {
                Entry::Vacant(entry) => {
                    entry.insert(list.len());
                    list.push(diagnostic);
                }
                Entry::Occupied(entry) => {
                    for member in diagnostic.members {
                        if !list[*entry.get()].members.contains(&member) {
                            list[*entry.get()].members.push(member);
                        }
                    }
                }
            }
        }
        list.sort_by_key(|d| d.labels.first().map(|label| (label.span.source, label.span.start)));
        Self { sources, list }
    }

    /// Whether any finding is an error.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    /// The stable form for programs, in the same order.
    pub fn records(&self) -> Vec<Record> {
        self.list.iter().map(|d| self.record(d)).collect()
    }

    fn record(&self, diagnostic: &Diagnostic) -> Record {
        let place = diagnostic.labels.first().map(|label| self.sources.locate(label.span));
        Record {
            code: diagnostic.code.to_owned(),
            severity: match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            }
            .to_owned(),
            file: place.map(|(name, _)| name.to_owned()),
            line: place.map(|(_, position)| position.line),
            column: place.map(|(_, position)| position.column),
            message: diagnostic.full_message(),
            help: diagnostic.help.clone(),
        }
    }
}

/// Collects findings while documents are walked.
#[derive(Debug, Default)]
pub(super) struct Sink {
    found: Vec<Diagnostic>,
    member: Option<String>,
}

impl Sink {
    pub(super) fn push(&mut self, mut diagnostic: Diagnostic) {
        if diagnostic.members.is_empty() {
            diagnostic.members.extend(self.member.clone());
        }
        self.found.push(diagnostic);
    }

    /// Findings until the next call were made in this member of a replicated machine.
    pub(super) fn in_member(&mut self, member: Option<String>) {
        self.member = member;
    }

    pub(super) fn into_found(self) -> Vec<Diagnostic> {
        self.found
    }

    pub(super) fn has_errors(&self) -> bool {
        self.found.iter().any(|d| d.severity == Severity::Error)
    }

    /// How much was found so far.
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }
}
