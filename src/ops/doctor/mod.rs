//! `doctor`: whether everything that an apply needs is there and well. Changes nothing; asks VirtualBox's server, which may start for it.

mod media;
mod place;
mod repair;
mod route;

pub use repair::repair;
use serde::Serialize;

use super::plan::read;
use super::{Context, host, runs, self_check};
use crate::apply::Lock;
use crate::config::HostChoice;
use crate::failure::{Failure, Kind};
use crate::host::checkup::{Installation, Sample};
use crate::host::virtualbox::{CommandLine, Shell, rewriting};
use crate::host::{HostError, Want};
use crate::inventory::{Inventory, Machine, MarkState, Ownership, Status};
use crate::model::PowerState;
use crate::model::state::StateClass;

/// How closely to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DoctorRequest {
    /// Compare every machine that is off with what VirtualBox says of it, not only a few.
    pub verify_all: bool,
}

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
pub fn doctor(context: &Context, request: DoctorRequest) -> DoctorReport {
    let mut report = DoctorReport::default();
    let configuration = match &context.settings.file {
        Some(path) => path.display().to_string(),
        None => "no vboxmcp.toml".to_owned(),
    };
    report.add("configuration", Verdict::Good, configuration);
    program(&mut report, context);
    let mut stuck = None;
    let answers = match context.host.prepare() {
        // That the helper is missed, the row of the route says.
        Ok(()) | Err(HostError::NoHelper { .. }) => {
            report.add("server", Verdict::Good, "VirtualBox answers");
            true
        }
        // Without a program the row above says it.
        Err(HostError::NoVBoxManage { .. }) => false,
        Err(error) => {
            stuck = matches!(error, HostError::Timeout { .. }).then_some(report.checks.len());
            report.failure("server", &error.into());
            false
        }
    };
    // What a server that does not answer makes of the files is in the files all the same.
    let inventory =
        if answers { read(context) } else { context.host.inventory(&Want::default()).map_err(Failure::from) };
    if answers {
        route::check(&mut report, context);
        match context.host.installation() {
            Ok(found) => installation(&mut report, &found, inventory.as_ref().ok()),
            Err(error) => report.failure("installation", &error.into()),
        }
    }
    if let Some(row) = stuck {
        report.checks[row].hint = Some(stuck_server(context, inventory.as_ref().ok()));
    }
    match inventory {
        Ok(inventory) => {
            places(&mut report, context, &inventory);
            for problem in &inventory.problems {
                report.add("reading", Verdict::Warning, format!("{}: {}", problem.what, problem.reason));
            }
            if answers && context.settings.host == HostChoice::Local {
                reader(&mut report, context, request);
            }
            unwritten_states(&mut report, context, &inventory);
            machines(&mut report, &inventory);
            media::check(&mut report, &inventory);
            stacks(&mut report, &inventory);
        }
        Err(failure) => report.failure("reading", &failure),
    }
    context.host.finish();
    report
}

fn program(report: &mut DoctorReport, context: &Context) {
    if context.settings.host != HostChoice::Local {
        report.add("VBoxManage", Verdict::Good, "none: the host is simulated");
        return;
    }
    let found = host::vboxmanage(&context.settings, &context.environment)
        .and_then(|program| Ok((program, context.host.version()?)));
    match found {
        Ok((program, version)) => {
            let text = format!("{} {}", program.display(), version.unwrap_or_default());
            report.add("VBoxManage", Verdict::Good, text);
        }
        Err(error) => report.failure("VBoxManage", &error.into()),
    }
}

fn installation(report: &mut DoctorReport, found: &Installation, inventory: Option<&Inventory>) {
    match found.driver {
        None => {}
        Some(true) => drop(report.add("driver", Verdict::Good, "the kernel driver is loaded")),
        Some(false) => {
            report
                .add(
                    "driver",
                    Verdict::Warning,
                    "the kernel driver is not loaded: machines may not start, and no network but NAT works",
                )
                .hint =
                Some("`modprobe vboxdrv` loads it, `/sbin/vboxconfig` builds it for this kernel".to_owned());
        }
    }
    let Some(packs) = &found.extension_packs else { return };
    for pack in packs {
        let name = format!("{} {}", pack.name, pack.version);
        match &pack.unusable {
            None => report.add("extensions", Verdict::Good, name),
            Some(why) => report.add("extensions", Verdict::Warning, format!("{name} is not usable: {why}")),
        };
    }
    if packs.iter().all(|pack| pack.unusable.is_some()) {
        let has_display = |machine: &&Machine| {
            machine.settings.vrde.as_ref().is_some_and(|vrde| vrde.enabled == Some(true))
        };
        let displays =
            inventory.map_or(0, |inventory| inventory.machines.values().filter(has_display).count());
        if displays == 0 {
            report.add("extensions", Verdict::Good, "no extension pack");
        } else {
            let text = format!("no extension pack, and {displays} machines with a remote display need one");
            report.add("extensions", Verdict::Warning, text);
        }
    }
}

