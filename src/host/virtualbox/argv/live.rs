//! Settings of a machine that runs or is held: `controlvm`, one call a setting.
//!
//! What can be changed live, and how, is `vbox-semantics` 2.1. A live change of priority, balloon, serial mode and recording
//! stays in memory until something else saves the machine (`vbox-settings` 4.2): the plan writes the mark behind it.

use serde_json::Value;

use super::modify::{leaves, rule, serial_mode, text, unsupported};
use crate::host::HostError;
use crate::plan::Assignment;

/// The arguments behind `controlvm UUID`, one list a call.
pub fn calls(set: &[Assignment]) -> Result<Vec<Vec<String>>, HostError> {
    let leaves = leaves(set);
    let mut calls = Vec::new();
    for (keys, value) in &leaves {
        let network = |slot: &str| {
            let found = leaves.iter().find(|(keys, _)| *keys == ["nics", slot, "network"]);
            found.and_then(|(_, value)| value.and_then(Value::as_str))
        };
        let mode = |slot: &str| leaves.iter().any(|(keys, _)| *keys == ["nics", slot, "mode"]);
        if let ["nics", slot, "network"] = keys.as_slice() {
            if mode(slot) {
                continue;
            }
            return Err(unsupported(keys, "without its mode"));
        }
        calls.extend(one(keys, *value, &network)?);
    }
    Ok(calls)
}

fn one<'a>(
    keys: &[&str],
    value: Option<&Value>,
    network: &dyn Fn(&str) -> Option<&'a str>,
) -> Result<Vec<Vec<String>>, HostError> {
    let words = |words: &[&str]| vec![words.iter().map(|&word| word.to_owned()).collect()];
    let number = || value.and_then(Value::as_u64).ok_or_else(|| unsupported(keys, "to what is no number"));
    let on_off = || {
        let flag =
            value.and_then(Value::as_bool).ok_or_else(|| unsupported(keys, "to neither true nor false"))?;
        Ok::<_, HostError>(if flag { "on" } else { "off" })
    };
    Ok(match keys {
        ["cpuExecutionCap"] => words(&["cpuexecutioncap", &number()?.to_string()]),
        ["memoryBalloon"] => words(&["guestmemoryballoon", &number()?.to_string()]),
        ["processPriority"] => words(&["vm-process-priority", text(keys, value)?]),
        ["audio", "in"] => words(&["audioin", on_off()?]),
        ["audio", "out"] => words(&["audioout", on_off()?]),
        ["clipboard", "mode"] => words(&["clipboard", "mode", text(keys, value)?]),
        ["clipboard", "fileTransfers"] => words(&["clipboard", "filetransfers", on_off()?]),
        ["dragAndDrop"] => words(&["draganddrop", text(keys, value)?]),
        ["vrde", "enabled"] => words(&["vrde", on_off()?]),
        ["vrde", "port"] => words(&["vrdeport", text(keys, value)?]),
        ["vrde", "properties", name] => {
            let value = value.and_then(Value::as_str).unwrap_or_default();
            words(&["vrdeproperty", &format!("{name}={value}")])
        }
        ["recording", "enabled"] => words(&["recording", on_off()?]),
        ["recording", "file"] => words(&["recording", "filename", text(keys, value)?]),
        // The usage text writes `WIDTHxHEIGHT`, and the command takes two words (measured).
        ["recording", "size"] => {
            let size = text(keys, value)?;
            let (width, height) = size.split_once('x').ok_or_else(|| unsupported(keys, "to no size"))?;
            words(&["recording", "videores", width, height])
        }
        ["recording", "rate"] => words(&["recording", "videorate", &number()?.to_string()]),
        ["recording", "fps"] => words(&["recording", "videofps", &number()?.to_string()]),
        ["recording", "maxTime"] => words(&["recording", "maxtime", &number()?.to_string()]),
        ["recording", "maxSize"] => words(&["recording", "maxfilesize", &number()?.to_string()]),
        ["autostart", "delay"] => words(&["autostart-delay", &number()?.to_string()]),
        ["serialPorts", port, "mode"] => {
            let mut call = vec![format!("changeuartmode{port}")];
            call.extend(serial_mode(keys, text(keys, value)?)?);
            vec![call]
        }
        ["nics", slot, "cable"] => words(&[&format!("setlinkstate{slot}"), on_off()?]),
        ["nics", slot, "promiscuous"] => words(&[&format!("nicpromisc{slot}"), text(keys, value)?]),
        ["nics", slot, "properties", name] => {
            let value = value.and_then(Value::as_str).unwrap_or_default();
            words(&[&format!("nicproperty{slot}"), &format!("{name}={value}")])
        }
        ["nics", slot, "trace"] => match text(keys, value)? {
            "" => words(&[&format!("nictrace{slot}"), "off"]),
            file => {
                let file = [format!("nictracefile{slot}"), file.to_owned()];
                vec![file.to_vec(), vec![format!("nictrace{slot}"), "on".to_owned()]]
            }
        },
        ["nics", slot, "mode"] => {
            let mode = text(keys, value)?;
            let verb = format!("nic{slot}");
            match (mode, network(slot)) {
                ("unattached", _) => words(&[&verb, "null"]),
                ("nat", _) => words(&[&verb, "nat"]),
                (
                    "intnet" | "natnetwork" | "hostonly" | "hostonlynet" | "bridged" | "generic",
                    Some(network),
                ) => words(&[&verb, mode, network]),
                _ => return Err(unsupported(keys, "to that mode while the machine runs")),
            }
        }
        ["nics", slot, "nat", "portForwards", name] if value.is_none() => {
            words(&[&format!("natpf{slot}"), "delete", name])
        }
        ["nics", slot, "nat", "portForwards", name] => {
            words(&[&format!("natpf{slot}"), &rule(keys, name, value)?])
        }
        _ => return Err(unsupported(keys, "while the machine runs")),
    })
}
