//! How a simulated host is made, and made from another one.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Condvar, Mutex};

use super::store::Store;
use super::world::World;
use super::{Circumstances, FaultPlan, HostError, SimHost};

impl SimHost {
    /// In memory, with nothing on it.
    pub fn in_memory() -> Self {
        Self::with(Store::memory(Path::new("/sim")))
    }

    /// In memory, with all its paths below `root`.
    pub fn in_memory_below(root: &Path) -> Self {
        Self::with(Store::memory(root))
    }

    /// Kept in a folder, which is made where it is missing; other processes may use it at the same time.
    pub fn open(folder: &Path) -> Result<Self, HostError> {
        Store::folder(folder).map(Self::with)
    }

    fn with(store: Store) -> Self {
        Self {
            store,
            faults: FaultPlan::none(),
            circumstances: Circumstances::default(),
            asked: AtomicU64::new(0),
            dead: AtomicBool::new(false),
            cancelled: Mutex::new(false),
            wake: Condvar::new(),
            births: 0,
            pipeline: false,
            registers: Mutex::default(),
        }
    }

    /// The same, on which so many machines at a time are born whole.
    #[must_use]
    pub fn with_births(self, births: usize) -> Self {
        Self { births, ..self }
    }

    /// The same, on which what the real one's helper does is pipelined.
    #[must_use]
    pub fn with_pipeline(self, pipeline: bool) -> Self {
        Self { pipeline, ..self }
    }

    /// The same VirtualBox seen by another process, in which other things go wrong: how a test goes on after a death.
    #[must_use]
    pub fn with_faults(&self, faults: FaultPlan) -> Self {
        Self { faults, circumstances: self.circumstances.clone(), ..self.of_its_kind(self.store.clone()) }
    }

    /// The same on a machine with other disks and ports. Without this there is room for everything, and nobody listens.
    #[must_use]
    pub fn with_circumstances(self, circumstances: Circumstances) -> Self {
        Self { circumstances, ..self }
    }

    /// A VirtualBox of its own that is now as this one, and well.
    pub fn copy(&self) -> Result<Self, HostError> {
        self.store.look(World::clone).map(|world| self.of_its_kind(Store::of(world)))
    }

    /// One that does things in the same way.
    fn of_its_kind(&self, store: Store) -> Self {
        Self { births: self.births, pipeline: self.pipeline, ..Self::with(store) }
    }

    /// Keeps its state, as it is now, in a folder for [`Self::open`]. Its own paths stay where they are.
    pub fn keep_in(&self, folder: &Path) -> Result<(), HostError> {
        self.store.keep_in(folder)
    }
}
