//! The README says what is: its plans are the program's own, its tables those of the code.
//!
//! In a `console` block each line that begins with `$ vboxmcp` is run in the root of the repository, all of them one after
//! another on one simulated host. `VBOXMCP_UPDATE=1` writes what they print.

use std::path::Path;
use std::process::{Command, Stdio};

use similar::TextDiff;
use vboxmcp::config::FileSettings;
use vboxmcp::failure::Exit;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[expect(clippy::disallowed_methods, reason = "the program under test, and the wish of who runs the test")]
fn printed(command: &str, host: &Path) -> String {
    let command = command.replace("sim:demo", &format!("sim:{}", host.display()));
    let words = command.split_whitespace().skip(1);
    let output = Command::new(env!("CARGO_BIN_EXE_vboxmcp"))
        .args(words)
        .current_dir(root())
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let known = |line: &&str| line.starts_with("simulated VirtualBox");
    assert_eq!(errors.lines().find(|line| !known(line)), None, "{command}");
    String::from_utf8(output.stdout).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the program under test, and the wish of who runs the test")]
fn is_update() -> bool {
    std::env::var_os("VBOXMCP_UPDATE").is_some()
}

/// The hash depends on where the repository is.
fn without_hashes(text: &str) -> String {
    let is_hash = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').map(|word| if is_hash(word) { "…" } else { word }).collect();
        words.join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn plans_are_what_the_program_prints() {
    let folder = tempfile::tempdir().unwrap();
    let path = root().join("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut now: Vec<String> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        now.push(line.to_owned());
        if line != "```console" {
            continue;
        }
        for line in lines.by_ref() {
            if line == "```" {
                now.push(line.to_owned());
                break;
            }
            if let Some(command) = line.strip_prefix("$ ") {
                now.push(line.to_owned());
                let output = printed(command, &folder.path().join("demo"));
                now.extend(output.lines().map(str::to_owned));
            }
        }
    }
    let now = now.join("\n") + "\n";
    if is_update() {
        if without_hashes(&text) != without_hashes(&now) {
            std::fs::write(&path, now).unwrap();
        }
        return;
    }
    let (text, now) = (without_hashes(&text), without_hashes(&now));
    let diff = TextDiff::from_lines(&text, &now);
    let shown = diff.unified_diff().context_radius(4).header("README.md", "now").to_string();
    assert!(
        text == now,
        "README.md shows what the program does not print; VBOXMCP_UPDATE=1 rewrites it:\n{shown}"
    );
}

/// The first block of a language.
fn block(language: &str) -> String {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_tour_of_manifests_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tour.yaml");
    std::fs::write(&file, block("yaml")).unwrap();
    let text = printed(&format!("vboxmcp validate {}", file.display()), folder.path());
    assert_eq!(text, "valid: stack lab, 2 machines\n");
}

#[test]
fn the_configurations_are_valid() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let blocks = text.split("```toml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let parsed: Vec<FileSettings> = blocks
        .map(|block| FileSettings::parse(block, Path::new("/lab/vboxmcp.toml"), "vboxmcp.toml").unwrap())
        .collect();
    assert_eq!(parsed.iter().map(|settings| settings.agents.clients.len()).max(), Some(2));
    assert_eq!(parsed.iter().map(|settings| settings.variables.len()).max(), Some(1));
}

#[test]
fn exit_codes_are_those_of_the_program() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    for exit in Exit::ALL {
        let row = format!("| {} | {} |\n", exit.code(), exit.meaning());
        assert!(text.contains(&row), "README.md has no row `{}`", row.trim_end());
    }
}

#[test]
fn the_toolchain_is_the_one_that_is_needed() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(text.contains(concat!("Rust ", env!("CARGO_PKG_RUST_VERSION"), " or later")));
}
