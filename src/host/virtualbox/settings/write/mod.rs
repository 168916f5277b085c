//! A settings file for a machine that is not there yet: the reader's mirror. No I/O.
//!
//! It is of settings version 1.19, which every VirtualBox from 7.0 on reads. What stands in it is what VirtualBox itself would write, with
//! more of what is absent there said in words; [`unfit`](Unfit) is what 1.19 cannot hold, and what VirtualBox does beside the file when it is
//! told by a command (it makes certificates for a remote display, and links for machines that start with the host).

mod devices;
mod network;
mod platform;
mod storage;
mod xml;

use std::collections::BTreeMap;

use crate::inventory::{Machine, Medium};
use crate::model::Nic;
use crate::model::settings::{Recording, Teleporter};

use self::xml::{Attributes, Xml};

/// Why a machine cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be written into a new settings file")]
pub struct Unfit {
    /// What of it.
    pub what: String,
}

fn unfit(what: impl Into<String>) -> Unfit {
    Unfit { what: what.into() }
}

/// A machine that is to be.
pub struct Birth<'a> {
    /// As the reader would show it.
    pub machine: &'a Machine,
    /// All of its extra data, vboxmcp's own keys included.
    pub extra: &'a BTreeMap<String, String>,
    /// Adapters by number from 1 that the guest does not have and VirtualBox remembers.
    pub disabled: &'a BTreeMap<u32, Nic>,
    /// The media that are registered with it, those that have no parent first.
    pub media: &'a [Medium],
    /// Names of the storage controllers in the order in which they were added: the first ones come first on the guest's bus.
    pub controllers: &'a [String],
    /// When, `2026-01-31T12:00:00Z`.
    pub time: &'a str,
    /// The same in nanoseconds since 1970, for guest properties.
    pub nanoseconds: u128,
}

/// The suffix of the settings version that VirtualBox writes on this platform.
const PLATFORM: &str = if cfg!(windows) {
    "windows"
} else if cfg!(target_os = "macos") {
    "macosx"
} else if cfg!(target_os = "freebsd") {
    "freebsd"
} else if cfg!(target_os = "solaris") {
    "solaris"
} else {
    "linux"
};

/// Writes a machine's settings file.
///
/// # Errors
/// What of the machine cannot be written: nobody then has to be careful, VBoxManage makes such a machine.
pub fn write_machine(birth: &Birth<'_>) -> Result<String, Unfit> {
    let (machine, settings) = (birth.machine, &birth.machine.settings);
    let name = machine.name.as_deref().ok_or_else(|| unfit("a machine without a name"))?;
    if machine.snapshots.is_some() || !machine.beyond.is_empty() {
        return Err(unfit("what the language does not name"));
    }
    let mut xml = Xml::new();
    let version = format!("1.19-{PLATFORM}");
    xml.open(
        "VirtualBox",
        Attributes::new().with("xmlns", "http://www.virtualbox.org/").with("version", version),
    );
    let mut attributes = Attributes::new()
        .with("uuid", machine.uuid.braced())
        .with("name", name)
        .with("OSType", settings.os_type.as_deref().unwrap_or_default())
        .with("snapshotFolder", settings.snapshot_folder.as_deref().unwrap_or("Snapshots"))
        .with("lastStateChange", birth.time);
    if let Some(priority) = settings.process_priority.as_deref().filter(|word| *word != "default") {
        attributes =
            attributes.with("processPriority", spelled(priority, &["Flat", "Low", "Normal", "High"])?);
    }
    xml.open("Machine", attributes);
    if settings.execution_engine.as_deref().is_some_and(|engine| engine != "default") {
        return Err(unfit("executionEngine"));
    }
    if settings.icon.as_deref().is_some_and(|icon| !icon.is_empty()) {
        return Err(unfit("icon"));
    }
    if let Some(text) = settings.description.as_deref().filter(|text| !text.is_empty()) {
        if text.trim().is_empty() {
            return Err(unfit("a description of white space"));
        }
        xml.text("Description", text);
    }
    if let Some(teleporter) = &settings.teleporter {
        write_teleporter(&mut xml, teleporter);
    }
    storage::write_registry(&mut xml, &machine.folder(), birth.media)?;
    if !birth.extra.is_empty() {
        xml.open("ExtraData", Attributes::new());
        for (key, value) in birth.extra {
            xml.leaf("ExtraDataItem", Attributes::new().with("name", key).with("value", value));
        }
        xml.close();
    }
    let mut attributes = Attributes::new();
    let own = machine.uuid.to_string();
    if let Some(uuid) = settings.hardware_uuid.as_deref().filter(|uuid| *uuid != own) {
        attributes = attributes.with("uuid", format!("{{{uuid}}}"));
    }
    xml.open("Hardware", attributes);
    platform::write(&mut xml, settings)?;
    devices::write(&mut xml, settings, birth.nanoseconds)?;
    network::write(&mut xml, birth)?;
    storage::write(&mut xml, birth)?;
    xml.close();
    if let Some(autostart) = &settings.autostart {
        let stops = autostart.stop.as_deref().is_some_and(|stop| stop != "disabled");
        if autostart.enabled == Some(true) || stops {
            return Err(unfit("autostart"));
        }
        let delay = autostart.delay.unwrap_or(0);
        if delay != 0 {
            let attributes = Attributes::new().with("enabled", false).with("delay", delay);
            xml.leaf("Autostart", attributes.with("autostop", "Disabled"));
        }
    }
    // VirtualBox makes names of files of what it is told, and settings of screens of their own.
    if settings.recording.as_ref().is_some_and(|recording| !is_usual(recording)) {
        return Err(unfit("recording"));
    }
    if let Some(groups) = settings.groups.as_deref().filter(|groups| *groups != ["/"]) {
        xml.open("Groups", Attributes::new());
        for group in groups {
            xml.leaf("Group", Attributes::new().with("name", group));
        }
        xml.close();
    }
    let text = xml.finish();
    // No reference can name them: XML has no place for them.
    if text.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\t')) {
        return Err(unfit("a control character"));
    }
    Ok(text)
}

fn write_teleporter(xml: &mut Xml, teleporter: &Teleporter) {
    let attributes = Attributes::new()
        .unless("enabled", teleporter.enabled.unwrap_or(false), false)
        .unless("port", teleporter.port.unwrap_or(0), 0)
        .unless("address", teleporter.address.as_deref().unwrap_or_default(), "");
    xml.leaf_if_any("Teleporter", attributes);
}

/// Whether screens are recorded as on every new machine.
fn is_usual(recording: &Recording) -> bool {
    let text = |value: &Option<String>, usual: &str| value.as_deref().is_none_or(|value| value == usual);
    let number = |value: Option<u32>, usual: u32| value.is_none_or(|value| value == usual);
    recording.enabled != Some(true)
        && recording.screens.as_deref().is_none_or(|screens| screens == [0])
        && text(&recording.file, "")
        && text(&recording.size, "1024x768")
        && number(recording.rate, 512)
        && number(recording.fps, 25)
        && number(recording.max_time, 0)
        && number(recording.max_size, 0)
}

/// VirtualBox's spelling of a word that is read without regard to case.
fn spelled<'w>(word: &str, known: &[&'w str]) -> Result<&'w str, Unfit> {
    known
        .iter()
        .copied()
        .find(|known| known.eq_ignore_ascii_case(word))
        .ok_or_else(|| unfit(format!("`{word}`")))
}

#[cfg(test)]
mod tests;
