//! Values as a manifest would write them.

use serde_json::Value;

use super::text::printable;
use crate::model::{Bytes, FieldPath, Mebibytes, Secret};

/// A value on one line, with its unit, quoted where a reader of the manifest would take it for something else.
pub fn spelled(path: &FieldPath, value: &Value) -> String {
    if let (["firmwareSettings", "logoDisplayTime" | "timeOffset"], Some(number)) =
        (path.parts().as_slice(), value.as_i64())
    {
        // A clock may also be behind.
        return if number % 1_000 == 0 { format!("{}s", number / 1_000) } else { format!("{number}ms") };
    }
    if let Some(text) = value.as_u64().and_then(|number| with_unit(path, number)) {
        return text;
    }
    match value {
        Value::Null => "(none)".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) if Secret::is_digest(text) => "(secret)".to_owned(),
        Value::String(text) => scalar(text),
        Value::Array(members) => {
            // Empty places at the end of the boot order are how VirtualBox fills it up.
            let trim = path.parts() == ["bootOrder"];
            let kept =
                members.iter().rposition(|member| !trim || member != "none").map_or(0, |last| last + 1);
            let members: Vec<String> = members[..kept].iter().map(|member| spelled(path, member)).collect();
            format!("[{}]", members.join(", "))
        }
        Value::Object(map) => {
            let members: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", scalar(key), spelled(&path.join(key), value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

fn with_unit(path: &FieldPath, number: u64) -> Option<String> {
    Some(match path.parts().as_slice() {
        ["memory" | "memoryBalloon"] | ["graphics", "vram"] | ["recording", "maxSize"] => {
            Mebibytes(number).to_string()
        }
        ["disks", _, "size"] | ["size"] => Bytes(number).to_string(),
        ["bandwidthGroups", _, "limit"] => {
            let units = [("GB/s", 1_000_000_000), ("MB/s", 1_000_000), ("kB/s", 1_000), ("B/s", 1)];
            let (unit, factor) = units.into_iter().find(|(_, factor)| number.is_multiple_of(*factor))?;
            format!("{}{unit}", number / factor)
        }
        ["serialPorts" | "parallelPorts", _, "ioBase"] => format!("{number:#x}"),
        ["recording", "maxTime"] | ["autostart", "delay"] => format!("{number}s"),
        ["recording", "rate"] => format!("{number}kbps"),
        _ => return None,
    })
}

/// A string, bare where YAML would read the same string back.
fn scalar(text: &str) -> String {
    let looks_like_something_else = text.is_empty()
        || text != text.trim()
        || text.parse::<f64>().is_ok()
        || text.starts_with("0x")
        || matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "~" | "yes" | "no" | "on" | "off"
        )
        || text.starts_with(|c: char| "!&*{}[]|>@`\"'%#?,".contains(c))
        || text.starts_with("- ")
        || text.contains(": ")
        || text.contains(" #")
        || text.ends_with(':');
    let shown = printable(text);
    if looks_like_something_else || shown != text {
        format!("\"{}\"", if shown == text { text.replace('\\', "\\\\").replace('"', "\\\"") } else { shown })
    } else {
        shown
    }
}

/// Where a field stands in a manifest as people write them: what the machine is, what hangs on it, what it does.
pub fn place(path: &FieldPath) -> usize {
    const FIRST: &[&str] =
        &["name", "groups", "osType", "description", "firmware", "chipset", "cpus", "memory"];
    const LAST: &[&str] = &[
        "controllers",
        "disks",
        "dvds",
        "floppies",
        "nics",
        "sharedFolders",
        "extraData",
        "guestProperties",
        "state",
    ];
    let key = path.keys().first().map_or("", String::as_str);
    let first = FIRST.iter().position(|name| *name == key);
    let last = || LAST.iter().position(|name| *name == key).map(|at| FIRST.len() + 1 + at);
    first.or_else(last).unwrap_or(FIRST.len())
}

/// Whether a value is a text of several lines, which is shown line by line.
pub fn lines(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).filter(|text| text.trim_end().contains('\n'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(path: &[&str], value: &Value) -> String {
        spelled(&FieldPath::of(path.iter().copied()), value)
    }

    #[test]
    fn sizes_have_their_units() {
        assert_eq!(at(&["memory"], &json!(2048)), "2GiB");
        assert_eq!(at(&["graphics", "vram"], &json!(16)), "16MiB");
        assert_eq!(at(&["disks", "root", "size"], &json!(21_474_836_480_u64)), "20GiB");
        assert_eq!(at(&["bandwidthGroups", "slow", "limit"], &json!(1_250_000)), "1250kB/s");
        assert_eq!(at(&["firmwareSettings", "logoDisplayTime"], &json!(1500)), "1500ms");
        assert_eq!(at(&["firmwareSettings", "timeOffset"], &json!(-3000)), "-3s");
        assert_eq!(at(&["cpus"], &json!(2048)), "2048");
    }

    #[test]
    fn strings_are_bare_where_yaml_reads_them_back() {
        assert_eq!(at(&["nics", "1", "nat", "portForwards", "ssh"], &json!("2222:22")), "2222:22");
        assert_eq!(at(&["osType"], &json!("Debian_64")), "Debian_64");
        for text in ["", "yes", "12", "1e3", " x", "a: b", "*:80:80", "a\u{7}"] {
            assert!(at(&["description"], &json!(text)).starts_with('"'), "{text:?}");
        }
    }

    #[test]
    fn lists_and_maps_are_flow_style() {
        assert_eq!(at(&["bootOrder"], &json!(["disk", "dvd", "none", "none"])), "[disk, dvd]");
        assert_eq!(at(&["bootOrder"], &json!(["none"])), "[]");
        assert_eq!(
            at(&["disks", "root"], &json!({"size": 1_073_741_824, "at": "SATA:0"})),
            "{at: SATA:0, size: 1GiB}"
        );
        assert_eq!(at(&["extraData", "k"], &Value::Null), "(none)");
    }
}
