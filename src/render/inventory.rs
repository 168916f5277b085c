//! What a host has: tables of machines and disks, one machine in full.

use std::io::{self, Write};

use serde::Serialize;

use super::View;
use super::table::Table;
use super::text::printable;
use super::value::{lines, place, spelled};
use crate::diff::tree;
use crate::inventory::{AttachedMedium, Inventory, Machine, Problem, Snapshot};
use crate::model::{Bytes, FieldPath, Mebibytes};
use crate::ops::{DiskRow, GetResponse, MachineRow, NetworkRow};

/// Writes a table of machines.
pub fn write_machines(out: &mut dyn Write, rows: &[MachineRow], view: &View) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "No machines.");
    }
    let mut table = Table::new(&["NAME", "STATE", "CPUS", "MEMORY", "STACK", "ADDRESS", "UUID", "REASON"]);
    for row in rows {
        table.row(&[
            row.name.clone().unwrap_or_else(|| format!("{{{}}}", row.uuid)),
            row.state.clone().unwrap_or_else(|| "?".to_owned()),
            row.cpus.map(|cpus| cpus.to_string()).unwrap_or_default(),
            row.memory.map(|memory| Mebibytes(memory).to_string()).unwrap_or_default(),
            row.stack.clone().unwrap_or_default(),
            row.address.as_ref().map(ToString::to_string).unwrap_or_default(),
            if view.verbose { row.uuid.to_string() } else { String::new() },
            row.reason.clone().unwrap_or_default(),
        ]);
    }
    table.write(out, view)
}

/// Writes a table of disks.
pub fn write_disks(out: &mut dyn Write, rows: &[DiskRow], view: &View) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "No disks.");
    }
    let mut table = Table::new(&["LOCATION", "FORMAT", "SIZE", "MACHINES", "UUID", "REASON"]);
    for row in rows {
        table.row(&[
            row.location.clone(),
            row.format.clone(),
            row.size.map(|size| Bytes(size).to_string()).unwrap_or_default(),
            row.machines.join(", "),
            if view.verbose { row.uuid.to_string() } else { String::new() },
            row.reason.clone().unwrap_or_default(),
        ]);
    }
    table.write(out, view)
}

/// Writes a table of networks.
pub fn write_networks(out: &mut dyn Write, rows: &[NetworkRow], view: &View) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "No networks.");
    }
    let mut table = Table::new(&["NAME", "KIND", "ADDRESSES", "DHCP", "MACHINES", "STACK", "ADDRESS"]);
    for row in rows {
        let dhcp = row.dhcp.as_ref().map(|dhcp| match (&dhcp.enabled, &dhcp.range) {
            (Some(false), _) => "off".to_owned(),
            (_, Some(range)) => range.clone(),
            (_, None) => "on".to_owned(),
        });
        table.row(&[
            row.name.clone(),
            row.kind.key().to_owned(),
            row.addresses.clone().unwrap_or_default(),
            dhcp.unwrap_or_default(),
            row.machines.join(", "),
            row.stack.clone().unwrap_or_default(),
            row.address.as_ref().map(ToString::to_string).unwrap_or_default(),
        ]);
    }
    table.write(out, view)
}

/// Writes what could not be read, other than machines.
pub fn write_problems(out: &mut dyn Write, problems: &[Problem], view: &View) -> io::Result<()> {
    let s = &view.styles;
    for problem in problems {
        let (what, reason) = (printable(&problem.what), printable(&problem.reason));
        writeln!(out, "{}warning:{:#} {what}: {reason}", s.change, s.change)?;
    }
    Ok(())
}

/// Writes one machine in full.
pub fn write_machine(
    out: &mut dyn Write,
    row: &MachineRow,
    inventory: &Inventory,
    view: &View,
) -> io::Result<()> {
    let s = &view.styles;
    let Some(machine) = inventory.machines.get(&row.uuid) else { return Ok(()) };
    let name = machine.name.as_deref().unwrap_or("?");
    writeln!(out, "{}{}{:#} {{{}}}", s.strong, printable(name), s.strong, machine.uuid)?;
    let mut facts = vec![("state", row.state.clone().unwrap_or_else(|| "?".to_owned()))];
    let owner = match (&row.stack, &row.address) {
        (Some(stack), Some(address)) => format!("{address} of stack {stack}"),
        _ => "nobody".to_owned(),
    };
    facts.push(("owner", owner));
    facts.push(("settings file", machine.settings_file.display().to_string()));
    if let Some(reason) = &row.reason {
        facts.push(("reason", reason.clone()));
    }
    for (fact, value) in facts {
        writeln!(out, "  {fact:<14}{}", printable(&value))?;
    }
    if machine.access.is_readable() {
        writeln!(out, "{}settings{:#}", s.strong, s.strong)?;
        write_settings(out, machine, view)?;
    }
    if !machine.attachments.is_empty() {
        writeln!(out, "{}attached{:#}", s.strong, s.strong)?;
    }
    for attachment in &machine.attachments {
        let at = format!("{}:{}:{}", attachment.controller, attachment.port, attachment.device);
        let what = match &attachment.medium {
            AttachedMedium::Image(uuid) => match inventory.media.get(uuid) {
                Some(medium) => {
                    let size = medium.size.map(|size| format!(" ({size})")).unwrap_or_default();
                    format!("{}{size}", medium.location.display())
                }
                None => format!("unregistered medium {{{uuid}}}"),
            },
            AttachedMedium::HostDrive(drive) => format!("drive {drive} of the host"),
            AttachedMedium::Empty => "empty".to_owned(),
        };
        writeln!(out, "  {:<14}{}", printable(&at), printable(&what))?;
    }
    if let Some(root) = &machine.snapshots {
        writeln!(out, "{}snapshots{:#}", s.strong, s.strong)?;
        write_snapshot(out, root, machine, 1)?;
    }
    if !machine.unknown.is_empty() {
        writeln!(out, "{}not known{:#}", s.strong, s.strong)?;
        for (path, reason) in &machine.unknown {
            writeln!(out, "  {}: {}", printable(&path.to_string()), printable(reason))?;
        }
    }
    Ok(())
}

