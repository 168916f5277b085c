//! Words that people bring along from other tools, and what they are called here.

use std::ffi::OsString;

const WORDS: &[(&[&str], &str)] = &[
    (&["up", "create", "deploy", "converge", "run"], "`vboxmcp apply` makes what is declared"),
    (
        &["down", "rm", "delete", "remove", "teardown", "-destroy", "--destroy"],
        "`vboxmcp destroy` removes what is declared",
    ),
    (&["diff", "preview", "what-if"], "`vboxmcp plan` shows what would change"),
    (&["--dry-run", "--check", "--noop"], "`vboxmcp plan` shows what would be done and does nothing"),
    (&["refresh", "-refresh-only", "--refresh-only"], "`vboxmcp drift` shows what somebody else changed"),
    (
        &["-refresh", "--refresh"],
        "there is no state to refresh: every plan reads the host, which takes milliseconds",
    ),
    (
        &["import", "--import"],
        "`vboxmcp adopt` takes over machines that are there, `vboxmcp export` writes their manifest",
    ),
    (&["ps", "ls", "list", "status", "state", "images", "top"], "`vboxmcp get` lists what VirtualBox has"),
    (&["inspect", "output"], "`vboxmcp get vm/NAME` shows one machine, `-o json` for programs"),
    (&["logs", "events"], "`vboxmcp runs list` shows what was done, `runs show ID` one run of it"),
    (&["exec", "attach", "console"], "`vboxmcp get -o ssh-config` says how guests are reached"),
    (&["port"], "`vboxmcp get vm/NAME` shows its port-forwards"),
    (
        &["config", "convert"],
        "`vboxmcp validate` checks manifests, `vboxmcp plan -v` shows what they come to",
    ),
    (&["fmt", "lint"], "`vboxmcp validate` checks manifests"),
    (&["version", "-version"], "`vboxmcp --version`"),
    (&["providers", "login", "logout", "get-plugins"], "there are no plug-ins and no service to log in to"),
    (
        &["workspace", "-state", "--state", "-backup"],
        "what belongs together is a stack: a `Stack` document, or `--stack NAME`",
    ),
    (
        &["taint", "untaint", "-replace", "--replace", "--force-recreate"],
        "nothing is made anew to be changed; `-/+` in a plan says of a disk that it is, and why",
    ),
    (
        &["force-unlock", "-lock", "--lock"],
        "a lock ends with the run that holds it; `vboxmcp doctor` says who does",
    ),
    (&["-lock-timeout"], "`--lock-timeout SECONDS` has two dashes"),
    (
        &["-var-file", "--var-file", "--env-file"],
        "variables come from `--var NAME=VALUE`, `VBOXMCP_VAR_NAME` or `[variables]` in vboxmcp.toml",
    ),
    (&["--environment", "-e", "--env"], "`--var NAME=VALUE` sets a variable"),
    (&["-input", "--input"], "nothing is asked but consent, and not without a terminal"),
    (&["-no-color", "--no-color", "--ansi"], "`--color never`, or NO_COLOR"),
    (
        &["-chdir", "--chdir", "-C", "--project-directory"],
        "paths can be given: `vboxmcp plan FOLDER`; `--config FILE` names the configuration",
    ),
    (&["-p", "--project-name"], "`--stack NAME` names a stack"),
    (&["--scale"], "`replicas:` in the manifest says how many"),
    (&["--remove-orphans"], "`--prune` removes what is no longer declared"),
    (&["-d", "--detach"], "machines run without a window, and apply ends when they do"),
    (&["--wait"], "apply waits for what it does"),
    (&["-t", "--timeout"], "`--stop-timeout SECONDS`, or `stopTimeout:` in the manifest"),
    (&["-a", "--all-resources"], "without an address everything is meant"),
    (&["--volumes", "--rmi"], "`--allow destroy-data` lets disks be deleted"),
    (&["build", "pull", "push"], "a disk is made from an `image:` of the manifest by `vboxmcp apply`"),
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
    (&["-parallelism", "--parallelism", "--parallel"], "vboxmcp knows what VirtualBox can do side by side"),
    (&["serve"], "this verb is planned and not there yet; README.md says what works today"),
    (&["halt", "poweroff", "shutdown", "kill"], "`vboxmcp stop` shuts machines down"),
    (&["suspend", "hibernate"], "`vboxmcp save` saves a guest's state and stops it"),
    (&["boot", "power-on", "poweron"], "`vboxmcp start` starts machines"),
    (&["reboot", "reload"], "`vboxmcp restart` shuts machines down and starts them again"),
    (&["unpause", "continue", "thaw"], "`vboxmcp resume` lets a held or saved guest go on"),
    (&["rollback", "restore"], "`vboxmcp revert SNAPSHOT` goes back to a snapshot"),
];

