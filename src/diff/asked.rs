//! Settings as a tree, but only as much of it as another tree asks for.
//!
//! A machine has two hundred settings, a manifest declares ten of them, and most machines are as declared: to see that, the others need
//! not become trees.

use std::cmp::Reverse;

use serde::ser::{Error as _, Serialize, SerializeMap, SerializeStruct, Serializer};
use serde_json::value::Serializer as Whole;
use serde_json::{Error, Map, Value};

use super::tree;
use crate::model::FieldPath;

/// Keys that are kept although nobody asks for them: `normal` looks at them.
const ALWAYS: [&str; 2] = ["enabled", "firmware"];

/// The tree of `settings` with what stands in `asked`. Of a map all members are there, as the others may have to go; what is asked for by
/// an empty object is there whole.
pub fn of(settings: &impl Serialize, asked: &Value) -> Value {
    let tree = match asked {
        Value::Object(below) if !below.is_empty() => settings.serialize(Asked(below)),
        _ => serde_json::to_value(settings),
    };
    // Maps with string keys and scalars: there is nothing that serialisation could refuse.
    tree.unwrap_or_default()
}

/// The tree of `settings` in which at least these paths are as in the whole one.
pub fn at<'a>(settings: &impl Serialize, paths: impl IntoIterator<Item = &'a FieldPath>) -> Value {
    let mut paths: Vec<&FieldPath> = paths.into_iter().collect();
    // A field of which a part is asked for, too, is there whole.
    paths.sort_by_key(|path| Reverse(path.keys().len()));
    let mut asked = Value::Null;
    for path in &paths {
        tree::set(&mut asked, path, Value::Null);
    }
    if paths.is_empty() { Value::Object(Map::new()) } else { of(settings, &asked) }
}

/// Serialises one struct or map, and everything that is neither whole.
struct Asked<'a>(&'a Map<String, Value>);

/// A struct or map that is being serialised.
struct Part<'a> {
    asked: &'a Map<String, Value>,
    /// The signs of all keys that may be kept. Of two hundred fields ten are asked for: most others are known by this.
    signs: u64,
    key: String,
    tree: Map<String, Value>,
}

/// One bit of 64, always the same for a key.
fn sign(key: &str) -> u64 {
    let bytes = key.as_bytes();
    let first = bytes.first().copied().unwrap_or_default();
    let last = bytes.last().copied().unwrap_or_default();
    1 << ((key.len() + 5 * usize::from(first) + 11 * usize::from(last)) % 64)
}

impl<'a> Part<'a> {
    fn of(asked: &'a Map<String, Value>) -> Self {
        let keys = asked.keys().map(String::as_str).chain(ALWAYS);
        let signs = keys.fold(0, |signs, key| signs | sign(key));
        Self { asked, signs, key: String::new(), tree: Map::new() }
    }

    fn put<T: Serialize + ?Sized>(&mut self, key: String, value: &T) -> Result<(), Error> {
        let value = match self.asked.get(&key) {
            Some(Value::Object(below)) if !below.is_empty() => value.serialize(Asked(below))?,
            _ => value.serialize(Whole)?,
        };
        self.tree.insert(key, value);
        Ok(())
    }
}

impl SerializeStruct for Part<'_> {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        if self.signs & sign(key) != 0 && (self.asked.contains_key(key) || ALWAYS.contains(&key)) {
            self.put(key.to_owned(), value)?;
        }
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        Ok(Value::Object(self.tree))
    }
}

impl SerializeMap for Part<'_> {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = match key.serialize(Whole)? {
            Value::String(text) => text,
            // The number of an adapter or of a port.
            Value::Number(number) => number.to_string(),
            other => return Err(Error::custom(format!("{other} is no key"))),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = std::mem::take(&mut self.key);
        self.put(key, value)
    }

    fn end(self) -> Result<Value, Error> {
        Ok(Value::Object(self.tree))
    }
}

/// What is no struct and no map is made by `serde_json`.
macro_rules! whole {
    ($($method:ident($($name:ident: $type:ty),*) -> $of:ty;)+) => {
        $(fn $method(self, $($name: $type),*) -> Result<$of, Error> { Whole.$method($($name),*) })+
    };
}

impl<'a> Serializer for Asked<'a> {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = <Whole as Serializer>::SerializeSeq;
    type SerializeTuple = <Whole as Serializer>::SerializeTuple;
    type SerializeTupleStruct = <Whole as Serializer>::SerializeTupleStruct;
    type SerializeTupleVariant = <Whole as Serializer>::SerializeTupleVariant;
    type SerializeMap = Part<'a>;
    type SerializeStruct = Part<'a>;
    type SerializeStructVariant = <Whole as Serializer>::SerializeStructVariant;

