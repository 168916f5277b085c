//! The tools: one file each, which maps its arguments onto a function in `ops`. What several of them take or say is in `shared`.

mod drift;
mod get;
mod list;
mod plan;
mod shared;
mod validate;

use super::tool::Entry;

/// All tools, in the order in which they are listed, which never changes while a server runs.
pub fn all() -> Vec<Entry> {
    vec![
        Entry::of::<list::List>(),
        Entry::of::<get::Get>(),
        Entry::of::<validate::Validate>(),
        Entry::of::<plan::Plan>(),
        Entry::of::<drift::Drift>(),
    ]
}
