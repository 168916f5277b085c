//! The doctor's report.

use std::io::{self, Write};

use serde::Serialize;

use super::View;
use super::text::printable;
use crate::ops::{DoctorReport, Verdict};

/// Writes it for a person.
pub fn write_doctor(out: &mut dyn Write, report: &DoctorReport, view: &View) -> io::Result<()> {
    let s = &view.styles;
    for check in &report.checks {
        let (word, style) = match check.verdict {
            Verdict::Good => ("good", s.add),
            Verdict::Warning => ("look", s.change),
            Verdict::Bad => ("bad", s.remove),
        };
        writeln!(out, "{style}{word:<4}{style:#}  {:<14}  {}", check.what, printable(&check.text))?;
        if let Some(hint) = &check.hint {
            writeln!(out, "      {:<14}  {}hint:{:#} {}", "", s.hint, s.hint, printable(hint))?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    r#type: &'static str,
    version: u32,
    verdict: Verdict,
    report: &'a DoctorReport,
}

/// Writes it for a program: `{"type":"doctor","version":1,…}`.
pub fn write_doctor_json(out: &mut dyn Write, report: &DoctorReport) -> io::Result<()> {
    super::json::write_line(
        out,
        &Document { r#type: "doctor", version: 1, verdict: report.verdict(), report },
    )
}
