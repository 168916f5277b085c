//! Random manifests over everything that can be applied today, and random edits of them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::dice::Dice;

/// Names that declared machines have.
pub const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// The stack that the manifests are for.
pub const STACK: &str = "lab";

/// A set of manifests.
#[derive(Clone, Debug, Default)]
pub struct Lab {
    /// Documents of machines by name.
    pub machines: BTreeMap<String, Value>,
}

impl Lab {
    /// A few machines.
    pub fn roll(dice: &mut Dice) -> Self {
        let mut lab = Self::default();
        for _ in 0..=dice.below(3) {
            lab.add(dice);
        }
        lab
    }

    fn add(&mut self, dice: &mut Dice) {
        let name = *dice.one(&NAMES);
        self.machines.entry(name.to_owned()).or_insert_with(|| machine(name, dice));
    }

    /// Manifests as text. JSON is YAML.
    pub fn text(&self) -> String {
        let stack = json!({"apiVersion": "vboxmcp/v1", "kind": "Stack", "metadata": {"name": STACK}});
        let documents = std::iter::once(&stack).chain(self.machines.values());
        documents.fold(String::new(), |text, document| text + "---\n" + &document.to_string() + "\n")
    }

    /// What somebody changes between two applies.
    pub fn edit(&mut self, dice: &mut Dice) {
        for _ in 0..=dice.below(3) {
            let names: Vec<String> = self.machines.keys().cloned().collect();
            if names.is_empty() || dice.percent(15) {
                self.add(dice);
                continue;
            }
            let name = dice.one(&names).clone();
            if dice.percent(12) && names.len() > 1 {
                self.machines.remove(&name);
            } else if dice.percent(10) {
                self.rename(&name, dice);
            } else if let Some(document) = self.machines.get_mut(&name) {
                edit(&name, document, dice);
            }
        }
    }

    fn rename(&mut self, name: &str, dice: &mut Dice) {
        let new = *dice.one(&NAMES);
        let replicated = self.machines[name]["spec"].get("replicas").is_some();
        if self.machines.contains_key(new) || replicated {
            return;
        }
        let Some(mut document) = self.machines.remove(name) else { return };
        document["metadata"]["name"] = new.into();
        document["lifecycle"]["renamedFrom"] = name.into();
        self.machines.insert(new.to_owned(), document);
    }
}

fn edit(name: &str, document: &mut Value, dice: &mut Dice) {
    let other = machine(name, dice);
    if dice.percent(15) {
        let former = document["lifecycle"].get("renamedFrom").cloned();
        document["lifecycle"] = other["lifecycle"].clone();
        if let Some(former) = former {
            document["lifecycle"]["renamedFrom"] = former;
        }
        return;
    }
    let theirs = other["spec"].as_object().unwrap();
    let keys: Vec<String> = theirs.keys().cloned().collect();
    let spec = document["spec"].as_object_mut().unwrap();
    // Words that hang together change together.
    let storage = ["controllers", "disks", "dvds", "chipset"];
    let key = dice.one(&keys).clone();
    if storage.contains(&key.as_str()) {
        for key in storage {
            spec.remove(key);
            spec.extend(theirs.get(key).map(|value| (key.to_owned(), value.clone())));
        }
    } else if !["replicas", "cpus", "ioapic", "osType"].contains(&key.as_str()) {
        spec.insert(key.clone(), theirs[&key].clone());
    } else if key == "replicas" && spec.contains_key("replicas") {
        spec.insert(key, theirs["replicas"].clone());
    }
    let own: Vec<String> =
        spec.keys().filter(|key| !["osType", "replicas"].contains(&key.as_str())).cloned().collect();
    if dice.percent(10) && !own.is_empty() && !spec.contains_key("controllers") {
        spec.remove(dice.one(&own));
    }
}

fn machine(name: &str, dice: &mut Dice) -> Value {
    let mut lifecycle = Map::new();
    if dice.percent(75) {
        lifecycle.insert("onRemove".into(), "delete".into());
    }
    if dice.percent(5) {
        lifecycle.insert("protect".into(), true.into());
    }
    if dice.percent(10) {
        lifecycle.insert("ignore".into(), json!(["description"]));
    }
    if dice.percent(10) {
        lifecycle.insert("allow".into(), json!(["downtime"]));
    }
    if dice.percent(2) {
        lifecycle.insert("external".into(), true.into());
    }
    json!({
        "apiVersion": "vboxmcp/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "labels": {"tier": name}},
        "lifecycle": lifecycle,
        "spec": spec(name, dice),
    })
}

