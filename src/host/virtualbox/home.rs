//! Where VirtualBox keeps its files, and its server's socket and lock (`vbox-settings` sections 2 and 4.3).
//!
//! The environment is passed in. What differs between operating systems is in this file and nowhere else in the reader.

use std::path::{Path, PathBuf};

/// What the environment says; read once by the configuration. Empty variables are `None`.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The working directory, for relative values.
    pub working_directory: PathBuf,
    /// `VBOX_USER_HOME`
    pub vbox_user_home: Option<PathBuf>,
    /// `VBOX_IPC_SOCKETID`
    pub vbox_ipc_socketid: Option<String>,
    /// `XDG_CONFIG_HOME`
    pub xdg_config_home: Option<PathBuf>,
    /// `HOME`
    pub home: Option<PathBuf>,
    /// `USERPROFILE`, on Windows.
    pub user_profile: Option<PathBuf>,
}

/// One VirtualBox home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The folder of `VirtualBox.xml`. It may not exist yet.
    pub folder: PathBuf,
    /// Home directory of the owner of the VirtualBox home.
    pub owner_home: PathBuf,
    /// The folder of the socket and the lock of VirtualBox's server, where VirtualBox has them.
    pub ipc: Option<PathBuf>,
}

impl Home {
    /// The home that VirtualBox's own programs would use in this environment.
    pub fn locate(environment: &Environment) -> Self {
        let user = user_home(environment);
        let folder = match &environment.vbox_user_home {
            Some(folder) => environment.working_directory.join(folder),
            None => usual_home(environment, &user),
        };
        Self { owner_home: owner_home(&folder).unwrap_or(user), folder, ipc: ipc(environment) }
    }

    /// The registry.
    pub fn registry(&self) -> PathBuf {
        self.folder.join("VirtualBox.xml")
    }

    /// The machine folder of a home that names none.
    pub fn default_machine_folder(&self) -> PathBuf {
        self.owner_home.join("VirtualBox VMs")
    }

    /// Whether VirtualBox's server of this home runs, or is on its way up or down; `None` where only VirtualBox could tell.
    ///
    /// The lock on a file is held from before there is the socket until the last client has gone (measured with 7.2, where the server holds it
    /// itself; before, a process of its own does, which outlives the server by minutes). To connect to the socket would tell it, too, and harm
    /// (measured): a server that starts meanwhile hangs for good, 13 times of 15, and of a server that runs, one connection in thousands hangs
    /// or stalls whoever connects beside it.
    pub fn has_server(&self) -> Option<bool> {
        self.server().map(|lock| lock != Lock::Free)
    }

    /// The process of VirtualBox's server, where one runs and is known by its name.
    pub fn server_process(&self) -> Option<u32> {
        let Lock::Held(process) = self.server()? else { return None };
        let name = std::fs::read_to_string(format!("/proc/{}/comm", process?)).ok()?;
        process.filter(|_| name.trim_end() == "VBoxSVC")
    }

    fn server(&self) -> Option<Lock> {
        lock_of(&self.ipc.as_deref()?.join("lock"))
    }
}

/// Whether a file is locked against others by a process other than this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lock {
    /// By this process; `None` where it is not one of those that are seen from here.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has such locks"))]
    Held(Option<u32>),
    /// It is not, or it is not there.
    Free,
}

#[cfg(unix)]
fn lock_of(file: &Path) -> Option<Lock> {
    use std::os::unix::fs::OpenOptionsExt as _;

    use rustix::fs::OFlags;
    use rustix::process::{FlockType, Pid, fcntl_getlk};

    // Anybody may have put something there that opening waits for.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    match std::fs::OpenOptions::new().read(true).custom_flags(flags).open(file) {
        Ok(file) => Some(match fcntl_getlk(file, &FlockType::ReadLock.into()).ok()? {
            Some(lock) => {
                Lock::Held(u32::try_from(Pid::as_raw(lock.pid)).ok().filter(|process| *process > 0))
            }
            None => Lock::Free,
        }),
        Err(error) => (error.kind() == std::io::ErrorKind::NotFound).then_some(Lock::Free),
    }
}

#[cfg(not(unix))]
fn lock_of(_: &Path) -> Option<Lock> {
    None
}

/// Where VirtualBox is at home when no variable says so.
fn usual_home(environment: &Environment, user: &Path) -> PathBuf {
    if cfg!(windows) {
        return user.join(".VirtualBox");
    }
    if cfg!(target_os = "macos") {
        return user.join("Library/VirtualBox");
    }
    let old = user.join(".VirtualBox");
    if old.is_dir() {
        return old;
    }
    match &environment.xdg_config_home {
        Some(config) => environment.working_directory.join(config).join("VirtualBox"),
        None => user.join(".config/VirtualBox"),
    }
}

/// Whether VirtualBox's kernel driver is loaded; `None` where nothing tells.
pub fn has_driver() -> Option<bool> {
    cfg!(target_os = "linux").then(|| Path::new("/dev/vboxdrv").exists())
}

