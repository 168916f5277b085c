//! The grammar in which the vocabulary is written down.
//!
//! May hold: the types of the table in [`super::vocabulary`]. One table is read by the checks, by did-you-mean, by lowering and by
//! the JSON Schema, so that none of them can know a word that the others do not.

use super::units::{Complaint, Quantity};

/// One kind of document.
#[derive(Debug)]
pub(super) struct Kind {
    /// As `kind:` spells it.
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    pub(super) spec: &'static Object,
    /// `None`: documents of this kind have no `lifecycle`.
    pub(super) lifecycle: Option<&'static Object>,
    /// What its `metadata.name` must be.
    pub(super) names: &'static TextRule,
}

/// A mapping with known keys.
#[derive(Debug)]
pub(super) struct Object {
    /// Name of its definition in the JSON Schema.
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    pub(super) fields: &'static [Field],
    /// Keys of which exactly one must be there.
    pub(super) one_of: Option<OneOf>,
}

/// Keys of which exactly one must be there.
#[derive(Debug)]
pub(super) struct OneOf {
    pub(super) keys: &'static [&'static str],
    /// What the choice says, for messages: "what the adapter is attached to".
    pub(super) what: &'static str,
}

/// One key of an object.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    pub(super) shape: Shape,
    pub(super) required: bool,
    /// Whether this version can apply it. What it cannot apply validates, and is refused by `plan`.
    pub(super) ready: bool,
    /// Whether a `sensitive` variable may flow into it.
    pub(super) secret: bool,
    /// Why it is refused although it is a word of VirtualBox.
    pub(super) refused: Option<&'static str>,
}

/// What a value must look like.
#[derive(Debug)]
pub(super) enum Shape {
    /// `true` or `false`.
    Bool,
    /// A whole number in a range, decimal or `0x` hexadecimal.
    Int(i64, i64),
    /// One of some words.
    Word(&'static [&'static str]),
    /// A text that follows a rule.
    Text(&'static TextRule),
    /// Any scalar, without expressions.
    Literal,
    /// A path of the host, lowered to an absolute one.
    Path,
    /// As `Path`, but a bare name stays one: it is in the machine's own folder.
    PathInFolder,
    /// A size, duration or rate.
    Quantity(&'static QuantityRule),
    /// A list.
    List(&'static ListRule),
    /// A mapping with free keys.
    Map(&'static MapRule),
    /// A mapping with known keys.
    Object(&'static Object),
    /// A scalar or a mapping with known keys.
    Either(&'static Shape, &'static Object),
    /// `spec.defaults`: for each kind its `spec`, with nothing required.
    Defaults,
}

/// A rule for the text of a scalar.
#[derive(Debug)]
pub(super) struct TextRule {
    /// What it is, for messages and the schema.
    pub(super) noun: &'static str,
    /// The text as it is lowered, or what is wrong with it.
    pub(super) check: fn(&str) -> Result<String, Complaint>,
    /// The regular expression that editors check; the rule may be stricter.
    pub(super) pattern: Option<&'static str>,
    pub(super) examples: &'static [&'static str],
}

/// A rule for a quantity.
#[derive(Debug)]
pub(super) struct QuantityRule {
    pub(super) quantity: Quantity,
    /// The unit of the lowered number, in base units.
    pub(super) unit: u64,
    /// What it must be a multiple of, in base units, and its name.
    pub(super) multiple: (u64, &'static str),
    /// The least and the most, in base units.
    pub(super) min: i64,
    pub(super) max: i64,
    /// The unit that a bare number most likely meant.
    pub(super) bare: &'static str,
}

/// A rule for a list.
#[derive(Debug)]
pub(super) struct ListRule {
    pub(super) item: Shape,
    pub(super) max: usize,
    /// Whether an item may be there only once.
    pub(super) unique: bool,
    /// Whether members are told apart by position, which a field path counts from 1.
    pub(super) by_position: bool,
}

/// A rule for a mapping with free keys.
#[derive(Debug)]
pub(super) struct MapRule {
    pub(super) key: &'static TextRule,
    pub(super) value: Shape,
    /// Whether `null` is a value: it removes the key.
    pub(super) nullable: bool,
    pub(super) max: usize,
}

/// A key of an object.
pub(super) const fn field(name: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field { name, doc, shape, required: false, ready: true, secret: false, refused: None }
}

impl Field {
    /// It must be there.
    pub(super) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// It validates, and this version cannot apply it.
    pub(super) const fn later(mut self) -> Self {
        self.ready = false;
        self
    }

    /// A `sensitive` variable may flow into it.
    pub(super) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// A word of VirtualBox that is refused, and why.
    pub(super) const fn refused(mut self, why: &'static str) -> Self {
        self.refused = Some(why);
        self
    }
}

impl Object {
    /// The field of a name.
    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}
