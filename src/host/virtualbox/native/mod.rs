//! The native helper: vboxmcp starts itself once more, and that process loads VirtualBox's own C binding and changes machines through it
//! (`vbox-native`).
//!
//! It is another process because a crash in foreign code, and a server that goes away, which the binding never recovers from, must not
//! reach the run. What it cannot do, VBoxManage does. `unsafe` is allowed in `linux` and nowhere else.

mod asks;
mod client;
mod fields;
pub mod protocol;
mod route;

#[cfg(target_os = "linux")]
mod linux;

/// Where there is no helper.
#[cfg(not(target_os = "linux"))]
mod linux {
    use std::io::{self, BufRead, Write};
    use std::path::Path;

    use super::protocol::{Greeting, VERSION};

    /// Says that it can do nothing.
    pub fn serve(_: &Path, _: impl BufRead, mut answers: impl Write) -> io::Result<()> {
        let why = Some("not on this platform".to_owned());
        let greeting = Greeting { protocol: VERSION, refused: why, ..Greeting::default() };
        writeln!(answers, "{}", serde_json::to_string(&greeting)?)
    }
}

pub use client::{Launch, Native};
pub use linux::serve;

use crate::plan::Action;

/// Whether an action on a machine is one that the helper does.
pub(in crate::host) fn can_do(action: &Action) -> bool {
    action.machine().is_some() && asks::of(action).is_some()
}

/// The file that the helper loads, beside VBoxManage.
pub const LIBRARY: &str = "VBoxXPCOMC.so";

/// What the helper's process is called.
pub const PROCESS_NAME: &std::ffi::CStr = c"vboxmcp-native";

/// The word of the command line that makes a process the helper.
pub const VERB: &str = "native-helper";

/// Tells the helper where VirtualBox is; its libraries look at it, too.
pub const FOLDER_VARIABLE: &str = "VBOX_APP_HOME";
