//! A plan as a person reads it, and as a program does.

mod commands;
mod group;
mod markdown;
mod object;

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde::Serialize;

pub use commands::write_commands;
pub use markdown::write_plan_markdown;

use super::View;
use super::text::{count, list, printable};
use crate::model::{Address, Danger, Dangers};
use crate::plan::{Action, Plan, Summary, Verb};

/// Writes a plan for a person: objects, notes, then the sums, the dangers and the hash. Refusals are [`write_refusals`]'.
pub fn write_plan(out: &mut dyn Write, plan: &Plan, view: &View) -> io::Result<()> {
    let s = &view.styles;
    let blocks = group::blocks(&plan.objects, view);
    for block in &blocks {
        object::write_block(out, block, view)?;
        writeln!(out)?;
    }
    for note in &plan.notes {
        writeln!(out, "{}note:{:#} {}", s.note, s.note, printable(&note.text))?;
    }
    if !plan.notes.is_empty() {
        writeln!(out)?;
    }
    if plan.is_empty() {
        return writeln!(out, "{}", nothing_to_do(plan));
    }
    write_sums(out, plan, view)
}

/// Writes why a plan may not run, and what would lift that.
pub fn write_refusals(out: &mut dyn Write, plan: &Plan, view: &View) -> io::Result<()> {
    let s = &view.styles;
    for refusal in &plan.refusals {
        writeln!(out, "{}Refused:{:#} {}", s.remove, s.remove, printable(&refusal.reason))?;
        if !refusal.hint.is_empty() {
            writeln!(out, "{}hint:{:#} {}", s.hint, s.hint, printable(&refusal.hint))?;
        }
    }
    Ok(())
}

/// Writes a plan for a program: its canonical JSON, in one line.
pub fn write_plan_json(out: &mut dyn Write, plan: &Plan) -> io::Result<()> {
    super::json::write_line(out, plan)
}

/// The first line of a run.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PlanLine")]
pub(in crate::render) struct Document<'a> {
    #[schemars(extend("const" = "plan"))]
    r#type: &'static str,
    version: u32,
    plan: &'a Plan,
}

