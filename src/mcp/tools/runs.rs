//! `runs`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::answer::{Answer, text};
use super::super::tool::{Call, Run, Tool};
use crate::failure::Failure;
use crate::ops::runs::{self, RunRow};
use crate::render::runs::{write_run, write_runs};

/// The tool.
pub struct Runs;

/// What it takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// One run step by step: its id, the beginning of one, or `latest`. Without it: a list.
    #[serde(default)]
    run: Option<String>,
    /// Most runs of the list, 10 if left out.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    limit: Option<usize>,
}

/// What it says.
#[derive(Serialize, JsonSchema)]
pub struct Found {
    /// The latest first.
    runs: Vec<Row>,
}

#[derive(Serialize, JsonSchema)]
struct Row {
    id: String,
    /// done, partly, failed, cancelled, died, running, broken
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<String>,
    started: String,
    steps: usize,
    done: usize,
    failed: usize,
    plan: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Tool for Runs {
    type Input = Input;
    type Output = Found;
    const NAME: &'static str = "runs";
    const TITLE: &'static str = "Show what was done";
    const DESCRIPTION: &'static str = "Show what was done on this host: the latest runs, or one step by step with what was there \
        before. Use it after an apply that failed, and to find out who changed what.";
}

impl Run for Runs {
    fn run(call: &Call<'_>, input: Input) -> Result<Answer<Found>, Failure> {
        let context = call.desk.context(|_| {})?;
        let (said, rows, link) = if let Some(id) = &input.run {
            let report = runs::show(&context, id)?;
            let link = format!("vbox://run/{}", report.row.id);
            (text(|out, view| write_run(out, &report, view)), vec![report.row], Some(link))
        } else {
            let rows = runs::list(&context, Some(input.limit.unwrap_or(10).clamp(1, 100)))?;
            (text(|out, view| write_runs(out, &rows, view)), rows, None)
        };
        let data = Found { runs: rows.into_iter().map(row).collect() };
        Ok(Answer { link, ..Answer::foreign(said, data) })
    }
}

fn row(row: RunRow) -> Row {
    Row {
        state: row.state.word(),
        id: row.id,
        stack: row.stack.map(|stack| stack.to_string()),
        started: row.started,
        steps: row.steps,
        done: row.done,
        failed: row.failed,
        plan: row.plan,
        reason: row.reason,
    }
}
