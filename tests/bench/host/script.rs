//! The yardstick: the shortest script of VBoxManage calls that does the same, one after another.

use crate::home::{Home, path};
use crate::lab::Lab;
use crate::measure::{Run, process};

/// Somebody who writes scripts.
pub struct Script<'a> {
    lab: &'a Lab,
    home: &'a Home<'a>,
}

impl<'a> Script<'a> {
    /// On a home.
    pub fn new(lab: &'a Lab, home: &'a Home<'a>) -> Self {
        Self { lab, home }
    }

    /// One call.
    pub fn call(&self, arguments: &[&str]) -> Run {
        Run::of(process(self.home.command(self.lab.vboxmanage()).args(arguments)).0)
    }

    /// Makes machines with two adapters, a port-forward and a disk: five calls each.
    pub fn make(&self, names: &[String], memory: u32) -> Run {
        let memory = memory.to_string();
        each(names, |index, name| {
            let disk = self.home.machines().join(name).join("root.vdi");
            let (disk, forward) = (path(&disk), format!("ssh,tcp,127.0.0.1,{},,22", 20_001 + index));
            let calls: [&[&str]; 5] = [
                &["createvm", "--name", name, "--ostype", "Debian_64", "--register"],
                &[
                    "modifyvm",
                    name,
                    "--memory",
                    &memory,
                    "--nic1",
                    "nat",
                    "--nat-pf1",
                    &forward,
                    "--nic2",
                    "nat",
                ],
                &["createmedium", "disk", "--filename", disk, "--size", "1024"],
                &["storagectl", name, "--name", "SATA", "--add", "sata", "--portcount", "1"],
                &[
                    "storageattach",
                    name,
                    "--storagectl",
                    "SATA",
                    "--port",
                    "0",
                    "--type",
                    "hdd",
                    "--medium",
                    disk,
                ],
            ];
            calls.into_iter().map(|call| self.call(call)).fold(Run::default(), Run::and)
        })
    }

    /// Changes the memory of machines that are off.
    pub fn change(&self, names: &[String], memory: u32) -> Run {
        let memory = memory.to_string();
        each(names, |_, name| self.call(&["modifyvm", name, "--memory", &memory]))
    }

    /// Deletes machines with their disks.
    pub fn delete(&self, names: &[String]) -> Run {
        each(names, |_, name| self.call(&["unregistervm", name, "--delete"]))
    }

    /// Starts machines.
    pub fn start(&self, names: &[String]) -> Run {
        each(names, |_, name| self.call(&["startvm", name, "--type", "headless"]))
    }

    /// Switches machines off and waits until VirtualBox has let go of them.
    pub fn switch_off(&self, names: &[String]) {
        for name in names {
            self.home.vbox(&["controlvm", name, "poweroff"]).ok();
        }
        let is_off = |name: &String| matches!(self.home.state(name).as_str(), "poweroff" | "aborted");
        crate::home::eventually("all machines are off", 60, || names.iter().all(is_off));
    }

    /// The question that every reading is compared with: which machines run.
    pub fn list_running(&self) -> Run {
        self.call(&["list", "runningvms"])
    }
}

/// The same for each machine, one after another.
fn each(names: &[String], mut calls: impl FnMut(usize, &str) -> Run) -> Run {
    let each = names.iter().enumerate().map(|(index, name)| calls(index, name));
    each.fold(Run::default(), Run::and)
}
