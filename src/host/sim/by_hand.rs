//! What somebody does with VBoxManage behind vboxmcp's back. For tests: the same operations are done to a real VirtualBox.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::SimHost;
use super::refusal::{No, unsupported};
use super::tree::Content;
use super::world::{SimMedium, World};
use crate::host::HostError;
use crate::host::virtualbox::CommandLine;
use crate::inventory::{AttachedMedium, DeviceKind, Mark};
use crate::model::settings::Bus;
use crate::model::{Bytes, Controller, FieldPath, Location, PowerState, SharedFolder, lexical};
use crate::plan::{Assignment, Insert, NetworkChange, Target};

/// One operation. Machines are named by their names, which must be theirs alone; relative paths are below the machine's folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ByHand {
    /// `createvm --register`
    Create {
        /// Its name.
        name: String,
        /// Id of the guest's operating system.
        #[serde(default = "other")]
        os_type: String,
        /// Groups.
        #[serde(default)]
        groups: Vec<String>,
    },
    /// `clonevm --register`, a full clone.
    Clone {
        /// The original.
        machine: String,
        /// The clone's name.
        name: String,
    },
    /// Settings by their paths, with `modifyvm` or `controlvm` as the machine's state wants it; `null` removes a member.
    Set {
        /// The machine.
        machine: String,
        /// New values, in this order.
        set: BTreeMap<String, Value>,
    },
    /// `setextradata`
    ExtraData {
        /// The machine; none is `global`.
        #[serde(default)]
        machine: Option<String>,
        /// The key.
        key: String,
        /// None removes it.
        #[serde(default)]
        value: Option<String>,
    },
    /// `guestproperty`
    GuestProperty {
        /// The machine.
        machine: String,
        /// The name.
        key: String,
        /// None removes it.
        #[serde(default)]
        value: Option<String>,
    },
    /// Removes the mark of ownership.
    RemoveMark(String),
    /// `storagectl --add`
    AddController {
        /// The machine.
        machine: String,
        /// The controller's name.
        name: String,
        /// Its settings.
        controller: Controller,
    },
    /// `createmedium` and `storageattach`
    AddDisk {
        /// The machine.
        machine: String,
        /// The file.
        file: PathBuf,
        /// Capacity in bytes.
        size: u64,
        /// Where; none leaves it unattached.
        #[serde(default)]
        at: Option<Location>,
    },
    /// `closemedium`
    CloseDisk {
        /// The machine whose folder a relative path is in.
        machine: String,
        /// The file.
        file: PathBuf,
    },
    /// `modifymedium --resize`
    GrowDisk {
        /// The machine whose folder a relative path is in.
        machine: String,
        /// The file.
        file: PathBuf,
        /// New capacity in bytes.
        size: u64,
    },
    /// `storageattach` of a file that is there, or of an empty drive.
    Attach {
        /// The machine.
        machine: String,
        /// Where.
        at: Location,
        /// What.
        kind: DeviceKind,
        /// The file; none is an empty drive.
        #[serde(default)]
        file: Option<PathBuf>,
    },
    /// `storageattach --medium none`
    Detach {
        /// The machine.
        machine: String,
        /// Where.
        at: Location,
    },
    /// `sharedfolder add`
    AddSharedFolder {
        /// The machine.
        machine: String,
        /// Name of the folder.
        name: String,
        /// Its settings.
        folder: SharedFolder,
    },
    /// `sharedfolder remove`
    RemoveSharedFolder {
        /// The machine.
        machine: String,
        /// Name of the folder.
        name: String,
    },
    /// `snapshot take`
    TakeSnapshot {
        /// The machine.
        machine: String,
        /// The snapshot's name.
        name: String,
    },
    /// `snapshot restore`
    RestoreSnapshot {
        /// The machine.
        machine: String,
        /// The snapshot's name.
        name: String,
    },
    /// `snapshot edit --description`
    DescribeSnapshot {
        /// The machine.
        machine: String,
        /// The snapshot's name.
        name: String,
        /// Free text.
        description: String,
    },
    /// `snapshot delete`
    DeleteSnapshot {
        /// The machine.
        machine: String,
        /// The snapshot's name.
        name: String,
    },
    /// A guest of one boot sector, on a disk `guest.vdi` of a controller `IDE`.
    InstallGuest {
        /// The machine.
        machine: String,
        /// Whether it hears the power button.
        obeys: bool,
    },
    /// `natnetwork`, `dhcpserver`
    Network(NetworkChange),
    /// The host becomes one where VirtualBox has host-only networks, as it has on macOS.
    HaveHostOnlyNetworks,
    /// `startvm`
    Start(String),
    /// `controlvm pause`
    Pause(String),
    /// `controlvm resume`
    Resume(String),
    /// `controlvm savestate`
    SaveState(String),
    /// `discardstate`
    DiscardState(String),
    /// `controlvm poweroff`; also what a guest that switches itself off looks like.
    PowerOff(String),
    /// The machine's process is killed.
    Kill(String),
    /// `unregistervm`
    Unregister {
        /// The machine.
        machine: String,
        /// With `--delete`.
        #[serde(default)]
        delete: bool,
    },
    /// `registervm`
    Register(PathBuf),
    /// A file of a machine is deleted behind VirtualBox.
    DeleteFile {
        /// The machine whose folder a relative path is in.
        machine: String,
        /// The file.
        file: PathBuf,
    },
    /// A file of a machine is moved behind VirtualBox, over what is there.
    MoveFile {
        /// The machine whose folder relative paths are in.
        machine: String,
        /// The file.
        file: PathBuf,
        /// Where it is then.
        to: PathBuf,
    },
    /// A file of a machine is copied, over what is there.
    CopyFile {
        /// The machine whose folder relative paths are in.
        machine: String,
        /// The file.
        file: PathBuf,
        /// The copy.
        to: PathBuf,
    },
    /// A file is put somewhere.
    WriteFile(PathBuf),
    /// A machine's settings file is cut off in the middle.
    Break(String),
}

