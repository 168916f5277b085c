//! The register of a stack: its members, kept in VirtualBox's own global extradata.
//!
//! Shards are `vboxmcp/stack/<stack>/<n>`, each at most [`Shard::MAX_BYTES`] of canonical JSON. An entry stays in its
//! shard while it fits, so that one changed member rewrites one shard; one that must move is written to its new
//! shard before the old one forgets it, so that a kill between two writes loses no member.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::Inventory;
use crate::model::{Address, DesiredState, MachineName, OnRemove, Shared, StackName};

/// What an object is known by, once it has been born.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Identity {
    /// A machine, or the base of a disk.
    Uuid(Uuid),
    /// A disk that has no UUID yet.
    Path(PathBuf),
    /// A network: they have no UUID.
    Network(String),
}

/// Whether a member's birth is known to be finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Written before its create: what is found under it is ours, and is finished.
    Pending,
    /// Read back after its create.
    Confirmed,
}

/// One member of a stack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    /// What it is known by.
    #[serde(rename = "id")]
    pub identity: Identity,
    /// Whether its birth is finished.
    pub status: Status,
    /// The last applied declaration as a tree, only fields that were read back as declared.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub applied: Shared<Value>,
    /// Birth values as a tree.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub birth: Value,
    /// Never deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protect: bool,
    /// What happens when it is no longer declared.
    #[serde(default)]
    pub on_remove: OnRemove,
    /// Leaf of a detached disk: what must be attached again, not the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf: Option<Uuid>,
    /// The power state to which a run that stopped the machine has not brought it back yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owes: Option<DesiredState>,
    /// `metadata.labels`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Entry {
    /// A member that is about to be born.
    pub fn pending(identity: Identity) -> Self {
        Self {
            identity,
            status: Status::Pending,
            applied: Shared::default(),
            birth: Value::Null,
            protect: false,
            on_remove: OnRemove::Keep,
            leaf: None,
            owes: None,
            labels: BTreeMap::new(),
        }
    }

    /// The leaf that was noted when the disk was detached, while nothing else has been written on top of it.
    pub fn noted_leaf(&self, inventory: &Inventory) -> Option<Uuid> {
        self.leaf.filter(|leaf| inventory.media.contains_key(leaf) && !inventory.has_children(*leaf))
    }
}

/// The register of one stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Register {
    /// Members by address.
    pub entries: Shared<BTreeMap<Address, Entry>>,
    /// Manifest paths of the last full apply, sorted.
    pub paths: Vec<PathBuf>,
    /// Shards that hold it now, by number: their texts.
    pub shards: BTreeMap<u32, String>,
    /// Why it is not whole; a stack whose register is broken is never changed.
    pub broken: Option<String>,
}

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct ShardBody {
    v: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    paths: Vec<PathBuf>,
    entries: BTreeMap<Address, Entry>,
}

/// One write to global extradata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shard {
    /// The extradata key.
    pub key: String,
    /// The new value; `None` removes the key.
    pub value: Option<String>,
}

impl Shard {
    /// Values over 128 KiB cannot be passed to VBoxManage (M6); a Windows command line ends at 32,767 characters.
    pub const MAX_BYTES: usize = 24 * 1024;
    /// All stacks' shards have keys below this one.
    pub const PREFIX: &'static str = "vboxmcp/stack/";

    /// The key of one shard.
    pub fn key(stack: &StackName, number: u32) -> String {
        format!("{}{stack}/{number}", Self::PREFIX)
    }

    /// Stack and number of a key.
    pub fn parse_key(key: &str) -> Option<(StackName, u32)> {
        let (stack, number) = key.strip_prefix(Self::PREFIX)?.rsplit_once('/')?;
        Some((StackName::new(stack).ok()?, number.parse().ok()?))
    }
}

/// A register that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// One member alone is larger than a shard.
    #[error("the declaration of {address} takes {bytes} bytes in the stack's register, more than the {max} that one entry may have", max = Shard::MAX_BYTES)]
    TooLarge {
        /// The member.
        address: Address,
        /// Its size.
        bytes: usize,
    },
}

impl Register {
    const VERSION: u32 = 1;

