//! What is no longer as it was read.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;
use uuid::Uuid;

use super::Subject;
use super::now::{
    Holders, chain_now, described, entry_now, fact, former_now, members, named_now, owned_now, places,
    remembered, snapshots, stack_now, uses_now,
};
use super::objects;
use super::seen::Subjects;
use crate::diff::tree;
use crate::inventory::{Inventory, Membership, Moved, Ownership, PathFact, Read, ReadSet};
use crate::model::{Address, FieldPath, PowerState, StackName};

/// What is no longer as it was read, in the order in which it was read.
pub fn moved(reads: &ReadSet, inventory: &Inventory) -> Vec<Moved> {
    let Some(stack) = &reads.stack else { return Vec::new() };
    let subjects = Subjects::of(&reads.reads);
    let now = Now { subjects, stack, inventory, tree: RefCell::default(), holders: OnceCell::new() };
    reads.reads.iter().flat_map(|read| now.compare(read)).collect()
}

struct Now<'a> {
    subjects: Subjects,
    stack: &'a StackName,
    inventory: &'a Inventory,
    /// The tree that was asked for last: the reads of one machine follow one another.
    tree: RefCell<Option<(Address, Value)>>,
    holders: OnceCell<Holders>,
}

impl Now<'_> {
    fn subject(&self, address: &Address) -> Option<Subject<'_>> {
        self.subjects.find(self.stack, address, self.inventory)
    }

    /// Looks at the fields of a machine.
    fn with_tree<T>(&self, address: &Address, look: impl FnOnce(&Value) -> T) -> Option<T> {
        let mut last = self.tree.borrow_mut();
        let (_, tree) = match last.take().filter(|(of, _)| of == address) {
            Some(same) => last.insert(same),
            None => last.insert((address.clone(), self.subject(address)?.tree(self.inventory))),
        };
        Some(look(tree))
    }

    fn holders(&self) -> &Holders {
        self.holders.get_or_init(|| Holders::of(self.inventory))
    }

    fn compare(&self, read: &Read) -> Vec<Moved> {
        let inventory = self.inventory;
        match read {
            Read::Network { address, kind, name, paths, .. } => {
                let now = objects::network_now(address, *kind, name, paths.clone(), inventory);
                objects::compare(read, &now)
            }
            Read::Disk { address, uuid, paths, .. } => {
                let now = objects::disk_now(address, *uuid, paths.clone(), inventory);
                objects::compare(read, &now)
            }
            Read::Stack { machines, register } => {
                let Read::Stack { machines: m, register: r } =
                    stack_now(self.stack, register.is_some(), inventory)
                else {
                    return Vec::new();
                };
                let object = format!("stack {}", self.stack);
                let owned = |machines: &BTreeMap<Uuid, Address>| {
                    list(machines.iter().map(|(uuid, address)| format!("{address} {{{uuid}}}")))
                };
                let members = |register: &Option<Membership>| {
                    list(register.iter().flat_map(|register| &register.entries).map(ToString::to_string))
                };
                let paths = |register: &Option<Membership>| {
                    let paths = register.iter().flat_map(|register| &register.paths);
                    list(paths.map(|path| path.display().to_string()))
                };
                let all = [
                    differ(&object, "machines", owned(machines), owned(&m)),
                    differ(&object, "members", members(register), members(&r)),
                    differ(&object, "manifest paths", paths(register), paths(&r)),
                ];
                all.into_iter().flatten().collect()
            }
            Read::Owned { address, machine, marked, readable, folder } => {
                let Read::Owned { machine: m, marked: k, readable: r, folder: f, .. } =
                    owned_now(self.stack, address, inventory)
                else {
                    return Vec::new();
                };
                let mut found = same_machine(&address.to_string(), (*machine, *readable, folder), (m, r, &f));
                if *machine == m {
                    let show = |there: bool| if there { "there" } else { "gone" }.to_owned();
                    found.extend(differ(&address.to_string(), "mark", show(*marked), show(k)));
                }
                found
            }
            Read::Former { address, stack, from, machine, finished, readable, folder } => {
                let Read::Former { machine: m, finished: k, readable: r, folder: f, .. } =
                    former_now(address, stack, from, inventory)
                else {
                    return Vec::new();
                };
                let object = format!("{from} of stack {stack}");
                let mut found = same_machine(&object, (*machine, *readable, folder), (m, r, &f));
                if *machine == m {
                    let show = |finished: bool| if finished { "finished" } else { "not finished" }.to_owned();
                    found.extend(differ(&object, "birth", show(*finished), show(k)));
                }
                found
            }
            _ => self.single(read).into_iter().collect(),
        }
    }

    fn single(&self, read: &Read) -> Option<Moved> {
        let inventory = self.inventory;
        match read {
            // Several values each, compared above.
            Read::Stack { .. }
            | Read::Owned { .. }
            | Read::Former { .. }
            | Read::Network { .. }
            | Read::Disk { .. } => None,
            Read::Unowned { machine } => {
                let now = inventory.machines.get(machine);
                let owner = match now.map(|machine| inventory.owner_of(machine)) {
                    None => "gone".to_owned(),
                    Some(Ownership::Unowned | Ownership::MarkRemoved { .. }) => "nobody".to_owned(),
                    Some(Ownership::Owned { stack, address }) => format!("{address} of stack {stack}"),
                    Some(Ownership::Unclear(reason)) => reason,
                };
                differ(&format!("machine {{{machine}}}"), "owner", "nobody".to_owned(), owner)
            }
            Read::Entry { address, entry } => {
                let now = entry_now(self.stack, address, inventory);
                let show = |entry: &Option<_>| match entry {
                    // Strings and booleans: serialisation has no way to fail.
                    Some(entry) => serde_json::to_string(entry).unwrap_or_default(),
                    None => "absent".to_owned(),
                };
                differ(&address.to_string(), "register entry", show(entry), show(&now))
            }
            Read::Field { address, path, value } => {
                let compare = |tree: &Value| {
                    let now = tree::get(tree, path);
                    if same(path, value.as_ref(), now) {
                        return None;
                    }
                    differ(&address.to_string(), &path.to_string(), shown(value.as_ref()), shown(now))
                };
                self.with_tree(address, compare)?
            }
            Read::Members { address, path, keys } => {
                let now = self.with_tree(address, |tree| members(tree, path))?;
                differ(&address.to_string(), &path.to_string(), list(keys), list(&now))
            }
            Read::Attachments { address, places: then } => {
                let now = places(self.subject(address)?.machine);
                let show = |places: &BTreeMap<String, String>| {
                    list(places.iter().map(|(place, medium)| format!("{place} {medium}")))
                };
                differ(&address.to_string(), "attachments", show(then), show(&now))
            }
            Read::Chain { leaf, media } => {
                let show = |media: &[(Uuid, Option<u64>)]| {
                    list(media.iter().map(|(uuid, size)| match size {
                        Some(size) => format!("{{{uuid}}} of {size} bytes"),
                        None => format!("{{{uuid}}}"),
                    }))
                };
                let now = chain_now(*leaf, inventory);
                differ(&format!("medium {{{leaf}}}"), "chain", show(media), show(&now))
            }
            Read::Snapshots { address, uuids } => {
                let now = snapshots(self.subject(address)?.machine);
                differ(&address.to_string(), "snapshots", braced(uuids), braced(&now))
            }
            Read::Description { address, snapshot, text } => {
                let now = described(self.subject(address)?.machine, *snapshot)?;
                let field = format!("description of snapshot {{{snapshot}}}");
                differ(&address.to_string(), &field, format!("{text:?}"), format!("{now:?}"))
            }
            Read::Remembered { address, slot, names } => {
                let now = remembered(self.subject(address)?.machine, *slot);
                let field = format!("forgotten port-forwards of adapter {slot}");
                differ(&address.to_string(), &field, list(names), list(&now))
            }
            Read::Named { name, uuids } => {
                let now = named_now(name, inventory);
                differ(&format!("machine name {name:?}"), "", holders(uuids), holders(&now))
            }
            Read::HostPort { port, machines } => {
                let now = self.holders().of_port(*port);
                differ(&format!("host port {port}"), "", holders(machines), holders(&now))
            }
            Read::Mac { mac, machines } => {
                let now = self.holders().of_mac(mac);
                differ(&format!("MAC address {mac}"), "", holders(machines), holders(&now))
            }
            Read::Path { path, there } => {
                let word = |fact: PathFact| {
                    match fact {
                        PathFact::Missing => "free",
                        PathFact::File => "taken by a file",
                        PathFact::SettingsOf(_) => "taken by the settings file of a machine",
                        PathFact::ImageOf(_) => "taken by the image of a disk",
                        PathFact::EmptyDirectory | PathFact::Directory => "taken by a directory",
                    }
                    .to_owned()
                };
                differ(&path.display().to_string(), "", word(*there), word(fact(path, inventory)))
            }
            Read::Medium { path, uuid } => {
                let now = inventory.medium_at(path).map(|medium| medium.uuid);
                differ(&format!("disk {}", path.display()), "", one(*uuid), one(now))
            }
            Read::Uses { medium, there, children, machines } => {
                let Read::Uses { there: t, children: c, machines: m, .. } = uses_now(*medium, inventory)
                else {
                    return None;
                };
                let show = |there: bool, children: &BTreeSet<Uuid>, machines: &BTreeSet<Uuid>| {
                    if there {
                        format!("differences {}, machines {}", braced(children), braced(machines))
                    } else {
                        "absent".to_owned()
                    }
                };
                let (then, now) = (show(*there, children, machines), show(t, &c, &m));
                differ(&format!("medium {{{medium}}}"), "uses", then, now)
            }
        }
    }
}

