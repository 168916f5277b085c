//! Whether an action's effect is there. Success is what is read back, never an exit code.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::network;
use crate::diff::{disk, equal, machine as shape, tree};
use crate::inventory::{
    AttachedMedium, Inventory, Machine, MarkState, Medium, MediumHealth, MediumKind, Register, Registry,
    Shard,
};
use crate::model::settings::UsbFilter;
use crate::model::state::StateClass;
use crate::model::{FieldPath, Location, PowerState};
use crate::plan::{Action, Assignment, Insert, Target};

/// Whether reading the effect back needs the machine's power state.
pub fn needs_state(action: &Action) -> bool {
    matches!(
        action,
        Action::Start { .. }
            | Action::Shutdown { .. }
            | Action::PowerCut { .. }
            | Action::Pause { .. }
            | Action::Resume { .. }
            | Action::Reset { .. }
            | Action::SaveState { .. }
            | Action::DiscardState { .. }
    )
}

/// Whether VirtualBox itself refuses an action of a machine that runs or is held (measured, of every setting): asking for the state before costs as
/// much as the action. A saved state is in the settings file.
pub fn is_refused_unless_off(action: &Action) -> bool {
    matches!(action, Action::ModifyMachine { .. })
}

/// Whether all that an action needs and changes is the machine's own: nothing of other machines, registers or networks is looked at for it. What is
/// not named here is looked at with all that is there, which is never wrong.
pub fn is_of_one_machine(action: &Action) -> bool {
    needs_state(action)
        || matches!(
            action,
            Action::ModifyMachine { .. }
                | Action::ModifyLive { .. }
                | Action::SetSecureBoot { .. }
                | Action::MoveMachine { .. }
                | Action::SetSecret { .. }
                | Action::AddBandwidthGroup { .. }
                | Action::LimitBandwidthGroup { .. }
                | Action::RemoveBandwidthGroup { .. }
                | Action::AssignBandwidthGroup { .. }
                | Action::AddUsbFilter { .. }
                | Action::RemoveUsbFilter { .. }
                | Action::SetExtraData { .. }
                | Action::SetGuestProperty { .. }
                | Action::WriteMark { .. }
                | Action::AddController { .. }
                | Action::ChangeController { .. }
                | Action::RemoveController { .. }
                | Action::AddSharedFolder { .. }
                | Action::RemoveSharedFolder { .. }
                | Action::DescribeSnapshot { .. }
                // What it leaves behind is in the registry that is everybody's.
                | Action::Unregister { .. }
        )
}

