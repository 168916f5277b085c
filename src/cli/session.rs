//! One run of the program: its settings, its outputs, its questions.

use std::io::{self, BufRead as _, Read as _, Write};
use std::path::{Path, PathBuf};

use super::arguments::{Global, Select, Verb};
use crate::config::{Environment, HostChoice, Output, Overrides, Settings};
use crate::failure::{Exit, Failure, Kind};
use crate::ops::{self, Context, Diagnostics, Manifests};
use crate::render::View;
use crate::render::diagnostics::write_findings;
use crate::render::failure::{write_failure, write_failure_json};
use crate::render::style::Styles;
use crate::render::text::printable;

/// What every verb works with.
pub struct Session {
    /// How this run goes.
    pub settings: Settings,
    /// What the command line says of it.
    pub overrides: Overrides,
    /// What the program was started in.
    pub environment: Environment,
    /// How standard output is written.
    pub out: View,
    /// How standard error is written.
    pub err: View,
}

impl Session {
    /// Settles the settings.
    pub fn open(global: Global, verb: &Verb, environment: Environment) -> Result<Self, Failure> {
        let mut overrides = global.overrides();
        match verb {
            Verb::Plan(arguments) => arguments.add_to(&mut overrides),
            Verb::Watch(arguments) => arguments.add_to(&mut overrides),
            Verb::Apply(arguments) => arguments.add_to(&mut overrides),
            Verb::Drift(arguments) => arguments.recorded.add_to(&mut overrides),
            Verb::Get(arguments) => arguments.recorded.add_to(&mut overrides),
            Verb::Export(arguments) => arguments.recorded.add_to(&mut overrides),
            Verb::Init(_)
            | Verb::Validate(_)
            | Verb::Adopt(_)
            | Verb::Explain(_)
            | Verb::Graph(_)
            | Verb::Completions(_)
            | Verb::Man(_)
            | Verb::Show(_)
            | Verb::Inventory(_)
            | Verb::Runs(_)
            | Verb::Mcp(_)
            | Verb::Approve(_)
            | Verb::NativeHelper
            | Verb::Schema(_) => {}
            Verb::Doctor(arguments) => arguments.permissions.add_to(&mut overrides),
            Verb::Destroy(arguments) => arguments.permissions.add_to(&mut overrides),
            Verb::Snapshot(arguments) => arguments.permissions.add_to(&mut overrides),
            Verb::Revert(arguments) => arguments.permissions.add_to(&mut overrides),
            Verb::Start(arguments)
            | Verb::Stop(arguments)
            | Verb::Restart(arguments)
            | Verb::Pause(arguments)
            | Verb::Resume(arguments)
            | Verb::Save(arguments)
            | Verb::Reset(arguments) => arguments.permissions.add_to(&mut overrides),
        }
        let settings = Settings::resolve(overrides.clone(), &environment)?;
        fits(settings.output, verb)?;
        let columns = environment.var("COLUMNS").and_then(|columns| columns.parse().ok());
        let view = |is_terminal: bool| View {
            styles: Styles::new(settings.color.applies(is_terminal, &environment)),
            verbose: settings.verbose,
            drawn: is_terminal,
            columns,
        };
        let (out, err) = (view(environment.stdout_is_terminal), view(environment.stderr_is_terminal));
        Ok(Self { settings, overrides, environment, out, err })
    }

    /// Opens the host.
    pub fn context(&self) -> Result<Context, Failure> {
        let host = ops::open(&self.settings, &self.environment)?;
        if let HostChoice::Sim(directory) = &self.settings.host {
            let place =
                directory.as_ref().map_or_else(|| "in memory".to_owned(), |path| path.display().to_string());
            self.status(&format!(
                "simulated VirtualBox ({}): nothing real is read or changed",
                printable(&place)
            ));
        }
        if let HostChoice::Recorded(file) = &self.settings.host {
            let file = printable(&file.display().to_string());
            self.status(&format!("the host is what {file} says: nothing real is read"));
        }
        let (settings, environment) = (self.settings.clone(), self.environment.clone());
        Ok(Context { host, settings, environment, memory: ops::Memory::default() })
    }