fn spec(name: &str, dice: &mut Dice) -> Map<String, Value> {
    let mut spec = Map::new();
    let replicated = dice.percent(15);
    if replicated {
        spec.insert("replicas".into(), (1 + dice.below(3)).into());
    }
    spec.insert("osType".into(), (*dice.one(&["Other", "Debian_64", "Windows10_64", "Linux26"])).into());
    let mut maybe = |dice: &mut Dice, percent: u64, key: &str, value: &dyn Fn(&mut Dice) -> Value| {
        if dice.percent(percent) {
            let value = value(dice);
            spec.insert(key.to_owned(), value);
        }
    };
    maybe(dice, 60, "memory", &|dice| format!("{}MiB", 32 * (1 + dice.below(4))).into());
    maybe(dice, 30, "cpus", &|dice| (1 + dice.below(3)).into());
    maybe(dice, 30, "description", &|dice| {
        let long = if dice.percent(25) { 9_000 } else { 3 };
        "x".repeat(long + usize::try_from(dice.below(3)).unwrap()).into()
    });
    maybe(dice, 20, "groups", &|dice| json!([dice.one(&["/", "/lab", "/lab/x", "/other"])]));
    maybe(dice, 20, "cpuExecutionCap", &|dice| (50 + dice.below(3) * 20).into());
    maybe(dice, 15, "rtcUseUtc", &|dice| dice.percent(50).into());
    maybe(dice, 15, "pae", &|dice| dice.percent(50).into());
    maybe(dice, 15, "firmware", &|dice| (*dice.one(&["bios", "efi"])).into());
    maybe(dice, 15, "bootOrder", &|dice| {
        dice.one(&[json!(["disk"]), json!(["dvd", "disk"]), json!(["net", "disk"])]).clone()
    });
    maybe(dice, 15, "graphics", &|dice| json!({"vram": format!("{}MiB", 16 << dice.below(2))}));
    maybe(dice, 60, "nics", &|dice| nics(name, replicated, dice));
    maybe(dice, 35, "sharedFolders", &|dice| folders(dice));
    maybe(dice, 35, "extraData", &|dice| texts("x/", dice));
    maybe(dice, 35, "guestProperties", &|dice| texts("/x/", dice));
    maybe(dice, 50, "state", &|dice| {
        (*dice.one(&["running", "running", "poweroff", "saved", "paused"])).into()
    });
    if spec.contains_key("cpus") {
        spec.insert("ioapic".into(), true.into());
    }
    storage(&mut spec, dice);
    spec
}

fn storage(spec: &mut Map<String, Value>, dice: &mut Dice) {
    let written = dice.percent(40);
    if written {
        spec.insert("chipset".into(), "ich9".into());
        let mut controllers = Map::new();
        controllers.insert("SATA".into(), json!({"bus": "sata", "ports": 4 + dice.below(3)}));
        if dice.percent(50) {
            controllers.insert("IDE".into(), json!({"bus": "ide"}));
        }
        if dice.percent(20) {
            controllers.insert("SCSI".into(), json!({"bus": "scsi"}));
        }
        spec.insert("controllers".into(), controllers.into());
    }
    if dice.percent(70) {
        let mut disks = Map::new();
        for (port, key) in ["root", "data", "log"].iter().enumerate() {
            if !dice.percent(60) {
                continue;
            }
            let mut disk = Map::new();
            disk.insert("size".into(), format!("{}MiB", 8 << dice.below(3)).into());
            if dice.percent(25) {
                disk.insert("format".into(), (*dice.one(&["vdi", "vmdk", "vhd"])).into());
            }
            if dice.percent(10) {
                disk.insert("variant".into(), "fixed".into());
            }
            if dice.percent(10) {
                disk.insert("location".into(), format!("other-{key}.vdi").into());
                disk.insert("format".into(), "vdi".into());
            }
            if written && dice.percent(40) {
                disk.insert("at".into(), format!("SATA:{port}").into());
            }
            disks.insert((*key).to_owned(), disk.into());
        }
        spec.insert("disks".into(), disks.into());
    }
    if dice.percent(25) {
        let mut dvds = vec![
            dice.one(&[json!({"empty": true}), json!({"image": "./one.iso"}), json!({"image": "./two.iso"})])
                .clone(),
        ];
        if dice.percent(20) {
            dvds.push(json!({"empty": true}));
        }
        spec.insert("dvds".into(), dvds.into());
    }
}

fn nics(name: &str, replicated: bool, dice: &mut Dice) -> Value {
    let base = 2000 + 100 * NAMES.iter().position(|known| *known == name).unwrap_or(9);
    let mut nics = Vec::new();
    for slot in 0..dice.below(3) {
        if dice.percent(25) {
            nics.push(json!({"unattached": {}}));
            continue;
        }
        let mut rules = Map::new();
        for (number, rule) in ["ssh", "web"].iter().enumerate() {
            if !dice.percent(50) {
                continue;
            }
            let port = base
                + 20 * usize::try_from(slot).unwrap()
                + 10 * number
                + usize::try_from(dice.below(2)).unwrap() * 4;
            let port = if dice.percent(10) {
                "auto".to_owned()
            } else if replicated {
                format!("${{{port} + index}}")
            } else {
                port.to_string()
            };
            rules.insert((*rule).to_owned(), format!("{port}:{}", 22 + number).into());
        }
        let mut nic = json!({"nat": {"portForwards": rules}});
        if dice.percent(20) {
            nic["type"] = "virtio".into();
        }
        if dice.percent(20) {
            nic["cable"] = dice.percent(50).into();
        }
        nics.push(nic);
    }
    nics.into()
}

fn folders(dice: &mut Dice) -> Value {
    let mut folders = Map::new();
    for name in ["site", "logs"] {
        if dice.percent(60) {
            folders.insert(name.to_owned(), json!({"hostPath": "./site", "readOnly": dice.percent(50)}));
        }
    }
    folders.into()
}

fn texts(prefix: &str, dice: &mut Dice) -> Value {
    let mut texts = Map::new();
    for key in ["one", "two"] {
        if dice.percent(60) {
            let value = if dice.percent(15) { Value::Null } else { dice.below(3).to_string().into() };
            texts.insert(format!("{prefix}{key}"), value);
        }
    }
    texts.into()
}
