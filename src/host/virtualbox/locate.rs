//! Where VBoxManage and VirtualBox's server are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::native::LIBRARY;
use crate::host::HostError;

/// What the command line and the environment say of the place; read once by the configuration.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// `--vboxmanage`, a program or the folder that it is in.
    pub option: Option<PathBuf>,
    /// `VBOXMCP_VBOXMANAGE`, the same.
    pub variable: Option<PathBuf>,
    /// `PATH`.
    pub path: Option<OsString>,
    /// `VBOX_MSI_INSTALL_PATH`, which VirtualBox's installer sets on Windows.
    pub install_path: Option<PathBuf>,
}

const PROGRAM: &str = if cfg!(windows) { "VBoxManage.exe" } else { "VBoxManage" };
const SERVER: &str = if cfg!(windows) { "VBoxSVC.exe" } else { "VBoxSVC" };

/// The usual places of this operating system: of VirtualBox's own packages and of the distributions'.
const USUAL: &[&str] = if cfg!(windows) {
    &[r"C:\Program Files\Oracle\VirtualBox"]
} else if cfg!(target_os = "macos") {
    &["/usr/local/bin", "/Applications/VirtualBox.app/Contents/MacOS"]
} else {
    &["/usr/bin", "/usr/local/bin", "/opt/VirtualBox", "/usr/lib/virtualbox", "/usr/lib64/virtualbox"]
};

/// Where a shell wrapper's real program is: Debian's and VirtualBox's own wrapper print warnings at every call while the
/// kernel driver is missing, and neither sets anything up that VBoxManage needs.
const WRAPPED: &[(&str, &str)] = if cfg!(target_os = "linux") {
    &[("/usr/bin/VBoxManage", "/usr/lib/virtualbox"), ("/usr/bin/VBoxManage", "/opt/VirtualBox")]
} else {
    &[]
};

/// Finds VBoxManage. What somebody named is not searched for anywhere else.
pub fn vboxmanage(search: &Search) -> Result<PathBuf, HostError> {
    for (named, how) in [(&search.option, "--vboxmanage"), (&search.variable, "VBOXMCP_VBOXMANAGE")] {
        if let Some(named) = named {
            let found = if named.is_dir() { named.join(PROGRAM) } else { named.clone() };
            return if found.is_file() {
                Ok(found)
            } else {
                Err(HostError::NoVBoxManage { searched: vec![format!("{how} {}", named.display())] })
            };
        }
    }
    let on_path = search.path.iter().flat_map(std::env::split_paths);
    let usual = USUAL.iter().map(PathBuf::from);
    on_path
        .chain(search.install_path.clone())
        .chain(usual)
        .map(|folder| folder.join(PROGRAM))
        .find(|program| program.is_file())
        .map(unwrapped)
        .ok_or_else(|| {
            let mut searched = vec!["PATH".to_owned()];
            searched.extend(USUAL.iter().map(|&place| place.to_owned()));
            HostError::NoVBoxManage { searched }
        })
}

/// The program behind a wrapper that is known to do nothing else.
fn unwrapped(program: PathBuf) -> PathBuf {
    let real =
        WRAPPED.iter().filter(|row| Path::new(row.0) == program).map(|row| Path::new(row.1).join(PROGRAM));
    real.into_iter().find(|real| real.is_file()).unwrap_or(program)
}

/// VirtualBox's server, which lies beside VBoxManage; `None` where it does not.
pub fn server(vboxmanage: &Path) -> Option<PathBuf> {
    beside(vboxmanage, SERVER)
}

/// The folder of VirtualBox's C binding, which lies beside VBoxManage; `None` where it does not.
pub fn binding(vboxmanage: &Path) -> Option<PathBuf> {
    beside(vboxmanage, LIBRARY)?.parent().map(Path::to_owned)
}

fn beside(program: &Path, file: &str) -> Option<PathBuf> {
    let look = |program: &Path| Some(program.parent()?.join(file)).filter(|found| found.is_file());
    look(program).or_else(|| look(&program.canonicalize().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{PROGRAM, SERVER, Search, server, vboxmanage};
    use crate::host::{ErrorClass, HostError};

    #[test]
    fn what_is_named_is_taken_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join(PROGRAM);
        let named = |option: &std::path::Path| {
            vboxmanage(&Search {
                option: Some(option.to_owned()),
                path: Some("/usr/bin".into()),
                ..Search::default()
            })
        };
        let error = named(folder.path()).unwrap_err();
        assert!(matches!(&error, HostError::NoVBoxManage { searched } if searched.len() == 1));
        assert_eq!(error.class(), ErrorClass::Unreachable);
        std::fs::write(&program, "").unwrap();
        assert_eq!(named(folder.path()).unwrap(), program);
        assert_eq!(named(&program).unwrap(), program);
    }

    #[test]
    fn path_comes_before_the_usual_places() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join(PROGRAM);
        std::fs::write(&program, "").unwrap();
        let search = Search { path: Some(folder.path().into()), ..Search::default() };
        assert_eq!(vboxmanage(&search).unwrap(), program);
        assert_eq!(server(&program), None);
        std::fs::write(folder.path().join(SERVER), "").unwrap();
        assert_eq!(server(&program), Some(folder.path().join(SERVER)));
    }
}
