//! What somebody else changed since the last apply.

use std::io::{self, Write};

use serde::Serialize;

use super::View;
use super::text::{count, printable};
use super::value::{lines, spelled};
use crate::diff::{FieldDifference, Finding};
use crate::model::Address;
use crate::ops::DriftReport;

/// Writes drift for a person: what was applied, and what is there now.
pub fn write_drift(out: &mut dyn Write, report: &DriftReport, view: &View) -> io::Result<()> {
    let s = &view.styles;
    for address in &report.lost {
        let address = printable(&address.to_string());
        writeln!(out, "{}-{:#} {}{address}{:#}\n    is gone\n", s.remove, s.remove, s.strong, s.strong)?;
    }
    for (address, fields) in &report.drifted {
        let address = printable(&address.to_string());
        writeln!(out, "{}~{:#} {}{address}{:#}", s.change, s.change, s.strong, s.strong)?;
        let widest =
            fields.iter().map(|field| field.path.to_string().chars().count()).max().unwrap_or(0).min(44);
        for field in fields {
            let path = printable(&field.path.to_string());
            write!(out, "    {path:<widest$}  {}", moved(field))?;
            if let Some(source) = &field.source {
                write!(out, "  {}{}{:#}", s.faint, printable(source), s.faint)?;
            }
            writeln!(out)?;
        }
        writeln!(out)?;
    }
    for note in report.notes() {
        writeln!(out, "{}note:{:#} {}", s.note, s.note, printable(&note.text))?;
    }
    if !report.notes().is_empty() {
        writeln!(out)?;
    }
    let fields: usize = report.drifted.iter().map(|(_, fields)| fields.len()).sum();
    if report.has_drift() {
        let objects = count(report.drifted.len() + report.lost.len(), "object");
        let mut what = Vec::new();
        if fields > 0 {
            what.push(format!("{} changed", count(fields, "field")));
        }
        if !report.lost.is_empty() {
            what.push(format!("{} gone", count(report.lost.len(), "object")));
        }
        writeln!(out, "{}Drift:{:#} {objects}: {}.", s.change, s.change, what.join(", "))?;
    } else {
        writeln!(out, "{}No drift.{:#}", s.add, s.add)?;
    }
    if report.pending > 0 {
        let what = count(report.pending, "change");
        writeln!(
            out,
            "Besides, the manifests ask for {what} that {} not applied.",
            if report.pending == 1 { "is" } else { "are" }
        )?;
    }
    if report.has_drift() {
        writeln!(out, "`vboxmcp apply` puts back what is declared.")?;
    }
    Ok(())
}

/// From what was applied to what is there.
fn moved(field: &FieldDifference) -> String {
    if let Some(reason) = &field.unknown {
        return format!("unknown ({})", printable(reason));
    }
    let was = field.last.as_ref().or(field.declared.as_ref());
    if lines(was).is_some() || lines(field.live.as_ref()).is_some() {
        return "its text was changed".to_owned();
    }
    let spell = |value: Option<&serde_json::Value>| value.map(|value| spelled(&field.path, value));
    match (spell(was), spell(field.live.as_ref())) {
        (Some(was), Some(is)) => format!("{was} -> {is}"),
        (Some(was), None) => format!("{was} -> (gone)"),
        (None, Some(is)) => format!("{is} (added)"),
        (None, None) => "changed".to_owned(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    r#type: &'static str,
    version: u32,
    drift: bool,
    objects: Vec<Drifted<'a>>,
    lost: &'a [Address],
    pending: usize,
    notes: &'a [Finding],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Drifted<'a> {
    address: &'a Address,
    fields: &'a [FieldDifference],
}

/// Writes drift for a program: `{"type":"drift","version":1,…}`.
pub fn write_drift_json(out: &mut dyn Write, report: &DriftReport) -> io::Result<()> {
    let document = Document {
        r#type: "drift",
        version: 1,
        drift: report.has_drift(),
        objects: report.drifted.iter().map(|(address, fields)| Drifted { address, fields }).collect(),
        lost: &report.lost,
        pending: report.pending,
        notes: report.notes(),
    };
    super::json::write_line(out, &document)
}
