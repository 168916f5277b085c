//! Exported manifests.

use std::io::{self, Write};

use serde::Serialize;

use super::View;
use super::text::printable;
use crate::diff::Finding;
use crate::model::Address;
use crate::ops::Exported;

/// Writes the manifests as they are: the writer of documents has escaped what must not stand in one.
pub fn write_export(out: &mut dyn Write, exported: &Exported) -> io::Result<()> {
    out.write_all(exported.yaml.as_bytes())
}

/// Writes what matters of that which the manifests could not say.
pub fn write_notes(out: &mut dyn Write, exported: &Exported, view: &View) -> io::Result<()> {
    let s = &view.styles;
    exported
        .notes
        .iter()
        .try_for_each(|note| writeln!(out, "{}note:{:#} {}", s.note, s.note, printable(&note.text)))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    r#type: &'static str,
    version: u32,
    machines: &'a [Address],
    yaml: &'a str,
    notes: &'a [Finding],
}

/// Writes the manifests for a program: `{"type":"export","version":1,…}`.
pub fn write_export_json(out: &mut dyn Write, exported: &Exported) -> io::Result<()> {
    let Exported { yaml, machines, notes } = exported;
    super::json::write_line(out, &Document { r#type: "export", version: 1, machines, yaml, notes })
}
