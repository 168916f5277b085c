//! `kind: VirtualMachine`.

use super::super::shape::{ListRule, MapRule, Object, QuantityRule, Shape, field};
use super::super::text;
use super::super::units::Quantity;
use super::hardware::{self, MEBIBYTE};
use super::storage;
use crate::model::settings::{BootDevice, Chipset, Firmware};
use crate::model::state::DesiredState;

/// `Invalid RAM size: 2 MB (must be in range [4, 2097152] MB)`
static MEMORY: QuantityRule = QuantityRule {
    quantity: Quantity::Size,
    unit: 1 << 20,
    multiple: MEBIBYTE,
    min: 4 << 20,
    max: 2_097_152 << 20,
    bare: "MiB",
};
static BALLOON: QuantityRule = QuantityRule {
    quantity: Quantity::Size,
    unit: 1 << 20,
    multiple: MEBIBYTE,
    min: 0,
    max: 2_097_152 << 20,
    bare: "MiB",
};
static STOP_TIMEOUT: QuantityRule = QuantityRule {
    quantity: Quantity::Duration,
    unit: 1_000,
    multiple: (1_000, "1s"),
    min: 1_000,
    max: 86_400_000,
    bare: "s",
};
static GROUPS: ListRule =
    ListRule { item: Shape::Text(&text::GROUP), max: 64, unique: true, by_position: false };
static BOOT_ORDER: ListRule =
    ListRule { item: Shape::Word(BootDevice::WORDS), max: 4, unique: false, by_position: false };
static DEPENDS_ON: ListRule =
    ListRule { item: Shape::Text(&text::MACHINE_REFERENCE), max: 1000, unique: true, by_position: false };

