//! Adapters, ports, sound, screens and the smaller devices of a machine.

use super::super::shape::{ListRule, MapRule, Object, OneOf, QuantityRule, Shape, field};
use super::super::text;
use super::super::units::Quantity;
use crate::model::nic::{NicType, Promiscuous};
use crate::model::settings::GraphicsController;

pub(super) const MEBIBYTE: (u64, &str) = (1 << 20, "1MiB");

static VRAM: QuantityRule = QuantityRule {
    quantity: Quantity::Size,
    unit: 1 << 20,
    multiple: MEBIBYTE,
    min: 2 << 20,
    max: 256 << 20,
    bare: "MiB",
};
static FILE_SIZE: QuantityRule = QuantityRule {
    quantity: Quantity::Size,
    unit: 1 << 20,
    multiple: MEBIBYTE,
    min: 0,
    max: i64::MAX,
    bare: "MiB",
};
pub(super) static SECONDS: QuantityRule = QuantityRule {
    quantity: Quantity::Duration,
    unit: 1_000,
    multiple: (1_000, "1s"),
    min: 0,
    max: 31_536_000_000,
    bare: "s",
};
static MILLISECONDS: QuantityRule = QuantityRule {
    quantity: Quantity::Duration,
    unit: 1,
    multiple: (1, "1ms"),
    min: 0,
    max: 60_000,
    bare: "ms",
};
static SIGNED_MILLISECONDS: QuantityRule = QuantityRule {
    quantity: Quantity::Duration,
    unit: 1,
    multiple: (1, "1ms"),
    min: -3_153_600_000_000,
    max: 3_153_600_000_000,
    bare: "ms",
};
static VIDEO_RATE: QuantityRule = QuantityRule {
    quantity: Quantity::Rate,
    unit: 1_000,
    multiple: (1_000, "1kbps"),
    min: 1_000,
    max: 1_000_000_000,
    bare: "kbps",
};
/// VirtualBox's smallest unit that is no power of two is `k`, 125 bytes; the lowered number is bytes.
static BANDWIDTH: QuantityRule = QuantityRule {
    quantity: Quantity::Rate,
    unit: 8,
    multiple: (1_000, "1kbps"),
    min: 1_000,
    max: 1 << 50,
    bare: "Mbps",
};

pub(super) static GRAPHICS: Object = Object {
    name: "Graphics",
    doc: "The emulated graphics card.",
    fields: &[
        field("controller", Shape::Word(GraphicsController::WORDS), "The card."),
        field("vram", Shape::Quantity(&VRAM), "Video memory, 2MiB to 256MiB."),
        field("monitors", Shape::Int(1, 64), "Number of screens."),
        field("accelerate3d", Shape::Bool, "3D acceleration."),
    ],
    one_of: None,
};

pub(super) static FIRMWARE_SETTINGS: Object = Object {
    name: "FirmwareSettings",
    doc: "The firmware's own settings.",
    fields: &[
        field("apic", Shape::Word(&["disabled", "apic", "x2apic"]), "The APIC that the firmware sets up."),
        field("bootMenu", Shape::Word(&["disabled", "menuonly", "messageandmenu"]), "The boot menu."),
        field("logoFadeIn", Shape::Bool, "Whether the logo fades in."),
        field("logoFadeOut", Shape::Bool, "Whether the logo fades out."),
        field("logoDisplayTime", Shape::Quantity(&MILLISECONDS), "How long the logo is shown."),
        field("logoImage", Shape::Path, "A bitmap file for the logo."),
        field(
            "timeOffset",
            Shape::Quantity(&SIGNED_MILLISECONDS),
            "What the guest's clock is ahead of the host's.",
        ),
        field("pxeDebug", Shape::Bool, "Messages about booting from the network."),
        field("systemUuidLittleEndian", Shape::Bool, "Byte order of the UUID in the SMBIOS table."),
    ],
    one_of: None,
};

pub(super) static SWTPM: Object = Object {
    name: "Swtpm",
    doc: "A TPM emulated by another program.",
    fields: &[field("swtpm", Shape::Text(&text::WORD), "Address of the program.").required()],
    one_of: None,
};

pub(super) static CPUID: MapRule =
    MapRule { key: &text::CPUID_LEAF, value: Shape::Object(&CPUID_LEAF), nullable: false, max: 256 };

