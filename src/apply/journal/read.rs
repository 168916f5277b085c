//! Reading a journal: what the run did, and whether the file is as it was written.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::line::{self, End, Header, Line};
use crate::event::StepOutcome;
use crate::model::Address;
use crate::model::digest::sha256;
use crate::plan::{Plan, StepId};

/// Whether the lines are as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chain {
    /// Every line is, and the last one is the end of the run.
    Whole,
    /// Every line is, and there is no end: the run goes on, or died. Bytes of a line that was not written to its end.
    CutShort {
        /// 0 where the file ends with a whole line.
        bytes: usize,
    },
    /// A line was edited, removed, added or moved.
    Broken {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
}

/// What became of one step.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepTrail {
    /// When it was announced; it may have begun from then on.
    pub announced: Option<String>,
    /// Why it was tried again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retries: Vec<String>,
    /// How it ended; `None` where nobody knows.
    #[serde(rename = "result")]
    pub outcome: Option<StepOutcome>,
    /// How long it took.
    pub milliseconds: u64,
    /// What was there before.
    pub before: BTreeMap<String, Value>,
    /// What it made.
    pub made: Option<Uuid>,
}

/// A journal that was read. Where the chain is broken it ends before the line that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Whether the file is as it was written.
    pub chain: Chain,
    /// Lines that were read.
    pub lines: usize,
    /// SHA-256 of the last of them: whoever keeps it elsewhere can tell later that nothing was changed.
    pub head: Option<String>,
    /// The first line; `None` where there is not even one.
    pub header: Option<Header>,
    /// When the run began.
    pub started: String,
    /// When the last line was written.
    pub last: String,
    /// What was consented to.
    pub plan: Option<Plan>,
    /// Steps that were announced or ended.
    pub steps: BTreeMap<StepId, StepTrail>,
    /// UUIDs of what the run made or was about to make.
    pub made: BTreeMap<Address, Uuid>,
    /// How the run ended.
    pub end: Option<End>,
}

impl Record {
    /// Steps that were announced and of which no result is known.
    pub fn unknown(&self) -> BTreeSet<StepId> {
        let unknown = self.steps.iter().filter(|(_, trail)| trail.outcome.is_none());
        unknown.map(|(step, _)| *step).collect()
    }
}

/// Reads a journal.
pub fn read(path: &Path) -> io::Result<Record> {
    Ok(parse(&std::fs::read(path)?))
}

/// Reads the bytes of a journal.
pub(super) fn parse(bytes: &[u8]) -> Record {
    let mut record = Record {
        chain: Chain::CutShort { bytes: 0 },
        lines: 0,
        head: None,
        header: None,
        started: String::new(),
        last: String::new(),
        plan: None,
        steps: BTreeMap::new(),
        made: BTreeMap::new(),
        end: None,
    };
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some(length) = rest.iter().position(|byte| *byte == b'\n') else {
            // A line that was being written when the power went, or the program died.
            record.chain = Chain::CutShort { bytes: rest.len() };
            return record;
        };
        let (text, behind) = (&rest[..length], &rest[length + 1..]);
        if let Err(reason) = record.line(text) {
            record.chain = Chain::Broken { line: record.lines + 1, reason };
            return record;
        }
        record.lines += 1;
        record.head = Some(sha256(text));
        rest = behind;
    }
    if record.end.is_some() {
        record.chain = Chain::Whole;
    }
    record
}

impl Record {
    fn line(&mut self, text: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
        let opened = line::open(text)?;
        if opened.previous != self.head {
            return Err("it does not follow the line before it".to_owned());
        }
        if self.end.is_some() {
            return Err("it stands behind the end of the run".to_owned());
        }
        let is_first = self.lines == 0;
        if is_first != matches!(opened.line, Line::Header(_)) {
            return Err("only the first line is a header".to_owned());
        }
        self.last.clone_from(&opened.time);
        match opened.line {
            Line::Header(header) => {
                if header.version > Header::VERSION {
                    return Err(format!(
                        "it has version {}, written by a later vboxmcp (this reads {})",
                        header.version,
                        Header::VERSION
                    ));
                }
                self.started = opened.time;
                self.header = Some(*header);
            }
            Line::Plan { plan } => self.plan = Some(*plan),
            Line::Intent { steps, making } => {
                for step in steps {
                    self.steps.entry(step).or_default().announced.get_or_insert(opened.time.clone());
                }
                self.made.extend(making);
            }
            Line::Retry { step, reason } => self.steps.entry(step).or_default().retries.push(reason),
            Line::Result { step, outcome, milliseconds, before, made } => {
                let address = self.plan.as_ref().and_then(|plan| plan.made_by(step)).cloned();
                if let (Some(address), Some(made)) = (address, made) {
                    self.made.insert(address, made);
                }
                let trail = self.steps.entry(step).or_default();
                (trail.outcome, trail.milliseconds) = (Some(outcome), milliseconds);
                (trail.before, trail.made) = (before, made);
            }
            Line::End(end) => self.end = Some(*end),
            Line::Register { .. } | Line::Cancel { .. } => {}
        }
        Ok(())
    }
}
