//! Variables: what the stack declares, what a run sets, and which value wins.
//!
//! May hold: declaration, precedence, use, secrecy. Reading flags, environment and files is not done here: values are
//! handed in with the place they came from.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use super::diagnostic::{Diagnostic, Label, Sink};
use super::node::Scalar;
use super::source::{Sources, Span};
use super::suggest::nearest;

/// A value that a run sets for a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableValue {
    /// Name of the variable.
    pub name: String,
    /// Its value, as text: the field that it ends in gives it its type.
    pub value: String,
    /// Where it was set, for people: `--var`, `VBOXMCP_VAR_name`, `vboxmcp.toml`.
    pub origin: String,
    /// The directory that a relative path in it starts from.
    pub base: PathBuf,
}

/// A declared variable.
#[derive(Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    /// Its key in the stack.
    pub(super) declared: Span,
    pub(super) sensitive: bool,
    /// The winning value and where it stands.
    pub(super) value: Option<(Scalar, Span)>,
    /// Whether the winning value is the stack's default.
    pub(super) by_default: bool,
    used: Cell<bool>,
}

impl Variable {
    /// Where the value comes from, for the other end of a diagnostic. A secret's own place is not shown.
    pub(super) fn origin(&self) -> Label {
        match &self.value {
            Some((_, span)) if !self.sensitive => {
                let text = if self.by_default { "the default of" } else { "the value of" };
                Label { span: *span, text: format!("{text} `{}`", self.name) }
            }
            _ => Label { span: self.declared, text: format!("`{}` is declared here", self.name) },
        }
    }
}

/// All variables of a run.
#[derive(Debug, Default)]
pub(super) struct Variables {
    all: Vec<Variable>,
}

impl Variables {
    /// Declares a variable of the stack.
    pub(super) fn declare(
        &mut self,
        name: &str,
        declared: Span,
        sensitive: bool,
        default: Option<(Scalar, Span)>,
    ) {
        self.all.push(Variable {
            name: name.to_owned(),
            declared,
            sensitive,
            value: default,
            by_default: true,
            used: Cell::new(false),
        });
    }

    /// Gives variables the values of a run, the strongest first. A value gets a text of its own to be pointed at.
    pub(super) fn set(&mut self, given: &[VariableValue], sources: &mut Sources, sink: &mut Sink) {
        let mut settled: Vec<&str> = Vec::new();
        for value in given {
            let known = self.all.iter().position(|variable| variable.name == value.name);
            let hidden = known.is_none_or(|at| self.all[at].sensitive);
            let shown = if hidden { "…" } else { &value.value };
            let source =
                sources.add(&value.origin, format!("{}={shown}", value.name), Some(value.base.clone()));
            let after_name = value.name.len() + 1;
            let Some(at) = known else {
                let declared = self.all.iter().map(|variable| variable.name.as_str());
                let help = nearest(&value.name, declared).map_or_else(
                    || "declare it in Stack.spec.variables".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                sink.push(
                    Diagnostic::error(
                        "undeclared-variable",
                        format!("{} sets `{}`, which no stack declares", value.origin, value.name),
                    )
                    .at(Span::new(source, 0..value.name.len()), "no such variable")
                    .help(help),
                );
                continue;
            };
            if settled.contains(&value.name.as_str()) {
                continue;
            }
            settled.push(&value.name);
            let scalar = Scalar { text: value.value.clone(), plain: true };
            let span = Span::new(source, after_name..after_name + shown.len());
            self.all[at].value = Some((scalar, span));
            self.all[at].by_default = false;
        }
    }

    /// Names of those whose values are secrets.
    pub(super) fn sensitive(&self) -> BTreeSet<String> {
        let sensitive = self.all.iter().filter(|variable| variable.sensitive);
        sensitive.map(|variable| variable.name.clone()).collect()
    }

    /// A variable by its name; from now on it counts as used.
    pub(super) fn look_up(&self, name: &str) -> Option<&Variable> {
        let found = self.all.iter().find(|variable| variable.name == name)?;
        found.used.set(true);
        Some(found)
    }

    /// The declared name nearest to one that is not declared.
    pub(super) fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.all.iter().map(|variable| variable.name.as_str()))
    }

    /// Warns of variables that nothing uses.
    pub(super) fn warn_unused(&self, sink: &mut Sink) {
        for variable in self.all.iter().filter(|variable| !variable.used.get()) {
            sink.push(
                Diagnostic::warning(
                    "unused-variable",
                    format!("nothing uses the variable `{}`", variable.name),
                )
                .at(variable.declared, "declared here")
                .help(format!("use it as `${{var.{}}}`, or take it out", variable.name)),
            );
        }
    }
}
