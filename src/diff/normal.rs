//! What is not compared: settings of devices that are switched off, which VirtualBox does not keep in every case, and the
//! absence of what a machine has no place for.

use serde_json::Value;

/// Devices whose other settings matter only while they are enabled.
const DEVICES: [&str; 2] = ["vrde", "audio"];

/// Settings that [`set_aside`] may take away, or a part of them.
pub const SET_ASIDE: [&str; 3] = ["vrde", "audio", "secureBoot"];

/// Whether anything is declared that [`set_aside`] could take away.
pub fn may_be_set_aside(declared: &Value) -> bool {
    SET_ASIDE.iter().any(|key| declared.get(key).is_some())
}

/// Takes away what is declared of devices that are, or are to be, switched off.
pub fn set_aside(declared: &mut Value, live: &Value) {
    for key in DEVICES {
        let enabled = |tree: &Value| tree.get(key).and_then(|device| device.get("enabled")?.as_bool());
        if enabled(declared).or_else(|| enabled(live)) == Some(false)
            && let Some(Value::Object(device)) = declared.get_mut(key)
        {
            device.retain(|key, _| key == "enabled");
        }
    }
    // A BIOS has no secure boot that could be on.
    let firmware = declared.get("firmware").or_else(|| live.get("firmware")).and_then(Value::as_str);
    let bios = firmware == Some("bios");
    if let Value::Object(map) = declared
        && bios
        && map.get("secureBoot") == Some(&Value::Bool(false))
    {
        map.remove("secureBoot");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_of_what_is_off_are_not_compared() {
        let aside = |mut declared: Value, live: Value| {
            set_aside(&mut declared, &live);
            declared
        };
        let on = json!({"audio": {"enabled": true, "driver": "null"}});
        let off = json!({"audio": {"enabled": false, "driver": "null"}});
        let silent = json!({"audio": {"driver": "null"}});
        assert_eq!(aside(off.clone(), on.clone()), json!({"audio": {"enabled": false}}));
        assert_eq!(aside(on.clone(), off.clone()), on);
        assert_eq!(aside(silent.clone(), off), json!({"audio": {}}));
        assert_eq!(aside(silent.clone(), on), silent);
    }
}
