//! `graph`: what is declared, and what of it needs what. Reads no host.

use serde::Serialize;

use super::{Manifests, Memory};
use crate::config::{Environment, Settings};
use crate::failure::Failure;
use crate::manifest::diagnostic::Diagnostics;
use crate::model::{Address, Desired};

/// What is declared, as a graph.
#[derive(Debug, Serialize)]
pub struct Graph {
    /// The stack.
    pub stack: String,
    /// Declared objects in the order of their addresses.
    pub nodes: Vec<Address>,
    /// What needs what.
    pub edges: Vec<Edge>,
    /// Warnings and notes of the manifests.
    #[serde(skip)]
    pub findings: Diagnostics,
}

/// One object needs another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Edge {
    /// The object.
    pub from: Address,
    /// What it needs.
    pub to: Address,
    /// The field that says so (`dependsOn`, `nics.1`, `disks.data`, `machines`).
    pub field: String,
}

/// Draws what manifests declare.
pub fn graph(
    manifests: &Manifests,
    settings: &Settings,
    environment: &Environment,
) -> Result<Graph, Failure> {
    let declared =
        manifests.declare(settings, environment, environment.home(), None, true, &Memory::default())?;
    let (desired, findings) = (declared.desired, declared.findings);
    let mut nodes: Vec<Address> =
        desired.networks.keys().chain(desired.disks.keys()).chain(desired.machines.keys()).cloned().collect();
    let mut edges = machine_edges(&desired);
    for snapshot in &desired.snapshots {
        for machine in &snapshot.machines {
            let Some(address) = snapshot.address_on(machine) else { continue };
            edges.push(Edge { from: address.clone(), to: machine.clone(), field: "machines".to_owned() });
            nodes.push(address);
        }
    }
    edges.sort();
    Ok(Graph { stack: desired.stack.to_string(), nodes, edges, findings })
}

/// What each declared machine needs.
pub fn machine_edges(desired: &Desired) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (address, machine) in &desired.machines {
        let mut edge = |to: &Address, field: String| {
            edges.push(Edge { from: address.clone(), to: to.clone(), field });
        };
        for dependency in &machine.depends_on {
            edge(dependency, "dependsOn".to_owned());
        }
        for (object, field) in desired.used_by(machine) {
            edge(&object, field.to_string());
        }
    }
    edges
}
