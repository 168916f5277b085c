//! Names of objects and their addresses (`vm/web-1`, `disk/web-1.root`, `net/core`, `snapshot/clean@web-1`).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of a machine as VirtualBox holds it. Not unique in VirtualBox: machines are addressed by UUID.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct MachineName(Arc<str>);

impl MachineName {
    /// Takes a name as it stands; the manifest room refuses those that VirtualBox cannot hold.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(Arc::from(name.as_ref()))
    }

    /// The name as VirtualBox holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MachineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a stack: letters, digits, `-`, `_` and `.`, because it is part of an extradata key.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct StackName(String);

impl StackName {
    /// The stack of manifests that name none. It can never prune.
    pub const DEFAULT: &'static str = "default";

    /// Accepts 1 to 63 letters, digits, `-`, `_` or `.`, the first a letter or digit.
    pub fn new(name: impl Into<String>) -> Result<Self, AddressError> {
        let name = name.into();
        let fits = (1..=63).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if fits { Ok(Self(name)) } else { Err(AddressError::Stack { name }) }
    }

    /// The stack of manifests that name none.
    pub fn default_stack() -> Self {
        Self(Self::DEFAULT.to_owned())
    }

    /// Whether this is the stack of manifests that name none.
    pub fn is_default(&self) -> bool {
        self.0 == Self::DEFAULT
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for StackName {
    type Error = AddressError;
    fn try_from(name: String) -> Result<Self, AddressError> {
        Self::new(name)
    }
}

impl From<StackName> for String {
    fn from(name: StackName) -> Self {
        name.0
    }
}

impl fmt::Display for StackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a plan, the register and a person call an object. The order (machines last) is the order of lists.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// `net/NAME`
    Network(String),
    /// `disk/NAME`, an object of its own
    Disk(String),
    /// `disk/VM.KEY`, a disk that lives and dies with its machine
    InlineDisk(MachineName, String),
    /// `vm/NAME`
    Machine(MachineName),
    /// `snapshot/NAME@VM`
    Snapshot(String, MachineName),
}

impl Address {
    /// `vm/NAME`
    pub fn machine(name: impl AsRef<str>) -> Self {
        Self::Machine(MachineName::new(name))
    }

    /// The machine that this object is or belongs to.
    pub fn machine_name(&self) -> Option<&MachineName> {
        match self {
            Self::Machine(name) | Self::InlineDisk(name, _) | Self::Snapshot(_, name) => Some(name),
            Self::Network(_) | Self::Disk(_) => None,
        }
    }

    /// `machine`, `disk`, `network` or `snapshot`, for sentences.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Machine(_) => "machine",
            Self::Disk(_) | Self::InlineDisk(..) => "disk",
            Self::Network(_) => "network",
            Self::Snapshot(..) => "snapshot",
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(name) => write!(f, "net/{name}"),
            Self::Disk(name) => write!(f, "disk/{name}"),
            Self::InlineDisk(machine, key) => write!(f, "disk/{machine}.{key}"),
            Self::Machine(name) => write!(f, "vm/{name}"),
            Self::Snapshot(name, machine) => write!(f, "snapshot/{name}@{machine}"),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// `disk/A.B` is read as the inline disk `B` of `A`: names of `Disk` documents have no dot, a disk key has none.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let unknown = || AddressError::Address { text: text.to_owned() };
        let (kind, name) = text.split_once('/').ok_or_else(unknown)?;
        if name.is_empty() {
            return Err(unknown());
        }
        match kind {
            "vm" => Ok(Self::machine(name)),
            "net" => Ok(Self::Network(name.to_owned())),
            "disk" => Ok(match name.rsplit_once('.') {
                Some((machine, key)) if !machine.is_empty() && !key.is_empty() => {
                    Self::InlineDisk(MachineName::new(machine), key.to_owned())
                }
                _ => Self::Disk(name.to_owned()),
            }),
            "snapshot" => match name.split_once('@') {
                Some((snapshot, machine)) if !snapshot.is_empty() && !machine.is_empty() => {
                    Ok(Self::Snapshot(snapshot.to_owned(), MachineName::new(machine)))
                }
                _ => Err(unknown()),
            },
            _ => Err(unknown()),
        }
    }
}

impl schemars::JsonSchema for Address {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "vm/NAME, disk/NAME, disk/VM.KEY, net/NAME or snapshot/NAME@VM" })
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is no name or address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not `vm/NAME`, `disk/NAME`, `disk/VM.KEY`, `net/NAME` or `snapshot/NAME@VM`.
    #[error("`{text}` is not an address (vm/NAME, disk/NAME, disk/VM.KEY, net/NAME, snapshot/NAME@VM)")]
    Address {
        /// As given.
        text: String,
    },
    /// Not a stack name.
    #[error(
        "`{name}` is not a stack name (1 to 63 letters, digits, `-`, `_` or `.`, the first a letter or digit)"
    )]
    Stack {
        /// As given.
        name: String,
    },
}
