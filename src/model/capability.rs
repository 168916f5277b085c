//! What VirtualBox can change in which state of a machine, and how.
//!
//! Measured on VirtualBox 7.2.22 by asking for every change in every state. Off means powered off or aborted; what is
//! not listed can be changed only there.

use super::field::FieldPath;
use super::state::StateClass;

/// The states, besides off, in which a field can be changed without touching the guest's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// While a state is saved (`modifyvm`).
    pub saved: bool,
    /// While the guest runs (`controlvm` and its like).
    pub running: bool,
    /// While the guest is held.
    pub paused: bool,
}

impl Capability {
    const OFF_ONLY: Self = Self { saved: false, running: false, paused: false };
    const OFF_OR_SAVED: Self = Self { saved: true, running: false, paused: false };
    const ALWAYS: Self = Self { saved: true, running: true, paused: true };
    const NOT_SAVED: Self = Self { saved: false, running: true, paused: true };
    const RUNNING: Self = Self { saved: false, running: true, paused: false };

    /// Whether the field can be changed in a state of that class.
    pub fn allows(self, state: StateClass) -> bool {
        match state {
            StateClass::Off => true,
            StateClass::Saved => self.saved,
            StateClass::Running => self.running,
            StateClass::Paused => self.paused,
            StateClass::Stuck | StateClass::Moving => false,
        }
    }
}

/// What a change does to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A member that is not there comes.
    Add,
    /// A value becomes another one.
    Change,
    /// A member goes.
    Remove,
}

/// The states in which a field can be changed.
pub fn capability(path: &FieldPath, edit: Edit) -> Capability {
    let parts = path.parts();
    match (parts.as_slice(), edit) {
        (
            ["name" | "groups" | "description" | "frontend" | "rtcUseUtc" | "executionEngine"]
            | ["nics", _, "nat", "cidr" | "bindIp" | "mtu"]
            | ["nics", _, "network"],
            _,
        ) => Capability::OFF_OR_SAVED,
        (
            ["nics", _, "cable" | "mode" | "promiscuous" | "nat"]
            | ["nics", _, "nat", "portForwards", ..]
            | ["extraData" | "guestProperties", ..],
            _,
        ) => Capability::ALWAYS,
        (["cpuExecutionCap"], _) => Capability::RUNNING,
        // The drive must be there: only what is in it changes.
        (["dvds", _, "medium"], Edit::Change) => Capability::NOT_SAVED,
        _ => Capability::OFF_ONLY,
    }
}

/// Fields that VirtualBox cannot change in place: what to do by hand instead.
pub fn fixed(path: &FieldPath) -> Option<&'static str> {
    match path.parts().as_slice() {
        ["disks", _, "format" | "variant"] => Some(
            "VirtualBox cannot change it in place: copy the disk with `VBoxManage clonemedium SOURCE TARGET --format FORMAT --variant VARIANT` and declare the copy's location",
        ),
        ["controllers", _, "bus"] => Some(
            "a controller's bus cannot be changed: declare a controller of another name and move the disks with `at:`",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_adapter_needs_a_machine_that_is_off_and_a_rule_does_not() {
        let slot = FieldPath::of(["nics", "2"]);
        let rule = FieldPath::of(["nics", "1", "nat", "portForwards", "ssh"]);
        assert!(!capability(&slot, Edit::Add).allows(StateClass::Running));
        assert!(capability(&rule, Edit::Remove).allows(StateClass::Running));
        assert!(capability(&slot, Edit::Add).allows(StateClass::Off));
    }
}
