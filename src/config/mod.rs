//! Settings of one run: flags over environment over `vboxmcp.toml` over defaults.
//!
//! May hold: the process environment (read once, here and nowhere else), the configuration file, and the rules by which
//! the four sources become one [`Settings`].

mod environment;
mod file;
mod rights;
mod settings;

use std::ops::Range;
use std::path::PathBuf;

pub use environment::Environment;
pub use file::{FILE_NAME, FileSettings};
pub use rights::{AgentSettings, Rights, Tier};
pub use settings::{ColorChoice, HostChoice, Output, Overrides, Settings, Variable};

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file could not be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The configuration file has mistakes.
    #[error("{} has {} mistake{}", name, mistakes.len(), if mistakes.len() == 1 { "" } else { "s" })]
    File {
        /// The file as people call it.
        name: String,
        /// All of it.
        text: String,
        /// What is wrong with it.
        mistakes: Vec<Mistake>,
    },
    /// A variable of the environment, or a flag that only the file's rules can check.
    #[error("{name}: {reason}")]
    Value {
        /// `VBOXMCP_ALLOW`, `--host`.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// One mistake in the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Bytes of the text.
    pub span: Range<usize>,
    /// One sentence without a full stop.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

/// The nearest of the words that would have been right, for `did you mean`.
fn nearest<'a>(given: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |word: &str| word.to_lowercase().replace('-', "_");
    let allowed = given.chars().count().div_ceil(3);
    words
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&fold(given), &fold(word)), word))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}
