//! Small labs that vary, what else is on the host, and what must be there when a run has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::home::{Home, path};
use crate::random::Random;

/// One declared machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    memory: u64,
    /// Megabytes by key; `fixed` is of that variant.
    disks: BTreeMap<&'static str, u64>,
    /// Host port of its port-forward.
    port: Option<u64>,
    has_folder: bool,
    extra: Option<u64>,
    runs: bool,
}

/// What is declared.
pub type Lab = BTreeMap<&'static str, Machine>;

const NAMES: [&str; 3] = ["alpha", "beta two", "gämma"];
const DISKS: [&str; 3] = ["root", "data", "fixed"];
pub const STACK: &str = "kills";

fn machine(random: &mut Random, may_run: bool, ports: u64) -> Machine {
    let disks = DISKS.into_iter().filter(|_| random.percent(40)).map(|key| (key, 8)).collect();
    Machine {
        memory: 32 + 4 * random.below(3),
        disks,
        port: random.percent(50).then(|| ports + random.below(300)),
        has_folder: random.percent(40),
        extra: random.percent(50).then(|| random.below(9)),
        runs: may_run && random.percent(40),
    }
}

/// Another lab than `before`. Ports are taken from 300 that begin at `ports`.
pub fn next(random: &mut Random, before: &Lab, may_run: bool, ports: u64) -> Lab {
    let mut lab = before.clone();
    let mut free: Vec<&str> = NAMES.into_iter().filter(|name| !lab.contains_key(name)).collect();
    if lab.is_empty() {
        for _ in 0..random.range(1, 2) {
            let name = free.remove(usize::try_from(random.below(free.len() as u64)).unwrap());
            lab.insert(name, machine(random, may_run, ports));
        }
        return lab;
    }
    for _ in 0..random.range(1, 2) {
        let names: Vec<&str> = lab.keys().copied().collect();
        let name = random.pick(&names);
        match random.below(8) {
            0 if names.len() > 1 => drop(lab.remove(name)),
            1 if !free.is_empty() => drop(lab.insert(free.remove(0), machine(random, may_run, ports))),
            change => {
                let Some((_, machine)) = lab.iter_mut().find(|(key, _)| **key == name) else { continue };
                match change {
                    2 => machine.memory = 32 + 4 * random.below(4),
                    3 => drop(machine.disks.entry(random.pick(&DISKS[..])).or_insert(8)),
                    4 => {
                        for (_, size) in machine.disks.iter_mut().filter(|(key, _)| **key != "fixed") {
                            *size += 4;
                        }
                    }
                    5 => drop(machine.disks.pop_last()),
                    6 => machine.runs = may_run && !machine.runs,
                    _ => machine.extra = Some(random.below(9)),
                }
            }
        }
    }
    lab
}

/// Without running machines.
pub fn off(mut lab: Lab) -> Lab {
    for machine in lab.values_mut() {
        machine.runs = false;
    }
    lab
}

pub fn runs_any(lab: &Lab) -> bool {
    lab.values().any(|machine| machine.runs)
}

/// Whether a machine that stays loses a disk: the disk is deleted by the apply after the next.
pub fn drops_a_disk(before: &Lab, after: &Lab) -> bool {
    before.iter().any(|(name, old)| {
        after.get(name).is_some_and(|new| old.disks.keys().any(|key| !new.disks.contains_key(key)))
    })
}