/// Words with one dash that would be read as a flag of one letter and its value: `-lock=false` as `-l` and labels.
const MISREAD: &[&str] = &["-out", "-lock", "-lock-timeout", "-version"];

/// A word that would be taken for something else than is meant.
pub fn misread(words: &[OsString]) -> Option<&str> {
    let mut words = words.iter().skip(1).filter_map(|word| word.to_str());
    words.find(|word| MISREAD.contains(&word.split_once('=').map_or(*word, |(word, _)| word)))
}

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
    use std::ffi::OsString;

    use clap::Parser as _;

    use super::{hints, misread};
    use crate::cli::arguments::Arguments;

    #[test]
    fn people_from_elsewhere_are_told_the_word() {
        let said = |line: &str| hints(&line.split(' ').map(Into::into).collect::<Vec<_>>()).join("; ");
        assert_eq!(said("vboxmcp up"), "`vboxmcp apply` makes what is declared");
        assert_eq!(said("vboxmcp destroy -auto-approve"), "`--yes` goes on without asking");
        assert_eq!(said("vboxmcp plan -target=vm/x"), "`--target ADDRESS` has two dashes");
        assert_eq!(said("vboxmcp plan --wat"), "");
    }

    /// What people of Terraform and of Compose type. Each line is understood, or somebody is told what it is here.
    #[test]
    fn every_flag_of_terraform_and_compose_is_understood_or_told() {
        let terraform = [
            "init",
            "validate",
            "plan",
            "apply",
            "destroy",
            "show lab.plan",
            "graph",
            "fmt",
            "output",
            "refresh",
            "version",
            "import vm/a",
            "state list",
            "taint vm/a",
            "untaint vm/a",
            "force-unlock 1",
            "workspace list",
            "providers",
            "console",
            "login",
            "get",
            "-version",
            "-chdir=lab plan",
            "plan -out=lab.plan",
            "plan -out lab.plan",
            "plan --out lab.plan",
            "plan -target=vm/a",
            "plan --target vm/a",
            "plan -exclude=vm/a",
            "plan -var x=1",
            "plan --var x=1",
            "plan -var-file=x.tfvars",
            "plan -destroy",
            "plan -refresh-only",
            "plan -refresh=false",
            "plan -replace=vm/a",
            "plan -detailed-exitcode",
            "plan --detailed-exitcode",
            "plan -json",
            "plan -no-color",
            "plan -input=false",
            "plan -lock=false",
            "plan -lock-timeout=10s",
            "plan -parallelism=5",
            "plan -state=x",
            "apply -auto-approve",
            "apply --auto-approve",
            "apply -auto-approve -input=false",
            "apply -destroy",
            "apply -backup=x",
            "apply -replace=vm/a",
            "destroy -target vm/a",
            "destroy -auto-approve",
            "show -json lab.plan",
            "graph -json",
        ];
        let compose = [
            "up",
            "up -d",
            "up --detach",
            "up --wait",
            "up --force-recreate",
            "up --scale web=3",
            "up --remove-orphans",
            "up --build",
            "down",
            "down -v",
            "down --volumes",
            "down --rmi all",
            "down -t 5",
            "ps",
            "ps -a",
            "ls",
            "logs web",
            "logs -f",
            "start vm/a",
            "stop vm/a",
            "stop -t 5 vm/a",
            "restart vm/a",
            "pause vm/a",
            "unpause vm/a",
            "kill vm/a",
            "rm vm/a",
            "rm -f",
            "exec web sh",
            "run web",
            "create",
            "images",
            "top",
            "port web 80",
            "pull",
            "push",
            "build",
            "config",
            "convert",
            "events",
            "version",
            "watch",
            "attach web",
            "apply --dry-run",
            "apply -f lab.yaml",
            "apply --file lab.yaml",
            "-p lab apply",
            "--project-name lab apply",
            "--project-directory lab apply",
            "apply --env-file x",
            "apply --profile x",
            "--ansi never apply",
            "apply --parallel 3",
            "apply --no-color",
            "apply --wait",
            "apply -e x=1",
        ];
        let mut lost = Vec::new();
        for line in terraform.iter().chain(&compose) {
            let words: Vec<OsString> =
                std::iter::once("vboxmcp").chain(line.split(' ')).map(Into::into).collect();
            let is_told = match Arguments::try_parse_from(&words) {
                Ok(_) => misread(&words).is_none_or(|_| !hints(&words).is_empty()),
                Err(error) => {
                    let text = error.render().to_string();
                    !error.use_stderr() || !hints(&words).is_empty() || text.contains("tip:")
                }
            };
            if !is_told {
                lost.push(*line);
            }
        }
        assert!(lost.is_empty(), "nobody says anything to these: {lost:#?}");
        // A flag of one letter is not what they mean.
        assert_eq!(misread(&["vboxmcp".into(), "plan".into(), "-lock=false".into()]), Some("-lock=false"));
    }
}
