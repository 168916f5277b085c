//! Random machines: the VBoxManage commands that make them, from a seed.
//!
//! Over every setting that VirtualBox keeps in a machine's file, also those that manifests cannot say. What VirtualBox refuses
//! to combine is left out here, so that no command fails.

use std::fs;
use std::path::PathBuf;

use uuid::Uuid;
use vboxmcp::model::os_type;

use crate::home::path;
use crate::random::Random;

impl Random {
    fn on_off(&mut self) -> &'static str {
        self.pick(&["on", "off"])
    }

    fn uuid(&mut self) -> Uuid {
        let number = (u128::from(self.next()) << 64) | u128::from(self.next());
        uuid::Builder::from_random_bytes(number.to_be_bytes()).into_uuid()
    }

    fn text(&mut self) -> String {
        self.pick(TEXTS).to_owned()
    }
}

/// What people, and people who break things, write into free text.
const TEXTS: &[&str] = &[
    "",
    "plain",
    "two words",
    "line 1\nline 2\n",
    "\"quoted\" and \\ back",
    "ends with \\",
    "<tag attr='x'>&amp;</tag>",
    "grüße 日本語 🚀",
    "memory=1\nname=\"no\"",
    " leads and trails ",
    "tab\there",
];

const SAFE_TEXTS: &[&str] = &["plain", "two words", "\"quoted\"", "<&>", "grüße 日本語", "a'b"];

type Command = Vec<String>;

/// One machine: its UUID and what makes it, in this order.
pub struct Recipe {
    pub uuid: Uuid,
    pub commands: Vec<Command>,
}

/// Where the machines of one run find what they share.
pub struct Place {
    /// For disks and other files.
    scratch: PathBuf,
    /// An image for drives.
    iso: PathBuf,
    /// An image for floppy drives.
    floppy: PathBuf,
}

impl Place {
    /// Makes the images in a folder.
    pub fn make(scratch: PathBuf) -> Self {
        let (iso, floppy) = (scratch.join("x.iso"), scratch.join("x.img"));
        fs::write(&iso, vec![0; 64 << 10]).expect("an image");
        fs::write(&floppy, vec![0; 1440 << 10]).expect("an image");
        Self { scratch, iso, floppy }
    }
}

struct Maker<'r, 'p> {
    random: &'r mut Random,
    place: &'p Place,
    index: usize,
    id: String,
    flags: Vec<String>,
    commands: Vec<Command>,
    ich9: bool,
}

/// Makes the recipe of one machine.
pub fn recipe(random: &mut Random, place: &Place, index: usize) -> Recipe {
    let uuid = random.uuid();
    let mut maker = Maker {
        random,
        place,
        index,
        id: uuid.to_string(),
        flags: Vec::new(),
        commands: Vec::new(),
        ich9: false,
    };
    maker.make();
    Recipe { uuid, commands: maker.commands }
}

fn command(words: &[&str]) -> Command {
    words.iter().map(|&word| word.to_owned()).collect()
}

impl Maker<'_, '_> {
    fn run(&mut self, words: &[&str]) {
        self.commands.push(command(words));
    }

    fn flag(&mut self, name: &str, value: impl std::fmt::Display) {
        self.flags.push(format!("--{name}={value}"));
    }

    /// A flag in so many of a hundred machines.
    fn sometimes(&mut self, percent: u64, name: &str, choices: &[&str]) {
        if self.random.percent(percent) {
            let value = self.random.pick(choices);
            self.flag(name, value);
        }
    }

    fn switch(&mut self, percent: u64, name: &str) {
        self.sometimes(percent, name, &["on", "off"]);
    }

    fn number(&mut self, percent: u64, name: &str, first: u64, last: u64) {
        if self.random.percent(percent) {
            let value = self.random.range(first, last);
            self.flag(name, value);
        }
    }

    fn modify(&mut self) {
        if self.flags.is_empty() {
            return;
        }
        let mut words = command(&["modifyvm", &self.id]);
        words.append(&mut self.flags);
        self.commands.push(words);
    }

