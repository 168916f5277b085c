//! Diagnostics as miette draws them: file, line, column, the text underlined.
//!
//! May hold: the implementation of miette's trait. Which handler draws it, and how wide, is decided in `render/`.

use std::fmt;

use super::diagnostic::{Diagnostic, Diagnostics, Label, Severity};
use super::source::{SourceId, Sources};

/// One diagnostic with its texts, ready for a miette report handler.
#[derive(Debug)]
pub struct Report {
    severity: Severity,
    code: String,
    message: String,
    help: Option<String>,
    source: Option<miette::NamedSource<String>>,
    labels: Vec<miette::LabeledSpan>,
    /// Labels in other texts: miette draws one text a report, so the others are related reports.
    related: Vec<Report>,
}

impl Report {
    fn new(diagnostic: &Diagnostic, sources: &Sources) -> Self {
        let mut report = Self {
            severity: diagnostic.severity,
            code: diagnostic.code.to_owned(),
            message: printable(&diagnostic.full_message()),
            help: diagnostic.help.as_deref().map(printable),
            source: None,
            labels: Vec::new(),
            related: Vec::new(),
        };
        let Some(home) = diagnostic.labels.first().map(|label| label.span.source) else { return report };
        report.draw(home, &diagnostic.labels, sources);
        let mut others: Vec<SourceId> = Vec::new();
        for label in &diagnostic.labels {
            if label.span.source != home && !others.contains(&label.span.source) {
                others.push(label.span.source);
            }
        }
        report.related = others
            .into_iter()
            .map(|source| {
                let mut other = Self {
                    severity: Severity::Note,
                    code: String::new(),
                    message: format!("in {}", sources.get(source).name()),
                    help: None,
                    source: None,
                    labels: Vec::new(),
                    related: Vec::new(),
                };
                other.draw(source, &diagnostic.labels, sources);
                other
            })
            .collect();
        report
    }

    fn draw(&mut self, source: SourceId, labels: &[Label], sources: &Sources) {
        let text = sources.get(source);
        self.source = Some(miette::NamedSource::new(printable(text.name()), printable(text.text())));
        for (index, label) in labels.iter().filter(|label| label.span.source == source).enumerate() {
            let range = label.span.range();
            let text = Some(printable(&label.text)).filter(|text| !text.is_empty());
            self.labels.push(if index == 0 {
                miette::LabeledSpan::new_primary_with_span(text, range)
            } else {
                miette::LabeledSpan::new_with_span(text, range)
            });
        }
    }
}

/// A text that a terminal cannot take for commands, of the same length in bytes, so that spans still fit: control characters and
/// those that turn the direction of writing are replaced.
fn printable(text: &str) -> String {
    let replaced = |c: char| match c {
        '\n' | '\t' => c,
        '\r' => ' ',
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if !c.is_control() => c,
        c if c.len_utf8() == 1 => '?',
        _ => '\u{b7}',
    };
    text.chars().map(replaced).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report {}

impl miette::Diagnostic for Report {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.code.is_empty()).then(|| Box::new(&self.code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(self.related.iter().map(|report| report as &dyn miette::Diagnostic)))
    }
}

impl Diagnostics {
    /// Every diagnostic, ready for a miette report handler.
    pub fn reports(&self) -> impl Iterator<Item = Report> {
        self.list.iter().map(|diagnostic| Report::new(diagnostic, &self.sources))
    }
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn what_a_terminal_would_obey_is_replaced_in_place() {
        let text = "a\u{1b}[31m\u{9b}b\u{202e}c\r\nä\t";
        let shown = printable(text);
        assert_eq!(shown, "a?[31m\u{b7}b\u{fffd}c \nä\t");
        assert_eq!(shown.len(), text.len());
    }
}
