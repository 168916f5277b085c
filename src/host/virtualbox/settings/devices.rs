//! Screens, sound, input, sharing and what the guest is told (`vbox-settings` 3.3).

use std::collections::BTreeMap;

use super::Beyond;
use super::document::Element;
use crate::model::settings::{Audio, BandwidthGroup, Clipboard, GraphicsController, Vrde};
use crate::model::{Graphics, Mebibytes, Settings, SharedFolder};

/// Reads all of it.
pub fn read(hardware: Element<'_>, settings: &mut Settings, beyond: &mut Beyond) -> Result<(), String> {
    settings.graphics = Some(graphics(hardware.child("Display"))?);
    settings.vrde = Some(vrde(hardware.child("RemoteDisplay"), beyond)?);
    settings.audio = Some(audio(hardware.child("AudioAdapter"))?);
    let clipboard = hardware.child("Clipboard");
    settings.clipboard = Some(Clipboard {
        mode: Some(clipboard.map_or_else(|| "disabled".to_owned(), |e| e.word("mode", "disabled"))),
        file_transfers: Some(clipboard.map_or(Ok(false), |e| e.flag("fileTransfersEnabled", false))?),
    });
    let dragging = hardware.child("DragAndDrop");
    settings.drag_and_drop =
        Some(dragging.map_or_else(|| "disabled".to_owned(), |e| e.word("mode", "disabled")));
    let input = hardware.child("HID");
    settings.pointing = Some(match input.and_then(|e| e.get("Pointing")).unwrap_or("PS2Mouse") {
        "PS2Mouse" => "ps2".to_owned(),
        "USBMouse" => "usb".to_owned(),
        other => other.to_ascii_lowercase(),
    });
    settings.keyboard = Some(match input.and_then(|e| e.get("Keyboard")).unwrap_or("PS2Keyboard") {
        "PS2Keyboard" => "ps2".to_owned(),
        "USBKeyboard" => "usb".to_owned(),
        other => other.to_ascii_lowercase(),
    });
    settings.frontend = Some(
        hardware
            .child("Frontend")
            .and_then(|e| e.child("Default"))
            .map(|e| e.string("type"))
            .unwrap_or_default(),
    );
    settings.shared_folders = Some(shared_folders(hardware.child("SharedFolders"))?);
    settings.guest_properties = Some(guest_properties(hardware.child("GuestProperties"))?);
    settings.bandwidth_groups = Some(bandwidth_groups(hardware.child("IO"), beyond)?);
    if let Some(devices) = hardware.child("HostPci") {
        devices.leave();
        if devices.descendants("Device").next().is_some() {
            beyond.say("Hardware/HostPci: devices of the host".to_owned());
        }
    }
    Ok(())
}

fn graphics(display: Option<Element<'_>>) -> Result<Graphics, String> {
    let controller = display.and_then(|e| e.get("controller")).unwrap_or("VBoxVGA");
    if let Some(display) = display {
        // 2D acceleration is gone from VirtualBox.
        display.skip(&["accelerate2DVideo"]);
    }
    Ok(Graphics {
        controller: Some(GraphicsController::parse_or_other(controller)),
        vram: Some(Mebibytes(display.map_or(Ok(8), |e| e.number("VRAMSize", 8))?)),
        monitors: Some(display.map_or(Ok(1), |e| e.number("monitorCount", 1))?),
        accelerate3d: Some(display.map_or(Ok(false), |e| e.flag("accelerate3D", false))?),
    })
}

fn vrde(display: Option<Element<'_>>, beyond: &mut Beyond) -> Result<Vrde, String> {
    let flag = |name| display.map_or(Ok(false), |display| display.flag(name, false));
    let text = |name, default: &str| display.and_then(|e| e.get(name)).unwrap_or(default).to_owned();
    let mut vrde = Vrde {
        enabled: Some(flag("enabled")?),
        address: Some(String::new()),
        port: Some("3389".to_owned()),
        auth: Some(match display.map(|e| e.word("authType", "null")) {
            Some(auth) if auth != "null" => auth,
            _ => "none".to_owned(),
        }),
        auth_library: Some(text("authLibrary", "default")),
        multi_connection: Some(flag("allowMultiConnection")?),
        reuse_connection: Some(flag("reuseSingleConnection")?),
        ext_pack: Some(text("VRDEExtPack", "default")),
        properties: None,
    };
    if let Some(display) = display {
        beyond.note(display, "authTimeout", "5000");
    }
    let mut properties = BTreeMap::new();
    let list = display.and_then(|display| display.child("VRDEProperties"));
    for property in list.into_iter().flat_map(|list| list.children("Property")) {
        let (name, value) = (property.required("name")?, property.string("value"));
        match name {
            "TCP/Address" => vrde.address = Some(value),
            "TCP/Ports" => vrde.port = Some(value),
            // VirtualBox makes these itself.
            _ if name.starts_with("Security/") => {}
            _ if name.to_ascii_lowercase().contains("password") => {
                beyond.say(format!("{}: {name}, a secret", property.path()));
            }
            _ if name.starts_with("VideoChannel/") => {
                beyond.say(format!("{}: {name}={value}", property.path()));
            }
            _ => drop(properties.insert(name.to_owned(), value)),
        }
    }
    vrde.properties = Some(properties);
    Ok(vrde)
}

