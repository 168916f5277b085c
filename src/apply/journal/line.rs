//! What stands in a line of a journal, and the hashes that chain lines.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::apply::Outcome;
use crate::event::StepOutcome;
use crate::model::digest::sha256;
use crate::model::{Address, Selection, StackName};
use crate::plan::{HostId, Plan, StepId, Verb};

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type", rename_all_fields = "camelCase")]
pub enum Line {
    /// The first line.
    Header(Box<Header>),
    /// The second line: what was consented to.
    Plan {
        /// All of it.
        plan: Box<Plan>,
    },
    /// The stack's register is about to be written.
    Register {
        /// Before the first step, or after the last.
        phase: Phase,
        /// The keys of global extra data.
        keys: Vec<String>,
    },
    /// Steps are about to begin: from here on they may have happened. The steps of one birth are announced together.
    Intent {
        /// The steps.
        steps: Vec<StepId>,
        /// UUIDs of what they are about to make.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        making: BTreeMap<Address, Uuid>,
    },
    /// A step is tried again.
    Retry {
        /// The step.
        step: StepId,
        /// Why.
        reason: String,
    },
    /// A step ended.
    Result {
        /// The step.
        step: StepId,
        /// How.
        #[serde(flatten)]
        outcome: StepOutcome,
        /// Since it began.
        milliseconds: u64,
        /// Values of what it changes, as they were right before; `null` for what was not there.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        before: BTreeMap<String, Value>,
        /// The UUID of what it made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        made: Option<Uuid>,
    },
    /// Somebody asked to stop.
    Cancel {
        /// Running steps are ended, too.
        now: bool,
    },
    /// The last line.
    End(Box<End>),
}

/// When the register is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Membership, before the first step.
    Before,
    /// What was read back, after the last.
    After,
}

/// Who ran it, on what, from what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Version of this format.
    pub version: u32,
    /// Version of the program.
    pub tool_version: String,
    /// The run's id.
    pub run: String,
    /// The plan's hash.
    pub plan: String,
    /// What the plan is for.
    pub verb: Verb,
    /// The stack.
    pub stack: StackName,
    /// The host.
    pub host: HostId,
    /// Who.
    pub who: Who,
    /// What the plan was made from.
    pub origin: Origin,
}

impl Header {
    /// The version that this program writes.
    pub const VERSION: u32 = 1;
}

/// Who runs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Who {
    /// Name of the user.
    pub user: String,
    /// Process id.
    pub pid: u32,
    /// The agent that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
}

/// An agent that asked for a run, as it calls itself, and who consented.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// Name of the client.
    pub client: String,
    /// Its version.
    pub version: String,
    /// How a person consented to exactly this plan.
    pub approval: String,
}

/// What a plan was made from, so that it can be made again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The working directory.
    pub directory: PathBuf,
    /// The manifest paths, absolute; `-` is standard input.
    pub paths: Vec<PathBuf>,
    /// Variables that were set for the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<RecordedVariable>,
    /// The stack of manifests that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<StackName>,
    /// Whether it was typed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stack_typed: bool,
    /// Which of the declared objects it is about.
    #[serde(default, skip_serializing_if = "Selection::is_all")]
    pub selection: Selection,
    /// What was asked for.
    pub request: Request,
    /// The run that this one goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes: Option<String>,
}

/// A variable that was set for a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedVariable {
    /// Its name.
    pub name: String,
    /// Where it was set.
    pub origin: String,
    /// Its value; `None` where it is sensitive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The directory that a relative path in it starts from.
    pub base: PathBuf,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Request {
    /// Make the host match the manifests.
    #[default]
    Apply,
    /// Remove what the manifests declare.
    Destroy {
        /// Also what says `onRemove: keep`.
        all: bool,
    },
    /// Take over machines that are there.
    Adopt {
        /// The machines.
        addresses: Vec<Address>,
        /// The one, where several share the name.
        uuid: Option<Uuid>,
    },
    /// Tell machines to do something; the plan's verb says what.
    Command {
        /// The machines.
        addresses: Vec<Address>,
        /// Seconds that a shutdown may take.
        stop_timeout: u64,
    },
    /// Go back to a snapshot.
    Revert {
        /// The machines.
        addresses: Vec<Address>,
        /// Its name.
        snapshot: String,
    },
    /// Take a snapshot.
    Snapshot {
        /// The machines.
        addresses: Vec<Address>,
        /// Its name.
        name: String,
        /// Free text.
        description: String,
    },
    /// Put right what registry and files disagree on.
    Repair {
        /// A copied file that gets a UUID of its own; none for the stack's own disks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<PathBuf>,
    },
    /// Run a plan that was kept in a file.
    Saved,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// The steps.
    pub outcome: Outcome,
    /// What ended the run before or after its steps, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// Since it began.
    pub milliseconds: u64,
}

#[derive(Serialize)]
struct Stamped<'a> {
    previous: Option<&'a str>,
    time: &'a str,
    #[serde(flatten)]
    line: &'a Line,
}

/// In front of a line's own hash, which stands last.
const OWN: &str = ",\"sha256\":\"";

/// The text of a line. Its own hash is that of the text without it.
pub fn seal(previous: Option<&str>, time: &str, line: &Line) -> io::Result<String> {
    let mut text = serde_json::to_string(&Stamped { previous, time, line })?;
    let own = sha256(text.as_bytes());
    text.truncate(text.len() - 1);
    text.push_str(OWN);
    text.push_str(&own);
    text.push_str("\"}");
    Ok(text)
}

/// A line that was read: the hash of the line before it, when it was written, and what it says.
#[derive(Debug)]
pub struct Opened {
    /// `None` in a first line.
    pub previous: Option<String>,
    /// When it was written.
    pub time: String,
    /// What it says.
    pub line: Line,
}

/// Reads a line and checks it against its own hash. The error is a sentence.
pub fn open(text: &str) -> Result<Opened, String> {
    let (body, own) = text
        .strip_suffix("\"}")
        .and_then(|text| text.rsplit_once(OWN))
        .ok_or_else(|| "it does not end with a hash".to_owned())?;
    if sha256(format!("{body}}}").as_bytes()) != own {
        return Err("its content is not what its hash was made from".to_owned());
    }
    let mut value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut take = |key: &str| {
        let taken = value.as_object_mut().and_then(|map| map.remove(key));
        taken.and_then(|value| value.as_str().map(str::to_owned))
    };
    let (previous, time) = (take("previous"), take("time").unwrap_or_default());
    let line = serde_json::from_value(value).map_err(|error| error.to_string())?;
    Ok(Opened { previous, time, line })
}
