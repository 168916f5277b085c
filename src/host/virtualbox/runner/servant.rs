//! A process that is talked to: the native helper.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use super::Runner;
use crate::host::HostError;

/// A process whose standard input and output are pipes. It ends with its input, which is closed when this is dropped.
#[derive(Debug)]
pub struct Servant {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<ChildStdout>,
    /// What it writes on its standard error.
    pub errors: File,
    grace: Duration,
}

impl Runner {
    /// Starts a process to be talked to, with one more variable in the environment that VirtualBox's programs get.
    pub fn start_servant(
        &self,
        program: &Path,
        arguments: &[OsString],
        variable: (&str, &OsStr),
    ) -> Result<Servant, HostError> {
        self.count_one();
        let start = || -> io::Result<Servant> {
            let errors = tempfile::tempfile()?;
            let mut child = self
                .process(program)
                .args(arguments)
                .env(variable.0, variable.1)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(errors.try_clone()?)
                .spawn()?;
            let (input, output) = (child.stdin.take(), child.stdout.take());
            Ok(Servant { child, input, output, errors, grace: self.patience().grace })
        };
        start().map_err(|source| HostError::Spawn { program: program.to_owned(), source })
    }
}

impl Servant {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input.
    pub fn input(&mut self) -> Option<&mut ChildStdin> {
        self.input.as_mut()
    }

    /// Its standard output, once.
    pub fn take_output(&mut self) -> Option<ChildStdout> {
        self.output.take()
    }

    /// Ends it at once. It has ended when this returns.
    pub fn end(&mut self) {
        self.input = None;
        // An error means that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Servant {
    /// Closes its input, which lets it say good-bye, and does not wait for long.
    fn drop(&mut self) {
        self.input = None;
        let end = Instant::now() + self.grace;
        while Instant::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.end();
    }
}
