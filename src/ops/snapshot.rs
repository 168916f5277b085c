//! `snapshot`: a plan that takes a snapshot of machines that are named.

use super::Context;
use super::command::{chosen, response};
use super::plan::{PlanResponse, read};
use crate::apply::journal::Request;
use crate::failure::{Failure, Kind};
use crate::manifest;
use crate::model::{Desired, Pattern};
use crate::plan::{self, NewSnapshot};

/// What to take, and of which machines.
#[derive(Clone, Debug)]
pub struct SnapshotRequest {
    /// The snapshot.
    pub snapshot: NewSnapshot,
    /// The machines.
    pub machines: Vec<Pattern>,
}

/// Plans a snapshot. Machines that vboxmcp does not own are refused.
pub fn snapshot(context: &Context, request: &SnapshotRequest) -> Result<PlanResponse, Failure> {
    let name = &request.snapshot.name;
    if let Err((message, help)) = manifest::check_snapshot_name(name) {
        let failure = Failure::new(Kind::Usage, message);
        return Err(match help {
            Some(help) => failure.hint(help),
            None => failure,
        });
    }
    let inventory = read(context)?;
    let typed = context.settings.stack.as_ref().filter(|_| context.settings.stack_typed);
    let (stack, machines) = chosen(&request.machines, typed, &inventory)?;
    let desired = Desired::nothing(stack);
    let plan = plan::take(&request.snapshot, &machines, &desired, &inventory, &context.settings.policy);
    let asked = Request::Snapshot {
        addresses: machines.iter().map(|(address, _)| address.clone()).collect(),
        name: name.clone(),
        description: request.snapshot.description.clone(),
    };
    Ok(response(context, plan, desired, inventory, asked))
}
