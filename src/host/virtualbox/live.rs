//! Which machines are live, and in which state (`vbox-settings` 4.3).
//!
//! Settings files do not tell. No server means that nothing runs; else one `list runningvms` tells which machines run or are paused, and
//! the last line of that kind in a machine's `VBox.log` tells which of the two.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::runner::Runner;
use crate::host::HostError;
use crate::inventory::Machine;
use crate::model::PowerState;
use crate::model::state::StateClass;

/// Machines that `list runningvms` names: they run or are paused.
pub fn running(runner: &Runner) -> Result<BTreeSet<Uuid>, HostError> {
    let output = runner.read(["list", "runningvms"])?;
    parse_list(&output.stdout).map_err(|line| HostError::Garbage {
        command: "VBoxManage list runningvms".to_owned(),
        detail: format!("`{line}` where a machine was expected"),
    })
}

/// What VirtualBox says of the machines that live.
#[derive(Clone, Debug, Default)]
pub struct Alive {
    /// Their states, and those of machines that the server knows to be saved. Without one, only the machine's log tells whether it runs or is paused.
    states: BTreeMap<Uuid, Option<PowerState>>,
    /// A machine that is not here does not live, and its settings file is right. Otherwise it may be on its way up or down, or stuck.
    is_complete: bool,
}

impl Alive {
    /// Machines that `list runningvms` names.
    pub fn listed(running: BTreeSet<Uuid>) -> Self {
        Self { states: running.into_iter().map(|machine| (machine, None)).collect(), is_complete: false }
    }

    /// Of all that live or are saved, the states in VirtualBox's numbers.
    pub fn told(numbers: &BTreeMap<Uuid, u32>) -> Self {
        let known = |(machine, number): (&Uuid, &u32)| Some((*machine, Some(numbered(*number)?)));
        Self { states: numbers.iter().filter_map(known).collect(), is_complete: true }
    }
}

/// The state of a machine that lives or is saved, by its number in VirtualBox's interface (`MachineState`, since 7.0).
///
/// That one is saved stands in its settings file, too, but for those that VirtualBox did not write (measured, see [`unwritten_state`]).
pub fn numbered(number: u32) -> Option<PowerState> {
    Some(match number {
        2 => PowerState::Saved,
        5 => PowerState::AbortedSaved,
        6 => PowerState::Running,
        7 => PowerState::Paused,
        8 => PowerState::Stuck,
        9 => PowerState::Teleporting,
        10 => PowerState::LiveSnapshotting,
        11 => PowerState::Starting,
        12 => PowerState::Stopping,
        13 => PowerState::Saving,
        14 => PowerState::Restoring,
        15 => PowerState::TeleportingPaused,
        16 => PowerState::TeleportingIn,
        17 => PowerState::DeletingSnapshotOnline,
        18 => PowerState::DeletingSnapshotPaused,
        19 => PowerState::OnlineSnapshotting,
        22 => PowerState::SettingUp,
        _ => return None,
    })
}

/// Lines `"NAME" {UUID}`. A name may hold anything, a line end too, but not end with a UUID.
fn parse_list(text: &str) -> Result<BTreeSet<Uuid>, String> {
    let mut machines = BTreeSet::new();
    let mut rest = "";
    for line in text.lines() {
        rest = line;
        let uuid =
            line.rsplit_once("\" {").and_then(|(_, tail)| Uuid::try_parse(tail.strip_suffix('}')?).ok());
        if let Some(uuid) = uuid {
            machines.insert(uuid);
            rest = "";
        }
    }
    if rest.trim().is_empty() { Ok(machines) } else { Err(rest.chars().take(80).collect()) }
}

/// A log that ends with a change of state is one of a machine that has ended; others are searched for longer.
const TAIL: u64 = 64 << 10;
const WHOLE: u64 = 64 << 20;

