//! What all requests share: the host, the configuration, and where manifests may be.

use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::{Environment, Overrides, Settings};
use crate::failure::{Failure, Kind};
use crate::ops::{self, Context, Host, Manifests};

/// What all requests share.
pub struct Desk {
    /// What the command line said when the server was started.
    overrides: Overrides,
    /// What the server was started in. Its directory is the root: manifests are below it.
    environment: Environment,
    /// The host that was chosen when the server was started, from when it is needed for the first time.
    host: Mutex<Option<Arc<dyn Host>>>,
}

impl Desk {
    /// A desk for one server. The working directory of the environment is the root that manifests are below.
    pub fn new(overrides: Overrides, environment: Environment) -> Self {
        Self { overrides, environment, host: Mutex::new(None) }
    }

    /// What a request works with: the configuration as it is now, and what the request says besides.
    pub fn context(&self, say: impl FnOnce(&mut Overrides)) -> Result<Context, Failure> {
        let settings = self.settings(say)?;
        let mut opened = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        let host = match &*opened {
            Some(host) => Arc::clone(host),
            None => Arc::clone(opened.insert(ops::open(&settings, &self.environment)?)),
        };
        Ok(Context { host, settings, environment: self.environment.clone() })
    }

    /// The configuration as it is now, and what the request says besides.
    pub fn settings(&self, say: impl FnOnce(&mut Overrides)) -> Result<Settings, Failure> {
        let mut overrides = self.overrides.clone();
        say(&mut overrides);
        Ok(Settings::resolve(overrides, &self.environment)?)
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
        Ok(Manifests { paths, stdin: text.map(String::into_bytes) })
    }

    fn expect_inside(&self, path: &Path) -> Result<(), Failure> {
        if path.as_os_str() == ops::STDIN {
            return Err(Failure::new(Kind::Usage, "`-` is no path here: pass the text as `manifest`"));
        }
        let root = &self.environment.directory;
        let meant = lexical(&root.join(path));
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

/// A path without `.` and `..`, as it is written: nothing is asked of the file system.
fn lexical(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}
