//! `MediaRegistry`, of one machine or of all (`vbox-settings` 3.8).

use std::path::Path;

use uuid::Uuid;

use super::absolute;
use super::document::Element;
use crate::inventory::{Medium, MediumHealth, MediumKind, Registry};

/// Reads a registry. Sizes and health are not in it: the files themselves tell.
pub fn read_registry(element: Element<'_>, folder: &Path, registry: Registry) -> Result<Vec<Medium>, String> {
    let mut media = Vec::new();
    if let Some(disks) = element.child("HardDisks") {
        for disk in disks.children("HardDisk") {
            read_disk(disk, folder, registry, None, &mut media)?;
        }
    }
    for (list, kind, medium_type) in
        [("DVDImages", MediumKind::Dvd, "readonly"), ("FloppyImages", MediumKind::Floppy, "writethrough")]
    {
        let Some(list) = element.child(list) else { continue };
        for image in list.children("Image") {
            let mut medium = read_medium(image, folder, registry, kind)?;
            medium_type.clone_into(&mut medium.medium_type);
            media.push(medium);
        }
    }
    Ok(media)
}

/// A disk and the differences below it.
fn read_disk(
    element: Element<'_>,
    folder: &Path,
    registry: Registry,
    parent: Option<Uuid>,
    media: &mut Vec<Medium>,
) -> Result<(), String> {
    let mut medium = read_medium(element, folder, registry, MediumKind::Disk)?;
    medium.parent = parent;
    medium.medium_type = element.word("type", "normal");
    medium.auto_reset = element.flag("autoReset", false)?;
    let uuid = medium.uuid;
    media.push(medium);
    for child in element.children("HardDisk") {
        read_disk(child, folder, registry, Some(uuid), media)?;
    }
    Ok(())
}

fn read_medium(
    element: Element<'_>,
    folder: &Path,
    registry: Registry,
    kind: MediumKind,
) -> Result<Medium, String> {
    let format = element.word("format", "raw");
    let location = element.required("location")?;
    // Properties are of back ends and filters, and may be secrets (iSCSI, key stores).
    element.children("Property").for_each(Element::leave);
    Ok(Medium {
        uuid: element.uuid("uuid")?,
        kind,
        location: if format == "iscsi" { location.into() } else { absolute(folder, location) },
        format,
        medium_type: String::new(),
        parent: None,
        registry,
        size: None,
        variant: None,
        health: MediumHealth::Unknown,
        auto_reset: false,
        description: element.child("Description").map(|e| e.text().to_owned()).unwrap_or_default(),
    })
}
