//! What several tools take or say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::answer::text;
use super::super::desk::Desk;
use crate::config::{Environment, Settings, Variable};
use crate::failure::{Failure, Kind};
use crate::model::Pattern;
use crate::ops::{Context, Diagnostics, Manifests};
use crate::render::diagnostics::write_findings;

/// The manifests of a call.
#[derive(Deserialize, JsonSchema)]
pub struct Declaration {
    /// YAML documents.
    #[serde(default)]
    manifest: Option<String>,
    /// Below the root.
    #[serde(default)]
    paths: Vec<PathBuf>,
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

/// The machines that a call names.
pub fn patterns(texts: &[String]) -> Result<Vec<Pattern>, Failure> {
    texts.iter().map(|text| pattern(text)).collect()
}

/// The one machine that a call names.
pub fn pattern(text: &str) -> Result<Pattern, Failure> {
    text.parse().map_err(|error: String| Failure::new(Kind::Usage, error))
}

/// Warnings and notes of manifests, each in one line.
pub fn findings(findings: &Diagnostics) -> Vec<String> {
    let all = text(|out, view| write_findings(out, findings, view));
    all.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}