/// UUID, whether it is readable, and folder of a machine.
type Looks<'a> = (Option<Uuid>, bool, &'a Option<PathBuf>);

fn same_machine(object: &str, then: Looks<'_>, now: Looks<'_>) -> Vec<Moved> {
    if then.0 != now.0 {
        return differ(object, "", one(then.0), one(now.0)).into_iter().collect();
    }
    let word = |readable: bool| if readable { "readable" } else { "not readable" }.to_owned();
    let shown = |folder: &Option<PathBuf>| {
        folder.as_ref().map_or_else(|| "absent".to_owned(), |folder| folder.display().to_string())
    };
    let all = [
        differ(object, "settings and state", word(then.1), word(now.1)),
        differ(object, "folder", shown(then.2), shown(now.2)),
    ];
    all.into_iter().flatten().collect()
}

/// Power states of one class make the same steps (`poweroff`, `aborted`).
fn same(path: &FieldPath, then: Option<&Value>, now: Option<&Value>) -> bool {
    if then == now {
        return true;
    }
    let class = |value: Option<&Value>| value?.as_str().map(|text| PowerState::parse_or_other(text).class());
    path.parts() == ["state"] && class(then).is_some() && class(then) == class(now)
}

fn differ(object: &str, field: &str, then: String, now: String) -> Option<Moved> {
    (then != now).then(|| Moved { object: object.to_owned(), field: field.to_owned(), then, now })
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "absent".to_owned(), ToString::to_string)
}

fn one(uuid: Option<Uuid>) -> String {
    uuid.map_or_else(|| "absent".to_owned(), |uuid| format!("{{{uuid}}}"))
}

fn list(words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
    format!("[{}]", words.join(", "))
}

fn braced<'a>(uuids: impl IntoIterator<Item = &'a Uuid>) -> String {
    list(uuids.into_iter().map(|uuid| format!("{{{uuid}}}")))
}

/// Nobody, or who.
fn holders(uuids: &BTreeSet<Uuid>) -> String {
    match uuids.len() {
        0 => "free".to_owned(),
        _ => uuids.iter().map(|uuid| format!("held by {{{uuid}}}")).collect::<Vec<_>>().join(", "),
    }
}
