//! Adapters, and the remote display.

use super::Maker;

impl Maker<'_, '_> {
    pub(super) fn nics(&mut self, has_group: bool) {
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

    pub(super) fn remote(&mut self) {
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
}
