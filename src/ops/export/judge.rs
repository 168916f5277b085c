//! Reads documents back before anybody else does.

use std::path::PathBuf;

use crate::diff::{self, machine as shape};
use crate::inventory::{Inventory, Machine};
use crate::manifest::{self, LoadRequest, LowerContext};
use crate::model::{Address, Desired, StackName};

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

    fn lower(&self, text: &str, stack: Option<&StackName>) -> Result<Desired, String> {
        let text = match self.networks.as_str() {
            "" => text.to_owned(),
            networks => format!("{networks}---\n{text}"),
        };
        let loaded = manifest::load(&LoadRequest {
            paths: vec![PathBuf::from("-")],
            stdin: Some(text.as_bytes().to_vec()),
            // All paths are written absolute.
            cwd: self.inventory.host.home.clone(),
        });
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

    /// Whether a text has no mistakes.
    pub fn reads(&self, text: &str) -> bool {
        self.lower(text, None).is_ok()
    }

    /// Whether the document of a machine in a text says what the machine is.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn agrees(
        &self,
        text: &str,
        machine: &Machine,
        name: &Address,
        known_as: &(StackName, Address),
    ) -> Result<(), String> {
        let (stack, address) = known_as;
        let desired = self.lower(text, Some(stack))?;
        let declared = desired.machines.get(name).ok_or("its name does not read back")?;
        let tree = shape::declared(declared, Some(&machine.folder()));
        let live = shape::live_asked(machine, address, stack, Some(declared), self.inventory, &tree);
        let declared = tree;
        match diff::compare(&declared, &live).first() {
            None => Ok(()),
            Some(difference) => Err(format!("{} would not read back as it is", difference.path)),
        }
    }
}