const REGISTER: Shape = Shape::Int(0, u32::MAX as i64);

static CPUID_LEAF: Object = Object {
    name: "CpuidLeaf",
    doc: "What CPUID answers for a leaf.",
    fields: &[
        field("eax", REGISTER, "Register EAX.").required(),
        field("ebx", REGISTER, "Register EBX.").required(),
        field("ecx", REGISTER, "Register ECX.").required(),
        field("edx", REGISTER, "Register EDX.").required(),
    ],
    one_of: None,
};

pub(super) static MITIGATIONS: Object = Object {
    name: "Mitigations",
    doc: "Counter-measures against speculative execution attacks.",
    fields: &[
        field("ibpbOnVmExit", Shape::Bool, "IBPB when the guest is left."),
        field("ibpbOnVmEntry", Shape::Bool, "IBPB when the guest is entered."),
        field("specCtrl", Shape::Bool, "Speculation control for the guest."),
        field("l1dFlushOnSched", Shape::Bool, "Flush of the L1 data cache when a thread is scheduled."),
        field("l1dFlushOnVmEntry", Shape::Bool, "Flush of the L1 data cache when the guest is entered."),
        field("mdsClearOnSched", Shape::Bool, "MDS clearing when a thread is scheduled."),
        field("mdsClearOnVmEntry", Shape::Bool, "MDS clearing when the guest is entered."),
    ],
    one_of: None,
};

static PROPERTIES: MapRule =
    MapRule { key: &text::INNER_NAME, value: Shape::Text(&text::LINE), nullable: false, max: 256 };

pub(super) static VRDE: Object = Object {
    name: "Vrde",
    doc: "Remote display.",
    fields: &[
        field("enabled", Shape::Bool, "Whether it listens."),
        field("address", Shape::Text(&text::LINE), "The host's address that it listens on."),
        field("port", Shape::Text(&text::PORT_LIST), "Ports that it may take, the first free one is used."),
        field("auth", Shape::Word(&["none", "external", "guest"]), "How clients log in."),
        field("authLibrary", Shape::Text(&text::WORD), "`default` or a library."),
        field("multiConnection", Shape::Bool, "Several clients at a time."),
        field("reuseConnection", Shape::Bool, "A new client replaces the old one."),
        field("extPack", Shape::Text(&text::WORD), "`default` or the extension pack that serves it."),
        field("properties", Shape::Map(&PROPERTIES), "Properties of the extension pack."),
    ],
    one_of: None,
};

pub(super) static RECORDING: Object = Object {
    name: "Recording",
    doc: "Recording of screens to a file.",
    fields: &[
        field("enabled", Shape::Bool, "Whether it records."),
        field("file", Shape::Path, "The file."),
        field("screens", Shape::List(&SCREENS), "Screens that are recorded, from 0."),
        field("size", Shape::Text(&text::SCREEN_SIZE), "Size of the picture."),
        field("rate", Shape::Quantity(&VIDEO_RATE), "Bits a second."),
        field("fps", Shape::Int(1, 120), "Frames a second."),
        field("maxTime", Shape::Quantity(&SECONDS), "When it stops; 0s for never."),
        field("maxSize", Shape::Quantity(&FILE_SIZE), "How large the file may become; 0MiB for any."),
    ],
    one_of: None,
};

static SCREENS: ListRule = ListRule { item: Shape::Int(0, 63), max: 64, unique: true, by_position: false };

pub(super) static AUDIO: Object = Object {
    name: "Audio",
    doc: "Sound.",
    fields: &[
        field("enabled", Shape::Bool, "Whether the guest has a sound card."),
        field(
            "driver",
            Shape::Word(&["default", "null", "oss", "alsa", "pulse", "coreaudio", "dsound", "was"]),
            "The host's sound system.",
        ),
        field("controller", Shape::Word(&["ac97", "hda", "sb16"]), "The emulated card."),
        field("codec", Shape::Word(&["stac9700", "ad1980", "stac9221", "sb16"]), "The emulated codec."),
        field("in", Shape::Bool, "Whether the guest may record."),
        field("out", Shape::Bool, "Whether the guest may play."),
    ],
    one_of: None,
};

pub(super) const SHARING: &[&str] = &["disabled", "hosttoguest", "guesttohost", "bidirectional"];

