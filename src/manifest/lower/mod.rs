//! From documents to `model::Desired`: variables and defaults filled, replicas unfolded, references resolved.
//!
//! May hold: one file for each subject of rules that look at more than one value. What one value must look like is in
//! [`super::vocabulary`].

mod across;
mod defaults;
mod document;
mod lifecycle;
mod machine;
mod member;
mod network;
mod nics;
mod objects;
mod snapshot;
mod storage;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::checked::{Checked, place};
use super::diagnostic::{Diagnostic, Diagnostics, Sink};
use super::load::Loaded;
use super::resolve::Scope;
use super::source::Span;
use super::variables::{VariableValue, Variables};
use crate::model::{Address, Desired, StackName, Unsupported};

use document::Doc;
use member::Member;

/// What a run brings to the documents.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LowerContext {
    /// Values for variables, the strongest first: `--var`, environment, configuration.
    pub variables: Vec<VariableValue>,
    /// `--stack`, which wins over the `Stack` document.
    pub stack: Option<StackName>,
    /// Home directory of the owner of the VirtualBox home: what `~` means.
    pub home: Option<PathBuf>,
    /// Planning for another host: relative paths below the first directory start below the second one instead.
    pub rebase: Option<(PathBuf, PathBuf)>,
    /// Folders that paths must be in, absolute; none means that they may be anywhere.
    pub within: Vec<PathBuf>,
    /// Whether a `sensitive` variable may lack a value, as for `validate`.
    pub placeholders: bool,
}

/// The checked state of a run, before it is known whether anything is wrong.
struct Checkup<'a> {
    /// Names of machine documents, also of those without members.
    machine_names: BTreeSet<String>,
    members: Vec<Member<'a>>,
    disks: Vec<objects::Object<'a>>,
    networks: Vec<objects::Object<'a>>,
    snapshots: Vec<objects::Object<'a>>,
}

/// Lowers documents.
///
/// # Errors
/// Everything that is wrong in the documents, with the warnings beside it.
pub fn lower(loaded: &Loaded, context: &LowerContext) -> Result<(Desired, Diagnostics), Diagnostics> {
    let mut sink = Sink::default();
    for diagnostic in loaded.diagnostics.iter().chain(&loaded.notes) {
        sink.push(diagnostic.clone());
    }
    let mut sources = loaded.sources.clone();
    let mut variables = Variables::default();
    document::declare_variables(loaded, &mut variables);
    variables.set(&context.variables, &mut sources, &mut sink);
    let scope = Scope {
        sources: &sources,
        variables: &variables,
        index: None,
        placeholders: context.placeholders,
        home: context.home.as_deref(),
        rebase: context.rebase.as_ref().map(|(from, to)| (from.as_path(), to.as_path())),
        within: &context.within,
    };

    let docs: Vec<Doc<'_>> = loaded
        .documents
        .iter()
        .filter_map(|document| document::recognise(document, scope, &mut sink))
        .collect();
    let stack = document::stack(&docs, scope, &mut sink);
    let defaults = defaults::of(&docs);
    let mut unsupported = Vec::new();
    let machine_names =
        docs.iter().filter(|doc| doc.kind.name == "VirtualMachine").map(|doc| doc.name.clone()).collect();
    let mut checkup = Checkup {
        machine_names,
        members: Vec::new(),
        disks: Vec::new(),
        networks: Vec::new(),
        snapshots: Vec::new(),
    };
    for doc in &docs {
        match doc.kind.name {
            "VirtualMachine" => {
                checkup.members.extend(member::unfold(doc, &defaults, scope, &mut unsupported, &mut sink));
            }
            "Disk" => checkup.disks.push(objects::check(doc, &defaults, scope, &mut sink)),
            "Network" => {
                checkup.networks.push(objects::check(doc, &defaults, scope, &mut sink));
            }
            "Snapshot" => {
                checkup.snapshots.push(objects::check(doc, &defaults, scope, &mut sink));
            }
            _ => {}
        }
    }
    for member in &checkup.members {
        sink.in_member(member.of_several.then(|| member.name.clone()));
        machine::rules(member, &mut sink);
        nics::rules(member, &mut sink);
        storage::rules(member, &mut sink);
        lifecycle::rules(member.doc, &mut sink);
        sink.in_member(None);
    }
    objects::rules(&checkup, &mut sink);
    network::rules(&checkup, &mut sink);
    across::rules(&docs, &checkup, &mut sink);
    variables.warn_unused(&mut sink);

    let mut machines = BTreeMap::new();
    let mut disks = BTreeMap::new();
    let mut networks = BTreeMap::new();
    if !sink.has_errors() {
        for disk in &checkup.disks {
            match objects::lower_disk(disk, scope) {
                Ok(lowered) => drop(disks.insert(Address::Disk(lowered.name.clone()), lowered)),
                Err(reason) => sink.push(internal(disk.doc, &reason)),
            }
        }
        for network in &checkup.networks {
            match network::lower(network, scope) {
                Ok(lowered) => {
                    networks.extend(lowered.map(|lowered| (Address::Network(lowered.name.clone()), lowered)));
                }
                Err(reason) => sink.push(internal(network.doc, &reason)),
            }
        }
        let mut before = None;
        for member in &checkup.members {
            let places =
                machine::places(member, before.as_ref().map(|(other, places)| (*other, places)), scope);
            match machine::lower(member, &places, &checkup, scope) {
                Ok(machine) => drop(machines.insert(Address::Machine(machine.name.clone()), machine)),
                Err(reason) => sink.push(internal(member.doc, &reason)),
            }
            before = Some((member, places));
        }
    }
    let snapshots = checkup.snapshots.iter();
    let snapshots = snapshots.map(|one| snapshot::lower(one, &checkup.members, scope)).collect();
    let stack = context.stack.clone().or(stack).unwrap_or_else(StackName::default_stack);
    let unsupported =
        unsupported.into_iter().map(|(what, span)| Unsupported { source: place(&sources, span), what });
    let desired = Desired {
        stack,
        machines,
        snapshots,
        disks,
        networks,
        unsupported: unsupported.collect(),
        paths: loaded.paths.clone(),
    };
    let diagnostics = Diagnostics::new(sources, sink.into_found());
    if diagnostics.has_errors() { Err(diagnostics) } else { Ok((desired, diagnostics)) }
}

/// The table and the model do not agree, which a test excludes.
fn internal(doc: &Doc<'_>, reason: &str) -> Diagnostic {
    Diagnostic::error("internal", format!("`{}` cannot be lowered: {reason}", doc.name))
        .at(doc.name_span, "this document")
        .help("this is a mistake in vboxmcp: please report it")
}

/// Names of the variables whose values are secrets.
pub fn sensitive_variables(loaded: &Loaded) -> BTreeSet<String> {
    let mut variables = Variables::default();
    document::declare_variables(loaded, &mut variables);
    variables.sensitive()
}

/// A word that this version cannot apply, once for all members of a machine.
fn note_unsupported(unsupported: &mut Vec<(String, Span)>, what: String, span: Span) {
    if !unsupported.iter().any(|(known, at)| *known == what && *at == span) {
        unsupported.push((what, span));
    }
}

/// The text of a field of a checked object, with the value it stands in.
fn text_of<'a>(object: &'a Checked, key: &str) -> Option<(&'a str, &'a Checked)> {
    let value = object.get(key)?;
    Some((value.text()?, value))
}
