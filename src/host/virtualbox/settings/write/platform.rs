//! Memory, processor, chipset and firmware, in the layout of 1.19.

use super::xml::{Attributes, Xml};
use super::{Unfit, spelled, unfit};
use crate::model::Settings;
use crate::model::settings::{BootDevice, Chipset, Firmware, FirmwareSettings, Mitigations};

/// Writes all of it.
pub fn write(xml: &mut Xml, settings: &Settings) -> Result<(), Unfit> {
    let memory = settings.memory.ok_or_else(|| unfit("a machine without memory"))?;
    if settings.page_fusion == Some(true) {
        return Err(unfit("pageFusion"));
    }
    xml.leaf("Memory", Attributes::new().with("RAMSize", memory.0));
    let balloon = settings.memory_balloon.map_or(0, |balloon| balloon.0);
    xml.leaf_if_any("Guest", Attributes::new().unless("memoryBalloonSize", balloon, 0));
    if let Some(provider) = settings.paravirt_provider.as_deref().filter(|word| *word != "default") {
        let known = ["None", "Legacy", "Minimal", "HyperV", "KVM"];
        xml.leaf("Paravirt", Attributes::new().with("provider", spelled(provider, &known)?));
    }
    if let Some(order) = &settings.boot_order {
        xml.open("Boot", Attributes::new());
        for (position, device) in (1..).zip(order) {
            let device = match device {
                BootDevice::Floppy => "Floppy",
                BootDevice::Dvd => "DVD",
                BootDevice::Disk => "HardDisk",
                BootDevice::Net => "Network",
                BootDevice::None => "None",
                BootDevice::Other(_) => return Err(unfit("bootOrder")),
            };
            xml.leaf("Order", Attributes::new().with("position", position).with("device", device));
        }
        xml.close();
    }
    firmware(xml, settings)?;
    if let Some(tpm) = settings.tpm.as_deref().filter(|word| *word != "none") {
        let (kind, location) = match tpm {
            "1.2" => ("v1_2", ""),
            "2.0" => ("v2_0", ""),
            "host" => ("Host", ""),
            other => ("Swtpm", other.strip_prefix("swtpm:").ok_or_else(|| unfit("tpm"))?),
        };
        xml.leaf("TrustedPlatformModule", Attributes::new().with("type", kind).with("location", location));
    }
    let clock = if settings.rtc_use_utc == Some(true) { "UTC" } else { "local" };
    xml.leaf("RTC", Attributes::new().with("localOrUTC", clock));
    match &settings.chipset {
        None | Some(Chipset::Piix3) => {}
        Some(Chipset::Ich9) => xml.leaf("Chipset", Attributes::new().with("type", "ICH9")),
        Some(Chipset::Other(_)) => return Err(unfit("chipset")),
    }
    if let Some(iommu) = settings.iommu.as_deref().filter(|word| *word != "none") {
        xml.leaf("Iommu", Attributes::new().with("type", spelled(iommu, &["Automatic", "AMD", "Intel"])?));
    }
    processor(xml, settings)?;
    xml.leaf("HPET", Attributes::new().with("enabled", settings.hpet.unwrap_or(false)));
    Ok(())
}

fn firmware(xml: &mut Xml, settings: &Settings) -> Result<(), Unfit> {
    let kind = match settings.firmware.as_ref().unwrap_or(&Firmware::Bios) {
        Firmware::Bios => "BIOS",
        Firmware::Efi => "EFI",
        Firmware::Efi32 => "EFI32",
        Firmware::Efi64 => "EFI64",
        Firmware::Other(_) => return Err(unfit("firmware")),
    };
    xml.leaf("Firmware", Attributes::new().with("type", kind));
    let usual = FirmwareSettings::default();
    let own = settings.firmware_settings.as_ref().unwrap_or(&usual);
    let enabled = |on: bool| Attributes::new().with("enabled", on);
    xml.open("BIOS", Attributes::new());
    xml.leaf("ACPI", enabled(settings.acpi.unwrap_or(true)));
    xml.leaf("IOAPIC", enabled(settings.ioapic.unwrap_or(false)));
    if let Some(mode) = own.apic.as_deref().filter(|word| *word != "apic") {
        xml.leaf("APIC", Attributes::new().with("mode", spelled(mode, &["Disabled", "X2APIC"])?));
    }
    let logo = Attributes::new()
        .unless("fadeIn", own.logo_fade_in.unwrap_or(true), true)
        .unless("fadeOut", own.logo_fade_out.unwrap_or(true), true)
        .unless("displayTime", own.logo_display_time.unwrap_or(0), 0)
        .unless("imagePath", own.logo_image.as_deref().unwrap_or_default(), "");
    xml.leaf_if_any("Logo", logo);
    if let Some(mode) = own.boot_menu.as_deref().filter(|word| *word != "messageandmenu") {
        xml.leaf("BootMenu", Attributes::new().with("mode", spelled(mode, &["Disabled", "MenuOnly"])?));
    }
    xml.leaf_if_any("TimeOffset", Attributes::new().unless("value", own.time_offset.unwrap_or(0), 0));
    if own.pxe_debug == Some(true) {
        xml.leaf("PXEDebug", enabled(true));
    }
    if own.system_uuid_little_endian == Some(true) {
        xml.leaf("SmbiosUuidLittleEndian", enabled(true));
    }
    // As every new machine has it.
    xml.leaf("AutoSerialNumGen", enabled(true));
    xml.close();
    Ok(())
}

