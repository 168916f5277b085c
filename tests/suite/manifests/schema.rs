//! The JSON Schema of manifests: of one mind with the checks.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value as Json;
use vboxmcp::manifest::schema;

use super::{files, root};

#[test]
fn examples_name_the_schema() {
    for path in files(&root().join("examples"), "yaml") {
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# yaml-language-server: $schema=../schemas/vboxmcp.schema.json\n"),
            "{}",
            path.display()
        );
    }
}

/// As much of JSON Schema as the generated one uses. Patterns are the editor's business, but for that of expressions.
pub struct Validator<'a> {
    pub root: &'a Json,
    /// Keys of definitions that a document used.
    pub used: BTreeSet<String>,
}

impl Validator<'_> {
    pub fn fits(&mut self, schema: &Json, value: &Json, at: &str) -> Result<(), String> {
        let Json::Object(schema) = schema else {
            return if schema == &Json::Bool(false) { Err(format!("{at}: not allowed")) } else { Ok(()) };
        };
        for (key, rule) in schema {
            let ok = match key.as_str() {
                "$ref" => {
                    let name = rule.as_str().unwrap().trim_start_matches("#/definitions/");
                    let definition = self.root["definitions"][name].clone();
                    if let Json::Object(entries) = value {
                        self.used.extend(entries.keys().map(|key| format!("{name}.{key}")));
                    }
                    self.fits(&definition, value, at).err()
                }
                "type" => {
                    let types: Vec<&str> = match rule {
                        Json::Array(types) => types.iter().filter_map(Json::as_str).collect(),
                        one => one.as_str().into_iter().collect(),
                    };
                    let is = match value {
                        Json::Null => "null",
                        Json::Bool(_) => "boolean",
                        Json::Number(number) if number.is_f64() => "number",
                        Json::Number(_) => "integer",
                        Json::String(_) => "string",
                        Json::Array(_) => "array",
                        Json::Object(_) => "object",
                    };
                    let fits = types.contains(&is) || (is == "integer" && types.contains(&"number"));
                    (!fits).then(|| format!("{at}: {is} is not {types:?}"))
                }
                "enum" => {
                    (!rule.as_array().unwrap().contains(value)).then(|| format!("{at}: not one of {rule}"))
                }
                "const" => (rule != value).then(|| format!("{at}: not {rule}")),
                "not" => Some(format!("{at}: refused")),
                "minimum" => {
                    value.as_f64().filter(|v| *v < rule.as_f64().unwrap()).map(|v| format!("{at}: {v}"))
                }
                "maximum" => {
                    value.as_f64().filter(|v| *v > rule.as_f64().unwrap()).map(|v| format!("{at}: {v}"))
                }
                "pattern" if rule == "\\$\\{" => {
                    value.as_str().filter(|text| !text.contains("${")).map(|_| format!("{at}: no expression"))
                }
                "anyOf" | "oneOf" => {
                    let results: Vec<_> =
                        rule.as_array().unwrap().iter().map(|each| self.fits(each, value, at)).collect();
                    let good = results.iter().filter(|result| result.is_ok()).count();
                    let fits = if key == "oneOf" { good == 1 } else { good > 0 };
                    (!fits).then(|| format!("{at}: {good} of {results:?}"))
                }
                "allOf" => rule.as_array().unwrap().iter().find_map(|each| self.fits(each, value, at).err()),
                "if" if self.fits(rule, value, at).is_ok() => self.fits(&schema["then"], value, at).err(),
                "required" => {
                    let missing = rule
                        .as_array()
                        .unwrap()
                        .iter()
                        .find(|key| value.get(key.as_str().unwrap()).is_none());
                    missing.filter(|_| value.is_object()).map(|key| format!("{at}: {key} is missing"))
                }
                "items" => value.as_array().and_then(|items| {
                    items
                        .iter()
                        .enumerate()
                        .find_map(|(n, item)| self.fits(rule, item, &format!("{at}[{n}]")).err())
                }),
                "properties" => value.as_object().and_then(|entries| {
                    entries.iter().find_map(|(key, entry)| {
                        rule.get(key).and_then(|rule| self.fits(rule, entry, &format!("{at}.{key}")).err())
                    })
                }),
                "patternProperties" => value.as_object().and_then(|entries| {
                    let rule = rule.as_object().unwrap().values().next().unwrap();
                    entries
                        .iter()
                        .find_map(|(key, entry)| self.fits(rule, entry, &format!("{at}.{key}")).err())
                }),
                "additionalProperties" => value.as_object().and_then(|entries| {
                    // Patterns are those of numbers, the keys of slots.
                    let is_number = |key: &String| key.bytes().all(|byte| byte.is_ascii_digit());
                    let known = |key: &String| {
                        schema.get("properties").is_some_and(|p| p.get(key).is_some())
                            || (schema.contains_key("patternProperties") && is_number(key))
                    };
                    entries
                        .iter()
                        .filter(|(key, _)| !known(key))
                        .find_map(|(key, entry)| self.fits(rule, entry, &format!("{at}.{key}")).err())
                }),
                _ => None,
            };
            if let Some(why) = ok {
                return Err(why);
            }
        }
        Ok(())
    }
}

