//! `validate`

use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::{Answer, text};
use super::super::tool::{Call, Run, Tool};
use super::shared::{Declaration, findings};
use crate::failure::Failure;
use crate::ops;
use crate::render::diagnostics::write_findings;
use crate::render::validation::write_validation;

/// The tool.
pub struct Validate;

/// What it says.
#[derive(Serialize, JsonSchema)]
pub struct Valid {
    stack: String,
    /// Addresses of what is declared.
    objects: Vec<String>,
    /// Valid words that this version cannot apply yet, with their places.
    unsupported: Vec<String>,
    findings: Vec<String>,
}

impl Tool for Validate {
    type Input = Declaration;
    type Output = Valid;
    const NAME: &'static str = "validate";
    const TITLE: &'static str = "Check a manifest";
    const DESCRIPTION: &'static str = "Check manifests without touching VirtualBox. Finds all mistakes at once, each with file, \
        line, column and what would be right. Use it after writing a manifest and before plan.";
}

impl Run for Validate {
    fn run(call: &Call<'_>, mut input: Declaration) -> Result<Answer<Valid>, Failure> {
        let mut settings = call.desk.settings(|_| {})?;
        let environment = call.desk.environment();
        input.add_to(&mut settings, environment);
        let response = ops::validate(&input.manifests(call.desk)?, &settings, environment)?;
        let text = text(|out, view| {
            write_findings(out, &response.findings, view)?;
            write_validation(out, &response, view)
        });
        let data = Valid {
            objects: response.objects.iter().map(ToString::to_string).collect(),
            findings: findings(&response.findings),
            stack: response.stack,
            unsupported: response.unsupported,
        };
        Ok(Answer::new(text, data))
    }
}
