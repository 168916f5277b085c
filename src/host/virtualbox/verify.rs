//! The self-check: settings files as the reader reads them, against what `showvminfo` says of the same machines
//! (`vbox-settings` section 7); and what is installed.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::info;
use super::registry::{Reading, Row};
use super::settings::{MachineFile, read_machine};
use super::{VirtualBox, files, home, live};
use crate::host::checkup::{Comparison, Difference, ExtensionPack, Installation, Sample};
use crate::host::{ErrorClass, HostError};
use crate::inventory::Machine;
use crate::model::FieldPath;

/// Machines of each layout that a sample has.
const FEW: usize = 5;

impl VirtualBox {
    pub(super) fn find_installation(&self) -> Result<Installation, HostError> {
        let runner = self.runner()?;
        let packs = runner.read(["list", "extpacks"])?.stdout;
        Ok(Installation {
            version: Some(self.read_version()?),
            driver: home::has_driver(),
            extension_packs: Some(extension_packs(&packs)),
        })
    }

    /// Names of the extension packs that VirtualBox can use; `None` where it does not answer.
    pub(super) fn usable_packs(&self) -> Option<Vec<String>> {
        let text = self.runner().ok()?.read(["list", "extpacks"]).ok()?.stdout;
        let usable = extension_packs(&text).into_iter().filter(|pack| pack.unusable.is_none());
        Some(usable.map(|pack| pack.name).collect())
    }

    /// What `VBoxManage --version` says; no server is asked.
    pub(super) fn read_version(&self) -> Result<String, HostError> {
        let output = self.runner()?.read(["--version"])?;
        let version = output.stdout.lines().next_back().unwrap_or_default().trim();
        if version.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(version.to_owned());
        }
        let detail = format!("`{version}` where a version was expected");
        Err(HostError::Garbage { command: "VBoxManage --version".to_owned(), detail })
    }

    /// Layouts of the settings files that can be read.
    pub(super) fn read_layouts(&self) -> Result<Vec<String>, HostError> {
        let reading = Reading::new(self.home(), &self.cache)?;
        let mut layouts: Vec<String> = reading.rows.iter().filter_map(readable).map(layout).collect();
        layouts.sort();
        layouts.dedup();
        Ok(layouts)
    }

    /// Compares machines that are off. One whose file is another one afterwards is left out.
    pub(super) fn compare_machines(&self, sample: Sample) -> Result<Comparison, HostError> {
        let running = live::running(self.runner()?)?;
        let reading = Reading::new(self.home(), &self.cache)?;
        let mut comparison = Comparison::default();
        for row in &reading.rows {
            let Some(file) = readable(row).filter(|_| !running.contains(&row.entry.uuid)) else {
                comparison.left_out += 1;
                continue;
            };
            let seen = comparison.layouts.entry(layout(file)).or_default();
            if sample == Sample::Few && seen.machines >= FEW {
                continue;
            }
            match self.compare_machine(row.entry.uuid, file)? {
                Some(differences) => {
                    seen.machines += 1;
                    seen.differences.extend(differences);
                }
                None => comparison.left_out += 1,
            }
        }
        Ok(comparison)
    }

    /// What VirtualBox tells otherwise; nothing where the machine changed meanwhile.
    fn compare_machine(&self, uuid: Uuid, file: &MachineFile) -> Result<Option<Vec<Difference>>, HostError> {
        let path = &file.machine.settings_file;
        let stamp = files::stamp(path);
        let output = match self.runner()?.read(["showvminfo", &uuid.to_string(), "--machinereadable"]) {
            Ok(output) => output,
            // Gone, or being changed.
            Err(error @ HostError::Refused { .. }) if error.class() == ErrorClass::WrongState => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        // What was remembered of the file may be older than the file.
        let Ok((read, text)) = files::read(path) else { return Ok(None) };
        let Ok(file) = read_machine(&text, uuid, path) else { return Ok(None) };
        if Some(read) != stamp {
            return Ok(None);
        }
        let told = info::read_info(&output.stdout, uuid, path, "").map_err(|detail| HostError::Garbage {
            command: format!("VBoxManage showvminfo {uuid} --machinereadable"),
            detail,
        })?;
        Ok(Some(differences(&file.machine, &told.machine)))
    }
}

fn readable(row: &Row) -> Option<&MachineFile> {
    row.file.as_ref().as_ref().ok()
}