/// What is missing of a bound action's effect; `None` where all of it is there. `made` is what the host said that it made.
pub fn missing(action: &Action, made: Option<Uuid>, now: &Inventory) -> Option<String> {
    let machine = match action.machine() {
        Some(Target::Existing(uuid)) => now.machines.get(uuid),
        _ => None,
    };
    let on_machine = |check: &dyn Fn(&Machine) -> Option<String>| match machine {
        Some(machine) => check(machine),
        None => Some("the machine is not registered".to_owned()),
    };
    match action {
        Action::CreateMachine { uuid, name, .. } => match uuid.and_then(|uuid| now.machines.get(&uuid)) {
            None => Some("the machine is not registered".to_owned()),
            Some(machine) if machine.name.as_deref() != Some(name) => {
                Some(format!("the machine is called {:?}", machine.name.as_deref().unwrap_or("?")))
            }
            Some(_) => None,
        },
        Action::ModifyMachine { set, .. } | Action::ModifyLive { set, .. } => {
            on_machine(&|machine| assignments(machine, set))
        }
        Action::SetSecureBoot { enabled, .. } => on_machine(&|machine| {
            let there = machine.settings.secure_boot;
            (there != Some(*enabled)).then(|| format!("secureBoot is {there:?} and not {enabled}"))
        }),
        Action::MoveMachine { folder, .. } => on_machine(&|machine| {
            let there = machine.folder();
            (there.parent() != Some(folder)).then(|| format!("its folder is {}", there.display()))
        }),
        // Nobody can read it back.
        Action::SetSecret { .. } => on_machine(&|_| None),
        Action::AddBandwidthGroup { name, group, .. } => on_machine(&|machine| {
            let there = machine.settings.bandwidth_groups.as_ref().and_then(|all| all.get(name));
            let Some(there) = there else { return Some(format!("there is no bandwidth group {name:?}")) };
            (there != group).then(|| format!("bandwidth group {name:?} is another one"))
        }),
        Action::LimitBandwidthGroup { name, limit, .. } => on_machine(&|machine| {
            let there = machine.settings.bandwidth_groups.as_ref().and_then(|all| all.get(name));
            let there = there.and_then(|group| group.limit);
            (there != Some(*limit)).then(|| format!("its limit is {there:?} and not {limit} bytes a second"))
        }),
        Action::RemoveBandwidthGroup { name, .. } => on_machine(&|machine| {
            let there = machine.settings.bandwidth_groups.as_ref().is_some_and(|all| all.contains_key(name));
            there.then(|| format!("bandwidth group {name:?} is still there"))
        }),
        Action::AssignBandwidthGroup { at, group, .. } => on_machine(&|machine| {
            let there = machine.attachment_at(&at.controller, at.port, at.device);
            let there = there.and_then(|there| there.bandwidth_group.as_deref()).unwrap_or_default();
            (there != group).then(|| format!("its bandwidth group is {there:?}"))
        }),
        Action::AddUsbFilter { position, filter, .. } => on_machine(&|machine| {
            let there = usb_filters(machine).and_then(|filters| filters.get(position));
            let Some(there) = there else { return Some(format!("there is no USB filter {position}")) };
            let wanted = serde_json::to_value(filter).unwrap_or_default();
            let there = serde_json::to_value(there).unwrap_or_default();
            let place = FieldPath::of(["usb", "filters"]).join(position);
            let same = |path: &FieldPath, a: &Value, b: &Value| {
                equal(&FieldPath::of(place.keys().iter().chain(path.keys()).cloned()), a, b)
            };
            let difference = tree::compare(&wanted, &there, &same).into_iter().next()?;
            Some(format!("{} of USB filter {position} is not as it should be", difference.path))
        }),
        // What is behind it has moved down: how many there were is not known here, and VirtualBox refuses what is not there.
        Action::RemoveUsbFilter { .. } => on_machine(&|_| None),
        Action::SetExtraData { key, value, .. } => on_machine(&|machine| {
            let there =
                machine.settings.extra_data.as_ref().and_then(|data| data.get(key)).cloned().flatten();
            (there != *value).then(|| differs("extraData", key, there.as_deref(), value.as_deref()))
        }),
        Action::SetGuestProperty { key, value, .. } => on_machine(&|machine| {
            let there =
                machine.settings.guest_properties.as_ref().and_then(|data| data.get(key)).cloned().flatten();
            (there != *value).then(|| differs("guestProperties", key, there.as_deref(), value.as_deref()))
        }),
        Action::WriteMark { mark, .. } => on_machine(&|machine| match (mark, &machine.mark) {
            (None, MarkState::None) => None,
            (Some(wanted), MarkState::Valid(there))
                if wanted.stack == there.stack && wanted.address == there.address =>
            {
                None
            }
            _ => Some("the mark is not there".to_owned()),
        }),
        Action::WriteRegister { shard } => register(shard, now),
        Action::AddController { name, controller, .. }
        | Action::ChangeController { name, controller, .. } => on_machine(&|machine| {
            let there = machine.settings.controllers.as_ref().and_then(|all| all.get(name));
            let Some(there) = there else { return Some(format!("there is no controller {name:?}")) };
            let wanted = serde_json::to_value(controller).unwrap_or_default();
            let there = serde_json::to_value(there).unwrap_or_default();
            first_difference(&wanted, &there)
        }),
        Action::RemoveController { name, .. } => on_machine(&|machine| {
            let there = machine.settings.controllers.as_ref().is_some_and(|all| all.contains_key(name));
            there.then(|| format!("controller {name:?} is still there"))
        }),
        Action::CreateDisk { size, .. } => match made.and_then(|uuid| now.media.get(&uuid)) {
            None => Some("the disk is not registered".to_owned()),
            Some(medium) if medium.size.is_some_and(|there| there != *size) => Some(format!(
                "its capacity is {}",
                medium.size.map_or_else(String::new, |size| size.to_string())
            )),
            Some(_) => None,
        },
        Action::CloneDisk { .. } => {
            let there = made.is_some_and(|uuid| now.media.contains_key(&uuid));
            (!there).then(|| "the disk is not registered".to_owned())
        }
        Action::SetDisk { medium, disk_type, description } => on_medium(medium, now, &|there| {
            if let Some(wanted) = disk_type.as_ref().filter(|wanted| **wanted != there.medium_type) {
                return Some(format!("its type is {} and not {wanted}", there.medium_type));
            }
            let other = description.as_ref().is_some_and(|wanted| *wanted != there.description);
            other.then(|| format!("its description is {:?}", there.description))
        }),
        Action::MoveDisk { medium, location } | Action::LocateDisk { medium, location } => {
            on_medium(medium, now, &|there| {
                (there.location != *location).then(|| format!("its file is {}", there.location.display()))
            })
        }
        // The host has looked at the files.
        Action::ClearBirth { machine, .. } => {
            now.machines.contains_key(machine).then(|| "the machine is registered".to_owned())
        }
        // A file that is not registered was looked at by the host.
        Action::RenewDisk { file, to, .. } => match now.media.get(to) {
            Some(Medium { location, health: MediumHealth::Inaccessible(reason), .. }) if location == file => {
                Some(reason.clone())
            }
            _ => None,
        },
        Action::GrowDisk { medium, size } => match medium {
            Target::Existing(uuid) => match now.media.get(uuid) {
                None => Some("the disk is not registered".to_owned()),
                Some(medium) if medium.size.is_none_or(|there| there < *size) => Some(format!(
                    "its capacity is {}",
                    medium.size.map_or_else(|| "unknown".to_owned(), |s| s.to_string())
                )),
                Some(_) => None,
            },
            Target::Planned(_) => Some("the disk is not registered".to_owned()),
        },
        Action::Attach { at, insert, options, .. } => {
            on_machine(&|machine| attached(machine, at, insert, options, now))
        }
        Action::SetAutoReset { at, enabled, .. } => on_machine(&|machine| {
            let Some(leaf) = disk::at(machine, at).and_then(|leaf| now.media.get(&leaf)) else {
                return Some(format!("no disk is attached at {at}"));
            };
            (leaf.auto_reset != *enabled).then(|| {
                let what = if leaf.auto_reset { "thrown away" } else { "kept" };
                format!("what is written at {at} is {what} when it starts")
            })
        }),
        Action::Detach { at, .. } => on_machine(&|machine| {
            machine
                .attachment_at(&at.controller, at.port, at.device)
                .map(|_| format!("something is still attached at {at}"))
        }),
        Action::DeleteDisk { medium: Target::Existing(uuid), .. }
        | Action::CloseDisk { medium: Target::Existing(uuid) } => {
            now.media.contains_key(uuid).then(|| "the disk is still registered".to_owned())
        }
        Action::DeleteDisk { medium: Target::Planned(_), .. }
        | Action::CloseDisk { medium: Target::Planned(_) } => None,
        Action::AddSharedFolder { name, folder, .. } => on_machine(&|machine| {
            let there = machine.settings.shared_folders.as_ref().and_then(|all| all.get(name));
            let Some(there) = there else { return Some(format!("there is no shared folder {name:?}")) };
            let wanted = serde_json::to_value(folder).unwrap_or_default();
            let there = serde_json::to_value(there).unwrap_or_default();
            first_difference(&wanted, &there)
        }),
        Action::RemoveSharedFolder { name, .. } => on_machine(&|machine| {
            let there = machine.settings.shared_folders.as_ref().is_some_and(|all| all.contains_key(name));
            there.then(|| format!("shared folder {name:?} is still there"))
        }),
        Action::Start { .. } | Action::Resume { .. } | Action::Reset { .. } => {
            on_machine(&|machine| state(machine, StateClass::Running))
        }
        Action::Shutdown { .. } | Action::PowerCut { .. } | Action::DiscardState { .. } => {
            on_machine(&|machine| state(machine, StateClass::Off))
        }
        Action::Pause { .. } => on_machine(&|machine| state(machine, StateClass::Paused)),
        Action::SaveState { .. } => on_machine(&|machine| state(machine, StateClass::Saved)),
        Action::TakeSnapshot { name, .. } => on_machine(&|machine| {
            let there = crate::diff::snapshot::named(machine, name);
            there.is_none().then(|| format!("there is no snapshot {name:?}"))
        }),
        // Whether its disks went back no file tells: VirtualBox makes the snapshot the current one behind all that.
        Action::RestoreSnapshot { snapshot, .. } => on_machine(&|machine| {
            let there = machine.current_snapshot == Some(*snapshot);
            (!there).then(|| "another snapshot is the current one".to_owned())
        }),
        Action::DescribeSnapshot { snapshot, description, .. } => on_machine(&|machine| {
            let Some(there) = machine.snapshot(*snapshot) else {
                return Some("there is no such snapshot".to_owned());
            };
            let other = there.description != *description;
            other.then(|| format!("its description is {:?}", there.description))
        }),
        Action::DeleteSnapshot { snapshot, .. } => on_machine(&|machine| {
            machine.snapshot(*snapshot).map(|_| "the snapshot is still there".to_owned())
        }),
        Action::Network { change } => network::missing(change, now),
        Action::Unregister { .. } => machine.map(|_| "the machine is still registered".to_owned()),
    }
}

