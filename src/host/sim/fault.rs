//! Faults that a test injects: what goes wrong at which action, and what somebody else does meanwhile. Deterministic.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ByHand;

/// What goes wrong with one action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// Nothing is done, and the error says so: VirtualBox's server was leaving.
    NotExecuted,
    /// It is refused: another client holds the machine.
    Refused,
    /// It is refused: VirtualBox does not like a value.
    RefusedValue,
    /// It is refused: VirtualBox cannot write its files.
    HostBroken,
    /// VBoxManage cannot be started.
    NoProgram,
    /// It is done, and then reported as failed.
    FailedAfterwards,
    /// Half of it is done, and it is reported as failed.
    FailedHalfway,
    /// Nothing is done, and it is reported as done.
    FalseSuccess,
    /// It is done twice.
    Twice,
    /// It hangs before it does anything, until it is cancelled.
    Hangs,
    /// It is done, and hangs until it is cancelled.
    HangsAfterwards,
    /// Nothing is done, and the deadline passes.
    NoReply,
    /// It is done, and the deadline passes before an answer comes back.
    ReplyLost,
    /// The server dies before it does anything: VBoxManage cannot tell.
    ServerGone,
    /// The server dies when it has done it: VBoxManage cannot tell.
    ServerGoneAfterwards,
    /// The program dies before it: nothing happens any more.
    DiesBefore,
    /// The program dies when half of it is done.
    DiesHalfway,
    /// The program dies after it.
    DiesAfterwards,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::NotExecuted,
        Self::Refused,
        Self::RefusedValue,
        Self::HostBroken,
        Self::NoProgram,
        Self::FailedAfterwards,
        Self::FailedHalfway,
        Self::FalseSuccess,
        Self::Twice,
        Self::Hangs,
        Self::HangsAfterwards,
        Self::NoReply,
        Self::ReplyLost,
        Self::ServerGone,
        Self::ServerGoneAfterwards,
        Self::DiesBefore,
        Self::DiesHalfway,
        Self::DiesAfterwards,
    ];

    /// Whether it goes on until somebody cancels it.
    pub fn waits(self) -> bool {
        matches!(self, Self::Hangs | Self::HangsAfterwards)
    }
}

/// What goes wrong, by the number of the action, from 0, counted in the order in which the host is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultPlan {
    at: BTreeMap<u64, Fault>,
    every: Option<Fault>,
    before: BTreeMap<u64, ByHand>,
    after: BTreeMap<u64, ByHand>,
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
        Self { every: Some(fault), ..Self::none() }
    }

    /// One action more goes wrong.
    #[must_use]
    pub fn and_at(mut self, action: u64, fault: Fault) -> Self {
        self.at.insert(action, fault);
        self
    }

    /// Somebody else does something between the moment in which an action was decided on and the action.
    #[must_use]
    pub fn and_before(mut self, action: u64, hand: ByHand) -> Self {
        self.before.insert(action, hand);
        self
    }

    /// Somebody else does something right after an action, before anybody looks at what came of it.
    #[must_use]
    pub fn and_after(mut self, action: u64, hand: ByHand) -> Self {
        self.after.insert(action, hand);
        self
    }

    /// What goes wrong with an action.
    pub fn of(&self, action: u64) -> Option<Fault> {
        self.at.get(&action).copied().or(self.every)
    }

    /// What somebody else does right before an action.
    pub fn before(&self, action: u64) -> Option<&ByHand> {
        self.before.get(&action)
    }

    /// What somebody else does right after an action.
    pub fn after(&self, action: u64) -> Option<&ByHand> {
        self.after.get(&action)
    }
}
