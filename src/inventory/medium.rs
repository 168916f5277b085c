//! One registered medium as it is.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::Bytes;

/// What a medium is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MediumKind {
    /// Hard disk.
    Disk,
    /// DVD image.
    Dvd,
    /// Floppy image.
    Floppy,
}

/// How a disk behaves under snapshots, VirtualBox's own words in lower case (`normal`, `immutable`, ...).
pub type MediumType = String;

/// Which file names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Registry {
    /// `VirtualBox.xml`
    Global,
    /// A machine's settings file.
    Machine(Uuid),
}

/// Whether its file is there and is what the registry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MediumHealth {
    /// Readable.
    Good,
    /// Not readable: the reason.
    Inaccessible(String),
    /// Not looked at: no path, or a format that this reader does not know.
    Unknown,
}

/// A registered medium.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Medium {
    /// Its UUID.
    pub uuid: Uuid,
    /// What it is for.
    pub kind: MediumKind,
    /// Absolute.
    pub location: PathBuf,
    /// `vdi`, `vmdk`, `vhd`, `raw`, ... in lower case.
    pub format: String,
    /// How it behaves under snapshots.
    pub medium_type: MediumType,
    /// The medium that it is a difference to.
    pub parent: Option<Uuid>,
    /// Which file names it.
    pub registry: Registry,
    /// Capacity; `None` where the header could not be read.
    pub size: Option<Bytes>,
    /// `dynamic`, `fixed`, `differencing`, ...; `None` where the header does not tell.
    pub variant: Option<String>,
    /// Whether its file is there.
    pub health: MediumHealth,
    /// Whether a differencing disk is thrown away at power-up.
    pub auto_reset: bool,
    /// Free text.
    pub description: String,
}

impl Medium {
    /// Whether its file is not there, or is another one.
    pub fn is_inaccessible(&self) -> bool {
        matches!(self.health, MediumHealth::Inaccessible(_))
    }
}