    fn make(&mut self) {
        let types: Vec<&str> = os_type::ids().collect();
        let types: Vec<&str> = types.into_iter().filter(|id| !id.contains("arm64")).collect();
        let os_type = self.random.pick(&types);
        let suffix = if self.random.percent(20) { self.random.pick(SAFE_TEXTS) } else { "" };
        let (name, id) = (format!("m{}{suffix}", self.index), self.id.clone());
        let mut create =
            command(&["createvm", "--register", "--name", &name, "--uuid", &id, "--ostype", os_type]);
        if self.random.percent(40) {
            create.push("--default".to_owned());
        }
        if self.random.percent(20) {
            create.push(format!("--groups={}", self.random.pick(&["/a", "/a/b", "/x,/a/b", "/ü"])));
        }
        self.commands.push(create);
        let has_group = self.random.percent(25);
        if has_group {
            self.run(&["bandwidthctl", &id, "add", "ng", "--type=network", "--limit=20m"]);
            if self.random.percent(50) {
                let limit = format!("--limit={}", self.random.pick(&["0", "10M", "3000k", "1G"]));
                self.run(&["bandwidthctl", &id, "add", "d \"g", "--type=disk", &limit]);
            }
        }
        self.identity();
        self.processor();
        self.firmware();
        self.devices();
        // The number of adapters is that of the chipset before the command; a second command is otherwise as good as one.
        if self.ich9 || self.random.percent(10) {
            self.modify();
        }
        self.ports();
        self.nics(has_group);
        self.remote();
        self.modify();
        self.data();
        self.storage(has_group);
        // What a snapshot says of recording, VirtualBox changes with the machine's own.
        let records = self.commands.iter().flatten().any(|word| word.starts_with("--recording"));
        if !records && self.random.percent(20) {
            self.snapshots();
        }
    }

    fn identity(&mut self) {
        if self.random.percent(40) {
            let text = self.random.text();
            self.flag("description", text);
        }
        self.sometimes(10, "groups", &["/", "/g", "/g/h,/z"]);
        self.sometimes(10, "hardware-uuid", &["6d6f6e6b-6579-4000-8000-000000000001"]);
        self.sometimes(20, "default-frontend", &["headless", "gui", "default"]);
        self.sometimes(30, "vm-process-priority", &["default", "flat", "low", "normal", "high"]);
        // These raise the version of the file, and with it its layout.
        self.sometimes(
            12,
            "vm-execution-engine",
            &["default", "hwvirt", "native-api", "interpreter", "recompiler"],
        );
        if self.random.percent(10) {
            let folder = self.place.scratch.join("snapshots").join(self.index.to_string());
            let folder = path(&folder).to_owned();
            self.flag("snapshot-folder", folder);
        }
        self.number(20, "autostart-delay", 0, 600);
        if self.random.percent(15) {
            self.switch(50, "teleporter");
            self.number(80, "teleporter-port", 1024, 65535);
            self.sometimes(50, "teleporter-address", &["127.0.0.1", "empty"]);
            self.sometimes(50, "teleporter-password", &["secret"]);
        }
        if self.random.percent(10) {
            self.switch(70, "tracing-enabled");
            self.sometimes(50, "tracing-config", &["x", "a=b"]);
            self.switch(50, "tracing-allow-vm-access");
            self.sometimes(50, "guest-debug-provider", &["none", "native", "gdb", "kd"]);
            self.sometimes(50, "guest-debug-io-provider", &["none", "tcp", "udp", "ipc"]);
            self.number(50, "guest-debug-port", 1, 65535);
        }
    }

    fn processor(&mut self) {
        self.number(80, "memory", 4, 4096);
        self.number(15, "guest-memory-balloon", 0, 2);
        self.number(60, "cpus", 1, 8);
        self.number(30, "cpu-execution-cap", 1, 100);
        self.switch(15, "cpu-hotplug");
        self.sometimes(10, "cpu-profile", &["host", "Intel 8086", "Intel 80286", "Intel 80386"]);
        self.number(15, "cpuid-portability-level", 0, 3);
        for name in [
            "x86-pae",
            "x86-long-mode",
            "x86-x2apic",
            "apic",
            "x86-hpet",
            "hwvirtex",
            "nested-paging",
            "large-pages",
            "x86-vtx-vpid",
            "x86-vtx-ux",
            "nested-hw-virt",
            "virt-vmsave-vmload",
            "triple-fault-reset",
            "ibpb-on-vm-exit",
            "ibpb-on-vm-entry",
            "spec-ctrl",
            "l1d-flush-on-sched",
            "l1d-flush-on-vm-entry",
            "mds-clear-on-sched",
            "mds-clear-on-vm-entry",
        ] {
            self.switch(25, name);
        }
        if self.random.percent(20) {
            for leaf in ["00000001", "80000001"] {
                if self.random.percent(60) {
                    let registers: Vec<String> =
                        (0..4).map(|_| format!("{:08x}", self.random.below(1 << 32))).collect();
                    self.flags.push("--cpuid-set".to_owned());
                    self.flags.push(leaf.to_owned());
                    self.flags.extend(registers);
                }
            }
        }
    }

