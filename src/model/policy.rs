//! What the person who runs a plan permits.

use serde::{Deserialize, Serialize};

use super::danger::Dangers;

/// A bound on how much one run may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// That many objects.
    Count(u32),
    /// That share of the owned machines, in percent, rounded up.
    Percent(u32),
}

impl Limit {
    /// The number of objects that the limit allows among `owned`.
    pub fn allows(self, owned: usize) -> usize {
        match self {
            Self::Count(count) => count as usize,
            Self::Percent(percent) => (owned * percent as usize).div_ceil(100),
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl std::str::FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a limit: write a number (`2`) or a share (`50%`)");
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|p| *p <= 100).map(Self::Percent).ok_or_else(wrong),
            None => text.parse().map(Self::Count).map_err(|_| wrong()),
        }
    }
}

/// Bounds on one run. `destroy` is confirmed by the stack's name instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Objects whose data is deleted. Default 1.
    pub max_destroy_data: Limit,
    /// Machines whose guest stops. Default 50 %.
    pub max_downtime: Limit,
    /// Machines removed because they are no longer declared. Default 25 %.
    pub max_prune: Limit,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_destroy_data: Limit::Count(1),
            max_downtime: Limit::Percent(50),
            max_prune: Limit::Percent(25),
        }
    }
}

/// Permissions and bounds: inputs of a plan, and part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Dangers that are permitted for every object.
    pub allow: Dangers,
    /// Remove owned objects that are no longer declared and say `onRemove: delete`.
    pub prune: bool,
    /// Refuse the whole plan where a step is blocked.
    pub all_or_nothing: bool,
    /// Bounds on the run.
    pub limits: Limits,
}