    /// Whether programs read the output.
    pub fn is_json(&self) -> bool {
        self.settings.output == Output::Json
    }

    /// Says something about the run, unless only results are wanted.
    pub fn status(&self, text: &str) {
        if !self.settings.quiet {
            let s = &self.err.styles;
            let _ = writeln!(io::stderr(), "{}{text}{:#}", s.faint, s.faint);
        }
    }

    /// Says what looks like a slip in the environment.
    pub fn warn_of_slips(&self) {
        let s = &self.err.styles;
        for warning in &self.settings.warnings {
            let _ = writeln!(io::stderr(), "{}warning:{:#} {}", s.change, s.change, printable(warning));
        }
    }

    /// Shows warnings and notes of the manifests; notes only where everything is to be shown.
    pub fn findings(&self, findings: &Diagnostics) -> Result<(), Failure> {
        if self.settings.quiet {
            return Ok(());
        }
        Ok(write_findings(&mut io::stderr().lock(), findings, &self.err)?)
    }

    /// Writes on standard output, for people.
    pub fn print(&self, write: impl FnOnce(&mut dyn Write, &View) -> io::Result<()>) -> Result<(), Failure> {
        // Standard output alone would write each line by itself.
        let mut out = io::BufWriter::new(io::stdout().lock());
        write(&mut out, &self.out)?;
        Ok(out.flush()?)
    }

    /// Whether a person can be asked: both ends of the question are a terminal.
    pub fn can_ask(&self) -> bool {
        self.environment.stdin_is_terminal && self.environment.stderr_is_terminal && !self.is_json()
    }

    /// Asks a person for one line.
    pub fn ask(&self, question: &str) -> Result<String, Failure> {
        let s = &self.err.styles;
        let mut err = io::stderr().lock();
        write!(err, "{}{question}{:#} ", s.strong, s.strong)?;
        err.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }

    /// Shows why the run ends, and says with which code.
    pub fn fail(&self, failure: &Failure) -> Exit {
        if self.is_json() && failure.kind != Kind::BrokenPipe {
            let _ = write_failure_json(&mut io::stdout(), failure);
        }
        let _ = write_failure(&mut io::stderr().lock(), failure, &self.err);
        failure.kind.exit()
    }
}

/// Refuses forms of output that a verb does not have.
fn fits(output: Output, verb: &Verb) -> Result<(), Failure> {
    let (fits, forms, hint) = match output {
        Output::Text | Output::Json => return Ok(()),
        Output::Markdown | Output::Commands => (
            matches!(verb, Verb::Plan(_) | Verb::Show(_)),
            "`-o markdown` and `-o commands` are forms of plans",
            "`vboxmcp plan` and `vboxmcp show` write them",
        ),
        Output::Dot | Output::Mermaid => (
            matches!(verb, Verb::Graph(_)),
            "`-o dot` and `-o mermaid` are forms of graphs",
            "`vboxmcp graph` writes them",
        ),
        Output::SshConfig | Output::Ansible => (
            matches!(verb, Verb::Get(_)),
            "`-o ssh-config` and `-o ansible` are lists of guests",
            "`vboxmcp get` writes them",
        ),
    };
    if fits { Ok(()) } else { Err(Failure::new(Kind::Usage, forms).hint(hint)) }
}

/// The manifests that the command line names; `-` is read here.
pub fn manifests(paths: &[PathBuf]) -> Result<Manifests, Failure> {
    let is_stdin = paths.iter().any(|path| path == Path::new("-"));
    let stdin = if is_stdin { Some(stdin()?) } else { None };
    Ok(Manifests { paths: paths.to_vec(), stdin, ..Manifests::default() })
}

/// The manifests that the command line names, of which a plan is about some objects.
pub fn chosen(paths: &[PathBuf], select: &Select) -> Result<Manifests, Failure> {
    Ok(Manifests { selection: select.selection(), ..manifests(paths)? })
}

/// Standard input, as far as a manifest may reach.
pub fn stdin() -> Result<Vec<u8>, Failure> {
    // One byte more than a manifest may have: the loader says what is wrong with it.
    const MOST: u64 = ops::MOST_MANIFEST_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    io::stdin().lock().take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}
