//! `wait`

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::answer::Answer;
use super::super::tool::{Call, Run, Tool};
use super::shared::pattern;
use crate::failure::{Failure, Kind};
use crate::model::DesiredState;
use crate::ops::{self, Awaited};

/// Seconds that are waited where no number is given, and at most.
const USUAL: u64 = 60;
const MOST: u64 = 600;

/// The tool.
pub struct Wait;

/// What it takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    machine: String,
    /// A TCP port of the host that answers.
    #[serde(default)]
    port: Option<u16>,
    /// A guest property that has a value, or `value`.
    #[serde(default)]
    property: Option<String>,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    state: Option<Goal>,
    /// 60 if left out, 600 at most.
    #[serde(default)]
    seconds: Option<u64>,
}

/// The states that a machine stays in.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Goal {
    Running,
    PowerOff,
    Saved,
    Paused,
}

/// What it says.
#[derive(Serialize, JsonSchema)]
pub struct Ended {
    came: bool,
    now: String,
    seconds: f64,
}

impl Tool for Wait {
    type Input = Input;
    type Output = Ended;
    const NAME: &'static str = "wait";
    const TITLE: &'static str = "Wait for a guest";
    const DESCRIPTION: &'static str = "Wait until an owned machine's guest answers: on a forwarded port, by a guest property, or until \
        the machine has a state. One of port, property and state. Use it after apply, instead of asking again and again.";
}

impl Run for Wait {
    fn run(call: &Call<'_>, input: Input) -> Result<Answer<Ended>, Failure> {
        let context = call.desk.context(|_| {})?;
        let awaited = match (input.port, input.property, input.state) {
            (Some(port), None, None) => Awaited::Port(port),
            (None, Some(name), None) => Awaited::Property(name, input.value),
            (None, None, Some(goal)) => Awaited::State(match goal {
                Goal::Running => DesiredState::Running,
                Goal::PowerOff => DesiredState::PowerOff,
                Goal::Saved => DesiredState::Saved,
                Goal::Paused => DesiredState::Paused,
            }),
            _ => return Err(Failure::new(Kind::Usage, "say one of `port`, `property` and `state`")),
        };
        let most = Duration::from_secs(input.seconds.unwrap_or(USUAL).min(MOST));
        let waited = ops::wait(&context, &pattern(&input.machine)?, &awaited, most)?;
        let now: String = waited.now.chars().filter(|character| !character.is_control()).take(200).collect();
        let how = if waited.came { "It came" } else { "It did not come" };
        let seconds = waited.after.as_secs_f64();
        let text = format!("  {now}");
        let next = Some(format!("{how} within {seconds:.1} s."));
        let data = Ended { came: waited.came, now, seconds };
        Ok(Answer { failed: !waited.came, next, ..Answer::foreign(text, data) })
    }
}
