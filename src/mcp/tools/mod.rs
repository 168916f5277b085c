//! The tools: one file each, which maps its arguments onto a function in `ops`. What several of them take or say is in `shared`; what
//! all those say that make a plan, in `planned`. `apply` is not here: it asks a person first.

mod adopt;
mod console;
mod destroy;
mod drift;
mod explain;
mod export;
mod get;
mod host;
mod list;
mod plan;
mod planned;
mod power;
mod revert;
mod runs;
mod screenshot;
mod shared;
mod snapshot;
mod validate;
mod wait;

use super::apply::Apply;
use super::tool::{Entry, Work};

/// All tools, in the order in which they are listed, which never changes while a server runs.
pub fn all() -> Vec<Entry> {
    vec![
        Entry::now::<list::List>(),
        Entry::now::<get::Get>(),
        Entry::now::<host::Host>(),
        Entry::now::<runs::Runs>(),
        Entry::now::<screenshot::Screenshot>(),
        Entry::now::<console::Console>(),
        Entry::now::<wait::Wait>(),
        Entry::now::<validate::Validate>(),
        Entry::now::<explain::Explain>(),
        Entry::now::<export::Export>(),
        Entry::now::<drift::Drift>(),
        Entry::now::<plan::Plan>(),
        Entry::now::<power::Power>(),
        Entry::now::<snapshot::Snapshot>(),
        Entry::now::<revert::Revert>(),
        Entry::now::<destroy::Destroy>(),
        Entry::now::<adopt::Adopt>(),
        Entry::of::<Apply>(Work::Apply),
    ]
}