fn other() -> String {
    "Other".to_owned()
}

impl SimHost {
    /// Does something behind vboxmcp's back.
    pub fn by_hand(&self, hand: &ByHand) -> Result<(), HostError> {
        let command = CommandLine::of(["by hand"]);
        self.store.change(|world| world.by_hand(hand))?.map_err(|no| no.into_error(&command))
    }
}

impl World {
    fn named(&self, name: &str) -> Result<Uuid, No> {
        let mut found = self.machines.values().filter(|machine| machine.name == name);
        match (found.next(), found.next()) {
            (Some(machine), None) => Ok(machine.uuid),
            (None, _) => Err(unsupported(format!("{name}, which is no machine: acting on it by hand"))),
            (Some(_), Some(_)) => {
                Err(unsupported(format!("{name}, which several machines are called: acting on it by hand")))
            }
        }
    }

    fn below(&self, machine: &str, file: &Path) -> Result<PathBuf, No> {
        Ok(lexical(&self.registered(self.named(machine)?)?.folder().join(file)))
    }

    fn registered_at(&self, file: &Path) -> Result<Uuid, No> {
        let found = self.media.values().find(|row| row.medium.location == file);
        found.map(|row| row.medium.uuid).ok_or_else(|| {
            unsupported(format!("{}, which is no medium: acting on it by hand", file.display()))
        })
    }

    fn snapshot_named(&self, machine: Uuid, name: &str) -> Result<Uuid, No> {
        let machine = self.machine(machine)?;
        let found = machine.all_snapshots().into_iter().find(|snapshot| snapshot.name == name);
        found
            .map(|snapshot| snapshot.uuid)
            .ok_or_else(|| unsupported(format!("{name}, which is no snapshot: acting on it by hand")))
    }

