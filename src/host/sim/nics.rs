//! Adapters of simulated machines, off and live.

use serde_json::Value;

use super::birth;
use super::modify::text;
use super::refusal::{self, No, no, unsupported};
use super::slot::Slot;
use super::world::{Hardware, SimMachine, World};
use crate::model::nic::{NicType, Promiscuous};
use crate::model::settings::Chipset;
use crate::model::{Nat, NicMode, PortForward};
use crate::plan::Assignment;

/// The number in `nics.N...`.
fn slot_number(path: &[&str]) -> Result<u32, No> {
    path.get(1).and_then(|number| number.parse().ok()).ok_or_else(|| unsupported(path.join(".")))
}

/// Whether the adapter of `nics.N...` is enabled.
pub fn is_enabled(hardware: &Hardware, path: &[&str]) -> bool {
    slot_number(path).ok().and_then(|number| hardware.slots.get(&number)).is_some_and(|slot| slot.enabled)
}

/// An adapter that nobody has touched. Those that only one chipset has come without a cable.
fn untouched(number: u32, os_type: &str) -> Slot {
    let mut slot = Slot::untouched(birth::nic_type(os_type));
    slot.nic.cable = Some(number <= 8);
    slot
}

/// One setting of an adapter, as `modifyvm` changes it.
pub fn assign(world: &mut World, machine: &mut SimMachine, assignment: &Assignment) -> Result<(), No> {
    let path = assignment.path.parts();
    let number = slot_number(&path)?;
    // The chipset that the machine has before the call: slots of a new one are not there yet.
    let before = world.machine(machine.uuid)?.hardware.settings.chipset.clone();
    let most = if before == Some(Chipset::Ich9) { 36 } else { 8 };
    if !(1..=most).contains(&number) {
        return Err(no(&refusal::NIC_NUMBER, &[&number]));
    }
    let os_type = machine.hardware.settings.os_type.clone().unwrap_or_default();
    let slot = machine.hardware.slots.entry(number).or_insert_with(|| untouched(number, &os_type).into());
    if let (["nics", _, "bandwidthGroup"], Some(Value::String(group))) = (path.as_slice(), &assignment.value)
        && !group.is_empty()
        && !machine.hardware.settings.bandwidth_groups.iter().flatten().any(|(name, _)| name == group)
    {
        return Err(no(&refusal::GROUP_UNKNOWN, &[group]));
    }
    if let (["nics", _], None) = (path.as_slice(), &assignment.value) {
        slot.enabled = false;
        return Ok(());
    }
    if let ["nics", _, "mode"] = path.as_slice() {
        let mode = text(assignment)?;
        let mode = NicMode::parse(&mode).ok_or_else(|| no(&refusal::NIC_MODE, &[&mode, &number]))?;
        slot.nic.mode = Some(mode);
        slot.enabled = true;
        if slot.nic.mac.is_none() {
            slot.nic.mac = Some(world.fresh_mac());
        }
        return Ok(());
    }
    set(slot, number, &path[2..], assignment)
}

/// One setting of an adapter, as `controlvm` changes it.
pub fn assign_live(machine: &mut SimMachine, assignment: &Assignment) -> Result<(), No> {
    let path = assignment.path.parts();
    let number = slot_number(&path)?;
    match path.get(2..).unwrap_or_default() {
        [] => return Err(no(&refusal::LIVE_NIC_NONE, &[&number])),
        ["mode"] => {
            let mode = text(assignment)?;
            let mode = NicMode::parse(&mode).ok_or_else(|| no(&refusal::NIC_MODE, &[&mode, &number]))?;
            let slot = machine.hardware.slots.get_mut(&number).filter(|slot| slot.enabled);
            let slot = slot.ok_or_else(|| no(&refusal::LIVE_NIC_DISABLED, &[&number]))?;
            slot.nic.mode = Some(mode);
            return Ok(());
        }
        ["cable" | "promiscuous" | "network" | "trace" | "driver" | "properties", ..]
        | ["nat", "portForwards", ..] => {}
        _ => return Err(unsupported(format!("changing {} of a running machine", assignment.path))),
    }
    let os_type = machine.hardware.settings.os_type.clone().unwrap_or_default();
    let slot = machine.hardware.slots.entry(number).or_insert_with(|| untouched(number, &os_type).into());
    set(slot, number, &path[2..], assignment)
}

