//! Words that people bring along from other tools, and what they are called here.

use std::ffi::OsString;

const WORDS: &[(&[&str], &str)] = &[
    (&["up", "create", "deploy", "converge"], "`vboxmcp apply` makes what is declared"),
    (&["down", "rm", "delete", "remove", "teardown"], "`vboxmcp destroy` removes what is declared"),
    (&["diff", "preview", "what-if"], "`vboxmcp plan` shows what would change"),
    (&["--dry-run", "--check", "--noop"], "`vboxmcp plan` shows what would be done and does nothing"),
    (&["refresh", "-refresh-only", "--refresh-only"], "`vboxmcp drift` shows what somebody else changed"),
    (
        &["import", "--import"],
        "`vboxmcp adopt` takes over machines that are there, `vboxmcp export` writes their manifest",
    ),
    (&["ps", "ls", "list", "status", "state"], "`vboxmcp get` lists what VirtualBox has"),
    (&["fmt", "lint"], "`vboxmcp validate` checks manifests"),
    (&["-auto-approve", "--auto-approve", "-y", "--force", "--assume-yes"], "`--yes` goes on without asking"),
    (&["--target", "--exclude", "-l", "--selector"], "`plan`, `apply`, `drift` and `destroy` choose objects"),
    (&["-target"], "`--target ADDRESS` has two dashes"),
    (&["-exclude"], "`--exclude ADDRESS` has two dashes"),
    (&["--limit", "--only"], "`--target ADDRESS` plans for some of the declared objects"),
    (&["-f", "--file", "--filename"], "paths need no flag: `vboxmcp plan lab.yaml`"),
    (&["-var"], "`--var NAME=VALUE` sets a variable"),
    (&["-out", "--out"], "`plan --out FILE` keeps a plan, `show FILE` shows it, `apply --plan FILE` runs it"),
    (&["-json", "--json"], "`-o json` writes JSON"),
    (&["-detailed-exitcode"], "`--detailed-exitcode` has two dashes"),
    (&["-parallelism", "--parallelism"], "vboxmcp knows what VirtualBox can do side by side"),
    (&["watch", "serve"], "this verb is planned and not there yet; README.md says what works today"),
    (&["halt", "poweroff", "shutdown", "kill"], "`vboxmcp stop` shuts machines down"),
    (&["suspend", "hibernate"], "`vboxmcp save` saves a guest's state and stops it"),
    (&["boot", "power-on", "poweron"], "`vboxmcp start` starts machines"),
    (&["reboot", "reload"], "`vboxmcp restart` shuts machines down and starts them again"),
    (&["unpause", "continue", "thaw"], "`vboxmcp resume` lets a held or saved guest go on"),
    (
        &["revert", "rollback"],
        "going back to a snapshot is planned and not there yet: `VBoxManage snapshot VM restore NAME` does it",
    ),
];

/// Hints for words on the command line that belong to other tools, each once.
pub fn hints(words: &[OsString]) -> Vec<&'static str> {
    let mut hints = Vec::new();
    for word in words.iter().skip(1).filter_map(|word| word.to_str()) {
        let word = word.split_once('=').map_or(word, |(word, _)| word);
        let known = WORDS.iter().find(|(names, _)| names.contains(&word));
        if let Some((_, hint)) = known.filter(|(_, hint)| !hints.contains(hint)) {
            hints.push(*hint);
        }
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::hints;

    #[test]
    fn people_from_elsewhere_are_told_the_word() {
        let said = |line: &str| hints(&line.split(' ').map(Into::into).collect::<Vec<_>>()).join("; ");
        assert_eq!(said("vboxmcp up"), "`vboxmcp apply` makes what is declared");
        assert_eq!(said("vboxmcp destroy -auto-approve"), "`--yes` goes on without asking");
        assert_eq!(said("vboxmcp plan -target=vm/x"), "`--target ADDRESS` has two dashes");
        assert_eq!(said("vboxmcp plan --wat"), "");
    }
}
