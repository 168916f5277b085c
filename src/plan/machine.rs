//! From the differences of all machines to a plan: what is done while the guest runs, what needs it off, what stays undone.

use std::cell::LazyCell;
use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::action::{Action, Target};
use super::devices::{groups, remove_groups, secrets, usb_filters};
use super::draft::Draft;
use super::fields::{
    Before, Declared, apart, edit, effects, keyed_data, list, settings, shared_folders, undoable, unprepared,
};
use super::ports::Ports;
use super::power::{Power, state_path};
use super::storage::Storage;
use super::types::{Blocked, Expectation, ObjectPlan, Operation, PlannedField};
use crate::diff::{
    DifferenceKind, FieldDifference, MachineDifference, Owner, Presence, machine as shape, tree,
};
use crate::inventory::{Inventory, Machine, Mark, MarkState, Register};
use crate::model::capability::{self, Edit};
use crate::model::state::StateClass;
use crate::model::{
    Address, Dangers, Desired, DesiredDisk, DesiredMachine, DesiredState, DiskSource, FieldPath, Policy,
};

/// One declared machine with all that its plan depends on.
pub struct Scene<'a> {
    /// Its address.
    pub address: &'a Address,
    /// What is declared.
    pub machine: &'a DesiredMachine,
    /// The same as a tree.
    pub declared: Declared<'a>,
    /// What differs.
    pub difference: &'a MachineDifference,
    /// All that is declared.
    pub desired: &'a Desired,
    /// All that is there.
    pub inventory: &'a Inventory,
    /// What is permitted.
    pub policy: &'a Policy,
    /// Disks that machines before it make such that several can have them, and these machines.
    pub shared: &'a BTreeMap<Address, Address>,
}

