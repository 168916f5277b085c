//! Whole commands with their committed output: every script of `tests/cli/` is run in a directory of its own.
//!
//! `VBOXMCP_UPDATE=1 cargo test --test suite cli` writes the output of today into the scripts; what changed is then read in
//! the diff. `script` says what a script may hold, `redact` what is hidden because it is another one each time, `behind`
//! changes the simulated host behind the program's back.

mod behind;
#[cfg(unix)]
mod cancel;
mod redact;
mod script;
mod watch;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use similar::TextDiff;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli")
}

#[expect(clippy::disallowed_methods, reason = "a test is asked by its caller to write what it would compare")]
fn is_update() -> bool {
    std::env::var_os("VBOXMCP_UPDATE").is_some()
}

/// Runs one script and compares, or rewrites it.
fn check(name: &str) {
    let path = folder().join(format!("{name}.txt"));
    let text = std::fs::read_to_string(&path).unwrap();
    let now = script::run(&text);
    if is_update() {
        if now != text {
            std::fs::write(&path, now).unwrap();
        }
        return;
    }
    if now != text {
        let diff = TextDiff::from_lines(&text, &now);
        let shown = diff.unified_diff().context_radius(4).header("committed", "now").to_string();
        panic!("{name}.txt does not print what is committed; VBOXMCP_UPDATE=1 rewrites it:\n{shown}");
    }
}

macro_rules! scripts {
    ($($name:ident),+ $(,)?) => {
        $(#[test] fn $name() { check(stringify!($name)); })+

        #[test]
        fn no_script_is_forgotten() {
            let named: BTreeSet<String> = [$(stringify!($name)),+].map(str::to_owned).into();
            let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
            let there: BTreeSet<String> = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
            assert_eq!(named, there);
        }
    };
}

scripts!(
    adopt,
    commands,
    complaint_a_change_is_silently_not_applied,
    complaint_disks_are_destroyed,
    complaint_disks_have_no_sizes,
    complaint_every_edit_restarts_machines,
    complaint_host_only_interfaces_leak,
    complaint_host_only_is_two_things,
    complaint_media_conflict,
    complaint_names_collide_with_folders,
    complaint_one_broken_machine_breaks_all,
    complaint_ports_collide,
    complaint_snapshots_break_the_comparison,
    complaint_texts_come_back_garbled,
    complaint_the_tool_forgets_its_machines,
    complaint_there_is_no_dry_run,
    complaint_there_is_no_import,
    consent,
    destroy,
    doctor,
    drift,
    explain,
    export,
    failures,
    first,
    graph,
    help,
    init,
    json,
    permissions,
    plans,
    reach,
    renew,
    repair,
    replicas,
    revert,
    runs,
    select,
    snapshot,
    usage,
    validate,
);
