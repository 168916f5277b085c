//! Canonical bytes and hash of a plan.

use sha2::{Digest, Sha256};

use super::register::RegisterPlan;
use super::types::{HostId, ObjectPlan, Plan, Step, Verb};
use crate::diff::machine as shape;
use crate::inventory::Inventory;
use crate::model::{Desired, Policy};

/// A plan without hash and notes.
pub fn assemble(
    verb: Verb,
    desired: &Desired,
    inventory: &Inventory,
    policy: &Policy,
    objects: Vec<ObjectPlan>,
    steps: Vec<Step>,
    register: RegisterPlan,
) -> Plan {
    Plan {
        format_version: Plan::FORMAT_VERSION,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        verb,
        host: HostId { kind: inventory.host.kind.clone(), home: inventory.host.home.clone() },
        stack: desired.stack.clone(),
        desired_digest: digest(desired),
        policy: policy.clone(),
        objects,
        steps,
        register,
        refusals: Vec::new(),
        hash: String::new(),
        notes: Vec::new(),
    }
}

/// SHA-256 of what is declared, as text. Where it was written does not count.
fn digest(desired: &Desired) -> String {
    let mut hasher = Sha256::new();
    hasher.update(desired.stack.as_str());
    for (address, machine) in &desired.machines {
        hasher.update(address.to_string());
        hasher.update(shape::declared(machine, None).to_string());
        hasher.update(format!("{:?}", machine.lifecycle));
    }
    hex(&hasher.finalize())
}

/// The plan with its hash: SHA-256 over its canonical JSON without hash and notes.
///
/// Canonical: the fields in the order of the type, maps sorted by key, no white space.
pub fn seal(mut plan: Plan) -> Plan {
    let notes = std::mem::take(&mut plan.notes);
    plan.hash = String::new();
    // Strings, numbers, and maps with string keys: serialisation has no way to fail.
    let bytes = serde_json::to_vec(&plan).unwrap_or_default();
    plan.hash = hex(&Sha256::digest(bytes));
    plan.notes = notes;
    plan
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
