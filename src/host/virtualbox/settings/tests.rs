//! The reader on files that VirtualBox 7.2.22 wrote, in both layouts.
//!
//! What it reads stands beside each file; `VBOXMCP_UPDATE=1` writes it again, to be looked at as a difference.

use std::path::{Path, PathBuf};

use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use serde_json::json;
use uuid::Uuid;

use super::{Distrust, MachineFile, read_machine};
use crate::inventory::{AttachedMedium, MarkState};
use crate::model::{PowerState, settings::Firmware};

const FIXTURES: [&str; 6] =
    ["default-1.19", "devices-1.19", "devices-1.21", "platform-1.19", "platform-1.20", "snapshot-1.19"];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/settings").join(name)
}

fn fixture(name: &str) -> String {
    std::fs::read_to_string(path(&format!("{name}.vbox"))).unwrap()
}

fn uuid_in(text: &str) -> Uuid {
    let (_, rest) = text.split_once("<Machine uuid=\"").unwrap();
    Uuid::try_parse(&rest[..38]).unwrap()
}

fn read(text: &str) -> Result<MachineFile, Distrust> {
    read_machine(text, uuid_in(text), Path::new("/vms/a/b/full/full.vbox"))
}

fn reason(text: &str) -> String {
    read(text).unwrap_err().reason().to_owned()
}

#[test]
fn every_field_is_read() {
    for name in FIXTURES {
        let file = read(&fixture(name)).unwrap();
        let seen = json!({ "machine": file.machine, "media": file.media, "nvram": file.nvram });
        let seen = serde_json::to_string_pretty(&seen).unwrap() + "\n";
        let expected = path(&format!("{name}.json"));
        #[expect(clippy::disallowed_methods, reason = "a switch of the test")]
        if std::env::var_os("VBOXMCP_UPDATE").is_some() {
            std::fs::write(&expected, &seen).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&expected).unwrap_or_default(), seen, "{name}");
    }
}

#[test]
fn no_setting_of_a_readable_machine_is_left_out() {
    for name in FIXTURES {
        let settings = serde_json::to_value(read(&fixture(name)).unwrap().machine.settings).unwrap();
        let written = settings.as_object().unwrap().len();
        // Secure boot stands in the file of firmware variables.
        assert_eq!(written, 61, "{name}: a new setting must be read too: {settings}");
    }
}

#[test]
fn both_layouts_say_the_same() {
    let mut old = read(&fixture("platform-1.19")).unwrap().machine;
    let new = read(&fixture("platform-1.20")).unwrap().machine;
    old.settings.chipset.clone_from(&new.settings.chipset);
    old.settings.execution_engine.clone_from(&new.settings.execution_engine);
    assert_eq!(old, new);
}

#[test]
fn values_stand_where_they_belong() {
    let machine = read(&fixture("platform-1.19")).unwrap().machine;
    assert_eq!(machine.settings.description.as_deref(), Some("line 1\n\"q\" <x> & ü\ttab\n"));
    assert_eq!(machine.settings.firmware, Some(Firmware::Efi));
    assert_eq!(machine.settings.cpus, Some(2));
    let machine = read(&fixture("devices-1.19")).unwrap().machine;
    let rules =
        machine.settings.nics.as_ref().unwrap()[&1].nat.as_ref().unwrap().port_forwards.as_ref().unwrap();
    assert_eq!(rules["dns"].to_string(), "*:5353:10.9.0.15:53/udp");
    let text = serde_json::to_string(&machine).unwrap();
    assert!(!text.contains("SHA-512") && !text.contains("Certificate"), "{text}");
}

#[test]
fn the_current_state_is_not_a_snapshot_s() {
    let file = read(&fixture("devices-1.21")).unwrap();
    let leaf = file.machine.attachments.iter().find(|a| a.controller == "SATA").unwrap();
    let AttachedMedium::Image(leaf) = leaf.medium else { panic!("{leaf:?}") };
    let base = file.media.iter().find(|medium| medium.parent.is_none()).unwrap().uuid;
    let first = file.machine.snapshots.unwrap();
    assert_ne!(leaf, base);
    assert!(first.media.contains(&base) && !first.media.contains(&leaf));
    assert_eq!((first.name.as_str(), first.description.as_str()), ("s1", "d \"x\"\ny"));
    assert_eq!(first.children[0].name, "s2");
    assert_eq!(file.machine.current_snapshot, Some(first.children[0].uuid));
}

#[test]
fn states_of_machines_that_are_not_live() {
    let text = fixture("default-1.19");
    let with = |attributes: &str| {
        let text = text.replace(" OSType=", &format!(" {attributes} OSType="));
        read(&text).unwrap().machine.state.unwrap()
    };
    assert_eq!(with(""), PowerState::PowerOff);
    assert_eq!(with("aborted='true'"), PowerState::Aborted);
    assert_eq!(with("stateFile='Snapshots/x.sav'"), PowerState::Saved);
    assert_eq!(with("stateFile='Snapshots/x.sav' aborted='true'"), PowerState::AbortedSaved);
}

