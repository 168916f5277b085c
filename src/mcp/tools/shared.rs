//! What several tools take or say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::desk::Desk;
use crate::config::{Environment, Settings, Variable};
use crate::failure::Failure;
use crate::ops::{Context, Diagnostics, Manifests};

/// The manifests of a call.
#[derive(Deserialize, JsonSchema)]
pub struct Declaration {
    /// YAML documents. Relative paths in them start at the server's root.
    #[serde(default)]
    manifest: Option<String>,
    /// Files or directories below the server's root. Without these and `manifest`: what vboxmcp.toml names.
    #[serde(default)]
    paths: Vec<PathBuf>,
    /// Values of the variables that the Stack document declares.
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

impl Declaration {
    /// The manifests, checked to be where they may be.
    pub fn manifests(&mut self, desk: &Desk) -> Result<Manifests, Failure> {
        desk.manifests(self.manifest.take(), std::mem::take(&mut self.paths))
    }

    /// Puts the variables before all others.
    pub fn add_to(&self, settings: &mut Settings, environment: &Environment) {
        let ours = self.variables.iter().map(|(name, value)| Variable {
            name: name.clone(),
            value: value.clone(),
            origin: "variables".to_owned(),
            base: environment.directory.clone(),
        });
        settings.variables.splice(0..0, ours);
    }

    /// The same for what is opened already.
    pub fn add_to_context(&self, context: &mut Context) {
        self.add_to(&mut context.settings, &context.environment);
    }
}

/// A warning or a note of a manifest.
#[derive(Serialize, JsonSchema)]
pub struct Finding {
    severity: String,
    /// `FILE:LINE:COLUMN`
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

/// All of them.
pub fn findings(findings: &Diagnostics) -> Vec<Finding> {
    let place = |file: Option<String>, line: Option<usize>, column: Option<usize>| {
        let mut place = file?;
        for number in [line, column].into_iter().flatten() {
            place = format!("{place}:{number}");
        }
        Some(place)
    };
    let records = findings.records().into_iter();
    records
        .map(|record| Finding {
            severity: record.severity,
            place: place(record.file, record.line, record.column),
            message: record.message,
            help: record.help,
        })
        .collect()
}
