//! Machines that are born whole: VirtualBox makes of their files what was meant, and they end as those that VBoxManage makes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;
use vboxmcp::host::virtualbox::settings::read_machine;
use vboxmcp::host::virtualbox::settings::write::{Birth, write_machine};
use vboxmcp::host::{Inspect, Want};
use vboxmcp::inventory::{Access, AttachedMedium, DeviceKind, Machine};
use vboxmcp::model::settings::GraphicsController;
use vboxmcp::model::{NicMode, Settings};

use crate::Test;
use crate::home::{Home, Output, path, run};
use crate::lab::Lab;
use crate::random::{Draw, Random};
use crate::reader::generate::{Place, recipe};
use crate::reader::reader;

pub const TESTS: &[Test] = &[
    ("what_is_written_is_what_virtualbox_reads", what_is_written_is_what_virtualbox_reads),
    ("an_empty_disk_is_as_createmedium_makes_it", an_empty_disk_is_as_createmedium_makes_it),
    ("one_call_makes_a_machine", one_call_makes_a_machine),
    ("a_birth_that_was_cut_short_is_finished", a_birth_that_was_cut_short_is_finished),
    ("what_is_left_of_a_birth_is_destroyed", what_is_left_of_a_birth_is_destroyed),
    ("what_has_lived_since_its_birth_stays", what_has_lived_since_its_birth_stays),
    ("what_is_in_the_way_is_left_alone", what_is_in_the_way_is_left_alone),
    ("what_a_settings_file_cannot_hold_is_made_by_commands", what_a_settings_file_cannot_hold),
];

/// How many machines.
const MACHINES: usize = 60;

