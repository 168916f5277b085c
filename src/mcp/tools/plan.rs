//! `plan`

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::answer::Answer;
use super::super::tool::{Call, Run, Tool};
use super::planned::{Permission, Planned, answer};
use super::shared::Declaration;
use crate::config::Tier;
use crate::failure::Failure;
use crate::ops::{self, PlanRequest};

/// The tool.
pub struct Plan;

/// What it takes.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    #[serde(flatten)]
    declaration: Declaration,
    /// Dangers that may be in it; ask first.
    #[serde(default)]
    allow: Vec<Permission>,
    /// Also remove what is no longer declared and says `onRemove: delete`.
    #[serde(default)]
    prune: bool,
    /// Refuse the whole plan where a step is blocked.
    #[serde(default)]
    all_or_nothing: bool,
}

impl Tool for Plan {
    type Input = Input;
    type Output = Planned;
    const NAME: &'static str = "plan";
    const TITLE: &'static str = "Plan changes";
    const DESCRIPTION: &'static str = "Show what would make VirtualBox match the manifests: fields before and \
        after, what is endangered, what is blocked and what would permit it, and the plan's hash for apply. \
        Changes nothing.";
    const NEEDS: Tier = Tier::Plan;
}

impl Run for Plan {
    fn run(call: &Call<'_>, mut input: Input) -> Result<Answer<Planned>, Failure> {
        let mut context = call.desk.context(|overrides| {
            Permission::add_to(&input.allow, overrides);
            overrides.prune = input.prune;
            overrides.all_or_nothing = input.all_or_nothing;
        })?;
        input.declaration.add_to_context(&mut context);
        let request = PlanRequest { manifests: input.declaration.manifests(call.desk)? };
        // Only one with something to do is kept for `apply`, and has a hash to show.
        answer(call, &context, &ops::plan_to_show(&context, &request)?)
    }
}
