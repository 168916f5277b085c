//! One machine is told to do something: a plan like any other, without a manifest.

use serde_json::Value;

use super::action::{Action, Target};
use super::draft::{self, Draft};
use super::power::{Power, state_path};
use super::register::RegisterPlan;
use super::types::{Expectation, ObjectPlan, Operation, Plan, PlannedField, Verb};
use super::{canonical, limits};
use crate::inventory::{Inventory, Machine, Read};
use crate::model::state::StateClass;
use crate::model::{Address, Danger, Dangers, Desired, DesiredState, Policy};

/// What a machine is told to do with its power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCommand {
    /// Run: start, resume from a saved state, let go on.
    Start,
    /// Be off: the power button, and switched off where that is permitted too and the guest does not obey.
    Stop,
    /// Stop and start.
    Restart,
    /// Hold the guest.
    Pause,
    /// Let a held or saved guest go on.
    Resume,
    /// Save the guest's state and be off.
    Save,
    /// The reset button.
    Reset,
}

impl PowerCommand {
    /// The verb of its plan.
    pub fn verb(self) -> Verb {
        match self {
            Self::Start => Verb::Start,
            Self::Stop => Verb::Stop,
            Self::Restart => Verb::Restart,
            Self::Pause => Verb::Pause,
            Self::Resume => Verb::Resume,
            Self::Save => Verb::Save,
            Self::Reset => Verb::Reset,
        }
    }

    /// The command of a plan's verb.
    pub fn of(verb: Verb) -> Option<Self> {
        match verb {
            Verb::Start => Some(Self::Start),
            Verb::Stop => Some(Self::Stop),
            Verb::Restart => Some(Self::Restart),
            Verb::Pause => Some(Self::Pause),
            Verb::Resume => Some(Self::Resume),
            Verb::Save => Some(Self::Save),
            Verb::Reset => Some(Self::Reset),
            Verb::Apply | Verb::Destroy | Verb::Adopt | Verb::Snapshot | Verb::Revert | Verb::Repair => None,
        }
    }
}

/// Plans a command to machines that the stack of `desired` owns. `stop_timeout` is in seconds.
///
/// Where the machines already are what they are told to become, the plan is empty.
pub fn command(
    command: PowerCommand,
    machines: &[(Address, &Machine)],
    desired: &Desired,
    inventory: &Inventory,
    policy: &Policy,
    stop_timeout: u64,
) -> Plan {
    let mut objects = Vec::new();
    let mut drafts = Vec::new();
    let mut reads = Vec::new();
    for (address, machine) in machines {
        let mut draft = Draft::new(address.clone(), Target::Existing(machine.uuid), policy.allow.clone());
        let class = machine.state.as_ref().map_or(StateClass::Moving, crate::model::PowerState::class);
        one(command, class, &mut draft, stop_timeout);
        if let Some(first) = draft.steps.first_mut() {
            let expected = Expectation::State(class.word().to_owned());
            if !first.expects.contains(&expected) {
                first.expects.push(expected);
            }
        }
        reads.extend(super::reads::of_state(&desired.stack, address, machine, inventory));
        objects.extend(object(command, address, machine, &draft));
        drafts.push(draft);
    }
    sealed(command.verb(), objects, &drafts, reads, desired, inventory, policy)
}

/// A plan that was made without a manifest: it registers nothing, and says itself what it has read.
pub fn sealed(
    verb: Verb,
    objects: Vec<ObjectPlan>,
    drafts: &[Draft],
    reads: Vec<Read>,
    desired: &Desired,
    inventory: &Inventory,
    policy: &Policy,
) -> Plan {
    let (steps, register) = (draft::number(drafts.iter().cloned()), RegisterPlan::default());
    let mut plan =
        canonical::assemble(verb, desired, inventory, policy, canonical::Made { objects, steps, register });
    plan.reads.reads = reads;
    limits::check(&mut plan, desired, inventory);
    canonical::seal(plan)
}