pub fn manifest(home: &Home, lab: &Lab) -> String {
    let mut text = format!("apiVersion: vboxmcp/v1\nkind: Stack\nmetadata: {{name: {STACK}}}\n");
    for (name, machine) in lab {
        let disks: Vec<String> = machine
            .disks
            .iter()
            .map(|(key, size)| {
                let variant = if *key == "fixed" { ", variant: fixed" } else { "" };
                format!("{key}: {{size: {size}MiB{variant}}}")
            })
            .collect();
        write!(
            text,
            "---\napiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {{name: \"{name}\"}}\nlifecycle: {{onRemove: delete}}\n\
             spec:\n  osType: Other\n  memory: {}MiB\n  stopTimeout: 1s\n  disks: {{{}}}\n  state: {}\n",
            machine.memory,
            disks.join(", "),
            if machine.runs { "running" } else { "poweroff" }
        )
        .unwrap();
        if let Some(port) = machine.port {
            writeln!(text, "  nics: [{{nat: {{portForwards: {{ssh: \"{port}:22\"}}}}}}]").unwrap();
        }
        if machine.has_folder {
            writeln!(text, "  sharedFolders: {{files: {{hostPath: \"{}\"}}}}", path(&home.scratch()))
                .unwrap();
        }
        if let Some(extra) = machine.extra {
            writeln!(text, "  extraData: {{test/key: \"e {extra}\"}}").unwrap();
        }
    }
    text
}

/// Machines, disks and files that nobody declares, and a machine of another stack.
pub fn make_bystanders(home: &Home) {
    let machines = home.machines();
    let disk = machines.join("bystander/disk.vdi");
    home.vbox(&["createvm", "--name=bystander", "--ostype=Other", "--register"]).ok();
    home.vbox(&["createmedium", "disk", "--filename", path(&disk), "--size=4"]).ok();
    home.vbox(&["storagectl", "bystander", "--name", "IDE", "--add", "ide"]).ok();
    let attach = ["storageattach", "bystander", "--storagectl=IDE", "--port=0", "--device=0", "--type=hdd"];
    home.vbox(&[&attach[..], &["--medium", path(&disk)]].concat()).ok();
    home.vbox(&["setextradata", "bystander", "by/hand", "yes"]).ok();
    let loose = machines.join("loose.vdi");
    home.vbox(&["createmedium", "disk", "--filename", path(&loose), "--size=4"]).ok();
    fs::create_dir(machines.join("alpha.d")).expect("a folder");
    fs::write(machines.join("alpha.d/notes"), "of somebody else").expect("a file");
    fs::write(machines.join("notes.txt"), "of somebody else").expect("a file");
    let other = home.scratch().join("other.yaml");
    let text = "apiVersion: vboxmcp/v1\nkind: Stack\nmetadata: {name: other}\n---\napiVersion: vboxmcp/v1\n\
                kind: VirtualMachine\nmetadata: {name: other}\nspec: {osType: Other, memory: 32MiB, disks: {root: {size: 4MiB}}}\n";
    fs::write(&other, text).expect("a manifest");
    let said = home.vboxmcp(&["apply", path(&other), "--yes"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

/// Names in the machine folder that are not of the stack.
const FOREIGN: [&str; 5] = ["bystander", "loose.vdi", "alpha.d", "notes.txt", "other"];

/// All that must stay as it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Foreign {
    files: BTreeMap<PathBuf, Vec<u8>>,
    registered: BTreeSet<String>,
    extra_data: BTreeSet<String>,
}

/// What there is of VirtualBox's own.
#[derive(Debug, Default)]
pub struct Found {
    machines: Vec<(String, String)>,
    media: BTreeMap<PathBuf, Vec<String>>,
}

pub fn find(home: &Home) -> Found {
    let mut found = Found::default();
    for line in home.vbox(&["list", "vms"]).ok().lines() {
        let (name, uuid) = line.rsplit_once(' ').expect("a name and a UUID");
        found.machines.push((name.trim_matches('"').to_owned(), uuid.to_owned()));
    }
    let mut uuid = String::new();
    for line in home.vbox(&["list", "hdds"]).ok().lines() {
        if let Some(value) = line.strip_prefix("UUID:") {
            value.trim().clone_into(&mut uuid);
        }
        if let Some(location) = line.strip_prefix("Location:") {
            found.media.entry(location.trim().into()).or_default().push(uuid.clone());
        }
    }
    found
}

fn is_foreign(folder: &Path, file: &Path) -> bool {
    let first = file.strip_prefix(folder).ok().and_then(|rest| rest.iter().next());
    first.is_some_and(|first| FOREIGN.iter().any(|name| first == *name))
}

/// All files and folders below a folder.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        all.push(entry.path());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            all.extend(tree(&entry.path()));
        }
    }
    all
}

