//! The arguments that all verbs share, the verbs, and the help that teaches.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

use super::{
    adopt, apply, approve, command, completions, destroy, doctor, drift, explain, export, get, graph, init,
    inventory, mcp, plan, revert, runs, schema, show, snapshot, validate, watch,
};
use crate::config::{ColorChoice, HostChoice, Output, Overrides};
use crate::model::{Danger, LabelTerm, Limit, Pattern, Route, Selection, StackName};

const ABOUT: &str = "Infrastructure as code for VirtualBox: declare machines in YAML, see a plan that tells the truth, apply it";

const LONG_ABOUT: &str = "\
Infrastructure as code for VirtualBox.

Machines, disks and adapters are declared in YAML. `plan` compares them with what VirtualBox really has and shows what would be \
done, and what that endangers; `apply` does it. Only what vboxmcp made or adopted is ever changed.";

const AFTER_HELP: &str = "\
Examples:
  vboxmcp init                                  a first manifest
  vboxmcp validate lab.yaml                     all mistakes at once, with their places
  vboxmcp plan lab.yaml                         what would be done, and what it endangers
  vboxmcp apply lab.yaml                        show the plan, ask, do it
  vboxmcp apply lab.yaml --host sim:demo --yes  try it without VirtualBox

Exit codes:
  0  done, or nothing to do                      7  cancelled; what was running is finished
  1  error                                       8  a guest did not become ready in time
  2  changes pending (plan --detailed-exitcode)  9  another run holds the lock
  3  drift (drift)                              10  VirtualBox missing, unsupported, unreachable
  4  plan stale, or not the approved one        11  done, some steps blocked
  5  refused by a limit, protection or policy   64  wrong usage, configuration or manifest
  6  partly applied                             70  internal error";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "vboxmcp", version, about = ABOUT, long_about = LONG_ABOUT, after_help = AFTER_HELP)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = false,
    max_term_width = 100
)]
pub struct Arguments {
    /// What all verbs share.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    Init(init::Arguments),
    Validate(validate::Arguments),
    Plan(plan::Arguments),
    Watch(watch::Arguments),
    Show(show::Arguments),
    Apply(apply::Arguments),
    Drift(drift::Arguments),
    Destroy(destroy::Arguments),
    Adopt(adopt::Arguments),
    Export(export::Arguments),
    Get(get::Arguments),
    Inventory(inventory::Arguments),
    /// Start machines
    ///
    /// A saved machine resumes, a paused one goes on. The machine's manifest may declare another state: then the next apply brings it back there.
    #[command(after_help = "\
Examples:
  vboxmcp start web-1                   show the plan, ask, do it
  vboxmcp start 'vm/web-*' --yes        several at once")]
    Start(command::Arguments),
    /// Shut machines down
    ///
    /// Presses the power button and waits for the guest; it fails where the guest does not obey in time. Where `power-cut` is permitted too, the
    /// guest is switched off then.
    #[command(after_help = "\
Examples:
  vboxmcp stop web-1 --allow downtime
  vboxmcp stop 'web-*' --allow downtime,power-cut --yes")]
    Stop(command::Arguments),
    /// Shut machines down and start them again
    #[command(after_help = "\
Examples:
  vboxmcp restart web-1 --allow downtime")]
    Restart(command::Arguments),
    /// Hold guests
    #[command(after_help = "\
Examples:
  vboxmcp pause web-1 --allow downtime      `vboxmcp resume web-1` lets it go on")]
    Pause(command::Arguments),
    /// Let held or saved guests go on
    #[command(after_help = "\
Examples:
  vboxmcp resume web-1")]
    Resume(command::Arguments),
    /// Save guests' states and stop them
    #[command(after_help = "\
Examples:
  vboxmcp save web-1 --allow downtime       `vboxmcp resume web-1` brings it back")]
    Save(command::Arguments),
    /// Press machines' reset buttons
    ///
    /// The guest is cut off, as by the button of a computer: what it has not written is lost.
    #[command(after_help = "\
Examples:
  vboxmcp reset web-1 --allow power-cut")]
    Reset(command::Arguments),
    Snapshot(snapshot::Arguments),
    Revert(revert::Arguments),
    Explain(explain::Arguments),
    Graph(graph::Arguments),
    Doctor(doctor::Arguments),
    Runs(runs::Arguments),
    Mcp(mcp::Arguments),
    Approve(approve::Arguments),
    Schema(schema::Arguments),
    Completions(completions::Arguments),
    Man(completions::ManArguments),
    /// What another vboxmcp starts to drive VirtualBox by its own interface
    #[command(hide = true)]
    NativeHelper,
}

