//! The JSON Schema of documents, for editors: generated from the vocabulary, so that it cannot know other words.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::shape::{Field, MapRule, Object, Shape, TextRule};
use super::vocabulary::{DOCUMENT, KINDS};

/// The schema of one document.
pub fn json() -> Json {
    let mut writer = Writer { definitions: BTreeMap::new() };
    let mut properties = Map::new();
    for field in DOCUMENT.fields {
        properties.insert(field.name.to_owned(), writer.field(field, false));
    }
    properties.insert("lifecycle".to_owned(), Json::Bool(true));
    properties.insert("spec".to_owned(), Json::Bool(true));
    let kinds: Vec<Json> = KINDS
        .iter()
        .map(|kind| {
            let mut then = Map::new();
            then.insert("spec".to_owned(), described(writer.object(kind.spec, false), kind.doc));
            let lifecycle = match kind.lifecycle {
                Some(object) => described(writer.object(object, false), object.doc),
                None => Json::Bool(false),
            };
            then.insert("lifecycle".to_owned(), lifecycle);
            json!({
                "if": { "properties": { "kind": { "const": kind.name } } },
                "then": { "properties": then },
            })
        })
        .collect();
    let required: Vec<&str> = DOCUMENT.fields.iter().filter(|f| f.required).map(|f| f.name).collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "vboxmcp manifest",
        "description": "One document of a vboxmcp manifest. Expressions (`${var.name}`, `${index}`) may stand in place of any single value.",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
        "allOf": kinds,
        "definitions": writer.definitions,
    })
}

/// The schema as it is committed and printed.
pub fn text() -> String {
    // A tree of maps and strings: there is nothing that writing could refuse.
    serde_json::to_string_pretty(&json()).unwrap_or_default() + "\n"
}

struct Writer {
    definitions: BTreeMap<String, Json>,
}

/// What an expression looks like, for fields that are not free text.
fn expression() -> Json {
    json!({ "type": "string", "pattern": "\\$\\{" })
}

fn described(mut schema: Json, doc: &str) -> Json {
    // In draft 7 nothing may stand beside a `$ref`.
    if schema.get("$ref").is_some() {
        schema = json!({ "allOf": [schema] });
    }
    if let Json::Object(map) = &mut schema {
        map.insert("description".to_owned(), Json::from(doc));
    }
    schema
}

impl Writer {
    fn field(&mut self, field: &Field, partial: bool) -> Json {
        if let Some(why) = field.refused {
            return json!({ "not": {}, "description": format!("Cannot be declared: {why}.") });
        }
        let schema = self.shape(&field.shape, partial);
        if field.ready {
            described(schema, field.doc)
        } else {
            described(schema, &format!("{} (Checked, but this version cannot apply it yet.)", field.doc))
        }
    }

    /// A reference to the definition of an object. In the stack's defaults nothing is required.
    fn object(&mut self, object: &Object, partial: bool) -> Json {
        let name = if partial { format!("{}Defaults", object.name) } else { object.name.to_owned() };
        let reference = json!({ "$ref": format!("#/definitions/{name}") });
        if self.definitions.contains_key(&name) {
            return reference;
        }
        // Held open, so that a definition that contains itself ends.
        self.definitions.insert(name.clone(), Json::Null);
        let mut properties = Map::new();
        for field in object.fields {
            properties.insert(field.name.to_owned(), self.field(field, partial));
        }
        let mut schema = json!({
            "type": "object",
            "description": object.doc,
            "properties": properties,
            "additionalProperties": false,
        });
        if let (Json::Object(map), false) = (&mut schema, partial) {
            let required: Vec<&str> = object.fields.iter().filter(|f| f.required).map(|f| f.name).collect();
            if !required.is_empty() {
                map.insert("required".to_owned(), json!(required));
            }
            if let Some(one_of) = &object.one_of {
                let each: Vec<Json> = one_of.keys.iter().map(|key| json!({ "required": [key] })).collect();
                map.insert("oneOf".to_owned(), Json::Array(each));
            }
        }
        self.definitions.insert(name, schema);
        reference
    }

    fn shape(&mut self, shape: &Shape, partial: bool) -> Json {
        match shape {
            Shape::Bool => json!({ "anyOf": [{ "type": "boolean" }, expression()] }),
            Shape::Int(min, max) => {
                json!({ "anyOf": [{ "type": "integer", "minimum": min, "maximum": max }, expression()] })
            }
            Shape::Word(words) => json!({ "anyOf": [{ "enum": spellings(words) }, expression()] }),
            Shape::Text(rule) => text_rule(rule),
            Shape::Literal => json!({ "type": ["string", "number", "boolean"] }),
            Shape::Path | Shape::PathInFolder => json!({ "type": "string", "minLength": 1 }),
            Shape::Quantity(rule) => {
                json!({ "anyOf": [{ "type": "string", "pattern": rule.quantity.pattern() }, expression()] })
            }
            Shape::List(rule) => json!({
                "type": "array",
                "items": self.shape(&rule.item, partial),
                "maxItems": rule.max,
                "uniqueItems": rule.unique,
            }),
            Shape::Map(rule) => self.map(rule, partial),
            Shape::Object(object) => self.object(object, partial),
            Shape::Either(scalar, object) => {
                json!({ "anyOf": [self.shape(scalar, partial), self.object(object, partial)] })
            }
            Shape::Defaults => {
                let mut properties = Map::new();
                for kind in KINDS.iter().filter(|kind| kind.lifecycle.is_some()) {
                    properties.insert(kind.name.to_owned(), self.object(kind.spec, true));
                }
                json!({ "type": "object", "properties": properties, "additionalProperties": false })
            }
        }
    }

    fn map(&mut self, rule: &MapRule, partial: bool) -> Json {
        let value = self.shape(&rule.value, partial);
        let value = if rule.nullable { json!({ "anyOf": [value, { "type": "null" }] }) } else { value };
        let mut schema =
            json!({ "type": "object", "additionalProperties": value, "maxProperties": rule.max });
        if let (Json::Object(map), Some(pattern)) = (&mut schema, rule.key.pattern) {
            map.insert("propertyNames".to_owned(), json!({ "pattern": pattern }));
        }
        schema
    }
}

fn text_rule(rule: &TextRule) -> Json {
    let mut schema = match rule.pattern {
        Some(pattern) => json!({ "anyOf": [{ "type": "string", "pattern": pattern }, expression()] }),
        None => json!({ "type": ["string", "number", "boolean"] }),
    };
    if let (Json::Object(map), false) = (&mut schema, rule.examples.is_empty()) {
        map.insert("examples".to_owned(), json!(rule.examples));
    }
    schema
}

/// Words as YAML may read them: `2.0` without quotes is a number.
fn spellings(words: &[&str]) -> Vec<Json> {
    let numbers =
        words.iter().filter_map(|word| serde_json::from_str::<Json>(word).ok()).filter(Json::is_number);
    words.iter().map(|word| Json::from(*word)).chain(numbers).collect()
}
