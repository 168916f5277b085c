//! Values that people write in another form than the model keeps them in: both ways, side by side.
//!
//! May hold: the shapes that are not the same in a manifest and in `model::Settings`. Units are the vocabulary's own matter.

use serde_json::{Map, Value as Json, json};

/// Turns checked settings into the model's form.
pub(super) fn to_model(settings: &mut Map<String, Json>) {
    if let Some(frontend) = settings.get_mut("frontend")
        && frontend == "default"
    {
        *frontend = Json::from("");
    }
    if let Some(tpm) = settings.get_mut("tpm") {
        tag_to_model(tpm);
    }
    if let Some(ports) = settings.get_mut("serialPorts") {
        modes(ports).into_iter().for_each(tag_to_model);
    }
    if let Some(usb) = settings.get_mut("usb") {
        if let Some(Json::Array(controllers)) = usb.get_mut("controllers") {
            controllers.sort_by_key(|word| word.as_str().map(str::to_owned));
        }
        if let Some(filters) = usb.get_mut("filters") {
            list_to_model(filters);
        }
    }
    if let Some(Json::Object(leaves)) = settings.get_mut("cpuidOverrides") {
        leaves.values_mut().for_each(registers_to_model);
    }
}

/// Turns one setting of the model into the form of manifests, without units. The first key is a setting's.
pub(super) fn to_manifest(key: &str, value: &mut Json) {
    match (key, value) {
        ("frontend", Json::String(word)) if word.is_empty() => "default".clone_into(word),
        ("tpm", tpm) => tag_to_manifest(tpm),
        ("serialPorts", ports) => modes(ports).into_iter().for_each(tag_to_manifest),
        ("usb", usb) => {
            if let Some(filters) = usb.get_mut("filters") {
                list_to_manifest(filters);
            }
        }
        ("cpuidOverrides", Json::Object(leaves)) => leaves.values_mut().for_each(registers_to_manifest),
        _ => {}
    }
}

/// What each serial port is connected to.
fn modes(ports: &mut Json) -> Vec<&mut Json> {
    let Json::Object(ports) = ports else { return Vec::new() };
    ports.values_mut().filter_map(|port| port.get_mut("mode")).collect()
}

/// A list as a map by position from 1.
fn list_to_model(value: &mut Json) {
    let Json::Array(items) = value else { return };
    let numbered = (1_u32..).zip(std::mem::take(items)).map(|(position, item)| (position.to_string(), item));
    *value = Json::Object(numbered.collect());
}

fn list_to_manifest(value: &mut Json) {
    let Json::Object(map) = value else { return };
    let mut items: Vec<(u32, Json)> =
        std::mem::take(map).into_iter().filter_map(|(key, item)| Some((key.parse().ok()?, item))).collect();
    items.sort_by_key(|(position, _)| *position);
    *value = Json::Array(items.into_iter().map(|(_, item)| item).collect());
}

/// `{swtpm: ADDRESS}` as `swtpm:ADDRESS`.
fn tag_to_model(value: &mut Json) {
    let Json::Object(map) = value else { return };
    let Some((tag, rest)) = map.iter().next() else { return };
    let rest = rest.as_str().map_or_else(|| rest.to_string(), str::to_owned);
    *value = format!("{tag}:{rest}").into();
}

fn tag_to_manifest(value: &mut Json) {
    let Some((tag, rest)) = value.as_str().and_then(|text| text.split_once(':')) else { return };
    // A port is a number where the language wants one.
    let rest = rest.parse::<u32>().map_or_else(|_| Json::from(rest), Json::from);
    *value = Json::Object(Map::from_iter([(tag.to_owned(), rest)]));
}

const REGISTERS: [&str; 4] = ["eax", "ebx", "ecx", "edx"];

/// `{eax: 1, ...}` as `00000001 ...`.
fn registers_to_model(leaf: &mut Json) {
    let number = |name: &str| leaf.get(name).and_then(Json::as_u64).unwrap_or_default();
    *leaf = REGISTERS.map(|name| format!("{:08x}", number(name))).join(" ").into();
}

fn registers_to_manifest(leaf: &mut Json) {
    let numbers = leaf.as_str().unwrap_or_default().split_whitespace();
    let numbers = numbers.map(|hex| u32::from_str_radix(hex, 16).unwrap_or_default());
    *leaf = REGISTERS.iter().zip(numbers).map(|(name, number)| ((*name).to_owned(), json!(number))).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_go_both_ways() {
        for (key, written, kept) in [
            ("frontend", json!("default"), json!("")),
            ("frontend", json!("headless"), json!("headless")),
            ("tpm", json!("2.0"), json!("2.0")),
            ("tpm", json!({"swtpm": "localhost:9999"}), json!("swtpm:localhost:9999")),
            (
                "serialPorts",
                json!({"1": {"mode": {"tcpServer": 4000}}, "2": {"mode": "disconnected"}, "3": {"irq": 4}}),
                json!({"1": {"mode": "tcpServer:4000"}, "2": {"mode": "disconnected"}, "3": {"irq": 4}}),
            ),
            (
                "usb",
                json!({"controllers": ["ehci", "ohci"], "filters": [{"name": "a"}, {"name": "b"}]}),
                json!({"controllers": ["ehci", "ohci"], "filters": {"1": {"name": "a"}, "2": {"name": "b"}}}),
            ),
            (
                "cpuidOverrides",
                json!({"00000001": {"eax": 0x0003_06a9, "ebx": 0, "ecx": 1, "edx": u32::MAX}}),
                json!({"00000001": "000306a9 00000000 00000001 ffffffff"}),
            ),
        ] {
            let mut settings = Map::from_iter([(key.to_owned(), written.clone())]);
            to_model(&mut settings);
            assert_eq!(settings[key], kept);
            let mut back = kept;
            to_manifest(key, &mut back);
            assert_eq!(back, written);
        }
    }
}