    /// The inline disks of a machine.
    pub fn disks_of<'r>(
        &'r self,
        machine: &'r MachineName,
    ) -> impl Iterator<Item = (&'r Address, &'r Entry)> {
        let first = Address::InlineDisk(machine.clone(), String::new());
        let is_its = move |address: &Address| matches!(address, Address::InlineDisk(of, _) if of == machine);
        self.entries.range(first..).take_while(move |(address, _)| is_its(address))
    }

    /// Reads a stack's register from its shards' texts by number.
    pub fn read(shards: BTreeMap<u32, String>) -> Self {
        let mut register = Self::default();
        for (number, text) in &shards {
            match serde_json::from_str::<ShardBody>(text) {
                Ok(body) if body.v > Self::VERSION => {
                    register.broken =
                        Some(format!("shard {number} has version {}, written by a later vboxmcp", body.v));
                }
                Ok(body) => {
                    register.paths.extend(body.paths);
                    for (address, entry) in body.entries {
                        // An entry in two shards is a move that was cut short: both are whole, the confirmed one knows more.
                        let known = register.entries.get(&address);
                        if known.is_none_or(|known| known.status == Status::Pending) {
                            register.entries.insert(address, entry);
                        }
                    }
                }
                Err(error) => register.broken = Some(format!("shard {number}: {error}")),
            }
        }
        register.shards = shards;
        register
    }

    /// The writes that bring the shards from what was read to this register, in the order in which they must happen.
    pub fn writes(&self, stack: &StackName) -> Result<Vec<Shard>, RegisterError> {
        let mut bodies = self.layout()?;
        let first = bodies.entry(0).or_insert_with(ShardBody::empty);
        first.paths.clone_from(&self.paths);
        let texts: BTreeMap<u32, String> = bodies
            .iter()
            .filter(|(_, body)| !body.entries.is_empty() || !body.paths.is_empty())
            .map(|(number, body)| (*number, body.text()))
            .collect();
        let mut changed: Vec<(u32, Option<String>)> = texts
            .iter()
            .filter(|(number, text)| self.shards.get(number) != Some(text))
            .map(|(number, text)| (*number, Some(text.clone())))
            .chain(
                self.shards.keys().filter(|number| !texts.contains_key(number)).map(|number| (*number, None)),
            )
            .collect();
        // A member that moves goes to a higher number: written from the top, it is never in no shard.
        changed.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        Ok(changed
            .into_iter()
            .map(|(number, value)| Shard { key: Shard::key(stack, number), value })
            .collect())
    }

    /// The register as it is when its writes are done.
    #[must_use]
    pub fn written(mut self, stack: &StackName, writes: &[Shard]) -> Self {
        for write in writes {
            let Some((_, number)) = Shard::parse_key(&write.key).filter(|(name, _)| name == stack) else {
                continue;
            };
            match &write.value {
                Some(text) => self.shards.insert(number, text.clone()),
                None => self.shards.remove(&number),
            };
        }
        self
    }

    fn layout(&self) -> Result<BTreeMap<u32, ShardBody>, RegisterError> {
        let mut bodies: BTreeMap<u32, ShardBody> = BTreeMap::new();
        let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
        let paths_size = self.paths.iter().map(|path| path.as_os_str().len() + 4).sum::<usize>() + 64;
        sizes.insert(0, paths_size);
        let mut homes: BTreeMap<&Address, u32> = BTreeMap::new();
        let old: BTreeMap<u32, ShardBody> = self
            .shards
            .iter()
            .filter_map(|(number, text)| Some((*number, serde_json::from_str(text).ok()?)))
            .collect();
        for address in self.entries.keys() {
            if let Some((number, _)) = old.iter().find(|(_, body)| body.entries.contains_key(address)) {
                homes.insert(address, *number);
            }
        }
        // Members that have a home go first, so that a new one never pushes them out.
        let (settled, new): (Vec<_>, Vec<_>) =
            self.entries.iter().partition(|(address, _)| homes.contains_key(address));
        for (address, entry) in settled.into_iter().chain(new) {
            let bytes = address.to_string().len() + entry_text(entry).len() + 4;
            if bytes + 64 > Shard::MAX_BYTES {
                return Err(RegisterError::TooLarge { address: address.clone(), bytes });
            }
            let fits = |number: u32| sizes.get(&number).copied().unwrap_or(64) + bytes <= Shard::MAX_BYTES;
            let number = homes
                .get(address)
                .copied()
                .filter(|number| fits(*number))
                .or_else(|| {
                    (homes.get(address).map_or(0, |home| home + 1)..=u32::MAX).find(|number| fits(*number))
                })
                .unwrap_or_default();
            *sizes.entry(number).or_insert(64) += bytes;
            bodies
                .entry(number)
                .or_insert_with(ShardBody::empty)
                .entries
                .insert(address.clone(), entry.clone());
        }
        Ok(bodies)
    }
}

