use proptest::prelude::*;

use super::super::expr::{self, Part};
use super::super::node::{self, Node, Value};
use super::super::source::Sources;
use super::*;

fn read(text: &str) -> Node {
    let mut sources = Sources::default();
    let id = sources.add("t.yaml", text, None);
    let (mut nodes, found) = node::read(&sources, id);
    assert_eq!(found, [], "{text}");
    assert_eq!(nodes.len(), 1, "{text}");
    nodes.remove(0)
}

/// The value as it reads back: expressions put in, flags and numbers as such.
fn value_of(node: &Node) -> Yaml {
    match &node.value {
        Value::Null => panic!("nothing was written"),
        Value::Scalar(scalar) => {
            let parts = expr::parse(&scalar.text).unwrap();
            let text: String = parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => text.as_str(),
                    Part::Expr { .. } => panic!("{} is an expression", scalar.text),
                })
                .collect();
            match text.as_str() {
                "true" | "false" if scalar.plain => Yaml::Flag(text == "true"),
                digits if scalar.plain && digits.parse::<i64>().is_ok() => {
                    Yaml::Number(digits.parse().unwrap())
                }
                _ => Yaml::Text(text),
            }
        }
        Value::Sequence(items) => {
            let items = items.iter().map(|item| Item { above: Vec::new(), value: value_of(item) });
            Yaml::List(List { layout: Layout::Block, items: items.collect() })
        }
        Value::Mapping(entries) => {
            let mut map = Map::default();
            for entry in entries {
                map.put(entry.key.as_str(), value_of(&entry.value));
            }
            Yaml::Map(map)
        }
    }
}

/// The value without layout and comments.
fn bare(value: &Yaml) -> Yaml {
    match value {
        Yaml::List(list) => {
            let items = list.items.iter().map(|item| Item { above: Vec::new(), value: bare(&item.value) });
            Yaml::List(List { layout: Layout::Block, items: items.collect() })
        }
        Yaml::Map(map) => {
            let mut plain = Map::default();
            for entry in &map.entries {
                plain.put(entry.key.as_str(), bare(&entry.value));
            }
            Yaml::Map(plain)
        }
        other => other.clone(),
    }
}

/// Texts that readers are known to take for something else.
fn awkward() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "",
        " ",
        "~",
        "no",
        "Yes",
        "TRUE",
        "null",
        "1",
        "0x3f8",
        "1e3",
        "1_000",
        "12:30",
        "2001-12-14",
        ".5",
        "-",
        "- a",
        "? a",
        "a: b",
        "a #b",
        "#b",
        "&a",
        "*a",
        "!a",
        "|",
        ">",
        "%a",
        "@a",
        "`a",
        "'a'",
        "\"a\"",
        "{}",
        "[]",
        "a,b",
        "${var.x}",
        "$${",
        "$$${index}",
        "a\n",
        "a\n\n",
        "\na",
        " a\nb",
        "a\n b\n",
        "a\n \nb",
        "a\n\tb",
        "a\t\nb",
        "a\r\nb",
        "a \nb",
        "---",
        "...",
        "---\na",
        "a\n---\nb",
        "C:\\VMs\\a",
        "it's",
        "<<",
        "=",
        "\u{85}",
        "\u{2028}",
        "\u{feff}a",
        "a\u{202e}b",
        "\u{7f}",
        "x\u{fffe}",
        "1.2.3.4/24",
        "2GiB",
        "082540",
        "3com",
        "ä",
        "日本語",
        "😀",
        "٣",
    ]);
    let letters = prop::collection::vec(
        prop::sample::select(
            " \t\n\r:#-?,[]{}&*!|>'\"%@`$~=<\\/.0123456789aAeEnNyYxXoOtT_+\u{a0}é\u{2029}"
                .chars()
                .collect::<Vec<_>>(),
        ),
        0..12,
    );
    prop_oneof![
        words.prop_map(str::to_owned),
        letters.prop_map(|letters| letters.into_iter().collect()),
        any::<String>(),
        (any::<String>(), Just("\n"), any::<String>()).prop_map(|(a, b, c)| [&a, b, &c].concat()),
    ]
}

fn comments() -> impl Strategy<Value = Vec<String>> {
    prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(awkward(), 1..3)]
}

fn layout() -> impl Strategy<Value = Layout> {
    prop::sample::select(vec![Layout::Block, Layout::Line])
}

