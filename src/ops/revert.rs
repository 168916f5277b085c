//! `revert`: machines go back to a snapshot, and what the manifests declare of them is applied again in the same plan.

use std::collections::{BTreeMap, BTreeSet};

use super::choose;
use super::command::{chosen, response};
use super::declare::Declared;
use super::plan::{PlanResponse, probe, read, settled};
use super::{Context, Manifests};
use crate::apply::journal::{Origin, Request};
use crate::diff::{self, ChangeSet, Finding, snapshot as shape};
use crate::failure::{Failure, Kind};
use crate::inventory::{Inventory, Machine, Snapshot};
use crate::manifest::suggest::nearest;
use crate::model::state::StateClass;
use crate::model::{Address, Desired, Pattern, StackName};
use crate::plan::{self, Revert, Reverted};

/// What goes back, and to what.
#[derive(Clone, Debug, Default)]
pub struct RevertRequest {
    /// What is applied again. Where no paths are given and the usual place holds none, nothing is.
    pub manifests: Manifests,
    /// The name of the snapshot.
    pub snapshot: String,
    /// The machines; none means all that have a snapshot of the name.
    pub machines: Vec<Pattern>,
    /// Machines that an earlier run has brought back, with the state that they had before that.
    pub went_back: BTreeMap<Address, StateClass>,
}

/// Plans going back. Machines that vboxmcp does not own are refused.
pub fn revert(context: &Context, request: &RevertRequest) -> Result<PlanResponse, Failure> {
    let mut inventory = read(context)?;
    let found = request.manifests.found(context);
    let declared = found.then(|| request.manifests.declare_for(context, &inventory)).transpose()?;
    if let Some(declared) = &declared {
        inventory = settled(context, inventory, &declared.desired)?;
    }
    let typed = context.settings.stack.as_ref().filter(|_| context.settings.stack_typed);
    let stack = declared.as_ref().map(|declared| &declared.desired.stack).or(typed).cloned();
    let (stack, addresses) = machines(request, stack.as_ref(), &inventory)?;
    let declared = declared.map(|declared| probe(context, declared, &mut inventory)).transpose()?;
    let desired = declared.as_ref().map_or_else(|| Desired::nothing(stack), |one| one.desired.clone());

    let mut notes = Vec::new();
    let mut going = Vec::new();
    for address in &addresses {
        let Some(machine) = inventory.owned_machine(&desired.stack, address) else { continue };
        let went_back = request.went_back.get(address).copied();
        let mut reverted = Reverted { machine, as_of: None, went_back };
        let allow = desired.machines.get(address).map(|machine| machine.lifecycle.allow.clone());
        let allow = context.settings.policy.allow.union(&allow.unwrap_or_default()).copied().collect();
        if let (true, Some(snapshot)) =
            (reverted.goes(&request.snapshot, &allow), shape::named(machine, &request.snapshot))
        {
            match context.host.as_of(machine.uuid, snapshot.uuid) {
                Ok(as_of) => reverted.as_of = as_of,
                Err(error) => notes.push(Finding { address: Some(address.clone()), text: error.to_string() }),
            }
        }
        going.push((address.clone(), reverted));
    }
    let after = plan::after(&inventory, &going);
    let changes = changes(&going, &desired, &after)?;
    let revert = Revert { snapshot: &request.snapshot, machines: &going, after: &after };
    let mut plan = plan::revert(&revert, changes, &desired, &inventory, &context.settings.policy);
    plan.notes.extend(notes);
    let asked = Request::Revert { addresses, snapshot: request.snapshot.clone() };
    drop(going);
    match declared {
        None => Ok(response(context, plan, desired, inventory, asked)),
        Some(Declared { desired, findings, origin, .. }) => {
            let origin = Origin { request: asked, ..origin };
            Ok(PlanResponse { plan, changes: ChangeSet::default(), desired, inventory, findings, origin })
        }
    }
}

/// What differs of the machines that go back or went back, and of what they need.
fn changes(
    going: &[(Address, Reverted<'_>)],
    desired: &Desired,
    after: &Inventory,
) -> Result<ChangeSet, Failure> {
    let mut changes = diff::diff(desired, after);
    let moved: BTreeSet<Address> = going
        .iter()
        .filter(|(_, one)| one.as_of.is_some() || one.went_back.is_some())
        .map(|(address, _)| address.clone())
        .filter(|address| desired.machines.contains_key(address))
        .collect();
    let used = moved.iter().filter_map(|address| desired.machines.get(address));
    let used: BTreeSet<Address> =
        used.flat_map(|machine| desired.used_by(machine)).map(|(object, _)| object).collect();
    choose::narrow(&mut changes, &moved.into_iter().chain(used).collect(), desired)?;
    Ok(changes)
}

/// The machines that are meant.
fn machines(
    request: &RevertRequest,
    stack: Option<&StackName>,
    inventory: &Inventory,
) -> Result<(StackName, Vec<Address>), Failure> {
    if !request.machines.is_empty() {
        let (stack, machines) = chosen(&request.machines, stack, inventory)?;
        return Ok((stack, machines.into_iter().map(|(address, _)| address).collect()));
    }
    let mut by_stack: BTreeMap<StackName, Vec<Address>> = BTreeMap::new();
    for machine in inventory.machines.values().filter(|one| shape::named(one, &request.snapshot).is_some()) {
        if let crate::inventory::Ownership::Owned { stack: owner, address } = inventory.owner_of(machine)
            && stack.is_none_or(|stack| *stack == owner)
        {
            by_stack.entry(owner).or_default().push(address);
        }
    }
    for addresses in by_stack.values_mut() {
        addresses.sort();
    }
    let mut stacks = by_stack.into_iter();
    match (stacks.next(), stacks.next()) {
        (Some(found), None) => Ok(found),
        (Some((one, _)), Some((other, _))) => Err(Failure::new(
            Kind::Usage,
            format!(
                "machines of several stacks have a snapshot {:?}, {one} and {other} among them",
                request.snapshot
            ),
        )
        .hint(format!("say which one is meant: --stack {one}"))),
        (None, _) => Err(nobody(&request.snapshot, inventory)),
    }
}

/// Why no machine goes back.
fn nobody(name: &str, inventory: &Inventory) -> Failure {
    let owned = inventory
        .machines
        .values()
        .filter(|machine| matches!(inventory.owner_of(machine), crate::inventory::Ownership::Owned { .. }));
    let all = owned.flat_map(|machine: &Machine| machine.snapshots.iter().flat_map(Snapshot::leaves_first));
    let names: BTreeSet<&str> = all.map(|snapshot| snapshot.name.as_str()).collect();
    let failure = Failure::new(Kind::Usage, format!("no machine that vboxmcp owns has a snapshot {name:?}"));
    match nearest(name, names.iter().copied()) {
        Some(near) => failure.hint(format!("did you mean {near:?}?")),
        None if names.is_empty() => failure.hint("`vboxmcp snapshot NAME MACHINE` takes one"),
        None => {
            let names: Vec<String> = names.into_iter().map(|name| format!("{name:?}")).collect();
            failure.hint(format!("there are {}", names.join(", ")))
        }
    }
}
