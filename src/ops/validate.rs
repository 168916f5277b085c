//! `validate`: the manifests alone, without a host.

use super::{Manifests, Memory};
use crate::config::{Environment, Settings};
use crate::failure::Failure;
use crate::manifest::diagnostic::Diagnostics;
use crate::model::Address;

/// What valid manifests declare.
#[derive(Debug)]
pub struct ValidateResponse {
    /// The stack.
    pub stack: String,
    /// What is declared.
    pub objects: Vec<Address>,
    /// Words that validate and that this version cannot apply yet, with their places.
    pub unsupported: Vec<String>,
    /// Warnings and notes.
    pub findings: Diagnostics,
}

/// Checks manifests.
pub fn validate(
    manifests: &Manifests,
    settings: &Settings,
    environment: &Environment,
) -> Result<ValidateResponse, Failure> {
    let declared =
        manifests.declare(settings, environment, environment.home(), None, true, &Memory::default())?;
    Ok(ValidateResponse {
        stack: declared.desired.stack.to_string(),
        objects: declared
            .desired
            .networks
            .keys()
            .chain(declared.desired.disks.keys())
            .chain(declared.desired.machines.keys())
            .cloned()
            .collect(),
        unsupported: declared
            .desired
            .unsupported
            .iter()
            .map(|word| format!("{}: {}", word.source, word.what))
            .collect(),
        findings: declared.findings,
    })
}
