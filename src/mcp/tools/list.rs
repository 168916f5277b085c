//! `list`

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::answer::{Answer, text};
use super::super::tool::{Call, Run, Tool};
use crate::failure::{Failure, Kind};
use crate::ops::{self, MachineRow};
use crate::render::inventory::{write_machines, write_problems};

/// The tool.
pub struct List;

/// What it takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    #[serde(default)]
    stack: Option<String>,
    /// running, poweroff, saved, paused, aborted ...
    #[serde(default)]
    state: Option<String>,
    /// A part of the name.
    #[serde(default)]
    name: Option<String>,
    /// Most rows, 100 if left out.
    #[serde(default)]
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// Where a former answer ended: its `next`.
    #[serde(default)]
    cursor: Option<String>,
}

/// What it says.
#[derive(Serialize, JsonSchema)]
pub struct Listed {
    machines: Vec<Row>,
    /// How many there are in all.
    total: usize,
    /// The cursor of the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// What could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Row {
    name: String,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpus: Option<u32>,
    /// MiB
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<u64>,
    /// The stack that owns it; absent where vboxmcp does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<String>,
    /// Its UUID, where its name alone does not say which one is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Why it is not readable, or unowned in spite of a mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Longer names and reasons are cut, so that a row stays short; `get` has all of them.
const MOST_NAME: usize = 36;

impl Tool for List {
    type Input = Input;
    type Output = Listed;
    const NAME: &'static str = "list";
    const TITLE: &'static str = "List machines";
    const DESCRIPTION: &'static str = "List the machines of this VirtualBox with state, processors, memory (MiB) and the stack \
        that owns them. Use it first, to learn what is there. One machine in full: get.";
}

impl Run for List {
    fn run(call: &Call<'_>, input: Input) -> Result<Answer<Listed>, Failure> {
        let context = call.desk.context(|_| {})?;
        let response = ops::get(&context)?;
        let from = match &input.cursor {
            None => 0,
            Some(cursor) => cursor.parse().map_err(|_| {
                Failure::new(Kind::Usage, format!("`{cursor}` is no cursor: pass `next` of a former answer"))
            })?,
        };
        let is_wanted = |row: &&MachineRow| {
            let same = |wanted: &Option<String>, is: &Option<String>| wanted.is_none() || wanted == is;
            let named = |part: &String| row.name.as_ref().is_some_and(|name| name.contains(part));
            same(&input.stack, &row.stack)
                && same(&input.state, &row.state)
                && input.name.as_ref().is_none_or(named)
        };
        let wanted: Vec<&MachineRow> = response.machines.iter().filter(is_wanted).collect();
        let most = input.limit.unwrap_or(100).clamp(1, 500);
        let page: Vec<MachineRow> = wanted.iter().skip(from).take(most).map(|row| (*row).clone()).collect();
        let seen = from.saturating_add(page.len());
        let next = (seen < wanted.len()).then(|| seen.to_string());

        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        for row in &response.machines {
            *names.entry(row.name.as_deref().unwrap_or_default()).or_default() += 1;
        }
        let rows = page.iter().map(|row| {
            let name = row.name.clone().unwrap_or_default();
            let shown = cut(&name);
            let is_unclear = shown != name || name.is_empty() || names.get(name.as_str()) != Some(&1);
            Row {
                name: shown,
                state: row.state.clone().unwrap_or_else(|| "unknown".to_owned()),
                cpus: row.cpus,
                memory: row.memory,
                stack: row.stack.clone(),
                id: is_unclear.then(|| row.uuid.to_string()),
                reason: row.reason.as_deref().map(cut),
            }
        });
        let problems = &response.inventory.problems;
        let data = Listed {
            machines: rows.collect(),
            total: wanted.len(),
            next: next.clone(),
            problems: problems.iter().map(|one| format!("{}: {}", one.what, one.reason)).collect(),
        };
        let text = text(|out, view| {
            write_machines(out, &page, view)?;
            if let Some(next) = next {
                writeln!(out, "{} of {}; the rest: cursor {next}", page.len(), wanted.len())?;
            }
            write_problems(out, problems, view)
        });
        Ok(Answer::new(text, data))
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_NAME) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
