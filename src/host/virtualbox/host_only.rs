//! Host-only interfaces: they are the host's, VirtualBox's files say nothing of them, and it names them itself. On macOS it has host-only
//! networks instead, which are in its files.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use super::VirtualBox;
use super::argv::{Spellings, command_lines};
use super::runner::{Deadline, Runner};
use crate::host::{Done, ErrorClass, HostError};
use crate::inventory::Networks;
use crate::model::NetworkSettings;
use crate::model::network::prefix_of;
use crate::plan::{Action, NetworkChange};

/// Where Linux lists all interfaces: without one of VirtualBox's no process is needed to know that there is none.
const INTERFACES: &str = "/sys/class/net";

/// The networks that VirtualBox's file names, and whether host-only networks are among what it can have: it is built with them for macOS
/// only, and elsewhere `hostonlynet` is an invalid command (measured on Linux).
pub(super) fn networks_of_this_host(mut networks: Networks) -> Networks {
    if cfg!(target_os = "macos") {
        networks.host_only_networks.get_or_insert_default();
    } else {
        networks.host_only_networks = None;
    }
    networks
}

impl VirtualBox {
    /// All host-only interfaces with their addresses.
    pub(super) fn host_only_interfaces(&self) -> Result<BTreeMap<String, NetworkSettings>, HostError> {
        if cfg!(target_os = "linux") && !any_interface(Path::new(INTERFACES)) {
            return Ok(BTreeMap::new());
        }
        let output = self.runner()?.read(["list", "hostonlyifs"])?;
        Ok(interfaces(&output.stdout))
    }

    /// Makes an interface, and takes it back where it is not called what the plan says.
    pub(super) fn add_interface(&self, name: &str, action: &Action) -> Result<Done, HostError> {
        let runner: &Runner = self.runner()?;
        let mut done = Done::default();
        for command in command_lines(action, &Spellings::default())? {
            let output = runner.run(&command, Deadline::Once)?;
            done.warnings.extend(output.warnings());
            let made = created(&output.stdout).ok_or_else(|| HostError::Garbage {
                command: command.to_string(),
                detail: "no name of the new interface".to_owned(),
            })?;
            if made == name {
                continue;
            }
            let change = NetworkChange::RemoveInterface { name: made.to_owned() };
            for command in command_lines(&Action::Network { change }, &Spellings::default())? {
                runner.run(&command, Deadline::Once)?;
            }
            let message =
                format!("VirtualBox named the new interface {made:?}, and the plan is made for {name:?}");
            return Err(HostError::Refused {
                command: command.to_string(),
                message,
                code: None,
                status: Some(0),
                stderr: String::new(),
                class: ErrorClass::WrongState,
            });
        }
        Ok(done)
    }
}

fn any_interface(folder: &Path) -> bool {
    let Ok(entries) = folder.read_dir() else { return true };
    entries.filter_map(Result::ok).any(|entry| entry.file_name().to_string_lossy().starts_with("vboxnet"))
}

/// The name in `Interface 'vboxnet0' was successfully created`.
fn created(stdout: &str) -> Option<&str> {
    let rest = stdout.split_once("Interface '")?.1;
    Some(rest.split_once("' was successfully created")?.0)
}

/// Reads `list hostonlyifs`: blocks of `Key:   value`.
fn interfaces(stdout: &str) -> BTreeMap<String, NetworkSettings> {
    let mut found = BTreeMap::new();
    for block in stdout.split("\n\n") {
        let value = |key: &str| {
            block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':').map(str::trim))
        };
        let Some(name) = value("Name") else { continue };
        let ip = value("IPAddress").filter(|ip| ip.parse::<Ipv4Addr>().is_ok_and(|ip| !ip.is_unspecified()));
        let prefix = value("NetworkMask").and_then(|mask| prefix_of(mask.parse().ok()?));
        let address = ip.zip(prefix).map(|(ip, prefix)| format!("{ip}/{prefix}"));
        found.insert(name.to_owned(), NetworkSettings { address, ..NetworkSettings::default() });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form of VirtualBox 7's answer on a host with a kernel driver.
    const LIST: &str = "\
Name:            vboxnet0
GUID:            786f6276-656e-4074-8000-0a0027000000
DHCP:            Disabled
IPAddress:       192.168.56.1
NetworkMask:     255.255.255.0
IPV6Address:     
IPV6NetworkMaskPrefixLength: 0
HardwareAddress: 0a:00:27:00:00:00
MediumType:      Ethernet
Wireless:        No
Status:          Up
VBoxNetworkName: HostInterfaceNetworking-vboxnet0

Name:            VirtualBox Host-Only Ethernet Adapter
IPAddress:       0.0.0.0
NetworkMask:     0.0.0.0

";

    #[test]
    fn interfaces_are_listed_with_their_addresses() {
        let found = interfaces(LIST);
        assert_eq!(found["vboxnet0"].address.as_deref(), Some("192.168.56.1/24"));
        assert_eq!(found["VirtualBox Host-Only Ethernet Adapter"].address, None);
        assert_eq!(found.len(), 2);
        assert!(interfaces("").is_empty());
    }

    #[test]
    fn the_name_of_a_new_interface_is_told() {
        let said = "0%...100%\nInterface 'vboxnet3' was successfully created\n";
        assert_eq!(created(said), Some("vboxnet3"));
        assert_eq!(created("nonsense"), None);
    }
}
