//! DVD and floppy drives: where new ones go, and what is in them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Storage, attach, key};
use crate::diff::{FieldDifference, disk};
use crate::inventory::{Attachment, DeviceKind};
use crate::model::{DesiredDvd, DvdSource, FieldPath, Location};
use crate::plan::action::Insert;
use crate::plan::draft::Draft;

impl<'a> Storage<'a> {
    /// Fills drives.
    pub(super) fn drives(&mut self, draft: &mut Draft, fields: &[&FieldDifference]) {
        let new = self.new_drives(fields);
        let places = self.in_order(&new);
        let mut done = BTreeSet::new();
        for field in fields {
            let Some((kind, (key, _))) = drive_key(&field.path) else { continue };
            let Some(declared) = self.declared_drive(kind, key) else { continue };
            if !done.insert((kind, key.to_owned())) {
                continue;
            }
            let place = places.get(&(kind, key.to_owned())).cloned();
            let live = || self.drive(kind, key).map(disk::place);
            let Some(at) = declared.at.clone().or(place).or_else(live) else {
                draft.block(
                    vec![field.path.clone()],
                    "no controller has a free port for the drive",
                    Vec::new(),
                );
                continue;
            };
            fill(draft, at, kind, declared, &field.path);
        }
        for ((kind, key), at) in places {
            let is_new = |field: &&&FieldDifference| {
                drive_key(&field.path).is_some_and(|(of, _)| of == kind) && field.live.is_none()
            };
            let (Some(declared), Some(cause)) = (self.declared_drive(kind, &key), fields.iter().find(is_new))
            else {
                continue;
            };
            let is_there = self.drive(kind, &key).map(disk::place).as_ref() == Some(&at);
            if !is_there && done.insert((kind, key)) {
                fill(draft, at, kind, declared, &cause.path);
            }
        }
    }

    fn declared_drive(&self, kind: DeviceKind, key: &str) -> Option<&'a DesiredDvd> {
        let drives = match kind {
            DeviceKind::Floppy => &self.scene.machine.floppies,
            DeviceKind::Dvd | DeviceKind::Disk => &self.scene.machine.dvds,
        };
        drives.as_ref()?.get(key.parse::<usize>().ok()?.checked_sub(1)?)
    }

    /// The places of drives that say none, given those of the new ones. Drives are known by the order of their places: where a new one
    /// finds room only before others, each takes the place that its position has then.
    fn in_order(
        &self,
        new: &BTreeMap<(DeviceKind, String), Location>,
    ) -> BTreeMap<(DeviceKind, String), Location> {
        let mut found = BTreeMap::new();
        for kind in [DeviceKind::Dvd, DeviceKind::Floppy] {
            if !new.keys().any(|(of, _)| *of == kind) {
                continue;
            }
            let mut keys = Vec::new();
            let mut places = Vec::new();
            for (position, key) in (1_u32..).map(|position| (position, position.to_string())) {
                let Some(declared) = self.declared_drive(kind, &key) else { break };
                let live = || self.drive(kind, &key).map(disk::place);
                let place = new.get(&(kind, key.clone())).cloned().or_else(live);
                if let (None, Some(place)) = (&declared.at, place) {
                    keys.push((kind, position.to_string()));
                    places.push(place);
                }
            }
            places.sort();
            found.extend(keys.into_iter().zip(places));
        }
        found
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

fn fill(draft: &mut Draft, at: Location, kind: DeviceKind, declared: &DesiredDvd, cause: &FieldPath) {
    let insert = match &declared.medium {
        DvdSource::Image(path) => Insert::File(path.clone()),
        DvdSource::HostDrive(drive) => Insert::HostDrive(drive.clone()),
        DvdSource::Empty => Insert::Nothing,
    };
    let options = [("passthrough", declared.passthrough), ("tempEject", declared.temp_eject)];
    let options = options.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    attach(draft, at, kind, insert, options, cause.clone());
}

/// A drive by its kind and position, and what of it.
pub(super) fn drive_key(path: &FieldPath) -> Option<(DeviceKind, (&str, Option<&str>))> {
    let dvd = key(path, "dvds").map(|found| (DeviceKind::Dvd, found));
    dvd.or_else(|| key(path, "floppies").map(|found| (DeviceKind::Floppy, found)))
}
