//! `showvminfo --machinereadable` as keys and values (`vbox-settings` 3.6, `vbox-semantics` 2.6).
//!
//! Strings are quoted, quotes and backslashes in them escaped, line ends not. One line lacks its end (`cpuid=`), and names and
//! descriptions of snapshots are not escaped, which is why they are read apart from the rest.

use uuid::Uuid;

use crate::inventory::Snapshot;

/// Keys, by their beginnings, whose strings are quoted but not escaped (measured, one by one).
const UNESCAPED: &[&str] = &[
    "intnet",
    "nat-network",
    "bridgeadapter",
    "hostonlyadapter",
    "hostonly-network",
    "generic",
    "cloud-network",
    "Forwarding(",
    "uartmode",
    "lptmode",
    "vrdeaddress",
    "vrdeproperty[",
];

/// Everything up to the snapshots, in its order.
#[derive(Debug, Default)]
pub struct Pairs {
    found: Vec<(String, String)>,
    /// Root snapshot.
    pub snapshots: Option<Snapshot>,
    /// Current snapshot.
    pub current_snapshot: Option<Uuid>,
}

impl Pairs {
    /// Reads the whole output.
    pub fn parse(text: &str) -> Self {
        let (settings, snapshots) = match text.find("\nSnapshotName=\"") {
            Some(at) => text.split_at(at + 1),
            None => (text, ""),
        };
        let mut pairs = Self::default();
        let mut rest = settings;
        while !rest.is_empty() {
            rest = pairs.take_pair(rest);
        }
        if !snapshots.is_empty() {
            pairs.snapshots = read_snapshot(snapshots, "");
            pairs.current_snapshot = snapshots
                .rsplit_once("\nCurrentSnapshotUUID=\"")
                .and_then(|(_, tail)| Uuid::try_parse(tail.get(..36)?).ok());
            // Behind the snapshots stands nothing but this.
            if let Some((_, tail)) = snapshots.rsplit_once("\nGuestMemoryBalloon=") {
                pairs.found.push(("GuestMemoryBalloon".to_owned(), tail.trim().to_owned()));
            }
        }
        pairs
    }

    /// Takes one pair off the beginning of the text.
    fn take_pair<'t>(&mut self, text: &'t str) -> &'t str {
        let (key, rest) = if text.starts_with('"') {
            let (key, rest) = unquoted(text);
            match rest.strip_prefix('=') {
                Some(rest) => (key, rest),
                None => return next_line(rest),
            }
        } else {
            let line_end = text.find('\n').unwrap_or(text.len());
            if let Some((key, _)) = text[..line_end].split_once('=') {
                (key.to_owned(), &text[key.len() + 1..])
            } else {
                // ` rec_screen1` and whatever else is no pair.
                self.found.push((text[..line_end].trim().to_owned(), String::new()));
                return next_line(text);
            }
        };
        let line_end = rest.find('\n').unwrap_or(rest.len());
        let line = &rest[..line_end];
        if let Some(value) =
            line.strip_prefix('"').filter(|_| UNESCAPED.iter().any(|raw| key.starts_with(raw)))
        {
            self.found.push((key, value.strip_suffix('"').unwrap_or(value).to_owned()));
            return next_line(rest);
        }
        if rest.starts_with('"') {
            let (mut value, rest) = unquoted(rest);
            // `BandwidthGroup0="name",Network,0` has more behind the string.
            let line_end = rest.find('\n').unwrap_or(rest.len());
            value.push_str(&rest[..line_end]);
            self.found.push((key, value));
            return next_line(rest);
        }
        if key == "cpuid" {
            // `cpuid=…,178bfbffhwvirtex="on"`: each override is six numbers of eight digits.
            let value = line.get(..6 * 9 - 1).unwrap_or(line);
            self.found.push((key, value.to_owned()));
            let rest = &rest[value.len()..];
            return rest.strip_prefix('\n').unwrap_or(rest);
        }
        self.found.push((key, line.to_owned()));
        next_line(rest)
    }

    /// The first value of a key. Free text stands late in the output, so that it cannot stand for anything else.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.found.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// All pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.found.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

fn next_line(text: &str) -> &str {
    text.find('\n').map_or("", |at| &text[at + 1..])
}

/// A quoted string at the beginning of a text, and what stands behind it.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