pub fn foreign(home: &Home, found: &Found) -> Foreign {
    let folder = home.machines();
    let files = tree(&folder).into_iter().filter(|file| is_foreign(&folder, file));
    let machines = found.machines.iter().filter(|(name, _)| FOREIGN.contains(&name.as_str()));
    let media = found.media.iter().filter(|(file, _)| is_foreign(&folder, file));
    let registered =
        machines.map(|machine| format!("{machine:?}")).chain(media.map(|disk| format!("{disk:?}")));
    let lines = home.vbox(&["getextradata", "global", "enumerate"]).ok();
    let extra = lines.lines().filter(|line| !line.contains(&format!("vboxmcp/stack/{STACK}/")));
    Foreign {
        files: files.map(|file| (file.clone(), fs::read(&file).unwrap_or_default())).collect(),
        registered: registered.collect(),
        extra_data: extra.map(str::to_owned).collect(),
    }
}

/// What is wrong after a run has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wrong {
    pub lost: Vec<String>,
    pub orphaned: Vec<String>,
    pub duplicated: Vec<String>,
    pub changed: Vec<String>,
}

impl Wrong {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares what there is with what is declared now, and with what there was before.
pub fn audit(home: &Home, lab: &Lab, before: &Found, now: &Found) -> Wrong {
    let folder = home.machines();
    let mut wrong = Wrong::default();
    for name in lab.keys() {
        match now.machines.iter().filter(|(there, _)| there == name).count() {
            0 => wrong.lost.push(format!("machine {name}")),
            1 => {}
            count => wrong.duplicated.push(format!("machine {name}, {count} times")),
        }
    }
    for machine in &before.machines {
        if lab.contains_key(machine.0.as_str()) && !now.machines.contains(machine) {
            wrong.lost.push(format!("machine {machine:?} is another one now"));
        }
    }
    for (name, uuid) in &now.machines {
        if !lab.contains_key(name.as_str()) && !FOREIGN.contains(&name.as_str()) {
            wrong.orphaned.push(format!("machine {name} {uuid}"));
        }
    }
    let disks: BTreeSet<PathBuf> = lab
        .iter()
        .flat_map(|(name, machine)| {
            let own = folder.join(name);
            machine.disks.keys().map(move |key| own.join(format!("{key}.vdi")))
        })
        .collect();
    for disk in &disks {
        match (now.media.get(disk), before.media.get(disk)) {
            (None, _) => wrong.lost.push(format!("disk {}", disk.display())),
            (Some(now), Some(before)) if now != before => {
                wrong.lost.push(format!("disk {} is another one now", disk.display()));
            }
            (Some(now), _) if now.len() > 1 => wrong.duplicated.push(format!("disk {}", disk.display())),
            _ => {}
        }
    }
    for file in now.media.keys().filter(|file| !disks.contains(*file) && !is_foreign(&folder, file)) {
        wrong.orphaned.push(format!("medium {}", file.display()));
    }
    for file in tree(&folder).into_iter().filter(|file| !is_foreign(&folder, file) && !disks.contains(file)) {
        let rest = file.strip_prefix(&folder).expect("it is below");
        let mut parts = rest.iter().map(|part| part.to_string_lossy());
        let machine = parts.next().unwrap_or_default();
        let belongs = lab.contains_key(machine.as_ref())
            && parts.next().is_none_or(|name| {
                // An empty `Snapshots` may stay where the server was killed.
                name == "Logs"
                    || (name == "Snapshots" && file.is_dir())
                    || name == format!("{machine}.vbox")
                    || name == format!("{machine}.vbox-prev")
            });
        if !belongs {
            wrong.orphaned.push(rest.display().to_string());
        }
    }
    let register = home.vbox(&["getextradata", "global", "enumerate"]).ok();
    if lab.is_empty() && register.contains(&format!("vboxmcp/stack/{STACK}/")) {
        wrong.orphaned.push("the stack's register".to_owned());
    }
    wrong
}
