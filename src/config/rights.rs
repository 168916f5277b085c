//! What agents may do. Only the configuration says it: nothing that an agent sends does.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::model::{Danger, Dangers};

/// How far a client may go. Each tier includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Look at what is there.
    Observe,
    /// Make plans, for somebody else to apply.
    #[default]
    Plan,
    /// Apply approved plans that endanger nothing.
    ApplySafe,
    /// Apply approved plans that stop guests cleanly.
    ApplyDowntime,
    /// Apply approved plans with other dangers, each of which must have been granted.
    ApplyDestroy,
}

impl Tier {
    const ALL: [Self; 5] =
        [Self::Observe, Self::Plan, Self::ApplySafe, Self::ApplyDowntime, Self::ApplyDestroy];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Plan => "plan",
            Self::ApplySafe => "apply-safe",
            Self::ApplyDowntime => "apply-downtime",
            Self::ApplyDestroy => "apply-destroy",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Tier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|tier| tier.word() == text);
        found.ok_or_else(|| format!("`{text}` is not a tier ({})", Self::ALL.map(Self::word).join(", ")))
    }
}

/// What a client may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// How far it may go.
    pub tier: Tier,
    /// Dangers beyond downtime that it may use, at [`Tier::ApplyDestroy`].
    pub grant: Dangers,
}

impl Rights {
    /// Dangers of a plan that these rights do not cover. Says nothing of whether plans may be applied at all.
    pub fn lacking(&self, dangers: &Dangers) -> Dangers {
        let covers = |danger: &&Danger| match danger {
            Danger::Downtime => self.tier >= Tier::ApplyDowntime,
            danger => self.tier >= Tier::ApplyDestroy && self.grant.contains(danger),
        };
        dangers.iter().filter(|danger| !covers(danger)).copied().collect()
    }
}

/// One client that is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// What it may do.
    pub rights: Rights,
    /// SHA-256 of the token by which it is known over HTTP, in hexadecimal.
    pub token: Option<String>,
}

/// `[mcp]` of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentSettings {
    /// What clients may do that are not named.
    pub others: Rights,
    /// Clients by name.
    pub clients: BTreeMap<String, Client>,
    /// Folders that a submitted manifest may name paths in, besides its own root.
    pub allow_paths: Vec<PathBuf>,
}

impl AgentSettings {
    /// What a client may do.
    pub fn rights(&self, client: &str) -> &Rights {
        self.clients.get(client).map_or(&self.others, |client| &client.rights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dangers_beyond_downtime_are_granted_word_by_word() {
        let rights = |tier, grant: &[Danger]| Rights { tier, grant: grant.iter().copied().collect() };
        let all: Dangers = Danger::ALL.into();
        let down: Dangers = [Danger::Downtime].into();
        assert_eq!(rights(Tier::ApplySafe, &[]).lacking(&Dangers::new()), Dangers::new());
        assert_eq!(rights(Tier::ApplySafe, &[]).lacking(&down), down);
        assert_eq!(rights(Tier::ApplyDowntime, &[]).lacking(&down), Dangers::new());
        let without: Dangers = all.iter().copied().filter(|danger| *danger != Danger::Downtime).collect();
        assert_eq!(rights(Tier::ApplyDestroy, &[]).lacking(&all), without);
        let some = rights(Tier::ApplyDestroy, &[Danger::Revert, Danger::PowerCut]);
        assert_eq!(some.lacking(&all), [Danger::DiscardState, Danger::DestroyData].into());
    }

    #[test]
    fn tiers_are_ordered_and_named() {
        for pair in Tier::ALL.windows(2) {
            assert!(pair[0] < pair[1]);
        }
        assert_eq!("apply-safe".parse(), Ok(Tier::ApplySafe));
        assert!("root".parse::<Tier>().unwrap_err().contains("observe, plan"));
        assert_eq!(Rights::default().tier, Tier::Plan);
    }
}
