//! Scalars with their expressions put in.
//!
//! May hold: from a scalar node to its text, with the places that the text came from.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Label, Sink};
use super::expr::{self, EvalError, Expr, Part};
use super::node::{Node, Scalar};
use super::source::{SourceId, Sources, Span};
use super::variables::Variables;

/// A scalar as the field sees it.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    pub(super) text: String,
    /// Whether it may be a number or a boolean.
    pub(super) plain: bool,
    /// Whether a secret is in it.
    pub(super) secret: bool,
    /// Whether it stands for a secret that has no value yet.
    pub(super) placeholder: bool,
    /// The text that its first part was written in: relative paths start there.
    pub(super) written_in: SourceId,
    /// Where the values of its variables came from.
    pub(super) origins: Vec<Label>,
}

/// What expressions can see.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) sources: &'a Sources,
    pub(super) variables: &'a Variables,
    /// Number of the member, in a replicated machine.
    pub(super) index: Option<i64>,
    /// Whether a secret may be missing.
    pub(super) placeholders: bool,
    /// Home of the owner of the VirtualBox home.
    pub(super) home: Option<&'a Path>,
    /// Relative paths below the first directory start below the second one instead.
    pub(super) rebase: Option<(&'a Path, &'a Path)>,
    /// Folders that paths must be in; none means that they may be anywhere.
    pub(super) within: &'a [PathBuf],
}

/// The place of a node, with the other ends of how it came to be there.
pub(super) fn places(node: &Node, text: &str) -> Vec<Label> {
    let label = |span, text: &str| Label { span, text: text.to_owned() };
    match node.alias {
        Some(alias) => vec![label(alias, text), label(node.span, "what the alias stands for")],
        None => vec![label(node.span, text)],
    }
}