pub(super) static CLIPBOARD: Object = Object {
    name: "Clipboard",
    doc: "Shared clipboard.",
    fields: &[
        field("mode", Shape::Word(SHARING), "Direction."),
        field("fileTransfers", Shape::Bool, "Whether files may be copied."),
    ],
    one_of: None,
};

pub(super) static USB: Object = Object {
    name: "Usb",
    doc: "USB controllers and filters.",
    fields: &[
        field("controllers", Shape::List(&USB_CONTROLLERS), "[], [ohci], [ohci, ehci] or [xhci]."),
        field("cardReader", Shape::Bool, "Emulated smart card reader."),
        field(
            "filters",
            Shape::List(&USB_FILTERS),
            "Which devices of the host the guest takes. The order counts.",
        ),
    ],
    one_of: None,
};

static USB_CONTROLLERS: ListRule =
    ListRule { item: Shape::Word(&["ohci", "ehci", "xhci"]), max: 3, unique: true, by_position: false };
static USB_FILTERS: ListRule =
    ListRule { item: Shape::Object(&USB_FILTER), max: 128, unique: false, by_position: true };

static USB_FILTER: Object = Object {
    name: "UsbFilter",
    doc: "A USB filter. An empty text matches anything.",
    fields: &[
        field("name", Shape::Text(&text::INNER_NAME), "Its name.").required(),
        field("active", Shape::Bool, "Whether it is looked at."),
        field("vendorId", Shape::Text(&text::USB_ID), "Vendor, four hexadecimal digits."),
        field("productId", Shape::Text(&text::USB_ID), "Product, four hexadecimal digits."),
        field("revision", Shape::Text(&text::LINE), "Revision."),
        field("manufacturer", Shape::Text(&text::LINE), "Manufacturer."),
        field("product", Shape::Text(&text::LINE), "Name of the product."),
        field("serialNumber", Shape::Text(&text::LINE), "Serial number."),
        field("port", Shape::Text(&text::LINE), "Port of the host."),
        field(
            "remote",
            Shape::Word(&["any", "yes", "no"]),
            "Whether the device is at a remote display's client.",
        ),
    ],
    one_of: None,
};

pub(super) static SERIAL_PORTS: MapRule =
    MapRule { key: &SERIAL_SLOT, value: Shape::Object(&SERIAL_PORT), nullable: false, max: 4 };
pub(super) static PARALLEL_PORTS: MapRule =
    MapRule { key: &PARALLEL_SLOT, value: Shape::Object(&PARALLEL_PORT), nullable: false, max: 2 };

static SERIAL_SLOT: super::super::shape::TextRule = super::super::shape::TextRule {
    noun: "the number of a serial port",
    check: |text| text::number_between(text, 1, 4, "a serial port"),
    pattern: Some("^[1-4]$"),
    examples: &["1"],
};
static PARALLEL_SLOT: super::super::shape::TextRule = super::super::shape::TextRule {
    noun: "the number of a parallel port",
    check: |text| text::number_between(text, 1, 2, "a parallel port"),
    pattern: Some("^[12]$"),
    examples: &["1"],
};

static SERIAL_PORT: Object = Object {
    name: "SerialPort",
    doc: "A serial port.",
    fields: &[
        field("ioBase", Shape::Int(1, 0xffff), "I/O base."),
        field("irq", Shape::Int(0, 255), "Interrupt."),
        field("type", Shape::Word(&["16450", "16550A", "16750"]), "The emulated chip."),
        field(
            "mode",
            Shape::Either(&Shape::Word(&["disconnected"]), &SERIAL_MODE),
            "What it is connected to.",
        ),
    ],
    one_of: None,
};

static SERIAL_MODE: Object = Object {
    name: "SerialMode",
    doc: "What a serial port is connected to.",
    fields: &[
        field("file", Shape::Path, "A file that receives what the guest writes."),
        field("pipeServer", Shape::Text(&text::WORD), "A pipe or socket that VirtualBox makes."),
        field("pipeClient", Shape::Text(&text::WORD), "A pipe or socket that exists."),
        field("device", Shape::Text(&text::WORD), "A serial port of the host."),
        field("tcpServer", Shape::Int(1, 65535), "A port that VirtualBox listens on."),
        field("tcpClient", Shape::Text(&text::HOST_AND_PORT), "HOST:PORT that VirtualBox connects to."),
    ],
    one_of: Some(OneOf {
        keys: &["file", "pipeServer", "pipeClient", "device", "tcpServer", "tcpClient"],
        what: "what the port is connected to",
    }),
};

