//! Elements as VirtualBox writes them, one below the other.

use std::fmt::Display;

/// A document that grows.
pub struct Xml {
    text: String,
    open: Vec<&'static str>,
}

/// The attributes of an element, in order.
#[derive(Default)]
pub struct Attributes(Vec<(&'static str, String)>);

impl Attributes {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.0.push((name, value.to_string()));
        self
    }

    /// One more, unless it has the value that stands for its absence.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "numbers and words, as they come")]
    pub fn unless<T: PartialEq + Display>(self, name: &'static str, value: T, absent: T) -> Self {
        if value == absent { self } else { self.with(name, value) }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Xml {
    /// A document without elements.
    pub fn new() -> Self {
        Self { text: "<?xml version=\"1.0\"?>\n".to_owned(), open: Vec::new() }
    }

    /// Begins an element.
    pub fn open(&mut self, name: &'static str, attributes: Attributes) {
        self.begin(name, attributes, ">");
        self.open.push(name);
    }

    /// Ends the element that was begun last.
    pub fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.indent();
            self.text.extend(["</", name, ">\n"]);
        }
    }

    /// An element with nothing in it.
    pub fn leaf(&mut self, name: &'static str, attributes: Attributes) {
        self.begin(name, attributes, "/>");
    }

    /// An element with nothing in it; left out where it would say nothing.
    pub fn leaf_if_any(&mut self, name: &'static str, attributes: Attributes) {
        if !attributes.is_empty() {
            self.leaf(name, attributes);
        }
    }

    /// An element with text in it.
    pub fn text(&mut self, name: &'static str, text: &str) {
        self.indent();
        self.text.extend(["<", name, ">"]);
        escape(text, Place::Text, &mut self.text);
        self.text.extend(["</", name, ">\n"]);
    }

    /// The whole document. Elements that are open are closed.
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.text
    }

    fn begin(&mut self, name: &str, attributes: Attributes, end: &str) {
        self.indent();
        self.text.extend(["<", name]);
        for (key, value) in attributes.0 {
            self.text.extend([" ", key, "=\""]);
            escape(&value, Place::Attribute, &mut self.text);
            self.text.push('"');
        }
        self.text.extend([end, "\n"]);
    }

    fn indent(&mut self) {
        self.text.extend(std::iter::repeat_n("  ", self.open.len()));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Attribute,
    Text,
}

/// White space of an attribute is kept by references only, and a carriage return by one everywhere.
fn escape(text: &str, place: Place, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if place == Place::Attribute => out.push_str("&quot;"),
            '\n' if place == Place::Attribute => out.push_str("&#10;"),
            '\t' if place == Place::Attribute => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            other => out.push(other),
        }
    }
}
