//! Reads documents back before anybody else does.

use crate::diff::{self, machine as shape};
use crate::inventory::{Inventory, Machine};
use crate::manifest::node::MAX_BYTES;
use crate::manifest::{self, LowerContext};
use crate::model::{Address, Desired, StackName};
use crate::threads;

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

    fn lower(&self, texts: &[&str], stack: Option<&StackName>) -> Result<Desired, String> {
        let networks = self.networks.as_str();
        let texts: Vec<&str> =
            (!networks.is_empty()).then_some(networks).into_iter().chain(texts.iter().copied()).collect();
        // In the end they are one file.
        if texts.iter().map(|text| text.len()).sum::<usize>() > MAX_BYTES {
            return Err(format!("a manifest may not be larger than {} MiB", MAX_BYTES >> 20));
        }
        // All paths are written absolute.
        let loaded = manifest::load_texts(&texts, &self.inventory.host.home);
        let context = LowerContext {
            stack: stack.cloned(),
            home: Some(self.inventory.host.owner_home.clone()),
            ..LowerContext::default()
        };
        let (desired, _) = manifest::lower(&loaded, &context).map_err(|found| {
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
        self.lower(texts, None).is_ok()
    }

    /// Whether a machine's document, after others, says what the machine is.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn agrees(&self, texts: &[&str], subject: &Subject<'_>) -> Result<(), String> {
        self.compare(&self.lower(texts, Some(&subject.known_as.0))?, subject)
    }

    /// Whether documents of machines of one stack have no mistakes together, and each says what its machine is.
    pub fn all_agree(&self, texts: &[&str], subjects: &[Subject<'_>]) -> bool {
        let mut stacks: Vec<&StackName> = subjects.iter().map(|subject| &subject.known_as.0).collect();
        stacks.dedup();
        let [stack] = stacks.as_slice() else { return false };
        let Ok(desired) = self.lower(texts, Some(stack)) else { return false };
        let threads = threads::worth(subjects.len(), 8);
        let agree = |subject| self.compare(&desired, subject).is_ok();
        threads::map(subjects, threads, &agree).into_iter().all(|agrees| agrees)
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