fn set(slot: &mut Slot, number: u32, path: &[&str], assignment: &Assignment) -> Result<(), No> {
    let unknown = || unsupported(format!("{} = {:?}", assignment.path, assignment.value));
    match path {
        ["nat", "portForwards", name] => rule(&mut slot.nat, name, assignment),
        ["network"] => {
            let mode = slot.nic.mode.clone().unwrap_or(NicMode::Unattached);
            slot.networks.insert(mode.as_str().to_owned(), text(assignment)?);
            Ok(())
        }
        ["driver"] => {
            slot.driver = text(assignment)?;
            Ok(())
        }
        ["properties", key] => {
            match &assignment.value {
                Some(Value::String(value)) => slot.properties.insert((*key).to_owned(), value.clone()),
                _ => slot.properties.remove(*key),
            };
            Ok(())
        }
        ["mac"] => {
            let mac = text(assignment)?;
            let hex = mac.len() == 12 && mac.chars().all(|c| c.is_ascii_hexdigit());
            let unicast = mac.as_bytes().get(1).is_some_and(|digit| b"02468ACEace".contains(digit));
            if !(hex && unicast) {
                return Err(no(&refusal::MAC, &[]));
            }
            slot.nic.mac = Some(mac.to_ascii_uppercase());
            Ok(())
        }
        ["type"] => {
            let word = text(assignment)?;
            let nic_type = NicType::parse(&word).ok_or_else(|| no(&refusal::NIC_TYPE, &[&word, &number]))?;
            slot.nic.nic_type = Some(nic_type);
            Ok(())
        }
        ["promiscuous"] => {
            slot.nic.promiscuous = Some(Promiscuous::parse(&text(assignment)?).ok_or_else(unknown)?);
            Ok(())
        }
        ["nat", below @ ..] => set_below(&mut slot.nat, below, assignment),
        below => set_below(&mut slot.nic, below, assignment),
    }
}

/// A value that is kept as it is given.
fn set_below<T: serde::Serialize + serde::de::DeserializeOwned>(
    place: &mut T,
    path: &[&str],
    assignment: &Assignment,
) -> Result<(), No> {
    let broken = |error: serde_json::Error| unsupported(format!("{}: {error}", assignment.path));
    let mut tree = serde_json::to_value(&*place).map_err(broken)?;
    let target = path.iter().try_fold(&mut tree, |value, key| value.get_mut(*key));
    match (target, &assignment.value) {
        (Some(target), Some(value)) => *target = value.clone(),
        _ => return Err(unsupported(format!("{} = {:?}", assignment.path, assignment.value))),
    }
    *place = serde_json::from_value(tree).map_err(broken)?;
    Ok(())
}

fn rule(nat: &mut Nat, name: &str, assignment: &Assignment) -> Result<(), No> {
    let rules = nat.port_forwards.get_or_insert_default();
    let Some(value) = &assignment.value else {
        return match rules.remove(name) {
            Some(_) => Ok(()),
            None => Err(no(&refusal::RULE_UNKNOWN, &[])),
        };
    };
    let rule: PortForward = value
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| unsupported(format!("{} = {value}", assignment.path)))?;
    if rules.contains_key(name) {
        return Err(no(&refusal::RULE_NAME, &[]));
    }
    let same = |other: &PortForward| {
        other.host_port == rule.host_port && other.host_ip == rule.host_ip && other.protocol == rule.protocol
    };
    if rules.values().any(same) {
        return Err(no(&refusal::RULE_PORT, &[]));
    }
    rules.insert(name.to_owned(), rule);
    Ok(())
}
