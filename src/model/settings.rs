//! The settings of a machine, in one struct for what is declared and what is there.
//!
//! In a declaration `None` is "not managed". In a live machine every field is `Some` where the machine has such a
//! thing; what could not be read is named in `inventory::Machine::unknown`. Field names are the manifest's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::nic::Nic;
use super::units::Mebibytes;
use super::word::words;

words! {
    /// `firmware`
    Firmware { Bios = "bios", Efi = "efi", Efi32 = "efi32", Efi64 = "efi64" }
}
words! {
    /// `chipset`
    Chipset { Piix3 = "piix3", Ich9 = "ich9" }
}
words! {
    /// One device of `bootOrder`.
    BootDevice { Floppy = "floppy", Dvd = "dvd", Disk = "disk", Net = "net", None = "none" }
}
words! {
    /// `graphics.controller`
    GraphicsController { None = "none", VBoxVga = "vboxvga", VmSvga = "vmsvga", VBoxSvga = "vboxsvga", QemuRamFb = "qemuramfb" }
}
words! {
    /// `controllers.NAME.bus`
    Bus { Ide = "ide", Sata = "sata", Scsi = "scsi", Sas = "sas", Pcie = "pcie", Virtio = "virtio", Floppy = "floppy", Usb = "usb" }
}
words! {
    /// `controllers.NAME.type`, as `showvminfo` names it in lower case
    ControllerType {
        Piix3 = "piix3", Piix4 = "piix4", Ich6 = "ich6", Ahci = "ahci", LsiLogic = "lsilogic", BusLogic = "buslogic",
        LsiLogicSas = "lsilogicsas", NvMe = "nvme", VirtioScsi = "virtioscsi", I82078 = "i82078", Usb = "usb",
    }
}

/// What a bus can hold (measured, `vbox-settings` 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusLimits {
    /// Ports of a new controller.
    pub default_ports: u32,
    /// Most ports.
    pub max_ports: u32,
    /// Devices on each port.
    pub devices_per_port: u32,
    /// Host I/O cache of a new controller.
    pub host_io_cache: bool,
}

impl Bus {
    /// Limits of the bus; `None` for one that this version does not know.
    pub fn limits(&self) -> Option<BusLimits> {
        let limits = |default_ports, max_ports, devices_per_port, host_io_cache| {
            Some(BusLimits { default_ports, max_ports, devices_per_port, host_io_cache })
        };
        match self {
            Self::Ide => limits(2, 2, 2, true),
            Self::Sata => limits(30, 30, 1, false),
            Self::Scsi => limits(16, 16, 1, false),
            Self::Sas => limits(8, 255, 1, false),
            Self::Pcie => limits(1, 255, 1, false),
            Self::Virtio => limits(1, 256, 1, false),
            Self::Floppy => limits(1, 1, 2, true),
            Self::Usb => limits(8, 8, 1, false),
            Self::Other(_) => None,
        }
    }

    /// The controller that VirtualBox makes for the bus when none is named.
    pub fn default_type(&self) -> Option<ControllerType> {
        Some(match self {
            Self::Ide => ControllerType::Piix4,
            Self::Sata => ControllerType::Ahci,
            Self::Scsi => ControllerType::LsiLogic,
            Self::Sas => ControllerType::LsiLogicSas,
            Self::Pcie => ControllerType::NvMe,
            Self::Virtio => ControllerType::VirtioScsi,
            Self::Floppy => ControllerType::I82078,
            Self::Usb => ControllerType::Usb,
            Self::Other(_) => return None,
        })
    }
}

impl ControllerType {
    /// The bus that the controller drives; `None` for one that this version does not know.
    pub fn bus(&self) -> Option<Bus> {
        Some(match self {
            Self::Piix3 | Self::Piix4 | Self::Ich6 => Bus::Ide,
            Self::Ahci => Bus::Sata,
            Self::LsiLogic | Self::BusLogic => Bus::Scsi,
            Self::LsiLogicSas => Bus::Sas,
            Self::NvMe => Bus::Pcie,
            Self::VirtioScsi => Bus::Virtio,
            Self::I82078 => Bus::Floppy,
            Self::Usb => Bus::Usb,
            Self::Other(_) => return None,
        })
    }
}

