//! Screens, sound, input, ports, USB and sharing.

use std::collections::BTreeMap;

use super::{Gathered, Pairs, number, on, word};
use crate::host::virtualbox::settings::without_screen_suffix;
use crate::model::settings::{
    Audio, BandwidthGroup, Clipboard, GraphicsController, ParallelPort, Recording, SerialPort, Usb,
    UsbFilter, Vrde,
};
use crate::model::{Graphics, Mebibytes, SharedFolder};

/// Reads all of it.
pub fn read(pairs: &Pairs, gathered: &mut Gathered) -> Result<(), String> {
    let settings = &mut gathered.settings;
    settings.graphics = Some(Graphics {
        controller: pairs.get("graphicscontroller").map(|name| match name {
            "null" => GraphicsController::None,
            other => GraphicsController::parse_or_other(other),
        }),
        vram: number(pairs, "vram")?.map(Mebibytes),
        monitors: number(pairs, "monitorcount")?,
        accelerate3d: on(pairs, "accelerate3d")?,
    });
    settings.clipboard = Some(Clipboard {
        mode: word(pairs, "clipboard"),
        file_transfers: on(pairs, "clipboard_file_transfers")?,
    });
    settings.drag_and_drop = word(pairs, "draganddrop");
    settings.pointing = pairs.get("hidpointing").map(|word| match word {
        "ps2mouse" => "ps2".to_owned(),
        "usbmouse" => "usb".to_owned(),
        other => other.to_ascii_lowercase(),
    });
    settings.keyboard = pairs.get("hidkeyboard").map(|word| match word {
        "ps2kbd" => "ps2".to_owned(),
        "usbkbd" => "usb".to_owned(),
        other => other.to_ascii_lowercase(),
    });
    read_audio(pairs, gathered)?;
    read_vrde(pairs, gathered)?;
    read_recording(pairs, gathered)?;
    read_ports(pairs, gathered)?;
    read_usb(pairs, gathered)?;
    read_sharing(pairs, gathered)
}

fn read_audio(pairs: &Pairs, gathered: &mut Gathered) -> Result<(), String> {
    let driver = pairs.get("audio");
    let enabled = driver.map(|driver| driver != "none");
    gathered.settings.audio = Some(Audio {
        enabled,
        driver: driver.filter(|driver| *driver != "none").map(str::to_ascii_lowercase),
        controller: None,
        codec: None,
        r#in: on(pairs, "audio_in")?,
        out: on(pairs, "audio_out")?,
    });
    gathered.omitted(&["audio.controller", "audio.codec"]);
    if enabled != Some(true) {
        gathered.omitted(&["audio.driver"]);
    }
    Ok(())
}

fn read_vrde(pairs: &Pairs, gathered: &mut Gathered) -> Result<(), String> {
    let enabled = on(pairs, "vrde")?;
    let mut vrde = Vrde { enabled, ..Vrde::default() };
    if enabled == Some(true) {
        vrde.address = pairs.get("vrdeaddress").map(str::to_owned);
        vrde.port = pairs.get("vrdeports").map(str::to_owned);
        vrde.auth =
            word(pairs, "vrdeauthtype").map(|auth| if auth == "null" { "none".to_owned() } else { auth });
        vrde.multi_connection = on(pairs, "vrdemulticon")?;
        vrde.reuse_connection = on(pairs, "vrdereusecon")?;
    } else {
        gathered.omitted(&[
            "vrde.address",
            "vrde.port",
            "vrde.auth",
            "vrde.multiConnection",
            "vrde.reuseConnection",
        ]);
    }
    gathered.omitted(&["vrde.authLibrary", "vrde.extPack", "vrde.properties"]);
    gathered.settings.vrde = Some(vrde);
    Ok(())
}

/// Keys of screens repeat: those of the first one are found first.
fn read_recording(pairs: &Pairs, gathered: &mut Gathered) -> Result<(), String> {
    let mut screens = Vec::new();
    let mut enabled = false;
    for (key, value) in pairs.iter() {
        match key {
            "rec_screen_enabled" => enabled = value == "on",
            "rec_screen_id" if enabled => screens.extend(value.parse::<u32>().ok()),
            _ => {}
        }
    }
    gathered.settings.recording = Some(Recording {
        enabled: on(pairs, "recording_enabled")?,
        screens: Some(screens),
        file: pairs.get("rec_screen_dest_filename").map(|file| without_screen_suffix(file, 0)),
        size: pairs.get("rec_screen_video_res_xy").map(str::to_owned),
        rate: number(pairs, "rec_screen_video_rate_kbps")?,
        fps: number(pairs, "rec_screen_video_fps")?,
        max_time: None,
        max_size: None,
    });
    // Where the file names no recording, showvminfo tells the one that VirtualBox would choose.
    gathered.omitted(&["recording.file", "recording.maxTime", "recording.maxSize"]);
    Ok(())
}

