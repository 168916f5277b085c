//! Commands that outlive the run that began them: a run that is killed does not take its VBoxManage along.

use std::path::Path;

/// Tells a VBoxManage whose it is: the process id of the run. VirtualBox's server inherits it from the command that starts it.
pub const VARIABLE: &str = "VBOXMCP_RUN";

/// A process of `program` that a run has left behind.
#[cfg(target_os = "linux")]
pub fn of(run: u32, program: &Path) -> Option<u32> {
    /// As much of a program's name as the kernel keeps.
    const KEPT: usize = 15;
    let name = program.file_name()?.as_encoded_bytes();
    let name = name.get(..KEPT).unwrap_or(name);
    let mark = format!("{VARIABLE}={run}");
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    processes.map(|process| process.path()).find_map(|process| {
        let id = process.file_name()?.to_str()?.parse().ok()?;
        let is_program = std::fs::read(process.join("comm")).ok()?.trim_ascii() == name;
        let environment =
            if is_program { std::fs::read(process.join("environ")).ok()? } else { return None };
        environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()).then_some(id)
    })
}

/// Elsewhere nobody tells: each action looks right before it begins, and again after it.
#[cfg(not(target_os = "linux"))]
pub fn of(_: u32, _: &Path) -> Option<u32> {
    None
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::{VARIABLE, of};

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a process to be found")]
    fn only_the_program_that_the_run_began_is_its_orphan() {
        let run = u32::MAX;
        assert_eq!(of(run, Path::new("/bin/cat")), None);
        let mut cat =
            Command::new("cat").env(VARIABLE, run.to_string()).stdin(Stdio::piped()).spawn().unwrap();
        // Until it has become `cat` it has the name of this program.
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while of(run, Path::new("/bin/cat")).is_none() && std::time::Instant::now() < end {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(of(run, Path::new("/bin/cat")), Some(cat.id()));
        assert_eq!(of(run, Path::new("/bin/dog")), None);
        assert_eq!(of(run - 1, Path::new("/bin/cat")), None);
        drop(cat.stdin.take());
        cat.wait().unwrap();
        assert_eq!(of(run, Path::new("/bin/cat")), None);
    }
}
