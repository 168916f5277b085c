//! Saved plans: what was shown, kept in a file until somebody runs it.

use std::path::PathBuf;
use std::time::Duration;

use super::Context;
use super::apply::{Expectation, ended, locked};
use super::plan::{lying_at, read, refused};
use super::{runs, self_check};
use crate::apply::journal::{Agent, Origin, Request};
use crate::apply::{self, Cancel, Outcome, Sink};
use crate::failure::{Failure, Kind};
use crate::inventory::Inventory;
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
    apply_for(context, plan, None, lock_timeout, cancel, sink)
}

/// As [`apply_saved`]; the journal says which agent asked for it.
pub fn apply_for(
    context: &Context,
    plan: &Plan,
    agent: Option<Agent>,
    lock_timeout: Duration,
    cancel: &Cancel,
    sink: Sink<'_>,
) -> Result<Outcome, Failure> {
    let home = expect_host(context, plan)?;
    if let Some(refused) = refused(plan) {
        return Err(refused);
    }
    let operation = format!("apply of plan {}", plan.hash.get(..12).unwrap_or(&plan.hash));
    let _lock = locked(context, &home, &operation, lock_timeout)?;
    let _expectation = Expectation::of(context.host.as_ref());
    let inventory = expect_unmoved(context, plan)?;
    let origin = Origin {
        directory: context.environment.directory.clone(),
        paths: plan.register.paths.clone().unwrap_or_default(),
        request: Request::Saved,
        ..Origin::default()
    };
    if !plan.steps.is_empty() {
        self_check::before_changes(context)?;
    }
    let mut journal = runs::begin_for(context, plan, origin, agent)?;
    apply::apply(plan, &inventory, &context.host, &mut journal, cancel, sink).map_err(ended)
}

/// Whether a saved plan could run now: it is for this host, nothing refuses it, and nothing that it was made from has moved.
pub fn expect_runnable(context: &Context, plan: &Plan) -> Result<(), Failure> {
    expect_host(context, plan)?;
    if let Some(refused) = refused(plan) {
        return Err(refused);
    }
    expect_unmoved(context, plan).map(drop)
}

/// The host's home, where the plan is for this host.
fn expect_host(context: &Context, plan: &Plan) -> Result<PathBuf, Failure> {
    let host = read(context)?.host;
    if host.kind == plan.host.kind && host.home == plan.host.home {
        return Ok(host.home);
    }
    Err(Failure::new(
        Kind::Stale,
        format!(
            "the plan is for another host: {} {}, and this is {} {}",
            plan.host.kind,
            plan.host.home.display(),
            host.kind,
            host.home.display()
        ),
    ))
}

/// What is there, where nothing that the plan was made from has moved.
fn expect_unmoved(context: &Context, plan: &Plan) -> Result<Inventory, Failure> {
    let mut inventory = read(context)?;
    inventory.paths = lying_at(context, &reads::probes(&plan.reads), &inventory);
    let moved = reads::moved(&plan.reads, &inventory);
    if moved.is_empty() {
        return Ok(inventory);
    }
    let lines: Vec<String> = moved.iter().map(|moved| format!("\n  {moved}")).collect();
    Err(Failure::new(Kind::Stale, format!("the plan is stale, nothing was done:{}", lines.concat()))
        .hint("look at what would be done now: `vboxmcp plan`"))
}
