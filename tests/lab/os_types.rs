//! The table `src/model/os_types.json`: what plain `createvm` makes of each guest operating system, and `createvm --default`
//! beyond it.
//!
//! `VBOXMCP_UPDATE=1` writes it anew from all types of the VirtualBox at hand; without, some types are compared with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use vboxmcp::host::{Inspect as _, Want};
use vboxmcp::model::Settings;
use vboxmcp::model::os_type::BASE;

use crate::Test;
use crate::home::{Home, is_set};
use crate::lab::Lab;

pub const TESTS: &[Test] =
    &[("the_table_is_what_virtualbox_recommends", the_table_is_what_virtualbox_recommends)];

/// One of each kind.
const SAMPLE: &[&str] = &[
    "Other",
    "Other_64",
    "Debian_64",
    "Ubuntu_64",
    "Windows95",
    "WindowsXP",
    "Windows10_64",
    "Windows11_64",
    "MacOS_64",
    "FreeBSD_64",
    "Solaris11_64",
    "DOS",
    "OS2Warp45",
    "ArchLinux_64",
];

/// What is the manifest's alone, or is not a recommendation. Secure boot is no setting: it is a variable in a store that
/// has to be made first.
const LEFT_OUT: &[&str] = &[
    "osType",
    "groups",
    "description",
    "hardwareUuid",
    "snapshotFolder",
    "controllers",
    "nics",
    "sharedFolders",
    "extraData",
    "guestProperties",
    "secureBoot",
];

/// What every new machine is given, so that a plan shows it also where plain `createvm` would do the same.
const ALWAYS: &[&[&str]] = &[&["memory"], &["graphics", "controller"], &["graphics", "vram"]];

fn the_table_is_what_virtualbox_recommends(lab: &Lab) {
    let home = lab.home();
    let all = os_types(&home);
    let update = is_set("VBOXMCP_UPDATE");
    let wanted: BTreeMap<&str, &str> = all
        .iter()
        .filter(|(id, _)| update || SAMPLE.contains(&id.as_str()))
        .map(|(id, description)| (id.as_str(), description.as_str()))
        .collect();
    assert!(wanted.len() >= SAMPLE.len(), "{wanted:?}");
    for id in wanted.keys() {
        let ostype = format!("--ostype={id}");
        home.vbox(&["createvm", &format!("--name=plain {id}"), &ostype, "--register"]).ok();
        home.vbox(&["createvm", &format!("--name=default {id}"), &ostype, "--register", "--default"]).ok();
    }
    let inventory = home.host().inventory(&Want::default()).expect("an inventory");
    let settings = |kind: &str, id: &str| {
        let name = format!("{kind} {id}");
        let machine = inventory.machines_named(&name).next().unwrap_or_else(|| panic!("no machine {name:?}"));
        assert!(machine.unknown.is_empty(), "{name}: {:?}", machine.unknown);
        assert_eq!(machine.settings.os_type.as_deref(), Some(id));
        serde_json::to_value(&machine.settings).unwrap()
    };
    let row = |(&id, &description): (&&str, &&str)| {
        let (plain, recommended) = (settings("plain", id), settings("default", id));
        let made = made(&plain, &settings("plain", BASE), id);
        let settings = recommendation(&plain, &recommended);
        (id.to_owned(), json!({"description": description, "plain": made, "settings": settings}))
    };
    let rows: BTreeMap<String, Value> = wanted.iter().map(row).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/model/os_types.json");
    if update {
        fs::write(&file, text(&rows)).unwrap();
    }
    let committed: BTreeMap<String, Value> =
        serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    for (id, row) in &rows {
        assert_eq!(committed.get(id), Some(row), "{id}: VBOXMCP_UPDATE=1 writes the table anew");
        for part in ["plain", "settings"] {
            serde_json::from_value::<Settings>(row[part].clone()).expect("settings");
        }
    }
}

/// Ids and names of the operating systems that run on x86 processors.
fn os_types(home: &Home) -> BTreeMap<String, String> {
    let list = home.vbox(&["list", "ostypes"]).ok();
    let mut found = BTreeMap::new();
    let mut current = None;
    for line in list.lines() {
        if let Some(text) = line.strip_prefix("ID / Description:") {
            current =
                text.split_once(" -- ").map(|(id, name)| (id.trim().to_owned(), name.trim().to_owned()));
        } else if line.strip_prefix("Architecture:").is_some_and(|text| text.trim().starts_with("x86")) {
            found.extend(current.take());
        }
    }
    assert!(found.len() > 150, "{list}");
    found
}

/// What plain `createvm` makes, where it is not what it makes of [`BASE`].
fn made(plain: &Value, base: &Value, id: &str) -> Value {
    let of = |settings: &Value| {
        let mut tree = settings.clone();
        let Value::Object(map) = &mut tree else { panic!("settings are an object") };
        map.retain(|key, _| !LEFT_OUT.contains(&key.as_str()));
        let adapter = &settings["nics"]["1"]["type"];
        assert!(adapter.is_string(), "{id}: {}", settings["nics"]);
        map.insert("nics".to_owned(), json!({"1": {"type": adapter}}));
        tree
    };
    if id == BASE { of(plain) } else { difference(&of(base), &of(plain)).unwrap_or_else(|| json!({})) }
}

/// What has to be set after plain `createvm`.
fn recommendation(plain: &Value, recommended: &Value) -> Value {
    let mut tree = difference(plain, recommended).unwrap_or_else(|| json!({}));
    let Value::Object(map) = &mut tree else { panic!("settings are an object") };
    map.retain(|key, _| !LEFT_OUT.contains(&key.as_str()));
    for path in ALWAYS {
        let value = path.iter().fold(recommended, |value, key| &value[*key]).clone();
        assert!(!value.is_null(), "{path:?}");
        set(map, path, value);
    }
    tree
}

fn difference(plain: &Value, recommended: &Value) -> Option<Value> {
    match (plain, recommended) {
        (Value::Object(plain), Value::Object(recommended)) => {
            let differs = |(key, value): (&String, &Value)| {
                difference(plain.get(key).unwrap_or(&Value::Null), value).map(|value| (key.clone(), value))
            };
            let map: Map<String, Value> = recommended.iter().filter_map(differs).collect();
            (!map.is_empty()).then_some(Value::Object(map))
        }
        _ => (plain != recommended).then(|| recommended.clone()),
    }
}

fn set(map: &mut Map<String, Value>, path: &[&str], value: Value) {
    match path {
        [last] => {
            map.insert((*last).to_owned(), value);
        }
        [first, rest @ ..] => {
            let below = map.entry((*first).to_owned()).or_insert_with(|| json!({}));
            set(below.as_object_mut().expect("an object"), rest, value);
        }
        [] => {}
    }
}

/// One row a line: what changed with a new VirtualBox is read row by row.
fn text(rows: &BTreeMap<String, Value>) -> String {
    let mut text = "{\n".to_owned();
    for (index, (id, row)) in rows.iter().enumerate() {
        let end = if index + 1 < rows.len() { "," } else { "" };
        writeln!(text, "  {}: {row}{end}", json!(id)).unwrap();
    }
    text + "}\n"
}