impl Scope<'_> {
    /// The text of a scalar; `None` where it has none, which is reported.
    pub(super) fn resolve(&self, node: &Node, scalar: &Scalar, sink: &mut Sink) -> Option<Resolved> {
        let mut resolved = Resolved {
            text: String::new(),
            plain: scalar.plain,
            secret: false,
            placeholder: false,
            written_in: node.span.source,
            origins: Vec::new(),
        };
        if !scalar.text.contains("${") {
            resolved.text.clone_from(&scalar.text);
            return Some(resolved);
        }
        let parts = match expr::parse(&scalar.text) {
            Ok(parts) => parts,
            Err(error) => {
                let span = self.within(node, scalar, &error.range);
                sink.push(
                    Diagnostic::error("expression", error.message)
                        .at(span, "in this expression")
                        .maybe_help(error.help),
                );
                return None;
            }
        };
        let mut complete = true;
        let only = parts.len() == 1;
        for (position, part) in parts.iter().enumerate() {
            match part {
                Part::Text(text) => resolved.text.push_str(text),
                Part::Expr { range, expr: Expr::Var(name) } => {
                    let span = self.within(node, scalar, range);
                    complete &= self.variable(name, span, only, position == 0, &mut resolved, sink);
                }
                Part::Expr { range, expr } => {
                    let span = self.within(node, scalar, range);
                    match self.number(expr, span, &mut resolved, sink) {
                        Some(number) => {
                            resolved.text.push_str(&number.to_string());
                            resolved.plain = true;
                        }
                        None => complete = false,
                    }
                }
            }
        }
        complete.then_some(resolved)
    }

    fn variable(
        &self,
        name: &str,
        span: Span,
        only: bool,
        first: bool,
        resolved: &mut Resolved,
        sink: &mut Sink,
    ) -> bool {
        let Some(variable) = self.variables.look_up(name) else {
            self.undefined(name, span, sink);
            return false;
        };
        resolved.secret |= variable.sensitive;
        resolved.origins.push(variable.origin());
        match &variable.value {
            Some((value, origin)) => {
                resolved.text.push_str(&value.text);
                resolved.plain = if only { value.plain } else { true };
                if first {
                    resolved.written_in = origin.source;
                }
                true
            }
            None if variable.sensitive && self.placeholders => {
                resolved.placeholder = true;
                true
            }
            None => {
                sink.push(
                    Diagnostic::error("missing-variable", format!("the variable `{name}` has no value"))
                        .at(span, "used here")
                        .at(variable.declared, "declared here, without a default")
                        .help(format!(
                            "set it with `--var {name}=VALUE` or VBOXMCP_VAR_{name}, or give it a default"
                        )),
                );
                false
            }
        }
    }

    fn number(&self, expr: &Expr, span: Span, resolved: &mut Resolved, sink: &mut Sink) -> Option<i64> {
        let mut look_up = |name: &str| {
            let Some(variable) = self.variables.look_up(name) else {
                return Err(EvalError::Unknown(name.to_owned()));
            };
            resolved.secret |= variable.sensitive;
            resolved.origins.push(variable.origin());
            let Some((value, _)) = &variable.value else { return Err(EvalError::Unknown(name.to_owned())) };
            value.text.trim().parse().map_err(|_| EvalError::NotAnInteger(name.to_owned()))
        };
        let failure = match expr::evaluate(expr, self.index, &mut look_up) {
            Ok(number) => return Some(number),
            Err(failure) => failure,
        };
        let error = |message: &str| Diagnostic::error("expression", message).at(span, "in this expression");
        let diagnostic = match failure {
            EvalError::Overflow => error("the result does not fit 64 bits"),
            EvalError::DivisionByZero => error("this divides by zero"),
            EvalError::NoIndex => {
                error("there is no index here").help("only the `spec` of a machine with `replicas` has one")
            }
            EvalError::NotAnInteger(name) => error("arithmetic needs whole numbers").at_all(
                resolved.origins.iter().filter(|label| label.text.contains(&format!("`{name}`"))).cloned(),
            ),
            EvalError::Unknown(name) => match self.variables.look_up(&name) {
                None => {
                    self.undefined(&name, span, sink);
                    return None;
                }
                Some(variable) => {
                    Diagnostic::error("missing-variable", format!("the variable `{name}` has no value"))
                        .at(span, "used here")
                        .at(variable.declared, "declared here, without a default")
                }
            },
        };
        sink.push(diagnostic);
        None
    }

    fn undefined(&self, name: &str, span: Span, sink: &mut Sink) {
        let help = match self.variables.nearest(name) {
            Some(near) => format!("did you mean `${{var.{near}}}`?"),
            None => format!("declare it: kind: Stack, spec.variables.{name}"),
        };
        sink.push(
            Diagnostic::error("undefined-variable", format!("no stack declares the variable `{name}`"))
                .at(span, "not declared")
                .help(help),
        );
    }

    /// The place of a range of a scalar's text. Quotes, escapes and folding make the text differ from what is written; then
    /// the same letters are looked for, and the whole scalar is the last resort.
    fn within(&self, node: &Node, scalar: &Scalar, range: &Range<usize>) -> Span {
        let written = self.sources.slice(node.span);
        let start = node.span.start as usize;
        let part = scalar.text.get(range.clone()).unwrap_or_default();
        let at = if written == scalar.text {
            Some(range.start)
        } else if written.get(1..written.len().saturating_sub(1)) == Some(&scalar.text) {
            Some(range.start + 1)
        } else {
            written.find(part)
        };
        match at {
            Some(at) => Span::new(node.span.source, start + at..start + at + part.len()),
            None => node.span,
        }
    }

    /// The directory that a relative path starts from.
    pub(super) fn base(&self, written_in: SourceId) -> PathBuf {
        let base = self.sources.get(written_in).base().unwrap_or_else(|| Path::new(""));
        match self.rebase.and_then(|(from, to)| base.strip_prefix(from).ok().map(|below| to.join(below))) {
            Some(moved) => moved,
            None => base.to_owned(),
        }
    }
}
