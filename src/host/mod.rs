//! The seam to a host: [`Inspect`] reads it, [`Operate`] performs one action.
//!
//! Three hosts stand behind it: `virtualbox`, the real one, `sim`, a strict simulated one, and `recorded`, one that was read before. The traits block;
//! the executor calls them from threads of its own.

mod birth;
pub mod checkup;
mod circumstances;
mod error;
pub mod recorded;
pub mod sim;
pub mod virtualbox;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use uuid::Uuid;

pub use birth::Birth;
pub use circumstances::{Asked, Circumstances, Endpoint, Range, Route, Space, Unavailable};
pub use error::{ErrorClass, HostError};

use self::checkup::{Comparison, Installation, NativeRoute, Sample};
use crate::inventory::{Inventory, Machine, Medium, PathFact};
use crate::model::nic::HostInterface;
use crate::model::{NetworkSettings, Secret};
use crate::plan::Action;

/// What a reader is asked for beyond the registries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// Whether power states matter. Without it a running server costs no process.
    pub states: bool,
    /// Start a server where none runs and ask it, even where its absence proves that nothing runs.
    pub ask_server: bool,
    /// Disks as they are registered, whose own files nobody opens: neither their sizes nor their health are known.
    pub skip_disk_files: bool,
}

/// Reads a host. Never changes anything, and starts no server but to ask about a machine whose file it does not trust.
pub trait Inspect: Send + Sync {
    /// The VirtualBox home.
    fn home_folder(&self) -> Result<PathBuf, HostError>;

    /// Home directory of the owner of the VirtualBox home, where that is known before the inventory, and where manifests lie on the host
    /// itself: they are read while the host is.
    fn owner_home(&self) -> Option<PathBuf> {
        None
    }

    /// Everything there is. A machine that cannot be read is a row with a reason, not an error.
    fn inventory(&self, want: &Want) -> Result<Inventory, HostError>;

    /// Interfaces of the host that adapters may be bridged to. Costs a process.
    fn interfaces(&self) -> Result<Vec<HostInterface>, HostError>;

    /// What lies at some paths of the host. Links are followed.
    fn probe(&self, paths: &[PathBuf]) -> BTreeMap<PathBuf, PathFact>;

    /// Everything below a folder of the host, the folder itself included. Links are followed, and not gone through.
    fn below(&self, folder: &Path) -> Result<BTreeMap<PathBuf, PathFact>, HostError>;

    /// Whether a file holds a medium, by the UUID in it. A file that says nothing of that does not.
    fn holds(&self, file: &Path, medium: &Medium) -> bool;

    /// The UUID of the disk that a file says it is, where it says so.
    fn disk_in(&self, file: &Path) -> Result<Option<Uuid>, HostError>;

    /// What else the host has. What cannot be found out is missing from the answer.
    fn circumstances(&self, asked: &Asked) -> Circumstances;

    /// Host-only interfaces by name, with their addresses. Costs a process where there are any.
    fn host_only(&self) -> Result<BTreeMap<String, NetworkSettings>, HostError>;

    /// One machine, all media and all networks but host-only ones, for comparing right before and right after an action: the machine is missing from
    /// the answer where it is not registered. Costs one or two file reads, and a process where `states` is set and a server runs.
    fn reread(&self, machine: Uuid, states: bool) -> Result<Inventory, HostError>;

    /// One machine with the media that it has, and perhaps more: enough for what is about nothing else. Costs what [`Inspect::reread`] costs,
    /// but for one machine however many there are. Without `states` a saved machine may be told all the same.
    fn look_at(&self, machine: Uuid, states: bool) -> Result<Inventory, HostError> {
        self.reread(machine, states)
    }

    /// This program stays, and looks again: what makes that cheaper may be kept meanwhile.
    fn stay(&self) {}

    /// A machine as it would be after going back to one of its snapshots, and off or saved; `None` where it has no such snapshot. Its disks are
    /// those of the snapshot, on which new differences will be put.
    fn as_of(&self, machine: Uuid, snapshot: Uuid) -> Result<Option<Machine>, HostError>;

    /// Folders in which a file that is written may mean that the host is another: that of the registry, and those of the machines and
    /// their logs. Some of them may not exist.
    fn watched(&self) -> Result<Vec<PathBuf>, HostError>;

    /// A picture of the first screen of a machine that runs, as PNG. Asks VirtualBox's server.
    fn screenshot(&self, machine: Uuid) -> Result<Vec<u8>, HostError>;

    /// A guest property as it is now; `None` where there is none. Asks VirtualBox's server.
    fn guest_property(&self, machine: Uuid, name: &str) -> Result<Option<String>, HostError>;

