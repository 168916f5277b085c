//! What valid manifests declare.

use std::io::{self, Write};

use serde::Serialize;

use super::View;
use super::text::{count, printable};
use crate::manifest::diagnostic::Record;
use crate::model::Address;
use crate::ops::ValidateResponse;

/// Writes it for a person.
pub fn write_validation(out: &mut dyn Write, response: &ValidateResponse, view: &View) -> io::Result<()> {
    let s = &view.styles;
    for word in &response.unsupported {
        writeln!(out, "{}not supported yet:{:#} {}", s.note, s.note, printable(word))?;
    }
    let machines = count(response.objects.len(), "machine");
    writeln!(out, "{}valid:{:#} stack {}, {machines}", s.add, s.add, printable(&response.stack))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    r#type: &'static str,
    version: u32,
    stack: &'a str,
    objects: &'a [Address],
    unsupported: &'a [String],
    diagnostics: Vec<Record>,
}

/// Writes it for a program: `{"type":"validation","version":1,…}`.
pub fn write_validation_json(out: &mut dyn Write, response: &ValidateResponse) -> io::Result<()> {
    let document = Document {
        r#type: "validation",
        version: 1,
        stack: &response.stack,
        objects: &response.objects,
        unsupported: &response.unsupported,
        diagnostics: response.findings.records(),
    };
    super::json::write_line(out, &document)
}
