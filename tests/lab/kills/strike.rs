//! Where a process is killed, and the VBoxManage that does it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use crate::home::Home;
use crate::lab::Lab;
use crate::random::Random;

/// What dies, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// vboxmcp, right before one of its calls of VBoxManage, which is then not made.
    VboxmcpBefore,
    /// vboxmcp, when a call has begun: VBoxManage goes on without it.
    VboxmcpDuring,
    /// vboxmcp, right after a call.
    VboxmcpAfter,
    /// vboxmcp, at any instant.
    VboxmcpAnywhere,
    /// VBoxManage, a few milliseconds after it began.
    VBoxManage,
    /// VBoxSVC, right before a call.
    ServerBefore,
    /// VBoxSVC, a few milliseconds after a call began.
    ServerDuring,
    /// VBoxSVC, at any instant.
    ServerAnywhere,
}

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::VboxmcpBefore,
        Self::VboxmcpDuring,
        Self::VboxmcpAfter,
        Self::VboxmcpAnywhere,
        Self::VBoxManage,
        Self::ServerBefore,
        Self::ServerDuring,
        Self::ServerAnywhere,
    ];

    /// In the report.
    pub fn label(self) -> &'static str {
        match self {
            Self::VboxmcpBefore => "vboxmcp, before an action",
            Self::VboxmcpDuring => "vboxmcp, during an action",
            Self::VboxmcpAfter => "vboxmcp, after an action",
            Self::VboxmcpAnywhere => "vboxmcp, at any instant",
            Self::VBoxManage => "its VBoxManage",
            Self::ServerBefore => "VBoxSVC, before an action",
            Self::ServerDuring => "VBoxSVC, during an action",
            Self::ServerAnywhere => "VBoxSVC, at any instant",
        }
    }

    /// Whether machines that run would die with it, some seconds later.
    pub fn ends_machines(self) -> bool {
        matches!(self, Self::ServerBefore | Self::ServerDuring | Self::ServerAnywhere)
    }

    /// Whether the test ends it, not the VBoxManage below.
    pub fn is_anywhere(self) -> bool {
        matches!(self, Self::VboxmcpAnywhere | Self::ServerAnywhere)
    }
}

/// One kill.
#[derive(Clone, Copy, Debug)]
pub struct Strike {
    pub kind: Kind,
    /// The call of VBoxManage, from 1.
    pub call: u64,
    /// Milliseconds after it began.
    pub delay: u64,
}

impl Strike {
    pub fn random(random: &mut Random, kind: Kind, calls: u64) -> Self {
        Self { kind, call: random.range(1, calls), delay: random.range(0, 70) }
    }
}

/// A VBoxManage that kills where it is told to.
pub struct Striker {
    folder: PathBuf,
}

impl Striker {
    pub fn new(home: &Home, lab: &Lab) -> Self {
        let folder = home.scratch().join("striker");
        fs::create_dir_all(&folder).expect("a folder");
        let real = lab.vboxmanage().display().to_string();
        let text = SCRIPT.replace("FOLDER", folder.to_str().expect("a plain path")).replace("REAL", &real);
        let program = folder.join("VBoxManage");
        fs::write(&program, text).expect("a script");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its permissions");
        symlink(lab.vboxmanage().with_file_name("VBoxSVC"), folder.join("VBoxSVC")).expect("a link");
        Self { folder }
    }

    pub fn program(&self) -> PathBuf {
        self.folder.join("VBoxManage")
    }

    /// The next strike; without one every call goes through.
    pub fn aim(&self, strike: Option<&Strike>) {
        for file in ["count", "order", "struck"] {
            fs::remove_file(self.folder.join(file)).ok();
        }
        let Some(Strike { kind, call, delay }) = strike else { return };
        let word = match kind {
            Kind::VboxmcpBefore => "before",
            Kind::VboxmcpDuring => "during",
            Kind::VboxmcpAfter => "after",
            Kind::VBoxManage => "client",
            Kind::ServerBefore => "server-before",
            Kind::ServerDuring => "server-during",
            Kind::VboxmcpAnywhere | Kind::ServerAnywhere => return,
        };
        let order = format!("{word} {call} 0.{delay:03}\n");
        fs::write(self.folder.join("order"), order).expect("a file");
    }

    /// The call that was struck.
    pub fn struck(&self) -> Option<String> {
        let text = fs::read_to_string(self.folder.join("struck")).ok()?;
        Some(text.trim().chars().take(100).collect())
    }
}

const SCRIPT: &str = r#"#!/bin/sh
cd 'FOLDER' || exit 126
read calls <count || calls=0
calls=$((calls + 1))
echo $calls >count
server() {
    for process in /proc/[0-9]*; do
        name=
        read name <$process/comm
        [ "$name" = VBoxSVC ] && grep -qz "^VBOX_IPC_SOCKETID=$VBOX_IPC_SOCKETID$" $process/environ && kill -KILL ${process#/proc/}
    done
}
[ -f order ] && read kind call delay <order && [ $calls = "$call" ] || exec 'REAL' "$@"
rm order
echo "$*" >struck
case $kind in
before) kill -KILL $PPID; exit 1 ;;
during) kill -KILL $PPID; exec 'REAL' "$@" ;;
after) 'REAL' "$@"; kill -KILL $PPID ;;
client) (sleep $delay; kill -KILL $$) & exec 'REAL' "$@" ;;
server-before) server; exec 'REAL' "$@" ;;
server-during) (sleep $delay; server) & exec 'REAL' "$@" ;;
esac 2>/dev/null
"#;
