//! Memory, processor, chipset and firmware (`vbox-settings` 3.2).

use std::collections::BTreeMap;

use super::Beyond;
use super::document::Element;
use super::machine::Layout;
use crate::model::settings::{BootDevice, Chipset, Firmware, FirmwareSettings, Mitigations};
use crate::model::{Mebibytes, Settings};

/// Boot devices of a machine whose file names none.
const BOOT_ORDER: [BootDevice; 4] = [BootDevice::Floppy, BootDevice::Dvd, BootDevice::Disk, BootDevice::None];

/// Reads all of it.
pub fn read(layout: &Layout<'_>, settings: &mut Settings, beyond: &mut Beyond) -> Result<(), String> {
    let hardware = layout.hardware;
    let memory = hardware.child("Memory").ok_or("it has no <Memory>")?;
    let size = memory.number_if_any("RAMSize")?.ok_or_else(|| memory.missing("RAMSize"))?;
    settings.memory = Some(Mebibytes(size));
    settings.page_fusion = Some(memory.flag("PageFusion", false)?);
    let guest = hardware.child("Guest");
    let balloon = guest.map_or(Ok(0), |guest| guest.number("memoryBalloonSize", 0))?;
    settings.memory_balloon = Some(Mebibytes(balloon));

    read_processor(layout, settings)?;
    read_firmware(layout, settings, beyond)?;

    let platform = layout.platform;
    let chipset = platform.child("Chipset").and_then(|e| e.get("type")).unwrap_or("PIIX3");
    settings.chipset = Some(Chipset::parse_or_other(chipset));
    settings.iommu =
        Some(platform.child("Iommu").map_or_else(|| "none".to_owned(), |e| e.word("type", "none")));
    let clock = platform.child("RTC").and_then(|e| e.get("localOrUTC"));
    settings.rtc_use_utc = Some(match clock {
        None | Some("local") => false,
        Some("UTC") => true,
        Some(_) => return Err("its real-time clock holds neither local time nor UTC".to_owned()),
    });
    settings.hpet = Some(switch(layout.x86, "HPET", false)?);

    let provider = hardware.child("Paravirt");
    settings.paravirt_provider =
        Some(provider.map_or_else(|| "default".to_owned(), |e| e.word("provider", "default")));
    if let Some(provider) = provider {
        beyond.note(provider, "debug", "");
    }
    settings.boot_order = Some(match hardware.child("Boot") {
        None => BOOT_ORDER.to_vec(),
        Some(boot) => boot_order(boot)?,
    });
    let tpm = hardware.child("TrustedPlatformModule");
    settings.tpm = Some(match tpm.map(|e| (e, e.get("type"))) {
        None | Some((_, None | Some("None"))) => "none".to_owned(),
        Some((_, Some("v1_2"))) => "1.2".to_owned(),
        Some((_, Some("v2_0"))) => "2.0".to_owned(),
        Some((tpm, Some("Swtpm"))) => format!("swtpm:{}", tpm.string("location")),
        Some((_, Some(other))) => other.to_ascii_lowercase(),
    });
    if let Some(tpm) = tpm {
        // Kept by VirtualBox also where the type has no use for it.
        tpm.skip(&["location"]);
    }
    Ok(())
}

/// The `enabled` of a child.
fn switch(parent: Option<Element<'_>>, name: &str, default: bool) -> Result<bool, String> {
    parent.and_then(|parent| parent.child(name)).map_or(Ok(default), |child| child.flag("enabled", default))
}

fn boot_order(boot: Element<'_>) -> Result<Vec<BootDevice>, String> {
    let mut order = vec![BootDevice::None; 4];
    for entry in boot.children("Order") {
        let position: usize = entry.number("position", 0)?;
        let device = match entry.get("device").unwrap_or("None") {
            "HardDisk" => BootDevice::Disk,
            "Network" => BootDevice::Net,
            other => BootDevice::parse_or_other(other),
        };
        match position.checked_sub(1).and_then(|index| order.get_mut(index)) {
            Some(place) => *place = device,
            None => return Err(entry.wrong("position", &position.to_string(), "1 to 4")),
        }
    }
    Ok(order)
}

