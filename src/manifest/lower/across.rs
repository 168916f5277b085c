//! Rules across documents: names, host ports, hardware addresses and files that may be there only once.

use std::collections::BTreeMap;

use super::super::checked::{Checked, Member as Entry};
use super::super::diagnostic::{Diagnostic, Label, Sink};
use super::super::source::Span;
use super::document::Doc;
use super::machine::conflict;
use super::member::Member;
use super::{Checkup, text_of};
use crate::model::PortForward;

/// A checked port-forward.
pub(super) fn forward(value: &Checked) -> Option<PortForward> {
    value.text()?.parse().ok()
}

pub(super) fn rules(docs: &[Doc<'_>], checkup: &Checkup<'_>, sink: &mut Sink) {
    names(docs, sink);
    machine_names(checkup, sink);
    host_ports(checkup, sink);
    once(checkup, sink, "MAC address", "leave `mac` out: vboxmcp makes one for each adapter", |member| {
        member
            .spec
            .get("nics")
            .map(Checked::items)
            .unwrap_or_default()
            .iter()
            .filter_map(|nic| text_of(nic, "mac"))
            .collect()
    });
    once(
        checkup,
        sink,
        "hardware UUID",
        "leave `hardwareUuid` out, or write one for each machine",
        |member| text_of(&member.spec, "hardwareUuid").into_iter().collect(),
    );
    once(
        checkup,
        sink,
        "disk file",
        "write another `location`, or a bare name in the machine's own folder",
        |member| {
            let disks = member.spec.get("disks").map(Checked::members).unwrap_or_default();
            let absolute = |text: &str| std::path::Path::new(text).is_absolute();
            disks
                .iter()
                .filter_map(|disk| text_of(&disk.value, "location"))
                .filter(|(text, _)| absolute(text))
                .collect()
        },
    );
    disk_files(checkup, sink);
    former_names(checkup, sink);
    external(checkup, sink);
}

/// The file of a `Disk` document is no other disk's.
fn disk_files(checkup: &Checkup<'_>, sink: &mut Sink) {
    let inline = checkup.members.iter().flat_map(|member| {
        let disks = member.spec.get("disks").map(Checked::members).unwrap_or_default();
        disks.iter().filter_map(|disk| text_of(&disk.value, "location"))
    });
    let mut seen: BTreeMap<&str, &Checked> = inline.collect();
    for disk in &checkup.disks {
        let Some((file, value)) = text_of(&disk.spec, "location") else { continue };
        match seen.get(file) {
            Some(first) => conflict(
                sink,
                format!("two disks are the file `{file}`"),
                (value, "again here"),
                (first, "first here"),
                "write another `location`; a machine attaches the disk of another document by `disk: NAME`",
            ),
            None => drop(seen.insert(file, value)),
        }
    }
}

/// Names of documents of one kind.
fn names(docs: &[Doc<'_>], sink: &mut Sink) {
    let mut seen: BTreeMap<(&str, &str), Span> = BTreeMap::new();
    for doc in docs.iter().filter(|doc| !doc.name.is_empty() && doc.kind.name != "Stack") {
        match seen.get(&(doc.kind.name, doc.name.as_str())) {
            Some(first) => sink.push(
                Diagnostic::error(
                    "duplicate-name",
                    format!("there are two {} named `{}`", plural(doc.kind.name), doc.name),
                )
                .at(doc.name_span, "again here")
                .at(*first, "first here")
                .help("rename one of them; `replicas` makes several machines from one document"),
            ),
            None => drop(seen.insert((doc.kind.name, doc.name.as_str()), doc.name_span)),
        }
    }
}

fn plural(kind: &str) -> String {
    format!("{kind}s")
}

/// Names of machines, members of replicated ones included.
fn machine_names(checkup: &Checkup<'_>, sink: &mut Sink) {
    let mut seen: BTreeMap<&str, &Member<'_>> = BTreeMap::new();
    let mut folded: BTreeMap<String, &Member<'_>> = BTreeMap::new();
    for member in &checkup.members {
        let first = seen.insert(&member.name, member);
        if let Some(first) = first.filter(|first| first.doc.name != member.doc.name) {
            let text = |member: &Member<'_>| match member.index {
                Some(_) => format!("its member `{}`", member.name),
                None => format!("`{}`", member.name),
            };
            sink.push(
                Diagnostic::error("duplicate-name", format!("two machines are named `{}`", member.name))
                    .at(member.doc.name_span, text(member))
                    .at(first.doc.name_span, text(first))
                    .help("members of a replicated machine are named NAME-1 to NAME-N"),
            );
        } else if let Some(other) = folded.insert(member.name.to_lowercase(), member)
            && other.name != member.name
        {
            let message = format!("`{}` and `{}` differ only in capital letters", other.name, member.name);
            sink.push(
                Diagnostic::warning("similar-name", message)
                    .at(member.doc.name_span, "this name")
                    .at(other.doc.name_span, "and this one")
                    .help("on Windows and macOS their folders would be one"),
            );
        }
    }
}

/// Who listens on a port of the host.
struct Listener<'a> {
    who: String,
    rule: PortForward,
    value: &'a Checked,
    /// What the rules about one NAT engine or network have looked at already.
    engine: (usize, usize),
    /// Whether it listens on IPv6 addresses.
    v6: bool,
}

