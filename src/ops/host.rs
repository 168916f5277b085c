//! Opens the host that the settings choose.

use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::runs::of_home;
use super::self_check::Findings;
use crate::config::{Environment, HostChoice, Settings};
use crate::failure::Failure;
use crate::host::recorded::Recorded;
use crate::host::sim::SimHost;
use crate::host::{Host, HostError, virtualbox};

/// Opens a host. Nothing is started; VBoxManage may be missing as long as nothing needs it.
pub fn open(settings: &Settings, environment: &Environment) -> Result<Arc<dyn Host>, Failure> {
    match &settings.host {
        HostChoice::Local => Ok(Arc::new(local(settings, environment))),
        HostChoice::Sim(None) => Ok(Arc::new(SimHost::in_memory())),
        HostChoice::Sim(Some(directory)) => Ok(Arc::new(SimHost::open(directory).map_err(Failure::from)?)),
        HostChoice::Recorded(file) => Ok(Arc::new(Recorded::new(super::inventory::from_file(file)?))),
    }
}

fn local(settings: &Settings, environment: &Environment) -> virtualbox::VirtualBox {
    let path = |name: &str| environment.var_os(name).map(PathBuf::from);
    let home = virtualbox::Home::locate(&virtualbox::Environment {
        working_directory: environment.directory.clone(),
        vbox_user_home: path("VBOX_USER_HOME"),
        vbox_ipc_socketid: environment.var("VBOX_IPC_SOCKETID").map(str::to_owned),
        xdg_config_home: path("XDG_CONFIG_HOME"),
        home: path("HOME"),
        user_profile: path("USERPROFILE"),
    });
    let distrusted = environment.state_directory().map(|state| {
        let state = of_home(&state, &home.folder);
        Findings::load(&state, settings, environment).distrusted
    });
    let mut helper = None;
    let runner = match vboxmanage(settings, environment) {
        Ok(program) => {
            helper = launch(&program, environment);
            Ok(runner(program, environment))
        }
        Err(HostError::NoVBoxManage { searched }) => Err(searched),
        Err(other) => Err(vec![other.to_string()]),
    };
    let host = virtualbox::VirtualBox::new(home, runner)
        .distrusting(distrusted.unwrap_or_default())
        .by_route(settings.route);
    match helper {
        Some(helper) => host.with_helper(helper),
        None => host,
    }
}

/// How the native helper is started, where VirtualBox has what it loads.
fn launch(vboxmanage: &Path, environment: &Environment) -> Option<virtualbox::native::Launch> {
    let folder = virtualbox::locate::binding(vboxmanage)?;
    let program = environment.program.clone()?;
    let through = environment.var_os("VBOXMCP_NATIVE_THROUGH");
    let through = through.map(|through| environment.directory.join(through));
    Some(virtualbox::native::Launch { program, through, folder })
}

/// Makes this process the native helper of another one, until that one has no more requests.
pub fn native_helper(
    environment: &Environment,
    requests: impl BufRead,
    answers: impl Write,
) -> io::Result<()> {
    let folder = environment.var_os(virtualbox::native::FOLDER_VARIABLE).unwrap_or_default();
    virtualbox::native::serve(Path::new(folder), requests, answers)
}

/// The program that changes the host.
pub fn vboxmanage(settings: &Settings, environment: &Environment) -> Result<PathBuf, HostError> {
    virtualbox::locate::vboxmanage(&search(settings, environment))
}

fn runner(program: PathBuf, environment: &Environment) -> virtualbox::Runner {
    let named = ["VBOX_USER_HOME", "VBOX_IPC_SOCKETID"]
        .into_iter()
        .filter_map(|name| Some((OsString::from(name), environment.var_os(name)?.to_owned())));
    virtualbox::Runner::new(program, named.collect())
}

fn search(settings: &Settings, environment: &Environment) -> virtualbox::locate::Search {
    let path = |name: &str| environment.var_os(name).map(PathBuf::from);
    virtualbox::locate::Search {
        option: settings.vboxmanage.clone(),
        variable: path("VBOXMCP_VBOXMANAGE").map(|path| environment.directory.join(path)),
        path: environment.var_os("PATH").map(OsString::from),
        install_path: path("VBOX_MSI_INSTALL_PATH"),
    }
}