/// `spec` of a machine.
pub(in super::super) static MACHINE: Object = Object {
    name: "VirtualMachine",
    doc: "A machine. What is not written is not managed.",
    fields: &[
        field(
            "replicas",
            Shape::Int(0, 1000),
            "How many: members NAME-1 to NAME-N, told apart by `${index}`.",
        ),
        field("groups", Shape::List(&GROUPS), "Groups. A change moves the machine's folder."),
        field(
            "osType",
            Shape::Text(&text::OS_TYPE),
            "The guest's operating system, as `VBoxManage list ostypes` names it.",
        ),
        field("description", Shape::Text(&text::TEXT), "Free text."),
        field("icon", Shape::Path, "A PNG file for VirtualBox's own windows."),
        field("hardwareUuid", Shape::Text(&text::UUID), "UUID that the guest sees."),
        field(
            "snapshotFolder",
            Shape::PathInFolder,
            "Folder of snapshots. A bare name is in the machine's own folder.",
        ),
        field("location", Shape::Path, "The folder that holds the machine's own folder. Used at birth."),
        field(
            "processPriority",
            Shape::Word(&["default", "flat", "low", "normal", "high"]),
            "Priority of the machine's process.",
        ),
        field(
            "executionEngine",
            Shape::Word(&["default", "hwvirt", "native-api", "interpreter", "recompiler"]),
            "How the guest's instructions are executed.",
        ),
        field(
            "frontend",
            Shape::Word(&["default", "gui", "headless", "sdl", "separate"]),
            "How a start shows the machine.",
        ),
        field("chipset", Shape::Word(Chipset::WORDS), "The emulated chipset."),
        field(
            "iommu",
            Shape::Word(&["none", "automatic", "amd", "intel"]),
            "The emulated IOMMU. It needs chipset ich9.",
        ),
        field("firmware", Shape::Word(Firmware::WORDS), "The firmware."),
        field(
            "firmwareSettings",
            Shape::Object(&hardware::FIRMWARE_SETTINGS),
            "The firmware's own settings.",
        ),
        field("secureBoot", Shape::Bool, "UEFI secure boot. The variable store is set up where it is empty."),
        field(
            "tpm",
            Shape::Either(&Shape::Word(&["none", "1.2", "2.0", "host"]), &hardware::SWTPM),
            "Trusted platform module: none, \"1.2\", \"2.0\", host or {swtpm: ADDRESS}.",
        ),
        field(
            "bootOrder",
            Shape::List(&BOOT_ORDER),
            "Up to four devices in their order; the list is the whole order.",
        ),
        field(
            "paravirtProvider",
            Shape::Word(&["default", "none", "legacy", "minimal", "hyperv", "kvm"]),
            "Interface offered to guests that know that they are guests.",
        ),
        field("rtcUseUtc", Shape::Bool, "Whether the real-time clock holds UTC."),
        field("acpi", Shape::Bool, "ACPI. Without it a guest cannot be asked to shut down."),
        field("ioapic", Shape::Bool, "I/O APIC. More than one processor needs it."),
        field("hpet", Shape::Bool, "High precision event timer."),
        field("tripleFaultReset", Shape::Bool, "Reset instead of stopping on a triple fault."),
        field("cpus", Shape::Int(1, 64), "Number of virtual processors."),
        field(
            "cpuExecutionCap",
            Shape::Int(1, 100),
            "Share of a host processor that one may use, in percent.",
        ),
        field("cpuHotplug", Shape::Bool, "Whether processors may be plugged while the guest runs."),
        field(
            "cpuProfile",
            Shape::Text(&text::WORD),
            "Processor that the guest sees; `host` for the real one.",
        ),
        field("cpuidPortabilityLevel", Shape::Int(0, 3), "How many features are hidden, 0 for none."),
        field("cpuidOverrides", Shape::Map(&hardware::CPUID), "Answers of CPUID by leaf."),
        field("apic", Shape::Bool, "Local APIC."),
        field("x2apic", Shape::Bool, "x2APIC."),
        field("pae", Shape::Bool, "Physical address extension."),
        field("longMode", Shape::Bool, "64-bit mode."),
        field("hwVirtEx", Shape::Bool, "Hardware virtualisation."),
        field("nestedPaging", Shape::Bool, "Nested paging."),
        field("largePages", Shape::Bool, "Large pages."),
        field("vtxVpid", Shape::Bool, "VT-x VPID."),
        field("vtxUx", Shape::Bool, "VT-x unrestricted guest."),
        field("virtVmsaveVmload", Shape::Bool, "AMD-V nested VMSAVE and VMLOAD."),
        field("nestedHwVirt", Shape::Bool, "Hardware virtualisation for the guest."),
        field(
            "mitigations",
            Shape::Object(&hardware::MITIGATIONS),
            "Counter-measures against speculative execution attacks.",
        ),
        field("memory", Shape::Quantity(&MEMORY), "Memory, 4MiB to 2TiB in whole MiB."),
        field("memoryBalloon", Shape::Quantity(&BALLOON), "Memory that the guest gives back."),
        field("pageFusion", Shape::Bool, "Page fusion."),
        field("graphics", Shape::Object(&hardware::GRAPHICS), "The emulated graphics card."),
        field("vrde", Shape::Object(&hardware::VRDE), "Remote display."),
        field("recording", Shape::Object(&hardware::RECORDING), "Recording of screens."),
        field("audio", Shape::Object(&hardware::AUDIO), "Sound."),
        field("clipboard", Shape::Object(&hardware::CLIPBOARD), "Shared clipboard."),
        field("dragAndDrop", Shape::Word(hardware::SHARING), "Drag and drop."),
        field(
            "pointing",
            Shape::Word(&["ps2", "usb", "usbtablet", "usbmultitouch"]),
            "The emulated pointing device.",
        ),
        field("keyboard", Shape::Word(&["ps2", "usb"]), "The emulated keyboard."),
        field("usb", Shape::Object(&hardware::USB), "USB controllers and filters."),
        field("serialPorts", Shape::Map(&hardware::SERIAL_PORTS), "Serial ports by number from 1."),
        field("parallelPorts", Shape::Map(&hardware::PARALLEL_PORTS), "Parallel ports by number from 1."),
        field(
            "bandwidthGroups",
            Shape::Map(&hardware::BANDWIDTH_GROUPS),
            "Limits that disks or adapters share, by name.",
        ),
        field(
            "controllers",
            Shape::Map(&storage::CONTROLLERS),
            "Storage controllers by name. Unwritten, disks and drives imply a SATA controller named SATA.",
        ),
        field("disks", Shape::Map(&storage::DISKS), "Disks by a key of your choice."),
        field("dvds", Shape::List(&storage::DVDS), "DVD drives in their order."),
        field("floppies", Shape::List(&storage::FLOPPIES), "Floppy drives in their order."),
        field("nics", Shape::List(&hardware::NICS), "Network adapters. The list is all of them."),
        field("sharedFolders", Shape::Map(&storage::SHARED_FOLDERS), "Directories of the host by name."),
        field(
            "extraData",
            Shape::Map(&EXTRA_DATA),
            "VirtualBox's extra data, key by key; null removes a key.",
        ),
        field(
            "guestProperties",
            Shape::Map(&GUEST_PROPERTIES),
            "Guest properties, key by key; null removes one.",
        ),
        field("autostart", Shape::Object(&hardware::AUTOSTART), "Start with the host."),
        field("teleporter", Shape::Object(&hardware::TELEPORTER), "Target of live migration."),
        field(
            "stopTimeout",
            Shape::Quantity(&STOP_TIMEOUT),
            "How long a guest may take to shut down. Default: 60s.",
        ),
        field("dependsOn", Shape::List(&DEPENDS_ON), "Machines that are started before this one."),
        field(
            "state",
            Shape::Word(DesiredState::WORDS),
            "What the machine should be doing. Unwritten: not managed.",
        ),
    ],
    one_of: None,
};

static EXTRA_DATA: MapRule =
    MapRule { key: &text::EXTRA_DATA_KEY, value: Shape::Text(&text::TEXT), nullable: true, max: 10_000 };
static GUEST_PROPERTIES: MapRule =
    MapRule { key: &text::GUEST_PROPERTY_KEY, value: Shape::Text(&text::TEXT), nullable: true, max: 10_000 };