fn documents(text: &str) -> Vec<Json> {
    serde_saphyr::from_multiple(text).unwrap()
}

#[test]
fn good_manifests_fit_the_schema() {
    let schema = schema::json();
    let mut validator = Validator { root: &schema, used: BTreeSet::new() };
    let mut wrong = Vec::new();
    for directory in ["examples", "tests/manifests/valid"] {
        for path in files(&root().join(directory), "yaml") {
            for document in documents(&fs::read_to_string(&path).unwrap()) {
                let fits = validator.fits(&schema, &document, super::name_of(&path));
                wrong.extend(fits.err());
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn the_schema_refuses_what_the_checks_refuse() {
    let schema = schema::json();
    let invalid = root().join("tests/manifests/invalid");
    for name in
        ["unknown-key", "wrong-type", "wrong-word", "out-of-range", "no-value", "attachments", "envelope"]
    {
        let text = fs::read_to_string(invalid.join(name).with_extension("yaml")).unwrap();
        let mut validator = Validator { root: &schema, used: BTreeSet::new() };
        let refused = documents(&text).iter().any(|document| validator.fits(&schema, document, "").is_err());
        assert!(refused, "{name}");
    }
}

/// `vocabulary.yaml` is the list of all words: what the table has and it has not is one of a choice, or is here with its reason.
#[test]
fn the_vocabulary_example_has_every_word() {
    let schema = schema::json();
    let mut validator = Validator { root: &schema, used: BTreeSet::new() };
    for name in ["vocabulary.yaml", "shop.yaml"] {
        for document in documents(&fs::read_to_string(root().join("examples").join(name)).unwrap()) {
            validator.fits(&schema, &document, name).unwrap();
        }
    }
    let mut unused = BTreeSet::new();
    for (definition, schema) in schema["definitions"].as_object().unwrap() {
        if definition.ends_with("Defaults") {
            continue;
        }
        let one_of: Vec<&str> = schema["oneOf"]
            .as_array()
            .map(|choices| choices.iter().filter_map(|choice| choice["required"][0].as_str()).collect())
            .unwrap_or_default();
        for key in schema["properties"].as_object().unwrap().keys() {
            if !one_of.contains(&key.as_str()) && !validator.used.contains(&format!("{definition}.{key}")) {
                unused.insert(format!("{definition}.{key}"));
            }
        }
    }
    let known = [
        "Floppy.at",              // as that of DVD drives
        "MachineDisk.sha256",     // of an image that is fetched
        "Nat.localhostReachable", // refused, with the reason
        "Swtpm.swtpm",            // the other way to write `tpm`
    ];
    assert_eq!(unused.iter().map(String::as_str).collect::<Vec<_>>(), known);
}
