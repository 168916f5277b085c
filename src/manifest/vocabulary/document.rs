//! What every document has: `apiVersion`, `kind`, `metadata`, `lifecycle`.

use super::super::load::API_VERSION;
use super::super::shape::{ListRule, MapRule, Object, Shape, field};
use super::super::text;

const API_VERSIONS: &[&str] = &[API_VERSION];
const KIND_NAMES: &[&str] = &["Stack", "VirtualMachine", "Disk", "Network", "Snapshot"];
const DANGERS: &[&str] = &["downtime", "power-cut", "discard-state", "revert", "destroy-data"];

/// The envelope; `lifecycle` and `spec` depend on the kind and are walked by it.
pub(in super::super) static DOCUMENT: Object = Object {
    name: "Document",
    doc: "One document.",
    fields: &[
        field("apiVersion", Shape::Word(API_VERSIONS), "The version of the language.").required(),
        field("kind", Shape::Word(KIND_NAMES), "What the document describes.").required(),
        field("metadata", Shape::Object(&METADATA), "Its name and labels.").required(),
    ],
    one_of: None,
};

static METADATA: Object = Object {
    name: "Metadata",
    doc: "Name and labels of an object.",
    fields: &[
        field("name", Shape::Text(&text::LINE), "The name, unique among documents of its kind.").required(),
        field(
            "labels",
            Shape::Map(&LABELS),
            "Free pairs for `-l KEY=VALUE`. Kept in the stack's register, not in VirtualBox.",
        ),
    ],
    one_of: None,
};

static LABELS: MapRule =
    MapRule { key: &text::LABEL, value: Shape::Text(&text::LABEL), nullable: false, max: 64 };

/// `lifecycle`: how vboxmcp treats an object.
pub(in super::super) static LIFECYCLE: Object = Object {
    name: "Lifecycle",
    doc: "How vboxmcp treats the object.",
    fields: &[
        field(
            "protect",
            Shape::Bool,
            "Never deleted, also when this document is gone. Unprotecting is an apply of its own.",
        ),
        field(
            "onRemove",
            Shape::Word(&["keep", "delete"]),
            "What `apply --prune` does when the object is no longer declared. Default: keep.",
        ),
        field("allow", Shape::List(&ALLOW), "Permissions that need not be given on the command line."),
        field(
            "renamedFrom",
            Shape::Text(&text::RENAMED_FROM),
            "The former name, or STACK/NAME: renamed instead of made anew. Does nothing once it is done.",
        ),
        field(
            "ignore",
            Shape::List(&IGNORE),
            "Fields that are set when the object is made and not compared afterwards.",
        ),
        field("external", Shape::Bool, "The object must exist, may be referenced, and is never changed."),
    ],
    one_of: None,
};

static ALLOW: ListRule = ListRule { item: Shape::Word(DANGERS), max: 5, unique: true, by_position: false };
static IGNORE: ListRule =
    ListRule { item: Shape::Text(&text::FIELD_PATH), max: 256, unique: true, by_position: false };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_model() {
        let dangers: Vec<_> = crate::model::Danger::ALL.into_iter().map(crate::model::Danger::word).collect();
        assert_eq!(DANGERS, dangers);
        let kinds: Vec<_> = super::super::KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(KIND_NAMES, kinds);
    }
}