/// What the machine as it was before tells of an action that did only a part.
pub fn left_behind(action: &Action, before: &Inventory, after: &Inventory) -> Option<String> {
    match action {
        Action::Unregister { machine: Target::Existing(uuid), delete: true } => {
            left_of_machine(before.machines.get(uuid)?, after)
        }
        Action::RestoreSnapshot { machine: Target::Existing(uuid), .. } => {
            still_written_to(before.machines.get(uuid)?, before, after)
        }
        _ => None,
    }
}

/// A restored machine has new differences on its disks, also where the snapshot was the current one all the while (measured).
fn still_written_to(machine: &Machine, before: &Inventory, after: &Inventory) -> Option<String> {
    let now = after.machines.get(&machine.uuid)?;
    let kept = machine.attachments.iter().find_map(|attachment| match attachment.medium {
        AttachedMedium::Image(leaf) => {
            let medium = before.media.get(&leaf).filter(|medium| medium.parent.is_some())?;
            let is_attached = now.attachments.iter().any(|there| there.medium == attachment.medium);
            is_attached.then(|| medium.location.display().to_string())
        }
        AttachedMedium::HostDrive(_) | AttachedMedium::Empty => None,
    })?;
    Some(format!("it is attached as before: {kept}"))
}

/// What is left of a machine that was deleted with its disks: VirtualBox unregisters it first, and may stop in the middle of its
/// disks (measured). A disk that another machine has attached is in that machine's registry, and stays by right.
fn left_of_machine(machine: &Machine, after: &Inventory) -> Option<String> {
    let snapshots = machine.snapshots.iter().flat_map(crate::inventory::Snapshot::leaves_first);
    let attached = machine.attachments.iter().filter_map(|attachment| match attachment.medium {
        AttachedMedium::Image(medium) => Some(medium),
        AttachedMedium::HostDrive(_) | AttachedMedium::Empty => None,
    });
    let left = attached.chain(snapshots.flat_map(|snapshot| snapshot.media.iter().copied()));
    left.filter_map(|medium| after.media.get(&medium))
        .find(|medium| medium.kind == MediumKind::Disk && medium.registry == Registry::Global)
        .map(|medium| {
            format!("the machine is gone, and its disk {} is still registered", medium.location.display())
        })
}

