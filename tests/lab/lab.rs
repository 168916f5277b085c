//! Finding a VirtualBox to test with.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::home::{self, Home};

/// A VirtualBox that tests may use.
pub struct Lab {
    vboxmanage: PathBuf,
    driverless: bool,
}

/// Why there is none.
#[derive(Debug)]
pub enum Missing {
    /// The laboratory cannot be on this machine, which is no fault of it.
    Impossible(String),
    /// Something that should have worked did not.
    Failed(String),
}

impl Missing {
    /// Whether the tests may be left out.
    pub fn is_permitted(&self) -> bool {
        matches!(self, Missing::Impossible(_)) && !home::is_set("VBOXMCP_REQUIRE_LAB")
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Impossible(why) | Missing::Failed(why) => f.write_str(why),
        }
    }
}

impl Lab {
    /// The installed VirtualBox that the environment names, or the laboratory, which is made if it is not there yet
    /// (about a minute, once).
    pub fn find() -> Result<Lab, Missing> {
        let lab = match std::env::var_os("VBOXMCP_TEST_VBOXMANAGE") {
            Some(installed) => Lab { vboxmanage: installed.into(), driverless: false },
            None => Lab { vboxmanage: set_up("lab/setup.sh")?.join("VBoxManage"), driverless: true },
        };
        home::sweep();
        Ok(lab)
    }

    /// The command line program of this VirtualBox. `VBoxSVC` lies beside it.
    pub fn vboxmanage(&self) -> &Path {
        &self.vboxmanage
    }

    /// What takes the native helper to where VirtualBox is; none where that is here.
    pub fn bring(&self) -> Option<PathBuf> {
        self.driverless.then(|| self.vboxmanage.with_file_name("bring"))
    }

    /// The mount namespace of the laboratory.
    pub fn namespace(&self) -> PathBuf {
        self.folder().join("mounts/namespace")
    }

    /// The root that the laboratory's programs run in.
    pub fn root(&self) -> PathBuf {
        self.folder().join("root")
    }

    fn folder(&self) -> &Path {
        self.vboxmanage.parent().and_then(Path::parent).expect("the laboratory's folder")
    }

    /// Whether machines run without a kernel driver, on an interpreted CPU.
    pub fn is_driverless(&self) -> bool {
        self.driverless
    }

    /// A new, empty VirtualBox home for one test.
    pub fn home(&self) -> Home<'_> {
        Home::new(self)
    }
}

/// Runs a script that makes something ready, below `tests`: what it prints is where that is.
pub fn set_up(script: &str) -> Result<PathBuf, Missing> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
    let output = Command::new("bash")
        .arg(&path)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| Missing::Impossible(format!("{}: {error}", path.display())))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = said.lines().last().map_or_else(|| format!("tests/{script} failed"), str::to_owned);
    let reason = reason.trim_start_matches("lab: ").trim_start_matches("python_sdk: ").to_owned();
    match output.status.code() {
        Some(0) => Ok(String::from_utf8_lossy(&output.stdout).trim().into()),
        Some(77) => Err(Missing::Impossible(reason)),
        _ => Err(Missing::Failed(reason)),
    }
}
