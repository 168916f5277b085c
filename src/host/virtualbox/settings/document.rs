//! An XML document whose reader leaves traces: what nobody looked at is what this version does not know.
//!
//! The whitelist of a settings file is thereby the code that reads it. [`Element::leave`] says of a part that it is left
//! unread on purpose; [`Document::unread`] names the first part that was neither read nor left.

use std::borrow::Cow;
use std::cell::Cell;
use std::str::FromStr;

use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use uuid::Uuid;

/// Deeper documents are refused. VirtualBox itself stops at 250 snapshots below one another, two elements each.
const MAX_DEPTH: usize = 600;

/// A piece of [`Document::source`] or, behind its end, of [`Document::unescaped`].
#[derive(Clone, Copy, Default)]
struct Span {
    start: u32,
    end: u32,
}

struct Node {
    name: Span,
    text: Span,
    parent: Option<u32>,
    /// Where the nodes below it end: they follow it directly.
    end: u32,
    attributes: Span,
    /// Somebody asked for it.
    read: Cell<bool>,
    /// Somebody said that nothing below it matters.
    left: Cell<bool>,
}

struct Attribute {
    name: Span,
    value: Span,
    read: Cell<bool>,
}

/// A parsed document.
pub struct Document<'s> {
    source: &'s str,
    /// What does not stand in the source as it is meant.
    unescaped: String,
    nodes: Vec<Node>,
    attributes: Vec<Attribute>,
}

/// One element of a document.
#[derive(Clone, Copy)]
pub struct Element<'d> {
    document: &'d Document<'d>,
    index: u32,
}

impl<'s> Document<'s> {
    /// Parses a document. The error says what is wrong with it.
    pub fn parse(source: &'s str) -> Result<Self, String> {
        position(source.len())?;
        let mut document = Self {
            source,
            unescaped: String::new(),
            nodes: Vec::with_capacity(source.len() / 60),
            attributes: Vec::with_capacity(source.len() / 30),
        };
        let mut reader = Reader::from_str(source);
        let mut open: Vec<(u32, Cow<'_, str>)> = Vec::new();
        loop {
            match reader.read_event().map_err(|error| error.to_string())? {
                Event::Start(start) => {
                    let index = document.add(&start, open.last().map(|(index, _)| *index))?;
                    open.push((index, Cow::default()));
                    if open.len() > MAX_DEPTH {
                        return Err(format!("elements stand more than {MAX_DEPTH} deep in one another"));
                    }
                }
                Event::Empty(start) => {
                    document.add(&start, open.last().map(|(index, _)| *index))?;
                }
                Event::End(_) => document.close(open.pop()),
                Event::Text(text) => match open.last_mut() {
                    // Between elements white space is only the writer's indentation: that is nearly all there is. Nobody asks for the text
                    // of an element that has others in it.
                    Some((index, content))
                        if document.is_around(*index) && is_space(content) && is_space(&text) => {}
                    Some((_, content)) if text.contains('\r') => add(content, text.xml10_content()),
                    Some((_, content)) => add(content, text.into_inner()),
                    None if text.trim().is_empty() || text.trim() == "\u{feff}" => {}
                    None => return Err("text stands outside the root element".to_owned()),
                },
                Event::CData(data) => {
                    if let Some((_, content)) = open.last_mut() {
                        add(content, data.xml10_content());
                    }
                }
                Event::GeneralRef(reference) => {
                    let character = match reference.resolve_char_ref().map_err(|error| error.to_string())? {
                        Some(character) => character,
                        None => named(&reference)?,
                    };
                    if let Some((_, content)) = open.last_mut() {
                        content.to_mut().push(character);
                    }
                }
                Event::Eof => break,
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_) => {}
            }
        }
        match open.first() {
            Some((index, _)) => {
                let name = document.piece(document.nodes[*index as usize].name);
                Err(format!("the file ends inside of <{name}>"))
            }
            None if document.nodes.is_empty() => Err("the file is empty".to_owned()),
            None => Ok(document),
        }
    }

