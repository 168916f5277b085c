//! Declared snapshots: taken once, between a machine's last change and its start, and satisfied for ever.

use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;

use super::action::{Action, Target};
use super::draft::{Draft, DraftStep};
use super::machine::Scene;
use super::register::{Member, RegisterPlan};
use super::types::{Blocked, Expectation, ObjectPlan, Operation, PlannedField};
use super::whole::Removal;
use crate::diff::{FieldDifference, Presence, Undeclared, snapshot as shape};
use crate::inventory::{Identity, Inventory, Machine, Snapshot, Status};
use crate::model::state::StateClass;
use crate::model::{Address, Danger, Dangers, DesiredSnapshot, Policy, Take};

impl Scene<'_> {
    /// Snapshots of the machine that are declared and not there, in the order of their documents: each is the child of the one before.
    fn missing_snapshots(&self) -> impl Iterator<Item = (Address, &DesiredSnapshot)> {
        let declared =
            self.desired.snapshots.iter().filter(|snapshot| snapshot.machines.contains(self.address));
        declared
            .filter(|snapshot| self.live().is_none_or(|live| shape::named(live, &snapshot.name).is_none()))
            .filter_map(|snapshot| Some((snapshot.address_on(self.address)?, snapshot)))
    }

    /// Takes what is missing. `class` is what the machine is by then; a guest that runs goes on running.
    pub(super) fn snapshots(&self, draft: &mut Draft, class: StateClass) {
        for (address, snapshot) in self.missing_snapshots() {
            if self.too_late(snapshot).is_some() || class == StateClass::Moving {
                continue;
            }
            let action = Action::TakeSnapshot {
                machine: draft.target.clone(),
                name: snapshot.name.clone(),
                description: snapshot.description.clone().unwrap_or_default(),
                live: class == StateClass::Running,
            };
            let expects = match draft.target {
                Target::Existing(_) => vec![Expectation::State(class.word().to_owned())],
                Target::Planned(_) => Vec::new(),
            };
            draft.steps.push(DraftStep {
                action,
                cause: Vec::new(),
                danger: Dangers::new(),
                expects,
                object: Some(address),
            });
        }
        for (address, there, field) in self.described_otherwise() {
            let description = field.declared.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
            let machine = draft.target.clone();
            draft.steps.push(DraftStep {
                action: Action::DescribeSnapshot { machine, snapshot: there.uuid, description },
                cause: vec![field.path],
                danger: Dangers::new(),
                expects: vec![Expectation::Described(there.uuid, there.description.clone())],
                object: Some(address),
            });
        }
    }

    /// Snapshots of ours that are there and described otherwise than is declared. One that somebody else took stays as he described it.
    fn described_otherwise(&self) -> Vec<(Address, &Snapshot, FieldDifference)> {
        let declared =
            self.desired.snapshots.iter().filter(|snapshot| snapshot.machines.contains(self.address));
        let difference = |snapshot: &DesiredSnapshot| {
            let there = shape::named(self.live()?, &snapshot.name)?;
            let register = self.owner_register()?;
            let entry = register.entries.get(&snapshot.address_on(self.known_as())?)?;
            let is_ours = match &entry.identity {
                Identity::Uuid(uuid) => *uuid == there.uuid || entry.status == Status::Pending,
                Identity::Path(_) | Identity::Network(_) => entry.status == Status::Pending,
            };
            let field = shape::description(snapshot, there, entry).filter(|_| is_ours)?;
            Some((snapshot.address_on(self.address)?, there, field))
        };
        declared.filter_map(difference).collect()
    }

    /// Why a snapshot can no longer be what is declared.
    fn too_late(&self, snapshot: &DesiredSnapshot) -> Option<Blocked> {
        let live = self.live()?;
        let late = snapshot.take == Take::BeforeFirstStart && shape::was_started(live, self.inventory);
        late.then(|| Blocked {
            fields: Vec::new(),
            reason: "it is to be taken before the machine's first start, and the machine was started already"
                .to_owned(),
            missing: Dangers::new(),
            hints: vec!["declare `take: now`".to_owned()],
        })
    }

    /// What is shown of the machine's snapshots.
    pub(super) fn snapshot_objects(&self, draft: &Draft) -> Vec<ObjectPlan> {
        let object = |address, operation, effects, blocked| ObjectPlan {
            address,
            operation,
            uuid: None,
            fields: Vec::new(),
            effects,
            blocked,
            danger: Dangers::new(),
        };
        let is_external = matches!(self.difference.presence, Presence::External { .. });
        let described = self.described_otherwise().into_iter().filter_map(|(address, there, field)| {
            draft.steps.iter().find(|step| step.object.as_ref() == Some(&address))?;
            let field = PlannedField { difference: field, blocked: false, recommended: false };
            let object = object(address, Operation::Change, Vec::new(), Vec::new());
            Some(ObjectPlan { uuid: Some(there.uuid), fields: vec![field], ..object })
        });
        self.missing_snapshots()
            .filter_map(|(address, snapshot)| {
                let step = draft.steps.iter().find(|step| step.object.as_ref() == Some(&address));
                if let Some(DraftStep { action: Action::TakeSnapshot { live, .. }, .. }) = step {
                    let text = if *live {
                        "taken while the guest runs on"
                    } else {
                        "taken after all changes, before any start"
                    };
                    return Some(object(address, Operation::Create, vec![text.to_owned()], Vec::new()));
                }
                let blocked = if is_external {
                    Blocked {
                        fields: Vec::new(),
                        reason: format!("{} is external, and is never changed", self.address),
                        missing: Dangers::new(),
                        hints: vec!["take it by hand, or leave the machine out of the list".to_owned()],
                    }
                } else {
                    // The machine itself says what is in the way.
                    self.too_late(snapshot)?
                };
                Some(object(address, Operation::Blocked, Vec::new(), vec![blocked]))
            })
            .chain(described)
            .collect()
    }

    /// Registers the snapshots that this plan takes, and those that an earlier run took or was about to take. One of the name that
    /// somebody else took satisfies the declaration and stays his.
    pub(super) fn snapshot_members(&self, draft: &Draft, plan: &mut RegisterPlan) {
        for snapshot in self.desired.snapshots.iter().filter(|one| one.machines.contains(self.address)) {
            let Some(address) = snapshot.address_on(self.address) else { continue };
            let is_taken = draft.steps.iter().any(|step| step.object.as_ref() == Some(&address));
            let former = snapshot.address_on(self.known_as()).filter(|former| {
                self.owner_register().is_some_and(|register| register.entries.contains_key(former))
            });
            let is_known = former.is_some();
            if let (Presence::Renamed { from_stack, .. }, Some(former)) = (&self.difference.presence, former)
            {
                plan.renamed.insert(address.clone(), (from_stack.clone(), former));
            }
            let there = self.live().and_then(|live| shape::named(live, &snapshot.name));
            if !(is_taken || is_known && there.is_some()) {
                continue;
            }
            let member = Member {
                identity: there.map(|snapshot| Identity::Uuid(snapshot.uuid)),
                declared: shape::declared(snapshot).into(),
                birth: Value::Null,
                protect: snapshot.lifecycle.protect,
                on_remove: snapshot.lifecycle.on_remove,
                owes: None,
                labels: std::collections::BTreeMap::new(),
            };
            plan.members.insert(address, member);
        }
    }
}

