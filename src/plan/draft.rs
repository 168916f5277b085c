//! Collects the steps of one machine in order, then numbers the steps of all.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use super::action::{Action, Insert, Target};
use super::types::{Blocked, Expectation, Step, StepId};
use crate::diff::{disk, tree};
use crate::inventory::{DeviceKind, Machine};
use crate::model::{Address, Danger, Dangers, DesiredState, FieldPath, Location};

/// A step that has no number yet.
#[derive(Clone, Debug)]
pub struct DraftStep {
    /// What it does.
    pub action: Action,
    /// The fields that it is for.
    pub cause: Vec<FieldPath>,
    /// What it endangers.
    pub danger: Dangers,
    /// What must be true right before.
    pub expects: Vec<Expectation>,
    /// Another object of the machine that it is for; `None` where that is the draft's own.
    pub object: Option<Address>,
}

/// The steps of one machine, one after another: a machine has one writer.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The object.
    pub address: Address,
    /// The machine.
    pub target: Target,
    /// Objects whose steps come before these, where the plan has any.
    pub after: BTreeSet<Address>,
    /// All permissions that hold for it.
    pub allow: Dangers,
    /// Its steps.
    pub steps: Vec<DraftStep>,
    /// What is left undone.
    pub blocked: Vec<Blocked>,
    /// Effects that no field shows.
    pub effects: Vec<String>,
    /// The state to which the machine is brought back, where none is declared.
    pub owes: Option<DesiredState>,
}

impl Draft {
    /// No steps yet.
    pub fn new(address: Address, target: Target, allow: Dangers) -> Self {
        let (after, steps) = (BTreeSet::new(), Vec::new());
        let (blocked, effects) = (Vec::new(), Vec::new());
        Self { address, target, after, allow, steps, blocked, effects, owes: None }
    }

    /// Adds a step.
    pub fn push(
        &mut self,
        action: Action,
        cause: impl IntoIterator<Item = FieldPath>,
        danger: impl IntoIterator<Item = Danger>,
    ) {
        self.steps.push(DraftStep {
            action,
            cause: cause.into_iter().collect(),
            danger: danger.into_iter().collect(),
            expects: Vec::new(),
            object: None,
        });
    }

    /// Adds a step and what must be true before it.
    pub fn push_expecting(
        &mut self,
        action: Action,
        cause: impl IntoIterator<Item = FieldPath>,
        expects: impl IntoIterator<Item = Expectation>,
    ) {
        self.push(action, cause, []);
        if let Some(step) = self.steps.last_mut() {
            step.expects.extend(expects);
        }
    }

    /// Dangers among `needed` that are not permitted.
    pub fn missing(&self, needed: impl IntoIterator<Item = Danger>) -> Dangers {
        needed.into_iter().filter(|danger| !self.allow.contains(danger)).collect()
    }

    /// Leaves something undone for want of permissions.
    pub fn block_for(&mut self, fields: Vec<FieldPath>, missing: Dangers, reason: String) {
        let words: Vec<&str> = missing.iter().map(|danger| danger.word()).collect();
        let hints = vec![format!("--allow {}", words.join(","))];
        self.blocked.push(Blocked { fields, reason, missing, hints });
    }

    /// Leaves something undone that no permission would lift.
    pub fn block(&mut self, fields: Vec<FieldPath>, reason: impl Into<String>, hints: Vec<String>) {
        self.blocked.push(Blocked { fields, reason: reason.into(), missing: BTreeSet::new(), hints });
    }

    /// Whether nothing happens to the object itself, and nothing of it is left undone.
    pub fn is_idle(&self) -> bool {
        !self.acts() && self.blocked.is_empty()
    }

    /// Whether a step is for the object itself.
    pub fn acts(&self) -> bool {
        self.steps.iter().any(|step| step.object.is_none())
    }

    /// Lets every step that is the first to touch a disk's place or a member say what is there by then: whoever changes that meanwhile
    /// does not lose what he did.
    pub fn expect_what_is_there(&mut self, live: &Machine, settings: &Value) {
        let mut touched = BTreeSet::new();
        let mut members = BTreeSet::new();
        for step in &mut self.steps {
            match &step.action {
                // Its differences are merged: what is attached is another medium then.
                Action::DeleteSnapshot { .. } => return,
                Action::Detach { at, .. } | Action::Attach { at, kind: DeviceKind::Disk, .. }
                    if touched.insert(at.clone()) =>
                {
                    step.expects.push(Expectation::Attached(at.clone(), disk::at(live, at)));
                }
                Action::Attach { at, .. } => {
                    touched.insert(at.clone());
                }
                Action::RemoveSharedFolder { name, .. } | Action::AddSharedFolder { name, .. } => {
                    let path = FieldPath::of(["sharedFolders", name]);
                    if members.insert(path.clone()) {
                        let there = tree::get(settings, &path).cloned();
                        step.expects.push(Expectation::Field(path, there));
                    }
                }
                Action::AddController { name, .. }
                | Action::ChangeController { name, .. }
                | Action::RemoveController { name, .. } => {
                    let path = FieldPath::of(["controllers", name]);
                    if members.insert(path.clone()) {
                        let there = tree::get(settings, &path).cloned();
                        step.expects.push(Expectation::Field(path, there));
                    }
                }
                _ => {}
            }
        }
    }

    /// The snapshots that the steps delete.
    pub fn deleted_snapshots(&self) -> impl Iterator<Item = Uuid> {
        self.steps.iter().filter_map(|step| match &step.action {
            Action::DeleteSnapshot { snapshot, .. } => Some(*snapshot),
            _ => None,
        })
    }

    /// Whether a machine's steps detach what is at a place, and do not attach it again.
    pub fn detaches(&self, machine: Uuid, place: &Location, medium: Uuid) -> bool {
        let last = self.steps.iter().rev().find_map(|step| match &step.action {
            Action::Detach { at, .. } if at == place => Some(true),
            Action::Attach { insert: Insert::Medium(Target::Existing(again)), .. } if *again == medium => {
                Some(false)
            }
            _ => None,
        });
        self.target == Target::Existing(machine) && last == Some(true)
    }

    /// Takes over the steps for another object of the machine, behind its own: they need them, and a machine has one writer.
    pub fn take(&mut self, other: Self) {
        let Self { address, steps, .. } = other;
        self.steps.extend(steps.into_iter().map(|step| DraftStep { object: Some(address.clone()), ..step }));
    }

    /// All dangers of the steps.
    pub fn danger(&self) -> Dangers {
        self.steps.iter().flat_map(|step| step.danger.iter().copied()).collect()
    }
}

/// Numbers the steps of all drafts. Steps of one draft follow one another, the first of them those that it comes `after`, which are of
/// earlier drafts.
pub fn number(drafts: impl IntoIterator<Item = Draft>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut last: BTreeMap<Address, StepId> = BTreeMap::new();
    for draft in drafts {
        let mut before: Vec<StepId> =
            draft.after.iter().filter_map(|address| last.get(address).copied()).collect();
        before.sort_unstable();
        let has_steps = !draft.steps.is_empty();
        for step in draft.steps {
            // A plan of four billion steps does not fit into memory.
            let id = StepId::try_from(steps.len() + 1).unwrap_or(StepId::MAX);
            steps.push(Step {
                id,
                address: step.object.unwrap_or_else(|| draft.address.clone()),
                action: step.action,
                cause: step.cause,
                needs: std::mem::take(&mut before),
                danger: step.danger,
                expects: step.expects,
            });
            before = vec![id];
        }
        if let Some(id) = before.first().filter(|_| has_steps) {
            last.insert(draft.address, *id);
        }
    }
    steps
}
