//! One [`Settings`] from flags, environment, file and defaults.

use std::path::{Path, PathBuf};

use super::{AgentSettings, ConfigError, Environment, FileSettings, nearest};
use crate::model::{Danger, Dangers, Limit, Limits, Policy, Route, StackName};

/// Which host is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostChoice {
    /// The VirtualBox of this machine.
    #[default]
    Local,
    /// A simulated VirtualBox, kept in a directory; without one it is gone when the program ends.
    Sim(Option<PathBuf>),
    /// A host that was read before, in an inventory's file.
    Recorded(PathBuf),
}

impl HostChoice {
    /// The same with its directory below `base`.
    pub(super) fn below(self, base: &Path) -> Self {
        match self {
            Self::Sim(Some(directory)) => Self::Sim(Some(base.join(directory))),
            Self::Recorded(file) => Self::Recorded(base.join(file)),
            other => other,
        }
    }
}

impl std::str::FromStr for HostChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "local" => Ok(Self::Local),
            None if text == "sim" => Ok(Self::Sim(None)),
            Some(("sim", directory)) if !directory.is_empty() => Ok(Self::Sim(Some(directory.into()))),
            _ if text.starts_with("ssh:") => Err(format!("`{text}`: hosts over ssh are not supported yet")),
            _ => Err(format!("`{text}` is not a host: write `local`, `sim` or `sim:DIR`")),
        }
    }
}

/// Form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// A review comment: plans only.
    Markdown,
    /// The `VBoxManage` lines that would do it: plans only.
    Commands,
    /// For Graphviz: graphs only.
    Dot,
    /// A Mermaid flowchart: graphs only.
    Mermaid,
    /// Hosts for OpenSSH: of `get` only.
    SshConfig,
    /// A dynamic inventory for Ansible: of `get` only.
    Ansible,
}

impl std::str::FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "markdown" => Ok(Self::Markdown),
            "commands" => Ok(Self::Commands),
            "dot" => Ok(Self::Dot),
            "mermaid" => Ok(Self::Mermaid),
            "ssh-config" => Ok(Self::SshConfig),
            "ansible" => Ok(Self::Ansible),
            _ => Err(format!(
                "`{text}` is not an output form: write `text` or `json`, for plans also `markdown` or `commands`, for graphs `dot` or \
                 `mermaid`, for `get` `ssh-config` or `ansible`"
            )),
        }
    }
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal, unless the environment says otherwise (`NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE`).
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl std::str::FromStr for ColorChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(format!("`{text}` is not a colour choice: write `auto`, `always` or `never`")),
        }
    }
}

impl ColorChoice {
    /// Whether a stream gets colours.
    pub fn applies(self, is_terminal: bool, environment: &Environment) -> bool {
        let on = |name: &str| environment.var(name).is_some_and(|value| value != "0");
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if environment.var_os("NO_COLOR").is_some() => false,
            Self::Auto if on("CLICOLOR_FORCE") => true,
            Self::Auto => {
                is_terminal
                    && environment.var("CLICOLOR") != Some("0")
                    && environment.var("TERM") != Some("dumb")
            }
        }
    }
}

/// A value that a run gives to a variable of the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// As text: the field that it ends in gives it its type.
    pub value: String,
    /// Where it was set, for people: `--var`, `VBOXMCP_VAR_count`, `vboxmcp.toml`.
    pub origin: String,
    /// The directory that a relative path in it starts from.
    pub base: PathBuf,
}

