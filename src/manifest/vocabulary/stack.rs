//! `kind: Stack`.

use super::super::shape::{MapRule, Object, Shape, field};
use super::super::text;

/// `spec` of a stack.
pub(in super::super) static STACK: Object = Object {
    name: "Stack",
    doc: "Variables and defaults.",
    fields: &[
        field("variables", Shape::Map(&VARIABLES), "Variables by name, used as `${var.NAME}`."),
        field(
            "defaults",
            Shape::Defaults,
            "For each kind, what its `spec` has where a document does not say it: mappings are merged, values and lists replaced.",
        ),
    ],
    one_of: None,
};

static VARIABLES: MapRule =
    MapRule { key: &text::VARIABLE_NAME, value: Shape::Object(&VARIABLE), nullable: false, max: 1000 };

static VARIABLE: Object = Object {
    name: "Variable",
    doc: "A variable. `--var NAME=VALUE`, `VBOXMCP_VAR_NAME` and vboxmcp.toml set it, in this order.",
    fields: &[
        field("default", Shape::Literal, "The value where nothing sets one. Without it one must be set."),
        field("description", Shape::Text(&text::TEXT), "What it is for."),
        field("sensitive", Shape::Bool, "A secret: never shown, and usable in fields for secrets only."),
    ],
    one_of: None,
};
