//! Settings of a machine that is off (few of a saved one): the arguments of one `modifyvm`, which is atomic when it fails.

use std::collections::BTreeMap;

use serde_json::Value;

use super::flags::{ROWS, Spellings, find};
use crate::host::HostError;
use crate::model::PortForward;
use crate::plan::Assignment;

/// One setting: its keys and its value.
pub type Leaf<'a> = (Vec<&'a str>, Option<&'a Value>);

/// Single settings: a value that is an object is taken apart. Removals stay whole.
pub fn leaves(set: &[Assignment]) -> Vec<Leaf<'_>> {
    let mut found = Vec::new();
    for assignment in set {
        let value = assignment.value.as_ref().filter(|value| !value.is_null());
        take_apart(assignment.path.parts(), value, &mut found);
    }
    found
}

fn take_apart<'a>(keys: Vec<&'a str>, value: Option<&'a Value>, found: &mut Vec<Leaf<'a>>) {
    match value {
        Some(Value::Object(map)) => {
            for (key, value) in map {
                let below = keys.iter().copied().chain([key.as_str()]).collect();
                take_apart(below, Some(value).filter(|value| !value.is_null()), found);
            }
        }
        _ => found.push((keys, value)),
    }
}

/// The error of a setting that has no flag, or a value that is none.
pub fn unsupported(keys: &[&str], why: &str) -> HostError {
    HostError::Unsupported { what: format!("setting {} {why}", keys.join(".")) }
}

/// A value that must be a text.
pub fn text<'a>(keys: &[&str], value: Option<&'a Value>) -> Result<&'a str, HostError> {
    value.and_then(Value::as_str).ok_or_else(|| unsupported(keys, "to what is no text"))
}

/// `NAME,tcp,HOSTIP,HOSTPORT,GUESTIP,GUESTPORT`, the rule as `--nat-pfN` and `natpfN` take it.
pub fn rule(keys: &[&str], name: &str, value: Option<&Value>) -> Result<String, HostError> {
    let rule: PortForward =
        text(keys, value)?.parse().map_err(|error| unsupported(keys, &format!("({error})")))?;
    let crate::model::HostPort::Fixed(port) = rule.host_port else {
        return Err(unsupported(keys, "to a port that nobody has chosen"));
    };
    let (host, guest) = (rule.host_ip.unwrap_or_default(), rule.guest_ip.unwrap_or_default());
    Ok(format!("{name},{},{host},{port},{guest},{}", rule.protocol.as_str(), rule.guest_port))
}

/// The flag that names the network of a mode.
fn network_flag(mode: &str) -> Option<&'static str> {
    Some(match mode {
        "intnet" => "intnet",
        "natnetwork" => "nat-network",
        "hostonly" => "host-only-adapter",
        "hostonlynet" => "host-only-net",
        "bridged" => "bridge-adapter",
        "cloud" => "cloud-network",
        _ => return None,
    })
}

/// Where a setting stands in the call: by the table, removals first of all, additions of rules last.
fn rank(keys: &[&str], value: Option<&Value>) -> usize {
    let row = |keys: &[&str]| find(keys).map_or(ROWS.len(), |found| found.0);
    match keys {
        ["nics", _] | ["nics", _, "nat", "portForwards", _] if value.is_none() => 0,
        // Sockets get their processor, and lose it, only while processors are not pluggable.
        ["cpuHotplug"] if value.and_then(Value::as_bool) == Some(true) => row(&["cpuExecutionCap"]),
        // An adapter is there before everything else of its own.
        ["nics", n, "mode" | "network" | "driver" | "properties", ..] => row(&["nics", n, "mode"]),
        ["nics", n, ..] if find(keys).is_none() => row(&["nics", n, "nat", "forwardBroadcast"]),
        // A port is made before its device is named.
        ["serialPorts" | "parallelPorts", n, "ioBase" | "irq" | "mode"] => row(&["serialPorts", n, "type"]),
        ["bootOrder"] => row(&["bootOrder", "1"]),
        ["icon"] => row(&["description"]),
        ["usb", "controllers"] => row(&["usb", "controllers", "xhci"]),
        _ => row(keys),
    }
}