    /// The root element.
    pub fn root(&self) -> Element<'_> {
        self.nodes[0].read.set(true);
        Element { document: self, index: 0 }
    }

    /// The first element or attribute that was neither read nor left, as `Machine/Hardware/CPU@count`.
    pub fn unread(&self) -> Option<String> {
        let mut index = 0;
        while let Some(node) = self.nodes.get(index) {
            let element = Element { document: self, index: u32::try_from(index).ok()? };
            if !node.read.get() {
                return Some(element.path());
            }
            if node.left.get() {
                index = node.end as usize;
                continue;
            }
            let unread = element.attributes().iter().find(|attribute| !attribute.read.get());
            if let Some(attribute) = unread {
                return Some(format!("{}@{}", element.path(), self.piece(attribute.name)));
            }
            index += 1;
        }
        None
    }

    fn piece(&self, span: Span) -> &str {
        let (start, end) = (span.start as usize, span.end as usize);
        match start.checked_sub(self.source.len()) {
            Some(behind) if end > start => &self.unescaped[behind..end - self.source.len()],
            _ => &self.source[start..end],
        }
    }

    /// Whether a name is this one. Nearly all that are looked at are others, and nearly all of those are of another length.
    fn is(&self, name: Span, other: &str) -> bool {
        (name.end - name.start) as usize == other.len() && self.piece(name) == other
    }

    /// Where a piece stands: in the source, or with what had to be made of it.
    fn keep(&mut self, piece: &str) -> Result<Span, String> {
        let offset = (piece.as_ptr() as usize).wrapping_sub(self.source.as_ptr() as usize);
        if piece.is_empty() {
            return Ok(Span::default());
        }
        let start = if offset < self.source.len() {
            offset
        } else {
            let start = self.source.len() + self.unescaped.len();
            self.unescaped.push_str(piece);
            start
        };
        Ok(Span { start: position(start)?, end: position(start + piece.len())? })
    }

    /// The same of a value with references and without white space other than blanks. A mark is full of quotation marks: the parser would
    /// take longer for it than for the rest of the file.
    fn keep_meant(&mut self, value: &str) -> Result<Span, String> {
        let start = self.source.len() + self.unescaped.len();
        self.unescaped.reserve(value.len());
        let mut rest = value;
        // They stand close together: to look at each byte is faster than to search.
        while let Some(at) = rest.bytes().position(|byte| byte == b'&') {
            let (before, reference) = rest.split_at(at);
            self.unescaped.push_str(before);
            if let Some(behind) = reference.strip_prefix("&quot;") {
                self.unescaped.push('"');
                rest = behind;
                continue;
            }
            let end = reference.find(';').ok_or_else(|| "an `&` begins no reference".to_owned())?;
            match &reference[1..end] {
                name if name.starts_with('#') => {
                    let character = unescape(&reference[..=end]).map_err(|error| error.to_string())?;
                    self.unescaped.push_str(&character);
                }
                name => self.unescaped.push(named(name)?),
            }
            rest = &reference[end + 1..];
        }
        self.unescaped.push_str(rest);
        Ok(Span { start: position(start)?, end: position(self.source.len() + self.unescaped.len())? })
    }

    fn add(&mut self, start: &BytesStart<'_>, parent: Option<u32>) -> Result<u32, String> {
        if parent.is_none() && !self.nodes.is_empty() {
            return Err("there is a second root element".to_owned());
        }
        let name = self.keep(start.name().as_ref())?;
        let first = position(self.attributes.len())?;
        // The parser would keep a list of names of its own to see that none comes twice.
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let key: &str = attribute.key.as_ref();
            if self.attributes[first as usize..].iter().any(|other| self.is(other.name, key)) {
                return Err(format!("<{}> has two attributes `{key}`", self.piece(name)));
            }
            let name = self.keep(key)?;
            let written = attribute.value.as_bytes();
            let is_space = |byte: &u8| matches!(byte, b'\n' | b'\r' | b'\t');
            let value = if !written.iter().any(|byte| *byte == b'&' || is_space(byte)) {
                self.keep(&attribute.value)?
            } else if !written.iter().any(is_space) {
                self.keep_meant(&attribute.value)?
            } else {
                let value = attribute.normalized_value(XmlVersion::Explicit1_0);
                self.keep(&value.map_err(|error| error.to_string())?)?
            };
            self.attributes.push(Attribute { name, value, read: Cell::new(false) });
        }
        let attributes = Span { start: first, end: position(self.attributes.len())? };
        let index = position(self.nodes.len())?;
        self.nodes.push(Node {
            name,
            text: Span::default(),
            parent,
            end: index + 1,
            attributes,
            read: Cell::new(false),
            left: Cell::new(false),
        });
        Ok(index)
    }

    /// Whether other elements stand in this one, which is the last one that is open.
    fn is_around(&self, open: u32) -> bool {
        self.nodes.len() > open as usize + 1
    }

    fn close(&mut self, open: Option<(u32, Cow<'_, str>)>) {
        let Some((index, content)) = open else { return };
        let end = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let is_layout = self.is_around(index) && is_space(&content);
        let text = if is_layout || content.is_empty() { Ok(Span::default()) } else { self.keep(&content) };
        if let Some(node) = self.nodes.get_mut(index as usize) {
            node.text = text.unwrap_or_default();
            node.end = end;
        }
    }
}

