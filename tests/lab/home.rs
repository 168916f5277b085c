//! One test's own VirtualBox: home, machine folder, server.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use vboxmcp::host::virtualbox::{Environment, Runner, VirtualBox};

use crate::lab::Lab;

/// The tests' folders are called by this and a random suffix, which together name their server's socket too.
const PREFIX: &str = "vboxmcp-lab-";

/// Holds the process id of the test program that made the folder.
const OWNER: &str = "owner";

/// A VirtualBox home with a server of its own. Dropping it ends what still runs there and removes everything.
pub struct Home<'lab> {
    lab: &'lab Lab,
    folder: Option<TempDir>,
    /// With symbolic links resolved: paths are the same strings in VirtualBox, manifests and tests.
    root: PathBuf,
    socket: String,
}

/// What a command said.
#[derive(Debug)]
pub struct Output {
    /// The exit code; none if a signal ended the program.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// Whether VirtualBox did it: it exits with 0 after some failures, too, and says so on standard error only.
    pub fn is_success(&self) -> bool {
        self.code == Some(0) && !self.stderr.lines().any(|line| line.starts_with("VBoxManage: error:"))
    }

    /// Standard output of a command that must have worked.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.is_success(), "exit code {:?}\n{}{}", self.code, self.stdout, self.stderr);
        self.stdout
    }

    /// VirtualBox's way of saying that the command did not begin, so that it may be given again.
    fn was_not_executed(&self) -> bool {
        self.stderr.contains("Failed to create the VirtualBox object!")
            && !self.stderr.contains("NS_ERROR_INVALID_ARG")
            && !self.stderr.contains("Document is empty")
    }

    /// The machine's process ended while the machine was being read. This has many faces.
    fn was_cut_short(&self) -> bool {
        let faces = ["session", "The object is not ready", "NS_ERROR_ABORT", "NS_ERROR_CALL_FAILED"];
        self.code.is_none() || faces.iter().any(|face| self.stderr.contains(face))
    }
}

impl<'lab> Home<'lab> {
    /// Makes the folders and settings; starts VirtualBox's server in passing.
    pub fn new(lab: &'lab Lab) -> Home<'lab> {
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir().expect("a temporary folder");
        let root = folder.path().canonicalize().expect("the temporary folder");
        let socket = folder_name(&root);
        fs::write(root.join(OWNER), std::process::id().to_string()).expect("a file in the temporary folder");
        let home = Home { lab, folder: Some(folder), root, socket };
        for folder in [home.virtualbox(), home.machines(), home.scratch()] {
            fs::create_dir(folder).expect("a folder in the temporary folder");
        }
        home.vbox(&["setproperty", "machinefolder", path(&home.machines())]).ok();
        if lab.is_driverless() {
            home.vbox(&["setextradata", "global", "VBoxInternal/HM/FallbackToIEM", "1"]).ok();
        }
        home
    }

    /// The folder that everything of this home is below.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What `VBOX_USER_HOME` says: the folder of VirtualBox.xml.
    pub fn virtualbox(&self) -> PathBuf {
        self.root.join("home")
    }

    /// VirtualBox's machine folder.
    pub fn machines(&self) -> PathBuf {
        self.root.join("machines")
    }

    /// A folder for the test's own files: manifests, images.
    pub fn scratch(&self) -> PathBuf {
        self.root.join("scratch")
    }

    /// The settings file of a machine that is in the machine folder.
    pub fn settings(&self, machine: &str) -> PathBuf {
        self.machines().join(machine).join(format!("{machine}.vbox"))
    }

    /// What VirtualBox's programs must find in their environment.
    pub fn variables(&self) -> Vec<(OsString, OsString)> {
        vec![
            ("VBOX_USER_HOME".into(), self.virtualbox().into()),
            ("VBOX_IPC_SOCKETID".into(), self.socket.clone().into()),
        ]
    }

    /// A program that acts on this home: vboxmcp, or one of VirtualBox's.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("VBOXMCP_") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.scratch())
            .stdin(Stdio::null())
            .env("VBOX_USER_HOME", self.virtualbox())
            .env("VBOX_IPC_SOCKETID", &self.socket)
            .env("VBOXMCP_VBOXMANAGE", self.lab.vboxmanage())
            .envs(self.lab.bring().map(|bring| ("VBOXMCP_NATIVE_THROUGH", bring)))
            .env("XDG_CONFIG_HOME", self.root.join("config"))
            .env("XDG_STATE_HOME", self.root.join("state"))
            .env("XDG_CACHE_HOME", self.root.join("cache"));
        command
    }

    /// This home as the library sees it.
    pub fn host(&self) -> VirtualBox {
        let home = vboxmcp::host::virtualbox::Home::locate(&Environment {
            vbox_user_home: Some(self.virtualbox()),
            vbox_ipc_socketid: Some(self.socket.clone()),
            ..Environment::default()
        });
        let variables = [
            ("VBOX_USER_HOME".into(), self.virtualbox().into_os_string()),
            ("VBOX_IPC_SOCKETID".into(), self.socket.clone().into()),
        ];
        VirtualBox::new(home, Ok(Runner::new(self.lab.vboxmanage().to_owned(), variables.into())))
    }

