//! Bounds on one run: exceeding one refuses the whole plan and names what would lift it.

use std::collections::BTreeSet;

use super::types::{Operation, Plan, Refusal, Verb};
use crate::inventory::{Inventory, Ownership};
use crate::model::{Address, Danger, Desired};

/// Adds a refusal for every bound that the plan exceeds.
pub fn check(plan: &mut Plan, desired: &Desired, inventory: &Inventory) {
    let owned = inventory
        .machines
        .values()
        .filter(|machine| matches!(inventory.owner_of(machine), Ownership::Owned { stack, .. } if stack == desired.stack))
        .count();
    let limits = plan.policy.limits;
    let with = |danger: Danger| -> BTreeSet<&Address> {
        plan.steps.iter().filter(|step| step.danger.contains(&danger)).map(|step| &step.address).collect()
    };
    let mut refusals = Vec::new();
    let mut bound = |name: &str, limit: crate::model::Limit, count: usize, what: &str| {
        if count > limit.allows(owned) {
            refusals.push(Refusal {
                reason: format!(
                    "{what}: {count}, and {name} allows {limit} (of {owned} owned machines: {})",
                    limit.allows(owned)
                ),
                hint: format!("--{} {count}", name.replace('_', "-")),
            });
        }
    };
    // `destroy` is confirmed by the stack's name instead.
    if plan.verb == Verb::Apply {
        bound(
            "max_destroy_data",
            limits.max_destroy_data,
            with(Danger::DestroyData).len(),
            "objects that lose data",
        );
        bound(
            "max_downtime",
            limits.max_downtime,
            with(Danger::Downtime).len(),
            "machines whose guest stops",
        );
        let pruned = plan
            .objects
            .iter()
            .filter(|object| {
                object.operation == Operation::Remove && matches!(object.address, Address::Machine(_))
            })
            .count();
        bound("max_prune", limits.max_prune, pruned, "machines removed because they are no longer declared");
    }
    if plan.policy.all_or_nothing {
        let blocked = plan.objects.iter().filter(|object| !object.blocked.is_empty()).count();
        if blocked > 0 {
            refusals.push(Refusal {
                reason: format!("--all-or-nothing, and something is left undone at {blocked} of the objects"),
                hint: "permit what is blocked, or leave --all-or-nothing out".to_owned(),
            });
        }
    }
    plan.refusals.append(&mut refusals);
}
