//! One object of a plan: its line, its fields before and after, what is left undone and why.

use std::io::{self, Write};

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::allow_flag;
use super::group::Block;
use crate::diff::{DifferenceKind, tree};
use crate::model::{Danger, FieldPath};
use crate::plan::{ObjectPlan, Operation, PlannedField};
use crate::render::View;
use crate::render::text::{count, printable, printable_lines};
use crate::render::value::{lines, place, spelled};

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// A value of a new object.
    New,
    /// A member that is added to an object that is there.
    Add,
    /// A value that changes.
    Change,
    /// A member that goes.
    Remove,
    /// A value that stays as it is, against the declaration.
    Blocked,
}

impl Sign {
    fn symbol(self) -> char {
        match self {
            Self::New => ' ',
            Self::Add => '+',
            Self::Change => '~',
            Self::Remove => '-',
            Self::Blocked => '!',
        }
    }
}

/// One field of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// What it is about.
    pub sign: Sign,
    /// The field.
    pub path: String,
    /// What there is; `None` where there is nothing or nothing is to be said of it.
    pub before: Option<String>,
    /// What is declared.
    pub after: Option<String>,
    /// A text of several lines instead of before and after, each line with its tag.
    pub diff: Vec<(char, String)>,
    /// Drift, and what the value is known from.
    pub remark: String,
    /// The manifest line.
    pub source: Option<String>,
}

/// All rows of an object that are to be shown, in the order in which people write manifests.
pub fn rows(object: &ObjectPlan, view: &View) -> Vec<Row> {
    let mut shown: Vec<&PlannedField> =
        object.fields.iter().filter(|field| view.verbose || !field.recommended).collect();
    shown.sort_by_key(|field| place(&field.difference.path));
    shown.into_iter().flat_map(|field| field_rows(object.operation, field, view.verbose)).collect()
}

/// A member that goes, in one line: what it is called is what matters of it.
fn gist(path: &FieldPath, member: &Value) -> String {
    const PARTS: usize = 3;
    let telling = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        value => value != "" && value != 0,
    };
    let leaves = tree::leaves(member);
    let mut parts: Vec<String> = leaves
        .into_iter()
        .filter(|(_, value)| telling(value))
        .map(|(below, value)| {
            let whole = FieldPath::of(path.keys().iter().chain(below.keys()).cloned());
            format!("{below}: {}", spelled(&whole, value))
        })
        .collect();
    if parts.len() > PARTS {
        parts.truncate(PARTS);
        parts.push("...".to_owned());
    }
    let text = parts.join(", ");
    format!("{{{}}}", printable(&text))
}

fn field_rows(operation: Operation, field: &PlannedField, verbose: bool) -> Vec<Row> {
    let difference = &field.difference;
    let path = &difference.path;
    let (live, declared) = (difference.live.as_ref(), difference.declared.as_ref());
    if let (Some(whole @ Value::Object(_)), None, false) = (live, declared, verbose) {
        return vec![Row { before: Some(gist(path, whole)), ..row(operation, field, path, live, declared) }];
    }
    // A member that comes whole is shown by its parts; one that goes, where everything is to be shown.
    if let (None, Some(Value::Object(_))) | (Some(Value::Object(_)), None) = (live, declared) {
        let whole = live.or(declared).unwrap_or(&Value::Null);
        let leaves = tree::leaves(whole).into_iter().filter(|(below, _)| !below.keys().is_empty());
        let rows: Vec<Row> = leaves
            .map(|(below, value)| {
                let path = FieldPath::of(path.keys().iter().chain(below.keys()).cloned());
                let (live, declared) = if live.is_some() { (Some(value), None) } else { (None, Some(value)) };
                row(operation, field, &path, live, declared)
            })
            .collect();
        if !rows.is_empty() {
            return rows;
        }
    }
    vec![row(operation, field, path, live, declared)]
}

fn row(
    operation: Operation,
    field: &PlannedField,
    path: &FieldPath,
    live: Option<&Value>,
    declared: Option<&Value>,
) -> Row {
    let difference = &field.difference;
    let declared = declared.filter(|value| !value.is_null());
    let sign = match (live, declared) {
        _ if field.blocked => Sign::Blocked,
        (None, _) if matches!(operation, Operation::Create | Operation::Recreate) => Sign::New,
        _ if difference.unknown.is_some() => Sign::Change,
        (None, _) => Sign::Add,
        (Some(_), None) => Sign::Remove,
        (Some(_), Some(_)) => Sign::Change,
    };
    let diff = text_diff(live, declared);
    let spell = |value: Option<&Value>| value.filter(|_| diff.is_empty()).map(|value| spelled(path, value));
    let before = match &difference.unknown {
        Some(reason) => Some(format!("unknown ({})", printable(reason))),
        None => spell(live),
    };
    let last = || difference.last.as_ref().map_or_else(|| "nothing".to_owned(), |value| spelled(path, value));
    let remark = match difference.kind {
        _ if field.recommended => "recommended".to_owned(),
        DifferenceKind::Change => String::new(),
        DifferenceKind::Drift if declared.is_none() => "drift: not from vboxmcp".to_owned(),
        DifferenceKind::Drift => "drift: as declared at the last apply".to_owned(),
        DifferenceKind::DriftOverridden if difference.last.is_none() => "drift overridden".to_owned(),
        DifferenceKind::DriftOverridden => format!("drift overridden: {} at the last apply", last()),
    };
    let after =
        if declared.is_none() && sign == Sign::New { Some("(none)".to_owned()) } else { spell(declared) };
    Row {
        sign,
        path: printable(&path.to_string()),
        before,
        after,
        diff,
        remark,
        source: difference.source.clone(),
    }
}

