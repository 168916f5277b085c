//! Canonical bytes and hash of a plan.

use std::io::{self, BufWriter, Write};

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::reads;
use super::register::RegisterPlan;
use super::types::{HostId, ObjectPlan, Plan, Refusal, Step, Verb};
use crate::diff::{machine as shape, network, own_disk};
use crate::inventory::{Inventory, ReadSet};
use crate::model::digest::hex;
use crate::model::{Desired, Policy, StackName};

/// What the planner has made of a declaration.
pub struct Made {
    /// The objects.
    pub objects: Vec<ObjectPlan>,
    /// The steps.
    pub steps: Vec<Step>,
    /// The register.
    pub register: RegisterPlan,
}

/// A plan without hash and notes, and without what it was made from.
pub fn unsealed(verb: Verb, desired: &Desired, inventory: &Inventory, policy: &Policy, made: Made) -> Plan {
    let Made { objects, steps, register } = made;
    Plan {
        format_version: Plan::FORMAT_VERSION,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        verb,
        host: HostId { kind: inventory.host.kind.clone(), home: inventory.host.home.clone() },
        stack: desired.stack.clone(),
        desired_digest: String::new(),
        policy: policy.clone(),
        reads: ReadSet::default(),
        objects,
        steps,
        register,
        refusals: Vec::new(),
        hash: String::new(),
        notes: Vec::new(),
    }
}

/// A plan without hash and notes.
pub fn assemble(verb: Verb, desired: &Desired, inventory: &Inventory, policy: &Policy, made: Made) -> Plan {
    let of = reads::Made { objects: &made.objects, steps: &made.steps, register: &made.register };
    let reads = reads::read_set(verb, desired, inventory, policy, &of);
    let desired_digest = digest(verb, desired, &made.register);
    Plan { desired_digest, reads, ..unsealed(verb, desired, inventory, policy, made) }
}

/// SHA-256 of what is declared, as text. Where it was written does not count.
fn digest(verb: Verb, desired: &Desired, register: &RegisterPlan) -> String {
    let mut hasher = Sha256::new();
    hasher.update(desired.stack.as_str());
    for (address, machine) in &desired.machines {
        hasher.update(address.to_string());
        // The register has the same tree, unless it holds a path that the machine's folder makes shorter.
        let tree =
            (verb == Verb::Apply && !shape::names_files(machine)).then(|| register.members.get(address));
        match tree.flatten() {
            Some(member) => hasher.update(member.declared.to_string()),
            None => hasher.update(shape::declared(machine, None).to_string()),
        }
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
        let Self {
            format_version,
            tool_version,
            verb,
            host,
            stack,
            desired_digest,
            policy,
            objects,
            reads,
            steps,
            register,
            refusals,
            hash: _,
            notes: _,
        } = self;
        let content = Content {
            format_version: *format_version,
            tool_version,
            verb: *verb,
            host,
            stack,
            desired_digest,
            policy,
            objects: Sourceless(objects),
            reads,
            steps,
            register,
            refusals,
            hash: "",
        };
        let mut writer = BufWriter::new(Hashing(Sha256::new()));
        // Strings, numbers, and maps with string keys: neither serialisation nor the hash has a way to fail.
        let _ = serde_json::to_writer(&mut writer, &content);
        writer.into_inner().map(|hashing| hex(&hashing.0.finalize())).unwrap_or_default()
    }
}

/// A plan's fields in its own order, without those that are outside the hash. A large plan is neither copied for it nor held as text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Content<'a> {
    format_version: u32,
    tool_version: &'a str,
    verb: Verb,
    host: &'a HostId,
    stack: &'a StackName,
    desired_digest: &'a str,
    policy: &'a Policy,
    objects: Sourceless<'a>,
    reads: &'a ReadSet,
    steps: &'a [Step],
    register: &'a RegisterPlan,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    refusals: &'a [Refusal],
    hash: &'static str,
}

/// Objects whose fields do not say where they are written.
struct Sourceless<'a>(&'a [ObjectPlan]);

impl Serialize for Sourceless<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|object| {
            let mut object = object.clone();
            for field in &mut object.fields {
                field.difference.source = None;
            }
            object
        }))
    }
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