/// Writes the first line of a run for a program: `{"type":"plan","version":1,…}`.
pub fn write_plan_event(out: &mut dyn Write, plan: &Plan) -> io::Result<()> {
    super::json::write_line(out, &Document { r#type: "plan", version: 1, plan })
}

fn nothing_to_do(plan: &Plan) -> String {
    match plan.verb {
        Verb::Apply => as_declared(plan),
        Verb::Destroy => "Nothing to destroy.".to_owned(),
        Verb::Adopt => "Nothing to adopt.".to_owned(),
        Verb::Start | Verb::Restart | Verb::Resume => "Nothing to do: it runs.".to_owned(),
        Verb::Stop => "Nothing to do: it is off.".to_owned(),
        Verb::Pause => "Nothing to do: it is paused.".to_owned(),
        Verb::Save => "Nothing to do: it is saved.".to_owned(),
        Verb::Repair => "Nothing to repair.".to_owned(),
        Verb::Reset | Verb::Snapshot | Verb::Revert => "Nothing to do.".to_owned(),
    }
}

/// `No changes. 2 networks and 1 machine are as declared.`
fn as_declared(plan: &Plan) -> String {
    let number = |kind: &str| {
        let of_kind = |address: &&Address| match address {
            Address::Network(_) => kind == "network",
            Address::Disk(_) => kind == "disk",
            Address::Machine(_) => kind == "machine",
            Address::InlineDisk(..) | Address::Snapshot(..) => false,
        };
        plan.register.members.keys().filter(of_kind).count()
    };
    let counts = ["network", "disk", "machine"].map(|kind| (number(kind), kind));
    let all: usize = counts.iter().map(|(number, _)| number).sum();
    let parts: Vec<String> = counts
        .into_iter()
        .filter(|(number, noun)| *number > 0 || (all == 0 && *noun == "machine"))
        .map(|(number, noun)| count(number, noun))
        .collect();
    let is = if all == 1 { "is" } else { "are" };
    let text = match parts.as_slice() {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        parts => parts.concat(),
    };
    format!("No changes. {text} {is} as declared.")
}

/// `2 to add, 1 to change, 0 to remove`
fn sums(plan: &Plan, sum: &Summary) -> String {
    let mut parts = Vec::new();
    match plan.verb {
        Verb::Apply => {
            parts.push(format!("{} to add", sum.add));
            parts.push(format!("{} to change", sum.change));
            parts.push(format!("{} to remove", sum.remove));
        }
        Verb::Destroy => parts.push(format!("{} to remove", sum.remove)),
        Verb::Adopt => {}
        Verb::Repair => parts.push(format!("{} to put right", sum.change)),
        Verb::Snapshot => parts.push(format!("{} to take", sum.add)),
        Verb::Revert => {
            let back = plan.steps.iter().filter(|step| matches!(step.action, Action::RestoreSnapshot { .. }));
            parts.push(format!("{} to bring back", back.count()));
            if sum.add > 0 {
                parts.push(format!("{} to add", sum.add));
            }
        }
        Verb::Start | Verb::Stop | Verb::Restart | Verb::Pause | Verb::Resume | Verb::Save | Verb::Reset => {
            parts.push(format!("{} to {}", sum.change, plan.verb.word()));
        }
    }
    if sum.adopt > 0 || plan.verb == Verb::Adopt {
        parts.push(format!("{} to adopt", sum.adopt));
    }
    if sum.forget > 0 || plan.verb == Verb::Destroy {
        parts.push(format!("{} to forget", sum.forget));
    }
    parts.join(", ")
}

fn write_sums(out: &mut dyn Write, plan: &Plan, view: &View) -> io::Result<()> {
    let s = &view.styles;
    let sum = plan.summary();
    writeln!(out, "{}Plan:{:#} {}.", s.strong, s.strong, sums(plan, &sum))?;

    let dangers: Vec<String> = sum
        .danger
        .iter()
        .map(|(danger, addresses)| {
            let style = s.danger(*danger);
            let mut addresses: Vec<&Address> = addresses.iter().collect();
            addresses.sort_by_key(|address| group::order(address));
            let names: Vec<String> = addresses.iter().map(|address| short(address)).collect();
            format!("{style}{} {danger}{style:#} ({})", addresses.len(), list(&names, 5))
        })
        .collect();
    let dangers = if dangers.is_empty() { "none".to_owned() } else { dangers.join(", ") };
    let data = if sum.danger.contains_key(&Danger::DestroyData) {
        "Data is lost."
    } else if sum.danger.contains_key(&Danger::Revert) {
        "What was written since is lost."
    } else {
        "No data loss."
    };
    writeln!(out, "{}Danger:{:#} {dangers}. {data}", s.strong, s.strong)?;

    if sum.blocked > 0 {
        let style = s.blocked;
        let undone = count(sum.blocked, "object");
        let text = if plan.steps.is_empty() { "nothing can be done" } else { "the rest runs" };
        let allow = missing(plan);
        let way =
            if allow.is_empty() { String::new() } else { format!(" To permit: {}.", allow_flag(&allow)) };
        writeln!(out, "{style}Blocked:{style:#} {undone}, {text}.{way}")?;
    }
    if !plan.steps.is_empty() {
        writeln!(out, "{}Hash:{:#} {}", s.strong, s.strong, plan.hash)?;
    }
    Ok(())
}

/// Permissions that would lift what is blocked for want of them.
fn missing(plan: &Plan) -> Dangers {
    plan.objects
        .iter()
        .flat_map(|object| &object.blocked)
        .flat_map(|blocked| blocked.missing.iter().copied())
        .collect()
}

/// `--allow downtime,power-cut`
pub(super) fn allow_flag(dangers: &BTreeSet<Danger>) -> String {
    let words: Vec<&str> = dangers.iter().map(|danger| danger.word()).collect();
    format!("--allow {}", words.join(","))
}

/// A machine by its name alone, anything else by its address.
pub(super) fn short(address: &Address) -> String {
    match address {
        Address::Machine(name) => name.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
