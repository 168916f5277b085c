//! `destroy`: a plan that removes what the manifests declare, or forgets it.

use super::declare::Declared;
use super::plan::{PlanResponse, probe, read};
use super::{Context, Manifests, choose};
use crate::apply::journal::{Origin, Request};
use crate::diff;
use crate::failure::Failure;
use crate::plan::{self, DestroyOptions};

/// What to destroy.
#[derive(Clone, Debug, Default)]
pub struct DestroyRequest {
    /// The manifests.
    pub manifests: Manifests,
    /// How it chooses.
    pub options: DestroyOptions,
}

/// Plans the removal of what the manifests declare.
pub fn destroy(context: &Context, request: &DestroyRequest) -> Result<PlanResponse, Failure> {
    let mut inventory = read(context)?;
    let declared = request.manifests.declare_for(context, &inventory)?;
    let mut declared = probe(context, declared, &mut inventory)?;
    if !declared.selection.is_all() {
        choose::only(&declared.selection, &mut declared.desired)?;
    }
    let changes = diff::diff(&declared.desired, &inventory);
    let plan = plan::destroy(&declared.desired, &inventory, &context.settings.policy, request.options);
    let Declared { desired, findings, origin, .. } = declared;
    let asked = Request::Destroy { all: request.options.all };
    let origin = Origin { request: asked, ..origin };
    Ok(PlanResponse { plan, changes, desired, inventory, findings, origin })
}