/// The settings of each call: one, as it is atomic. Slots beyond 8 alone need the new chipset saved before them (measured).
pub fn calls(set: &[Assignment]) -> Vec<Vec<Assignment>> {
    let is_chipset = |assignment: &Assignment| assignment.path.parts() == ["chipset"];
    let is_beyond = |assignment: &Assignment| {
        let slot = match assignment.path.parts().as_slice() {
            ["nics", slot, ..] => slot.parse().unwrap_or(0),
            _ => 0,
        };
        slot > 8 && assignment.value.is_some()
    };
    let (first, rest): (Vec<_>, Vec<_>) =
        set.iter().cloned().partition(|assignment| is_chipset(assignment) && set.iter().any(is_beyond));
    [first, rest].into_iter().filter(|set| !set.is_empty()).collect()
}

/// Single settings in the order in which VirtualBox gets them.
pub fn ordered(set: &[Assignment]) -> Vec<Leaf<'_>> {
    let mut leaves = leaves(set);
    leaves.sort_by_key(|(keys, value)| rank(keys, *value));
    leaves
}

/// The arguments behind `modifyvm UUID`.
pub fn arguments(set: &[Assignment], spellings: &Spellings) -> Result<Vec<String>, HostError> {
    let leaves = ordered(set);
    let by_path: BTreeMap<Vec<&str>, Option<&Value>> = leaves.iter().cloned().collect();
    let mut arguments = Vec::new();
    for (keys, value) in &leaves {
        one(keys, *value, &by_path, spellings, &mut arguments)?;
    }
    Ok(arguments)
}