    /// Runs vboxmcp.
    pub fn vboxmcp(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(env!("CARGO_BIN_EXE_vboxmcp"));
        run(command.args(arguments), Duration::from_mins(5)).expect("vboxmcp ends within five minutes")
    }

    /// Runs VBoxManage, again if VirtualBox did not begin, or could not read a machine that was just ending.
    ///
    /// A client now and then sleeps for ten seconds before it does or says anything. A command that may be given twice
    /// is ended after a while and given again; another one is left to wake up by itself.
    pub fn vbox(&self, arguments: &[&str]) -> Output {
        let patience = |seconds: &'static [u64]| seconds.iter().copied().map(Duration::from_secs);
        let mut pauses = [250, 500, 1000, 2000, 4000].into_iter().map(Duration::from_millis);
        let reads = only_reads(arguments);
        let repeatable = reads || matches!(arguments, ["setproperty" | "setextradata", ..]);
        let mut deadlines = patience(if repeatable { &[2, 4, 120] } else { &[120] });
        let mut deadline = deadlines.next().expect("there is one");
        loop {
            let mut command = self.command(self.lab.vboxmanage());
            match run(command.args(arguments), deadline) {
                Some(output) if output.was_not_executed() || reads && output.was_cut_short() => {
                    match pauses.next() {
                        Some(pause) => thread::sleep(pause),
                        None => return output,
                    }
                }
                Some(output) => return output,
                None => match deadlines.next() {
                    Some(longer) => deadline = longer,
                    None => panic!("VBoxManage {arguments:?} did not end within {deadline:?}"),
                },
            }
        }
    }

    /// One value of `showvminfo --machinereadable`, without quotes.
    pub fn info(&self, machine: &str, key: &str) -> Option<String> {
        let all = self.vbox(&["showvminfo", machine, "--machinereadable"]).ok();
        let line = all.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim_matches('"').to_owned())
    }

    /// Saves a machine's state. Now and then VirtualBox fails to write that into its settings, says so or not, and does so with the
    /// next change (`host/virtualbox/saving.rs`).
    pub fn save_state(&self, machine: &str) {
        self.vbox(&["controlvm", machine, "savestate"]);
        let name = self.info(machine, "name").expect("a machine has a name");
        let name = format!("--name={name}");
        // It is refused while VirtualBox has not let go of the machine yet.
        eventually("it is saved, and written", 30, || {
            self.vbox(&["modifyvm", machine, &name]).code == Some(0)
        });
        assert_eq!(self.state(machine), "saved");
    }

    /// The state of a machine, in VirtualBox's words.
    pub fn state(&self, machine: &str) -> String {
        self.info(machine, "VMState").expect("a machine has a state")
    }

    /// Whether VirtualBox's server runs.
    pub fn has_server(&self) -> bool {
        self.host().home().has_server().expect("its lock can be asked for")
    }

    /// Waits until VirtualBox's server is gone: 5 s after its last client, 20 s where vboxmcp started it.
    pub fn wait_no_server(&self) {
        eventually("VirtualBox's server leaves", 60, || !self.has_server() && self.server_pid().is_none());
    }

    /// The process id of VirtualBox's server.
    pub fn server_pid(&self) -> Option<u32> {
        processes(&self.socket)
            .into_iter()
            .find(|process| process.name == "VBoxSVC")
            .map(|process| process.id)
    }

    /// The process id of a running machine.
    pub fn vm_pid(&self, uuid: &str) -> Option<u32> {
        let runs_it = |process: &Process| {
            process.name == "VBoxHeadless" && process.arguments.iter().any(|argument| argument == uuid)
        };
        processes(&self.socket).into_iter().find(runs_it).map(|process| process.id)
    }
}

impl Drop for Home<'_> {
    fn drop(&mut self) {
        end_all(&self.socket);
        let Some(folder) = self.folder.take() else { return };
        if is_set("VBOXMCP_TEST_KEEP") {
            eprintln!("kept: {} (VBOX_IPC_SOCKETID={})", folder.keep().display(), self.socket);
        } else if let Err(error) = folder.close() {
            eprintln!("{}: {error}", self.root.display());
        }
    }
}

