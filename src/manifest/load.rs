//! From paths to documents.
//!
//! May hold: finding and reading manifest files (the only reading that this room does), the refusals that belong to files (size,
//! encoding, loops), and the choice of the documents that are vboxmcp's. Standard input and the working directory are
//! handed in.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Severity};
use super::node::{self, MAX_BYTES, Node, Value};
use super::source::{SourceId, Sources, Span};
use super::suggest::nearest;
use crate::threads;

/// The version of the language that is read.
pub const API_VERSION: &str = "vboxmcp/v1";
/// The path that means standard input, and its name in messages.
pub const STDIN: &str = "-";
/// How many bytes of YAML are worth a thread: about half a millisecond.
const WORTH_A_THREAD: usize = 16 * 1024;

/// What to load.
#[derive(Debug, Clone, Default)]
pub struct LoadRequest {
    /// Files, directories and `-`, as they were given.
    pub paths: Vec<PathBuf>,
    /// What standard input holds, where `paths` has `-`.
    pub stdin: Option<Vec<u8>>,
    /// The working directory: relative paths start here, and so do the paths inside standard input.
    pub cwd: PathBuf,
}

/// One document of this language.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its root, a mapping.
    pub node: Node,
    /// The text that it is in.
    pub source: SourceId,
}

/// What was found under the paths.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// All texts.
    pub sources: Sources,
    /// The documents of this language, by path and then in their order.
    pub documents: Vec<Document>,
    /// The paths as they were given, absolute and sorted.
    pub paths: Vec<PathBuf>,
    /// What was left out, and why. Lowering repeats it beside its warnings.
    pub notes: Vec<Diagnostic>,
    /// What could not be read. Lowering repeats it, so that all mistakes of a run are reported together.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads all documents under the paths of a request. Never stops at a mistake.
pub fn load(request: &LoadRequest) -> Loaded {
    let mut reader =
        Reader { request, sources: Sources::default(), found: Vec::new(), seen: BTreeSet::new() };
    for path in &request.paths {
        reader.path(path);
    }
    let mut loaded = read(reader.sources, reader.found);
    loaded.paths = request.paths.iter().map(|path| absolute(&request.cwd, path)).collect();
    loaded.paths.sort();
    loaded.paths.dedup();
    if loaded.documents.is_empty() && loaded.diagnostics.is_empty() {
        let named: Vec<String> = request.paths.iter().map(|path| path.display().to_string()).collect();
        loaded.diagnostics.push(
            Diagnostic::error(
                "no-documents",
                format!("there is no `{API_VERSION}` document in {}", named.join(", ")),
            )
            .help("`vboxmcp init` writes a first manifest"),
        );
    }
    loaded
}

/// Reads texts that stand together, each by itself: what one file with all of them would say, but for mistakes in YAML that reach over the
/// end of a text. Relative paths start from `base`.
pub fn load_texts(texts: &[&str], base: &Path) -> Loaded {
    let mut sources = Sources::default();
    let mut found = Vec::new();
    for text in texts {
        let source = sources.add(STDIN, *text, Some(base.to_owned()));
        found.push(Found::Text { source, named: true });
    }
    read(sources, found)
}

/// What the walk along the paths comes across.
enum Found {
    Text {
        source: SourceId,
        /// Whether it was asked for by itself: everything in it must be ours.
        named: bool,
    },
    Mistake(Diagnostic),
}

/// Reads texts as YAML, which takes most of the time, and chooses documents.
fn read(sources: Sources, found: Vec<Found>) -> Loaded {
    let texts: Vec<SourceId> = found
        .iter()
        .filter_map(|one| match one {
            Found::Text { source, .. } => Some(*source),
            Found::Mistake(_) => None,
        })
        .collect();
    let length: usize = texts.iter().map(|source| sources.get(*source).text().len()).sum();
    let threads = threads::worth(length, WORTH_A_THREAD).min(texts.len());
    let mut nodes = threads::map(&texts, threads, &|source| node::read(&sources, *source)).into_iter();
    let mut loaded = Loaded { sources, ..Loaded::default() };
    for one in found {
        match one {
            Found::Mistake(diagnostic) => loaded.diagnostics.push(diagnostic),
            Found::Text { source, named } => {
                let (nodes, found) = nodes.next().unwrap_or_default();
                loaded.text(source, named, nodes, found);
            }
        }
    }
    loaded
}