/// The layout of a file, as its settings version says it.
pub(super) fn layout(file: &MachineFile) -> String {
    format!("1.{}", file.minor_version)
}

/// All that is told otherwise than it was read, but for what is not told.
fn differences(read: &Machine, told: &Machine) -> Vec<Difference> {
    let places = |machine: &Machine| -> Value {
        let all = machine.attachments.iter();
        all.map(|a| json!([a.controller, a.port, a.device, a.kind, a.medium])).collect()
    };
    let tree = |machine: &Machine| serde_json::to_value(&machine.settings).unwrap_or_default();
    let mut found = Vec::new();
    let mut add = |field: FieldPath, read_value: &Value, told_value: &Value| {
        if read_value != told_value {
            found.push(Difference {
                machine: read.uuid,
                name: read.name.clone().unwrap_or_default(),
                field,
                read: read_value.to_string(),
                told: told_value.to_string(),
            });
        }
    };
    add(FieldPath::of(["name"]), &json!(read.name), &json!(told.name));
    add(FieldPath::of(["attachments"]), &places(read), &places(told));
    add(FieldPath::of(["currentSnapshot"]), &json!(read.current_snapshot), &json!(told.current_snapshot));
    // Neither is in the settings file of a machine.
    let mut told_settings = tree(told);
    let mut read_settings = tree(read);
    for settings in [&mut told_settings, &mut read_settings] {
        if let Value::Object(settings) = settings {
            settings.remove("secureBoot");
            settings.remove("extraData");
            // showvminfo leaves some screens out that the file names (measured).
            if let Some(Value::Object(recording)) = settings.get_mut("recording") {
                recording.remove("screens");
            }
        }
    }
    walk(&FieldPath::root(), told, &read_settings, &told_settings, &mut add);
    found
}

fn walk(
    path: &FieldPath,
    told: &Machine,
    a: &Value,
    b: &Value,
    add: &mut dyn FnMut(FieldPath, &Value, &Value),
) {
    if a == b || told.why_unknown(path).is_some() {
        return;
    }
    let (Value::Object(a), Value::Object(b)) = (a, b) else { return add(path.clone(), a, b) };
    let value = |map: &Map<String, Value>, key: &String| map.get(key).cloned().unwrap_or_default();
    for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
        walk(&path.join(key), told, &value(a, key), &value(b, key), add);
    }
}

/// Reads `list extpacks`: a line `Pack no. N: NAME`, then lines `KEY: VALUE`.
fn extension_packs(text: &str) -> Vec<ExtensionPack> {
    let mut packs: Vec<BTreeMap<&str, &str>> = Vec::new();
    for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
        let (key, value) = (key.trim(), value.trim());
        if key.starts_with("Pack no.") {
            packs.push(BTreeMap::from([("Name", value)]));
        } else if let Some(pack) = packs.last_mut() {
            pack.entry(key).or_insert(value);
        }
    }
    let value =
        |pack: &BTreeMap<&str, &str>, key: &str| pack.get(key).copied().unwrap_or_default().to_owned();
    let read = |pack: &BTreeMap<&str, &str>| ExtensionPack {
        name: value(pack, "Name"),
        version: value(pack, "Version"),
        unusable: (value(pack, "Usable") != "true").then(|| value(pack, "Why unusable")),
    };
    packs.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::extension_packs;

    #[test]
    fn packs_are_read_and_the_unusable_have_a_reason() {
        let text = "Extension Packs: 2\nPack no. 0:   VNC\nVersion:        7.2.22\nRevision:       175245\nEdition:        \n\
                    Description:    VNC plugin module\nVRDE Module:    VBoxVNC\nCrypto Module:  \nUsable:         true\n\
                    Why unusable:   \nPack no. 1:   Old one\nVersion:   6.1.0\nUsable:         false\n\
                    Why unusable:   Version mismatch: 6.1\n";
        let packs = extension_packs(text);
        assert_eq!((packs[0].name.as_str(), packs[0].version.as_str()), ("VNC", "7.2.22"));
        assert_eq!(packs[0].unusable, None);
        assert_eq!(packs[1].name, "Old one");
        assert_eq!(packs[1].unusable.as_deref(), Some("Version mismatch: 6.1"));
        assert!(extension_packs("Extension Packs: 0\n").is_empty());
    }
}
