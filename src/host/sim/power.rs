//! The state machine: start, pause, resume, save, discard, switch off, and the guest's answer to the power button.

use uuid::Uuid;

use super::refusal::{self, No, no};
use super::tree::Content;
use super::world::World;
use crate::host::HostError;
use crate::model::PowerState;
use crate::model::state::StateClass;

/// Extra data of a machine whose simulated guest does not hear the power button.
pub const IGNORES_ACPI: &str = "sim/ignores-acpi";

impl World {
    /// `startvm --type headless`.
    pub fn start(&mut self, uuid: Uuid) -> Result<(), No> {
        let machine = self.machine(uuid)?;
        if machine.is_live() {
            return Err(no(&refusal::LOCKED_BY, &[&machine.name]));
        }
        let leaves: Vec<Uuid> = machine.hardware.images().collect();
        for leaf in &leaves {
            for uuid in self.chain(*leaf) {
                let medium = self.medium(uuid)?;
                if !self.is_readable(medium) {
                    let file = medium.location.display();
                    return Err(no(&refusal::MEDIUM_INACCESSIBLE, &[&file, &file]));
                }
            }
        }
        let disks = leaves.iter().filter(|leaf| {
            self.media.get(*leaf).is_some_and(|row| row.medium.kind == crate::inventory::MediumKind::Disk)
        });
        if disks.into_iter().any(|leaf| self.in_use_live(*leaf)) {
            return Err(no(&refusal::DISK_IN_USE, &[]));
        }
        let networks: Vec<String> = self.machine(uuid)?.nat_networks().collect();
        for network in networks {
            self.start_nat_service(&network);
        }
        let machine = self.machine_mut(uuid)?;
        machine.state = PowerState::Running;
        let log = machine.folder().join("Logs/VBox.log");
        self.tree.write(&log, Content::Other);
        Ok(())
    }

    /// For what needs a process of VirtualBox.
    pub fn must_be_live(&self, uuid: Uuid) -> Result<(), No> {
        if self.machine(uuid)?.is_live() { Ok(()) } else { Err(no(&refusal::NOT_RUNNING, &[&uuid])) }
    }

    /// `controlvm acpipowerbutton`, and what the guest makes of it.
    pub fn shut_down(&mut self, uuid: Uuid, timeout: u64, then_power_cut: bool) -> Result<(), No> {
        self.must_be_live(uuid)?;
        let machine = self.machine(uuid)?;
        if machine.state != PowerState::Running {
            return Err(no(&refusal::INVALID_STATE, &[&machine.state_word()]));
        }
        if machine.extra.contains_key(IGNORES_ACPI) && !then_power_cut {
            return Err(No::Failed(HostError::GuestStaysOn { seconds: timeout }));
        }
        self.power_off(uuid)
    }

    /// `controlvm poweroff`.
    pub fn power_off(&mut self, uuid: Uuid) -> Result<(), No> {
        self.must_be_live(uuid)?;
        self.end(uuid, PowerState::PowerOff);
        Ok(())
    }

    /// A machine's process has ended, whoever ended it.
    pub fn end(&mut self, uuid: Uuid, state: PowerState) {
        self.forget_unsaved(uuid);
        if let Some(machine) = self.machines.get_mut(&uuid) {
            machine.state = state;
        }
    }

    /// `controlvm pause`.
    pub fn pause(&mut self, uuid: Uuid) -> Result<(), No> {
        self.must_be_live(uuid)?;
        let machine = self.machine_mut(uuid)?;
        match machine.state {
            PowerState::Running => {
                machine.state = PowerState::Paused;
                Ok(())
            }
            PowerState::Paused => Err(no(&refusal::ALREADY_PAUSED, &[])),
            _ => Err(no(&refusal::INVALID_STATE, &[&machine.state_word()])),
        }
    }

    /// `controlvm resume`.
    pub fn resume(&mut self, uuid: Uuid) -> Result<(), No> {
        self.must_be_live(uuid)?;
        let machine = self.machine_mut(uuid)?;
        if machine.state == PowerState::Paused {
            machine.state = PowerState::Running;
            Ok(())
        } else {
            Err(no(&refusal::NOT_PAUSED, &[&machine.state_word()]))
        }
    }

    /// `controlvm reset`.
    pub fn reset(&self, uuid: Uuid) -> Result<(), No> {
        self.must_be_live(uuid)?;
        let machine = self.machine(uuid)?;
        if machine.state == PowerState::Running {
            Ok(())
        } else {
            Err(no(&refusal::INVALID_STATE, &[&machine.state_word()]))
        }
    }

    /// `controlvm savestate`.
    pub fn save_state(&mut self, uuid: Uuid) -> Result<(), No> {
        self.must_be_live(uuid)?;
        let machine = self.machine_mut(uuid)?;
        if !matches!(machine.state, PowerState::Running | PowerState::Paused) {
            return Err(no(&refusal::INVALID_STATE, &[&machine.state_word()]));
        }
        machine.state = PowerState::Saved;
        machine.unsaved.clear();
        let folder = self.snapshot_folder(uuid)?;
        self.tree.write(&folder.join("saved.sav"), Content::Other);
        Ok(())
    }

    /// `discardstate`.
    pub fn discard_state(&mut self, uuid: Uuid) -> Result<(), No> {
        let machine = self.machine_mut(uuid)?;
        machine.must_not_be_live()?;
        if machine.state.class() != StateClass::Saved {
            return Err(no(&refusal::NOTHING_SAVED, &[&machine.state_word()]));
        }
        machine.state = PowerState::PowerOff;
        let folder = self.snapshot_folder(uuid)?;
        self.tree.remove(&folder.join("saved.sav"));
        Ok(())
    }
}
