//! Random machines: the VBoxManage commands that make them, from a seed.
//!
//! Over every setting that VirtualBox keeps in a machine's file, also those that manifests cannot say. What VirtualBox refuses
//! to combine is left out here, so that no command fails.

mod hardware;
mod network;
mod storage;

use std::fs;
use std::path::PathBuf;

use uuid::Uuid;
use vboxmcp::model::os_type;

use crate::home::path;
use crate::random::Random;

impl Random {
    fn on_off(&mut self) -> &'static str {
        self.pick(&["on", "off"])
    }

    fn uuid(&mut self) -> Uuid {
        let number = (u128::from(self.next()) << 64) | u128::from(self.next());
        uuid::Builder::from_random_bytes(number.to_be_bytes()).into_uuid()
    }

    fn text(&mut self) -> String {
        self.pick(TEXTS).to_owned()
    }
}

/// What people, and people who break things, write into free text.
const TEXTS: &[&str] = &[
    "",
    "plain",
    "two words",
    "line 1\nline 2\n",
    "\"quoted\" and \\ back",
    "ends with \\",
    "<tag attr='x'>&amp;</tag>",
    "grüße 日本語 🚀",
    "memory=1\nname=\"no\"",
    " leads and trails ",
    "tab\there",
];

const SAFE_TEXTS: &[&str] = &["plain", "two words", "\"quoted\"", "<&>", "grüße 日本語", "a'b"];

type Command = Vec<String>;

/// One machine: its UUID and what makes it, in this order.
pub struct Recipe {
    pub uuid: Uuid,
    pub commands: Vec<Command>,
}

/// Where the machines of one run find what they share.
pub struct Place {
    /// For disks and other files.
    scratch: PathBuf,
    /// An image for drives.
    iso: PathBuf,
    /// An image for floppy drives.
    floppy: PathBuf,
}

impl Place {
    /// Makes the images in a folder.
    pub fn make(scratch: PathBuf) -> Self {
        let (iso, floppy) = (scratch.join("x.iso"), scratch.join("x.img"));
        fs::write(&iso, vec![0; 64 << 10]).expect("an image");
        fs::write(&floppy, vec![0; 1440 << 10]).expect("an image");
        Self { scratch, iso, floppy }
    }
}

struct Maker<'r, 'p> {
    random: &'r mut Random,
    place: &'p Place,
    index: usize,
    id: String,
    flags: Vec<String>,
    commands: Vec<Command>,
    ich9: bool,
}

/// Makes the recipe of one machine.
pub fn recipe(random: &mut Random, place: &Place, index: usize) -> Recipe {
    let uuid = random.uuid();
    let mut maker = Maker {
        random,
        place,
        index,
        id: uuid.to_string(),
        flags: Vec::new(),
        commands: Vec::new(),
        ich9: false,
    };
    maker.make();
    Recipe { uuid, commands: maker.commands }
}

fn command(words: &[&str]) -> Command {
    words.iter().map(|&word| word.to_owned()).collect()
}

impl Maker<'_, '_> {
    fn run(&mut self, words: &[&str]) {
        self.commands.push(command(words));
    }

    fn flag(&mut self, name: &str, value: impl std::fmt::Display) {
        self.flags.push(format!("--{name}={value}"));
    }

    /// A flag in so many of a hundred machines.
    fn sometimes(&mut self, percent: u64, name: &str, choices: &[&str]) {
        if self.random.percent(percent) {
            let value = self.random.pick(choices);
            self.flag(name, value);
        }
    }

    fn switch(&mut self, percent: u64, name: &str) {
        self.sometimes(percent, name, &["on", "off"]);
    }

    fn number(&mut self, percent: u64, name: &str, first: u64, last: u64) {
        if self.random.percent(percent) {
            let value = self.random.range(first, last);
            self.flag(name, value);
        }
    }

    fn modify(&mut self) {
        if self.flags.is_empty() {
            return;
        }
        let mut words = command(&["modifyvm", &self.id]);
        words.append(&mut self.flags);
        self.commands.push(words);
    }

