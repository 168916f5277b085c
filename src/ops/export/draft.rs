//! One machine's document in the making: parts that can be said in one form or another, or not at all.

use std::collections::BTreeMap;

use serde_json::Value;

use super::defaults::Defaults;
use super::judge::{Judge, Subject};
use super::networks::Named;
use super::{network, owner, settings, storage, unsaid};
use crate::diff::machine::settings_tree;
use crate::inventory::{Access, Entry as Member, Inventory, Machine, Register};
use crate::manifest::emit::{self, Entry, Map, Yaml};
use crate::model::{Address, OnRemove, StackName};

/// What every document begins with.
pub const API_VERSION: &str = "vboxmcp/v1";

/// What the parts of a machine's document are made from.
pub struct Scene<'a> {
    pub machine: &'a Machine,
    pub inventory: &'a Inventory,
    /// Stack and address under which it is, or would be, owned.
    pub known_as: (StackName, Address),
    /// What a new machine of its operating system gets.
    pub defaults: Option<&'a Value>,
    /// Its settings as a tree.
    pub live: Value,
    /// Networks that have documents.
    pub networks: &'a Named,
}

impl Scene<'_> {
    /// The register of the stack, where there is one.
    pub fn register(&self) -> Option<&Register> {
        self.inventory.registers.get(&self.known_as.0)
    }
}

/// One thing that a document says.
pub struct Part {
    /// The mapping of `spec` that it belongs into, where it is not a key of `spec` itself.
    pub within: Option<&'static str>,
    /// What it may look like, the best form first.
    pub forms: Vec<Entry>,
    /// Where a mapping of `spec` is left out on purpose: why.
    pub left_out: Option<String>,
    choice: Choice,
}

enum Choice {
    Form(usize),
    Dropped(String),
}

impl Part {
    /// A key of `spec`.
    pub fn of(key: &str, value: impl Into<Yaml>) -> Self {
        Self::forms(vec![Entry { above: Vec::new(), key: key.to_owned(), value: value.into() }])
    }

    /// A key of `spec` in one form or another.
    pub fn forms(forms: Vec<Entry>) -> Self {
        Self { within: None, forms, left_out: None, choice: Choice::Form(0) }
    }

    /// A key of a mapping of `spec` that is managed key by key.
    pub fn within(map: &'static str, key: &str, value: impl Into<Yaml>) -> Self {
        Self { within: Some(map), ..Self::of(key, value) }
    }

    /// A key of `spec` that is shown in a comment only.
    pub fn left_out(key: &str, value: impl Into<Yaml>, reason: String) -> Self {
        Self { left_out: Some(reason), ..Self::of(key, value) }
    }

    fn name(&self) -> String {
        let key = self.forms.first().map(|form| form.key.as_str()).unwrap_or_default();
        self.within.map_or_else(|| key.to_owned(), |map| format!("{map}.{key}"))
    }

    fn chosen(&self) -> Option<&Entry> {
        match &self.choice {
            Choice::Form(form) => self.forms.get(*form),
            Choice::Dropped(_) => None,
        }
    }

    /// What a person reads instead of it.
    fn comment(&self) -> Option<String> {
        let Choice::Dropped(reason) = &self.choice else { return None };
        let form = self.forms.first()?;
        let shown = emit::document(&[], &Map::default().with(form.key.as_str(), form.value.clone()));
        let lines: Vec<String> = shown.lines().map(|line| format!("\n  {line}")).collect();
        Some(format!("`{}` is left out: {reason}{}", self.name(), lines.concat()))
    }
}

/// One machine's document.
pub struct Draft<'a> {
    pub machine: &'a Machine,
    /// Its name, which is the document's.
    pub name: String,
    /// The address that the document gives it.
    pub address: Address,
    known_as: (StackName, Address),
    member: Option<&'a Member>,
    parts: Vec<Part>,
    unsaid: Vec<String>,
    notes: Vec<String>,
}

/// Begins the document of a machine.
///
/// # Errors
/// Why there can be none.
pub fn of<'a>(
    machine: &'a Machine,
    stack: Option<&StackName>,
    inventory: &'a Inventory,
    networks: &'a Named,
    defaults: &Defaults<'_>,
) -> Result<Draft<'a>, String> {
    let (Access::Settings | Access::ShowVmInfo { .. }, Some(name)) = (&machine.access, &machine.name) else {
        return Err(machine.access.reason().unwrap_or("its name could not be read").to_owned());
    };
    let known_as = owner(machine, name, stack, inventory);
    let scene = Scene {
        machine,
        inventory,
        known_as: known_as.clone(),
        defaults: defaults.get(machine.settings.os_type.as_deref()),
        live: settings_tree(&machine.settings),
        networks,
    };
    let mut parts = settings::hardware(&scene);
    parts.extend(storage::parts(&scene));
    parts.extend(network::part(&scene));
    parts.extend(settings::sharing(&scene));
    parts.extend(settings::state(machine));
    for part in &mut parts {
        if let Some(reason) = &part.left_out {
            part.choice = Choice::Dropped(reason.clone());
        }
    }
    let member = match inventory.owner_of(machine) {
        crate::inventory::Ownership::Owned { stack, address }
            if (&stack, &address) == (&known_as.0, &known_as.1) =>
        {
            inventory.registers.get(&stack).and_then(|register| register.entries.get(&address))
        }
        _ => None,
    };
    Ok(Draft {
        machine,
        name: name.clone(),
        address: Address::machine(name.as_str()),
        known_as,
        member,
        parts,
        unsaid: unsaid::lines(&scene),
        notes: unsaid::notes(&scene),
    })
}

