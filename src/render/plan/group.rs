//! Members of a replicated machine that fare alike, told once: a plan of a hundred machines is read in one screen.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use uuid::Uuid;

use super::object::{Row, rows};
use crate::model::{Address, Dangers, MachineName};
use crate::plan::{ObjectPlan, Operation};
use crate::render::View;
use crate::render::text::printable;

/// Fewer than these are shown one by one.
const FEWEST: usize = 2;

/// One object, or one for many that are like it.
pub struct Block<'a> {
    /// The object, the first one of many.
    pub first: &'a ObjectPlan,
    /// Addresses.
    pub title: String,
    /// Rows; a value that is not the same in all is `first … last`.
    pub rows: Vec<Row>,
    /// Where the object is declared, where it is new.
    pub source: Option<String>,
    /// What is the first member's own, and what stands for it where one speaks for many.
    own: Vec<(String, String)>,
}

impl Block<'_> {
    /// A sentence about the first member as one about all of them.
    pub fn sentence(&self, text: &str) -> String {
        let all =
            self.own.iter().fold(text.to_owned(), |text, (own, stands)| text.replace(own.as_str(), stands));
        printable(&all)
    }
}

struct Member<'a> {
    object: &'a ObjectPlan,
    rows: Vec<Row>,
    stem: Option<(String, u64)>,
}

/// Objects in the order in which people count.
pub fn blocks<'a>(objects: &'a [ObjectPlan], view: &View) -> Vec<Block<'a>> {
    let mut members: Vec<Member<'a>> = objects
        .iter()
        .map(|object| Member { rows: rows(object, view), stem: stem(&object.address), object })
        .collect();
    members.sort_by_cached_key(|member| order(&member.object.address));
    let mut groups: Vec<Vec<Member<'a>>> = Vec::new();
    let mut known: BTreeMap<Likeness, usize> = BTreeMap::new();
    for member in members {
        let likeness = if view.verbose { None } else { Likeness::of(&member) };
        let at = likeness.map_or(groups.len(), |likeness| *known.entry(likeness).or_insert(groups.len()));
        match groups.get_mut(at) {
            Some(group) => group.push(member),
            None => groups.push(vec![member]),
        }
    }
    let mut blocks = Vec::new();
    for group in groups {
        if group.len() >= FEWEST {
            blocks.extend(merged(&group));
        } else {
            blocks.extend(group.into_iter().filter_map(|member| merged(&[member])));
        }
    }
    blocks
}

/// By kind, and within a kind as people count: 2 before 10.
pub fn order(address: &Address) -> (u8, String, u64) {
    let kind = match address {
        Address::Network(_) => 0,
        Address::Disk(_) | Address::InlineDisk(..) => 1,
        Address::Machine(_) => 2,
        Address::Snapshot(..) => 3,
    };
    match stem(address) {
        Some((stem, number)) => (kind, stem, number),
        None => (kind, address.to_string(), 0),
    }
}

/// The address with its number taken out, and the number: `vm/web-3` is (`vm/web-#`, 3).
fn stem(address: &Address) -> Option<(String, u64)> {
    let number = |name: &MachineName| {
        let (stem, number) = name.as_str().rsplit_once('-')?;
        let is_plain = !number.starts_with('0') && number.bytes().all(|b| b.is_ascii_digit());
        Some((format!("{stem}-#"), number.parse().ok().filter(|_| is_plain)?))
    };
    match address {
        Address::Machine(name) => number(name).map(|(stem, number)| (format!("vm/{stem}"), number)),
        Address::InlineDisk(name, key) => {
            number(name).map(|(stem, number)| (format!("disk/{stem}.{key}"), number))
        }
        Address::Disk(_) | Address::Network(_) | Address::Snapshot(..) => None,
    }
}

/// What members that are told together have in common: they differ in nothing but numbers and values.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Likeness {
    stem: String,
    operation: Operation,
    danger: Dangers,
    /// Without values and places.
    rows: Vec<Row>,
    /// Effects and reasons without the member's own name and UUID.
    sentences: Vec<String>,
}