    fn firmware(&mut self) {
        self.sometimes(40, "firmware", &["bios", "efi", "efi32", "efi64"]);
        self.ich9 = self.random.percent(30);
        if self.ich9 {
            self.flag("chipset", "ich9");
            self.sometimes(50, "iommu", &["none", "automatic", "amd", "intel"]);
        }
        self.sometimes(25, "tpm-type", &["none", "1.2", "2.0", "host", "swtpm"]);
        self.sometimes(10, "tpm-location", &["127.0.0.1:99", ""]);
        for name in ["acpi", "ioapic", "rtc-use-utc", "firmware-logo-fade-in", "firmware-logo-fade-out"] {
            self.switch(30, name);
        }
        self.number(15, "firmware-logo-display-time", 0, 60_000);
        self.sometimes(10, "firmware-logo-image-path", &["/tmp/logo.bmp", "/tmp/a b.bmp"]);
        self.sometimes(25, "firmware-boot-menu", &["disabled", "menuonly", "messageandmenu"]);
        self.sometimes(25, "firmware-apic", &["disabled", "apic", "x2apic"]);
        self.sometimes(15, "firmware-system-time-offset", &["0", "-1000", "86400000", "7"]);
        self.switch(10, "firmware-pxe-debug");
        self.switch(15, "system-uuid-le");
        self.sometimes(40, "paravirt-provider", &["none", "default", "legacy", "minimal", "hyperv", "kvm"]);
        self.sometimes(10, "paravirt-debug", &["a=b", "enabled=1,x=2"]);
        if self.random.percent(40) {
            let mut devices = vec!["floppy", "dvd", "disk", "net", "none"];
            for position in 1..=4 {
                let at = usize::try_from(self.random.below(devices.len() as u64)).unwrap();
                self.flag(&format!("boot{position}"), devices[at]);
                if devices[at] != "none" {
                    devices.remove(at);
                }
            }
        }
    }

    fn devices(&mut self) {
        if self.random.percent(5) {
            self.flag("graphicscontroller", "none");
        } else {
            self.sometimes(60, "graphicscontroller", &["vboxvga", "vmsvga", "vboxsvga"]);
            self.number(50, "vram", 2, 256);
        }
        self.number(20, "monitor-count", 1, 4);
        if self.random.percent(15) {
            self.flag("graphicscontroller", "vboxsvga");
            let value = self.random.on_off();
            self.flag("accelerate-3d", value);
        }
        let audio: &[(&str, &[&str])] =
            &[("ac97", &["stac9700", "ad1980"]), ("hda", &["stac9221"]), ("sb16", &["sb16"])];
        if self.random.percent(40) {
            let (controller, codecs) = audio[usize::try_from(self.random.below(3)).unwrap()];
            self.flag("audio-controller", controller);
            self.sometimes(50, "audio-codec", codecs);
        }
        self.sometimes(40, "audio-driver", &["none", "default", "null", "oss", "alsa", "pulse"]);
        for name in ["audio-enabled", "audio-in", "audio-out"] {
            self.switch(40, name);
        }
        let directions = ["disabled", "hosttoguest", "guesttohost", "bidirectional"];
        self.sometimes(30, "clipboard-mode", &directions);
        self.sometimes(20, "clipboard-file-transfers", &["enabled", "disabled"]);
        self.sometimes(30, "drag-and-drop", &directions);
        self.sometimes(30, "mouse", &["ps2", "usb", "usbtablet", "usbmultitouch"]);
        self.sometimes(20, "keyboard", &["ps2", "usb"]);
        self.switch(20, "usb-ohci");
        self.switch(20, "usb-ehci");
        self.switch(20, "usb-xhci");
        self.switch(10, "usb-card-reader");
        if self.random.percent(20) {
            self.switch(50, "recording");
            // With no screen VirtualBox prints nothing of what it keeps.
            self.sometimes(50, "recording-screens", &["all", "0"]);
            self.sometimes(50, "recording-file", &["/tmp/r.webm", "/tmp/two words.x.webm"]);
            self.number(50, "recording-max-size", 0, 100);
            self.number(50, "recording-max-time", 0, 100);
            self.sometimes(50, "recording-video-res", &["640x480", "1920x1080"]);
            self.number(50, "recording-video-rate", 100, 2000);
            self.number(50, "recording-video-fps", 5, 60);
        }
    }

