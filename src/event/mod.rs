//! What happens while a plan runs, in one enum. Terminal, JSON lines, journal and protocols are its consumers.

use serde::{Deserialize, Serialize};

use crate::model::{Address, Dangers};
use crate::plan::StepId;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", tag = "type", rename_all_fields = "camelCase")]
pub enum Event {
    /// The first event of every run.
    Started {
        /// Version of this format: [`Event::VERSION`].
        version: u32,
        /// The run's id.
        run: String,
        /// The plan's hash.
        plan: String,
        /// All steps, in plan order.
        steps: Vec<StepLabel>,
    },
    /// A step begins.
    StepStarted {
        /// The step.
        step: StepId,
    },
    /// VirtualBox says how far it is.
    StepProgress {
        /// The step.
        step: StepId,
        /// 0 to 100.
        percent: u8,
    },
    /// A step is tried again.
    StepRetried {
        /// The step.
        step: StepId,
        /// Why.
        reason: String,
    },
    /// A step ended.
    StepFinished {
        /// The step.
        step: StepId,
        /// How.
        outcome: StepOutcome,
        /// Since the step began.
        milliseconds: u64,
    },
    /// Nothing has ended for ten seconds; the run goes on.
    Heartbeat {
        /// Steps that are running.
        running: Vec<StepId>,
        /// Since the run began.
        seconds: u64,
    },
    /// Somebody asked to stop.
    Cancelling {
        /// Running steps are ended, too.
        now: bool,
    },
    /// The run's journal can no longer be written: running steps are finished, no other one begins.
    JournalFailed {
        /// Why.
        error: String,
    },
    /// The last event of every run.
    Finished {
        /// Steps done.
        done: usize,
        /// Steps failed.
        failed: usize,
        /// Steps not tried.
        skipped: usize,
        /// Since the run began.
        milliseconds: u64,
    },
}

impl Event {
    /// Version of the event format.
    pub const VERSION: u32 = 1;
}

/// What a display needs to know of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepLabel {
    /// The step.
    pub step: StepId,
    /// The object.
    pub address: Address,
    /// What is done (`create disk`).
    pub label: String,
    /// What it endangers.
    pub danger: Dangers,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", tag = "outcome", rename_all_fields = "camelCase")]
pub enum StepOutcome {
    /// Done, and read back.
    Done {
        /// VirtualBox's warnings.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<String>,
    },
    /// It was as it should be already.
    Unchanged,
    /// Not done, or nobody knows.
    Failed {
        /// The chain of causes, outermost first.
        errors: Vec<String>,
        /// What may help.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
        /// Somebody else changed the object meanwhile.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        moved: bool,
    },
    /// Not tried.
    Skipped {
        /// Why: the failed step, or the cancellation.
        because: String,
    },
}