    /// Does it; half of several operations may be done where a later one is refused.
    pub(super) fn by_hand(&mut self, hand: &ByHand) -> Result<(), No> {
        match hand {
            ByHand::Create { name, os_type, groups } => {
                let folder = self.machine_folder.clone();
                self.create_machine(None, name, os_type, groups, &folder).map(drop)
            }
            ByHand::Clone { machine, name } => self.clone_machine(self.named(machine)?, name),
            ByHand::Set { machine, set } => {
                let uuid = self.named(machine)?;
                let set: Vec<Assignment> = set
                    .iter()
                    .map(|(path, value)| {
                        let Ok(path) = path.parse::<FieldPath>();
                        Assignment { path, value: Some(value.clone()).filter(|value| !value.is_null()) }
                    })
                    .collect();
                if self.machine(uuid)?.is_live() {
                    self.modify_live(uuid, &set)
                } else {
                    self.modify(uuid, &set)
                }
            }
            ByHand::ExtraData { machine: None, key, value } => self.set_global_extra(key, value.as_deref()),
            ByHand::ExtraData { machine: Some(machine), key, value } => {
                self.set_extra(self.named(machine)?, key, value.as_deref())
            }
            ByHand::GuestProperty { machine, key, value } => {
                self.set_property(self.named(machine)?, key, value.as_deref())
            }
            ByHand::RemoveMark(machine) => self.set_extra(self.named(machine)?, Mark::KEY, None),
            ByHand::AddController { machine, name, controller } => {
                self.add_controller(self.named(machine)?, name, controller)
            }
            ByHand::AddDisk { machine, file, size, at } => {
                let uuid = self.named(machine)?;
                let disk = self.create_disk(Some(uuid), file, "vdi", "dynamic", Bytes(*size))?;
                let Some(at) = at else { return Ok(()) };
                let insert = Insert::Medium(Target::Existing(disk));
                self.attach(uuid, at, DeviceKind::Disk, &insert, &BTreeMap::new())
            }
            ByHand::CloseDisk { machine, file } => {
                let disk = self.registered_at(&self.below(machine, file)?)?;
                self.close_disk(disk, false)
            }
            ByHand::GrowDisk { machine, file, size } => {
                let disk = self.registered_at(&self.below(machine, file)?)?;
                self.grow_disk(disk, Bytes(*size))
            }
            ByHand::Attach { machine, at, kind, file } => {
                let insert = match file {
                    Some(file) => Insert::File(self.below(machine, file)?),
                    None => Insert::Nothing,
                };
                self.attach(self.named(machine)?, at, *kind, &insert, &BTreeMap::new())
            }
            ByHand::Detach { machine, at } => self.detach(self.named(machine)?, at),
            ByHand::AddSharedFolder { machine, name, folder } => {
                self.add_shared_folder(self.named(machine)?, name, folder)
            }
            ByHand::RemoveSharedFolder { machine, name } => {
                self.remove_shared_folder(self.named(machine)?, name)
            }
            ByHand::TakeSnapshot { machine, name } => {
                self.take_snapshot(self.named(machine)?, name).map(drop)
            }
            ByHand::RestoreSnapshot { machine, name } => {
                let uuid = self.named(machine)?;
                self.restore_snapshot(uuid, self.snapshot_named(uuid, name)?)
            }
            ByHand::DescribeSnapshot { machine, name, description } => {
                let uuid = self.named(machine)?;
                self.describe_snapshot(uuid, self.snapshot_named(uuid, name)?, description)
            }
            ByHand::DeleteSnapshot { machine, name } => {
                let uuid = self.named(machine)?;
                self.delete_snapshot(uuid, self.snapshot_named(uuid, name)?)
            }
            ByHand::InstallGuest { machine, obeys } => {
                let uuid = self.named(machine)?;
                let controller = Controller { bus: Some(Bus::Ide), ..Controller::default() };
                self.add_controller(uuid, "IDE", &controller)?;
                let disk =
                    self.create_disk(Some(uuid), Path::new("guest.vdi"), "vdi", "dynamic", Bytes(1 << 20))?;
                let at = Location { controller: "IDE".to_owned(), port: 0, device: 0 };
                let insert = Insert::Medium(Target::Existing(disk));
                self.attach(uuid, &at, DeviceKind::Disk, &insert, &BTreeMap::new())?;
                self.set_extra(uuid, super::IGNORES_ACPI, (!obeys).then_some("1"))
            }
            ByHand::Network(change) => self.change_network(change),
            ByHand::HaveHostOnlyNetworks => {
                self.host_only_networks.get_or_insert_default();
                Ok(())
            }
            ByHand::Start(machine) => self.start(self.named(machine)?),
            ByHand::Pause(machine) => self.pause(self.named(machine)?),
            ByHand::Resume(machine) => self.resume(self.named(machine)?),
            ByHand::SaveState(machine) => self.save_state(self.named(machine)?),
            ByHand::DiscardState(machine) => self.discard_state(self.named(machine)?),
            ByHand::PowerOff(machine) => self.power_off(self.named(machine)?),
            ByHand::Kill(machine) => {
                let uuid = self.named(machine)?;
                self.end(uuid, PowerState::Aborted);
                Ok(())
            }
            ByHand::Unregister { machine, delete } => self.unregister(self.named(machine)?, *delete),
            ByHand::Register(file) => self.register(&self.machine_folder.join(file)).map(drop),
            ByHand::DeleteFile { machine, file } => {
                let file = self.below(machine, file)?;
                self.tree.remove(&file);
                Ok(())
            }
            ByHand::MoveFile { machine, file, to } | ByHand::CopyFile { machine, file, to } => {
                let (file, to) = (self.below(machine, file)?, self.below(machine, to)?);
                let content = self.tree.file(&file).cloned();
                let content = content.ok_or_else(|| unsupported(format!("reading {}", file.display())))?;
                if matches!(hand, ByHand::MoveFile { .. }) {
                    self.tree.remove(&file);
                }
                self.tree.write(&to, content);
                Ok(())
            }
            ByHand::WriteFile(file) => {
                let file = self.machine_folder.join(file);
                self.tree.write(&file, Content::Other);
                Ok(())
            }
            ByHand::Break(machine) => {
                let uuid = self.named(machine)?;
                let machine = self.machine_mut(uuid)?;
                machine.broken = Some(format!("{} ends in the middle", machine.settings_file.display()));
                Ok(())
            }
        }
    }