fn read_processor(layout: &Layout<'_>, settings: &mut Settings) -> Result<(), String> {
    let (cpu, x86) = (layout.cpu, layout.x86_cpu);
    settings.cpus = Some(cpu.map_or(Ok(1), |cpu| cpu.number("count", 1))?);
    settings.cpu_execution_cap = Some(cpu.map_or(Ok(100), |cpu| cpu.number("executionCap", 100))?);
    settings.cpu_hotplug = Some(cpu.map_or(Ok(false), |cpu| cpu.flag("hotplug", false))?);
    settings.cpu_profile = Some(cpu.and_then(|cpu| cpu.get("CpuProfile")).unwrap_or("host").to_owned());
    settings.cpuid_portability_level = Some(cpu.map_or(Ok(0), |cpu| cpu.number("CpuIdPortabilityLevel", 0))?);
    if let Some(tree) = cpu.and_then(|cpu| cpu.child("CpuTree")) {
        // Which of the processors are plugged: a live matter, as with a real machine.
        tree.leave();
    }
    settings.pae = Some(switch(x86, "PAE", true)?);
    settings.long_mode = Some(switch(x86, "LongMode", true)?);
    settings.x2apic = Some(switch(x86, "X2APIC", false)?);
    settings.apic = Some(switch(x86, "APIC", true)?);
    settings.triple_fault_reset = Some(switch(x86, "TripleFaultReset", false)?);
    settings.hw_virt_ex = Some(switch(x86, "HardwareVirtEx", true)?);
    settings.nested_paging = Some(switch(x86, "HardwareVirtExNestedPaging", true)?);
    settings.large_pages = Some(switch(x86, "HardwareVirtExLargePages", !cfg!(target_os = "linux"))?);
    settings.vtx_vpid = Some(switch(x86, "HardwareVirtExVPID", true)?);
    settings.vtx_ux = Some(switch(x86, "HardwareVirtExUX", true)?);
    settings.virt_vmsave_vmload = Some(switch(x86, "HardwareVirtExVirtVmsaveVmload", true)?);
    settings.nested_hw_virt = Some(switch(x86, "NestedHWVirt", false)?);

    let x86_flag = |element: &str, attribute: &str, default: bool| {
        let element = x86.and_then(|x86| x86.child(element));
        element.map_or(Ok(default), |element| element.flag(attribute, default))
    };
    settings.mitigations = Some(Mitigations {
        ibpb_on_vm_exit: Some(x86_flag("IBPBOn", "vmexit", false)?),
        ibpb_on_vm_entry: Some(x86_flag("IBPBOn", "vmentry", false)?),
        spec_ctrl: Some(x86_flag("SpecCtrl", "enabled", false)?),
        l1d_flush_on_sched: Some(x86_flag("L1DFlushOn", "scheduling", true)?),
        l1d_flush_on_vm_entry: Some(x86_flag("L1DFlushOn", "vmentry", false)?),
        mds_clear_on_sched: Some(x86_flag("MDSClearOn", "scheduling", true)?),
        mds_clear_on_vm_entry: Some(x86_flag("MDSClearOn", "vmentry", false)?),
    });
    let mut overrides = BTreeMap::new();
    let tree = x86.and_then(|x86| x86.child("CpuIdTree"));
    for leaf in tree.into_iter().flat_map(|tree| tree.children("CpuIdLeaf")) {
        let (id, sub) = (leaf.number::<u32>("id", 0)?, leaf.number::<u32>("subleaf", 0)?);
        let register = |name| leaf.number::<u32>(name, 0);
        let values = (register("eax")?, register("ebx")?, register("ecx")?, register("edx")?);
        let key = if sub == 0 { format!("{id:08x}") } else { format!("{id:08x}/{sub:08x}") };
        overrides.insert(key, format!("{:08x} {:08x} {:08x} {:08x}", values.0, values.1, values.2, values.3));
    }
    settings.cpuid_overrides = Some(overrides);
    Ok(())
}

fn read_firmware(layout: &Layout<'_>, settings: &mut Settings, beyond: &mut Beyond) -> Result<(), String> {
    let kind = layout.firmware_type.and_then(|e| e.get("type")).unwrap_or("BIOS");
    settings.firmware = Some(Firmware::parse_or_other(kind));
    let firmware = layout.firmware;
    let child = |name: &str| firmware.and_then(|firmware| firmware.child(name));
    settings.acpi = Some(switch(firmware, "ACPI", true)?);
    settings.ioapic = Some(switch(firmware, "IOAPIC", false)?);
    let mode = |name: &str, default: &str| {
        child(name).map_or_else(|| default.to_owned(), |e| e.word("mode", default))
    };
    let logo = child("Logo");
    let offset = child("TimeOffset").and_then(|e| Some((e, e.get("value")?)));
    settings.firmware_settings = Some(FirmwareSettings {
        apic: Some(mode("APIC", "apic")),
        boot_menu: Some(mode("BootMenu", "messageandmenu")),
        logo_fade_in: Some(logo.map_or(Ok(true), |e| e.flag("fadeIn", true))?),
        logo_fade_out: Some(logo.map_or(Ok(true), |e| e.flag("fadeOut", true))?),
        logo_display_time: Some(logo.map_or(Ok(0), |e| e.number("displayTime", 0))?),
        logo_image: Some(logo.map(|e| e.string("imagePath")).unwrap_or_default()),
        time_offset: Some(match offset {
            None => 0,
            Some((element, text)) => text.parse().map_err(|_| element.wrong("value", text, "a number"))?,
        }),
        pxe_debug: Some(switch(firmware, "PXEDebug", false)?),
        system_uuid_little_endian: Some(switch(firmware, "SmbiosUuidLittleEndian", false)?),
    });
    // Written for every new machine: a serial number that is made from the machine's UUID.
    if child("AutoSerialNumGen").map_or(Ok(true), |e| e.flag("enabled", true)).is_ok_and(|on| !on) {
        beyond.say("BIOS/AutoSerialNumGen@enabled: false".to_owned());
    }
    Ok(())
}