impl Likeness {
    /// `None` for one that is no replica.
    fn of(member: &Member<'_>) -> Option<Self> {
        let (stem, _) = member.stem.as_ref()?;
        let object = member.object;
        let rows = member.rows.iter();
        let rows = rows.map(|row| Row { before: None, after: None, source: None, ..row.clone() });
        let reasons =
            object.blocked.iter().flat_map(|blocked| std::iter::once(&blocked.reason).chain(&blocked.hints));
        let name = object.address.machine_name().map(ToString::to_string).unwrap_or_default();
        let id = object.uuid.map(braced).unwrap_or_default();
        let without = |text: &String| {
            let text = if id.is_empty() { text.clone() } else { text.replace(&id, "{#}") };
            if name.is_empty() { text } else { text.replace(&name, "#") }
        };
        Some(Self {
            stem: stem.clone(),
            operation: object.operation,
            danger: object.danger.clone(),
            rows: rows.collect(),
            sentences: object.effects.iter().chain(reasons).map(without).collect(),
        })
    }
}

/// As sentences name the UUID of a machine.
fn braced(uuid: Uuid) -> String {
    format!("{{{uuid}}}")
}

fn merged<'a>(group: &[Member<'a>]) -> Option<Block<'a>> {
    let (first, last) = (group.first()?, group.last()?);
    let rows = first.rows.iter().enumerate().map(|(at, row)| {
        let part = |get: fn(&Row) -> &Option<String>| {
            let same =
                group.iter().all(|member| member.rows.get(at).is_some_and(|other| get(other) == get(row)));
            match (get(row), last.rows.get(at).and_then(|row| get(row).clone())) {
                (Some(first), Some(last)) if !same && group.len() == 2 => Some(format!("{first}, {last}")),
                (Some(first), Some(last)) if !same => Some(format!("{first} … {last}")),
                (value, _) => value.clone(),
            }
        };
        Row { before: part(|row| &row.before), after: part(|row| &row.after), ..row.clone() }
    });
    let is_new = first.object.fields.iter().all(|field| field.difference.live.is_none());
    let is_one = group.len() == 1;
    let machine = first.object.address.machine_name().map(ToString::to_string).map(|name| {
        let stands = name.rsplit_once('-').map_or_else(|| name.clone(), |(stem, _)| format!("{stem}-*"));
        (name, stands)
    });
    let id = first.object.uuid.map(|uuid| (braced(uuid), "{…}".to_owned()));
    Some(Block {
        own: id.into_iter().chain(machine).filter(|_| !is_one).collect(),
        first: first.object,
        title: title(group),
        rows: rows.collect(),
        source: document(first.object).filter(|_| is_new),
    })
}

/// Where a new object is declared: what is not declared of it counts as written where its document begins.
fn document(object: &ObjectPlan) -> Option<String> {
    let of = |recommended: bool| {
        let fields = object.fields.iter().filter(move |field| field.recommended == recommended);
        fields.filter_map(|field| field.difference.source.as_ref())
    };
    let line = |source: &&String| source.rsplit_once(':').and_then(|(_, line)| line.parse::<u64>().ok());
    of(true).next().or_else(|| of(false).min_by_key(line)).cloned()
}

fn title(group: &[Member<'_>]) -> String {
    const MOST: usize = 4;
    if let [one] = group {
        return printable(&one.object.address.to_string());
    }
    // Runs of numbers that follow one another.
    let mut runs: Vec<(&Member<'_>, &Member<'_>)> = Vec::new();
    let number = |member: &Member<'_>| member.stem.as_ref().map_or(0, |(_, number)| *number);
    for member in group {
        match runs.last_mut() {
            Some((_, last)) if number(last) + 1 == number(member) => *last = member,
            _ => runs.push((member, member)),
        }
    }
    let name = |member: &Member<'_>| printable(&member.object.address.to_string());
    let shown: Vec<String> = runs
        .iter()
        .take(MOST)
        .map(|(first, last)| {
            let between = number(last) - number(first);
            match between {
                0 => name(first),
                1 => format!("{}, {}", name(first), name(last)),
                _ => format!("{} … {}", name(first), name(last)),
            }
        })
        .collect();
    let mut title = shown.join(", ");
    if runs.len() > MOST {
        title.push_str(", …");
    }
    let _ = write!(title, " ({} like this)", group.len());
    title
}
