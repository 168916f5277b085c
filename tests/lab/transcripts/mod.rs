//! What VirtualBox says: recorded answers of VBoxManage in `tests/transcripts/VERSION/`.
//!
//! The simulated host takes its refusals from them, and the classification of errors is tested on them. With
//! `VBOXMCP_UPDATE=1` the files are written anew; without, the VirtualBox at hand is compared with them (where it is of
//! the same version). Ids, folders and ports are replaced by fixed ones.

mod objects;
mod scenes;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Test;
use crate::home::{Home, is_set, path};
use crate::lab::Lab;

pub const TESTS: &[Test] = &[("virtualbox_says_what_is_recorded", virtualbox_says_what_is_recorded)];

/// One answer. `class` is what the executor must make of it: `done`, or a class of errors.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Transcript {
    argv: Vec<String>,
    status: i32,
    stdout: String,
    stderr: String,
    class: String,
}

const DONE: &str = "done";
const UNKNOWN: &str = "unknown";
const HOST_BROKEN: &str = "hostBroken";
const WRONG_STATE: &str = "wrongState";
const WRONG_INPUT: &str = "wrongInput";

struct Recorder<'home, 'lab> {
    home: &'home Home<'lab>,
    /// What stands in commands, in what VirtualBox prints, and in the files.
    names: Vec<(String, String, String)>,
    transcripts: BTreeMap<String, Transcript>,
    /// Answers that are not what this file says.
    surprises: Vec<String>,
}

impl Recorder<'_, '_> {
    /// A command of words: `{name}` is replaced.
    fn words(&self, command: &str) -> Vec<String> {
        command.split_whitespace().map(|word| self.filled(word)).collect()
    }

    fn filled(&self, text: &str) -> String {
        self.names
            .iter()
            .fold(text.to_owned(), |text, (name, real, _)| text.replace(&format!("{{{name}}}"), real))
    }

    fn fixed(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (_, real, fixed)| text.replace(real, fixed))
    }

    /// Names an id, folder or port.
    fn name(&mut self, name: &str, real: impl Into<String>, fixed: impl Into<String>) {
        // Longer ones first: a folder may be the beginning of another.
        self.names.push((name.to_owned(), real.into(), fixed.into()));
        self.names.sort_by_key(|(_, real, _)| std::cmp::Reverse(real.len()));
    }

    /// A command that must work and that nobody wants to read.
    fn set_up(&self, command: &str) -> String {
        let words = self.words(command);
        self.home.vbox(&words.iter().map(String::as_str).collect::<Vec<_>>()).ok()
    }

    fn record(&mut self, name: &str, class: &str, command: &str) -> String {
        let words = self.words(command);
        self.record_words(name, class, &words)
    }

    fn record_words(&mut self, name: &str, class: &str, words: &[String]) -> String {
        let output = self.home.vbox(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let status = output.code.unwrap_or_else(|| panic!("{name}: ended by a signal"));
        if output.is_success() != (class == DONE) {
            self.surprises.push(format!("{name}: {words:?} is not {class}: {output:?}"));
        }
        let transcript = Transcript {
            argv: words.iter().map(|word| self.fixed(word)).collect(),
            status,
            stdout: without_ids(self.fixed(&output.stdout)),
            stderr: without_ids(self.fixed(without_freed(&output.stderr))),
            class: class.to_owned(),
        };
        assert!(self.transcripts.insert(name.to_owned(), transcript).is_none(), "{name} is there twice");
        output.stdout
    }

    /// A machine by its name, with an id that ends alike every time.
    fn machine(&mut self, name: &str, number: u8) {
        let uuid = format!("00000000-0000-4000-8000-0000000000{number:02x}");
        self.name(name, uuid.clone(), uuid);
        self.set_up(&format!("createvm --name={name} --ostype=Debian_64 --register --uuid={{{name}}}"));
        self.set_up(&format!("modifyvm {{{name}}} --memory=64 --nic1=nat"));
        self.set_up(&format!("storagectl {{{name}}} --name SATA --add=sata --portcount=4"));
    }

    /// A registered disk by its name, in the machines' folder.
    fn disk(&mut self, name: &str, number: u8, options: &str) {
        let said = self.set_up(&format!("createmedium disk --filename={{machines}}/{name} {options}"));
        self.medium(name, number, &said);
    }

    /// Names the medium whose id is in an answer.
    fn medium(&mut self, name: &str, number: u8, said: &str) {
        let uuid = said.rsplit("UUID: ").next().expect("an id").trim().to_owned();
        assert_eq!(uuid.len(), 36, "{said}");
        self.name(name, uuid, format!("00000000-0000-4000-8000-0000000000{number:02x}"));
    }
}

