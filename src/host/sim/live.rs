//! `controlvm`: changes of a running or paused machine, one after another; one that fails leaves those before it done.

use serde_json::Value;
use uuid::Uuid;

use super::modify::{number, set_plain};
use super::nics;
use super::refusal::{self, No, no, unsupported};
use super::world::{SimMachine, World};
use crate::host::virtualbox::argv::modify::leaves;
use crate::model::{FieldPath, PowerState, Settings};
use crate::plan::Assignment;

impl World {
    /// Several `controlvm` calls.
    pub fn modify_live(&mut self, uuid: Uuid, set: &[Assignment]) -> Result<(), No> {
        for (keys, value) in leaves(set) {
            self.control(uuid, &Assignment { path: FieldPath::of(keys), value: value.cloned() })?;
        }
        if set.iter().any(|one| matches!(one.path.parts().as_slice(), ["nics", _, "mode" | "network"])) {
            let networks: Vec<String> = self.machine(uuid)?.nat_networks().collect();
            for network in networks {
                self.start_nat_service(&network);
            }
        }
        Ok(())
    }

    fn control(&mut self, uuid: Uuid, assignment: &Assignment) -> Result<(), No> {
        let machine = self.machine_mut(uuid)?;
        if !machine.is_live() {
            return Err(no(&refusal::NOT_RUNNING, &[&uuid]));
        }
        let path = assignment.path.parts();
        let paused = machine.state == PowerState::Paused;
        match path.as_slice() {
            ["nics", ..] => {
                nics::assign_live(machine, assignment)?;
                machine.unsaved.clear();
                Ok(())
            }
            ["cpuExecutionCap" | "clipboard" | "dragAndDrop", ..] if paused => {
                Err(no(&refusal::INVALID_STATE, &[&machine.state_word()]))
            }
            ["cpuExecutionCap"] if !(1..=100).contains(&number(assignment)?) => {
                Err(no(&refusal::LIVE_EXECUTION_CAP, &[&number(assignment)?]))
            }
            ["cpuExecutionCap" | "clipboard" | "dragAndDrop" | "vrde" | "autostart", ..]
            | ["audio", "in" | "out"] => {
                set_plain(&mut machine.hardware.settings, assignment)?;
                machine.unsaved.clear();
                Ok(())
            }
            // Kept in memory only: lost at power-off, unless something else is saved before.
            ["memoryBalloon" | "processPriority"] | ["recording", ..] | ["serialPorts", _, "mode"] => {
                let tree = serde_json::to_value(&machine.hardware.settings).unwrap_or_default();
                let before = assignment.path.keys().iter().try_fold(&tree, |value, key| value.get(key));
                let before = before.cloned().unwrap_or(Value::Null);
                set_plain(&mut machine.hardware.settings, assignment)?;
                machine.unsaved.entry(assignment.path.to_string()).or_insert(before);
                Ok(())
            }
            _ => Err(unsupported(format!("changing {} of a running machine", assignment.path))),
        }
    }

    /// The process of a machine has ended: what was never saved is as it was.
    pub fn forget_unsaved(&mut self, uuid: Uuid) {
        let Some(machine) = self.machines.get_mut(&uuid) else { return };
        machine.hardware.settings = machine.saved_settings();
        machine.unsaved.clear();
    }
}

impl SimMachine {
    /// The settings in the machine's file: without what is in memory only.
    pub fn saved_settings(&self) -> Settings {
        let mut settings = self.hardware.settings.clone();
        for (path, value) in &self.unsaved {
            let Ok(path) = path.parse();
            // The value was read from the same place: it fits.
            let _ = set_plain(&mut settings, &Assignment { path, value: Some(value.clone()) });
        }
        settings
    }
}
