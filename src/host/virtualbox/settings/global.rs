//! `VirtualBox.xml`: the registry of machines, of media that no machine keeps, of NAT networks, and the stacks' registers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use uuid::Uuid;

use super::document::{Document, Element};
use super::media::read_registry;
use super::networks::read_networks;
use super::{Distrust, absolute, minor_version};
use crate::inventory::{Medium, Networks, Problem, Register, Registry, Shard};
use crate::model::{Shared, StackName};

/// One registered machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineEntry {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its settings file, absolute.
    pub file: PathBuf,
}

/// What `VirtualBox.xml` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GlobalFile {
    /// Registered machines.
    pub machines: Vec<MachineEntry>,
    /// Media that are registered here.
    pub media: Vec<Medium>,
    /// NAT networks and DHCP servers.
    pub networks: Networks,
    /// The default machine folder, where it was set.
    pub machine_folder: Option<PathBuf>,
    /// The directory of the autostart database, where it was set.
    pub autostart_database: Option<PathBuf>,
    /// What could not be read, but for registers.
    pub problems: Vec<Problem>,
    /// Texts of each stack's register.
    shards: BTreeMap<StackName, BTreeMap<u32, String>>,
    /// The same as they are understood, once somebody asks.
    registers: OnceLock<Shared<BTreeMap<StackName, Register>>>,
}

/// Reads `VirtualBox.xml`, which stands in the VirtualBox home `home`.
///
/// Most of it is of no interest here, and no part that is has changed since settings version 1.12, which is why a later
/// version is read too: it is only said.
pub fn read_global(source: &str, home: &Path) -> Result<GlobalFile, String> {
    let document = Document::parse(source)?;
    let root = document.root();
    let mut file = GlobalFile::default();
    match minor_version(root) {
        Ok(12..=21) => {}
        Ok(minor) => {
            file.problem("VirtualBox.xml", format!("its settings version 1.{minor} is unknown to vboxmcp"));
        }
        Err(Distrust::Unknown(reason)) => file.problem("VirtualBox.xml", reason),
        Err(Distrust::Broken(reason)) => return Err(reason),
    }
    let global = root.child("Global").ok_or("it has no <Global>")?;
    if let Some(registry) = global.child("MachineRegistry") {
        for entry in registry.children("MachineEntry") {
            let (uuid, source) = (entry.uuid("uuid")?, entry.required("src")?);
            file.machines.push(MachineEntry { uuid, file: absolute(home, source) });
        }
    }
    if let Some(registry) = global.child("MediaRegistry") {
        file.media = read_registry(registry, home, Registry::Global)?;
    }
    if let Some(services) = global.child("NetserviceRegistry") {
        file.networks = read_networks(services);
        let unreadable = &file.networks.unreadable;
        file.problems.extend(
            unreadable
                .iter()
                .map(|(name, reason)| Problem { what: format!("network {name}"), reason: reason.clone() }),
        );
    }
    let folder = |name| {
        let folder = global.child("SystemProperties").and_then(|properties| properties.get(name));
        folder.filter(|folder| !folder.is_empty()).map(|folder| absolute(home, folder))
    };
    file.machine_folder = folder("defaultMachineFolder");
    file.autostart_database = folder("autostartDatabasePath");
    if let Some(extra) = global.child("ExtraData") {
        file.find_registers(extra);
    }
    Ok(file)
}

impl GlobalFile {
    fn problem(&mut self, what: impl Into<String>, reason: String) {
        self.problems.push(Problem { what: what.into(), reason });
    }

    /// Register of each stack that has one. Whoever looks at one machine does not ask for them: of many members they are half the work of the
    /// whole file.
    pub fn registers(&self) -> &Shared<BTreeMap<StackName, Register>> {
        self.registers.get_or_init(|| {
            let read = |(stack, shards): (&StackName, &BTreeMap<_, _>)| {
                (stack.clone(), Register::read(shards.clone()))
            };
            self.shards.iter().map(read).collect::<BTreeMap<_, _>>().into()
        })
    }

    /// What could not be read of the registers.
    pub fn register_problems(&self) -> impl Iterator<Item = Problem> {
        self.registers().iter().filter_map(|(stack, register)| {
            let reason = register.broken.clone()?;
            Some(Problem { what: format!("register of stack {stack}"), reason })
        })
    }

