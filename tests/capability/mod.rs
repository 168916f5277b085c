//! The probe of the capability table: each change that vboxmcp knows is tried in each state, by vboxmcp's own way, and what
//! the host says and has afterwards is a row of `src/model/capability.json`.
//!
//! It runs on a real VirtualBox (`tests/lab/capability.rs`, which writes the table) and on the simulated one
//! (`tests/suite/capability.rs`, which must agree with it).
//!
//! **A new field** needs one line in [`samples::SAMPLES`]: `set("field.path", "value before", "another value")`, values as
//! JSON in the form of `model::Settings`. The path is one of a member that exists, and the row's `*` stands for its free keys.
//! Every machine of the probe gets all the values before while it is off, so that they must go together and the machine must
//! start with them; `""` takes what a new machine has. `add` and `remove` are for members of maps, and `act` for what other
//! actions than a settings change do. Then
//!
//! ```text
//! VBOXMCP_UPDATE=1 cargo test --test lab capability::    writes the table anew
//! cargo test --test suite capability                     the simulated host must say the same
//! ```

pub mod ground;
pub mod samples;
pub mod ways;

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;
use vboxmcp::diff::{machine as shape, tree};
use vboxmcp::host::virtualbox::{CommandLine, Spellings, command_lines};
use vboxmcp::host::{Host, HostError};
use vboxmcp::inventory::{Inventory, Mark};
use vboxmcp::model::capability::{Answer, Edit, Outcome, Row};
use vboxmcp::model::state::StateClass;
use vboxmcp::model::{Address, FieldPath, StackName};
use vboxmcp::plan::{Action, Assignment, Target};

use ground::Ground;
use samples::{SAMPLES, Sample, Way};

/// The states that are asked.
const STATES: [StateClass; 4] = [StateClass::Off, StateClass::Saved, StateClass::Running, StateClass::Paused];

/// Asks a host for all rows. `root` is a folder for images and directories to share.
pub fn rows(host: &dyn Host, machines: &std::path::Path, root: &std::path::Path) -> Vec<Row> {
    host.prepare().unwrap();
    let [off, saved, running, paused] = thread::scope(|scope| {
        STATES
            .map(|state| {
                scope.spawn(move || {
                    let ground = Ground::new(host, machines, root, state);
                    SAMPLES.iter().map(|sample| ask(&ground, sample)).collect::<Vec<Result<Answer, String>>>()
                })
            })
            .map(|thread| thread.join().unwrap())
    });
    let all = [&off, &saved, &running, &paused];
    let wrong: Vec<&str> =
        all.into_iter().flatten().filter_map(|answer| answer.as_ref().err()).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let answers = off.into_iter().flatten().zip(saved.into_iter().flatten());
    let answers = answers.zip(running.into_iter().flatten().zip(paused.into_iter().flatten()));
    let mut rows: Vec<Row> = SAMPLES
        .iter()
        .zip(answers)
        .map(|(sample, ((off, saved), (running, paused)))| Row {
            field: sample.row(),
            edit: sample.edit,
            case: sample.case,
            off,
            saved,
            running,
            paused,
        })
        .collect();
    rows.sort_by_key(|row| (row.field.clone(), row.edit, row.case));
    rows
}

/// The table as it is committed: one answer a line, so that a change reads well.
pub fn text(rows: &[Row]) -> String {
    let row = |row: &Row| {
        let case = row.case.map_or_else(String::new, |case| format!(", \"case\": {}", json(&case)));
        format!(
            "  {{\"field\": {}, \"edit\": {}{case},\n   \"off\": {},\n   \"saved\": {},\n   \"running\": {},\n   \"paused\": {}}}",
            json(&row.field),
            json(&row.edit),
            json(&row.off),
            json(&row.saved),
            json(&row.running),
            json(&row.paused)
        )
    };
    format!("[\n{}\n]\n", rows.iter().map(row).collect::<Vec<_>>().join(",\n"))
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

/// Tries one change and looks what came of it.
fn ask(ground: &Ground<'_>, sample: &Sample) -> Result<Answer, String> {
    let (actions, is_done) = way(ground, sample);
    let name = format!("{} {:?} {:?}, {:?}", sample.field, sample.edit, sample.case, ground.state);
    if is_done(&ground.read()) {
        return Err(format!("{name}: it is so before anything was done"));
    }
    let by = actions.iter().map(flags).collect::<Vec<_>>().join(", ");
    let result = actions.iter().try_for_each(|action| ground.perform(action));
    // A live machine's guest properties reach its file a moment after the command has ended (measured).
    let mut there = is_done(&ground.read());
    let end = Instant::now() + Duration::from_secs(3);
    while result.is_ok() && !there && ground.is_live() && Instant::now() < end {
        thread::sleep(Duration::from_millis(50));
        there = is_done(&ground.read());
    }
    let (code, text, status) = match &result {
        Ok(()) => (None, None, Some(0)),
        Err(HostError::Refused { code, message, status, .. }) => {
            (code.clone(), Some(ground.plain(message)), *status)
        }
        Err(error) => return Err(format!("{name}: {error}")),
    };
    let is = match (result.is_ok(), there) {
        (true, true) if sample.late && ground.is_live() => Outcome::Memory,
        (true, true) => Outcome::Done,
        (false, true) => Outcome::Half,
        (true, false) if ground.is_live() && saved_with_the_mark(ground, &is_done) => Outcome::Memory,
        (false, false) if status != Some(0) => Outcome::Refused,
        (_, false) => Outcome::Ignored,
    };
    Ok(Answer { is, by, code, text })
}

/// A changed mark makes VirtualBox save the machine, and what was in memory only with it.
fn saved_with_the_mark(ground: &Ground<'_>, is_done: &dyn Fn(&Inventory) -> bool) -> bool {
    let mark = Mark {
        n: ground.next(),
        ..Mark::new(StackName::default_stack(), Address::machine("probe"), ground.machine)
    };
    let machine = Target::Existing(ground.machine);
    ground.perform(&Action::WriteMark { machine, mark: Some(mark) }).unwrap();
    is_done(&ground.read())
}

type Check<'a> = Box<dyn Fn(&Inventory) -> bool + 'a>;

/// What vboxmcp would do, and how its effect is seen.
fn way<'a>(ground: &'a Ground<'_>, sample: &'a Sample) -> (Vec<Action>, Check<'a>) {
    match &sample.way {
        Way::Set { after, .. } => {
            let path: FieldPath = sample.field.parse().unwrap();
            let wanted = value(&after.replace('$', ground.name()));
            let with = sample
                .with
                .iter()
                .map(|(path, value)| Assignment { path: path.parse().unwrap(), value: self::value(value) });
            let own = Assignment { path: path.clone(), value: wanted.clone() };
            let action = ground.setting(with.chain([own]).collect());
            let check = move |now: &Inventory| {
                let machine = &now.machines[&ground.machine];
                let mut live = shape::settings_tree(&machine.settings);
                live["name"] = machine.name.clone().into();
                match (tree::get(&live, &path), &wanted) {
                    (None, None) => true,
                    (Some(there), Some(wanted)) => contains(there, wanted),
                    _ => false,
                }
            };
            (vec![action], Box::new(check))
        }
        Way::Act { actions, is_done } => {
            (actions(ground), Box::new(move |now| is_done(ground, &now.machines[&ground.machine], now)))
        }
    }
}

