//! Mistakes in manifests and configuration, with their places.

use std::io::{self, Write};

use miette::{GraphicalReportHandler, GraphicalTheme};

use super::View;
use super::text::printable;
use crate::manifest::diagnostic::{Diagnostics, Severity};

/// Writes mistakes for a person: drawn with the lines that they are in on a terminal, one line each in a log.
pub fn write_diagnostics(out: &mut dyn Write, diagnostics: &Diagnostics, view: &View) -> io::Result<()> {
    if view.drawn {
        let theme = if view.styles.is_colored() {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_width(view.width());
        for report in diagnostics.reports() {
            let mut text = String::new();
            handler.render_report(&mut text, &report).map_err(io::Error::other)?;
            writeln!(out, "{}", text.trim_end())?;
        }
        return Ok(());
    }
    for diagnostic in &diagnostics.list {
        let s = &view.styles;
        let (word, style) = match diagnostic.severity {
            Severity::Error => ("error", s.remove),
            Severity::Warning => ("warning", s.change),
            Severity::Note => ("note", s.note),
        };
        let place = |span| {
            let (file, position) = diagnostics.sources.locate(span);
            format!("{}:{}:{}", printable(file), position.line, position.column)
        };
        let mut labels = diagnostic.labels.iter();
        if let Some(label) = labels.next() {
            write!(out, "{}{}{:#}: ", s.strong, place(label.span), s.strong)?;
        }
        writeln!(
            out,
            "{style}{word}{style:#}: {} [{}]",
            printable(&diagnostic.full_message()),
            diagnostic.code
        )?;
        for label in labels.filter(|label| !label.text.is_empty()) {
            writeln!(out, "    {}: {}", place(label.span), printable(&label.text))?;
        }
        if let Some(help) = &diagnostic.help {
            writeln!(out, "    {}help:{:#} {}", s.hint, s.hint, printable(help))?;
        }
    }
    Ok(())
}

/// Writes warnings and, where everything is to be shown, notes.
pub fn write_findings(out: &mut dyn Write, findings: &Diagnostics, view: &View) -> io::Result<()> {
    let mut shown = findings.clone();
    if !view.verbose {
        shown.list.retain(|diagnostic| diagnostic.severity != Severity::Note);
    }
    write_diagnostics(out, &shown, view)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::diagnostic::Diagnostic;
    use crate::manifest::source::{Sources, Span};

    fn sample() -> Diagnostics {
        let mut sources = Sources::default();
        let text = "kind: VirtualMachine\nspec:\n  memroy: 1GiB\n";
        let id = sources.add("lab.yaml", text, None);
        let at = text.find("memroy").unwrap();
        let error = Diagnostic::error("unknown-key", "there is no `memroy`")
            .at(Span::new(id, at..at + 6), "not a key of `spec`")
            .at(Span::new(id, 0..4), "of this document")
            .help("did you mean `memory`?");
        Diagnostics::new(sources, vec![error])
    }

    fn shown(view: &View) -> String {
        let mut out = Vec::new();
        write_diagnostics(&mut out, &sample(), view).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_log_gets_one_line_that_editors_can_follow() {
        assert_eq!(
            shown(&View::default()),
            "lab.yaml:3:3: error: there is no `memroy` [unknown-key]\n    lab.yaml:1:1: of this document\n    help: did you mean `memory`?\n"
        );
    }

    #[test]
    fn a_terminal_gets_the_line_underlined() {
        let drawn = shown(&View { drawn: true, ..View::default() });
        assert!(drawn.contains("lab.yaml:3:3"), "{drawn}");
        assert!(drawn.contains("  memroy: 1GiB"), "{drawn}");
        assert!(drawn.contains("not a key of `spec`"), "{drawn}");
    }
}
