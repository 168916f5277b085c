//! `vboxmcp inventory`

use std::path::PathBuf;

use clap::Args;

use super::session::Session;
use crate::failure::{Exit, Failure};
use crate::ops::{self, InventoryRequest};

/// Write down the host, for plans that are made elsewhere.
///
/// Prints one JSON document with all that planning needs: machines, media, the stacks' registers, and what lies in the folders that new
/// machines and disks go into. `plan --inventory FILE` then plans without the host, with the same hash as on it: relative paths in manifests start
/// below `--root` there as they start below the working directory here. Holds what VirtualBox's settings hold, guest
/// properties included. Starts nothing and changes nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp inventory --root /srv/lab > host.json     on the host, where /srv/lab is the checkout
  vboxmcp plan lab.yaml --inventory host.json       in the checkout of a CI job
  vboxmcp inventory --folder /srv/disks             where manifests put disks besides the machine folder")]
pub struct Arguments {
    /// The folder of this host that the manifests are checked out in
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// A folder that new machines or disks may go into; may be given more than once
    #[arg(long = "folder", value_name = "DIR")]
    pub folders: Vec<PathBuf>,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let context = session.context()?;
    let request = InventoryRequest { root: arguments.root.clone(), folders: arguments.folders.clone() };
    let document = ops::inventory(&context, &request)?;
    let bytes = ops::inventory_bytes(&document)?;
    session.print(|out, _| out.write_all(&bytes))?;
    Ok(Exit::Done)
}
