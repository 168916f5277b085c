//! VirtualBox's settings files as plain data. No I/O.
//!
//! Elements, attributes and the values of absent ones are as `vbox-settings` sections 2 and 3 found them, by reading the same
//! machines through VirtualBox itself. Files of the settings versions 1.19, 1.20 and 1.21 are trusted, in both layouts (1.20
//! moved processor and platform out of `Hardware`, and firmware settings into one element). A file that holds anything
//! that is not read here, or left on purpose, is not trusted: VirtualBox must be asked about that machine.

mod as_of;
mod base64;
mod devices;
mod document;
mod global;
mod hardware;
mod machine;
mod media;
mod network;
mod networks;
mod platform;
mod ports;
mod storage;
pub mod write;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use as_of::read_machine_as_of;
pub use global::{GlobalFile, MachineEntry, read_global};
pub use machine::{MachineFile, read_machine, without_screen_suffix};

use document::{Document, Element};

/// Why a settings file is not the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// It is no settings file of that machine: VirtualBox cannot use it either.
    Broken(String),
    /// It holds what this version does not know: VirtualBox may read it.
    Unknown(String),
}

impl Distrust {
    /// Why, in words.
    pub fn reason(&self) -> &str {
        match self {
            Self::Broken(reason) | Self::Unknown(reason) => reason,
        }
    }
}

/// Settings of a machine that VirtualBox has and the language does not name, `element: value`.
#[derive(Default)]
struct Beyond(Vec<String>);

impl Beyond {
    /// Notes a value unless it is the one that stands for nothing special.
    fn note(&mut self, element: Element<'_>, attribute: &str, usual: &str) {
        if let Some(value) = element.get(attribute).filter(|value| *value != usual) {
            self.0.push(format!("{}@{attribute}: {value}", element.path()));
        }
    }

    fn say(&mut self, what: String) {
        self.0.push(what);
    }
}

/// The number behind `1.` of a settings version such as `1.19-linux`; the platform must be a known one.
fn minor_version(root: Element<'_>) -> Result<u32, Distrust> {
    if root.name() != "VirtualBox" {
        return Err(Distrust::Broken(format!("its root element is <{}>, not <VirtualBox>", root.name())));
    }
    root.skip(&["xmlns"]);
    let Some(version) = root.get("version") else {
        return Err(Distrust::Broken("it has no settings version".to_owned()));
    };
    let unknown = || Distrust::Unknown(format!("settings version {version} is unknown to vboxmcp"));
    let (number, platform) = version.split_once('-').ok_or_else(unknown)?;
    let minor = number.strip_prefix("1.").and_then(|minor| minor.parse().ok()).ok_or_else(unknown)?;
    match platform {
        "linux" | "windows" | "macosx" | "freebsd" | "solaris" => Ok(minor),
        _ => Err(unknown()),
    }
}

/// The machine whose settings a text is; `None` where it is no settings file of a machine.
pub fn settings_uuid(source: &str) -> Option<uuid::Uuid> {
    let document = Document::parse(source).ok()?;
    document.root().child("Machine")?.uuid("uuid").ok()
}

/// A path of a settings file: relative ones start at the folder of the file.
fn absolute(folder: &Path, path: &str) -> PathBuf {
    folder.join(path)
}
