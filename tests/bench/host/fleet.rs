//! The machines that are made: small ones that start anywhere.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::home::Home;

/// How many machines.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// That there are.
    pub machines: usize,
    /// That run where some do.
    pub running: usize,
}

/// The memory that they are made with, and the one that it is changed to.
pub const MEMORY: [u32; 2] = [64, 96];

/// A manifest of `machines` of them. Their state is not declared: they are in sync on and off.
pub fn manifest(machines: usize, memory: u32) -> String {
    /// More replicas a document may not have.
    const MOST: usize = 1000;
    let mut text = "apiVersion: vboxmcp/v1\nkind: Stack\nmetadata: {name: fleet}\n".to_owned();
    for document in 0..machines.div_ceil(MOST) {
        let replicas = MOST.min(machines - document * MOST);
        let (letter, port) = (letter(document), 20_000 + document * MOST);
        let _ = write!(
            text,
            "---\napiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {{name: {letter}}}\nlifecycle: {{onRemove: delete}}\nspec:\n  \
             replicas: {replicas}\n  osType: Debian_64\n  memory: {memory}MiB\n  disks:\n    root: {{size: 1GiB}}\n  nics:\n    \
             - nat: {{portForwards: {{ssh: \"${{{port} + index}}:22\"}}}}\n    - nat: {{}}\n"
        );
    }
    text
}

fn letter(document: usize) -> char {
    (b'a'..=b'z').nth(document).map(char::from).expect("fewer than 26,000 machines")
}

/// The names of the first machines of the manifest's.
pub fn names(machines: usize) -> Vec<String> {
    (1..=machines).map(|number| format!("a-{number}")).collect()
}

/// Writes the manifest where a home's programs find it.
pub fn write(home: &Home<'_>, machines: usize, memory: u32) -> PathBuf {
    let file = home.scratch().join("fleet.yaml");
    fs::write(&file, manifest(machines, memory)).unwrap();
    file
}
