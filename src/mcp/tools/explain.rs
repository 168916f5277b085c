//! `explain`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::answer::{Answer, text};
use super::super::tool::{Call, Run, Tool};
use crate::failure::Failure;
use crate::ops::{self, ExplainRequest};
use crate::render::explain::write_explanation;

/// The tool.
pub struct Explain;

/// What it takes.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// A word like memory or nics.1.nat.portForwards.ssh, or a kind; none lists the kinds.
    #[serde(default)]
    field: Option<String>,
    /// Whose recommended value is of interest, like `Debian_64`.
    #[serde(default)]
    os_type: Option<String>,
}

/// What it says; the explanation itself is the text.
#[derive(Serialize, JsonSchema)]
pub struct Explained {
    /// The word that is explained; absent for the list of kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

impl Tool for Explain {
    type Input = Input;
    type Output = Explained;
    const NAME: &'static str = "explain";
    const TITLE: &'static str = "Explain a word of manifests";
    const DESCRIPTION: &'static str = "Explain a word of the manifest language: what it takes, its default, and what changing it \
        costs while a machine is off, saved, running or paused. Use it while writing a manifest, and when a plan is blocked.";
}

impl Run for Explain {
    fn run(_call: &Call<'_>, input: Input) -> Result<Answer<Explained>, Failure> {
        let request = ExplainRequest { field: input.field.clone(), os_type: input.os_type };
        let explanation = ops::explain(&request)?;
        let said = text(|out, view| write_explanation(out, &explanation, view));
        Ok(Answer::new(said, Explained { field: input.field }))
    }
}