/// Replaces ids that nobody has named: they are others the next time.
fn without_ids(mut text: String) -> String {
    const FIXED: &str = "00000000-0000-4000-8000-";
    let is_id = |bytes: &[u8]| {
        let fits = |(at, byte): (usize, &u8)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        };
        bytes.iter().enumerate().all(fits)
    };
    for at in 0..text.len().saturating_sub(35) {
        if text.is_char_boundary(at) && is_id(&text.as_bytes()[at..at + 36]) && !text[at..].starts_with(FIXED)
        {
            text.replace_range(at..at + 36, &format!("{FIXED}0000000000ff"));
        }
    }
    text
}

/// For a number that it does not understand VirtualBox prints memory that it has freed already: something that it can print now and then,
/// and nothing at all, not even what it was going to say, at most other times (measured).
fn without_freed(text: &str) -> &str {
    text.find("Invalid argument format: ").map_or(text, |at| &text[..at])
}

fn virtualbox_says_what_is_recorded(lab: &Lab) {
    let home = lab.home();
    let mut recorder =
        Recorder { home: &home, names: Vec::new(), transcripts: BTreeMap::new(), surprises: Vec::new() };
    let machines = home.machines();
    let root = machines.parent().expect("a folder has a parent");
    recorder.name("machines", path(&machines), "/lab/machines");
    recorder.name("root", path(root), "/lab");
    recorder.name("nobody", "00000000-0000-4000-8000-000000000bad", "00000000-0000-4000-8000-000000000bad");

    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("a port");
    recorder.name("port", free.port().to_string(), "40022");

    scenes::births(&mut recorder);
    scenes::settings(&mut recorder);
    scenes::devices(&mut recorder);
    scenes::controllers(&mut recorder);
    scenes::disks(&mut recorder);
    scenes::attachments(&mut recorder);
    scenes::folders_and_data(&mut recorder);
    scenes::snapshots(&mut recorder);
    scenes::running(&mut recorder);
    scenes::paused(&mut recorder);
    scenes::saved(&mut recorder);
    objects::networks(&mut recorder);
    objects::changed_disks(&mut recorder);
    scenes::deaths(&mut recorder);
    assert!(recorder.surprises.is_empty(), "{}", recorder.surprises.join("\n"));
    compare(&home, &recorder.transcripts);
}

fn compare(home: &Home, transcripts: &BTreeMap<String, Transcript>) {
    let version = home.vbox(&["--version"]).ok();
    let version: String = version.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(&version);
    if is_set("VBOXMCP_UPDATE") {
        write(&folder, transcripts);
    } else if folder.is_dir() {
        let mut wrong = Vec::new();
        let committed: BTreeMap<String, Transcript> = read(&folder);
        for name in transcripts.keys().chain(committed.keys()) {
            if transcripts.get(name) != committed.get(name) {
                wrong.push(format!(
                    "{name}\n  now {:?}\n  was {:?}",
                    transcripts.get(name),
                    committed.get(name)
                ));
            }
        }
        assert!(wrong.is_empty(), "VBOXMCP_UPDATE=1 writes them anew\n{}", wrong.join("\n"));
    }
}

fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.json"))
}

fn write(folder: &Path, transcripts: &BTreeMap<String, Transcript>) {
    fs::create_dir_all(folder).unwrap();
    for name in read(folder).keys().filter(|name| !transcripts.contains_key(*name)) {
        fs::remove_file(file(folder, name)).unwrap();
    }
    for (name, transcript) in transcripts {
        let text = serde_json::to_string_pretty(transcript).unwrap();
        fs::write(file(folder, name), text + "\n").unwrap();
    }
}

fn read(folder: &Path) -> BTreeMap<String, Transcript> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let transcript = |file: PathBuf| {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap())
    };
    files.map(transcript).collect()
}
