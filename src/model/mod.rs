//! The vocabulary: names, addresses, ids, units, and the fields that a declaration and a live machine share.
//!
//! No I/O, no text formats beyond the canonical spelling of each value, no import from another room.

pub mod address;
pub mod capability;
pub mod danger;
pub mod desired;
pub mod digest;
pub mod disk;
pub mod field;
pub mod network;
pub mod nic;
pub mod os_type;
pub mod path;
pub mod pattern;
pub mod policy;
pub mod route;
pub mod secret;
pub mod selection;
pub mod settings;
pub mod shared;
pub mod snapshot;
pub mod state;
pub mod units;
pub mod word;

pub use address::{Address, AddressError, MachineName, StackName};
pub use danger::{Danger, Dangers};
pub use desired::{
    Desired, DesiredDisk, DesiredDvd, DesiredMachine, DesiredNetwork, DiskDocument, DiskSource, DvdSource,
    Image, Lifecycle, Location, OnRemove, Source, Unsupported,
};
pub use disk::DiskSettings;
pub use field::FieldPath;
pub use network::{Dhcp, Ipv6, NetworkKind, NetworkSettings};
pub use nic::{HostPort, Nat, Nic, NicMode, PortForward, Protocol};
pub use path::lexical;
pub use pattern::Pattern;
pub use policy::{Limit, Limits, Policy};
pub use route::Route;
pub use secret::Secret;
pub use selection::{LabelTerm, Selection};
pub use settings::{Controller, Graphics, Settings, SharedFolder};
pub use shared::Shared;
pub use snapshot::{DesiredSnapshot, Take};
pub use state::{DesiredState, PowerState};
pub use units::{Bytes, Mebibytes};
