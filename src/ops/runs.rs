//! Runs: their journals.

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::Context;
use crate::apply::Journal;
use crate::apply::journal::{Origin, Who};
use crate::config::HostChoice;
use crate::failure::{Failure, Kind};
use crate::plan::Plan;

/// Begins the journal of a run. Without a journal nothing is done.
pub(super) fn begin(context: &Context, plan: &Plan, origin: Origin) -> Result<Journal, Failure> {
    let user = context.environment.user().unwrap_or("unknown user").to_owned();
    let who = Who { user, pid: std::process::id() };
    let begun = match folder(context)? {
        Some(folder) => Journal::create(&folder, plan, origin, who),
        None => Journal::in_memory(plan, origin, who),
    };
    begun.map_err(|error| {
        Failure::new(Kind::Other, error).hint("nothing was done: a run that cannot be written down does not begin")
    })
}

/// Where the journals of a host are: in the state directory, by VirtualBox home. Those of a simulated host are with its state; one that is
/// gone when the program ends keeps none.
fn folder(context: &Context) -> Result<Option<PathBuf>, Failure> {
    let state = match &context.settings.host {
        HostChoice::Sim(None) => return Ok(None),
        HostChoice::Sim(Some(directory)) => directory.join("state"),
        HostChoice::Local => {
            let state = context.environment.state_directory().ok_or_else(|| {
                Failure::new(Kind::Other, "there is no place for the run's journal: no state directory is known")
                    .hint("set HOME or XDG_STATE_HOME (LOCALAPPDATA on Windows)")
            })?;
            state.join(home_id(context)?)
        }
    };
    Ok(Some(state.join("runs")))
}

/// A short name of a VirtualBox home.
fn home_id(context: &Context) -> Result<String, Failure> {
    let home = context.host.home_folder()?;
    let digest = Sha256::digest(home.as_os_str().as_encoded_bytes());
    Ok(digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}