/// The user's home directory as VirtualBox finds it: root's is what the account says, because `sudo` keeps `HOME`.
#[cfg(unix)]
fn user_home(environment: &Environment) -> PathBuf {
    let uid = rustix::process::geteuid().as_raw();
    let account = || unix::account(uid).map(|account| account.home);
    let variable = || environment.home.clone();
    let home = if uid == 0 { account().or_else(variable) } else { variable().or_else(account) };
    home.unwrap_or_else(|| PathBuf::from("/"))
}

#[cfg(windows)]
fn user_home(environment: &Environment) -> PathBuf {
    environment.user_profile.clone().unwrap_or_default()
}

/// The home directory of whoever owns the VirtualBox home, if that is somebody else.
#[cfg(unix)]
fn owner_home(folder: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt as _;
    let owner = folder.metadata().ok()?.uid();
    (owner != rustix::process::geteuid().as_raw()).then(|| unix::account(owner))?.map(|account| account.home)
}

#[cfg(windows)]
fn owner_home(_: &Path) -> Option<PathBuf> {
    None
}

/// The folder is called by the account's name, whatever `USER` and `LOGNAME` say, and stands in `/tmp`, whatever `TMPDIR` says.
#[cfg(target_os = "linux")]
fn ipc(environment: &Environment) -> Option<PathBuf> {
    let name = match &environment.vbox_ipc_socketid {
        Some(name) => name.clone(),
        None => unix::account(rustix::process::getuid().as_raw())?.name,
    };
    Some(PathBuf::from(format!("/tmp/.vbox-{name}-ipc")))
}

#[cfg(not(target_os = "linux"))]
fn ipc(_: &Environment) -> Option<PathBuf> {
    None
}

#[cfg(unix)]
mod unix {
    use std::path::PathBuf;

    /// What matters of a user account.
    #[derive(Debug, PartialEq, Eq)]
    pub struct Account {
        pub name: String,
        pub home: PathBuf,
    }

    /// The account of a user id. Accounts that are not in `/etc/passwd` (of a directory service) are not found; then the
    /// variables decide, and the folder of the server's socket is unknown.
    pub fn account(uid: u32) -> Option<Account> {
        let passwd = std::fs::read("/etc/passwd").ok()?;
        find(&String::from_utf8_lossy(&passwd), uid)
    }

    pub fn find(passwd: &str, uid: u32) -> Option<Account> {
        passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, id, _, _, home, ..] = fields.as_slice() else { return None };
            let is_it = id.parse() == Ok(uid) && !home.is_empty();
            is_it.then(|| Account { name: (*name).to_owned(), home: PathBuf::from(home) })
        })
    }

    #[cfg(test)]
    mod tests {
        use super::find;

        #[test]
        fn accounts_are_found_by_number() {
            let passwd =
                "root:x:0:0:root:/root:/bin/bash\nbroken\nvm:x:1001:100:A, B:/srv/vm:/bin/sh\nvm2:x:10:1::/x";
            assert_eq!(find(passwd, 1001).unwrap().home.to_str(), Some("/srv/vm"));
            assert_eq!(find(passwd, 10).unwrap().name, "vm2");
            assert_eq!(find(passwd, 1), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Environment, Home};

    #[test]
    fn a_named_home_is_taken_relative_to_the_working_directory() {
        let environment = Environment {
            working_directory: "/work".into(),
            vbox_user_home: Some("vb".into()),
            vbox_ipc_socketid: Some("t1".into()),
            ..Environment::default()
        };
        let home = Home::locate(&environment);
        assert_eq!(home.folder, Path::new("/work/vb"));
        assert_eq!(home.registry(), Path::new("/work/vb/VirtualBox.xml"));
        if cfg!(target_os = "linux") {
            assert_eq!(home.ipc.as_deref(), Some(Path::new("/tmp/.vbox-t1-ipc")));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_server_is_looked_for_without_a_connection_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let home = |ipc| Home { folder: folder.path().into(), owner_home: folder.path().into(), ipc };
        let ours = home(Some(folder.path().to_owned()));
        assert_eq!(ours.has_server(), Some(false));
        std::fs::write(folder.path().join("lock"), "4711\n").unwrap();
        let socket = std::os::unix::net::UnixListener::bind(folder.path().join("ipcd")).unwrap();
        socket.set_nonblocking(true).unwrap();
        assert_eq!(ours.has_server(), Some(false), "the lock of a server that was killed");
        assert_eq!(socket.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        assert_eq!(home(None).has_server(), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn without_a_name_the_configuration_folder_decides() {
        let user = tempfile::tempdir().unwrap();
        let mut environment = Environment { home: Some(user.path().into()), ..Environment::default() };
        if !rustix::process::geteuid().is_root() {
            assert_eq!(Home::locate(&environment).folder, user.path().join(".config/VirtualBox"));
            std::fs::create_dir(user.path().join(".VirtualBox")).unwrap();
            assert_eq!(Home::locate(&environment).folder, user.path().join(".VirtualBox"));
            std::fs::remove_dir(user.path().join(".VirtualBox")).unwrap();
        }
        environment.xdg_config_home = Some("/etc/xdg-x".into());
        let home = Home::locate(&environment);
        assert!(home.folder == Path::new("/etc/xdg-x/VirtualBox") || home.folder.ends_with(".VirtualBox"));
    }
}
