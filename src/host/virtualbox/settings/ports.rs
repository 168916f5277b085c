//! USB, serial and parallel ports (`vbox-settings` 3.3).

use std::collections::BTreeMap;

use super::Beyond;
use super::document::Element;
use super::machine::Layout;
use crate::model::Settings;
use crate::model::settings::{ParallelPort, SerialPort, Usb, UsbFilter};

/// Reads all of it.
pub fn read(layout: &Layout<'_>, settings: &mut Settings, beyond: &mut Beyond) -> Result<(), String> {
    let hardware = layout.hardware;
    settings.usb = Some(usb(hardware, beyond)?);
    let mut serial = BTreeMap::new();
    for (number, port) in enabled_ports(hardware.child("UART"))? {
        serial.insert(number, serial_port(port, layout.uart_address)?);
    }
    settings.serial_ports = Some(serial);
    let mut parallel = BTreeMap::new();
    for (number, port) in enabled_ports(hardware.child("LPT"))? {
        let read = ParallelPort {
            io_base: Some(port.number("IOBase", 0)?),
            irq: Some(port.number("IRQ", 0)?),
            device: Some(port.string("path")),
        };
        parallel.insert(number, read);
    }
    settings.parallel_ports = Some(parallel);
    Ok(())
}

/// Ports that the guest has, by number from 1. What is remembered of the others does not matter.
fn enabled_ports(list: Option<Element<'_>>) -> Result<Vec<(u32, Element<'_>)>, String> {
    let mut ports = Vec::new();
    for port in list.into_iter().flat_map(|list| list.children("Port")) {
        let slot: u32 = port.number("slot", 0)?;
        if port.flag("enabled", false)? {
            ports.push((slot.saturating_add(1), port));
        } else {
            port.leave();
        }
    }
    Ok(ports)
}

fn serial_port(port: Element<'_>, address: &str) -> Result<SerialPort, String> {
    let (path, is_server) = (port.string("path"), port.flag("server", false)?);
    let mode = match port.get("hostMode").unwrap_or("Disconnected") {
        "Disconnected" => "disconnected".to_owned(),
        "HostPipe" if is_server => format!("pipeServer:{path}"),
        "HostPipe" => format!("pipeClient:{path}"),
        "HostDevice" => format!("device:{path}"),
        "RawFile" => format!("file:{path}"),
        "TCP" if is_server => format!("tcpServer:{path}"),
        "TCP" => format!("tcpClient:{path}"),
        other => format!("{}:{path}", other.to_ascii_lowercase()),
    };
    Ok(SerialPort {
        io_base: Some(port.number(address, 0)?),
        irq: Some(port.number("IRQ", 0)?),
        r#type: Some(port.get("uartType").unwrap_or("16550A").to_owned()),
        mode: Some(mode),
    })
}

fn usb(hardware: Element<'_>, beyond: &mut Beyond) -> Result<Usb, String> {
    let usb = hardware.child("USB");
    let mut controllers = Vec::new();
    let list = usb.and_then(|usb| usb.child("Controllers"));
    for controller in list.into_iter().flat_map(|list| list.children("Controller")) {
        controller.skip(&["name"]);
        controllers.push(controller.word("type", ""));
    }
    controllers.sort_unstable();
    controllers.dedup();
    let list = usb.and_then(|usb| usb.child("DeviceFilters"));
    let filters = list.into_iter().flat_map(|list| list.children("DeviceFilter"));
    let reader = hardware.child("EmulatedUSB").and_then(|emulated| emulated.child("CardReader"));
    Ok(Usb {
        controllers: Some(controllers),
        card_reader: Some(reader.map_or(Ok(false), |reader| reader.flag("enabled", false))?),
        filters: Some(
            (1..)
                .zip(filters)
                .map(|(position, filter)| Ok((position, usb_filter(filter, beyond)?)))
                .collect::<Result<_, String>>()?,
        ),
    })
}

fn usb_filter(filter: Element<'_>, beyond: &mut Beyond) -> Result<UsbFilter, String> {
    beyond.note(filter, "maskedInterfaces", "0");
    let text = |name| Some(filter.string(name));
    Ok(UsbFilter {
        name: text("name"),
        active: Some(filter.flag("active", false)?),
        vendor_id: text("vendorId"),
        product_id: text("productId"),
        revision: text("revision"),
        manufacturer: text("manufacturer"),
        product: text("product"),
        serial_number: text("serialNumber"),
        port: text("port"),
        remote: Some(match filter.word("remote", "").as_str() {
            "" => "any".to_owned(),
            "1" | "true" | "yes" => "yes".to_owned(),
            "0" | "false" | "no" => "no".to_owned(),
            other => other.to_owned(),
        }),
    })
}
