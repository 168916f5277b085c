//! JSON Schemas of what programs read and write: manifests, plans, inventories, and the lines of a run.
//!
//! All but the manifests' are made from the types themselves. The committed ones are in `schemas/`; a test holds them fresh, and
//! `VBOXMCP_UPDATE=1 cargo test --test suite schemas` writes them.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use crate::event::Event;
use crate::inventory::InventoryDocument;
use crate::plan::Plan;

/// What a schema is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaOf {
    /// One document of a manifest.
    Manifest,
    /// A plan: `plan -o json`, `plan --out`.
    Plan,
    /// What `inventory` writes.
    Inventory,
    /// One line of `apply -o json` and its kin.
    Events,
}

impl SchemaOf {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Manifest, Self::Plan, Self::Inventory, Self::Events];

    /// As it is typed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Plan => "plan",
            Self::Inventory => "inventory",
            Self::Events => "events",
        }
    }

    /// Its file in `schemas/`.
    pub fn file(self) -> &'static str {
        match self {
            Self::Manifest => "vboxmcp.schema.json",
            Self::Plan => "plan.schema.json",
            Self::Inventory => "inventory.schema.json",
            Self::Events => "events.schema.json",
        }
    }

    /// The schema as text that ends with a line break.
    pub fn text(self) -> String {
        let schema = match self {
            Self::Manifest => return crate::ops::schema(),
            Self::Plan => schema_of::<Plan>(),
            Self::Inventory => schema_of::<InventoryDocument>(),
            Self::Events => schema_of::<Line>(),
        };
        format!("{:#}\n", schema.as_value())
    }
}

impl std::str::FromStr for SchemaOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|one| one.word() == text);
        known.ok_or_else(|| {
            format!("`{text}` has no schema: write `manifest`, `plan`, `inventory` or `events`")
        })
    }
}

/// One line of a run.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used: the lines are written one by one")]
enum Line {
    Plan(Box<super::plan::Document<'static>>),
    Event(Event),
    Outcome(super::outcome::Document<'static>),
    Error(super::failure::Document),
}

/// As it is written: what is left out where there is nothing to say is not required.
fn schema_of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft07().for_serialize().into_generator().into_root_schema_for::<T>()
}