fn processor(xml: &mut Xml, settings: &Settings) -> Result<(), Unfit> {
    let count = settings.cpus.unwrap_or(1);
    let hotplug = settings.cpu_hotplug.unwrap_or(false);
    let attributes = Attributes::new()
        .with("count", count)
        .unless("executionCap", settings.cpu_execution_cap.unwrap_or(100), 100)
        .unless("CpuIdPortabilityLevel", settings.cpuid_portability_level.unwrap_or(0), 0)
        .unless("CpuProfile", settings.cpu_profile.as_deref().unwrap_or("host"), "host")
        .unless("hotplug", hotplug, false);
    xml.open("CPU", attributes);
    if hotplug {
        xml.open("CpuTree", Attributes::new());
        for id in 0..count {
            xml.leaf("Cpu", Attributes::new().with("id", id));
        }
        xml.close();
    }
    let switches = [
        ("HardwareVirtEx", settings.hw_virt_ex),
        ("HardwareVirtExNestedPaging", settings.nested_paging),
        ("HardwareVirtExVPID", settings.vtx_vpid),
        ("HardwareVirtExUX", settings.vtx_ux),
        ("HardwareVirtExLargePages", settings.large_pages),
        ("HardwareVirtExVirtVmsaveVmload", settings.virt_vmsave_vmload),
        ("PAE", settings.pae),
        ("LongMode", settings.long_mode),
        ("X2APIC", settings.x2apic),
        ("APIC", settings.apic),
        ("TripleFaultReset", settings.triple_fault_reset),
        ("NestedHWVirt", settings.nested_hw_virt),
    ];
    for (name, value) in switches {
        if let Some(value) = value {
            xml.leaf(name, Attributes::new().with("enabled", value));
        }
    }
    if let Some(mitigations) = &settings.mitigations {
        write_mitigations(xml, mitigations);
    }
    if let Some(leaves) = settings.cpuid_overrides.as_ref().filter(|leaves| !leaves.is_empty()) {
        xml.open("CpuIdTree", Attributes::new());
        for (key, values) in leaves {
            leaf(xml, key, values).ok_or_else(|| unfit("cpuidOverrides"))?;
        }
        xml.close();
    }
    xml.close();
    Ok(())
}

fn write_mitigations(xml: &mut Xml, mitigations: &Mitigations) {
    let on = |value: Option<bool>| value.unwrap_or(false);
    let barrier = Attributes::new().unless("vmexit", on(mitigations.ibpb_on_vm_exit), false).unless(
        "vmentry",
        on(mitigations.ibpb_on_vm_entry),
        false,
    );
    xml.leaf_if_any("IBPBOn", barrier);
    xml.leaf_if_any("SpecCtrl", Attributes::new().unless("enabled", on(mitigations.spec_ctrl), false));
    let cache = Attributes::new()
        .unless("scheduling", mitigations.l1d_flush_on_sched.unwrap_or(true), true)
        .unless("vmentry", on(mitigations.l1d_flush_on_vm_entry), false);
    xml.leaf_if_any("L1DFlushOn", cache);
    let buffers = Attributes::new()
        .unless("scheduling", mitigations.mds_clear_on_sched.unwrap_or(true), true)
        .unless("vmentry", on(mitigations.mds_clear_on_vm_entry), false);
    xml.leaf_if_any("MDSClearOn", buffers);
}

/// `LEAF[/SUBLEAF]` and its four registers, all in hexadecimal digits. VirtualBox writes decimal ones.
fn leaf(xml: &mut Xml, key: &str, values: &str) -> Option<()> {
    let number = |digits: &str| u32::from_str_radix(digits, 16).ok();
    let (id, sub) = key.split_once('/').unwrap_or((key, "0"));
    let mut registers = values.split(' ').map(number);
    let mut next = || registers.next().flatten();
    let attributes = Attributes::new()
        .with("id", number(id)?)
        .unless("subleaf", number(sub)?, 0)
        .with("eax", next()?)
        .with("ebx", next()?)
        .with("ecx", next()?)
        .with("edx", next()?);
    xml.leaf("CpuIdLeaf", attributes);
    Some(())
}
