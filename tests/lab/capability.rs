//! The table `src/model/capability.json`: what VirtualBox lets be changed in which state.
//!
//! `VBOXMCP_UPDATE=1` writes it anew from the VirtualBox at hand; without, it is compared with it, row by row and text by text.

use std::fs;

use vboxmcp::model::capability;

use crate::Test;
use crate::home::is_set;
use crate::lab::Lab;
use crate::probe;

pub const TESTS: &[Test] = &[("the_table_is_what_virtualbox_says", the_table_is_what_virtualbox_says)];

fn the_table_is_what_virtualbox_says(lab: &Lab) {
    let home = lab.home();
    let found = probe::rows(&home.host(), &home.machines(), &home.scratch());
    if is_set("VBOXMCP_UPDATE") {
        fs::write(probe::file(), probe::text(&found)).unwrap();
        return;
    }
    let wrong = probe::differences(capability::table(), &found);
    assert!(wrong.is_empty(), "{}\nVBOXMCP_UPDATE=1 writes the table anew", wrong.join("\n"));
}
