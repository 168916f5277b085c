//! Canonical bytes and hash of a plan.

use sha2::{Digest, Sha256};

use super::reads;
use super::register::RegisterPlan;
use super::types::{HostId, ObjectPlan, Plan, Step, Verb};
use crate::diff::{machine as shape, network, own_disk};
use crate::inventory::Inventory;
use crate::model::digest::{hex, sha256};
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
        reads: reads::read_set(verb, desired, inventory, policy, &objects, &steps),
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
        let rest = (&machine.location, machine.stop_timeout, &machine.depends_on, &machine.labels);
        hasher.update(format!("{:?}{rest:?}", machine.lifecycle));
    }
    for snapshot in &desired.snapshots {
        let what = (&snapshot.name, &snapshot.machines, snapshot.take, &snapshot.description);
        hasher.update(format!("{what:?}{:?}", snapshot.lifecycle));
    }
    for (address, disk) in &desired.disks {
        hasher.update(address.to_string());
        hasher.update(own_disk::declared(disk).to_string());
        hasher.update(format!("{:?}", disk.lifecycle));
    }
    for (address, network) in &desired.networks {
        hasher.update(address.to_string());
        hasher.update(network::declared(network).to_string());
        hasher.update(format!("{:?}", network.lifecycle));
    }
    hex(&hasher.finalize())
}

/// The plan with its hash.
pub fn seal(mut plan: Plan) -> Plan {
    plan.hash = plan.sealed_hash();
    plan
}

impl Plan {
    /// SHA-256 over the plan's canonical JSON without hash, notes, and the manifest lines of its fields, in hexadecimal.
    ///
    /// Where something is written differs between two checkouts of the same manifests; what is written does not.
    /// Canonical: the fields in the order of the type, maps sorted by key, no white space.
    pub fn sealed_hash(&self) -> String {
        let mut content = self.clone();
        content.notes.clear();
        content.hash.clear();
        for field in content.objects.iter_mut().flat_map(|object| &mut object.fields) {
            field.difference.source = None;
        }
        // Strings, numbers, and maps with string keys: serialisation has no way to fail.
        sha256(&serde_json::to_vec(&content).unwrap_or_default())
    }
}
