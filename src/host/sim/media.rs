//! Disks: making, growing, deleting, forgetting.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::refusal::{self, No, no, unsupported};
use super::tree::Content;
use super::world::{SimMedium, World};
use crate::host::HostError;
use crate::host::virtualbox::headers;
use crate::inventory::{AttachedMedium, Medium, MediumHealth, MediumKind, Registry};
use crate::model::digest::sha256;
use crate::model::{Bytes, Location, lexical};

/// Formats that VirtualBox makes, with what may be asked of them.
fn variants(format: &str) -> Option<&'static [&'static str]> {
    match format {
        "vdi" | "vhd" => Some(&["dynamic", "fixed"]),
        "vmdk" => Some(&["dynamic", "fixed", "split2g", "split2g-fixed", "stream", "esx"]),
        _ => None,
    }
}

/// What a disk is copied from.
pub struct Copy<'a> {
    /// The image.
    pub image: &'a Path,
    /// Its declared checksum.
    pub sha256: Option<&'a str>,
    /// The most that it may hold.
    pub most: Option<Bytes>,
}

/// Size of one file of a disk that is split.
const SPLIT_AT: u64 = 2047 << 20;

impl World {
    /// `createmedium disk`.
    pub fn create_disk(
        &mut self,
        machine: Option<Uuid>,
        location: &Path,
        format: &str,
        variant: &str,
        size: Bytes,
    ) -> Result<Uuid, No> {
        let mut file = match machine {
            Some(machine) if !location.is_absolute() => {
                lexical(&self.registered(machine)?.folder().join(location))
            }
            _ => location.to_owned(),
        };
        if file.extension().is_none() {
            file = PathBuf::from(format!("{}.{format}", file.display()));
        }
        let shown = file.display();
        if size.0 == 0 {
            return Err(no(&refusal::MEDIUM_SIZE, &[]));
        }
        let Some(known) = variants(format) else {
            return Err(no(&refusal::MEDIUM_FORMAT, &[&format.to_uppercase()]));
        };
        if !["dynamic", "fixed", "split2g", "split2g-fixed", "stream", "esx"].contains(&variant) {
            return Err(no(&refusal::MEDIUM_VARIANT, &[&variant]));
        }
        if !known.contains(&variant) {
            return Err(no(&refusal::MEDIUM_VARIANT_FORMAT, &[&shown]));
        }
        if !size.0.is_multiple_of(512) {
            return Err(no(&refusal::MEDIUM_SIZE_ODD, &[&shown, &size.0]));
        }
        if self.tree.exists(&file) {
            return Err(no(&refusal::MEDIUM_EXISTS, &[&shown, &format.to_uppercase(), &shown]));
        }
        // What fits in one file is not split.
        let variant = match variant {
            "split2g" if size.0 <= SPLIT_AT => "dynamic",
            "split2g-fixed" if size.0 <= SPLIT_AT => "fixed",
            other => other,
        };
        let uuid = self.fresh_uuid();
        let content = Content::Disk { uuid, size, format: format.to_owned(), variant: variant.to_owned() };
        self.tree.write(&file, content);
        if let Some(there) = self.media.values().find(|row| row.medium.location == file) {
            // The new file stays behind.
            return Err(no(&refusal::MEDIUM_REGISTERED, &[&shown, &uuid, &shown, &there.medium.uuid]));
        }
        let medium = Medium {
            uuid,
            kind: MediumKind::Disk,
            location: file,
            format: format.to_owned(),
            medium_type: "normal".to_owned(),
            parent: None,
            registry: Registry::Global,
            size: Some(size),
            variant: Some(variant.to_owned()),
            health: MediumHealth::Good,
            auto_reset: false,
            description: String::new(),
        };
        self.media.insert(uuid, SimMedium { medium, registries: Vec::new() }.into());
        Ok(uuid)
    }