static PARALLEL_PORT: Object = Object {
    name: "ParallelPort",
    doc: "A parallel port.",
    fields: &[
        field("ioBase", Shape::Int(1, 0xffff), "I/O base."),
        field("irq", Shape::Int(0, 255), "Interrupt."),
        field("device", Shape::Text(&text::WORD), "The host's device."),
    ],
    one_of: None,
};

pub(super) static BANDWIDTH_GROUPS: MapRule =
    MapRule { key: &text::INNER_NAME, value: Shape::Object(&BANDWIDTH_GROUP), nullable: false, max: 64 };

static BANDWIDTH_GROUP: Object = Object {
    name: "BandwidthGroup",
    doc: "A limit that disks or adapters share.",
    fields: &[
        field("type", Shape::Word(&["network", "disk"]), "What shares it.").required(),
        field("limit", Shape::Quantity(&BANDWIDTH), "Bits or bytes a second, a multiple of 1kbps.")
            .required(),
    ],
    one_of: None,
};

pub(super) static NICS: ListRule =
    ListRule { item: Shape::Object(&NIC), max: 36, unique: false, by_position: true };

static NIC: Object = Object {
    name: "Nic",
    doc: "A network adapter. Its position is its slot, from 1, unless `slot` says otherwise.",
    fields: &[
        field("slot", Shape::Int(1, 36), "The slot, where the adapter must stay in one."),
        field("nat", Shape::Object(&NAT), "VirtualBox's own NAT for this adapter alone."),
        field("network", Shape::Text(&text::NETWORK_REFERENCE), "A Network document."),
        field("bridged", Shape::Object(&BRIDGED), "A network of the host."),
        field("generic", Shape::Object(&GENERIC), "A driver such as UDPTunnel."),
        field("unattached", Shape::Object(&UNATTACHED), "An adapter without a network."),
        field("type", Shape::Word(NicType::WORDS), "The emulated adapter."),
        field("mac", Shape::Text(&text::MAC), "Its hardware address. Without it vboxmcp makes one at birth."),
        field("cable", Shape::Bool, "Whether the cable is plugged in."),
        field(
            "speed",
            Shape::Int(0, 4_294_967),
            "Line speed that the guest sees, in kbit/s; 0 for the adapter's own.",
        ),
        field("promiscuous", Shape::Word(Promiscuous::WORDS), "Which frames it may see."),
        field(
            "bandwidthGroup",
            Shape::Text(&text::BANDWIDTH_GROUP_REFERENCE),
            "A bandwidth group of type network.",
        ),
        field("bootPriority", Shape::Int(0, 4), "Order of booting from the network: 1 is first, 0 last."),
        field("trace", Shape::Object(&TRACE), "Recording of all frames."),
    ],
    one_of: Some(OneOf {
        keys: &["nat", "network", "bridged", "generic", "unattached"],
        what: "what the adapter is attached to",
    }),
};

static UNATTACHED: Object =
    Object { name: "Unattached", doc: "Nothing: write `unattached: {}`.", fields: &[], one_of: None };

static TRACE: Object = Object {
    name: "Trace",
    doc: "Recording of all frames of an adapter.",
    fields: &[field("file", Shape::Path, "The capture file.").required()],
    one_of: None,
};

static BRIDGED: Object = Object {
    name: "Bridged",
    doc: "A network of the host.",
    fields: &[field(
        "interface",
        Shape::Either(&Shape::Text(&text::WORD), &INTERFACE),
        "A name, `default-route`, {mac: ...} or {match: \"en*\"}.",
    )
    .required()],
    one_of: None,
};

static INTERFACE: Object = Object {
    name: "Interface",
    doc: "How an interface of the host is found.",
    fields: &[
        field("mac", Shape::Text(&text::MAC), "By its hardware address."),
        field("match", Shape::Text(&text::WORD), "By a pattern of its name."),
    ],
    one_of: Some(OneOf { keys: &["mac", "match"], what: "how the interface is found" }),
};

