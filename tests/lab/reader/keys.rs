//! What `showvminfo --machinereadable` prints and what the reader read, as the same keys.
//!
//! Numbers that only count lines (of controllers, folders, groups) are replaced by names, and what belongs to an adapter is
//! given its number. The parser is not the crate's: a fault in one of the two must not hide in the other.

mod printed;
mod read;

use std::collections::BTreeMap;

pub use printed::printed;
pub use read::read;

/// Values by key.
pub type Keys = BTreeMap<String, String>;

/// Keys of `showvminfo` that the reader does not read, each with its reason. A star stands for anything.
pub const NOT_READ: &[(&str, &str)] = &[
    ("encryption", "encrypted machines are not read"),
    ("platformArchitecture", "only x86 machines are read"),
    ("LogFldr", "a folder of VirtualBox's own choice"),
    ("NvramFile", "a file of VirtualBox's own choice"),
    ("effparavirtprovider", "computed by VirtualBox from the type of the guest"),
    ("paravirtdebug", "beyond the language"),
    ("VMStateChangeTime", "of interest to front ends only"),
    ("VMStateFile", "a file of VirtualBox's own choice"),
    ("teleporterpassword", "a secret"),
    ("tracing-*", "beyond the language"),
    ("controller/*/instance", "VirtualBox's own number"),
    ("controller/*/maxportcount", "follows from the bus"),
    ("nic/*/localhostReachable", "VirtualBox does not keep it: off is lost when its server leaves"),
    ("vrdeport", "the port at which it listens just now"),
    ("vrdevideochannel*", "beyond the language"),
    ("vrdeproperty[*", "the same as vrdeports and vrdeaddress"),
    ("recording_started", "whether it records just now"),
    ("recording_screens", "the number of screens"),
    ("screen/*/audio_enabled", "beyond the language"),
    ("screen/*/video_enabled", "beyond the language"),
    ("screen/*/opts", "beyond the language"),
    ("screen/*/dest", "beyond the language"),
    ("screen/1/*", "one screen's settings stand for all"),
    ("screen/2/*", "one screen's settings stand for all"),
    ("screen/3/*", "one screen's settings stand for all"),
    ("place/*/IsEjected", "whether the guest has opened it just now"),
    ("current_node", "where CurrentSnapshotUUID stands in the tree"),
];

/// What VirtualBox prints wrong, each with its reason.
pub struct Fault {
    /// The key. A star stands for anything.
    pub key: &'static str,
    /// Whether it is this fault: what was printed and what was read.
    pub is_it: fn(Option<&str>, Option<&str>) -> bool,
    /// What is wrong in VirtualBox.
    pub reason: &'static str,
}

/// Faults of VirtualBox 7.2.22 that are known.
pub const FAULTS: &[Fault] = &[Fault {
    key: "place/*/hot-pluggable",
    is_it: |printed, _| printed.is_none(),
    reason: "it is printed of disks of the first SATA and USB controllers only",
}];

/// Whether a key fits a pattern with stars.
pub fn fits(pattern: &str, key: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == key,
        Some((start, rest)) => key.strip_prefix(start).is_some_and(|key| {
            rest.is_empty() || key.char_indices().any(|(at, _)| fits(rest, &key[at..])) || fits(rest, "")
        }),
    }
}