/// `0x03f8,4`
fn resources(text: &str) -> Option<(u32, u32)> {
    let (base, irq) = text.split_once(',')?;
    Some((u32::from_str_radix(base.strip_prefix("0x")?, 16).ok()?, irq.parse().ok()?))
}

fn read_ports(pairs: &Pairs, gathered: &mut Gathered) -> Result<(), String> {
    let mut serial = BTreeMap::new();
    let mut parallel = BTreeMap::new();
    for number in 1..=4 {
        let key = |name: &str| format!("{name}{number}");
        for (name, is_serial) in [("uart", true), ("lpt", false)] {
            let Some(text) = pairs.get(&key(name)).filter(|text| *text != "off") else { continue };
            let (base, irq) =
                resources(text).ok_or_else(|| format!("showvminfo tells {name}{number}={text}"))?;
            let mode = pairs.get(&key(&format!("{name}mode"))).unwrap_or_default();
            if is_serial {
                let port = SerialPort {
                    io_base: Some(base),
                    irq: Some(irq),
                    r#type: pairs.get(&key("uarttype")).map(str::to_owned),
                    mode: Some(serial_mode(mode)),
                };
                serial.insert(number, port);
            } else {
                let port =
                    ParallelPort { io_base: Some(base), irq: Some(irq), device: Some(mode.to_owned()) };
                parallel.insert(number, port);
            }
        }
    }
    gathered.settings.serial_ports = Some(serial);
    gathered.settings.parallel_ports = Some(parallel);
    Ok(())
}

fn serial_mode(text: &str) -> String {
    match text.split_once(',') {
        _ if text == "disconnected" => text.to_owned(),
        Some(("server", path)) => format!("pipeServer:{path}"),
        Some(("client", path)) => format!("pipeClient:{path}"),
        Some(("tcpserver", port)) => format!("tcpServer:{port}"),
        Some(("tcpclient", peer)) => format!("tcpClient:{peer}"),
        Some(("file", path)) => format!("file:{path}"),
        _ => format!("device:{text}"),
    }
}

fn read_usb(pairs: &Pairs, gathered: &mut Gathered) -> Result<(), String> {
    let mut controllers = Vec::new();
    for (key, word) in [("usb", "ohci"), ("ehci", "ehci"), ("xhci", "xhci")] {
        if on(pairs, key)? == Some(true) {
            controllers.push(word.to_owned());
        }
    }
    // `usb` is told of an xHCI too, as VirtualBox counts it in.
    controllers.sort_unstable();
    let mut filters = BTreeMap::new();
    for number in 1_u32.. {
        let get = |name: &str| pairs.get(&format!("USBFilter{name}{number}"));
        let Some(active) = get("Active") else { break };
        let text = |name: &str| get(name).map(str::to_owned);
        let filter = UsbFilter {
            name: text("Name"),
            active: Some(active == "on"),
            vendor_id: text("VendorId"),
            product_id: text("ProductId"),
            revision: text("Revision"),
            manufacturer: text("Manufacturer"),
            product: text("Product"),
            serial_number: text("SerialNumber"),
            port: None,
            remote: get("Remote").map(|remote| match remote {
                "" => "any".to_owned(),
                "1" => "yes".to_owned(),
                "0" => "no".to_owned(),
                other => other.to_ascii_lowercase(),
            }),
        };
        filters.insert(number, filter);
    }
    gathered.settings.usb =
        Some(Usb { controllers: Some(controllers), card_reader: None, filters: Some(filters) });
    gathered.omitted(&["usb.cardReader", "usb.filters"]);
    Ok(())
}

fn read_sharing(pairs: &Pairs, gathered: &mut Gathered) -> Result<(), String> {
    let mut groups = BTreeMap::new();
    for number in 0_u32.. {
        let Some(text) = pairs.get(&format!("BandwidthGroup{number}")) else { break };
        let mut parts = text.rsplitn(3, ',');
        let (limit, kind, name) = (parts.next(), parts.next(), parts.next());
        let limit = limit.and_then(|limit| limit.parse().ok());
        let (Some(limit), Some(kind), Some(name)) = (limit, kind, name) else {
            return Err(format!("showvminfo tells BandwidthGroup{number}={text}"));
        };
        let group = BandwidthGroup { r#type: Some(kind.to_ascii_lowercase()), limit: Some(limit) };
        groups.insert(name.to_owned(), group);
    }
    gathered.settings.bandwidth_groups = Some(groups);
    let mut folders = BTreeMap::new();
    for number in 1_u32.. {
        let Some(name) = pairs.get(&format!("SharedFolderNameMachineMapping{number}")) else { break };
        let path = pairs.get(&format!("SharedFolderPathMachineMapping{number}"));
        folders.insert(
            name.to_owned(),
            SharedFolder { host_path: path.map(str::to_owned), ..SharedFolder::default() },
        );
    }
    gathered.settings.shared_folders = Some(folders);
    gathered.omitted(&[
        "sharedFolders.*.mountPoint",
        "sharedFolders.*.readOnly",
        "sharedFolders.*.automount",
        "sharedFolders.*.symlinks",
    ]);
    Ok(())
}