/// A key that YAML may hold; two of them are never the same.
fn entries(value: BoxedStrategy<Yaml>) -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::btree_map(
        awkward().prop_filter("merge key", |key| key != "<<"),
        (comments(), value),
        0..4,
    )
    .prop_map(|map| map.into_iter().map(|(key, (above, value))| Entry { above, key, value }).collect())
}

fn map_of(value: BoxedStrategy<Yaml>) -> impl Strategy<Value = Map> {
    (layout(), entries(value), comments()).prop_map(|(layout, entries, below)| Map { layout, entries, below })
}

fn values() -> BoxedStrategy<Yaml> {
    let leaf = prop_oneof![
        1 => any::<bool>().prop_map(Yaml::Flag),
        1 => any::<i64>().prop_map(Yaml::Number),
        4 => awkward().prop_map(Yaml::Text),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let item = (comments(), inner.clone()).prop_map(|(above, value)| Item { above, value });
        let list =
            (layout(), prop::collection::vec(item, 0..4)).prop_map(|(layout, items)| List { layout, items });
        prop_oneof![list.prop_map(Yaml::List), map_of(inner.boxed()).prop_map(Yaml::Map)]
    })
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(head in comments(), map in map_of(values())) {
        let mut map = Map { layout: Layout::Block, ..map };
        if map.entries.is_empty() {
            map.put("kind", "Stack");
        }
        let text = document(&head, &map);
        prop_assert!(text.ends_with('\n'));
        prop_assert_eq!(value_of(&read(&text)), bare(&Yaml::Map(map)), "\n{}", text);
    }

    #[test]
    fn every_text_reads_back(text in awkward(), key in awkward()) {
        prop_assume!(key != "<<");
        let map = Map::default()
            .with(key.as_str(), text.as_str())
            .with(format!("{key}2"), Map::line().with(key.as_str(), text.as_str()))
            .with(format!("{key}3"), List::line([text.as_str()]));
        let written = document(&[], &map);
        prop_assert_eq!(value_of(&read(&written)), bare(&Yaml::Map(map)), "\n{}", written);
    }
}

#[test]
fn it_looks_as_if_a_person_had_written_it() {
    let mut disks = Map::default().with("root", Map::line().with("size", "20GiB"));
    disks.entries[0].above.push("the system".to_owned());
    let nat = Map::default().with("ssh", "2222:22").with("dns", "5353:53/udp");
    let nics = List {
        layout: Layout::Block,
        items: vec![
            Item {
                above: vec!["slot 1".to_owned()],
                value: Map::default()
                    .with("nat", Map::default().with("portForwards", nat))
                    .with("type", "virtio")
                    .into(),
            },
            Item { above: Vec::new(), value: Map::default().with("unattached", Map::default()).into() },
        ],
    };
    let mut spec = Map::default()
        .with("description", "Web server, number one.\nIt's ${fine}.\n")
        .with("cpus", 2_u32)
        .with("memory", "2GiB")
        .with("bootOrder", List::line(["disk", "dvd"]))
        .with("disks", disks)
        .with("nics", nics)
        .with("extraData", Map::default().with("a/b: c", "no"));
    spec.below.push("not said:\n  audio".to_owned());
    let document = document(
        &["made by hand".to_owned()],
        &Map::default().with("kind", "VirtualMachine").with("spec", spec),
    );
    let expected = r#"# made by hand
kind: VirtualMachine
spec:
  description: |
    Web server, number one.
    It's $${fine}.
  cpus: 2
  memory: 2GiB
  bootOrder: [disk, dvd]
  disks:
    # the system
    root: {size: 20GiB}
  nics:
    # slot 1
    - nat:
        portForwards:
          ssh: "2222:22"
          dns: 5353:53/udp
      type: virtio
    - unattached: {}
  extraData:
    "a/b: c": "no"
  # not said:
  #   audio
"#;
    assert_eq!(document, expected.replace("dns: 5353:53/udp", "dns: \"5353:53/udp\""));
}

#[test]
fn a_comment_cannot_end_before_its_line() {
    let text = document(&["a\nb\r: c\u{85}d\u{2028}e".to_owned()], &Map::default().with("k", 1_u32));
    assert_eq!(text, "# a\n# b\\u{d}: c\\u{85}d\\u{2028}e\nk: 1\n");
}
