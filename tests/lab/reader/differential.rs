//! The reader against VirtualBox itself: random machines, every key that both know.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use serde_json::Value;
use uuid::Uuid;
use vboxmcp::host::checkup::Sample;
use vboxmcp::host::virtualbox::VirtualBox;
use vboxmcp::host::{Inspect, Operate, Want};
use vboxmcp::inventory::{Access, AttachedMedium, Inventory, Machine};
use vboxmcp::model::FieldPath;

use super::generate::{Place, Recipe, recipe};
use super::keys::{self, Keys};
use super::reader;
use crate::home::Home;
use crate::lab::Lab;
use crate::random::{Draw, Random};

/// How many machines.
const MACHINES: usize = 210;

/// Clients at a time. VirtualBox's server, once it does not leave on its own, bears more.
const CLIENTS: usize = 4;

pub fn the_reader_agrees_with_virtualbox(lab: &Lab) {
    let Draw { seed, machines } = Draw::of(MACHINES);
    let home = lab.home();
    let host = reader(lab, &home);
    home.wait_no_server();
    host.prepare().unwrap();
    let place = Place::make(home.scratch());
    let mut random = Random::new(seed);
    let recipes: Vec<Recipe> = (0..machines).map(|index| recipe(&mut random, &place, index)).collect();

    let start = Instant::now();
    let refused = make(&home, &recipes);
    let commands: usize = recipes.iter().map(|recipe| recipe.commands.len()).sum();
    eprintln!("made with {commands} commands in {:?}", start.elapsed());
    let start = Instant::now();
    let inventory = host.inventory(&Want { states: true, ..Want::default() }).unwrap();
    eprintln!("read in {:?}", start.elapsed());
    let start = Instant::now();
    let printed = ask(&home, &recipes);
    eprintln!("asked in {:?}", start.elapsed());

    let mut report = Report::default();
    for recipe in &recipes {
        report.compare(recipe.uuid, &inventory, &printed[&recipe.uuid]);
    }
    report.finish(seed, &refused, machines);
    // The self-check that users have finds the same.
    let compared = host.compare(Sample::All).unwrap();
    let differences: Vec<String> =
        compared.layouts.values().flat_map(|layout| &layout.differences).map(ToString::to_string).collect();
    assert!(differences.is_empty(), "VBOXMCP_SEED={seed}\n{}", differences.join("\n"));
    let all: usize = compared.layouts.values().map(|layout| layout.machines).sum();
    assert_eq!((all, compared.left_out), (machines, 0));

    let start = Instant::now();
    let asked = ask_instead_of_reading(&home, &host, &inventory);
    eprintln!("{asked} machines asked for instead of read in {:?}", start.elapsed());
    assert!(asked * 20 > machines, "{asked} of {machines}");
}

/// Files of a version that the reader does not know: what VirtualBox tells of the machines is what was read before.
fn ask_instead_of_reading(home: &Home, host: &VirtualBox, before: &Inventory) -> usize {
    crate::home::kill(home.server_pid().expect("a server"));
    home.wait_no_server();
    let mut changed = Vec::new();
    for machine in before.machines.values() {
        let text = std::fs::read_to_string(&machine.settings_file).unwrap();
        let newer =
            text.replace("version=\"1.20-", "version=\"1.30-").replace("version=\"1.21-", "version=\"1.30-");
        if newer != text {
            std::fs::write(&machine.settings_file, newer).unwrap();
            changed.push(machine);
        }
    }
    host.prepare().unwrap();
    let after = host.inventory(&Want { states: true, ..Want::default() }).unwrap();
    let mut message = String::new();
    for machine in &changed {
        let told = &after.machines[&machine.uuid];
        assert!(matches!(told.access, Access::ShowVmInfo { .. }), "{:?}", told.access);
        assert_eq!((&told.name, &told.state, &told.mark), (&machine.name, &machine.state, &machine.mark));
        assert_eq!(told.current_snapshot, machine.current_snapshot);
        let places = |machine: &Machine| -> Vec<_> {
            let all = machine.attachments.iter();
            all.map(|a| (a.controller.clone(), a.port, a.device, a.kind, a.medium.clone())).collect()
        };
        assert_eq!(places(told), places(machine), "{:?}", machine.name);
        for medium in told.attachments.iter().filter_map(|a| match a.medium {
            AttachedMedium::Image(uuid) => Some(uuid),
            _ => None,
        }) {
            let (told, read) = (&after.media[&medium], &before.media[&medium]);
            assert_eq!((&told.location, told.size, told.kind), (&read.location, read.size, read.kind));
        }
        let tree = |machine: &Machine| serde_json::to_value(&machine.settings).unwrap();
        differences(&FieldPath::root(), told, &tree(told), &tree(machine), &mut message);
    }
    assert!(message.is_empty(), "{message}");
    changed.len()
}