/// Two machines on one host port both start, and one of them silently forwards nothing.
fn host_ports(checkup: &Checkup<'_>, sink: &mut Sink) {
    let mut by_port: BTreeMap<u16, Vec<Listener<'_>>> = BTreeMap::new();
    let mut listeners: Vec<Listener<'_>> = Vec::new();
    for (at, member) in checkup.members.iter().enumerate() {
        for (slot, nic) in member.spec.get("nics").map(Checked::items).unwrap_or_default().iter().enumerate()
        {
            let rules = nic.get("nat").and_then(|nat| nat.get("portForwards"));
            listeners.extend(listening(&member.name, rules, (at, slot), false));
        }
    }
    for (at, network) in checkup.networks.iter().enumerate() {
        for (which, key) in ["portForwards", "portForwards6"].into_iter().enumerate() {
            let rules = network.spec.get("nat").and_then(|nat| nat.get(key));
            let engine = (checkup.members.len() + at, which);
            listeners.extend(listening(&network.doc.name, rules, engine, which == 1));
        }
    }
    for listener in listeners {
        let crate::model::HostPort::Fixed(port) = listener.rule.host_port else { continue };
        let others = by_port.entry(port).or_default();
        let first = others.iter().find(|other| {
            other.engine != listener.engine && other.v6 == listener.v6 && other.rule.collides(&listener.rule)
        });
        if let Some(first) = first {
            let same = first.value.span() == listener.value.span();
            let message = if same {
                format!("port {port} of the host is used by every member of a replicated machine")
            } else if first.who == listener.who {
                format!("port {port} of the host is used twice by `{}`", first.who)
            } else {
                format!("port {port} of the host is used by `{}` and by `{}`", first.who, listener.who)
            };
            let help = if same {
                format!(
                    "members of a replicated machine need ports of their own: \"${{{} + index}}:{}\"",
                    port.saturating_sub(1),
                    listener.rule.guest_port
                )
            } else {
                "VirtualBox would start both, and one would not be reached: give it another port, or `auto`"
                    .to_owned()
            };
            let diagnostic = Diagnostic::error("port-in-use", message).help(help);
            sink.push(if same {
                diagnostic.at_all(listener.value.places("the same for every member"))
            } else {
                diagnostic
                    .at_all(listener.value.places("again here"))
                    .at_all(first.value.places("first here"))
            });
            // One finding for each rule is enough.
            continue;
        }
        others.push(listener);
    }
}

/// Without an address a rule listens on the loopback of its family.
fn listening<'a>(
    who: &str,
    rules: Option<&'a Checked>,
    engine: (usize, usize),
    v6: bool,
) -> Vec<Listener<'a>> {
    let rules = rules.map(Checked::members).unwrap_or_default();
    let listener = |value: &'a Checked| {
        let rule = forward(value)?;
        let v6 = v6 || rule.host_ip.as_deref().is_some_and(|ip| ip.contains(':'));
        Some(Listener { who: who.to_owned(), rule, value, engine, v6 })
    };
    rules.iter().filter_map(|rule| listener(&rule.value)).collect()
}

/// Values that only one machine of a host may have.
fn once<'a>(
    checkup: &'a Checkup<'_>,
    sink: &mut Sink,
    noun: &str,
    help: &str,
    values: impl Fn(&'a Member<'_>) -> Vec<(&'a str, &'a Checked)>,
) {
    let mut seen: BTreeMap<String, (&str, &Checked)> = BTreeMap::new();
    for member in &checkup.members {
        for (text, value) in values(member) {
            match seen.get(text) {
                Some((first, place)) => {
                    let message = if *first == member.name {
                        format!("`{first}` has the {noun} `{text}` twice")
                    } else if place.span() == value.span() {
                        format!("every member of `{}` has the same {noun} `{text}`", member.doc.name)
                    } else {
                        format!("`{first}` and `{}` have the same {noun} `{text}`", member.name)
                    };
                    conflict(sink, message, (value, "again here"), (place, "first here"), help);
                }
                None => drop(seen.insert(text.to_owned(), (&member.name, value))),
            }
        }
    }
}

/// A former name is free, and leads to one machine.
fn former_names(checkup: &Checkup<'_>, sink: &mut Sink) {
    let mut seen: BTreeMap<&str, Label> = BTreeMap::new();
    let mut last: Option<Span> = None;
    for member in &checkup.members {
        // Once for each document.
        if last.replace(member.doc.name_span) == Some(member.doc.name_span) {
            continue;
        }
        let Some((former, value)) =
            member.doc.lifecycle.as_ref().and_then(|written| text_of(written, "renamedFrom"))
        else {
            continue;
        };
        if former == member.doc.name {
            continue;
        }
        let Some(span) = value.span() else { continue };
        if let Some(first) = seen.get(former) {
            sink.push(
                Diagnostic::error("conflict", format!("two machines were renamed from `{former}`"))
                    .at(span, "again here")
                    .at(first.span, "first here"),
            );
        }
        seen.insert(former, Label { span, text: String::new() });
        let still = checkup.members.iter().find(|other| {
            other.doc.name_span != member.doc.name_span && (other.name == former || other.doc.name == former)
        });
        if let Some(other) = still {
            sink.push(
                Diagnostic::error("conflict", format!("lifecycle.renamedFrom: `{former}` is still declared"))
                    .at(span, "the former name")
                    .at(other.doc.name_span, "and a machine that has it")
                    .help("leave one of them out"),
            );
        }
    }
}

/// What an external machine's `spec` says is not done.
fn external(checkup: &Checkup<'_>, sink: &mut Sink) {
    for member in checkup.members.iter().filter(|member| member.doc.flag("external")) {
        // What the stack fills in was not written for this one.
        let own = |entry: &&Entry| member.doc.spec.is_some_and(|spec| spec.get(&entry.key).is_some());
        if let Some(written) = member.spec.members().iter().find(own) {
            sink.push(
                Diagnostic::warning(
                    "disabled",
                    "an external object is never changed, so its spec has no effect",
                )
                .at(written.key_span, "has no effect")
                .at(member.doc.name_span, "external")
                .help("leave `spec` out"),
            );
        }
    }
}