    whole! {
        serialize_bool(v: bool) -> Value;
        serialize_i8(v: i8) -> Value;
        serialize_i16(v: i16) -> Value;
        serialize_i32(v: i32) -> Value;
        serialize_i64(v: i64) -> Value;
        serialize_u8(v: u8) -> Value;
        serialize_u16(v: u16) -> Value;
        serialize_u32(v: u32) -> Value;
        serialize_u64(v: u64) -> Value;
        serialize_f32(v: f32) -> Value;
        serialize_f64(v: f64) -> Value;
        serialize_char(v: char) -> Value;
        serialize_str(v: &str) -> Value;
        serialize_bytes(v: &[u8]) -> Value;
        serialize_none() -> Value;
        serialize_unit() -> Value;
        serialize_unit_struct(name: &'static str) -> Value;
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> Value;
        serialize_seq(len: Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(len: usize) -> Self::SerializeTuple;
        serialize_tuple_struct(name: &'static str, len: usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize) -> Self::SerializeTupleVariant;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize) -> Self::SerializeStructVariant;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        Whole.serialize_newtype_variant(name, index, variant, value)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Part<'a>, Error> {
        Ok(Part::of(self.0))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Part<'a>, Error> {
        Ok(Part::of(self.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::diff::machine::settings_tree;
    use crate::diff::tree::{get, is_authoritative, leaves, merge, set};
    use crate::diff::{compare, tree as trees};
    use crate::model::{Settings, os_type};

    /// A new machine of an operating system, with something in every map that a manifest may write whole.
    fn settings(id: &str, device: &str) -> Settings {
        let mut tree = json!({
            "nics": {device: {"mode": "nat", "cable": true, "nat": {"portForwards": {device: "127.0.0.1:2022:22"}}}},
            "sharedFolders": {device: {"hostPath": "/srv", "readOnly": true}},
            "extraData": {"a": device, "b": null},
            "vrde": {"enabled": device == "1", "port": "3389"},
            "secureBoot": device == "1",
            "bootOrder": ["disk", "none", "none", "none"],
        });
        for id in [os_type::BASE, id] {
            let row = os_type::lookup(id).unwrap();
            merge(&mut tree, &settings_tree(&row.plain));
            merge(&mut tree, &settings_tree(&row.settings));
        }
        serde_json::from_value(tree).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_asked_for_is_as_in_the_whole_tree(
            ids in prop::array::uniform2(prop::sample::select(os_type::ids().collect::<Vec<_>>())),
            devices in prop::array::uniform2(prop::sample::select(vec!["1", "2"])),
            picks in prop::collection::vec(0..12_u8, 200),
        ) {
            let live = settings(ids[0], devices[0]);
            let whole = settings_tree(&live);
            let other = settings_tree(&settings(ids[1], devices[1]));
            let mut asked = json!({});
            for ((path, value), pick) in leaves(&other).into_iter().zip(picks) {
                match pick {
                    0 => set(&mut asked, &path, value.clone()),
                    1 => set(&mut asked, &path, get(&whole, &path).cloned().unwrap_or_default()),
                    // Above a leaf, nothing is asked for in particular.
                    2 => if let Some(above) = path.parent() && get(&asked, &above).is_none() {
                        set(&mut asked, &above, json!({}));
                    },
                    _ => {}
                }
            }
            let part = of(&live, &asked);
            for (path, _) in leaves(&asked) {
                prop_assert_eq!(get(&part, &path), get(&whole, &path), "{}", path);
                let mut above = path.parent();
                while let Some(map) = above.filter(|map| !map.keys().is_empty()) {
                    if is_authoritative(&map) {
                        let keys = |tree: &Value| get(tree, &map)
                            .and_then(Value::as_object)
                            .map(|map| map.keys().cloned().collect::<Vec<_>>());
                        prop_assert_eq!(keys(&part), keys(&whole), "{}", map);
                    }
                    above = map.parent();
                }
            }
            let mut paths: Vec<_> = leaves(&asked).into_iter().map(|(path, _)| path).collect();
            paths.extend(paths.iter().step_by(3).filter_map(FieldPath::parent).collect::<Vec<_>>());
            let few = at(&live, &paths);
            for path in &paths {
                prop_assert_eq!(get(&few, path), get(&whole, path), "{}", path);
            }
            let differences: Vec<trees::Difference> = compare(&asked, &part);
            prop_assert_eq!(differences, compare(&asked, &whole));
        }
    }
}
