//! The real VirtualBox: its settings files are read, VBoxManage changes it.

pub(in crate::host) mod argv;
mod ask;
mod born;
mod circumstances;
pub(in crate::host) mod classify;
mod command;
mod deletion;
mod disks;
mod files;
mod guest;
pub(in crate::host) mod headers;
pub mod home;
mod host_only;
mod info;
mod inspect;
mod interfaces;
mod leftovers;
mod live;
pub mod locate;
pub mod native;
mod nvram;
mod operate;
mod orphans;
mod registry;
pub mod runner;
mod saving;
pub mod settings;
mod together;
mod vdi;
mod verify;

pub use argv::{Spellings, command_lines};
pub use command::{CommandLine, Shell};
pub use home::{Environment, Home};
pub use runner::{Deadline, Output, Patience, Runner};
pub use saving::rewriting;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, OnceLock};

use live::Alive;
use native::Native;
use runner::Server;
use together::Together;

use crate::host::HostError;
use crate::model::{Route, Secret};

/// A VirtualBox installation and one VirtualBox home.
#[derive(Debug)]
pub struct VirtualBox {
    home: Home,
    runner: Result<Runner, Vec<String>>,
    cache: registry::Cache,
    headers: headers::Cache,
    alive: Together<Alive>,
    spellings: OnceLock<Spellings>,
    /// The server that was started here: it would be a zombie when it has ended, and its lock keeps a second start away.
    server: Mutex<Option<Server>>,
    /// Layouts of settings files that the self-check found to be misread, with the reason.
    distrusted: BTreeMap<String, String>,
    /// What fields for secrets are set to, by the digests that stand in plans.
    secrets: Mutex<BTreeMap<String, Secret>>,
    route: Route,
    /// Changes machines that are off without VBoxManage, where it can.
    native: Native,
    /// Whether this program stays: then a helper that says which machines run is worth starting.
    stays: AtomicBool,
}

impl VirtualBox {
    /// Takes what was found. Without VBoxManage files can still be read; instead of the runner then stands where it was
    /// looked for.
    pub fn new(home: Home, runner: Result<Runner, Vec<String>>) -> Self {
        Self {
            home,
            runner,
            cache: registry::Cache::default(),
            headers: headers::Cache::default(),
            alive: Together::default(),
            spellings: OnceLock::new(),
            server: Mutex::default(),
            distrusted: BTreeMap::new(),
            secrets: Mutex::default(),
            route: Route::default(),
            native: Native::default(),
            stays: AtomicBool::default(),
        }
    }

    /// The same, asking VirtualBox about machines whose files have one of these layouts (`1.21`), each with the reason.
    #[must_use]
    pub fn distrusting(mut self, layouts: BTreeMap<String, String>) -> Self {
        self.distrusted = layouts;
        self
    }

    /// The same, changed by this door.
    #[must_use]
    pub fn by_route(mut self, route: Route) -> Self {
        self.route = route;
        self
    }

    /// By which door it is changed.
    pub fn route(&self) -> Route {
        self.route
    }

    /// The home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// What runs VBoxManage.
    pub fn runner(&self) -> Result<&Runner, HostError> {
        self.runner.as_ref().map_err(|searched| HostError::NoVBoxManage { searched: searched.clone() })
    }
}