    /// `clonevm --register`: a full clone has new disks and MAC addresses, and everything else of the original.
    fn clone_machine(&mut self, original: Uuid, name: &str) -> Result<(), No> {
        let original = self.machine(original)?.clone();
        let groups = original.hardware.settings.groups.clone().unwrap_or_default();
        let os_type = original.hardware.settings.os_type.clone().unwrap_or_default();
        let root = self.machine_folder.clone();
        let uuid = self.create_machine(None, name, &os_type, &groups, &root)?;
        let mut hardware = original.hardware.clone();
        hardware.settings.hardware_uuid = Some(uuid.to_string());
        for slot in hardware.slots.values_mut().filter(|slot| slot.nic.mac.is_some()) {
            slot.nic.mac = Some(self.fresh_mac());
        }
        let folder = self.machine(uuid)?.folder();
        let mut number = 0;
        for attachment in &mut hardware.attachments {
            let AttachedMedium::Image(image) = attachment.medium else { continue };
            let Some(row) =
                self.media.get(&image).filter(|row| row.medium.kind == crate::inventory::MediumKind::Disk)
            else {
                self.adopt_medium(uuid, image);
                continue;
            };
            number += 1;
            let mut medium = row.medium.clone();
            medium.uuid = self.fresh_uuid();
            medium.location = folder.join(format!("{name}-disk{number}.{}", medium.format));
            medium.parent = None;
            medium.variant = Some("dynamic".to_owned());
            let content = Content::Disk {
                uuid: medium.uuid,
                size: medium.size.unwrap_or(Bytes(0)),
                format: medium.format.clone(),
                variant: "dynamic".to_owned(),
            };
            self.tree.write(&medium.location, content);
            attachment.medium = AttachedMedium::Image(medium.uuid);
            self.media.insert(medium.uuid, SimMedium { medium, registries: vec![uuid] }.into());
        }
        let clone = self.machine_mut(uuid)?;
        clone.hardware = hardware;
        clone.extra = original.extra;
        Ok(())
    }
}
