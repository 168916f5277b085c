//! Controllers with what is attached to them, and snapshots.

use super::{Maker, command};
use crate::home::path;

impl Maker<'_, '_> {
    pub(super) fn storage(&mut self, has_group: bool) {
        let id = self.id.clone();
        let kinds: &[(&str, &[&str], u64)] = &[
            ("ide", &["PIIX3", "PIIX4", "ICH6"], 2),
            ("sata", &["IntelAhci"], 30),
            ("scsi", &["LSILogic", "BusLogic"], 16),
            ("sas", &["LSILogicSAS"], 32),
            ("pcie", &["NVMe"], 8),
            ("virtio", &["VirtIO"], 8),
            ("floppy", &["I82078"], 1),
            ("usb", &["USB"], 8),
        ];
        for &(bus, chips, ports) in kinds {
            if !self.random.percent(10) {
                continue;
            }
            // VirtualBox has one of each bus at most, and `--default` may have made any that an OS type recommends.
            let recommended = !matches!(bus, "pcie" | "usb");
            if recommended && self.commands[0].iter().any(|word| word == "--default") {
                continue;
            }
            let name = format!("X {bus}");
            let mut words = command(&["storagectl", &id, "--name", &name, "--add", bus]);
            words.extend(command(&["--controller", self.random.pick(chips)]));
            let can_have_ports = !matches!(bus, "ide" | "scsi" | "floppy" | "usb");
            let count = if can_have_ports { self.random.range(1, ports) } else { 1 };
            if can_have_ports {
                words.push(format!("--portcount={count}"));
            }
            if self.random.percent(30) {
                words.push(format!("--hostiocache={}", self.random.on_off()));
            }
            if self.random.percent(30) {
                words.push(format!("--bootable={}", self.random.on_off()));
            }
            self.commands.push(words);
            let port = self.random.below(count);
            match bus {
                "floppy" => {
                    let image = format!("--medium={}", path(&self.place.floppy));
                    let medium = self.random.pick(&["--medium=emptydrive", image.as_str()]);
                    self.attach(&name, 0, &["--type=fdd", medium]);
                }
                "ide" | "sata" if self.random.percent(50) => self.drive(&name, port),
                _ => self.disk(&name, port, has_group),
            }
        }
    }

    fn attach(&mut self, controller: &str, port: u64, rest: &[&str]) {
        let (port, id) = (format!("--port={port}"), self.id.clone());
        let mut words = command(&["storageattach", &id, "--storagectl", controller, &port, "--device=0"]);
        words.extend(command(rest));
        self.commands.push(words);
    }

    fn drive(&mut self, controller: &str, port: u64) {
        let iso = path(&self.place.iso).to_owned();
        let medium = format!("--medium={}", self.random.pick(&["emptydrive", iso.as_str()]));
        let mut words = vec!["--type=dvddrive".to_owned(), medium];
        for option in ["--passthrough", "--tempeject"] {
            if self.random.percent(30) {
                words.push(format!("{option}={}", self.random.on_off()));
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.attach(controller, port, &words);
    }

    fn disk(&mut self, controller: &str, port: u64, has_group: bool) {
        let (format, extension) = [("VDI", "vdi"), ("VMDK", "vmdk"), ("VHD", "vhd")]
            [usize::try_from(self.random.below(3)).unwrap()];
        let file = self.place.scratch.join(format!("{}-{}.{extension}", self.index, self.commands.len()));
        let file = path(&file).to_owned();
        self.run(&["createmedium", "disk", "--filename", &file, "--size=4", "--format", format]);
        let mut words = vec!["--type=hdd".to_owned(), format!("--medium={file}")];
        for option in ["--nonrotational", "--discard", "--hotpluggable"] {
            // Other formats cannot shrink, other controllers cannot unplug.
            let fits = match option {
                "--discard" => format == "VDI",
                "--hotpluggable" => controller == "X sata" || controller == "X usb",
                _ => true,
            };
            if fits && self.random.percent(30) {
                words.push(format!("{option}={}", self.random.on_off()));
            }
        }
        let made_group = self.commands.iter().any(|command| command.iter().any(|word| word == "d \"g"));
        if has_group && made_group && self.random.percent(50) {
            words.push("--bandwidthgroup=d \"g".to_owned());
        }
        if self.random.percent(25) {
            words.push(format!("--mtype={}", self.random.pick(&["writethrough", "immutable"])));
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.attach(controller, port, &words);
    }

    pub(super) fn snapshots(&mut self) {
        let id = self.id.clone();
        for number in 0..self.random.range(1, 2) {
            let name = format!("s{number} {}", self.random.pick(&["", "ü", "two words", "\"q\""]));
            let description = self.random.pick(&["", "one", "d \"x\"\ny"]);
            let description = format!("--description={description}");
            self.run(&["snapshot", &id, "take", &name, &description]);
            if self.random.percent(20) {
                self.run(&["snapshot", &id, "restorecurrent"]);
            }
        }
        if self.random.percent(50) {
            let memory = format!("--memory={}", self.random.range(4, 2048));
            self.run(&["modifyvm", &id, &memory]);
        }
    }
}
