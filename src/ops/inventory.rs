//! `inventory`: all that planning needs of a host, for a plan where the host is not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Context;
use super::plan::{name_images, read};
use crate::failure::{Failure, Kind};
use crate::inventory::{InventoryDocument, PathFact};

/// What to write down besides what VirtualBox has.
#[derive(Clone, Debug, Default)]
pub struct InventoryRequest {
    /// The folder of the host that the manifests are in.
    pub root: Option<PathBuf>,
    /// Folders, besides VirtualBox's own, that new machines and disks may go into.
    pub folders: Vec<PathBuf>,
}

/// Reads a host for a file.
pub fn inventory(context: &Context, request: &InventoryRequest) -> Result<InventoryDocument, Failure> {
    let directory = &context.environment.directory;
    let absolute = |path: &PathBuf| crate::manifest::paths::lexical(&directory.join(path));
    let mut inventory = read(context)?;
    // Without VBoxManage there is an inventory all the same: whoever declares such a network misses it.
    inventory.networks.host_only = context.host.host_only().ok();
    inventory.host.root = request.root.as_ref().map(absolute);
    let mut listed: BTreeSet<PathBuf> = request.folders.iter().map(absolute).collect();
    // Relative paths of manifests are below it.
    listed.extend(inventory.host.root.clone());
    listed.insert(inventory.host.machine_folder.clone());
    listed.extend(inventory.machines.values().map(crate::inventory::Machine::folder));
    // What is below another one is in it.
    let inner = |folder: &PathBuf| listed.iter().any(|other| other != folder && folder.starts_with(other));
    let listed: Vec<PathBuf> =
        listed.iter().filter(|folder| !folder.as_os_str().is_empty() && !inner(folder)).cloned().collect();
    let mut paths = BTreeMap::new();
    for folder in &listed {
        paths.extend(context.host.below(folder)?);
    }
    let files: Vec<PathBuf> = inventory.media.values().map(|medium| medium.location.clone()).collect();
    paths.extend(context.host.probe(&files));
    name_images(context, &inventory, &mut paths);
    // What is free need not be said of folders that are listed; a path that is no text cannot stand in a manifest.
    paths.retain(|path, fact| {
        let is_listed = listed.iter().any(|folder| path.starts_with(folder));
        path.to_str().is_some() && !(is_listed && *fact == PathFact::Missing)
    });
    inventory.paths = paths;
    Ok(InventoryDocument { format_version: InventoryDocument::FORMAT_VERSION, listed, inventory })
}

/// The bytes of an inventory's file: one line of canonical JSON.
///
/// # Errors
/// A path of VirtualBox's own that is no text.
pub fn to_bytes(document: &InventoryDocument) -> Result<Vec<u8>, Failure> {
    let mut bytes = serde_json::to_vec(document)
        .map_err(|error| Failure::new(Kind::Other, format!("the inventory cannot be written: {error}")))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads an inventory's file.
pub(super) fn from_file(path: &Path) -> Result<InventoryDocument, Failure> {
    let wrong = |text: String| {
        Failure::new(Kind::Usage, format!("{}: {text}", path.display()))
            .hint("make it on the host: `vboxmcp inventory > FILE`")
    };
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| wrong(format!("this is no inventory: {error}")))?;
    match value.get("formatVersion").and_then(serde_json::Value::as_u64) {
        Some(version) if version == u64::from(InventoryDocument::FORMAT_VERSION) => {}
        Some(version) => {
            return Err(wrong(format!(
                "the inventory has format version {version}, this vboxmcp reads {}",
                InventoryDocument::FORMAT_VERSION
            )));
        }
        None => return Err(wrong("this is no inventory: it has no formatVersion".to_owned())),
    }
    serde_json::from_value(value).map_err(|error| wrong(format!("this is no inventory: {error}")))
}
