//! A VBoxManage that does something else first: what other people do while vboxmcp is at work.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::home::{Home, path};

/// Runs a shell script once, right before the first call of VBoxManage with some first word.
pub fn meddler(home: &Home, vboxmanage: &Path, word: &str, script: &str) -> PathBuf {
    let folder = home.scratch().join("meddler");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("order"), script).expect("a script");
    let (program, real) = (folder.join("VBoxManage"), path(vboxmanage));
    let text = format!(
        "#!/bin/sh\nif [ \"$1\" = '{word}' ] && mv '{order}' '{order}.done' 2>/dev/null; then\n\
         VBoxManage() {{ '{real}' \"$@\"; }}\n. '{order}.done' >/dev/null\nfi\nexec '{real}' \"$@\"\n",
        order = path(&folder.join("order")),
    );
    fs::write(&program, text).expect("a script");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its permissions");
    let server = folder.join("VBoxSVC");
    if !server.exists() {
        symlink(vboxmanage.with_file_name("VBoxSVC"), server).expect("a link");
    }
    program
}
