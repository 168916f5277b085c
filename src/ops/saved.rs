//! Saved plans: what was shown, kept in a file until somebody runs it.

use std::time::Duration;

use super::Context;
use super::apply::{ended, locked};
use super::plan::{read, refused};
use super::{runs, self_check};
use crate::apply::journal::{Origin, Request};
use crate::apply::{self, Cancel, Lock, Outcome, Sink};
use crate::failure::{Failure, Kind};
use crate::plan::{Plan, reads};

/// The bytes of a plan's file: one line of canonical JSON.
pub fn to_bytes(plan: &Plan) -> Vec<u8> {
    // Strings, numbers, and maps with string keys: serialisation has no way to fail.
    let mut bytes = serde_json::to_vec(plan).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Reads a plan's file and checks it: what comes back may be run.
pub fn from_bytes(bytes: &[u8]) -> Result<Plan, Failure> {
    let plan = parse(bytes)?;
    check(&plan)?;
    Ok(plan)
}

fn wrong(text: String) -> Failure {
    Failure::new(Kind::Stale, text).hint("make it again with `vboxmcp plan --out FILE`")
}

/// Reads a plan's file, whole or not.
pub fn parse(bytes: &[u8]) -> Result<Plan, Failure> {
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|error| wrong(format!("this is no plan: {error}")))?;
    match value.get("formatVersion").and_then(serde_json::Value::as_u64) {
        Some(version) if version == u64::from(Plan::FORMAT_VERSION) => {}
        Some(version) => {
            return Err(wrong(format!(
                "the plan has format version {version}, this vboxmcp reads {}",
                Plan::FORMAT_VERSION
            )));
        }
        None => return Err(wrong("this is no plan: it has no formatVersion".to_owned())),
    }
    serde_json::from_value(value).map_err(|error| wrong(format!("this is no plan: {error}")))
}

/// Checks that a plan is whole, and this program's: its hash must be that of its content.
pub fn check(plan: &Plan) -> Result<(), Failure> {
    if plan.sealed_hash() != plan.hash {
        return Err(wrong(
            "the plan was changed after it was made: its hash is not that of its content".to_owned(),
        ));
    }
    if plan.tool_version != env!("CARGO_PKG_VERSION") {
        return Err(wrong(format!(
            "the plan was made by vboxmcp {}, this is {}",
            plan.tool_version,
            env!("CARGO_PKG_VERSION")
        )));
    }
    Ok(())
}

/// Runs a saved plan, if nothing that it was made from has moved.
pub fn apply_saved(
    context: &Context,
    plan: &Plan,
    lock_timeout: Duration,
    cancel: &Cancel,
    sink: Sink<'_>,
) -> Result<Outcome, Failure> {
    let host = read(context)?.host;
    if host.kind != plan.host.kind || host.home != plan.host.home {
        return Err(Failure::new(
            Kind::Stale,
            format!(
                "the plan is for another host: {} {}, and this is {} {}",
                plan.host.kind,
                plan.host.home.display(),
                host.kind,
                host.home.display()
            ),
        ));
    }
    if let Some(refused) = refused(plan) {
        return Err(refused);
    }
    let user = context.environment.user().unwrap_or("unknown user");
    let operation = format!("apply of plan {}", plan.hash.get(..12).unwrap_or(&plan.hash));
    let _lock = Lock::take(&host.home, user, &operation, lock_timeout).map_err(locked)?;
    let mut inventory = read(context)?;
    inventory.paths = context.host.probe(&reads::probes(&plan.reads));
    if reads::needs_interfaces(&plan.reads) {
        inventory.networks.host_only = Some(context.host.host_only()?);
    }
    let moved = reads::moved(&plan.reads, &inventory);
    if !moved.is_empty() {
        let lines: Vec<String> = moved.iter().map(|moved| format!("\n  {moved}")).collect();
        return Err(Failure::new(
            Kind::Stale,
            format!("the plan is stale, nothing was done:{}", lines.concat()),
        )
        .hint("look at what would be done now: `vboxmcp plan`"));
    }
    let origin = Origin {
        directory: context.environment.directory.clone(),
        paths: plan.register.paths.clone().unwrap_or_default(),
        request: Request::Saved,
        ..Origin::default()
    };
    if !plan.steps.is_empty() {
        self_check::before_changes(context)?;
    }
    let mut journal = runs::begin(context, plan, origin)?;
    apply::apply(plan, &inventory, &context.host, &mut journal, cancel, sink).map_err(ended)
}
