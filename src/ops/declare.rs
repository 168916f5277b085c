//! Manifests to a declaration.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::thread;

use super::{Context, Memory, settle};
use crate::apply::journal::{Origin, RecordedVariable};
use crate::config::{Environment, Settings};
use crate::failure::{Failure, Kind};
use crate::inventory::Inventory;
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::{self, LoadRequest, LowerContext, VariableValue};
use crate::model::{Desired, Selection};
use crate::threads;

/// Which manifests are meant.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    /// Files, directories and `-`; none means what the configuration names.
    pub paths: Vec<PathBuf>,
    /// What standard input holds, where `paths` has `-`.
    pub stdin: Option<Vec<u8>>,
    /// Which of their objects a plan is about.
    pub selection: Selection,
}

/// A declaration and what there is to say about it.
#[derive(Debug)]
pub struct Declared {
    /// What is declared.
    pub desired: Desired,
    /// Warnings and notes, with the texts that they point into.
    pub findings: Diagnostics,
    /// Which of it a plan is about.
    pub selection: Selection,
    /// What it was made from, for the journal: no secrets.
    pub origin: Origin,
}

impl Manifests {
    /// Reads and lowers. All mistakes are in one failure.
    pub fn declare(
        &self,
        settings: &Settings,
        environment: &Environment,
        home: Option<PathBuf>,
        root: Option<&Path>,
        placeholders: bool,
        memory: &Memory,
    ) -> Result<Declared, Failure> {
        let paths = if self.paths.is_empty() { settings.manifests.clone() } else { self.paths.clone() };
        let loaded = manifest::load(&LoadRequest {
            paths: paths.clone(),
            stdin: self.stdin.clone(),
            cwd: environment.directory.clone(),
        });
        let variables = settings.variables.iter().map(|variable| VariableValue {
            name: variable.name.clone(),
            value: variable.value.clone(),
            origin: variable.origin.clone(),
            base: variable.base.clone(),
        });
        let context = LowerContext {
            variables: variables.collect(),
            stack: settings.stack.clone(),
            home,
            rebase: root.map(|root| (environment.directory.clone(), root.to_owned())),
            within: settings.within.clone(),
            placeholders,
        };
        let (mut desired, findings) = memory.lower(&loaded, &context).map_err(Failure::manifest)?;
        for path in &mut desired.paths {
            if let Some((root, below)) = root.zip(path.strip_prefix(&environment.directory).ok()) {
                // An empty path would leave a separator at the end.
                *path = if below.as_os_str().is_empty() { root.to_owned() } else { root.join(below) };
            }
        }
        let selection = self.selection.clone();
        let origin = origin(&paths, settings, environment, &manifest::sensitive_variables(&loaded));
        let origin = Origin { selection: selection.clone(), ..origin };
        Ok(Declared { desired, findings, selection, origin })
    }

    /// Whether there are any: where no paths are given, the place that is looked at may hold none, or be no place for them.
    pub fn found(&self, context: &Context) -> bool {
        if !self.paths.is_empty() {
            return true;
        }
        let loaded = manifest::load(&LoadRequest {
            paths: context.settings.manifests.clone(),
            stdin: None,
            cwd: context.environment.directory.clone(),
        });
        let is_none = |code: &str| matches!(code, "no-documents" | "file-not-found");
        !loaded.documents.is_empty() || !loaded.diagnostics.iter().all(|one| is_none(one.code))
    }

    /// As [`Self::declare`], and refuses words that this version cannot apply.
    pub fn declare_for(&self, context: &Context, inventory: &Inventory) -> Result<Declared, Failure> {
        let (home, root) = (inventory.host.owner_home.clone(), inventory.host.root.as_deref());
        let declared = self.declare_at(context, home, root)?;
        Self::applicable(context, declared, inventory)
    }

    /// As [`Self::declare_for`], and reads the host, at the same time where it can be: VirtualBox is asked, or files are read, while manifests
    /// are.
    pub fn declare_and(
        &self,
        context: &Context,
        read: impl FnOnce() -> Result<Inventory, Failure>,
    ) -> Result<(Inventory, Declared), Failure> {
        let Some(home) = context.host.owner_home() else {
            let inventory = read()?;
            let declared = self.declare_for(context, &inventory)?;
            return Ok((inventory, declared));
        };
        let (inventory, declared) = thread::scope(|scope| {
            let declared = threads::start(scope, || self.declare_at(context, home, None));
            let inventory = read();
            (inventory, threads::join(declared))
        });
        let inventory = inventory?;
        let declared = Self::applicable(context, declared?, &inventory)?;
        Ok((inventory, declared))
    }

    fn declare_at(&self, context: &Context, home: PathBuf, root: Option<&Path>) -> Result<Declared, Failure> {
        let home = Some(home).filter(|home| !home.as_os_str().is_empty());
        self.declare(&context.settings, &context.environment, home, root, false, &context.memory)
    }

    /// Refuses words that this version cannot apply; settles what a declaration leaves to the machine.
    fn applicable(
        context: &Context,
        mut declared: Declared,
        inventory: &Inventory,
    ) -> Result<Declared, Failure> {
        if declared.desired.unsupported.is_empty() {
            settle::settle(context, &mut declared, inventory)?;
            return Ok(declared);
        }
        let places: Vec<String> = declared
            .desired
            .unsupported
            .iter()
            .map(|word| format!("{}: {}", word.source, word.what))
            .collect();
        let count = places.len();
        Err(Failure::new(
            Kind::Manifest,
            format!(
                "this version validates {} and cannot apply {} yet:\n  {}",
                if count == 1 { "a word".to_owned() } else { format!("{count} words") },
                if count == 1 { "it" } else { "them" },
                places.join("\n  ")
            ),
        )
        .hint("README.md says what works today"))
    }
}

/// What a declaration is made from. Of sensitive variables it says only that they were set.
fn origin(
    paths: &[PathBuf],
    settings: &Settings,
    environment: &Environment,
    sensitive: &BTreeSet<String>,
) -> Origin {
    let absolute = |path: &PathBuf| {
        let is_stdin = path.as_os_str() == manifest::load::STDIN;
        if is_stdin { path.clone() } else { environment.directory.join(path) }
    };
    let recorded = settings.variables.iter().map(|variable| RecordedVariable {
        name: variable.name.clone(),
        origin: variable.origin.clone(),
        value: (!sensitive.contains(&variable.name)).then(|| variable.value.clone()),
        base: variable.base.clone(),
    });
    Origin {
        directory: environment.directory.clone(),
        paths: paths.iter().map(absolute).collect(),
        variables: recorded.collect(),
        stack: settings.stack.clone(),
        stack_typed: settings.stack_typed,
        ..Origin::default()
    }
}