/// What the command line says.
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line are booleans")]
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--host`
    pub host: Option<HostChoice>,
    /// `--vboxmanage`
    pub vboxmanage: Option<PathBuf>,
    /// `--route`
    pub route: Option<Route>,
    /// `--stack`
    pub stack: Option<StackName>,
    /// `--var`
    pub variables: Vec<(String, String)>,
    /// `--allow`; the word `none` is [`Overrides::allow_none`].
    pub allow: Dangers,
    /// `--allow none`: permissions of environment and file do not count.
    pub allow_none: bool,
    /// `--prune`
    pub prune: bool,
    /// `--all-or-nothing`
    pub all_or_nothing: bool,
    /// `--max-destroy-data`
    pub max_destroy_data: Option<Limit>,
    /// `--max-downtime`
    pub max_downtime: Option<Limit>,
    /// `--max-prune`
    pub max_prune: Option<Limit>,
    /// `--output`
    pub output: Option<Output>,
    /// `--color`
    pub color: Option<ColorChoice>,
    /// `-v`
    pub verbose: bool,
    /// `--quiet`
    pub quiet: bool,
}

/// How this run goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The configuration file, where there is one.
    pub file: Option<PathBuf>,
    /// What is planned where the command line names nothing; the working directory where the file names nothing either.
    pub manifests: Vec<PathBuf>,
    /// The host.
    pub host: HostChoice,
    /// Where somebody says that VBoxManage is, by flag or file.
    pub vboxmanage: Option<PathBuf>,
    /// By which door the host is changed.
    pub route: Route,
    /// The stack of manifests that name none.
    pub stack: Option<StackName>,
    /// Whether `--stack` was typed, which some removals ask for.
    pub stack_typed: bool,
    /// Values of variables, the strongest first.
    pub variables: Vec<Variable>,
    /// Permissions and bounds.
    pub policy: Policy,
    /// Form of the output.
    pub output: Output,
    /// Colours.
    pub color: ColorChoice,
    /// Show everything.
    pub verbose: bool,
    /// Show only results and errors.
    pub quiet: bool,
    /// What agents may do.
    pub agents: AgentSettings,
    /// Folders that the paths in manifests must be in; none means that they may be anywhere.
    pub within: Vec<PathBuf>,
    /// Things that look like slips.
    pub warnings: Vec<String>,
}

const VARIABLES: &[&str] = &[
    "VBOXMCP_CONFIG",
    "VBOXMCP_HOST",
    "VBOXMCP_STACK",
    "VBOXMCP_VBOXMANAGE",
    "VBOXMCP_ROUTE",
    "VBOXMCP_NATIVE_THROUGH",
    "VBOXMCP_ALLOW",
    "VBOXMCP_MAX_DESTROY_DATA",
    "VBOXMCP_MAX_DOWNTIME",
    "VBOXMCP_MAX_PRUNE",
    "VBOXMCP_ALL_OR_NOTHING",
    "VBOXMCP_OUTPUT",
    "VBOXMCP_COLOR",
    "VBOXMCP_MCP_TOKEN",
];

const VARIABLE_PREFIX: &str = "VBOXMCP_VAR_";

impl Settings {
    /// Flags over environment over file over defaults. Permissions add up, because each of them was given on purpose.
    pub fn resolve(flags: Overrides, environment: &Environment) -> Result<Self, ConfigError> {
        let named = flags.config.clone().or_else(|| environment.var_os("VBOXMCP_CONFIG").map(PathBuf::from));
        let file = FileSettings::find(named.as_deref(), environment)?;
        let defaults = Limits::default();
        let limit = |flag: Option<Limit>, name: &str, in_file: Option<Limit>, default: Limit| {
            Ok(flag.or(parsed(environment, name)?).or(in_file).unwrap_or(default))
        };
        let policy = Policy {
            allow: permissions(&flags, environment, &file)?,
            prune: flags.prune,
            all_or_nothing: flags.all_or_nothing
                || boolean(environment, "VBOXMCP_ALL_OR_NOTHING")?.or(file.all_or_nothing).unwrap_or(false),
            limits: Limits {
                max_destroy_data: limit(
                    flags.max_destroy_data,
                    "VBOXMCP_MAX_DESTROY_DATA",
                    file.max_destroy_data,
                    defaults.max_destroy_data,
                )?,
                max_downtime: limit(
                    flags.max_downtime,
                    "VBOXMCP_MAX_DOWNTIME",
                    file.max_downtime,
                    defaults.max_downtime,
                )?,
                max_prune: limit(flags.max_prune, "VBOXMCP_MAX_PRUNE", file.max_prune, defaults.max_prune)?,
            },
        };
        let stack = match environment.var("VBOXMCP_STACK") {
            Some(name) if flags.stack.is_none() => Some(StackName::new(name).map_err(|error| {
                ConfigError::Value { name: "VBOXMCP_STACK".to_owned(), reason: error.to_string() }
            })?),
            _ => None,
        };
        let host = flags.host.clone().or(parsed(environment, "VBOXMCP_HOST")?);
        Ok(Self {
            manifests: if file.manifests.is_empty() {
                vec![PathBuf::from(".")]
            } else {
                // As somebody in the working directory would write them.
                let shown = |path: PathBuf| {
                    path.strip_prefix(&environment.directory).map(PathBuf::from).unwrap_or(path)
                };
                file.manifests.into_iter().map(shown).collect()
            },
            host: host.map(|host| host.below(&environment.directory)).or(file.host).unwrap_or_default(),
            // The environment's own variable is read by the search for the program, below the flag and above the file.
            vboxmanage: flags
                .vboxmanage
                .map(|path| environment.directory.join(path))
                .or_else(|| file.vboxmanage.filter(|_| environment.var_os("VBOXMCP_VBOXMANAGE").is_none())),
            route: flags.route.or(parsed(environment, "VBOXMCP_ROUTE")?).or(file.route).unwrap_or_default(),
            stack_typed: flags.stack.is_some(),
            stack: flags.stack.or(stack).or(file.stack),
            variables: variables(&flags.variables, environment, file.variables),
            policy,
            output: flags
                .output
                .or(parsed(environment, "VBOXMCP_OUTPUT")?)
                .or(file.output)
                .unwrap_or_default(),
            color: flags.color.or(parsed(environment, "VBOXMCP_COLOR")?).or(file.color).unwrap_or_default(),
            verbose: flags.verbose,
            quiet: flags.quiet,
            agents: file.agents,
            within: Vec::new(),
            file: file.path,
            warnings: slips(environment),
        })
    }
}

fn permissions(
    flags: &Overrides,
    environment: &Environment,
    file: &FileSettings,
) -> Result<Dangers, ConfigError> {
    let mut allow = flags.allow.clone();
    if flags.allow_none {
        return Ok(allow);
    }
    allow.extend(&file.allow);
    for word in environment.var("VBOXMCP_ALLOW").unwrap_or_default().split(',').map(str::trim) {
        if !word.is_empty() && word != "none" {
            allow.insert(word.parse::<Danger>().map_err(|error| ConfigError::Value {
                name: "VBOXMCP_ALLOW".to_owned(),
                reason: error.to_string(),
            })?);
        }
    }
    Ok(allow)
}

fn parsed<T: std::str::FromStr<Err = String>>(
    environment: &Environment,
    name: &str,
) -> Result<Option<T>, ConfigError> {
    let wrong = |reason| ConfigError::Value { name: name.to_owned(), reason };
    environment.var(name).map(str::parse).transpose().map_err(wrong)
}

fn boolean(environment: &Environment, name: &str) -> Result<Option<bool>, ConfigError> {
    match environment.var(name) {
        None => Ok(None),
        Some("1" | "true") => Ok(Some(true)),
        Some("0" | "false") => Ok(Some(false)),
        Some(other) => Err(ConfigError::Value {
            name: name.to_owned(),
            reason: format!("`{other}` is neither `true` nor `false`"),
        }),
    }
}

fn variables(flags: &[(String, String)], environment: &Environment, file: Vec<Variable>) -> Vec<Variable> {
    // The last of two flags wins, as everywhere on a command line.
    let flags = flags.iter().rev().map(|(name, value)| Variable {
        name: name.clone(),
        value: value.clone(),
        origin: "--var".to_owned(),
        base: environment.directory.clone(),
    });
    let environment = environment.variables.iter().filter_map(|(key, value)| {
        let key = key.to_str()?;
        Some(Variable {
            name: key.strip_prefix(VARIABLE_PREFIX).filter(|name| !name.is_empty())?.to_owned(),
            value: value.to_str()?.to_owned(),
            origin: key.to_owned(),
            base: environment.directory.clone(),
        })
    });
    flags.chain(environment).chain(file).collect()
}

/// Variables that are nearly ours: a misspelt permission must not go unnoticed.
fn slips(environment: &Environment) -> Vec<String> {
    let ours =
        environment.variables.keys().filter_map(|key| key.to_str()).filter(|key| key.starts_with("VBOXMCP_"));
    ours.filter(|key| !VARIABLES.contains(key) && !key.starts_with(VARIABLE_PREFIX))
        .filter_map(|key| {
            let near = nearest(
                key.strip_prefix("VBOXMCP_")?,
                VARIABLES.iter().filter_map(|v| v.strip_prefix("VBOXMCP_")),
            )?;
            Some(format!("the environment variable {key} is not looked at; did you mean VBOXMCP_{near}?"))
        })
        .collect()
}

#[cfg(test)]
mod tests;
