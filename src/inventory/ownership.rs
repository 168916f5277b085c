//! The mark of a machine, and who owns what.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entry, Identity, Inventory, Machine, Status};
use crate::model::{Address, StackName};

/// The mark: extradata `vboxmcp/owner` of a machine, one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    /// Version of this format.
    pub v: u32,
    /// The stack.
    pub stack: StackName,
    /// The address in it.
    pub address: Address,
    /// The machine's own UUID: a clone carries its original's and is unowned.
    pub uuid: Uuid,
    /// Raised to make VirtualBox save the machine (a changed value saves memory-only settings too).
    pub n: u64,
}

impl Mark {
    /// The extradata key.
    pub const KEY: &'static str = "vboxmcp/owner";
    /// The version that this program writes.
    pub const VERSION: u32 = 1;

    /// A new mark.
    pub fn new(stack: StackName, address: Address, uuid: Uuid) -> Self {
        Self { v: Self::VERSION, stack, address, uuid, n: 1 }
    }

    /// The value of the extradata key.
    pub fn to_value(&self) -> String {
        // Strings, numbers and maps of them: serialisation has no way to fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What a machine's mark says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MarkState {
    /// There is none.
    #[default]
    None,
    /// It names this machine.
    Valid(Mark),
    /// It names another machine: this one is a clone, and unowned.
    Foreign(Mark),
    /// It cannot be read: the reason.
    Broken(String),
}

impl MarkState {
    /// Reads a mark's text.
    pub fn read(text: &str, machine: Uuid) -> Self {
        match serde_json::from_str::<Mark>(text) {
            Ok(mark) if mark.v > Mark::VERSION => {
                Self::Broken(format!("it has version {}, written by a later vboxmcp", mark.v))
            }
            Ok(mark) if mark.uuid == machine => Self::Valid(mark),
            Ok(mark) => Self::Foreign(mark),
            Err(error) => Self::Broken(error.to_string()),
        }
    }
}

/// Who owns a machine, as mark and registers together say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Nobody.
    Unowned,
    /// A stack, under an address.
    Owned {
        /// The stack.
        stack: StackName,
        /// The address in it.
        address: Address,
    },
    /// The register says ours, the mark is gone: somebody removed it. Unowned, and reported.
    MarkRemoved {
        /// The stack whose register still names it.
        stack: StackName,
        /// Under this address.
        address: Address,
    },
    /// A mark that cannot be read: nobody may touch the machine.
    Unclear(String),
}

impl Inventory {
    /// Who owns a machine. The mark wins over the register; a pending entry owns the UUID that it names.
    pub fn owner_of(&self, machine: &Machine) -> Ownership {
        match &machine.mark {
            MarkState::Valid(mark) => {
                return Ownership::Owned { stack: mark.stack.clone(), address: mark.address.clone() };
            }
            MarkState::Broken(reason) => return Ownership::Unclear(reason.clone()),
            MarkState::None | MarkState::Foreign(_) => {}
        }
        match self.entry_with_uuid(machine.uuid) {
            // The mark of an unreadable machine is not gone, it is not seen: the register alone speaks.
            Some((stack, address, _)) if !machine.access.is_readable() => {
                Ownership::Owned { stack: stack.clone(), address: address.clone() }
            }
            Some((stack, address, entry)) => match entry.status {
                Status::Pending => Ownership::Owned { stack: stack.clone(), address: address.clone() },
                Status::Confirmed => {
                    Ownership::MarkRemoved { stack: stack.clone(), address: address.clone() }
                }
            },
            None => Ownership::Unowned,
        }
    }

    /// The register entry that names a UUID.
    pub fn entry_with_uuid(&self, uuid: Uuid) -> Option<(&StackName, &Address, &Entry)> {
        let found = self.index.tables(self).entries.get(&uuid);
        debug_assert_eq!(
            found.is_some(),
            self.registers.values().any(|register| {
                register.entries.values().any(|entry| entry.identity == Identity::Uuid(uuid))
            }),
            "the inventory was changed after it was asked"
        );
        let (stack, address) = found?;
        let (stack, register) = self.registers.get_key_value(stack)?;
        let (address, entry) = register.entries.get_key_value(address)?;
        Some((stack, address, entry))
    }

    /// The machine that a stack owns under an address.
    pub fn owned_machine(&self, stack: &StackName, address: &Address) -> Option<&Machine> {
        let owned = self.index.owned(self).get(stack).and_then(|owned| owned.get(address));
        debug_assert_eq!(
            owned,
            self.machines
                .values()
                .find(|machine| {
                    matches!(self.owner_of(machine), Ownership::Owned { stack: s, address: a } if s == *stack && a == *address)
                })
                .map(|machine| &machine.uuid),
            "the inventory was changed after it was asked"
        );
        self.machines.get(owned?)
    }
}
