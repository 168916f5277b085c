//! `Disk`, `Network` and `Snapshot` documents, and the references to them.

use std::collections::BTreeMap;

use super::super::check::Checker;
use super::super::checked::{Checked, Data, place};
use super::super::diagnostic::{Diagnostic, Sink};
use super::super::node::Value;
use super::super::resolve::Scope;
use super::super::shape::Shape;
use super::super::source::Span;
use super::super::suggest::nearest;
use super::defaults::{Defaults, merged};
use super::document::Doc;
use super::machine::{conflict, referenced};
use super::{Checkup, lifecycle, storage, text_of};
use crate::model::{DiskDocument, DiskSettings, FieldPath, Lifecycle, MachineName};

/// A checked document that is no machine.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pub(super) doc: &'a Doc<'a>,
    pub(super) spec: Checked,
}

/// Checks the `spec` of a document.
pub(super) fn check<'a>(
    doc: &'a Doc<'a>,
    defaults: &Defaults,
    scope: Scope<'_>,
    sink: &mut Sink,
) -> Object<'a> {
    let spec = merged(doc, defaults);
    let mut checker = Checker::new(scope, sink);
    checker.filled_into = Some((doc.name.clone(), doc.name_span));
    let spec = match &spec.value {
        Value::Mapping(entries) => checker.object(doc.kind.spec, &spec, entries, &FieldPath::root()),
        _ => checker.check(&Shape::Object(doc.kind.spec), &spec, &FieldPath::root(), false),
    };
    Object { doc, spec }
}

/// Rules for documents that are no machines, and for references to anything.
pub(super) fn rules(checkup: &Checkup<'_>, sink: &mut Sink) {
    for object in checkup.disks.iter().chain(&checkup.networks).chain(&checkup.snapshots) {
        lifecycle::rules(object.doc, sink);
    }
    for disk in &checkup.disks {
        disk_rules(disk, sink);
    }
    former_names(&checkup.disks, sink);
    for snapshot in &checkup.snapshots {
        for item in snapshot.spec.get("machines").map(Checked::items).unwrap_or_default() {
            machine_reference(item, checkup, sink);
        }
        let empty = |list: &&Checked| matches!(&list.data, Data::List(items) if items.is_empty());
        if let Some(list) = snapshot.spec.get("machines").filter(empty) {
            sink.push(
                Diagnostic::error("missing-key", "a snapshot of no machine says nothing")
                    .at_all(list.places("no machines"))
                    .help("name at least one machine"),
            );
        }
    }
    for member in &checkup.members {
        sink.in_member(member.of_several.then(|| member.name.clone()));
        for nic in member.spec.get("nics").map(Checked::items).unwrap_or_default() {
            let networks = checkup.networks.iter().map(|network| network.doc.name.as_str());
            reference(nic, "network", "Network", networks, sink);
        }
        for disk in member.spec.get("disks").map(Checked::members).unwrap_or_default() {
            let disks = checkup.disks.iter().map(|disk| disk.doc.name.as_str());
            reference(&disk.value, "disk", "Disk", disks, sink);
        }
        for item in member.spec.get("dependsOn").map(Checked::items).unwrap_or_default() {
            machine_reference(item, checkup, sink);
        }
        sink.in_member(None);
    }
    attached_twice(checkup, sink);
    cycles(checkup, sink);
}

/// A former name of a disk is free, and leads to one disk.
fn former_names(disks: &[Object<'_>], sink: &mut Sink) {
    let former = |disk: &Object<'_>| {
        let written = disk.doc.lifecycle.as_ref()?;
        text_of(written, "renamedFrom")
            .map(|(name, value)| (name.to_owned(), value.places("the former name")))
    };
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    for disk in disks {
        let Some((name, places)) = former(disk) else { continue };
        if let Some(first) = seen.get(&name) {
            sink.push(
                Diagnostic::error("conflict", format!("two disks were renamed from `{name}`"))
                    .at_all(places.clone())
                    .at(*first, "first here"),
            );
        }
        if let Some(other) = disks.iter().find(|other| other.doc.name == name && name != disk.doc.name) {
            sink.push(
                Diagnostic::error("conflict", format!("lifecycle.renamedFrom: `{name}` is still declared"))
                    .at_all(places)
                    .at(other.doc.name_span, "and a disk that has it")
                    .help("leave one of them out"),
            );
        }
        seen.insert(name, disk.doc.name_span);
    }
}