fn position(at: usize) -> Result<u32, String> {
    u32::try_from(at).map_err(|_| "the file is too large".to_owned())
}

/// Whether it is what XML calls white space.
fn is_space(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}

/// Puts two pieces of an element's text together. Nearly always there is only one, and it stands in the file as it is.
fn add<'s>(content: &mut Cow<'s, str>, piece: Cow<'s, str>) {
    if content.is_empty() {
        *content = piece;
    } else {
        content.to_mut().push_str(&piece);
    }
}

/// The character of a named reference: the five that XML has.
fn named(name: &str) -> Result<char, String> {
    match name {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        other => Err(format!("there is no entity `&{other};`")),
    }
}

impl<'d> Element<'d> {
    fn node(self) -> &'d Node {
        &self.document.nodes[self.index as usize]
    }

    fn attributes(self) -> &'d [Attribute] {
        let span = self.node().attributes;
        &self.document.attributes[span.start as usize..span.end as usize]
    }

    /// Its name.
    pub fn name(self) -> &'d str {
        self.document.piece(self.node().name)
    }

    fn is(self, name: &str) -> bool {
        self.document.is(self.node().name, name)
    }

    /// Its text, with all that stands in it.
    pub fn text(self) -> &'d str {
        self.document.piece(self.node().text)
    }

    /// Where it stands, without the root: `Machine/Hardware/Memory`.
    pub fn path(self) -> String {
        let mut names = vec![self.name()];
        let mut parent = self.node().parent;
        while let Some(index) = parent.filter(|index| *index > 0) {
            let element = Element { document: self.document, index };
            names.push(element.name());
            parent = element.node().parent;
        }
        names.reverse();
        names.join("/")
    }

    /// Everything below it is left unread on purpose.
    pub fn leave(self) {
        self.node().left.set(true);
    }

    /// All elements directly below it, none of which counts as read by this.
    pub fn all(self) -> impl Iterator<Item = Self> {
        let end = self.node().end;
        let mut next = self.index + 1;
        std::iter::from_fn(move || {
            let child = Self { document: self.document, index: (next < end).then_some(next)? };
            next = child.node().end;
            Some(child)
        })
    }

    /// Says of an element from [`Self::all`] that it is read.
    pub fn take(self) -> Self {
        self.node().read.set(true);
        self
    }

    /// The elements of a name directly below it.
    pub fn children(self, name: &'static str) -> impl Iterator<Item = Self> {
        self.all().filter(move |child| child.is(name)).map(Self::take)
    }

    /// The first element of a name directly below it. A second one stays unread.
    pub fn child(self, name: &str) -> Option<Self> {
        self.all().find(|child| child.is(name)).map(Self::take)
    }

    /// All elements of a name anywhere below it.
    pub fn descendants(self, name: &'static str) -> impl Iterator<Item = Self> {
        let below = self.index + 1..self.node().end;
        below.map(move |index| Self { document: self.document, index }).filter(move |e| e.is(name))
    }

    /// The value of an attribute.
    pub fn get(self, name: &str) -> Option<&'d str> {
        let attribute = self.attributes().iter().find(|a| self.document.is(a.name, name))?;
        attribute.read.set(true);
        Some(self.document.piece(attribute.value))
    }

    /// Attributes that are left unread on purpose.
    pub fn skip(self, names: &[&str]) {
        for name in names {
            let _ = self.get(name);
        }
    }

    /// The value of an attribute, or nothing.
    pub fn string(self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// The value of an attribute in lower case.
    pub fn word(self, name: &str, default: &str) -> String {
        self.get(name).map_or_else(|| default.to_owned(), str::to_ascii_lowercase)
    }

    /// A yes or no. Machines' files spell it `true`, the registry `1`.
    pub fn flag(self, name: &str, default: bool) -> Result<bool, String> {
        match self.get(name) {
            None => Ok(default),
            Some("true" | "1" | "yes" | "on") => Ok(true),
            Some("false" | "0" | "no" | "off") => Ok(false),
            Some(other) => Err(self.wrong(name, other, "true or false")),
        }
    }

    /// A number, if it is there.
    pub fn number_if_any<N: FromStr + TryFrom<u64>>(self, name: &str) -> Result<Option<N>, String> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok().and_then(|number| number.try_into().ok()),
            None => text.parse().ok(),
        };
        number.map(Some).ok_or_else(|| self.wrong(name, text, "a number"))
    }

    /// A number.
    pub fn number<N: FromStr + TryFrom<u64>>(self, name: &str, default: N) -> Result<N, String> {
        Ok(self.number_if_any(name)?.unwrap_or(default))
    }

    /// A UUID, if it is there.
    pub fn uuid_if_any(self, name: &str) -> Result<Option<Uuid>, String> {
        let Some(text) = self.get(name) else { return Ok(None) };
        Uuid::try_parse(text).map(Some).map_err(|_| self.wrong(name, text, "a UUID"))
    }

    /// A UUID.
    pub fn uuid(self, name: &str) -> Result<Uuid, String> {
        self.uuid_if_any(name)?.ok_or_else(|| self.missing(name))
    }

    /// A value that must be there.
    pub fn required(self, name: &str) -> Result<&'d str, String> {
        self.get(name).ok_or_else(|| self.missing(name))
    }

    /// What to say of an attribute that is missing.
    pub fn missing(self, name: &str) -> String {
        format!("{}@{name} is missing", self.path())
    }

    /// What to say of a value that makes no sense. Only values of a known kind come here, so that no secret is shown.
    pub fn wrong(self, name: &str, value: &str, expected: &str) -> String {
        let shown: String = value.chars().take(60).collect();
        format!("{}@{name} is `{shown}`, not {expected}", self.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_values_are_what_is_meant() {
        let source = "<a b='&lt;&#x41;&amp;amp;&quot;' c='1\t2\r\n&#9;3' d='' e='&'>\r\n <f> x\r\ny &lt;<![CDATA[ &z]]> </f>\n<g>  </g><h/></a>";
        assert!(Document::parse(source).is_err());
        let source = source.replace(" e='&'", "");
        let document = Document::parse(&source).unwrap();
        let a = document.root();
        assert_eq!(a.get("b"), Some("<A&amp;\""));
        assert_eq!(a.get("c"), Some("1 2 \t3"));
        assert_eq!(a.get("d"), Some(""));
        assert_eq!(a.text(), "");
        assert_eq!(a.child("f").unwrap().text(), " x\ny < &z ");
        assert_eq!(a.child("g").unwrap().text(), "  ");
        assert_eq!(a.child("h").unwrap().text(), "");
    }

    #[test]
    fn what_nobody_asks_for_is_named() {
        let document = Document::parse("<a v='1'><b><c x='1' y='2'/></b><d z='3'><e/></d></a>").unwrap();
        let root = document.root();
        assert_eq!(document.unread().as_deref(), Some("a@v"));
        assert_eq!(root.get("v"), Some("1"));
        assert_eq!(document.unread().as_deref(), Some("b"));
        let c = root.child("b").and_then(|b| b.child("c")).unwrap();
        assert_eq!(c.get("x"), Some("1"));
        assert_eq!(document.unread().as_deref(), Some("b/c@y"));
        c.skip(&["y"]);
        root.child("d").unwrap().leave();
        assert_eq!(document.unread(), None);
    }

    #[test]
    fn a_second_element_of_a_name_is_not_overlooked() {
        let document = Document::parse("<a><b/><b/></a>").unwrap();
        assert!(document.root().child("b").is_some());
        assert_eq!(document.unread().as_deref(), Some("b"));
    }

    #[test]
    fn references_are_resolved_in_text_and_attributes() {
        let document = Document::parse("<a v='x&#10;&quot;&#xFC;'> 1\n&lt;&#xFC;<b/>&amp; </a>").unwrap();
        let root = document.root();
        assert_eq!(root.get("v"), Some("x\n\"\u{fc}"));
        assert_eq!(root.text(), " 1\n<\u{fc}& ");
        let document = Document::parse("<a>\n <b/>\n <c> </c>\n</a>").unwrap();
        assert_eq!(document.root().text(), "");
        assert_eq!(document.root().child("c").unwrap().text(), " ");
        let document = Document::parse("<a> <b/> x <b/> y</a>").unwrap();
        assert_eq!(document.root().text(), "  x  y");
    }

    /// By its own way through a value and by the parser's.
    #[test]
    fn values_with_references_are_as_the_parser_has_them() {
        let pieces = [
            "&quot;",
            "&amp;",
            "&lt;",
            "&gt;",
            "&apos;",
            "&#65;",
            "&#x1F600;",
            "plain",
            "\u{fc} ",
            ";",
            "&amp;lt;",
            "&",
            "&;",
            "&#;",
            "&#0;",
            "&no;",
            "&quot",
        ];
        for first in pieces {
            for second in pieces {
                for third in pieces {
                    let value = format!("{first}{second}{third}");
                    let source = format!("<a b=\"{value}\"/>");
                    let document = Document::parse(&source);
                    let ours =
                        document.as_ref().ok().map(|document| document.root().get("b").unwrap().to_owned());
                    assert_eq!(ours, unescape(&value).ok().map(String::from), "{value}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for source in [
            "",
            "  ",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>x",
            "<a>&x;</a>",
            "<a b='1' b='2'/>",
            "</a>",
            "<a b=/>",
        ] {
            assert!(Document::parse(source).is_err(), "{source}");
        }
        let deep = "<a>".repeat(5000) + &"</a>".repeat(5000);
        assert!(Document::parse(&deep).is_err());
    }

    #[test]
    fn values_that_make_no_sense_are_named() {
        let document = Document::parse(
            "<r><m n='12x' f='maybe' h='0x3F8' u='{6d6f6e6b-6579-4000-8000-000000000001}'/></r>",
        )
        .unwrap();
        let m = document.root().child("m").unwrap();
        assert_eq!(m.number::<u32>("n", 1).unwrap_err(), "m@n is `12x`, not a number");
        assert_eq!(m.flag("f", true).unwrap_err(), "m@f is `maybe`, not true or false");
        assert_eq!(m.number::<u32>("h", 1), Ok(0x3f8));
        assert_eq!(m.number::<u32>("absent", 7), Ok(7));
        assert!(m.uuid("u").is_ok());
        assert_eq!(m.uuid("v").unwrap_err(), "m@v is missing");
    }
}
