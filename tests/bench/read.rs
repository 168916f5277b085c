//! How long reading a host of a hundred machines takes: `cargo bench --bench read`.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark prints, and may panic"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use uuid::Uuid;
use vboxmcp::host::virtualbox::settings::read_machine;
use vboxmcp::host::virtualbox::{Environment, Home, VirtualBox};
use vboxmcp::host::{Inspect, Want};

const MACHINES: u128 = 100;
const ROUNDS: usize = 300;

/// A machine as `createvm --default` makes it, with the disk that a manifest would give it.
const MACHINE: &str = include_str!("../fixtures/settings/default-1.19.vbox");

/// The beginning of an empty dynamic VDI image of 1 GiB.
fn vdi(uuid: Uuid) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[0x40..0x48].copy_from_slice(&[0x7f, 0x10, 0xda, 0xbe, 1, 0, 1, 0]);
    header[0x4c] = 1;
    header[0x170..0x178].copy_from_slice(&(1_u64 << 30).to_le_bytes());
    header[0x188..0x198].copy_from_slice(&uuid.to_bytes_le());
    header
}

fn make(root: &Path) {
    let mut entries = String::new();
    for number in 1..=MACHINES {
        let (machine, disk) = (Uuid::from_u128(number), Uuid::from_u128(number << 64));
        let folder = root.join("vms").join(format!("m{number}"));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("m{number}.vbox"));
        let registry = format!(
            "<MediaRegistry><HardDisks><HardDisk uuid=\"{{{disk}}}\" location=\"root.vdi\" format=\"VDI\" type=\"Normal\"/></HardDisks></MediaRegistry>\n    <Hardware>"
        );
        let attached = format!(
            "SlaveEmulationPort=\"3\"><AttachedDevice type=\"HardDisk\" port=\"0\" device=\"0\"><Image uuid=\"{{{disk}}}\"/></AttachedDevice></StorageController>"
        );
        let text = MACHINE
            .replace("f4bbb576-1d42-4f5f-aacf-e9b822552f02", &machine.to_string())
            .replace("<Hardware>", &registry)
            .replace("SlaveEmulationPort=\"3\"/>", &attached);
        assert!(text.contains(&attached) && text.contains(&registry));
        fs::write(&file, text).unwrap();
        fs::write(folder.join("root.vdi"), vdi(disk)).unwrap();
        writeln!(entries, "<MachineEntry uuid=\"{{{machine}}}\" src=\"{}\"/>", file.display()).unwrap();
    }
    let registry = format!(
        "<?xml version=\"1.0\"?>\n<VirtualBox xmlns=\"http://www.virtualbox.org/\" version=\"1.12-linux\"><Global>\
         <MachineRegistry>{entries}</MachineRegistry></Global></VirtualBox>"
    );
    fs::write(root.join("VirtualBox.xml"), registry).unwrap();
}

fn measure(what: &str, mut work: impl FnMut()) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("{what}: least {:?}, median {:?}", times[0], times[ROUNDS / 2]);
}

fn main() {
    let root = tempfile::tempdir().unwrap();
    make(root.path());
    let environment = Environment {
        vbox_user_home: Some(root.path().to_owned()),
        vbox_ipc_socketid: Some("vboxmcp-bench".to_owned()),
        ..Environment::default()
    };
    let host = || VirtualBox::new(Home::locate(&environment), Err(Vec::new()));
    let want = Want { states: true, ..Want::default() };
    let inventory = host().inventory(&want).unwrap();
    assert_eq!(inventory.machines.len(), inventory.media.len());
    assert!(inventory.media.values().all(|medium| medium.size.is_some()));

    let files: Vec<_> =
        inventory.machines.values().map(|machine| (machine.uuid, machine.settings_file.clone())).collect();
    let texts: Vec<_> =
        files.iter().map(|(uuid, file)| (*uuid, file, fs::read_to_string(file).unwrap())).collect();
    measure("100 settings files, without reading them from disk", || {
        for (uuid, file, text) in &texts {
            read_machine(text, *uuid, file).unwrap();
        }
    });
    measure("100 machines and 100 disks, read", || drop(host().inventory(&want).unwrap()));
    let known = host();
    measure("the same again, nothing changed", || drop(known.inventory(&want).unwrap()));
    measure("one machine of them", || drop(known.reread(Uuid::from_u128(1), true).unwrap()));
}
