//! `adopt`

use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::super::answer::Answer;
use super::super::tool::{Call, Run, Tool};
use super::planned::{Planned, answer};
use super::shared::Declaration;
use crate::config::Tier;
use crate::failure::{Failure, Kind};
use crate::model::Address;
use crate::ops::{self, AdoptRequest};

/// The tool.
pub struct Adopt;

/// What it takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    #[serde(flatten)]
    declaration: Declaration,
    /// The declared machines to take over: vm/NAME.
    addresses: Vec<String>,
    /// UUID of the machine, where several share the name.
    #[serde(default)]
    uuid: Option<String>,
}

impl Tool for Adopt {
    type Input = Input;
    type Output = Planned;
    const NAME: &'static str = "adopt";
    const TITLE: &'static str = "Plan to take over machines";
    const DESCRIPTION: &'static str = "Plan to take over machines that nobody owns, so that the manifests \
        manage them: a mark in each, nothing else. Use export first, to get their manifests. apply takes the \
        hash.";
    const NEEDS: Tier = Tier::Plan;
}

impl Run for Adopt {
    fn run(call: &Call<'_>, mut input: Input) -> Result<Answer<Planned>, Failure> {
        let usage = |error: &dyn std::fmt::Display| Failure::new(Kind::Usage, error.to_string());
        let addresses =
            input.addresses.iter().map(|text| text.parse::<Address>().map_err(|error| usage(&error)));
        let addresses = addresses.collect::<Result<_, _>>()?;
        let uuid =
            input.uuid.as_deref().map(str::parse::<Uuid>).transpose().map_err(|error| usage(&error))?;
        let mut context = call.desk.context(|_| {})?;
        input.declaration.add_to_context(&mut context);
        let request = AdoptRequest { manifests: input.declaration.manifests(call.desk)?, addresses, uuid };
        answer(call, &context, &ops::adopt(&context, &request)?)
    }
}
