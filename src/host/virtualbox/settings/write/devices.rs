//! Screens, sound, input, ports, sharing and what the guest is told.

use super::xml::{Attributes, Xml};
use super::{Unfit, spelled, unfit};
use crate::model::Settings;
use crate::model::settings::{Audio, GraphicsController, SerialPort, Usb, UsbFilter, Vrde};

const SHARING: [&str; 4] = ["Disabled", "HostToGuest", "GuestToHost", "Bidirectional"];

/// The driver that stands for VirtualBox's own choice, as it writes it on this platform.
const HOST_DRIVER: &str = if cfg!(windows) {
    "WAS"
} else if cfg!(target_os = "macos") {
    "CoreAudio"
} else if cfg!(target_os = "linux") {
    "ALSA"
} else {
    "OSS"
};

/// Writes all of it.
pub fn write(xml: &mut Xml, settings: &Settings, nanoseconds: u128) -> Result<(), Unfit> {
    input(xml, settings)?;
    display(xml, settings)?;
    if let Some(vrde) = &settings.vrde {
        remote_display(xml, vrde)?;
    }
    usb(xml, settings.usb.as_ref())?;
    ports(xml, settings)?;
    if let Some(audio) = &settings.audio {
        sound(xml, audio)?;
    }
    sharing(xml, settings)?;
    if let Some(frontend) = settings.frontend.as_deref().filter(|frontend| !frontend.is_empty()) {
        xml.open("Frontend", Attributes::new());
        xml.leaf("Default", Attributes::new().with("type", frontend));
        xml.close();
    }
    if let Some(groups) = settings.bandwidth_groups.as_ref().filter(|groups| !groups.is_empty()) {
        xml.open("IO", Attributes::new());
        xml.open("BandwidthGroups", Attributes::new());
        for (name, group) in groups {
            let kind = spelled(group.r#type.as_deref().unwrap_or_default(), &["Disk", "Network"])?;
            let attributes = Attributes::new().with("name", name).with("type", kind);
            xml.leaf("BandwidthGroup", attributes.with("maxBytesPerSec", group.limit.unwrap_or(0)));
        }
        xml.close();
        xml.close();
    }
    if let Some(properties) = settings.guest_properties.as_ref().filter(|all| !all.is_empty()) {
        xml.open("GuestProperties", Attributes::new());
        for (name, value) in properties.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            let attributes = Attributes::new().with("name", name).with("value", value);
            xml.leaf("GuestProperty", attributes.with("timestamp", nanoseconds).with("flags", ""));
        }
        xml.close();
    }
    Ok(())
}

fn input(xml: &mut Xml, settings: &Settings) -> Result<(), Unfit> {
    let pointing = match settings.pointing.as_deref().unwrap_or("ps2") {
        "ps2" => "PS2Mouse",
        "usb" => "USBMouse",
        other => spelled(other, &["USBTablet", "USBMultiTouch", "USBMTScreenPlusPad"])?,
    };
    let keyboard = match settings.keyboard.as_deref().unwrap_or("ps2") {
        "ps2" => "PS2Keyboard",
        "usb" => "USBKeyboard",
        _ => return Err(unfit("keyboard")),
    };
    xml.leaf("HID", Attributes::new().with("Pointing", pointing).with("Keyboard", keyboard));
    Ok(())
}

fn display(xml: &mut Xml, settings: &Settings) -> Result<(), Unfit> {
    let graphics = settings.graphics.as_ref().ok_or_else(|| unfit("a machine without graphics"))?;
    let controller = match graphics.controller.as_ref().unwrap_or(&GraphicsController::VBoxVga) {
        GraphicsController::None => "None",
        GraphicsController::VBoxVga => "VBoxVGA",
        GraphicsController::VmSvga => "VMSVGA",
        GraphicsController::VBoxSvga => "VBoxSVGA",
        // Since 1.20.
        GraphicsController::QemuRamFb | GraphicsController::Other(_) => {
            return Err(unfit("graphics.controller"));
        }
    };
    let attributes = Attributes::new()
        .with("controller", controller)
        .with("VRAMSize", graphics.vram.map_or(8, |vram| vram.0))
        .with("monitorCount", graphics.monitors.unwrap_or(1))
        .with("accelerate3D", graphics.accelerate3d.unwrap_or(false));
    xml.leaf("Display", attributes);
    Ok(())
}

