//! `validate`

use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::{Answer, text};
use super::super::desk::Desk;
use super::super::tool::{Effect, Tool};
use super::shared::{Declaration, Finding, findings};
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
    /// Valid words that this version cannot apply yet.
    unsupported: Vec<String>,
    findings: Vec<Finding>,
}

impl Tool for Validate {
    type Input = Declaration;
    type Output = Valid;
    const NAME: &'static str = "validate";
    const TITLE: &'static str = "Check a manifest";
    const DESCRIPTION: &'static str = "Check manifests without touching VirtualBox. Finds all mistakes at once, each with file, \
        line, column and what would be right. Use it after writing a manifest and before plan.";
    const EFFECT: Effect = Effect::None;

    fn run(desk: &Desk, mut input: Declaration) -> Result<Answer<Valid>, Failure> {
        let mut settings = desk.settings(|_| {})?;
        let environment = desk.environment();
        input.add_to(&mut settings, environment);
        let response = ops::validate(&input.manifests(desk)?, &settings, environment)?;
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
        Ok(Answer { text, data })
    }
}
