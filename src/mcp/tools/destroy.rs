//! `destroy`

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::answer::Answer;
use super::super::tool::{Call, Run, Tool};
use super::planned::{Permission, Planned, answer};
use super::shared::Declaration;
use crate::config::Tier;
use crate::failure::Failure;
use crate::ops::{self, DestroyOptions, DestroyRequest};

/// The tool.
pub struct Destroy;

/// What it takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    #[serde(flatten)]
    declaration: Declaration,
    /// Dangers that may be in it; ask first.
    #[serde(default)]
    allow: Vec<Permission>,
    /// Also what says `onRemove: keep`.
    #[serde(default)]
    all: bool,
}

impl Tool for Destroy {
    type Input = Input;
    type Output = Planned;
    const NAME: &'static str = "destroy";
    const TITLE: &'static str = "Plan a removal";
    const DESCRIPTION: &'static str = "Plan the removal of what the manifests declare: what says `onRemove: \
        delete` is deleted, the rest is kept and no longer managed. Changes nothing by itself: apply takes \
        the hash. Only when somebody asked for it.";
    const NEEDS: Tier = Tier::Plan;
}

impl Run for Destroy {
    fn run(call: &Call<'_>, mut input: Input) -> Result<Answer<Planned>, Failure> {
        let mut context = call.desk.context(|overrides| Permission::add_to(&input.allow, overrides))?;
        input.declaration.add_to_context(&mut context);
        let manifests = input.declaration.manifests(call.desk)?;
        let request = DestroyRequest { manifests, options: DestroyOptions { all: input.all } };
        answer(call, &context, &ops::destroy(&context, &request)?)
    }
}
