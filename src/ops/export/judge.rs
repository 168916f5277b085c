//! Reads documents back before anybody else does.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::diff::{self, machine as shape};
use crate::inventory::{Inventory, Machine};
use crate::manifest::node::MAX_BYTES;
use crate::manifest::{self, Loaded, LowerContext};
use crate::model::{Address, Desired, StackName};
use crate::threads;

/// For each stack all documents are looked at once more.
const MOST_STACKS: usize = 4;

/// A machine that a document is about.
pub struct Subject<'a> {
    pub machine: &'a Machine,
    /// The address that the document gives it.
    pub name: &'a Address,
    /// Stack and address under which it is, or would be, owned.
    pub known_as: &'a (StackName, Address),
}

/// Knows the language and the host.
pub struct Judge<'a> {
    inventory: &'a Inventory,
    /// Documents of networks, which stand before all others.
    networks: String,
}

impl<'a> Judge<'a> {
    pub fn new(inventory: &'a Inventory, networks: &str) -> Self {
        Self { inventory, networks: networks.to_owned() }
    }

    /// Reads documents, behind those of the networks.
    fn read(&self, texts: &[&str]) -> Result<Loaded, String> {
        let networks = Some(self.networks.as_str()).filter(|networks| !networks.is_empty());
        let texts: Vec<&str> = networks.into_iter().chain(texts.iter().copied()).collect();
        // In the end they are one file, with a line between each two.
        if texts.iter().map(|text| text.len() + "---\n".len()).sum::<usize>() > MAX_BYTES {
            return Err(format!("a manifest may not be larger than {} MiB", MAX_BYTES >> 20));
        }
        // All paths are written absolute.
        Ok(manifest::load_texts(&texts, &self.inventory.host.home))
    }

    fn lower(&self, loaded: &Loaded, stack: Option<&StackName>) -> Result<Desired, String> {
        let context = LowerContext {
            stack: stack.cloned(),
            home: Some(self.inventory.host.owner_home.clone()),
            ..LowerContext::default()
        };
        let (desired, _) = manifest::lower(loaded, &context).map_err(|found| {
            let first = found.records().into_iter().find(|record| record.severity == "error");
            first.map_or_else(|| "it does not read back".to_owned(), |record| record.message)
        })?;
        match desired.unsupported.first() {
            Some(word) => Err(format!("this version cannot apply {}", word.what)),
            None => Ok(diff::resolve(desired, self.inventory)),
        }
    }

    /// Whether documents that stand together have no mistakes.
    pub fn reads(&self, texts: &[&str]) -> bool {
        self.read(texts).and_then(|loaded| self.lower(&loaded, None)).is_ok()
    }

    /// Whether a machine's document, after others, says what the machine is.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn agrees(&self, texts: &[&str], subject: &Subject<'_>) -> Result<(), String> {
        let loaded = self.read(texts)?;
        self.compare(&self.lower(&loaded, Some(&subject.known_as.0))?, subject)
    }

    /// The machines whose documents say what they are where all stand together. None where anything is wrong with them together, or where
    /// they are of many stacks.
    pub fn agreeing(&self, texts: &[&str], subjects: &[Subject<'_>]) -> BTreeSet<Uuid> {
        let stacks: BTreeSet<&StackName> = subjects.iter().map(|subject| &subject.known_as.0).collect();
        let mut agreeing = BTreeSet::new();
        if stacks.len() > MOST_STACKS {
            return agreeing;
        }
        let Ok(loaded) = self.read(texts) else { return agreeing };
        for stack in stacks {
            let Ok(desired) = self.lower(&loaded, Some(stack)) else { return BTreeSet::new() };
            let own = |subject: &&Subject<'_>| subject.known_as.0 == *stack;
            let own: Vec<&Subject<'_>> = subjects.iter().filter(own).collect();
            let agrees = |subject: &&Subject<'_>| {
                self.compare(&desired, subject).is_ok().then_some(subject.machine.uuid)
            };
            agreeing.extend(threads::map(&own, threads::worth(own.len(), 8), &agrees).into_iter().flatten());
        }
        agreeing
    }

    fn compare(&self, desired: &Desired, subject: &Subject<'_>) -> Result<(), String> {
        let Subject { machine, name, known_as: (stack, address) } = subject;
        let declared = desired.machines.get(*name).ok_or("its name does not read back")?;
        let tree = shape::declared(declared, Some(&machine.folder()));
        let live = shape::live_asked(machine, address, stack, Some(declared), self.inventory, &tree);
        match diff::compare(&tree, &live).first() {
            None => Ok(()),
            Some(difference) => Err(format!("{} would not read back as it is", difference.path)),
        }
    }
}
