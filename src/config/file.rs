//! `vboxmcp.toml`: where it is looked for, and what may stand in it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::rights::{AgentSettings, Client, Rights, Tier};
use super::settings::{ColorChoice, HostChoice, Output, Variable};
use super::{ConfigError, Environment, Mistake, nearest};
use crate::model::{Danger, Dangers, Limit, Route, StackName};

/// The name of the file.
pub const FILE_NAME: &str = "vboxmcp.toml";

const KEYS: &[&str] = &[
    "manifests",
    "stack",
    "host",
    "vboxmanage",
    "route",
    "variables",
    "allow",
    "max_destroy_data",
    "max_downtime",
    "max_prune",
    "all_or_nothing",
    "color",
    "output",
    "mcp",
];

const AGENT_KEYS: &[&str] = &["tier", "grant", "allow_paths", "clients"];

const CLIENT_KEYS: &[&str] = &["tier", "grant", "token_sha256"];

/// What one configuration file says. Paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSettings {
    /// The file; `None` where there is none.
    pub path: Option<PathBuf>,
    /// What is planned where the command line names nothing.
    pub manifests: Vec<PathBuf>,
    /// The stack of manifests that name none.
    pub stack: Option<StackName>,
    /// The host.
    pub host: Option<HostChoice>,
    /// Where VBoxManage is.
    pub vboxmanage: Option<PathBuf>,
    /// By which door it is changed.
    pub route: Option<Route>,
    /// Values of variables.
    pub variables: Vec<Variable>,
    /// Permissions.
    pub allow: Dangers,
    /// Bound on deletions.
    pub max_destroy_data: Option<Limit>,
    /// Bound on stopped guests.
    pub max_downtime: Option<Limit>,
    /// Bound on pruning.
    pub max_prune: Option<Limit>,
    /// Refuse a plan with blocked steps.
    pub all_or_nothing: Option<bool>,
    /// Colours.
    pub color: Option<ColorChoice>,
    /// Form of the output.
    pub output: Option<Output>,
    /// What agents may do.
    pub agents: AgentSettings,
}

impl FileSettings {
    /// Reads `named`, or the nearest `vboxmcp.toml` of the working directory and its parents.
    ///
    /// The search ends at the repository's root or the home directory. Outside of both only the working directory is
    /// looked at: a file that somebody put into `/tmp` must not speak for everything below it.
    pub fn find(named: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        let path = match named {
            Some(path) => environment.directory.join(path),
            None => match search(environment) {
                Some(path) => path,
                None => return Ok(Self::default()),
            },
        };
        let text = std::fs::read_to_string(&path)
            .map_err(|source| ConfigError::Read { path: path.clone(), source })?;
        let shown = path.strip_prefix(&environment.directory).unwrap_or(&path).display().to_string();
        Self::parse(&text, &path, &shown)
    }

    /// Reads a file's text. All mistakes are found at once.
    pub fn parse(text: &str, path: &Path, shown: &str) -> Result<Self, ConfigError> {
        let fail = |mistakes| ConfigError::File { name: shown.to_owned(), text: text.to_owned(), mistakes };
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let mistake = |error: toml::de::Error| Mistake {
                span: error.span().unwrap_or(0..0),
                message: error.message().to_owned(),
                help: None,
            };
            return Err(fail(errors.into_iter().map(mistake).collect()));
        }
        let base = path.parent().unwrap_or(Path::new(""));
        let mut reader = Reader { base, shown, mistakes: Vec::new() };
        let mut settings = reader.table(table.get_ref());
        settings.path = Some(path.to_owned());
        if reader.mistakes.is_empty() {
            Ok(settings)
        } else {
            reader.mistakes.sort_by_key(|mistake| mistake.span.start);
            Err(fail(reader.mistakes))
        }
    }
}

fn search(environment: &Environment) -> Option<PathBuf> {
    let start = &environment.directory;
    let home = environment.home();
    let is_end = |folder: &Path| folder.join(".git").exists() || Some(folder) == home.as_deref();
    let reach = start.ancestors().position(is_end).unwrap_or(0);
    start.ancestors().take(reach + 1).map(|folder| folder.join(FILE_NAME)).find(|path| path.is_file())
}