    /// `clonemedium`, with what vboxmcp itself looks at before it.
    pub fn clone_disk(
        &mut self,
        machine: Uuid,
        copy: &Copy<'_>,
        location: &Path,
        format: &str,
        variant: &str,
    ) -> Result<Uuid, No> {
        let size = if let Some(Content::Disk { size, .. }) = self.tree.file(copy.image) {
            *size
        } else {
            let read = |source| HostError::Read { path: copy.image.to_owned(), source };
            if let Some(wanted) = copy.sha256 {
                let found = sha256(&std::fs::read(copy.image).map_err(read)?);
                if found != wanted {
                    let text = format!("its SHA-256 is {found}, and {wanted} is declared");
                    return Err(no(&refusal::IMAGE, &[&text]));
                }
            }
            let holds = headers::capacity(copy.image).map_err(read)?;
            holds.ok_or_else(|| no(&refusal::NO_IMAGE, &[&copy.image.display()]))?
        };
        if let Some(most) = copy.most.filter(|most| size > *most) {
            let text = format!("it holds a disk of {size}, and the new one is to have {most}");
            return Err(no(&refusal::IMAGE, &[&text]));
        }
        self.create_disk(Some(machine), location, format, variant, size)
    }

    /// `modifymedium --type` and `--description`.
    pub fn set_disk(
        &mut self,
        uuid: Uuid,
        disk_type: Option<&str>,
        description: Option<&str>,
    ) -> Result<(), No> {
        if let Some(wanted) = disk_type {
            let medium = self.medium(uuid)?.clone();
            let file = medium.location.display();
            if self.in_use_live(uuid) {
                return Err(no(&refusal::MEDIUM_LOCKED, &[&file]));
            }
            let simple = |word: &str| matches!(word, "normal" | "writethrough");
            let users = self.users(uuid).len();
            if medium.medium_type != wanted && users > 0 && !(simple(wanted) && simple(&medium.medium_type)) {
                return Err(no(&refusal::TYPE_ATTACHED, &[&file, &users]));
            }
            if wanted == "shareable" && medium.variant.as_deref() != Some("fixed") {
                return Err(no(&refusal::TYPE_SHAREABLE, &[&file]));
            }
            // Measured: a disk that only the global registry names is refused.
            let is_of_machine = self.media.get(&uuid).is_some_and(|row| !row.registries.is_empty());
            if wanted == "multiattach" && !is_of_machine {
                return Err(no(&refusal::TYPE_MULTIATTACH, &[&file]));
            }
            if wanted == "readonly" {
                return Err(no(&refusal::TYPE_READONLY, &[&file]));
            }
            if let Some(row) = self.media.get_mut(&uuid) {
                wanted.clone_into(&mut row.medium.medium_type);
            }
        }
        let Some(text) = description else { return Ok(()) };
        if self.in_use_live(uuid) {
            return Err(no(&refusal::DESCRIPTION_LOCKED, &[&self.medium(uuid)?.location.display()]));
        }
        self.medium(uuid)?;
        if let Some(row) = self.media.get_mut(&uuid) {
            text.clone_into(&mut row.medium.description);
        }
        Ok(())
    }

    /// `modifymedium --autoreset` of what a machine has attached.
    pub fn set_auto_reset(&mut self, machine: Uuid, at: &Location, enabled: bool) -> Result<(), No> {
        let there = &self.machine(machine)?.hardware.attachments;
        let leaf = there.iter().find_map(|one| match one.medium {
            AttachedMedium::Image(leaf)
                if (&one.controller, one.port, one.device) == (&at.controller, at.port, at.device) =>
            {
                Some(leaf)
            }
            _ => None,
        });
        let Some(leaf) = leaf else {
            return Err(unsupported(format!("an action on what is attached at {at}")));
        };
        if self.medium(leaf)?.parent.is_none() {
            return Err(no(&refusal::AUTO_RESET, &[&self.medium(leaf)?.location.display()]));
        }
        if let Some(row) = self.media.get_mut(&leaf) {
            row.medium.auto_reset = enabled;
        }
        Ok(())
    }

