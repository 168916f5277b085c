//! How guests are reached, for OpenSSH and for Ansible.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde_json::{Value, json};

use super::json;
use super::text::printable;
use crate::ops::Reach;

/// Writes a block of `ssh_config` for each guest. Names with characters that mean something there are left out, with a remark.
pub fn write_ssh_config(out: &mut dyn Write, guests: &[Reach]) -> io::Result<()> {
    for guest in guests {
        let is_plain = guest.name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if !is_plain {
            writeln!(out, "# {} has a name that is no host's here", printable(&guest.name))?;
            continue;
        }
        writeln!(out, "Host {}\n  HostName {}\n  Port {}", guest.name, guest.host, guest.port)?;
    }
    Ok(())
}

/// Writes what Ansible reads from a dynamic inventory (`--list`): groups by stack and by label, addresses of guests.
pub fn write_ansible(out: &mut dyn Write, guests: &[Reach]) -> io::Result<()> {
    let mut groups: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut variables = serde_json::Map::new();
    for guest in guests {
        let mut join = |group: String| groups.entry(group).or_default().insert(&guest.name);
        match &guest.stack {
            Some(stack) => join(group(stack)),
            None => join("ungrouped".to_owned()),
        };
        for (key, value) in &guest.labels {
            join(group(&format!("{key}_{value}")));
        }
        variables.insert(
            guest.name.clone(),
            json!({ "ansible_host": guest.host, "ansible_port": guest.port, "vboxmcp_labels": guest.labels }),
        );
    }
    let mut document = serde_json::Map::new();
    document.insert("_meta".to_owned(), json!({ "hostvars": Value::Object(variables) }));
    document.insert("all".to_owned(), json!({ "children": groups.keys().collect::<Vec<_>>() }));
    document.extend(groups.into_iter().map(|(name, hosts)| (name, json!({ "hosts": hosts }))));
    json::write_line(out, &Value::Object(document))
}

/// A name that Ansible takes for a group.
fn group(text: &str) -> String {
    let name: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    // Names that Ansible keeps for itself, and those that begin with a digit, get a letter in front.
    match name.as_str() {
        "all" | "ungrouped" => format!("stack_{name}"),
        name if name.starts_with(|c: char| c.is_ascii_digit()) => format!("stack_{name}"),
        name => name.to_owned(),
    }
}
