//! What somebody does with VBoxManage, in VBoxManage's own words.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use vboxmcp::host::sim::{ByHand, IGNORES_ACPI};
use vboxmcp::host::virtualbox::{Spellings, command_lines};
use vboxmcp::inventory::DeviceKind;
use vboxmcp::model::{FieldPath, Location};
use vboxmcp::plan::{Action, Assignment, Target};

use crate::guest::Guest;
use crate::home::{Home, Output, eventually, kill, path};

/// Does something to a real VirtualBox.
pub fn do_by_hand(home: &Home, hand: &ByHand) {
    let run = |arguments: &[&str]| -> Output { home.vbox(arguments) };
    let ok = |arguments: &[&str]| {
        run(arguments).ok();
    };
    match hand {
        ByHand::Create { name, os_type, groups } => {
            let groups = if groups.is_empty() { "/".to_owned() } else { groups.join(",") };
            ok(&[
                "createvm",
                "--register",
                &flag("name", name),
                &flag("ostype", os_type),
                &flag("groups", groups),
            ]);
        }
        ByHand::Clone { machine, name } => ok(&["clonevm", machine, "--register", &flag("name", name)]),
        ByHand::Set { machine, set } => set_by_hand(home, machine, set),
        ByHand::ExtraData { machine, key, value } => {
            let target = machine.as_deref().unwrap_or("global");
            match value {
                Some(value) => ok(&["setextradata", target, key, value]),
                None => ok(&["setextradata", target, key]),
            }
        }
        ByHand::GuestProperty { machine, key, value: Some(value) } => {
            ok(&["guestproperty", "set", machine, key, value]);
        }
        ByHand::GuestProperty { machine, key, value: None } => ok(&["guestproperty", "unset", machine, key]),
        ByHand::RemoveMark(machine) => ok(&["setextradata", machine, "vboxmcp/owner"]),
        ByHand::AddController { machine, name, controller } => {
            let uuid = home.info(machine, "UUID").unwrap().parse().unwrap();
            let (machine, name) = (Target::Existing(uuid), name.clone());
            act(home, &Action::AddController { machine, name, controller: controller.clone() });
        }
        ByHand::AddDisk { machine, file, size, at } => {
            let file = below(home, machine, file);
            ok(&["createmedium", "disk", &flag("filename", path(&file)), &flag("sizebyte", size)]);
            if let Some(at) = at {
                attach(home, machine, at, DeviceKind::Disk, path(&file));
            }
        }
        ByHand::CloseDisk { machine, file } => {
            ok(&["closemedium", "disk", path(&below(home, machine, file))]);
        }
        ByHand::GrowDisk { machine, file, size } => {
            ok(&["modifymedium", "disk", path(&below(home, machine, file)), &flag("resizebyte", size)]);
        }
        ByHand::Attach { machine, at, kind, file } => {
            let file = file.as_ref().map(|file| below(home, machine, file));
            attach(home, machine, at, *kind, file.as_deref().map_or("emptydrive", path));
        }
        ByHand::Detach { machine, at } => {
            ok(&[
                &["storageattach", machine.as_str()][..],
                &place(at).each_ref().map(String::as_str),
                &["--medium=none"],
            ]
            .concat());
        }
        ByHand::AddSharedFolder { machine, name, folder } => {
            let host_path = folder.host_path.clone().unwrap();
            ok(&["sharedfolder", "add", machine, &flag("name", name), &flag("hostpath", host_path)]);
        }
        ByHand::RemoveSharedFolder { machine, name } => {
            ok(&["sharedfolder", "remove", machine, &flag("name", name)]);
        }
        ByHand::TakeSnapshot { machine, name } => ok(&["snapshot", machine, "take", name]),
        ByHand::RestoreSnapshot { machine, name } => ok(&["snapshot", machine, "restore", name]),
        ByHand::DescribeSnapshot { machine, name, description } => {
            ok(&["snapshot", machine, "edit", name, &format!("--description={description}")]);
        }
        ByHand::DeleteSnapshot { machine, name } => ok(&["snapshot", machine, "delete", name]),
        ByHand::InstallGuest { machine, obeys } => {
            let disk = below(home, machine, Path::new("guest.vdi"));
            let guest = if *obeys { Guest::ObeysAcpi } else { Guest::IgnoresAcpi };
            guest.write_disk(home, &disk);
            ok(&["storagectl", machine, "--name", "IDE", "--add=ide"]);
            let at = Location { controller: "IDE".to_owned(), port: 0, device: 0 };
            attach(home, machine, &at, DeviceKind::Disk, path(&disk));
            if !obeys {
                ok(&["setextradata", machine, IGNORES_ACPI, "1"]);
            }
        }
        ByHand::Network(change) => act(home, &Action::Network { change: change.clone() }),
        ByHand::HaveHostOnlyNetworks => panic!("VirtualBox has them on macOS only"),
        ByHand::Start(machine) => ok(&["startvm", machine, "--type=headless"]),
        ByHand::Pause(machine) => ok(&["controlvm", machine, "pause"]),
        ByHand::Resume(machine) => ok(&["controlvm", machine, "resume"]),
        ByHand::SaveState(machine) => home.save_state(machine),
        ByHand::DiscardState(machine) => ok(&["discardstate", machine]),
        ByHand::PowerOff(machine) => ok(&["controlvm", machine, "poweroff"]),
        ByHand::Kill(machine) => {
            let uuid = home.info(machine, "UUID").unwrap();
            kill(home.vm_pid(&uuid).expect("it runs"));
            eventually("it is aborted", 10, || home.state(&uuid) == "aborted");
        }
        ByHand::Unregister { machine, delete: true } => ok(&["unregistervm", machine, "--delete"]),
        ByHand::Unregister { machine, delete: false } => ok(&["unregistervm", machine]),
        ByHand::Register(file) => ok(&["registervm", path(&home.machines().join(file))]),
        ByHand::DeleteFile { machine, file } => fs::remove_file(below(home, machine, file)).unwrap(),
        ByHand::MoveFile { machine, file, to } => {
            let (file, to) = (below(home, machine, file), below(home, machine, to));
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::rename(file, to).unwrap();
        }
        ByHand::CopyFile { machine, file, to } => {
            fs::copy(below(home, machine, file), below(home, machine, to)).unwrap();
        }
        ByHand::WriteFile(file) => {
            let file = home.machines().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        ByHand::Break(machine) => {
            let file = settings_file(home, machine);
            // VirtualBox's server does not look at a file again that it has read.
            home.wait_no_server();
            let text = fs::read_to_string(&file).unwrap();
            fs::write(&file, &text[..text.len() / 2]).unwrap();
        }
    }
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}

fn settings_file(home: &Home, machine: &str) -> PathBuf {
    PathBuf::from(home.info(machine, "CfgFile").expect("it has a settings file"))
}

fn below(home: &Home, machine: &str, file: &Path) -> PathBuf {
    settings_file(home, machine).parent().unwrap().join(file)
}

fn place(at: &Location) -> [String; 3] {
    [flag("storagectl", &at.controller), flag("port", at.port), flag("device", at.device)]
}

fn attach(home: &Home, machine: &str, at: &Location, kind: DeviceKind, medium: &str) {
    let kind = match kind {
        DeviceKind::Disk => "hdd",
        DeviceKind::Dvd => "dvddrive",
        DeviceKind::Floppy => "fdd",
    };
    let (kind, medium) = (flag("type", kind), flag("medium", medium));
    let place = place(at);
    home.vbox(
        &[&["storageattach", machine][..], &place.each_ref().map(String::as_str), &[&kind, &medium]].concat(),
    )
    .ok();
}

/// Settings have many flags: those of the product are used, which tests of their own compare with what VirtualBox makes of them.
fn set_by_hand(home: &Home, machine: &str, set: &std::collections::BTreeMap<String, Value>) {
    let target = Target::Existing(home.info(machine, "UUID").unwrap().parse().unwrap());
    let assignments: Vec<Assignment> = set
        .iter()
        .map(|(path, value)| {
            let Ok(path) = path.parse::<FieldPath>();
            Assignment { path, value: Some(value.clone()).filter(|value| !value.is_null()) }
        })
        .collect();
    let live = matches!(home.state(machine).as_str(), "running" | "paused");
    act(
        home,
        &if live {
            Action::ModifyLive { machine: target, set: assignments, save: None }
        } else {
            Action::ModifyMachine { machine: target, set: assignments }
        },
    );
}

fn act(home: &Home, action: &Action) {
    for command in command_lines(action, &Spellings::default()).unwrap() {
        let arguments: Vec<&str> = command.arguments().collect();
        home.vbox(&arguments).ok();
    }
}