fn audio(adapter: Option<Element<'_>>) -> Result<Audio, String> {
    let controller = adapter.map_or_else(|| "ac97".to_owned(), |e| e.word("controller", "ac97"));
    let codec = match controller.as_str() {
        "hda" => "stac9221",
        "sb16" => "sb16",
        _ => "stac9700",
    };
    // With the default driver the name of one is there too, of the host that wrote the file.
    let driver = adapter.map_or_else(|| "null".to_owned(), |e| e.word("driver", "null"));
    let is_default = adapter.map_or(Ok(false), |e| e.flag("useDefault", false))?;
    Ok(Audio {
        enabled: Some(adapter.map_or(Ok(false), |e| e.flag("enabled", false))?),
        driver: Some(if is_default { "default".to_owned() } else { driver }),
        codec: Some(adapter.map_or_else(|| codec.to_owned(), |e| e.word("codec", codec))),
        controller: Some(controller),
        r#in: Some(adapter.map_or(Ok(false), |e| e.flag("enabledIn", false))?),
        out: Some(adapter.map_or(Ok(false), |e| e.flag("enabledOut", false))?),
    })
}

fn shared_folders(list: Option<Element<'_>>) -> Result<BTreeMap<String, SharedFolder>, String> {
    let mut folders = BTreeMap::new();
    for folder in list.into_iter().flat_map(|list| list.children("SharedFolder")) {
        let read = SharedFolder {
            host_path: Some(folder.string("hostPath")),
            mount_point: Some(folder.string("autoMountPoint")),
            read_only: Some(!folder.flag("writable", false)?),
            automount: Some(folder.flag("autoMount", false)?),
            // Without a policy VirtualBox lets the guest make no links.
            symlinks: Some(match folder.word("symlinkPolicy", "none").as_str() {
                "none" => "forbidden".to_owned(),
                other => other.to_owned(),
            }),
        };
        folders.insert(folder.required("name")?.to_owned(), read);
    }
    Ok(folders)
}

/// Guest properties, without those that end with the guest's run.
fn guest_properties(list: Option<Element<'_>>) -> Result<BTreeMap<String, Option<String>>, String> {
    let mut properties = BTreeMap::new();
    if let Some(list) = list {
        list.skip(&["notificationPatterns"]);
    }
    for property in list.into_iter().flat_map(|list| list.children("GuestProperty")) {
        property.skip(&["timestamp"]);
        let flags = property.string("flags");
        let ends = flags.split(',').any(|flag| matches!(flag.trim(), "TRANSIENT" | "TRANSRESET"));
        let (name, value) = (property.required("name")?, property.string("value"));
        if !ends {
            properties.insert(name.to_owned(), Some(value));
        }
    }
    Ok(properties)
}

fn bandwidth_groups(
    io: Option<Element<'_>>,
    beyond: &mut Beyond,
) -> Result<BTreeMap<String, BandwidthGroup>, String> {
    if let Some(cache) = io.and_then(|io| io.child("IoCache")) {
        beyond.note(cache, "enabled", "true");
        beyond.note(cache, "size", "5");
    }
    let mut groups = BTreeMap::new();
    let list = io.and_then(|io| io.child("BandwidthGroups"));
    for group in list.into_iter().flat_map(|list| list.children("BandwidthGroup")) {
        let read = BandwidthGroup {
            r#type: Some(group.word("type", "")),
            limit: Some(group.number("maxBytesPerSec", 0)?),
        };
        groups.insert(group.required("name")?.to_owned(), read);
    }
    Ok(groups)
}
