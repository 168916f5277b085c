//! `watch`: tells when the manifests or the host have changed, by the file system's own notifications.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use notify::event::ModifyKind;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::{Context, Manifests};
use crate::failure::{Failure, Kind};

/// Writers save in several strokes: that long nothing may happen until a change is taken for whole.
const QUIET: Duration = Duration::from_millis(15);

/// A guest that runs writes its log all the time, and only some lines of it tell of a state.
const LOG_PAUSE: Duration = Duration::from_secs(1);

/// Watches the files that a plan is made from.
pub struct Watch {
    watcher: RecommendedWatcher,
    events: Receiver<notify::Result<Event>>,
    watched: BTreeSet<PathBuf>,
    /// Manifests that were named one by one.
    files: BTreeSet<PathBuf>,
    /// When a log was last taken for a change.
    logged: Option<Instant>,
}

/// What has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Files, some of those that there may be.
    pub files: BTreeSet<PathBuf>,
}

impl Watch {
    /// Watches nothing yet: see [`Self::follow`].
    pub fn new() -> Result<Self, Failure> {
        let (send, events) = mpsc::channel();
        let watcher = notify::recommended_watcher(move |event| {
            // Nobody listens any more when the program ends.
            let _ = send.send(event);
        });
        let watcher = watcher.map_err(|error| failed("cannot watch files", &error))?;
        Ok(Self { watcher, events, watched: BTreeSet::new(), files: BTreeSet::new(), logged: None })
    }

    /// Watches the manifests, where there are any, and what the host consists of now. Asked again after each change, it takes new machines
    /// along.
    pub fn follow(&mut self, context: &Context, manifests: Option<&Manifests>) -> Result<(), Failure> {
        let directory = &context.environment.directory;
        let paths = manifests.map(|manifests| {
            if manifests.paths.is_empty() { &context.settings.manifests } else { &manifests.paths }
        });
        let mut wanted: BTreeSet<(PathBuf, bool)> = BTreeSet::new();
        for path in paths.into_iter().flatten().filter(|path| path.as_os_str() != super::STDIN) {
            let path = super::lexical(&directory.join(path));
            if path.is_dir() {
                wanted.insert((path, true));
            } else if let Some(parent) = path.parent() {
                // Editors put a new file in the place of the old one: only the folder sees both.
                wanted.insert((parent.to_owned(), false));
                self.files.insert(path);
            }
        }
        wanted.extend(context.host.watched()?.into_iter().map(|folder| (folder, false)));
        let gone: Vec<PathBuf> =
            self.watched.iter().filter(|path| !wanted.iter().any(|(one, _)| one == *path)).cloned().collect();
        for path in gone {
            // A folder that is gone is watched no longer, whatever this says.
            let _ = self.watcher.unwatch(&path);
            self.watched.remove(&path);
        }
        for (path, recursive) in wanted {
            if self.watched.contains(&path) || !path.is_dir() {
                continue;
            }
            let mode = if recursive { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            self.watcher
                .watch(&path, mode)
                .map_err(|error| failed(&format!("cannot watch {}", path.display()), &error))?;
            self.watched.insert(path);
        }
        Ok(())
    }

    /// Waits for a change, at most for a time; `None` where there was none.
    pub fn wait(&mut self, most: Duration) -> Result<Option<Changed>, Failure> {
        let until = Instant::now() + most;
        let mut changed = Changed::default();
        loop {
            let left = if changed.files.is_empty() {
                until.saturating_duration_since(Instant::now())
            } else {
                QUIET
            };
            match self.events.recv_timeout(left) {
                Ok(event) => {
                    let event = event.map_err(|error| failed("cannot watch files any longer", &error))?;
                    let files: Vec<PathBuf> =
                        event.paths.iter().filter(|path| self.counts(path, event.kind)).cloned().collect();
                    changed.files.extend(files);
                    // The system lost some of them: anything may have changed.
                    if event.need_rescan() {
                        changed.files.extend(self.watched.first().cloned());
                    }
                }
                Err(RecvTimeoutError::Timeout) if changed.files.is_empty() => return Ok(None),
                Err(RecvTimeoutError::Timeout) => return Ok(Some(changed)),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new(Kind::Internal, "nobody watches any more"));
                }
            }
        }
    }

    /// Whether a change of a file may mean another plan.
    fn counts(&mut self, path: &Path, kind: EventKind) -> bool {
        if matches!(kind, EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_))) {
            return false;
        }
        if self.files.contains(path) {
            return true;
        }
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
        if name == "VBox.log" {
            let is_due = self.logged.is_none_or(|last| last.elapsed() >= LOG_PAUSE);
            if is_due || matches!(kind, EventKind::Create(_)) {
                self.logged = Some(Instant::now());
                return true;
            }
            return false;
        }
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("yaml" | "yml" | "vbox" | "xml" | "jsonl" | "nvram"))
    }
}

fn failed(what: &str, error: &notify::Error) -> Failure {
    let failure = Failure::new(Kind::Other, format!("{what}: {error}"));
    match error.kind {
        notify::ErrorKind::MaxFilesWatch => failure
            .hint("the system's limit of watched folders is reached (fs.inotify.max_user_watches on Linux)"),
        _ => failure,
    }
}