#[test]
fn what_is_unknown_is_not_guessed() {
    let text = fixture("default-1.19");
    let newer = text.replace("1.19-linux", "1.30-linux");
    assert_eq!(reason(&newer), "settings version 1.30 is unknown to vboxmcp");
    assert!(matches!(read(&newer), Err(Distrust::Unknown(_))));
    assert_eq!(
        reason(&text.replace("<Hardware>", "<Hardware><Turbo enabled='true'/>")),
        "its Machine/Hardware/Turbo is unknown to vboxmcp"
    );
    assert_eq!(
        reason(&text.replace("<Memory ", "<Memory Speed='9' ")),
        "its Machine/Hardware/Memory@Speed is unknown to vboxmcp"
    );
    assert_eq!(
        reason(&text.replace("RAMSize=\"4096\"", "RAMSize=\"much\"")),
        "Machine/Hardware/Memory@RAMSize is `much`, not a number"
    );
    let word = text.replace("VBoxSVGA", "HyperGpu");
    let graphics = read(&word).unwrap().machine.settings.graphics.clone().unwrap();
    assert_eq!(graphics.controller.unwrap().as_str(), "HyperGpu");
}

#[test]
fn what_is_no_file_of_the_machine_is_broken() {
    let text = fixture("default-1.19");
    for broken in ["", "not XML", &text[..text.len() / 2], "<Settings/>"] {
        let read = read_machine(broken, uuid_in(&text), Path::new("/vms/x/x.vbox"));
        assert!(matches!(read, Err(Distrust::Broken(_))), "{read:?}");
    }
    let other = read_machine(&text, Uuid::from_u128(1), Path::new("/vms/x/x.vbox"));
    assert!(matches!(other, Err(Distrust::Broken(_))));
}

#[test]
fn marks_are_split_off() {
    let text = fixture("devices-1.19");
    let uuid = uuid_in(&text);
    let mark = |uuid: Uuid| {
        let value = format!(
            "{{&quot;v&quot;:1,&quot;stack&quot;:&quot;shop&quot;,&quot;address&quot;:&quot;vm/a&quot;,&quot;uuid&quot;:&quot;{uuid}&quot;,&quot;n&quot;:3}}"
        );
        let item = format!("<ExtraData><ExtraDataItem name=\"vboxmcp/owner\" value=\"{value}\"/>");
        let machine = read(&text.replace("<ExtraData>", &item)).unwrap().machine;
        let extra = machine.settings.extra_data.clone().unwrap();
        assert!(extra.contains_key("GUI/x") && !extra.contains_key("vboxmcp/owner"));
        machine.mark
    };
    assert!(matches!(mark(uuid), MarkState::Valid(mark) if mark.n == 3));
    assert!(matches!(mark(Uuid::from_u128(1)), MarkState::Foreign(_)));
}

#[test]
fn deep_trees_are_read() {
    let text = fixture("default-1.19");
    let nested = |open: &str, close: &str, times: usize| open.repeat(times) + &close.repeat(times);
    let snapshot = "<Snapshot uuid='{00000000-0000-0000-0000-000000000001}' name='s'><Snapshots>";
    let snapshots = nested(snapshot, "</Snapshots></Snapshot>", 250);
    let disk = "<HardDisk uuid='{00000000-0000-0000-0000-000000000001}' location='x' format='VDI'>";
    let disks = nested(disk, "</HardDisk>", 500);
    let registry =
        format!("<MediaRegistry><HardDisks>{disks}</HardDisks></MediaRegistry>{snapshots}<Hardware>");
    let file = read(&text.replace("<Hardware>", &registry)).unwrap();
    assert_eq!(file.media.len(), 500);
    assert_eq!(file.machine.snapshots.unwrap().leaves_first().len(), 250);
}

/// One change of a text: what stands from one place on, so many bytes, is removed, repeated, or replaced by something.
fn changed(text: &[u8], at: usize, length: usize, with: &[u8]) -> Vec<u8> {
    let at = at % (text.len() + 1);
    let end = at.saturating_add(length).min(text.len());
    [&text[..at], with, &text[end..]].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever happened to a file, reading it ends in settings or in a reason.
    #[test]
    fn no_file_is_too_broken(
        fixture_index in 0..FIXTURES.len(),
        changes in proptest::collection::vec((any::<usize>(), 0..200_usize, 0..12_usize, any::<usize>()), 1..8),
    ) {
        const PIECES: [&[u8]; 10] = [
            b"", b"\"", b"<", b"/>", b"&#0;", b"-1", b"99999999999999999999", b"\xff\xfe", b"<Adapter slot=\"4294967295\" enabled=\"true\"/>",
            "\u{1f680}".as_bytes(),
        ];
        let text = fixture(FIXTURES[fixture_index]);
        let uuid = uuid_in(&text);
        let mut bytes = text.into_bytes();
        for (at, length, piece, from) in changes {
            let repeated = from % bytes.len().max(1);
            let repeated = bytes[repeated..(repeated + length).min(bytes.len())].to_vec();
            bytes = changed(&bytes, at, length, PIECES.get(piece).copied().unwrap_or(&repeated));
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(file) = read_machine(&text, uuid, Path::new("/vms/x/x.vbox")) {
            prop_assert_eq!(file.machine.uuid, uuid);
            prop_assert!(serde_json::to_string(&file.machine).is_ok());
        }
        let _ = super::read_global(&text, Path::new("/home/x"));
        let _ = crate::host::virtualbox::info::Pairs::parse(&text);
    }
}