fn absolute(cwd: &Path, path: &Path) -> PathBuf {
    if path.as_os_str() == STDIN { path.to_owned() } else { super::paths::lexical(&cwd.join(path)) }
}

struct Reader<'a> {
    request: &'a LoadRequest,
    sources: Sources,
    found: Vec<Found>,
    /// Canonical paths of the files that were read, so that a file that is named twice is read once.
    seen: BTreeSet<PathBuf>,
}

impl Reader<'_> {
    fn path(&mut self, shown: &Path) {
        if shown.as_os_str() == STDIN {
            if self.seen.insert(PathBuf::from(STDIN)) {
                let bytes = self.request.stdin.clone().unwrap_or_default();
                self.text(STDIN.to_owned(), bytes, self.request.cwd.clone(), true);
            }
            return;
        }
        let path = self.request.cwd.join(shown);
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() => self.directory(shown, &path, &mut Vec::new()),
            Ok(_) => self.file(shown, &path, true),
            Err(error) => self.unreadable(shown, &error),
        }
    }

    fn unreadable(&mut self, shown: &Path, error: &std::io::Error) {
        let name = shown.display();
        self.mistake(if error.kind() == ErrorKind::NotFound {
            Diagnostic::error("file-not-found", format!("there is no file or directory `{name}`"))
        } else {
            Diagnostic::error("file-unreadable", format!("`{name}` cannot be read: {error}"))
        });
    }

    /// `above` holds the canonical paths of the directories that lead here: meeting one again is a loop.
    fn directory(&mut self, shown: &Path, path: &Path, above: &mut Vec<PathBuf>) {
        let canonical = match path.canonicalize() {
            Ok(canonical) => canonical,
            Err(error) => return self.unreadable(shown, &error),
        };
        if above.contains(&canonical) {
            self.mistake(
                Diagnostic::error(
                    "directory-loop",
                    format!("the directory `{}` leads back into one that it is in", shown.display()),
                )
                .help("remove the symbolic link, or name the files one by one"),
            );
            return;
        }
        let entries = std::fs::read_dir(path).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        let mut names: Vec<_> = match entries {
            Ok(entries) => entries.into_iter().map(|entry| entry.file_name()).collect(),
            Err(error) => return self.unreadable(shown, &error),
        };
        names.sort();
        above.push(canonical);
        for name in names {
            // Hidden directories are other programs' (.git, .github).
            if name.to_string_lossy().starts_with('.') {
                continue;
            }
            let (shown, path) = (shown.join(&name), path.join(&name));
            match path.metadata() {
                Ok(metadata) if metadata.is_dir() => self.directory(&shown, &path, above),
                Ok(metadata) if metadata.is_file() && is_yaml(&path) => self.file(&shown, &path, false),
                Err(error) if is_yaml(&path) => self.unreadable(&shown, &error),
                Ok(_) | Err(_) => {}
            }
        }
        above.pop();
    }

    fn file(&mut self, shown: &Path, path: &Path, named: bool) {
        let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if !self.seen.insert(canonical) {
            return;
        }
        let mut bytes = Vec::new();
        let limit = MAX_BYTES as u64 + 1;
        // The bound is on what is read, not on what the file system says: a pipe or a device says nothing.
        if let Err(error) = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
            return self.unreadable(shown, &error);
        }
        let base = super::paths::lexical(path.parent().unwrap_or(path));
        self.text(shown.display().to_string(), bytes, base, named);
    }

    fn text(&mut self, name: String, bytes: Vec<u8>, base: PathBuf, named: bool) {
        if bytes.len() > MAX_BYTES {
            self.mistake(
                Diagnostic::error(
                    "file-too-large",
                    format!(
                        "`{name}` is larger than {} MiB, the most that a manifest may be",
                        MAX_BYTES >> 20
                    ),
                )
                .help("is it a disk image or a log? Otherwise split it into several files"),
            );
            return;
        }
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let line = error.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
                self.mistake(
                    Diagnostic::error(
                        "not-utf8",
                        format!("`{name}` is not UTF-8 text: byte {at}, in line {line}"),
                    )
                    .help("save it as UTF-8"),
                );
                return;
            }
        };
        let source = self.sources.add(name, text, Some(base));
        self.found.push(Found::Text { source, named });
    }

    fn mistake(&mut self, diagnostic: Diagnostic) {
        self.found.push(Found::Mistake(diagnostic));
    }
}

