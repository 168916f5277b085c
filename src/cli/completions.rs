//! `vboxmcp completions`, `vboxmcp man`

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::arguments::Arguments as Line;
use super::session::Session;
use crate::failure::{Exit, Failure, Kind};
use crate::render::text::{count, printable};

/// Print what lets a shell complete vboxmcp's verbs and flags
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp completions bash > ~/.local/share/bash-completion/completions/vboxmcp
  vboxmcp completions zsh > ~/.zfunc/_vboxmcp
  vboxmcp completions fish > ~/.config/fish/completions/vboxmcp.fish
  vboxmcp completions powershell >> $PROFILE")]
pub struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Line::command(), "vboxmcp", &mut script);
    session.print(|out, _| out.write_all(&script))?;
    Ok(Exit::Done)
}

/// Write the manual pages into a folder
///
/// One page for vboxmcp and one for each verb, in section 1. The folder is made where it is missing.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp man ~/.local/share/man/man1     then `man vboxmcp-plan`")]
pub struct ManArguments {
    /// The folder
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

pub fn man(session: &Session, arguments: &ManArguments) -> Result<Exit, Failure> {
    let folder = session.environment.directory.join(&arguments.folder);
    let failure = |error: std::io::Error| {
        Failure::new(Kind::Other, format!("cannot write manual pages into {}: {error}", folder.display()))
    };
    let pages = pages()?;
    std::fs::create_dir_all(&folder).map_err(failure)?;
    for (name, page) in &pages {
        std::fs::write(folder.join(format!("{name}.1")), page).map_err(failure)?;
    }
    session.status(&format!(
        "{} in {}",
        count(pages.len(), "manual page"),
        printable(&arguments.folder.display().to_string())
    ));
    Ok(Exit::Done)
}

/// The pages by their names.
fn pages() -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut line = Line::command();
    // Gives the verbs their whole names, `vboxmcp-plan`.
    line.build();
    let mut pages = Vec::new();
    let mut commands = vec![&line];
    while let Some(command) = commands.pop() {
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone()).render(&mut page)?;
        pages.push((command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned(), page));
        let told = |command: &&clap::Command| command.get_name() != "help" && !command.is_hide_set();
        commands.extend(command.get_subcommands().filter(told));
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_completes_every_verb() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Line::command(), "vboxmcp", &mut script);
            let script = String::from_utf8(script).unwrap();
            for verb in Line::command().get_subcommands() {
                assert!(script.contains(verb.get_name()), "{shell}: {}", verb.get_name());
            }
        }
    }

    #[test]
    fn every_verb_has_a_page() {
        let pages = pages().unwrap();
        let page = |name: &str| pages.iter().find(|(n, _)| n == name).map(|(_, page)| page.clone());
        for verb in Line::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let page = page(&format!("vboxmcp-{}", verb.get_name()));
            let text = String::from_utf8(page.unwrap_or_else(|| panic!("{}", verb.get_name()))).unwrap();
            assert!(text.contains(&format!(".TH vboxmcp-{} 1", verb.get_name())), "{text}");
        }
        assert!(page("vboxmcp-runs-list").is_some() && page("vboxmcp-native-helper").is_none());
        let plan = String::from_utf8(page("vboxmcp-plan").unwrap()).unwrap();
        assert!(plan.contains("destroy\\-data") && plan.contains("Examples:"), "{plan}");
    }
}
