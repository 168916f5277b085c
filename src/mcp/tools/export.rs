//! `export`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::answer::{Answer, Fence};
use super::super::tool::{Call, Run, Tool};
use crate::failure::{Failure, Kind};
use crate::model::StackName;
use crate::ops::{self, ExportRequest};

/// The tool.
pub struct Export;

/// What it takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// vm/NAME, NAME or UUID; none means all.
    #[serde(default)]
    machines: Vec<String>,
    /// Also write the Stack document of a stack with this name.
    #[serde(default)]
    stack: Option<String>,
}

/// What it says; the manifest itself is the text.
#[derive(Serialize, JsonSchema)]
pub struct Written {
    machines: Vec<String>,
    /// What matters of that which the manifest cannot say.
    notes: Vec<String>,
}

impl Tool for Export {
    type Input = Input;
    type Output = Written;
    const NAME: &'static str = "export";
    const TITLE: &'static str = "Write manifests";
    const DESCRIPTION: &'static str = "Write the YAML manifest of machines that are there, as a person would have written it. \
        Use it to learn the language from real machines, and before adopt. The text of the answer is the manifest.";
}

impl Run for Export {
    fn run(call: &Call<'_>, input: Input) -> Result<Answer<Written>, Failure> {
        let context = call.desk.context(|_| {})?;
        let stack = input.stack.map(|name| StackName::new(&name)).transpose();
        let stack = stack.map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
        let exported = ops::export(&context, &ExportRequest { select: input.machines, stack })?;
        let data = Written {
            machines: exported.machines.iter().map(ToString::to_string).collect(),
            notes: exported.notes.into_iter().map(|note| note.text).collect(),
        };
        // A manifest all the same: the fence is a comment, and no line of a value begins where one does.
        let yaml = exported.yaml.trim_end().to_owned();
        Ok(Answer { fence: Fence::Comments, ..Answer::new(yaml, data) })
    }
}