impl ShardBody {
    fn empty() -> Self {
        Self { v: Register::VERSION, paths: Vec::new(), entries: BTreeMap::new() }
    }

    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn entry_text(entry: &Entry) -> String {
    serde_json::to_string(entry).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack() -> StackName {
        StackName::new("shop").unwrap()
    }

    fn entry(bytes: usize) -> Entry {
        let mut entry = Entry::pending(Identity::Uuid(Uuid::nil()));
        entry.applied = serde_json::json!({ "description": "x".repeat(bytes) }).into();
        entry
    }

    fn apply(register: &Register, writes: &[Shard]) -> BTreeMap<u32, String> {
        register.clone().written(&stack(), writes).shards
    }

    #[test]
    fn a_register_reads_back_from_its_shards() {
        let mut register = Register { paths: vec!["/lab/a.yaml".into()], ..Register::default() };
        for index in 0..300 {
            register.entries.insert(Address::machine(format!("m{index}")), entry(300));
        }
        let writes = register.writes(&stack()).unwrap();
        assert!(writes.len() > 1);
        assert!(writes.iter().all(|write| write.value.as_ref().unwrap().len() <= Shard::MAX_BYTES));
        let back = Register::read(apply(&register, &writes));
        assert_eq!((&back.entries, &back.paths), (&register.entries, &register.paths));
        assert_eq!(back.writes(&stack()).unwrap(), []);
    }

    #[test]
    fn the_disks_of_a_machine_are_no_other_machines() {
        let names = ["disk/a.root", "disk/a-b.root", "disk/a.", "disk/ab.root", "disk/a.data"];
        let mut register = Register::default();
        for (machine, key) in names.map(|name| name["disk/".len()..].split_once('.').unwrap()) {
            let address = Address::InlineDisk(MachineName::new(machine), key.to_owned());
            register.entries.insert(address, entry(1));
        }
        register.entries.insert(Address::machine("a"), entry(1));
        let of = |machine: &str| -> Vec<String> {
            let machine = MachineName::new(machine);
            register.disks_of(&machine).map(|(address, _)| address.to_string()).collect()
        };
        assert_eq!(of("a"), ["disk/a.", "disk/a.data", "disk/a.root"]);
        assert_eq!((of("a-b"), of("b")), (vec!["disk/a-b.root".to_owned()], vec![]));
    }

    #[test]
    fn one_changed_member_rewrites_one_shard() {
        let mut register = Register::default();
        for index in 0..200 {
            register.entries.insert(Address::machine(format!("m{index}")), entry(300));
        }
        let mut back = Register::read(apply(&register, &register.writes(&stack()).unwrap()));
        back.entries.get_mut(&Address::machine("m150")).unwrap().status = Status::Confirmed;
        back.entries.insert(Address::machine("a-new-one"), entry(10));
        assert!(back.writes(&stack()).unwrap().len() <= 2);
    }

    #[test]
    fn a_cut_between_two_writes_loses_no_member() {
        let mut register = Register::default();
        for index in 0..70 {
            register.entries.insert(Address::machine(format!("m{index}")), entry(300));
        }
        let mut back = Register::read(apply(&register, &register.writes(&stack()).unwrap()));
        for entry in back.entries.values_mut() {
            entry.applied = serde_json::json!({ "description": "y".repeat(900) }).into();
        }
        let writes = back.writes(&stack()).unwrap();
        assert!(writes.len() > 2);
        for cut in 0..writes.len() {
            let after = Register::read(apply(&back, &writes[..cut]));
            assert_eq!(after.broken, None);
            assert_eq!(after.entries.keys().collect::<Vec<_>>(), back.entries.keys().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_later_version_is_not_guessed_at() {
        let register = Register::read(BTreeMap::from([(0, r#"{"v":9,"entries":{}}"#.to_owned())]));
        assert!(register.broken.unwrap().contains("later vboxmcp"));
    }
}
