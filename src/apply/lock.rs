//! One run a VirtualBox home: a lock file that its holder's death releases.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::clock;

/// Who holds the lock; written into the file for the message of those who wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Name of the user.
    pub user: String,
    /// Name of the machine that it runs on: a VirtualBox home may be on a shared file system. Left out where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What it does (`apply of stack shop`).
    pub operation: String,
    /// Since when, UTC.
    pub since: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} by {}", self.operation, self.user)?;
        // That it is this machine goes without saying.
        if let Some(host) = self.host.as_ref().filter(|host| host_name().as_ref() != Some(host)) {
            write!(f, " on {host}")?;
        }
        write!(f, " (process {}), since {}", self.pid, self.since)
    }
}

/// The name of this machine, where the system tells it in a file (Linux).
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Whether somebody holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    /// Nobody does.
    Nobody,
    /// Somebody does: who, where that could be read.
    Somebody(Option<Holder>),
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it.
    #[error("another run holds {}: {}", path.display(), holder.as_ref().map_or_else(|| "it does not say who it is".to_owned(), ToString::to_string))]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who, where that could be read.
        holder: Option<Box<Holder>>,
    },
    /// The file cannot be used.
    #[error("cannot lock {}", path.display())]
    File {
        /// The lock file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The lock; dropping it, or the process's death, releases it.
#[derive(Debug)]
pub struct Lock {
    file: File,
    died: Option<Holder>,
    is_kept: bool,
}

impl Lock {
    /// The file's name in the VirtualBox home.
    pub const FILE_NAME: &'static str = "vboxmcp.lock";

    /// Longer than [`Self::look`] holds it.
    const GLANCE: Duration = Duration::from_millis(60);

    /// Who holds the lock of a VirtualBox home now.
    pub fn look(home: &Path) -> Holding {
        let Ok(mut file) = File::open(home.join(Self::FILE_NAME)) else { return Holding::Nobody };
        let mut text = String::new();
        // Where locks are mandatory a held file cannot be read.
        let holder = match file.read_to_string(&mut text) {
            Ok(0) => return Holding::Nobody,
            Ok(_) => serde_json::from_str(&text).ok(),
            Err(_) => None,
        };
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Holding::Somebody(holder),
            // A holder that died left its name; the lock went with it.
            Ok(()) | Err(TryLockError::Error(_)) => Holding::Nobody,
        }
    }

    /// Who holds the lock of a VirtualBox home now; `None` where nobody does, or the holder does not say.
    pub fn holder(home: &Path) -> Option<Holder> {
        match Self::look(home) {
            Holding::Somebody(holder) => holder,
            Holding::Nobody => None,
        }
    }

    /// The holder before this one, where it died. What it had begun may still be going on.
    pub fn died(&self) -> Option<&Holder> {
        self.died.as_ref()
    }

    /// The holder that died and that nobody has come after.
    pub fn left_by(home: &Path) -> Option<Holder> {
        match Self::look(home) {
            Holding::Somebody(_) => None,
            Holding::Nobody => {
                serde_json::from_str(&std::fs::read_to_string(home.join(Self::FILE_NAME)).ok()?).ok()
            }
        }
    }

    /// Takes the lock of a VirtualBox home, waiting as long as `timeout`.
    pub fn take(home: &Path, user: &str, operation: &str, timeout: Duration) -> Result<Self, LockError> {
        let path = home.join(Self::FILE_NAME);
        let wrong = |source| LockError::File { path: path.clone(), source };
        std::fs::create_dir_all(home).map_err(wrong)?;
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(wrong)?;
        // Somebody who only looks holds it for an instant.
        let deadline = Instant::now() + timeout.max(Self::GLANCE);
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(TryLockError::WouldBlock) => {
                    let mut text = String::new();
                    // Who holds it is a courtesy of the message: not being able to read it changes nothing.
                    let holder =
                        file.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str(&text).ok());
                    return Err(LockError::Held { path, holder });
                }
                Err(TryLockError::Error(source)) => return Err(wrong(source)),
            }
        }
        let mut text = String::new();
        // A holder that came to its end left nothing. Whoever it was, it is only waited for.
        let died = file.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str(&text).ok());
        let holder = Holder {
            pid: std::process::id(),
            user: user.to_owned(),
            host: host_name(),
            operation: operation.to_owned(),
            since: clock::timestamp(),
        };
        let text = serde_json::to_string(&holder).unwrap_or_default();
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(wrong)?;
        Ok(Self { file, died, is_kept: false })
    }
}

impl Lock {
    /// Releases it as it was found: the next holder must know of the one that died, too.
    pub fn give_back(mut self) {
        let text = self.died.as_ref().and_then(|died| serde_json::to_string(died).ok()).unwrap_or_default();
        // What cannot be written back is only not waited for.
        let _ = self
            .file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| self.file.write_all(text.as_bytes()));
        self.is_kept = true;
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        // The name of a holder that is gone would only mislead; the lock itself goes with the file's handle.
        let _ = self.file.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_elsewhere_says_where() {
        let holder = |host: Option<String>| Holder {
            pid: 7,
            user: "ann".to_owned(),
            host,
            operation: "apply of plan 8d0f".to_owned(),
            since: "2026-01-31T12:00:00Z".to_owned(),
        };
        let here = "apply of plan 8d0f by ann (process 7), since 2026-01-31T12:00:00Z";
        assert_eq!(holder(host_name()).to_string(), here);
        assert_eq!(holder(Some("far-away".to_owned())).to_string(), here.replace("ann", "ann on far-away"));
    }

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let home = tempfile::tempdir().unwrap();
        let first = Lock::take(home.path(), "ann", "apply of stack shop", Duration::ZERO).unwrap();
        match Lock::take(home.path(), "bob", "apply of stack shop", Duration::ZERO) {
            Err(LockError::Held { holder: Some(holder), .. }) => {
                assert_eq!((holder.user.as_str(), holder.pid), ("ann", std::process::id()));
            }
            other => panic!("{other:?}"),
        }
        match Lock::look(home.path()) {
            Holding::Somebody(Some(holder)) => assert_eq!(holder.user, "ann"),
            other => panic!("{other:?}"),
        }
        assert_eq!(Lock::holder(home.path()).unwrap().user, "ann");
        drop(first);
        assert_eq!(Lock::look(home.path()), Holding::Nobody);
        let second = Lock::take(home.path(), "bob", "destroy of stack shop", Duration::ZERO).unwrap();
        assert_eq!(second.died(), None);
        drop(second);

        // What a holder that was killed leaves.
        let left = r#"{"pid": 7, "user": "eve", "operation": "apply", "since": "then"}"#;
        std::fs::write(home.path().join(Lock::FILE_NAME), left).unwrap();
        assert_eq!(Lock::left_by(home.path()).unwrap().user, "eve");
        let third = Lock::take(home.path(), "bob", "apply of stack shop", Duration::ZERO).unwrap();
        assert_eq!(third.died().unwrap().pid, 7);
        assert_eq!(Lock::left_by(home.path()), None);
        third.give_back();
        let fourth = Lock::take(home.path(), "bob", "apply of stack shop", Duration::ZERO).unwrap();
        assert_eq!(fourth.died().unwrap().pid, 7);
    }
}
