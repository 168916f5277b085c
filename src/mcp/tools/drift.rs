//! `drift`

use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::{Answer, text};
use super::super::tool::{Call, Run, Tool};
use super::shared::Declaration;
use crate::failure::Failure;
use crate::ops::{self, PlanRequest};
use crate::render::drift::write_drift;
use crate::render::value::spelled;

/// The tool.
pub struct Drift;

/// What it says.
#[derive(Serialize, JsonSchema)]
pub struct Drifted {
    drift: bool,
    objects: Vec<Object>,
    /// Objects that are gone.
    lost: Vec<String>,
    /// Differences that are no drift.
    pending: usize,
    notes: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Object {
    address: String,
    fields: Vec<Moved>,
}

#[derive(Serialize, JsonSchema)]
struct Moved {
    path: String,
    /// As it was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<String>,
    /// As it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    is: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
}

impl Tool for Drift {
    type Input = Declaration;
    type Output = Drifted;
    const NAME: &'static str = "drift";
    const TITLE: &'static str = "Show drift";
    const DESCRIPTION: &'static str = "Show what somebody else changed in VirtualBox since the last apply of these manifests. \
        Changes nothing. Use it to find out whether a host is still as declared, and before blaming a manifest.";
}

impl Run for Drift {
    fn run(call: &Call<'_>, mut input: Declaration) -> Result<Answer<Drifted>, Failure> {
        let mut context = call.desk.context(|_| {})?;
        input.add_to_context(&mut context);
        let report = ops::drift(&context, &PlanRequest { manifests: input.manifests(call.desk)? })?;
        let text = text(|out, view| write_drift(out, &report, view));
        let objects = report.drifted.iter().map(|(address, fields)| Object {
            address: address.to_string(),
            fields: fields
                .iter()
                .map(|field| {
                    let spell = |value: &serde_json::Value| spelled(&field.path, value);
                    Moved {
                        path: field.path.to_string(),
                        was: field.last.as_ref().or(field.declared.as_ref()).map(spell),
                        is: field.live.as_ref().map(spell),
                        unknown: field.unknown.clone(),
                    }
                })
                .collect(),
        });
        let data = Drifted {
            drift: report.has_drift(),
            objects: objects.collect(),
            lost: report.lost.iter().map(ToString::to_string).collect(),
            pending: report.pending,
            notes: report.notes().iter().map(|note| note.text.clone()).collect(),
        };
        Ok(Answer::foreign(text, data))
    }
}
