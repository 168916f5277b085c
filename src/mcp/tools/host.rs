//! `host`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::answer::{Answer, text};
use super::super::tool::{Call, Run, Tool};
use crate::failure::Failure;
use crate::ops::{self, DoctorRequest, Verdict};
use crate::render::doctor::write_doctor;

/// The tool.
pub struct Host;

/// It takes nothing.
#[derive(Deserialize, JsonSchema)]
pub struct Input {}

/// What it says.
#[derive(Serialize, JsonSchema)]
pub struct Looked {
    /// good, warning or bad: the worst of all.
    verdict: &'static str,
    checks: Vec<Check>,
    /// This client, and what it may do.
    client: String,
    tier: &'static str,
    /// Dangers beyond downtime that were granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    grant: Vec<&'static str>,
}

#[derive(Serialize, JsonSchema)]
struct Check {
    what: &'static str,
    verdict: &'static str,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "good",
        Verdict::Warning => "warning",
        Verdict::Bad => "bad",
    }
}

impl Tool for Host {
    type Input = Input;
    type Output = Looked;
    const NAME: &'static str = "host";
    const TITLE: &'static str = "Check the host";
    const DESCRIPTION: &'static str = "Check whether what an apply needs is there and well: VirtualBox, its \
        server, unreadable machines, locks; and what this client may do. Use it when something fails that \
        should not.";
}

impl Run for Host {
    fn run(call: &Call<'_>, _input: Input) -> Result<Answer<Looked>, Failure> {
        let context = call.desk.context(|_| {})?;
        let report = ops::doctor(&context, DoctorRequest::default());
        let rights = &call.caller.rights;
        let said = text(|out, view| write_doctor(out, &report, view));
        let next = Some(format!("{} is at tier {}", call.caller.name, rights.tier));
        let data = Looked {
            verdict: word(report.verdict()),
            checks: report
                .checks
                .into_iter()
                .map(|check| Check {
                    what: check.what,
                    verdict: word(check.verdict),
                    found: check.text,
                    hint: check.hint,
                })
                .collect(),
            client: call.caller.name.clone(),
            tier: rights.tier.word(),
            grant: rights.grant.iter().map(|danger| danger.word()).collect(),
        };
        Ok(Answer { next, ..Answer::foreign(said, data) })
    }
}
