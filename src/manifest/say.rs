//! Settings of the model as the vocabulary writes them: what `export` puts into a document.
//!
//! May hold: the table of words, walked from the model's side. Layout is [`super::emit`]'s.

use serde_json::Value as Json;

use super::emit::{Item, Layout, List, Map, Yaml};
use super::forms;
use super::shape::{Field, ListRule, Object, QuantityRule, Shape};
use super::vocabulary::MACHINE;

/// The settings of a machine that this version can apply, in the order of the vocabulary.
pub fn machine_settings() -> impl Iterator<Item = &'static str> {
    MACHINE.fields.iter().filter(|field| field.ready).map(|field| field.name)
}

/// One setting of a machine, where the language has a word for it and its value is what the word takes.
pub fn machine_setting(key: &str, value: &Json) -> Option<Yaml> {
    let field = MACHINE.field(key).filter(|field| is_sayable(field))?;
    let mut value = value.clone();
    forms::to_manifest(key, &mut value);
    write(&field.shape, &value)
}

/// One setting of an adapter, by its keys (`["nat", "mtu"]`).
pub fn adapter_setting(keys: &[&str], value: &Json) -> Option<Yaml> {
    let mut object = match MACHINE.field("nics").map(|field| &field.shape) {
        Some(Shape::List(ListRule { item: Shape::Object(object), .. })) => *object,
        _ => return None,
    };
    let (last, above) = keys.split_last()?;
    for key in above {
        let Shape::Object(inner) = object.field(key)?.shape else { return None };
        object = inner;
    }
    let field = object.field(last).filter(|field| is_sayable(field))?;
    write(&field.shape, value)
}

/// Secrets are never written.
fn is_sayable(field: &Field) -> bool {
    field.ready && !field.secret && field.refused.is_none()
}

fn write(shape: &Shape, value: &Json) -> Option<Yaml> {
    match (shape, value) {
        (Shape::Bool, Json::Bool(flag)) => Some((*flag).into()),
        (Shape::Int(..), Json::Number(number)) => Some(Yaml::Number(number.as_i64()?)),
        (Shape::Word(_) | Shape::Text(_) | Shape::Path | Shape::PathInFolder, Json::String(text)) => {
            Some(text.as_str().into())
        }
        (Shape::Quantity(rule), Json::Number(number)) => quantity(rule, number.as_i64()?).map(Yaml::Text),
        (Shape::List(rule), Json::Array(items)) => {
            let layout = if matches!(rule.item, Shape::Object(_)) { Layout::Block } else { Layout::Line };
            let items = items
                .iter()
                .map(|item| Some(Item { above: Vec::new(), value: write(&rule.item, item)? }))
                .collect::<Option<_>>()?;
            Some(List { layout, items }.into())
        }
        (Shape::Map(rule), Json::Object(members)) => {
            let mut map = Map::default();
            for (key, value) in members {
                map.put(key, write(&rule.value, value)?);
            }
            Some(map.into())
        }
        (Shape::Object(object) | Shape::Either(_, object), Json::Object(_)) => {
            write_object(object, value).map(Yaml::Map)
        }
        (Shape::Either(scalar, _), value) => write(scalar, value),
        _ => None,
    }
}

/// The fields in the table's order. An empty text says nothing in most places, and no rule takes it in some: it is left out.
fn write_object(object: &Object, value: &Json) -> Option<Map> {
    let mut map = Map::line();
    for field in object.fields.iter().filter(|field| is_sayable(field)) {
        if let Some(value) = value.get(field.name).filter(|value| *value != "") {
            map.put(field.name, write(&field.shape, value)?);
        }
    }
    Some(map)
}

fn quantity(rule: &QuantityRule, number: i64) -> Option<String> {
    let base = number.unsigned_abs().checked_mul(rule.unit)?;
    let sign = if number < 0 { "-" } else { "" };
    Some(if base == 0 { format!("0{}", rule.bare) } else { format!("{sign}{}", rule.quantity.show(base)) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::emit;

    fn said(key: &str, value: &Json) -> String {
        let map = Map::default().with(key, machine_setting(key, value).unwrap());
        emit::document(&[], &map)
    }

    #[test]
    fn settings_are_said_with_their_units_and_in_their_forms() {
        assert_eq!(said("memoryBalloon", &json!(0)), "memoryBalloon: 0MiB\n");
        assert_eq!(said("frontend", &json!("")), "frontend: default\n");
        assert_eq!(
            said("mitigations", &json!({"specCtrl": true, "ibpbOnVmExit": false})),
            "mitigations: {ibpbOnVmExit: false, specCtrl: true}\n"
        );
        assert_eq!(
            said("cpuidOverrides", &json!({"00000001": "00000001 00000002 00000003 ffffffff"})),
            "cpuidOverrides:\n  \"00000001\": {eax: 1, ebx: 2, ecx: 3, edx: 4294967295}\n"
        );
    }

    #[test]
    fn what_the_language_has_no_word_for_is_not_said() {
        assert!(machine_setting("nonsense", &json!(1)).is_none());
        assert!(machine_setting("cpus", &json!("two")).is_none());
        assert!(adapter_setting(&["nat", "nonsense"], &json!(1)).is_none());
        assert_eq!(adapter_setting(&["nat", "mtu"], &json!(1400)), Some(Yaml::Number(1400)));
    }
}
