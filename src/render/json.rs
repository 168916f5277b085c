//! JSON for programs: one document a line.

use std::io::{self, Write};

use serde::Serialize;

/// Writes one document and a new line.
pub fn write_line(out: &mut dyn Write, document: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, document).map_err(io::Error::from)?;
    writeln!(out)
}