/// What all verbs share.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The host: `local`, or `sim[:DIR]`, a simulated VirtualBox kept in DIR
    #[arg(long, global = true, value_name = "HOST")]
    pub host: Option<HostChoice>,
    /// VBoxManage, or the folder that it is in [default: PATH, then the usual places]
    #[arg(long, global = true, value_name = "PATH")]
    pub vboxmanage: Option<PathBuf>,
    /// How VirtualBox is changed: auto, vboxmanage (one effect a call), born (new machines whole), or native (by the helper process)
    #[arg(long, global = true, value_name = "ROUTE")]
    pub route: Option<Route>,
    /// The stack of manifests that name none
    #[arg(long, global = true, value_name = "NAME", value_parser = stack)]
    pub stack: Option<StackName>,
    /// Set a variable of the stack; may be given more than once
    #[arg(long = "var", global = true, value_name = "NAME=VALUE", value_parser = pair)]
    pub variables: Vec<(String, String)>,
    /// The configuration file [default: vboxmcp.toml here or above, within the repository or home]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Form of the output: text, json; of plans also markdown, commands; of graphs dot, mermaid; of get ssh-config, ansible
    #[arg(short, long, global = true, value_name = "FORM")]
    pub output: Option<Output>,
    /// Show everything: defaults, UUIDs, every member of a group
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Show results and errors only: no progress, no warnings, and no plan that was consented to beforehand
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Colours: auto, always, never
    #[arg(long, global = true, value_name = "WHEN")]
    pub color: Option<ColorChoice>,
}

impl Global {
    /// Whether errors are documents, as far as the command line alone tells.
    pub fn wants_json(&self) -> bool {
        self.output == Some(Output::Json)
    }

    /// As the configuration wants it.
    pub fn overrides(self) -> Overrides {
        Overrides {
            config: self.config,
            host: self.host,
            vboxmanage: self.vboxmanage,
            route: self.route,
            stack: self.stack,
            variables: self.variables,
            output: self.output,
            color: self.color,
            verbose: self.verbose,
            quiet: self.quiet,
            ..Overrides::default()
        }
    }
}

/// A host that was read before.
#[derive(Args, Clone, Debug, Default)]
pub struct Recorded {
    /// Instead of a host, what `vboxmcp inventory` wrote there
    #[arg(long, value_name = "FILE", conflicts_with = "host")]
    pub inventory: Option<PathBuf>,
}

impl Recorded {
    /// Puts it into what the configuration reads.
    pub fn add_to(&self, overrides: &mut Overrides) {
        if let Some(file) = &self.inventory {
            overrides.host = Some(HostChoice::Recorded(file.clone()));
        }
    }
}

/// Which of the declared objects a plan is about.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Choosing objects")]
pub struct Select {
    /// Only these, with what they need: vm/NAME, NAME, disk/NAME, net/NAME, or a pattern like `web-*`; may be given more than once
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub target: Vec<Pattern>,
    /// All but these, whoever needs them
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub exclude: Vec<Pattern>,
    /// Only those with these labels: KEY=VALUE, KEY!=VALUE, KEY, !KEY
    #[arg(short = 'l', long = "selector", value_name = "LABELS", value_delimiter = ',')]
    pub labels: Vec<LabelTerm>,
}

impl Select {
    /// As the facade wants it.
    pub fn selection(&self) -> Selection {
        Selection { target: self.target.clone(), exclude: self.exclude.clone(), labels: self.labels.clone() }
    }
}

/// What a plan may do.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Permissions and limits")]
pub struct Permissions {
    /// Dangers to permit: downtime, power-cut, discard-state, revert, destroy-data; `none` forgets those of the configuration
    #[arg(long, value_name = "WORDS", value_delimiter = ',', value_parser = word, action = ArgAction::Append)]
    pub allow: Vec<Option<Danger>>,
    /// Refuse the whole plan where a step is blocked
    #[arg(long)]
    pub all_or_nothing: bool,
    /// Most objects whose data may be deleted, a number or a share [default: 1]
    #[arg(long, value_name = "N|N%", value_parser = limit)]
    pub max_destroy_data: Option<Limit>,
    /// Most machines whose guest may stop, a number or a share [default: 50%]
    #[arg(long, value_name = "N|N%", value_parser = limit)]
    pub max_downtime: Option<Limit>,
}

impl Permissions {
    /// Puts them into what the configuration reads.
    pub fn add_to(&self, overrides: &mut Overrides) {
        overrides.allow = self.allow.iter().copied().flatten().collect();
        overrides.allow_none = self.allow.contains(&None);
        overrides.all_or_nothing = self.all_or_nothing;
        overrides.max_destroy_data = self.max_destroy_data;
        overrides.max_downtime = self.max_downtime;
    }
}

/// Removal of what is no longer declared.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Permissions and limits")]
pub struct Prune {
    /// Remove owned objects that are no longer declared and say `onRemove: delete`
    #[arg(long, conflicts_with_all = ["target", "exclude", "labels"])]
    pub prune: bool,
    /// Most machines that may be pruned, a number or a share [default: 25%]
    #[arg(long, value_name = "N|N%", value_parser = limit)]
    pub max_prune: Option<Limit>,
}

impl Prune {
    /// Puts it into what the configuration reads.
    pub fn add_to(&self, overrides: &mut Overrides) {
        overrides.prune = self.prune;
        overrides.max_prune = self.max_prune;
    }
}

/// The name of a stack.
pub fn stack(text: &str) -> Result<StackName, String> {
    StackName::new(text).map_err(|error| error.to_string())
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

fn word(text: &str) -> Result<Option<Danger>, String> {
    match text {
        "none" => Ok(None),
        word => {
            word.parse().map(Some).map_err(|error: crate::model::danger::UnknownDanger| error.to_string())
        }
    }
}

fn limit(text: &str) -> Result<Limit, String> {
    text.parse()
}