static GENERIC: Object = Object {
    name: "Generic",
    doc: "A driver of VirtualBox.",
    fields: &[
        field("driver", Shape::Text(&text::WORD), "Its name.").required(),
        field("properties", Shape::Map(&PROPERTIES), "Its properties."),
    ],
    one_of: None,
};

static NAT: Object = Object {
    name: "Nat",
    doc: "VirtualBox's own NAT for one adapter.",
    fields: &[
        field(
            "portForwards",
            Shape::Map(&FORWARDS),
            "Rules by name: `[HOSTIP:]HOSTPORT:[GUESTIP:]GUESTPORT[/udp]`. Without an address the host's loopback listens, `*` is all addresses, `auto` a free port.",
        ),
        field("cidr", Shape::Text(&text::CIDR), "The guest's network."),
        field("dns", Shape::Object(&DNS), "Name server."),
        field("tftp", Shape::Object(&TFTP), "TFTP server, for booting from the network."),
        field("bindIp", Shape::Text(&text::IPV4), "The host's address that connections leave from."),
        field("mtu", Shape::Int(0, 65535), "Largest packet; 0 for the default."),
        field("socketBuffers", Shape::Object(&SOCKET_BUFFERS), "Buffers in KiB; 0 for the default."),
        field("aliasMode", Shape::List(&ALIAS_MODE), "How addresses are translated."),
        field("forwardBroadcast", Shape::Bool, "Whether broadcasts are passed on."),
        field("localhostReachable", Shape::Bool, "Refused.").refused(
            "VirtualBox does not keep it: after a restart of its server it is on again, so no plan would ever be empty",
        ),
    ],
    one_of: None,
};

static FORWARDS: MapRule =
    MapRule { key: &text::INNER_NAME, value: Shape::Text(&text::FORWARD), nullable: false, max: 1000 };

static DNS: Object = Object {
    name: "NatDns",
    doc: "Name server of NAT.",
    fields: &[
        field("passDomain", Shape::Bool, "Whether the guest learns the host's search domain."),
        field("proxy", Shape::Bool, "Whether requests are passed to the host's name server."),
        field("hostResolver", Shape::Bool, "Whether the host's own functions answer."),
    ],
    one_of: None,
};

static TFTP: Object = Object {
    name: "NatTftp",
    doc: "TFTP server of NAT.",
    fields: &[
        field("enabled", Shape::Bool, "Whether it answers."),
        field("prefix", Shape::Path, "The directory that it serves."),
        field("file", Shape::Text(&text::WORD), "The boot file."),
        field("server", Shape::Text(&text::IPV4), "The next server."),
    ],
    one_of: None,
};

static SOCKET_BUFFERS: Object = Object {
    name: "SocketBuffers",
    doc: "Buffers of NAT in KiB; 0 for the default.",
    fields: &[
        field("socketSend", Shape::Int(0, 1024), "Sending buffer of the host's sockets."),
        field("socketReceive", Shape::Int(0, 1024), "Receiving buffer of the host's sockets."),
        field("tcpSend", Shape::Int(0, 1024), "Initial sending window."),
        field("tcpReceive", Shape::Int(0, 1024), "Initial receiving window."),
    ],
    one_of: None,
};

static ALIAS_MODE: ListRule = ListRule {
    item: Shape::Word(&["log", "proxyonly", "sameports"]),
    max: 3,
    unique: true,
    by_position: false,
};

pub(super) static AUTOSTART: Object = Object {
    name: "Autostart",
    doc: "Start with the host.",
    fields: &[
        field("enabled", Shape::Bool, "Whether it starts with the host."),
        field("delay", Shape::Quantity(&SECONDS), "How long it waits."),
        field(
            "stop",
            Shape::Word(&["disabled", "savestate", "poweroff", "acpishutdown"]),
            "What happens when the host stops.",
        ),
    ],
    one_of: None,
};

pub(super) static TELEPORTER: Object = Object {
    name: "Teleporter",
    doc: "Target of live migration.",
    fields: &[
        field("enabled", Shape::Bool, "Whether the next start waits for a machine to arrive."),
        field("port", Shape::Int(0, 65535), "Port."),
        field("address", Shape::Text(&text::LINE), "Address; empty for all."),
        field("password", Shape::Text(&text::LINE), "Password. A `sensitive` variable may stand here.")
            .secret(),
    ],
    one_of: None,
};
