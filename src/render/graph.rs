//! A graph for Graphviz, for Mermaid and for programs.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::json;
use super::text::printable;
use crate::model::Address;
use crate::ops::Graph;

/// What an object looks like: Graphviz' shape, and how Mermaid opens and closes a node.
fn shape(address: &Address) -> (&'static str, &'static str, &'static str) {
    match address {
        Address::Network(_) => ("ellipse", "([", "])"),
        Address::Disk(_) | Address::InlineDisk(..) => ("cylinder", "[(", ")]"),
        Address::Machine(_) => ("box", "[", "]"),
        Address::Snapshot(..) => ("note", ">", "]"),
    }
}

/// Writes a graph in the language of Graphviz.
pub fn write_dot(out: &mut dyn Write, graph: &Graph) -> io::Result<()> {
    let quoted = |text: &str| format!("\"{}\"", printable(text).replace('\\', "\\\\").replace('"', "\\\""));
    writeln!(out, "digraph {} {{", quoted(&graph.stack))?;
    writeln!(out, "  rankdir=LR;")?;
    for node in &graph.nodes {
        let (shape, ..) = shape(node);
        writeln!(out, "  {} [shape={shape}];", quoted(&node.to_string()))?;
    }
    for edge in &graph.edges {
        let (from, to) = (quoted(&edge.from.to_string()), quoted(&edge.to.to_string()));
        writeln!(out, "  {from} -> {to} [label={}];", quoted(&edge.field))?;
    }
    writeln!(out, "}}")
}

/// Writes a graph as a Mermaid flowchart.
pub fn write_mermaid(out: &mut dyn Write, graph: &Graph) -> io::Result<()> {
    // Mermaid knows no backslash: characters that mean something to it are written by their numbers.
    let escaped = |text: &str| printable(text).replace('#', "#35;").replace('"', "#quot;");
    let ids: BTreeMap<&Address, usize> =
        graph.nodes.iter().enumerate().map(|(number, node)| (node, number + 1)).collect();
    writeln!(out, "flowchart LR")?;
    for node in &graph.nodes {
        let (_, open, close) = shape(node);
        writeln!(out, "  n{}{open}\"{}\"{close}", ids[node], escaped(&node.to_string()))?;
    }
    for edge in &graph.edges {
        if let (Some(from), Some(to)) = (ids.get(&edge.from), ids.get(&edge.to)) {
            writeln!(out, "  n{from} -->|\"{}\"| n{to}", escaped(&edge.field))?;
        }
    }
    Ok(())
}

/// Writes a graph for programs.
pub fn write_graph_json(out: &mut dyn Write, graph: &Graph) -> io::Result<()> {
    json::write_line(out, graph)
}
