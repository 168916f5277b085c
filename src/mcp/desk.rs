//! What all requests share: the host, the configuration, where manifests may be, kept plans and the runs that go on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tempfile::TempDir;

use super::caller::Caller;
use super::running::Running;
use crate::config::{AgentSettings, Environment, Overrides, Settings};
use crate::failure::{Failure, Kind};
use crate::ops::kept::Shelf;
use crate::ops::{self, Context, Host, Manifests, Memory};

/// What all requests share.
pub struct Desk {
    /// What the command line said when the server was started.
    overrides: Overrides,
    /// What the server was started in. Its directory is the root: manifests are below it.
    environment: Environment,
    /// The name of every client, where whoever started the server says it.
    client: Option<String>,
    /// What agents may do, as the configuration said when the server was started: an agent that can write files must not
    /// raise itself while it runs.
    agents: AgentSettings,
    /// The host that was chosen when the server was started, from when it is needed for the first time.
    host: Mutex<Option<Arc<dyn Host>>>,
    /// Where plans of a simulated host are kept that is gone when the server ends.
    passing: OnceLock<TempDir>,
    /// Runs that go on.
    pub running: Running,
    memory: Memory,
}

impl Desk {
    /// A desk for one server. The working directory of the environment is the root that manifests are below.
    pub fn new(
        overrides: Overrides,
        environment: Environment,
        client: Option<String>,
    ) -> Result<Self, Failure> {
        let agents = Settings::resolve(overrides.clone(), &environment)?.agents;
        let (host, passing, running) = (Mutex::new(None), OnceLock::new(), Running::default());
        Ok(Self { overrides, environment, client, agents, host, passing, running, memory: Memory::lasting() })
    }

    /// Who asks: the name that the server was started with, or the one that a token stands for, or what the client calls itself.
    pub fn caller(&self, token: Option<&str>, name: Option<&str>, version: Option<&str>) -> Caller {
        let name = self.client.as_deref().or(token).or(name).unwrap_or("unknown");
        Caller::new(name, version.unwrap_or("?"), self.agents.rights(name).clone())
    }

    /// The client that a token stands for.
    pub fn client_of_token(&self, digest: &str) -> Option<&str> {
        let named = self.agents.clients.iter();
        let mut found = named.filter(|(_, client)| client.token.as_deref() == Some(digest));
        found.next().map(|(name, _)| name.as_str())
    }

    /// Whether any client is known by a token.
    pub fn has_tokens(&self) -> bool {
        self.agents.clients.values().any(|client| client.token.is_some())
    }

    /// What a request works with: the configuration as it is now, and what the request says besides.
    pub fn context(&self, say: impl FnOnce(&mut Overrides)) -> Result<Context, Failure> {
        let settings = self.settings(say)?;
        let mut opened = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        let host = if let Some(host) = &*opened {
            Arc::clone(host)
        } else {
            let host = opened.insert(ops::open(&settings, &self.environment)?);
            host.stay();
            Arc::clone(host)
        };
        Ok(Context { host, settings, environment: self.environment.clone(), memory: self.memory.clone() })
    }

    /// The configuration as it is now, and what the request says besides. Manifests may name paths only where agents may.
    pub fn settings(&self, say: impl FnOnce(&mut Overrides)) -> Result<Settings, Failure> {
        let mut overrides = self.overrides.clone();
        say(&mut overrides);
        let mut settings = Settings::resolve(overrides, &self.environment)?;
        settings.within = vec![self.environment.directory.clone()];
        settings.within.extend(self.agents.allow_paths.iter().cloned());
        Ok(settings)
    }

    /// Where plans are kept.
    pub fn shelf(&self, context: &Context) -> Result<Shelf, Failure> {
        if let Some(shelf) = Shelf::of(context)? {
            return Ok(shelf);
        }
        let folder = if let Some(folder) = self.passing.get() {
            folder
        } else {
            let made = tempfile::tempdir()?;
            self.passing.get_or_init(|| made)
        };
        Ok(Shelf::at(folder.path().join("plans")))
    }

    /// What the server was started in.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The manifests of a request: its text, the files that it names below the root, or what the configuration names.
    pub fn manifests(&self, text: Option<String>, paths: Vec<PathBuf>) -> Result<Manifests, Failure> {
        for path in &paths {
            self.expect_inside(path)?;
        }
        let mut paths = paths;
        if text.is_some() {
            paths.push(PathBuf::from(ops::STDIN));
        }
        Ok(Manifests { paths, stdin: text.map(String::into_bytes), ..Manifests::default() })
    }

    fn expect_inside(&self, path: &Path) -> Result<(), Failure> {
        if path.as_os_str() == ops::STDIN {
            return Err(Failure::new(Kind::Usage, "`-` is no path here: pass the text as `manifest`"));
        }
        let root = &self.environment.directory;
        let meant = ops::lexical(&root.join(path));
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if meant.starts_with(root) && real(&meant).starts_with(real(root)) {
            return Ok(());
        }
        Err(Failure::new(
            Kind::Refused,
            format!("{} is outside {}, where this server reads manifests", path.display(), root.display()),
        )
        .hint("pass the text itself as `manifest`, or start the server with another --root"))
    }
}