    /// How many bytes of registers nobody has asked for yet.
    pub fn unread_registers(&self) -> usize {
        let all = self.shards.values().flat_map(BTreeMap::values);
        if self.registers.get().is_some() { 0 } else { all.map(String::len).sum() }
    }

    fn find_registers(&mut self, extra: Element<'_>) {
        for item in extra.children("ExtraDataItem") {
            let key = item.get("name").unwrap_or_default();
            if let Some((stack, number)) = Shard::parse_key(key) {
                self.shards.entry(stack).or_default().insert(number, item.string("value"));
            } else if key.starts_with(Shard::PREFIX) {
                self.problem(
                    format!("global extra data {key}"),
                    "it is no part of a stack's register".into(),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::read_global;
    use crate::inventory::{MediumKind, Registry};

    const HOME: &str = r#"<?xml version="1.0"?>
<VirtualBox xmlns="http://www.virtualbox.org/" version="1.14-linux">
  <Global>
    <ExtraData>
      <ExtraDataItem name="GUI/x" value="y"/>
      <ExtraDataItem name="vboxmcp/stack/shop/0" value="{&quot;v&quot;:1,&quot;entries&quot;:{}}"/>
      <ExtraDataItem name="vboxmcp/stack/shop/1" value="nonsense"/>
    </ExtraData>
    <MachineRegistry>
      <MachineEntry uuid="{b1437680-d7dc-46de-ad4e-03dd671630b6}" src="/vms/a/b/full/full.vbox"/>
      <MachineEntry uuid="{b1437680-d7dc-46de-ad4e-03dd671630b7}" src="Machines/old/old.vbox"/>
    </MachineRegistry>
    <MediaRegistry>
      <HardDisks>
        <HardDisk uuid="{66622ae2-b0e6-47d9-a534-778f4cf1e78d}" location="loose.vdi" format="VDI" type="Normal">
          <Description>kept</Description>
        </HardDisk>
      </HardDisks>
      <DVDImages><Image uuid="{d49636fc-b6b1-4565-a4cb-4213c076640e}" location="/iso/x.iso"/></DVDImages>
    </MediaRegistry>
    <NetserviceRegistry>
      <NATNetworks><NATNetwork networkName="edge" network="10.10.0.0/24" enabled="1"/></NATNetworks>
    </NetserviceRegistry>
    <SystemProperties defaultMachineFolder="/vms" LogHistoryCount="3"/>
  </Global>
</VirtualBox>"#;

    #[test]
    fn the_registry_is_read() {
        let file = read_global(HOME, Path::new("/home/x/.config/VirtualBox")).unwrap();
        let files: Vec<_> = file.machines.iter().map(|entry| entry.file.to_str().unwrap()).collect();
        assert_eq!(files, ["/vms/a/b/full/full.vbox", "/home/x/.config/VirtualBox/Machines/old/old.vbox"]);
        assert_eq!(file.media[0].location, Path::new("/home/x/.config/VirtualBox/loose.vdi"));
        assert_eq!((file.media[0].kind, file.media[0].registry), (MediumKind::Disk, Registry::Global));
        assert_eq!(file.media[0].description, "kept");
        assert_eq!((file.media[1].format.as_str(), file.media[1].kind), ("raw", MediumKind::Dvd));
        assert_eq!(file.networks.nat["edge"].cidr.as_deref(), Some("10.10.0.0/24"));
        assert_eq!(file.machine_folder.as_deref(), Some(Path::new("/vms")));
        assert!(file.problems.is_empty());
        assert!(file.unread_registers() > 0);
        assert!(file.registers().values().next().unwrap().broken.is_some());
        assert_eq!(file.register_problems().next().unwrap().what, "register of stack shop");
        assert_eq!(file.unread_registers(), 0);
    }

    #[test]
    fn a_later_version_is_read_and_reported() {
        let file = read_global(&HOME.replace("1.14-", "1.30-"), Path::new("/h")).unwrap();
        assert_eq!(file.machines.len(), 2);
        assert_eq!(file.problems[0].what, "VirtualBox.xml");
    }

    #[test]
    fn an_empty_file_is_an_error() {
        assert!(read_global("", Path::new("/h")).is_err());
        assert!(read_global("<VirtualBox version='1.12-linux'/>", Path::new("/h")).is_err());
    }
}
