//! What a step may do to a guest or its data, and the permission words, which are the same words.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One danger. The order is the order of severity; no danger implies another one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Danger {
    /// A guest stops running, for a while or for good, cleanly: ACPI shutdown and start, save, pause.
    Downtime,
    /// A guest is switched off.
    PowerCut,
    /// A saved state is thrown away.
    DiscardState,
    /// A machine goes back to a snapshot.
    Revert,
    /// A disk, snapshot or machine is deleted.
    DestroyData,
}

/// A set of dangers. Empty is the word `none`.
pub type Dangers = BTreeSet<Danger>;

impl Danger {
    /// All words, least severe first.
    pub const ALL: [Self; 5] =
        [Self::Downtime, Self::PowerCut, Self::DiscardState, Self::Revert, Self::DestroyData];

    /// The word of `--allow`, `lifecycle.allow` and the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Downtime => "downtime",
            Self::PowerCut => "power-cut",
            Self::DiscardState => "discard-state",
            Self::Revert => "revert",
            Self::DestroyData => "destroy-data",
        }
    }

    /// What it means, in one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Downtime => "a guest stops running, for a while or for good, cleanly",
            Self::PowerCut => "a guest is switched off",
            Self::DiscardState => "a saved state is thrown away",
            Self::Revert => "a machine goes back to a snapshot",
            Self::DestroyData => "a disk, snapshot or machine is deleted",
        }
    }
}

impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that names no danger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a danger (downtime, power-cut, discard-state, revert, destroy-data)")]
pub struct UnknownDanger(pub String);

impl FromStr for Danger {
    type Err = UnknownDanger;

    fn from_str(word: &str) -> Result<Self, UnknownDanger> {
        Self::ALL
            .into_iter()
            .find(|danger| danger.word() == word)
            .ok_or_else(|| UnknownDanger(word.to_owned()))
    }
}