/// Settings, of which without `-v` only those that are no bare defaults of every machine are of interest.
fn write_settings(out: &mut dyn Write, machine: &Machine, view: &View) -> io::Result<()> {
    const OF_INTEREST: &[&str] = &[
        "groups",
        "osType",
        "description",
        "firmware",
        "cpus",
        "memory",
        "graphics",
        "controllers",
        "nics",
        "sharedFolders",
        "extraData",
        "guestProperties",
    ];
    let settings = crate::diff::machine::settings_tree(&machine.settings);
    let leaves = tree::leaves(&settings);
    let of_interest = |path: &FieldPath| {
        view.verbose || path.keys().first().is_some_and(|key| OF_INTEREST.contains(&key.as_str()))
    };
    let mut shown: Vec<_> = leaves
        .into_iter()
        .filter(|(path, value)| {
            of_interest(path)
                && !value.as_object().is_some_and(serde_json::Map::is_empty)
                && (view.verbose || !says_nothing(path, value))
        })
        .collect();
    shown.sort_by_key(|(path, _)| place(path));
    let widest = shown.iter().map(|(path, _)| path.to_string().chars().count()).max().unwrap_or(0).min(44);
    for (path, value) in shown {
        let name = printable(&path.to_string());
        match lines(Some(value)) {
            Some(text) => {
                writeln!(out, "  {name}")?;
                for line in text.trim_end().lines() {
                    writeln!(out, "      {}", printable(line))?;
                }
            }
            None => writeln!(out, "  {name:<widest$}  {}", spelled(&path, value))?,
        }
    }
    Ok(())
}

/// Values of adapters, controllers and texts that are what everybody has who set nothing.
fn says_nothing(path: &FieldPath, value: &serde_json::Value) -> bool {
    let detail = path.keys().len() > 1;
    value == ""
        || value.as_array().is_some_and(Vec::is_empty)
        || (detail && (value == &serde_json::Value::Bool(false) || value == 0))
}

fn write_snapshot(
    out: &mut dyn Write,
    snapshot: &Snapshot,
    machine: &Machine,
    depth: usize,
) -> io::Result<()> {
    let here = if machine.current_snapshot == Some(snapshot.uuid) { " (current)" } else { "" };
    let indent = "  ".repeat(depth);
    writeln!(out, "{indent}{} {}{here}", printable(&snapshot.name), printable(&snapshot.taken))?;
    snapshot.children.iter().try_for_each(|child| write_snapshot(out, child, machine, depth + 1))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", tag = "type")]
enum Document<'a> {
    #[serde(rename_all = "camelCase")]
    Machines { version: u32, machines: &'a [MachineRow], problems: &'a [Problem] },
    #[serde(rename_all = "camelCase")]
    Disks { version: u32, disks: &'a [DiskRow], problems: &'a [Problem] },
    #[serde(rename_all = "camelCase")]
    Networks { version: u32, networks: &'a [NetworkRow], problems: &'a [Problem] },
    #[serde(rename_all = "camelCase")]
    Machine { version: u32, row: &'a MachineRow, machine: Option<&'a Machine> },
}

/// Writes machines for a program.
pub fn write_machines_json(out: &mut dyn Write, response: &GetResponse) -> io::Result<()> {
    let GetResponse { machines, inventory } = response;
    super::json::write_line(out, &Document::Machines { version: 1, machines, problems: &inventory.problems })
}

/// Writes disks for a program.
pub fn write_disks_json(out: &mut dyn Write, disks: &[DiskRow], problems: &[Problem]) -> io::Result<()> {
    super::json::write_line(out, &Document::Disks { version: 1, disks, problems })
}

/// Writes networks for a program.
pub fn write_networks_json(
    out: &mut dyn Write,
    networks: &[NetworkRow],
    problems: &[Problem],
) -> io::Result<()> {
    super::json::write_line(out, &Document::Networks { version: 1, networks, problems })
}

/// Writes one machine in full for a program.
pub fn write_machine_json(out: &mut dyn Write, row: &MachineRow, inventory: &Inventory) -> io::Result<()> {
    let machine = inventory.machines.get(&row.uuid);
    super::json::write_line(out, &Document::Machine { version: 1, row, machine })
}
