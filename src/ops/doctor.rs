//! `doctor`: whether everything that an apply needs is there and well. Changes nothing; asks VirtualBox's server, which may start for it.

use serde::Serialize;

use super::Context;
use super::host::program;
use super::plan::read;
use crate::apply::Lock;
use crate::failure::{Failure, Kind};
use crate::host::HostError;
use crate::inventory::{Inventory, Machine, MarkState, MediumHealth, Ownership, Status};

/// How well something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Something to know; the rest works.
    Warning,
    /// An apply would fail.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What was looked at.
    pub what: &'static str,
    /// How well it is.
    pub verdict: Verdict,
    /// What was found.
    pub text: String,
    /// What may help.
    pub hint: Option<String>,
}

/// All that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DoctorReport {
    /// In the order in which things depend on one another.
    pub checks: Vec<Check>,
    /// VirtualBox is missing, or does not answer.
    pub unreachable: bool,
}

impl DoctorReport {
    /// The worst of all verdicts.
    pub fn verdict(&self) -> Verdict {
        self.checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Good)
    }

    fn add(&mut self, what: &'static str, verdict: Verdict, text: impl Into<String>) -> &mut Check {
        self.checks.push(Check { what, verdict, text: text.into(), hint: None });
        let last = self.checks.len() - 1;
        &mut self.checks[last]
    }

    fn failure(&mut self, what: &'static str, failure: &Failure) {
        self.unreachable |= failure.kind == Kind::Unreachable;
        let hint = failure.hints.first().cloned();
        self.add(what, Verdict::Bad, failure.chain().join(": ")).hint = hint;
    }
}

/// Looks at everything. A thing that is not well is a row, not a failure.
pub fn doctor(context: &Context) -> DoctorReport {
    let mut report = DoctorReport::default();
    let configuration = match &context.settings.file {
        Some(path) => path.display().to_string(),
        None => "no vboxmcp.toml".to_owned(),
    };
    report.add("configuration", Verdict::Good, configuration);
    match program(&context.settings, &context.environment) {
        Ok(found) => {
            report.add("VBoxManage", Verdict::Good, found);
        }
        Err(error) => report.failure("VBoxManage", &error.into()),
    }
    match context.host.prepare() {
        Ok(()) => {
            report.add("server", Verdict::Good, "VirtualBox answers");
        }
        // Without a program the row above says it.
        Err(HostError::NoVBoxManage { .. }) => {}
        Err(error) => report.failure("server", &error.into()),
    }
    match read(context) {
        Ok(inventory) => {
            host(&mut report, &inventory);
            machines(&mut report, &inventory);
            disks(&mut report, &inventory);
            stacks(&mut report, &inventory);
        }
        Err(failure) => report.failure("reading", &failure),
    }
    report
}

fn host(report: &mut DoctorReport, inventory: &Inventory) {
    let host = &inventory.host;
    report.add("home", Verdict::Good, format!("{} ({})", host.home.display(), host.kind));
    let folder = host.machine_folder.display().to_string();
    match host.machine_folder.metadata() {
        _ if host.kind == "sim" => report.add("machine folder", Verdict::Good, folder),
        Ok(metadata) if !metadata.is_dir() => {
            report.add("machine folder", Verdict::Bad, format!("{folder} is no directory"))
        }
        Ok(metadata) if metadata.permissions().readonly() => {
            report.add("machine folder", Verdict::Bad, format!("{folder} may not be written"))
        }
        Ok(_) => report.add("machine folder", Verdict::Good, folder),
        Err(_) => report.add("machine folder", Verdict::Good, format!("{folder} (not there yet)")),
    };
    if let Some(holder) = Lock::holder(&host.home) {
        report.add("lock", Verdict::Warning, format!("another run holds it: {holder}"));
    }
    for problem in &inventory.problems {
        report.add("reading", Verdict::Warning, format!("{}: {}", problem.what, problem.reason));
    }
}

fn machines(report: &mut DoctorReport, inventory: &Inventory) {
    let machines = inventory.machines.values();
    let odd = machines.clone().filter(|machine| machine.access.reason().is_some());
    for machine in odd {
        let reason = machine.access.reason().unwrap_or_default();
        report.add("machines", Verdict::Warning, format!("{}: {reason}", named(machine)));
    }
    for machine in machines.clone() {
        match (&machine.mark, inventory.owner_of(machine)) {
            (MarkState::Foreign(mark), _) => report.add(
                "ownership",
                Verdict::Warning,
                format!(
                    "{} carries the mark of {} of stack {}: a clone, and unowned",
                    named(machine),
                    mark.address,
                    mark.stack
                ),
            ),
            (_, Ownership::Unclear(reason)) => report.add(
                "ownership",
                Verdict::Warning,
                format!("{} has a mark that cannot be read: {reason}", named(machine)),
            ),
            (_, Ownership::MarkRemoved { stack, address }) => report.add(
                "ownership",
                Verdict::Warning,
                format!("{} was {address} of stack {stack}, and somebody removed its mark", named(machine)),
            ),
            _ => continue,
        };
    }
    report.add("machines", Verdict::Good, format!("{} registered", machines.count()));
}

fn named(machine: &Machine) -> String {
    match &machine.name {
        Some(name) => format!("{name:?} {{{}}}", machine.uuid),
        None => format!("{{{}}}", machine.uuid),
    }
}

fn disks(report: &mut DoctorReport, inventory: &Inventory) {
    for medium in inventory.media.values() {
        if let MediumHealth::Inaccessible(reason) = &medium.health {
            let text = format!("{}: {reason}", medium.location.display());
            report.add("disks", Verdict::Warning, text).hint =
                Some(format!("`VBoxManage closemedium {}` forgets it", medium.uuid));
        }
    }
}

fn stacks(report: &mut DoctorReport, inventory: &Inventory) {
    for (stack, register) in &inventory.registers {
        if let Some(reason) = &register.broken {
            report.add("stacks", Verdict::Bad, format!("the register of {stack} cannot be read: {reason}")).hint =
                Some("its extradata is `vboxmcp/stack/...` of VirtualBox.xml; nothing of this stack is changed meanwhile".to_owned());
            continue;
        }
        let pending = register.entries.values().filter(|entry| entry.status == Status::Pending).count();
        let members = register.entries.len();
        if pending > 0 {
            let text = format!(
                "{stack}: {pending} of its members ({members}) are not finished: a run was cut short"
            );
            report.add("stacks", Verdict::Warning, text).hint =
                Some("the next apply of its manifests finishes them".to_owned());
        } else {
            report.add("stacks", Verdict::Good, format!("{stack}, members: {members}"));
        }
    }
}
