//! Settings that one call of VirtualBox's interface each sets, the way `modifyvm` sets them.
//!
//! Left out is what `modifyvm` does more for than one call: an adapter's connection, a pointing device on USB, the chipset, the
//! TPM, ports. A change with such a setting in it is VBoxManage's as a whole. Slots and numbers are those of the 7.2 series.

use serde_json::Value;

use crate::model::{HostPort, PortForward, Protocol};

/// The object of a machine that has the setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The machine itself.
    Machine,
    /// Its graphics card.
    Graphics,
    /// Its platform.
    Platform,
    /// What only an x86 platform has.
    X86,
    /// Its firmware.
    Firmware,
    /// Its remote display.
    Vrde,
    /// Its sound card.
    Audio,
    /// An adapter, whose slot stands in the path.
    Nic,
    /// The NAT engine of an adapter.
    Nat,
}

/// How the setting is set: the shape of the call, which decides what the value must be, and the method's place in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// A text; an absent one is the empty one, which is VirtualBox's own choice.
    Text(usize),
    /// A number.
    Number(usize),
    /// A number with a sign.
    Offset(usize),
    /// On or off.
    Flag(usize),
    /// A word that stands for a number.
    Word(usize, &'static [(&'static str, u32)]),
    /// On or off, of the property with this number.
    Property(usize, u32),
    /// A text, of the property with this name; the last is what an empty one is called.
    Named(usize, &'static str, &'static str),
    /// A rule of port forwarding: added here, removed there.
    Rule(usize, usize),
}

/// A value ready for its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// For [`How::Text`].
    Text(String),
    /// For [`How::Number`] and [`How::Word`].
    Number(u32),
    /// For [`How::Offset`].
    Offset(i64),
    /// For [`How::Flag`] and [`How::Property`].
    Flag(bool),
    /// For [`How::Rule`]: the name, and the rule where it is added.
    Rule(String, Option<Rule>),
}

/// A rule of port forwarding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whether it is TCP.
    pub tcp: bool,
    /// Empty for any.
    pub host_ip: String,
    /// On the host.
    pub host_port: u16,
    /// Empty for the guest's first.
    pub guest_ip: String,
    /// In the guest.
    pub guest_port: u16,
}

