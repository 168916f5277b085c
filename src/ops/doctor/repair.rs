//! `doctor --fix`: where the files of disks that cannot be read are, and a plan that puts the disks right.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::apply::journal::Request;
use crate::failure::{Failure, Kind};
use crate::inventory::{Inventory, Machine, Medium, PathFact};
use crate::model::{Desired, StackName, lexical};
use crate::ops::Context;
use crate::ops::command::response;
use crate::ops::plan::{PlanResponse, read};
use crate::plan::{self, Copied, Lost};

/// Plans what puts the disks of one stack right. Disks that nobody owns are left alone; `doctor` says how they are repaired by hand.
///
/// With a file it is about that file alone, whoever owns it: a copy of a disk gets a UUID of its own, and a file in the place of a
/// registered disk gets that disk's.
pub fn repair(context: &Context, file: Option<&Path>) -> Result<PlanResponse, Failure> {
    let inventory = read(context)?;
    if let Some(file) = file {
        return renew(context, file, inventory);
    }
    let typed = context.settings.stack.as_ref().filter(|_| context.settings.stack_typed);
    let mut broken = plan::unreadable(&inventory);
    broken.retain(|stack, _| typed.is_none_or(|typed| typed == stack));
    let mut stacks = broken.keys();
    let stack = match (stacks.next(), stacks.next()) {
        (Some(one), Some(other)) => {
            return Err(Failure::new(
                Kind::Usage,
                format!("disks of several stacks cannot be read, {one} and {other} among them"),
            )
            .hint(format!("say which one is meant: --stack {one}")));
        }
        (Some(one), None) => one.clone(),
        (None, _) => typed.cloned().unwrap_or_else(StackName::default_stack),
    };
    let mut lost = Vec::new();
    for (address, medium) in broken.remove(&stack).unwrap_or_default() {
        let own = address.machine_name().map(|name| crate::model::Address::Machine(name.clone()));
        let machine = own.and_then(|own| inventory.owned_machine(&stack, &own));
        let fact = context.host.probe(std::slice::from_ref(&medium.location));
        lost.push(Lost {
            address,
            medium: medium.uuid,
            is_replaced: fact.get(&medium.location).is_some_and(|fact| *fact != PathFact::Missing),
            found: elsewhere(context, medium, machine, &inventory)?,
        });
    }
    let desired = Desired::nothing(stack);
    let plan = plan::repair(&lost, &desired, &inventory, &context.settings.policy);
    drop(broken);
    Ok(response(context, plan, desired, inventory, Request::Repair { file: None }))
}

fn renew(context: &Context, file: &Path, inventory: Inventory) -> Result<PlanResponse, Failure> {
    let file = lexical(&context.environment.directory.join(file));
    let Some(uuid) = context.host.disk_in(&file)? else {
        return Err(Failure::new(Kind::Usage, format!("{} is no disk with a UUID in it", file.display()))
            .hint("VDI and VMDK files have one"));
    };
    let mut copied = Copied::of(file, uuid, &inventory).map_err(|why| Failure::new(Kind::Usage, why))?;
    if let Some(medium) = copied.place_of.and_then(|uuid| inventory.media.get(&uuid)) {
        copied.found = elsewhere(context, medium, None, &inventory)?;
    }
    let stack = context.settings.stack.clone().unwrap_or_else(StackName::default_stack);
    let desired = Desired::nothing(stack);
    let plan = plan::renew(&copied, &desired, &inventory, &context.settings.policy);
    let request = Request::Repair { file: Some(copied.file) };
    Ok(response(context, plan, desired, inventory, request))
}

/// Files that hold a medium and that no registry names: looked for below the folders where files of vboxmcp and of the machine are.
fn elsewhere(
    context: &Context,
    medium: &Medium,
    machine: Option<&Machine>,
    inventory: &Inventory,
) -> Result<Vec<PathBuf>, Failure> {
    let mut folders: BTreeSet<PathBuf> = BTreeSet::from([inventory.host.machine_folder.clone()]);
    folders.extend(medium.location.parent().map(Path::to_owned));
    folders.extend(machine.map(Machine::folder));
    let mut found = BTreeSet::new();
    for folder in folders {
        for (file, fact) in context.host.below(&folder)? {
            let same_kind = file.extension() == medium.location.extension();
            if fact == PathFact::File
                && same_kind
                && file != medium.location
                && context.host.holds(&file, medium)
            {
                found.insert(file);
            }
        }
    }
    Ok(found.into_iter().collect())
}
