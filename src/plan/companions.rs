//! What VirtualBox changes along with a setting: where that is declared otherwise, it is set again in the same call.

use serde_json::Value;

use super::action::Assignment;
use crate::diff::machine::settings_tree;
use crate::diff::tree;
use crate::model::{FieldPath, Settings};

/// A setting, and what VirtualBox sets with it (measured on 7.2.22).
const PAIRS: &[(&str, &str)] = &[
    ("chipset", "ioapic"),
    ("x2apic", "apic"),
    // Without any controller, OHCI comes with a USB device.
    ("pointing", "usb.controllers"),
    ("keyboard", "usb.controllers"),
    ("audio.controller", "audio.codec"),
];

/// Settings to be set again beside `set`: those that are declared and would not stay as they are. The local APIC, without
/// which few guests start, stays also where nothing is declared.
pub fn companions(set: &[Assignment], declared: &Value, live: Option<&Settings>) -> Vec<Assignment> {
    let is_set = |path: &FieldPath| set.iter().any(|assignment| assignment.path == *path);
    let mut found: Vec<Assignment> = Vec::new();
    for (setting, with_it) in PAIRS {
        let (setting, with_it) = (path(setting), path(with_it));
        if !is_set(&setting) || is_set(&with_it) || found.iter().any(|other| other.path == with_it) {
            continue;
        }
        if let Some(value) = tree::get(declared, &with_it) {
            found.push(Assignment::set(with_it, value.clone()));
        } else if with_it.parts() == ["apic"] && live.is_none_or(|live| live.apic != Some(false)) {
            found.push(Assignment::set(with_it, true));
        }
    }
    found.extend(set.iter().filter_map(|assignment| {
        // What is given for sending is what receiving gets, too.
        let ["nics", slot, "nat", "socketBuffers", "socketReceive"] = assignment.path.parts()[..] else {
            return None;
        };
        let send = FieldPath::of(["nics", slot, "nat", "socketBuffers", "socketSend"]);
        (!is_set(&send)).then(|| Assignment { path: send, value: assignment.value.clone() })
    }));
    found
}

fn path(text: &str) -> FieldPath {
    FieldPath::of(text.split('.'))
}

/// I/O base and interrupt of the serial ports of a PC, from COM1.
const SERIAL: [(u32, u32); 4] = [(0x3f8, 4), (0x2f8, 3), (0x3e8, 4), (0x2e8, 3)];
/// The same of parallel ports, from LPT1.
const PARALLEL: [(u32, u32); 2] = [(0x378, 7), (0x278, 5)];

/// What the ports in `set` need beside it.
pub fn of_ports(set: &[Assignment], live: Option<&Settings>) -> Vec<Assignment> {
    let mut ports: Vec<FieldPath> = Vec::new();
    for assignment in set {
        if let [map @ ("serialPorts" | "parallelPorts"), number, _] = assignment.path.parts().as_slice() {
            let port = FieldPath::of([*map, *number]);
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
    }
    if ports.is_empty() {
        return Vec::new();
    }
    let live = live.map(settings_tree).unwrap_or_default();
    ports.iter().flat_map(|port| of_port(port, set, tree::get(&live, port))).collect()
}

/// What a port needs beside `set`: VirtualBox takes base and interrupt together, and remembers what a disabled port was
/// connected to.
fn of_port(port: &FieldPath, set: &[Assignment], live: Option<&Value>) -> Vec<Assignment> {
    let parts = port.parts();
    let ["serialPorts" | "parallelPorts", number] = parts.as_slice() else { return Vec::new() };
    let index = number.parse::<usize>().unwrap_or(1).saturating_sub(1);
    let serial = parts[0] == "serialPorts";
    let table: &[(u32, u32)] = if serial { &SERIAL } else { &PARALLEL };
    let (base, irq) = table.get(index).copied().unwrap_or(SERIAL[0]);
    let has = |key: &str| set.iter().any(|assignment| assignment.path == port.join(key));
    let mut wanted: Vec<(&str, Value)> = Vec::new();
    if has("ioBase") || has("irq") || live.is_none() {
        wanted.extend([("ioBase", base.into()), ("irq", irq.into())]);
    }
    if live.is_none() {
        wanted.extend(if serial {
            vec![("type", "16550A".into()), ("mode", "disconnected".into())]
        } else {
            vec![("device", "".into())]
        });
    }
    wanted
        .into_iter()
        .filter(|(key, _)| !has(key))
        .map(|(key, usual)| {
            let there = live.and_then(|live| live.get(key)).cloned();
            Assignment::set(port.join(key), there.unwrap_or(usual))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(text: &str, value: Value) -> Assignment {
        Assignment::set(path(text), value)
    }

    #[test]
    fn the_apic_stays_when_x2apic_goes() {
        let off = [set("x2apic", json!(false))];
        let on = Settings { apic: Some(true), ..Settings::default() };
        assert_eq!(companions(&off, &json!({}), Some(&on)), [set("apic", json!(true))]);
        assert_eq!(companions(&off, &json!({}), None), [set("apic", json!(true))]);
        assert_eq!(companions(&off, &json!({"apic": false}), Some(&on)), [set("apic", json!(false))]);
        let both = [off[0].clone(), set("apic", json!(false))];
        assert!(companions(&both, &json!({}), Some(&on)).is_empty());
    }

    #[test]
    fn what_is_declared_is_set_again_and_the_rest_is_virtualbox_choice() {
        let tablet = [set("pointing", json!("usbtablet"))];
        assert!(companions(&tablet, &json!({}), None).is_empty());
        let declared = json!({"usb": {"controllers": ["xhci"]}});
        assert_eq!(companions(&tablet, &declared, None), [set("usb.controllers", json!(["xhci"]))]);
    }

    #[test]
    fn a_port_gets_base_and_interrupt_together() {
        let port = path("serialPorts.2");
        let irq = [set("serialPorts.2.irq", json!(7))];
        let live = json!({"ioBase": 0x2e8, "irq": 3, "type": "16450", "mode": "file:/x"});
        assert_eq!(of_port(&port, &irq, Some(&live)), [set("serialPorts.2.ioBase", json!(0x2e8))]);
        let new = of_port(&port, &irq, None);
        let keys: Vec<String> = new.iter().map(|assignment| assignment.path.to_string()).collect();
        assert_eq!(keys, ["serialPorts.2.ioBase", "serialPorts.2.type", "serialPorts.2.mode"]);
        let mode = [set("serialPorts.2.mode", json!("disconnected"))];
        assert!(of_port(&port, &mode, Some(&live)).is_empty());
    }
}
