//! A command line as plain data: what the runner spawns, and what errors and `-o commands` show.

use std::fmt;

use crate::model::Secret;

/// One argument of VBoxManage.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Argument {
    text: String,
    secret: bool,
}

/// Whose quoting a script needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// `sh` and its kin.
    Posix,
    /// `PowerShell` 7.3 or later: earlier ones lose double quotes inside arguments.
    PowerShell,
}

impl Shell {
    /// The shell of the platform that this program runs on.
    pub const HERE: Shell = if cfg!(windows) { Shell::PowerShell } else { Shell::Posix };
}

/// The arguments of one call of VBoxManage. Displayed as a shell would want them, secrets left out and long ones cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine(Vec<Argument>, Option<Secret>);

impl CommandLine {
    /// Longest argument that is shown whole.
    const SHOWN: usize = 120;
    /// Longest line that is shown whole.
    const LINE: usize = 400;

    /// A command line of these arguments.
    pub fn of<S: Into<String>>(arguments: impl IntoIterator<Item = S>) -> Self {
        let argument = |text: S| Argument { text: text.into(), secret: false };
        Self(arguments.into_iter().map(argument).collect(), None)
    }

    /// One argument more.
    pub fn push(&mut self, text: impl Into<String>) {
        self.0.push(Argument { text: text.into(), secret: false });
    }

    /// One argument more that must not be shown.
    pub fn push_secret(&mut self, text: impl Into<String>) {
        self.0.push(Argument { text: text.into(), secret: true });
    }

    /// This command line and one argument more.
    #[must_use]
    pub fn arg(mut self, text: impl Into<String>) -> Self {
        self.push(text);
        self
    }

    /// `--flag=value`: the form in which a value may begin with `-`, be empty or hold anything else.
    #[must_use]
    pub fn option(self, flag: &str, value: impl fmt::Display) -> Self {
        self.arg(format!("--{flag}={value}"))
    }

    /// This command line, with a secret for its standard input.
    #[must_use]
    pub fn reading(mut self, input: Secret) -> Self {
        self.1 = Some(input);
        self
    }

    /// What it reads from its standard input.
    pub fn input(&self) -> Option<&Secret> {
        self.1.as_ref()
    }

    /// The arguments.
    pub fn arguments(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|argument| argument.text.as_str())
    }

    /// All of it, quoted for a shell; secrets are `***`.
    pub fn to_script(&self, shell: Shell) -> String {
        match shell {
            Shell::Posix => self.render(usize::MAX),
            Shell::PowerShell => {
                let shown = self.0.iter().map(|argument| {
                    if argument.secret { "'***'".to_owned() } else { quoted_for_powershell(&argument.text) }
                });
                std::iter::once("VBoxManage".to_owned()).chain(shown).collect::<Vec<_>>().join(" ")
            }
        }
    }

    fn render(&self, longest: usize) -> String {
        let mut line = "VBoxManage".to_owned();
        for argument in &self.0 {
            line.push(' ');
            if argument.secret {
                line.push_str("***");
            } else if argument.text.len() <= longest {
                line.push_str(&quoted(&argument.text));
            } else {
                let end = argument.text.floor_char_boundary(longest);
                line.push_str(&quoted(&format!("{}…", &argument.text[..end])));
            }
        }
        line
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.render(Self::SHOWN);
        let end = line.floor_char_boundary(Self::LINE);
        f.write_str(&line[..end])?;
        if end < line.len() { f.write_str(" …") } else { Ok(()) }
    }
}

/// An argument in the quotes that a POSIX shell needs.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-+=./:,@%…".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// An argument in the quotes that `PowerShell` needs, to which typographic quotes are quotes too.
fn quoted_for_powershell(text: &str) -> String {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric()) {
        return text.to_owned();
    }
    let mut quoted = "'".to_owned();
    for c in text.chars() {
        if matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
            quoted.push(c);
        }
        quoted.push(c);
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::{CommandLine, Shell};

    #[test]
    fn a_shell_reads_back_what_is_shown() {
        let line = CommandLine::of(["modifyvm", "x"]).option("description", "it's -\n\"two\"").arg("");
        let shown = line.to_script(Shell::Posix);
        assert_eq!(shown, "VBoxManage modifyvm x '--description=it'\\''s -\n\"two\"' ''");
        let shown = line.to_script(Shell::PowerShell);
        assert_eq!(shown, "VBoxManage modifyvm x '--description=it''s -\n\"two\"' ''");
    }

    #[test]
    fn secrets_and_long_arguments_are_not_shown() {
        let mut line = CommandLine::of(["setextradata", "global", "k"]).arg("é".repeat(100));
        line.push_secret("hunter2");
        assert_eq!(line.to_string(), format!("VBoxManage setextradata global k {}… ***", "é".repeat(60)));
        assert!(!line.to_script(Shell::Posix).contains("hunter2"));
        let long = (0..200).fold(line, |line, number| line.option("option", number));
        assert!(long.to_string().len() < 450 && long.to_script(Shell::Posix).len() > 2000);
    }
}