/// The state of a machine while a server runs; `None` where only VirtualBox can tell.
pub fn state(machine: &Machine, alive: &Alive) -> Option<PowerState> {
    match alive.states.get(&machine.uuid) {
        Some(Some(state)) => return Some(state.clone()),
        Some(None) => return last_state(&machine.log_file(), WHOLE).ok().flatten().filter(is_listed),
        None if alive.is_complete => return machine.state.clone(),
        None => {}
    }
    match last_state(&machine.log_file(), TAIL) {
        // On its way up or down, or "guru meditation": alive, but not in the list. Or killed just then.
        Ok(Some(state)) if is_alive(&state) && !is_listed(&state) => None,
        // The server may know a saved state that it did not write down.
        Ok(Some(PowerState::Saved)) if is_off(machine) && unnamed_state(machine).is_some() => None,
        _ => machine.state.clone(),
    }
}

/// The last state in a machine's log; `None` where there is none near its end.
pub fn logged_state(machine: &Machine) -> Option<PowerState> {
    last_state(&machine.log_file(), TAIL).ok().flatten()
}

/// Whether a machine has a log, and the last process of the machine has not said there that it ended: it runs, or was killed.
pub fn may_live(machine: &Machine) -> bool {
    match last_state(&machine.log_file(), WHOLE) {
        Ok(state) => state.is_none_or(|state| is_alive(&state)),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// The newest file of a saved state that a machine's settings do not name, where the log of its last process says that it was saved. One whose
/// state was discarded has no such file (measured).
///
/// Where a guest's process ends before VirtualBox's server has seen to its settings, the server knows that the state is saved and the settings never
/// say so; when the server ends, the machine is off (measured, [`super::saving`]).
pub fn unwritten_state(machine: &Machine) -> Option<PathBuf> {
    let is_possible = |state: &PowerState| matches!(state.class(), StateClass::Saved | StateClass::Off);
    if !machine.state.as_ref().is_none_or(is_possible) {
        return None;
    }
    logged_state(machine).filter(|state| *state == PowerState::Saved).and_then(|_| unnamed_state(machine))
}

fn is_off(machine: &Machine) -> bool {
    machine.state.as_ref().is_some_and(|state| state.class() == StateClass::Off)
}

/// The newest file of a saved state in a machine's snapshot folder, where its settings do not name it.
pub fn unnamed_state(machine: &Machine) -> Option<PathBuf> {
    let settings = fs::read_to_string(&machine.settings_file).ok()?;
    let folder = machine.settings.snapshot_folder.as_deref().unwrap_or("Snapshots");
    let entries = fs::read_dir(machine.folder().join(folder)).ok()?.flatten();
    let states = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".sav"));
    let dated = states.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())));
    // An older one was lost before.
    let (_, newest) = dated.max()?;
    let is_named = newest.file_name().is_some_and(|name| settings.contains(&*name.to_string_lossy()));
    (!is_named).then_some(newest)
}

/// States of machines that `list runningvms` names.
fn is_listed(state: &PowerState) -> bool {
    matches!(
        state,
        PowerState::Running
            | PowerState::Paused
            | PowerState::Teleporting
            | PowerState::TeleportingPaused
            | PowerState::LiveSnapshotting
            | PowerState::OnlineSnapshotting
            | PowerState::DeletingSnapshotOnline
            | PowerState::DeletingSnapshotPaused
    )
}

/// States in which a machine has a process of its own.
fn is_alive(state: &PowerState) -> bool {
    is_listed(state)
        || matches!(
            state,
            PowerState::Stuck
                | PowerState::Starting
                | PowerState::Stopping
                | PowerState::Saving
                | PowerState::Restoring
                | PowerState::TeleportingIn
                | PowerState::SettingUp
        )
}

