//! File systems that are full or may not be written.
//!
//! They are mounted in the laboratory's own namespace, at the same path inside its root and outside, and vboxmcp runs in that
//! namespace, too (see `setup.sh`). Nothing else on the machine sees them; dropping them unmounts them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::home::{self, Home, Output, path};
use crate::lab::Lab;

pub struct Mount {
    namespace: PathBuf,
    places: Vec<PathBuf>,
    programs: PathBuf,
}

impl Mount {
    /// A file system of a few megabytes of its own.
    pub fn small(home: &Home, lab: &Lab, folder: &Path, megabytes: u32) -> Self {
        let mut mount = Self::new(home, lab);
        let size = format!("size={megabytes}m,mode=755");
        mount.run(&["mount", "-t", "tmpfs", "-o", &size, "vboxmcp-lab", path(folder)]);
        mount.places.push(folder.to_owned());
        let inside = Self::inside(lab, folder);
        mount.run(&["mount", "--bind", path(folder), path(&inside)]);
        mount.places.push(inside);
        mount
    }

    /// The same folder, which nobody may write to: not even root.
    pub fn read_only(home: &Home, lab: &Lab, folder: &Path) -> Self {
        let mut mount = Self::new(home, lab);
        for place in [folder.to_owned(), Self::inside(lab, folder)] {
            mount.run(&["mount", "--bind", path(&place), path(&place)]);
            mount.places.push(place.clone());
            mount.run(&["mount", "-o", "remount,bind,ro", path(&place)]);
        }
        mount
    }

    fn new(home: &Home, lab: &Lab) -> Self {
        let programs = home.scratch().join("inside");
        fs::create_dir_all(&programs).expect("a folder");
        for name in ["VBoxManage", "VBoxSVC"] {
            let text =
                format!("#!/bin/sh\nexec chroot '{}' /usr/lib/virtualbox/{name} \"$@\"\n", path(&lab.root()));
            fs::write(programs.join(name), text).expect("a script");
            fs::set_permissions(programs.join(name), fs::Permissions::from_mode(0o755)).expect("permissions");
        }
        Self { namespace: lab.namespace(), places: Vec::new(), programs }
    }

    /// VirtualBox's program for those who are in the namespace already: the laboratory's own cannot enter it again.
    pub fn vboxmanage(&self) -> PathBuf {
        self.programs.join("VBoxManage")
    }

    fn inside(lab: &Lab, folder: &Path) -> PathBuf {
        lab.root().join(folder.strip_prefix("/").expect("an absolute path"))
    }

    /// Runs a program where the mounts are.
    fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount={}", path(&self.namespace))).arg("--").stdin(Stdio::null());
        command
    }

    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output().expect("nsenter");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// vboxmcp where the mounts are.
    pub fn vboxmcp(&self, home: &Home, arguments: &[&str]) -> Output {
        let mut command = home.command("nsenter");
        command.arg(format!("--mount={}", path(&self.namespace))).arg("--");
        command.env("VBOXMCP_VBOXMANAGE", self.vboxmanage());
        command.arg(env!("CARGO_BIN_EXE_vboxmcp")).args(arguments);
        home::run(&mut command, Duration::from_mins(5)).expect("vboxmcp ends within five minutes")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        for place in self.places.iter().rev() {
            self.command().args(["umount", "--lazy", path(place)]).status().ok();
        }
    }
}
