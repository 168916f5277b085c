//! `start`, `stop` and their like: a plan for machines that are named, without a manifest.

use std::collections::{BTreeMap, BTreeSet};

use super::Context;
use super::plan::{PlanResponse, read};
use crate::apply::journal::{Origin, Request};
use crate::diff::ChangeSet;
use crate::failure::{Failure, Kind};
use crate::inventory::{Inventory, Machine, Ownership};
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::suggest::nearest;
use crate::model::{Address, Desired, Pattern, StackName};
use crate::plan::{self, Plan, PowerCommand};

/// What to do, and with which machines.
#[derive(Clone, Debug)]
pub struct CommandRequest {
    /// What to do.
    pub command: PowerCommand,
    /// The machines.
    pub machines: Vec<Pattern>,
    /// Seconds that a shutdown may take.
    pub stop_timeout: u64,
}

/// Plans a command. Machines that vboxmcp does not own are refused.
pub fn command(context: &Context, request: &CommandRequest) -> Result<PlanResponse, Failure> {
    let inventory = read(context)?;
    let typed = context.settings.stack.as_ref().filter(|_| context.settings.stack_typed);
    let (stack, machines) = chosen(&request.machines, typed, &inventory)?;
    let desired = Desired::nothing(stack);
    let plan = plan::command(
        request.command,
        &machines,
        &desired,
        &inventory,
        &context.settings.policy,
        request.stop_timeout,
    );
    let asked = Request::Command {
        addresses: machines.iter().map(|(address, _)| address.clone()).collect(),
        stop_timeout: request.stop_timeout,
    };
    Ok(response(context, plan, desired, inventory, asked))
}

/// A plan that was made without a manifest, with what it was made from.
pub(super) fn response(
    context: &Context,
    plan: Plan,
    desired: Desired,
    inventory: Inventory,
    request: Request,
) -> PlanResponse {
    let origin = Origin {
        directory: context.environment.directory.clone(),
        stack: Some(desired.stack.clone()),
        stack_typed: true,
        request,
        ..Origin::default()
    };
    let (changes, findings) = (ChangeSet::default(), Diagnostics::default());
    PlanResponse { plan, changes, desired, inventory, findings, origin }
}

type Chosen<'a> = (StackName, Vec<(Address, &'a Machine)>);

/// The owned machines that are meant, all of one stack.
pub(super) fn chosen<'a>(
    patterns: &[Pattern],
    typed: Option<&StackName>,
    inventory: &'a Inventory,
) -> Result<Chosen<'a>, Failure> {
    let mut by_stack: BTreeMap<StackName, BTreeMap<Address, &Machine>> = BTreeMap::new();
    for machine in inventory.machines.values() {
        if let Ownership::Owned { stack, address } = inventory.owner_of(machine)
            && typed.is_none_or(|typed| *typed == stack)
        {
            by_stack.entry(stack).or_default().insert(address, machine);
        }
    }
    let mut stacks: BTreeSet<&StackName> = BTreeSet::new();
    let mut found: BTreeMap<Address, &Machine> = BTreeMap::new();
    for pattern in patterns {
        let mut any = false;
        for (stack, machines) in &by_stack {
            for (address, machine) in machines.iter().filter(|(address, _)| pattern.matches(address)) {
                any = true;
                stacks.insert(stack);
                found.insert(address.clone(), machine);
            }
        }
        if !any {
            return Err(nobody(pattern, typed, inventory));
        }
    }
    let mut stacks = stacks.into_iter();
    match (stacks.next(), stacks.next()) {
        (Some(stack), None) => {
            if let Some((address, machine)) = found.iter().find(|(_, machine)| !machine.access.is_readable())
            {
                let reason = machine.access.reason().unwrap_or("it cannot be read").to_owned();
                return Err(Failure::new(
                    Kind::Refused,
                    format!("{address} is ours and cannot be read: {reason}"),
                )
                .hint("`vboxmcp doctor` says more"));
            }
            Ok((stack.clone(), found.into_iter().collect()))
        }
        (Some(one), Some(other)) => Err(Failure::new(
            Kind::Usage,
            format!("these machines belong to several stacks, {one} and {other} among them"),
        )
        .hint(format!("say which one is meant: --stack {one}"))),
        (None, _) => Err(Failure::new(Kind::Usage, "no machine is named")),
    }
}

/// Why a pattern means no owned machine.
fn nobody(pattern: &Pattern, typed: Option<&StackName>, inventory: &Inventory) -> Failure {
    let meant = |machine: &&Machine| {
        machine.name.as_deref().is_some_and(|name| pattern.matches(&Address::machine(name)))
    };
    let Some(machine) = inventory.machines.values().find(meant) else {
        let failure = Failure::new(Kind::Usage, format!("no machine is called {pattern}"));
        let known = inventory.machines.values().filter_map(|machine| machine.name.as_deref());
        let word = pattern.exact().and_then(|address| address.machine_name().cloned());
        return match word.and_then(|word| nearest(word.as_str(), known).map(str::to_owned)) {
            Some(near) => failure.hint(format!("did you mean vm/{near}?")),
            None => failure.hint("`vboxmcp get` lists all machines"),
        };
    };
    let name = machine.name.as_deref().unwrap_or_default();
    let there = format!("machine {name:?} {{{}}}", machine.uuid);
    match inventory.owner_of(machine) {
        Ownership::Owned { stack, address } => {
            let typed = typed.map_or("another", StackName::as_str);
            Failure::new(Kind::Refused, format!("{there} is {address} of stack {stack}, not of {typed}"))
                .hint(format!("--stack {stack}"))
        }
        Ownership::Unclear(reason) => {
            Failure::new(Kind::Refused, format!("{there} has a mark that cannot be read: {reason}"))
        }
        Ownership::Unowned | Ownership::MarkRemoved { .. } => Failure::new(
            Kind::Refused,
            format!("no stack owns {there}, and vboxmcp changes only what it owns"),
        )
        .hint(format!("`vboxmcp export vm/{name}` and `vboxmcp adopt vm/{name}` take it over"))
        .hint("declare a machine of another name (metadata.name)")
        .hint("declare it `lifecycle: {external: true}` to refer to it, and change it by hand"),
    }
}
