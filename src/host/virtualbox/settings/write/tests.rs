//! The writer against the reader: what is written is read as what was meant.

use std::path::Path;

use uuid::Uuid;

use super::super::read_machine;
use super::*;
use crate::inventory::Registry;
use crate::model::Settings;

fn read(name: &str) -> (Machine, Vec<Medium>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/settings");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let uuid = super::super::settings_uuid(&text).unwrap();
    let file = read_machine(&text, uuid, Path::new("/vms/m/m.vbox")).unwrap();
    (file.machine, file.media)
}

fn written(machine: &Machine, media: &[Medium]) -> Result<String, Unfit> {
    let controllers: Vec<String> =
        machine.settings.controllers.iter().flatten().map(|(name, _)| name.clone()).collect();
    let extra = machine.settings.extra_data.iter().flatten();
    let extra = extra.filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect();
    write_machine(&Birth {
        machine,
        extra: &extra,
        disabled: &BTreeMap::new(),
        media,
        controllers: &controllers,
        time: "2026-01-31T12:00:00Z",
        nanoseconds: 0,
    })
}

#[test]
fn what_virtualbox_wrote_is_written_again() {
    for name in ["default-1.19.vbox", "platform-1.19.vbox", "devices-1.19.vbox"] {
        let (mut machine, media) = read(name);
        machine.beyond.clear();
        // What VirtualBox does beside the file.
        machine.settings.recording = read("default-1.19.vbox").0.settings.recording.clone();
        if let Some(vrde) = &mut machine.settings.vrde {
            vrde.enabled = Some(false);
        }
        let text = written(&machine, &media).unwrap();
        let again = read_machine(&text, machine.uuid, &machine.settings_file).unwrap();
        assert_eq!(again.machine, machine, "{name}\n{text}");
        assert_eq!(again.media, media, "{name}\n{text}");
    }
}

#[test]
fn text_of_every_kind_comes_back() {
    let (mut machine, _) = read("default-1.19.vbox");
    let text = "\"quoted\" <a b='c'>&amp;</a>\n\ttab\u{fc} \u{1f680}\r\nend";
    machine.name = Some("a & b".to_owned());
    machine.settings.description = Some(text.to_owned());
    machine.settings.extra_data = Some(BTreeMap::from([("key".to_owned(), Some(text.to_owned()))]));
    machine.settings.guest_properties = Some(BTreeMap::from([("/p".to_owned(), Some(text.to_owned()))]));
    let written = written(&machine, &[]).unwrap();
    let again = read_machine(&written, machine.uuid, &machine.settings_file).unwrap();
    assert_eq!(again.machine, machine, "{written}");
}

#[test]
fn what_cannot_be_written_is_said() {
    let (machine, media) = read("default-1.19.vbox");
    let unfit = |change: &dyn Fn(&mut Machine)| {
        let mut machine = machine.clone();
        change(&mut machine);
        written(&machine, &media).unwrap_err().to_string()
    };
    let settings =
        |change: &'static dyn Fn(&mut Settings)| unfit(&move |machine| change(&mut machine.settings));
    let said = settings(&|settings| settings.execution_engine = Some("interpreter".to_owned()));
    assert_eq!(said, "executionEngine cannot be written into a new settings file");
    let said = settings(&|settings| settings.description = Some("bell \u{7}".to_owned()));
    assert_eq!(said, "a control character cannot be written into a new settings file");
    let said = settings(&|settings| settings.icon = Some("sha256:00".to_owned()));
    assert_eq!(said, "icon cannot be written into a new settings file");
    let said = settings(&|settings| settings.clipboard.get_or_insert_default().mode = Some("new".to_owned()));
    assert_eq!(said, "`new` cannot be written into a new settings file");
    let said = unfit(&|machine| machine.name = None);
    assert_eq!(said, "a machine without a name cannot be written into a new settings file");
}

#[test]
fn disks_inside_of_the_folder_move_with_it() {
    let (machine, _) = read("default-1.19.vbox");
    let disk = |name: &str| Medium {
        uuid: Uuid::new_v5(&machine.uuid, name.as_bytes()),
        kind: crate::inventory::MediumKind::Disk,
        location: name.into(),
        format: "vdi".to_owned(),
        medium_type: "writethrough".to_owned(),
        parent: None,
        registry: Registry::Machine(machine.uuid),
        size: None,
        variant: None,
        health: crate::inventory::MediumHealth::Unknown,
        auto_reset: false,
        description: "of mine".to_owned(),
    };
    let media = [disk("/vms/m/a.vdi"), disk("/disks/b.vdi")];
    let text = written(&machine, &media).unwrap();
    assert!(text.contains("location=\"a.vdi\"") && text.contains("location=\"/disks/b.vdi\""), "{text}");
    let again = read_machine(&text, machine.uuid, &machine.settings_file).unwrap();
    assert_eq!(again.media, media);
}
