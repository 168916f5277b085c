//! What a word of the language is, on one screen.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use super::View;
use super::text::printable;
use super::value::spelled;
use crate::model::capability::{Case, Edit};
use crate::ops::{Change, Class, Explained, Explanation};

/// Writes it for a person.
pub fn write_explanation(out: &mut dyn Write, explanation: &Explanation, view: &View) -> io::Result<()> {
    let s = &view.styles;
    match explanation {
        Explanation::Kinds(kinds) => {
            for (name, doc) in kinds {
                writeln!(out, "{}{name:<15}{:#} {doc}", s.strong, s.strong)?;
            }
            writeln!(
                out,
                "\n{}hint:{:#} `vboxmcp explain KIND` lists its words, `explain FIELD` says all of one",
                s.hint, s.hint
            )
        }
        Explanation::Word(word) => write_word(out, word, view),
    }
}

fn write_word(out: &mut dyn Write, word: &Explained, view: &View) -> io::Result<()> {
    let s = &view.styles;
    let entry = &word.entry;
    let path = if entry.path.keys().is_empty() { String::new() } else { format!("  {}", entry.path) };
    writeln!(out, "{}{}{path}{:#}\n{}", s.strong, entry.kind, s.strong, entry.doc)?;
    let mut line = |name: &str, text: &str| writeln!(out, "  {name:<9} {text}");
    if let Some(why) = entry.refused {
        return line("refused", why);
    }
    if !entry.path.keys().is_empty() {
        let words =
            if entry.words.is_empty() { String::new() } else { format!(": {}", entry.words.join(", ")) };
        line("takes", &format!("{}{words}", entry.takes))?;
        if entry.required {
            line("required", "it must be there")?;
        }
        if !entry.ready {
            line("status", "checked, but this version cannot apply it yet")?;
        }
        if let Some(class) = word.class {
            line("is", class_words(class))?;
        }
        if let Some(way) = word.by_hand {
            line("by hand", way)?;
        }
        if let Some(default) = &word.default {
            line(
                "default",
                &format!("{} (at birth, for {})", spelled(&entry.path, default), printable(&word.os_type)),
            )?;
        }
    }
    if !entry.example.is_empty() {
        line("example", &entry.example)?;
    }
    for change in &word.changes {
        write_change(out, change, view)?;
    }
    let width = entry.keys.iter().map(|key| key.name.len()).max().unwrap_or_default();
    if !entry.keys.is_empty() {
        writeln!(out, "\n{}keys{:#}", s.strong, s.strong)?;
    }
    for key in &entry.keys {
        let later = if key.ready { "" } else { " (not yet)" };
        writeln!(out, "  {:<width$}  {}{}{later}{:#}", key.name, key.doc, s.faint, s.faint)?;
    }
    Ok(())
}

fn write_change(out: &mut dyn Write, change: &Change, view: &View) -> io::Result<()> {
    let s = &view.styles;
    let edit = match change.edit {
        Edit::Add => "to add one",
        Edit::Change => "to change it",
        Edit::Remove => "to remove one",
    };
    let case = match change.case {
        None => "",
        Some(Case::HotPlugBus) => ", on SATA",
        Some(Case::ColdPlugBus) => ", on another bus",
        Some(Case::HotPluggable) => ", hot-pluggable",
        Some(Case::NotHotPluggable) => ", not hot-pluggable",
    };
    writeln!(out, "\n{}{edit}{case}{:#}", s.strong, s.strong)?;
    for cost in &change.costs {
        if cost.in_place {
            writeln!(
                out,
                "  {:<8} {}in place{:#}  {}{}{:#}",
                cost.state, s.add, s.add, s.faint, cost.how, s.faint
            )?;
            continue;
        }
        let needs: Vec<String> = cost.needs.iter().map(|need| format!("--allow {need}")).collect();
        writeln!(
            out,
            "  {:<8} {}{}{:#}  {}",
            cost.state,
            s.blocked,
            needs.join(" or "),
            s.blocked,
            cost.how
        )?;
        if let Some(why) = &cost.why {
            writeln!(out, "  {:<8} {}{why}{:#}", "", s.faint, s.faint)?;
        }
    }
    Ok(())
}

fn class_words(class: Class) -> &'static str {
    match class {
        Class::Live => "read from VirtualBox; a difference is put right",
        Class::WriteOnly => {
            "written only: VirtualBox does not tell it, so it is compared with what was applied last"
        }
        Class::Birth => "used when the object is made",
        Class::Fixed => "fixed: VirtualBox cannot change it in place",
        Class::Own => "vboxmcp's own: VirtualBox knows nothing of it",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<T: Serialize> {
    r#type: &'static str,
    version: u32,
    #[serde(flatten)]
    of: T,
}

/// Writes it for a program: `{"type":"explanation","version":1,…}`.
pub fn write_explanation_json(out: &mut dyn Write, explanation: &Explanation) -> io::Result<()> {
    let head = ("explanation", 1);
    match explanation {
        Explanation::Kinds(kinds) => {
            let kinds: Vec<_> = kinds.iter().map(|(name, doc)| json!({"name": name, "doc": doc})).collect();
            super::json::write_line(
                out,
                &Document { r#type: head.0, version: head.1, of: json!({"kinds": kinds}) },
            )
        }
        Explanation::Word(word) => {
            super::json::write_line(out, &Document { r#type: head.0, version: head.1, of: word.as_ref() })
        }
    }
}