    /// The last bytes of a file of the host, `most` of them, and how many come before.
    fn file_end(&self, file: &Path, most: usize) -> Result<(Vec<u8>, u64), HostError>;

    /// The process of VirtualBox's server, where one runs and it can be told which one it is.
    fn server_process(&self) -> Option<u32> {
        None
    }

    /// Whether a machine may live, for who cannot ask VirtualBox: its log does not say that its last process ended. Costs one file read.
    fn may_live(&self, _machine: &Machine) -> bool {
        false
    }

    /// The file of a state in which a machine was saved last and that its settings do not name, so that it is lost when VirtualBox's server ends, or
    /// was: then the machine is off. `None` where there is none. The machine's own state may be unknown.
    fn unwritten_state(&self, _machine: &Machine) -> Option<PathBuf> {
        None
    }

    /// What is installed. Asks VirtualBox's server.
    fn installation(&self) -> Result<Installation, HostError>;

    /// The version of VirtualBox alone, without asking its server; `None` for a simulated host.
    fn version(&self) -> Result<Option<String>, HostError>;

    /// Settings versions (`1.19`) of the machines' files that are read instead of asking VirtualBox.
    fn layouts(&self) -> Result<Vec<String>, HostError>;

    /// Whether this host can be changed by the native helper; `None` for a simulated host. Starts a helper, which ends with the host's
    /// last user, and asks VirtualBox's server.
    fn native_route(&self) -> Option<NativeRoute> {
        None
    }

    /// Compares what is read with what VirtualBox's server says: a process for each machine.
    fn compare(&self, sample: Sample) -> Result<Comparison, HostError>;
}

/// What performing an action made known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// UUID of the machine or disk that it made.
    pub made: Option<Uuid>,
    /// VirtualBox's own warnings.
    pub warnings: Vec<String>,
}

/// Takes percentages while an action runs, 0 to 100.
pub type Progress<'a> = &'a (dyn Fn(u8) + Sync);

/// Performs actions. All targets in an action are `Existing`.
pub trait Operate: Send + Sync {
    /// Called under the lock, before anything is read, where the run before was killed: waits until the commands that it had begun have
    /// ended. They would change the host behind the back of the next run. `former` is the process id of that run.
    fn settle(&self, former: u32) -> Result<(), HostError>;

    /// Called once before the first action: makes overlapping clients safe, and finds out whether VirtualBox answers.
    fn prepare(&self) -> Result<(), HostError>;

    /// Performs one action. `Ok` means that VirtualBox said it was done; whether it was is read back by the caller.
    fn perform(&self, action: &Action, progress: Progress<'_>) -> Result<Done, HostError>;

    /// How many machines may be born whole in one go; 0 where this host makes them step by step.
    fn births(&self) -> usize {
        0
    }

    /// Makes machines whole, on a host that was just read as `known`. `None` for one that cannot be made that way, of which nothing was done; after an error of an unknown outcome it is
    /// there or not, after any other it is not, and nothing of it is left.
    fn bear(&self, births: &[Birth], _known: &Inventory) -> Vec<Option<Result<(), HostError>>> {
        births.iter().map(|_| None).collect()
    }

    /// Copies a machine's settings file, making the folder where it is missing. A host that has no files copies nothing.
    fn keep_settings(&self, machine: Uuid, copy: &Path) -> Result<(), HostError>;

    /// Hands over what fields for secrets are set to, by the digests that stand in plans.
    fn entrust(&self, secrets: BTreeMap<String, Secret>);

    /// Changes are to follow what is looked at next: what will be needed for them may be there for that already. [`Operate::finish`] follows,
    /// even where it comes to no change.
    fn expect_changes(&self) {}

    /// Called after the last action, and where it came to none: lets go of what was held for them. May be called again.
    fn finish(&self) {}

    /// How many actions of one kind may run side by side (long ones: starts, copies); short ones run one after another.
    fn width(&self, action: &Action) -> usize;

    /// Whether such a short action may follow another such one as soon as that was performed, before what came of it was looked at.
    fn is_pipelined(&self, _action: &Action) -> bool {
        false
    }

    /// How many such pipelined actions, each on another machine, are performed side by side.
    fn lanes(&self, _action: &Action) -> usize {
        1
    }

    /// How long the effect of an action that ended well may take until it can be read back.
    fn patience(&self, _action: &Action) -> Duration {
        Duration::ZERO
    }

    /// Ends waiting (a shutdown, a retry) as soon as possible; the action that runs is finished or ended.
    fn cancel(&self);
}

/// A host that can be read and changed.
pub trait Host: Inspect + Operate {}

impl<T: Inspect + Operate> Host for T {}
