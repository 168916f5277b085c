//! All tests that need no VirtualBox.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[allow(dead_code, reason = "the tests on a real VirtualBox ask more of it")]
mod agent;
#[path = "suite/births.rs"]
mod births;
#[path = "suite/broken_vboxmanage.rs"]
mod broken_vboxmanage;
#[path = "suite/capability.rs"]
mod capability;
#[path = "suite/cli/mod.rs"]
mod cli;
#[cfg(unix)]
#[path = "suite/elsewhere.rs"]
mod elsewhere;
#[allow(dead_code, reason = "the report on faults uses the rest")]
mod faults;
#[path = "suite/faults.rs"]
mod faults_suite;
#[path = "suite/manifests/mod.rs"]
mod manifests;
#[path = "suite/mcp/mod.rs"]
mod mcp;
#[path = "suite/native.rs"]
mod native;
#[path = "suite/preflight.rs"]
mod preflight;
#[path = "capability/mod.rs"]
mod probe;
#[path = "suite/readme.rs"]
mod readme;
#[path = "suite/runs.rs"]
mod runs;
mod scenario;
#[path = "suite/scenarios.rs"]
mod scenarios;
#[path = "suite/schemas.rs"]
mod schemas;
#[cfg(unix)]
#[path = "suite/stalls.rs"]
mod stalls;
#[path = "suite/structure.rs"]
mod structure;
#[path = "suite/teams.rs"]
mod teams;
