//! Controllers, disks, drives and shared folders of a machine.

use super::super::shape::{ListRule, MapRule, Object, OneOf, QuantityRule, Shape, field};
use super::super::text;
use super::super::units::Quantity;
use crate::model::settings::{Bus, ControllerType};

pub(in super::super) const DISK_FORMATS: &[&str] = &["vdi", "vmdk", "vhd"];
pub(super) const DISK_VARIANTS: &[&str] = &["dynamic", "fixed", "split2g", "split2g-fixed", "stream", "esx"];

/// VirtualBox wants multiples of 512 bytes, and makes disks of any size that it cannot open afterwards.
pub(super) static DISK_SIZE: QuantityRule = QuantityRule {
    quantity: Quantity::Size,
    unit: 1,
    multiple: (512, "512 bytes"),
    min: 1 << 20,
    max: 64 << 40,
    bare: "GiB",
};

pub(super) static CONTROLLERS: MapRule =
    MapRule { key: &text::INNER_NAME, value: Shape::Object(&CONTROLLER), nullable: false, max: 64 };

static CONTROLLER: Object = Object {
    name: "Controller",
    doc: "A storage controller.",
    fields: &[
        field("bus", Shape::Word(Bus::WORDS), "The bus.").required(),
        field(
            "type",
            Shape::Word(ControllerType::WORDS),
            "The emulated chip. Default: the usual one of the bus.",
        ),
        field("ports", Shape::Int(1, 256), "Number of ports, where the bus lets it be chosen."),
        field("hostIoCache", Shape::Bool, "Whether the host's cache is used."),
        field("bootable", Shape::Bool, "Whether the firmware may boot from it."),
    ],
    one_of: None,
};

pub(super) static DISKS: MapRule =
    MapRule { key: &text::DISK_KEY, value: Shape::Object(&MACHINE_DISK), nullable: false, max: 1024 };

static MACHINE_DISK: Object = Object {
    name: "MachineDisk",
    doc: "A disk that lives and dies with its machine, or with `disk` one that has a document of its own.",
    fields: &[
        field("size", Shape::Quantity(&DISK_SIZE), "Capacity. It can grow; VirtualBox cannot shrink a disk."),
        field("format", Shape::Word(DISK_FORMATS), "Format of the file. Fixed at birth. Default: vdi."),
        field(
            "variant",
            Shape::Word(DISK_VARIANTS),
            "How the file holds its blocks. Fixed at birth. Default: dynamic.",
        ),
        field(
            "location",
            Shape::PathInFolder,
            "The file. A bare name is in the machine's own folder. Default: KEY.FORMAT there.",
        ),
        field("image", Shape::Path, "The image that the disk is made from. A change makes the disk anew."),
        field("sha256", Shape::Text(&text::SHA256), "SHA-256 of the image, checked before it is used."),
        field("linked", Shape::Bool, "Whether only differences to the image are kept.").later(),
        field("disk", Shape::Text(&text::DISK_REFERENCE), "The Disk document that is attached."),
        field(
            "at",
            Shape::Text(&text::PLACE),
            "CONTROLLER:PORT[:DEVICE]. Without it the live place is kept.",
        ),
        field("ssd", Shape::Bool, "Whether the guest sees a solid-state disk."),
        field("discard", Shape::Bool, "Whether the guest's TRIM shrinks the file."),
        field("hotPluggable", Shape::Bool, "Whether it may come and go while the guest runs."),
        field(
            "bandwidthGroup",
            Shape::Text(&text::BANDWIDTH_GROUP_REFERENCE),
            "A bandwidth group of type disk.",
        ),
    ],
    one_of: None,
};

const DRIVE_CHOICE: OneOf = OneOf { keys: &["image", "hostDrive", "empty"], what: "what is in the drive" };

pub(super) static DVDS: ListRule =
    ListRule { item: Shape::Object(&DVD), max: 64, unique: false, by_position: true };

static DVD: Object = Object {
    name: "Dvd",
    doc: "A DVD drive. It is known by its position among the drives.",
    fields: &[
        field("image", Shape::Path, "An image file."),
        field("hostDrive", Shape::Text(&text::WORD), "A drive of the host."),
        field("empty", Shape::Bool, "`true`: nothing is in it."),
        field(
            "at",
            Shape::Text(&text::PLACE),
            "CONTROLLER:PORT[:DEVICE]. Without it the live place is kept.",
        ),
        field("passthrough", Shape::Bool, "Whether the guest may send commands to a drive of the host."),
        field("tempEject", Shape::Bool, "Whether a guest's eject is undone at the next start."),
    ],
    one_of: Some(DRIVE_CHOICE),
};

pub(super) static FLOPPIES: ListRule =
    ListRule { item: Shape::Object(&FLOPPY), max: 2, unique: false, by_position: true };

static FLOPPY: Object = Object {
    name: "Floppy",
    doc: "A floppy drive.",
    fields: &[
        field("image", Shape::Path, "An image file."),
        field("hostDrive", Shape::Text(&text::WORD), "A drive of the host."),
        field("empty", Shape::Bool, "`true`: nothing is in it."),
        field("at", Shape::Text(&text::PLACE), "CONTROLLER:PORT[:DEVICE]."),
    ],
    one_of: Some(DRIVE_CHOICE),
};

pub(super) static SHARED_FOLDERS: MapRule =
    MapRule { key: &text::INNER_NAME, value: Shape::Object(&SHARED_FOLDER), nullable: false, max: 256 };

static SHARED_FOLDER: Object = Object {
    name: "SharedFolder",
    doc: "A directory of the host that the guest can mount.",
    fields: &[
        field("hostPath", Shape::Path, "The directory on the host.").required(),
        field("mountPoint", Shape::Text(&text::LINE), "Where the guest mounts it."),
        field("readOnly", Shape::Bool, "Whether the guest may only read."),
        field("automount", Shape::Bool, "Whether the guest mounts it by itself."),
        field(
            "symlinks",
            Shape::Word(&["forbidden", "subtree", "relative", "any"]),
            "Which symbolic links the guest may make.",
        ),
    ],
    one_of: None,
};
