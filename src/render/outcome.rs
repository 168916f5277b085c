//! How a run ended, and how to go on.

use std::io::{self, Write};

use serde::Serialize;

use super::View;
use super::text::{count, printable};
use crate::failure::Exit;
use crate::ops::Outcome;
use crate::plan::{Plan, Verb};

/// Writes the end of a run for a person.
pub fn write_outcome(out: &mut dyn Write, plan: &Plan, outcome: &Outcome, view: &View) -> io::Result<()> {
    let s = &view.styles;
    let whole = outcome.failed.is_empty() && outcome.skipped.is_empty();
    let (word, style) = match (whole, outcome.cancelled, outcome.blocked) {
        _ if outcome.journal.is_some() => ("Stopped:", s.remove),
        (true, false, 0) => (done_word(plan.verb), s.add),
        (true, false, _) => ("Done, as far as permitted:", s.change),
        (_, true, _) => ("Cancelled:", s.change),
        (false, false, _) => ("Not finished:", s.remove),
    };
    let mut parts = vec![format!("{} done", count(outcome.done, "step"))];
    for (number, what) in [(outcome.failed.len(), "failed"), (outcome.skipped.len(), "skipped")] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    if outcome.blocked > 0 {
        parts.push(format!("{} blocked", count(outcome.blocked, "object")));
    }
    writeln!(out, "{style}{word}{style:#} {}.", parts.join(", "))?;
    for step in &outcome.failed {
        let what = printable(&format!("{}: {}", step.address, step.label));
        let why = step.errors.first().map_or_else(String::new, |error| format!(": {}", printable(error)));
        writeln!(out, "  {}failed{:#}  {what}{why}", s.remove, s.remove)?;
    }
    for (because, objects) in skipped(outcome) {
        writeln!(out, "  {}skipped{:#} {objects}, because {}", s.blocked, s.blocked, printable(&because))?;
    }
    if let Some(error) = &outcome.journal {
        writeln!(out, "  {}stopped{:#} {}", s.remove, s.remove, printable(error))?;
    }
    if !whole {
        writeln!(out, "Run {0}. `vboxmcp runs resume {0}` goes on from what is there.", outcome.run)?;
    }
    Ok(())
}

fn done_word(verb: Verb) -> &'static str {
    match verb {
        Verb::Apply => "Applied:",
        Verb::Destroy => "Destroyed:",
        Verb::Adopt => "Adopted:",
        Verb::Start => "Started:",
        Verb::Stop => "Stopped:",
        Verb::Restart => "Restarted:",
        Verb::Pause => "Paused:",
        Verb::Resume => "Resumed:",
        Verb::Save => "Saved:",
        Verb::Reset => "Reset:",
        Verb::Snapshot => "Taken:",
        Verb::Revert => "Brought back:",
        Verb::Repair => "Repaired:",
    }
}

/// Skipped steps by their reason, with the objects that they are of.
fn skipped(outcome: &Outcome) -> Vec<(String, String)> {
    let mut reasons: Vec<(&str, Vec<String>, usize)> = Vec::new();
    for step in &outcome.skipped {
        let address = step.address.to_string();
        match reasons.iter_mut().find(|(because, ..)| *because == step.because) {
            Some((_, addresses, steps)) => {
                *steps += 1;
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            None => reasons.push((&step.because, vec![address], 1)),
        }
    }
    reasons
        .into_iter()
        .map(|(because, addresses, steps)| {
            let objects = super::text::list(&addresses, 3);
            (because.to_owned(), format!("{} of {objects}", count(steps, "step")))
        })
        .collect()
}

/// The last line of a run.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "OutcomeLine")]
pub(super) struct Document<'a> {
    #[schemars(extend("const" = "outcome"))]
    r#type: &'static str,
    version: u32,
    exit_code: u8,
    outcome: &'a Outcome,
}

/// Writes the last line of a run for a program: `{"type":"outcome","version":1,…}`.
pub fn write_outcome_json(out: &mut dyn Write, outcome: &Outcome, exit: Exit) -> io::Result<()> {
    super::json::write_line(out, &Document { r#type: "outcome", version: 1, exit_code: exit.code(), outcome })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::{FailedStep, SkippedStep};
    use crate::model::Address;

    fn plan() -> Plan {
        serde_json::from_value(serde_json::json!({
            "formatVersion": 1, "toolVersion": "0", "verb": "apply", "host": {"kind": "sim", "home": "/"}, "stack": "shop",
            "desiredDigest": "", "policy": crate::model::Policy::default(), "objects": [], "steps": [],
            "register": crate::plan::RegisterPlan::default(), "hash": "8d"
        }))
        .unwrap()
    }

    fn shown(outcome: &Outcome) -> String {
        let mut out = Vec::new();
        write_outcome(&mut out, &plan(), outcome, &View::default()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_whole_run_is_one_line() {
        assert_eq!(shown(&Outcome { done: 3, ..Outcome::default() }), "Applied: 3 steps done.\n");
        let blocked = Outcome { done: 1, blocked: 2, ..Outcome::default() };
        assert_eq!(shown(&blocked), "Done, as far as permitted: 1 step done, 2 objects blocked.\n");
    }

    #[test]
    fn a_broken_run_says_what_failed_what_was_skipped_and_how_to_go_on() {
        let skipped =
            |step| SkippedStep { step, address: Address::machine("web"), because: "step 2 failed".into() };
        let outcome = Outcome {
            run: "r1".into(),
            done: 1,
            failed: vec![FailedStep {
                step: 2,
                address: Address::machine("web"),
                label: "start".into(),
                errors: vec!["no memory".into(), "deeper".into()],
                hint: None,
                moved: false,
                unreachable: false,
            }],
            skipped: vec![skipped(3), skipped(4)],
            ..Outcome::default()
        };
        assert_eq!(
            shown(&outcome),
            "Not finished: 1 step done, 1 failed, 2 skipped.\n  failed  vm/web: start: no memory\n  \
             skipped 2 steps of vm/web, because step 2 failed\n\
             Run r1. `vboxmcp runs resume r1` goes on from what is there.\n"
        );
    }
}
