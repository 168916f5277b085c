//! Manifests: the committed good and bad ones, the examples, and the schema.
//!
//! A manifest may begin with lines `# --var NAME=VALUE`, which are given to it. `VBOXMCP_UPDATE=1` rewrites what is committed.

mod loading;
mod lowering;
pub mod schema;

use std::fs;
use std::path::{Path, PathBuf};

use miette::{GraphicalReportHandler, GraphicalTheme};
use vboxmcp::manifest::{self, Diagnostics, LoadRequest, LowerContext, VariableValue};
use vboxmcp::model::Desired;

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn updating() -> bool {
    #[expect(clippy::disallowed_methods, reason = "a switch for tests, not part of the program")]
    std::env::var_os("VBOXMCP_UPDATE").is_some()
}

/// Compares with what is committed, or rewrites it.
pub fn committed(path: &Path, actual: &str) -> Result<(), String> {
    if updating() {
        fs::write(path, actual).unwrap();
        return Ok(());
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected == actual {
        return Ok(());
    }
    let diff = similar::TextDiff::from_lines(&expected, actual);
    Err(format!("{}\n{}", path.display(), diff.unified_diff().context_radius(3)))
}

/// Lowers what is below paths, which are named relative to `cwd`.
fn lower(cwd: &Path, paths: &[&str], context: &LowerContext) -> Result<(Desired, Diagnostics), Diagnostics> {
    let paths = paths.iter().map(PathBuf::from).collect();
    let loaded = manifest::load(&LoadRequest { paths, stdin: None, cwd: cwd.to_owned() });
    manifest::lower(&loaded, context)
}

fn context() -> LowerContext {
    LowerContext { home: Some(PathBuf::from("/home/ada")), placeholders: true, ..LowerContext::default() }
}

/// The values that a manifest's first lines ask for.
fn context_of(path: &Path) -> LowerContext {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let variables = text
        .lines()
        .filter_map(|line| line.strip_prefix("# --var ")?.split_once('='))
        .map(|(name, value)| VariableValue {
            name: name.to_owned(),
            value: value.to_owned(),
            origin: "--var".to_owned(),
            base: PathBuf::from("/work"),
        })
        .collect();
    LowerContext { variables, ..context() }
}

fn render(diagnostics: &Diagnostics) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(110);
    let mut text = String::new();
    for report in diagnostics.reports() {
        handler.render_report(&mut text, &report).unwrap();
        text.push('\n');
    }
    for record in diagnostics.records() {
        text.push_str(&serde_json::to_string(&record).unwrap());
        text.push('\n');
    }
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Files of a directory with an extension, sorted.
fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|found| found == extension));
    found.sort();
    found
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap()
}

#[test]
fn broken_manifests_are_diagnosed() {
    let directory = root().join("tests/manifests/invalid");
    let manifests = files(&directory, "yaml");
    assert!(manifests.len() >= 45, "{}", manifests.len());
    let mut wrong = Vec::new();
    for path in &manifests {
        match lower(&directory, &[name_of(path)], &context_of(path)) {
            Ok(_) => wrong.push(format!("{} is accepted", path.display())),
            Err(diagnostics) => {
                wrong.extend(committed(&path.with_extension("txt"), &render(&diagnostics)).err());
            }
        }
    }
    for text in files(&directory, "txt") {
        assert!(text.with_extension("yaml").exists(), "{} belongs to nothing", text.display());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn good_manifests_are_accepted() {
    let mut wrong = Vec::new();
    for directory in ["tests/manifests/valid", "examples"] {
        let directory = root().join(directory);
        for path in files(&directory, "yaml") {
            match lower(&directory, &[name_of(&path)], &context_of(&path)) {
                Ok((_, warnings)) if warnings.list.is_empty() && !path.with_extension("txt").exists() => {}
                Ok((_, warnings)) => {
                    wrong.extend(committed(&path.with_extension("txt"), &render(&warnings)).err());
                }
                Err(diagnostics) => wrong.push(render(&diagnostics)),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