fn usb_filters(machine: &Machine) -> Option<&BTreeMap<u32, UsbFilter>> {
    machine.settings.usb.as_ref()?.filters.as_ref()
}

fn on_medium(medium: &Target, now: &Inventory, check: &dyn Fn(&Medium) -> Option<String>) -> Option<String> {
    match medium {
        Target::Existing(uuid) => match now.media.get(uuid) {
            Some(medium) => check(medium),
            None => Some("the disk is not registered".to_owned()),
        },
        Target::Planned(_) => Some("the disk is not registered".to_owned()),
    }
}

fn state(machine: &Machine, wanted: StateClass) -> Option<String> {
    let there = machine.state.as_ref();
    if there.is_some_and(|state| state.class() == wanted) {
        return None;
    }
    Some(format!("its state is {}", there.map_or("unknown", PowerState::as_str)))
}

fn differs(what: &str, key: &str, there: Option<&str>, wanted: Option<&str>) -> String {
    let show = |value: Option<&str>| value.map_or_else(|| "absent".to_owned(), |value| format!("{value:?}"));
    format!("{what}.{key} is {} and not {}", show(there), show(wanted))
}

fn assignments(machine: &Machine, set: &[Assignment]) -> Option<String> {
    let live = shape::set_at(machine, set.iter().map(|assignment| &assignment.path));
    // Only the last word on a path counts: a rule that changes goes and comes.
    for (index, assignment) in set.iter().enumerate() {
        let again = set[index + 1..].iter().any(|later| later.path == assignment.path);
        if again || machine.why_unknown(&assignment.path).is_some() {
            continue;
        }
        let there = tree::get(&live, &assignment.path);
        let same = match (&assignment.value, there) {
            (None, None) => true,
            (Some(wanted), Some(there)) => equal(&assignment.path, wanted, there),
            _ => false,
        };
        if !same {
            let show = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), ToString::to_string);
            return Some(format!(
                "{} is {} and not {}",
                assignment.path,
                show(there),
                show(assignment.value.as_ref())
            ));
        }
    }
    None
}

