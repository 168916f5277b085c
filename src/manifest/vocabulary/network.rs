//! `kind: Disk`, `kind: Network` and `kind: Snapshot`.

use super::super::shape::{ListRule, MapRule, Object, OneOf, Shape, field};
use super::super::text;
use super::storage::{DISK_FORMATS, DISK_SIZE, DISK_VARIANTS};

/// `spec` of a disk.
pub(in super::super) static DISK: Object = Object {
    name: "Disk",
    doc: "A disk that outlives the machines that it is attached to.",
    fields: &[
        field("size", Shape::Quantity(&DISK_SIZE), "Capacity. It can grow; VirtualBox cannot shrink a disk."),
        field("format", Shape::Word(DISK_FORMATS), "Format of the file. Fixed at birth. Default: vdi."),
        field(
            "variant",
            Shape::Word(DISK_VARIANTS),
            "How the file holds its blocks. Fixed at birth. Default: dynamic.",
        ),
        field(
            "type",
            Shape::Word(&["normal", "writethrough", "immutable", "shareable", "readonly", "multiattach"]),
            "How snapshots and several machines treat it. Default: normal.",
        ),
        field(
            "autoReset",
            Shape::Bool,
            "Whether the differencing disk of an immutable disk is thrown away at each start.",
        ),
        field("location", Shape::Path, "The file. Default: the stack's folder beside its machines."),
        field("description", Shape::Text(&text::TEXT), "Free text."),
    ],
    one_of: None,
};

/// `spec` of a network.
pub(in super::super) static NETWORK: Object = Object {
    name: "Network",
    doc: "A network that adapters are attached to by `network: NAME`.",
    fields: &[
        field("nat", Shape::Object(&NAT_NETWORK), "A NAT network: guests see each other and the world."),
        field("internal", Shape::Object(&INTERNAL), "An internal network: guests see each other only."),
        field(
            "hostOnly",
            Shape::Object(&HOST_ONLY),
            "A host-only network: guests see each other and the host.",
        ),
    ],
    one_of: Some(OneOf { keys: &["nat", "internal", "hostOnly"], what: "what kind of network it is" }),
};

static NAT_NETWORK: Object = Object {
    name: "NatNetwork",
    doc: "A NAT network.",
    fields: &[
        field("cidr", Shape::Text(&text::CIDR), "Its IPv4 network."),
        field("enabled", Shape::Bool, "Whether it works. Default: true."),
        field("dhcp", Shape::Object(&DHCP), "Its DHCP server."),
        field("ipv6", Shape::Object(&IPV6), "IPv6."),
        field(
            "portForwards",
            Shape::Map(&FORWARDS),
            "Rules by name: `[HOSTIP:]HOSTPORT:GUESTIP:GUESTPORT[/udp]`. The guest's address is required here.",
        ),
        field(
            "portForwards6",
            Shape::Map(&FORWARDS),
            "Rules to IPv6 addresses of guests: `8080:[fd17::11]:80`.",
        ),
        field(
            "loopback",
            Shape::Map(&LOOPBACK),
            "Addresses of the host's loopback by the number of the address in the network.",
        ),
    ],
    one_of: None,
};

static FORWARDS: MapRule =
    MapRule { key: &text::INNER_NAME, value: Shape::Text(&text::FORWARD), nullable: false, max: 1000 };
static LOOPBACK: MapRule =
    MapRule { key: &text::LOOPBACK_ADDRESS, value: Shape::Int(1, 254), nullable: false, max: 254 };

static IPV6: Object = Object {
    name: "Ipv6",
    doc: "IPv6 of a NAT network.",
    fields: &[
        field("prefix", Shape::Text(&text::IPV6_PREFIX), "Its IPv6 network."),
        field("defaultRoute", Shape::Bool, "Whether it advertises a default route."),
    ],
    one_of: None,
};

static INTERNAL: Object = Object {
    name: "InternalNetwork",
    doc: "An internal network.",
    fields: &[field("dhcp", Shape::Object(&DHCP), "Its DHCP server. Without it there is none.")],
    one_of: None,
};

static HOST_ONLY: Object = Object {
    name: "HostOnlyNetwork",
    doc: "A host-only network. VirtualBox names its interface itself; on macOS it has a name, and the system gives out the addresses.",
    fields: &[
        field("address", Shape::Text(&text::HOST_CIDR), "The host's own address in it."),
        field("dhcp", Shape::Object(&DHCP), "Its DHCP server. Without it there is none."),
    ],
    one_of: None,
};

static DHCP: Object = Object {
    name: "Dhcp",
    doc: "A DHCP server.",
    fields: &[
        field("server", Shape::Text(&text::HOST_CIDR), "The server's own address with its network's prefix."),
        field("range", Shape::Text(&text::IP_RANGE), "The first and the last address that it gives out."),
        field("enabled", Shape::Bool, "Whether it answers. Default: true."),
        field("options", Shape::Map(&OPTIONS), "DHCP options by name or number."),
    ],
    one_of: None,
};

static OPTIONS: MapRule =
    MapRule { key: &text::DHCP_OPTION, value: Shape::Text(&text::LINE), nullable: false, max: 255 };

/// `spec` of a snapshot.
pub(in super::super) static SNAPSHOT: Object = Object {
    name: "Snapshot",
    doc: "A named point in time. One that exists is satisfied for ever.",
    fields: &[
        field(
            "machines",
            Shape::List(&MACHINES),
            "Machines by name; a replicated machine's name means all its members.",
        )
        .required(),
        field(
            "take",
            Shape::Word(&["beforeFirstStart", "now"]),
            "When it is taken. Default: beforeFirstStart, after the machine's birth and before it ever runs.",
        ),
        field("description", Shape::Text(&text::TEXT), "Free text."),
    ],
    one_of: None,
};

static MACHINES: ListRule =
    ListRule { item: Shape::Text(&text::MACHINE_REFERENCE), max: 10_000, unique: true, by_position: false };
