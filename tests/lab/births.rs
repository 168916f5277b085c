//! Machines that are born whole: VirtualBox makes of their files what was meant, and they end as those that VBoxManage makes.

use std::collections::BTreeMap;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use uuid::Uuid;
use vboxmcp::host::virtualbox::settings::read_machine;
use vboxmcp::host::virtualbox::settings::write::{Birth, write_machine};
use vboxmcp::host::{Inspect, Want};
use vboxmcp::inventory::{Access, AttachedMedium, DeviceKind, Machine};
use vboxmcp::model::settings::GraphicsController;
use vboxmcp::model::{NicMode, Settings};

use crate::Test;
use crate::home::path;
use crate::lab::Lab;
use crate::random::Random;
use crate::reader::generate::{Place, recipe};
use crate::reader::reader;

pub const TESTS: &[Test] =
    &[("what_is_written_is_what_virtualbox_reads", what_is_written_is_what_virtualbox_reads)];

/// How many machines; more with `VBOXMCP_MACHINES`.
const MACHINES: usize = 60;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Random machines that VBoxManage made are written anew, registered, and saved by VirtualBox: what it understood is what was meant.
fn what_is_written_is_what_virtualbox_reads(lab: &Lab) {
    let seed = variable("VBOXMCP_SEED").unwrap_or_else(|| {
        u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
    });
    let machines = variable("VBOXMCP_MACHINES").map_or(MACHINES, |number| usize::try_from(number).unwrap());
    eprintln!("{machines} machines of VBOXMCP_SEED={seed}");
    let home = lab.home();
    let host = reader(lab, &home);
    let place = Place::make(home.scratch());
    let mut random = Random::new(seed);
    let mut meant = BTreeMap::new();
    for index in 0..machines {
        let recipe = recipe(&mut random, &place, index);
        for command in &recipe.commands {
            // What VirtualBox refuses is not there, and everything else is.
            let _ = home.vbox(&command.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let made = host.reread(recipe.uuid, false).unwrap().machines.remove(&recipe.uuid).unwrap();
        let text = fs::read_to_string(&made.settings_file).unwrap();
        let read = read_machine(&text, recipe.uuid, &made.settings_file).unwrap().machine;
        let uuid = Uuid::new_v5(&recipe.uuid, b"again");
        let machine = again(read, uuid, home.scratch().join(format!("born/{index}/born {index}.vbox")));
        let controllers: Vec<String> =
            machine.settings.controllers.iter().flatten().map(|(n, _)| n.clone()).collect();
        let birth = Birth {
            machine: &machine,
            extra: &BTreeMap::from([("who/am/i".to_owned(), "born \"whole\"\n".to_owned())]),
            disabled: &BTreeMap::new(),
            media: &[],
            controllers: &controllers,
            time: "2026-01-31T12:00:00Z",
            nanoseconds: 1_769_860_800_000_000_000,
        };
        let text = write_machine(&birth).unwrap_or_else(|unfit| panic!("{index}: {unfit}"));
        fs::create_dir_all(machine.folder()).unwrap();
        fs::write(&machine.settings_file, text).unwrap();
        home.vbox(&["registervm", path(&machine.settings_file)]).ok();
        // Now VirtualBox writes it.
        home.vbox(&["setextradata", &uuid.to_string(), "saved", "1"]).ok();
        meant.insert(uuid, machine);
    }
    let inventory = host.inventory(&Want::default()).unwrap();
    let mut wrong = Vec::new();
    for (uuid, machine) in &meant {
        let there = &inventory.machines[uuid];
        assert_eq!(there.access, Access::Settings);
        let text = fs::read_to_string(&machine.settings_file).unwrap();
        assert!(text.contains("version=\"1.19-") && text.contains("name=\"saved\""), "{text}");
        let of = |machine: &Machine| {
            serde_json::json!({
                "name": machine.name,
                "settings": machine.settings,
                "attachments": machine.attachments,
                "remembered": machine.remembered,
            })
        };
        compare(&of(machine), &of(there), &mut vec![machine.name.clone().unwrap()], &mut wrong);
    }
    assert!(wrong.is_empty(), "VBOXMCP_SEED={seed}\n{}", wrong.join("\n"));
}

/// The same machine once more, without what belongs to one machine alone and what a new settings file cannot hold.
fn again(mut machine: Machine, uuid: Uuid, file: std::path::PathBuf) -> Machine {
    let usual = Settings::default();
    machine.name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    machine.settings_file = file;
    machine.snapshots = None;
    machine.current_snapshot = None;
    machine.beyond.clear();
    let settings = &mut machine.settings;
    if settings.hardware_uuid == Some(machine.uuid.to_string()) {
        settings.hardware_uuid = Some(uuid.to_string());
    }
    machine.uuid = uuid;
    settings.extra_data = Some(BTreeMap::from([
        ("who/am/i".to_owned(), Some("born \"whole\"\n".to_owned())),
        ("saved".to_owned(), Some("1".to_owned())),
    ]));
    settings.secure_boot = usual.secure_boot;
    settings.icon = Some(String::new());
    settings.execution_engine = Some("default".to_owned());
    settings.page_fusion = Some(false);
    if settings.description.as_deref().is_some_and(|text| text.trim().is_empty()) {
        settings.description = Some(String::new());
    }
    if let Some(vrde) = &mut settings.vrde {
        vrde.enabled = Some(false);
    }
    if let Some(autostart) = &mut settings.autostart {
        (autostart.enabled, autostart.stop) = (Some(false), Some("disabled".to_owned()));
    }
    settings.recording = None;
    if let Some(graphics) =
        settings.graphics.as_mut().filter(|g| g.controller == Some(GraphicsController::QemuRamFb))
    {
        graphics.controller = Some(GraphicsController::VmSvga);
    }
    for folder in settings.shared_folders.iter_mut().flatten() {
        folder.1.symlinks = Some("forbidden".to_owned());
    }
    for nat in settings.nics.iter_mut().flatten().filter_map(|(_, nic)| nic.nat.as_mut()) {
        nat.forward_broadcast = Some(false);
        if let Some(tftp) = &mut nat.tftp {
            tftp.enabled = Some(false);
        }
    }
    for nic in settings.nics.iter_mut().flatten().map(|(_, nic)| nic) {
        if nic.mode == Some(NicMode::Cloud) {
            (nic.mode, nic.network) = (Some(NicMode::Unattached), None);
        }
    }
    machine.attachments.retain(|attachment| attachment.kind != DeviceKind::Disk);
    for attachment in &mut machine.attachments {
        if matches!(attachment.medium, AttachedMedium::Image(_)) {
            attachment.medium = AttachedMedium::Empty;
        }
    }
    machine
}

/// What differs, as paths. What was not meant is not looked at.
fn compare(meant: &Value, there: &Value, path: &mut Vec<String>, wrong: &mut Vec<String>) {
    match (meant, there) {
        (Value::Object(meant), Value::Object(there)) => {
            for (key, value) in meant {
                path.push(key.clone());
                compare(value, there.get(key).unwrap_or(&Value::Null), path, wrong);
                path.pop();
            }
            let more = there.keys().filter(|key| !meant.contains_key(*key));
            // They are not in the file, or were not meant.
            let more = more.filter(|key| !matches!(key.as_str(), "recording" | "secureBoot"));
            wrong.extend(more.map(|key| format!("{}.{key} is there", path.join("."))));
        }
        (meant, there) if meant == there => {}
        _ => wrong.push(format!("{}: meant {meant}, is {there}", path.join("."))),
    }
}
