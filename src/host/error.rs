//! Errors of hosts, with the class that tells the executor what to do.

use std::path::PathBuf;

/// What an error says about the outcome (measured, `vbox-semantics` section 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Nothing was done: safe to do again.
    NotExecuted,
    /// Nobody knows: read again and compare before anything else.
    Unknown,
    /// The object is in a state that does not allow it, or is gone: plan again.
    WrongState,
    /// VirtualBox refuses the value: the plan was wrong.
    WrongInput,
    /// The host is broken (file system, registry, settings): stop.
    HostBroken,
    /// VirtualBox is missing, unsupported or unreachable.
    Unreachable,
}

/// What went wrong on a host.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// VBoxManage was not found.
    #[error("VBoxManage was not found")]
    NoVBoxManage {
        /// Where it was looked for, in words.
        searched: Vec<String>,
    },
    /// VBoxManage could not be started.
    #[error("cannot start {}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// VBoxManage did not end in time.
    #[error("`{command}` did not answer within {seconds} s")]
    Timeout {
        /// The command line, secrets left out.
        command: String,
        /// The deadline.
        seconds: u64,
        /// Whether nothing can have been done.
        harmless: bool,
    },
    /// VBoxManage refused.
    #[error("`{command}` failed: {message}")]
    Refused {
        /// The command line, secrets left out.
        command: String,
        /// First error line, without its `VBoxManage: error: `.
        message: String,
        /// VirtualBox's result code by name (`VBOX_E_INVALID_VM_STATE`), where it printed one.
        code: Option<String>,
        /// Exit status, where there was one.
        status: Option<i32>,
        /// All of it.
        stderr: String,
        /// What the text means.
        class: ErrorClass,
    },
    /// VBoxManage printed what nobody expects.
    #[error("`{command}` printed something unexpected: {detail}")]
    Garbage {
        /// The command line.
        command: String,
        /// What was expected and what was there.
        detail: String,
    },
    /// A file of VirtualBox could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file of VirtualBox is not what it should be.
    #[error("{}: {detail}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A guest did not switch off.
    #[error("the guest did not switch off within {seconds} s of the ACPI power button")]
    GuestStaysOn {
        /// The time it had.
        seconds: u64,
    },
    /// A run was killed, and a command that it had begun is still at work.
    #[error("a command of the run that died (process {run}) is still at work: process {process}")]
    Orphan {
        /// Process id that the run had.
        run: u32,
        /// Process id of the command.
        process: u32,
    },
    /// The native helper was asked for and is not possible.
    #[error("the native helper cannot be used here: {why}")]
    NoHelper {
        /// Why not.
        why: String,
    },
    /// The native helper ended in the middle of something.
    #[error("the native helper ended in the middle of `{what}`: {why}")]
    HelperLost {
        /// What it was doing.
        what: String,
        /// What is known of it.
        why: String,
    },
    /// The native helper ended before it came to something.
    #[error("the native helper ended before it began `{what}`")]
    NotBegun {
        /// What it was to do.
        what: String,
    },
    /// The server knows a state as saved, and will not write it down.
    #[error(
        "the state is saved, and VirtualBox does not write that into the machine's settings: it is lost when VirtualBox's server ends"
    )]
    StateUnwritten {
        /// The command that makes VirtualBox write all of the settings, for a shell.
        command: String,
    },
    /// What is left of a birth is not: the machine has run since, or has snapshots.
    #[error("{} is of a machine that has run or has snapshots: its files stay", file.display())]
    HasLived {
        /// Its settings file.
        file: PathBuf,
        /// Whether that is there: otherwise it is one of the disks that has lived.
        is_there: bool,
    },
    /// Somebody pressed Ctrl-C.
    #[error("cancelled")]
    Cancelled,
    /// This version cannot do it.
    #[error("{what} cannot be done")]
    Unsupported {
        /// What.
        what: String,
    },
}

impl HostError {
    /// What it says about the outcome.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoVBoxManage { .. } | Self::Spawn { .. } | Self::NoHelper { .. } => ErrorClass::Unreachable,
            Self::Timeout { harmless: true, .. } | Self::Orphan { .. } | Self::NotBegun { .. } => {
                ErrorClass::NotExecuted
            }
            Self::Timeout { .. } | Self::Garbage { .. } | Self::Cancelled | Self::HelperLost { .. } => {
                ErrorClass::Unknown
            }
            Self::Refused { class, .. } => *class,
            Self::Read { .. } | Self::Write { .. } | Self::Malformed { .. } => ErrorClass::HostBroken,
            Self::GuestStaysOn { .. } | Self::HasLived { .. } | Self::StateUnwritten { .. } => {
                ErrorClass::WrongState
            }
            Self::Unsupported { .. } => ErrorClass::WrongInput,
        }
    }

    /// What may help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoVBoxManage { searched } => Some(format!(
                "install VirtualBox, or name it with --vboxmanage PATH or VBOXMCP_VBOXMANAGE (looked in {}); \
                 without VirtualBox, `--host sim:DIR` shows how everything works",
                searched.join(", ")
            )),
            Self::Spawn { program, .. } => {
                Some(format!("is {} the VBoxManage program, and may you run it?", program.display()))
            }
            Self::GuestStaysOn { .. } => Some(
                "the guest ignores ACPI, or needs longer: raise stopTimeout, or permit power-cut".to_owned(),
            ),
            Self::StateUnwritten { command } => {
                Some(format!("any change of its settings writes all of them, as this one that changes nothing: {command}"))
            }
            Self::HasLived { file, is_there: true } => Some(format!(
                "`VBoxManage registervm` of {} brings the machine back, and then it is there as any other; or move its folder away",
                file.display()
            )),
            Self::HasLived { .. } => {
                Some("one of its disks holds something: attach it elsewhere, or move it away".to_owned())
            }
            Self::NoHelper { .. } => Some("`--route auto` does without it".to_owned()),
            Self::Orphan { process, .. } => Some(format!("wait for it, or look at it: ps -f -p {process}")),
            Self::Timeout { .. } => {
                Some("is VirtualBox's server stuck? `vboxmcp doctor` looks at it".to_owned())
            }
            Self::Refused { message, .. } if message.contains("autostart database is not set") => {
                Some(AUTOSTART_DATABASE.to_owned())
            }
            Self::Refused { message, .. } if message.contains("is already locked") => Some(
                "another program holds it: a guest that runs or is just ending, or whoever changes its settings, as VirtualBox Manager does while they are open".to_owned(),
            ),
            _ => None,
        }
    }
}

/// How VirtualBox is told where the autostart database is.
const AUTOSTART_DATABASE: &str = "`VBoxManage setproperty autostartdbpath DIR` names the directory that VirtualBox's autostart service reads";
