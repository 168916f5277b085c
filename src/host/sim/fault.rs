//! Faults that a test injects: what goes wrong at which action. Deterministic.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What goes wrong with one action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// Nothing is done, and the error says so: VirtualBox's server was leaving.
    NotExecuted,
    /// It is refused: another client holds the machine.
    Refused,
    /// It is done, and then reported as failed.
    FailedAfterwards,
    /// It is done twice.
    Twice,
    /// It hangs before it does anything, until it is cancelled.
    Hangs,
    /// It is done, and hangs until it is cancelled.
    HangsAfterwards,
    /// It is done, and no answer comes back.
    ReplyLost,
    /// The program dies before it: nothing happens any more.
    DiesBefore,
    /// The program dies after it.
    DiesAfterwards,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::NotExecuted,
        Self::Refused,
        Self::FailedAfterwards,
        Self::Twice,
        Self::Hangs,
        Self::HangsAfterwards,
        Self::ReplyLost,
        Self::DiesBefore,
        Self::DiesAfterwards,
    ];
}

/// Faults by the number of the action, from 0, counted in the order in which the host is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultPlan {
    at: BTreeMap<u64, Fault>,
    every: Option<Fault>,
}

impl FaultPlan {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// One action goes wrong.
    pub fn at(action: u64, fault: Fault) -> Self {
        Self::none().and_at(action, fault)
    }

    /// Every action goes wrong in the same way.
    pub fn every(fault: Fault) -> Self {
        Self { at: BTreeMap::new(), every: Some(fault) }
    }

    /// One action more goes wrong.
    #[must_use]
    pub fn and_at(mut self, action: u64, fault: Fault) -> Self {
        self.at.insert(action, fault);
        self
    }

    /// What goes wrong with an action.
    pub fn of(&self, action: u64) -> Option<Fault> {
        self.at.get(&action).copied().or(self.every)
    }
}