fn one(
    keys: &[&str],
    value: Option<&Value>,
    all: &BTreeMap<Vec<&str>, Option<&Value>>,
    spellings: &Spellings,
    arguments: &mut Vec<String>,
) -> Result<(), HostError> {
    let sibling = |last: &str| {
        let path: Vec<&str> = keys[..keys.len() - 1].iter().copied().chain([last]).collect();
        all.get(&path).copied().flatten()
    };
    let mut option = |flag: &str, value: &str| arguments.push(format!("--{flag}={value}"));
    match keys {
        ["nics", slot] if value.is_none() => option(&format!("nic{slot}"), "none"),
        ["nics", slot, "network"] => {
            let mode = sibling("mode").and_then(Value::as_str).and_then(network_flag);
            let mode = mode.ok_or_else(|| unsupported(keys, "without a mode that has a network"))?;
            option(&format!("{mode}{slot}"), text(keys, value)?);
        }
        ["nics", slot, "properties", name] => {
            let value = value.and_then(Value::as_str).unwrap_or_default();
            option(&format!("nic-property{slot}"), &format!("{name}={value}"));
        }
        ["nics", slot, "trace"] => {
            let file = text(keys, value)?;
            if !file.is_empty() {
                option(&format!("nic-trace-file{slot}"), file);
            }
            option(&format!("nic-trace{slot}"), if file.is_empty() { "off" } else { "on" });
        }
        ["nics", slot, "nat", "portForwards", name] if value.is_none() => {
            // The name is an argument of its own.
            arguments.extend([format!("--nat-pf{slot}"), "delete".to_owned(), (*name).to_owned()]);
        }
        ["nics", slot, "nat", "portForwards", name] => {
            option(&format!("nat-pf{slot}"), &rule(keys, name, value)?);
        }
        ["nics", slot, "nat", "mtu"] | ["nics", slot, "nat", "socketBuffers", _] => {
            // All sizes are one option, at the place of the first one.
            let sizes = SIZES.map(|below| {
                let path: Vec<&str> = keys[..3].iter().chain(below).copied().collect();
                (all.get(&path).copied().flatten().and_then(Value::as_u64), path)
            });
            let first = sizes.iter().find(|(size, _)| size.is_some()).map(|(_, path)| path.as_slice());
            let first = first.ok_or_else(|| unsupported(keys, "to what is no number"))?;
            if first == keys {
                let sizes = sizes.map(|(size, _)| size.map(|size| size.to_string()).unwrap_or_default());
                option(&format!("nat-settings{slot}"), &sizes.join(","));
            }
        }
        ["tpm"] => {
            let word = text(keys, value)?;
            let (kind, location) = word.split_once(':').unwrap_or((word, ""));
            option("tpm-type", kind);
            if !location.is_empty() {
                option("tpm-location", location);
            }
        }
        ["icon"] => {
            let (file, _) = text(keys, value)?
                .rsplit_once(" sha256:")
                .ok_or_else(|| unsupported(keys, "without a file"))?;
            option("icon-file", file);
        }
        ["bootOrder"] => {
            let devices =
                value.and_then(Value::as_array).ok_or_else(|| unsupported(keys, "to what is no list"))?;
            for (position, device) in (1..).zip(devices) {
                option(&format!("boot{position}"), text(keys, Some(device))?);
            }
        }
        ["usb", "controllers"] => {
            let there =
                value.and_then(Value::as_array).ok_or_else(|| unsupported(keys, "to what is no list"))?;
            for kind in ["ohci", "ehci", "xhci"] {
                let on = there.iter().any(|name| name.as_str() == Some(kind));
                option(&format!("usb-{kind}"), if on { "on" } else { "off" });
            }
        }
        ["serialPorts", port] if value.is_none() => option(&format!("uart{port}"), "off"),
        ["parallelPorts", port] if value.is_none() => option(&format!("lpt{port}"), "off"),
        ["serialPorts" | "parallelPorts", port, "ioBase"] => {
            let irq = sibling("irq").and_then(Value::as_u64);
            let (Some(base), Some(irq)) = (value.and_then(Value::as_u64), irq) else {
                return Err(unsupported(keys, "without its interrupt"));
            };
            let flag = if keys[0] == "serialPorts" { "uart" } else { "lpt" };
            arguments.extend([format!("--{flag}{port}"), format!("{base:#x}"), irq.to_string()]);
        }
        ["serialPorts" | "parallelPorts", _, "irq"] => {
            sibling("ioBase").ok_or_else(|| unsupported(keys, "without its I/O base"))?;
        }
        ["serialPorts", port, "mode"] => {
            arguments.push(format!("--uart-mode{port}"));
            arguments.extend(serial_mode(keys, text(keys, value)?)?);
        }
        ["cpuidOverrides", leaf] => {
            let leaf = leaf.replace('/', ":");
            if value.is_some() {
                arguments.extend(["--cpuid-set".to_owned(), leaf]);
                arguments.extend(text(keys, value)?.split_whitespace().map(str::to_owned));
            } else {
                arguments.push(format!("--cpuid-remove={leaf}"));
            }
        }
        ["vrde", "properties", name] => {
            let value = value.and_then(Value::as_str).unwrap_or_default();
            option("vrde-property", &format!("{name}={value}"));
        }
        _ => {
            let (_, row) = find(keys).ok_or_else(|| unsupported(keys, "with `modifyvm`"))?;
            let value = row.form.write(value.unwrap_or(&Value::Null));
            let value = value.ok_or_else(|| unsupported(keys, "to a value of that kind"))?;
            let number = keys.iter().find(|key| key.bytes().all(|byte| byte.is_ascii_digit()));
            let flag = spellings.pick(row.flags).replace('#', number.unwrap_or(&""));
            option(&flag, &value);
        }
    }
    Ok(())
}

/// `--nat-settingsN=MTU,SOCKSND,SOCKRCV,TCPSND,TCPRCV`. What is left empty stays, 0 stays too, and 7.2.22 gives the receive
/// buffer the size of the send buffer (measured).
const SIZES: [&[&str]; 5] = [
    &["mtu"],
    &["socketBuffers", "socketSend"],
    &["socketBuffers", "socketReceive"],
    &["socketBuffers", "tcpSend"],
    &["socketBuffers", "tcpReceive"],
];

/// The words of `--uart-modeN` and `changeuartmodeN`.
pub fn serial_mode(keys: &[&str], mode: &str) -> Result<Vec<String>, HostError> {
    let (kind, value) = mode.split_once(':').unwrap_or((mode, ""));
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    Ok(match kind {
        "disconnected" => words(&["disconnected"]),
        "file" => words(&["file", value]),
        "pipeServer" => words(&["server", value]),
        "pipeClient" => words(&["client", value]),
        "tcpServer" => words(&["tcpserver", value]),
        "tcpClient" => words(&["tcpclient", value]),
        "device" => words(&[value]),
        _ => return Err(unsupported(keys, "to an unknown mode")),
    })
}
