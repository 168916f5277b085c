//! Where things of an inventory are, by what they are looked up by: planning asks about every object, and must not look at
//! all others each time.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::OnceLock;

use uuid::Uuid;

use super::{AttachedMedium, Identity, Inventory, Ownership};
use crate::model::{Address, StackName};

/// Made at the first question and true for the inventory as it was then: whoever changes machines, media or registers after a question
/// has to ask a copy, which makes its own. Debug builds compare every answer with the slow one.
#[derive(Debug, Default)]
pub struct Index(OnceLock<Tables>, OnceLock<Owned>, OnceLock<Users>);

/// The machine that each stack owns under an address.
type Owned = HashMap<StackName, HashMap<Address, Uuid>>;

/// Machines by media.
type Users = HashMap<Uuid, BTreeSet<Uuid>>;

#[derive(Debug, Default)]
pub(super) struct Tables {
    /// Machines by name, in the order of their UUIDs.
    pub named: HashMap<String, Vec<Uuid>>,
    /// Media by file; of two with the same file the one with the lesser UUID.
    pub located: HashMap<PathBuf, Uuid>,
    /// Differences to each medium.
    pub children: HashMap<Uuid, BTreeSet<Uuid>>,
    /// Media that machines have in their places, themselves.
    pub attached: HashSet<Uuid>,
    /// Machines that have each medium in their places, itself or through differences.
    pub users: Users,
    /// Register entries by the UUID that they name; the first of them.
    pub entries: HashMap<Uuid, (StackName, Address)>,
}

impl Clone for Index {
    /// A copy is made to be changed.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Index {
    /// It says nothing that the inventory does not say.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Index {
    pub(super) fn tables(&self, inventory: &Inventory) -> &Tables {
        self.0.get_or_init(|| Tables::of(inventory))
    }

    pub(super) fn owned(&self, inventory: &Inventory) -> &Owned {
        self.1.get_or_init(|| {
            let mut owned = Owned::new();
            for machine in inventory.machines.values() {
                if let Ownership::Owned { stack, address } = inventory.owner_of(machine) {
                    owned.entry(stack).or_default().entry(address).or_insert(machine.uuid);
                }
            }
            owned
        })
    }

    /// Machines that have each medium in their places or in those of a snapshot, itself or through differences.
    pub(super) fn holders(&self, inventory: &Inventory) -> &Users {
        self.2.get_or_init(|| {
            let mut holders = Users::new();
            for machine in inventory.machines.values() {
                for leaf in machine.media() {
                    add_user(&mut holders, machine.uuid, leaf, inventory);
                }
            }
            holders
        })
    }
}

/// A machine uses a medium, and what that is a difference to.
fn add_user(users: &mut Users, machine: Uuid, leaf: Uuid, inventory: &Inventory) {
    let mut current = Some(leaf);
    // In a cycle one comes back to a medium whose user it is already.
    while let Some(medium) = current
        && users.entry(medium).or_default().insert(machine)
    {
        current = inventory.media.get(&medium).and_then(|one| one.parent);
    }
}

impl Tables {
    fn of(inventory: &Inventory) -> Self {
        let mut tables = Self::default();
        for machine in inventory.machines.values() {
            if let Some(name) = &machine.name {
                tables.named.entry(name.clone()).or_default().push(machine.uuid);
            }
        }
        for medium in inventory.media.values() {
            tables.located.entry(medium.location.clone()).or_insert(medium.uuid);
            if let Some(parent) = medium.parent {
                tables.children.entry(parent).or_default().insert(medium.uuid);
            }
        }
        for machine in inventory.machines.values() {
            for attachment in &machine.attachments {
                let AttachedMedium::Image(leaf) = attachment.medium else { continue };
                tables.attached.insert(leaf);
                add_user(&mut tables.users, machine.uuid, leaf, inventory);
            }
        }
        for (stack, register) in &inventory.registers {
            for (address, entry) in &register.entries {
                if let Identity::Uuid(uuid) = entry.identity {
                    tables.entries.entry(uuid).or_insert_with(|| (stack.clone(), address.clone()));
                }
            }
        }
        tables
    }
}