    fn ports(&mut self) {
        let resources = [("0x3f8", "4"), ("0x2f8", "3"), ("0x3e8", "4"), ("0x2e8", "3")];
        for (number, (base, irq)) in (1..).zip(resources) {
            if !self.random.percent(20) {
                continue;
            }
            self.flags.extend(command(&[&format!("--uart{number}"), base, irq]));
            let modes: &[&[&str]] = &[
                &["disconnected"],
                &["server", "/tmp/pipe"],
                &["client", "/tmp/a \"b\""],
                &["tcpserver", "4000"],
                &["tcpclient", "localhost:4001"],
                &["file", "/tmp/serial.log"],
                &["/dev/ttyS7"],
            ];
            let mode = self.random.pick(modes);
            self.flags.push(format!("--uart-mode{number}"));
            self.flags.extend(command(mode));
            self.sometimes(50, &format!("uart-type{number}"), &["16450", "16550A", "16750"]);
        }
        for (number, (base, irq)) in (1..).zip([("0x378", "7"), ("0x278", "5")]) {
            if self.random.percent(10) {
                self.flags.extend(command(&[&format!("--lpt{number}"), base, irq]));
                self.flags.extend(command(&[&format!("--lpt-mode{number}"), "/dev/lp9"]));
            }
        }
    }

    fn nics(&mut self, has_group: bool) {
        let last = if self.ich9 { 36 } else { 8 };
        let mut slots: Vec<u64> = (1..=3).filter(|_| self.random.percent(60)).collect();
        if self.random.percent(30) {
            slots.push(self.random.range(4, last));
        }
        for slot in slots {
            let modes = [
                "none",
                "null",
                "nat",
                "nat",
                "nat",
                "bridged",
                "intnet",
                "hostonly",
                "generic",
                "natnetwork",
                "cloud",
            ];
            let mode = self.random.pick(&modes);
            self.flag(&format!("nic{slot}"), mode);
            let types = ["Am79C970A", "Am79C973", "82540EM", "82543GC", "82545EM", "virtio", "usbnet"];
            self.sometimes(50, &format!("nic-type{slot}"), &types);
            self.sometimes(30, &format!("cable-connected{slot}"), &["on", "off"]);
            self.sometimes(15, &format!("nic-speed{slot}"), &["0", "1000", "1000000"]);
            self.number(20, &format!("nic-boot-prio{slot}"), 0, 4);
            self.sometimes(20, &format!("nic-promisc{slot}"), &["deny", "allow-vms", "allow-all"]);
            self.sometimes(30, &format!("mac-address{slot}"), &["auto", "0800270ABCDE"]);
            if self.random.percent(10) {
                self.sometimes(90, &format!("nic-trace{slot}"), &["on", "off"]);
                self.sometimes(90, &format!("nic-trace-file{slot}"), &["/tmp/x.pcap"]);
            }
            if has_group && mode != "none" {
                self.sometimes(40, &format!("nic-bandwidth-group{slot}"), &["ng"]);
            }
            match mode {
                "nat" => self.nat(slot),
                "bridged" => self.flag(&format!("bridge-adapter{slot}"), "eth9"),
                "intnet" => self.sometimes(70, &format!("intnet{slot}"), &["lan", "two words", "ü"]),
                "hostonly" => self.flag(&format!("host-only-adapter{slot}"), "vboxnet7"),
                "natnetwork" => self.sometimes(70, &format!("nat-network{slot}"), &["core", "a \"b\""]),
                "cloud" => self.flag(&format!("cloud-network{slot}"), "c1"),
                "generic" => {
                    self.flag(&format!("nic-generic-drv{slot}"), "UDPTunnel");
                    self.flag(&format!("nic-property{slot}"), "dest=127.0.0.1");
                }
                _ => {}
            }
        }
    }