/// One setting: `#` stands for the slot of an adapter, `*` for a name.
struct Row(&'static str, Part, How);

use How::{Flag, Named, Number, Offset, Property, Text, Word};
use Part::{Audio, Firmware, Graphics, Machine, Nat, Nic, Platform, Vrde, X86};

const DIRECTIONS: &[(&str, u32)] =
    &[("disabled", 0), ("hosttoguest", 1), ("guesttohost", 2), ("bidirectional", 3)];

/// `ISetCPUProperty` and `ISetHWVirtExProperty` of the platform.
const CPU: usize = 22;
const HW_VIRT: usize = 29;

const ROWS: &[Row] = &[
    Row("description", Machine, Text(11)),
    Row("hardwareUuid", Machine, Text(20)),
    Row("cpus", Machine, Number(22)),
    Row("cpuHotplug", Machine, Flag(24)),
    Row("cpuExecutionCap", Machine, Number(26)),
    Row("cpuidPortabilityLevel", Machine, Number(28)),
    Row("memory", Machine, Number(30)),
    Row("memoryBalloon", Machine, Number(32)),
    Row("pageFusion", Machine, Flag(34)),
    Row("usb.cardReader", Machine, Flag(49)),
    Row("clipboard.mode", Machine, Word(70, DIRECTIONS)),
    Row("clipboard.fileTransfers", Machine, Flag(72)),
    Row("dragAndDrop", Machine, Word(74, DIRECTIONS)),
    Row("teleporter.enabled", Machine, Flag(76)),
    Row("teleporter.port", Machine, Number(78)),
    Row("teleporter.address", Machine, Text(80)),
    Row(
        "paravirtProvider",
        Machine,
        Word(84, &[("none", 0), ("default", 1), ("legacy", 2), ("minimal", 3), ("hyperv", 4), ("kvm", 5)]),
    ),
    Row("autostart.enabled", Machine, Flag(98)),
    Row("autostart.delay", Machine, Number(100)),
    Row("frontend", Machine, Text(104)),
    Row(
        "processPriority",
        Machine,
        Word(107, &[("default", 1), ("flat", 2), ("low", 3), ("normal", 5), ("high", 6)]),
    ),
    Row(
        "executionEngine",
        Machine,
        Word(109, &[("default", 1), ("hwvirt", 2), ("native-api", 3), ("interpreter", 4), ("recompiler", 5)]),
    ),
    Row("cpuProfile", Machine, Text(113)),
    Row(
        "graphics.controller",
        Graphics,
        Word(4, &[("none", 0), ("vboxvga", 1), ("vmsvga", 2), ("vboxsvga", 3), ("qemuramfb", 4)]),
    ),
    Row("graphics.vram", Graphics, Number(6)),
    Row("graphics.monitors", Graphics, Number(8)),
    Row("graphics.accelerate3d", Graphics, Property(17, 2)),
    Row("iommu", Platform, Word(11, &[("none", 0), ("automatic", 1), ("amd", 2), ("intel", 3)])),
    Row("rtcUseUtc", Platform, Flag(13)),
    Row("hpet", X86, Flag(4)),
    Row("pae", X86, Property(CPU, 1)),
    Row("longMode", X86, Property(CPU, 2)),
    Row("tripleFaultReset", X86, Property(CPU, 3)),
    Row("apic", X86, Property(CPU, 4)),
    Row("x2apic", X86, Property(CPU, 5)),
    Row("mitigations.ibpbOnVmExit", X86, Property(CPU, 6)),
    Row("mitigations.ibpbOnVmEntry", X86, Property(CPU, 7)),
    Row("nestedHwVirt", X86, Property(CPU, 8)),
    Row("mitigations.specCtrl", X86, Property(CPU, 9)),
    Row("mitigations.l1dFlushOnSched", X86, Property(CPU, 11)),
    Row("mitigations.l1dFlushOnVmEntry", X86, Property(CPU, 12)),
    Row("mitigations.mdsClearOnSched", X86, Property(CPU, 13)),
    Row("mitigations.mdsClearOnVmEntry", X86, Property(CPU, 14)),
    Row("hwVirtEx", X86, Property(HW_VIRT, 1)),
    Row("vtxVpid", X86, Property(HW_VIRT, 2)),
    Row("nestedPaging", X86, Property(HW_VIRT, 3)),
    Row("vtxUx", X86, Property(HW_VIRT, 4)),
    Row("largePages", X86, Property(HW_VIRT, 5)),
    Row("virtVmsaveVmload", X86, Property(HW_VIRT, 8)),
    Row("firmware", Firmware, Word(4, &[("bios", 1), ("efi", 2), ("efi32", 3), ("efi64", 4)])),
    Row("firmwareSettings.logoFadeIn", Firmware, Flag(6)),
    Row("firmwareSettings.logoFadeOut", Firmware, Flag(8)),
    Row("firmwareSettings.logoDisplayTime", Firmware, Number(10)),
    Row("firmwareSettings.logoImage", Firmware, Text(12)),
    Row(
        "firmwareSettings.bootMenu",
        Firmware,
        Word(14, &[("disabled", 0), ("menuonly", 1), ("messageandmenu", 2)]),
    ),
    Row("acpi", Firmware, Flag(16)),
    Row("ioapic", Firmware, Flag(18)),
    Row("firmwareSettings.apic", Firmware, Word(20, &[("disabled", 0), ("apic", 1), ("x2apic", 2)])),
    Row("firmwareSettings.timeOffset", Firmware, Offset(22)),
    Row("firmwareSettings.pxeDebug", Firmware, Flag(24)),
    Row("firmwareSettings.systemUuidLittleEndian", Firmware, Flag(26)),
    Row("vrde.enabled", Vrde, Flag(4)),
    Row("vrde.auth", Vrde, Word(6, &[("none", 0), ("external", 1), ("guest", 2)])),
    Row("vrde.multiConnection", Vrde, Flag(10)),
    Row("vrde.reuseConnection", Vrde, Flag(12)),
    Row("vrde.address", Vrde, Named(22, "TCP/Address", "")),
    Row("vrde.port", Vrde, Named(22, "TCP/Ports", "0")),
    Row("audio.enabled", Audio, Flag(4)),
    Row("audio.in", Audio, Flag(6)),
    Row("audio.out", Audio, Flag(8)),
    Row("nics.#.cable", Nic, Flag(27)),
    Row("nics.#.speed", Nic, Number(29)),
    Row("nics.#.promiscuous", Nic, Word(31, &[("deny", 1), ("allow-vms", 2), ("allow-all", 3)])),
    Row("nics.#.bootPriority", Nic, Number(38)),
    Row("nics.#.nat.bindIp", Nat, Text(6)),
    Row("nics.#.nat.dns.passDomain", Nat, Flag(16)),
    Row("nics.#.nat.dns.proxy", Nat, Flag(18)),
    Row("nics.#.nat.dns.hostResolver", Nat, Flag(20)),
    Row("nics.#.nat.portForwards.*", Nat, How::Rule(42, 43)),
];

/// A setting that is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Where.
    pub part: Part,
    /// The adapter, counted from 0.
    pub slot: u32,
    /// How.
    pub how: How,
    /// To what.
    pub argument: Argument,
}