fn disk_rules(disk: &Object<'_>, sink: &mut Sink) {
    let spec = &disk.spec;
    if spec.get("size").is_none() && !disk.doc.flag("external") {
        sink.push(
            Diagnostic::error(
                "missing-key",
                format!("it is not said how large the disk `{}` is", disk.doc.name),
            )
            .at(disk.doc.name_span, "this disk")
            .help("write `size: 20GiB`, or `lifecycle: {external: true}` for one that must exist"),
        );
    }
    if let Some((kind, value)) = text_of(spec, "type") {
        if kind == "readonly" {
            sink.push(
                Diagnostic::error("refused", "VirtualBox has no read-only hard disks")
                    .at_all(value.places("not of a hard disk"))
                    .help("`immutable` throws away what guests write, at each start"),
            );
        }
        let variant = text_of(spec, "variant");
        if kind == "shareable" && variant.is_none_or(|(variant, _)| variant != "fixed") {
            let diagnostic = Diagnostic::error("conflict", "only a disk of fixed variant can be shareable")
                .at_all(value.places("shareable"))
                .help("write `variant: fixed`");
            sink.push(match variant {
                Some((_, variant)) => diagnostic.at_all(variant.places("not fixed")),
                None => diagnostic,
            });
        }
        if let Some(reset) = spec.get("autoReset").filter(|_| kind != "immutable") {
            // The vocabulary shows it beside every type, so it is no mistake.
            sink.push(
                Diagnostic::warning(
                    "disabled",
                    "only an immutable disk has a differencing disk that is thrown away",
                )
                .at_all(reset.places("has no effect"))
                .at_all(value.places("with this type")),
            );
        }
    }
    storage::format_rules(spec, &disk.doc.name, sink);
}

fn reference<'a>(
    user: &Checked,
    key: &str,
    kind: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    sink: &mut Sink,
) {
    let Some((name, value)) = text_of(user, key) else { return };
    if known.clone().any(|known| known == name) {
        return;
    }
    let help = match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "add a document of kind {kind} with this name; `lifecycle: {{external: true}}` for one that exists"
        ),
    };
    sink.push(
        Diagnostic::error("dangling-reference", format!("there is no {kind} `{name}`"))
            .at_all(value.places("not declared"))
            .help(help),
    );
}

fn machine_reference(item: &Checked, checkup: &Checkup<'_>, sink: &mut Sink) {
    let Some(name) = item.text() else { return };
    let known = checkup.members.iter().flat_map(|member| [member.name.as_str(), member.doc.name.as_str()]);
    // A replicated machine without members is a name that means nothing today.
    if !referenced(name, &checkup.members).is_empty() || checkup.machine_names.contains(name) {
        return;
    }
    let help = match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "only machines of these manifests can be named here".to_owned(),
    };
    sink.push(
        Diagnostic::error("dangling-reference", format!("there is no VirtualMachine `{name}`"))
            .at_all(item.places("not declared"))
            .help(help),
    );
}

/// VirtualBox starts one machine with a disk that is not made to be shared, and refuses the second.
fn attached_twice(checkup: &Checkup<'_>, sink: &mut Sink) {
    let mut seen: BTreeMap<&str, (&str, &Checked)> = BTreeMap::new();
    for member in &checkup.members {
        for disk in member.spec.get("disks").map(Checked::members).unwrap_or_default() {
            let Some((name, value)) = text_of(&disk.value, "disk") else { continue };
            let Some(declared) = checkup.disks.iter().find(|disk| disk.doc.name == name) else { continue };
            let kind = text_of(&declared.spec, "type").map_or("normal", |(kind, _)| kind);
            let one = matches!(kind, "normal" | "writethrough") && !declared.doc.flag("external");
            match seen.get(name) {
                Some((first, place)) if one => {
                    let message = if place.span() == value.span() {
                        format!("the disk `{name}` is attached to every member of `{}`", member.doc.name)
                    } else {
                        format!("the disk `{name}` is attached to `{first}` and to `{}`", member.name)
                    };
                    let help = "two machines cannot run with it: give each its own, or `type: shareable` with `variant: fixed`";
                    conflict(sink, message, (value, "again here"), (place, "first here"), help);
                }
                Some(_) => {}
                None => {
                    seen.insert(name, (&member.name, value));
                }
            }
        }
    }
}