fn remote_display(xml: &mut Xml, vrde: &Vrde) -> Result<(), Unfit> {
    // VirtualBox makes keys for one when it is told to switch it on.
    if vrde.enabled == Some(true) {
        return Err(unfit("vrde.enabled"));
    }
    let mut attributes = Attributes::new();
    if let Some(auth) = vrde.auth.as_deref().filter(|word| *word != "none") {
        attributes = attributes.with("authType", spelled(auth, &["External", "Guest"])?);
    }
    let attributes = attributes
        .unless("authLibrary", vrde.auth_library.as_deref().unwrap_or("default"), "default")
        .unless("VRDEExtPack", vrde.ext_pack.as_deref().unwrap_or("default"), "default")
        .unless("allowMultiConnection", vrde.multi_connection.unwrap_or(false), false)
        .unless("reuseSingleConnection", vrde.reuse_connection.unwrap_or(false), false);
    let address = vrde.address.as_deref().filter(|address| !address.is_empty());
    let port = vrde.port.as_deref().filter(|port| *port != "3389");
    let own = [("TCP/Address", address), ("TCP/Ports", port)];
    let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let others = vrde.properties.iter().flatten().map(|(name, value)| (name.as_str(), value.as_str()));
    let properties: Vec<(&str, &str)> = own.chain(others).collect();
    if properties.is_empty() {
        xml.leaf_if_any("RemoteDisplay", attributes);
        return Ok(());
    }
    xml.open("RemoteDisplay", attributes);
    xml.open("VRDEProperties", Attributes::new());
    for (name, value) in properties {
        xml.leaf("Property", Attributes::new().with("name", name).with("value", value));
    }
    xml.close();
    xml.close();
    Ok(())
}

fn usb(xml: &mut Xml, usb: Option<&Usb>) -> Result<(), Unfit> {
    let Some(usb) = usb else { return Ok(()) };
    let controllers = usb.controllers.as_deref().unwrap_or_default();
    let filters = usb.filters.as_ref().filter(|filters| !filters.is_empty());
    if !controllers.is_empty() || filters.is_some() {
        xml.open("USB", Attributes::new());
        if !controllers.is_empty() {
            xml.open("Controllers", Attributes::new());
            for controller in controllers {
                let kind = spelled(controller, &["OHCI", "EHCI", "XHCI"])?;
                xml.leaf("Controller", Attributes::new().with("name", kind).with("type", kind));
            }
            xml.close();
        }
        if let Some(filters) = filters {
            xml.open("DeviceFilters", Attributes::new());
            for filter in filters.values() {
                xml.leaf("DeviceFilter", filter_attributes(filter)?);
            }
            xml.close();
        }
        xml.close();
    }
    if usb.card_reader == Some(true) {
        xml.open("EmulatedUSB", Attributes::new());
        xml.leaf("CardReader", Attributes::new().with("enabled", true));
        xml.close();
    }
    Ok(())
}

fn filter_attributes(filter: &UsbFilter) -> Result<Attributes, Unfit> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let none = String::new;
    let attributes = Attributes::new()
        .with("name", text(&filter.name))
        .with("active", filter.active.unwrap_or(false))
        .unless("vendorId", text(&filter.vendor_id), none())
        .unless("productId", text(&filter.product_id), none())
        .unless("revision", text(&filter.revision), none())
        .unless("manufacturer", text(&filter.manufacturer), none())
        .unless("product", text(&filter.product), none())
        .unless("serialNumber", text(&filter.serial_number), none())
        .unless("port", text(&filter.port), none());
    match filter.remote.as_deref().unwrap_or("any") {
        "any" => Ok(attributes),
        "yes" => Ok(attributes.with("remote", "1")),
        "no" => Ok(attributes.with("remote", "0")),
        _ => Err(unfit("usb.filters")),
    }
}

fn ports(xml: &mut Xml, settings: &Settings) -> Result<(), Unfit> {
    if let Some(ports) = settings.serial_ports.as_ref().filter(|ports| !ports.is_empty()) {
        xml.open("UART", Attributes::new());
        for (number, port) in ports {
            xml.leaf("Port", serial(*number, port)?);
        }
        xml.close();
    }
    if let Some(ports) = settings.parallel_ports.as_ref().filter(|ports| !ports.is_empty()) {
        xml.open("LPT", Attributes::new());
        for (number, port) in ports {
            let attributes = Attributes::new()
                .with("slot", number.saturating_sub(1))
                .with("enabled", true)
                .with("IOBase", format!("{:#x}", port.io_base.unwrap_or(0)))
                .with("IRQ", port.irq.unwrap_or(0))
                .unless("path", port.device.as_deref().unwrap_or_default(), "");
            xml.leaf("Port", attributes);
        }
        xml.close();
    }
    Ok(())
}

