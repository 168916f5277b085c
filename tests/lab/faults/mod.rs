//! What can go wrong on a real VirtualBox: each fault with its message and exit code, and what the next run makes of it.
//!
//! `host` is a host that lacks something, `rivals` is other people at work, `deaths` is processes that end, `names` is text that breaks
//! things elsewhere.

mod deaths;
mod host;
mod meddler;
mod mounts;
mod names;
mod rivals;

use std::fs;
use std::path::PathBuf;

use crate::home::{Home, Output, path};

pub use self::deaths::TESTS as DEATHS;
pub use self::host::TESTS as HOST;
pub use self::names::TESTS as NAMES;
pub use self::rivals::TESTS as RIVALS;

const ONE: &str = "\
apiVersion: vboxmcp/v1
kind: Stack
metadata: {name: faults}
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: one}
lifecycle: {onRemove: delete}
spec:
  osType: Other
  memory: 32MiB
  stopTimeout: 1s
  disks:
    root: {size: 8MiB}
";

fn write(home: &Home, text: &str) -> PathBuf {
    let file = home.scratch().join("faults.yaml");
    fs::write(&file, text).expect("a manifest in the scratch folder");
    file
}

/// The exit code, and words that stand in what was said.
#[track_caller]
fn expect(said: Output, code: i32, words: &[&str]) -> Output {
    assert_eq!(said.code, Some(code), "{said:?}");
    for word in words {
        assert!(said.stdout.contains(word) || said.stderr.contains(word), "{word:?} is not in {said:?}");
    }
    said
}

fn apply(home: &Home, file: &std::path::Path) -> Output {
    home.vboxmcp(&["apply", path(file), "--yes"])
}

/// The next run ends well, and leaves nothing to do.
#[track_caller]
fn converges(home: &Home, file: &std::path::Path) {
    expect(apply(home, file), 0, &[]);
    is_settled(home, file);
}

#[track_caller]
fn is_settled(home: &Home, file: &std::path::Path) {
    expect(home.vboxmcp(&["plan", path(file), "--detailed-exitcode"]), 0, &[]);
}
