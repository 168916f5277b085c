//! What a tool is made of.

use rmcp::model::{CallToolResult, JsonObject, Tool as Described, ToolAnnotations};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answer::Answer;
use super::caller::Caller;
use super::desk::Desk;
use super::schema::{Side, schema};
use crate::config::Tier;
use crate::failure::{Failure, Kind};

/// What a call of a tool may do to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// What a plan says, which may be anything; the same call again does nothing more.
    Plan,
}

/// What a tool is, for those who have to choose one.
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
    const EFFECT: Effect = Effect::None;
    /// The tier that a client needs to see it and to call it.
    const NEEDS: Tier = Tier::Observe;
}

/// A tool that is done at once.
pub trait Run: Tool {
    /// Does it. May block.
    fn run(call: &Call<'_>, input: Self::Input) -> Result<Answer<Self::Output>, Failure>;
}

/// One call.
pub struct Call<'a> {
    /// What all requests share.
    pub desk: &'a Desk,
    /// Who asks.
    pub caller: &'a Caller,
}

/// Runs what blocks where it holds nobody up.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Failure::new(Kind::Internal, error)),
    }
}

/// How a tool is done.
#[derive(Clone, Copy)]
pub enum Work {
    /// At once; it may block.
    Now(fn(&Call<'_>, JsonObject) -> Result<CallToolResult, Failure>),
    /// With a person's consent, step by step: a plan is applied.
    Apply,
}

/// A tool among others.
pub struct Entry {
    /// As the protocol lists it.
    pub described: Described,
    /// The tier that a client needs.
    pub needs: Tier,
    /// How it is done.
    pub work: Work,
}

impl Entry {
    /// The entry of a tool that is done at once.
    pub fn now<T: Run>() -> Self {
        Self::of::<T>(Work::Now(run::<T>))
    }

    /// The entry of a tool.
    pub fn of<T: Tool>(work: Work) -> Self {
        let annotations = match T::EFFECT {
            Effect::None => ToolAnnotations::new().read_only(true).destructive(false),
            Effect::Plan => ToolAnnotations::new().read_only(false).destructive(true),
        };
        let described = Described::new(T::NAME, T::DESCRIPTION, schema::<T::Input>(Side::Takes))
            .with_title(T::TITLE)
            .with_raw_output_schema(schema::<T::Output>(Side::Says).into())
            // Whatever it does, it does to this host, and doing it again does nothing more.
            .with_annotations(annotations.idempotent(true).open_world(false));
        Self { described, needs: T::NEEDS, work }
    }

    /// Whether all the arguments are known: a misspelt one is no absent one.
    pub fn expect_known(&self, arguments: &JsonObject) -> Result<(), Failure> {
        let known = self.described.input_schema.get("properties").and_then(Value::as_object);
        let unknown = arguments.keys().find(|key| !known.is_some_and(|known| known.contains_key(*key)));
        let Some(unknown) = unknown else { return Ok(()) };
        let known: Vec<&str> = known.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        let what = format!("`{}` has no argument `{unknown}`", self.described.name);
        let hint =
            if known.is_empty() { "it has none".to_owned() } else { format!("it has: {}", known.join(", ")) };
        Err(Failure::new(Kind::Usage, what).hint(hint))
    }
}

/// The arguments of a tool.
pub fn arguments<T: Tool>(arguments: JsonObject) -> Result<T::Input, Failure> {
    serde_json::from_value(Value::Object(arguments)).map_err(|error| {
        Failure::new(Kind::Usage, format!("these are no arguments of `{}`: {error}", T::NAME))
    })
}

fn run<T: Run>(call: &Call<'_>, given: JsonObject) -> Result<CallToolResult, Failure> {
    T::run(call, arguments::<T>(given)?)?.into_result()
}
