//! Which of the declared objects a run is about (`--target`, `--exclude`, `-l`).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::pattern::Pattern;

/// A choice among declared objects. The empty one means all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// Objects that one of these means; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target: Vec<Pattern>,
    /// But none that one of these means.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Pattern>,
    /// And only those whose labels fit all of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<LabelTerm>,
}

impl Selection {
    /// Whether everything is meant.
    pub fn is_all(&self) -> bool {
        self.target.is_empty() && self.exclude.is_empty() && self.labels.is_empty()
    }

    /// Whether an object is meant by itself.
    pub fn chooses(&self, address: &Address, labels: &BTreeMap<String, String>) -> bool {
        (self.target.is_empty() || self.target.iter().any(|pattern| pattern.matches(address)))
            && self.labels.iter().all(|term| term.fits(labels))
            && !self.excludes(address)
    }

    /// Whether an object is left out, whoever needs it.
    pub fn excludes(&self, address: &Address) -> bool {
        self.exclude.iter().any(|pattern| pattern.matches(address))
    }
}

/// One condition on labels, as `kubectl -l` has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum LabelTerm {
    /// `key`: there is such a label.
    Has(String),
    /// `!key`: there is none.
    Lacks(String),
    /// `key=value`
    Is(String, String),
    /// `key!=value`: it is another one, or there is none.
    IsNot(String, String),
}

impl LabelTerm {
    fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::Has(key) => labels.contains_key(key),
            Self::Lacks(key) => !labels.contains_key(key),
            Self::Is(key, value) => labels.get(key) == Some(value),
            Self::IsNot(key, value) => labels.get(key) != Some(value),
        }
    }
}

impl FromStr for LabelTerm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let term = if let Some((key, value)) = text.split_once("!=") {
            Self::IsNot(key.trim().to_owned(), value.trim().to_owned())
        } else if let Some((key, value)) = text.split_once('=') {
            Self::Is(key.trim().to_owned(), value.trim_start_matches('=').trim().to_owned())
        } else if let Some(key) = text.strip_prefix('!') {
            Self::Lacks(key.trim().to_owned())
        } else {
            Self::Has(text.to_owned())
        };
        let (Self::Has(key) | Self::Lacks(key) | Self::Is(key, _) | Self::IsNot(key, _)) = &term;
        if key.is_empty() {
            return Err("write KEY, !KEY, KEY=VALUE or KEY!=VALUE".to_owned());
        }
        Ok(term)
    }
}

impl fmt::Display for LabelTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Has(key) => write!(f, "{key}"),
            Self::Lacks(key) => write!(f, "!{key}"),
            Self::Is(key, value) => write!(f, "{key}={value}"),
            Self::IsNot(key, value) => write!(f, "{key}!={value}"),
        }
    }
}

impl TryFrom<String> for LabelTerm {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<LabelTerm> for String {
    fn from(term: LabelTerm) -> Self {
        term.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_chosen_as_kubectl_does() {
        let labels = BTreeMap::from([("tier".to_owned(), "web".to_owned())]);
        let fits = |term: &str| term.parse::<LabelTerm>().unwrap().fits(&labels);
        assert!(fits("tier") && fits("tier=web") && fits("tier==web") && fits("tier!=db") && fits("!zone"));
        assert!(!fits("zone") && !fits("tier=db") && !fits("tier!=web") && !fits("!tier"));
        assert!(fits("zone!=a"));
        assert!("".parse::<LabelTerm>().is_err() && "=x".parse::<LabelTerm>().is_err());
    }

    #[test]
    fn what_is_excluded_is_not_chosen() {
        let selection = Selection {
            target: vec!["web-*".parse().unwrap()],
            exclude: vec!["web-2".parse().unwrap()],
            labels: Vec::new(),
        };
        let chooses = |name: &str| selection.chooses(&Address::machine(name), &BTreeMap::new());
        assert!(chooses("web-1") && !chooses("web-2") && !chooses("db"));
        assert!(Selection::default().is_all() && !selection.is_all());
    }

    #[test]
    fn a_journal_keeps_it() {
        let selection = Selection {
            target: vec!["disk/*".parse().unwrap()],
            exclude: Vec::new(),
            labels: vec!["tier!=db".parse().unwrap()],
        };
        let text = serde_json::to_string(&selection).unwrap();
        assert_eq!(text, r#"{"target":["disk/*"],"labels":["tier!=db"]}"#);
        assert_eq!(serde_json::from_str::<Selection>(&text).unwrap(), selection);
    }
}
