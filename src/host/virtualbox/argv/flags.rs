//! The table of settings that one flag of `modifyvm` each sets, with the flag's spellings.
//!
//! Flags and forms are those of VirtualBox 7.2.22's usage text, checked one by one on it by a lab test; the older
//! spellings are 7.0's, before the flags of one platform got that platform's name. Which of them an installed VirtualBox
//! has, its own usage text tells ([`Spellings`]).

use std::collections::BTreeSet;

use serde_json::Value;

/// How a value is written behind a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is: a text or a number.
    Plain,
    /// As it is; the empty text has a word of its own.
    Or(&'static str),
    /// `on` or `off`.
    OnOff,
    /// `enabled` or `disabled`.
    Enabled,
    /// As it is, but for words that VBoxManage spells otherwise.
    Words(&'static [(&'static str, &'static str)]),
    /// Several, with commas; none of them is the word.
    List(&'static str),
}

/// One setting: its path, its flag with older spellings behind it, its form. `#` stands for a number: a slot.
pub struct Row {
    /// Keys from the machine's settings.
    pub path: &'static str,
    /// Without dashes, the newest first.
    pub flags: &'static [&'static str],
    /// How the value is written.
    pub form: Form,
}

const fn row(path: &'static str, flags: &'static [&'static str], form: Form) -> Row {
    Row { path, flags, form }
}

use Form::{Enabled, List, OnOff, Or, Plain, Words};

/// In the order in which VirtualBox must get them: it carries flags out one after another, and some depend on others (an
/// audio codec on its controller, slots beyond 8 on the chipset, a USB pointing device brings a controller with it).
pub const ROWS: &[Row] = &[
    row("osType", &["os-type"], Plain),
    row("description", &["description"], Plain),
    row("hardwareUuid", &["hardware-uuid"], Plain),
    row("snapshotFolder", &["snapshot-folder"], Or("default")),
    row("processPriority", &["vm-process-priority"], Plain),
    row("executionEngine", &["vm-execution-engine"], Plain),
    row("frontend", &["default-frontend"], Or("default")),
    row("chipset", &["chipset"], Plain),
    row("iommu", &["iommu"], Plain),
    row("firmware", &["firmware"], Plain),
    row("firmwareSettings.apic", &["firmware-apic", "bios-apic"], Plain),
    row("firmwareSettings.bootMenu", &["firmware-boot-menu", "bios-boot-menu"], Plain),
    row("firmwareSettings.logoFadeIn", &["firmware-logo-fade-in", "bios-logo-fade-in"], OnOff),
    row("firmwareSettings.logoFadeOut", &["firmware-logo-fade-out", "bios-logo-fade-out"], OnOff),
    row("firmwareSettings.logoDisplayTime", &["firmware-logo-display-time", "bios-logo-display-time"], Plain),
    row("firmwareSettings.logoImage", &["firmware-logo-image-path", "bios-logo-image-path"], Plain),
    row("firmwareSettings.timeOffset", &["firmware-system-time-offset", "bios-system-time-offset"], Plain),
    row("firmwareSettings.pxeDebug", &["firmware-pxe-debug", "bios-pxe-debug"], OnOff),
    row("firmwareSettings.systemUuidLittleEndian", &["system-uuid-le"], OnOff),
    row("tpm", &["tpm-type"], Plain),
    row("bootOrder.#", &["boot#"], Plain),
    row("paravirtProvider", &["paravirt-provider"], Plain),
    row("rtcUseUtc", &["rtc-use-utc"], OnOff),
    row("acpi", &["acpi"], OnOff),
    row("ioapic", &["ioapic"], OnOff),
    row("hpet", &["x86-hpet", "hpet"], OnOff),
    row("tripleFaultReset", &["triple-fault-reset"], OnOff),
    row("cpuHotplug", &["cpu-hotplug"], OnOff),
    row("cpus", &["cpus"], Plain),
    row("cpuExecutionCap", &["cpu-execution-cap"], Plain),
    row("cpuProfile", &["cpu-profile"], Plain),
    row("cpuidPortabilityLevel", &["cpuid-portability-level"], Plain),
    // x2APIC off switches the APIC off too, so that the APIC's own word comes behind it.
    row("x2apic", &["x86-x2apic", "x2apic"], OnOff),
    row("apic", &["apic"], OnOff),
    row("pae", &["x86-pae", "pae"], OnOff),
    row("longMode", &["x86-long-mode", "long-mode"], OnOff),
    row("hwVirtEx", &["hwvirtex"], OnOff),
    row("nestedPaging", &["nested-paging"], OnOff),
    row("largePages", &["large-pages"], OnOff),
    row("vtxVpid", &["x86-vtx-vpid", "vtx-vpid"], OnOff),
    row("vtxUx", &["x86-vtx-ux", "vtx-ux"], OnOff),
    row("virtVmsaveVmload", &["virt-vmsave-vmload"], OnOff),
    row("nestedHwVirt", &["nested-hw-virt"], OnOff),
    row("mitigations.ibpbOnVmExit", &["ibpb-on-vm-exit"], OnOff),
    row("mitigations.ibpbOnVmEntry", &["ibpb-on-vm-entry"], OnOff),
    row("mitigations.specCtrl", &["spec-ctrl"], OnOff),
    row("mitigations.l1dFlushOnSched", &["l1d-flush-on-sched"], OnOff),
    row("mitigations.l1dFlushOnVmEntry", &["l1d-flush-on-vm-entry"], OnOff),
    row("mitigations.mdsClearOnSched", &["mds-clear-on-sched"], OnOff),
    row("mitigations.mdsClearOnVmEntry", &["mds-clear-on-vm-entry"], OnOff),
    row("memory", &["memory"], Plain),
    row("memoryBalloon", &["guest-memory-balloon"], Plain),
    row("pageFusion", &["page-fusion"], OnOff),
    row("graphics.controller", &["graphicscontroller"], Plain),
    row("graphics.vram", &["vram"], Plain),
    row("graphics.monitors", &["monitor-count"], Plain),
    row("graphics.accelerate3d", &["accelerate-3d"], OnOff),
    row("vrde.extPack", &["vrde-extpack"], Or("default")),
    row("vrde.enabled", &["vrde"], OnOff),
    row("vrde.address", &["vrde-address"], Plain),
    row("vrde.port", &["vrde-port"], Or("default")),
    row("vrde.auth", &["vrde-auth-type"], Words(&[("none", "null")])),
    row("vrde.authLibrary", &["vrde-auth-library"], Or("default")),
    row("vrde.multiConnection", &["vrde-multi-con"], OnOff),
    row("vrde.reuseConnection", &["vrde-reuse-con"], OnOff),
    row("recording.enabled", &["recording"], OnOff),
    row("recording.screens", &["recording-screens"], List("none")),
    row("recording.file", &["recording-file"], Plain),
    row("recording.size", &["recording-video-res"], Plain),
    row("recording.rate", &["recording-video-rate"], Plain),
    row("recording.fps", &["recording-video-fps"], Plain),
    row("recording.maxTime", &["recording-max-time"], Plain),
    row("recording.maxSize", &["recording-max-size"], Plain),
    row("audio.driver", &["audio-driver"], Plain),
    row("audio.enabled", &["audio-enabled"], OnOff),
    row("audio.controller", &["audio-controller"], Plain),
    row("audio.codec", &["audio-codec"], Plain),
    row("audio.in", &["audio-in"], OnOff),
    row("audio.out", &["audio-out"], OnOff),
    row("clipboard.mode", &["clipboard-mode"], Plain),
    row("clipboard.fileTransfers", &["clipboard-file-transfers"], Enabled),
    row("dragAndDrop", &["drag-and-drop"], Plain),
    row("pointing", &["mouse"], Plain),
    row("keyboard", &["keyboard"], Plain),
    row("usb.controllers.ohci", &["usb-ohci"], OnOff),
    row("usb.controllers.ehci", &["usb-ehci"], OnOff),
    row("usb.controllers.xhci", &["usb-xhci"], OnOff),
    row("usb.cardReader", &["usb-card-reader"], OnOff),
    row("serialPorts.#.type", &["uart-type#"], Plain),
    row("parallelPorts.#.device", &["lpt-mode#"], Plain),
    row("nics.#.mode", &["nic#"], Words(&[("unattached", "null")])),
    row("nics.#.driver", &["nic-generic-drv#"], Plain),
    row("nics.#.type", &["nic-type#"], Plain),
    row("nics.#.mac", &["mac-address#"], Or("auto")),
    row("nics.#.cable", &["cable-connected#"], OnOff),
    row("nics.#.speed", &["nic-speed#"], Plain),
    row("nics.#.promiscuous", &["nic-promisc#"], Plain),
    row("nics.#.bandwidthGroup", &["nic-bandwidth-group#"], Or("none")),
    row("nics.#.bootPriority", &["nic-boot-prio#"], Plain),
    row("nics.#.nat.cidr", &["nat-net#"], Or("default")),
    row("nics.#.nat.bindIp", &["nat-bind-ip#"], Plain),
    row("nics.#.nat.dns.passDomain", &["nat-dns-pass-domain#"], OnOff),
    row("nics.#.nat.dns.proxy", &["nat-dns-proxy#"], OnOff),
    row("nics.#.nat.dns.hostResolver", &["nat-dns-host-resolver#"], OnOff),
    row("nics.#.nat.tftp.enabled", &["nat-enable-tftp#"], OnOff),
    row("nics.#.nat.tftp.prefix", &["nat-tftp-prefix#"], Plain),
    row("nics.#.nat.tftp.file", &["nat-tftp-file#"], Plain),
    row("nics.#.nat.tftp.server", &["nat-tftp-server#"], Plain),
    row("nics.#.nat.aliasMode", &["nat-alias-mode#"], List("default")),
    row("nics.#.nat.forwardBroadcast", &["nat-forward-broadcast#"], OnOff),
    row("autostart.enabled", &["autostart-enabled"], OnOff),
    row("autostart.delay", &["autostart-delay"], Plain),
    row("autostart.stop", &["autostop-type"], Plain),
    row("teleporter.enabled", &["teleporter"], OnOff),
    row("teleporter.port", &["teleporter-port"], Plain),
    row("teleporter.address", &["teleporter-address"], Plain),
    row("groups", &["groups"], List("/")),
    row("name", &["name"], Plain),
];

/// The row of a path and its place in the table; numbers in the path stand for `#`.
pub fn find(keys: &[&str]) -> Option<(usize, &'static Row)> {
    let fits = |row: &Row| {
        let parts: Vec<&str> = row.path.split('.').collect();
        parts.len() == keys.len()
            && parts
                .iter()
                .zip(keys)
                .all(|(part, key)| if *part == "#" { is_number(key) } else { part == key })
    };
    ROWS.iter().enumerate().find(|(_, row)| fits(row))
}

fn is_number(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit())
}

impl Form {
    /// A value in this form; `None` where the value is not what the form takes.
    pub fn write(self, value: &Value) -> Option<String> {
        let scalar = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let flag = |on: &str, off: &str| value.as_bool().map(|yes| if yes { on } else { off }.to_owned());
        match self {
            Self::Plain => scalar(value),
            Self::Or(word) => match value {
                Value::Null => Some(word.to_owned()),
                Value::String(text) if text.is_empty() => Some(word.to_owned()),
                _ => scalar(value),
            },
            Self::OnOff => flag("on", "off"),
            Self::Enabled => flag("enabled", "disabled"),
            Self::Words(words) => {
                let word = scalar(value)?;
                let found = words.iter().find(|(ours, _)| *ours == word);
                Some(found.map_or(word, |(_, theirs)| (*theirs).to_owned()))
            }
            Self::List(none) => {
                let all: Option<Vec<String>> = value.as_array()?.iter().map(scalar).collect();
                all.map(|all| if all.is_empty() { none.to_owned() } else { all.join(",") })
            }
        }
    }
}

/// Which spellings an installed VirtualBox has.
#[derive(Clone, Debug, Default)]
pub struct Spellings(BTreeSet<String>);

impl Spellings {
    /// Reads the flags out of the usage text of `modifyvm`.
    pub fn of_usage(text: &str) -> Self {
        let flag = |word: &str| {
            let (_, flag) = word.split_once("--")?;
            let end = flag.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(flag.len());
            let flag = &flag[..end];
            // `--nicN`, `--bootX`: a number goes there.
            Some(flag.strip_suffix(['N', 'X']).map_or_else(|| flag.to_owned(), |flag| format!("{flag}#")))
        };
        Self(text.split_whitespace().filter_map(flag).collect())
    }

    /// The spelling to use: the newest that the usage text names, or the newest at all, which is tried and read back.
    pub fn pick(&self, flags: &'static [&'static str]) -> &'static str {
        let named = flags.iter().find(|flag| self.0.contains(**flag));
        named.or(flags.first()).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Form, ROWS, Spellings, find};

    #[test]
    fn a_path_has_one_row_at_most() {
        for (index, row) in ROWS.iter().enumerate() {
            let keys: Vec<String> = row.path.split('.').map(|part| part.replace('#', "3")).collect();
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            assert_eq!(find(&keys).map(|found| found.0), Some(index), "{}", row.path);
        }
        assert!(find(&["nics", "x", "mode"]).is_none());
        assert!(find(&["nics", "1"]).is_none());
    }

    #[test]
    fn values_are_written_as_vboxmanage_wants_them() {
        assert_eq!(Form::Plain.write(&json!(2048)).as_deref(), Some("2048"));
        assert_eq!(Form::Or("auto").write(&json!(null)).as_deref(), Some("auto"));
        assert_eq!(Form::OnOff.write(&json!(false)).as_deref(), Some("off"));
        assert_eq!(Form::OnOff.write(&json!("on")), None);
        assert_eq!(
            Form::Words(&[("unattached", "null")]).write(&json!("unattached")).as_deref(),
            Some("null")
        );
        assert_eq!(Form::List("none").write(&json!(["/a", "/b"])).as_deref(), Some("/a,/b"));
        assert_eq!(Form::List("none").write(&json!([])).as_deref(), Some("none"));
    }

    #[test]
    fn the_usage_text_chooses_the_spelling() {
        let old = Spellings::of_usage(
            "  VBoxManage modifyvm <uuid | vmname> [--pae= on | off]\n   [--nicN= none | null]",
        );
        assert_eq!(old.pick(&["x86-pae", "pae"]), "pae");
        assert_eq!(old.pick(&["nic#"]), "nic#");
        let new = Spellings::of_usage("[--x86-pae= on | off] [--pae=x]");
        assert_eq!(new.pick(&["x86-pae", "pae"]), "x86-pae");
        assert_eq!(Spellings::default().pick(&["x86-pae", "pae"]), "x86-pae");
    }
}