/// The last state in a log, searched for from its end, `reach` bytes far.
fn last_state(log: &Path, reach: u64) -> io::Result<Option<PowerState>> {
    const CHUNK: u64 = 64 << 10;
    let mut file = File::open(log)?;
    let mut position = file.seek(SeekFrom::End(0))?;
    let stop = position.saturating_sub(reach);
    // Beginning of a line whose beginning may stand in the chunk before.
    let mut cut_line: Vec<u8> = Vec::new();
    while position > stop {
        let start = position.saturating_sub(CHUNK).max(stop);
        file.seek(SeekFrom::Start(start))?;
        // All of it in one call: a vector that grows would take a dozen.
        let mut chunk = vec![0; usize::try_from(position - start).unwrap_or_default()];
        file.read_exact(&mut chunk)?;
        chunk.append(&mut cut_line);
        let mut lines = chunk.rsplit(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            if lines.peek().is_none() && start > 0 {
                cut_line = line.to_vec();
            } else if let Some(state) = state_in(line) {
                return Ok(Some(state));
            }
        }
        position = start;
    }
    Ok(None)
}

/// The state in a line `00:00:01.516967 Console: Machine state changed to 'Paused'`.
///
/// What a guest writes stands behind `VMMDev: Guest Log:`, so that the text counts right behind the time stamp only.
fn state_in(line: &[u8]) -> Option<PowerState> {
    let line = std::str::from_utf8(line).ok()?;
    let (time, rest) = line.split_once(' ')?;
    if time.is_empty() || !time.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.')) {
        return None;
    }
    let word = rest.strip_prefix("Console: Machine state changed to '")?.trim_end().strip_suffix('\'')?;
    Some(match word {
        "PoweredOff" => PowerState::PowerOff,
        "AbortedSaved" => PowerState::AbortedSaved,
        "Stuck" => PowerState::Stuck,
        "DeletingSnapshotOnline" => PowerState::DeletingSnapshotOnline,
        "DeletingSnapshotPaused" => PowerState::DeletingSnapshotPaused,
        // The others are called the same as `showvminfo` calls them.
        other => PowerState::parse_or_other(other),
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::{last_state, parse_list, state_in};
    use crate::model::PowerState;

    #[test]
    fn only_virtualbox_s_own_lines_count() {
        let paused = "00:00:01.516967 Console: Machine state changed to 'Paused'";
        assert_eq!(state_in(paused.as_bytes()), Some(PowerState::Paused));
        assert_eq!(state_in(format!("{paused}\r").as_bytes()), Some(PowerState::Paused));
        for line in [
            "00:00:01.516967 VMMDev: Guest Log: Console: Machine state changed to 'Paused'",
            "00:00:01.516967 VMMDev: Guest Log: 00:00:01.516967 Console: Machine state changed to 'Paused'",
            "Console: Machine state changed to 'Paused'",
            "00:00:01.516967 Changing the VM state from 'RUNNING' to 'SUSPENDED'",
        ] {
            assert_eq!(state_in(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn the_last_one_is_found_across_chunks() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("VBox.log");
        for padding in [0, 10, 65_450, 65_500, 65_530, 65_536, 65_600, 200_000] {
            let mut text = "00:00:01.000000 Console: Machine state changed to 'Running'\n".to_owned();
            text += "00:00:02.000000 Console: Machine state changed to 'Paused'\n";
            for _ in 0..padding / 50 {
                writeln!(text, "00:00:03.000000 VMMDev: Guest Log: 0123456789abcde").unwrap();
            }
            text += &"x".repeat(padding % 50);
            std::fs::write(&log, &text).unwrap();
            assert_eq!(last_state(&log, u64::MAX).unwrap(), Some(PowerState::Paused), "{padding}");
        }
        assert_eq!(last_state(&log, 1000).unwrap(), None);
        std::fs::write(&log, "").unwrap();
        assert_eq!(last_state(&log, u64::MAX).unwrap(), None);
        assert!(last_state(&folder.path().join("none"), 1).is_err());
    }

    #[test]
    fn names_of_machines_do_not_matter() {
        let text = "\"a\" {b9a5401f-7081-4940-97f8-0c339546efde}\n\
                    \"two\nlines \" {x}\" {b9a5401f-7081-4940-97f8-0c339546efdf}\n";
        assert_eq!(parse_list(text).unwrap().len(), 2);
        assert_eq!(parse_list("").unwrap().len(), 0);
        assert!(parse_list("Segmentation fault\n").is_err());
    }
}
