//! The form of a case.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use vboxmcp::config::Overrides;
use vboxmcp::host::sim::ByHand;
use vboxmcp::model::{Danger, StackName};

/// One scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// One sentence: what must be so.
    pub title: String,
    /// Folders of the host that manifests may share, below the manifests' own.
    #[serde(default)]
    pub folders: Vec<PathBuf>,
    /// Image files, beside the manifests.
    #[serde(default)]
    pub images: Vec<PathBuf>,
    /// What has happened before.
    #[serde(default)]
    pub given: Vec<Step>,
    /// What is run, in order: there, and back.
    pub runs: Vec<Run>,
    /// Why it cannot play on a real VirtualBox.
    #[serde(default)]
    #[allow(dead_code, reason = "the suite on the simulated host plays all, and only the laboratory asks")]
    pub only_simulated: Option<String>,
}

/// One step before.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// vboxmcp.
    Run(Run),
    /// Somebody with VBoxManage.
    Hand(ByHand),
}

/// What is asked of vboxmcp.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verb {
    /// `plan` and `apply`.
    #[default]
    Apply,
    /// `adopt` of addresses.
    Adopt(Vec<String>),
    /// `revert` to a snapshot, of all machines that have it.
    Revert(String),
    /// `doctor --fix`
    Repair,
    /// `destroy`
    Destroy {
        /// With `--all`.
        all: bool,
    },
}

/// One run of vboxmcp.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches of the command line")]
pub struct Run {
    /// The manifests; none is those of the run before.
    #[serde(default)]
    pub manifests: Option<String>,
    /// What is asked.
    #[serde(default)]
    pub verb: Verb,
    /// `--allow`
    #[serde(default)]
    pub allow: Vec<Danger>,
    /// `--prune`
    #[serde(default)]
    pub prune: bool,
    /// `--all-or-nothing`
    #[serde(default)]
    pub all_or_nothing: bool,
    /// `--stack`
    #[serde(default)]
    pub stack: Option<String>,
    /// `--var`
    #[serde(default)]
    pub vars: Vec<(String, String)>,
    /// `--max-destroy-data`
    #[serde(default)]
    pub max_destroy_data: Option<String>,
    /// `--max-downtime`
    #[serde(default)]
    pub max_downtime: Option<String>,
    /// `--max-prune`
    #[serde(default)]
    pub max_prune: Option<String>,
    /// The plan is not applied.
    #[serde(default)]
    pub only_plan: bool,
    /// Something is left to do.
    #[serde(default)]
    pub unsettled: bool,
    /// The exit code.
    #[serde(default)]
    pub exit: u8,
}

impl Case {
    /// Reads a case.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

impl Run {
    /// What the command line says.
    pub fn overrides(&self) -> Overrides {
        let limit = |text: &Option<String>| text.as_ref().map(|text| text.parse().unwrap());
        Overrides {
            allow: self.allow.iter().copied().collect(),
            prune: self.prune,
            all_or_nothing: self.all_or_nothing,
            stack: self.stack.as_ref().map(|name| StackName::new(name.clone()).unwrap()),
            variables: self.vars.clone(),
            max_destroy_data: limit(&self.max_destroy_data),
            max_downtime: limit(&self.max_downtime),
            max_prune: limit(&self.max_prune),
            ..Overrides::default()
        }
    }

    /// The command line, as a person would type it.
    pub fn command(&self) -> String {
        let mut words = vec!["vboxmcp".to_owned()];
        match &self.verb {
            Verb::Apply if self.only_plan => words.push("plan".to_owned()),
            Verb::Apply => words.push("apply".to_owned()),
            Verb::Adopt(addresses) => {
                words.push("adopt".to_owned());
                words.extend(addresses.iter().cloned());
            }
            Verb::Revert(snapshot) => {
                words.push("revert".to_owned());
                words.push(snapshot.clone());
                words.push("-f".to_owned());
            }
            Verb::Repair => words.push("doctor --fix".to_owned()),
            Verb::Destroy { all } => {
                words.push("destroy".to_owned());
                words.extend(all.then(|| "--all".to_owned()));
            }
        }
        words.extend((self.verb != Verb::Repair).then(|| "lab.yaml".to_owned()));
        if !self.allow.is_empty() {
            let allow: Vec<&str> = self.allow.iter().map(|danger| danger.word()).collect();
            words.push(format!("--allow {}", allow.join(",")));
        }
        words.extend(self.prune.then(|| "--prune".to_owned()));
        words.extend(self.all_or_nothing.then(|| "--all-or-nothing".to_owned()));
        words.extend(self.stack.as_ref().map(|stack| format!("--stack {stack}")));
        words.extend(self.vars.iter().map(|(name, value)| format!("--var {name}={value}")));
        for (flag, value) in [
            ("--max-destroy-data", &self.max_destroy_data),
            ("--max-downtime", &self.max_downtime),
            ("--max-prune", &self.max_prune),
        ] {
            words.extend(value.as_ref().map(|value| format!("{flag} {value}")));
        }
        words.join(" ")
    }
}
