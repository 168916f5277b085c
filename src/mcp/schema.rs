//! The schemas of what tools take and say, as small as they can be: models read them in every conversation.

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// Whose side of a call a schema describes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Arguments.
    Takes,
    /// Structured content.
    Says,
}

/// The schema of a type.
pub fn schema<T: JsonSchema>(side: Side) -> JsonObject {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let settings = if side == Side::Says { settings.for_serialize() } else { settings };
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    shrink(&mut schema);
    if side == Side::Says {
        undescribe(&mut schema);
    }
    match schema {
        Value::Object(mut schema) => {
            schema.remove("$schema");
            schema.remove("description");
            if side == Side::Takes {
                schema.insert("additionalProperties".to_owned(), false.into());
                schema.entry("properties").or_insert_with(|| JsonObject::new().into());
            }
            schema
        }
        _ => JsonObject::new(),
    }
}

/// Takes out descriptions: what comes explains itself when it comes, and what has to be known before stands in the tool's own.
fn undescribe(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    map.remove("description");
    for (key, value) in map.iter_mut() {
        match (key.as_str(), value) {
            // Names of fields, which may be called `description`.
            ("properties", Value::Object(fields)) => fields.values_mut().for_each(undescribe),
            (_, value) => undescribe(value),
        }
    }
}

/// Takes out what says nothing to a model: titles and descriptions of types, which repeat names, formats of numbers, that they are
/// not negative, and `null` for what may be left out.
fn shrink(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    if map.contains_key("type") {
        for word in ["title", "format", "default"] {
            map.remove(word);
        }
        if map.get("minimum").is_some_and(|least| least == 0) {
            map.remove("minimum");
        }
    }
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|one| one != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".to_owned(), only);
        }
    }
    for (key, value) in map.iter_mut() {
        match (key.as_str(), value) {
            // Names of fields, which may be called `title` or `format`.
            ("properties", Value::Object(fields)) => fields.values_mut().for_each(shrink),
            ("items" | "additionalProperties", value) => {
                if let Value::Object(member) = value {
                    member.remove("description");
                }
                shrink(value);
            }
            (_, Value::Array(list)) => list.iter_mut().for_each(shrink),
            (_, value) => shrink(value),
        }
    }
}
