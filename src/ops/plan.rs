//! `plan`: what apply would do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::declare::Declared;
use super::{Context, Manifests, choose};
use crate::apply::journal::Origin;
use crate::apply::{self, Lack};
use crate::config::HostChoice;
use crate::diff::{self, ChangeSet, Finding};
use crate::failure::{Failure, Kind};
use crate::host::Want;
use crate::inventory::{Inventory, MediumHealth, Ownership, PathFact};
use crate::manifest::diagnostic::Diagnostics;
use crate::model::state::StateClass;
use crate::model::{Desired, NetworkKind, PowerState};
use crate::plan::{self, Plan, PlanOptions};

/// What to plan.
#[derive(Clone, Debug, Default)]
pub struct PlanRequest {
    /// The manifests.
    pub manifests: Manifests,
}

/// A plan and all that it was made from.
#[derive(Debug)]
pub struct PlanResponse {
    /// The plan.
    pub plan: Plan,
    /// What differs.
    pub changes: ChangeSet,
    /// What is declared.
    pub desired: Desired,
    /// What is there.
    pub inventory: Inventory,
    /// Warnings and notes of the manifests.
    pub findings: Diagnostics,
    /// What it was made from, for the journal.
    pub origin: Origin,
}

/// A machine may be on its way from one state to another: that long is waited for it.
const SETTLING: Duration = Duration::from_mins(1);

/// Plans what makes the host match the manifests.
pub fn plan(context: &Context, request: &PlanRequest) -> Result<PlanResponse, Failure> {
    plan_as(context, request, false)
}

/// The same for who only shows it: a plan with nothing to do has no hash and does not say what it was made from.
pub fn plan_to_show(context: &Context, request: &PlanRequest) -> Result<PlanResponse, Failure> {
    plan_as(context, request, true)
}

fn plan_as(context: &Context, request: &PlanRequest, is_only_shown: bool) -> Result<PlanResponse, Failure> {
    let (inventory, declared) = request.manifests.declare_and(context, || read(context))?;
    let mut inventory = settled(context, inventory, &declared.desired)?;
    let declared = probe(context, declared, &mut inventory)?;
    let (desired, policy) = (&declared.desired, &context.settings.policy);
    let is_partial = !declared.selection.is_all();
    let options = PlanOptions { stack_typed: context.settings.stack_typed, is_partial, is_only_shown };
    let mut partial = None;
    let (changes, mut plan) = if is_partial {
        let mut changes = diff::diff(desired, &inventory);
        let chosen = choose::choose(&declared.selection, desired)?;
        partial = Some(choose::note(&chosen, desired));
        choose::narrow(&mut changes, &chosen, desired)?;
        let plan = plan::plan(&changes, desired, &inventory, policy, &options);
        (changes, plan)
    } else {
        context.memory.plan(desired, &inventory, policy, &options)
    };
    if is_recorded(context) {
        let unknown = diff::probes(&declared.desired, &inventory);
        let unknown = unknown.into_iter().filter(|path| !inventory.paths.contains_key(path));
        plan.notes.extend(unknown.map(|path| Finding {
            address: None,
            text: format!(
                "the inventory does not say what lies at {}: taken as free (`vboxmcp inventory --folder` lists more)",
                path.display()
            ),
        }));
    }
    plan.notes.extend(partial);
    let lacks = apply::preflight(&plan, &inventory, context.host.as_ref());
    plan.notes.extend(lacks.iter().map(Lack::note));
    let Declared { desired, findings, origin, .. } = declared;
    Ok(PlanResponse { plan, changes, desired, inventory, findings, origin })
}

/// Adds what only this declaration makes worth asking for: host-only interfaces, and the facts of the paths that new objects would
/// take. The declaration gets the names that interfaces have here.
pub fn probe(context: &Context, declared: Declared, inventory: &mut Inventory) -> Result<Declared, Failure> {
    if needs_interfaces(&declared.desired, inventory) {
        inventory.networks.host_only = Some(context.host.host_only()?);
    }
    let desired = diff::resolve(declared.desired, inventory);
    let paths = diff::probes(&desired, inventory);
    if !paths.is_empty() {
        inventory.paths = lying_at(context, &paths, inventory);
    }
    Ok(Declared { desired, ..declared })
}

/// What lies at paths.
pub(super) fn lying_at(
    context: &Context,
    paths: &[PathBuf],
    inventory: &Inventory,
) -> BTreeMap<PathBuf, PathFact> {
    // A medium whose file was just read is a file.
    let is_known =
        |path: &&PathBuf| inventory.medium_at(path).is_some_and(|medium| medium.health == MediumHealth::Good);
    let (known, unknown): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(is_known);
    let unknown: Vec<PathBuf> = unknown.into_iter().cloned().collect();
    let mut facts: BTreeMap<PathBuf, PathFact> =
        known.into_iter().map(|path| (path.clone(), PathFact::File)).collect();
    let mut found = context.host.probe(&unknown);
    name_images(context, inventory, &mut found);
    facts.append(&mut found);
    facts
}

/// Says of images that VirtualBox has not registered which disk they are. One that cannot be read is a file like any other.
pub(super) fn name_images(context: &Context, inventory: &Inventory, facts: &mut BTreeMap<PathBuf, PathFact>) {
    for (path, fact) in facts {
        if *fact == PathFact::File
            && inventory.medium_at(path).is_none()
            && let Ok(Some(disk)) = context.host.disk_in(path)
        {
            *fact = PathFact::ImageOf(disk);
        }
    }
}

fn needs_interfaces(desired: &Desired, inventory: &Inventory) -> bool {
    let register = inventory.registers.get(&desired.stack);
    let mut entries = register.iter().flat_map(|register| register.entries.values());
    let has_networks = inventory.networks.host_only_networks.is_some();
    (!has_networks && desired.networks.values().any(|network| network.kind == NetworkKind::HostOnly))
        || entries.any(|entry| diff::network::registered_kind(entry) == Some(NetworkKind::HostOnly))
}

fn is_recorded(context: &Context) -> bool {
    matches!(context.settings.host, HostChoice::Recorded(_))
}

/// Reads the host.
pub fn read(context: &Context) -> Result<Inventory, Failure> {
    context.host.inventory(&Want { states: true, ..Want::default() }).map_err(Failure::from)
}

/// Waits for declared machines that are on their way from one state to another.
pub(super) fn settled(
    context: &Context,
    mut inventory: Inventory,
    desired: &Desired,
) -> Result<Inventory, Failure> {
    let deadline = Instant::now() + SETTLING;
    while !is_recorded(context) && moving(&inventory, desired) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(500));
        inventory = read(context)?;
    }
    Ok(inventory)
}

fn moving(inventory: &Inventory, desired: &Desired) -> bool {
    inventory.machines.values().any(|machine| {
        machine.state.as_ref().map(PowerState::class) == Some(StateClass::Moving)
            && matches!(inventory.owner_of(machine), Ownership::Owned { stack, address }
                if stack == desired.stack && desired.machines.contains_key(&address))
    })
}

/// The failure of a plan that may not run.
pub fn refused(plan: &Plan) -> Option<Failure> {
    let first = plan.refusals.first()?;
    let mut failure = Failure::new(Kind::Refused, format!("refused: {}", first.reason));
    for refusal in &plan.refusals {
        failure = failure.hint(refusal.hint.clone());
    }
    Some(failure)
}
