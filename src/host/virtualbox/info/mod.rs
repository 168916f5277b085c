//! A machine as `showvminfo --machinereadable` tells it: for settings files that are not trusted.
//!
//! It is poorer than the file: what it omits or tells by a wrong rule is noted as unknown, never as a default
//! (`vbox-settings` 3.6).

mod devices;
mod network;
mod pairs;
mod settings;
mod storage;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::inventory::{Access, Machine, Mark, MarkState, Medium};
use crate::model::{FieldPath, PowerState, Settings};

pub use pairs::Pairs;

/// What `showvminfo` tells of a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The machine.
    pub machine: Machine,
    /// Media that are attached to it, as far as they are told: path, UUID and kind.
    pub media: Vec<Medium>,
    /// The file of firmware variables.
    pub nvram: Option<PathBuf>,
}

/// What is being gathered.
struct Gathered {
    settings: Settings,
    unknown: BTreeMap<FieldPath, String>,
    beyond: Vec<String>,
}

impl Gathered {
    /// Notes fields that `showvminfo` does not tell. `*` stands for every key.
    fn omitted(&mut self, paths: &[&str]) {
        for path in paths {
            self.unknown_because(path, "VirtualBox's showvminfo does not tell it");
        }
    }

    fn unknown_because(&mut self, path: &str, reason: &str) {
        self.unknown.insert(FieldPath::of(path.split('.')), reason.to_owned());
    }
}

/// Reads the output of `showvminfo --machinereadable` for the machine `uuid`. `reason` says why it was asked.
pub fn read_info(text: &str, uuid: Uuid, file: &Path, reason: &str) -> Result<Told, String> {
    let pairs = Pairs::parse(text);
    if pairs.get("UUID").and_then(|text| Uuid::try_parse(text).ok()) != Some(uuid) {
        return Err(format!("showvminfo does not tell of machine {uuid}"));
    }
    let name = pairs.get("name").ok_or("showvminfo tells no name")?.to_owned();
    let state = pairs.get("VMState").ok_or("showvminfo tells no state")?;
    let file = pairs.get("CfgFile").map_or_else(|| file.to_owned(), PathBuf::from);
    let mut gathered =
        Gathered { settings: Settings::default(), unknown: BTreeMap::new(), beyond: Vec::new() };
    settings::read(&pairs, &file, &mut gathered)?;
    devices::read(&pairs, &mut gathered)?;
    network::read(&pairs, &mut gathered)?;
    let (attachments, media) = storage::read(&pairs, uuid, &mut gathered)?;
    let is_efi = gathered.settings.firmware != Some(crate::model::settings::Firmware::Bios);
    let nvram = pairs.get("NvramFile").filter(|path| is_efi && !path.is_empty()).map(PathBuf::from);
    let machine = Machine {
        uuid,
        name: Some(name),
        access: Access::ShowVmInfo { reason: reason.to_owned() },
        settings_file: file,
        state: Some(PowerState::parse_or_other(state)),
        settings: gathered.settings.into(),
        unknown: gathered.unknown,
        attachments,
        snapshots: pairs.snapshots,
        current_snapshot: pairs.current_snapshot,
        mark: MarkState::None,
        remembered: BTreeMap::new(),
        beyond: gathered.beyond,
    };
    Ok(Told { machine, media, nvram })
}

/// Reads the output of `getextradata UUID enumerate`. Values may have several lines, so that a value may look like a key:
/// what is told twice is not believed, and the mark is the first of its kind.
pub fn read_extra_data(text: &str, machine: &mut Machine) {
    let mut items: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let item = line.strip_prefix("Key: ").and_then(|rest| rest.split_once(", Value: "));
        match (item, items.last_mut()) {
            (Some((key, value)), _) => items.push((key.to_owned(), value.to_owned())),
            (None, Some((_, value))) => {
                value.push('\n');
                value.push_str(line);
            }
            (None, None) => {}
        }
    }
    let mut extra_data = BTreeMap::new();
    for (key, value) in items {
        if key == Mark::KEY {
            if machine.mark == MarkState::None {
                machine.mark = MarkState::read(&value, machine.uuid);
            }
        } else if !key.starts_with("vboxmcp/") {
            extra_data.entry(key).or_insert(Some(value));
        }
    }
    machine.settings.extra_data = Some(extra_data);
    machine.unknown.remove(&FieldPath::of(["extraData"]));
}

/// `on` and `off`.
fn on(pairs: &Pairs, key: &str) -> Result<Option<bool>, String> {
    match pairs.get(key) {
        None => Ok(None),
        Some("on") => Ok(Some(true)),
        Some("off") => Ok(Some(false)),
        Some(other) => Err(format!("showvminfo tells {key}={other}, which is neither on nor off")),
    }
}

/// A number.
fn number<N: std::str::FromStr>(pairs: &Pairs, key: &str) -> Result<Option<N>, String> {
    let parse = |text: &str| {
        text.parse().map_err(|_| format!("showvminfo tells {key}={text}, which is not a number"))
    };
    pairs.get(key).map(parse).transpose()
}

/// A word in lower case.
fn word(pairs: &Pairs, key: &str) -> Option<String> {
    pairs.get(key).map(str::to_ascii_lowercase)
}
