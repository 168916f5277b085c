//! `revert`

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::answer::Answer;
use super::super::tool::{Call, Run, Tool};
use super::planned::{Permission, Planned, answer};
use super::shared::{Declaration, patterns};
use crate::config::Tier;
use crate::failure::Failure;
use crate::ops::{self, RevertRequest};

/// The tool.
pub struct Revert;

/// What it takes.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    snapshot: String,
    /// All that have it if left out.
    #[serde(default)]
    machines: Vec<String>,
    /// revert, and downtime for guests that run; ask first.
    #[serde(default)]
    allow: Vec<Permission>,
    #[serde(flatten)]
    declaration: Declaration,
}

impl Tool for Revert {
    type Input = Input;
    type Output = Planned;
    const NAME: &'static str = "revert";
    const TITLE: &'static str = "Plan to go back to a snapshot";
    const DESCRIPTION: &'static str = "Plan to bring owned machines back to a snapshot and to apply again what the manifests declare of \
        them. What was written since is lost. Changes nothing by itself: apply takes the hash.";
    const NEEDS: Tier = Tier::Plan;
}

impl Run for Revert {
    fn run(call: &Call<'_>, mut input: Input) -> Result<Answer<Planned>, Failure> {
        let mut context = call.desk.context(|overrides| Permission::add_to(&input.allow, overrides))?;
        input.declaration.add_to_context(&mut context);
        let request = RevertRequest {
            manifests: input.declaration.manifests(call.desk)?,
            snapshot: input.snapshot,
            machines: patterns(&input.machines)?,
            ..RevertRequest::default()
        };
        answer(call, &context, &ops::revert(&context, &request)?)
    }
}
