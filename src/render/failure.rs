//! Failures: one chain for people, one object for programs.

use std::io::{self, Write};

use serde::Serialize;

use super::View;
use super::diagnostics::write_diagnostics;
use super::text::{printable, printable_lines};
use crate::failure::{Failure, Kind};
use crate::manifest::diagnostic::Record;

/// Writes `error: …`, `caused by: …` and `hint: …`, after the mistakes that have places.
pub fn write_failure(out: &mut dyn Write, failure: &Failure, view: &View) -> io::Result<()> {
    if failure.kind == Kind::BrokenPipe {
        return Ok(());
    }
    write_chain(out, failure, view)?;
    write_hints(out, failure, view)
}

/// Writes what went wrong, without what may help. Names and VirtualBox's own words may stand in it.
pub fn write_chain(out: &mut dyn Write, failure: &Failure, view: &View) -> io::Result<()> {
    let s = &view.styles;
    if let Some(diagnostics) = &failure.diagnostics {
        write_diagnostics(out, diagnostics, view)?;
    }
    let mut messages = failure.chain().into_iter();
    // Further lines of a message are indented, so that none of them passes for a line of ours.
    let indented = |message: &str| printable_lines(message).replace('\n', "\n  ");
    if let Some(message) = messages.next() {
        writeln!(out, "{}error:{:#} {}", s.remove, s.remove, indented(&message))?;
    }
    for message in messages {
        writeln!(out, "{}caused by:{:#} {}", s.remove, s.remove, indented(&message))?;
    }
    Ok(())
}

/// Writes what may help.
pub fn write_hints(out: &mut dyn Write, failure: &Failure, view: &View) -> io::Result<()> {
    let s = &view.styles;
    for hint in &failure.hints {
        writeln!(out, "{}hint:{:#} {}", s.hint, s.hint, printable(hint))?;
    }
    Ok(())
}

/// Why a run ended: its last line.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ErrorLine")]
pub(super) struct Document {
    #[schemars(extend("const" = "error"))]
    r#type: &'static str,
    version: u32,
    kind: &'static str,
    exit_code: u8,
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
    diagnostics: Vec<Record>,
}

/// Writes the failure as the last document of the output: `{"type":"error","version":1,…}`.
pub fn write_failure_json(out: &mut dyn Write, failure: &Failure) -> io::Result<()> {
    let mut messages = failure.chain().into_iter();
    let document = Document {
        r#type: "error",
        version: 1,
        kind: failure.kind.word(),
        exit_code: failure.kind.exit().code(),
        message: messages.next().unwrap_or_default(),
        causes: messages.collect(),
        hints: failure.hints.clone(),
        diagnostics: failure.diagnostics.as_ref().map(|found| found.records()).unwrap_or_default(),
    };
    super::json::write_line(out, &document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HostError;

    fn failure() -> Failure {
        let source = io::Error::new(io::ErrorKind::PermissionDenied, "permission denied");
        Failure::from(HostError::Spawn { program: "/usr/bin/VBoxManage".into(), source })
    }

    #[test]
    fn people_read_one_chain() {
        let mut out = Vec::new();
        write_failure(&mut out, &failure(), &View::default()).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "error: cannot start /usr/bin/VBoxManage\ncaused by: permission denied\n\
             hint: is /usr/bin/VBoxManage the VBoxManage program, and may you run it?\n"
        );
    }

    #[test]
    fn programs_read_one_object() {
        let mut out = Vec::new();
        write_failure_json(&mut out, &failure()).unwrap();
        let document: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(document["kind"], "unreachable");
        assert_eq!(document["exitCode"], 10);
        assert_eq!(document["causes"][0], "permission denied");
    }

    #[test]
    fn nothing_is_said_into_a_broken_pipe() {
        let mut out = Vec::new();
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        write_failure(&mut out, &failure, &View::default()).unwrap();
        assert!(out.is_empty());
    }
}
