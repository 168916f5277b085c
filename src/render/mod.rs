//! What people and programs see: plans, progress, tables, mistakes.
//!
//! May hold: text, tables, diffs, live displays and JSON, made from the types of the other rooms and written to any
//! [`std::io::Write`]. Decides nothing, reads nothing.
//!
//! Text that somebody else chose (names, values, messages) goes through [`text::printable`]: no terminal obeys it.

pub mod diagnostics;
pub mod doctor;
pub mod drift;
pub mod explain;
pub mod export;
pub mod failure;
pub mod graph;
pub mod inventory;
pub mod json;
pub mod outcome;
pub mod plan;
pub mod progress;
pub mod reach;
pub mod runs;
pub mod schema;
pub mod style;
pub mod table;
pub mod text;
pub mod validation;
pub mod value;

use style::Styles;

/// How things are to be shown.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Colours or none.
    pub styles: Styles,
    /// Show everything: defaults, UUIDs, every member of a group.
    pub verbose: bool,
    /// Draw mistakes with the lines that they are in, for a terminal; one line each otherwise.
    pub drawn: bool,
    /// Columns, where somebody says.
    pub columns: Option<usize>,
}

impl View {
    /// The width for text that is wrapped.
    pub fn width(&self) -> usize {
        self.columns.unwrap_or(100).clamp(40, 160)
    }
}
