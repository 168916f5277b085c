//! The process environment as a value: captured once, so that everything behind it can be tested.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

/// What the program was started in.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Environment variables.
    pub variables: BTreeMap<OsString, OsString>,
    /// The working directory.
    pub directory: PathBuf,
    /// This program's own file, where it is known.
    pub program: Option<PathBuf>,
    /// Whether standard input is a terminal: only then may questions be asked.
    pub stdin_is_terminal: bool,
    /// Whether standard output is a terminal.
    pub stdout_is_terminal: bool,
    /// Whether standard error is a terminal: only then is there a live display.
    pub stderr_is_terminal: bool,
}

impl Environment {
    /// Reads it all.
    ///
    /// # Errors
    /// Where the working directory is gone.
    #[expect(clippy::disallowed_methods, reason = "this is the door that the ban names")]
    pub fn capture() -> io::Result<Self> {
        Ok(Self {
            variables: std::env::vars_os().collect(),
            directory: std::env::current_dir()?,
            program: std::env::current_exe().ok(),
            stdin_is_terminal: io::stdin().is_terminal(),
            stdout_is_terminal: io::stdout().is_terminal(),
            stderr_is_terminal: io::stderr().is_terminal(),
        })
    }

    /// A variable; an empty one counts as unset.
    pub fn var_os(&self, name: &str) -> Option<&OsStr> {
        let found = if cfg!(windows) {
            // Windows does not tell `Path` from `PATH`.
            let same = |key: &OsStr| key.to_str().is_some_and(|key| key.eq_ignore_ascii_case(name));
            self.variables.iter().find(|(key, _)| same(key)).map(|(_, value)| value)
        } else {
            self.variables.get(OsStr::new(name))
        };
        found.map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// A variable that is valid Unicode; an empty one counts as unset.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.var_os(name)?.to_str()
    }

    /// The home directory of the user.
    pub fn home(&self) -> Option<PathBuf> {
        let name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        self.var_os(name).map(PathBuf::from).filter(|home| home.is_absolute())
    }

    /// Name of the user, for messages.
    pub fn user(&self) -> Option<&str> {
        ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| self.var(name))
    }

    /// Where the platform keeps a program's own state: `vboxmcp/` below it is ours.
    pub fn state_directory(&self) -> Option<PathBuf> {
        let state = if cfg!(windows) {
            self.var_os("LOCALAPPDATA").map(PathBuf::from)
        } else if cfg!(target_os = "macos") {
            self.home().map(|home| home.join("Library/Application Support"))
        } else {
            let named = self.var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
            named.or_else(|| self.home().map(|home| home.join(".local/state")))
        };
        state.map(|state| state.join("vboxmcp"))
    }
}
