//! Runs: lists of them, one of them step by step, and whether their journals are as they were written.

use std::io::{self, Write};

use anstyle::Style;
use serde::Serialize;
use serde_json::Value;

use super::View;
use super::table::Table;
use super::text::{count, duration, printable};
use super::value::spelled;
use crate::event::StepOutcome;
use crate::model::FieldPath;
use crate::ops::Chain;
use crate::ops::runs::{Header, RunReport, RunRow, RunState, RunStep, Verified};

/// The longest value that is shown on a line; `-o json` has all of it.
const LONGEST: usize = 100;

/// Writes runs for a person.
pub fn write_runs(out: &mut dyn Write, rows: &[RunRow], view: &View) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "No run on this host yet.");
    }
    let mut table =
        Table::new(&["RUN", "OUTCOME", "VERB", "STACK", "STARTED", "STEPS", "USER", "PLAN", "REASON"]);
    for row in rows {
        table.row(&[
            row.id.clone(),
            row.state.word().to_owned(),
            verb(row).to_owned(),
            row.stack.as_ref().map(ToString::to_string).unwrap_or_default(),
            second(&row.started),
            steps(row),
            row.user.clone(),
            if view.verbose { row.plan.clone() } else { String::new() },
            row.reason.clone().unwrap_or_default(),
        ]);
    }
    table.write(out, view)
}

/// The agent that asked for a run.
fn agent(header: &Header) -> String {
    header
        .who
        .agent
        .as_ref()
        .map_or_else(String::new, |agent| format!("{} {}, {}", agent.client, agent.version, agent.approval))
}

fn style(state: RunState, view: &View) -> Style {
    match state {
        RunState::Done => view.styles.add,
        RunState::Partly | RunState::Failed | RunState::Died | RunState::Broken => view.styles.remove,
        RunState::Cancelled | RunState::Running => view.styles.change,
    }
}

fn verb(row: &RunRow) -> &'static str {
    row.verb.map_or("", crate::plan::Verb::word)
}

/// A moment without its fraction of a second.
fn second(moment: &str) -> String {
    match moment.split_once('.') {
        Some((second, _)) => format!("{second}Z"),
        None => moment.to_owned(),
    }
}

/// `3 of 5 done, 1 failed, 1 skipped`
fn steps(row: &RunRow) -> String {
    let mut parts = vec![if row.done == row.steps {
        format!("{} done", row.done)
    } else {
        format!("{} of {} done", row.done, row.steps)
    }];
    for (number, what) in [(row.failed, "failed"), (row.skipped, "skipped"), (row.unknown, "unknown")] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    parts.join(", ")
}

/// Writes one run for a person.
pub fn write_run(out: &mut dyn Write, report: &RunReport, view: &View) -> io::Result<()> {
    let (s, row) = (&view.styles, &report.row);
    let state = style(row.state, view);
    write!(
        out,
        "{}Run {}:{:#} {state}{}{state:#}",
        s.strong,
        printable(&row.id),
        s.strong,
        row.state.word()
    )?;
    writeln!(out, ", {}", steps(row))?;
    if let Some(reason) = &row.reason {
        writeln!(out, "  {}reason:{:#} {}", s.remove, s.remove, printable(reason))?;
    }
    if let Some(header) = &report.header {
        let origin = &header.origin;
        let paths: Vec<String> = origin.paths.iter().map(|path| path.display().to_string()).collect();
        let variables: Vec<String> = origin
            .variables
            .iter()
            .map(|one| format!("{}={} ({})", one.name, one.value.as_deref().unwrap_or("…"), one.origin))
            .collect();
        let host = format!("{} {}", header.host.kind, header.host.home.display());
        let rows = [
            ("what", format!("{} of stack {}", header.verb.word(), header.stack)),
            (
                "who",
                format!("{} (process {}), vboxmcp {}", header.who.user, header.who.pid, header.tool_version),
            ),
            ("for", agent(header)),
            ("host", host),
            ("from", paths.join(", ")),
            ("with", variables.join(", ")),
            ("plan", header.plan.clone()),
            ("goes on from", origin.resumes.clone().unwrap_or_default()),
            ("started", second(&row.started)),
            ("ended", second(&row.ended)),
        ];
        for (what, text) in rows.iter().filter(|(_, text)| !text.is_empty()) {
            writeln!(out, "  {}{what:<12}{:#} {}", s.faint, s.faint, printable(text))?;
        }
    }
    if !report.steps.is_empty() {
        writeln!(out)?;
    }
    for step in &report.steps {
        write_step(out, step, view)?;
    }
    if matches!(row.state, RunState::Partly | RunState::Failed | RunState::Cancelled | RunState::Died) {
        writeln!(out, "\n`vboxmcp runs resume {}` goes on from what is there.", printable(&row.id))?;
    }
    Ok(())
}

