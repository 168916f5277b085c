//! `init`: a first manifest that plans and applies as it stands.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Kind};
use crate::model::StackName;

/// The manifest. `NAME` stands for the stack.
const MANIFEST: &str = "\
apiVersion: vboxmcp/v1
kind: Stack                          # the owner's name, variables, defaults per kind
metadata: {name: NAME}
spec:
  variables:
    state: {default: poweroff, description: what every machine should be doing}
  defaults:
    VirtualMachine: {osType: Debian_64, memory: 1GiB}
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: NAME-vm}
lifecycle: {onRemove: delete}        # removed by `--prune` when this document is gone
spec:
  cpus: 2
  disks:
    root: {size: 20GiB}
  nics:
    - nat:
        portForwards: {ssh: \"2222:22\"}
  state: ${var.state}                # --var state=running starts it
";

/// Writes a first manifest, `NAME.yaml`, into a folder, and says where it is. A file that is there is never written over.
pub fn first(folder: &Path, name: Option<&StackName>) -> Result<PathBuf, Failure> {
    let stack = match name {
        Some(name) => name.clone(),
        None => stack_of(folder),
    };
    let path = folder.join(format!("{stack}.yaml"));
    let failure = |error: &io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::new(Kind::Usage, format!("{} is there already", path.display()))
                .hint("`--name NAME` gives the new stack, and its file, another name")
        }
        _ => Failure::new(Kind::Other, format!("cannot write {}: {error}", path.display())),
    };
    fs::create_dir_all(folder).map_err(|error| failure(&error))?;
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(&path).map_err(|error| failure(&error))?;
    file.write_all(MANIFEST.replace("NAME", stack.as_str()).as_bytes()).map_err(|error| failure(&error))?;
    Ok(path)
}

/// The folder's name as that of a stack: what a stack's name cannot hold becomes `-`.
fn stack_of(folder: &Path) -> StackName {
    let name = folder.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
        .take(60)
        .collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    StackName::new(name)
        .ok()
        .filter(|name| !name.is_default())
        .or_else(|| StackName::new("lab").ok())
        .unwrap_or_else(StackName::default_stack)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_name_becomes_a_stacks() {
        let stack = |folder: &str| stack_of(Path::new(folder)).to_string();
        assert_eq!(stack("/srv/shop"), "shop");
        assert_eq!(stack("/srv/my lab, új"), "my-lab---j");
        assert_eq!(stack("/srv/.hidden"), "hidden");
        assert_eq!(stack("/"), "lab");
        assert_eq!(stack("/srv/default"), "lab");
    }
}
