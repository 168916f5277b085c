//! `--target`, `--exclude` and `-l`: a plan about some of the declared objects.
//!
//! What a chosen machine needs is chosen with it: its networks, its disks, the machines that it depends on. What is not chosen is left
//! as it is, and so is the stack's register of it; nothing is pruned.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::machine_edges;
use crate::diff::{ChangeSet, DiskPresence, Finding, NetworkPresence};
use crate::failure::{Failure, Kind};
use crate::manifest::suggest::nearest;
use crate::model::{Address, Desired, Pattern, Selection};

/// The declared objects that are meant, and nothing that they need.
pub fn meant(selection: &Selection, desired: &Desired) -> Result<BTreeSet<Address>, Failure> {
    let labelled = labelled(desired);
    for pattern in selection.target.iter().chain(&selection.exclude) {
        if !labelled.keys().any(|address| pattern.matches(address)) {
            return Err(nothing(pattern, &labelled));
        }
    }
    let chosen: BTreeSet<Address> = labelled
        .into_iter()
        .filter(|(address, labels)| selection.chooses(address, labels))
        .map(|(address, _)| address.clone())
        .collect();
    if chosen.is_empty() {
        let labels: Vec<String> = selection.labels.iter().map(ToString::to_string).collect();
        let failure = Failure::new(Kind::Usage, "no declared object is chosen");
        let hint = if labels.is_empty() {
            "`--exclude` leaves nothing over of what `--target` means".to_owned()
        } else {
            format!("none that is meant has the labels {}", labels.join(","))
        };
        return Err(failure.hint(hint));
    }
    Ok(chosen)
}

/// The declared objects that are meant, with what they need.
pub fn choose(selection: &Selection, desired: &Desired) -> Result<BTreeSet<Address>, Failure> {
    let mut chosen = meant(selection, desired)?;
    let edges = machine_edges(desired);
    loop {
        let needed: Vec<Address> = edges
            .iter()
            .filter(|edge| chosen.contains(&edge.from) && !chosen.contains(&edge.to))
            .filter(|edge| !selection.excludes(&edge.to))
            .map(|edge| edge.to.clone())
            .collect();
        if needed.is_empty() {
            return Ok(chosen);
        }
        chosen.extend(needed);
    }
}

/// Leaves only what is chosen of the differences. An excluded network or disk that a chosen machine needs must be there.
pub fn narrow(changes: &mut ChangeSet, chosen: &BTreeSet<Address>, desired: &Desired) -> Result<(), Failure> {
    for edge in machine_edges(desired) {
        let network = changes.networks.get(&edge.to).map(|network| &network.presence);
        let disk = changes.disks.get(&edge.to).map(|disk| &disk.presence);
        let is_missing = matches!(network, Some(NetworkPresence::Absent { .. }))
            || matches!(disk, Some(DiskPresence::Absent { .. }));
        if chosen.contains(&edge.from) && !chosen.contains(&edge.to) && is_missing {
            return Err(Failure::new(
                Kind::Usage,
                format!("{} needs {} ({}), which is excluded and not there", edge.from, edge.to, edge.field),
            )
            .hint(format!("leave `--exclude {}` out, or exclude {} too", edge.to, edge.from)));
        }
    }
    changes.networks.retain(|address, _| chosen.contains(address));
    changes.disks.retain(|address, _| chosen.contains(address));
    changes.machines.retain(|address, _| chosen.contains(address));
    changes.undeclared.clear();
    changes.superseded.clear();
    changes
        .findings
        .retain(|finding| finding.address.as_ref().is_none_or(|address| chosen.contains(address)));
    Ok(())
}

/// Leaves only what is meant of a declaration that is to be removed. What stays must not need what goes.
pub fn only(selection: &Selection, desired: &mut Desired) -> Result<(), Failure> {
    let chosen = meant(selection, desired)?;
    for edge in machine_edges(desired) {
        let is_used = !matches!(edge.to, Address::Machine(_));
        if is_used && chosen.contains(&edge.to) && !chosen.contains(&edge.from) {
            return Err(Failure::new(
                Kind::Usage,
                format!("{} stays and needs {} ({}), which would go", edge.from, edge.to, edge.field),
            )
            .hint(format!("choose {} too, or leave {} out", edge.from, edge.to)));
        }
    }
    desired.machines.retain(|address, _| chosen.contains(address));
    desired.disks.retain(|address, _| chosen.contains(address));
    desired.networks.retain(|address, _| chosen.contains(address));
    for snapshot in &mut desired.snapshots {
        snapshot.machines.retain(|address| chosen.contains(address));
    }
    desired.snapshots.retain(|snapshot| !snapshot.machines.is_empty());
    Ok(())
}

/// What a plan says of being about some of the objects.
pub fn note(chosen: &BTreeSet<Address>, desired: &Desired) -> Finding {
    let all = labelled(desired).len();
    Finding {
        address: None,
        text: format!("{} of {all} declared objects are looked at; nothing is pruned", chosen.len()),
    }
}

fn labelled(desired: &Desired) -> BTreeMap<&Address, &BTreeMap<String, String>> {
    let networks = desired.networks.iter().map(|(address, network)| (address, &network.labels));
    let disks = desired.disks.iter().map(|(address, disk)| (address, &disk.labels));
    let machines = desired.machines.iter().map(|(address, machine)| (address, &machine.labels));
    networks.chain(disks).chain(machines).collect()
}

fn nothing(pattern: &Pattern, labelled: &BTreeMap<&Address, &BTreeMap<String, String>>) -> Failure {
    let failure = Failure::new(Kind::Usage, format!("no declared object is meant by {pattern}"));
    let addresses: Vec<String> = labelled.keys().map(ToString::to_string).collect();
    let pattern = pattern.to_string();
    if pattern.starts_with("snapshot/") {
        return failure.hint("snapshots are taken with their machines: choose those");
    }
    match nearest(&pattern, addresses.iter().map(String::as_str)) {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None => failure.hint("`vboxmcp validate -o json` lists what is declared"),
    }
}
