//! Paths of fields, written the same in manifests, plans, the register and messages (`nics.1.nat.portForwards.ssh`).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A path of keys from a machine's `spec`. A key that holds a dot or a quote is written in double quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath(Arc<[String]>);

impl FieldPath {
    /// The path of the whole object.
    pub fn root() -> Self {
        Self::default()
    }

    /// A path from its keys.
    pub fn of<S: Into<String>>(keys: impl IntoIterator<Item = S>) -> Self {
        Self(keys.into_iter().map(Into::into).collect())
    }

    /// This path and one key more.
    #[must_use]
    pub fn join(&self, key: impl fmt::Display) -> Self {
        Self(self.0.iter().cloned().chain([key.to_string()]).collect())
    }

    /// The keys.
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// The keys as string slices, for matching.
    pub fn parts(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }

    /// Whether `self` is `prefix` or stands below it.
    pub fn starts_with(&self, prefix: &Self) -> bool {
        self.0.starts_with(&prefix.0)
    }

    /// The path without its last key.
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.into()))
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, key) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            if key.is_empty() || key.contains(['.', '"', '\\']) {
                write!(f, "\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""))?;
            } else {
                f.write_str(key)?;
            }
        }
        Ok(())
    }
}

impl FromStr for FieldPath {
    type Err = std::convert::Infallible;

    /// Never fails: a missing closing quote ends the text.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut keys = Vec::new();
        let mut key = String::new();
        let mut quoted = false;
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => quoted = !quoted,
                '\\' if quoted => key.extend(chars.next()),
                '.' if !quoted => keys.push(std::mem::take(&mut key)),
                _ => key.push(c),
            }
        }
        if !text.is_empty() {
            keys.push(key);
        }
        Ok(Self(keys.into()))
    }
}

impl schemars::JsonSchema for FieldPath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FieldPath".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "Keys with dots between them; a key that holds a dot or a quote stands in double quotes" })
    }
}

impl Serialize for FieldPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FieldPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// All values that hold no further object, with their paths; an empty object is a leaf.
pub fn leaves(tree: &Value) -> Vec<(FieldPath, &Value)> {
    let mut found = Vec::new();
    each_leaf(tree, &mut |keys, value| found.push((FieldPath::of(keys.iter().copied()), value)));
    found
}

/// Looks at all [`leaves`] in their order, without making a path of each one's keys.
pub fn each_leaf<'t>(tree: &'t Value, look: &mut dyn FnMut(&[&'t str], &'t Value)) {
    below(tree, None, &mut Vec::new(), &mut |keys, value, _| look(keys, value));
}

/// Looks at all [`leaves`] of a tree, and at what another one has in the same place.
pub fn each_leaf_beside<'t>(
    tree: &'t Value,
    other: &'t Value,
    look: &mut dyn FnMut(&[&'t str], Option<&'t Value>),
) {
    below(tree, Some(other), &mut Vec::new(), &mut |keys, _, beside| look(keys, beside));
}

type Look<'l, 't> = dyn FnMut(&[&'t str], &'t Value, Option<&'t Value>) + 'l;

fn below<'t>(value: &'t Value, beside: Option<&'t Value>, keys: &mut Vec<&'t str>, look: &mut Look<'_, 't>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                keys.push(key);
                below(value, beside.and_then(|beside| beside.get(key)), keys, look);
                keys.pop();
            }
        }
        _ => look(keys, value, beside),
    }
}

#[cfg(test)]
mod tests {
    use super::FieldPath;

    #[test]
    fn a_path_reads_back_as_it_was_written() {
        for path in [
            FieldPath::of(["nics", "1", "nat", "portForwards", "ssh"]),
            FieldPath::of(["sharedFolders", "a.b\"c\\", "hostPath"]),
            FieldPath::of(["extraData", ""]),
            FieldPath::root(),
        ] {
            assert_eq!(path.to_string().parse::<FieldPath>(), Ok(path));
        }
    }
}
