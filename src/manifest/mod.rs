//! The YAML as written, until it is lowered to `model::Desired`.
//!
//! May hold: spans, loading, the vocabulary, variables, lowering, diagnostics, the JSON Schema, and writing (`emit`). It imports `model` only, and `threads`. The walk: [`load`]
//! finds documents and reads them into [`node`]s that know their bytes; [`lower`] walks them along the table in
//! `vocabulary`, fills in variables and defaults, unfolds replicas, applies the rules that look at more than one value, and
//! gives `Desired`, or every mistake of the run at once as [`Diagnostics`].

mod check;
mod checked;
pub mod diagnostic;
pub mod emit;
mod expr;
mod forms;
pub mod load;
pub mod lower;
pub mod node;
pub mod paths;
pub mod reference;
pub mod report;
mod resolve;
pub mod say;
pub mod schema;
mod shape;
pub mod source;
pub mod suggest;
mod text;
mod units;
pub mod variables;
mod vocabulary;

pub use diagnostic::{Diagnostic, Diagnostics, Record, Severity};
pub use load::{LoadRequest, Loaded, load, load_texts};
pub use lower::{LowerContext, lower, sensitive_variables};
pub use variables::VariableValue;

/// Whether a text can be the name of a snapshot; else what is wrong, and what would be right.
pub fn check_snapshot_name(name: &str) -> Result<(), (String, Option<String>)> {
    text::snapshot_name(name).map(drop).map_err(|complaint| (complaint.message, complaint.help))
}