/// Deletes a snapshot that is no longer declared.
pub fn prune(
    address: &Address,
    undeclared: &Undeclared,
    inventory: &Inventory,
    policy: &Policy,
    into: &mut Removal<'_>,
) {
    let Some((machine, snapshot)) = registered(undeclared, inventory) else { return };
    let mut draft = Draft::new(address.clone(), Target::Existing(machine.uuid), policy.allow.clone());
    let missing = draft.missing([Danger::DestroyData]);
    let of_machine = into.drafts.iter().position(|draft| draft.target == Target::Existing(machine.uuid));
    let steps = of_machine.and_then(|index| into.drafts.get(index)).map(|draft| &draft.steps);
    let gone: BTreeSet<Uuid> = steps
        .into_iter()
        .flatten()
        .filter_map(|step| match &step.action {
            Action::DeleteSnapshot { snapshot, .. } => Some(*snapshot),
            _ => None,
        })
        .collect();
    let based_on_it = children_without(snapshot, &gone);
    if based_on_it.len() > 1 {
        let children: Vec<String> = based_on_it.iter().map(|child| format!("{:?}", child.name)).collect();
        draft.block(
            Vec::new(),
            format!(
                "VirtualBox cannot delete a snapshot that several others are based on: {}",
                children.join(", ")
            ),
            vec!["delete all of those but one first".to_owned()],
        );
    } else if let Some(stray) = super::remove::stray(machine, inventory).first() {
        draft.block(
            Vec::new(),
            format!("its disks have a difference that nothing uses: {}", stray.location.display()),
            vec!["attach it where its content is wanted, or delete it (`VBoxManage closemedium disk FILE --delete`)".to_owned()],
        );
    } else if !missing.is_empty() {
        draft.block_for(Vec::new(), missing, "deleting a snapshot gives up the way back to it".to_owned());
    } else {
        draft.effects.push(format!("deletes snapshot {:?}; the disks keep their content", snapshot.name));
        let action =
            Action::DeleteSnapshot { machine: Target::Existing(machine.uuid), snapshot: snapshot.uuid };
        draft.push(action, [], [Danger::DestroyData]);
        into.register.forget.insert(address.clone());
    }
    into.objects.push(ObjectPlan {
        address: address.clone(),
        operation: if draft.blocked.is_empty() { Operation::Remove } else { Operation::Blocked },
        uuid: Some(snapshot.uuid),
        fields: Vec::new(),
        effects: draft.effects.clone(),
        blocked: draft.blocked.clone(),
        danger: draft.danger(),
    });
    match of_machine.and_then(|index| into.drafts.get_mut(index)) {
        Some(of_machine) => of_machine.take(draft),
        None => into.drafts.push(draft),
    }
}

