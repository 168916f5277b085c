//! Asking VirtualBox about a machine whose settings file is not the answer.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::VirtualBox;
use super::info::{self, Pairs};
use super::inspect::read_secure_boot;
use super::settings::{Distrust, MachineEntry};
use crate::host::{ErrorClass, HostError};
use crate::inventory::{Access, Machine, MarkState, Medium};
use crate::model::{PowerState, Shared};

impl VirtualBox {
    /// The machine as VirtualBox tells it, and the media that only it names; or a row with the reason.
    ///
    /// Where no server runs, a file that is broken needs no question: the next server would find the same file. One that
    /// runs may still know the machine from before.
    pub(super) fn ask(
        &self,
        entry: &MachineEntry,
        distrust: &Distrust,
        server: Option<bool>,
    ) -> (Machine, Vec<Medium>) {
        let reason = distrust.reason();
        if matches!(distrust, Distrust::Broken(_)) && (server == Some(false) || self.runner().is_err()) {
            return (row(entry, Access::Inaccessible { reason: reason.to_owned() }), Vec::new());
        }
        match self.tell(entry, reason) {
            Ok(told) => (told.machine, told.media),
            Err(error) => {
                let refused =
                    matches!(&error, HostError::Refused { .. }) && error.class() == ErrorClass::WrongState;
                let access = if refused {
                    Access::Inaccessible { reason: format!("{reason} (VirtualBox says: {})", said(&error)) }
                } else {
                    Access::Unreadable { reason: format!("{reason}, and {}", said(&error)) }
                };
                (row(entry, access), Vec::new())
            }
        }
    }

    fn tell(&self, entry: &MachineEntry, reason: &str) -> Result<info::Told, HostError> {
        let runner = self.runner()?;
        let uuid = entry.uuid.to_string();
        let output = runner.read(["showvminfo", &uuid, "--machinereadable"])?;
        let told = info::read_info(&output.stdout, entry.uuid, &entry.file, reason);
        let mut told = told.map_err(|detail| HostError::Garbage {
            command: format!("VBoxManage showvminfo {uuid} --machinereadable"),
            detail,
        })?;
        let extra_data = runner.read(["getextradata", &uuid, "enumerate"])?;
        info::read_extra_data(&extra_data.stdout, &mut told.machine);
        read_secure_boot(&mut told.machine, told.nvram.as_deref());
        Ok(told)
    }

    /// The state that VirtualBox itself tells.
    pub(super) fn ask_state(&self, machine: Uuid) -> Result<Option<PowerState>, HostError> {
        let output = self.runner()?.read(["showvminfo", &machine.to_string(), "--machinereadable"])?;
        Ok(Pairs::parse(&output.stdout).get("VMState").map(PowerState::parse_or_other))
    }
}

/// What VirtualBox said, without the command that asked.
fn said(error: &HostError) -> String {
    match error {
        HostError::Refused { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

/// A machine of which only the registry is known.
fn row(entry: &MachineEntry, access: Access) -> Machine {
    Machine {
        uuid: entry.uuid,
        name: None,
        access,
        settings_file: entry.file.clone(),
        state: None,
        settings: Shared::default(),
        unknown: BTreeMap::new(),
        attachments: Vec::new(),
        snapshots: None,
        current_snapshot: None,
        mark: MarkState::None,
        remembered: BTreeMap::new(),
        beyond: Vec::new(),
    }
}
