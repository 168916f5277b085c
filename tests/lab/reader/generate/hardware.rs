//! What a machine is made of: processor, firmware, devices, ports.

use super::{Maker, command};
use crate::home::path;

impl Maker<'_, '_> {
    pub(super) fn identity(&mut self) {
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

    pub(super) fn processor(&mut self) {
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

    pub(super) fn firmware(&mut self) {
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

    pub(super) fn devices(&mut self) {
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

    pub(super) fn ports(&mut self) {
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
}
