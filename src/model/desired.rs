//! What the manifests ask for, after variables, defaults, replicas, references and units are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::address::{Address, MachineName, StackName};
use super::danger::Dangers;
use super::disk::DiskSettings;
use super::field::FieldPath;
use super::network::{NetworkKind, NetworkSettings};
use super::nic::Bridge;
use super::secret::Secret;
use super::settings::Settings;
use super::shared::Shared;
use super::snapshot::DesiredSnapshot;
use super::state::DesiredState;
use super::units::Bytes;
use super::word::words;

/// Everything that one run declares.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The stack that owns it.
    pub stack: StackName,
    /// Machines by address.
    pub machines: BTreeMap<Address, DesiredMachine>,
    /// Snapshots in the order of their documents: of two new ones the first is the parent.
    pub snapshots: Vec<DesiredSnapshot>,
    /// Disks of their own by address.
    pub disks: BTreeMap<Address, DiskDocument>,
    /// Networks by address.
    pub networks: BTreeMap<Address, DesiredNetwork>,
    /// Words that validate but that this version cannot apply: `plan` refuses them.
    pub unsupported: Vec<Unsupported>,
    /// The manifest paths as given, absolute, sorted: compared with the last full apply's before a prune.
    pub paths: Vec<PathBuf>,
}

impl Desired {
    /// A stack of which nothing is declared: what plans without manifests are made from.
    pub fn nothing(stack: StackName) -> Self {
        Self {
            stack,
            machines: BTreeMap::new(),
            snapshots: Vec::new(),
            disks: BTreeMap::new(),
            networks: BTreeMap::new(),
            unsupported: Vec::new(),
            paths: Vec::new(),
        }
    }

    /// The declared networks and disks of their own that a machine uses, each with the field that says so (`nics.1`, `disks.data`).
    pub fn used_by(&self, machine: &DesiredMachine) -> Vec<(Address, FieldPath)> {
        let mut used = Vec::new();
        for (slot, nic) in machine.settings.nics.iter().flatten() {
            let (Some(mode), Some(name)) = (&nic.mode, &nic.network) else { continue };
            let mut networks = self.networks.iter();
            let found = networks.find(|(_, network)| network.kind.mode() == *mode && network.name == *name);
            used.extend(
                found.map(|(address, _)| (address.clone(), FieldPath::of(["nics", &slot.to_string()]))),
            );
        }
        for (key, disk) in machine.disks.iter().flatten() {
            if let DiskSource::Reference { disk, .. } = &disk.disk {
                used.push((disk.clone(), FieldPath::of(["disks", key])));
            }
        }
        used
    }
}

/// A word of the language that this version validates and cannot apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// Where it is.
    pub source: Source,
    /// What it is (`Network core`, `spec.audio`).
    pub what: String,
}

/// Where a declared value was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Source {
    /// The manifest as it was named on the command line, or `-`.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One declared machine.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredMachine {
    /// Its name.
    pub name: MachineName,
    /// Where the document begins.
    pub source: Source,
    /// Managed settings.
    pub settings: Shared<Settings>,
    /// Managed disks by key; `None` where the manifest says nothing of disks.
    pub disks: Option<BTreeMap<String, Box<DesiredDisk>>>,
    /// Managed DVD drives in their order; `None` where the manifest says nothing of them.
    pub dvds: Option<Vec<DesiredDvd>>,
    /// Managed floppy drives in their order; `None` where the manifest says nothing of them.
    pub floppies: Option<Vec<DesiredDvd>>,
    /// How the host's interfaces of bridged adapters are found that the manifest does not name, by slot.
    pub bridges: BTreeMap<u32, Bridge>,
    /// What stands in fields for secrets.
    pub secrets: BTreeMap<FieldPath, Secret>,
    /// Wanted power state; `None` is not managed.
    pub state: Option<DesiredState>,
    /// The folder that holds the machine's own folder; `None` is VirtualBox's default machine folder. Used at birth.
    pub location: Option<PathBuf>,
    /// How vboxmcp treats it.
    pub lifecycle: Lifecycle,
    /// Seconds that an ACPI shutdown may take.
    pub stop_timeout: u64,
    /// Machines that are started before this one.
    pub depends_on: BTreeSet<Address>,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// Where each declared field was written; the longest prefix of a path is its place.
    pub sources: Shared<BTreeMap<FieldPath, Source>>,
}

impl DesiredMachine {
    /// Seconds that an ACPI shutdown may take where the manifest does not say.
    pub const STOP_TIMEOUT: u64 = 60;

    /// Where a field was written: its own place, or that of the nearest key above it.
    pub fn source_of(&self, path: &FieldPath) -> &Source {
        nearest(path, &self.sources).unwrap_or(&self.source)
    }
}

fn nearest<'a>(path: &FieldPath, sources: &'a BTreeMap<FieldPath, Source>) -> Option<&'a Source> {
    let mut path = Some(path.clone());
    while let Some(current) = path {
        if let Some(source) = sources.get(&current) {
            return Some(source);
        }
        path = current.parent();
    }
    None
}

/// One declared disk of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct DiskDocument {
    /// Its name.
    pub name: String,
    /// Where the document begins.
    pub source: Source,
    /// Managed settings.
    pub settings: DiskSettings,
    /// How vboxmcp treats it.
    pub lifecycle: Lifecycle,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// Where each declared field was written; the longest prefix of a path is its place.
    pub sources: BTreeMap<FieldPath, Source>,
}

