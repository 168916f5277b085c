//! The journal of a run: what it was to do, what it was about to do, what came of it, and what was there before.
//!
//! A file of JSON lines in the state directory. An intent is on the disk before its step begins; a result follows. Each line
//! carries the hash of the line before it and its own, so that a line that was edited, removed or moved is found out. The journal
//! is an audit trail: nothing is recovered from it, because the next run reads the host and plans again.
//!
//! `line` is what stands in a line, `read` reads and verifies, `before` tells the values that a step changes.

pub mod before;
mod line;
mod read;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

pub use line::{Agent, End, Header, Line, Origin, Phase, RecordedVariable, Request, Who};
pub use read::{Chain, Record, StepTrail, read};

use super::clock;
use crate::model::digest::sha256;
use crate::plan::Plan;

/// Name of a journal's file behind the run's id.
pub const EXTENSION: &str = "jsonl";

/// Why a journal cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the run's journal {}", path.display())]
pub struct JournalError {
    /// The journal, or the folder that it was to be in.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl JournalError {
    /// With its cause, on one line.
    pub fn to_text(&self) -> String {
        format!("{self}: {}", self.source)
    }
}

/// Where lines go.
pub trait Medium: Send {
    /// Appends bytes: all of them, or an error.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when everything is on the disk.
    fn sync(&mut self) -> io::Result<()>;
    /// Takes back what was appended behind a length.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

impl Medium for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

impl Medium for Vec<u8> {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        Vec::truncate(self, usize::try_from(length).unwrap_or(usize::MAX));
        Ok(())
    }
}

/// The journal of one run, while it is written.
pub struct Journal {
    run: String,
    path: PathBuf,
    medium: Box<dyn Medium>,
    length: u64,
    last: Option<String>,
    failed: bool,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("run", &self.run).field("path", &self.path).finish_non_exhaustive()
    }
}

/// The journals in a folder by the ids of their runs, newest first.
pub fn runs(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut runs = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_journal = path.extension().is_some_and(|extension| extension == EXTENSION);
        if let (true, Some(id)) = (is_journal, path.file_stem().and_then(|stem| stem.to_str())) {
            runs.push((id.to_owned(), path));
        }
    }
    // Ids sort as their runs began.
    runs.sort_by(|(a, _), (b, _)| b.cmp(a));
    Ok(runs)
}

impl Journal {
    /// Begins a journal in a folder, which is made where it is missing; only the user may look into it.
    pub fn create(folder: &Path, plan: &Plan, origin: Origin, who: Who) -> Result<Self, JournalError> {
        let wrong = |path: &Path| {
            let path = path.to_owned();
            move |source| JournalError { path, source }
        };
        private_folder(folder).map_err(wrong(folder))?;
        // Ids must sort as their runs began, and two runs may begin in the same millisecond.
        let newest = runs(folder).map_err(wrong(folder))?.into_iter().next();
        let mut tries = 0;
        let (run, path, file) = loop {
            let run = clock::run_id(&plan.hash);
            let path = folder.join(format!("{run}.{EXTENSION}"));
            tries += 1;
            if tries < 50
                && newest.as_ref().is_some_and(|(newest, _)| clock::began(newest) >= clock::began(&run))
            {
                std::thread::sleep(std::time::Duration::from_millis(1));
                continue;
            }
            match private_file(&path) {
                Ok(file) => break (run, path, file),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < 50 => {}
                Err(source) => return Err(JournalError { path, source }),
            }
        };
        let mut journal = Self::on(run, path, Box::new(file));
        journal.begin(plan, origin, who)?;
        // The file's name must be on the disk, too.
        #[cfg(unix)]
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(wrong(folder))?;
        Ok(journal)
    }

    /// A journal that is gone with the program: for a simulated host that is gone with it, too.
    pub fn in_memory(plan: &Plan, origin: Origin, who: Who) -> Result<Self, JournalError> {
        let mut journal =
            Self::on(clock::run_id(&plan.hash), PathBuf::from("(in memory)"), Box::new(Vec::new()));
        journal.begin(plan, origin, who)?;
        Ok(journal)
    }

    fn on(run: String, path: PathBuf, medium: Box<dyn Medium>) -> Self {
        Self { run, path, medium, length: 0, last: None, failed: false }
    }

    fn begin(&mut self, plan: &Plan, origin: Origin, who: Who) -> Result<(), JournalError> {
        self.write(&Line::Header(Box::new(Header {
            version: Header::VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            run: self.run.clone(),
            plan: plan.hash.clone(),
            verb: plan.verb,
            stack: plan.stack.clone(),
            host: plan.host.clone(),
            who,
            origin,
        })))?;
        self.write(&Line::Plan { plan: Box::new(plan.clone()) })?;
        self.sync()
    }

    /// The run's own folder, for what belongs to it besides the journal; `None` where the journal is in memory. It may not be there yet.
    pub fn folder(&self) -> Option<PathBuf> {
        self.path.parent().filter(|parent| !parent.as_os_str().is_empty())?;
        Some(self.path.with_extension(""))
    }

    /// The run's id.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Appends a line. It need not be on the disk yet: see [`Self::sync`]. After an error nothing is accepted but the end.
    pub fn write(&mut self, line: &Line) -> Result<(), JournalError> {
        let wrong = |path: &Path, source| JournalError { path: path.to_owned(), source };
        if self.failed && !matches!(line, Line::End(_)) {
            return Err(wrong(&self.path, io::Error::other("an earlier line could not be written")));
        }
        let text = line::seal(self.last.as_deref(), &clock::moment(), line)
            .map_err(|error| wrong(&self.path, error))?;
        let mut bytes = text.clone().into_bytes();
        bytes.push(b'\n');
        if let Err(source) = self.medium.append(&bytes) {
            self.failed = true;
            // Half a line would make everything behind it look tampered with. If that fails too, the file ends with it.
            let _ = self.medium.truncate(self.length);
            return Err(wrong(&self.path, source));
        }
        self.length += bytes.len() as u64;
        self.last = Some(sha256(text.as_bytes()));
        Ok(())
    }

    /// Returns when all lines are on the disk.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.medium.sync().map_err(|source| {
            self.failed = true;
            JournalError { path: self.path.clone(), source }
        })
    }

    /// Appends the last line.
    pub fn end(&mut self, end: End) -> Result<(), JournalError> {
        self.write(&Line::End(Box::new(end)))?;
        self.sync()
    }
}

/// Makes a folder and what is missing above it, for the user alone.
pub fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Makes a file that was not there, for the user alone.
pub fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.append(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
