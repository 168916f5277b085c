//! `list`

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::answer::{Answer, cut_to, text};
use super::super::tool::{Call, Run, Tool};
use crate::failure::{Failure, Kind};
use crate::ops::{self, MachineRow};
use crate::render::inventory::write_machines;
use crate::render::text::printable;

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

/// Bytes of a row, in the text and in the value. A longer one leaves something out, which `get` has.
const MOST_ROW: usize = 120;

/// Bytes of a name, of the name of a stack, and of a reason.
const MOST_NAME: usize = 36;
const MOST_STACK: usize = 24;
const MOST_REASON: usize = 20;

/// What could not be read: so many problems are told, and so many bytes of each.
const MOST_PROBLEMS: usize = 10;
const MOST_PROBLEM: usize = 200;

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
        let response = ops::machines(&context)?;
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
        let is_clear = |name: &str| !name.is_empty() && names.get(name) == Some(&1);
        let problems = response.inventory.problems.iter().take(MOST_PROBLEMS);
        let data = Listed {
            machines: page.iter().map(|one| row(one, is_clear)).collect(),
            total: wanted.len(),
            next: next.clone(),
            problems: problems.map(|one| told(&one.what, &one.reason)).collect(),
        };
        let rows: Vec<MachineRow> = page.into_iter().map(short).collect();
        let text = text(|out, view| {
            write_machines(out, &rows, view)?;
            if let Some(next) = next {
                writeln!(out, "{} of {}; the rest: cursor {next}", rows.len(), wanted.len())?;
            }
            for problem in &data.problems {
                writeln!(out, "not read: {problem}")?;
            }
            Ok(())
        });
        Ok(Answer::foreign(text, data))
    }
}

fn told(what: &str, reason: &str) -> String {
    cut_to(&printable(&format!("{what}: {reason}")), MOST_PROBLEM)
}

/// A row for the text. The address is `get`'s: its name says it already, mostly.
fn short(row: MachineRow) -> MachineRow {
    MachineRow {
        name: row.name.map(|name| cut_to(&name, MOST_NAME)),
        stack: row.stack.map(|stack| cut_to(&stack, MOST_STACK)),
        reason: row.reason.map(|reason| cut_to(&reason, MOST_REASON)),
        address: None,
        ..row
    }
}

/// A row for the value: what there is to say, without what would make it too long.
fn row(machine: &MachineRow, is_clear: impl Fn(&str) -> bool) -> Row {
    let name = machine.name.clone().unwrap_or_default();
    let shown = cut_to(&name, MOST_NAME);
    let is_clear = shown == name && is_clear(&name);
    let mut row = Row {
        name: shown,
        state: machine.state.clone().unwrap_or_else(|| "unknown".to_owned()),
        cpus: machine.cpus,
        memory: machine.memory,
        stack: machine.stack.as_deref().map(|stack| cut_to(stack, MOST_STACK)),
        id: (!is_clear).then(|| machine.uuid.to_string()),
        reason: machine.reason.as_deref().map(|reason| cut_to(reason, MOST_REASON)),
    };
    // From what can be done without to what cannot.
    let shorter: [fn(&mut Row); 4] = [
        |row| (row.cpus, row.memory) = (None, None),
        |row| row.reason = None,
        |row| row.stack = row.stack.as_deref().map(|stack| cut_to(stack, MOST_STACK / 2)),
        |row| row.name = cut_to(&row.name, MOST_NAME / 3),
    ];
    for shorten in shorter {
        if serde_json::to_vec(&row).map_or(0, |bytes| bytes.len()) > MOST_ROW {
            shorten(&mut row);
        }
    }
    row
}
