//! What a plan is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::action::Action;
use super::register::RegisterPlan;
use crate::diff::{DifferenceKind, FieldDifference, Finding};
use crate::inventory::ReadSet;
use crate::model::{Address, Danger, Dangers, FieldPath, Location, Policy, StackName};

/// The number of a step in its plan, from 1, in an order in which the steps could run one after another.
pub type StepId = u32;

/// What the plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Make the host match the manifests.
    Apply,
    /// Remove what the manifests declare.
    Destroy,
    /// Take over objects that are there.
    Adopt,
    /// Start machines.
    Start,
    /// Shut machines down.
    Stop,
    /// Shut machines down and start them.
    Restart,
    /// Hold guests.
    Pause,
    /// Let held or saved guests go on.
    Resume,
    /// Save guests' states.
    Save,
    /// Press reset buttons.
    Reset,
    /// Take a snapshot.
    Snapshot,
    /// Go back to a snapshot.
    Revert,
    /// Put right what registry and files disagree on.
    Repair,
}

impl Verb {
    /// As it is typed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Destroy => "destroy",
            Self::Adopt => "adopt",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Save => "save",
            Self::Reset => "reset",
            Self::Snapshot => "snapshot",
            Self::Revert => "revert",
            Self::Repair => "repair",
        }
    }
}

/// Which host a plan is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostId {
    /// `local` or `sim`.
    pub kind: String,
    /// The VirtualBox home.
    pub home: PathBuf,
}

/// What happens to one object.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// `+`
    Create,
    /// `~`
    Change,
    /// `-`
    Remove,
    /// `-/+`
    Recreate,
    /// `=`: no longer managed, and left as it is.
    Forget,
    /// `<`: taken over as it is.
    Adopt,
    /// `!`: nothing can be done; see `blocked`.
    Blocked,
}

impl Operation {
    /// The sign in front of the object.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Create => "+",
            Self::Change => "~",
            Self::Remove => "-",
            Self::Recreate => "-/+",
            Self::Forget => "=",
            Self::Adopt => "<",
            Self::Blocked => "!",
        }
    }

    /// One word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Remove => "remove",
            Self::Recreate => "recreate",
            Self::Forget => "forget",
            Self::Adopt => "adopt",
            Self::Blocked => "blocked",
        }
    }
}

/// One field of an object and what becomes of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedField {
    /// Before, after, and what kind of difference it is.
    pub difference: FieldDifference,
    /// Not done by this plan; one of the object's `blocked` says why.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
    /// Not declared: VirtualBox's recommendation for a new machine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recommended: bool,
}

impl PlannedField {
    /// What somebody asks for without a manifest: one value instead of another.
    pub fn asked(path: FieldPath, live: Option<Value>, wanted: Value, blocked: bool) -> Self {
        let kind = DifferenceKind::Change;
        let declared = Some(wanted);
        let difference =
            FieldDifference { path, kind, declared, live, last: None, unknown: None, source: None };
        Self { difference, blocked, recommended: false }
    }
}

/// Something that the plan leaves undone, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Blocked {
    /// The fields that it is about; empty for the whole object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldPath>,
    /// Why, in a sentence.
    pub reason: String,
    /// Permissions that would lift it; empty where none does.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub missing: Dangers,
    /// What to do, one way per line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// All that happens to one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectPlan {
    /// The object.
    pub address: Address,
    /// What happens to it.
    pub operation: Operation,
    /// The live object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<Uuid>,
    /// Field-level before and after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<PlannedField>,
    /// Other effects, in sentences (`detaches /srv/x.vdi, which is kept`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<String>,
    /// What is left undone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Blocked>,
    /// All dangers of its steps.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub danger: Dangers,
}

/// What must be true of a step's machine right before the step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Expectation {
    /// A field has the value that the planner read; `None` is absence.
    Field(FieldPath, Option<Value>),
    /// The machine is in a state of that class (`off`, `saved`, `running`, `paused`, `stuck`).
    State(String),
    /// No machine of the name is registered.
    NameFree(String),
    /// A place of a controller holds that medium, a leaf; `None` is nothing, or a drive.
    Attached(Location, Option<Uuid>),
    /// A snapshot has that description.
    Described(Uuid, String),
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its number.
    pub id: StepId,
    /// The object that it is for.
    pub address: Address,
    /// What it does.
    pub action: Action,
    /// The fields that it is for; empty where the whole object is the cause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cause: Vec<FieldPath>,
    /// Steps that must be done before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<StepId>,
    /// What it endangers.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub danger: Dangers,
    /// What must be true right before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expects: Vec<Expectation>,
}

/// A whole plan that may not run (exit 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Why, in a sentence that names the limit or the object.
    pub reason: String,
    /// What would lift it.
    pub hint: String,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Version of this format.
    pub format_version: u32,
    /// Version of the program that made it.
    pub tool_version: String,
    /// What it is for.
    pub verb: Verb,
    /// Which host it is for.
    pub host: HostId,
    /// The stack that owns its objects.
    pub stack: StackName,
    /// SHA-256 of the lowered declaration.
    pub desired_digest: String,
    /// Permissions and bounds under which it was made.
    pub policy: Policy,
    /// Objects that something happens to, or that something is left undone for.
    pub objects: Vec<ObjectPlan>,
    /// What it was made from.
    #[serde(default)]
    pub reads: ReadSet,
    /// The steps.
    pub steps: Vec<Step>,
    /// What becomes of the stack's register.
    pub register: RegisterPlan,
    /// Why it may not run; empty where it may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Refusal>,
    /// SHA-256 over all above, in hexadecimal.
    pub hash: String,
    /// Things to know, outside the hash.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Finding>,
}

/// A plan in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Objects to make.
    pub add: usize,
    /// Objects to change.
    pub change: usize,
    /// Objects to delete.
    pub remove: usize,
    /// Objects to take over.
    pub adopt: usize,
    /// Objects to forget.
    pub forget: usize,
    /// Objects with something left undone.
    pub blocked: usize,
    /// Objects by danger.
    pub danger: BTreeMap<Danger, Vec<Address>>,
}

impl Plan {
    /// The version of the format that this program writes.
    pub const FORMAT_VERSION: u32 = 1;

    /// Whether the host is as declared: nothing to do and nothing left undone.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.objects.is_empty()
    }

    /// The machine or disk that a step makes.
    pub fn made_by(&self, step: StepId) -> Option<&Address> {
        let step = self.steps.iter().find(|one| one.id == step)?;
        match &step.action {
            Action::CreateMachine { .. } => Some(&step.address),
            Action::CreateDisk { address, .. } | Action::CloneDisk { address, .. } => Some(address),
            _ => None,
        }
    }

    /// The plan in numbers.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for object in &self.objects {
            match object.operation {
                Operation::Create => summary.add += 1,
                Operation::Change => summary.change += 1,
                Operation::Remove => summary.remove += 1,
                Operation::Recreate => {
                    summary.add += 1;
                    summary.remove += 1;
                }
                Operation::Forget => summary.forget += 1,
                Operation::Adopt => summary.adopt += 1,
                Operation::Blocked => {}
            }
            if !object.blocked.is_empty() {
                summary.blocked += 1;
            }
            for danger in &object.danger {
                summary.danger.entry(*danger).or_default().push(object.address.clone());
            }
        }
        summary
    }
}
