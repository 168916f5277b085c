//! Manifests: the committed good and bad ones, the examples, and the schema.

use std::fs;
use std::path::{Path, PathBuf};

use miette::{GraphicalReportHandler, GraphicalTheme};
use vboxmcp::manifest::{self, Diagnostics, LoadRequest, LowerContext, VariableValue};
use vboxmcp::model::Desired;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn updating() -> bool {
    option_env!("VBOXMCP_UPDATE").is_some() || std::env::vars_os().any(|(name, _)| name == "VBOXMCP_UPDATE")
}

/// Lowers what is below a path, named relative to the directory of the manifests.
fn lower(cwd: &Path, paths: &[&str], context: &LowerContext) -> Result<(Desired, Diagnostics), Diagnostics> {
    let paths = paths.iter().map(PathBuf::from).collect();
    let loaded = manifest::load(&LoadRequest { paths, stdin: None, cwd: cwd.to_owned() });
    manifest::lower(&loaded, context)
}

fn context() -> LowerContext {
    LowerContext { home: Some(PathBuf::from("/home/ada")), placeholders: true, ..LowerContext::default() }
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
    text
}

#[test]
fn examples_validate() {
    let directory = root().join("examples");
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        match lower(&directory, &[name], &context()) {
            Ok((_, warnings)) => println!("{name}\n{}", render(&warnings)),
            Err(diagnostics) => panic!("{}", render(&diagnostics)),
        }
    }
}