impl Draft<'_> {
    /// Chooses forms with which the document, after the documents `before`, says what the machine is.
    ///
    /// # Errors
    /// Why there are none.
    pub fn settle(&mut self, before: &[&str], judge: &Judge<'_>) -> Result<(), String> {
        if self.agrees(before, judge).is_ok() {
            return Ok(());
        }
        let wanted: Vec<Choice> = self
            .parts
            .iter_mut()
            .map(|part| std::mem::replace(&mut part.choice, Choice::Dropped(String::new())))
            .collect();
        self.agrees(before, judge)?;
        // One part after the other, in the order in which later ones build upon earlier ones.
        for (at, wanted) in wanted.into_iter().enumerate() {
            let first = match wanted {
                Choice::Form(form) => form,
                Choice::Dropped(reason) => {
                    self.parts[at].choice = Choice::Dropped(reason);
                    continue;
                }
            };
            let mut reason = None;
            for form in first..self.parts[at].forms.len() {
                self.parts[at].choice = Choice::Form(form);
                match self.agrees(before, judge) {
                    Ok(()) => {
                        reason = None;
                        break;
                    }
                    Err(wrong) => reason = reason.or(Some(wrong)),
                }
            }
            if let Some(reason) = reason {
                let part = &mut self.parts[at];
                let named = format!("{}: ", part.name());
                part.choice = Choice::Dropped(reason.strip_prefix(&named).unwrap_or(&reason).to_owned());
            }
        }
        Ok(())
    }

    fn agrees(&self, before: &[&str], judge: &Judge<'_>) -> Result<(), String> {
        let text = self.text();
        let texts: Vec<&str> = before.iter().copied().chain([text.as_str()]).collect();
        judge.agrees(&texts, &self.subject())
    }

    /// What the document is about.
    pub fn subject(&self) -> Subject<'_> {
        Subject { machine: self.machine, name: &self.address, known_as: &self.known_as }
    }

    /// The document.
    pub fn text(&self) -> String {
        let mut metadata = Map::line().with("name", self.name.as_str());
        let labels: BTreeMap<String, String> =
            self.member.map(|member| member.labels.clone()).unwrap_or_default();
        if !labels.is_empty() {
            let labels = labels.into_iter().fold(Map::line(), |map, (key, value)| map.with(key, value));
            metadata.put("labels", labels);
        }
        let mut document = Map::default()
            .with("apiVersion", API_VERSION)
            .with("kind", "VirtualMachine")
            .with("metadata", metadata);
        if let Some(member) = self.member {
            let mut lifecycle = Map::line();
            lifecycle.put_if("protect", member.protect.then_some(true));
            lifecycle.put_if("onRemove", (member.on_remove == OnRemove::Delete).then_some("delete"));
            if !lifecycle.entries.is_empty() {
                document.put("lifecycle", lifecycle);
            }
        }
        document.put("spec", self.spec());
        emit::document(&[], &document)
    }

    fn spec(&self) -> Map {
        let mut spec = Map::default();
        for part in &self.parts {
            let Some(form) = part.chosen().cloned() else { continue };
            let Some(within) = part.within else {
                spec.entries.push(form);
                continue;
            };
            if !spec.entries.iter().any(|entry| entry.key == within) {
                spec.put(within, Map::default());
            }
            let map = spec.entries.iter_mut().find(|entry| entry.key == within);
            if let Some(Entry { value: Yaml::Map(map), .. }) = map {
                map.entries.push(form);
            }
        }
        spec.below.extend(self.parts.iter().filter_map(Part::comment));
        spec.below.extend(self.unsaid.iter().cloned());
        spec
    }

    /// What matters of that which the document does not declare.
    pub fn notes(&self) -> Vec<String> {
        let dropped = self.parts.iter().filter_map(|part| match &part.choice {
            Choice::Form(_) => None,
            Choice::Dropped(reason) => Some(format!("`{}` is left out: {reason}", part.name())),
        });
        self.notes.iter().cloned().chain(dropped).collect()
    }
}
