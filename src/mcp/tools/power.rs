//! `power`

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::answer::Answer;
use super::super::tool::{Call, Run, Tool};
use super::planned::{Permission, Planned, answer};
use super::shared::patterns;
use crate::config::Tier;
use crate::failure::Failure;
use crate::ops::{self, CommandRequest, PowerCommand};

/// The tool.
pub struct Power;

/// What it takes.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    command: Button,
    /// NAME, vm/NAME or a pattern like web-*.
    machines: Vec<String>,
    /// reset needs power-cut, all but start and resume downtime; ask first.
    #[serde(default)]
    allow: Vec<Permission>,
    /// Seconds, 60 if left out.
    #[serde(default)]
    stop_timeout: Option<u64>,
}

/// What is done.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Button {
    Start,
    Stop,
    Restart,
    Pause,
    Resume,
    Save,
    Reset,
}

impl Tool for Power {
    type Input = Input;
    type Output = Planned;
    const NAME: &'static str = "power";
    const TITLE: &'static str = "Plan to start or stop machines";
    const DESCRIPTION: &'static str = "Plan to start, stop, restart, pause, resume, save or reset owned \
        machines. Changes nothing by itself: apply takes the hash. A state that is to last belongs into the \
        manifest.";
    const NEEDS: Tier = Tier::Plan;
}

impl Run for Power {
    fn run(call: &Call<'_>, input: Input) -> Result<Answer<Planned>, Failure> {
        let context = call.desk.context(|overrides| Permission::add_to(&input.allow, overrides))?;
        let request = CommandRequest {
            command: match input.command {
                Button::Start => PowerCommand::Start,
                Button::Stop => PowerCommand::Stop,
                Button::Restart => PowerCommand::Restart,
                Button::Pause => PowerCommand::Pause,
                Button::Resume => PowerCommand::Resume,
                Button::Save => PowerCommand::Save,
                Button::Reset => PowerCommand::Reset,
            },
            machines: patterns(&input.machines)?,
            stop_timeout: input.stop_timeout.unwrap_or(60),
        };
        answer(call, &context, &ops::command(&context, &request)?)
    }
}
