//! What is looked at before the first action: whether the host has what the steps of a plan need besides VirtualBox.
//!
//! Each check is a file with a question (pure: what the plan needs) and a judgement (pure: what was found against that). They
//! stand in a plan as notes, outside its hash, and an apply does not begin where one of them `stops` it.

mod after;
mod ports;
mod ranges;
mod routes;
mod space;
mod start;

use crate::diff::Finding;
use crate::host::{Asked, Inspect};
use crate::inventory::Inventory;
use crate::model::Address;
use crate::plan::Plan;

/// Something that the host lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// The object that needs it.
    pub address: Option<Address>,
    /// What, in a sentence.
    pub text: String,
    /// What may help.
    pub hint: String,
    /// A step of the plan would fail, or do its work for nothing: the run does not begin.
    pub stops: bool,
}

impl Lack {
    /// As a note of a plan.
    pub fn note(&self) -> Finding {
        let what = if self.stops { "apply will refuse: " } else { "" };
        Finding { address: self.address.clone(), text: format!("{what}{}; {}", self.text, self.hint) }
    }
}

/// What the host lacks for a plan that was made from `inventory`.
pub fn preflight(plan: &Plan, inventory: &Inventory, host: &(impl Inspect + ?Sized)) -> Vec<Lack> {
    if plan.steps.is_empty() {
        return Vec::new();
    }
    let needs = space::needs(plan, inventory);
    let machines = after::machines(plan, inventory);
    let rules = ports::rules(&machines, inventory);
    let starts = start::asks(&machines);
    let found = host.circumstances(&Asked {
        folders: needs.keys().cloned().collect(),
        ports: rules.iter().map(|rule| rule.endpoint.clone()).collect(),
        host_only: ranges::asks(plan),
        routes: routes::asks(plan),
        memory: starts,
        driver: starts,
        extension_packs: start::asks_for_display(&machines),
    });
    let mut lacks = space::judge(plan, &needs, &found.space);
    lacks.extend(ports::judge(&rules, &found.unavailable));
    lacks.extend(ranges::judge(plan, found.host_only.as_deref()));
    lacks.extend(routes::judge(plan, &found.routes));
    lacks.extend(start::memory(&machines, found.memory));
    lacks.extend(start::driver(&machines, found.driver));
    lacks.extend(start::display(&machines, found.extension_packs.as_deref()));
    lacks
}