/// Declares settings structs: every field an `Option`, left out of JSON where it is `None`, no unknown keys.
macro_rules! settings {
    ($($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident: $type:ty),+ $(,)? })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            $($(#[$fmeta])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)+
        }
    )+};
}

settings! {
    /// A machine's settings, without its disks and drives.
    Settings {
        /// Groups, `/` or `/a/b`, sorted as written.
        groups: Vec<String>,
        /// The id of the guest's operating system (`Debian_64`).
        os_type: String,
        /// Free text.
        description: String,
        /// The picture: `sha256:HEX` of a machine's own, empty for none; in a declaration the file's path and a blank before it.
        icon: String,
        /// UUID that the guest sees.
        hardware_uuid: String,
        /// Folder of snapshots, relative to the machine's folder where it is inside.
        snapshot_folder: String,
        /// `default`, `flat`, `low`, `normal`, `high`.
        process_priority: String,
        /// `default`, `hwvirt`, `native-api`, `interpreter`, `recompiler`.
        execution_engine: String,
        /// Front end of `startvm` without `--type`; empty for VirtualBox's own choice.
        frontend: String,
        /// The emulated chipset.
        chipset: Chipset,
        /// `none`, `automatic`, `amd`, `intel`.
        iommu: String,
        /// The firmware.
        firmware: Firmware,
        /// The firmware's own settings.
        firmware_settings: FirmwareSettings,
        /// UEFI secure boot; kept in the variable store, not in the settings file.
        secure_boot: bool,
        /// `none`, `1.2`, `2.0`, `host`, `swtpm:ADDRESS`.
        tpm: String,
        /// The four boot devices, the whole list.
        boot_order: Vec<BootDevice>,
        /// `default`, `none`, `legacy`, `minimal`, `hyperv`, `kvm`.
        paravirt_provider: String,
        /// Whether the real-time clock holds UTC.
        rtc_use_utc: bool,
        /// ACPI.
        acpi: bool,
        /// I/O APIC.
        ioapic: bool,
        /// High precision event timer.
        hpet: bool,
        /// Reset instead of "guru meditation" on a triple fault.
        triple_fault_reset: bool,
        /// Number of virtual processors.
        cpus: u32,
        /// Share of a host processor that one may use, in percent.
        cpu_execution_cap: u32,
        /// Whether processors may be plugged while the guest runs.
        cpu_hotplug: bool,
        /// Profile of the processor (`host`).
        cpu_profile: String,
        /// 0 (all features) and up.
        cpuid_portability_level: u32,
        /// Local APIC.
        apic: bool,
        /// x2APIC.
        x2apic: bool,
        /// Physical address extension.
        pae: bool,
        /// 64-bit mode.
        long_mode: bool,
        /// Hardware virtualisation.
        hw_virt_ex: bool,
        /// Nested paging.
        nested_paging: bool,
        /// Large pages.
        large_pages: bool,
        /// VT-x VPID.
        vtx_vpid: bool,
        /// VT-x unrestricted guest.
        vtx_ux: bool,
        /// AMD-V nested VMSAVE and VMLOAD.
        virt_vmsave_vmload: bool,
        /// Hardware virtualisation for the guest.
        nested_hw_virt: bool,
        /// Counter-measures against speculative execution attacks.
        mitigations: Mitigations,
        /// CPUID leaves by `LEAF` or `LEAF/SUBLEAF` in eight hexadecimal digits, each value `eax ebx ecx edx` in hexadecimal.
        cpuid_overrides: BTreeMap<String, String>,
        /// Memory in MiB.
        memory: Mebibytes,
        /// Memory balloon in MiB.
        memory_balloon: Mebibytes,
        /// Page fusion.
        page_fusion: bool,
        /// The emulated graphics card.
        graphics: Graphics,
        /// Remote display.
        vrde: Vrde,
        /// Recording of screens.
        recording: Recording,
        /// Sound.
        audio: Audio,
        /// Shared clipboard.
        clipboard: Clipboard,
        /// `disabled`, `hosttoguest`, `guesttohost`, `bidirectional`.
        drag_and_drop: String,
        /// `ps2`, `usb`, `usbtablet`, `usbmultitouch`.
        pointing: String,
        /// `ps2`, `usb`.
        keyboard: String,
        /// USB controllers and filters.
        usb: Usb,
        /// Enabled serial ports by number from 1.
        serial_ports: BTreeMap<u32, SerialPort>,
        /// Enabled parallel ports by number from 1.
        parallel_ports: BTreeMap<u32, ParallelPort>,
        /// Bandwidth groups by name.
        bandwidth_groups: BTreeMap<String, BandwidthGroup>,
        /// Storage controllers by name.
        controllers: BTreeMap<String, Controller>,
        // Most machines have one or two: a map of adapters themselves would keep room for eleven.
        /// Enabled adapters by slot from 1.
        nics: BTreeMap<u32, Box<Nic>>,
        /// Permanent shared folders by name.
        shared_folders: BTreeMap<String, SharedFolder>,
        /// Extra data, key by key; a declared `null` removes the key. vboxmcp's own keys are left out.
        extra_data: BTreeMap<String, Option<String>>,
        /// Guest properties, key by key; a declared `null` removes the property. Transient ones are left out.
        guest_properties: BTreeMap<String, Option<String>>,
        /// Start with the host.
        autostart: Autostart,
        /// Target of live migration.
        teleporter: Teleporter,
    }

    /// `graphics`
    Graphics {
        /// The card.
        controller: GraphicsController,
        /// Video memory in MiB.
        vram: Mebibytes,
        /// Number of screens.
        monitors: u32,
        /// 3D acceleration.
        accelerate3d: bool,
    }

    /// `firmwareSettings`
    FirmwareSettings {
        /// `disabled`, `apic`, `x2apic`.
        apic: String,
        /// `disabled`, `menuonly`, `messageandmenu`.
        boot_menu: String,
        /// Fade in.
        logo_fade_in: bool,
        /// Fade out.
        logo_fade_out: bool,
        /// Milliseconds.
        logo_display_time: u64,
        /// File of the logo; empty for VirtualBox's own.
        logo_image: String,
        /// Milliseconds, may be negative.
        time_offset: i64,
        /// PXE debugging.
        pxe_debug: bool,
        /// Byte order of the UUID in the SMBIOS table.
        system_uuid_little_endian: bool,
    }

    /// `mitigations`
    Mitigations {
        /// IBPB when the guest is left.
        ibpb_on_vm_exit: bool,
        /// IBPB when the guest is entered.
        ibpb_on_vm_entry: bool,
        /// Speculation control.
        spec_ctrl: bool,
        /// Flush of the L1 data cache when a thread is scheduled.
        l1d_flush_on_sched: bool,
        /// Flush of the L1 data cache when the guest is entered.
        l1d_flush_on_vm_entry: bool,
        /// MDS clearing when a thread is scheduled.
        mds_clear_on_sched: bool,
        /// MDS clearing when the guest is entered.
        mds_clear_on_vm_entry: bool,
    }

    /// `vrde`
    Vrde {
        /// Whether it listens.
        enabled: bool,
        /// Address; empty for all.
        address: String,
        /// Ports or ranges.
        port: String,
        /// `none`, `external`, `guest`.
        auth: String,
        /// `default` or a library.
        auth_library: String,
        /// Several connections at a time.
        multi_connection: bool,
        /// A new connection replaces the old one.
        reuse_connection: bool,
        /// `default` or an extension pack.
        ext_pack: String,
        /// Other properties of the extension pack, without those that VirtualBox makes itself (`Security/`).
        properties: BTreeMap<String, String>,
    }

    /// `recording`
    Recording {
        /// Whether it records.
        enabled: bool,
        /// Screens recorded, from 0.
        screens: Vec<u32>,
        /// File of the first screen.
        file: String,
        /// `WIDTHxHEIGHT`.
        size: String,
        /// Kilobits a second.
        rate: u32,
        /// Frames a second.
        fps: u32,
        /// Seconds, 0 for no bound.
        max_time: u32,
        /// MiB, 0 for no bound.
        max_size: u32,
    }

    /// `audio`
    Audio {
        /// Whether the guest has a sound card.
        enabled: bool,
        /// Host driver (`default`, `null`, ...).
        driver: String,
        /// `ac97`, `hda`, `sb16`.
        controller: String,
        /// `stac9700`, `ad1980`, `stac9221`, `sb16`.
        codec: String,
        /// Input.
        r#in: bool,
        /// Output.
        out: bool,
    }

    /// `clipboard`
    Clipboard {
        /// `disabled`, `hosttoguest`, `guesttohost`, `bidirectional`.
        mode: String,
        /// File transfers.
        file_transfers: bool,
    }

    /// `usb`
    Usb {
        /// `ohci`, `ehci`, `xhci`, sorted.
        controllers: Vec<String>,
        /// Emulated smart card reader.
        card_reader: bool,
        /// Filters by position from 1.
        filters: BTreeMap<u32, UsbFilter>,
    }

    /// One USB filter; identity is the position. An empty string matches anything.
    UsbFilter {
        /// Name.
        name: String,
        /// Whether it is looked at.
        active: bool,
        /// Four hexadecimal digits or an expression.
        vendor_id: String,
        /// Four hexadecimal digits or an expression.
        product_id: String,
        /// Four hexadecimal digits or an expression.
        revision: String,
        /// Manufacturer.
        manufacturer: String,
        /// Product.
        product: String,
        /// Serial number.
        serial_number: String,
        /// Port of the host.
        port: String,
        /// `any`, `yes`, `no`.
        remote: String,
    }

    /// One serial port.
    SerialPort {
        /// I/O base.
        io_base: u32,
        /// Interrupt.
        irq: u32,
        /// `16450`, `16550A`, `16750`.
        r#type: String,
        /// `disconnected`, `file:PATH`, `pipeServer:PATH`, `pipeClient:PATH`, `device:PATH`, `tcpServer:PORT`, `tcpClient:HOST:PORT`.
        mode: String,
    }

    /// One parallel port.
    ParallelPort {
        /// I/O base.
        io_base: u32,
        /// Interrupt.
        irq: u32,
        /// Device of the host.
        device: String,
    }

    /// One bandwidth group.
    BandwidthGroup {
        /// `network`, `disk`.
        r#type: String,
        /// Bytes a second, 0 for no bound.
        limit: u64,
    }

    /// One storage controller.
    Controller {
        /// The bus.
        bus: Bus,
        /// The emulated chip.
        r#type: ControllerType,
        /// Number of ports.
        ports: u32,
        /// Whether the host's cache is used.
        host_io_cache: bool,
        /// Whether the firmware may boot from it.
        bootable: bool,
    }

    /// One permanent shared folder.
    SharedFolder {
        /// Absolute path on the host.
        host_path: String,
        /// Where the guest mounts it; empty for the guest's choice.
        mount_point: String,
        /// Whether the guest may only read.
        read_only: bool,
        /// Whether the guest mounts it by itself.
        automount: bool,
        /// `forbidden`, `subtree`, `relative`, `any`.
        symlinks: String,
    }

    /// `autostart`
    Autostart {
        /// Whether it starts with the host.
        enabled: bool,
        /// Seconds.
        delay: u32,
        /// `disabled`, `savestate`, `poweroff`, `acpishutdown`.
        stop: String,
    }

    /// `teleporter`
    Teleporter {
        /// Whether the next start waits for a machine.
        enabled: bool,
        /// Port.
        port: u32,
        /// Address; empty for all.
        address: String,
    }
}
