//! DVD and floppy drives: where new ones go, and what is in them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Storage, attach, key};
use crate::diff::{FieldDifference, disk};
use crate::inventory::{Attachment, DeviceKind};
use crate::model::{FieldPath, Location};
use crate::plan::action::Insert;
use crate::plan::draft::Draft;

impl<'a> Storage<'a> {
    /// Fills drives.
    pub(super) fn drives(&mut self, draft: &mut Draft, fields: &[&FieldDifference]) {
        let mut done = BTreeSet::new();
        let mut new = self.new_drives(fields);
        for field in fields {
            let Some((kind, (key, _))) = drive_key(&field.path) else { continue };
            let drives = match kind {
                DeviceKind::Floppy => &self.scene.machine.floppies,
                DeviceKind::Dvd | DeviceKind::Disk => &self.scene.machine.dvds,
            };
            let Some(declared) =
                key.parse::<usize>().ok().and_then(|n| drives.as_ref()?.get(n.checked_sub(1)?))
            else {
                continue;
            };
            if !done.insert((kind, key.to_owned())) {
                continue;
            }
            let live = self.drive(kind, key).map(disk::place);
            let Some(at) = declared.at.clone().or(live).or_else(|| new.remove(&(kind, key.to_owned())))
            else {
                draft.block(
                    vec![field.path.clone()],
                    "no controller has a free port for the drive",
                    Vec::new(),
                );
                continue;
            };
            let insert = match &declared.medium {
                crate::model::DvdSource::Image(path) => Insert::File(path.clone()),
                crate::model::DvdSource::HostDrive(drive) => Insert::HostDrive(drive.clone()),
                crate::model::DvdSource::Empty => Insert::Nothing,
            };
            let options = [("passthrough", declared.passthrough), ("tempEject", declared.temp_eject)];
            let options =
                options.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
            attach(draft, at, kind, insert, options, field.path.clone());
        }
    }

    /// Places for drives that are not there and say none. Drives are known by the order of their places: so are these.
    fn new_drives(&mut self, fields: &[&FieldDifference]) -> BTreeMap<(DeviceKind, String), Location> {
        let mut found = BTreeMap::new();
        for kind in [DeviceKind::Dvd, DeviceKind::Floppy] {
            let declared = match kind {
                DeviceKind::Floppy => &self.scene.machine.floppies,
                DeviceKind::Dvd | DeviceKind::Disk => &self.scene.machine.dvds,
            };
            let mut positions: BTreeSet<usize> = fields
                .iter()
                .filter_map(|field| drive_key(&field.path))
                .filter(|(of, _)| *of == kind)
                .filter_map(|(_, (key, _))| key.parse().ok())
                .collect();
            positions.retain(|position| {
                let drive = position.checked_sub(1).and_then(|index| declared.as_ref()?.get(index));
                drive.is_some_and(|drive| drive.at.is_none())
                    && self.drive(kind, &position.to_string()).is_none()
            });
            let there = self.scene.live().into_iter().flat_map(|machine| &machine.attachments);
            let last = there.filter(|drive| drive.kind == kind).map(disk::place).max();
            let floppy = kind == DeviceKind::Floppy;
            let mut places: Vec<Location> = positions
                .iter()
                .filter_map(|_| self.free_behind(floppy, last.as_ref()).or_else(|| self.free(floppy)))
                .collect();
            places.sort();
            let keys = positions.iter().map(|position| (kind, position.to_string()));
            found.extend(keys.zip(places));
        }
        found
    }

    /// The drive at a position.
    pub(super) fn drive(&self, kind: DeviceKind, key: &str) -> Option<&'a Attachment> {
        let mut drives = self.scene.live()?.attachments.iter().filter(|drive| drive.kind == kind);
        drives.nth(key.parse::<usize>().ok()?.checked_sub(1)?)
    }
}

/// A drive by its kind and position, and what of it.
pub(super) fn drive_key(path: &FieldPath) -> Option<(DeviceKind, (&str, Option<&str>))> {
    let dvd = key(path, "dvds").map(|found| (DeviceKind::Dvd, found));
    dvd.or_else(|| key(path, "floppies").map(|found| (DeviceKind::Floppy, found)))
}