/// A SHA-256 in hexadecimal.
fn digest(text: &str) -> Result<String, String> {
    let is_digest = text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit());
    if is_digest {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("expected the SHA-256 of the token, 64 hexadecimal digits".to_owned())
    }
}

struct Reader<'a> {
    base: &'a Path,
    shown: &'a str,
    mistakes: Vec<Mistake>,
}

type Value<'a> = Spanned<DeValue<'a>>;

impl Reader<'_> {
    fn wrong(&mut self, span: Range<usize>, message: String, help: Option<String>) {
        self.mistakes.push(Mistake { span, message, help });
    }

    fn table(&mut self, table: &DeTable<'_>) -> FileSettings {
        let mut settings = FileSettings::default();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "manifests" => settings.manifests = self.paths(value),
                "stack" => {
                    settings.stack =
                        self.parsed(value, |text| StackName::new(text).map_err(|e| e.to_string()));
                }
                "host" => {
                    let host: Option<HostChoice> = self.parsed(value, str::parse);
                    settings.host = host.map(|host| host.below(self.base));
                }
                "vboxmanage" => settings.vboxmanage = self.program(value),
                "route" => settings.route = self.parsed(value, str::parse),
                "variables" => settings.variables = self.variables(value),
                "allow" => settings.allow = self.dangers(value),
                "max_destroy_data" => settings.max_destroy_data = self.limit(value),
                "max_downtime" => settings.max_downtime = self.limit(value),
                "max_prune" => settings.max_prune = self.limit(value),
                "all_or_nothing" => settings.all_or_nothing = self.boolean(value),
                "color" => settings.color = self.parsed(value, str::parse),
                "output" => settings.output = self.parsed(value, str::parse),
                "mcp" => settings.agents = self.agents(value),
                _ => self.unknown_key(key, KEYS),
            }
        }
        settings
    }

    fn agents(&mut self, value: &Value<'_>) -> AgentSettings {
        let mut settings = AgentSettings::default();
        let Some(table) = value.get_ref().as_table() else {
            self.expected(value, "a table");
            return settings;
        };
        settings.others = self.rights(table, Rights::default());
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "tier" | "grant" => {}
                "allow_paths" => settings.allow_paths = self.paths(value),
                "clients" => settings.clients = self.clients(value),
                _ => self.unknown_key(key, AGENT_KEYS),
            }
        }
        settings
    }

    fn clients(&mut self, value: &Value<'_>) -> BTreeMap<String, Client> {
        let Some(table) = value.get_ref().as_table() else {
            self.expected(value, "a table of clients");
            return BTreeMap::new();
        };
        let mut clients = BTreeMap::new();
        for (name, value) in table {
            let Some(table) = value.get_ref().as_table() else {
                self.expected(value, "a table");
                continue;
            };
            let mut client = Client { rights: self.rights(table, Rights::default()), token: None };
            for (key, value) in table {
                match key.get_ref().as_ref() {
                    "tier" | "grant" => {}
                    "token_sha256" => client.token = self.parsed(value, digest),
                    _ => self.unknown_key(key, CLIENT_KEYS),
                }
            }
            clients.insert(name.get_ref().to_string(), client);
        }
        clients
    }

    /// `tier` and `grant` of a table: what goes beyond downtime is granted word by word, and only to those who may go beyond it.
    fn rights(&mut self, table: &DeTable<'_>, default: Rights) -> Rights {
        let mut rights = default;
        let of = |name: &str| table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value);
        if let Some(tier) = of("tier").and_then(|value| self.parsed(value, str::parse::<Tier>)) {
            rights.tier = tier;
        }
        if let Some(value) = of("grant") {
            rights.grant = self.dangers(value);
            if rights.tier != Tier::ApplyDestroy && !rights.grant.is_empty() {
                let what = format!("`grant` means nothing at tier `{}`", rights.tier);
                self.wrong(value.span(), what, Some("only `apply-destroy` goes beyond downtime".to_owned()));
            }
        }
        rights
    }

    fn unknown_key(&mut self, key: &Spanned<Cow<'_, str>>, known: &[&str]) {
        let name = key.get_ref();
        let help = nearest(name, known.iter().copied()).map_or_else(
            || format!("there are {}", known.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        self.wrong(key.span(), format!("unknown key `{name}`"), Some(help));
    }

    fn expected(&mut self, value: &Value<'_>, what: &str) {
        let found = value.get_ref().type_str();
        self.wrong(value.span(), format!("expected {what}, found {found}"), None);
    }

    fn text(&mut self, value: &Value<'_>) -> Option<String> {
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.expected(value, "a string");
        }
        text
    }

    fn parsed<T>(&mut self, value: &Value<'_>, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(value)?;
        match parse(&text) {
            Ok(parsed) => Some(parsed),
            Err(message) => {
                self.wrong(value.span(), message, None);
                None
            }
        }
    }

    fn boolean(&mut self, value: &Value<'_>) -> Option<bool> {
        let boolean = value.get_ref().as_bool();
        if boolean.is_none() {
            self.expected(value, "`true` or `false`");
        }
        boolean
    }

    fn strings(&mut self, value: &Value<'_>) -> Vec<(Range<usize>, String)> {
        let Some(list) = value.get_ref().as_array() else {
            self.expected(value, "a list of strings");
            return Vec::new();
        };
        list.iter().filter_map(|member| Some((member.span(), self.text(member)?))).collect()
    }

    fn paths(&mut self, value: &Value<'_>) -> Vec<PathBuf> {
        self.strings(value).into_iter().map(|(_, text)| self.base.join(text)).collect()
    }

    fn dangers(&mut self, value: &Value<'_>) -> Dangers {
        let mut dangers = Dangers::new();
        for (span, word) in self.strings(value) {
            match word.parse::<Danger>() {
                Ok(danger) => {
                    dangers.insert(danger);
                }
                Err(error) => {
                    let words = Danger::ALL.map(Danger::word);
                    let help = nearest(&word, words).map(|near| format!("did you mean `{near}`?"));
                    self.wrong(span, error.to_string(), help);
                }
            }
        }
        dangers
    }

    fn limit(&mut self, value: &Value<'_>) -> Option<Limit> {
        let text = match value.get_ref() {
            DeValue::Integer(number) => number.as_str().to_owned(),
            DeValue::String(text) => text.to_string(),
            _ => {
                self.expected(value, "a number (`2`) or a share (`\"50%\"`)");
                return None;
            }
        };
        text.parse().map_err(|message| self.wrong(value.span(), message, None)).ok()
    }

    fn variables(&mut self, value: &Value<'_>) -> Vec<Variable> {
        let Some(table) = value.get_ref().as_table() else {
            self.expected(value, "a table of variables");
            return Vec::new();
        };
        let mut variables = Vec::new();
        for (name, value) in table {
            let text = match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) => number.as_str().to_owned(),
                DeValue::Float(number) => number.as_str().to_owned(),
                DeValue::Boolean(boolean) => boolean.to_string(),
                _ => {
                    self.expected(value, "a string, a number or a boolean");
                    continue;
                }
            };
            variables.push(Variable {
                name: name.get_ref().to_string(),
                value: text,
                origin: self.shown.to_owned(),
                base: self.base.to_owned(),
            });
        }
        variables
    }

    /// A repository must not bring along the program that a mere `plan` of it runs.
    fn program(&mut self, value: &Value<'_>) -> Option<PathBuf> {
        let path = PathBuf::from(self.text(value)?);
        let inside = |path: &Path| {
            let (real, base) = (path.canonicalize(), self.base.canonicalize());
            path.starts_with(self.base)
                || matches!((&real, &base), (Ok(real), Ok(base)) if real.starts_with(base))
        };
        if !path.is_absolute() || inside(&path) {
            self.wrong(
                value.span(),
                format!("`vboxmanage` must be an absolute path outside the directory of {}", self.shown),
                Some("name it with --vboxmanage or VBOXMCP_VBOXMANAGE".to_owned()),
            );
            return None;
        }
        Some(path)
    }
}