/// Waits until something is so, and panics if it is not in time.
#[track_caller]
pub fn eventually(what: &str, seconds: u64, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while !is_so() {
        assert!(Instant::now() < end, "not within {seconds} s: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Whether a process runs. One that has ended, but whose parent has not asked for its exit code yet, does not.
pub fn is_running(id: u32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

/// A path that goes into an argument.
pub fn path(path: &Path) -> &str {
    path.to_str().expect("the tests' folders have plain names")
}

/// Whether a variable is set to something that means yes.
pub fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0")
}

/// Removes what killed test programs left behind.
pub fn sweep() {
    if !is_set("VBOXMCP_TEST_KEEP") {
        remove_of(|owner| !Path::new("/proc").join(owner).exists());
    }
}

/// Ends and removes what tests of this program that were given up still have. What one of them starts even now is left to the next run's [`sweep`].
pub fn end_given_up() {
    let this = std::process::id().to_string();
    remove_of(|owner| owner == this);
}

fn remove_of(is_meant: impl Fn(&str) -> bool) {
    for folder in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let folder = folder.path();
        if !folder_name(&folder).starts_with(PREFIX) {
            continue;
        }
        let Ok(owner) = fs::read_to_string(folder.join(OWNER)) else { continue };
        if is_meant(owner.trim()) {
            end_all(&folder_name(&folder));
            if !is_set("VBOXMCP_TEST_KEEP") {
                fs::remove_dir_all(&folder).ok();
            }
        }
    }
}

/// Commands that change nothing.
fn only_reads(arguments: &[&str]) -> bool {
    match arguments {
        ["list" | "showvminfo" | "showmediuminfo" | "getextradata", ..] => true,
        ["guestproperty", verb, ..] => matches!(*verb, "get" | "enumerate"),
        ["snapshot", _, verb, ..] => *verb == "list",
        _ => false,
    }
}

/// Runs a command to its end, or kills it at the deadline.
///
/// Its output goes to files: a pipe would stay open as long as a server that the command started.
pub fn run(command: &mut Command, deadline: Duration) -> Option<Output> {
    let stdout = tempfile::tempfile().expect("a temporary file");
    let stderr = tempfile::tempfile().expect("a temporary file");
    let copy = |file: &File| file.try_clone().expect("a file descriptor");
    let mut child =
        command.stdout(copy(&stdout)).stderr(copy(&stderr)).spawn().expect("the program can be started");
    let end = Instant::now() + deadline;
    let status = loop {
        match child.try_wait().expect("the program can be waited for") {
            Some(status) => break status,
            None if Instant::now() < end => thread::sleep(Duration::from_millis(2)),
            None => {
                child.kill().ok();
                child.wait().ok();
                return None;
            }
        }
    };
    Some(Output { code: status.code(), stdout: text(stdout), stderr: text(stderr) })
}

fn text(mut file: File) -> String {
    let mut bytes = Vec::new();
    io::Seek::rewind(&mut file)
        .and_then(|()| io::Read::read_to_end(&mut file, &mut bytes))
        .expect("its output");
    String::from_utf8_lossy(&bytes).into_owned()
}

struct Process {
    id: u32,
    name: String,
    arguments: Vec<String>,
}

/// VirtualBox's processes that belong to one server.
fn processes(socket: &str) -> Vec<Process> {
    let ours = format!("VBOX_IPC_SOCKETID={socket}");
    let read = |folder: fs::DirEntry| {
        let id = folder.file_name().to_str()?.parse().ok()?;
        let environment = fs::read(folder.path().join("environ")).ok()?;
        environment.split(|byte| *byte == 0).any(|entry| entry == ours.as_bytes()).then_some(())?;
        let name = fs::read_to_string(folder.path().join("comm")).ok()?.trim().to_owned();
        let arguments = fs::read(folder.path().join("cmdline")).ok()?;
        let arguments = arguments
            .split(|byte| *byte == 0)
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        name.starts_with("VBox").then_some(Process { id, name, arguments })
    };
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(read).collect()
}

/// Ends the machines and the server of one home, by their process ids, and removes the server's socket.
fn end_all(socket: &str) {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let ids: Vec<_> = processes(socket).iter().map(|process| process.id.to_string()).collect();
        if ids.is_empty() || Instant::now() > end {
            break;
        }
        // There is no safe function for it in the standard library; the shell has it built in.
        Command::new("sh").args(["-c", "kill -KILL \"$@\" 2>/dev/null", "sh"]).args(&ids).status().ok();
        thread::sleep(Duration::from_millis(20));
    }
    fs::remove_dir_all(socket_folder(socket)).ok();
}

fn socket_folder(socket: &str) -> PathBuf {
    PathBuf::from(format!("/tmp/.vbox-{socket}-ipc"))
}

fn folder_name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Sends a signal, by its name, to a process that is there.
pub fn signal(id: u32, name: &str) {
    // There is no safe function for it in the standard library; the shell has it built in.
    let sent = Command::new("sh").args(["-c", "kill -\"$1\" \"$2\"", "sh", name, &id.to_string()]).status();
    assert!(sent.expect("a shell").success(), "{name} {id}");
}

/// Ends a process the hard way.
pub fn kill(id: u32) {
    // There is no safe function for it in the standard library; the shell has it built in.
    Command::new("sh").args(["-c", "kill -KILL \"$1\"", "sh", &id.to_string()]).status().ok();
}