    /// `modifymedium --move`: makes the folder, and says that it is done where a machine runs.
    pub fn move_disk(&mut self, uuid: Uuid, location: &Path) -> Result<(), No> {
        let medium = self.medium(uuid)?.clone();
        let running = self.machines.values().find(|machine| machine.is_live() && machine.uses(uuid));
        if let Some(machine) = running {
            return Err(no(&refusal::MOVE_RUNNING, &[&machine.name, &medium.location.display()]));
        }
        if self.tree.exists(location) {
            return Err(no(&refusal::MOVE_EXISTS, &[&location.display()]));
        }
        let content = self.tree.file(&medium.location).cloned();
        let Some(content) = content else {
            return Err(no(&refusal::FILE_MISSING, &[&medium.location.display()]));
        };
        self.tree.remove(&medium.location);
        self.tree.write(location, content);
        if let Some(row) = self.media.get_mut(&uuid) {
            location.clone_into(&mut row.medium.location);
        }
        Ok(())
    }

    /// `modifymedium --setlocation`: looks at nothing.
    pub fn locate_disk(&mut self, uuid: Uuid, location: &Path) -> Result<(), No> {
        self.medium(uuid)?;
        if let Some(row) = self.media.get_mut(&uuid) {
            location.clone_into(&mut row.medium.location);
        }
        Ok(())
    }

    /// `internalcommands sethduuid`.
    pub fn renew_disk(&mut self, file: &Path, from: Uuid, to: Uuid) -> Result<(), No> {
        match self.tree.file_mut(file) {
            Some(Content::Disk { uuid, .. }) if [from, to].contains(uuid) => *uuid = to,
            _ => return Err(unsupported(format!("another UUID for {}", file.display()))),
        }
        Ok(())
    }

    /// `modifymedium --resizebyte`.
    pub fn grow_disk(&mut self, uuid: Uuid, size: Bytes) -> Result<(), No> {
        let medium = self.medium(uuid)?.clone();
        let file = medium.location.display();
        if self.in_use_live(uuid) {
            return Err(no(&refusal::RESIZE_LOCKED, &[&file]));
        }
        if !self.is_readable(&medium) {
            return Err(no(&refusal::MEDIUM_INACCESSIBLE, &[&file, &file]));
        }
        let now = medium.size.unwrap_or(Bytes(0));
        if size == now {
            return Ok(());
        }
        if size < now {
            return Err(no(&refusal::SHRINK, &[&file]));
        }
        if medium.variant.as_deref() == Some("fixed") && medium.format != "vmdk" {
            return Err(no(&refusal::RESIZE_FIXED, &[&size.0, &file]));
        }
        if let Some(row) = self.media.get_mut(&uuid) {
            row.medium.size = Some(size);
        }
        let variant = medium.variant.unwrap_or_default();
        self.tree.write(&medium.location, Content::Disk { uuid, size, format: medium.format, variant });
        Ok(())
    }

    /// `closemedium`, with or without `--delete`.
    pub fn close_disk(&mut self, uuid: Uuid, delete: bool) -> Result<(), No> {
        let medium = self.medium(uuid)?.clone();
        let file = medium.location.display();
        if delete && self.in_use_live(uuid) {
            return Err(no(&refusal::MEDIUM_LOCKED, &[&file]));
        }
        let users = self.users(uuid);
        if !users.is_empty() {
            if delete {
                let list: Vec<String> = users.iter().map(ToString::to_string).collect();
                return Err(no(&refusal::DELETE_ATTACHED, &[&file, &users.len(), &list.join(", ")]));
            }
            return Err(no(&refusal::MEDIUM_ATTACHED, &[&file, &users.len()]));
        }
        let children = self.children_of(uuid);
        if !children.is_empty() {
            return Err(no(&refusal::MEDIUM_CHILDREN, &[&file, &children.len()]));
        }
        self.forget_medium(uuid, delete);
        Ok(())
    }

    /// Takes a medium out of the registries.
    pub fn forget_medium(&mut self, uuid: Uuid, delete: bool) {
        let Some(row) = self.media.remove(&uuid) else { return };
        if delete {
            self.tree.remove(&row.medium.location);
        }
    }
}