/// A text of several lines before and after.
fn text_diff(live: Option<&Value>, declared: Option<&Value>) -> Vec<(char, String)> {
    if lines(live).is_none() && lines(declared).is_none() {
        return Vec::new();
    }
    let text = |value: Option<&Value>| {
        let text = value.and_then(Value::as_str).unwrap_or_default();
        let text = printable_lines(text.trim_end_matches('\n'));
        if text.is_empty() { text } else { format!("{text}\n") }
    };
    let (before, after) = (text(live), text(declared));
    let diff = TextDiff::from_lines(&before, &after);
    let tagged = diff.iter_all_changes().map(|change| {
        let tag = match change.tag() {
            ChangeTag::Equal => ' ',
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        (tag, change.value().trim_end_matches('\n').to_owned())
    });
    tagged.collect()
}

/// Writes an object, or one for many that are like it.
pub fn write_block(out: &mut dyn Write, block: &Block<'_>, view: &View) -> io::Result<()> {
    let s = &view.styles;
    let object = block.first;
    let style = s.operation(object.operation);
    write!(out, "{style}{}{style:#} {}{}{:#}", object.operation.sign(), s.strong, block.title, s.strong)?;
    let dangers: Vec<String> = object.danger.iter().map(|danger| painted(*danger, view)).collect();
    if !dangers.is_empty() {
        write!(out, " ({})", dangers.join(", "))?;
    }
    if let Some(uuid) = object.uuid.filter(|_| view.verbose) {
        write!(out, " {}{{{uuid}}}{:#}", s.faint, s.faint)?;
    }
    if let Some(source) = &block.source {
        write!(out, "  {}{}{:#}", s.faint, printable(source), s.faint)?;
    }
    writeln!(out)?;
    write_rows(out, block, view)?;
    let hidden = object.fields.iter().filter(|field| field.recommended).count();
    if hidden > 0 && !view.verbose {
        let what = count(hidden, "setting");
        writeln!(out, "      {}and {what} that VirtualBox recommends (-v shows them){:#}", s.faint, s.faint)?;
    }
    for effect in &object.effects {
        writeln!(out, "    {}>{:#} {}", s.note, s.note, block.sentence(effect))?;
    }
    for blocked in &object.blocked {
        writeln!(out, "    {}blocked:{:#} {}", s.blocked, s.blocked, block.sentence(&blocked.reason))?;
        let lifts = (!blocked.missing.is_empty()).then(|| allow_flag(&blocked.missing));
        let told = |hint: &String| Some(hint) != lifts.as_ref();
        for way in lifts.iter().chain(blocked.hints.iter().filter(|hint| told(hint))) {
            writeln!(out, "      {}-{:#} {}", s.hint, s.hint, block.sentence(way))?;
        }
    }
    Ok(())
}

fn painted(danger: Danger, view: &View) -> String {
    let style = view.styles.danger(danger);
    format!("{style}{danger}{style:#}")
}

fn write_rows(out: &mut dyn Write, block: &Block<'_>, view: &View) -> io::Result<()> {
    const WIDEST: usize = 44;
    let s = &view.styles;
    let width = |row: &Row| row.path.chars().count();
    let widest = block.rows.iter().map(width).filter(|width| *width <= WIDEST).max().unwrap_or(0);
    for row in &block.rows {
        let style = match row.sign {
            Sign::New | Sign::Add => s.add,
            Sign::Change => s.change,
            Sign::Remove => s.remove,
            Sign::Blocked => s.blocked,
        };
        write!(out, "    {style}{}{style:#} {}", row.sign.symbol(), row.path)?;
        let pad = " ".repeat(widest.saturating_sub(width(row)) + 2);
        match (&row.before, &row.after) {
            (Some(before), Some(after)) => write!(out, "{pad}{before} -> {after}")?,
            (Some(value), None) | (None, Some(value)) => write!(out, "{pad}{value}")?,
            (None, None) => {}
        }
        if !row.remark.is_empty() {
            write!(out, "  {}({}){:#}", s.note, row.remark, s.note)?;
        }
        let is_new = row.sign == Sign::New && !view.verbose;
        if let Some(source) = row.source.as_ref().filter(|_| !is_new) {
            write!(out, "  {}{}{:#}", s.faint, printable(source), s.faint)?;
        }
        writeln!(out)?;
        for (tag, line) in &row.diff {
            let style = match tag {
                '+' => s.add,
                '-' => s.remove,
                _ => s.faint,
            };
            writeln!(out, "          {style}{}{style:#}", format!("{tag} {line}").trim_end())?;
        }
    }
    Ok(())
}
