//! The official Inspector looks at the tools as clients get them: `tools/list --strict` finds nothing, not even a warning.

use std::path::Path;
use std::process::Command;

use libtest_mimic::Failed;
use serde_json::Value;
use tempfile::TempDir;

use crate::agent::server::Server;
use crate::node;

/// One look, with the folder of the Inspector.
type Look = fn(&Path) -> Result<(), Failed>;

/// All of them: each way in, in each era.
pub const LOOKS: &[(&str, Look)] = &[
    ("tools_are_portable_stdio_modern", |folder| over_stdio(folder, "modern")),
    ("tools_are_portable_stdio_legacy", |folder| over_stdio(folder, "legacy")),
    ("tools_are_portable_http_modern", |folder| over_http(folder, "modern")),
    ("tools_are_portable_http_legacy", |folder| over_http(folder, "legacy")),
];

/// A root of a client that may do everything, so that it has the longest list.
fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("vboxmcp.toml"), "[mcp]\ntier = \"apply-destroy\"\n").unwrap();
    root
}

fn server(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vboxmcp"));
    command.args(["mcp", "--host", "sim", "--root"]).arg(root);
    command
}

fn over_stdio(folder: &Path, era: &str) -> Result<(), Failed> {
    let root = root();
    let server = server(root.path());
    let mut inspector = inspector(folder, root.path(), era);
    look(inspector.arg("--").arg(server.get_program()).args(server.get_args()))
}

fn over_http(folder: &Path, era: &str) -> Result<(), Failed> {
    let root = root();
    let mut command = server(root.path());
    command.args(["--http", "127.0.0.1:0"]);
    let server = Server::start(command);
    look(inspector(folder, root.path(), era).args([server.url().as_str(), "--transport", "http"]))
}

fn inspector(folder: &Path, home: &Path, era: &str) -> Command {
    let mut command = node(folder, "@modelcontextprotocol/inspector/clients/launcher/build/index.js");
    command.args([
        "--cli",
        "-q",
        "--protocol-era",
        era,
        "--method",
        "tools/list",
        "--strict",
        "--format",
        "json",
    ]);
    // It writes down servers and secrets at home.
    command.current_dir(home).env("HOME", home).env("MCP_INSPECTOR_SECRET_STORE", "memory");
    command
}

fn look(inspector: &mut Command) -> Result<(), Failed> {
    let output = inspector.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || !said.trim().is_empty() {
        return Err(format!("{}: {said}", output.status).into());
    }
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    match listed["result"]["tools"].as_array().or_else(|| listed["tools"].as_array()) {
        Some(tools) if tools.iter().any(|tool| tool["name"] == "apply") => Ok(()),
        _ => Err(format!("these are not the tools: {listed}").into()),
    }
}
