//! The door for agents, as a client sees it: the program as it is, on the simulated host.

mod approval;
mod http;
mod looking;
mod parity;
mod protocol;
mod reading;
mod tiers;

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use vboxmcp::host::sim::{ByHand, SimHost};

use crate::agent::{Agent, Era};

const LAB: &str = "\
apiVersion: vboxmcp/v1
kind: Stack
metadata: {name: shop}
spec:
  variables:
    state: {default: running}
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: web}
spec:
  replicas: 2
  osType: Debian_64
  memory: 512MiB
  disks: {root: {size: 16MiB}}
  nics: [{nat: {portForwards: {ssh: \"${2200 + index}:22\"}}}]
  state: ${var.state}
";

/// A root directory with a manifest, and a simulated host beside it.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("root")).unwrap();
        std::fs::write(folder.path().join("root/lab.yaml"), LAB).unwrap();
        Self { folder }
    }

    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("root")
    }

    #[expect(clippy::disallowed_methods, reason = "the program under test")]
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vboxmcp"));
        command
            .current_dir(self.root())
            .env("HOME", self.folder.path())
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .args(arguments)
            .args(["--host", "sim:../host"])
            .stderr(Stdio::null());
        command
    }

    /// What agents may do here.
    fn configure(&self, toml: &str) {
        std::fs::write(self.root().join("vboxmcp.toml"), toml).unwrap();
    }

    /// A client at which a person sits.
    fn person(&self, era: Era) -> Agent {
        Agent::with_person(self.command(&["mcp"]), era)
    }

    /// Everything that the simulated host is made of, as it is kept.
    fn host(&self) -> String {
        let files = std::fs::read_dir(self.folder.path().join("host")).into_iter().flatten();
        let mut files: Vec<_> =
            files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
        files.sort();
        files.iter().map(|path| std::fs::read_to_string(path).unwrap_or_default()).collect()
    }

    /// What somebody does on the host without vboxmcp.
    fn by_hand(&self, what: &ByHand) {
        SimHost::open(&self.folder.path().join("host")).unwrap().by_hand(what).unwrap();
    }

    fn agent(&self, era: Era) -> Agent {
        Agent::start(self.command(&["mcp"]), era)
    }

    /// What the program says on a terminal, for programs: the last of it.
    #[track_caller]
    fn terminal(&self, arguments: &[&str], stdin: Option<&Path>) -> serde_json::Value {
        let mut command = self.command(arguments);
        if let Some(file) = stdin {
            command.stdin(std::fs::File::open(file).unwrap());
        }
        let said = documents(&mut command).pop();
        said.unwrap_or_else(|| panic!("nothing was said: {arguments:?}"))
    }

    /// All of it. Nobody consents to anything.
    fn documents(&self, arguments: &[&str]) -> Vec<serde_json::Value> {
        documents(self.command(arguments).stdin(Stdio::null()))
    }
}

fn documents(command: &mut Command) -> Vec<serde_json::Value> {
    let output = command.args(["-o", "json"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
