//! The one failure type of the doors: its kind, its cause, what may help; and the exit codes of the program.
//!
//! Below the doors every room has errors of its own. Here they become a kind, and one match turns the kind into an exit
//! code (later into what the protocols say).

use std::error::Error;
use std::fmt;
use std::io;

use crate::config::ConfigError;
use crate::host::{ErrorClass, HostError};
use crate::manifest::diagnostic::{Diagnostic, Diagnostics};
use crate::manifest::source::{Sources, Span};

/// What a run of the program ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// An error that no other code names.
    Error,
    /// There are changes to apply.
    Changes,
    /// The host has drifted.
    Drift,
    /// The plan is stale or not the approved one.
    Stale,
    /// A limit, a protection or a policy forbids it.
    Refused,
    /// Some steps are done, some are not.
    Partial,
    /// Cancelled; what was running has been finished.
    Cancelled,
    /// A guest did not become ready in time; everything else is done.
    NotReady,
    /// Another run holds the lock.
    Locked,
    /// VirtualBox is missing, unsupported or unreachable.
    Unreachable,
    /// Done, and something is left undone for want of permissions.
    Blocked,
    /// The command line, the configuration or the manifest is wrong.
    Usage,
    /// A mistake in vboxmcp.
    Internal,
}

impl Exit {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::Done,
        Self::Error,
        Self::Changes,
        Self::Drift,
        Self::Stale,
        Self::Refused,
        Self::Partial,
        Self::Cancelled,
        Self::NotReady,
        Self::Locked,
        Self::Unreachable,
        Self::Blocked,
        Self::Usage,
        Self::Internal,
    ];

    /// The number. Stable: scripts depend on it.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Changes => 2,
            Self::Drift => 3,
            Self::Stale => 4,
            Self::Refused => 5,
            Self::Partial => 6,
            Self::Cancelled => 7,
            Self::NotReady => 8,
            Self::Locked => 9,
            Self::Unreachable => 10,
            Self::Blocked => 11,
            Self::Usage => 64,
            Self::Internal => 70,
        }
    }

    /// What it means, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, or nothing to do",
            Self::Error => "error",
            Self::Changes => "changes are pending (plan --detailed-exitcode)",
            Self::Drift => "the host has drifted (drift)",
            Self::Stale => "the plan is stale, or not the approved one",
            Self::Refused => "refused by a limit, a protection or a policy",
            Self::Partial => "partly applied",
            Self::Cancelled => "cancelled; what was running has been finished",
            Self::NotReady => "a guest did not become ready in time, everything else is done",
            Self::Locked => "another run holds the lock",
            Self::Unreachable => "VirtualBox is missing, unsupported or unreachable",
            Self::Blocked => "done, and some steps are blocked",
            Self::Usage => "wrong usage, configuration or manifest",
            Self::Internal => "internal error: a mistake in vboxmcp",
        }
    }
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// None of the others.
    Other,
    /// The plan does not fit the world any more, or is not the approved one.
    Stale,
    /// A limit, a protection or a policy forbids it.
    Refused,
    /// Some steps are done, some are not.
    Partial,
    /// Somebody pressed Ctrl-C, or answered no.
    Cancelled,
    /// Another run holds the lock.
    Locked,
    /// VirtualBox is missing, unsupported or unreachable.
    Unreachable,
    /// The command line or the configuration is wrong.
    Usage,
    /// The manifest is wrong.
    Manifest,
    /// Nobody reads the output any more: nothing is to be said.
    BrokenPipe,
    /// A mistake in vboxmcp.
    Internal,
}

impl Kind {
    /// The exit code.
    pub fn exit(self) -> Exit {
        match self {
            Self::Other | Self::BrokenPipe => Exit::Error,
            Self::Stale => Exit::Stale,
            Self::Refused => Exit::Refused,
            Self::Partial => Exit::Partial,
            Self::Cancelled => Exit::Cancelled,
            Self::Locked => Exit::Locked,
            Self::Unreachable => Exit::Unreachable,
            Self::Usage | Self::Manifest => Exit::Usage,
            Self::Internal => Exit::Internal,
        }
    }

    /// One word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Other => "error",
            Self::Stale => "stale",
            Self::Refused => "refused",
            Self::Partial => "partial",
            Self::Cancelled => "cancelled",
            Self::Locked => "locked",
            Self::Unreachable => "unreachable",
            Self::Usage => "usage",
            Self::Manifest => "manifest",
            Self::BrokenPipe => "broken-pipe",
            Self::Internal => "internal",
        }
    }
}

