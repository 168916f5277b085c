//! What every tool says that makes a plan, and what is done with the plan: it is kept for its approval.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::answer::{Answer, text};
use super::super::tool::Call;
use super::shared::findings;
use crate::config::{Overrides, Tier};
use crate::failure::Failure;
use crate::model::Danger;
use crate::ops::{Context, Plan, PlanResponse};
use crate::render::diagnostics::write_findings;
use crate::render::plan::{write_plan, write_refusals};
use crate::render::value::spelled;

/// A plan, without what VirtualBox recommends for new machines.
#[derive(Serialize, JsonSchema)]
pub struct Planned {
    // Absent where there is nothing to do. What explains itself has no description: the list of tools is read at every start of an agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    stack: String,
    steps: usize,
    // Addresses by danger.
    danger: BTreeMap<&'static str, Vec<String>>,
    /// What `allow` lacks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<&'static str>,
    /// Address to operation, `FIELD: BEFORE -> AFTER`, `blocked: WHY`.
    objects: BTreeMap<String, Vec<String>>,
    // What is refused first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// Objects that structured content holds at most.
const MOST_OBJECTS: usize = 50;

/// Keeps a plan for the caller, and says what it is.
pub fn answer(
    call: &Call<'_>,
    context: &Context,
    response: &PlanResponse,
) -> Result<Answer<Planned>, Failure> {
    let plan = &response.plan;
    let said = text(|out, view| {
        write_findings(out, &response.findings, view)?;
        write_plan(out, plan, view)?;
        write_refusals(out, plan, view)
    });
    let (mut link, mut then) = (None, None);
    if !plan.steps.is_empty() {
        call.desk.shelf(context)?.keep(plan, &call.caller.name, &call.caller.version)?;
        link = Some(format!("vbox://plan/{}", plan.hash));
        if plan.refusals.is_empty() {
            then = Some(next(call, plan));
        }
    }
    let mut data = planned(plan);
    data.notes.extend(findings(&response.findings));
    // What was there before stands in it: that may be anybody's words.
    Ok(Answer { link, next: then, ..Answer::foreign(said, data) })
}

/// What comes next, for a model that would otherwise guess.
fn next(call: &Call<'_>, plan: &Plan) -> String {
    let dangers = plan.objects.iter().flat_map(|object| object.danger.iter().copied()).collect();
    match call.caller.expect_apply(&dangers) {
        Ok(()) => "Next: show this to the person, then call apply with the hash.".to_owned(),
        Err(_) if call.caller.rights.tier < Tier::ApplySafe => {
            format!("Next: a person applies it; {} may only plan.", call.caller.name)
        }
        Err(failure) => format!("Next: a person applies it: {failure}."),
    }
}

fn planned(plan: &Plan) -> Planned {
    let sum = plan.summary();
    let missing: BTreeSet<&'static str> = plan
        .objects
        .iter()
        .flat_map(|object| &object.blocked)
        .flat_map(|blocked| blocked.missing.iter().map(|danger| danger.word()))
        .collect();
    let objects = plan.objects.iter().take(MOST_OBJECTS).map(|object| {
        let fields = object.fields.iter().filter(|field| !field.recommended && !field.blocked);
        let fields = fields.map(|field| {
            let difference = &field.difference;
            let spell = |value: &Option<serde_json::Value>| {
                value.as_ref().map_or_else(|| "(none)".to_owned(), |value| spelled(&difference.path, value))
            };
            format!("{}: {} -> {}", difference.path, spell(&difference.live), spell(&difference.declared))
        });
        let operation = std::iter::once(object.operation.word().to_owned());
        let blocked = object.blocked.iter().map(|blocked| format!("blocked: {}", blocked.reason));
        let lines = operation.chain(fields).chain(object.effects.iter().cloned()).chain(blocked);
        (object.address.to_string(), lines.collect())
    });
    let danger = sum
        .danger
        .iter()
        .map(|(danger, addresses)| (danger.word(), addresses.iter().map(ToString::to_string).collect()));
    let refused = plan.refusals.iter().map(|refusal| format!("refused: {}", refusal.reason));
    let notes = plan.notes.iter().map(|note| note.text.clone());
    let hidden = plan.objects.len().saturating_sub(MOST_OBJECTS);
    // One without steps is not kept.
    let place =
        if plan.steps.is_empty() { "not shown".to_owned() } else { format!("in vbox://plan/{}", plan.hash) };
    let hidden = (hidden > 0).then(|| format!("{hidden} more objects are {place}"));
    Planned {
        hash: (!plan.steps.is_empty()).then(|| plan.hash.clone()),
        stack: plan.stack.to_string(),
        steps: plan.steps.len(),
        danger: danger.collect(),
        missing: missing.into_iter().collect(),
        objects: objects.collect(),
        notes: refused.chain(notes).chain(hidden).collect(),
    }
}

/// What may be endangered: the words of [`Danger`].
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    Downtime,
    PowerCut,
    DiscardState,
    Revert,
    DestroyData,
}

impl Permission {
    /// Puts them into what the configuration reads. They make a plan that contains them; whether it may be applied, the tier says.
    pub fn add_to(words: &[Self], overrides: &mut Overrides) {
        overrides.allow.extend(words.iter().map(|word| match word {
            Self::Downtime => Danger::Downtime,
            Self::PowerCut => Danger::PowerCut,
            Self::DiscardState => Danger::DiscardState,
            Self::Revert => Danger::Revert,
            Self::DestroyData => Danger::DestroyData,
        }));
    }
}