    fn make(&mut self) {
        let types: Vec<&str> = os_type::ids().collect();
        let types: Vec<&str> = types.into_iter().filter(|id| !id.contains("arm64")).collect();
        let os_type = self.random.pick(&types);
        let suffix = if self.random.percent(20) { self.random.pick(SAFE_TEXTS) } else { "" };
        let (name, id) = (format!("m{}{suffix}", self.index), self.id.clone());
        let mut create =
            command(&["createvm", "--register", "--name", &name, "--uuid", &id, "--ostype", os_type]);
        if self.random.percent(40) {
            create.push("--default".to_owned());
        }
        if self.random.percent(20) {
            create.push(format!("--groups={}", self.random.pick(&["/a", "/a/b", "/x,/a/b", "/ü"])));
        }
        self.commands.push(create);
        let has_group = self.random.percent(25);
        if has_group {
            self.run(&["bandwidthctl", &id, "add", "ng", "--type=network", "--limit=20m"]);
            if self.random.percent(50) {
                let limit = format!("--limit={}", self.random.pick(&["0", "10M", "3000k", "1G"]));
                self.run(&["bandwidthctl", &id, "add", "d \"g", "--type=disk", &limit]);
            }
        }
        self.identity();
        self.processor();
        self.firmware();
        self.devices();
        // The number of adapters is that of the chipset before the command; a second command is otherwise as good as one.
        if self.ich9 || self.random.percent(10) {
            self.modify();
        }
        self.ports();
        self.nics(has_group);
        self.remote();
        self.modify();
        self.data();
        self.storage(has_group);
        // What a snapshot says of recording, VirtualBox changes with the machine's own.
        let records = self.commands.iter().flatten().any(|word| word.starts_with("--recording"));
        if !records && self.random.percent(20) {
            self.snapshots();
        }
    }

    fn data(&mut self) {
        let id = self.id.clone();
        if self.random.percent(20) {
            let value = self.random.text();
            self.run(&["setextradata", &id, "vendor/key", &value]);
        }
        if self.random.percent(15) {
            let value = self.random.pick(SAFE_TEXTS);
            let flags = self.random.pick(&["RDONLYGUEST", "RDONLYHOST", "READONLY"]);
            self.run(&["guestproperty", "set", &id, "/app/role", value, "--flags", flags]);
        }
        if self.random.percent(20) {
            let scratch = path(&self.place.scratch).to_owned();
            let host_path = format!("--hostpath={scratch}");
            let names = ["share", "s\"f", "ü"];
            let name = format!("--name={}", self.random.pick(&names));
            let mut words = command(&["sharedfolder", "add", &id, &name, &host_path]);
            for option in ["--readonly", "--automount", "--auto-mount-point=/mnt/x y"] {
                if self.random.percent(40) {
                    words.push(option.to_owned());
                }
            }
            self.commands.push(words);
            if self.random.percent(25) {
                let policy = self.random.pick(&["forbidden", "subtree", "relative", "any"]);
                self.run(&["sharedfolder", "modify", &id, &name, &format!("--symlink-policy={policy}")]);
            }
        }
        if self.random.percent(15) {
            let target = format!("--target={id}");
            let texts = [
                "--manufacturer=A \"B\"",
                "--product=P",
                "--serialnumber=1",
                "--port=1",
                "--remote=yes",
                "--remote=no",
            ];
            for position in 0..self.random.range(1, 2) {
                let name = format!("--name=filter {position}");
                let mut words = command(&["usbfilter", "add", "0", &target, &name]);
                let active = format!("--active={}", self.random.pick(&["yes", "no"]));
                words.push(active);
                if self.random.percent(50) {
                    words.extend(command(&["--vendorid=0403", "--productid=6001", "--revision=0100"]));
                }
                if self.random.percent(60) {
                    words.push(self.random.pick(&texts).to_owned());
                }
                self.commands.push(words);
            }
        }
    }
}