impl Loaded {
    fn text(&mut self, source: SourceId, named: bool, nodes: Vec<Node>, found: Vec<Diagnostic>) {
        let ours = self.sources.get(source).text().contains("vboxmcp/");
        if nodes.is_empty() && !found.is_empty() && !named && !ours {
            let reason = found.first().map(|d| d.message.clone()).unwrap_or_default();
            self.note(source, Span::new(source, 0..0), format!("this file is left out: {reason}"));
            return;
        }
        // What is wrong with a document of another program is not ours to say.
        let foreign: Vec<Span> =
            nodes.iter().filter(|node| !named && !is_ours(node)).map(|node| node.span).collect();
        let ours_to_say = |d: &Diagnostic| {
            !d.labels
                .iter()
                .any(|label| foreign.iter().any(|span| (span.start..span.end).contains(&label.span.start)))
        };
        self.diagnostics.extend(found.into_iter().filter(ours_to_say));
        for node in nodes {
            if node.value != Value::Null {
                self.document(node, source, named);
            }
        }
    }

    fn note(&mut self, source: SourceId, span: Span, message: String) {
        debug_assert_eq!(source, span.source);
        self.notes.push(Diagnostic::note("skipped", message).at(span, ""));
    }

    fn document(&mut self, node: Node, source: SourceId, named: bool) {
        let ours = named || is_ours(&node) || looks_like_ours(&node);
        let span = first_line(&self.sources, node.span);
        let diagnostic = match node.get("apiVersion") {
            Some(entry) if entry.value.text() == Some(API_VERSION) => {
                return self.documents.push(Document { node, source });
            }
            Some(entry) if ours => {
                let message = match entry.value.text() {
                    Some(version) => format!("`{version}` is not a version that is read here"),
                    None => "this is not a version".to_owned(),
                };
                Diagnostic::error("api-version", message).at(entry.value.span, "this must be `vboxmcp/v1`")
            }
            None if ours => without_version(&node, span),
            Some(_) | None => {
                let message = format!("this document is left out: its apiVersion is not `{API_VERSION}`");
                return self.note(source, span, message);
            }
        };
        self.diagnostics.push(diagnostic);
    }
}

fn without_version(node: &Node, span: Span) -> Diagnostic {
    let slip = match &node.value {
        Value::Mapping(entries) => nearest("apiVersion", entries.iter().map(|entry| entry.key.as_str()))
            .and_then(|key| node.get(key)),
        _ => None,
    };
    let help = match slip {
        Some(slip) => format!("did you mean `apiVersion` instead of `{}`?", slip.key),
        None => format!("begin every document with `apiVersion: {API_VERSION}`"),
    };
    Diagnostic::error("api-version", "this document has no apiVersion")
        .at(slip.map_or(span, |slip| slip.key_span), "")
        .help(help)
}

impl Loaded {
    /// Whether anything could not be read.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// Whether a document of a directory claims to be of this language.
fn is_ours(node: &Node) -> bool {
    let version = node.get("apiVersion").and_then(|entry| entry.value.text()).unwrap_or_default();
    version.starts_with("vboxmcp") || nearest(version, [API_VERSION]).is_some()
}

/// A document without apiVersion that has the rest of ours: the key was forgotten or misspelt.
fn looks_like_ours(node: &Node) -> bool {
    let kind = node.get("kind").and_then(|entry| entry.value.text()).unwrap_or_default();
    super::vocabulary::KINDS.iter().any(|known| known.name == kind) && node.get("spec").is_some()
}

/// The first line of a span, for labels on things of many lines.
pub(super) fn first_line(sources: &Sources, span: Span) -> Span {
    let length = sources.slice(span).lines().next().unwrap_or_default().trim_end().len();
    Span::new(span.source, span.start as usize..span.start as usize + length)
}
