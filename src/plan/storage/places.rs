//! Which places of a machine's controllers are free, and what has to leave its place before something else can take it.

use std::collections::BTreeSet;

use super::drives::drive_key;
use super::{Storage, key};
use crate::diff::{FieldDifference, disk};
use crate::inventory::{Attachment, DeviceKind};
use crate::model::settings::Bus;
use crate::model::{FieldPath, Location};

impl Storage<'_> {
    /// Finds out which places are taken when all that leaves its place has left it, and what has to leave for others. VirtualBox
    /// says nothing: it puts out what is where a disk is attached, and forgets what is beyond a lowered number of ports (measured).
    /// Whether there was a new obstacle.
    pub(super) fn arrange(&mut self) -> bool {
        let scene = self.scene;
        let known = self.obstacles.len();
        let fields = &scene.difference.fields;
        let moving: Vec<&FieldDifference> =
            fields.iter().filter(|field| !self.obstacles.contains_key(&field.path)).collect();
        let leaving: BTreeSet<Location> = moving.iter().filter_map(|field| self.left_by(field)).collect();
        let attachments = scene.live().into_iter().flat_map(|machine| &machine.attachments);
        let staying: Vec<&Attachment> =
            attachments.filter(|attachment| !leaving.contains(&disk::place(attachment))).collect();
        let disks = scene.machine.disks.iter().flatten().filter_map(|(_, disk)| disk.at.clone());
        let drives = [&scene.machine.dvds, &scene.machine.floppies];
        let drives = drives.into_iter().flatten().flatten().filter_map(|drive| drive.at.clone());
        let there = staying.iter().map(|attachment| disk::place(attachment));
        self.taken = there.chain(disks).chain(drives).collect();
        self.displaced.clear();
        for field in moving {
            let in_the_way: Vec<&Attachment> =
                staying.iter().copied().filter(|attachment| self.is_in_the_way(attachment, field)).collect();
            for attachment in in_the_way {
                self.displace(attachment, &field.path);
            }
        }
        self.obstacles.len() > known
    }

    /// Finds another place for what is in the way.
    fn displace(&mut self, attachment: &Attachment, cause: &FieldPath) {
        let place = disk::place(attachment);
        let disk = self.live_disks.iter().find(|(_, disk)| disk::place(disk) == place).map(|(key, _)| key);
        let may_move = disk.cloned().filter(|key| {
            let declared = self.scene.machine.disks.as_ref().and_then(|disks| disks.get(key));
            declared.is_some_and(|declared| declared.at.is_none())
        });
        if let Some((key, to)) = may_move.and_then(|key| Some((key, self.free(false)?))) {
            self.displaced.insert(key, (to, cause.clone()));
            return;
        }
        let what = match attachment.kind {
            DeviceKind::Disk => format!("disk {}", self.file_of(attachment)),
            DeviceKind::Dvd => "a DVD drive".to_owned(),
            DeviceKind::Floppy => "a floppy drive".to_owned(),
        };
        self.obstacles.insert(cause.clone(), format!("{what} is at {place}, and nothing says where it goes"));
    }

    fn is_in_the_way(&self, attachment: &Attachment, field: &FieldDifference) -> bool {
        let place = disk::place(attachment);
        match (key(&field.path, "controllers"), &field.declared) {
            (Some((name, Some("ports"))), Some(ports)) => {
                place.controller == name && ports.as_u64().is_some_and(|ports| u64::from(place.port) >= ports)
            }
            _ => self.claimed_by(field) == Some(place),
        }
    }

    /// The place that a disk or drive leaves for a field's sake.
    pub(super) fn left_by(&self, field: &FieldDifference) -> Option<Location> {
        let (attachment, part) = if let Some((key, part)) = key(&field.path, "disks") {
            (*self.live_disks.get(key)?, part)
        } else {
            let (kind, (key, part)) = drive_key(&field.path)?;
            (self.drive(kind, key)?, part)
        };
        let leaves = matches!((part, &field.declared), (None, None) | (Some("at"), Some(_)));
        leaves.then(|| disk::place(attachment))
    }

    /// The place that a disk or drive takes for a field's sake.
    fn claimed_by(&self, field: &FieldDifference) -> Option<Location> {
        field.declared.as_ref()?;
        let machine = self.scene.machine;
        if let Some((key, None | Some("at"))) = key(&field.path, "disks") {
            return machine.disks.as_ref()?.get(key)?.at.clone();
        }
        let (kind, (position, None | Some("at"))) = drive_key(&field.path)? else { return None };
        let drives = match kind {
            DeviceKind::Floppy => &machine.floppies,
            DeviceKind::Dvd | DeviceKind::Disk => &machine.dvds,
        };
        drives.as_ref()?.get(position.parse::<usize>().ok()?.checked_sub(1)?)?.at.clone()
    }

    /// Disks that leave their place for the sake of some of these fields.
    pub(super) fn displaced_by(&self, fields: &[&FieldDifference]) -> Vec<(&str, &(Location, FieldPath))> {
        let asked = |cause: &FieldPath| fields.iter().any(|field| field.path == *cause);
        let all = self.displaced.iter().map(|(key, to)| (key.as_str(), to));
        all.filter(|(_, (_, cause))| asked(cause)).collect()
    }

    /// A free place, on SATA where there is one; for a floppy drive on the floppy controller.
    pub(super) fn free(&mut self, floppy: bool) -> Option<Location> {
        self.free_behind(floppy, None)
    }

    /// A free place behind another one.
    pub(super) fn free_behind(&mut self, floppy: bool, behind: Option<&Location>) -> Option<Location> {
        let written = self.scene.machine.settings.controllers.as_ref();
        // One that is to go gets nothing new.
        let stays = |name: &String| {
            written.is_none_or(|written| written.contains_key(name))
                || (self.implied > 0 && name == super::IMPLIED)
        };
        let mut names: Vec<(&String, &(Bus, u32))> = self
            .controllers
            .iter()
            .filter(|(name, (bus, _))| (*bus == Bus::Floppy) == floppy && stays(name))
            .collect();
        names.sort_by_key(|(_, (bus, _))| (*bus != Bus::Sata, bus.clone()));
        for (name, (bus, ports)) in names {
            let limits = bus.limits();
            let devices = limits.map_or(1, |limits| limits.devices_per_port);
            let declared =
                self.scene.machine.settings.controllers.as_ref().and_then(|all| all.get(name)?.ports);
            // VirtualBox raises the number of ports by itself when one beyond is used: against the declared one it would be set back.
            let most = declared.unwrap_or_else(|| limits.map_or(*ports, |limits| limits.max_ports));
            let place = (0..most)
                .flat_map(|port| (0..devices).map(move |device| (port, device)))
                .map(|(port, device)| Location { controller: name.clone(), port, device })
                .find(|place| !self.taken.contains(place) && behind.is_none_or(|behind| place > behind));
            if let Some(place) = place {
                self.taken.insert(place.clone());
                return Some(place);
            }
        }
        None
    }
}
