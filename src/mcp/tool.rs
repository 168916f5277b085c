//! What a tool is made of, and the schemas of what it takes and says.

use rmcp::model::{CallToolResult, JsonObject, Tool as Described, ToolAnnotations};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answer::Answer;
use super::desk::Desk;
use crate::failure::{Failure, Kind};

/// What a call of a tool may do to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
}

/// One tool: a type without values that stands for it.
pub trait Tool {
    /// What it takes. Unknown arguments are refused, not ignored.
    type Input: DeserializeOwned + JsonSchema;
    /// What it says. An object, because earlier revisions know nothing else.
    type Output: Serialize + JsonSchema;
    /// Its name.
    const NAME: &'static str;
    /// Its name for people.
    const TITLE: &'static str;
    /// What it does and when to use it, for a model that has to choose.
    const DESCRIPTION: &'static str;
    /// What a call may do to the host.
    const EFFECT: Effect;

    /// Does it. May block.
    fn run(desk: &Desk, input: Self::Input) -> Result<Answer<Self::Output>, Failure>;
}

/// A tool among others.
pub struct Entry {
    /// As the protocol lists it.
    pub described: Described,
    run: fn(&Desk, JsonObject) -> Result<CallToolResult, Failure>,
}

impl Entry {
    /// Does it, if it knows all the arguments: a misspelt one is no absent one. May block.
    pub fn call(&self, desk: &Desk, arguments: JsonObject) -> Result<CallToolResult, Failure> {
        let known = self.described.input_schema.get("properties").and_then(Value::as_object);
        let unknown = arguments.keys().find(|key| !known.is_some_and(|known| known.contains_key(*key)));
        if let Some(unknown) = unknown {
            let known: Vec<&str> = known.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
            let what = format!("`{}` has no argument `{unknown}`", self.described.name);
            return Err(Failure::new(Kind::Usage, what).hint(format!("it has: {}", known.join(", "))));
        }
        (self.run)(desk, arguments)
    }

    /// The entry of a tool.
    pub fn of<T: Tool>() -> Self {
        let annotations = match T::EFFECT {
            Effect::None => ToolAnnotations::new().read_only(true).destructive(false).idempotent(true),
        };
        let described = Described::new(T::NAME, T::DESCRIPTION, schema::<T::Input>(Side::Takes))
            .with_title(T::TITLE)
            .with_raw_output_schema(schema::<T::Output>(Side::Says).into())
            // Whatever it does, it does to this host.
            .with_annotations(annotations.open_world(false));
        Self { described, run: run::<T> }
    }
}

fn run<T: Tool>(desk: &Desk, arguments: JsonObject) -> Result<CallToolResult, Failure> {
    let input = serde_json::from_value(Value::Object(arguments)).map_err(|error| {
        Failure::new(Kind::Usage, format!("these are no arguments of `{}`: {error}", T::NAME))
    })?;
    T::run(desk, input)?.into_result()
}

/// Whose side of a call a schema describes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Takes,
    Says,
}

/// The schema of a type, as small as it can be: models read it in every conversation.
fn schema<T: JsonSchema>(side: Side) -> JsonObject {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let settings = if side == Side::Says { settings.for_serialize() } else { settings };
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    shrink(&mut schema);
    match schema {
        Value::Object(mut schema) => {
            schema.remove("$schema");
            schema.remove("description");
            if side == Side::Takes {
                schema.insert("additionalProperties".to_owned(), false.into());
            }
            schema
        }
        _ => JsonObject::new(),
    }
}

/// Takes out what says nothing to a model: titles that repeat names, formats of numbers, and `null` for what may be left out.
fn shrink(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    if map.get("title").is_some_and(Value::is_string) {
        map.remove("title");
    }
    for word in ["format", "default"] {
        if map.contains_key("type") {
            map.remove(word);
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
            (_, Value::Array(list)) => list.iter_mut().for_each(shrink),
            (_, value) => shrink(value),
        }
    }
}