/// What one setting takes; `None` where it is VBoxManage's.
pub fn known(keys: &[&str], value: &Value) -> Option<Known> {
    let fits = |row: &Row| {
        let parts: Vec<&str> = row.0.split('.').collect();
        parts.len() == keys.len()
            && parts.iter().zip(keys).all(|(part, key)| match *part {
                "#" => key.parse::<u32>().is_ok_and(|slot| slot > 0),
                "*" => true,
                part => part == *key,
            })
    };
    let Row(_, part, how) = *ROWS.iter().find(|row| fits(row))?;
    let slot = match keys {
        ["nics", slot, ..] => slot.parse::<u32>().ok()?.checked_sub(1)?,
        _ => 0,
    };
    let argument = argument(how, keys, value)?;
    Some(Known { part, slot, how, argument })
}

fn argument(how: How, keys: &[&str], value: &Value) -> Option<Argument> {
    let plain = |text: &str| (!text.contains('\0')).then(|| text.to_owned());
    let number = || u32::try_from(value.as_u64()?).ok();
    Some(match how {
        Text(_) if value.is_null() => Argument::Text(String::new()),
        Text(_) => Argument::Text(plain(value.as_str()?)?),
        Named(_, _, empty) => match value.as_str() {
            None | Some("") => Argument::Text(empty.to_owned()),
            Some(text) => Argument::Text(plain(text)?),
        },
        Number(_) => Argument::Number(number()?),
        Offset(_) => Argument::Offset(value.as_i64()?),
        Flag(_) | Property(..) => Argument::Flag(value.as_bool()?),
        Word(_, words) => {
            let word = value.as_str()?;
            Argument::Number(words.iter().find(|row| row.0 == word)?.1)
        }
        How::Rule(..) => {
            let name = plain(keys.last()?)?;
            Argument::Rule(name, if value.is_null() { None } else { Some(rule(value.as_str()?)?) })
        }
    })
}

fn rule(text: &str) -> Option<Rule> {
    let rule: PortForward = text.parse().ok()?;
    let HostPort::Fixed(host_port) = rule.host_port else { return None };
    Some(Rule {
        tcp: rule.protocol == Protocol::Tcp,
        host_ip: rule.host_ip.unwrap_or_default(),
        host_port,
        guest_ip: rule.guest_ip.unwrap_or_default(),
        guest_port: rule.guest_port,
    })
}