    fn nat(&mut self, slot: u64) {
        self.sometimes(30, &format!("nat-net{slot}"), &["10.9.0.0/24", "192.168.7.0/24", "default"]);
        let rules: &[&str] = &[
            "ssh,tcp,127.0.0.1,2222,,22",
            "web,tcp,,8080,10.0.2.15,80",
            "dns,udp,,5353,,53",
            "a \"b\",tcp,,1,,2",
            "z,udp,10.0.0.1,65535,10.9.0.7,65535",
        ];
        for rule in rules {
            self.sometimes(15, &format!("nat-pf{slot}"), &[rule]);
        }
        self.sometimes(
            15,
            &format!("nat-settings{slot}"),
            &["1400,64,64,64,64", "9000,128,128,128,128", "0,8,16,24,32"],
        );
        self.sometimes(10, &format!("nat-bind-ip{slot}"), &["127.0.0.1"]);
        self.sometimes(15, &format!("nat-dns-pass-domain{slot}"), &["on", "off"]);
        self.sometimes(10, &format!("nat-tftp-prefix{slot}"), &["/srv/tftp"]);
        self.sometimes(10, &format!("nat-tftp-file{slot}"), &["pxelinux.0"]);
        self.sometimes(10, &format!("nat-tftp-server{slot}"), &["10.0.2.4"]);
        self.sometimes(8, &format!("nat-localhostreachable{slot}"), &["on", "off"]);
        self.sometimes(5, &format!("nat-forward-broadcast{slot}"), &["on", "off"]);
        self.sometimes(12, &format!("nat-enable-tftp{slot}"), &["on", "off"]);
    }

    fn remote(&mut self) {
        if !self.random.percent(25) {
            return;
        }
        self.switch(70, "vrde");
        self.sometimes(60, "vrde-port", &["3390", "5000-5010", "default"]);
        self.sometimes(50, "vrde-address", &["127.0.0.1", "default"]);
        self.sometimes(50, "vrde-auth-type", &["null", "external", "guest"]);
        self.sometimes(30, "vrde-auth-library", &["default", "VBoxAuthSimple"]);
        self.switch(40, "vrde-multi-con");
        self.switch(40, "vrde-reuse-con");
        self.switch(20, "vrde-video-channel");
        self.number(20, "vrde-video-channel-quality", 10, 100);
        self.sometimes(20, "vrde-property", &["VNCPassword=secret", "Client/DisableUSB=1"]);
    }

    fn data(&mut self) {
        let id = self.id.clone();
        if self.random.percent(20) {
            let value = self.random.text();
            self.run(&["setextradata", &id, "vendor/key", &value]);
        }
        if self.random.percent(15) {
            let value = self.random.pick(SAFE_TEXTS);
            let flags = self.random.pick(&["RDONLYGUEST", "RDONLYHOST", "READONLY"]);
            self.run(&["guestproperty", "set", &id, "/app/role", value, "--flags", flags]);
        }
        if self.random.percent(20) {
            let scratch = path(&self.place.scratch).to_owned();
            let host_path = format!("--hostpath={scratch}");
            let names = ["share", "s\"f", "ü"];
            let name = format!("--name={}", self.random.pick(&names));
            let mut words = command(&["sharedfolder", "add", &id, &name, &host_path]);
            for option in ["--readonly", "--automount", "--auto-mount-point=/mnt/x y"] {
                if self.random.percent(40) {
                    words.push(option.to_owned());
                }
            }
            self.commands.push(words);
            if self.random.percent(25) {
                let policy = self.random.pick(&["forbidden", "subtree", "relative", "any"]);
                self.run(&["sharedfolder", "modify", &id, &name, &format!("--symlink-policy={policy}")]);
            }
        }
        if self.random.percent(15) {
            let target = format!("--target={id}");
            let texts = [
                "--manufacturer=A \"B\"",
                "--product=P",
                "--serialnumber=1",
                "--port=1",
                "--remote=yes",
                "--remote=no",
            ];
            for position in 0..self.random.range(1, 2) {
                let name = format!("--name=filter {position}");
                let mut words = command(&["usbfilter", "add", "0", &target, &name]);
                let active = format!("--active={}", self.random.pick(&["yes", "no"]));
                words.push(active);
                if self.random.percent(50) {
                    words.extend(command(&["--vendorid=0403", "--productid=6001", "--revision=0100"]));
                }
                if self.random.percent(60) {
                    words.push(self.random.pick(&texts).to_owned());
                }
                self.commands.push(words);
            }
        }
    }

    fn storage(&mut self, has_group: bool) {
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

    fn snapshots(&mut self) {
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