fn first_difference(wanted: &Value, there: &Value) -> Option<String> {
    let difference =
        tree::compare(wanted, there, &|path: &FieldPath, a, b| equal(path, a, b)).into_iter().next()?;
    let show = |value: Option<Value>| value.map_or_else(|| "absent".to_owned(), |value| value.to_string());
    Some(format!("{} is {} and not {}", difference.path, show(difference.live), show(difference.declared)))
}

fn register(shard: &Shard, now: &Inventory) -> Option<String> {
    let (stack, number) = Shard::parse_key(&shard.key)?;
    let there = now.registers.get(&stack).and_then(|register: &Register| register.shards.get(&number));
    (there != shard.value.as_ref()).then(|| format!("{} is not as it was written", shard.key))
}

fn attached(
    machine: &Machine,
    at: &Location,
    insert: &Insert,
    options: &BTreeMap<String, bool>,
    now: &Inventory,
) -> Option<String> {
    let Some(there) = machine.attachment_at(&at.controller, at.port, at.device) else {
        return Some(format!("nothing is attached at {at}"));
    };
    let fits = match (insert, &there.medium) {
        (Insert::Nothing, AttachedMedium::Empty) => true,
        (Insert::HostDrive(wanted), AttachedMedium::HostDrive(name)) => wanted == name,
        (Insert::File(path), AttachedMedium::Image(uuid)) => {
            now.base_of(*uuid).is_some_and(|base| base.location == *path)
                || now.media.get(uuid).is_some_and(|medium| medium.location == *path)
        }
        // VirtualBox may put a new difference on top, for an immutable disk.
        (Insert::Medium(Target::Existing(wanted)), AttachedMedium::Image(uuid)) => {
            wanted == uuid || now.media.get(uuid).is_some_and(|medium| medium.parent == Some(*wanted))
        }
        _ => false,
    };
    if !fits {
        return Some(format!("something else is attached at {at}"));
    }
    options.iter().find_map(|(name, wanted)| {
        let there = match name.as_str() {
            "ssd" => there.non_rotational,
            "discard" => there.discard,
            "hotPluggable" => there.hot_pluggable,
            "passthrough" => there.passthrough,
            "tempEject" => there.temp_eject,
            _ => return None,
        };
        (there != *wanted).then(|| format!("{name} is {there} at {at}"))
    })
}
