//! `drift`: what moved on the host while the declaration did not. It cannot change anything.

use super::Context;
use super::plan::{PlanRequest, PlanResponse, plan_to_show};
use crate::diff::{DifferenceKind, DiskPresence, FieldDifference, Finding, NetworkPresence, Presence};
use crate::failure::Failure;
use crate::model::Address;

/// What moved.
#[derive(Debug)]
pub struct DriftReport {
    /// Fields by object.
    pub drifted: Vec<(Address, Vec<FieldDifference>)>,
    /// Objects that are gone.
    pub lost: Vec<Address>,
    /// Differences that come from the declaration, not from the host: what a plan would show besides.
    pub pending: usize,
    /// The plan that puts it right.
    pub response: PlanResponse,
}

impl DriftReport {
    /// Whether anything moved.
    pub fn has_drift(&self) -> bool {
        !self.drifted.is_empty() || !self.lost.is_empty()
    }

    /// Things to know.
    pub fn notes(&self) -> &[Finding] {
        &self.response.plan.notes
    }
}

/// Compares the host with what was applied last.
pub fn drift(context: &Context, request: &PlanRequest) -> Result<DriftReport, Failure> {
    let response = plan_to_show(context, request)?;
    let mut drifted = Vec::new();
    let mut lost = Vec::new();
    let mut pending = 0;
    for (address, machine) in &response.changes.machines {
        if matches!(machine.presence, Presence::Absent { lost: true, .. }) {
            lost.push(address.clone());
            continue;
        }
        if matches!(machine.presence, Presence::Absent { .. }) {
            pending += 1;
        }
        let (moved, changed): (Vec<_>, Vec<_>) =
            machine.fields.iter().cloned().partition(|field| field.kind != DifferenceKind::Change);
        pending += changed.len();
        if !moved.is_empty() {
            drifted.push((address.clone(), moved));
        }
    }
    for (address, disk) in &response.changes.disks {
        match disk.presence {
            DiskPresence::Absent { lost: true } => {
                lost.push(address.clone());
                continue;
            }
            DiskPresence::Absent { lost: false } => pending += 1,
            _ => {}
        }
        let (moved, changed): (Vec<_>, Vec<_>) =
            disk.fields.iter().cloned().partition(|field| field.kind != DifferenceKind::Change);
        pending += changed.len();
        if !moved.is_empty() {
            drifted.push((address.clone(), moved));
        }
    }
    for (address, network) in &response.changes.networks {
        match network.presence {
            NetworkPresence::Absent { lost: true } => {
                lost.push(address.clone());
                continue;
            }
            NetworkPresence::Absent { lost: false } => pending += 1,
            _ => {}
        }
        let (moved, changed): (Vec<_>, Vec<_>) =
            network.fields.iter().cloned().partition(|field| field.kind != DifferenceKind::Change);
        pending += changed.len();
        if !moved.is_empty() {
            drifted.push((address.clone(), moved));
        }
    }
    Ok(DriftReport { drifted, lost, pending, response })
}
