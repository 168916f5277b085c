//! Paths by their letters.

use std::path::{Component, Path, PathBuf};

/// A path without `.` and `..`, by its letters only: symbolic links are kept as they are written.
pub fn lexical(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                let has_parent = matches!(result.components().next_back(), Some(Component::Normal(_)));
                if has_parent {
                    result.pop();
                } else if !result.has_root() {
                    result.push(component);
                }
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => result.push(component),
        }
    }
    result
}