fn serial(number: u32, port: &SerialPort) -> Result<Attributes, Unfit> {
    let attributes = Attributes::new()
        .with("slot", number.saturating_sub(1))
        .with("enabled", true)
        .with("IOBase", format!("{:#x}", port.io_base.unwrap_or(0)))
        .with("IRQ", port.irq.unwrap_or(0));
    let mode = port.mode.as_deref().unwrap_or("disconnected");
    let (kind, path) = mode.split_once(':').unwrap_or((mode, ""));
    let attributes = match kind {
        "disconnected" => attributes.with("hostMode", "Disconnected"),
        "pipeServer" => attributes.with("server", true).with("path", path).with("hostMode", "HostPipe"),
        "pipeClient" => attributes.with("server", false).with("path", path).with("hostMode", "HostPipe"),
        "tcpServer" => attributes.with("server", true).with("path", path).with("hostMode", "TCP"),
        "tcpClient" => attributes.with("server", false).with("path", path).with("hostMode", "TCP"),
        "device" => attributes.with("path", path).with("hostMode", "HostDevice"),
        "file" => attributes.with("path", path).with("hostMode", "RawFile"),
        _ => return Err(unfit("serialPorts")),
    };
    Ok(attributes.unless("uartType", port.r#type.as_deref().unwrap_or("16550A"), "16550A"))
}

fn sound(xml: &mut Xml, audio: &Audio) -> Result<(), Unfit> {
    let controller = spelled(audio.controller.as_deref().unwrap_or("ac97"), &["AC97", "HDA", "SB16"])?;
    let usual = match controller {
        "HDA" => "STAC9221",
        "SB16" => "SB16",
        _ => "STAC9700",
    };
    let codec = match audio.codec.as_deref() {
        None => usual,
        Some(codec) => spelled(codec, &["STAC9700", "AD1980", "STAC9221", "SB16"])?,
    };
    let attributes = Attributes::new().unless("controller", controller, "AC97").unless("codec", codec, usual);
    let attributes = match audio.driver.as_deref().unwrap_or("null") {
        // Without a driver VirtualBox forgets that it is to choose one (measured).
        "default" => attributes.with("useDefault", true).with("driver", HOST_DRIVER),
        driver => {
            let known = ["Null", "OSS", "ALSA", "Pulse", "CoreAudio", "DirectSound", "WAS"];
            attributes.with("driver", spelled(driver, &known)?)
        }
    };
    let attributes = attributes
        .unless("enabled", audio.enabled.unwrap_or(false), false)
        .unless("enabledIn", audio.r#in.unwrap_or(false), false)
        .unless("enabledOut", audio.out.unwrap_or(false), false);
    xml.leaf("AudioAdapter", attributes);
    Ok(())
}

fn sharing(xml: &mut Xml, settings: &Settings) -> Result<(), Unfit> {
    if let Some(folders) = settings.shared_folders.as_ref().filter(|folders| !folders.is_empty()) {
        xml.open("SharedFolders", Attributes::new());
        for (name, folder) in folders {
            // Since 1.20.
            if folder.symlinks.as_deref().is_some_and(|policy| policy != "forbidden") {
                return Err(unfit("sharedFolders.symlinks"));
            }
            let attributes = Attributes::new()
                .with("name", name)
                .with("hostPath", folder.host_path.as_deref().unwrap_or_default())
                .with("writable", !folder.read_only.unwrap_or(false))
                .with("autoMount", folder.automount.unwrap_or(false))
                .unless("autoMountPoint", folder.mount_point.as_deref().unwrap_or_default(), "");
            xml.leaf("SharedFolder", attributes);
        }
        xml.close();
    }
    if let Some(clipboard) = &settings.clipboard {
        let mode = spelled(clipboard.mode.as_deref().unwrap_or("disabled"), &SHARING)?;
        let files = clipboard.file_transfers.unwrap_or(false);
        let attributes = Attributes::new().with("mode", mode);
        xml.leaf("Clipboard", attributes.unless("fileTransfersEnabled", files, false));
    }
    if let Some(mode) = settings.drag_and_drop.as_deref().filter(|mode| *mode != "disabled") {
        xml.leaf("DragAndDrop", Attributes::new().with("mode", spelled(mode, &SHARING)?));
    }
    Ok(())
}
