//! Who asks, and what that one may do.

use crate::config::{Rights, Tier};
use crate::failure::{Failure, Kind};
use crate::model::{Danger, Dangers};
use crate::render::text::printable;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Name of the client.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it may do.
    pub rights: Rights,
}

/// Clients call themselves what they like: this much of it is kept.
const MOST_NAME: usize = 64;

impl Caller {
    /// A caller.
    pub fn new(name: &str, version: &str, rights: Rights) -> Self {
        let short = |text: &str| printable(text).chars().take(MOST_NAME).collect();
        Self { name: short(name), version: short(version), rights }
    }

    /// Whether it may do what needs a tier.
    pub fn expect(&self, tier: Tier, what: &str) -> Result<(), Failure> {
        if self.rights.tier >= tier {
            return Ok(());
        }
        Err(self
            .refused(format!("`{what}` needs tier `{tier}`, and {} is at `{}`", self.name, self.rights.tier)))
    }

    /// Whether it may apply a plan with these dangers, if a person approves it.
    pub fn expect_apply(&self, dangers: &Dangers) -> Result<(), Failure> {
        self.expect(Tier::ApplySafe, "apply")?;
        let lacking: Vec<&str> = self.rights.lacking(dangers).into_iter().map(Danger::word).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let (lacking, name) = (lacking.join(", "), &self.name);
        Err(self.refused(format!(
            "the plan contains {lacking}, which {name} may not use (tier `{}`)",
            self.rights.tier
        )))
    }

    fn refused(&self, text: String) -> Failure {
        Failure::new(Kind::Refused, text)
            .hint(format!(
                "a person can apply it in a terminal, or raise the tier under [mcp.clients.\"{}\"] in vboxmcp.toml and restart \
                 this server",
                self.name
            ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_is_a_ceiling() {
        let caller = |tier, grant: &[Danger]| {
            Caller::new("agent", "1", Rights { tier, grant: grant.iter().copied().collect() })
        };
        let destroy = [Danger::Downtime, Danger::DestroyData].into();
        assert!(caller(Tier::Observe, &[]).expect(Tier::Plan, "plan").is_err());
        assert!(caller(Tier::Plan, &[]).expect_apply(&Dangers::new()).is_err());
        assert!(caller(Tier::ApplySafe, &[]).expect_apply(&Dangers::new()).is_ok());
        let failure = caller(Tier::ApplyDowntime, &[]).expect_apply(&destroy).unwrap_err();
        assert_eq!(failure.kind, Kind::Refused);
        assert!(failure.to_string().contains("destroy-data, which agent may not use"), "{failure}");
        assert!(caller(Tier::ApplyDestroy, &[]).expect_apply(&destroy).is_err());
        assert!(caller(Tier::ApplyDestroy, &[Danger::DestroyData]).expect_apply(&destroy).is_ok());
    }

    #[test]
    fn names_are_short_and_printable() {
        let caller = Caller::new(&format!("a\u{1b}[2J\n{}", "x".repeat(500)), "1", Rights::default());
        assert!(caller.name.starts_with("a\\u{1b}[2J\\n") && caller.name.chars().count() == 64);
    }
}
