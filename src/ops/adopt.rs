//! `adopt`: a plan of its own that writes marks and nothing else.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::declare::Declared;
use super::plan::{PlanResponse, probe, read};
use super::{Context, Manifests};
use crate::apply::journal::{Origin, Request};
use crate::diff;
use crate::failure::Failure;
use crate::model::Address;
use crate::plan;

/// What to adopt.
#[derive(Clone, Debug, Default)]
pub struct AdoptRequest {
    /// The manifests that describe it.
    pub manifests: Manifests,
    /// Machines.
    pub addresses: Vec<Address>,
    /// The machine, where several share the name.
    pub uuid: Option<Uuid>,
}

/// Plans the adoption of machines that are there.
pub fn adopt(context: &Context, request: &AdoptRequest) -> Result<PlanResponse, Failure> {
    let mut inventory = read(context)?;
    let declared = request.manifests.declare_for(context, &inventory)?;
    let declared = probe(context, declared, &mut inventory)?;
    let changes = diff::diff(&declared.desired, &inventory);
    let chosen: BTreeMap<Address, Uuid> = request
        .uuid
        .iter()
        .flat_map(|uuid| request.addresses.iter().map(|address| (address.clone(), *uuid)))
        .collect();
    let plan =
        plan::adopt(&request.addresses, &chosen, &declared.desired, &inventory, &context.settings.policy);
    let Declared { desired, findings, origin, .. } = declared;
    let asked = Request::Adopt { addresses: request.addresses.clone(), uuid: request.uuid };
    let origin = Origin { request: asked, ..origin };
    Ok(PlanResponse { plan, changes, desired, inventory, findings, origin })
}
