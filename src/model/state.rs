//! Power states: what VirtualBox reports, and what a manifest may ask for.

use super::word::words;

words! {
    /// A machine's state as VirtualBox names it (`VMState` of `showvminfo --machinereadable`).
    PowerState {
        PowerOff = "poweroff",
        Saved = "saved",
        Teleported = "teleported",
        Aborted = "aborted",
        AbortedSaved = "aborted-saved",
        Running = "running",
        Paused = "paused",
        /// VirtualBox calls it "guru meditation"
        Stuck = "gurumeditation",
        Starting = "starting",
        Stopping = "stopping",
        Saving = "saving",
        Restoring = "restoring",
        Teleporting = "teleporting",
        LiveSnapshotting = "livesnapshotting",
        OnlineSnapshotting = "onlinesnapshotting",
        RestoringSnapshot = "restoringsnapshot",
        DeletingSnapshot = "deletingsnapshot",
        DeletingSnapshotOnline = "deletingsnapshotlive",
        DeletingSnapshotPaused = "deletingsnapshotlivepaused",
        TeleportingIn = "teleportingin",
        TeleportingPaused = "teleportingpausedvm",
        SettingUp = "settingup",
    }
}

/// The rows of the design's state tables: what may be done to a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StateClass {
    /// Powered off, aborted or teleported away: everything can change.
    Off,
    /// Saved or aborted while restoring: few settings can change.
    Saved,
    /// A guest runs.
    Running,
    /// A guest is held.
    Paused,
    /// The virtual processor has given up ("guru meditation"): only switching off helps.
    Stuck,
    /// On the way from one state to another.
    Moving,
}

impl StateClass {
    const ALL: [Self; 6] = [Self::Off, Self::Saved, Self::Running, Self::Paused, Self::Stuck, Self::Moving];

    /// Its word in what a step expects.
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Saved => "saved",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stuck => "stuck",
            Self::Moving => "moving",
        }
    }

    /// The class of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }
}

impl PowerState {
    /// The row of the state tables.
    pub fn class(&self) -> StateClass {
        match self {
            Self::PowerOff | Self::Aborted | Self::Teleported => StateClass::Off,
            Self::Saved | Self::AbortedSaved => StateClass::Saved,
            Self::Running => StateClass::Running,
            Self::Paused => StateClass::Paused,
            Self::Stuck => StateClass::Stuck,
            Self::Starting
            | Self::Stopping
            | Self::Saving
            | Self::Restoring
            | Self::Teleporting
            | Self::LiveSnapshotting
            | Self::OnlineSnapshotting
            | Self::RestoringSnapshot
            | Self::DeletingSnapshot
            | Self::DeletingSnapshotOnline
            | Self::DeletingSnapshotPaused
            | Self::TeleportingIn
            | Self::TeleportingPaused
            | Self::SettingUp
            | Self::Other(_) => StateClass::Moving,
        }
    }
}

words! {
    /// `spec.state`.
    DesiredState {
        Running = "running",
        PowerOff = "poweroff",
        Saved = "saved",
        Paused = "paused",
    }
}

impl DesiredState {
    /// Whether a live state satisfies the declaration.
    pub fn is_met_by(&self, live: &PowerState) -> bool {
        match self {
            Self::Running => *live == PowerState::Running,
            Self::PowerOff => live.class() == StateClass::Off,
            Self::Saved => live.class() == StateClass::Saved,
            Self::Paused => *live == PowerState::Paused,
            Self::Other(_) => false,
        }
    }
}
