//! Identity, processor, memory, platform and firmware.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Gathered, Pairs, number, on, word};
use crate::model::settings::{Autostart, BootDevice, Chipset, Firmware, FirmwareSettings, Teleporter};
use crate::model::{Mebibytes, os_type};

/// Reads all of it.
pub fn read(pairs: &Pairs, file: &Path, gathered: &mut Gathered) -> Result<(), String> {
    read_identity(pairs, file, gathered)?;
    read_processor(pairs, gathered)?;
    read_firmware(pairs, gathered)?;
    for (key, usual) in [
        ("tracing-enabled", "off"),
        ("tracing-allow-vm-access", "off"),
        ("tracing-config", ""),
        ("paravirtdebug", ""),
    ] {
        if let Some(value) = pairs.get(key).filter(|value| *value != usual) {
            gathered.beyond.push(format!("{key}: {value}"));
        }
    }
    Ok(())
}

fn read_identity(pairs: &Pairs, file: &Path, gathered: &mut Gathered) -> Result<(), String> {
    match pairs.get("ostype").map(|description| (description, os_type::id_of_description(description))) {
        Some((_, Some(id))) => gathered.settings.os_type = Some(id.to_owned()),
        Some((description, None)) => {
            gathered
                .unknown_because("osType", &format!("showvminfo tells only its description, {description}"));
        }
        None => gathered.omitted(&["osType"]),
    }
    let settings = &mut gathered.settings;
    let groups = pairs.get("groups").unwrap_or("/");
    settings.groups = Some(groups.split(',').map(str::to_owned).collect());
    settings.description = Some(pairs.get("description").unwrap_or_default().to_owned());
    settings.hardware_uuid = pairs.get("hardwareuuid").map(str::to_owned);
    settings.snapshot_folder = pairs.get("SnapFldr").map(|folder| {
        let inside =
            file.parent().and_then(|own| Path::new(folder).strip_prefix(own).ok()).and_then(Path::to_str);
        inside.unwrap_or(folder).to_owned()
    });
    settings.process_priority = word(pairs, "vmprocpriority");
    settings.frontend = pairs.get("defaultfrontend").map(str::to_owned);
    settings.autostart = Some(Autostart {
        enabled: on(pairs, "autostart-enabled")?,
        delay: number(pairs, "autostart-delay")?,
        stop: None,
    });
    settings.teleporter = Some(Teleporter {
        enabled: on(pairs, "teleporterenabled")?,
        port: number(pairs, "teleporterport")?,
        address: pairs.get("teleporteraddress").map(str::to_owned),
    });
    gathered.omitted(&["executionEngine", "icon", "autostart.stop", "tpm", "extraData", "guestProperties"]);
    Ok(())
}

fn read_processor(pairs: &Pairs, gathered: &mut Gathered) -> Result<(), String> {
    let settings = &mut gathered.settings;
    settings.memory = number(pairs, "memory")?.map(Mebibytes);
    settings.page_fusion = on(pairs, "pagefusion")?;
    settings.memory_balloon = number(pairs, "GuestMemoryBalloon")?.map(Mebibytes);
    settings.cpus = number(pairs, "cpus")?;
    settings.cpu_execution_cap = number(pairs, "cpuexecutioncap")?;
    settings.cpu_profile = pairs.get("cpu-profile").map(str::to_owned);
    settings.cpuid_portability_level = number(pairs, "cpuid-portability-level")?;
    settings.pae = on(pairs, "pae")?;
    settings.long_mode = on(pairs, "longmode")?;
    settings.apic = on(pairs, "apic")?;
    settings.x2apic = on(pairs, "x2apic")?;
    settings.hpet = on(pairs, "hpet")?;
    settings.triple_fault_reset = on(pairs, "triplefaultreset")?;
    settings.nested_hw_virt = on(pairs, "nested-hw-virt")?;
    settings.hw_virt_ex = on(pairs, "hwvirtex")?;
    settings.nested_paging = on(pairs, "nestedpaging")?;
    settings.large_pages = on(pairs, "largepages")?;
    settings.vtx_vpid = on(pairs, "vtxvpid")?;
    settings.vtx_ux = on(pairs, "vtxux")?;
    settings.virt_vmsave_vmload = on(pairs, "virtvmsavevmload")?;
    let mut overrides = BTreeMap::new();
    for (_, value) in pairs.iter().filter(|(key, _)| *key == "cpuid") {
        let parts: Vec<&str> = value.split(',').collect();
        let [leaf, sub, eax, ebx, ecx, edx] = parts.as_slice() else {
            return Err(format!("showvminfo tells cpuid={value}"));
        };
        let key = if *sub == "00000000" { (*leaf).to_owned() } else { format!("{leaf}/{sub}") };
        overrides.insert(key, format!("{eax} {ebx} {ecx} {edx}"));
    }
    settings.cpuid_overrides = Some(overrides);
    gathered.omitted(&["cpuHotplug", "mitigations"]);
    Ok(())
}

fn read_firmware(pairs: &Pairs, gathered: &mut Gathered) -> Result<(), String> {
    let settings = &mut gathered.settings;
    settings.chipset = pairs.get("chipset").map(Chipset::parse_or_other);
    settings.iommu = word(pairs, "iommu");
    settings.firmware = pairs.get("firmware").map(Firmware::parse_or_other);
    settings.acpi = on(pairs, "acpi")?;
    settings.ioapic = on(pairs, "ioapic")?;
    settings.rtc_use_utc = on(pairs, "rtcuseutc")?;
    settings.paravirt_provider = word(pairs, "paravirtprovider");
    let boot = (1..=4).map(|position| pairs.get(&format!("boot{position}")).map(BootDevice::parse_or_other));
    settings.boot_order = boot.collect();
    settings.firmware_settings = Some(FirmwareSettings {
        apic: word(pairs, "biosapic"),
        boot_menu: word(pairs, "bootmenu"),
        time_offset: number(pairs, "biossystemtimeoffset")?,
        ..FirmwareSettings::default()
    });
    gathered.omitted(&[
        "firmwareSettings.logoFadeIn",
        "firmwareSettings.logoFadeOut",
        "firmwareSettings.logoDisplayTime",
        "firmwareSettings.logoImage",
        "firmwareSettings.pxeDebug",
        "firmwareSettings.systemUuidLittleEndian",
    ]);
    Ok(())
}
