//! `snapshot`

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::answer::Answer;
use super::super::tool::{Call, Run, Tool};
use super::planned::{Planned, answer};
use super::shared::patterns;
use crate::config::Tier;
use crate::failure::Failure;
use crate::ops::{self, NewSnapshot, SnapshotRequest};

/// The tool.
pub struct Snapshot;

/// What it takes.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// Its name on each machine.
    name: String,
    /// NAME, vm/NAME or a pattern like web-*.
    machines: Vec<String>,
    #[serde(default)]
    description: String,
}

impl Tool for Snapshot {
    type Input = Input;
    type Output = Planned;
    const NAME: &'static str = "snapshot";
    const TITLE: &'static str = "Plan a snapshot of machines";
    const DESCRIPTION: &'static str = "Plan to take a snapshot of machines that vboxmcp owns; guests that run go on. Changes nothing by \
        itself: apply takes the hash. Use it before a risky change.";
    const NEEDS: Tier = Tier::Plan;
}

impl Run for Snapshot {
    fn run(call: &Call<'_>, input: Input) -> Result<Answer<Planned>, Failure> {
        let context = call.desk.context(|_| {})?;
        let machines = patterns(&input.machines)?;
        let snapshot = NewSnapshot { name: input.name, description: input.description, goes_on: false };
        answer(call, &context, &ops::snapshot(&context, &SnapshotRequest { snapshot, machines })?)
    }
}