/// A value in JSON; nothing and `null` are none.
fn value(text: &str) -> Option<Value> {
    if text.is_empty() {
        return None;
    }
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    (!value.is_null()).then_some(value)
}

/// Whether all of `wanted` is there; a host fills in what a new member has besides.
fn contains(there: &Value, wanted: &Value) -> bool {
    match (there, wanted) {
        (Value::Object(there), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| there.get(key).is_some_and(|there| contains(there, value)))
        }
        _ => there == wanted,
    }
}

/// Verbs and flags of an action's commands, without names, places and values.
fn flags(action: &Action) -> String {
    let commands = command_lines(action, &Spellings::default()).unwrap();
    commands.iter().map(flags_of).collect::<Vec<_>>().join(", ")
}

fn flags_of(command: &CommandLine) -> String {
    const PLACES: [&str; 7] =
        ["--storagectl", "--port", "--device", "--name", "--filename", "--hostpath", "--type"];
    let words: Vec<&str> = command.arguments().filter(|word| Uuid::try_parse(word).is_err()).collect();
    let verb = words.first().copied().unwrap_or_default();
    let mut said = vec![verb.to_owned()];
    if matches!(verb, "controlvm" | "guestproperty" | "sharedfolder") {
        said.extend(words.get(1).map(|word| numberless(word)));
    }
    for word in words.iter().filter(|word| word.starts_with("--")) {
        let flag = word.split('=').next().unwrap_or_default();
        let flag = numberless(flag);
        if !PLACES.contains(&flag.as_str()) && !said.contains(&flag) {
            said.push(flag);
        }
    }
    said.join(" ")
}

/// `--nic1` as `--nicN`.
fn numberless(word: &str) -> String {
    let plain = word.trim_end_matches(|c: char| c.is_ascii_digit());
    if plain.len() < word.len() && !word.ends_with("3d") { format!("{plain}N") } else { word.to_owned() }
}

/// Where the rows are committed.
pub fn file() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/model/capability.json")
}

/// What two tables differ in, row by row.
pub fn differences(committed: &[Row], found: &[Row]) -> Vec<String> {
    let name = |row: &Row| {
        let case = row.case.map_or_else(String::new, |case| format!(" ({case:?})"));
        format!("{} {}{case}", row.field, word(row.edit))
    };
    let mut wrong = Vec::new();
    for row in found {
        let Some(known) = committed
            .iter()
            .find(|known| (&known.field, known.edit, known.case) == (&row.field, row.edit, row.case))
        else {
            wrong.push(format!("{}: has no row", name(row)));
            continue;
        };
        for state in STATES {
            let (known, found) = (known.answer(state).unwrap(), row.answer(state).unwrap());
            if known != found {
                wrong
                    .push(format!("{}, {state:?}:\n  committed {known:?}\n  found     {found:?}", name(row)));
            }
        }
    }
    let gone = |known: &&Row| {
        !found.iter().any(|row| (&known.field, known.edit, known.case) == (&row.field, row.edit, row.case))
    };
    wrong.extend(
        committed.iter().filter(gone).map(|row| format!("{}: nobody asks for it any more", name(row))),
    );
    wrong
}

fn word(edit: Edit) -> &'static str {
    match edit {
        Edit::Add => "add",
        Edit::Change => "change",
        Edit::Remove => "remove",
    }
}
