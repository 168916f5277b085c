//! The self-check of the settings reader: whether what is read of a machine is what VirtualBox says of it.
//!
//! What VirtualBox 7.2 writes is compared by this project's own tests, and believed. Of another VirtualBox a few machines of each layout are
//! compared before the first change, and again only when that VirtualBox is replaced. Layouts that are misread are asked for instead of
//! read, from then on, until `doctor` finds them well. The findings are kept in the state directory; without one, or where it cannot
//! be written, every apply looks again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Context, host, runs};
use crate::config::{Environment, HostChoice, Settings};
use crate::failure::{Failure, Kind};
use crate::host::checkup::{Comparison, Sample};

/// The series of VirtualBox whose files the tests of this project have compared.
const TESTED: &str = "7.2.";

/// What was found, of one VirtualBox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// The program, as it was.
    program: Option<Stamp>,
    /// Its version.
    pub version: String,
    /// Layouts that are read as VirtualBox tells them.
    pub trusted: BTreeSet<String>,
    /// Layouts that are not, with the first difference.
    pub distrusted: BTreeMap<String, String>,
}

/// A file as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    path: PathBuf,
    length: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(program: &Path) -> Option<Self> {
        let metadata = program.metadata().ok()?;
        Some(Self { path: program.to_owned(), length: metadata.len(), modified: metadata.modified().ok() })
    }
}

impl Findings {
    const FILE: &'static str = "reader.json";

    /// What was found of the VirtualBox that is there now; nothing where it is another one.
    pub fn load(state: &Path, settings: &Settings, environment: &Environment) -> Self {
        let text = std::fs::read(state.join(Self::FILE)).unwrap_or_default();
        let found: Self = serde_json::from_slice(&text).unwrap_or_default();
        let program = current(settings, environment);
        if program.is_some() && found.program == program {
            found
        } else {
            Self { program, ..Self::default() }
        }
    }

    fn save(&self, state: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(state)?;
        let mut file = tempfile::NamedTempFile::new_in(state)?;
        serde_json::to_writer(&mut file, self)?;
        file.persist(state.join(Self::FILE))?;
        Ok(())
    }

    /// Takes a comparison in. The layouts that this project has tested stay trusted: there, a machine that differs is one whose file was
    /// changed behind VirtualBox's back.
    fn take_in(&mut self, comparison: &Comparison) {
        for (name, layout) in &comparison.layouts {
            match layout.differences.first() {
                Some(difference) if !self.is_tested() => {
                    self.trusted.remove(name);
                    let reason = format!(
                        "settings files {name} of VirtualBox {} are not read right ({difference})",
                        self.version
                    );
                    self.distrusted.insert(name.clone(), reason);
                }
                _ if layout.machines > 0 => {
                    self.distrusted.remove(name);
                    self.trusted.insert(name.clone());
                }
                _ => {}
            }
        }
    }

    /// Whether the tests of this project have compared what this VirtualBox writes.
    pub fn is_tested(&self) -> bool {
        self.version.starts_with(TESTED)
    }
}

fn current(settings: &Settings, environment: &Environment) -> Option<Stamp> {
    Stamp::of(&host::vboxmanage(settings, environment).ok()?)
}

/// Compares what `sample` says, and remembers what came of it where there is a place.
pub fn compare(context: &Context, sample: Sample) -> Result<(Findings, Comparison), Failure> {
    let state = runs::state_folder(context)?;
    let mut findings = state.as_deref().map_or_else(Findings::default, |state| {
        Findings::load(state, &context.settings, &context.environment)
    });
    findings.version = context.host.version()?.unwrap_or_default();
    let comparison = context.host.compare(sample)?;
    findings.take_in(&comparison);
    if let Some(state) = &state {
        // Nothing depends on it: the next run compares again.
        let _ = findings.save(state);
    }
    Ok((findings, comparison))
}

/// Before the first change: refuses where what was read may not be what is there. Costs a few file reads once a VirtualBox is known.
pub fn before_changes(context: &Context) -> Result<(), Failure> {
    if matches!(context.settings.host, HostChoice::Sim(_)) {
        return Ok(());
    }
    let Some(state) = runs::state_folder(context)? else { return Ok(()) };
    let mut findings = Findings::load(&state, &context.settings, &context.environment);
    if findings.version.is_empty() {
        let version = context.host.version().map_err(|error| {
            let hint = error.hint();
            let failure = Failure::new(Kind::Unreachable, error);
            hint.into_iter().fold(failure, Failure::hint)
        })?;
        findings.version = version.unwrap_or_default();
        let _ = findings.save(&state);
    }
    if findings.is_tested() {
        return Ok(());
    }
    let known =
        |layout: &String| findings.trusted.contains(layout) || findings.distrusted.contains_key(layout);
    if context.host.layouts()?.iter().all(known) {
        return Ok(());
    }
    let before = findings.distrusted.clone();
    let (findings, _) = compare(context, Sample::Few)?;
    match findings.distrusted.iter().find(|(layout, _)| !before.contains_key(*layout)) {
        None => Ok(()),
        Some((_, reason)) => Err(Failure::new(Kind::Stale, format!("{reason}; nothing was done")).hint(
            "plan again: from now on VirtualBox is asked about such machines, which is slower and tells less",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::Findings;
    use crate::host::checkup::{Comparison, Difference, Layout};

    fn comparison(layout: &str, machines: usize, differences: usize) -> Comparison {
        let difference = Difference {
            machine: uuid::Uuid::nil(),
            name: "db".to_owned(),
            field: "memory".parse().unwrap(),
            read: "64".to_owned(),
            told: "32".to_owned(),
        };
        let layout_found = Layout { machines, differences: vec![difference; differences] };
        Comparison { layouts: [(layout.to_owned(), layout_found)].into(), left_out: 0 }
    }

    #[test]
    fn a_misread_layout_is_distrusted_until_it_is_found_well() {
        let mut findings = Findings { version: "7.3.0r1".to_owned(), ..Findings::default() };
        findings.take_in(&comparison("1.21", 2, 1));
        assert_eq!(
            findings.distrusted["1.21"],
            "settings files 1.21 of VirtualBox 7.3.0r1 are not read right (\"db\": memory: its file says 64, VirtualBox 32)"
        );
        findings.take_in(&comparison("1.21", 0, 0));
        assert!(findings.trusted.is_empty() && findings.distrusted.contains_key("1.21"));
        findings.take_in(&comparison("1.21", 2, 0));
        assert!(findings.trusted.contains("1.21") && findings.distrusted.is_empty());
    }

    #[test]
    fn a_layout_that_was_tested_is_read_whatever_one_machine_says() {
        let mut findings = Findings { version: "7.2.22r1".to_owned(), ..Findings::default() };
        findings.take_in(&comparison("1.19", 2, 1));
        assert!(findings.distrusted.is_empty());
    }

    #[test]
    fn findings_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let findings = Findings { version: "7.1.0".to_owned(), ..Findings::default() };
        findings.save(&state).unwrap();
        let text = std::fs::read_to_string(state.join(Findings::FILE)).unwrap();
        assert_eq!(serde_json::from_str::<Findings>(&text).unwrap(), findings);
    }
}