/// The snapshot whose keys end with `suffix`, and those below it. Names and descriptions may hold anything: they end
/// where the next key begins.
fn read_snapshot(text: &str, suffix: &str) -> Option<Snapshot> {
    let start = format!("SnapshotName{suffix}=\"");
    let at = if text.starts_with(&start) { 0 } else { text.find(&format!("\n{start}"))? + 1 };
    let text = &text[at + start.len()..];
    let (name, text) = text.split_once(&format!("\"\nSnapshotUUID{suffix}=\""))?;
    let uuid = Uuid::try_parse(text.get(..36)?).ok()?;
    let description = text[36..].strip_prefix(&format!("\"\nSnapshotDescription{suffix}=\""));
    let description = description.map(|text| {
        let ends = ["\"\nSnapshotName-", "\"\nCurrentSnapshotName=\""];
        let end = ends.iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
        text[..end].to_owned()
    });
    let children = (1..).map_while(|number: u32| read_snapshot(text, &format!("{suffix}-{number}")));
    Some(Snapshot {
        uuid,
        name: name.to_owned(),
        description: description.unwrap_or_default(),
        taken: String::new(),
        online: false,
        media: Vec::new(),
        children: children.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::Pairs;

    #[test]
    fn strings_are_unescaped_and_may_have_several_lines() {
        let pairs = Pairs::parse(
            "name=\"q\\\"x\\\\y\"\nmemory=1024\n\"S\\\"A\\\\T-0-0\"=\"none\"\n rec_screen0\n\
             description=\"a\\\\b \\\"c\\\"\\\\\nVMState=\\\"running\\\"\nend\\\\\"\nBandwidthGroup0=\"b\\\"g\",Network,0\nGuestMemoryBalloon=4\n",
        );
        assert_eq!(pairs.get("name"), Some("q\"x\\y"));
        assert_eq!(pairs.get("S\"A\\T-0-0"), Some("none"));
        assert_eq!(pairs.get("description"), Some("a\\b \"c\"\\\nVMState=\"running\"\nend\\"));
        assert_eq!(pairs.get("VMState"), None);
        assert_eq!(pairs.get("BandwidthGroup0"), Some("b\"g,Network,0"));
        assert_eq!(pairs.get("GuestMemoryBalloon"), Some("4"));
    }

    #[test]
    fn some_strings_are_not_escaped() {
        let pairs = Pairs::parse(
            "uartmode1=\"server,\\\\.\\pipe\\a\"b\"\nForwarding(0)=\"a\"b\\c,tcp,,1,,2\"\nx=1\n",
        );
        assert_eq!(pairs.get("uartmode1"), Some("server,\\\\.\\pipe\\a\"b"));
        assert_eq!((pairs.get("Forwarding(0)"), pairs.get("x")), (Some("a\"b\\c,tcp,,1,,2"), Some("1")));
    }

    #[test]
    fn a_missing_line_end_is_made_good() {
        let pairs = Pairs::parse(
            "cpuid=00000001,00000000,000306a9,00020800,80000201,178bfbffcpuid=00000002,00000000,1,2,3,4\nhwvirtex=\"on\"\n",
        );
        assert_eq!(pairs.get("cpuid"), Some("00000001,00000000,000306a9,00020800,80000201,178bfbff"));
        let glued =
            Pairs::parse("cpuid=00000001,00000000,000306a9,00020800,80000201,178bfbffhwvirtex=\"on\"\nx=1\n");
        assert_eq!((glued.get("hwvirtex"), glued.get("x")), (Some("on"), Some("1")));
    }

    #[test]
    fn snapshots_are_a_tree() {
        let uuid = |n: u32| format!("0e601275-ba30-4a17-9e42-84e223decf{n:02}");
        let text = format!(
            "name=\"x\"\nSnapshotName=\"n\"1\\\nx=\"y\"\"\nSnapshotUUID=\"{}\"\nSnapshotDescription=\"d\"\\\nVMState=\"x\"\"\n\
             SnapshotName-1=\"a\"\nSnapshotUUID-1=\"{}\"\nSnapshotName-1-1=\"b\"\nSnapshotUUID-1-1=\"{}\"\n\
             SnapshotName-2=\"c\"\nSnapshotUUID-2=\"{}\"\nCurrentSnapshotName=\"c\"\nCurrentSnapshotUUID=\"{}\"\n\
             CurrentSnapshotNode=\"SnapshotName-2\"\nGuestMemoryBalloon=7\n",
            uuid(10),
            uuid(11),
            uuid(12),
            uuid(13),
            uuid(13)
        );
        let pairs = Pairs::parse(&text);
        let root = pairs.snapshots.as_ref().unwrap();
        assert_eq!(
            (root.name.as_str(), root.description.as_str()),
            ("n\"1\\\nx=\"y\"", "d\"\\\nVMState=\"x\"")
        );
        assert_eq!(root.children.len(), 2);
        assert_eq!(root.children[0].children[0].name, "b");
        assert_eq!(pairs.current_snapshot, Some(root.children[1].uuid));
        assert_eq!((pairs.get("VMState"), pairs.get("GuestMemoryBalloon")), (None, Some("7")));
    }

    #[test]
    fn nonsense_is_survived() {
        for text in [
            "",
            "=",
            "\"",
            "\"x",
            "a=\"",
            "cpuid=",
            "cpuid=é",
            "\nSnapshotName=\"",
            "SnapshotName=\"x\"\nSnapshotUUID=\"1\"",
        ] {
            let _ = Pairs::parse(text);
        }
    }
}