fn write_step(out: &mut dyn Write, step: &RunStep, view: &View) -> io::Result<()> {
    let s = &view.styles;
    let (word, style) = match (&step.trail.outcome, &step.skipped) {
        (Some(StepOutcome::Done { .. }), _) => ("done", s.add),
        (Some(StepOutcome::Unchanged), _) => ("already so", s.add),
        (Some(StepOutcome::Failed { .. }), _) => ("failed", s.remove),
        (Some(StepOutcome::Skipped { .. }), _) | (None, Some(_)) => ("skipped", s.blocked),
        (None, None) if step.trail.announced.is_some() => ("unknown", s.remove),
        (None, None) => ("not begun", s.faint),
    };
    let name = printable(&format!("{}: {}", step.address, step.label));
    write!(out, "{:>4}  {style}{word:<10}{style:#} {name}", step.step)?;
    match (&step.trail.outcome, &step.skipped) {
        (Some(_), _) => writeln!(out, " {}({}){:#}", s.faint, duration(step.trail.milliseconds), s.faint)?,
        (None, Some(because)) => writeln!(out, ", because {}", printable(because))?,
        (None, None) if step.trail.announced.is_some() => writeln!(out, ": it may have begun")?,
        (None, None) => writeln!(out)?,
    }
    let mut detail =
        |what: &str, text: &str| writeln!(out, "      {}{what}:{:#} {}", s.faint, s.faint, printable(text));
    for (path, value) in &step.trail.before {
        detail(&format!("{} was", printable(path)), &shortened(path, value))?;
    }
    if let (Some(made), true) = (step.trail.made, view.verbose) {
        detail("made", &format!("{{{made}}}"))?;
    }
    for reason in &step.trail.retries {
        detail("tried again", reason)?;
    }
    match &step.trail.outcome {
        Some(StepOutcome::Done { warnings }) => warnings.iter().try_for_each(|text| detail("warning", text)),
        Some(StepOutcome::Failed { errors, hint, .. }) => {
            errors.iter().try_for_each(|text| detail("error", text))?;
            hint.iter().try_for_each(|text| detail("hint", text))
        }
        _ => Ok(()),
    }
}

fn shortened(path: &str, value: &Value) -> String {
    let path: FieldPath = path.parse().unwrap_or_default();
    let text = spelled(&path, value);
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}… (-o json shows all of it)", &text[..at]),
        None => text,
    }
}

/// Writes for a person whether journals are as they were written.
pub fn write_verified(out: &mut dyn Write, verified: &[Verified], view: &View) -> io::Result<()> {
    let s = &view.styles;
    if verified.is_empty() {
        return writeln!(out, "No run on this host yet.");
    }
    for one in verified {
        let lines = count(one.lines, "line");
        let (style, text) = match &one.chain {
            Chain::Whole => (s.add, format!("whole, {lines}")),
            Chain::CutShort { .. } if one.running => {
                (s.change, format!("unbroken, {lines}; the run goes on"))
            }
            Chain::CutShort { bytes: 0 } => (s.change, format!("cut short, {lines}; the run died")),
            Chain::CutShort { bytes } => {
                let part = count(*bytes, "byte");
                (s.change, format!("cut short, {lines} and {part} of one more; the run died"))
            }
            Chain::Broken { line, reason } => {
                (s.remove, format!("BROKEN at line {line}: {}", printable(reason)))
            }
        };
        writeln!(out, "{}  {style}{text}{style:#}", printable(&one.id))?;
        if let (Some(head), true) = (&one.head, view.verbose || verified.len() == 1) {
            writeln!(out, "  {}last good line:{:#} {head}", s.faint, s.faint)?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rows<'a> {
    r#type: &'static str,
    version: u32,
    runs: &'a [RunRow],
}

/// Writes runs for a program: `{"type":"runs","version":1,…}`.
pub fn write_runs_json(out: &mut dyn Write, rows: &[RunRow]) -> io::Result<()> {
    super::json::write_line(out, &Rows { r#type: "runs", version: 1, runs: rows })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    r#type: &'static str,
    version: u32,
    run: &'a RunRow,
    header: &'a Option<Header>,
    steps: &'a [RunStep],
}

/// Writes one run for a program: `{"type":"run","version":1,…}`.
pub fn write_run_json(out: &mut dyn Write, report: &RunReport) -> io::Result<()> {
    let RunReport { row, header, steps } = report;
    super::json::write_line(out, &Report { r#type: "run", version: 1, run: row, header, steps })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdicts<'a> {
    r#type: &'static str,
    version: u32,
    journals: Vec<Verdict<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict<'a> {
    run: &'a str,
    chain: &'static str,
    running: bool,
    lines: usize,
    head: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    broken_line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// Writes for a program whether journals are as they were written: `{"type":"journals","version":1,…}`.
pub fn write_verified_json(out: &mut dyn Write, verified: &[Verified]) -> io::Result<()> {
    let verdict = |one: &'_ Verified| -> (&'static str, Option<usize>) {
        match &one.chain {
            Chain::Whole => ("whole", None),
            Chain::CutShort { .. } => ("cut-short", None),
            Chain::Broken { line, .. } => ("broken", Some(*line)),
        }
    };
    let journals = verified.iter().map(|one| {
        let (chain, broken_line) = verdict(one);
        let reason = match &one.chain {
            Chain::Broken { reason, .. } => Some(reason.as_str()),
            _ => None,
        };
        let (running, lines, head) = (one.running, one.lines, one.head.as_deref());
        Verdict { run: &one.id, chain, running, lines, head, broken_line, reason }
    });
    let document = Verdicts { r#type: "journals", version: 1, journals: journals.collect() };
    super::json::write_line(out, &document)
}