impl Scene<'_> {
    /// All permissions that hold for the machine.
    pub fn allow(&self) -> Dangers {
        self.policy.allow.union(&self.machine.lifecycle.allow).copied().collect()
    }

    /// The live machine, where it is ours.
    pub fn live(&self) -> Option<&Machine> {
        match &self.difference.presence {
            Presence::Ours { uuid } | Presence::Unfinished { uuid } | Presence::Renamed { uuid, .. } => {
                self.inventory.machines.get(uuid)
            }
            _ => None,
        }
    }

    /// The address under which the register knows it: the former one of a machine that is renamed.
    pub fn known_as(&self) -> &Address {
        match &self.difference.presence {
            Presence::Renamed { from, .. } => from,
            _ => self.address,
        }
    }

    /// The address under which the register knows a disk of it.
    pub fn disk_known_as(&self, key: &str) -> Option<Address> {
        Some(Address::InlineDisk(self.known_as().machine_name()?.clone(), key.to_owned()))
    }

    /// The register that knows it.
    pub fn owner_register(&self) -> Option<&Register> {
        let stack = match &self.difference.presence {
            Presence::Renamed { from_stack, .. } => from_stack,
            _ => &self.desired.stack,
        };
        self.inventory.registers.get(stack)
    }

    /// What is done to it, and what is shown of that.
    pub fn plan(&self, ports: &mut Ports) -> (Option<ObjectPlan>, Draft) {
        let target = match self.live() {
            Some(live) => Target::Existing(live.uuid),
            None => Target::Planned(self.address.clone()),
        };
        let mut draft = Draft::new(self.address.clone(), target, self.allow());
        let object = match &self.difference.presence {
            Presence::Absent { uuid, lost } => Some(self.create(&mut draft, ports, *uuid, *lost)),
            Presence::Ours { uuid } | Presence::Unfinished { uuid } | Presence::Renamed { uuid, .. } => {
                self.change(&mut draft, ports, *uuid)
            }
            Presence::External { .. } => None,
            Presence::ExternalMissing => Some(self.blocked_object(
                None,
                Blocked {
                    fields: Vec::new(),
                    reason: format!(
                        "it is declared external, and VirtualBox has no machine {:?}",
                        self.machine.name.as_str()
                    ),
                    missing: Dangers::new(),
                    hints: vec!["make it by hand, or remove `lifecycle.external`".to_owned()],
                },
            )),
            Presence::Conflict { uuid, owner } => Some(self.conflict(*uuid, owner)),
            Presence::Unreadable { uuid, reason } => Some(self.blocked_object(
                Some(*uuid),
                Blocked {
                    fields: Vec::new(),
                    reason: format!("it is ours and cannot be read: {reason}"),
                    missing: Dangers::new(),
                    hints: vec!["`vboxmcp doctor` says more".to_owned()],
                },
            )),
        };
        (object, draft)
    }

    fn blocked_object(&self, uuid: Option<Uuid>, blocked: Blocked) -> ObjectPlan {
        ObjectPlan {
            address: self.address.clone(),
            operation: Operation::Blocked,
            uuid,
            fields: Vec::new(),
            effects: Vec::new(),
            blocked: vec![blocked],
            danger: Dangers::new(),
        }
    }

    /// The sentence and the three ways out.
    fn conflict(&self, uuid: Option<Uuid>, owner: &Owner) -> ObjectPlan {
        let name = self.machine.name.as_str();
        let there = uuid.map(|uuid| format!(" {{{uuid}}}")).unwrap_or_default();
        let adopt = format!("vboxmcp adopt {}", self.address);
        let rename = "rename the declaration (metadata.name)".to_owned();
        let external = "declare it `lifecycle: {external: true}`: referenced, never changed".to_owned();
        let (reason, hints) = match owner {
            Owner::Nobody => (
                format!("metadata.name: VirtualBox has a machine {name:?}{there} that no stack owns"),
                vec![adopt, rename, external],
            ),
            Owner::Stack { stack, address } => (
                format!("metadata.name: machine {name:?}{there} is {address} of stack {stack}"),
                vec![
                    format!(
                        "move it here: `lifecycle: {{renamedFrom: {stack}/{}}}`",
                        address.machine_name().map_or("", |n| n.as_str())
                    ),
                    rename,
                    external,
                ],
            ),
            Owner::Path(path) => (
                format!(
                    "metadata.name: {} is in the way of its settings file, and belongs to no registered machine",
                    path.display()
                ),
                vec![
                    format!("register it (`VBoxManage registervm {}`), then {adopt}", path.display()),
                    rename,
                    "move the file away".to_owned(),
                ],
            ),
            Owner::Unclear(reason) => (
                format!("metadata.name: machine {name:?}{there} has a mark that cannot be read: {reason}"),
                vec![rename, external, format!("remove its extradata `{}` if nobody owns it", Mark::KEY)],
            ),
            Owner::Several(uuids) => {
                let list: Vec<String> = uuids.iter().map(|uuid| format!("{{{uuid}}}")).collect();
                (
                    format!(
                        "metadata.name: VirtualBox has {} machines {name:?}: {}",
                        uuids.len(),
                        list.join(", ")
                    ),
                    vec![
                        format!("{adopt} --uuid UUID"),
                        rename,
                        "rename all but one of them by hand".to_owned(),
                    ],
                )
            }
        };
        self.blocked_object(uuid, Blocked { fields: Vec::new(), reason, missing: Dangers::new(), hints })
    }

    fn create(&self, draft: &mut Draft, ports: &mut Ports, uuid: Option<Uuid>, lost: bool) -> ObjectPlan {
        let birth = shape::birth(self.machine, None);
        // What `createvm` alone leaves: one adapter, on NAT (measured). The last ones VirtualBox refuses to set, also to the value
        // that they have, where the host lacks what they need.
        let bare = json!({
            "name": self.machine.name.as_str(),
            "osType": birth.get("osType"),
            "groups": self.machine.settings.groups.clone().unwrap_or_else(|| vec!["/".to_owned()]),
            "nics": {"1": {"mode": "nat", "nat": {"portForwards": {}}}},
            "disks": {}, "dvds": {}, "floppies": {}, "controllers": {}, "sharedFolders": {}, "extraData": {}, "guestProperties": {},
            "state": "poweroff",
            "bandwidthGroups": {}, "serialPorts": {}, "parallelPorts": {}, "usb": {"filters": {}},
            "autostart": {"enabled": false, "delay": 0, "stop": "disabled"}, "secureBoot": false, "pageFusion": false,
            "location": birth.get("location"),
        });
        let fields: Vec<FieldDifference> = tree::compare(&birth, &bare, &crate::diff::equal)
            .into_iter()
            .map(|difference| FieldDifference {
                kind: DifferenceKind::Change,
                unknown: None,
                source: Some(self.machine.source_of(&difference.path).to_string()),
                path: difference.path,
                declared: difference.declared,
                live: difference.live,
                last: None,
            })
            .collect();
        let machine = draft.target.clone();
        draft.push_expecting(
            Action::CreateMachine {
                uuid,
                name: self.machine.name.as_str().to_owned(),
                os_type: birth
                    .get("osType")
                    .and_then(Value::as_str)
                    .unwrap_or(shape::DEFAULT_OS_TYPE)
                    .to_owned(),
                groups: self.machine.settings.groups.clone().unwrap_or_default(),
                folder: self
                    .machine
                    .location
                    .clone()
                    .unwrap_or_else(|| self.inventory.host.machine_folder.clone()),
            },
            [],
            [Expectation::NameFree(self.machine.name.as_str().to_owned())],
        );
        let mark = Mark::new(self.desired.stack.clone(), self.address.clone(), uuid.unwrap_or_default());
        draft.push(Action::WriteMark { machine, mark: Some(mark) }, [], []);
        let changes: Vec<&FieldDifference> = fields
            .iter()
            .filter(|field| field.path != state_path() && !unprepared(draft, field, &self.inventory.host))
            .collect();
        self.offline(draft, ports, &changes);
        self.snapshots(draft, StateClass::Off);
        self.power(StateClass::Off).settle(draft);
        if lost {
            draft.effects.push("it was there at the last apply and is gone: it is made again".to_owned());
        }
        let shown = tree::leaves(&birth)
            .into_iter()
            .filter(|(_, value)| !value.as_object().is_some_and(serde_json::Map::is_empty))
            .filter(|(path, _)| path.parts() != ["name"])
            .map(|(path, value)| PlannedField {
                recommended: tree::get(self.declared.tree(), &path).is_none(),
                blocked: draft
                    .blocked
                    .iter()
                    .any(|blocked| blocked.fields.iter().any(|f| path.starts_with(f))),
                difference: FieldDifference {
                    kind: DifferenceKind::Change,
                    declared: Some(value.clone()),
                    live: None,
                    last: None,
                    unknown: None,
                    source: Some(self.machine.source_of(&path).to_string()),
                    path,
                },
            })
            .collect();
        self.object(Operation::Create, uuid, shown, draft)
    }

    fn object(
        &self,
        operation: Operation,
        uuid: Option<Uuid>,
        fields: Vec<PlannedField>,
        draft: &Draft,
    ) -> ObjectPlan {
        ObjectPlan {
            address: self.address.clone(),
            operation,
            uuid,
            fields,
            effects: draft.effects.clone(),
            blocked: draft.blocked.clone(),
            danger: draft.danger(),
        }
    }

    fn power(&self, live: StateClass) -> Power<'_> {
        let declared = self.machine.state.as_ref();
        Power { live, declared, stop_timeout: self.machine.stop_timeout, owed: self.owed(live).is_some() }
    }

    /// Why a machine cannot have its new name: VirtualBox gives a second machine the same one, and moves its folder into the way.
    fn name_taken(&self, field: &FieldDifference) -> Option<String> {
        let name = field.declared.as_ref()?.as_str().filter(|_| field.path.parts() == ["name"])?;
        let own = self.live()?.uuid;
        let other = self.inventory.machines_named(name).find(|other| other.uuid != own)?;
        Some(format!("another machine is named {name:?}, {{{}}}", other.uuid))
    }

    /// The state to which an earlier run that stopped the machine did not bring it back, where none is declared or none that can be
    /// reached from off.
    fn owed(&self, live: StateClass) -> Option<DesiredState> {
        if self.machine.state.as_ref().is_some_and(|state| *state != DesiredState::Saved) {
            return None;
        }
        let noted = |register: Option<&Register>, address| register?.entries.get(address)?.owes.clone();
        // A run that was about to rename it has noted that under the new name.
        let own = self.inventory.registers.get(&self.desired.stack);
        let owed = noted(own, self.address).or_else(|| noted(self.owner_register(), self.known_as()))?;
        let half_way = live == StateClass::Running && owed == DesiredState::Paused;
        // In any other state somebody has taken care of it.
        let wanted = self.machine.state.as_ref().is_none_or(|state| *state == owed);
        (wanted && (live == StateClass::Off || half_way)).then_some(owed)
    }

    fn change(&self, draft: &mut Draft, ports: &mut Ports, uuid: Uuid) -> Option<ObjectPlan> {
        let live = self.inventory.machines.get(&uuid)?;
        let class = live.state.as_ref().map_or(StateClass::Moving, crate::model::PowerState::class);
        let mut now: Vec<&FieldDifference> = Vec::new();
        let mut off: Vec<&FieldDifference> = Vec::new();
        let owed = self.owed(class);
        let mut state_differs = owed.is_some();
        let storage = LazyCell::new(|| Storage::of(self));
        for field in &self.difference.fields {
            if field.path == state_path() {
                state_differs = true;
                continue;
            }
            if undoable(draft, field) || unprepared(draft, field, &self.inventory.host) {
                continue;
            }
            if let Some(reason) = storage.ungrowable(&field.path) {
                draft.block(
                    vec![field.path.clone()],
                    reason,
                    vec!["copy it into a dynamic VDI with `VBoxManage clonemedium` and declare the copy's location".to_owned()],
                );
                continue;
            }
            if let Some(reason) = storage.occupied(field) {
                let hints = vec!["move it with `at:`, or declare the controller".to_owned()];
                draft.block(vec![field.path.clone()], reason, hints);
                continue;
            }
            if let Some(reason) = self.name_taken(field) {
                draft.block(vec![field.path.clone()], reason, vec!["rename the declaration".to_owned()]);
                continue;
            }
            if let Some(obstacle) = storage.obstacles.get(&field.path) {
                draft.block(
                    vec![field.path.clone()],
                    format!("{}: {obstacle}", field.path),
                    vec!["declare another place with `at:`, for the one or for the other".to_owned()],
                );
                continue;
            }
            if capability::allows(&field.path, edit(field), None, class) {
                now.push(field);
            } else {
                off.push(field);
            }
        }
        let marked = matches!(live.mark, MarkState::Valid(ref mark)
            if mark.stack == self.desired.stack && mark.address == *self.address);
        if !marked {
            let mark = Mark::new(self.desired.stack.clone(), self.address.clone(), uuid);
            draft.push(Action::WriteMark { machine: draft.target.clone(), mark: Some(mark) }, [], []);
        }
        if let Some(owed) = &owed {
            draft.effects.push(format!("an earlier run stopped it and was cut short: back to {owed}"));
        }
        draft.owes.clone_from(&owed);
        let power = Power { declared: self.machine.state.as_ref().or(owed.as_ref()), ..self.power(class) };
        if class == StateClass::Off {
            self.offline(draft, ports, &now);
            self.snapshots(draft, class);
            if state_differs {
                power.settle(draft);
            }
        } else {
            self.while_up(draft, ports, &now, class);
            if off.is_empty() || !self.while_off(draft, ports, &off, power) {
                self.snapshots(draft, class);
                if state_differs {
                    power.settle(draft);
                }
            }
        }
        if draft.acts() {
            draft.expect_what_is_there(live, &shape::settings_tree(&live.settings));
        }
        if draft.is_idle() {
            return None;
        }
        let fields = self
            .difference
            .fields
            .iter()
            .map(|field| PlannedField {
                difference: field.clone(),
                blocked: draft.blocked.iter().any(|blocked| blocked.fields.contains(&field.path)),
                recommended: false,
            })
            .collect();
        let operation = if draft.acts() { Operation::Change } else { Operation::Blocked };
        if let Presence::Unfinished { .. } | Presence::Renamed { unfinished: true, .. } =
            &self.difference.presence
        {
            draft.effects.push("an earlier run was cut short: its birth is finished".to_owned());
        }
        if let Presence::Renamed { from, from_stack, .. } = &self.difference.presence {
            let stack = if *from_stack == self.desired.stack {
                String::new()
            } else {
                format!(" of stack {from_stack}")
            };
            draft.effects.push(format!("was {from}{stack}"));
        }
        Some(self.object(operation, Some(uuid), fields, draft))
    }

    /// Stops the machine for what can be changed only then, and starts it again; `false` where it is not stopped: because that is not
    /// permitted, or because nothing could be done of what it would be stopped for.
    fn while_off(
        &self,
        draft: &mut Draft,
        ports: &mut Ports,
        fields: &[&FieldDifference],
        power: Power<'_>,
    ) -> bool {
        let cause: Vec<FieldPath> = fields.iter().map(|field| field.path.clone()).collect();
        let why = format!("{} can be changed only while it is off", list(&cause));
        let before = draft.steps.len();
        if !power.stop(draft, &cause, &why) {
            return false;
        }
        let stopped = draft.steps.len();
        self.offline(draft, ports, fields);
        if draft.steps.len() == stopped {
            draft.steps.truncate(before);
            return false;
        }
        self.snapshots(draft, StateClass::Off);
        power.start_again(draft, &cause);
        true
    }

    /// Whether nothing is to be changed in its settings: nothing differs, and it has no disk that may have to become another one's, too.
    /// Most machines of most plans are so, and need not be thought about.
    fn is_as_declared(&self) -> bool {
        let shares = |disk: &DesiredDisk| matches!(disk.disk, DiskSource::Reference { .. });
        self.live().is_some()
            && self.difference.fields.is_empty()
            && !self.machine.disks.iter().flat_map(BTreeMap::values).any(|disk| shares(disk))
    }

    fn before(&self) -> Before<'_> {
        let live = self.live();
        let of_live = live.and_then(|live| live.settings.os_type.as_deref());
        let os_type = self.machine.settings.os_type.as_deref().or(of_live).unwrap_or(shape::DEFAULT_OS_TYPE);
        Before { live, os_type, declared: &self.declared, secrets: &self.machine.secrets }
    }

    /// Fields for secrets that are declared, with the digests that stand for their values.
    pub fn secrets(&self) -> Vec<(FieldPath, String)> {
        let all = self.machine.secrets.iter();
        all.filter_map(|(path, secret)| Some((path.clone(), secret.digest.clone()?))).collect()
    }

    /// The mark that makes VirtualBox save what a live change would leave in its memory: another one than is there by then.
    /// `saves` counts those of this plan.
    fn save<'p>(&self, saves: &mut u64, set: impl IntoIterator<Item = &'p FieldPath>) -> Option<Mark> {
        let live = self.live()?;
        let is_memory_only = |path| capability::is_memory_only(path, Edit::Change, StateClass::Running);
        if !set.into_iter().any(is_memory_only) {
            return None;
        }
        *saves += 1;
        let own = Mark::new(self.desired.stack.clone(), self.address.clone(), live.uuid);
        let there = match &live.mark {
            MarkState::Valid(mark) => mark.n.max(own.n),
            _ => own.n,
        };
        Some(Mark { n: there + *saves, ..own })
    }

    /// What can be done without touching the guest's state.
    fn while_up(&self, draft: &mut Draft, ports: &mut Ports, fields: &[&FieldDifference], class: StateClass) {
        let machine = draft.target.clone();
        let (set, cause, expects) = settings(fields, ports, &self.before());
        let mut saves = 0;
        if !set.is_empty() {
            draft.effects.extend(effects(&set, &cause, &self.machine.bridges));
            let action = if class == StateClass::Saved {
                Action::ModifyMachine { machine, set }
            } else {
                let save = self.save(&mut saves, set.iter().map(|assignment| &assignment.path));
                Action::ModifyLive { machine, set, save }
            };
            draft.push_expecting(action, cause, expects);
        }
        groups(draft, fields);
        let mut storage = Storage::of(self);
        storage.apply(draft, fields);
        remove_groups(draft, fields, self);
        usb_filters(draft, fields, &self.difference.live);
        keyed_data(draft, fields, |path| {
            if class == StateClass::Saved { None } else { self.save(&mut saves, [path]) }
        });
    }

    /// What is done while the machine is off, in the order that VirtualBox needs.
    fn offline(&self, draft: &mut Draft, ports: &mut Ports, fields: &[&FieldDifference]) {
        if self.is_as_declared() {
            return;
        }
        let machine = draft.target.clone();
        let mut storage = Storage::of(self);
        storage.recreate(draft, fields);
        storage.detach(draft, fields);
        shared_folders(draft, fields, self.live().map(|live| &*live.settings), true);
        groups(draft, fields);
        let (set, cause, mut expects) = settings(fields, ports, &self.before());
        if !set.is_empty() {
            draft.effects.extend(effects(&set, &cause, &self.machine.bridges));
            if matches!(draft.target, Target::Existing(_)) {
                expects.push(Expectation::State(StateClass::Off.word().to_owned()));
            } else {
                expects.clear();
            }
            draft.push_expecting(Action::ModifyMachine { machine, set }, cause, expects);
        }
        let of_live = || self.live()?.settings.groups.as_deref();
        apart(draft, fields, self.machine.settings.groups.as_deref().or_else(of_live));
        storage.controllers(draft, fields);
        storage.apply(draft, fields);
        storage.finish_sharing(draft);
        Storage::remove_controllers(draft, fields);
        remove_groups(draft, fields, self);
        usb_filters(draft, fields, &self.difference.live);
        secrets(draft, fields, self);
        shared_folders(draft, fields, self.live().map(|live| &*live.settings), false);
        keyed_data(draft, fields, |_| None);
    }
}