fn one(command: PowerCommand, live: StateClass, draft: &mut Draft, stop_timeout: u64) {
    let power = |declared| Power { live, declared, stop_timeout, owed: false };
    if live == StateClass::Moving {
        let hints = vec!["try again when it has arrived there".to_owned()];
        return draft.block(vec![state_path()], "it is on the way from one state to another", hints);
    }
    match (command, live) {
        (PowerCommand::Stop, _) => power(Some(&DesiredState::PowerOff)).settle(draft),
        (PowerCommand::Pause, _) => power(Some(&DesiredState::Paused)).settle(draft),
        (PowerCommand::Save, StateClass::Off) => {
            draft.block(vec![state_path()], "there is nothing to save: the machine is off", Vec::new());
        }
        (PowerCommand::Save, _) => power(Some(&DesiredState::Saved)).settle(draft),
        (PowerCommand::Resume, StateClass::Off) => draft.block(
            vec![state_path()],
            "there is nothing to resume: the machine is off",
            vec![format!("vboxmcp start {}", draft.address)],
        ),
        (PowerCommand::Start | PowerCommand::Resume, _) | (PowerCommand::Restart, StateClass::Off) => {
            power(Some(&DesiredState::Running)).settle(draft);
        }
        (PowerCommand::Restart, _) => {
            let cause = [state_path()];
            if power(None).stop(draft, &cause, "restarting stops the guest") {
                draft.push(Action::Start { machine: draft.target.clone() }, cause, []);
            }
        }
        (PowerCommand::Reset, StateClass::Running) => {
            let missing = draft.missing([Danger::PowerCut]);
            if missing.is_empty() {
                let machine = draft.target.clone();
                draft.push(Action::Reset { machine }, [state_path()], [Danger::PowerCut]);
            } else {
                let reason = "a reset cuts the guest off, as the button of a computer does".to_owned();
                draft.block_for(vec![state_path()], missing, reason);
            }
        }
        // VirtualBox refuses it while the guest is held (measured).
        (PowerCommand::Reset, StateClass::Paused) => draft.block(
            vec![state_path()],
            "a guest that is held cannot be reset",
            vec![format!("vboxmcp resume {}", draft.address)],
        ),
        (PowerCommand::Reset, StateClass::Stuck) => draft.block(
            vec![state_path()],
            "the guest is stuck: it can only be switched off",
            vec![format!("vboxmcp restart {} --allow power-cut", draft.address)],
        ),
        (PowerCommand::Reset, StateClass::Off | StateClass::Saved | StateClass::Moving) => draft.block(
            vec![state_path()],
            "there is nothing to reset: no guest runs",
            vec![format!("vboxmcp start {}", draft.address)],
        ),
    }
}

/// What is shown of one machine; `None` where there is nothing to do.
fn object(command: PowerCommand, address: &Address, machine: &Machine, draft: &Draft) -> Option<ObjectPlan> {
    if draft.steps.is_empty() && draft.blocked.is_empty() {
        return None;
    }
    let goal = match command {
        PowerCommand::Start | PowerCommand::Resume | PowerCommand::Restart | PowerCommand::Reset => {
            DesiredState::Running
        }
        PowerCommand::Stop => DesiredState::PowerOff,
        PowerCommand::Pause => DesiredState::Paused,
        PowerCommand::Save => DesiredState::Saved,
    };
    let (live, goal) = (machine.state.as_ref().map(ToString::to_string), goal.to_string());
    let mut effects = Vec::new();
    let mut fields = Vec::new();
    if command == PowerCommand::Reset || live.as_ref() == Some(&goal) {
        // The state says nothing of it.
        if draft.blocked.is_empty() {
            effects.push(match command {
                PowerCommand::Reset => "resets the guest".to_owned(),
                _ => "stops the guest and starts it again".to_owned(),
            });
        }
    } else {
        let live = live.map(Value::from);
        fields.push(PlannedField::asked(state_path(), live, goal.into(), !draft.blocked.is_empty()));
    }
    Some(ObjectPlan {
        address: address.clone(),
        operation: if draft.steps.is_empty() { Operation::Blocked } else { Operation::Change },
        uuid: Some(machine.uuid),
        fields,
        effects,
        blocked: draft.blocked.clone(),
        danger: if draft.steps.is_empty() { Dangers::new() } else { draft.danger() },
    })
}
