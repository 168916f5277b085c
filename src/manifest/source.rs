//! Texts that values come from: manifest files, standard input, and the places variables are set.
//!
//! May hold: texts, spans and positions in them. No reading, no YAML.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// One text of a run, by its place in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

/// A range of bytes in one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The text that the range is in.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span of `range` in `source`. Texts are far smaller than 4 GiB (see [`super::node::MAX_BYTES`]).
    pub fn new(source: SourceId, range: Range<usize>) -> Self {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { source, start: clamp(range.start), end: clamp(range.end) }
    }

    /// The range of bytes.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// From the start of this span to the end of `other`, which must be of the same source.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { end: other.end.max(self.end), ..self }
    }
}

/// A line and a column, both counted from 1; the column counts characters, not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// One text with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    name: String,
    text: String,
    base: Option<PathBuf>,
    line_starts: Vec<usize>,
}

impl Source {
    /// What people call it: a path as it was given, `<stdin>`, `--var`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The directory that relative paths in this text start from.
    pub fn base(&self) -> Option<&Path> {
        self.base.as_deref()
    }

    /// Where byte `offset` is.
    pub fn position(&self, offset: usize) -> Position {
        let offset = floor_char_boundary(&self.text, offset);
        let line = self.line_starts.partition_point(|start| *start <= offset).max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        // A byte order mark is no character that an editor counts.
        Position { line, column: before.trim_start_matches('\u{feff}').chars().count() + 1 }
    }

    /// The byte offset of a line and a column, both from 1, the column in characters.
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let Some(start) = self.line_starts.get(line.saturating_sub(1)).copied() else {
            return self.text.len();
        };
        let rest = self.text.get(start..).unwrap_or_default();
        let rest_of_line = rest.split_once('\n').map_or(rest, |(first, _)| first);
        let bom = if rest_of_line.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let mut chars = rest_of_line.get(bom..).unwrap_or_default().char_indices();
        chars
            .nth(column.saturating_sub(1))
            .map_or(start + rest_of_line.len(), |(index, _)| start + bom + index)
    }
}

fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// All texts of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    all: Vec<Source>,
}

impl Sources {
    /// Adds a text; `base` is the directory that relative paths in it start from.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        text: impl Into<String>,
        base: Option<PathBuf>,
    ) -> SourceId {
        let text = text.into();
        let line_starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(index, _)| index + 1)).collect();
        self.all.push(Source { name: name.into(), text, base, line_starts });
        SourceId(u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX))
    }

    /// The text with this id.
    ///
    /// # Panics
    /// When `id` came from other [`Sources`].
    pub fn get(&self, id: SourceId) -> &Source {
        &self.all[id.0 as usize]
    }

    /// The text under a span.
    pub fn slice(&self, span: Span) -> &str {
        self.get(span.source).text.get(span.range()).unwrap_or_default()
    }

    /// Name, line and column of the start of a span.
    pub fn locate(&self, span: Span) -> (&str, Position) {
        let source = self.get(span.source);
        (source.name(), source.position(span.start as usize))
    }

    /// All texts, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.all
            .iter()
            .enumerate()
            .map(|(index, source)| (SourceId(u32::try_from(index).unwrap_or(u32::MAX)), source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_and_survive_crlf() {
        let mut sources = Sources::default();
        let id = sources.add("a.yaml", "ä: 1\r\nnäme: ß x\r\n", None);
        let source = sources.get(id);
        let x = source.text().find('x').unwrap();
        assert_eq!(source.position(x), Position { line: 2, column: 9 });
        assert_eq!(source.offset(2, 9), x);
        assert_eq!(source.position(source.text().len()), Position { line: 3, column: 1 });
        assert_eq!(source.offset(99, 1), source.text().len());
    }

    #[test]
    fn a_byte_order_mark_is_not_a_column() {
        let mut sources = Sources::default();
        let id = sources.add("a.yaml", "\u{feff}a: 1\n", None);
        assert_eq!(sources.get(id).position(3), Position { line: 1, column: 1 });
        assert_eq!(sources.get(id).offset(1, 1), 3);
    }
}
