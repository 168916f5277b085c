//! Keys as `showvminfo` prints them.

use std::collections::BTreeMap;

use super::Keys;

/// Keys as `showvminfo` prints them.
pub fn printed(text: &str) -> Keys {
    let mut keys = Keys::new();
    let (mut nic, mut screen) = (String::new(), String::new());
    let mut controllers: BTreeMap<String, String> = BTreeMap::new();
    let mut folders: BTreeMap<String, String> = BTreeMap::new();
    let (settings, snapshots) = match text.find("\nSnapshotName=") {
        Some(at) => text.split_at(at + 1),
        None => (text, ""),
    };
    for (key, value) in pairs(settings) {
        let digits = key.len() - key.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (stem, number) = key.split_at(key.len() - digits);
        let (stem, number) = (stem.to_owned(), number.to_owned());
        if let Some(rest) = key.strip_prefix("storagecontroller") {
            let rest = &rest[..rest.len() - number.len()];
            if rest == "name" {
                controllers.insert(number, value);
            } else {
                keys.insert(format!("controller/{}/{rest}", controllers[&number]), value);
            }
        } else if let Some(place) = place(&key, controllers.values()) {
            keys.insert(place, value);
        } else if stem == "nic" {
            nic.clone_from(&number);
            keys.insert(format!("nic/{number}/mode"), value);
        } else if let Some(key) = NIC_KEYS.iter().find(|nic| **nic == stem) {
            keys.insert(format!("nic/{number}/{key}"), value);
        } else if NAT_KEYS.contains(&key.as_str()) {
            keys.insert(format!("nic/{nic}/{key}"), value);
        } else if key.starts_with("Forwarding(") {
            let (name, rule) = value.split_once(',').unwrap();
            keys.insert(format!("nic/{nic}/rule/{name}"), rule.to_owned());
        } else if let Some(number) = key.strip_prefix("rec_screen").filter(|rest| rest.parse::<u32>().is_ok())
        {
            number.clone_into(&mut screen);
        } else if let Some(rest) = key.strip_prefix("rec_screen_") {
            if rest != "id" {
                keys.insert(format!("screen/{screen}/{rest}"), value);
            }
        } else if stem == "BandwidthGroup" {
            let (name, limit) = value.split_once(',').unwrap();
            keys.insert(format!("group/{name}"), limit.to_owned());
        } else if stem == "SharedFolderNameMachineMapping" {
            folders.insert(number, value);
        } else if stem == "SharedFolderPathMachineMapping" {
            keys.insert(format!("folder/{}", folders[&number]), value);
        } else if key == "cpuid" {
            let (leaf, rest) = value.split_at(17);
            keys.insert(format!("cpuid/{leaf}"), rest.trim_start_matches(',').to_owned());
        } else {
            let former = keys.insert(key.clone(), value);
            assert_eq!(former, None, "{key} is printed twice");
        }
    }
    // Without a store for the switch nothing is printed, and it is off.
    if keys["firmware"].starts_with("EFI") {
        keys.entry("SecureBoot".to_owned()).or_insert_with(|| "off".to_owned());
    }
    for (key, value) in raw_pairs(snapshots) {
        let key = match key.strip_prefix("Snapshot") {
            Some(rest) => format!("snapshot/{rest}"),
            None if key == "CurrentSnapshotNode" => "current_node".to_owned(),
            None => key,
        };
        keys.insert(key, value);
    }
    keys
}

const NIC_KEYS: &[&str] = &[
    "natnet",
    "macaddress",
    "cableconnected",
    "nictype",
    "nicspeed",
    "bridgeadapter",
    "intnet",
    "hostonlyadapter",
    "generic",
    "nat-network",
    "cloud-network",
];

const NAT_KEYS: &[&str] = &[
    "mtu",
    "sockSnd",
    "sockRcv",
    "tcpWndSnd",
    "tcpWndRcv",
    "localhostReachable",
    "forwardBroadcast",
    "enableTFTP",
];

/// Keys whose strings are quoted, but not escaped.
const UNESCAPED: &[&str] = &[
    "intnet",
    "nat-network",
    "bridgeadapter",
    "hostonlyadapter",
    "generic",
    "cloud-network",
    "Forwarding(",
    "uartmode",
    "lptmode",
    "vrdeaddress",
    "vrdeproperty[",
];

/// `NAME-ImageUUID-0-1` as `place/NAME/0/1/ImageUUID`.
fn place<'c>(key: &str, mut controllers: impl Iterator<Item = &'c String>) -> Option<String> {
    let mut parts = key.rsplitn(3, '-');
    let (device, port, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    if !is_number(device) || !is_number(port) {
        return None;
    }
    let name = controllers
        .find(|name| rest == *name || rest.strip_prefix(name.as_str()).is_some_and(|r| r.starts_with('-')))?;
    let what = rest[name.len()..].trim_start_matches('-');
    Some(format!("place/{name}/{port}/{device}/{}", if what.is_empty() { "medium" } else { what }))
}

/// Lines `key=value`, `key="value"` and `"key"="value"`, the escaped ones with line ends in them.
fn pairs(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut chars = text.chars().peekable();
    while chars.peek().is_some() {
        let mut part = |until: &[char]| {
            let mut part = String::new();
            if chars.next_if_eq(&'"').is_some() {
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => part.extend(chars.next()),
                        c => part.push(c),
                    }
                }
            }
            while let Some(c) = chars.next_if(|c| !until.contains(c)) {
                part.push(c);
            }
            (part, chars.next())
        };
        let (key, end) = part(&['=', '\n']);
        if end != Some('=') {
            found.push((key.trim().to_owned(), String::new()));
            continue;
        }
        if UNESCAPED.iter().any(|raw| key.starts_with(raw)) {
            let line: String = std::iter::from_fn(|| chars.next_if(|c| *c != '\n')).collect();
            chars.next();
            found.push((key, line[1..line.len() - 1].to_owned()));
            continue;
        }
        let (value, _) = part(&['\n']);
        if key == "cpuid" {
            // `cpuid=00000001,00000000,000306a9,00020800,80000201,178bfbffhwvirtex="on"`
            let (numbers, next) = value.split_at(6 * 9 - 1);
            found.push((key, numbers.to_owned()));
            found.extend(pairs(next));
            continue;
        }
        found.push((key, value));
    }
    found
}

/// Names and descriptions of snapshots, which are not escaped: a value ends where a line begins with a key.
fn raw_pairs(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let key = line.split_once("=\"").filter(|(key, _)| key.contains("Snapshot") && !key.contains(' '));
        match (key, found.last_mut()) {
            (Some((key, value)), _) => found.push((key.to_owned(), value.to_owned())),
            (None, _) if line.starts_with("GuestMemoryBalloon=") => {
                let (key, value) = line.split_once('=').unwrap();
                found.push((key.to_owned(), value.to_owned()));
            }
            (None, Some((_, value))) => *value = format!("{value}\n{line}"),
            (None, None) => panic!("{line}"),
        }
    }
    for (key, value) in &mut found {
        if key.contains("Snapshot") {
            *value = value.strip_suffix('"').unwrap().to_owned();
        }
    }
    found
}
