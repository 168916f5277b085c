//! Power states: the design's table of declared and live state, and the stop and start around a change that needs a machine off.

use super::action::Action;
use super::draft::Draft;
use super::types::Expectation;
use crate::model::state::StateClass;
use crate::model::{Danger, DesiredState, FieldPath};

/// The field that power steps are for.
pub fn state_path() -> FieldPath {
    FieldPath::of(["state"])
}

/// What a machine's power has to do in one plan.
#[derive(Clone, Copy, Debug)]
pub struct Power<'a> {
    /// Where it is.
    pub live: StateClass,
    /// Where it shall be; `None` is not managed.
    pub declared: Option<&'a DesiredState>,
    /// Seconds that an ACPI shutdown may take.
    pub stop_timeout: u64,
    /// An earlier run stopped it on the way there.
    pub owed: bool,
}

/// Dangers of a clean stop: where switching off is permitted too, it follows when the guest does not obey.
fn stop_dangers(draft: &Draft) -> Vec<Danger> {
    if draft.allow.contains(&Danger::PowerCut) {
        vec![Danger::Downtime, Danger::PowerCut]
    } else {
        vec![Danger::Downtime]
    }
}

impl Power<'_> {
    fn shutdown(self, draft: &Draft) -> Action {
        Action::Shutdown {
            machine: draft.target.clone(),
            timeout: self.stop_timeout,
            then_power_cut: draft.allow.contains(&Danger::PowerCut),
        }
    }

    /// Stops the machine, or leaves it and says which permission is missing.
    ///
    /// `what` completes "needs the machine off: ".
    pub fn stop(self, draft: &mut Draft, cause: &[FieldPath], what: &str) -> bool {
        let machine = draft.target.clone();
        match self.live {
            StateClass::Off => return true,
            StateClass::Moving => return false,
            StateClass::Stuck => {
                let missing = draft.missing([Danger::PowerCut]);
                if !missing.is_empty() {
                    draft.block_for(
                        cause.to_vec(),
                        missing,
                        format!("{what}: the guest is stuck and must be switched off"),
                    );
                    return false;
                }
                draft.push(Action::PowerCut { machine }, cause.to_vec(), [Danger::PowerCut]);
                return true;
            }
            StateClass::Saved => {
                if draft.missing([Danger::Downtime]).is_empty() {
                    let dangers = stop_dangers(draft);
                    draft.push(Action::Start { machine }, cause.to_vec(), []);
                    let shutdown = self.shutdown(draft);
                    draft.push(shutdown, cause.to_vec(), dangers);
                    return true;
                }
                if draft.missing([Danger::DiscardState]).is_empty() {
                    draft.push(Action::DiscardState { machine }, cause.to_vec(), [Danger::DiscardState]);
                    return true;
                }
                let missing = draft.missing([Danger::Downtime]);
                draft.block_for(
                    cause.to_vec(),
                    missing,
                    format!("{what}: it is saved and would be resumed and shut down"),
                );
                if let Some(blocked) = draft.blocked.last_mut() {
                    blocked.hints.push("--allow discard-state (throws the saved state away)".to_owned());
                }
                return false;
            }
            StateClass::Running | StateClass::Paused => {}
        }
        let missing = draft.missing([Danger::Downtime]);
        if !missing.is_empty() {
            draft.block_for(cause.to_vec(), missing, what.to_owned());
            return false;
        }
        if self.live == StateClass::Paused {
            draft.push(Action::Resume { machine }, cause.to_vec(), []);
        }
        let dangers = stop_dangers(draft);
        let shutdown = self.shutdown(draft);
        draft.push(shutdown, cause.to_vec(), dangers);
        let word = self.live.word().to_owned();
        let first = draft.steps.len() - 1 - usize::from(self.live == StateClass::Paused);
        draft.steps[first].expects.push(Expectation::State(word));
        true
    }

    /// After a stop: back to the state that it had or, where one is declared, to that one.
    pub fn start_again(self, draft: &mut Draft, cause: &[FieldPath]) {
        let machine = draft.target.clone();
        let goal = match (self.declared, self.live) {
            (Some(DesiredState::PowerOff), _)
            | (None, StateClass::Off | StateClass::Stuck | StateClass::Moving) => return,
            (Some(state), _) => state.clone(),
            (None, StateClass::Paused) => DesiredState::Paused,
            (None, StateClass::Running | StateClass::Saved) => DesiredState::Running,
        };
        if goal == DesiredState::Saved && matches!(self.live, StateClass::Off | StateClass::Stuck) {
            draft.block(
                vec![state_path()],
                "there is nothing to save: the machine is off",
                vec!["declare `state: running` first".to_owned()],
            );
            return;
        }
        // Where another state is declared, the next run finds the way to it by itself.
        if self.declared.is_none() || goal == DesiredState::Saved {
            draft.owes = Some(goal.clone());
        }
        draft.push(Action::Start { machine: machine.clone() }, cause.to_vec(), []);
        match goal {
            DesiredState::Paused => draft.push(Action::Pause { machine }, cause.to_vec(), []),
            DesiredState::Saved => draft.push(Action::SaveState { machine }, cause.to_vec(), []),
            _ => {}
        }
    }

    /// From the live state to the declared one, where nothing else made the machine stop.
    pub fn settle(self, draft: &mut Draft) {
        let Some(declared) = self.declared else { return };
        let machine = draft.target.clone();
        let cause = vec![state_path()];
        match (self.live, declared) {
            (StateClass::Off | StateClass::Saved, DesiredState::Running) => {
                draft.push(Action::Start { machine }, cause, []);
            }
            (StateClass::Off | StateClass::Saved, DesiredState::Paused) => {
                draft.push(Action::Start { machine: machine.clone() }, cause.clone(), []);
                draft.push(Action::Pause { machine }, cause, []);
            }
            (StateClass::Off, DesiredState::Saved) if self.owed => {
                draft.push(Action::Start { machine: machine.clone() }, cause.clone(), []);
                draft.push(Action::SaveState { machine }, cause, []);
            }
            (StateClass::Off, DesiredState::Saved) => draft.block(
                cause,
                "there is nothing to save: the machine is off",
                vec!["declare `state: running` first".to_owned()],
            ),
            (StateClass::Saved, DesiredState::PowerOff) => {
                if draft.missing([Danger::DiscardState]).is_empty() {
                    draft.push(Action::DiscardState { machine }, cause, [Danger::DiscardState]);
                } else if draft.missing([Danger::Downtime]).is_empty() {
                    self.stop(draft, &cause, "switching off");
                } else {
                    let missing = draft.missing([Danger::DiscardState]);
                    draft.block_for(cause, missing, "switching off throws the saved state away".to_owned());
                    if let Some(blocked) = draft.blocked.last_mut() {
                        blocked
                            .hints
                            .push("--allow downtime (resumes the guest and shuts it down)".to_owned());
                    }
                }
            }
            (StateClass::Running | StateClass::Paused, DesiredState::PowerOff) => {
                self.stop(draft, &cause, "switching off stops the guest");
            }
            (StateClass::Running, DesiredState::Saved) => {
                Self::guarded(draft, Action::SaveState { machine }, "saving stops the guest");
            }
            (StateClass::Running, DesiredState::Paused) => {
                Self::guarded(draft, Action::Pause { machine }, "pausing stops the guest for a while");
            }
            (StateClass::Paused, DesiredState::Running) => draft.push(Action::Resume { machine }, cause, []),
            (StateClass::Paused, DesiredState::Saved) => draft.push(Action::SaveState { machine }, cause, []),
            (StateClass::Stuck, DesiredState::Running) => {
                if self.stop(draft, &cause, "starting again") {
                    draft.push(Action::Start { machine }, cause, []);
                }
            }
            (StateClass::Stuck, DesiredState::PowerOff) => {
                self.stop(draft, &cause, "switching off");
            }
            (StateClass::Stuck, DesiredState::Saved | DesiredState::Paused) => {
                draft.block(cause, "the guest is stuck: it can only be switched off", Vec::new());
            }
            (StateClass::Off, DesiredState::PowerOff)
            | (StateClass::Saved, DesiredState::Saved)
            | (StateClass::Running, DesiredState::Running)
            | (StateClass::Paused, DesiredState::Paused)
            | (StateClass::Moving, _)
            | (_, DesiredState::Other(_)) => {}
        }
    }

    fn guarded(draft: &mut Draft, action: Action, reason: &str) {
        let missing = draft.missing([Danger::Downtime]);
        if missing.is_empty() {
            draft.push(action, [state_path()], [Danger::Downtime]);
        } else {
            draft.block_for(vec![state_path()], missing, reason.to_owned());
        }
    }
}