/// Why a verb did not do what it was asked for.
#[derive(Debug)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: Kind,
    /// The outermost error.
    pub source: Box<dyn Error + Send + Sync>,
    /// What may help, one way each.
    pub hints: Vec<String>,
    /// Mistakes with their places, where a manifest or the configuration is wrong.
    pub diagnostics: Option<Box<Diagnostics>>,
}

impl Failure {
    /// A failure with an error or a sentence as its cause. Sentences begin with a small letter and have no full stop.
    pub fn new(kind: Kind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into(), hints: Vec::new(), diagnostics: None }
    }

    /// Mistakes of the manifests.
    pub fn manifest(diagnostics: Diagnostics) -> Self {
        let errors = diagnostics.records().iter().filter(|record| record.severity == "error").count();
        let text = match errors {
            1 => "the manifest has 1 error".to_owned(),
            errors => format!("the manifest has {errors} errors"),
        };
        Self { diagnostics: Some(Box::new(diagnostics)), ..Self::new(Kind::Manifest, text) }
    }

    /// The same with one more way to help.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// All messages, outermost first.
    pub fn chain(&self) -> Vec<String> {
        let mut messages = vec![self.source.to_string()];
        let mut source = self.source.source();
        while let Some(error) = source {
            messages.push(error.to_string());
            source = error.source();
        }
        messages
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        let kind = match (&error, error.class()) {
            (HostError::Cancelled, _) => Kind::Cancelled,
            (HostError::Orphan { .. }, _) => Kind::Locked,
            // A program that hangs or prints what nobody understands is as good as none.
            (HostError::Timeout { .. } | HostError::Garbage { .. }, _)
            | (_, ErrorClass::Unreachable | ErrorClass::NotExecuted) => Kind::Unreachable,
            (
                _,
                ErrorClass::Unknown
                | ErrorClass::WrongState
                | ErrorClass::WrongInput
                | ErrorClass::HostBroken,
            ) => Kind::Other,
        };
        let hint = error.hint();
        Self { hints: hint.into_iter().collect(), ..Self::new(kind, error) }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let mut failure = Self::new(Kind::Usage, error.to_string());
        match error {
            ConfigError::File { name, text, mistakes } => {
                let mut sources = Sources::default();
                let id = sources.add(name, text, None);
                let found = mistakes.into_iter().map(|mistake| {
                    Diagnostic::error("configuration", mistake.message)
                        .at(Span::new(id, mistake.span), "")
                        .maybe_help(mistake.help)
                });
                let found = found.collect();
                failure.diagnostics = Some(Box::new(Diagnostics::new(sources, found)));
            }
            ConfigError::Read { .. } => failure.source = Box::new(error),
            ConfigError::Value { .. } => {}
        }
        failure
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let kind = if error.kind() == io::ErrorKind::BrokenPipe { Kind::BrokenPipe } else { Kind::Other };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_documentation_and_never_taken_twice() {
        let codes = Exit::ALL.map(Exit::code);
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 64, 70]);
    }

    #[test]
    fn the_chain_ends_with_the_first_cause() {
        let error = HostError::Read {
            path: "/x".into(),
            source: io::Error::new(io::ErrorKind::PermissionDenied, "not yours"),
        };
        let failure = Failure::from(error);
        assert_eq!(failure.chain(), ["cannot read /x", "not yours"]);
        assert_eq!(failure.kind.exit(), Exit::Error);
    }

    #[test]
    fn a_virtualbox_that_does_not_answer_is_unreachable() {
        let hangs = HostError::Timeout { command: "VBoxManage list vms".into(), seconds: 30, harmless: true };
        assert_eq!(Failure::from(hangs).kind, Kind::Unreachable);
        let none = HostError::NoVBoxManage { searched: vec!["PATH".into()] };
        let failure = Failure::from(none);
        assert_eq!(failure.kind.exit().code(), 10);
        assert!(failure.hints[0].contains("--vboxmanage"));
    }

    #[test]
    fn mistakes_of_the_configuration_have_places() {
        let error = crate::config::FileSettings::parse(
            "stack = 'a'\nhots = 'sim'\n",
            std::path::Path::new("/lab/vboxmcp.toml"),
            "vboxmcp.toml",
        )
        .unwrap_err();
        let failure = Failure::from(error);
        assert_eq!(failure.kind.exit(), Exit::Usage);
        let records = failure.diagnostics.unwrap().records();
        assert_eq!((records[0].line, records[0].column), (Some(2), Some(1)));
        assert_eq!(records[0].help.as_deref(), Some("did you mean `host`?"));
    }
}