impl DiskDocument {
    /// Where a field was written: its own place, or that of the nearest key above it.
    pub fn source_of(&self, path: &FieldPath) -> &Source {
        nearest(path, &self.sources).unwrap_or(&self.source)
    }
}

/// One declared network.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredNetwork {
    /// Its name: VirtualBox's own, but for a host-only network of a host that names its interfaces itself.
    pub name: String,
    /// Where the document begins.
    pub source: Source,
    /// What kind of network it is.
    pub kind: NetworkKind,
    /// Managed settings.
    pub settings: NetworkSettings,
    /// How vboxmcp treats it.
    pub lifecycle: Lifecycle,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// Where each declared field was written; the longest prefix of a path is its place.
    pub sources: BTreeMap<FieldPath, Source>,
}

impl DesiredNetwork {
    /// Where a field was written: its own place, or that of the nearest key above it.
    pub fn source_of(&self, path: &FieldPath) -> &Source {
        nearest(path, &self.sources).unwrap_or(&self.source)
    }
}

/// `lifecycle`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifecycle {
    /// Never deleted; held by the register also when the document is gone.
    pub protect: bool,
    /// What happens when it is no longer declared.
    pub on_remove: OnRemove,
    /// Permissions that need not be given on the command line.
    pub allow: Dangers,
    /// Former names, of this stack or of another one; the first that is owned is it. A first member may come from a numbered
    /// machine or from a single one.
    pub renamed_from: Vec<(Option<StackName>, MachineName)>,
    /// Set at birth, not compared afterwards; a path covers what is below it.
    pub ignore: BTreeSet<FieldPath>,
    /// Must exist, may be referenced, is never changed.
    pub external: bool,
}

words! {
    /// `lifecycle.onRemove`
    OnRemoveWord { Keep = "keep", Delete = "delete" }
}

/// What happens to an object that is no longer declared, when `--prune` is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnRemove {
    /// It stays, and is forgotten by `destroy`.
    #[default]
    Keep,
    /// It is deleted.
    Delete,
}

/// One disk of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DesiredDisk {
    /// The disk itself.
    pub disk: DiskSource,
    /// Where it is attached; `None` keeps the live place, or takes the first free port at birth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
    /// The guest sees a solid-state disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssd: Option<bool>,
    /// The guest's TRIM shrinks the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discard: Option<bool>,
    /// The guest may see it come and go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hot_pluggable: Option<bool>,
    /// Name of a bandwidth group; empty for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth_group: Option<String>,
}

/// What a disk is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DiskSource {
    /// Lives and dies with its machine.
    Inline {
        /// Capacity in bytes; needed to make it.
        #[serde(skip_serializing_if = "Option::is_none")]
        size: Option<Bytes>,
        /// `vdi`, `vmdk`, `vhd`; `None` is `vdi` at birth.
        #[serde(skip_serializing_if = "Option::is_none")]
        format: Option<String>,
        /// `dynamic`, `fixed`, `split2g`, `split2g-fixed`, `stream`, `esx`; `None` is `dynamic` at birth.
        #[serde(skip_serializing_if = "Option::is_none")]
        variant: Option<String>,
        /// Absolute, or relative to the machine's folder; `None` is `KEY.EXT` there.
        #[serde(skip_serializing_if = "Option::is_none")]
        location: Option<PathBuf>,
        /// The file that it is made from.
        #[serde(skip_serializing_if = "Option::is_none")]
        image: Option<Image>,
    },
    /// A disk of its own.
    Reference {
        /// Its address.
        disk: Address,
        /// Its file; empty until the host's default is known.
        file: PathBuf,
    },
}

/// What a disk is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// An image file of any format that VirtualBox reads, absolute.
    pub file: PathBuf,
    /// SHA-256 of the file, in lower-case hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// A place on a controller: `CONTROLLER:PORT[:DEVICE]`.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct Location {
    /// Name of the controller.
    pub controller: String,
    /// From 0.
    pub port: u32,
    /// From 0.
    pub device: u32,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.controller, self.port)?;
        if self.device > 0 { write!(f, ":{}", self.device) } else { Ok(()) }
    }
}

impl std::str::FromStr for Location {
    type Err = String;

    /// `SATA:3` or `IDE:1:0`. The controller's name may hold colons: numbers are taken from the end.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a place: write CONTROLLER:PORT or CONTROLLER:PORT:DEVICE (`SATA:3`)");
        let (rest, last) = text.rsplit_once(':').ok_or_else(wrong)?;
        let last: u32 = last.parse().map_err(|_| wrong())?;
        let (controller, port, device) = match rest.rsplit_once(':') {
            Some((controller, port)) if port.parse::<u32>().is_ok() => {
                (controller, port.parse().map_err(|_| wrong())?, last)
            }
            _ => (rest, last, 0),
        };
        if controller.is_empty() {
            return Err(wrong());
        }
        Ok(Self { controller: controller.to_owned(), port, device })
    }
}

impl TryFrom<String> for Location {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Location> for String {
    fn from(location: Location) -> Self {
        location.to_string()
    }
}

/// One DVD or floppy drive; identity is the position among a machine's drives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DesiredDvd {
    /// What is in the drive.
    pub medium: DvdSource,
    /// Where the drive is; `None` keeps the live place, or takes the first free one at birth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
    /// The guest may send commands to a host drive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passthrough: Option<bool>,
    /// A guest's eject is undone at the next start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temp_eject: Option<bool>,
}

/// What is in a drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DvdSource {
    /// An image file, absolute.
    Image(PathBuf),
    /// A drive of the host.
    HostDrive(String),
    /// Nothing.
    Empty,
}
