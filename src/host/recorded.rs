//! A host that was read before, on another machine: an inventory's file. It can be read and not changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::checkup::{Comparison, Installation, Sample};
use super::{Asked, Circumstances, Done, HostError, Inspect, Operate, Progress, Want};
use crate::inventory::{Inventory, InventoryDocument, Machine, Medium, PathFact};
use crate::model::nic::HostInterface;
use crate::model::{NetworkSettings, Secret};
use crate::plan::Action;

/// A host as a file says that it was.
#[derive(Clone, Debug)]
pub struct Recorded {
    document: InventoryDocument,
}

impl Recorded {
    /// The host of a document.
    pub fn new(document: InventoryDocument) -> Self {
        Self { document }
    }
}

impl Inspect for Recorded {
    fn home_folder(&self) -> Result<PathBuf, HostError> {
        Ok(self.document.inventory.host.home.clone())
    }

    fn inventory(&self, _want: &Want) -> Result<Inventory, HostError> {
        Ok(self.document.inventory.clone())
    }

    /// The document does not name them.
    fn interfaces(&self) -> Result<Vec<HostInterface>, HostError> {
        let what = "bridging to an interface of a host that was read from a file".to_owned();
        Err(HostError::Unsupported { what })
    }

    /// Paths of which the document says nothing are not in the answer.
    fn probe(&self, paths: &[PathBuf]) -> BTreeMap<PathBuf, PathFact> {
        let known = paths.iter().filter(|path| self.document.knows(path));
        let fact = |path: &PathBuf| self.document.inventory.paths.get(path).copied();
        known.map(|path| (path.clone(), fact(path).unwrap_or(PathFact::Missing))).collect()
    }

    /// Who runs there now, and how much room there is, no file tells: apply looks on the host.
    fn circumstances(&self, _asked: &Asked) -> Circumstances {
        Circumstances::default()
    }

    fn below(&self, folder: &Path) -> Result<BTreeMap<PathBuf, PathFact>, HostError> {
        let all = self.document.inventory.paths.iter().filter(|(path, _)| path.starts_with(folder));
        Ok(all.map(|(path, fact)| (path.clone(), *fact)).collect())
    }

    fn holds(&self, _file: &Path, _medium: &Medium) -> bool {
        false
    }

    fn disk_in(&self, _file: &Path) -> Result<Option<Uuid>, HostError> {
        Ok(None)
    }

    fn host_only(&self) -> Result<BTreeMap<String, NetworkSettings>, HostError> {
        Ok(self.document.inventory.networks.host_only.clone().unwrap_or_default())
    }

    fn reread(&self, _machine: Uuid, _states: bool) -> Result<Inventory, HostError> {
        Ok(self.document.inventory.clone())
    }

    /// The document holds no more of snapshots than their names and disks.
    fn as_of(&self, _machine: Uuid, _snapshot: Uuid) -> Result<Option<Machine>, HostError> {
        Err(HostError::Unsupported {
            what: "going back to a snapshot of a host that was read from a file".to_owned(),
        })
    }

    fn screenshot(&self, _machine: Uuid) -> Result<Vec<u8>, HostError> {
        Err(HostError::Unsupported { what: "a picture of a host that was read from a file".to_owned() })
    }

    fn guest_property(&self, machine: Uuid, name: &str) -> Result<Option<String>, HostError> {
        let machine = self.document.inventory.machines.get(&machine);
        let properties = machine.and_then(|machine| machine.settings.guest_properties.as_ref());
        Ok(properties.and_then(|all| all.get(name)).cloned().flatten())
    }

    fn file_end(&self, _file: &Path, _most: usize) -> Result<(Vec<u8>, u64), HostError> {
        Err(HostError::Unsupported { what: "a console of a host that was read from a file".to_owned() })
    }

    fn watched(&self) -> Result<Vec<PathBuf>, HostError> {
        Ok(Vec::new())
    }

    fn installation(&self) -> Result<Installation, HostError> {
        Ok(Installation::default())
    }

    fn version(&self) -> Result<Option<String>, HostError> {
        Ok(None)
    }

    /// The settings files are not here.
    fn layouts(&self) -> Result<Vec<String>, HostError> {
        Ok(Vec::new())
    }

    fn compare(&self, _sample: Sample) -> Result<Comparison, HostError> {
        Ok(Comparison::default())
    }
}

impl Operate for Recorded {
    fn settle(&self, _former: u32) -> Result<(), HostError> {
        self.prepare()
    }

    fn prepare(&self) -> Result<(), HostError> {
        Err(HostError::Unsupported { what: "changing a host that was read from a file".to_owned() })
    }

    fn perform(&self, _action: &Action, _progress: Progress<'_>) -> Result<Done, HostError> {
        self.prepare().map(|()| Done::default())
    }

    fn keep_settings(&self, _machine: Uuid, _copy: &Path) -> Result<(), HostError> {
        self.prepare()
    }

    fn entrust(&self, _secrets: BTreeMap<String, Secret>) {}

    fn width(&self, _action: &Action) -> usize {
        1
    }

    fn cancel(&self) {}
}
