//! `export`: what is there, as the manifests that a person would have written.
//!
//! Left out is what a new machine would get anyway, and what this version cannot declare; comments say the second. Every
//! document is read back by the language and compared with the machine before it is given out: what would not plan empty is a
//! comment, never a field. Nothing of vboxmcp, of VirtualBox's own windows, and no secret is written.

mod defaults;
mod draft;
mod judge;
mod network;
mod networks;
mod settings;
mod storage;
#[cfg(test)]
mod tests;
mod unsaid;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::Context;
use super::plan::read;
use crate::diff::Finding;
use crate::failure::{Failure, Kind};
use crate::inventory::{Inventory, Machine, Ownership};
use crate::manifest::emit::{self, Map};
use crate::manifest::suggest::nearest;
use crate::model::{Address, NetworkKind, StackName};
use crate::threads;
use defaults::Defaults;
use draft::Draft;
use judge::{Judge, Subject};

/// What to write down.
#[derive(Clone, Debug, Default)]
pub struct ExportRequest {
    /// Machines by name, address or UUID; none means all.
    pub select: Vec<String>,
    /// The stack that the manifests are to make: a `Stack` document is written.
    pub stack: Option<StackName>,
}

/// Manifests, and what they could not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Documents with their comments; ends with a line break.
    pub yaml: String,
    /// Machines in it.
    pub machines: Vec<Address>,
    /// What matters of that which is not in it.
    pub notes: Vec<Finding>,
}

/// Writes down machines.
pub fn export(context: &Context, request: &ExportRequest) -> Result<Exported, Failure> {
    let mut inventory = read(context)?;
    if inventory.machines.values().any(has_host_only) {
        inventory.networks.host_only = Some(context.host.host_only()?);
    }
    let chosen = select(&request.select, &inventory)?;
    let exported = write(&chosen, request.stack.as_ref(), &inventory);
    if exported.machines.is_empty() && !request.select.is_empty() {
        let reasons: Vec<String> = exported.notes.into_iter().map(|note| note.text).collect();
        return Err(Failure::new(Kind::Other, reasons.join("; ")));
    }
    Ok(exported)
}

fn has_host_only(machine: &Machine) -> bool {
    let mode = NetworkKind::HostOnly.mode();
    let nics = machine.settings.nics.iter().flat_map(BTreeMap::values);
    nics.into_iter().any(|nic| nic.mode.as_ref() == Some(&mode))
}

/// The machines that are meant, in the order of their names.
fn select<'a>(words: &[String], inventory: &'a Inventory) -> Result<Vec<&'a Machine>, Failure> {
    let mut chosen: Vec<&Machine> = if words.is_empty() {
        inventory.machines.values().collect()
    } else {
        let mut found = BTreeSet::new();
        for word in words {
            found.insert(find(word, inventory)?);
        }
        found.iter().filter_map(|uuid| inventory.machines.get(uuid)).collect()
    };
    chosen.sort_by(|a, b| (&a.name, a.uuid).cmp(&(&b.name, b.uuid)));
    Ok(chosen)
}

fn find(word: &str, inventory: &Inventory) -> Result<Uuid, Failure> {
    let bare = word.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(word);
    if let Some(uuid) = Uuid::try_parse(bare).ok().filter(|uuid| inventory.machines.contains_key(uuid)) {
        return Ok(uuid);
    }
    let name = match word.parse() {
        Ok(Address::Machine(name)) => name.as_str().to_owned(),
        Ok(address) => {
            return Err(Failure::new(
                Kind::Usage,
                format!("{address} is a {}, only machines can be exported", address.kind()),
            ));
        }
        Err(_) => word.to_owned(),
    };
    let named: Vec<Uuid> = inventory.machines_named(&name).map(|machine| machine.uuid).collect();
    match named.as_slice() {
        [uuid] => Ok(*uuid),
        [] => {
            let known = inventory.machines.values().filter_map(|machine| machine.name.as_deref());
            let failure = Failure::new(Kind::Usage, format!("VirtualBox has no machine {name:?}"));
            Err(match nearest(&name, known) {
                Some(near) => failure.hint(format!("did you mean {near:?}?")),
                None => failure.hint("`vboxmcp get machines` lists them"),
            })
        }
        several => {
            let failure =
                Failure::new(Kind::Usage, format!("VirtualBox has {} machines {name:?}", several.len()));
            Err(several
                .iter()
                .fold(failure, |failure, uuid| failure.hint(format!("name one by its UUID: {uuid}"))))
        }
    }
}