/// A snapshot's children once others are gone: those of a child that is deleted become its own.
fn children_without<'a>(snapshot: &'a Snapshot, gone: &BTreeSet<Uuid>) -> Vec<&'a Snapshot> {
    let children = snapshot.children.iter();
    children
        .flat_map(
            |child| if gone.contains(&child.uuid) { children_without(child, gone) } else { vec![child] },
        )
        .collect()
}

/// How many snapshots a registered one is based on; 0 for what is none.
pub fn depth(undeclared: &Undeclared, inventory: &Inventory) -> usize {
    fn below(snapshot: &Snapshot, uuid: Uuid, depth: usize) -> Option<usize> {
        if snapshot.uuid == uuid {
            return Some(depth);
        }
        snapshot.children.iter().find_map(|child| below(child, uuid, depth + 1))
    }
    let found = registered(undeclared, inventory).and_then(|(machine, snapshot)| {
        machine.snapshots.as_ref().and_then(|root| below(root, snapshot.uuid, 1))
    });
    found.unwrap_or_default()
}

/// The snapshot of a register's entry and its machine.
fn registered<'a>(undeclared: &Undeclared, inventory: &'a Inventory) -> Option<(&'a Machine, &'a Snapshot)> {
    let machine = inventory.machines.get(&undeclared.uuid?)?;
    let Identity::Uuid(uuid) = &undeclared.entry.identity else { return None };
    let root = machine.snapshots.as_ref()?;
    root.leaves_first().into_iter().find(|one| one.uuid == *uuid).map(|snapshot| (machine, snapshot))
}
