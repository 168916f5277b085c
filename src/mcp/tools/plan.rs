//! `plan`

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::answer::{Answer, text};
use super::super::desk::Desk;
use super::super::tool::{Effect, Tool};
use super::shared::{Declaration, Finding, findings};
use crate::failure::Failure;
use crate::model::Danger;
use crate::ops::{self, PlanRequest, PlanResponse};
use crate::render::diagnostics::write_findings;
use crate::render::plan::{write_plan, write_refusals};
use crate::render::value::spelled;

/// The tool.
pub struct Plan;

/// What it takes.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    #[serde(flatten)]
    declaration: Declaration,
    /// Dangers that the plan may contain, each by its word. Ask a person before using any of them.
    #[serde(default)]
    allow: Vec<Permission>,
    /// Also remove owned objects that are no longer declared and say `onRemove: delete`.
    #[serde(default)]
    prune: bool,
    /// Refuse the whole plan where a step is blocked.
    #[serde(default)]
    all_or_nothing: bool,
}

/// What may be endangered.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Permission {
    Downtime,
    PowerCut,
    DiscardState,
    Revert,
    DestroyData,
}

impl From<Permission> for Danger {
    fn from(word: Permission) -> Self {
        match word {
            Permission::Downtime => Self::Downtime,
            Permission::PowerCut => Self::PowerCut,
            Permission::DiscardState => Self::DiscardState,
            Permission::Revert => Self::Revert,
            Permission::DestroyData => Self::DestroyData,
        }
    }
}

/// What it says.
#[derive(Serialize, JsonSchema)]
pub struct Planned {
    /// Names exactly this plan; absent where there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    stack: String,
    steps: usize,
    add: usize,
    change: usize,
    remove: usize,
    /// Objects with something that the plan leaves undone.
    blocked: usize,
    /// Addresses by danger; empty where no guest notices.
    danger: BTreeMap<String, Vec<String>>,
    objects: Vec<Object>,
    /// Why the plan may not run.
    refused: Vec<String>,
    notes: Vec<String>,
    findings: Vec<Finding>,
}

#[derive(Serialize, JsonSchema)]
struct Object {
    address: String,
    /// create, change, remove, recreate, forget, adopt, blocked
    operation: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    effects: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blocked: Vec<Blocked>,
}

#[derive(Serialize, JsonSchema)]
struct Field {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Blocked {
    reason: String,
    /// What `allow` would have to hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<String>,
}

impl Tool for Plan {
    type Input = Input;
    type Output = Planned;
    const NAME: &'static str = "plan";
    const TITLE: &'static str = "Plan changes";
    const DESCRIPTION: &'static str = "Show what would make VirtualBox match the manifests: each object with its fields before \
        and after, what it endangers, what is blocked and what would permit it, and the hash that names exactly this plan. \
        Changes nothing. Use it whenever machines are to be made or changed.";
    const EFFECT: Effect = Effect::None;

    fn run(desk: &Desk, mut input: Input) -> Result<Answer<Planned>, Failure> {
        let mut context = desk.context(|overrides| {
            overrides.allow.extend(input.allow.iter().map(|word| Danger::from(*word)));
            overrides.prune = input.prune;
            overrides.all_or_nothing = input.all_or_nothing;
        })?;
        input.declaration.add_to_context(&mut context);
        let request = PlanRequest { manifests: input.declaration.manifests(desk)? };
        let response = ops::plan(&context, &request)?;
        let text = text(|out, view| {
            write_findings(out, &response.findings, view)?;
            write_plan(out, &response.plan, view)?;
            write_refusals(out, &response.plan, view)
        });
        Ok(Answer { text, data: planned(&response) })
    }
}

/// A plan without what VirtualBox recommends for new machines.
fn planned(response: &PlanResponse) -> Planned {
    let plan = &response.plan;
    let sum = plan.summary();
    let words = |dangers: &std::collections::BTreeSet<Danger>| {
        dangers.iter().map(|danger| danger.word().to_owned()).collect()
    };
    let objects = plan.objects.iter().map(|object| Object {
        address: object.address.to_string(),
        operation: object.operation.word().to_owned(),
        fields: object
            .fields
            .iter()
            .filter(|field| !field.recommended)
            .map(|field| {
                let difference = &field.difference;
                let spell = |value: &serde_json::Value| spelled(&difference.path, value);
                Field {
                    path: difference.path.to_string(),
                    before: difference.live.as_ref().map(spell),
                    after: difference.declared.as_ref().map(spell),
                }
            })
            .collect(),
        effects: object.effects.clone(),
        blocked: object
            .blocked
            .iter()
            .map(|blocked| Blocked {
                reason: blocked.reason.clone(),
                missing: words(&blocked.missing),
                hints: blocked.hints.clone(),
            })
            .collect(),
    });
    Planned {
        hash: (!plan.steps.is_empty()).then(|| plan.hash.clone()),
        stack: plan.stack.to_string(),
        steps: plan.steps.len(),
        add: sum.add,
        change: sum.change,
        remove: sum.remove,
        blocked: sum.blocked,
        danger: sum
            .danger
            .iter()
            .map(|(danger, addresses)| {
                (danger.word().to_owned(), addresses.iter().map(ToString::to_string).collect())
            })
            .collect(),
        objects: objects.collect(),
        refused: plan.refusals.iter().map(|refusal| refusal.reason.clone()).collect(),
        notes: plan.notes.iter().map(|note| note.text.clone()).collect(),
        findings: findings(&response.findings),
    }
}