/// Fields that are told otherwise than they were read, but for those of which it is said that they are not told.
fn differences(path: &FieldPath, told: &Machine, a: &Value, b: &Value, message: &mut String) {
    if told.why_unknown(path).is_some() || a == b {
        return;
    }
    if let (Value::Object(a), Value::Object(b)) = (a, b) {
        for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
            let value = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
            differences(&path.join(key), told, &value(a), &value(b), message);
        }
    } else {
        let name = told.name.as_deref().unwrap_or_default();
        writeln!(message, "{name}: {path}: told {a}, read {b}").unwrap();
    }
}

/// Gives the commands of all machines, of one machine one after another. What VirtualBox refuses is told.
fn make(home: &Home, recipes: &[Recipe]) -> Vec<String> {
    let refused = Mutex::new(Vec::new());
    side_by_side(recipes, |recipe| {
        for command in &recipe.commands {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            let output = home.vbox(&words);
            if !output.is_success() {
                let error =
                    output.stderr.lines().find(|line| line.contains("error:")).unwrap_or("no message");
                let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
                refused.push(format!("{words:?}\n    {error}"));
            }
        }
    });
    refused.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn ask(home: &Home, recipes: &[Recipe]) -> BTreeMap<Uuid, String> {
    let printed = Mutex::new(BTreeMap::new());
    side_by_side(recipes, |recipe| {
        let text = home.vbox(&["showvminfo", &recipe.uuid.to_string(), "--machinereadable"]).ok();
        printed.lock().unwrap_or_else(PoisonError::into_inner).insert(recipe.uuid, text);
    });
    printed.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn side_by_side(recipes: &[Recipe], work: impl Fn(&Recipe) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while let Some(recipe) = recipes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(recipe);
                }
            });
        }
    });
}

/// What the comparison found.
#[derive(Default)]
struct Report {
    compared: usize,
    differences: Vec<String>,
    faults: BTreeMap<&'static str, usize>,
    versions: BTreeMap<&'static str, usize>,
}

impl Report {
    fn compare(&mut self, uuid: Uuid, inventory: &Inventory, text: &str) {
        let machine = &inventory.machines[&uuid];
        if machine.access != Access::Settings {
            self.differences.push(format!("{uuid}: {:?}", machine.access));
            return;
        }
        let file = std::fs::read_to_string(&machine.settings_file).unwrap();
        let version =
            ["1.19-", "1.20-", "1.21-"].into_iter().find(|v| file.contains(&format!("version=\"{v}")));
        *self.versions.entry(version.unwrap()).or_default() += 1;
        let (printed, read) = (keys::printed(text), keys::read(machine, inventory));
        let all: BTreeSet<&String> = printed.keys().chain(read.keys()).collect();
        for key in all {
            self.compare_key(machine.name.as_deref().unwrap(), key, &printed, &read);
        }
    }

    fn compare_key(&mut self, machine: &str, key: &str, printed: &Keys, read: &Keys) {
        if keys::NOT_READ.iter().any(|(pattern, _)| keys::fits(pattern, key)) {
            assert!(!read.contains_key(key), "{key} is read after all");
            return;
        }
        self.compared += 1;
        let (printed, read) = (printed.get(key).map(String::as_str), read.get(key).map(String::as_str));
        if printed == read {
            return;
        }
        let fault = keys::FAULTS.iter().find(|f| keys::fits(f.key, key) && (f.is_it)(printed, read));
        match fault {
            Some(fault) => *self.faults.entry(fault.reason).or_default() += 1,
            None => self.differences.push(format!("{machine}: {key}: printed {printed:?}, read {read:?}")),
        }
    }

    fn finish(self, seed: u64, refused: &[String], machines: usize) {
        eprintln!(
            "{} keys of files {:?} compared; known faults of VirtualBox:",
            self.compared, self.versions
        );
        for (reason, times) in &self.faults {
            eprintln!("  {times} times: {reason}");
        }
        let mut message = String::new();
        for line in refused.iter().chain(&self.differences) {
            writeln!(message, "{line}").unwrap();
        }
        assert!(message.is_empty(), "VBOXMCP_SEED={seed}\n{message}");
        assert!(self.compared > machines * 100, "{} keys", self.compared);
    }
}
