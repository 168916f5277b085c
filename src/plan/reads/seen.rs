//! The reads that were collected so far, found again without looking at all of them: a plan over thousands of machines has tens of thousands.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::discriminant;

use uuid::Uuid;

use super::Subject;
use crate::inventory::{Inventory, Read};
use crate::model::{Address, FieldPath, StackName};

/// Reads in the order in which they came, each once.
#[derive(Default)]
pub(super) struct Seen {
    reads: Vec<Read>,
    /// The last place in `reads` of each hash of what is read.
    last: HashMap<u64, usize>,
    /// For each read the place of the one before it that has the same hash.
    before: Vec<Option<usize>>,
    /// The machines among them.
    pub subjects: Subjects,
}

impl Seen {
    /// Adds a read, once.
    pub fn add(&mut self, read: Read) {
        let key = key(&read);
        let last = self.last.get(&key).copied();
        if std::iter::successors(last, |place| self.before[*place]).any(|place| self.reads[place] == read) {
            return;
        }
        self.last.insert(key, self.reads.len());
        self.before.push(last);
        self.subjects.note(&read);
        self.reads.push(read);
    }

    /// All of them.
    pub fn into_reads(self) -> Vec<Read> {
        self.reads
    }
}

/// Paths of the machine before. Machines of one kind declare the same fields in the same order, so that they share them.
#[derive(Default)]
pub(super) struct Paths(Vec<FieldPath>);

impl Paths {
    /// The path of some keys, which are the fields' number `at`.
    pub fn path(&mut self, at: usize, keys: &[&str]) -> FieldPath {
        match self.0.get_mut(at) {
            Some(path) if path.keys() == keys => path.clone(),
            before => {
                let path = FieldPath::of(keys.iter().copied());
                match before {
                    Some(before) => *before = path.clone(),
                    None => self.0.push(path.clone()),
                }
                path
            }
        }
    }
}

/// The machines that reads speak of, by their addresses: each with the stack and the address that it had before, where it had another one.
#[derive(Default)]
pub(super) struct Subjects(HashMap<Address, Vec<Known>>);

type Known = (Uuid, Option<(StackName, Address)>);

impl Subjects {
    /// Of all reads of a plan.
    pub fn of(reads: &[Read]) -> Self {
        let mut subjects = Self::default();
        for read in reads {
            subjects.note(read);
        }
        subjects
    }

    fn note(&mut self, read: &Read) {
        let (address, known) = match read {
            Read::Owned { address, machine: Some(uuid), .. } => (address, (*uuid, None)),
            Read::Former { address, stack, from, machine: Some(uuid), .. } => {
                (address, (*uuid, Some((stack.clone(), from.clone()))))
            }
            _ => return,
        };
        self.0.entry(address.clone()).or_default().push(known);
    }

    /// The machine that was `address` when the reads were made, if it still is there.
    pub fn find<'i>(
        &self,
        stack: &StackName,
        address: &Address,
        inventory: &'i Inventory,
    ) -> Option<Subject<'i>> {
        self.0.get(address)?.iter().find_map(|(uuid, former)| {
            let machine = inventory.machines.get(uuid)?;
            let (stack, known_as) = former.clone().unwrap_or_else(|| (stack.clone(), address.clone()));
            Some(Subject { machine, stack, known_as })
        })
    }
}

/// A hash of what is read, whatever the value is.
fn key(read: &Read) -> u64 {
    let mut hasher = DefaultHasher::new();
    discriminant(read).hash(&mut hasher);
    match read {
        Read::Stack { .. } => {}
        Read::Owned { address, .. }
        | Read::Former { address, .. }
        | Read::Entry { address, .. }
        | Read::Attachments { address, .. }
        | Read::Snapshots { address, .. }
        | Read::Remembered { address, .. }
        | Read::Network { address, .. }
        | Read::Disk { address, .. } => address.hash(&mut hasher),
        Read::Field { address, path, .. } | Read::Members { address, path, .. } => {
            (address, path).hash(&mut hasher);
        }
        Read::Description { address, snapshot, .. } => (address, snapshot).hash(&mut hasher),
        Read::Unowned { machine: uuid }
        | Read::Chain { leaf: uuid, .. }
        | Read::Uses { medium: uuid, .. } => {
            uuid.hash(&mut hasher);
        }
        Read::Named { name: text, .. } | Read::Mac { mac: text, .. } => text.hash(&mut hasher),
        Read::HostPort { port, .. } => port.hash(&mut hasher),
        Read::Path { path, .. } | Read::Medium { path, .. } => path.hash(&mut hasher),
    }
    hasher.finish()
}
