//! Patterns that choose objects by their addresses (`vm/web-*`, `web-1`, `disk/*.data`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::address::{Address, MachineName};

/// A pattern over addresses: `*` stands for any characters, `?` for one. Without a kind in front it means machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Whether an address is meant.
    pub fn matches(&self, address: &Address) -> bool {
        glob(&self.0, &address.to_string())
    }

    /// The pattern of one object. A name may have `*` in it, which then stands for itself and for others like it.
    pub fn of(address: &Address) -> Self {
        Self(address.to_string())
    }

    /// The one address that it can mean; `None` where it has `*` or `?`.
    pub fn exact(&self) -> Option<Address> {
        if self.0.contains(['*', '?']) { None } else { self.0.parse().ok() }
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("write an address (vm/NAME) or a pattern (`vm/web-*`)".to_owned());
        }
        let has_kind = ["vm/", "disk/", "net/", "snapshot/"].iter().any(|kind| text.starts_with(kind))
            // Any kind of object, by name.
            || text.starts_with("*/");
        Ok(Self(if has_kind {
            text.to_owned()
        } else {
            Address::Machine(MachineName::new(text)).to_string()
        }))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a whole text fits a pattern. Backtracks to the last `*` only, so that no pattern is slow.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, address: &str) -> bool {
        pattern.parse::<Pattern>().unwrap().matches(&address.parse().unwrap())
    }

    #[test]
    fn a_word_without_a_kind_means_machines() {
        assert!(fits("web-1", "vm/web-1"));
        assert!(!fits("web-1", "vm/web-10"));
        assert!(!fits("data", "disk/data"));
        assert!(fits("*/data", "disk/data"));
    }

    #[test]
    fn stars_stand_for_anything_and_never_for_more_than_the_pattern_allows() {
        assert!(fits("web-*", "vm/web-10"));
        assert!(fits("vm/*-1", "vm/web-1-1"));
        assert!(fits("disk/*.data", "disk/db.data"));
        assert!(!fits("vm/*", "disk/db.data"));
        assert!(fits("w?b", "vm/web"));
        assert!(!fits("w?b", "vm/wb"));
        assert!(fits("**", "vm/x"));
    }

    #[test]
    fn only_a_pattern_without_stars_is_exact() {
        assert_eq!("web".parse::<Pattern>().unwrap().exact(), Some(Address::machine("web")));
        assert_eq!("we*".parse::<Pattern>().unwrap().exact(), None);
    }
}
