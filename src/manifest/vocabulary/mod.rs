//! Every word of the language: one table that the checks, did-you-mean, lowering and the JSON Schema read.
//!
//! May hold: the table, split by subject. Rules that look at more than one value are in [`super::lower`].

mod document;
mod hardware;
mod machine;
mod network;
mod stack;
mod storage;

pub(super) use document::{DOCUMENT, LIFECYCLE};
pub(super) use machine::MACHINE;
pub(super) use network::{DISK, NETWORK, SNAPSHOT};
pub(super) use stack::STACK;
pub(super) use storage::DISK_FORMATS;

use super::shape::Kind;
use super::text;

/// The kinds of documents.
pub(super) static KINDS: &[Kind] = &[
    Kind {
        name: "Stack",
        doc: "Names what belongs together, declares variables and defaults. At most one in a run.",
        spec: &STACK,
        lifecycle: None,
        names: &text::STACK_NAME,
    },
    Kind {
        name: "VirtualMachine",
        doc: "A machine, or with `replicas` several of one kind.",
        spec: &MACHINE,
        lifecycle: Some(&LIFECYCLE),
        names: &text::MACHINE_NAME,
    },
    Kind {
        name: "Disk",
        doc: "A disk that outlives the machines that it is attached to.",
        spec: &DISK,
        lifecycle: Some(&LIFECYCLE),
        names: &text::OBJECT_NAME,
    },
    Kind {
        name: "Network",
        doc: "A NAT network, an internal network or a host-only network.",
        spec: &NETWORK,
        lifecycle: Some(&LIFECYCLE),
        names: &text::OBJECT_NAME,
    },
    Kind {
        name: "Snapshot",
        doc: "A named point in time of one or more machines.",
        spec: &SNAPSHOT,
        lifecycle: Some(&LIFECYCLE),
        names: &text::SNAPSHOT_NAME,
    },
];