fn places(report: &mut DoctorReport, context: &Context, inventory: &Inventory) {
    let host = &inventory.host;
    let is_real = context.settings.host != HostChoice::Sim(None);
    let home = format!("{} ({})", host.home.display(), host.kind);
    let machine_folder = host.machine_folder.display().to_string();
    if is_real {
        place::check(report, "home", &host.home, home);
        place::check(report, "machine folder", &host.machine_folder, machine_folder);
    } else {
        report.add("home", Verdict::Good, home);
        report.add("machine folder", Verdict::Good, machine_folder);
    }
    match runs::state_folder(context) {
        Ok(Some(state)) => place::check(report, "state", &state, state.display().to_string()),
        Ok(None) if is_real => {
            report
                .add(
                    "state",
                    Verdict::Bad,
                    "no state directory is known, and no run begins without a journal",
                )
                .hint = Some("set HOME or XDG_STATE_HOME (LOCALAPPDATA on Windows)".to_owned());
        }
        Ok(None) => {}
        Err(failure) => report.failure("state", &failure),
    }
    if let Some(holder) = Lock::holder(&host.home) {
        report.add("lock", Verdict::Warning, format!("another run holds it: {holder}"));
    }
}

/// Compares what was read with what VirtualBox says.
fn reader(report: &mut DoctorReport, context: &Context, request: DoctorRequest) {
    let sample = if request.verify_all { Sample::All } else { Sample::Few };
    let (findings, comparison) = match self_check::compare(context, sample) {
        Ok(found) => found,
        Err(failure) => return report.failure("reader", &failure),
    };
    let differences = comparison.layouts.values().flat_map(|layout| &layout.differences);
    for difference in differences.clone() {
        let hint = if findings.is_tested() {
            "the file was changed behind VirtualBox's back: its server believes the file when it starts the next time"
        } else {
            "VirtualBox is asked about machines with such files from now on, instead of reading the files"
        };
        report.add("reader", Verdict::Bad, difference.to_string()).hint = Some(hint.to_owned());
    }
    if differences.count() > 0 {
        return;
    }
    let compared: usize = comparison.layouts.values().map(|layout| layout.machines).sum();
    let names: Vec<&str> = comparison.layouts.keys().map(String::as_str).collect();
    let text = match compared {
        0 => "no machine to compare".to_owned(),
        _ => format!(
            "read as VirtualBox tells them: {compared} of the machines (settings files {})",
            names.join(", ")
        ),
    };
    let left_out = match comparison.left_out {
        0 => String::new(),
        some => format!("; not compared, since they are not off or not readable: {some}"),
    };
    report.add("reader", Verdict::Good, text + &left_out);
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

/// What helps where VirtualBox's server does not answer. Guests that run end within some ten seconds after it (measured).
fn stuck_server(context: &Context, inventory: Option<&Inventory>) -> String {
    let guests = match inventory {
        None => "guests that run end with VirtualBox's server, and which do is not known".to_owned(),
        Some(inventory) => {
            let all = inventory.machines.values();
            let alive: Vec<String> =
                all.filter(|machine| context.host.may_live(machine)).map(named).collect();
            match alive.as_slice() {
                [] => "no guest runs, by the logs of the machines".to_owned(),
                alive => format!(
                    "by their logs these run, and end with VirtualBox's server: {}; shut them down from within first",
                    alive.join(", ")
                ),
            }
        }
    };
    let server = match context.host.server_process() {
        Some(process) => format!(
            "`kill {process}` ends the server, `kill -KILL {process}` one that is still there after half a minute"
        ),
        None => "the server is a process VBoxSVC, where there is one: ending it may help".to_owned(),
    };
    format!("{guests}. Then {server}; the next command starts another")
}

/// Guests whose state VirtualBox saved and did not write down (measured).
fn unwritten_states(report: &mut DoctorReport, context: &Context, inventory: &Inventory) {
    for machine in inventory.machines.values() {
        let Some(file) = context.host.unwritten_state(machine) else { continue };
        let write =
            rewriting(machine.uuid, machine.name.as_deref().unwrap_or_default()).to_script(Shell::HERE);
        let adopt = CommandLine::of(["adoptstate", &machine.uuid.to_string(), &file.to_string_lossy()]);
        let adopt = adopt.to_script(Shell::HERE);
        let file = file.display();
        let class = machine.state.as_ref().map(PowerState::class);
        let (text, hint) = if class == Some(StateClass::Saved) {
            (
                format!("{} is saved, and its settings do not name {file}", named(machine)),
                format!(
                    "the state is lost when VirtualBox's server ends: `{write}`, which changes nothing else, has it written down"
                ),
            )
        } else {
            // Where the server does not answer, it may still know the state.
            let now = if class.is_some() { "is off, and was saved" } else { "was saved last" };
            (
                format!("{} {now}: its settings do not name {file}", named(machine)),
                format!(
                    "as long as it has not run and its disks were not changed since, `{adopt}` gives the state back; otherwise delete the file"
                ),
            )
        };
        report.add("machines", Verdict::Warning, text).hint = Some(hint);
    }
}

fn named(machine: &Machine) -> String {
    match &machine.name {
        Some(name) => format!("{name:?} {{{}}}", machine.uuid),
        None => format!("{{{}}}", machine.uuid),
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
