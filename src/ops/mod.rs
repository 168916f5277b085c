//! The facade: one function per verb, which every door uses. Requests and responses are plain types.
//!
//! `declare` reads manifests, `host` opens a host; the rest is one file per verb. What doors need of the rooms below is
//! named here once more, so that they import nothing else.

mod adopt;
mod apply;
mod choose;
mod command;
mod declare;
mod destroy;
mod doctor;
mod drift;
mod explain;
mod export;
mod first;
mod get;
mod graph;
mod guest;
mod host;
mod inventory;
pub mod kept;
mod memory;
mod networks;
mod plan;
mod reach;
mod revert;
pub mod runs;
pub mod saved;
mod script;
mod self_check;
mod settle;
mod snapshot;
mod validate;
mod watch;

use std::sync::Arc;

pub use crate::inventory::Problem;
pub use adopt::{AdoptRequest, adopt};
pub use apply::{Consent, apply, ended_as, has_pending_writes, settle};
pub use command::{CommandRequest, command};
pub use declare::{Declared, Manifests};
pub use destroy::{DestroyRequest, destroy};
pub use doctor::{Check, DoctorReport, DoctorRequest, Verdict, doctor, repair};
pub use drift::{DriftReport, drift};
pub use explain::{Change, Class, Cost, ExplainRequest, Explained, Explanation, Word, explain, vocabulary};
pub use export::{ExportRequest, Exported, export};
pub use first::first;
pub use get::{
    AttachmentRow, DiskRow, GetResponse, MachineDetail, MachineRow, SnapshotRow, details, disks, machines,
    networks,
};
pub use graph::{Edge, Graph, graph};
pub use guest::{Awaited, Console, Waited, console, screenshot, wait};
pub use host::{native_helper, open};
pub use inventory::{InventoryRequest, inventory, to_bytes as inventory_bytes};
pub use memory::Memory;
pub use networks::NetworkRow;
pub use plan::{PlanRequest, PlanResponse, plan, plan_to_show, refused};
pub use reach::{Reach, reach};
pub use revert::{RevertRequest, revert};
pub use script::{Line, script};
pub use snapshot::{SnapshotRequest, snapshot};
pub use validate::{ValidateResponse, validate};
pub use watch::{Changed, Watch};

pub use crate::apply::clock::timestamp;
pub use crate::apply::journal::{Agent, Chain};
pub use crate::apply::{Cancel, Outcome, Sink};
pub use crate::event::Event;
pub use crate::event::{StepLabel, StepOutcome};
pub use crate::host::Host;
pub use crate::host::virtualbox::Shell;
pub use crate::manifest::diagnostic::Diagnostics;
pub use crate::manifest::load::STDIN;
pub use crate::manifest::node::MAX_BYTES as MOST_MANIFEST_BYTES;
pub use crate::manifest::paths::lexical;
pub use crate::plan::{DestroyOptions, NewSnapshot, Plan, PowerCommand, Verb};

use crate::config::{Environment, Settings};

/// What every verb works with.
#[derive(Clone)]
pub struct Context {
    /// The host.
    pub host: Arc<dyn Host>,
    /// How this run goes.
    pub settings: Settings,
    /// What the program was started in.
    pub environment: Environment,
    /// What it remembers of its last plan.
    pub memory: Memory,
}

/// The JSON Schema of the language, as text that ends with a line break.
pub fn schema() -> String {
    format!("{:#}\n", crate::manifest::schema::json())
}
