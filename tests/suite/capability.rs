//! The simulated VirtualBox lets the same be changed in the same states as the real one, and refuses with the same words.

use vboxmcp::host::sim::SimHost;
use vboxmcp::model::capability;

use crate::probe;

#[test]
fn the_simulated_host_agrees_with_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let host = SimHost::in_memory_below(&root);
    let found = probe::rows(&host, &root.join("machines"), &root);
    let wrong = probe::differences(capability::table(), &found);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_is_written_by_the_probe() {
    let committed = std::fs::read_to_string(probe::file()).unwrap();
    assert_eq!(committed, probe::text(capability::table()));
}