/// Random machines that VBoxManage made are written anew, registered, and saved by VirtualBox: what it understood is what was meant.
fn what_is_written_is_what_virtualbox_reads(lab: &Lab) {
    let Draw { seed, machines } = Draw::of(MACHINES);
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

/// A manifest of some machines with a disk each.
fn lab_of(home: &Home, names: &[&str], spec: &str) -> PathBuf {
    let mut text = "apiVersion: vboxmcp/v1\nkind: Stack\nmetadata: {name: born}\n".to_owned();
    for name in names {
        let lifecycle = "lifecycle: {onRemove: delete}";
        let head = "---\napiVersion: vboxmcp/v1\nkind: VirtualMachine";
        writeln!(text, "{head}\nmetadata: {{name: {name}}}\n{lifecycle}\nspec: {{{spec}}}").unwrap();
    }
    let file = home.scratch().join("born.yaml");
    fs::write(&file, text).unwrap();
    file
}

#[track_caller]
fn expect(said: Output, code: i32) -> Output {
    assert_eq!(said.code, Some(code), "{said:?}");
    said
}

/// Nothing is left to do.
#[track_caller]
fn settled(home: &Home, file: &Path) {
    let said = expect(home.vboxmcp(&["plan", path(file), "--detailed-exitcode"]), 0).stdout;
    assert!(said.contains("No changes."), "{said}");
}

/// A VBoxManage that writes its calls down, and kills who calls it at the first call that begins with `kills_at`.
fn recorder(home: &Home, lab: &Lab, kills_at: &str) -> PathBuf {
    let folder = home.scratch().join("recorder");
    fs::create_dir_all(&folder).unwrap();
    let (calls, real) = (folder.join("calls"), lab.vboxmanage());
    let text = format!(
        "#!/bin/sh\necho \"$1\" >>'{}'\n[ \"$1\" = '{kills_at}' ] && kill -KILL $PPID\nexec '{}' \"$@\"\n",
        calls.display(),
        real.display()
    );
    let program = folder.join("VBoxManage");
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let server = folder.join("VBoxSVC");
    if !server.exists() {
        symlink(real.with_file_name("VBoxSVC"), server).unwrap();
    }
    program
}

/// Runs vboxmcp with another VBoxManage.
fn with(home: &Home, program: &Path, arguments: &[&str]) -> Output {
    let mut command = home.command(env!("CARGO_BIN_EXE_vboxmcp"));
    command.env("VBOXMCP_VBOXMANAGE", program).args(arguments);
    run(&mut command, Duration::from_mins(2)).expect("vboxmcp ends")
}

fn calls(home: &Home) -> Vec<String> {
    let text = fs::read_to_string(home.scratch().join("recorder/calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn an_empty_disk_is_as_createmedium_makes_it(lab: &Lab) {
    let home = lab.home();
    // The least, an odd one, an everyday one, and one whose block map is longer than a block.
    let sizes = [("1MiB", 1 << 20), ("1536KiB", 3 << 19), ("10GiB", 10_u64 << 30), ("3TiB", 3 << 40)];
    for (index, (said, bytes)) in sizes.into_iter().enumerate() {
        let name = format!("m{index}");
        let file = lab_of(&home, &[&name], &format!("disks: {{root: {{size: {said}}}}}"));
        expect(home.vboxmcp(&["apply", path(&file), "--yes", "--route", "born"]), 0);
        let other = home.scratch().join(format!("{name}.vdi"));
        let size = bytes.to_string();
        home.vbox(&["createmedium", "disk", "--filename", path(&other), "--sizebyte", &size]).ok();
        let (born, made) = (home.machines().join(&name).join("root.vdi"), other);
        assert_eq!(born.metadata().unwrap().len(), made.metadata().unwrap().len(), "{bytes}");
        let start = |path: &Path| {
            let mut bytes = Vec::new();
            File::open(path).unwrap().take(16 << 20).read_to_end(&mut bytes).unwrap();
            // Its own UUID, and that of its last change.
            bytes[0x188..0x1a8].fill(0);
            bytes
        };
        let (born, made) = (start(&born), start(&made));
        let first = born.iter().zip(&made).position(|(a, b)| a != b);
        assert_eq!(first, None, "{bytes} bytes");
    }
}

fn one_call_makes_a_machine(lab: &Lab) {
    let home = lab.home();
    let names = ["a", "b", "c", "d", "e"];
    let spec = "osType: Debian_64, memory: 64MiB, disks: {root: {size: 1GiB}}, nics: [{nat: {}}, {nat: {}}]";
    let file = lab_of(&home, &names, spec);
    let program = recorder(&home, lab, "nothing");
    expect(with(&home, &program, &["apply", path(&file), "--yes", "--route", "born"]), 0);
    settled(&home, &file);
    let calls = calls(&home);
    assert_eq!(calls.iter().filter(|call| *call == "registervm").count(), names.len(), "{calls:?}");
    let others = ["createvm", "modifyvm", "createmedium", "storagectl", "storageattach", "convertfromraw"];
    assert!(!calls.iter().any(|call| others.contains(&call.as_str())), "{calls:?}");
    // They are machines like any other.
    home.vbox(&["startvm", "a", "--type=headless"]).ok();
    home.vbox(&["snapshot", "a", "take", "live", "--live"]).ok();
    home.vbox(&["controlvm", "a", "poweroff"]).ok();
    home.vbox(&["snapshot", "b", "take", "off"]).ok();
    let said = ["destroy", path(&file), "--all", "--allow", "destroy-data", "--confirm", "born", "--yes"];
    expect(home.vboxmcp(&said), 0);
    assert_eq!(fs::read_dir(home.machines()).unwrap().count(), 0);
    assert_eq!(home.vbox(&["list", "hdds"]).ok(), "");
}

fn a_birth_that_was_cut_short_is_finished(lab: &Lab) {
    let home = lab.home();
    let file = lab_of(&home, &["a", "b"], "memory: 64MiB, disks: {root: {size: 64MiB}}");
    let apply = ["apply", path(&file), "--yes", "--route", "born"];
    let killer = recorder(&home, lab, "registervm");
    let said = with(&home, &killer, &apply);
    assert_ne!(said.code, Some(0), "{said:?}");
    let left = home.machines().join("b/b.vbox");
    assert!(left.is_file(), "its files were written before anything was registered");
    home.wait_no_server();
    // By whatever route it is gone on with.
    for route in ["vboxmanage", "born"] {
        let plan = expect(home.vboxmcp(&["plan", path(&file)]), 0).stdout;
        assert!(!plan.contains("in the way"), "{route}: {plan}");
        expect(home.vboxmcp(&["apply", path(&file), "--yes", "--route", route]), 0);
        settled(&home, &file);
        let said = ["destroy", path(&file), "--all", "--allow", "destroy-data", "--confirm", "born", "--yes"];
        expect(home.vboxmcp(&said), 0);
        assert_eq!(fs::read_dir(home.machines()).unwrap().count(), 0, "{route}");
        if route == "vboxmanage" {
            let said = with(&home, &killer, &apply);
            assert_ne!(said.code, Some(0), "{said:?}");
            home.wait_no_server();
        }
    }
}

/// The manifest of two machines whose files are written, and whose run was killed when it registered the first.
fn half_born(home: &Home, lab: &Lab) -> PathBuf {
    let file = lab_of(home, &["a", "b"], "memory: 64MiB, disks: {root: {size: 64MiB}}");
    let killer = recorder(home, lab, "registervm");
    let said = with(home, &killer, &["apply", path(&file), "--yes", "--route", "born"]);
    assert_ne!(said.code, Some(0), "{said:?}");
    file
}

fn what_is_left_of_a_birth_is_destroyed(lab: &Lab) {
    let home = lab.home();
    let file = half_born(&home, lab);
    let folder = home.machines().join("b");
    assert!(folder.join("b.vbox").is_file() && folder.join("root.vdi").is_file());
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    fs::copy(folder.join("root.vdi"), folder.join("theirs.vdi")).unwrap();
    home.vbox(&["internalcommands", "sethduuid", path(&folder.join("theirs.vdi"))]).ok();
    home.wait_no_server();
    let destroy = ["destroy", path(&file), "--all", "--allow", "destroy-data", "--confirm", "born", "--yes"];
    let said = expect(home.vboxmcp(&destroy), 0).stdout;
    assert!(said.contains("is not registered"), "{said}");
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&home.machines()), ["b"]);
    assert_eq!(names(&folder), ["notes.txt", "theirs.vdi"]);
    assert!(expect(home.vboxmcp(&destroy), 0).stdout.contains("Nothing to destroy"));
}

fn what_has_lived_since_its_birth_stays(lab: &Lab) {
    let home = lab.home();
    let file = half_born(&home, lab);
    let folder = home.machines().join("b");
    home.wait_no_server();
    home.vbox(&["registervm", path(&folder.join("b.vbox"))]).ok();
    home.vbox(&["startvm", "b", "--type=headless"]).ok();
    home.vbox(&["controlvm", "b", "poweroff"]).ok();
    home.wait_no_server();
    home.vbox(&["unregistervm", "b"]).ok();
    let destroy = ["destroy", path(&file), "--all", "--allow", "destroy-data", "--confirm", "born", "--yes"];
    for _ in 0..2 {
        let said = home.vboxmcp(&destroy);
        assert_ne!(said.code, Some(0), "{said:?}");
        assert!(said.stdout.contains("its files stay") || said.stderr.contains("its files stay"), "{said:?}");
        assert!(folder.join("b.vbox").is_file() && folder.join("root.vdi").is_file());
    }
    // As the error says.
    home.vbox(&["registervm", path(&folder.join("b.vbox"))]).ok();
    expect(home.vboxmcp(&destroy), 0);
    assert!(!folder.exists());
}

fn what_is_in_the_way_is_left_alone(lab: &Lab) {
    let home = lab.home();
    let file = lab_of(&home, &["a", "b"], "memory: 64MiB, disks: {root: {size: 64MiB}}");
    let theirs = home.machines().join("a/root.vdi");
    fs::create_dir_all(theirs.parent().unwrap()).unwrap();
    fs::write(&theirs, "mine").unwrap();
    let settings = home.machines().join("b/b.vbox");
    fs::create_dir_all(settings.parent().unwrap()).unwrap();
    fs::write(&settings, "mine, too").unwrap();
    let said = home.vboxmcp(&["apply", path(&file), "--yes", "--route", "born"]);
    assert_ne!(said.code, Some(0), "{said:?}");
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "mine");
    assert_eq!(fs::read_to_string(&settings).unwrap(), "mine, too");
}

fn what_a_settings_file_cannot_hold(lab: &Lab) {
    let home = lab.home();
    let disks = "disks: {root: {size: 64MiB}, log: {size: 64MiB, format: vmdk}}";
    let file = lab_of(&home, &["a"], &format!("memory: 64MiB, {disks}, executionEngine: interpreter"));
    let program = recorder(&home, lab, "nothing");
    expect(with(&home, &program, &["apply", path(&file), "--yes", "--route", "born"]), 0);
    settled(&home, &file);
    assert!(calls(&home).iter().any(|call| call == "createvm"), "{:?}", calls(&home));
    // What comes behind a part that it can hold is done by commands, too.
    let file = lab_of(&home, &["b"], &format!("memory: 64MiB, {disks}"));
    expect(with(&home, &program, &["apply", path(&file), "--yes", "--route", "born"]), 0);
    settled(&home, &file);
    assert_eq!(calls(&home).iter().filter(|call| *call == "registervm").count(), 1, "{:?}", calls(&home));
}

/// The same machine once more, without what belongs to one machine alone and what a new settings file cannot hold.
fn again(mut machine: Machine, uuid: Uuid, file: PathBuf) -> Machine {
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
            // It is written with a medium only.
            attachment.temp_eject = false;
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
