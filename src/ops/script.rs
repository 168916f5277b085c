//! The VBoxManage lines that would do what a plan does, for `-o commands`.
//!
//! They are what the executor would run, with what stands between the lines there put into words or loops here: waiting for a guest to stop,
//! the folder of a new machine. What only the executor does (comparing before and after each step, the stack's register) is not
//! in them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use uuid::Uuid;

use crate::apply::machine_uuids;
use crate::host::virtualbox::{CommandLine, Shell, Spellings, command_lines};
use crate::inventory::Read;
use crate::model::{Address, Location};
use crate::plan::{Action, Insert, Plan, Step, Target};

/// One line or a few, for a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// To be read by a person.
    Remark(String),
    /// Quoted for the shell.
    Command(String),
}

/// The commands of a plan's steps, one after another.
pub fn script(plan: &Plan, shell: Shell) -> Vec<Line> {
    let mut writer =
        Writer { plan, shell, machines: machine_uuids(plan), disks: BTreeMap::new(), lines: Vec::new() };
    for step in &plan.steps {
        writer.lines.push(Line::Remark(format!("{}: {}", step.address, step.action.label())));
        writer.step(step);
    }
    writer.lines
}

struct Writer<'a> {
    plan: &'a Plan,
    shell: Shell,
    machines: BTreeMap<Address, Uuid>,
    /// Files of disks that earlier steps make: their UUIDs are VirtualBox's choice.
    disks: BTreeMap<Address, PathBuf>,
    lines: Vec<Line>,
}

impl Writer<'_> {
    fn step(&mut self, step: &Step) {
        let mut action = step.action.clone();
        match &mut action {
            Action::CreateMachine { uuid: uuid @ None, .. } => {
                *uuid = self.machines.get(&step.address).copied();
            }
            Action::CreateDisk { address, location, machine: None, .. } => {
                self.disks.insert(address.clone(), location.clone());
            }
            Action::CreateDisk { address, location, machine: Some(machine), .. }
            | Action::CloneDisk { address, location, machine, .. } => {
                let Some(folder) = self.folder(step, machine) else {
                    let text = format!(
                        "{} goes into the machine's folder, which an earlier line moves",
                        location.display()
                    );
                    return self.lines.push(Line::Remark(text));
                };
                *location = folder.join(&*location);
                self.disks.insert(address.clone(), location.clone());
            }
            Action::Attach { insert, .. } => {
                if let Insert::Medium(Target::Planned(address)) = insert
                    && let Some(file) = self.disks.get(address)
                {
                    *insert = Insert::File(file.clone());
                }
            }
            _ => {}
        }
        let action = action.bound_where_known(&self.machines);
        if let Action::SetAutoReset { machine: Target::Existing(machine), at, enabled } = &action {
            return self.lines.push(Line::Command(auto_reset(self.shell, *machine, at, *enabled)));
        }
        if let Action::ClearBirth { machine, file, disks } = &action {
            let disks =
                disks.keys().map(|file| format!(", and {} where nothing was written to it", file.display()));
            let disks: String = disks.collect();
            let file = file.display();
            let remark = format!(
                "Where the machine has not run (no Logs and no Snapshots beside it): delete {file}, as long as it is the one of {machine}{disks}."
            );
            self.lines.push(Line::Remark(remark));
        }
        match command_lines(&action, &Spellings::default()) {
            Ok(commands) => {
                let shell = self.shell;
                self.lines.extend(commands.iter().map(|command| Line::Command(command.to_script(shell))));
            }
            Err(error) => self.lines.push(Line::Remark(format!("no command: {error}"))),
        }
        if let (Some(Target::Existing(machine)), Action::Shutdown { timeout, then_power_cut, .. }) =
            (action.machine(), &action)
        {
            self.lines.push(Line::Command(wait(self.shell, *machine, *timeout)));
            if *then_power_cut {
                self.lines.push(Line::Command(power_cut(self.shell, *machine)));
            }
        }
        if matches!(action, Action::Shutdown { .. } | Action::PowerCut { .. } | Action::SaveState { .. }) {
            // VirtualBox lets go of the machine a moment after it has stopped.
            let pause = match self.shell {
                Shell::Posix => "sleep 2",
                Shell::PowerShell => "Start-Sleep -Seconds 2",
            };
            self.lines.push(Line::Command(pause.to_owned()));
        }
        if matches!(action, Action::SaveState { .. }) {
            let remark = "Where the settings file names no stateFile now, any change of the settings writes it, as long as VirtualBox's server runs.";
            self.lines.push(Line::Remark(remark.to_owned()));
        }
    }

    /// The folder of a machine when a step runs; `None` where an earlier step moves it to who knows where.
    fn folder(&self, step: &Step, machine: &Target) -> Option<PathBuf> {
        let earlier = self
            .plan
            .steps
            .iter()
            .take_while(|one| one.id < step.id)
            .filter(|one| one.address == step.address);
        let mut folder = match machine {
            Target::Existing(uuid) => self.plan.reads.reads.iter().find_map(|read| match read {
                Read::Owned { machine: Some(machine), folder, .. } if machine == uuid => folder.clone(),
                _ => None,
            }),
            Target::Planned(_) => None,
        };
        for one in earlier {
            match &one.action {
                create @ Action::CreateMachine { .. } => folder = create.birth_folder(),
                Action::ModifyMachine { set, .. }
                    if set.iter().any(|one| matches!(one.path.parts().as_slice(), ["name" | "groups"])) =>
                {
                    let is_planned = matches!(machine, Target::Planned(_));
                    folder = folder.filter(|_| is_planned);
                }
                _ => {}
            }
        }
        folder
    }
}

/// Waits until a machine is off, or for as long as its guest is given.
fn wait(shell: Shell, machine: Uuid, seconds: u64) -> String {
    match shell {
        Shell::Posix => format!(
            "for _ in $(seq {seconds}); do VBoxManage list runningvms | grep -q {machine} || break; sleep 1; done"
        ),
        Shell::PowerShell => format!(
            "for ($i = 0; $i -lt {seconds} -and (VBoxManage list runningvms | Select-String -Quiet {machine}); $i++) {{ Start-Sleep -Seconds 1 }}"
        ),
    }
}

/// The difference is asked for when it is there: its UUID is VirtualBox's choice.
fn auto_reset(shell: Shell, machine: Uuid, at: &Location, enabled: bool) -> String {
    let key = format!("\"{}-ImageUUID-{}-{}\"=", at.controller, at.port, at.device);
    let info = format!("VBoxManage showvminfo {machine} --machinereadable");
    let word = if enabled { "on" } else { "off" };
    match shell {
        Shell::Posix => {
            format!(
                "VBoxManage modifymedium disk $({info} | grep -F '{key}' | cut -d '\"' -f 4) --autoreset={word}"
            )
        }
        Shell::PowerShell => format!(
            "VBoxManage modifymedium disk (({info} | Select-String -SimpleMatch '{key}').ToString().Split('\"')[3]) --autoreset={word}"
        ),
    }
}

fn power_cut(shell: Shell, machine: Uuid) -> String {
    let command = CommandLine::of(["controlvm", &machine.to_string(), "poweroff"]).to_script(shell);
    match shell {
        Shell::Posix => {
            format!("if VBoxManage list runningvms | grep -q {machine}; then {command}; fi")
        }
        Shell::PowerShell => {
            format!("if (VBoxManage list runningvms | Select-String -Quiet {machine}) {{ {command} }}")
        }
    }
}
