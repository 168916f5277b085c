//! A plan as a review comment.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::super::View;
use super::super::text::printable;
use super::{sums, write_plan};
use crate::plan::{ObjectPlan, Operation, Plan};

/// Writes a plan in Markdown, as code forges read it: the sums, a row for each object, and the whole plan folded in.
pub fn write_plan_markdown(out: &mut dyn Write, plan: &Plan) -> io::Result<()> {
    let sum = plan.summary();
    let blocked = if sum.blocked > 0 { format!(", {} blocked", sum.blocked) } else { String::new() };
    writeln!(out, "### vboxmcp {}: {}{blocked}\n", plan.verb.word(), sums(plan, &sum))?;
    let home = code(&plan.host.home.display().to_string());
    writeln!(out, "Stack {} on host {} {home}\n", code(plan.stack.as_str()), code(&plan.host.kind))?;
    if !plan.objects.is_empty() {
        writeln!(out, "| Object | What happens | Danger |\n|---|---|---|")?;
        for object in &plan.objects {
            let danger: Vec<&str> = object.danger.iter().map(|danger| danger.word()).collect();
            let danger =
                if danger.is_empty() { "none".to_owned() } else { format!("**{}**", danger.join(", ")) };
            writeln!(out, "| {} | {} | {danger} |", code(&object.address.to_string()), what(object))?;
        }
        writeln!(out)?;
    }
    for refusal in &plan.refusals {
        writeln!(out, "> **Refused:** {} ({})\n", escaped(&refusal.reason), escaped(&refusal.hint))?;
    }
    let mut text = Vec::new();
    write_plan(&mut text, plan, &View::default())?;
    let text = String::from_utf8_lossy(&text);
    let fence = fence(&text);
    writeln!(
        out,
        "<details><summary>The whole plan</summary>\n\n{fence}text\n{}\n{fence}\n\n</details>",
        text.trim_end()
    )?;
    if !plan.steps.is_empty() && plan.refusals.is_empty() {
        writeln!(
            out,
            "\nRuns exactly this plan: {}",
            code(&format!("vboxmcp {} --plan-hash {}", plan.verb.word(), plan.hash))
        )?;
    }
    Ok(())
}

fn what(object: &ObjectPlan) -> String {
    let word = match object.operation {
        Operation::Create => "create",
        Operation::Change => "change",
        Operation::Remove => "**remove**",
        Operation::Recreate => "**recreate**",
        Operation::Forget => "forget",
        Operation::Adopt => "adopt",
        Operation::Blocked => "nothing",
    };
    let fields: Vec<String> = object
        .fields
        .iter()
        .filter(|field| !field.recommended && object.operation == Operation::Change)
        .map(|field| code(&field.difference.path.to_string()))
        .collect();
    let mut text = word.to_owned();
    if !fields.is_empty() {
        let _ = write!(text, " {}", fields.join(", "));
    }
    for blocked in &object.blocked {
        let _ = write!(text, "<br>blocked: {}", escaped(&blocked.reason));
    }
    text
}

/// A fence that is longer than any in the text.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text))
}

/// Text in which Markdown, HTML and mentions mean nothing.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for c in printable(text).chars() {
        match c {
            '&' | '<' | '>' | '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '~' | '@' | '#' | '!' => {
                let _ = write!(safe, "&#{};", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    safe
}