/// Machines that wait for one another.
fn cycles(checkup: &Checkup<'_>, sink: &mut Sink) {
    let needs: BTreeMap<&str, Vec<(usize, &Checked)>> = checkup
        .members
        .iter()
        .map(|member| {
            let items = member.spec.get("dependsOn").map(Checked::items).unwrap_or_default();
            let targets =
                items.iter().filter_map(|item| Some((item.text()?, item))).flat_map(|(name, item)| {
                    let is_target = move |other: &super::member::Member<'_>| {
                        other.name == name || (other.index.is_some() && other.doc.name == name)
                    };
                    checkup
                        .members
                        .iter()
                        .enumerate()
                        .filter(move |(_, other)| is_target(other))
                        .map(move |(at, _)| (at, item))
                });
            (member.name.as_str(), targets.collect())
        })
        .collect();
    let mut done = vec![false; checkup.members.len()];
    for start in 0..checkup.members.len() {
        let mut trail: Vec<(usize, Option<&Checked>)> = Vec::new();
        if let Some(cycle) = walk(start, None, checkup, &needs, &mut done, &mut trail) {
            let names: Vec<&str> = cycle.iter().map(|(at, _)| checkup.members[*at].name.as_str()).collect();
            let message = match names.as_slice() {
                [one] => format!("`{one}` depends on itself"),
                _ => format!("these depend on one another: {}", names.join(", ")),
            };
            let mut diagnostic =
                Diagnostic::error("dependency-cycle", message).help("none of them could be started first");
            for (_, item) in &cycle {
                diagnostic = diagnostic
                    .at_all(item.map(|item| item.places("depends on the next")).unwrap_or_default());
            }
            sink.push(diagnostic);
        }
    }
}

type Trail<'a> = Vec<(usize, Option<&'a Checked>)>;

/// Depth first; gives the members of a cycle, each with the word that leads to the next.
fn walk<'a>(
    at: usize,
    via: Option<&'a Checked>,
    checkup: &Checkup<'_>,
    needs: &BTreeMap<&str, Vec<(usize, &'a Checked)>>,
    done: &mut [bool],
    trail: &mut Trail<'a>,
) -> Option<Trail<'a>> {
    if let Some(from) = trail.iter().position(|(known, _)| *known == at) {
        let mut cycle: Trail<'a> = trail[from..].to_vec();
        // Each word was noted where it arrived: move it to where it stands.
        let arrivals: Vec<Option<&Checked>> =
            cycle.iter().skip(1).map(|(_, via)| *via).chain([via]).collect();
        for (member, word) in cycle.iter_mut().zip(arrivals) {
            member.1 = word;
        }
        return Some(cycle);
    }
    if done[at] {
        return None;
    }
    done[at] = true;
    trail.push((at, via));
    for (next, item) in needs.get(checkup.members[at].name.as_str()).map(Vec::as_slice).unwrap_or_default() {
        if let Some(cycle) = walk(*next, Some(item), checkup, needs, done, trail) {
            return Some(cycle);
        }
    }
    trail.pop();
    None
}

/// A disk of its own as the planner sees it.
///
/// # Errors
/// A sentence, where the table and the model do not agree, which a test excludes.
pub(super) fn lower_disk(disk: &Object<'_>, scope: Scope<'_>) -> Result<DiskDocument, String> {
    let settings: DiskSettings =
        serde_json::from_value(disk.spec.to_json()).map_err(|error| error.to_string())?;
    let mut sources = BTreeMap::new();
    disk.spec.trace(&FieldPath::root(), scope.sources, &mut sources);
    if let Some(lifecycle) = &disk.doc.lifecycle {
        lifecycle.trace(&FieldPath::of(["lifecycle"]), scope.sources, &mut sources);
    }
    Ok(DiskDocument {
        name: disk.doc.name.clone(),
        source: place(scope.sources, disk.doc.start),
        settings,
        lifecycle: disk.doc.lifecycle.as_ref().map(with_former_name).unwrap_or_default(),
        labels: disk.doc.labels.clone(),
        sources,
    })
}

fn with_former_name(written: &Checked) -> Lifecycle {
    let mut result = lifecycle::lower(written);
    if let Some((former, _)) = text_of(written, "renamedFrom") {
        let (stack, name) = lifecycle::former(former);
        result.renamed_from.push((stack, MachineName::new(name)));
    }
    result
}