/// The documents of machines.
pub(super) fn write(chosen: &[&Machine], stack: Option<&StackName>, inventory: &Inventory) -> Exported {
    let (named, networks) = networks::of(chosen, stack, inventory);
    let judge = Judge::new(inventory, &join(networks.iter().map(|network| &network.text)));
    let defaults = Defaults::of(chosen);
    let of = |machine| draft::of(machine, stack, inventory, &named, &defaults);
    // Nearly always there is nothing to choose: everything is read back once then.
    let (mut drafts, mut refused) = drafts(chosen, 8, &of);
    let mut documents = threads::map(&drafts, threads::worth(drafts.len(), 8), &Draft::text);
    let agreeing = {
        let subjects: Vec<Subject<'_>> = drafts.iter().map(Draft::subject).collect();
        judge.agreeing(&borrowed(&documents), &subjects)
    };
    if agreeing.len() < drafts.len() {
        let settled = |machine| {
            let mut draft = of(machine)?;
            if !agreeing.contains(&draft.machine.uuid) {
                draft.settle(&[], &judge)?;
            }
            Ok::<_, String>(draft)
        };
        (drafts, refused) = self::drafts(chosen, 4, &settled);
        documents = drafts.iter().map(Draft::text).collect();
        if !judge.reads(&borrowed(&documents)) {
            documents.clear();
            // What is right alone may not be right beside another one: two machines that listen on one port of the host.
            drafts.retain_mut(|draft| match draft.settle(&borrowed(&documents), &judge) {
                Ok(()) => {
                    documents.push(draft.text());
                    true
                }
                Err(reason) => {
                    refused.push((draft.machine, reason));
                    false
                }
            });
        }
    }
    let machines: Vec<Address> = drafts.iter().map(|draft| draft.address.clone()).collect();
    let of_draft = |draft: &Draft<'_>| {
        let address = draft.address.clone();
        draft.notes().into_iter().map(move |text| Finding { address: Some(address.clone()), text })
    };
    let mut notes: Vec<Finding> = drafts.iter().flat_map(of_draft).collect();
    let used = networks.iter().filter(|network| {
        let Address::Network(name) = &network.address else { return false };
        let line = format!("network: {name}");
        documents.iter().any(|document| {
            document.lines().any(|text| text.contains(&line) && !text.trim_start().starts_with('#'))
        })
    });
    let networks: Vec<String> = used.map(|network| network.text.clone()).collect();
    let documents: Vec<String> =
        stack.map(stack_document).into_iter().chain(networks).chain(documents).collect();
    let mut head = head(&machines);
    for (machine, reason) in &refused {
        let text = format!("machine {} is not written: {reason}", called(machine));
        head.push(text.clone());
        notes.push(Finding { address: None, text });
    }
    Exported { yaml: emit::document(&head, &Map::default()) + &join(&documents), machines, notes }
}

/// Machines that no document is written for, and why.
type Refused<'a> = Vec<(&'a Machine, String)>;

/// What is made of each machine, with a thread for so many. A name is given once.
fn drafts<'a>(
    chosen: &[&'a Machine],
    each: usize,
    of: &(impl Fn(&'a Machine) -> Result<Draft<'a>, String> + Sync),
) -> (Vec<Draft<'a>>, Refused<'a>) {
    let (mut drafts, mut refused): (Vec<Draft<'_>>, _) = (Vec::new(), Vec::new());
    let mut names = BTreeSet::new();
    let made = threads::map(chosen, threads::worth(chosen.len(), each), &|machine| of(machine));
    for (machine, draft) in chosen.iter().zip(made) {
        match draft {
            Ok(draft) if names.insert(draft.name.clone()) => drafts.push(draft),
            Ok(_) => {
                let reason =
                    "another machine has the same name, and a manifest tells machines apart by their names";
                refused.push((*machine, reason.to_owned()));
            }
            Err(reason) => refused.push((*machine, reason)),
        }
    }
    (drafts, refused)
}

fn borrowed(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

fn called(machine: &Machine) -> String {
    match &machine.name {
        Some(name) => format!("{name:?} {{{}}}", machine.uuid),
        None => format!("{{{}}} ({})", machine.uuid, machine.settings_file.display()),
    }
}

fn head(machines: &[Address]) -> Vec<String> {
    let mut lines = vec![
        "Exported from VirtualBox. Left out is what a new machine of the same operating system gets anyway."
            .to_owned(),
    ];
    match machines {
        [] => {}
        [one] => lines.push(format!("`vboxmcp adopt {one}` takes the machine over without changing it.")),
        [first, ..] => {
            lines.push(format!("`vboxmcp adopt {first} ...` takes machines over without changing them."));
        }
    }
    lines
}

fn stack_document(stack: &StackName) -> String {
    let map = Map::default()
        .with("apiVersion", draft::API_VERSION)
        .with("kind", "Stack")
        .with("metadata", Map::line().with("name", stack.as_str()));
    emit::document(&[], &map)
}

/// Documents in one text.
fn join<'a>(documents: impl IntoIterator<Item = &'a String>) -> String {
    documents.into_iter().map(String::as_str).collect::<Vec<_>>().join("---\n")
}

/// The stack and address under which a machine is, or would be, owned.
fn owner(
    machine: &Machine,
    name: &str,
    stack: Option<&StackName>,
    inventory: &Inventory,
) -> (StackName, Address) {
    let address = Address::machine(name);
    match (inventory.owner_of(machine), stack) {
        (Ownership::Owned { stack, address }, None) => (stack, address),
        (Ownership::Owned { stack: owner, address }, Some(stack)) if owner == *stack => (owner, address),
        (_, Some(stack)) => (stack.clone(), address),
        (_, None) => (StackName::default_stack(), address),
    }
}
