//! Closed word lists of VirtualBox that stay open for words of a later version.

/// Declares an enum whose variants are words of the language, spelled as manifests spell them.
///
/// A word that is not in the list is kept as `Other`, because a live machine may hold a value of a later
/// VirtualBox: it must be shown and compared, never guessed. The manifest accepts listed words only
/// (`Enum::parse` is `None` for others).
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$vmeta])* #[doc = concat!("`", $word, "`")] $variant,)+
            /// A word that this version does not know, as VirtualBox wrote it.
            Other(String),
        }

        impl $name {
            /// Every word of the language, in the order of the documentation.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word as manifests spell it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }

            /// A listed word, compared without regard to case; `None` for anything else.
            pub fn parse(word: &str) -> Option<Self> {
                $(if word.eq_ignore_ascii_case($word) { return Some(Self::$variant); })+
                None
            }

            /// As [`Self::parse`], but keeps an unlisted word.
            pub fn parse_or_other(word: &str) -> Self {
                Self::parse(word).unwrap_or_else(|| Self::Other(word.to_owned()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "description": "One of the examples, or a word of a later VirtualBox",
                    "examples": Self::WORDS,
                })
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = String::deserialize(deserializer)?;
                Ok(Self::parse_or_other(&word))
            }
        }
    };
}

pub(crate) use words;
