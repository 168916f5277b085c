//! Guests that are one boot sector: they are up within seconds, even on an interpreted CPU.

use std::fs;
use std::path::{Path, PathBuf};

use crate::home::{Home, eventually, path};

/// What a guest does when somebody presses its power button.
#[derive(Clone, Copy, Debug)]
pub enum Guest {
    /// It switches itself off.
    ObeysAcpi,
    /// Nothing.
    IgnoresAcpi,
}

/// What a guest writes to its first serial port when it is up.
pub const MARKER: &str = "VBOXMCP-GUEST-UP\r\n";

/// The boot sector: 16-bit code, loaded at 0x7c00.
///
/// It writes the text behind it to the first serial port and then waits, asleep, for interrupts: the BIOS's timer
/// wakes it 18 times a second. Each time it looks at the ACPI status register (port 0x4000 in VirtualBox), whose bit 8
/// is the power button, and once that is set writes "sleep enable, sleep type 5" to the control register behind it,
/// which switches the machine off.
#[rustfmt::skip]
const CODE: [u8; 0x33] = [
    0x31, 0xc0,       // 7c00          xor ax, ax
    0x8e, 0xd8,       // 7c02          mov ds, ax
    0xfc,             // 7c04          cld
    0xbe, 0x33, 0x7c, // 7c05          mov si, marker
    0xac,             // 7c08  next:   lodsb
    0x84, 0xc0,       // 7c09          test al, al
    0x74, 0x12,       // 7c0b          jz idle
    0x88, 0xc4,       // 7c0d          mov ah, al
    0xba, 0xfd, 0x03, // 7c0f          mov dx, 0x3fd       ; line status
    0xec,             // 7c12  busy:   in al, dx
    0xa8, 0x20,       // 7c13          test al, 0x20       ; ready for a byte?
    0x74, 0xfb,       // 7c15          jz busy
    0xba, 0xf8, 0x03, // 7c17          mov dx, 0x3f8
    0x88, 0xe0,       // 7c1a          mov al, ah
    0xee,             // 7c1c          out dx, al
    0xeb, 0xe9,       // 7c1d          jmp next
    0xfb,             // 7c1f  idle:   sti
    0xf4,             // 7c20          hlt
    0xba, 0x00, 0x40, // 7c21          mov dx, 0x4000      ; PM1 status
    0xed,             // 7c24          in ax, dx
    0xf6, 0xc4, 0x01, // 7c25          test ah, 1          ; power button?
    0x74, 0xf5,       // 7c28  button: jz idle
    0xba, 0x04, 0x40, // 7c2a          mov dx, 0x4004      ; PM1 control
    0xb8, 0x00, 0x34, // 7c2d          mov ax, 0x3400
    0xef,             // 7c30          out dx, ax
    0xeb, 0xec,       // 7c31          jmp idle
                      // 7c33  marker: db "VBOXMCP-GUEST-UP", 13, 10, 0
];

/// Where the instruction `button` is, a conditional jump back to sleep.
const BUTTON: usize = 0x28;

/// `jmp` in its place: the guest never wakes up to anything.
const ALWAYS: u8 = 0xeb;

/// The smallest disk that VirtualBox's BIOS likes.
const DISK_BYTES: usize = 1 << 20;

impl Guest {
    /// The contents of its disk.
    fn raw(self) -> Vec<u8> {
        let mut disk = vec![0; DISK_BYTES];
        disk[..CODE.len()].copy_from_slice(&CODE);
        disk[CODE.len()..][..MARKER.len()].copy_from_slice(MARKER.as_bytes());
        if let Guest::IgnoresAcpi = self {
            disk[BUTTON] = ALWAYS;
        }
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        disk
    }

    /// Writes the guest's disk, a VDI image that VirtualBox does not know yet.
    pub fn write_disk(self, home: &Home, vdi: &Path) {
        let raw = vdi.with_extension("raw");
        fs::write(&raw, self.raw()).expect("the image can be written");
        home.vbox(&["convertfromraw", path(&raw), path(vdi), "--format", "VDI"]).ok();
        fs::remove_file(raw).expect("the image can be removed");
    }

    /// A machine with this guest, made by hand, switched off.
    pub fn machine(self, home: &Home, name: &str) -> Machine {
        let disk = home.scratch().join(format!("{name}.vdi"));
        let serial = home.scratch().join(format!("{name}.serial"));
        self.write_disk(home, &disk);
        let created = home.vbox(&["createvm", "--name", name, "--ostype", "Other", "--register"]).ok();
        let uuid = created.lines().find_map(|line| line.strip_prefix("UUID: ")).expect("its UUID").to_owned();
        let settings = ["--memory=16", "--vram=4", "--acpi=on", "--nic1=nat", "--audio-enabled=off"];
        let port = ["--uart1", "0x3f8", "4", "--uart-mode1", "file", path(&serial)];
        home.vbox(&[&["modifyvm", &uuid], &settings[..], &port].concat()).ok();
        home.vbox(&["storagectl", &uuid, "--name", "IDE", "--add", "ide"]).ok();
        let slot = ["--storagectl=IDE", "--port=0", "--device=0", "--type=hdd", "--medium", path(&disk)];
        home.vbox(&[&["storageattach", &uuid], &slot[..]].concat()).ok();
        Machine { uuid, serial }
    }
}

/// A machine with one of the guests.
pub struct Machine {
    /// Its UUID.
    pub uuid: String,
    /// The file that its first serial port writes to.
    pub serial: PathBuf,
}

impl Machine {
    /// Starts it and waits until its guest is up.
    pub fn start(&self, home: &Home) {
        home.vbox(&["startvm", &self.uuid, "--type=headless"]).ok();
        self.wait_up();
    }

    /// Waits until the guest has written its marker.
    pub fn wait_up(&self) {
        let is_up = || fs::read_to_string(&self.serial).is_ok_and(|text| text.contains(MARKER));
        eventually("the guest is up", 60, is_up);
    }
}
