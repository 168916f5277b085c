//! Bandwidth groups, USB filters and secrets of simulated machines.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::refusal::{self, No, no};
use super::world::{SimMachine, World};
use crate::model::Location;
use crate::model::settings::{BandwidthGroup, UsbFilter};

impl World {
    /// `modifyvm` with a secret: VirtualBox keeps what nobody can read.
    pub fn set_secret(&mut self, uuid: Uuid) -> Result<(), No> {
        self.machine(uuid)?.must_be_off()
    }

    /// `bandwidthctl add`
    pub fn add_bandwidth_group(&mut self, uuid: Uuid, name: &str, group: &BandwidthGroup) -> Result<(), No> {
        let machine = self.machine_mut(uuid)?;
        if machine.is_live() {
            return Err(no(&refusal::GROUP_ADD_RUNNING, &[]));
        }
        let groups = groups(machine);
        if groups.contains_key(name) {
            return Err(no(&refusal::GROUP_EXISTS, &[&name]));
        }
        groups.insert(name.to_owned(), group.clone());
        Ok(())
    }

    /// `bandwidthctl set`
    pub fn limit_bandwidth_group(&mut self, uuid: Uuid, name: &str, limit: u64) -> Result<(), No> {
        match groups(self.machine_mut(uuid)?).get_mut(name) {
            Some(group) => group.limit = Some(limit),
            None => return Err(no(&refusal::GROUP_UNKNOWN, &[&name])),
        }
        self.saved(uuid);
        Ok(())
    }

    /// `bandwidthctl remove`
    pub fn remove_bandwidth_group(&mut self, uuid: Uuid, name: &str) -> Result<(), No> {
        let machine = self.machine_mut(uuid)?;
        if machine.is_live() {
            return Err(no(&refusal::GROUP_REMOVE_RUNNING, &[]));
        }
        if !groups(machine).contains_key(name) {
            return Err(no(&refusal::GROUP_UNKNOWN, &[&name]));
        }
        let disks = machine.hardware.attachments.iter();
        let adapters = machine.hardware.slots.values();
        let used = disks.filter_map(|disk| disk.bandwidth_group.as_deref()).any(|group| group == name)
            || adapters.filter_map(|slot| slot.nic.bandwidth_group.as_deref()).any(|group| group == name);
        if used {
            return Err(no(&refusal::GROUP_IN_USE, &[&name]));
        }
        groups(machine).remove(name);
        Ok(())
    }

    /// `storageattach --bandwidthgroup`
    pub fn assign_bandwidth_group(&mut self, uuid: Uuid, at: &Location, group: &str) -> Result<(), No> {
        let machine = self.machine_mut(uuid)?;
        if machine.is_live() {
            return Err(no(&refusal::GROUP_ASSIGN_RUNNING, &[]));
        }
        if !group.is_empty() && !groups(machine).contains_key(group) {
            return Err(no(&refusal::GROUP_UNKNOWN, &[&group]));
        }
        let place = (&at.controller, at.port, at.device);
        for disk in &mut machine.hardware.attachments {
            if (&disk.controller, disk.port, disk.device) == place {
                disk.bandwidth_group = Some(group.to_owned()).filter(|group| !group.is_empty());
            }
        }
        Ok(())
    }

    /// `usbfilter add`: a position beyond the last filter is the one behind it.
    pub fn add_usb_filter(&mut self, uuid: Uuid, position: u32, filter: &UsbFilter) -> Result<(), No> {
        let filter = UsbFilter {
            name: Some(filter.name.clone().unwrap_or_default()),
            active: Some(filter.active.unwrap_or(true)),
            vendor_id: Some(digits(filter.vendor_id.as_deref())),
            product_id: Some(digits(filter.product_id.as_deref())),
            revision: Some(digits(filter.revision.as_deref())),
            manufacturer: Some(filter.manufacturer.clone().unwrap_or_default()),
            product: Some(filter.product.clone().unwrap_or_default()),
            serial_number: Some(filter.serial_number.clone().unwrap_or_default()),
            port: Some(digits(filter.port.as_deref())),
            remote: Some(filter.remote.clone().unwrap_or_else(|| "any".to_owned())),
        };
        let mut list = filters(self.machine_mut(uuid)?);
        let at = usize::try_from(position).unwrap_or(usize::MAX).saturating_sub(1).min(list.len());
        list.insert(at, filter);
        self.set_filters(uuid, list)
    }

    /// `usbfilter remove`
    pub fn remove_usb_filter(&mut self, uuid: Uuid, position: u32) -> Result<(), No> {
        let machine = self.machine_mut(uuid)?;
        // On a host whose USB devices VirtualBox cannot reach.
        if machine.is_live() {
            return Err(no(&refusal::USB_FILTER_RUNNING, &[]));
        }
        let mut list = filters(machine);
        let at = usize::try_from(position).unwrap_or(usize::MAX).saturating_sub(1);
        if at >= list.len() {
            return Err(no(&refusal::USB_FILTER_POSITION, &[&at, &list.len().saturating_sub(1)]));
        }
        list.remove(at);
        self.set_filters(uuid, list)
    }

    fn set_filters(&mut self, uuid: Uuid, list: Vec<UsbFilter>) -> Result<(), No> {
        let machine = self.machine_mut(uuid)?;
        machine.hardware.settings.usb.get_or_insert_default().filters = Some((1..).zip(list).collect());
        self.saved(uuid);
        Ok(())
    }
}

/// Numbers are kept with four digits.
fn digits(text: Option<&str>) -> String {
    let text = text.unwrap_or_default();
    u32::from_str_radix(text, 16).map_or_else(|_| text.to_owned(), |number| format!("{number:04X}"))
}

fn groups(machine: &mut SimMachine) -> &mut BTreeMap<String, BandwidthGroup> {
    machine.hardware.settings.bandwidth_groups.get_or_insert_default()
}

fn filters(machine: &SimMachine) -> Vec<UsbFilter> {
    let usb = machine.hardware.settings.usb.as_ref();
    usb.and_then(|usb| usb.filters.as_ref()).into_iter().flat_map(BTreeMap::values).cloned().collect()
}
