//! Strings that somebody else chose, made safe to print; numbers with their nouns.

use std::fmt::Write as _;

/// A text on one line, without anything that a terminal would obey or that would deceive a reader.
///
/// Machine names, descriptions and messages come from manifests, guests and other people's machines: control characters
/// and characters that change the direction of text are shown as `\u{…}`, new lines as `\n`.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if is_harmful(c) => {
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown
}

/// A text of several lines, each as [`printable`], tabulators kept.
pub fn printable_lines(text: &str) -> String {
    let line = |line: &str| line.split('\t').map(printable).collect::<Vec<_>>().join("\t");
    text.split('\n').map(|text| line(text.strip_suffix('\r').unwrap_or(text))).collect::<Vec<_>>().join("\n")
}

fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// `1 step`, `2 steps`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Members of a list, the first ones by name: `a, b and 3 more`.
pub fn list<S: AsRef<str>>(members: &[S], shown: usize) -> String {
    let names: Vec<String> = members.iter().take(shown).map(|member| printable(member.as_ref())).collect();
    match members.len().saturating_sub(shown) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// A span of time: `120 ms`, `4.2 s`, `3 m 20 s`.
pub fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        _ => format!("{} m {} s", milliseconds / 60_000, milliseconds % 60_000 / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_of_a_foreign_text() {
        assert_eq!(printable("web\u{1b}[31m\n\u{202e}x\u{9b}é"), "web\\u{1b}[31m\\n\\u{202e}x\\u{9b}é");
        assert_eq!(printable_lines("a\tb\r\nc\u{7}"), "a\tb\nc\\u{7}");
    }

    #[test]
    fn lists_and_times() {
        assert_eq!(list(&["a", "b"], 3), "a, b");
        assert_eq!(list(&["a", "b", "c", "d"], 2), "a, b and 2 more");
        assert_eq!([duration(7), duration(1_250), duration(200_000)], ["7 ms", "1.2 s", "3 m 20 s"]);
        assert_eq!([count(1, "step"), count(2, "step")], ["1 step", "2 steps"]);
    }
}
